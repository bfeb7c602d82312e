/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_metadata: see tuf_metadata.h */
#include "tuf_metadata.h"

#include "canonical_json.h"
#include "cleanup.h"
#include "json.h"
#include "tuf_key.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#define SIGNATURES_MAX 1024
#define KEYIDS_MAX     32

static const char *const type_names[TUF_TYPES] = { "root", "timestamp", "snapshot", "targets" };

const char *tuf_type_name(enum tuf_type type)
{
	return type_names[type];
}

/* "2030-12-31T23:59:59Z", the one form of the specification. */
static int need_expiry(int64_t *out, const json_t *in, struct err *err)
{
	const json_t *value;
	struct tm tm = { 0 };
	char again[32] = "";
	int rc = tuf_need(&value, in, "expires", JSON_STRING, err);

	if (rc)
		return rc;
	const char *end = strptime(json_string_value(value), "%Y-%m-%dT%H:%M:%SZ", &tm);
	/* strptime takes more than that, such as spaces and days that no month has. */
	int64_t at = end ? timegm(&tm) : 0;
	if (!end || *end || !gmtime_r(&(time_t){ at }, &tm) ||
	    !strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%SZ", &tm) || strcmp(again, json_string_value(value)) != 0)
		return err_set(err, -EBADMSG, "field \"expires\": '%.40s' is no time like 2030-12-31T23:59:59Z",
			       json_string_value(value));
	*out = at;
	return 0;
}

static int check_specification(const json_t *in, struct err *err)
{
	const json_t *value;
	int rc = tuf_need(&value, in, "spec_version", JSON_STRING, err);

	if (rc)
		return rc;
	if (strncmp(json_string_value(value), "1.", 2) != 0)
		return err_set(err, -ENOTSUP, "it is made by version %.16s of the specification, 1.x is supported",
			       json_string_value(value));
	return 0;
}

static int check_type(const json_t *in, enum tuf_type type, struct err *err)
{
	const json_t *value;
	int rc = tuf_need(&value, in, "_type", JSON_STRING, err);

	if (rc)
		return rc;
	if (strcmp(json_string_value(value), type_names[type]) != 0)
		return err_set(err, -EBADMSG, "it is '%.16s', '%s' is needed", json_string_value(value),
			       type_names[type]);
	return 0;
}

/* A threshold that can be reached by nobody is allowed: what it guards then is never accepted. */
static int check_role(const json_t *role, struct err *err)
{
	const json_t *keyids, *threshold, *keyid;
	size_t nr;
	int rc = tuf_need(&keyids, role, "keyids", JSON_ARRAY, err);

	if (!rc)
		rc = tuf_need(&threshold, role, "threshold", JSON_INTEGER, err);
	if (rc)
		return rc;
	if (json_integer_value(threshold) < 1)
		return err_set(err, -EBADMSG, "field \"threshold\": %" JSON_INTEGER_FORMAT ", at least 1 is needed",
			       json_integer_value(threshold));
	if (json_array_size(keyids) > KEYIDS_MAX)
		return err_set(err, -EBADMSG, "field \"keyids\": more than %d", KEYIDS_MAX);
	json_array_foreach(keyids, nr, keyid) if (!json_is_string(keyid)) return err_set(
		err, -EBADMSG, "field \"keyids\": strings are needed");
	return 0;
}

static int check_keys(const json_t *in, struct err *err)
{
	const json_t *keys;
	const char *id;
	json_t *key;
	int rc = tuf_need(&keys, in, "keys", JSON_OBJECT, err);

	if (rc)
		return rc;
	/* Of a kind that is not known it may have any fields; it verifies nothing. */
	json_object_foreach((json_t *)keys, id, key) if (!json_is_object(key)) return err_set(
		err, -EBADMSG, "field \"keys\": '%.64s' is no object", id);
	return 0;
}

static int check_root(struct tuf_metadata *md, struct err *err)
{
	const json_t *roles, *role;
	int rc = check_keys(md->fields, err);

	if (!rc)
		rc = tuf_need(&roles, md->fields, "roles", JSON_OBJECT, err);
	for (int type = 0; !rc && type < TUF_TYPES; type++) {
		rc = tuf_need(&role, roles, type_names[type], JSON_OBJECT, err);
		if (!rc && (rc = check_role(role, err)) < 0)
			err_wrap(err, "role '%s'", type_names[type]);
	}
	/* Required since 1.0; repositories from before have none. */
	md->consistent = json_is_true(json_object_get(md->fields, "consistent_snapshot"));
	return rc;
}

static int check_fileinfos(const json_t *fields, const char *key, bool are_targets, struct err *err)
{
	const json_t *infos;
	struct tuf_fileinfo ignored;
	const char *name;
	json_t *info;
	int rc = tuf_need(&infos, fields, key, JSON_OBJECT, err);

	if (rc)
		return rc;
	json_object_foreach((json_t *)infos, name, info)
	{
		if ((rc = tuf_fileinfo_parse(&ignored, info, are_targets, err)) < 0)
			return err_wrap(err, "\"%s\" of '%.64s'", key, name);
	}
	return 0;
}

static int check_strings(const json_t *list, const char *key, struct err *err)
{
	const json_t *value;
	size_t nr;

	if (!json_is_array(list))
		return err_set(err, -EBADMSG, "field \"%s\": a list is needed", key);
	json_array_foreach(list, nr, value) if (!json_is_string(value)) return err_set(
		err, -EBADMSG, "field \"%s\": strings are needed", key);
	return 0;
}

/* It is the name of a file beside root.json. */
static int check_role_name(const char *name, struct err *err)
{
	for (size_t i = 0; i < TUF_TYPES; i++)
		if (strcmp(name, type_names[i]) == 0 || !*name)
			return err_set(err, -EBADMSG, "field \"name\": '%s' cannot be delegated to", name);
	return 0;
}

static int check_delegation(const json_t *role, struct err *err)
{
	const json_t *name, *paths = json_object_get(role, "paths");
	const json_t *prefixes = json_object_get(role, "path_hash_prefixes");
	int rc = tuf_need(&name, role, "name", JSON_STRING, err);

	if (!rc)
		rc = check_role_name(json_string_value(name), err);
	if (!rc)
		rc = check_role(role, err);
	if (!rc && !json_is_boolean(json_object_get(role, "terminating")))
		rc = err_set(err, -EBADMSG, "field \"terminating\": true or false is needed");
	if (!rc && !paths == !prefixes)
		rc = err_set(err, -EBADMSG, "either \"paths\" or \"path_hash_prefixes\" is needed");
	if (!rc)
		rc = check_strings(paths ? paths : prefixes, paths ? "paths" : "path_hash_prefixes", err);
	if (!rc)
		return 0;
	return json_is_string(json_object_get(role, "name"))
		       ? err_wrap(err, "delegation '%.64s'", json_string_value(json_object_get(role, "name")))
		       : rc;
}

static int check_targets(const struct tuf_metadata *md, struct err *err)
{
	const json_t *delegations = json_object_get(md->fields, "delegations"), *roles, *role;
	size_t nr;
	int rc = check_fileinfos(md->fields, "targets", true, err);

	if (rc || !delegations || json_is_null(delegations))
		return rc;
	if ((rc = check_keys(delegations, err)) < 0)
		return rc;
	if (json_object_get(delegations, "succinct_roles"))
		return err_set(err, -ENOTSUP, "field \"succinct_roles\": hash bin delegations are not supported");
	if ((rc = tuf_need(&roles, delegations, "roles", JSON_ARRAY, err)) < 0)
		return rc;
	json_array_foreach(roles, nr, role) if ((rc = check_delegation(role, err)) < 0) return rc;
	return 0;
}

static int check_meta(const struct tuf_metadata *md, struct err *err)
{
	struct tuf_fileinfo ignored;
	int rc = check_fileinfos(md->fields, "meta", false, err);

	if (rc)
		return rc;
	const char *must = type_names[md->type == TUF_TIMESTAMP ? TUF_SNAPSHOT : TUF_TARGETS];
	if (!tuf_metadata_meta(&ignored, md, must))
		return err_set(err, -EBADMSG, "field \"meta\": nothing about '%s.json'", must);
	return 0;
}

static int check_signatures(const json_t *document, struct err *err)
{
	const json_t *signatures, *signature, *ignored;
	size_t nr;
	int rc = tuf_need(&signatures, document, "signatures", JSON_ARRAY, err);

	if (rc)
		return rc;
	if (json_array_size(signatures) > SIGNATURES_MAX)
		return err_set(err, -EBADMSG, "field \"signatures\": more than %d", SIGNATURES_MAX);
	json_array_foreach(signatures, nr,
			   signature) if ((rc = tuf_need(&ignored, signature, "keyid", JSON_STRING, err)) ||
					  (rc = tuf_need(&ignored, signature, "sig", JSON_STRING,
							 err))) return err_wrap(err, "signature %zu", nr);
	return 0;
}

static int check_fields(struct tuf_metadata *md, struct err *err)
{
	int rc = check_type(md->fields, md->type, err);

	if (rc || (rc = check_specification(md->fields, err)) || (rc = check_signatures(md->document, err)) ||
	    (rc = tuf_need_version(&md->version, md->fields, err)) || (rc = need_expiry(&md->expires, md->fields, err)))
		return rc;
	if (md->type == TUF_ROOT)
		return check_root(md, err);
	return md->type == TUF_TARGETS ? check_targets(md, err) : check_meta(md, err);
}

/* No fewer than the values in it, or it is no JSON; looked at before any of them takes memory. */
static size_t count_values(const char *text, size_t len)
{
	bool is_string = false;
	size_t count = 1;

	for (size_t i = 0; i < len; i++) {
		if (is_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			is_string = !is_string;
		else if (!is_string && (text[i] == '[' || text[i] == '{' || text[i] == ','))
			count++;
	}
	return count;
}

/* A snapshot's bytes are announced by a timestamp, those of targets by a snapshot; a stranger's root or timestamp is parsed, so that
 * what it may take (5 MB, 250 kB) is little. A root of 100 keys has about 1000 values, a timestamp 30. */
static const size_t values_max[TUF_TYPES] = {
	[TUF_ROOT] = 20000, [TUF_TIMESTAMP] = 1000, [TUF_SNAPSHOT] = TUF_VALUES_MAX, [TUF_TARGETS] = TUF_VALUES_MAX
};

static int parse(struct tuf_metadata **out, enum tuf_type type, const char *text, size_t len, struct err *err)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *md = calloc(1, sizeof(*md));

	/* A parsed value takes up to some 250 bytes (an empty object), a byte or three of text. */
	size_t values = count_values(text, len);
	if (values > values_max[type])
		return err_set(err, -EBADMSG, "more than %zu values", values_max[type]);
	if (!md || !(md->text = malloc(len + 1)))
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(md->text, text, len);
	md->text[len] = '\0';
	md->bytes = len;
	md->values = values;
	md->type = type;
	if (json_parse_object(&md->document, text, len, err) < 0)
		return err->code = -EBADMSG;
	int rc = tuf_need(&md->fields, md->document, "signed", JSON_OBJECT, err);
	if (!rc)
		rc = check_fields(md, err);
	if (!rc)
		rc = canonical_json(&md->signed_text, &md->signed_bytes, md->fields, err);
	if (rc)
		return rc;
	*out = TAKE(md);
	return 0;
}

/* Nobody has signed for the names that an error shows: they may hold what turns a terminal round. */
static void make_plain(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			*text = '?';
}

int tuf_metadata_parse(struct tuf_metadata **out, enum tuf_type type, const char *text, size_t len, struct err *err)
{
	int rc = parse(out, type, text, len, err);

	if (rc)
		make_plain(err->text);
	return rc;
}

void tuf_metadata_free(struct tuf_metadata **mdp)
{
	struct tuf_metadata *md = *mdp;

	if (!md)
		return;
	json_decref(md->document);
	free(md->signed_text);
	free(md->text);
	free(md);
	*mdp = NULL;
}

/* The first signature with its id decides: more of them would only cost time. */
static bool has_signed(const struct tuf_metadata *md, const char *keyid, const json_t *key)
{
	const json_t *signatures = json_object_get(md->document, "signatures"), *signature;
	struct err ignored;
	size_t nr;

	json_array_foreach(signatures, nr, signature)
	{
		if (strcmp(json_string_value(json_object_get(signature, "keyid")), keyid) == 0)
			return tuf_key_verify(key, json_string_value(json_object_get(signature, "sig")),
					      md->signed_text, md->signed_bytes, &ignored) == 0;
	}
	return false;
}

static bool is_among(const json_t *const *keys, size_t count, const json_t *key)
{
	for (size_t i = 0; i < count; i++)
		if (tuf_key_same(keys[i], key))
			return true;
	return false;
}

int tuf_metadata_verify(const struct tuf_metadata *md, const json_t *keys, const json_t *role, const char *name,
			struct err *err)
{
	const json_t *keyids = json_object_get(role, "keyids"), *keyid;
	json_int_t threshold = json_integer_value(json_object_get(role, "threshold"));
	const json_t *counted[KEYIDS_MAX];
	size_t nr, count = 0;

	json_array_foreach(keyids, nr, keyid)
	{
		if ((json_int_t)count == threshold)
			break; /* each signature costs time, and the rest of them change nothing */
		const json_t *key = json_object_get(keys, json_string_value(keyid));

		if (key && has_signed(md, json_string_value(keyid), key) && !is_among(counted, count, key))
			counted[count++] = key;
	}
	if (threshold < 1 || count < (size_t)threshold)
		return err_set(err, -EACCES,
			       "%s version %" PRId64 ": %zu of its %zu keys have signed, %" JSON_INTEGER_FORMAT " must",
			       name, md->version, count, json_array_size(keyids), threshold);
	return 0;
}

int tuf_metadata_verify_by_root(const struct tuf_metadata *md, const struct tuf_metadata *root, struct err *err)
{
	const char *name = type_names[md->type];
	const json_t *roles = json_object_get(root->fields, "roles");

	return tuf_metadata_verify(md, json_object_get(root->fields, "keys"), json_object_get(roles, name), name, err);
}

int tuf_metadata_check_expiry(const struct tuf_metadata *md, const char *name, int64_t now, struct err *err)
{
	if (now < md->expires)
		return 0;
	return err_set(err, -EACCES, "%s version %" PRId64 " has expired at %s", name, md->version,
		       json_string_value(json_object_get(md->fields, "expires")));
}

int tuf_metadata_meta(struct tuf_fileinfo *out, const struct tuf_metadata *md, const char *role)
{
	char name[PATH_MAX];
	struct err ignored;

	if (snprintf(name, sizeof(name), "%s.json", role) >= (int)sizeof(name))
		return 0;
	const json_t *info = json_object_get(json_object_get(md->fields, "meta"), name);
	return info && tuf_fileinfo_parse(out, info, false, &ignored) == 0;
}

int tuf_metadata_target(struct tuf_fileinfo *out, const struct tuf_metadata *md, const char *path)
{
	const json_t *info = json_object_get(json_object_get(md->fields, "targets"), path);
	struct err ignored;

	return info && tuf_fileinfo_parse(out, info, true, &ignored) == 0;
}
