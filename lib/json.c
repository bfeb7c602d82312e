/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json: see json.h */
#include "json.h"

#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int json_parse_object(json_t **out, const char *text, size_t len, struct err *err)
{
	json_error_t why;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);

	if (!root)
		return err_set(err, -EPROTO, "JSON line %d column %d: %s", why.line, why.column, why.text);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, -EPROTO, "JSON: an object is needed");
	}
	*out = root;
	return 0;
}

static const json_t *find(const json_t *obj, const char *key)
{
	const json_t *value = json_object_get(obj, key);

	return json_is_null(value) ? NULL : value;
}

int json_want_string(const char **out, const json_t *obj, const char *key, size_t max, struct err *err)
{
	const json_t *value = find(obj, key);

	if (!value)
		return 0;
	if (!json_is_string(value))
		return err_set(err, -EPROTO, "field \"%s\": a string is needed", key);
	if (json_string_length(value) > max)
		return err_set(err, -EPROTO, "field \"%s\": %zu bytes are too long, at most %zu", key,
			       json_string_length(value), max);
	if (strlen(json_string_value(value)) != json_string_length(value))
		return err_set(err, -EPROTO, "field \"%s\": contains a NUL character", key);
	*out = json_string_value(value);
	return 0;
}

int json_want_u64(uint64_t *out, const json_t *obj, const char *key, uint64_t max, struct err *err)
{
	const json_t *value = find(obj, key);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return err_set(err, -EPROTO, "field \"%s\": a whole number from 0 is needed", key);
	if ((uint64_t)json_integer_value(value) > max)
		return err_set(err, -EPROTO, "field \"%s\": %" JSON_INTEGER_FORMAT " is too large, at most %" PRIu64,
			       key, json_integer_value(value), max);
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

static int check_there(const json_t *obj, const char *key, struct err *err)
{
	return find(obj, key) ? 0 : err_set(err, -EPROTO, "field \"%s\" is missing", key);
}

int json_need_string(const char **out, const json_t *obj, const char *key, size_t max, struct err *err)
{
	int rc = check_there(obj, key, err);

	return rc ? rc : json_want_string(out, obj, key, max, err);
}

int json_need_u64(uint64_t *out, const json_t *obj, const char *key, uint64_t max, struct err *err)
{
	int rc = check_there(obj, key, err);

	return rc ? rc : json_want_u64(out, obj, key, max, err);
}

int json_want_bool(bool *out, const json_t *obj, const char *key, struct err *err)
{
	const json_t *value = find(obj, key);

	if (!value)
		return 0;
	if (!json_is_boolean(value))
		return err_set(err, -EPROTO, "field \"%s\": true or false is needed", key);
	*out = json_is_true(value);
	return 0;
}

json_t *json_text(const char *text)
{
	char quoted[1024];

	if (!text)
		return json_null();
	json_t *value = json_string(text);

	return value ? value : json_string(log_quote(quoted, sizeof(quoted), text));
}
