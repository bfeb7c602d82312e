/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json_diff: see json_diff.h */
#include "json_diff.h"

#include "canonical_json.h"
#include "cleanup.h"

#include <errno.h>
#include <stdbool.h>

/* `path` ends with what `sign` is said of. */
static int tell(json_t *lines, const char *sign, const char *path, const json_t *before, const json_t *after,
		struct err *err)
{
	CLEANUP(free_str) char *from = NULL, *to = NULL, *line = NULL;
	size_t len;
	int rc = before ? canonical_json(&from, &len, before, err) : 0;

	if (!rc && after)
		rc = canonical_json(&to, &len, after, err);
	if (rc)
		return rc;
	if (asprintf(&line, "%s%s: %s%s%s", sign, path, from ? from : "", from && to ? " -> " : "", to ? to : "") < 0) {
		line = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	return json_array_append_new(lines, json_string(line)) ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static bool has(const json_t *list, const json_t *wanted)
{
	const json_t *value;
	size_t nr;

	json_array_foreach(list, nr, value) if (json_equal((json_t *)value, (json_t *)wanted)) return true;
	return false;
}

static int diff_lists(json_t *lines, const char *path, const json_t *before, const json_t *after, struct err *err)
{
	size_t told = json_array_size(lines), nr;
	const json_t *value;
	int rc = 0;

	json_array_foreach(before, nr, value) if (!rc && !has(after, value)) rc =
		tell(lines, "- ", path, value, NULL, err);
	json_array_foreach(after, nr, value) if (!rc && !has(before, value)) rc =
		tell(lines, "+ ", path, NULL, value, err);
	/* The same ones in another order, or another number of times. */
	if (!rc && json_array_size(lines) == told)
		rc = tell(lines, "", path, before, after, err);
	return rc;
}

static int diff(json_t *lines, const char *path, const json_t *before, const json_t *after, struct err *err);

static int diff_member(json_t *lines, const char *path, const char *name, const json_t *before, const json_t *after,
		       struct err *err)
{
	CLEANUP(free_str) char *whole = NULL;

	if (asprintf(&whole, "%s%s%s", path, *path ? "/" : "", name) < 0) {
		whole = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (before && after)
		return diff(lines, whole, before, after, err);
	return tell(lines, before ? "- " : "+ ", whole, before, after, err);
}

static int diff(json_t *lines, const char *path, const json_t *before, const json_t *after, struct err *err)
{
	const char *name;
	json_t *value;
	int rc = 0;

	if (json_equal((json_t *)before, (json_t *)after))
		return 0;
	if (json_is_array(before) && json_is_array(after))
		return diff_lists(lines, path, before, after, err);
	if (!json_is_object(before) || !json_is_object(after))
		return tell(lines, "", path, before, after, err);
	json_object_foreach((json_t *)before, name, value) if (!rc) rc =
		diff_member(lines, path, name, value, json_object_get(after, name), err);
	json_object_foreach((json_t *)after, name, value) if (!rc && !json_object_get(before, name)) rc =
		diff_member(lines, path, name, NULL, value, err);
	return rc;
}

int json_diff(json_t *lines, const json_t *before, const json_t *after, struct err *err)
{
	return diff(lines, "", before, after, err);
}
