/* SPDX-License-Identifier: GPL-2.0-or-later */
/* report: see report.h */
#include "report.h"

#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "service_url.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPORT_EVERY_S  1
#define RUNNING_STALL_S 5u /* a running report is soon out of date */

struct reporter {
	const struct service *service;
	const struct boot_plan *plan;
	struct progress *progress;
	char *url;
	pthread_t thread;
	bool is_running; /* there is a thread */
	uint64_t seq;    /* of the last report; the thread's while there is one */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	atomic_bool quit; /* set under `lock`; also ends a report that is under way */
};

/* Each has a number of its own. NULL: out of memory. */
static char *next_text(struct reporter *r, const struct report_end *end)
{
	struct progress_state state, *s = &state;

	progress_get(r->progress, s);
	CLEANUP(json_free)
	json_t *report =
		json_pack("{s:I, s:s, s:I, s:I, s:I}", "seq", (json_int_t)++r->seq, "phase",
			  phase_name(end ? end->phase : s->phase), "bytes_done", (json_int_t)s->bytes_done,
			  "bytes_total", (json_int_t)s->bytes_total, "bytes_per_s", (json_int_t)s->bytes_per_s);

	if (s->disk[0])
		json_object_set_new(report, "disk", json_text(s->disk));
	if (end) {
		json_object_set_new(report, "exit", json_integer(end->exit));
		json_object_set_new(report, "message", json_text(end->message));
		if (end->receipt)
			json_object_set(report, "receipt", end->receipt);
	}
	return json_dumps(report, JSON_COMPACT);
}

static int post(struct http *http, unsigned *retry_after_s, const struct reporter *r, const char *text,
		const struct service *service, struct err *err)
{
	struct http_request rq = { .url = r->url, .json = text, .bearer = r->plan->ticket };
	struct http_response rs = { 0 };
	int rc = service_post(http, service, &rq, &rs, err);
	*retry_after_s = rs.retry_after_s;
	return rc ? rc : service_check_status(&rs, r->url, err);
}

/* False when it is time to quit. */
static bool wait_a_while(struct reporter *r)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += REPORT_EVERY_S;
	pthread_mutex_lock(&r->lock);
	while (!atomic_load(&r->quit) && pthread_cond_timedwait(&r->wake, &r->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&r->lock);
	return !atomic_load(&r->quit);
}

static void *run(void *ctx)
{
	struct reporter *r = ctx;
	struct service service = *r->service;
	CLEANUP(http_close) struct http *http = NULL;
	struct err ignored = { 0 };
	unsigned retry_after_s;

	service.stall_s = RUNNING_STALL_S;
	service.stop = &r->quit;
	if (service_connect(&http, &service, &ignored) != 0)
		return NULL;
	do {
		CLEANUP(free_str) char *text = next_text(r, NULL);

		if (text)
			post(http, &retry_after_s, r, text, &service, &ignored);
	} while (wait_a_while(r));
	return NULL;
}

static void free_reporter(struct reporter **r)
{
	if (!*r)
		return;
	free((*r)->url);
	free(*r);
	*r = NULL;
}

int reporter_start(struct reporter **out, const struct service *service, const struct boot_plan *plan,
		   struct progress *progress, struct err *err)
{
	CLEANUP(free_reporter) struct reporter *r = calloc(1, sizeof(*r));
	char path[sizeof(plan->job) + sizeof("/v1/jobs/")];
	pthread_condattr_t monotonic;

	if (!r)
		return err_set(err, -ENOMEM, "report: out of memory");
	r->service = service;
	r->plan = plan;
	r->progress = progress;
	snprintf(path, sizeof(path), "/v1/jobs/%s", plan->job);
	int rc = service_url(&r->url, service->server, path, err);
	if (rc)
		return rc;
	pthread_mutex_init(&r->lock, NULL);
	/* Not the wall clock, which the machine's clock being set would jump. */
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &monotonic);
	rc = pthread_create(&r->thread, NULL, run, r);
	r->is_running = rc == 0;
	if (rc)
		log_warn("no running reports: thread: %s, ignoring", strerror(rc));
	*out = TAKE(r);
	return 0;
}

static void stop_thread(struct reporter *r)
{
	if (!r->is_running)
		return;
	pthread_mutex_lock(&r->lock);
	atomic_store(&r->quit, true);
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
}

/* What is tried again is the very same report: the service may have it, and only its answer was lost. */
static int deliver(struct reporter *r, const struct report_end *end, struct err *err)
{
	CLEANUP(free_str) char *text = next_text(r, end);
	struct service service = *r->service;
	CLEANUP(http_close) struct http *http = NULL;
	unsigned retry_after_s;
	struct retry retry;

	if (!text)
		return err_set(err, -ENOMEM, "report: out of memory");
	service.stop = end->stop;
	retry_init(&retry, end->retry_s, end->stop);
	int rc = service_connect(&http, &service, err);
	if (rc)
		return rc;
	while ((rc = post(http, &retry_after_s, r, text, &service, err)) != 0) {
		rc = retry_wait(&retry, retry_after_s, err);
		if (rc)
			return rc;
	}
	return 0;
}

int reporter_finish(struct reporter **r, const struct report_end *end, struct err *err)
{
	if (!*r)
		return 0;
	stop_thread(*r);
	int rc = deliver(*r, end, err);
	free_reporter(r);
	return rc;
}
