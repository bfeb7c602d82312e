/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remote_image: see remote_image.h */
#include "remote_image.h"

#include "cleanup.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* On a link with latency one connection does not fill it; more than a few take no more of it. */
#define LANES_MAX 3u

/* What a connection takes at a time, of the disk: enough that the pause before the next GET does not count. */
#define SPAN_BYTES (64u << 20)

/* Before the same wrong chunk is asked for again. */
#define WRONG_WAIT_MS 500u

#define NOBODY SIZE_MAX

/* One server that has the file. */
struct mirror {
	const char *url;
	unsigned failures; /* in a row */
	bool is_wrong;     /* it has sent wrong bytes */
	bool is_dead;      /* it answered that there is nothing to be had, in whatever words */
	bool is_whole;     /* it knows no ranges */
	size_t lane;       /* is_whole: the connection that has it to itself */
};

/* One connection at work. */
struct lane {
	struct remote_image *image;
	size_t nr;
	pthread_t thread;
	struct http *http;
	struct retry retry;
	uint64_t left; /* of all chunks, when it last failed: if there are fewer now, something arrived since */
	size_t mirror; /* which it uses */

	struct todo_span span; /* what it has taken */
	uint64_t at;           /* its next chunk to be handed over */
	struct pipeline_slot *slot;

	/* A request under way. */
	uint64_t stop;            /* it ends before this chunk */
	uint64_t skip;            /* bytes to come before the frame of `at` */
	bool is_enough;           /* all that was wanted has come */
	struct index_entry entry; /* of `at` */
	uint8_t *frame;           /* where its frame goes; NULL: nowhere, it is not needed */
	size_t have;              /* bytes of the frame that came */
};

struct remote_image {
	const struct service *service;
	const struct plan_image *image;
	struct index *index;
	uint64_t frames_end; /* offset behind the last frame */
	char etag[DIGEST_HEX + 2];
	atomic_bool quit; /* ends what the lanes wait for */
	struct lane lanes[LANES_MAX];

	/* A fetch under way. */
	struct todo *todo;
	struct pipeline *pipeline;

	pthread_mutex_t lock; /* of the mirrors */
	struct mirror mirrors[PLAN_URLS_MAX];
	size_t mirror_count;
};

static struct mirror *mirror_of(const struct lane *lane)
{
	return &lane->image->mirrors[lane->mirror];
}

/* The file comes from its beginning, whatever was asked for. */
static void begin_whole(struct lane *lane)
{
	pthread_mutex_lock(&lane->image->lock);
	mirror_of(lane)->is_whole = true;
	pthread_mutex_unlock(&lane->image->lock);
	lane->skip = lane->entry.frame_off;
}

static int check_head(void *ctx, const struct http_response *rs, struct err *err)
{
	struct lane *lane = ctx;
	const struct remote_image *r = lane->image;
	uint64_t total = rs->status == 206 ? rs->range_total : rs->has_length ? rs->length : 0;

	if (rs->status != 206 && rs->status != 200)
		return err_set(err, -EPROTO, "status %d has no part of the file", rs->status);
	if (total && total != r->image->image_bytes)
		return err_set(err, -EPROTO, "the server's file has %" PRIu64 " bytes, the image %" PRIu64, total,
			       r->image->image_bytes);
	/* A mirror is any web server, with an ETag of its own; what it sends is held to its length and the digests. */
	if (lane->mirror == 0 && rs->etag[0] && strcmp(rs->etag, r->etag) != 0)
		return err_set(err, -EPROTO, "the server's file is another one (ETag %s)", rs->etag);
	if (rs->status == 200)
		begin_whole(lane);
	return 0;
}

/* Room for the frame of `at`, unless nobody needs it. */
static int begin_frame(struct lane *lane, struct err *err)
{
	struct remote_image *r = lane->image;
	struct pipeline_origin origin = { .tries = lane->span.tries, .from = lane->mirror };
	int rc = index_get_entry(r->index, &lane->entry, lane->at, err);

	lane->have = 0;
	lane->frame = NULL;
	if (rc || lane->entry.kind != CHUNK_DATA || todo_is_done(r->todo, lane->at))
		return rc;
	if (lane->slot)
		lane->frame = pipeline_frame(lane->slot, lane->at, &lane->entry);
	if (lane->frame)
		return 0;
	pipeline_submit(r->pipeline, &lane->slot);
	rc = pipeline_room(r->pipeline, &lane->slot, lane->at, &origin, err);
	if (!rc)
		lane->frame = pipeline_frame(lane->slot, lane->at, &lane->entry);
	return rc;
}

/* Chunks `first`..`end`-1 are zeros, and not done. */
static int pass_zeros(struct lane *lane, uint64_t end, uint64_t frame_bytes, struct err *err)
{
	/* Who waits for a slot must have none: all may be held by who waits. */
	pipeline_submit(lane->image->pipeline, &lane->slot);
	int rc = pipeline_zeros(lane->image->pipeline, lane->at, end, frame_bytes, err);
	if (!rc)
		lane->at = end;
	return rc;
}

static int end_frame(struct lane *lane, struct err *err)
{
	int rc = 0;

	if (lane->frame) {
		pipeline_frame_done(lane->slot);
		lane->at++;
	} else if (todo_is_done(lane->image->todo, lane->at)) {
		lane->at++;
	} else {
		rc = pass_zeros(lane, lane->at + 1, lane->entry.frame_bytes, err);
	}
	if (!rc && lane->at < lane->stop)
		rc = begin_frame(lane, err);
	return rc;
}

/* What a server without ranges sends before what is wanted. */
static size_t skip(struct lane *lane, size_t len)
{
	size_t skipped = lane->skip < len ? (size_t)lane->skip : len;

	lane->skip -= skipped;
	return skipped;
}

static int take_body(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct lane *lane = ctx;
	size_t skipped = skip(lane, len);

	data += skipped;
	len -= skipped;
	while (len && lane->at < lane->stop) {
		size_t part = lane->entry.frame_bytes - lane->have;

		if (part > len)
			part = len;
		if (lane->frame)
			memcpy(lane->frame + lane->have, data, part);
		lane->have += part;
		data += part;
		len -= part;
		if (lane->have == lane->entry.frame_bytes) {
			int rc = end_frame(lane, err);

			if (rc)
				return rc;
		}
	}
	if (!len)
		return 0;
	lane->is_enough = true;
	return err_set(err, -EPROTO, "the server sends more than it was asked for");
}

/* One GET for the frames up to offset `stop_off`, where that of `stop` begins. */
static int fetch_once(struct lane *lane, unsigned *retry_after_s, uint64_t stop_off, struct err *err)
{
	const struct mirror *mirror = mirror_of(lane);
	struct http_response rs = { 0 };
	int rc = begin_frame(lane, err);

	if (rc)
		return rc;
	struct http_request rq = {
		.url = mirror->url,
		.ranged = true,
		.range_off = lane->entry.frame_off,
		.range_bytes = stop_off - lane->entry.frame_off,
		.body_bytes_max = lane->image->image->image_bytes,
		.on_head = check_head,
		.on_body = take_body,
		.ctx = lane,
	};
	lane->skip = 0;
	lane->is_enough = false;
	rc = http_perform(lane->http, &rq, &rs, err);
	*retry_after_s = rs.retry_after_s;
	if (lane->is_enough && mirror->is_whole)
		return 0;
	if (!rc)
		rc = service_check_status(&rs, rq.url, err);
	if (!rc && lane->at < lane->stop)
		rc = err_set(err, -ECONNRESET, "ended after %" PRIu64 " of %" PRIu64 " bytes", rs.body_bytes,
			     rq.range_bytes);
	return rc;
}

/* The chunks at `at` that need not be fetched, if there are any. */
static int pass_easy(struct lane *lane, struct err *err)
{
	struct remote_image *r = lane->image;

	while (lane->at < lane->span.end) {
		uint64_t end = lane->at, frame_bytes = 0;

		for (; end < lane->span.end && !todo_is_done(r->todo, end); end++) {
			int rc = index_get_entry(r->index, &lane->entry, end, err);

			if (rc)
				return rc;
			if (lane->entry.kind != CHUNK_ZERO)
				break;
			frame_bytes += lane->entry.frame_bytes;
		}
		if (end > lane->at) {
			int rc = pass_zeros(lane, end, frame_bytes, err);

			if (rc)
				return rc;
		} else if (todo_is_done(r->todo, lane->at)) {
			lane->at++;
		} else {
			break;
		}
	}
	return 0;
}

/* What one request from `at` on, a chunk to be fetched, may cover: it ends with such a chunk, and before others that are
 * too many to fetch for nothing. */
static int find_stop(uint64_t *stop_off, struct lane *lane, struct err *err)
{
	struct remote_image *r = lane->image;
	bool is_whole = mirror_of(lane)->is_whole;

	for (uint64_t nr = lane->at; nr < lane->span.end; nr++) {
		struct index_entry entry;
		int rc = index_get_entry(r->index, &entry, nr, err);

		if (rc)
			return rc;
		if (entry.kind == CHUNK_ZERO || todo_is_done(r->todo, nr))
			continue;
		if (nr > lane->at && entry.frame_off - *stop_off >= SERVICE_GAP_BYTES && !is_whole)
			break;
		lane->stop = nr + 1;
		*stop_off = entry.frame_off + entry.frame_bytes;
	}
	return 0;
}

/* As much of the span as goes without a failure. */
static int fetch_span(struct lane *lane, unsigned *retry_after_s, struct err *err)
{
	int rc = pass_easy(lane, err);

	while (!rc && lane->at < lane->span.end) {
		uint64_t stop_off = 0;

		rc = find_stop(&stop_off, lane, err);
		if (!rc)
			rc = fetch_once(lane, retry_after_s, stop_off, err);
		if (!rc)
			rc = pass_easy(lane, err);
	}
	pipeline_submit(lane->image->pipeline, &lane->slot);
	return rc;
}

/* Called with the lock. Whether `a` is to be asked rather than `b`. */
static bool is_better(const struct mirror *a, const struct mirror *b)
{
	if (a->is_wrong != b->is_wrong)
		return b->is_wrong;
	if (!a->failures != !b->failures)
		return !a->failures;
	if (a->is_whole != b->is_whole)
		return b->is_whole;
	return a->failures < b->failures;
}

/* Called with the lock. Whether it may be asked by this lane. */
static bool is_open(const struct mirror *mirror, const struct lane *lane)
{
	return !mirror->is_dead && (!mirror->is_whole || mirror->lane == NOBODY || mirror->lane == lane->nr);
}

/*
 * The best server for this lane. Of equals it stays with the one it has, or, at first, lanes get different ones. False:
 * there is none, or none that has no lane of its own.
 */
static bool choose_mirror(struct lane *lane)
{
	struct remote_image *r = lane->image;
	size_t best = NOBODY;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < r->mirror_count; i++) {
		size_t nr = (lane->mirror + i) % r->mirror_count;
		const struct mirror *mirror = &r->mirrors[nr];

		if (!is_open(mirror, lane))
			continue;
		if (best == NOBODY || is_better(mirror, &r->mirrors[best]))
			best = nr;
	}
	if (best != NOBODY) {
		lane->mirror = best;
		if (r->mirrors[best].is_whole)
			r->mirrors[best].lane = lane->nr;
	}
	pthread_mutex_unlock(&r->lock);
	return best != NOBODY;
}

/* Of what the lane's server did. False: the lane would choose no other one now. */
static bool note_failure(const struct lane *lane, bool is_for_good)
{
	struct remote_image *r = lane->image;
	struct mirror *mirror = mirror_of(lane);
	bool has_other = false;

	pthread_mutex_lock(&r->lock);
	mirror->failures++;
	mirror->is_dead |= is_for_good;
	mirror->lane = NOBODY;
	for (size_t i = 0; i < r->mirror_count; i++)
		has_other |= &r->mirrors[i] != mirror && is_open(&r->mirrors[i], lane) &&
			     (is_for_good || is_better(&r->mirrors[i], mirror));
	pthread_mutex_unlock(&r->lock);
	return has_other;
}

static void note_success(const struct lane *lane)
{
	struct remote_image *r = lane->image;

	pthread_mutex_lock(&r->lock);
	mirror_of(lane)->failures = 0;
	pthread_mutex_unlock(&r->lock);
}

/* 0: the lane may go on, after a wait, or at once with another server. */
static int after_failure(struct lane *lane, unsigned retry_after_s, struct err *err)
{
	uint64_t left = todo_left(lane->image->todo);

	/* Only what was verified counts: a chunk that always comes wrong always comes. */
	if (left < lane->left)
		retry_reset(&lane->retry);
	lane->left = left;
	err_wrap(err, "image: chunk %" PRIu64, lane->at);
	if (err->code == -ECANCELED)
		return err->code;
	/* What is not the network is not the server's either, but its index's. */
	bool is_content = err->code == -EBADMSG || err->code == -EACCES;
	if (!is_content && note_failure(lane, !http_is_transient(err->code))) {
		log_warn("%s, going on with another server", err->text);
		return 0;
	}
	return retry_wait(&lane->retry, retry_after_s, err);
}

/* Before a chunk that came with wrong bytes is fetched again: from another server, if there is one. */
static int after_wrong(struct lane *lane, struct err *err)
{
	struct remote_image *r = lane->image;

	log_warn("image: chunk %" PRIu64 ": %s, retrying", lane->span.first, lane->span.wrong.text);
	pthread_mutex_lock(&r->lock);
	r->mirrors[lane->span.from].is_wrong = true;
	pthread_mutex_unlock(&r->lock);
	if (!choose_mirror(lane) || lane->mirror == lane->span.from)
		return clock_sleep_ms(WRONG_WAIT_MS, &r->quit, err);
	return 0;
}

static int bring_span(struct lane *lane, struct err *err)
{
	unsigned retry_after_s = 0;
	int rc = lane->span.tries ? after_wrong(lane, err) : 0;

	lane->at = lane->span.first;
	if (!rc)
		rc = fetch_span(lane, &retry_after_s, err);
	if (!rc) {
		note_success(lane);
		return 0;
	}
	lane->span.first = lane->at;
	todo_give_back(lane->image->todo, &lane->span);
	struct err failed;
	if (todo_failed(lane->image->todo, &failed)) {
		*err = failed;
		return failed.code;
	}
	return after_failure(lane, retry_after_s, err);
}

/* No more than a fair share of what is left: whoever begins first, or is the slowest, leaves something to the others. */
static uint64_t span_max(const struct lane *lane)
{
	uint64_t count = SPAN_BYTES / index_get_header(lane->image->index)->chunk_bytes;
	uint64_t share = todo_left(lane->image->todo) / LANES_MAX + 1;

	if (mirror_of(lane)->is_whole)
		return UINT64_MAX;
	return share < count ? share : count;
}

static void *run_lane(void *ctx)
{
	struct lane *lane = ctx;
	struct todo *todo = lane->image->todo;
	struct err err = { 0 };
	int rc = 0;

	/* A lane that has no server leaves the work to one that has. */
	while (!rc && choose_mirror(lane) && todo_take(todo, &lane->span, span_max(lane), &err) > 0)
		rc = bring_span(lane, &err);
	if (rc)
		todo_fail(todo, &err);
	return NULL;
}

/* Signals are for the thread that waits: what they mean reaches the lanes through `quit`. */
static size_t start_lanes(struct remote_image *r, struct err *err)
{
	size_t want = pipeline_callers_max(r->pipeline), count = 0;
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (!rc && count < want && count < LANES_MAX) {
		struct lane *lane = &r->lanes[count];

		lane->left = UINT64_MAX;
		retry_init(&lane->retry, r->service->retry_s, &r->quit);
		rc = pthread_create(&lane->thread, NULL, run_lane, lane);
		count += rc == 0;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		err_set(err, -rc, "image: start a thread: %s", strerror(rc));
		todo_fail(r->todo, err);
	}
	return count;
}

static int fetch(void *ctx, struct todo *todo, struct pipeline *pipeline, struct err *err)
{
	struct remote_image *r = ctx;

	r->todo = todo;
	r->pipeline = pipeline;
	atomic_store(&r->quit, false);
	size_t count = start_lanes(r, err);
	int rc = todo_wait(todo, err);
	atomic_store(&r->quit, true);
	for (size_t i = 0; i < count; i++)
		pthread_join(r->lanes[i].thread, NULL);
	return rc;
}

/* Called right after the index was opened, when its last page is still at hand. */
static int find_frames_end(struct remote_image *r, struct err *err)
{
	struct index_entry last;
	int rc = index_get_entry(r->index, &last, index_get_header(r->index)->chunk_count - 1, err);

	if (!rc)
		r->frames_end = last.frame_off + last.frame_bytes;
	return rc;
}

static int open_lanes(struct remote_image *r, struct err *err)
{
	struct service service = *r->service;
	int rc = 0;

	service.stop = &r->quit;
	for (size_t i = 0; i < LANES_MAX && !rc; i++) {
		r->lanes[i] = (struct lane){ .image = r, .nr = i, .mirror = i % r->mirror_count };
		rc = service_connect_mirrors(&r->lanes[i].http, &service, err);
	}
	return rc;
}

int remote_image_open(struct remote_image **out, struct index *index, const struct plan_image *image,
		      const struct service *service, struct err *err)
{
	CLEANUP(remote_image_close) struct remote_image *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, -ENOMEM, "image: out of memory");
	pthread_mutex_init(&r->lock, NULL);
	r->index = index;
	r->image = image;
	r->service = service;
	snprintf(r->etag, sizeof(r->etag), "\"%s\"", image->id);
	for (size_t i = 0; i < image->url_count; i++)
		r->mirrors[r->mirror_count++] = (struct mirror){ .url = image->urls[i], .lane = NOBODY };
	int rc = open_lanes(r, err);
	if (!rc)
		rc = find_frames_end(r, err);
	if (rc)
		return rc;
	*out = TAKE(r);
	return 0;
}

void remote_image_close(struct remote_image **r)
{
	if (!*r)
		return;
	for (size_t i = 0; i < LANES_MAX; i++)
		http_close(&(*r)->lanes[i].http);
	pthread_mutex_destroy(&(*r)->lock);
	free(*r);
	*r = NULL;
}

uint64_t remote_image_bytes(const struct remote_image *r)
{
	return r->frames_end;
}

struct chunk_source remote_image_source(struct remote_image *r)
{
	return (struct chunk_source){ .fetch = fetch, .ctx = r };
}
