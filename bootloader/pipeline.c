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

/* Small chunks in a row are one request, up to a place that is a multiple of this: 64 KiB at a time reach half the
 * speed of 1 MiB, 4 MiB are no faster. */
#define BLOCK_BYTES (1u << 20)

/* Neighbouring zeros are one request, up to here: a disk that has to write them takes seconds, in which nobody sees it
 * move or can stop it. */
#define ZEROS_BYTES (256u << 20)

/* What one slot holds: a data chunk, or a run of zero chunks, which needs no bytes. */
struct piece {
	uint64_t nr;              /* of its first chunk */
	uint64_t disk_off;        /* where it belongs */
	uint64_t len;             /* there */
	uint64_t frame_bytes;     /* of all its frames */
	struct index_entry entry; /* of a data chunk */
	bool is_zeros;
};

struct slot {
	struct piece piece;
	bool done; /* may be placed, or `err` says why not */
	struct err err;
};

struct worker {
	struct pipeline *pipeline;
	struct frame_opener *opener;
	pthread_t thread;
};

/* Pieces are numbered; number n lies in slot n % slot_count: released <= started <= submitted <= released + slot_count.
 */
struct pipeline {
	struct pipeline_options options;
	struct pipeline_target target;
	struct slot *slots;
	size_t slot_count;
	uint8_t *frames, *chunks; /* of all slots, each behind that of the slot before */
	struct worker workers[WORKERS_MAX];
	size_t opener_count, worker_count;
	pthread_t writer;
	bool has_writer;
	struct piece zeros; /* taken, but not submitted yet since more may follow; len 0: none */

	pthread_mutex_t lock; /* of all below, and of slots[].done */
	pthread_cond_t work;  /* something was submitted, or quit */
	pthread_cond_t done;  /* a piece is done, or quit */
	pthread_cond_t space; /* a piece was released */
	uint64_t submitted, started, released;
	bool settling;     /* no more will be submitted until all is released */
	struct err failed; /* code 0: nothing */
	uint64_t failed_nr;
	bool quit;
};

static struct slot *slot_of(struct pipeline *p, uint64_t n)
{
	return &p->slots[n % p->slot_count];
}

static uint8_t *frame_in(const struct pipeline *p, const struct slot *slot)
{
	return p->frames + (size_t)(slot - p->slots) * index_frame_bytes_max(p->options.chunk_bytes_max);
}

/* Neighbouring slots' chunks are neighbours, too, so that they can be placed at once. */
static uint8_t *chunk_in(const struct pipeline *p, const struct slot *slot)
{
	return p->chunks + (size_t)(slot - p->slots) * p->target.header->chunk_bytes;
}

/* ---------------------------------------------------------------- workers */

/* The one way from a frame to bytes that may be placed: not before they have been compared with the index. */
static int open_chunk(const struct worker *worker, const struct slot *slot, struct err *err)
{
	const struct index_entry *entry = &slot->piece.entry;
	const uint8_t *frame = frame_in(worker->pipeline, slot);
	uint8_t *chunk = chunk_in(worker->pipeline, slot);
	int rc = frame_open(worker->opener, chunk, slot->piece.len, frame, entry->frame_bytes, err);

	if (rc)
		return rc;
	if (!digest_is_of(entry->digest, chunk, slot->piece.len))
		return err_set(err, -EBADMSG, "its bytes do not have the digest that the index says");
	return 0;
}

/* The next piece that nobody has begun, or NULL: quit. Zeros are done when they are submitted. */
static struct slot *start_next(struct pipeline *p)
{
	struct slot *slot = NULL;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		assert(p->started >= p->released);
		while (p->started < p->submitted && slot_of(p, p->started)->done)
			p->started++;
		if (p->quit || p->started < p->submitted)
			break;
		pthread_cond_wait(&p->work, &p->lock);
	}
	if (!p->quit)
		slot = slot_of(p, p->started++);
	pthread_mutex_unlock(&p->lock);
	return slot;
}

static void mark_done(struct pipeline *p, struct slot *slot)
{
	pthread_mutex_lock(&p->lock);
	slot->done = true;
	pthread_cond_signal(&p->done);
	pthread_mutex_unlock(&p->lock);
}

static void *run_worker(void *ctx)
{
	struct worker *worker = ctx;
	struct slot *slot;

	while ((slot = start_next(worker->pipeline))) {
		open_chunk(worker, slot, &slot->err);
		mark_done(worker->pipeline, slot);
	}
	return NULL;
}

/* ---------------------------------------------------------------- writer */

/* Whether the piece behind this one may belong to the same request. */
static bool is_open_ended(const struct pipeline *p, const struct slot *slot)
{
	const struct piece *piece = &slot->piece;

	return !slot->err.code && !piece->is_zeros && (piece->disk_off + piece->len) % BLOCK_BYTES != 0 &&
	       slot + 1 < p->slots + p->slot_count;
}

static bool continues(const struct slot *slot, const struct slot *before)
{
	return !slot->err.code && !slot->piece.is_zeros &&
	       slot->piece.disk_off == before->piece.disk_off + before->piece.len;
}

/*
 * The next pieces in disk order that make one request: how many, 0: quit. It is waited for each that may belong to it, so
 * that what the requests are does not depend on which thread was faster.
 */
static size_t wait_request(struct pipeline *p)
{
	size_t count = 0;

	pthread_mutex_lock(&p->lock);
	while (!p->quit) {
		uint64_t n = p->released + count;
		const struct slot *slot = slot_of(p, n), *before = slot_of(p, n - 1);

		if (count && !is_open_ended(p, before))
			break;
		if (n < p->submitted && slot->done) {
			if (count && !continues(slot, before))
				break;
			count++;
		} else if (count && n == p->submitted && p->settling) {
			break;
		} else {
			pthread_cond_wait(&p->done, &p->lock);
		}
	}
	if (p->quit)
		count = 0;
	pthread_mutex_unlock(&p->lock);
	return count;
}

static int place(struct pipeline *p, const struct slot *first, size_t count, struct err *err)
{
	const uint8_t *bytes = first->piece.is_zeros ? NULL : chunk_in(p, first);
	uint64_t len = 0, frame_bytes = 0;

	if (p->options.stop && atomic_load(p->options.stop))
		return err_set(err, -ECANCELED, "interrupted");
	if (first->err.code) {
		*err = first->err;
		return err->code;
	}
	for (size_t i = 0; i < count; i++) {
		len += first[i].piece.len;
		frame_bytes += first[i].piece.frame_bytes;
	}
	int rc = p->target.place(p->target.ctx, bytes, len, first->piece.disk_off, err);
	if (!rc)
		progress_add(p->options.progress, frame_bytes);
	return rc;
}

static void release(struct pipeline *p, size_t count, const struct err *err)
{
	pthread_mutex_lock(&p->lock);
	if (err->code) {
		p->failed = *err;
		p->failed_nr = slot_of(p, p->released)->piece.nr;
	}
	p->released += count;
	/* Zeros: no worker has passed them yet. */
	if (p->started < p->released)
		p->started = p->released;
	pthread_cond_signal(&p->space);
	pthread_mutex_unlock(&p->lock);
}

/* `failed` is only reset when nothing is on its way, and `released` and it are set by nobody else: they may be read
 * without the lock. */
static void *run_writer(void *ctx)
{
	struct pipeline *p = ctx;
	size_t count;

	while ((count = wait_request(p)) > 0) {
		struct err err = { 0 };

		if (!p->failed.code)
			place(p, slot_of(p, p->released), count, &err);
		release(p, count, &err);
	}
	return NULL;
}

/* ---------------------------------------------------------------- the sink, used by one thread */

static struct piece piece_of(const struct pipeline *p, uint64_t nr, const struct index_entry *entry)
{
	return (struct piece){
		.nr = nr,
		.disk_off = nr * p->target.header->chunk_bytes,
		.len = index_chunk_bytes(p->target.header, nr),
		.frame_bytes = entry->frame_bytes,
		.entry = *entry,
		.is_zeros = entry->kind == CHUNK_ZERO,
	};
}

static int wait_slot(struct pipeline *p, struct slot **out, struct err *err)
{
	pthread_mutex_lock(&p->lock);
	while (!p->failed.code && p->submitted - p->released == p->slot_count)
		pthread_cond_wait(&p->space, &p->lock);
	int rc = p->failed.code;
	if (rc)
		*err = p->failed;
	pthread_mutex_unlock(&p->lock);
	*out = slot_of(p, p->submitted);
	return rc;
}

static void submit(struct pipeline *p, struct slot *slot)
{
	pthread_mutex_lock(&p->lock);
	slot->err = (struct err){ 0 };
	slot->done = slot->piece.is_zeros;
	p->submitted++;
	pthread_cond_signal(slot->done ? &p->done : &p->work);
	pthread_mutex_unlock(&p->lock);
}

static int submit_zeros(struct pipeline *p, struct err *err)
{
	struct slot *slot;

	if (!p->zeros.len)
		return 0;
	int rc = wait_slot(p, &slot, err);
	if (rc)
		return rc;
	slot->piece = p->zeros;
	p->zeros.len = 0;
	submit(p, slot);
	return 0;
}

static int give_room(void *ctx, uint8_t **out, uint64_t nr, const struct index_entry *entry, struct err *err)
{
	struct pipeline *p = ctx;
	struct slot *slot;
	int rc = submit_zeros(p, err);

	if (!rc)
		rc = wait_slot(p, &slot, err);
	if (rc)
		return rc;
	slot->piece = piece_of(p, nr, entry);
	*out = frame_in(p, slot);
	return 0;
}

static void take(void *ctx)
{
	struct pipeline *p = ctx;

	submit(p, slot_of(p, p->submitted));
}

static int take_zeros(void *ctx, uint64_t nr, const struct index_entry *entry, struct err *err)
{
	struct pipeline *p = ctx;
	struct piece piece = piece_of(p, nr, entry);

	if (p->zeros.len + piece.len > ZEROS_BYTES) {
		int rc = submit_zeros(p, err);

		if (rc)
			return rc;
	}
	if (!p->zeros.len) {
		p->zeros = piece;
	} else {
		p->zeros.len += piece.len;
		p->zeros.frame_bytes += piece.frame_bytes;
	}
	return 0;
}

static int settle(void *ctx, uint64_t *nr, struct err *err)
{
	struct pipeline *p = ctx;
	struct err known; /* what keeps zeros from being submitted is what is said below */

	if (submit_zeros(p, &known) != 0)
		p->zeros.len = 0;
	pthread_mutex_lock(&p->lock);
	p->settling = true;
	pthread_cond_signal(&p->done);
	while (p->released < p->submitted)
		pthread_cond_wait(&p->space, &p->lock);
	p->settling = false;
	int rc = p->failed.code;
	if (rc) {
		*err = p->failed;
		*nr = p->failed_nr;
	}
	p->failed = (struct err){ 0 };
	pthread_mutex_unlock(&p->lock);
	return rc;
}

struct chunk_sink pipeline_begin(struct pipeline *p, const struct pipeline_target *target)
{
	assert(p->released == p->submitted && !p->zeros.len);
	assert(target->header->chunk_bytes <= p->options.chunk_bytes_max);
	p->target = *target;
	return (struct chunk_sink){
		.room = give_room, .take = take, .take_zeros = take_zeros, .settle = settle, .ctx = p
	};
}

/* ---------------------------------------------------------------- from nothing and back */

static size_t slots_for(uint32_t chunk_bytes)
{
	size_t count = SLOTS_BYTES / (chunk_bytes + index_frame_bytes_max(chunk_bytes));

	return count < SLOTS_MIN ? SLOTS_MIN : count > SLOTS_MAX ? SLOTS_MAX : count;
}

/* Touched now: that memory which was promised is not there must not be found out over a half-written disk. */
static uint8_t *real_buffer(size_t len)
{
	uint8_t *buffer = device_buffer(len);

	return buffer ? memset(buffer, 0, len) : NULL;
}

static int allocate_slots(struct pipeline *p, struct err *err)
{
	uint32_t chunk_bytes = p->options.chunk_bytes_max;

	p->slot_count = slots_for(chunk_bytes);
	p->slots = calloc(p->slot_count, sizeof(*p->slots));
	p->frames = real_buffer(p->slot_count * index_frame_bytes_max(chunk_bytes));
	p->chunks = real_buffer(p->slot_count * chunk_bytes);
	return p->slots && p->frames && p->chunks ? 0 : err_set(err, -ENOMEM, "write: out of memory");
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
	pthread_cond_init(&p->done, NULL);
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
	pthread_cond_broadcast(&p->done);
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
	pthread_cond_destroy(&p->done);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
	*pp = NULL;
}
