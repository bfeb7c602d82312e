/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_api: asking the service, through its unix socket or over HTTPS. See vmcast_cli.h */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "http.h"
#include "json.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define TOKEN_BYTES_MAX 256

/* 65536 machines with inventories; the service is trusted, the limit only ends a mistake. */
#define ANSWER_BYTES_MAX (1ull << 30)

/* A response body that grows. */
struct answer {
	char *text;
	size_t len;
};

static int keep_body(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct answer *answer = ctx;
	char *text = realloc(answer->text, answer->len + len);

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(text + answer->len, data, len);
	answer->text = text;
	answer->len += len;
	return 0;
}

/* The file's first line. `out` has TOKEN_BYTES_MAX + 1 bytes. */
static int read_token_file(char *out, const char *path, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "token: open '%s': %s", path, strerror(errno));
	if (S_ISREG(st.st_mode) && st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(err, -EACCES,
			       "token: '%s': its mode is %04o, others than its owner could read it (chmod 600)", path,
			       st.st_mode & 07777);
	ssize_t got = read(fd, out, TOKEN_BYTES_MAX);

	if (got < 0)
		return err_set(err, -errno, "token: read '%s': %s", path, strerror(errno));
	out[got] = '\0';
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

static int take_token(struct cli *cli, struct err *err)
{
	const char *from_environment = getenv("VMCAST_TOKEN");

	if (cli->token)
		return 0;
	cli->token = calloc(1, TOKEN_BYTES_MAX + 1);
	if (!cli->token)
		return err_set(err, -ENOMEM, "out of memory");
	if (cli->token_file && read_token_file(cli->token, cli->token_file, err) < 0)
		return err->code;
	if (!cli->token_file && from_environment)
		snprintf(cli->token, TOKEN_BYTES_MAX + 1, "%s", from_environment);
	for (const char *c = cli->token; *c; c++)
		if (*c <= ' ' || *c > '~')
			return err_set(err, -EINVAL, "the token has a character that no token has");
	return cli->token[0] ? 0
			     : err_set(err, -EINVAL,
				       "--server needs a token (--token-file FILE, or the environment's VMCAST_TOKEN)");
}

/* The token goes nowhere but to a server that has shown who it is. */
static int open_server(struct cli *cli, struct err *err)
{
	if (strncmp(cli->server, "https://", strlen("https://")) != 0)
		return err_set(err, -EINVAL, "--server: write https://HOST:PORT; a token is not sent without TLS");
	if (!cli->ca)
		return err_set(err, -EINVAL, "--server needs --ca FILE as well");
	if (take_token(cli, err) < 0)
		return err->code;
	const struct http_options options = { .schemes = "https",
					      .ca_file = cli->ca,
					      .credentials_url = cli->server,
					      .token = cli->token,
					      .stall_s = 60 };

	return http_open(&cli->http, &options, err);
}

static int open_http(struct cli *cli, struct err *err)
{
	const struct http_options options = { .schemes = "http", .unix_socket = cli->socket, .stall_s = 60 };

	if (cli->http)
		return 0;
	return cli->server ? open_server(cli, err) : http_open(&cli->http, &options, err);
}

void api_end(struct cli *cli)
{
	http_close(&cli->http);
	if (cli->token)
		explicit_bzero(cli->token, TOKEN_BYTES_MAX);
	free(cli->token);
	cli->token = NULL;
}

static int unreachable(const struct cli *cli, struct err *err)
{
	if (cli->server)
		return err_wrap(err, "vmcastd cannot be reached");
	return err_wrap(err,
			"vmcastd cannot be reached (does it run? '%s' is for root and its group, vmcast by default)",
			cli->socket);
}

/* Where a path of the API is. Caller frees. */
static int make_url(char **out, const struct cli *cli, const char *path, struct err *err)
{
	const char *base = cli->server ? cli->server : "http://vmcastd";
	size_t len = strlen(base);

	len -= base[len - 1] == '/';
	if (asprintf(out, "%.*s%s", (int)len, base, path) >= 0)
		return 0;
	*out = NULL;
	return err_set(err, -ENOMEM, "out of memory");
}

/* The "error" of a refusal, in the service's words. */
static int refusal(const struct http_response *rs, struct err *err)
{
	struct err ignored = { 0 };
	CLEANUP(json_free) json_t *json = NULL;
	const char *text = NULL;
	char quoted[600];
	int code = rs->status == 404 ? -ENOENT : rs->status == 400 ? -EINVAL : rs->status == 409 ? -EBUSY : -EIO;

	if (json_parse_object(&json, rs->error_body, strlen(rs->error_body), &ignored) == 0)
		json_want_string(&text, json, "error", sizeof(rs->error_body), &ignored);
	if (!text)
		return err_set(err, code, "the service answers with status %d", rs->status);
	/* One line, but with the quotes that the service put there. */
	snprintf(quoted, sizeof(quoted), "%s", text);
	for (char *p = quoted; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return err_set(err, code, "%s", quoted);
}

int api_call(struct cli *cli, const char *method, const char *path, json_t *body, json_t **out, struct err *err)
{
	CLEANUP(free_str) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	CLEANUP(free_str) char *url = NULL;
	struct answer answer = { 0 };
	struct http_response rs = { 0 };
	int rc;

	json_decref(body);
	if ((rc = make_url(&url, cli, path, err)) < 0 || (rc = open_http(cli, err)) < 0)
		return rc;
	const struct http_request rq = { .method = method,
					 .url = url,
					 .json = text,
					 .body_bytes_max = ANSWER_BYTES_MAX,
					 .on_body = keep_body,
					 .ctx = &answer };

	rc = http_perform(cli->http, &rq, &rs, err);
	CLEANUP(free_str) char *received = answer.text;

	if (rc == -ECONNREFUSED)
		return unreachable(cli, err);
	if (rc < 0)
		return err_wrap(err, "asking vmcastd");
	if (rs.status >= 300)
		return refusal(&rs, err);
	if (!out)
		return 0;
	rc = json_parse_object(out, received ? received : "", answer.len, err);
	return rc < 0 ? err_wrap(err, "the service's answer") : 0;
}

static bool has_name(const json_t *row, const char *name, const char *const *keys)
{
	for (; *keys; keys++)
		if (strcmp(row_text(row, *keys), name) == 0)
			return true;
	return false;
}

static bool has_id_prefix(const json_t *row, const char *name)
{
	return name[0] && strncmp(row_text(row, "id"), name, strlen(name)) == 0;
}

/* A whole id or name beats the beginning of another's id, so that a title such as "beef" can be named. */
static int find(json_t **out, const json_t *rows, const char *what, const char *name, const char *const *keys,
		struct err *err)
{
	const json_t *found = NULL;
	char quoted[200], candidates[300] = "";
	size_t nr, exact = 0, prefixed = 0;
	json_t *row;

	json_array_foreach(rows, nr, row) exact += has_name(row, name, keys);
	json_array_foreach(rows, nr, row)
	{
		if (exact ? !has_name(row, name, keys) : !has_id_prefix(row, name))
			continue;
		size_t len = strlen(candidates);

		snprintf(candidates + len, sizeof(candidates) - len, " %s", row_text(row, "id"));
		found = row;
		prefixed++;
	}
	log_quote(quoted, sizeof(quoted), name);
	if (!found)
		return err_set(err, -ENOENT, "there is no %s '%s' (vmcast %s list shows them)", what, quoted, what);
	if (prefixed > 1)
		return err_set(err, -EINVAL, "'%s' names several %ss:%s; give one's id", quoted, what, candidates);
	*out = json_incref((json_t *)found);
	return 0;
}

int api_find_feed(struct cli *cli, json_t **out, const char *name, struct err *err)
{
	static const char *const keys[] = { "id", "url", "title", NULL };
	CLEANUP(json_free) json_t *json = NULL;
	int rc = api_call(cli, "GET", "/v1/feeds", NULL, &json, err);

	return rc < 0 ? rc : find(out, json_object_get(json, "feeds"), "feed", name, keys, err);
}

int api_find_guest(struct cli *cli, json_t **out, const char *name, struct err *err)
{
	static const char *const keys[] = { "id", "name", NULL };
	CLEANUP(json_free) json_t *json = NULL;
	int rc = api_call(cli, "GET", "/v1/guests", NULL, &json, err);

	return rc < 0 ? rc : find(out, json_object_get(json, "guests"), "guest", name, keys, err);
}

int api_find_item(struct cli *cli, json_t **out, const char *name, struct err *err)
{
	static const char *const keys[] = { "id", "title", NULL };
	CLEANUP(json_free) json_t *json = NULL;
	int rc = api_call(cli, "GET", "/v1/items", NULL, &json, err);

	return rc < 0 ? rc : find(out, json_object_get(json, "items"), "item", name, keys, err);
}
