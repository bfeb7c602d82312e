/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_delegation: whether a delegation in targets metadata is about a target path. Source: the TUF specification, section
 * 4.5 (PATHPATTERN, path_hash_prefixes). */
#ifndef VMCAST_TUF_DELEGATION_H
#define VMCAST_TUF_DELEGATION_H

#include <jansson.h>
#include <stdbool.h>

/* `role`: an element of delegations.roles that tuf_metadata_parse has let pass. A pattern's '*' and '?' match no '/'. */
bool tuf_delegation_covers(const json_t *role, const char *path);

/* Whether what it does not have is nowhere else. */
bool tuf_delegation_is_terminating(const json_t *role);

#endif
