/* SPDX-License-Identifier: GPL-2.0-or-later */
/* httpd: see httpd.h */
#include "httpd.h"

#include "cleanup.h"
#include "config_value.h"
#include "connections.h"
#include "env_files.h"
#include "guest_console.h"
#include "listen.h"
#include "log.h"
#include "request.h"
#include "routes_guest.h"
#include "tls_identity.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS                   2
#define OPERATORS_MAX             64
#define OPERATORS_PER_ADDRESS_MAX 16
#define GRACE_S                   5

/* A priority string of GnuTLS. With the certificate's ECDSA key every cipher suite has forward secrecy. */
#define TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* One of the servers. */
struct side {
	struct httpd *httpd;
	const char *name;
	const struct route *routes;
	bool is_operators; /* whoever asks has a name and a role: */
	bool by_token;     /* those of his token; else those that the socket's other end has */
	bool is_tls;
	struct MHD_Daemon *daemon;
};

struct httpd {
	struct server server;
	struct env_files env;
	struct connections *connections;
	struct side machines;
	struct side machines_tls;
	struct side operators;
	struct side network_operators;
	struct failed_logins *failed_logins;
	struct tls_identity *identity; /* NULL: nobody is served over TLS */
};

/* A request while it comes in. Lives from its request line to the end of its answer. */
struct incoming {
	struct request rq;
	const struct route *route; /* NULL until the headers are complete */
	bool plain_path; /* the path has only characters that our own paths are made of, none of them encoded */
};

static struct connection *connection_of(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void on_connection(void *arg, struct MHD_Connection *conn, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct side *side = arg;
	struct connections *connections = side->httpd->connections;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);

		*context =
			connection_opened(connections, info->connect_fd, side->httpd->server.config->header_timeout_s);
	} else if (*context) {
		connection_closed(connections, *context);
		*context = NULL;
	}
}

/* The request line is complete. `uri` is as it was sent, before anything is decoded. */
static void *on_uri(void *arg, const char *uri, struct MHD_Connection *conn)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._:-";
	struct side *side = arg;
	struct incoming *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->rq.server = &side->httpd->server;
	in->rq.conn = conn;
	in->plain_path = uri[strspn(uri, plain)] == '\0' || uri[strspn(uri, plain)] == '?';
	return in;
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **context, enum MHD_RequestTerminationCode code)
{
	struct side *side = arg;
	struct incoming *in = *context;
	struct connection *connection = connection_of(conn);
	const struct config *config = side->httpd->server.config;

	(void)code;
	if (connection)
		connection_waiting(side->httpd->connections, connection,
				   config->idle_timeout_s + config->header_timeout_s);
	if (in)
		free(in->rq.body);
	free(in);
	*context = NULL;
}

/* On the network nobody learns anything before he has shown a token that is right. Else the answer is made. */
static bool log_in(struct incoming *in, const struct side *side)
{
	struct request *rq = &in->rq;
	struct err err = { 0 }, ignored;
	char wait[16];
	unsigned wait_s;

	if (!side->by_token) {
		login_by_socket(&rq->login,
				MHD_get_connection_info(rq->conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
		return true;
	}
	const struct sockaddr *peer =
		MHD_get_connection_info(rq->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
	int rc = login_by_token(&rq->login, &wait_s, side->httpd->failed_logins, rq->server->store, peer,
				MHD_lookup_connection_value(rq->conn, MHD_HEADER_KIND, "Authorization"), &err);

	if (rc == 0)
		return true;
	if (rc == -EACCES || rc == -EAGAIN)
		reply_json(rq, rc == -EACCES ? MHD_HTTP_UNAUTHORIZED : MHD_HTTP_TOO_MANY_REQUESTS,
			   json_pack("{s:s}", "error", err.text), &ignored);
	else
		reply_error(rq, &err);
	snprintf(wait, sizeof(wait), "%u", wait_s);
	if (rq->response && rc == -EACCES)
		MHD_add_response_header(rq->response, "WWW-Authenticate", "Bearer");
	else if (rq->response && rc == -EAGAIN)
		MHD_add_response_header(rq->response, "Retry-After", wait);
	return false;
}

/* Else the answer is made. */
static bool has_role(struct incoming *in, const struct side *side, const char *method)
{
	struct request *rq = &in->rq;
	struct err err = { 0 };

	if (!side->is_operators || rq->login.role >= in->route->role)
		return true;
	log_warn("http: %s, role %s: %s %s refused: needs role %s", rq->login.who, role_names[rq->login.role], method,
		 in->route->path, role_names[in->route->role]);
	err_set(&err, -EACCES, "this needs role %s, the token has role %s", role_names[in->route->role],
		role_names[rq->login.role]);
	reply_error(rq, &err);
	return false;
}

/* Fill `in->route`, or answer: 404, or 405 with the methods that there are. */
static void find_route(struct incoming *in, const struct side *side, const char *method, const char *path)
{
	const char *wanted = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0 ? MHD_HTTP_METHOD_GET : method;
	char allow[64] = "";
	struct err err = { 0 };

	for (const struct route *route = side->routes; route->method; route++) {
		if (!in->plain_path || !route_match(route->path, path, in->rq.param))
			continue;
		if (strcmp(route->method, wanted) == 0) {
			in->route = route;
			return;
		}
		size_t len = strlen(allow);

		snprintf(allow + len, sizeof(allow) - len, "%s%s%s", len ? ", " : "", route->method,
			 strcmp(route->method, MHD_HTTP_METHOD_GET) == 0 ? ", HEAD" : "");
	}
	if (!allow[0]) {
		err_set(&err, -ENOENT, "there is nothing at this address");
		reply_error(&in->rq, &err);
		return;
	}
	reply_json(&in->rq, MHD_HTTP_METHOD_NOT_ALLOWED,
		   json_pack("{s:s}", "error", "this method is not for this address"), &err);
	if (in->rq.response)
		MHD_add_response_header(in->rq.response, "Allow", allow);
}

/* Consoles are longer than anything else that is sent here. */
static size_t body_max(const struct incoming *in)
{
	return in->route->handle == routes_guest_report ? ROUTES_GUEST_BODY_MAX : REQUEST_BODY_MAX;
}

/* Whether the announced body may come; otherwise the answer is made. */
static bool accept_body(struct incoming *in)
{
	const char *length = MHD_lookup_connection_value(in->rq.conn, MHD_HEADER_KIND, "Content-Length");
	const char *type = MHD_lookup_connection_value(in->rq.conn, MHD_HEADER_KIND, "Content-Type");
	bool has_body = (length && strcmp(length, "0") != 0) ||
			MHD_lookup_connection_value(in->rq.conn, MHD_HEADER_KIND, "Transfer-Encoding");
	struct err err = { 0 };

	if (!has_body)
		return true;
	/* What is no number is refused by libmicrohttpd itself. */
	if (length && strtoull(length, NULL, 10) > body_max(in)) {
		reply_json(&in->rq, MHD_HTTP_CONTENT_TOO_LARGE,
			   json_pack("{s:o}", "error",
				     json_sprintf("the body is longer than %zu KiB", body_max(in) >> 10)),
			   &err);
		return false;
	}
	if (!type || strncasecmp(type, "application/json", strlen("application/json")) != 0) {
		reply_json(&in->rq, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			   json_pack("{s:s}", "error", "the body must be application/json"), &err);
		return false;
	}
	return true;
}

static bool add_to_body(struct request *rq, const char *data, size_t len, size_t max)
{
	if (len > max - rq->body_bytes)
		return false;
	char *body = realloc(rq->body, rq->body_bytes + len + 1);

	if (!body)
		return false;
	memcpy(body + rq->body_bytes, data, len);
	rq->body = body;
	rq->body_bytes += len;
	rq->body[rq->body_bytes] = '\0';
	return true;
}

static void run_handler(struct incoming *in, const struct side *side, const char *method, const char *path)
{
	struct err err = { 0 };

	if (in->route->handle(&in->rq, &err) == 0)
		return;
	reply_error(&in->rq, &err);
	if (in->rq.status >= MHD_HTTP_INTERNAL_SERVER_ERROR)
		log_warn("http: %s %s: %s", method, path, err.text);
	else
		log_debug("http", "http: %s: %s %s: %s", side->name, method, path, err.text);
}

static enum MHD_Result send_answer(struct incoming *in)
{
	if (!in->rq.response)
		return MHD_NO;
	enum MHD_Result queued = MHD_queue_response(in->rq.conn, in->rq.status, in->rq.response);

	MHD_destroy_response(in->rq.response);
	in->rq.response = NULL;
	return queued;
}

/* Called when the headers are complete, for each piece of the body, and once more at the end. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn, const char *path, const char *method,
				  const char *version, const char *data, size_t *data_len, void **context)
{
	struct side *side = arg;
	struct incoming *in = *context;

	(void)version;
	if (!in)
		return MHD_NO;
	if (!in->route) {
		if (side->is_operators && !log_in(in, side))
			return send_answer(in);
		find_route(in, side, method, path);
		return in->route && has_role(in, side, method) && accept_body(in) ? MHD_YES : send_answer(in);
	}
	if (*data_len) {
		bool taken = add_to_body(&in->rq, data, *data_len, body_max(in));

		*data_len = 0;
		return taken ? MHD_YES : MHD_NO;
	}
	struct connection *connection = connection_of(conn);

	if (connection)
		connection_answering(side->httpd->connections, connection);
	run_handler(in, side, method, path);
	log_debug("http", "http: %s: %s %s: %u", side->name, method, path, in->rq.status);
	if (side->is_operators && strcmp(in->route->method, MHD_HTTP_METHOD_GET) != 0)
		log_info("http: %s: %s %s: %u", in->rq.login.who, method, path, in->rq.status);
	return send_answer(in);
}

/* What libmicrohttpd has to say: peers that break off, mostly. */
__attribute__((format(printf, 2, 0))) static void on_log(void *arg, const char *fmt, va_list ap)
{
	const struct side *side = arg;
	char line[256];

	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("http", "http: %s: %s", side->name, line);
}

/* `fd` becomes the server's. */
static int start_side(struct side *side, int fd, uint64_t connections_max, uint64_t per_address_max, struct err *err)
{
	const struct config *config = side->httpd->server.config;
	const struct MHD_OptionItem options[] = {
		{ MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_log, side },
		{ MHD_OPTION_LISTEN_SOCKET, fd, NULL },
		{ MHD_OPTION_THREAD_POOL_SIZE, THREADS, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, (intptr_t)connections_max, NULL },
		{ MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)per_address_max, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)config->idle_timeout_s, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)config->header_bytes_max, NULL },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, side },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_uri, side },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, side },
		{ side->is_tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, 0, tls_identity_retrieve },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, TLS_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG;

	side->daemon = MHD_start_daemon(side->is_tls ? flags | MHD_USE_TLS : flags, 0, NULL, NULL, on_request, side,
					MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (side->daemon)
		return 0;
	close(fd);
	return err_set(err, -EIO, "start the HTTP server for %s: %s", side->name, strerror(errno));
}

/* `listen`: ADDRESS:PORT. */
static int start_tls_side(struct side *side, const char *listen, uint64_t connections_max, uint64_t per_address_max,
			  struct err *err)
{
	CLEANUP(free_str) char *host = NULL;
	uint16_t port;

	if (config_value_parse_listen(&host, &port, listen, err) < 0)
		return err->code;
	int fd = listen_tcp(host, port, err);
	return fd < 0 ? fd : start_side(side, fd, connections_max, per_address_max, err);
}

/* The certificate that all who are served over TLS are shown. */
static int open_identity(struct httpd *h, struct err *err)
{
	const struct config *config = h->server.config;
	char dir[PATH_MAX];

	if (!config->api_listen && !config->https_listen)
		return 0;
	snprintf(dir, sizeof(dir), "%s/tls", config->state_dir);
	if (tls_identity_open(&h->identity, dir, time(NULL), err) < 0)
		return err_wrap(err, "%s needs a certificate (vmcast key ca)",
				config->api_listen ? "api_listen" : "https_listen");
	tls_identity_use(h->identity);
	return 0;
}

/* Never without TLS. */
static int serve_network_operators(struct httpd *h, struct err *err)
{
	const struct config *config = h->server.config;

	if (!config->api_listen)
		return 0;
	h->failed_logins = failed_logins_new();
	if (!h->failed_logins)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = start_tls_side(&h->network_operators, config->api_listen, OPERATORS_MAX, OPERATORS_PER_ADDRESS_MAX,
				err);

	if (!rc)
		log_info("http: serving operators at https://%s, with tokens", config->api_listen);
	return rc;
}

/* Told at once, and not by machines that refuse a certificate with other names. */
static int serve_machines_over_tls(struct httpd *h, struct err *err)
{
	const struct config *config = h->server.config;
	char host[256];

	if (!config->https_listen)
		return 0;
	config_value_url_host(host, sizeof(host), config->https_url);
	if (!tls_identity_is_for(h->identity, host))
		return err_set(
			err, -EINVAL,
			"https_url = '%s': the issuer in state_dir/tls is not for '%s' (vmcast key ca issue --name)",
			config->https_url, host);
	int rc = start_tls_side(&h->machines_tls, config->https_listen, config->connections_max,
				config->connections_per_address_max, err);

	if (!rc)
		log_info("http: serving machines over TLS on %s, as %s", config->https_listen, config->https_url);
	return rc;
}

static int listen_and_serve(struct httpd *h, struct err *err)
{
	const struct config *config = h->server.config;
	int fd = listen_unix(config->socket, config->group, err);

	if (fd < 0)
		return fd;
	int rc = start_side(&h->operators, fd, OPERATORS_MAX, 0, err);

	if (rc < 0)
		return rc;
	fd = listen_tcp(config->listen_host, config->listen_port, err);
	if (fd < 0)
		return fd;
	rc = start_side(&h->machines, fd, config->connections_max, config->connections_per_address_max, err);
	if (rc < 0)
		return rc;
	rc = open_identity(h, err);
	if (rc < 0)
		return rc;
	rc = serve_network_operators(h, err);
	if (rc < 0)
		return rc;
	rc = serve_machines_over_tls(h, err);
	if (rc < 0)
		return rc;
	log_info("http: serving machines on %s port %u, operators on '%s'", config->listen_host, config->listen_port,
		 config->socket);
	return 0;
}

int httpd_start(struct httpd **out, const struct config *config, struct store *store, struct worker *worker,
		struct dnsmasq *dnsmasq, struct tuf_repository *trust, struct err *err)
{
	struct httpd *h = calloc(1, sizeof(*h));

	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	h->server = (struct server){ .config = config,
				     .store = store,
				     .worker = worker,
				     .dnsmasq = dnsmasq,
				     .trust = trust,
				     .env = &h->env,
				     .consoles = guest_consoles_new(),
				     .started_at = time(NULL) };
	env_files_init(&h->env);
	h->machines = (struct side){ .httpd = h, .name = "machines", .routes = routes_machine };
	h->machines_tls =
		(struct side){ .httpd = h, .name = "machines over TLS", .routes = routes_machine, .is_tls = true };
	h->operators =
		(struct side){ .httpd = h, .name = "operators", .routes = routes_operator, .is_operators = true };
	h->network_operators = h->operators;
	h->network_operators.name = "operators on the network";
	h->network_operators.by_token = true;
	h->network_operators.is_tls = true;
	int rc = h->server.consoles ? store_secret(store, "boot ticket", h->server.ticket_secret, err)
				    : err_set(err, -ENOMEM, "out of memory");

	if (rc == 0)
		rc = connections_start(&h->connections, err);
	if (rc == 0)
		rc = listen_and_serve(h, err);
	if (rc < 0) {
		httpd_stop(&h);
		return rc;
	}
	*out = h;
	return 0;
}

void httpd_reload(struct httpd *h)
{
	if (h->identity)
		tls_identity_reload(h->identity);
}

static void stop_accepting(struct side *side)
{
	int fd = side->daemon ? MHD_quiesce_daemon(side->daemon) : -1;

	if (fd >= 0)
		close(fd);
}

void httpd_stop(struct httpd **h)
{
	struct httpd *old = *h;

	if (!old)
		return;
	*h = NULL;
	stop_accepting(&old->machines);
	stop_accepting(&old->machines_tls);
	stop_accepting(&old->operators);
	stop_accepting(&old->network_operators);
	if (old->operators.daemon)
		unlink(old->server.config->socket);
	if (old->connections) {
		unsigned left = connections_drain(old->connections, GRACE_S);

		if (left)
			log_info("http: %u answers were still under way after %d s, closing them", left, GRACE_S);
	}
	if (old->machines.daemon)
		MHD_stop_daemon(old->machines.daemon);
	if (old->machines_tls.daemon)
		MHD_stop_daemon(old->machines_tls.daemon);
	if (old->operators.daemon)
		MHD_stop_daemon(old->operators.daemon);
	if (old->network_operators.daemon)
		MHD_stop_daemon(old->network_operators.daemon);
	tls_identity_close(&old->identity);
	failed_logins_free(&old->failed_logins);
	connections_stop(&old->connections);
	guest_consoles_free(&old->server.consoles);
	free(old);
}
