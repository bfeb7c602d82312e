/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker: see worker.h */
#include "worker.h"

#include "cleanup.h"
#include "delta_job.h"
#include "http.h"
#include "ingest.h"
#include "log.h"
#include "subscribe.h"
#include "sweep.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define REFRESHERS         4
#define IDLE_S             60 /* look again at least so often, whatever the clocks say */
#define INGEST_RETRY_S     60 /* after the first passing failure; doubles */
#define INGEST_RETRY_S_MAX 3600

/* What somebody asked of the refreshers. */
struct wishes {
	bool any; /* since a refresher looked last */
	bool all;
	char (*feed_ids)[STORE_ID_CHARS];
	size_t count;
};

/* One of the threads that fetch feeds: a server that is silent holds up one of them. */
struct refresher {
	struct worker *worker;
	pthread_t thread;
	bool runs;
	char feed_id[STORE_ID_CHARS]; /* which it is fetching; empty: none */
};

struct worker {
	const struct config *config;
	struct store *store;
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* on the monotonic clock; all threads wait on it */
	struct wishes wishes;
	bool ingest_asked;
	struct refresher refreshers[REFRESHERS];
	pthread_t ingester;
	bool ingester_runs;
	struct verify *verify;
	struct delta_job *deltas;
};

/* With the lock held: wait until `*wanted`, a stop, or `seconds` are over. */
static void wait_for(struct worker *w, const bool *wanted, int64_t seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	while (!*wanted && !atomic_load(&w->stop))
		if (pthread_cond_timedwait(&w->wake, &w->lock, &until) == ETIMEDOUT)
			return;
}

/* The functions below are called with the lock held. */

static bool is_being_fetched(const struct worker *w, const char *feed_id)
{
	for (size_t i = 0; i < REFRESHERS; i++)
		if (strcmp(w->refreshers[i].feed_id, feed_id) == 0)
			return true;
	return false;
}

static void wish(struct wishes *wishes, const char *feed_id)
{
	char(*grown)[STORE_ID_CHARS] = reallocarray(wishes->feed_ids, wishes->count + 1, sizeof(*grown));

	/* Without memory for a name: all. */
	if (!grown) {
		wishes->all = true;
		return;
	}
	wishes->feed_ids = grown;
	snprintf(grown[wishes->count++], STORE_ID_CHARS, "%s", feed_id);
}

static bool take_wish(struct wishes *wishes, const char *feed_id)
{
	bool found = false;

	for (size_t i = 0; i < wishes->count;) {
		if (strcmp(wishes->feed_ids[i], feed_id) != 0) {
			i++;
			continue;
		}
		found = true;
		memmove(wishes->feed_ids[i], wishes->feed_ids[--wishes->count], STORE_ID_CHARS);
	}
	return found;
}

/* What is gone for good is asked for by name only. */
static void name_all(struct wishes *wishes, const struct store_feed_list *feeds)
{
	if (!wishes->all)
		return;
	wishes->all = false;
	for (size_t i = 0; i < feeds->count; i++)
		if (!feeds->rows[i].gone_at)
			wish(wishes, feeds->rows[i].id);
}

/* Wishes for feeds that are not there (any more). Those for feeds being fetched are kept: it began before the wish. */
static void drop_idle_wishes(struct worker *w)
{
	struct wishes *wishes = &w->wishes;

	for (size_t i = wishes->count; i-- > 0;)
		if (!is_being_fetched(w, wishes->feed_ids[i]))
			memmove(wishes->feed_ids[i], wishes->feed_ids[--wishes->count], STORE_ID_CHARS);
}

/* The next feed that is wished for or due: true, and it is the caller's to free. Else in how many seconds to look again. */
static bool pick_feed(struct worker *w, struct store_feed *out, int64_t *look_in_s)
{
	CLEANUP(store_feed_list_free) struct store_feed_list feeds = { 0 };
	int64_t now = time(NULL);
	struct err err;

	*look_in_s = IDLE_S;
	if (store_feed_list(w->store, &feeds, &err) < 0) {
		log_error("refresh: %s, retrying in %d s", err.text, IDLE_S);
		return false;
	}
	name_all(&w->wishes, &feeds);
	for (size_t i = 0; i < feeds.count; i++) {
		struct store_feed *feed = &feeds.rows[i];
		int64_t due_at = subscribe_due_at(w->config, feed, now);

		if (is_being_fetched(w, feed->id))
			continue;
		if (take_wish(&w->wishes, feed->id) || due_at <= now) {
			*out = *feed;
			*feed = (struct store_feed){ 0 };
			return true;
		}
		if (due_at - now < *look_in_s)
			*look_in_s = due_at - now;
	}
	drop_idle_wishes(w);
	w->wishes.any = false;
	return false;
}

/* Fetch it, without the lock meanwhile. */
static void fetch_feed(struct refresher *r, const struct store_feed *feed)
{
	CLEANUP(store_feed_free) struct store_feed after = { 0 };
	const bool never = false;
	struct worker *w = r->worker;
	struct err err;

	memcpy(r->feed_id, feed->id, sizeof(r->feed_id));
	pthread_mutex_unlock(&w->lock);
	int rc = subscribe_refresh(w->store, w->config, feed, &w->stop, &err);
	if (rc == 0)
		worker_wake_ingest(w);
	/* What could not be stored would be due again at once. */
	bool stored = store_feed_get(w->store, feed->id, &after, &err) < 0 || after.tried_at != feed->tried_at;
	pthread_mutex_lock(&w->lock);
	if (!stored)
		wait_for(w, &never, 1);
	r->feed_id[0] = '\0';
}

static void *run_refresher(void *ctx)
{
	struct refresher *r = ctx;
	struct worker *w = r->worker;
	int64_t look_in_s;

	pthread_mutex_lock(&w->lock);
	while (!atomic_load(&w->stop)) {
		CLEANUP(store_feed_free) struct store_feed feed = { 0 };

		if (pick_feed(w, &feed, &look_in_s))
			fetch_feed(r, &feed);
		else
			wait_for(w, &w->wishes.any, look_in_s);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Failures that may pass are tried again, less and less often. Others wait for the operator or another announcement. */
static void settle_failure(struct worker *w, const struct store_item *item, int code)
{
	unsigned delay_s = item->failures < 6 ? INGEST_RETRY_S << item->failures : INGEST_RETRY_S_MAX;
	struct err err;
	int rc = 0;

	if (code == -ECANCELED || code == -ESTALE) {
		rc = store_item_requeue(w->store, item->id, &err);
	} else if (http_is_transient(code) || ingest_is_shortage(code)) {
		log_info("item %s: trying again in %u s", item->id, delay_s);
		rc = store_item_retry(w->store, item->id, delay_s, &err);
	}
	/* An item that is gone, with its feed, needs nothing. */
	if (rc < 0 && rc != -ENOENT)
		log_error("item %s: %s", item->id, err.text);
}

/* Ingest all that wait. Returns when nothing does, or at a stop. */
static void ingest_waiting(struct worker *w)
{
	bool only_asked = w->config->ingest != INGEST_AUTO;
	struct err err = { 0 };

	while (!atomic_load(&w->stop)) {
		CLEANUP(store_item_free) struct store_item item = { 0 };

		/* Nobody else ingests: what still says so is a failure that could not be written, to a full disk. */
		int rc = store_item_recover(w->store, &err);
		if (rc == 0)
			rc = store_item_claim(w->store, only_asked, &item, &err);
		if (rc < 0)
			log_error("ingest: %s, retrying in %d s", err.text, IDLE_S);
		if (rc <= 0)
			return;
		rc = ingest_item(w->store, w->config, &item, &w->stop, &err);
		if (rc < 0)
			settle_failure(w, &item, rc);
	}
}

static void *run_ingester(void *ctx)
{
	struct worker *w = ctx;
	struct err err;

	pthread_mutex_lock(&w->lock);
	while (!atomic_load(&w->stop)) {
		w->ingest_asked = false;
		pthread_mutex_unlock(&w->lock);
		ingest_waiting(w);
		/* Here, in the only thread that makes images, none is just being made. */
		if (sweep_idle(w->store, &err) < 0)
			log_warn("sweep: %s, retrying later", err.text);
		delta_job_wake(w->deltas);
		pthread_mutex_lock(&w->lock);
		wait_for(w, &w->ingest_asked, IDLE_S);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static int start_thread(pthread_t *thread, bool *runs, void *(*run)(void *), void *ctx, struct err *err)
{
	int code = pthread_create(thread, NULL, run, ctx);

	if (code)
		return err_set(err, -code, "start a thread: %s", strerror(code));
	*runs = true;
	return 0;
}

static int start_refreshers(struct worker *w, struct err *err)
{
	for (size_t i = 0; i < REFRESHERS; i++) {
		struct refresher *r = &w->refreshers[i];

		r->worker = w;
		if (start_thread(&r->thread, &r->runs, run_refresher, r, err) < 0)
			return err->code;
	}
	return 0;
}

static int init(struct worker *w, struct err *err)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&w->lock, NULL);
	if (pthread_condattr_init(&attributes) != 0)
		return err_set(err, -ENOMEM, "out of memory");
	/* Waiting must not depend on a clock that somebody sets. */
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	return 0;
}

static void ingest_found(void *ctx)
{
	worker_wake_ingest(ctx);
}

int worker_start(struct worker **out, const struct config *config, struct store *store, struct err *err)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w || init(w, err) < 0) {
		free(w);
		return err_set(err, -ENOMEM, "out of memory");
	}
	w->config = config;
	w->store = store;
	/* A service that was just started knows nothing of what happened meanwhile. */
	w->wishes = (struct wishes){ .any = true, .all = true };
	if (sweep_start(store, err) < 0 || verify_new(&w->verify, store, ingest_found, w, err) < 0 ||
	    delta_job_new(&w->deltas, config, store, err) < 0 || start_refreshers(w, err) < 0 ||
	    start_thread(&w->ingester, &w->ingester_runs, run_ingester, w, err) < 0) {
		worker_stop(&w);
		return err->code;
	}
	*out = w;
	return 0;
}

void worker_stop(struct worker **worker)
{
	struct worker *w = *worker;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	atomic_store(&w->stop, true);
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	verify_free(&w->verify);
	for (size_t i = 0; i < REFRESHERS; i++)
		if (w->refreshers[i].runs)
			pthread_join(w->refreshers[i].thread, NULL);
	if (w->ingester_runs)
		pthread_join(w->ingester, NULL);
	/* The ingester wakes it. */
	delta_job_free(&w->deltas);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->wishes.feed_ids);
	free(w);
	*worker = NULL;
}

void worker_wake_refresh(struct worker *w, const char *feed_id)
{
	struct wishes *wishes = &w->wishes;

	pthread_mutex_lock(&w->lock);
	wishes->any = true;
	if (feed_id)
		wish(wishes, feed_id);
	else
		wishes->all = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void worker_wake_ingest(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->ingest_asked = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

struct verify *worker_verify(struct worker *w)
{
	return w->verify;
}
