/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_delegation: see tuf_delegation.h */
#include "tuf_delegation.h"

#include "digest.h"

#include <fnmatch.h>
#include <string.h>
#include <strings.h>

static bool has_prefix(const json_t *prefixes, const char *path)
{
	uint8_t digest[DIGEST_BYTES];
	char hex[DIGEST_HEX];
	const json_t *prefix;
	size_t nr;

	digest_of(digest, path, strlen(path));
	digest_hex(hex, digest);
	json_array_foreach(prefixes, nr, prefix) if (strncasecmp(hex, json_string_value(prefix),
								 json_string_length(prefix)) == 0) return true;
	return false;
}

bool tuf_delegation_covers(const json_t *role, const char *path)
{
	const json_t *prefixes = json_object_get(role, "path_hash_prefixes"), *pattern;
	size_t nr;

	if (prefixes)
		return has_prefix(prefixes, path);
	json_array_foreach(json_object_get(role, "paths"), nr,
			   pattern) if (fnmatch(json_string_value(pattern), path, FNM_PATHNAME | FNM_NOESCAPE) ==
					0) return true;
	return false;
}

bool tuf_delegation_is_terminating(const json_t *role)
{
	return json_is_true(json_object_get(role, "terminating"));
}
