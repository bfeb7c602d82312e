/* SPDX-License-Identifier: GPL-2.0-or-later */
/* subscribe: see subscribe.h */
#include "subscribe.h"

#include "cleanup.h"
#include "feed_trust.h"
#include "http.h"
#include "log.h"
#include "source_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define FETCH_S_MAX 300 /* a server that drips must not keep the other feeds waiting for longer */
#define RETRY_S     30  /* after the first failure; doubles up to the interval */

/* A document on its way in. */
struct document {
	char *bytes; /* NUL-terminated once it is whole */
	size_t len;
	size_t room;
	uint64_t bytes_max;
	bool not_modified;
	bool gone;   /* its server says: for good */
	char *base;  /* what its URLs are relative to */
	char *moved; /* where it is for good; NULL: at the feed's URL */
	char etag[128];
	char last_modified[64];
	/* Of a signed feed; its client goes on to be asked about enclosures. */
	struct source_policy *policy;
	struct http *http;
	struct feed_trust_options trust_options;
	struct feed_trust *trust;
};

static void document_done(struct document *doc)
{
	feed_trust_close(&doc->trust);
	http_close(&doc->http);
	source_policy_free(&doc->policy);
	free(doc->bytes);
	free(doc->base);
	free(doc->moved);
}

static int copy_url(char **out, const char *url, struct err *err)
{
	free(*out);
	*out = url ? strdup(url) : NULL;
	return url && !*out ? err_set(err, -ENOMEM, "out of memory") : 0;
}

/* Where it moved to for good, until that fails: then it is asked for where its operator said it is. */
static const char *url_of(const struct store_feed *feed)
{
	return feed->moved_url && !feed->failures ? feed->moved_url : feed->url;
}

static int too_long(const struct document *doc, struct err *err)
{
	return err_set(err, -EFBIG, "longer than feed_bytes_max (%" PRIu64 " bytes)", doc->bytes_max);
}

static int append(struct document *doc, const void *data, size_t len, struct err *err)
{
	if (len > doc->bytes_max - doc->len)
		return too_long(doc, err);
	if (doc->len + len + 1 > doc->room) {
		size_t room = (doc->len + len + 1) * 2;
		char *grown = realloc(doc->bytes, room);

		if (!grown)
			return err_set(err, -ENOMEM, "out of memory");
		doc->bytes = grown;
		doc->room = room;
	}
	memcpy(doc->bytes + doc->len, data, len);
	doc->len += len;
	doc->bytes[doc->len] = '\0';
	return 0;
}

static int on_body(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	return append(ctx, data, len, err);
}

/* The operator chose the feed's host; where that host may redirect us is another matter, hence the policy. */
static int open_client(struct http **http, struct source_policy **policy, const struct config *config,
		       const struct store_feed *feed, const struct feed_options *feed_options, const atomic_bool *stop,
		       struct err *err)
{
	struct http_options options = { .total_s = FETCH_S_MAX, .stop = stop };

	if (source_policy_of_feed(policy, config, feed->url, feed_options, err) < 0)
		return err->code;
	source_policy_apply(*policy, url_of(feed), &options);
	return http_open(http, &options, err);
}

/* What the answer says of where the document is. */
static int keep_place(struct document *doc, const struct http *http, const struct store_feed *feed, struct err *err)
{
	const char *moved = http_moved_url(http);

	if (copy_url(&doc->base, http_final_url(http), err) < 0)
		return err->code;
	return copy_url(&doc->moved, moved ? moved : url_of(feed) == feed->moved_url ? feed->moved_url : NULL, err);
}

static int fetch_http(struct document *doc, const struct config *config, const struct store_feed *feed,
		      const struct feed_options *options, const atomic_bool *stop, struct err *err)
{
	CLEANUP(source_policy_free) struct source_policy *policy = NULL;
	CLEANUP(http_close) struct http *http = NULL;
	/* Without a document in hand, "not modified" would leave us with none; another place has its own validators. */
	bool conditional = feed->fetched_at && !(feed->moved_url && feed->failures);
	const struct http_request rq = { .url = url_of(feed),
					 .if_none_match = conditional ? feed->etag : NULL,
					 .if_modified_since = conditional ? feed->last_modified : NULL,
					 .body_bytes_max = UINT64_MAX, /* append() knows better */
					 .on_body = on_body,
					 .ctx = doc };
	struct http_response rs = { 0 };

	if (open_client(&http, &policy, config, feed, options, stop, err) < 0 ||
	    http_perform(http, &rq, &rs, err) < 0 || keep_place(doc, http, feed, err) < 0)
		return err->code;
	/* Another place, to which the feed moved or was redirected, speaks for itself: the feed's own is asked again. */
	doc->gone = rs.status == 410 && doc->base && strcmp(doc->base, feed->url) == 0;
	if (rs.status == 304 && (rq.if_none_match || rq.if_modified_since)) {
		doc->not_modified = true;
		return 0;
	}
	if (http_check_status(&rs, rq.url, err) < 0)
		return err->code;
	if (!http_has_validators(&rs))
		return 0;
	snprintf(doc->etag, sizeof(doc->etag), "%s", rs.etag);
	snprintf(doc->last_modified, sizeof(doc->last_modified), "%s", rs.last_modified);
	return 0;
}

static int read_file(struct document *doc, const char *path, struct err *err)
{
	/* Not blocking: a fifo put there must not hold the refresher up. */
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char part[65536];
	struct stat st;
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "'%s' is not a regular file", path);
	while ((got = read(fd, part, sizeof(part))) > 0)
		if (append(doc, part, (size_t)got, err) < 0)
			return err->code;
	if (got < 0)
		return err_set(err, -errno, "read '%s': %s", path, strerror(errno));
	return 0;
}

/* At the place that its operator wrote, wherever its server says that it moved: that is not signed. */
static int fetch_signed(struct document *doc, const struct store *store, const struct config *config,
			const struct store_feed *feed, const struct feed_options *options, const atomic_bool *stop,
			struct err *err)
{
	const char *path;

	if (open_client(&doc->http, &doc->policy, config, feed, options, stop, err) < 0)
		return err->code;
	doc->trust_options = (struct feed_trust_options){
		.state_dir = store_dir(store),
		.feed_id = feed->id,
		.feed_url = feed->url,
		.root = options->root,
		.http = doc->http,
	};
	if (feed_trust_open(&doc->trust, &doc->trust_options, err) < 0 ||
	    feed_trust_get_document(&path, doc->trust, doc->bytes_max, err) < 0 ||
	    copy_url(&doc->base, feed->url, err) < 0)
		return err->code;
	return read_file(doc, path, err);
}

static int fetch(struct document *doc, const struct store *store, const struct config *config,
		 const struct store_feed *feed, const struct feed_options *options, const atomic_bool *stop,
		 struct err *err)
{
	CLEANUP(free_str) char *path = NULL;

	if (options->root)
		return fetch_signed(doc, store, config, feed, options, stop, err);
	if (!source_policy_is_file(feed->url))
		return fetch_http(doc, config, feed, options, stop, err);
	if (source_policy_file_path(&path, feed->url, err) < 0 || copy_url(&doc->base, feed->url, err) < 0)
		return err->code;
	return read_file(doc, path, err);
}

static int make_absolute(char **url, const char *base, struct err *err)
{
	char *joined;
	int rc = http_url_join(&joined, base, *url, err);

	if (rc < 0)
		return rc;
	free(*url);
	*url = joined;
	return 0;
}

/* What an item names may be relative to the document; from here on it is whole. */
static int make_item_absolute(struct feed_item *item, const char *base, struct err *err)
{
	int rc = make_absolute(&item->url, base, err);

	for (size_t i = 0; !rc && i < item->mirror_count; i++)
		rc = make_absolute(&item->mirrors[i].url, base, err);
	for (size_t i = 0; !rc && i < item->disk_count; i++) {
		rc = make_absolute(&item->disks[i].index_url, base, err);
		if (!rc)
			rc = make_absolute(&item->disks[i].image_url, base, err);
	}
	return rc;
}

static int make_urls_absolute(struct feed *document, const char *base, struct err *err)
{
	for (size_t i = 0; i < document->item_count; i++)
		if (make_item_absolute(&document->items[i], base, err) < 0)
			return err_wrap(err, "enclosure of item '%s'", document->items[i].uuid);
	return 0;
}

static void log_notes(const char *shown, const struct feed *document)
{
	const size_t notes_max = 10; /* a feed of 10000 unusable items is one feed's problem, not the log's */
	char note[512];

	for (size_t i = 0; i < document->note_count && i < notes_max; i++)
		log_warn("feed '%s': %s", shown, log_quote(note, sizeof(note), document->notes[i].text));
	if (document->note_count > notes_max)
		log_warn("feed '%s': %zu more notes of this kind", shown, document->note_count - notes_max);
}

static int kept_path(char **out, const struct store *store, const char *feed_id, const char *suffix, struct err *err)
{
	if (asprintf(out, "%s/feeds/%s.xml%s", store_dir(store), feed_id, suffix) >= 0)
		return 0;
	*out = NULL;
	return err_set(err, -ENOMEM, "out of memory");
}

/* Written whole under another name first, so that a kill leaves the one before. */
static int keep(const struct store *store, const char *feed_id, const struct document *doc, struct err *err)
{
	CLEANUP(free_str) char *path = NULL, *fresh = NULL;

	if (kept_path(&path, store, feed_id, "", err) < 0 || kept_path(&fresh, store, feed_id, ".new", err) < 0)
		return err->code;
	CLEANUP(close_file) FILE *file = fopen(fresh, "we");
	if (!file || fwrite(doc->bytes, 1, doc->len, file) != doc->len || fflush(file) != 0 ||
	    fsync(fileno(file)) < 0 || rename(fresh, path) < 0)
		return err_set(err, -errno, "keep the document as '%s': %s", path, strerror(errno));
	return 0;
}

static bool is_https(const char *url)
{
	return strncasecmp(url, "https://", strlen("https://")) == 0;
}

/* Whether nobody on its way could have written the document: from the operator's own URL on it was HTTPS (of which no
 * redirect leads away), or it is a file of this host. */
static bool is_authentic(const struct store_feed *feed, const struct document *doc)
{
	return source_policy_is_file(feed->url) || (is_https(feed->url) && is_https(doc->base));
}

static void prove_by_digest(struct feed_item *item)
{
	bool all = item->has_digest;

	for (size_t i = 0; i < item->mirror_count; i++)
		all = all && item->mirrors[i].has_digest;
	item->proof = all ? PROOF_DIGEST : PROOF_NONE;
}

static int use(struct store *store, const struct config *config, const struct store_feed *feed,
	       const struct document *doc, struct err *err)
{
	const struct feed_limits limits = { doc->bytes_max, config->feed_items_max };
	CLEANUP(feed_free) struct feed *document = NULL;
	char shown[512];

	if (feed_parse(&document, doc->bytes ? doc->bytes : "", doc->len, &limits, err) < 0 ||
	    make_urls_absolute(document, doc->base, err) < 0 ||
	    (doc->trust && feed_trust_check(doc->trust, document, err) < 0))
		return err->code;
	for (size_t i = 0; !doc->trust && is_authentic(feed, doc) && i < document->item_count; i++)
		prove_by_digest(&document->items[i]);
	http_url_for_log(shown, sizeof(shown), feed->url);
	log_notes(shown, document);
	if (keep(store, feed->id, doc, err) < 0)
		return err->code;
	if (store_feed_update(store, feed->id, document, *doc->etag ? doc->etag : NULL,
			      *doc->last_modified ? doc->last_modified : NULL, NULL, err) < 0)
		return err->code;
	log_info("feed '%s': %zu items", shown, document->item_count);
	return 0;
}

/* For a database that was lost while the feed's server is gone: the document from before still has the items. */
static void use_kept(struct store *store, const struct config *config, const struct store_feed *feed,
		     uint64_t bytes_max)
{
	CLEANUP(document_done) struct document doc = { .bytes_max = bytes_max };
	CLEANUP(free_str) char *path = NULL;
	struct err ignored;

	if (kept_path(&path, store, feed->id, "", &ignored) < 0 || read_file(&doc, path, &ignored) < 0 ||
	    copy_url(&doc.base, feed->url, &ignored) < 0)
		return;
	if (use(store, config, feed, &doc, &ignored) == 0)
		log_warn("feed %s: using the last good document instead", feed->id);
}

/* A move is believed once what is there was seen to be the feed: a login page may redirect for good, too. */
static int keep_move(struct store *store, const struct store_feed *feed, const struct document *doc, struct err *err)
{
	const char *before = feed->moved_url ? feed->moved_url : "", *now = doc->moved ? doc->moved : "";
	char shown[512], shown_moved[512];

	if (strcmp(before, now) == 0)
		return 0;
	http_url_for_log(shown, sizeof(shown), feed->url);
	http_url_for_log(shown_moved, sizeof(shown_moved), now);
	if (doc->moved)
		log_warn("feed '%s': its server says that it is at '%s' for good; asking there from now on", shown,
			 shown_moved);
	return store_feed_moved(store, feed->id, doc->moved, err);
}

static int take(struct store *store, const struct config *config, const struct store_feed *feed,
		const struct document *doc, struct err *err)
{
	int rc = doc->not_modified ? store_feed_update(store, feed->id, NULL, NULL, NULL, NULL, err)
				   : use(store, config, feed, doc, err);

	return rc < 0 ? rc : keep_move(store, feed, doc, err);
}

/* It did not go well: the feed goes on as it was, and its operator sees why. */
static void record_failure(struct store *store, const struct store_feed *feed, bool gone, const struct err *why)
{
	char shown[512];
	struct err failed;

	/* A server that is gone for a week is told of once, not each time. */
	http_url_for_log(shown, sizeof(shown), feed->url);
	if (!feed->error || strcmp(feed->error, why->text) != 0)
		log_warn("feed '%s': %s, its last good state keeps serving%s", shown, why->text,
			 gone ? "; not asking again" : "");
	int rc = gone ? store_feed_gone(store, feed->id, why->text, &failed)
		      : store_feed_update(store, feed->id, NULL, NULL, NULL, why->text, &failed);
	if (rc < 0)
		log_error("feed '%s': cannot record its failure: %s", shown, failed.text);
}

int subscribe_refresh(struct store *store, const struct config *config, const struct store_feed *feed,
		      const atomic_bool *stop, struct err *err)
{
	CLEANUP(feed_options_done) struct feed_options options = { 0 };
	CLEANUP(document_done) struct document doc = { .bytes_max = config->feed_bytes_max };

	int rc = feed_options_parse(&options, feed->options, err);
	if (options.feed_bytes_max)
		doc.bytes_max = options.feed_bytes_max;
	if (!rc)
		rc = fetch(&doc, store, config, feed, &options, stop, err);
	if (!rc)
		rc = take(store, config, feed, &doc, err);
	if (rc == 0 || rc == -ECANCELED)
		return rc;
	if (!feed->fetched_at && !options.root)
		use_kept(store, config, feed, doc.bytes_max);
	record_failure(store, feed, doc.gone, err);
	return rc;
}

/* 0..limit-1, the same for the same feed and time: so that asking twice gives one answer. */
static uint64_t spread(const struct store_feed *feed, uint64_t limit)
{
	uint8_t digest[DIGEST_BYTES];
	struct digest d;
	uint64_t number;

	digest_init(&d);
	digest_add(&d, feed->id, sizeof(feed->id));
	digest_add(&d, &feed->tried_at, sizeof(feed->tried_at));
	digest_final(&d, digest);
	memcpy(&number, digest, sizeof(number));
	return limit ? number % limit : 0;
}

#define HOUR_S 3600
#define DAY_S  (24 * HOUR_S)

/* The first time from `at` on that is in no hour and on no day that the feed asks to be left alone. */
static int64_t after_skips(const struct store_feed *feed, int64_t at)
{
	/* 1970 began on a Thursday. A week holds every hour of every day. */
	for (int64_t when = at; when < at + 7 * DAY_S; when = (when / HOUR_S + 1) * HOUR_S) {
		bool skip_hour = feed->skip_hours >> (when % DAY_S / HOUR_S) & 1;
		bool skip_day = feed->skip_days >> ((when / DAY_S + 4) % 7) & 1;

		if (!skip_hour && !skip_day)
			return when;
	}
	return at; /* never is no answer */
}

int64_t subscribe_due_at(const struct config *config, const struct store_feed *feed, int64_t now)
{
	uint64_t wait = config->refresh_s;

	if (feed->gone_at)
		return INT64_MAX;
	if (feed->failures && feed->failures < 16 && (uint64_t)RETRY_S << (feed->failures - 1) < wait)
		wait = (uint64_t)RETRY_S << (feed->failures - 1);
	if (feed->tried_at > now)
		return now;
	wait -= spread(feed, wait / 10);
	/* Not after a failure: what was not had need not be left alone. */
	if (feed->failures)
		return feed->tried_at + (int64_t)wait;
	return after_skips(feed, feed->tried_at + (int64_t)(wait > feed->ttl_s ? wait : feed->ttl_s));
}
