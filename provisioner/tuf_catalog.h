/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuf_catalog: what the store serves and has assigned -> the "targets" of the roles `items`, `machines` and its bins. The same
 * store gives the same targets. docs/reference/formats.md has their fields.
 */
#ifndef VMCAST_TUF_CATALOG_H
#define VMCAST_TUF_CATALOG_H

#include "config.h"
#include "env_files.h"
#include "err.h"
#include "store.h"

#include <jansson.h>

/* Caller frees with json_decref. */
int tuf_catalog_items(json_t **out, struct env_files *env, const struct config *config, struct store *store,
		      struct err *err);

/* Machines are told apart by the first digit of the SHA-256 of their target's path, so that no list of them is long. */
#define TUF_CATALOG_BINS 16

/* Targets that are small files of their own. Zeroed at first; caller ends it with tuf_catalog_files_done. */
struct tuf_catalog_files {
	json_t *policy;                 /* targets of everybody: policy.json */
	json_t *bins[TUF_CATALOG_BINS]; /* targets of the machines */
	json_t *texts;                  /* target path -> text of the file, for each of these */
};

int tuf_catalog_files(struct tuf_catalog_files *out, const struct config *config, struct store *store, struct err *err);
void tuf_catalog_files_done(struct tuf_catalog_files *files);

#endif
