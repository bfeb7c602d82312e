/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: see scan.h
 *
 * On a disk that holds nothing of the image looking is wasted: a chunk of a MiB takes about a millisecond to be read and
 * digested. So after some misses in a row only every third block is looked at, after as many again every seventh, and so
 * on; and until some data was found, blocks that are zeros in the image are not looked at: they say nothing. Of 2 GiB a
 * disk of something else has some 30 blocks looked at. What was passed over is decided by the look behind it: a hit brings
 * back the close look, from there on where the last miss was.
 */
#include "scan.h"

#include "bytes.h"
#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Two, so that one reads while the other computes. */
#define THREADS 2u

/* What is read at once: as much as is written at once (pipeline.c). */
#define BLOCK_BYTES (1u << 20)

/* Misses in a row before the stride grows, from 1 to 3, 7 and so on, and where it ends: in blocks. Odd, so that it does not
 * fall into step with what comes back at a power of two in a file system. While nothing was found, it is likely that there
 * is nothing. */
#define MISSES_MAX           8u
#define STRIDE_MAX           31u
#define MISSES_MAX_NOT_FOUND 3u

struct looker {
	struct scan *scan;
	pthread_t thread;
	uint8_t *bytes;
	uint64_t from; /* the first chunk that its look decides; UINT64_MAX: it does not look */
	uint64_t at;   /* the first chunk of the block it looks at: those before were passed over */
};

struct scan {
	struct progress *progress;
	struct looker lookers[THREADS];
	size_t thread_count;

	pthread_mutex_t lock; /* of all below, and of lookers[].at */
	pthread_cond_t work;  /* there is something to look at, or quit */
	pthread_cond_t idle;  /* a looker has ended its block */
	struct scan_range range;
	uint64_t block;  /* chunks that are read at once */
	uint64_t next;   /* the first chunk that nobody has begun to look at, or passed over */
	uint64_t stride; /* in blocks: from one that is looked at to the next */
	unsigned misses; /* blocks in a row in which something was missing and no data was there */
	uint64_t hits;   /* chunks that were there */
	bool found_data; /* some of them were not zeros */
	bool over;       /* nothing more is looked at */
	bool quit;
};

/* Called with the lock: what is before every looker is decided. */
static void tell_decided(struct scan *s)
{
	uint64_t decided = s->over ? s->range.end : s->next;

	for (size_t i = 0; i < THREADS; i++)
		if (s->lookers[i].from < decided)
			decided = s->lookers[i].from;
	if (decided == s->range.end)
		decided = index_get_header(s->range.index)->chunk_count; /* nobody looks at what follows */
	todo_decided(s->range.todo, decided);
}

/* Called with the lock. */
static bool is_idle(const struct scan *s)
{
	for (size_t i = 0; i < THREADS; i++)
		if (s->lookers[i].from != UINT64_MAX)
			return false;
	return true;
}

/* One block for this looker; `*zeros_too`: also if the image has nothing but zeros there. False: quit. */
static bool take_block(struct looker *looker, uint64_t *end, bool *zeros_too)
{
	struct scan *s = looker->scan;

	pthread_mutex_lock(&s->lock);
	while (!s->quit && (s->over || s->next == s->range.end))
		pthread_cond_wait(&s->work, &s->lock);
	bool more = !s->quit;
	if (more) {
		uint64_t at = (s->next / s->block + s->stride - 1) * s->block;
		uint64_t last = (s->range.end - 1) / s->block * s->block;

		looker->from = s->next;
		looker->at = at < last ? at : last;
		if (looker->at < s->next)
			looker->at = s->next;
		*end = (looker->at / s->block + 1) * s->block;
		if (*end > s->range.end)
			*end = s->range.end;
		s->next = *end;
		*zeros_too = s->found_data;
		tell_decided(s);
	}
	pthread_mutex_unlock(&s->lock);
	return more;
}

/* What was found in one block. */
struct found {
	uint64_t hits;
	uint64_t hit_bytes; /* of their frames */
	bool data;          /* some of them are not zeros */
	bool missing;       /* something was not there */
	bool is_over;       /* the index cannot be read now: what is left is for those who try again */
};

/* Called with the lock. */
static void count_found(struct scan *s, const struct looker *looker, const struct found *found)
{
	s->hits += found->hits;
	s->found_data |= found->data;
	/* On a disk that holds data of the image its zeros are a hit, too: passed over, they would be written again. */
	bool is_hit = found->data || (s->found_data && found->hits);
	s->misses = is_hit ? 0 : s->misses + found->missing;
	if (is_hit) {
		s->stride = 1;
		if (looker->from < looker->at && looker->from < s->next)
			s->next = looker->from;
	} else if (s->misses >= (s->found_data ? MISSES_MAX : MISSES_MAX_NOT_FOUND)) {
		s->misses = 0;
		if (!s->found_data || s->stride < STRIDE_MAX)
			s->stride = s->stride * 2 + 1;
	}
	s->over |= found->is_over;
}

static void end_block(struct looker *looker, const struct found *found)
{
	struct scan *s = looker->scan;

	pthread_mutex_lock(&s->lock);
	count_found(s, looker, found);
	looker->from = UINT64_MAX;
	tell_decided(s);
	pthread_cond_broadcast(&s->work);
	pthread_cond_signal(&s->idle);
	pthread_mutex_unlock(&s->lock);
}

/* A chunk of data is never all zeros, and that is seen sooner than its digest. */
static bool is_there(const uint8_t *bytes, size_t len, const struct index_entry *entry)
{
	if (bytes_are_zero(bytes, len))
		return entry->kind == CHUNK_ZERO;
	return entry->kind == CHUNK_DATA && digest_is_of(entry->digest, bytes, len);
}

/* The chunks of a block, whose bytes are there, or of which nothing is known: then they are missing. */
static void compare_block(struct found *out, const struct looker *looker, uint64_t end, bool is_read)
{
	const struct scan_range *range = &looker->scan->range;
	const struct index_header *h = index_get_header(range->index);
	const uint8_t *bytes = looker->bytes;

	*out = (struct found){ 0 };
	for (uint64_t nr = looker->at; nr < end; nr++) {
		uint32_t len = index_chunk_bytes(h, nr);
		struct index_entry entry;
		struct err ignored;

		if (index_get_entry(range->index, &entry, nr, &ignored) != 0) {
			out->is_over = true;
			return;
		}
		/* Looked at a second time, perhaps by both at once: what was found then counts now, too, for what it
		 * says of its surroundings. */
		if (todo_is_done(range->todo, nr)) {
			out->data |= entry.kind == CHUNK_DATA;
		} else if (is_read && is_there(bytes, len, &entry)) {
			bool is_new = todo_found(range->todo, nr);

			out->hits += is_new;
			out->hit_bytes += is_new ? entry.frame_bytes : 0;
			out->data |= entry.kind == CHUNK_DATA;
		} else {
			out->missing = true;
		}
		bytes += len;
	}
}

/* What cannot be read now is for compare_block to say. */
static bool has_data(const struct looker *looker, uint64_t end)
{
	for (uint64_t nr = looker->at; nr < end; nr++) {
		struct index_entry entry;
		struct err ignored;

		if (index_get_entry(looker->scan->range.index, &entry, nr, &ignored) != 0 || entry.kind == CHUNK_DATA)
			return true;
	}
	return false;
}

static void look(struct found *out, struct looker *looker, uint64_t end)
{
	const struct scan_range *range = &looker->scan->range;
	const struct index_header *h = index_get_header(range->index);
	uint64_t off = looker->at * h->chunk_bytes;
	uint64_t len = (end - 1) * h->chunk_bytes + index_chunk_bytes(h, end - 1) - off;
	struct err ignored;

	compare_block(out, looker, end, device_read(range->dev, looker->bytes, (size_t)len, off, &ignored) == 0);
	if (out->hits)
		progress_skip(looker->scan->progress, out->hit_bytes);
}

static void *run_looker(void *ctx)
{
	struct looker *looker = ctx;
	bool zeros_too;
	uint64_t end;

	while (take_block(looker, &end, &zeros_too)) {
		struct found found = { 0 };

		if (zeros_too || has_data(looker, end))
			look(&found, looker, end);
		end_block(looker, &found);
	}
	return NULL;
}

void scan_begin(struct scan *s, const struct scan_range *range)
{
	uint32_t chunk_bytes = index_get_header(range->index)->chunk_bytes;

	pthread_mutex_lock(&s->lock);
	s->range = *range;
	s->block = chunk_bytes < BLOCK_BYTES ? BLOCK_BYTES / chunk_bytes : 1;
	s->next = range->first;
	s->stride = 1;
	s->misses = 0;
	s->hits = 0;
	s->found_data = s->over = false;
	tell_decided(s);
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
}

uint64_t scan_finish(struct scan *s)
{
	pthread_mutex_lock(&s->lock);
	s->over = true;
	while (!is_idle(s))
		pthread_cond_wait(&s->idle, &s->lock);
	uint64_t hits = s->found_data ? s->hits : 0;
	pthread_mutex_unlock(&s->lock);
	return hits;
}

/* Signals are for the thread that waits for the end of the work. */
static int start_threads(struct scan *s)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!rc && s->thread_count < THREADS) {
		struct looker *looker = &s->lookers[s->thread_count];

		rc = pthread_create(&looker->thread, NULL, run_looker, looker);
		s->thread_count += rc == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int scan_new(struct scan **out, uint32_t chunk_bytes_max, struct progress *progress, struct err *err)
{
	CLEANUP(scan_free) struct scan *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, -ENOMEM, "write: out of memory");
	s->progress = progress;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->idle, NULL);
	for (size_t i = 0; i < THREADS; i++) {
		s->lookers[i].scan = s;
		s->lookers[i].from = UINT64_MAX;
		s->lookers[i].bytes = device_buffer(chunk_bytes_max > BLOCK_BYTES ? chunk_bytes_max : BLOCK_BYTES);
		if (!s->lookers[i].bytes)
			return err_set(err, -ENOMEM, "write: out of memory");
	}
	int rc = start_threads(s);
	if (rc)
		return err_set(err, -rc, "write: start a thread: %s", strerror(rc));
	*out = TAKE(s);
	return 0;
}

void scan_free(struct scan **sp)
{
	struct scan *s = *sp;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->quit = true;
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; i < s->thread_count; i++)
		pthread_join(s->lookers[i].thread, NULL);
	for (size_t i = 0; i < THREADS; i++)
		free(s->lookers[i].bytes);
	pthread_cond_destroy(&s->idle);
	pthread_cond_destroy(&s->work);
	pthread_mutex_destroy(&s->lock);
	free(s);
	*sp = NULL;
}
