/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chunk: the seam between where frames come from and who checks and writes them. The source only transports; the sink
 * judges, later and in other threads: a failure of a chunk is only known to be there when another one is handed over,
 * and which chunk it is when all is settled.
 */
#ifndef VMCAST_CHUNK_H
#define VMCAST_CHUNK_H

#include "index.h"

struct chunk_sink {
	/*
	 * Where the frame of data chunk `nr` goes: entry->frame_bytes of room, for which it waits. A failure is that of
	 * a chunk before: there is no use in going on, and settle says which.
	 */
	int (*room)(void *ctx, uint8_t **out, uint64_t nr, const struct index_entry *entry, struct err *err);

	/* The frame is in the room given last. */
	void (*take)(void *ctx);

	/* Chunk `nr` is zeros: its frame is not looked at, and need not be fetched. Fails as `room` does. */
	int (*take_zeros)(void *ctx, uint64_t nr, const struct index_entry *entry, struct err *err);

	/*
	 * Wait for everything that was taken. 0: it is where it belongs. Else why `*nr`, the first chunk that is not,
	 * failed, and nothing behind it counts as taken. -EBADMSG: its frame is not what the entry says, and the source
	 * may fetch it again; any other failure ends the fetch. Afterwards the sink is as new.
	 */
	int (*settle)(void *ctx, uint64_t *nr, struct err *err);
	void *ctx;
};

struct chunk_source {
	/* Hand chunks `first`..`end`-1 to the sink, in order, each until it was taken once, and settle. */
	int (*fetch)(void *ctx, uint64_t first, uint64_t end, const struct chunk_sink *sink, struct err *err);
	void *ctx;
};

#endif
