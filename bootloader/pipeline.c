/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pipeline: see pipeline.h */
#include "pipeline.h"

#include "cleanup.h"
#include "device.h"
#include "frame.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* With more than four threads that verify (1 GB/s each) the network or the disk is what takes the time. */
#define WORKERS_MAX 4u

/* What chunks and frames on their way may take together. */
#define SLOTS_BYTES (16u << 20)
#define SLOTS_MIN   2u
#define SLOTS_MAX   64u

/* Small chunks in a row share a slot, up to a place that is a multiple of this: written 64 KiB at a time they reach half
 * the speed of 1 MiB, 4 MiB are no faster. */
#define BLOCK_BYTES      (1u << 20)
#define BLOCK_CHUNKS_MAX (BLOCK_BYTES / INDEX_CHUNK_BYTES_MIN)

enum slot_state {
	SLOT_FREE,
	SLOT_FILLING,   /* a caller's */
	SLOT_SUBMITTED, /* waits for a worker */
	SLOT_OPENING,   /* a worker's */
	SLOT_OPENED,    /* waits for the writer */
	SLOT_PLACING,   /* the writer's */
};

/* One chunk in a slot. */
struct part {
	struct index_entry entry;
	bool is_wrong;
};

struct pipeline_slot {
	enum slot_state state; /* under the lock; all else belongs to who has the slot */
	uint64_t turn;         /* the lower, the sooner */
	struct pipeline_origin origin;
	uint64_t nr;          /* of its first chunk */
	uint64_t count;       /* chunks that are there */
	bool is_zeros;        /* all of them, and nothing else is in it */
	uint64_t frame_bytes; /* of all frames that are there */
	size_t part_max;      /* as many as there is room for up to the next whole block */
	struct part parts[BLOCK_CHUNKS_MAX];
	struct err wrong; /* of a part that is: the last one's */
	uint8_t *frames;  /* one behind the other */
	uint8_t *chunks;
};

struct worker {
	struct pipeline *pipeline;
	struct frame_opener *opener;
	pthread_t thread;
};

struct pipeline {
	struct pipeline_options options;
	struct pipeline_target target;
	struct pipeline_slot *slots;
	size_t slot_count;
	uint8_t *frames, *chunks; /* of all slots */
	struct worker workers[WORKERS_MAX];
	size_t opener_count, worker_count;
	pthread_t writer;
	bool has_writer;
	uint64_t fetched_bytes; /* the writer's */

	pthread_mutex_t lock;  /* of all below, and of slots[].state */
	pthread_cond_t work;   /* a slot was submitted, or quit */
	pthread_cond_t opened; /* a slot was opened, or quit */
	pthread_cond_t space;  /* a slot was freed */
	uint64_t turns;
	bool quit;
};

/* How many chunks make a block; a large one makes it alone. */
static size_t block_chunks(uint32_t chunk_bytes)
{
	return chunk_bytes < BLOCK_BYTES ? BLOCK_BYTES / chunk_bytes : 1;
}

/* Called with the lock: the slot in this state whose turn it is, or NULL. */
static struct pipeline_slot *find_slot(const struct pipeline *p, enum slot_state state)
{
	struct pipeline_slot *found = NULL;

	for (size_t i = 0; i < p->slot_count; i++) {
		struct pipeline_slot *slot = &p->slots[i];

		if (slot->state == state && (!found || slot->turn < found->turn))
			found = slot;
	}
	return found;
}

/* Wait on `cond` for a slot in state `from` and bring it into state `to`. NULL: quit. */
static struct pipeline_slot *wait_slot(struct pipeline *p, pthread_cond_t *cond, enum slot_state from,
				       enum slot_state to)
{
	struct pipeline_slot *slot = NULL;

	pthread_mutex_lock(&p->lock);
	while (!p->quit && !(slot = find_slot(p, from)))
		pthread_cond_wait(cond, &p->lock);
	if (p->quit)
		slot = NULL;
	if (slot)
		slot->state = to;
	pthread_mutex_unlock(&p->lock);
	return slot;
}

static void pass_on(struct pipeline *p, struct pipeline_slot *slot, enum slot_state to, pthread_cond_t *cond)
{
	pthread_mutex_lock(&p->lock);
	slot->state = to;
	pthread_cond_broadcast(cond);
	pthread_mutex_unlock(&p->lock);
}

/* The one way from a frame to bytes that may be placed: not before they have been compared with the index. */
static int open_chunk(struct frame_opener *opener, uint8_t *chunk, size_t len, const uint8_t *frame,
		      const struct index_entry *entry, struct err *err)
{
	int rc = frame_open(opener, chunk, len, frame, entry->frame_bytes, err);

	if (rc)
		return rc;
	if (!digest_is_of(entry->digest, chunk, len))
		return err_set(err, -EBADMSG, "its bytes do not have the digest that the index says");
	return 0;
}

static void open_slot(const struct worker *worker, struct pipeline_slot *slot)
{
	const struct index_header *h = worker->pipeline->target.header;
	const uint8_t *frame = slot->frames;
	uint8_t *chunk = slot->chunks;

	for (size_t i = 0; i < slot->count; i++) {
		struct part *part = &slot->parts[i];
		uint32_t len = index_chunk_bytes(h, slot->nr + i);

		part->is_wrong = open_chunk(worker->opener, chunk, len, frame, &part->entry, &slot->wrong) != 0;
		frame += part->entry.frame_bytes;
		chunk += len;
	}
}

static void *run_worker(void *ctx)
{
	struct worker *worker = ctx;
	struct pipeline *p = worker->pipeline;
	struct pipeline_slot *slot;

	while ((slot = wait_slot(p, &p->work, SLOT_SUBMITTED, SLOT_OPENING))) {
		open_slot(worker, slot);
		pass_on(p, slot, SLOT_OPENED, &p->opened);
	}
	return NULL;
}

/* Chunks `first`..`end`-1 of the slot, of which none is wrong. */
static int place_parts(struct pipeline *p, const struct pipeline_slot *slot, uint64_t first, uint64_t end,
		       struct err *err)
{
	uint64_t chunk_bytes = p->target.header->chunk_bytes, frame_bytes = slot->frame_bytes;
	uint64_t off = (slot->nr + first) * chunk_bytes, last = slot->nr + end - 1;
	uint64_t len = last * chunk_bytes + index_chunk_bytes(p->target.header, last) - off;
	const uint8_t *bytes = slot->is_zeros ? NULL : slot->chunks + first * chunk_bytes;

	if (p->options.stop && atomic_load(p->options.stop))
		return err_set(err, -ECANCELED, "interrupted");
	int rc = p->target.place(p->target.ctx, bytes, len, off, err);
	if (rc)
		return rc;
	if (!slot->is_zeros) {
		frame_bytes = 0;
		for (uint64_t i = first; i < end; i++)
			frame_bytes += slot->parts[i].entry.frame_bytes;
		p->fetched_bytes += frame_bytes;
	}
	todo_done(p->target.todo, slot->nr + first, slot->nr + end);
	progress_add(p->options.progress, frame_bytes);
	return 0;
}

static void return_wrong(struct pipeline *p, const struct pipeline_slot *slot, uint64_t i)
{
	struct todo_span span = {
		.first = slot->nr + i,
		.end = slot->nr + i + 1,
		.tries = slot->origin.tries + 1,
		.from = slot->origin.from,
		.wrong = slot->wrong,
	};

	todo_wrong(p->target.todo, &span);
}

static int place_slot(struct pipeline *p, const struct pipeline_slot *slot, struct err *err)
{
	uint64_t i = 0;
	int rc = 0;

	if (slot->is_zeros)
		return place_parts(p, slot, 0, slot->count, err);
	while (i < slot->count && !rc) {
		uint64_t end = i;

		while (end < slot->count && !slot->parts[end].is_wrong)
			end++;
		if (end > i)
			rc = place_parts(p, slot, i, end, err);
		else
			return_wrong(p, slot, end++);
		i = end;
	}
	return rc;
}

static void *run_writer(void *ctx)
{
	struct pipeline *p = ctx;
	struct pipeline_slot *slot;
	struct err err;

	while ((slot = wait_slot(p, &p->opened, SLOT_OPENED, SLOT_PLACING))) {
		if (!todo_failed(p->target.todo, &err) && place_slot(p, slot, &err) != 0)
			todo_fail(p->target.todo, &err);
		pass_on(p, slot, SLOT_FREE, &p->space);
	}
	return NULL;
}

/* Slots become free whether or not all has failed: the wait ends. */
int pipeline_room(struct pipeline *p, struct pipeline_slot **out, uint64_t nr, const struct pipeline_origin *origin,
		  struct err *err)
{
	size_t block = block_chunks(p->target.header->chunk_bytes);
	struct pipeline_slot *slot = wait_slot(p, &p->space, SLOT_FREE, SLOT_FILLING);
	int rc = todo_failed(p->target.todo, err);

	slot->count = slot->frame_bytes = 0;
	slot->nr = nr;
	slot->origin = *origin;
	slot->is_zeros = false;
	slot->part_max = block - nr % block;
	if (rc)
		pipeline_submit(p, &slot);
	*out = slot;
	return rc;
}

uint8_t *pipeline_frame(struct pipeline_slot *slot, uint64_t nr, const struct index_entry *entry)
{
	/* Where a chunk is placed follows from its place in the slot. */
	if (slot->count == slot->part_max || nr != slot->nr + slot->count)
		return NULL;
	slot->parts[slot->count].entry = *entry;
	return slot->frames + slot->frame_bytes;
}

void pipeline_frame_done(struct pipeline_slot *slot)
{
	slot->frame_bytes += slot->parts[slot->count++].entry.frame_bytes;
}

void pipeline_submit(struct pipeline *p, struct pipeline_slot **slot)
{
	if (!*slot)
		return;
	pthread_mutex_lock(&p->lock);
	(*slot)->turn = p->turns++;
	(*slot)->state = !(*slot)->count ? SLOT_FREE : (*slot)->is_zeros ? SLOT_OPENED : SLOT_SUBMITTED;
	/* Each wakes only one kind of thread. */
	if ((*slot)->state == SLOT_SUBMITTED)
		pthread_cond_signal(&p->work);
	else if ((*slot)->state == SLOT_OPENED)
		pthread_cond_signal(&p->opened);
	else
		pthread_cond_broadcast(&p->space);
	pthread_mutex_unlock(&p->lock);
	*slot = NULL;
}

int pipeline_zeros(struct pipeline *p, uint64_t first, uint64_t end, uint64_t frame_bytes, struct err *err)
{
	struct pipeline_slot *slot;
	int rc = pipeline_room(p, &slot, first, &(struct pipeline_origin){ 0 }, err);

	if (rc)
		return rc;
	slot->count = end - first;
	slot->frame_bytes = frame_bytes;
	slot->is_zeros = true;
	pipeline_submit(p, &slot);
	return 0;
}

void pipeline_drain(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->slot_count; i++) {
		assert(p->slots[i].state != SLOT_FILLING);
		while (p->slots[i].state != SLOT_FREE)
			pthread_cond_wait(&p->space, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
}

void pipeline_begin(struct pipeline *p, const struct pipeline_target *target)
{
	assert(target->header->chunk_bytes <= p->options.chunk_bytes_max);
	p->target = *target;
	p->fetched_bytes = 0;
}

uint64_t pipeline_fetched_bytes(const struct pipeline *p)
{
	return p->fetched_bytes;
}

/* Each has one, and one more is on its way through the others. */
size_t pipeline_callers_max(const struct pipeline *p)
{
	return p->slot_count / 2;
}

/* Room for whole blocks of the largest chunks, and then for those of all smaller ones: their frames may be longer by
 * what 16 of them have more than one. */
static size_t slot_chunk_bytes(uint32_t chunk_bytes_max)
{
	return block_chunks(chunk_bytes_max) * chunk_bytes_max;
}

static size_t slot_frame_bytes(uint32_t chunk_bytes_max)
{
	size_t large = block_chunks(chunk_bytes_max) * index_frame_bytes_max(chunk_bytes_max);
	size_t small = BLOCK_CHUNKS_MAX * index_frame_bytes_max(INDEX_CHUNK_BYTES_MIN);

	return large > small ? large : small;
}

/* Touched now: that memory which was promised is not there must not be found out over a half-written disk. */
static uint8_t *real_buffer(size_t len)
{
	uint8_t *buffer = device_buffer(len);

	return buffer ? memset(buffer, 0, len) : NULL;
}

static int allocate_slots(struct pipeline *p, struct err *err)
{
	size_t chunk_bytes = slot_chunk_bytes(p->options.chunk_bytes_max);
	size_t frame_bytes = slot_frame_bytes(p->options.chunk_bytes_max);
	size_t count = SLOTS_BYTES / (chunk_bytes + frame_bytes);

	p->slot_count = count < SLOTS_MIN ? SLOTS_MIN : count > SLOTS_MAX ? SLOTS_MAX : count;
	p->slots = calloc(p->slot_count, sizeof(*p->slots));
	p->frames = real_buffer(p->slot_count * frame_bytes);
	p->chunks = real_buffer(p->slot_count * chunk_bytes);
	if (!p->slots || !p->frames || !p->chunks)
		return err_set(err, -ENOMEM, "write: out of memory");
	for (size_t i = 0; i < p->slot_count; i++) {
		p->slots[i].frames = p->frames + i * frame_bytes;
		p->slots[i].chunks = p->chunks + i * chunk_bytes;
	}
	return 0;
}

static size_t choose_workers(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 1 ? 1 : cpus > (long)WORKERS_MAX ? WORKERS_MAX : (size_t)cpus;
}

static int allocate_openers(struct pipeline *p, size_t count, struct err *err)
{
	while (p->opener_count < count) {
		struct worker *worker = &p->workers[p->opener_count];
		int rc = frame_opener_new(&worker->opener, p->options.chunk_bytes_max, err);

		if (rc)
			return rc;
		worker->pipeline = p;
		p->opener_count++;
	}
	return 0;
}

static int start_threads(struct pipeline *p)
{
	int rc = pthread_create(&p->writer, NULL, run_writer, p);

	p->has_writer = rc == 0;
	while (!rc && p->worker_count < p->opener_count) {
		struct worker *worker = &p->workers[p->worker_count];

		rc = pthread_create(&worker->thread, NULL, run_worker, worker);
		p->worker_count += rc == 0;
	}
	return rc;
}

/* Signals are for the thread that receives: they end its wait for the network. */
static int start_quietly(struct pipeline *p, struct err *err)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = start_threads(p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc ? err_set(err, -rc, "write: start a thread: %s", strerror(rc)) : 0;
}

int pipeline_new(struct pipeline **out, const struct pipeline_options *options, struct err *err)
{
	CLEANUP(pipeline_free) struct pipeline *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, -ENOMEM, "write: out of memory");
	p->options = *options;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->opened, NULL);
	pthread_cond_init(&p->space, NULL);
	int rc = allocate_slots(p, err);
	if (!rc)
		rc = allocate_openers(p, choose_workers(), err);
	if (!rc)
		rc = start_quietly(p, err);
	if (rc)
		return rc;
	*out = TAKE(p);
	return 0;
}

static void stop_threads(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	p->quit = true;
	pthread_cond_broadcast(&p->work);
	pthread_cond_broadcast(&p->opened);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->worker_count; i++)
		pthread_join(p->workers[i].thread, NULL);
	if (p->has_writer)
		pthread_join(p->writer, NULL);
}

void pipeline_free(struct pipeline **pp)
{
	struct pipeline *p = *pp;

	if (!p)
		return;
	stop_threads(p);
	for (size_t i = 0; i < p->opener_count; i++)
		frame_opener_free(&p->workers[i].opener);
	free(p->slots);
	free(p->frames);
	free(p->chunks);
	pthread_cond_destroy(&p->space);
	pthread_cond_destroy(&p->opened);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
	*pp = NULL;
}
