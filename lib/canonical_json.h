/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * canonical_json: the one form of a JSON value whose bytes are signed: no white space, members in the order of their
 * names' bytes, of all characters only '"' and '\' escaped, whole numbers only.
 *
 * Source: the TUF specification, section 4.1, and OLPC's Canonical JSON, which it names.
 */
#ifndef VMCAST_CANONICAL_JSON_H
#define VMCAST_CANONICAL_JSON_H

#include "err.h"

#include <jansson.h>
#include <stddef.h>

/* `*out` is NUL-terminated, caller frees; `*len` without the NUL. -EBADMSG: a number with a fraction has no such form. */
int canonical_json(char **out, size_t *len, const json_t *value, struct err *err);

#endif
