/* SPDX-License-Identifier: GPL-2.0-or-later */
/* landing_name: see landing_name.h */
#include "landing_name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *said, *planned;
} names[] = {
	{ "disk", "reboot" },
	{ "kexec", "kexec" },
	{ "guest", "guest" },
};

#define NAMES (sizeof(names) / sizeof(names[0]))

const char *landing_name_nth(size_t nr)
{
	return nr < NAMES ? names[nr].said : NULL;
}

const char *landing_name_planned(const char *said)
{
	for (size_t i = 0; i < NAMES; i++)
		if (strcmp(names[i].said, said) == 0)
			return names[i].planned;
	return NULL;
}

int landing_name_check(const char *said, struct err *err)
{
	char known[NAMES * (LANDING_NAME + 5)];
	size_t len = 0;

	if (landing_name_planned(said))
		return 0;
	for (size_t i = 0; i < NAMES; i++)
		len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
					i == 0          ? ""
					: i + 1 < NAMES ? ", "
							: " and ",
					names[i].said);
	return err_set(err, -EINVAL, "'%.40s' is none of %s", said, known);
}
