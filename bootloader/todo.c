/* SPDX-License-Identifier: GPL-2.0-or-later */
/* todo: see todo.h */
#include "todo.h"

#include "cleanup.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How soon a wait notices that it was stopped. */
#define NAP_MS 100

struct todo {
	const atomic_bool *stop;
	pthread_mutex_t lock;  /* of all below */
	pthread_cond_t change; /* there is more to take, or nothing is left, or it failed */
	uint64_t *done;        /* a bit for each chunk */
	uint64_t count;
	uint64_t left;           /* chunks that are not done */
	uint64_t decided;        /* all before this one are */
	uint64_t next;           /* all before this one were handed out, or done */
	struct todo_span *again; /* given back */
	size_t again_count, again_room;
	struct err failed; /* code 0: nothing */
};

static size_t words_for(uint64_t chunk_count)
{
	return (size_t)((chunk_count + 63) / 64);
}

struct todo *todo_new(uint64_t chunk_count_max, const atomic_bool *stop)
{
	struct todo *t = calloc(1, sizeof(*t));
	pthread_condattr_t monotonic;

	if (!t)
		return NULL;
	t->stop = stop;
	t->done = calloc(words_for(chunk_count_max), sizeof(*t->done));
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t->change, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (!t->done)
		todo_free(&t);
	return t;
}

void todo_free(struct todo **t)
{
	if (!*t)
		return;
	pthread_cond_destroy(&(*t)->change);
	pthread_mutex_destroy(&(*t)->lock);
	free((*t)->again);
	free((*t)->done);
	free(*t);
	*t = NULL;
}

void todo_begin(struct todo *t, uint64_t chunk_count)
{
	memset(t->done, 0, words_for(chunk_count) * sizeof(*t->done));
	t->count = t->left = chunk_count;
	t->decided = t->next = 0;
	t->again_count = 0;
	t->failed = (struct err){ 0 };
}

static bool is_done(const struct todo *t, uint64_t nr)
{
	return t->done[nr / 64] >> nr % 64 & 1;
}

/* Called with the lock. */
static void mark_done(struct todo *t, uint64_t nr)
{
	assert(!is_done(t, nr));
	t->done[nr / 64] |= UINT64_C(1) << nr % 64;
	if (--t->left == 0)
		pthread_cond_broadcast(&t->change);
}

bool todo_found(struct todo *t, uint64_t nr)
{
	pthread_mutex_lock(&t->lock);
	bool is_new = !is_done(t, nr);
	if (is_new)
		mark_done(t, nr);
	pthread_mutex_unlock(&t->lock);
	return is_new;
}

void todo_done(struct todo *t, uint64_t first, uint64_t end)
{
	pthread_mutex_lock(&t->lock);
	for (uint64_t nr = first; nr < end; nr++)
		mark_done(t, nr);
	pthread_mutex_unlock(&t->lock);
}

bool todo_is_done(struct todo *t, uint64_t nr)
{
	pthread_mutex_lock(&t->lock);
	bool done = is_done(t, nr);
	pthread_mutex_unlock(&t->lock);
	return done;
}

uint64_t todo_left(struct todo *t)
{
	pthread_mutex_lock(&t->lock);
	uint64_t left = t->left;
	pthread_mutex_unlock(&t->lock);
	return left;
}

void todo_decided(struct todo *t, uint64_t end)
{
	pthread_mutex_lock(&t->lock);
	if (end > t->decided) {
		t->decided = end;
		pthread_cond_broadcast(&t->change);
	}
	pthread_mutex_unlock(&t->lock);
}

/* Called with the lock. */
static void fail(struct todo *t, const struct err *err)
{
	if (!t->failed.code)
		t->failed = *err;
	pthread_cond_broadcast(&t->change);
}

/* Called with the lock. A span that continues the last one of the same sort becomes part of it. */
static void give_back(struct todo *t, const struct todo_span *span)
{
	struct todo_span *last = t->again_count ? &t->again[t->again_count - 1] : NULL;

	if (last && last->end == span->first && last->tries == span->tries && last->from == span->from) {
		last->end = span->end;
	} else if (t->again_count == t->again_room) {
		size_t room = t->again_room ? t->again_room * 2 : 8;
		struct todo_span *again = reallocarray(t->again, room, sizeof(*again));

		if (!again) {
			struct err err;

			err_set(&err, -ENOMEM, "write: out of memory");
			fail(t, &err);
			return;
		}
		t->again = again;
		t->again_room = room;
		t->again[t->again_count++] = *span;
	} else {
		t->again[t->again_count++] = *span;
	}
	pthread_cond_signal(&t->change);
}

void todo_give_back(struct todo *t, const struct todo_span *span)
{
	pthread_mutex_lock(&t->lock);
	if (span->first < span->end)
		give_back(t, span);
	pthread_mutex_unlock(&t->lock);
}

void todo_wrong(struct todo *t, const struct todo_span *span)
{
	struct err err = span->wrong;

	err_wrap(&err, "image: chunk %" PRIu64, span->first);
	pthread_mutex_lock(&t->lock);
	if (span->tries >= TODO_TRIES_MAX) {
		err_wrap(&err, "tried %u times", span->tries);
		fail(t, &err);
	} else {
		give_back(t, span);
	}
	pthread_mutex_unlock(&t->lock);
}

void todo_fail(struct todo *t, const struct err *err)
{
	pthread_mutex_lock(&t->lock);
	fail(t, err);
	pthread_mutex_unlock(&t->lock);
}

int todo_failed(struct todo *t, struct err *err)
{
	pthread_mutex_lock(&t->lock);
	if (t->failed.code)
		*err = t->failed;
	int rc = t->failed.code;
	pthread_mutex_unlock(&t->lock);
	return rc;
}

/* Called with the lock. Whether there was something to take. */
static bool take_span(struct todo *t, struct todo_span *out, uint64_t count_max)
{
	if (t->again_count) {
		*out = t->again[--t->again_count];
		return true;
	}
	while (t->next < t->decided && is_done(t, t->next))
		t->next++;
	uint64_t there = t->decided - t->next;
	/* Not one by one, as they are decided: each span is a request. */
	if (!there || (there < count_max / 4 && t->decided < t->count))
		return false;
	*out = (struct todo_span){ .first = t->next, .end = t->next + (there < count_max ? there : count_max) };
	t->next = out->end;
	return true;
}

static void nap(struct todo *t)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += NAP_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(&t->change, &t->lock, &until);
}

/* Called with the lock: whether it is over. 0: it is not, 1: everything is done, else why it failed. */
static int check_end(struct todo *t, struct err *err)
{
	if (t->stop && atomic_load(t->stop) && !t->failed.code)
		err_set(&t->failed, -ECANCELED, "interrupted");
	if (t->failed.code)
		*err = t->failed;
	return t->failed.code ? t->failed.code : t->left == 0;
}

int todo_take(struct todo *t, struct todo_span *out, uint64_t count_max, struct err *err)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	while ((rc = check_end(t, err)) == 0 && !take_span(t, out, count_max))
		nap(t);
	pthread_mutex_unlock(&t->lock);
	return rc < 0 ? rc : rc == 0;
}

int todo_wait(struct todo *t, struct err *err)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	while ((rc = check_end(t, err)) == 0)
		nap(t);
	pthread_mutex_unlock(&t->lock);
	return rc < 0 ? rc : 0;
}
