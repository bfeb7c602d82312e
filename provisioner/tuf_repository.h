/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuf_repository: keeps STATE_DIR/trust, a TUF repository, in step with what the service serves: one thread that signs
 * the roles `items`, `machines`, `machines-0` to `machines-f`, snapshot and timestamp with the online key when something
 * changed or half of an expiry is over. Without STATE_DIR/trust/metadata/1.root.json nothing is signed, until there is one.
 *
 * Source: the TUF specification 1.0.x, sections 4 and 6.2 (consistent snapshots).
 */
#ifndef VMCAST_TUF_REPOSITORY_H
#define VMCAST_TUF_REPOSITORY_H

#include "config.h"
#include "err.h"
#include "store.h"

#include <jansson.h>

struct tuf_repository;

/* Sign what is to be signed, and start the thread. `config` and `store` are borrowed until tuf_repository_stop. -EACCES: the
 * online key is not the one that the root and the targets metadata name. */
int tuf_repository_start(struct tuf_repository **out, const struct config *config, struct store *store,
			 struct err *err);
void tuf_repository_stop(struct tuf_repository **r);

/* Wait until all that the store had before this call is signed and published: 1; 0: this service signs nothing. -EAGAIN: it
 * could not be signed, and why, or not within 20 s. Any thread may call. */
int tuf_repository_settle(struct tuf_repository *r, struct err *err);

/* Read keys, root and targets metadata again, soon. */
void tuf_repository_reload(struct tuf_repository *r);

/* Whether what is served is signed, and machines may take nothing else. */
bool tuf_repository_has_root(struct tuf_repository *r);

/* null, or how it stands. Caller frees with json_decref. */
json_t *tuf_repository_status(struct tuf_repository *r);

#endif
