/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_store: see tuf_store.h */
#include "tuf_store.h"

#include "text_file.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Letters and digits of ASCII, in every locale. */
static bool is_unreserved(unsigned char c)
{
	return c < 0x80 && (isalnum(c) || strchr("-_.~", c));
}

int tuf_quote(char *out, size_t room, const char *text, bool keep_slashes, struct err *err)
{
	size_t len = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool is_kept = is_unreserved(*p) || (keep_slashes && *p == '/');

		if (len + 4 > room)
			return err_set(err, -ENAMETOOLONG, "'%.64s...': the name is too long", text);
		len += (size_t)snprintf(out + len, room - len, is_kept ? "%c" : "%%%02X", *p);
	}
	out[len] = '\0';
	return 0;
}

static int name_file(char out[static PATH_MAX], const char *dir, const char *role, struct err *err)
{
	char quoted[TUF_ROLE_ROOM];
	int rc = tuf_quote(quoted, sizeof(quoted), role, false, err);

	if (rc)
		return rc;
	if (snprintf(out, PATH_MAX, "%s/%s.json", dir, quoted) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", dir);
	return 0;
}

int tuf_store_load(char **text, size_t *len, const char *dir, const char *role, size_t max, struct err *err)
{
	char path[PATH_MAX];
	int rc = name_file(path, dir, role, err);

	return rc ? rc : text_file_read(text, len, path, max, err);
}

int tuf_store_save(const char *dir, const char *role, const char *text, size_t len, struct err *err)
{
	char path[PATH_MAX];
	int rc = name_file(path, dir, role, err);

	return rc ? rc : text_file_replace(path, text, len, err);
}

int tuf_store_remove(const char *dir, const char *role, struct err *err)
{
	char path[PATH_MAX];
	int rc = name_file(path, dir, role, err);

	return rc ? rc : text_file_remove(path, err);
}
