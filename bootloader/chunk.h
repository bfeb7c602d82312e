/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chunk: the seam between where frames come from and who checks and writes them. The source only transports; the sink
 * judges.
 */
#ifndef VMCAST_CHUNK_H
#define VMCAST_CHUNK_H

#include "index.h"

struct chunk_sink {
	/*
	 * The frame of chunk `nr`, `entry->frame_bytes` long and not yet checked. -EBADMSG: it is not what the entry
	 * says, and the source may fetch it again; any other failure ends the fetch.
	 */
	int (*take)(void *ctx, uint64_t nr, const struct index_entry *entry, const uint8_t *frame, struct err *err);
	void *ctx;
};

struct chunk_source {
	/* Hand chunks `first`..`end`-1 to the sink, in order, each until it was taken once. */
	int (*fetch)(void *ctx, uint64_t first, uint64_t end, const struct chunk_sink *sink, struct err *err);
	void *ctx;
};

#endif
