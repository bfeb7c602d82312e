/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_api: asking the service through its unix socket. See vmcast_cli.h */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "http.h"
#include "json.h"
#include "log.h"

#include <errno.h>
#include <string.h>

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

static int open_http(struct cli *cli, struct err *err)
{
	const struct http_options options = { .schemes = "http", .unix_socket = cli->socket, .stall_s = 60 };

	return cli->http ? 0 : http_open(&cli->http, &options, err);
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
	if (asprintf(&url, "http://vmcastd%s", path) < 0) {
		url = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	if ((rc = open_http(cli, err)) < 0)
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
		return err_wrap(
			err,
			"vmcastd cannot be reached (does it run? '%s' is for root and its group, vmcast by default)",
			cli->socket);
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

int api_find_item(struct cli *cli, json_t **out, const char *name, struct err *err)
{
	static const char *const keys[] = { "id", "title", NULL };
	CLEANUP(json_free) json_t *json = NULL;
	int rc = api_call(cli, "GET", "/v1/items", NULL, &json, err);

	return rc < 0 ? rc : find(out, json_object_get(json, "items"), "item", name, keys, err);
}
