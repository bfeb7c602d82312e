/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker: see worker.h */
#include "worker.h"

#include "cleanup.h"
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

#define ASKED_MAX          32 /* feeds asked for by name at one time; more than that mean all */
#define IDLE_S             60 /* look again at least so often, whatever the clocks say */
#define INGEST_RETRY_S     60 /* after the first passing failure; doubles */
#define INGEST_RETRY_S_MAX 3600

/* What somebody asked of the refresher. */
struct wishes {
	bool any;
	bool all;
	char feed_ids[ASKED_MAX][STORE_ID_CHARS];
	size_t count;
};

struct worker {
	const struct config *config;
	struct store *store;
	atomic_bool stop;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* on the monotonic clock; both threads wait on it */
	struct wishes wishes;
	bool ingest_asked;
	pthread_t refresher;
	pthread_t ingester;
	bool refresher_runs;
	bool ingester_runs;
	struct verify *verify;
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

static bool is_wished(const struct wishes *wishes, const struct store_feed *feed)
{
	for (size_t i = 0; i < wishes->count; i++)
		if (strcmp(wishes->feed_ids[i], feed->id) == 0)
			return true;
	/* What is gone for good is asked for by name only. */
	return wishes->all && !feed->gone_at;
}

/* Refresh what is wished for or due. Returns in how many seconds to look again. */
static int64_t refresh_due(struct worker *w, const struct wishes *wishes)
{
	CLEANUP(store_feed_list_free) struct store_feed_list feeds = { 0 };
	int64_t look_in_s = IDLE_S;
	struct err err;

	if (store_feed_list(w->store, &feeds, &err) < 0) {
		log_error("refresh: %s, retrying in %d s", err.text, IDLE_S);
		return IDLE_S;
	}
	for (size_t i = 0; i < feeds.count && !atomic_load(&w->stop); i++) {
		const struct store_feed *feed = &feeds.rows[i];
		int64_t now = time(NULL), due_at = subscribe_due_at(w->config, feed, now);

		if (is_wished(wishes, feed) || due_at <= now) {
			if (subscribe_refresh(w->store, w->config, feed, &w->stop, &err) == 0)
				worker_wake_ingest(w);
			due_at = now + 1; /* the store knows when the next time is */
		}
		if (due_at - now < look_in_s)
			look_in_s = due_at - now;
	}
	return look_in_s;
}

static void *run_refresher(void *ctx)
{
	struct worker *w = ctx;
	int64_t look_in_s;

	pthread_mutex_lock(&w->lock);
	while (!atomic_load(&w->stop)) {
		const struct wishes wishes = w->wishes;

		w->wishes = (struct wishes){ 0 };
		pthread_mutex_unlock(&w->lock);
		look_in_s = refresh_due(w, &wishes);
		pthread_mutex_lock(&w->lock);
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
	} else if (http_is_transient(code) || code == -ENOSPC || code == -EDQUOT) {
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
		pthread_mutex_lock(&w->lock);
		wait_for(w, &w->ingest_asked, IDLE_S);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static int start_thread(pthread_t *thread, bool *runs, void *(*run)(void *), struct worker *w, struct err *err)
{
	int code = pthread_create(thread, NULL, run, w);

	if (code)
		return err_set(err, -code, "start a thread: %s", strerror(code));
	*runs = true;
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
	    start_thread(&w->refresher, &w->refresher_runs, run_refresher, w, err) < 0 ||
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
	if (w->refresher_runs)
		pthread_join(w->refresher, NULL);
	if (w->ingester_runs)
		pthread_join(w->ingester, NULL);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
	*worker = NULL;
}

void worker_wake_refresh(struct worker *w, const char *feed_id)
{
	struct wishes *wishes = &w->wishes;

	pthread_mutex_lock(&w->lock);
	wishes->any = true;
	if (!feed_id || wishes->count == ASKED_MAX)
		wishes->all = true;
	else
		snprintf(wishes->feed_ids[wishes->count++], STORE_ID_CHARS, "%s", feed_id);
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
