/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuf_files: the small files that are targets of the service's TUF repository, DIR/targets/[machines/]SHA256.NAME. `targets`
 * are the "targets" of a role: path -> length and hashes.
 *
 * Source: the TUF specification 1.0.x, section 6.2 (consistent snapshots).
 */
#ifndef VMCAST_TUF_FILES_H
#define VMCAST_TUF_FILES_H

#include "err.h"

#include <jansson.h>
#include <stddef.h>

/* Write those of `targets` that are not there yet. `texts`: path -> text. */
int tuf_files_write(const char *dir, const json_t *targets, const json_t *texts, struct err *err);

/* Remove those of `older` that neither `newer` nor `newest` has (NULL: none). */
void tuf_files_remove(const char *dir, const json_t *older, const json_t *newer, const json_t *newest);

/* Remove all that none of the `count` targets in `kept` has (NULL: none): what a service before this one left. */
int tuf_files_sweep(const char *dir, const json_t *const *kept, size_t count, struct err *err);

#endif
