/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * todo: which chunks of an image are not on its disk yet, and whose turn they are. Shared by who looks at what the disk
 * holds already (scan.h), who fetches (chunk.h) and who writes (pipeline.h); every call may come from any thread.
 *
 * A chunk is done when it is on the disk, decided when it is known whether the disk held it. What is decided and not done
 * is handed out in disk order, each chunk to one fetcher, who hands it over or gives it back.
 */
#ifndef VMCAST_TODO_H
#define VMCAST_TODO_H

#include "err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A chunk whose bytes were wrong so often will never come right. */
#define TODO_TRIES_MAX 3u

/* Chunks `first`..`end`-1, of which some may be done. */
struct todo_span {
	uint64_t first;
	uint64_t end;
	unsigned tries;   /* how often it came with wrong bytes */
	size_t from;      /* tries > 0: and where they came from last, as the fetcher said */
	struct err wrong; /* tries > 0: what was wrong then */
};

struct todo;

/* For images of up to `chunk_count_max` chunks. `stop` (NULL: never) ends every wait; borrowed. Caller frees with
 * todo_free. NULL: out of memory. */
struct todo *todo_new(uint64_t chunk_count_max, const atomic_bool *stop);
void todo_free(struct todo **t);

/* From now on the chunks of another image, none of them done or decided. Nobody else may use it at that moment. */
void todo_begin(struct todo *t, uint64_t chunk_count);

/* The disk holds chunk `nr` already. False: that was known. */
bool todo_found(struct todo *t, uint64_t nr);

/* Chunks `first`..`end`-1 are on the disk now. */
void todo_done(struct todo *t, uint64_t first, uint64_t end);
bool todo_is_done(struct todo *t, uint64_t nr);

/* How many are not. */
uint64_t todo_left(struct todo *t);

/* All chunks before `end` are decided. */
void todo_decided(struct todo *t, uint64_t end);

/*
 * The next chunks to bring, at most `count_max` of them, and not less than a quarter of that unless they are the last ones
 * (UINT64_MAX: all there are, once all are decided), for which it waits. 1: they are the caller's; 0: everything is done; else what todo_fail was told, or -ECANCELED after `stop`.
 */
int todo_take(struct todo *t, struct todo_span *out, uint64_t count_max, struct err *err);

/* Wait until everything is done, 0, or it failed, as todo_take says. */
int todo_wait(struct todo *t, struct err *err);

/* These could not be brought by the caller: another one's turn, or his own again. */
void todo_give_back(struct todo *t, const struct todo_span *span);

/* Chunk span->first came with wrong bytes, for the span->tries-th time: it is given back, or everything fails. */
void todo_wrong(struct todo *t, const struct todo_span *span);

/* The image cannot be brought, for this reason: the first one counts. */
void todo_fail(struct todo *t, const struct err *err);

/* 0, or why everything failed. */
int todo_failed(struct todo *t, struct err *err);

#endif
