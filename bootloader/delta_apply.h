/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * delta_apply: records of a delta (lib/delta.h) -> chunks in their places, made of what the disk holds.
 *
 * It only makes that more is found in place by who looks afterwards (scan.h), who does not rely on it. A chunk is written
 * when it has the digest of the index, and a stash where the index has zeros: whatever the delta says.
 *
 * A power cut: before something is overwritten that was a source since the last flush, the disk is flushed. So whatever of a
 * delta was carried out, each of its records either is done or still has its sources, but for what was just being written.
 */
#ifndef VMCAST_DELTA_APPLY_H
#define VMCAST_DELTA_APPLY_H

#include "delta.h"
#include "device.h"

#include <stdbool.h>

struct delta_apply;

/* What may be written: chunks `first`..`end`-1 of an image. */
struct delta_target {
	struct device *dev;
	struct index *index;
	uint64_t first;
	uint64_t end;
};

/* A record with what follows it. */
struct delta_step {
	struct delta_record record;
	const uint8_t *ranges;  /* record.range_count times DELTA_RANGE_BYTES */
	const uint8_t *payload; /* record.payload_bytes */
};

/* All memory it will have, three chunks, for images like that of `h`. Caller frees with delta_apply_free. */
int delta_apply_new(struct delta_apply **out, const struct index_header *h, struct err *err);
void delta_apply_free(struct delta_apply **a);

void delta_apply_begin(struct delta_apply *a, const struct delta_target *target);

/* Whether the record's chunk is in its place already. Of a stash that is not known. */
bool delta_apply_is_done(struct delta_apply *a, const struct delta_record *record);

/*
 * 1: it is done; 0: it cannot be, and `*why` says why: the disk holds something else, or the delta is wrong. -EIO: the
 * disk fails.
 */
int delta_apply_step(struct delta_apply *a, const struct delta_step *step, struct err *why, struct err *err);

/* No more steps: flush what is not yet. */
int delta_apply_end(struct delta_apply *a, struct err *err);

#endif
