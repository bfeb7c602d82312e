/* SPDX-License-Identifier: GPL-2.0-or-later */
/* request: see request.h */
#include "request.h"

#include "json.h"
#include "mac.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define HEX        "0123456789abcdef"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static bool is_hex(const char *text, size_t digits)
{
	return strlen(text) == digits && strspn(text, HEX) == digits;
}

/* MAC without colons, '-', an item's id. */
static bool is_guest(const char *value)
{
	return strlen(value) == REQUEST_GUEST_CHARS - 1 && strspn(value, HEX) == REQUEST_GUEST_MAC &&
	       value[REQUEST_GUEST_MAC] == '-' && is_hex(value + REQUEST_GUEST_MAC + 1, STORE_ID_CHARS - 1);
}

static bool has_form(const char *placeholder, const char *value)
{
	char mac[STORE_MAC_CHARS];

	if (strcmp(placeholder, "{id}") == 0)
		return is_hex(value, STORE_ID_CHARS - 1);
	if (strcmp(placeholder, "{image}") == 0 || strcmp(placeholder, "{hash}") == 0)
		return is_hex(value, STORE_IMAGE_CHARS - 1);
	if (strcmp(placeholder, "{delta}") == 0)
		return strlen(value) == 2 * STORE_IMAGE_CHARS - 1 && strspn(value, HEX) == STORE_IMAGE_CHARS - 1 &&
		       value[STORE_IMAGE_CHARS - 1] == '-' && is_hex(value + STORE_IMAGE_CHARS, STORE_IMAGE_CHARS - 1);
	if (strcmp(placeholder, "{guest}") == 0)
		return is_guest(value);
	if (strcmp(placeholder, "{mac}") == 0)
		return mac_parse(mac, value) == 0 && strcmp(mac, value) == 0;
	return value[0] && value[0] != '.' && strspn(value, NAME_CHARS) == strlen(value);
}

/* Copy the path segment at `*p` and step over it. */
static bool next_segment(char out[static REQUEST_PARAM_MAX], const char **p)
{
	size_t len = strcspn(*p, "/");

	if (len >= REQUEST_PARAM_MAX)
		return false;
	memcpy(out, *p, len);
	out[len] = '\0';
	*p += len;
	return true;
}

bool route_match(const char *pattern, const char *path, char param[static REQUEST_PARAM_MAX])
{
	char want[REQUEST_PARAM_MAX], got[REQUEST_PARAM_MAX];

	param[0] = '\0';
	while (*pattern == '/' && *path == '/') {
		pattern++;
		path++;
		if (!next_segment(want, &pattern) || !next_segment(got, &path))
			return false;
		if (want[0] == '{') {
			if (!has_form(want, got))
				return false;
			memcpy(param, got, sizeof(got));
		} else if (strcmp(want, got) != 0) {
			return false;
		}
	}
	return *pattern == '\0' && *path == '\0';
}

const char *request_query(const struct request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->conn, MHD_GET_ARGUMENT_KIND, name);
}

const char *request_bearer(const struct request *rq)
{
	const char *header = MHD_lookup_connection_value(rq->conn, MHD_HEADER_KIND, "Authorization");

	return header && strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 : NULL;
}

int request_json(json_t **out, const struct request *rq, struct err *err)
{
	if (!rq->body)
		return err_set(err, -EINVAL, "a JSON object is needed as the body of the request");
	return json_parse_object(out, rq->body, rq->body_bytes, err);
}

void request_address(char out[static 64], const struct request *rq)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(rq->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	out[0] = '\0';
	if (!info || !info->client_addr)
		return;
	if (info->client_addr->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)info->client_addr)->sin_addr, out, 64);
	else if (info->client_addr->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)info->client_addr)->sin6_addr, out, 64);
}

int reply_response(struct request *rq, unsigned status, struct MHD_Response *response, const char *type,
		   const char *cache, struct err *err)
{
	if (!response)
		return err_set(err, -ENOMEM, "out of memory");
	/* Nothing here is a web page, whatever its bytes look like. */
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Cache-Control", cache);
	if (type)
		MHD_add_response_header(response, "Content-Type", type);
	rq->status = status;
	rq->response = response;
	return 0;
}

int reply_text(struct request *rq, const char *type, char *text, struct err *err)
{
	struct MHD_Response *response =
		text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE) : NULL;

	if (!response)
		free(text);
	return reply_response(rq, MHD_HTTP_OK, response, type, "no-store", err);
}

int reply_json(struct request *rq, unsigned status, json_t *body, struct err *err)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

	json_decref(body);
	int rc = reply_text(rq, "application/json", text, err);

	rq->status = status;
	return rc;
}

int reply_empty(struct request *rq, unsigned status, struct err *err)
{
	return reply_response(rq, status, MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT), NULL,
			      "no-store", err);
}

static unsigned status_of(int code)
{
	switch (code) {
	case -EINVAL:
	case -EPROTO:
		return MHD_HTTP_BAD_REQUEST;
	case -EACCES:
		return MHD_HTTP_FORBIDDEN;
	case -ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case -EPERM:
	case -EALREADY:
	case -EEXIST:
		return MHD_HTTP_CONFLICT;
	case -EAGAIN:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

void reply_error(struct request *rq, const struct err *err)
{
	struct err ignored = { 0 };

	if (reply_json(rq, status_of(err->code), json_pack("{s:o}", "error", json_text(err->text)), &ignored) < 0)
		return;
	if (err->code == -EAGAIN)
		MHD_add_response_header(rq->response, "Retry-After", "5");
}
