/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_token: see routes_token.h */
#include "routes_token.h"

#include "cleanup.h"
#include "config_value.h"
#include "json.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define EXPIRES_S_MAX (3650ull * 86400)

static json_t *token_json(const struct store_token *token)
{
	return json_pack("{s:s, s:s, s:I, s:o, s:b}", "name", token->name, "role", role_names[token->role],
			 "created_at", (json_int_t)token->created_at, "expires_at",
			 token->expires_at ? json_integer(token->expires_at) : json_null(), "expired",
			 token->expires_at && token->expires_at <= time(NULL));
}

int routes_token_list(struct request *rq, struct err *err)
{
	CLEANUP(store_token_list_free) struct store_token_list tokens = { 0 };
	int rc = store_token_list(rq->server->store, &tokens, err);

	if (rc < 0)
		return rc;
	json_t *rows = json_array();

	for (size_t i = 0; i < tokens.count; i++)
		json_array_append_new(rows, token_json(&tokens.rows[i]));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:o}", "tokens", rows), err);
}

static int take_role(enum role *out, const json_t *json, struct err *err)
{
	const char *name;
	char quoted[64];

	if (json_need_string(&name, json, "role", 16, err) < 0)
		return err->code;
	for (unsigned i = 0; role_names[i]; i++)
		if (strcmp(role_names[i], name) == 0) {
			*out = (enum role)i;
			return 0;
		}
	return err_set(err, -EINVAL, "field \"role\": '%s' is not view, operate or admin",
		       log_quote(quoted, sizeof(quoted), name));
}

static int take_name(const char **out, const json_t *json, struct err *err)
{
	if (json_need_string(out, json, "name", STORE_TOKEN_NAME_CHARS - 1, err) < 0)
		return err->code;
	if (config_value_check_name(*out, err) < 0)
		return err_wrap(err, "field \"name\"");
	/* It stands in the path of the request that revokes it. */
	return (*out)[0] == '.' ? err_set(err, -EINVAL, "field \"name\": begins with '.'") : 0;
}

/* The only answer with the token in it. */
static int reply_created(struct request *rq, const struct store_token *made, const char *token, struct err *err)
{
	json_t *json = token_json(made);

	json_object_set_new(json, "token", json_string(token));
	return reply_json(rq, MHD_HTTP_OK, json, err);
}

int routes_token_create(struct request *rq, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	struct store_token made = { .created_at = time(NULL) };
	char token[STORE_TOKEN_CHARS];
	uint64_t expires_s = 0;
	const char *name;

	if (request_json(&json, rq, err) < 0 || take_name(&name, json, err) < 0 ||
	    take_role(&made.role, json, err) < 0 ||
	    json_want_u64(&expires_s, json, "expires_s", EXPIRES_S_MAX, err) < 0)
		return err->code;
	snprintf(made.name, sizeof(made.name), "%s", name);
	made.expires_at = expires_s ? made.created_at + (int64_t)expires_s : 0;
	int rc = store_token_new(rq->server->store, name, made.role, made.expires_at, token, err);

	if (!rc) {
		log_info("token '%s': made, role %s", name, role_names[made.role]);
		rc = reply_created(rq, &made, token, err);
	}
	explicit_bzero(token, sizeof(token));
	return rc;
}

int routes_token_revoke(struct request *rq, struct err *err)
{
	int rc = store_token_revoke(rq->server->store, rq->param, err);

	if (rc < 0)
		return rc;
	log_info("token '%s': revoked", rq->param);
	return reply_empty(rq, MHD_HTTP_NO_CONTENT, err);
}
