/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * httpd: both servers as they run in the service, with a real store. No route of one table answers on the other's listener,
 * every route refuses every other method, and docs/reference/api.md names every route.
 */
#include "httpd.h"

#include "cleanup.h"
#include "http.h"
#include "request.h"

#include "tap.h"
#include "tuf_repository.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static char dir[] = "/tmp/vmcast-test-httpd.XXXXXX";

/* A port that nobody listens on. */
static uint16_t free_port(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	CLEANUP(close_fd) int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&addr, len) < 0 || getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return 0;
	return ntohs(addr.sin_port);
}

static struct config *load_config(uint16_t port)
{
	struct config *config = NULL;
	struct err err = { 0 };
	char path[128];

	snprintf(path, sizeof(path), "%s/vmcastd.conf", dir);
	CLEANUP(close_file) FILE *to = fopen(path, "w");

	fprintf(to, "listen = 127.0.0.1:%u\nstate_dir = %s/state\nrun_dir = %s\nsocket = %s/api.sock\n", port, dir, dir,
		dir);
	fflush(to);
	if (config_load(&config, path, &err) < 0)
		printf("# %s\n", err.text);
	return config;
}

/* A path of the route's form: nothing is there by these names. */
static void fill_path(char *out, size_t room, const char *pattern)
{
	static const struct {
		const char *placeholder, *value;
	} values[] = { { "{id}", "0123456789abcdef" },
		       { "{hash}", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" },
		       { "{image}", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" },
		       { "{delta}", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef-"
				    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" },
		       { "{mac}", "52:54:00:12:34:56" },
		       { "{guest}", "525400123456-0123456789abcdef" },
		       { "{file}", "vmlinuz" } };
	const char *brace = strchr(pattern, '{');

	snprintf(out, room, "%s", pattern);
	for (size_t i = 0; brace && i < sizeof(values) / sizeof(values[0]); i++) {
		size_t len = strlen(values[i].placeholder);

		if (strncmp(brace, values[i].placeholder, len) == 0)
			snprintf(out, room, "%.*s%s%s", (int)(brace - pattern), pattern, values[i].value, brace + len);
	}
}

/* The answer's status, or a negative errno value. */
static int ask(struct http *http, uint16_t port, const char *method, const char *pattern)
{
	struct http_response rs = { 0 };
	struct err err = { 0 };
	char path[256], url[320];

	fill_path(path, sizeof(path), pattern);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, path);
	const struct http_request rq = { .method = method, .url = url, .body_bytes_max = 1 << 20 };
	int rc = http_perform(http, &rq, &rs, &err);

	return rc < 0 ? rc : rs.status;
}

static bool in_table(const struct route *table, const char *method, const char *path)
{
	for (; table->method; table++)
		if (strcmp(table->path, path) == 0 && (!method || strcmp(table->method, method) == 0))
			return true;
	return false;
}

static void routes_stay_on_their_side(struct http *http, uint16_t port, const struct route *other,
				      const struct route *own, const char *side)
{
	for (; other->method; other++)
		if (!in_table(own, NULL, other->path))
			ok(ask(http, port, other->method, other->path) == 404, "%s %s is nothing for %s", other->method,
			   other->path, side);
}

static void other_methods_are_refused(struct http *http, uint16_t port, const struct route *own, const char *side)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS" };

	for (const struct route *route = own; route->method; route++)
		for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
			if (!in_table(own, methods[i], route->path))
				ok(ask(http, port, methods[i], route->path) == 405, "%s %s is refused to %s",
				   methods[i], route->path, side);
}

static void routes_are_documented(const struct route *table)
{
	static char text[256 << 10];
	CLEANUP(close_file) FILE *from = fopen("docs/reference/api.md", "r");

	if (!text[0] && from)
		text[fread(text, 1, sizeof(text) - 1, from)] = '\0';
	for (; table->method; table++) {
		char heading[128];

		snprintf(heading, sizeof(heading), "`%s %s`", table->method, table->path);
		ok(strstr(text, heading), "docs/reference/api.md has %s", heading);
	}
}

static void paths_match_their_form_only(void)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} cases[] = {
		{ "/", "/", true },
		{ "/v1/feeds", "/v1/feeds", true },
		{ "/v1/feeds", "/v1/feeds/", false },
		{ "/v1/feeds", "/v1", false },
		{ "/v1/feeds", "v1/feeds", false },
		{ "/v1/feeds/{id}", "/v1/feeds/0123456789abcdef", true },
		{ "/v1/feeds/{id}", "/v1/feeds/0123456789ABCDEF", false },
		{ "/v1/feeds/{id}", "/v1/feeds/0123456789abcde", false },
		{ "/v1/feeds/{id}", "/v1/feeds/0123456789abcdef0", false },
		{ "/v1/feeds/{id}", "/v1/feeds/..", false },
		{ "/v1/feeds/{id}/refresh", "/v1/feeds/0123456789abcdef/refresh", true },
		{ "/v1/machines/{mac}", "/v1/machines/52:54:00:12:34:56", true },
		{ "/v1/machines/{mac}", "/v1/machines/525400123456", false },
		{ "/v1/guests/{guest}", "/v1/guests/525400123456-0123456789abcdef", true },
		{ "/v1/guests/{guest}", "/v1/guests/52540012345g-0123456789abcdef", false },
		{ "/v1/guests/{guest}", "/v1/guests/525400123456-0123456789abcdeg", false },
		{ "/v1/guests/{guest}", "/v1/guests/5254001234560-0123456789abcde", false },
		{ "/v1/guests/{guest}", "/v1/guests/525400123456.0123456789abcdef", false },
		{ "/v1/guests/{guest}", "/v1/guests/525400123456-0123456789abcdef0", false },
		{ "/env/{file}", "/env/initramfs-virtio", true },
		{ "/env/{file}", "/env/.hidden", false },
		{ "/env/{file}", "/env/..", false },
		{ "/env/{file}", "/env/", false },
		{ "/env/{file}", "/env/a b", false },
	};
	char param[REQUEST_PARAM_MAX];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(route_match(cases[i].pattern, cases[i].path, param) == cases[i].matches, "'%s' %s %s", cases[i].path,
		   cases[i].matches ? "is" : "is not", cases[i].pattern);
}

int main(void)
{
	struct err err = { 0 };
	struct store *store = NULL;
	struct worker *worker = NULL;
	struct dnsmasq *dnsmasq = NULL;
	struct httpd *httpd = NULL, *second = NULL;
	struct tuf_repository *trust = NULL;
	struct http *network = NULL, *local = NULL;
	char socket_path[128], state[128];
	uint16_t port = free_port();

	setenv("VMCAST_DEBUG", "", 1);
	paths_match_their_form_only();
	routes_are_documented(routes_machine);
	routes_are_documented(routes_operator);
	if (!mkdtemp(dir))
		return 1;
	struct config *config = load_config(port);

	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(socket_path, sizeof(socket_path), "%s/api.sock", dir);
	const struct http_options to_socket = { .unix_socket = socket_path }, to_network = { 0 };

	if (!ok(config && store_open(&store, state, &err) == 0 && worker_start(&worker, config, store, &err) == 0 &&
			dnsmasq_new(&dnsmasq, config, &err) == 0 &&
			tuf_repository_start(&trust, config, store, &err) == 0 &&
			httpd_start(&httpd, config, store, worker, dnsmasq, trust, &err) == 0 &&
			http_open(&network, &to_network, &err) == 0 && http_open(&local, &to_socket, &err) == 0,
		"both servers start"))
		printf("# %s\n", err.text);
	else {
		routes_stay_on_their_side(network, port, routes_operator, routes_machine, "machines");
		routes_stay_on_their_side(local, port, routes_machine, routes_operator, "operators");
		other_methods_are_refused(network, port, routes_machine, "machines");
		other_methods_are_refused(local, port, routes_operator, "operators");
		is_int(httpd_start(&second, config, store, worker, dnsmasq, trust, &err), -EADDRINUSE,
		       "a second service is refused");
		is_int(ask(local, port, "GET", "/v1/status"), 200, "and the first one still answers on its socket");
	}
	http_close(&network);
	http_close(&local);
	httpd_stop(&httpd);
	is_int(access(socket_path, F_OK), -1, "stopping removes the socket");
	tuf_repository_stop(&trust);
	dnsmasq_free(&dnsmasq);
	worker_stop(&worker);
	store_close(&store);
	config_free(&config);
	char command[160];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) || done_testing();
}
