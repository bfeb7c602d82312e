/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * landing_name: what can follow a good write, by name. Feeds, operators and menus say one word; plans and signed metadata
 * have another for a landing from the disk, which older clients know. The one list of them.
 */
#ifndef VMCAST_LANDING_NAME_H
#define VMCAST_LANDING_NAME_H

#include "err.h"

#include <stddef.h>

#define LANDING_NAME 16 /* room for any of either kind, and a NUL */

/* Those that are handled, for people; NULL behind the last one. */
const char *landing_name_nth(size_t nr);

/* "disk" -> "reboot", "kexec" -> "kexec"; NULL: not one that is handled. */
const char *landing_name_planned(const char *said);

/* -EINVAL: not one that is handled; the error names those that are. */
int landing_name_check(const char *said, struct err *err);

#endif
