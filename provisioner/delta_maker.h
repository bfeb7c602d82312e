/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * delta_maker: two of our images -> the delta (lib/delta.h) from the one to the other, as one file.
 *
 * Memory: about 24 bytes for each 4 KiB of data in the old image, 8 for those in the new one, and what is kept of both by
 * their readers: 250 MiB for the largest that are compared, DELTA_DATA_BYTES_MAX each.
 */
#ifndef VMCAST_DELTA_MAKER_H
#define VMCAST_DELTA_MAKER_H

#include "err.h"
#include "watch.h"

#include <stdint.h>

#define DELTA_DATA_BYTES_MAX (16ull << 30)

struct delta_options {
	const char *old_folder, *old_id; /* `<images>/<id>` */
	const char *new_folder, *new_id;
	const char *path;   /* is replaced if it is there, and unfinished after a failure */
	uint64_t bytes_max; /* a delta that is longer is not worth having */
	struct watch watch; /* phase: "delta" */
};

struct delta_made {
	uint64_t bytes;
	uint64_t chunks;        /* that it writes */
	uint64_t stashed_bytes; /* that are copied for later */
	uint64_t ranges;
	uint64_t rounds; /* between which a client flushes */
};

/* Flushed when it returns 0. -EFBIG: it would be longer than bytes_max; -ENOTSUP: larger images than are compared. */
int delta_make(struct delta_made *out, const struct delta_options *options, struct err *err);

#endif
