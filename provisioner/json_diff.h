/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json_diff: all that differs between two JSON values, in lines for people who have to agree to it. */
#ifndef VMCAST_JSON_DIFF_H
#define VMCAST_JSON_DIFF_H

#include "err.h"

#include <jansson.h>

/* Append to the array `lines`: "roles/root/threshold: 1 -> 2", "+ keys/ID: ...", "- roles/root/keyids: \"ID\"". Lists are
 * compared as sets, and where only their order differs that is said. */
int json_diff(json_t *lines, const json_t *before, const json_t *after, struct err *err);

#endif
