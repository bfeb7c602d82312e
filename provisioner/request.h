/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * request: one HTTP request as its handler sees it, and the ways to answer. httpd.c finds the route, checks the path's
 * form and collects the body before a handler runs.
 */
#ifndef VMCAST_REQUEST_H
#define VMCAST_REQUEST_H

#include "config.h"
#include "dnsmasq.h"
#include "err.h"
#include "json.h"
#include "login.h"
#include "store.h"
#include "tuf_repository.h"
#include "worker.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_BODY_MAX  (64u << 10) /* a machine with 200 disks sends 50 KiB */
#define REQUEST_PARAM_MAX 160

#define REQUEST_GUEST_MAC   12 /* of a guest's name in a path: digits of its node's address */
#define REQUEST_GUEST_CHARS (REQUEST_GUEST_MAC + 1 + STORE_ID_CHARS)

struct env_files;
struct guest_consoles;

/* What every handler may use. */
struct server {
	const struct config *config;
	struct store *store;
	struct worker *worker;
	struct dnsmasq *dnsmasq;
	struct tuf_repository *trust;
	struct env_files *env;
	struct guest_consoles *consoles;
	int64_t started_at; /* seconds since 1970 */
	uint8_t ticket_secret[STORE_SECRET_BYTES];
};

struct request {
	const struct server *server;
	struct MHD_Connection *conn;
	char param[REQUEST_PARAM_MAX]; /* what stood for the placeholder of the route's path; of its form */
	char *body;                    /* NUL-terminated, NULL if there was none */
	size_t body_bytes;
	struct login login; /* who asks, on the operators' servers */
	/* The answer, set by a reply_... function. */
	unsigned status;
	struct MHD_Response *response;
};

/*
 * Answer by one of the reply_... functions and return 0, or fill `err` and return its code, which becomes the status:
 * -EINVAL and -EPROTO 400, -EACCES 403, -ENOENT 404, -EPERM, -EALREADY and -EEXIST 409, -EAGAIN 503, others 500.
 */
typedef int route_handler(struct request *rq, struct err *err);

/* `path` has at most one placeholder: {id} 16 hex digits, {image} and {hash} 64, {mac} a MAC address, {file} a plain file name, {guest} the
 * 12 digits of a MAC, `-`, and an id. */
struct route {
	const char *method; /* GET serves HEAD, too; NULL ends a table */
	const char *path;
	route_handler *handle;
	const char *help; /* one line */
	enum role role;   /* the least that may use it; machines have none, and their table is not asked for it */
};

/* What machines may ask on the network, and what operators may on the unix socket and with a token. */
extern const struct route routes_machine[];
extern const struct route routes_operator[];

/* Whether `path` is of the form of `pattern`; if so, what stands for the placeholder is in `param`. */
bool route_match(const char *pattern, const char *path, char param[static REQUEST_PARAM_MAX]);

/* An argument of the query, NULL if it is not there. Borrowed from the request. */
const char *request_query(const struct request *rq, const char *name);

/* What stands behind "Authorization: Bearer ", or NULL. Borrowed from the request. */
const char *request_bearer(const struct request *rq);

/* The body as a JSON object. Caller frees with json_decref. */
int request_json(json_t **out, const struct request *rq, struct err *err);

/* The peer's address as text, empty on the unix socket. */
void request_address(char out[static 64], const struct request *rq);

/* Takes ownership of `text` (from malloc); NULL is -ENOMEM. */
int reply_text(struct request *rq, const char *type, char *text, struct err *err);

/* Takes ownership of `body`; NULL is -ENOMEM. */
int reply_json(struct request *rq, unsigned status, json_t *body, struct err *err);

/* A status without a body. */
int reply_empty(struct request *rq, unsigned status, struct err *err);

/* Any other response (owned, NULL is -ENOMEM). `type` NULL: none; `cache` is the Cache-Control header. */
int reply_response(struct request *rq, unsigned status, struct MHD_Response *response, const char *type,
		   const char *cache, struct err *err);

/* {"error": "..."} with the status that belongs to err->code. */
void reply_error(struct request *rq, const struct err *err);

#endif
