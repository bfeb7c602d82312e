/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuf_catalog: what the store serves and has assigned -> the "targets" of the roles `items` and `machines`. The same
 * store gives the same targets. docs/reference/formats.md has their fields.
 */
#ifndef VMCAST_TUF_CATALOG_H
#define VMCAST_TUF_CATALOG_H

#include "config.h"
#include "digest.h"
#include "err.h"
#include "store.h"

#include <jansson.h>
#include <sys/stat.h>

#define TUF_CATALOG_ENV_FILES 3

/* Digests of the boot environment's files, which are read again only when they look changed. Zeroed at first. */
struct tuf_catalog_env {
	struct stat seen[TUF_CATALOG_ENV_FILES];
	uint8_t digests[TUF_CATALOG_ENV_FILES][DIGEST_BYTES];
};

/* Caller frees with json_decref. */
int tuf_catalog_items(json_t **out, struct tuf_catalog_env *env, const struct config *config, struct store *store,
		      struct err *err);

/* `*files`: target path -> text of the file, for each of `*out`. Caller frees both with json_decref. */
int tuf_catalog_machines(json_t **out, json_t **files, const struct config *config, struct store *store,
			 struct err *err);

#endif
