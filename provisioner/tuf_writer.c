/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_writer: see tuf_writer.h */
#include "tuf_writer.h"

#include "cleanup.h"
#include "json.h"
#include "signing_key.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define SPEC_VERSION "1.0.31"

static json_t *time_new(int64_t when)
{
	char text[32];
	time_t t = (time_t)when;
	struct tm utc;

	if (!gmtime_r(&t, &utc) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc))
		return NULL;
	return json_string(text);
}

static json_t *roles_new(void)
{
	json_t *roles = json_object();

	for (int type = 0; type < TUF_TYPES; type++)
		if (json_object_set_new(roles, tuf_type_name(type),
					json_pack("{s:[], s:i}", "keyids", "threshold", 1))) {
			json_decref(roles);
			return NULL;
		}
	return roles;
}

json_t *tuf_signed_new(enum tuf_type type, int64_t version, int64_t expires)
{
	json_t *fields = json_pack("{s:s, s:s, s:I, s:o}", "_type", tuf_type_name(type), "spec_version", SPEC_VERSION,
				   "version", (json_int_t)version, "expires", time_new(expires));

	switch (type) {
	case TUF_ROOT:
		if (json_object_set_new(fields, "keys", json_object()) ||
		    json_object_set_new(fields, "roles", roles_new()) ||
		    json_object_set_new(fields, "consistent_snapshot", json_true()))
			break;
		return fields;
	case TUF_TARGETS:
		if (json_object_set_new(fields, "targets", json_object()))
			break;
		return fields;
	default:
		if (json_object_set_new(fields, "meta", json_object()))
			break;
		return fields;
	}
	json_decref(fields);
	return NULL;
}

int tuf_signed_renew(json_t *fields, int64_t version, int64_t expires, struct err *err)
{
	if (json_object_set_new(fields, "version", json_integer(version)) ||
	    json_object_set_new(fields, "expires", time_new(expires)))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

json_t *tuf_envelope_new(json_t *fields)
{
	return json_pack("{s:[], s:o}", "signatures", "signed", fields);
}

json_t *tuf_delegations_new(void)
{
	return json_pack("{s:{}, s:[]}", "keys", "roles");
}

static json_t *delegation_new(const char *name, const char *by, json_t *list)
{
	return json_pack("{s:s, s:[], s:i, s:b, s:O}", "name", name, "keyids", "threshold", 1, "terminating", 1, by,
			 list);
}

json_t *tuf_delegation_new(const char *name, const char *const *paths)
{
	CLEANUP(json_free) json_t *list = json_array();

	for (; *paths; paths++)
		if (json_array_append_new(list, json_string(*paths)))
			return NULL;
	return delegation_new(name, "paths", list);
}

json_t *tuf_delegation_new_by_hash(const char *name, const char *prefix)
{
	CLEANUP(json_free) json_t *list = json_pack("[s]", prefix);

	return delegation_new(name, "path_hash_prefixes", list);
}

int tuf_role_add_key(json_t *holder, json_t *role, const struct signing_key *key, struct err *err)
{
	const char *id = signing_key_id(key);

	if (json_object_set_new(json_object_get(holder, "keys"), id, signing_key_public(key)) ||
	    json_array_append_new(json_object_get(role, "keyids"), json_string(id)))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

json_t *tuf_target_new(uint64_t length, const uint8_t sha256[static DIGEST_BYTES], json_t *custom)
{
	char hex[DIGEST_HEX];

	digest_hex(hex, sha256);
	return json_pack("{s:I, s:{s:s}, s:o*}", "length", (json_int_t)length, "hashes", "sha256", hex, "custom",
			 custom);
}

int tuf_envelope_text(char **out, size_t *len, const json_t *envelope, struct err *err)
{
	*out = json_dumps(envelope, JSON_INDENT(1) | JSON_SORT_KEYS);
	if (!*out)
		return err_set(err, -ENOMEM, "out of memory");
	*len = strlen(*out);
	return 0;
}

json_t *tuf_meta_new(int64_t version, const char *text, size_t len)
{
	uint8_t digest[DIGEST_BYTES];
	char hex[DIGEST_HEX];

	digest_of(digest, text, len);
	digest_hex(hex, digest);
	return json_pack("{s:I, s:I, s:{s:s}}", "version", (json_int_t)version, "length", (json_int_t)len, "hashes",
			 "sha256", hex);
}
