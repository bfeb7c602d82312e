/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_feed: see routes_feed.h */
#include "routes_feed.h"

#include "cleanup.h"
#include "feed_options.h"
#include "json.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define URL_MAX 2048

/* Seconds since 1970, or null for never. */
static json_t *json_time(int64_t value)
{
	return value ? json_integer(value) : json_null();
}

static json_t *feed_json(const struct store_feed *feed)
{
	CLEANUP(feed_options_done) struct feed_options options = { 0 };
	struct err ignored;

	/* They were checked when they were set. */
	feed_options_parse(&options, feed->options, &ignored);
	return json_pack("{s:s, s:o, s:o, s:o, s:b, s:i, s:o, s:o, s:I, s:s, s:o, s:o, s:i, s:s, s:I}", "id", feed->id,
			 "url", json_text(feed->url), "title", json_text(feed->title), "error", json_text(feed->error),
			 "configured", feed->configured, "failures", (int)feed->failures, "tried_at",
			 json_time(feed->tried_at), "fetched_at", json_time(feed->fetched_at), "item_count",
			 (json_int_t)feed->item_count, "options", feed->options, "moved_url",
			 json_text(feed->moved_url), "gone_at", json_time(feed->gone_at), "ttl_s", (int)feed->ttl_s,
			 "policy", proof_name(feed_options_proof(&options)), "refused_count",
			 (json_int_t)feed->refused_count);
}

int routes_feed_list(struct request *rq, struct err *err)
{
	CLEANUP(store_feed_list_free) struct store_feed_list feeds = { 0 };
	int rc = store_feed_list(rq->server->store, &feeds, err);

	if (rc < 0)
		return rc;
	json_t *rows = json_array();

	for (size_t i = 0; i < feeds.count; i++)
		json_array_append_new(rows, feed_json(&feeds.rows[i]));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:o}", "feeds", rows), err);
}

/* One feed, with the notes of its document beside what a list shows. */
static int reply_feed(struct request *rq, const char *id, struct err *err)
{
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	int rc = store_feed_get(rq->server->store, id, &feed, err);

	if (rc < 0)
		return rc;
	json_t *json = feed_json(&feed), *notes = feed.notes ? json_loads(feed.notes, 0, NULL) : NULL;

	json_object_set_new(json, "notes", notes ? notes : json_array());
	return reply_json(rq, MHD_HTTP_OK, json, err);
}

int routes_feed_get(struct request *rq, struct err *err)
{
	return reply_feed(rq, rq->param, err);
}

/* Any scheme that feeds may have, something behind it, and nothing that does not belong into a URL. */
static int check_feed_url(const char *url, struct err *err)
{
	static const char *const schemes[] = { "http://", "https://", "file:///", NULL };
	char quoted[128];

	for (const unsigned char *p = (const unsigned char *)url; *p; p++)
		if (*p <= ' ' || *p == 0x7f)
			return err_set(err, -EINVAL, "field \"url\": contains a space or control character");
	for (const char *const *scheme = schemes; *scheme; scheme++) {
		size_t len = strlen(*scheme);

		if (strncasecmp(url, *scheme, len) != 0 || !url[len])
			continue;
		/* It would be shown wherever the URL is. */
		if (memchr(url + len, '@', strcspn(url + len, "/?#")))
			return err_set(err, -EINVAL,
				       "field \"url\": name and password do not belong into a URL; see auth= and the "
				       "secrets file");
		return 0;
	}
	return err_set(err, -EINVAL, "field \"url\": '%s' is no http, https or file URL",
		       log_quote(quoted, sizeof(quoted), url));
}

/* What no item could ever prove is told now, and not by each of them. */
static int check_keyring(const struct request *rq, const struct feed_options *options, struct err *err)
{
	if (options->has_policy && options->policy == PROOF_GPG && !rq->server->config->keyring)
		return err_set(err, -EINVAL,
			       "policy=gpg: the service has no keyring; set keyring = FILE in its configuration");
	return 0;
}

int routes_feed_add(struct request *rq, struct err *err)
{
	CLEANUP(feed_options_done) struct feed_options options = { 0 };
	CLEANUP(json_free) json_t *json = NULL;
	char id[STORE_ID_CHARS], quoted[256];
	const char *url, *text = NULL;
	int rc;

	if ((rc = request_json(&json, rq, err)) < 0 || (rc = json_need_string(&url, json, "url", URL_MAX, err)) < 0 ||
	    (rc = json_want_string(&text, json, "options", FEED_OPTIONS_MAX, err)) < 0 ||
	    (rc = check_feed_url(url, err)) < 0 || (rc = feed_options_parse(&options, text, err)) < 0 ||
	    (rc = check_keyring(rq, &options, err)) < 0 ||
	    (rc = store_feed_add_with(rq->server->store, url, text, id, err)) < 0)
		return rc;
	log_info("feed %s: added '%s'", id, log_quote(quoted, sizeof(quoted), url));
	worker_wake_refresh(rq->server->worker, id);
	return reply_feed(rq, id, err);
}

int routes_feed_set(struct request *rq, struct err *err)
{
	CLEANUP(feed_options_done) struct feed_options options = { 0 };
	CLEANUP(json_free) json_t *json = NULL;
	const char *changes;
	char quoted[256];
	int rc;

	if ((rc = request_json(&json, rq, err)) < 0 ||
	    (rc = json_need_string(&changes, json, "options", FEED_OPTIONS_MAX, err)) < 0 ||
	    (rc = feed_options_parse(&options, changes, err)) < 0 || (rc = check_keyring(rq, &options, err)) < 0 ||
	    (rc = store_feed_set(rq->server->store, rq->param, changes, err)) < 0)
		return rc;
	log_info("feed %s: options changed: %s", rq->param, log_quote(quoted, sizeof(quoted), changes));
	/* More may be wanted ahead of time now. */
	worker_wake_ingest(rq->server->worker);
	return reply_feed(rq, rq->param, err);
}

int routes_feed_refresh(struct request *rq, struct err *err)
{
	int rc = reply_feed(rq, rq->param, err);

	if (rc == 0)
		worker_wake_refresh(rq->server->worker, rq->param);
	return rc;
}

int routes_feed_remove(struct request *rq, struct err *err)
{
	int rc = store_feed_remove(rq->server->store, rq->param, err);

	if (rc < 0)
		return rc;
	log_info("feed %s: removed", rq->param);
	return reply_empty(rq, MHD_HTTP_NO_CONTENT, err);
}
