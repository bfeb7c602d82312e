/* SPDX-License-Identifier: GPL-2.0-or-later */
/* chunker: see chunker.h */
#include "chunker.h"

#include "bytes.h"
#include "cleanup.h"
#include "frame.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Beyond four threads the sequential part, the digest of the whole disk, is what takes the time. */
#define WORKERS_MAX 4u
/* One buffer being filled, one being written, and two so that no thread waits while either takes its time. */
#define SLOTS_BESIDE_WORKERS 4u

struct slot {
	struct chunk chunk;
	uint8_t *raw;
	uint8_t *frame; /* its own; chunk.frame may be that of the zero chunk instead */
	bool zeros;     /* known to be zeros without a look */
	bool done;
	struct err err;
};

/* Chunks are numbered; number n lies in slot n % slot_count: released <= started <= submitted <= released + slot_count.
 */
struct chunker {
	uint32_t chunk_bytes;
	size_t frame_room;
	int level;
	/* What every full zero chunk becomes. */
	uint8_t *zero_frame;
	size_t zero_frame_bytes;
	uint8_t zero_digest[DIGEST_BYTES];

	struct slot *slots;
	size_t slot_count;
	pthread_t workers[WORKERS_MAX];
	size_t worker_count;

	pthread_mutex_t lock; /* of all below, and of slots[].done */
	pthread_cond_t work;  /* something was submitted, or quit */
	pthread_cond_t done;  /* a chunk is done */
	uint64_t submitted, started, released;
	bool quit;
};

static struct slot *slot_of(struct chunker *c, uint64_t nr)
{
	return &c->slots[nr % c->slot_count];
}

static int work_on(struct chunker *c, struct slot *slot, struct frame_packer *packer, struct err *err)
{
	struct chunk *chunk = &slot->chunk;
	bool zero = slot->zeros || bytes_are_zero(chunk->raw, chunk->raw_bytes);

	chunk->kind = zero ? CHUNK_ZERO : CHUNK_DATA;
	if (zero && chunk->raw_bytes == c->chunk_bytes) {
		memcpy(chunk->digest, c->zero_digest, DIGEST_BYTES);
		chunk->frame = c->zero_frame;
		chunk->frame_bytes = c->zero_frame_bytes;
		return 0;
	}
	digest_of(chunk->digest, chunk->raw, chunk->raw_bytes);
	ssize_t len = frame_pack(packer, slot->frame, c->frame_room, chunk->raw, chunk->raw_bytes, err);
	if (len < 0)
		return (int)len;
	chunk->frame = slot->frame;
	chunk->frame_bytes = (size_t)len;
	return 0;
}

/* The next chunk that nobody has begun, or NULL: quit. */
static struct slot *start_next(struct chunker *c)
{
	struct slot *slot = NULL;

	pthread_mutex_lock(&c->lock);
	while (!c->quit && c->started == c->submitted)
		pthread_cond_wait(&c->work, &c->lock);
	if (!c->quit)
		slot = slot_of(c, c->started++);
	pthread_mutex_unlock(&c->lock);
	return slot;
}

static void mark_done(struct chunker *c, struct slot *slot)
{
	pthread_mutex_lock(&c->lock);
	slot->done = true;
	pthread_cond_signal(&c->done);
	pthread_mutex_unlock(&c->lock);
}

static void *run_worker(void *ctx)
{
	CLEANUP(frame_packer_free) struct frame_packer *packer = NULL;
	struct chunker *c = ctx;
	struct err err = { 0 };
	struct slot *slot;

	frame_packer_new(&packer, c->level, &err);
	while ((slot = start_next(c))) {
		slot->err = err;
		if (packer)
			work_on(c, slot, packer, &slot->err);
		mark_done(c, slot);
	}
	return NULL;
}

/* One zero chunk, made the long way, so that all others can be copies of it. */
static int prepare_zero(struct chunker *c, struct err *err)
{
	CLEANUP(frame_packer_free) struct frame_packer *packer = NULL;
	CLEANUP(free_mem) uint8_t *zeros = calloc(1, c->chunk_bytes);
	int rc = frame_packer_new(&packer, c->level, err);

	if (rc)
		return rc;
	c->zero_frame = malloc(c->frame_room);
	if (!zeros || !c->zero_frame)
		return err_set(err, -ENOMEM, "chunk: out of memory");
	ssize_t len = frame_pack(packer, c->zero_frame, c->frame_room, zeros, c->chunk_bytes, err);
	if (len < 0)
		return (int)len;
	c->zero_frame_bytes = (size_t)len;
	digest_of(c->zero_digest, zeros, c->chunk_bytes);
	return 0;
}

static int allocate_slots(struct chunker *c, size_t count, struct err *err)
{
	c->slots = calloc(count, sizeof(*c->slots));
	if (!c->slots)
		return err_set(err, -ENOMEM, "chunk buffers: out of memory");
	c->slot_count = count;
	for (size_t i = 0; i < count; i++) {
		c->slots[i].raw = malloc(c->chunk_bytes);
		c->slots[i].frame = malloc(c->frame_room);
		if (!c->slots[i].raw || !c->slots[i].frame)
			return err_set(err, -ENOMEM, "chunk buffers: out of memory");
		/* Touched now, so that what an ingest takes does not depend on how much of a disk is data. */
		memset(c->slots[i].raw, 0, c->chunk_bytes);
		memset(c->slots[i].frame, 0, c->frame_room);
	}
	return 0;
}

static int start_workers(struct chunker *c, size_t count, struct err *err)
{
	while (c->worker_count < count) {
		int rc = pthread_create(&c->workers[c->worker_count], NULL, run_worker, c);

		if (rc)
			return err_set(err, -rc, "chunk worker thread: %s", strerror(rc));
		c->worker_count++;
	}
	return 0;
}

int chunker_new(struct chunker **out, uint32_t chunk_bytes, int level, struct err *err)
{
	CLEANUP(chunker_free) struct chunker *c = calloc(1, sizeof(*c));
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t workers = cpus < 1 ? 1 : cpus > (long)WORKERS_MAX ? WORKERS_MAX : (size_t)cpus;

	if (!c)
		return err_set(err, -ENOMEM, "chunk: out of memory");
	c->chunk_bytes = chunk_bytes;
	c->frame_room = frame_bound(chunk_bytes);
	c->level = level;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->work, NULL);
	pthread_cond_init(&c->done, NULL);
	int rc = prepare_zero(c, err);
	if (!rc)
		rc = allocate_slots(c, workers + SLOTS_BESIDE_WORKERS, err);
	if (!rc)
		rc = start_workers(c, workers, err);
	if (rc)
		return rc;
	*out = TAKE(c);
	return 0;
}

void chunker_free(struct chunker **cp)
{
	struct chunker *c = *cp;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->quit = true;
	pthread_cond_broadcast(&c->work);
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < c->worker_count; i++)
		pthread_join(c->workers[i], NULL);
	for (size_t i = 0; i < c->slot_count; i++) {
		free(c->slots[i].raw);
		free(c->slots[i].frame);
	}
	free(c->slots);
	free(c->zero_frame);
	pthread_cond_destroy(&c->done);
	pthread_cond_destroy(&c->work);
	pthread_mutex_destroy(&c->lock);
	free(c);
	*cp = NULL;
}

/* `submitted` and `released` are written by the using thread alone, which may therefore read them without the lock. */
uint8_t *chunker_buffer(struct chunker *c)
{
	return c->submitted - c->released == c->slot_count ? NULL : slot_of(c, c->submitted)->raw;
}

static void submit(struct chunker *c, size_t len, bool zeros)
{
	struct slot *slot = slot_of(c, c->submitted);

	assert(len > 0 && len <= c->chunk_bytes);
	pthread_mutex_lock(&c->lock);
	slot->done = false;
	slot->zeros = zeros;
	slot->chunk = (struct chunk){ .raw = slot->raw, .raw_bytes = len };
	c->submitted++;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
}

void chunker_submit(struct chunker *c, size_t len)
{
	submit(c, len, false);
}

void chunker_submit_zeros(struct chunker *c)
{
	submit(c, c->chunk_bytes, true);
}

int chunker_take(struct chunker *c, const struct chunk **out, struct err *err)
{
	struct slot *slot = slot_of(c, c->released);

	if (c->released == c->submitted)
		return 0;
	pthread_mutex_lock(&c->lock);
	while (!slot->done)
		pthread_cond_wait(&c->done, &c->lock);
	pthread_mutex_unlock(&c->lock);
	if (slot->err.code) {
		*err = slot->err;
		return err->code;
	}
	*out = &slot->chunk;
	return 1;
}

void chunker_release(struct chunker *c)
{
	pthread_mutex_lock(&c->lock);
	c->released++;
	pthread_mutex_unlock(&c->lock);
}
