/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify: all that is below images/, compared with its digests, in a thread of its own and one run at a time. What is
 * damaged is removed and made anew (store_image_lost). What cannot be read (-EIO) is told and left; what cannot be opened
 * for another reason than that it is gone ends the run.
 */
#ifndef VMCAST_VERIFY_H
#define VMCAST_VERIFY_H

#include "err.h"
#include "store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERIFY_FINDINGS_MAX 64 /* are described; more are counted */

struct verify_finding {
	char id[STORE_IMAGE_CHARS];
	char why[256];
};

/* Of the run that goes on, or the last one. Zeroed: there was none. */
struct verify_status {
	bool running;
	int64_t began_at, ended_at; /* s since 1970 */
	uint64_t done_bytes, total_bytes;
	size_t good, damaged; /* or not to be read */
	size_t asked;         /* items that are made anew */
	struct verify_finding findings[VERIFY_FINDINGS_MAX];
	char error[256]; /* why it ended early; empty: it did not */
};

struct verify;

/* `found` is called, in the thread, when items wait to be made anew. Caller frees with verify_free, which ends a run. */
int verify_new(struct verify **out, struct store *store, void (*found)(void *ctx), void *ctx, struct err *err);
void verify_free(struct verify **v);

/* Begin a run. One that goes on already is as good. Any thread. */
int verify_start(struct verify *v, struct err *err);
void verify_get_status(struct verify *v, struct verify_status *out);

#endif
