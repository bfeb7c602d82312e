/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_feed: the feeds of the store, and what a refresh makes of their items. */
#include "store_impl.h"

#include "cleanup.h"
#include "feed_json.h"
#include "json.h"
#include "log.h"

#include <errno.h>
#include <string.h>

#define GONE_KEPT_S (7 * 86400) /* an item that a publisher lost for a day should not cost its image */

#define FEED_SELECT                                                                                                    \
	"SELECT id, url, title, etag, last_modified, error, configured, failures, tried_at, fetched_at,"               \
	" options, moved_url, notes, gone_at, ttl_s, skip_hours, skip_days,"                                           \
	" (SELECT count(*) FROM item WHERE feed_id = feed.id AND gone_at = 0),"                                        \
	" (SELECT count(*) FROM item WHERE feed_id = feed.id AND gone_at = 0 AND state = 4) FROM feed"

static void read_feed(void *row, sqlite3_stmt *q)
{
	struct store_feed *feed = row;
	int nr = 0;

	column_fixed(feed->id, sizeof(feed->id), q, nr++);
	feed->url = column_text(q, nr++);
	feed->title = column_text(q, nr++);
	feed->etag = column_text(q, nr++);
	feed->last_modified = column_text(q, nr++);
	feed->error = column_text(q, nr++);
	feed->configured = column_number(q, nr++);
	feed->failures = (unsigned)column_number(q, nr++);
	feed->tried_at = (int64_t)column_number(q, nr++);
	feed->fetched_at = (int64_t)column_number(q, nr++);
	feed->options = column_text(q, nr++);
	feed->moved_url = column_text(q, nr++);
	feed->notes = column_text(q, nr++);
	feed->gone_at = (int64_t)column_number(q, nr++);
	feed->ttl_s = (uint32_t)column_number(q, nr++);
	feed->skip_hours = (uint32_t)column_number(q, nr++);
	feed->skip_days = (uint8_t)column_number(q, nr++);
	feed->item_count = column_number(q, nr++);
	feed->refused_count = column_number(q, nr);
}

void store_feed_free(struct store_feed *row)
{
	free(row->url);
	free(row->title);
	free(row->etag);
	free(row->last_modified);
	free(row->error);
	free(row->options);
	free(row->moved_url);
	free(row->notes);
	*row = (struct store_feed){ 0 };
}

void store_feed_list_free(struct store_feed_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		store_feed_free(&list->rows[i]);
	free(list->rows);
	*list = (struct store_feed_list){ 0 };
}

int store_feed_list(struct store *s, struct store_feed_list *out, struct err *err)
{
	CLEANUP(store_feed_list_free) struct store_feed_list list = { 0 };
	void *rows;

	int rc = store_rows(&rows, &list.count, sizeof(*list.rows), read_feed, s, FEED_SELECT " ORDER BY title, url",
			    NO_VALUES, err);
	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_feed_list){ 0 };
	return 0;
}

static int no_such_feed(const char *id, struct err *err)
{
	return err_set(err, -ENOENT, "there is no feed '%s'", id);
}

int store_feed_get(struct store *s, const char *id, struct store_feed *out, struct err *err)
{
	struct store_feed row = { 0 };

	int found = store_get(&row, read_feed, s, FEED_SELECT " WHERE id = ?1", VALUES(text(id)), err);
	if (found <= 0)
		return found < 0 ? found : no_such_feed(id, err);
	*out = row;
	return 0;
}

static int add_feed(struct store *s, const char *url, bool configured, struct err *err)
{
	char id[STORE_ID_CHARS];

	store_id(id, url, NULL);
	/* A feed that was added by hand and is configured now belongs to the configuration; not the other way round. */
	return store_run(s,
			 "INSERT INTO feed (id, url, configured) VALUES (?1, ?2, ?3)"
			 " ON CONFLICT (id) DO UPDATE SET configured = max(configured, excluded.configured)",
			 VALUES(text(id), text(url), number(configured)), err);
}

int store_feed_add(struct store *s, const char *url, bool configured, char id[static STORE_ID_CHARS], struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_end(s, add_feed(s, url, configured, err), err);
	if (rc < 0)
		return rc;
	store_id(id, url, NULL);
	return 0;
}

/* Its items go with it (ON DELETE CASCADE), so first nothing may be assigned one of them. Returns how many feeds that
 * were. */
static int remove_feed(struct store *s, const char *id, struct err *err)
{
	int released = store_run(s,
				 "UPDATE machine SET item_id = NULL, target = NULL, seed = NULL, hostname = NULL,"
				 " assignment = 0 WHERE item_id IN"
				 " (SELECT id FROM item WHERE feed_id = ?1)",
				 VALUES(text(id)), err);

	if (released < 0)
		return released;
	if (released)
		log_warn("feed %s: removed; machines that were assigned an item of it: %d", id, released);
	return store_run(s, "DELETE FROM feed WHERE id = ?1", VALUES(text(id)), err);
}

int store_feed_remove(struct store *s, const char *id, struct err *err)
{
	int64_t configured;

	int rc = store_begin(s, err);
	if (rc < 0)
		return rc;
	rc = store_number(&configured, s, "SELECT configured FROM feed WHERE id = ?1", VALUES(text(id)), err);
	if (rc == -ENOENT)
		rc = no_such_feed(id, err);
	else if (rc == 0 && configured)
		rc = err_set(err, -EPERM, "feed '%s' is named in the configuration file; remove it there", id);
	else if (rc == 0)
		rc = remove_feed(s, id, err);
	rc = store_end(s, rc, err);
	return rc < 0 ? rc : 0;
}

/*
 * Which items of a feed are made ready without being asked for (item.ahead): those its options choose. The numbers are
 * those of the schema; a feed without a policy of its own leaves it to the configuration, which may be another one at
 * the next start.
 */
static int choose_ahead(struct store *s, const char *feed_id, const struct feed_options *options, struct err *err)
{
	static const int ahead[] = { [FEED_INGEST_DEFAULT] = 2,
				     [FEED_INGEST_ALL] = 1,
				     [FEED_INGEST_NEWEST] = 1,
				     [FEED_INGEST_DEMAND] = 0,
				     [FEED_INGEST_MANUAL] = 0 };
	uint64_t left = options->ingest == FEED_INGEST_NEWEST ? options->newest : UINT64_MAX;
	CLEANUP(store_reset) sqlite3_stmt *q = NULL;
	char id[STORE_ID_CHARS];

	/* Sorted without an index, so what is changed below does not change what comes next. */
	int rc = store_query(&q, s,
			     "SELECT id, title FROM item WHERE feed_id = ?1 AND gone_at = 0"
			     " ORDER BY published DESC, title, id",
			     VALUES(text(feed_id)), err);
	while (rc >= 0 && (rc = store_next(s, q, err)) > 0) {
		bool chosen = left && feed_options_match_title(options, (const char *)sqlite3_column_text(q, 1));

		column_fixed(id, sizeof(id), q, 0);
		left -= chosen;
		rc = store_run(s, "UPDATE item SET ahead = ?2 WHERE id = ?1 AND ahead IS NOT ?2",
			       VALUES(text(id), number(chosen ? (uint64_t)ahead[options->ingest] : 0)), err);
	}
	return rc;
}

/* Items that were refused, of one feed or (NULL) of all, whose policy may be met by now. */
static int judge_anew(struct store *s, const char *feed_id, struct err *err)
{
	return store_run(s,
			 "UPDATE item SET state = 0, error = NULL, updated_at = ?2"
			 " WHERE state = 4 AND (?1 IS NULL OR feed_id = ?1)",
			 VALUES(text(feed_id), number((uint64_t)store_now())), err);
}

static int write_options(struct store *s, const char *id, const char *text_of_options, struct err *err)
{
	CLEANUP(feed_options_done) struct feed_options options = { 0 };

	int rc = feed_options_parse(&options, text_of_options, err);
	if (rc >= 0)
		rc = store_run(s, "UPDATE feed SET options = ?2, ingest = ?3 WHERE id = ?1",
			       VALUES(text(id), text(text_of_options), number(options.ingest)), err);
	if (rc >= 0)
		rc = judge_anew(s, id, err);
	return rc < 0 ? rc : choose_ahead(s, id, &options, err);
}

static int remove_no_longer_configured(struct store *s, struct err *err)
{
	struct store_feed row = { 0 };
	int rc;

	while ((rc = store_row(&row, read_feed, s, FEED_SELECT " WHERE configured = 2", NO_VALUES, err)) > 0) {
		log_info("feed '%s': no longer configured, removing it", row.url);
		rc = remove_feed(s, row.id, err);
		store_feed_free(&row);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int configure_feed(struct store *s, const char *line, struct err *err)
{
	CLEANUP(free_str) char *url = NULL, *options = NULL;
	char id[STORE_ID_CHARS];

	int rc = feed_options_split_line(&url, &options, line, err);
	if (rc < 0)
		return rc;
	store_id(id, url, NULL);
	rc = add_feed(s, url, true, err);
	if (rc >= 0)
		rc = store_run(s, "UPDATE feed SET configured = 1 WHERE id = ?1", VALUES(text(id)), err);
	return rc < 0 ? rc : write_options(s, id, options, err);
}

int store_feed_configure(struct store *s, char *const *lines, size_t count, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	/* The configuration may be another one, its keyring, too. */
	rc = judge_anew(s, NULL, err);
	if (rc < 0)
		return store_end(s, rc, err);
	/* 2 marks, within this transaction, those that were configured and may not be any more. */
	rc = store_run(s, "UPDATE feed SET configured = 2 WHERE configured", NO_VALUES, err);
	for (size_t i = 0; i < count && rc >= 0; i++)
		rc = configure_feed(s, lines[i], err);
	if (rc >= 0)
		rc = remove_no_longer_configured(s, err);
	rc = store_end(s, rc, err);
	return rc < 0 ? rc : 0;
}

static int change_options(struct store *s, const char *id, const char *changes, struct err *err)
{
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	CLEANUP(feed_options_done) struct feed_options options = { 0 };
	CLEANUP(free_str) char *changed = NULL;

	int rc = store_row(&feed, read_feed, s, FEED_SELECT " WHERE id = ?1", VALUES(text(id)), err);
	if (rc == 0)
		rc = no_such_feed(id, err);
	else if (rc > 0 && feed.configured)
		rc = err_set(err, -EPERM, "feed '%s' is named in the configuration file; set its options there", id);
	if (rc > 0)
		rc = feed_options_parse(&options, feed.options, err);
	if (rc >= 0)
		rc = feed_options_parse(&options, changes, err);
	if (rc >= 0)
		rc = feed_options_check(&options, err);
	if (rc >= 0)
		rc = feed_options_text(&changed, &options, err);
	return rc < 0 ? rc : write_options(s, id, changed, err);
}

int store_feed_set(struct store *s, const char *id, const char *changes, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_end(s, change_options(s, id, changes, err), err);
	return rc < 0 ? rc : 0;
}

int store_feed_add_with(struct store *s, const char *url, const char *changes, char id[static STORE_ID_CHARS],
			struct err *err)
{
	char new_id[STORE_ID_CHARS];

	store_id(new_id, url, NULL);
	int rc = store_begin(s, err);
	if (rc < 0)
		return rc;
	rc = add_feed(s, url, false, err);
	if (rc >= 0 && changes && *changes)
		rc = change_options(s, new_id, changes, err);
	rc = store_end(s, rc, err);
	if (rc < 0)
		return rc;
	memcpy(id, new_id, sizeof(new_id));
	return 0;
}

/* What an item that is known already was, as far as a new announcement is compared with it. */
struct known {
	bool other_bytes; /* the enclosure cannot be the one that was announced before */
	bool other_url;
	bool other_proof;
	bool unmade; /* it was not made into the newest version before, either */
	enum item_state state;
};

static void read_known(void *row, sqlite3_stmt *q)
{
	struct known *known = row;

	known->other_bytes = column_number(q, 0);
	known->other_url = column_number(q, 1);
	known->unmade = column_number(q, 2);
	known->state = (enum item_state)column_number(q, 3);
	known->other_proof = column_number(q, 4);
}

static struct value digest_value(const struct feed_item *item)
{
	return bytes(item->has_digest ? item->digest : NULL, DIGEST_BYTES);
}

static int write_item(struct store *s, const char *id, const char *feed_id, const struct feed_item *item,
		      struct err *err)
{
	CLEANUP(free_str) char *details = NULL;
	int64_t now = store_now();

	int rc = feed_item_pack(&details, item, err);
	if (rc < 0)
		return rc;
	return store_run(
		s,
		"INSERT INTO item (id, feed_id, uuid, title, description, link, published, url, type, length, digest, "
		"arch,"
		" firmware, disk_bytes_min, memory_bytes_min, landing, cmdline, queued_at, updated_at, details,"
		" proof)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?18, ?19, "
		"?20)"
		" ON CONFLICT (id) DO UPDATE SET title = ?4, description = ?5, link = ?6, published = ?7, url = ?8, "
		"type = ?9,"
		" length = ?10, digest = ?11, arch = ?12, firmware = ?13, disk_bytes_min = ?14, memory_bytes_min = ?15,"
		" landing = ?16, cmdline = ?17, gone_at = 0, details = ?19, proof = ?20",
		VALUES(text(id), text(feed_id), text(item->uuid), text(item->title), text(item->description),
		       text(item->link), number((uint64_t)item->published), text(item->url), text(item->type),
		       number(item->length), digest_value(item), text(item->arch), text(item->firmware),
		       number(item->disk_bytes_min), number(item->memory_bytes_min), text(item->landing),
		       text(item->cmdline), number((uint64_t)now), text(details), number(item->proof)),
		err);
}

/* The feed says something else of the bytes that the newest version was made of. */
static int correct_version(struct store *s, const char *id, struct err *err)
{
	return store_run(s,
			 "UPDATE version SET (arch, firmware, disk_bytes_min, memory_bytes_min, landing,"
			 " announced_cmdline, proof) = (i.arch, i.firmware, i.disk_bytes_min, i.memory_bytes_min,"
			 " i.landing, i.cmdline, i.proof) FROM item i WHERE i.id = ?1 AND version.item_id = i.id"
			 " AND version.number = i.newest"
			 " AND (version.arch, version.firmware, version.disk_bytes_min, version.memory_bytes_min,"
			 " version.landing, version.announced_cmdline, version.proof) IS NOT (i.arch, i.firmware,"
			 " i.disk_bytes_min, i.memory_bytes_min, i.landing, i.cmdline, i.proof)",
			 VALUES(text(id)), err);
}

/*
 * A URL that changed alone is no reason to ingest anew where a digest says that the bytes did not: some servers sign
 * their URLs afresh each time. It is one when the old URL had failed.
 */
static int announce_item(struct store *s, const struct store_feed *feed, const struct feed_item *item, struct err *err)
{
	char id[STORE_ID_CHARS], title[128];
	struct known known = { 0 };

	store_id(id, feed->url, item->uuid);
	int found = store_row(
		&known, read_known, s,
		"SELECT length IS NOT ?2 OR digest IS NOT ?3 OR (digest IS NULL AND url IS NOT ?4),"
		" url IS NOT ?4, unmade, state, proof IS NOT ?5 FROM item WHERE id = ?1",
		VALUES(text(id), number(item->length), digest_value(item), text(item->url), number(item->proof)), err);
	if (found < 0 || write_item(s, id, feed->id, item, err) < 0)
		return err->code;
	if (found && !known.other_bytes && !known.unmade && correct_version(s, id, err) < 0)
		return err->code;
	bool again = (known.other_url && (known.state == ITEM_FAILED || known.state == ITEM_REFUSED)) ||
		     (known.other_proof && known.state == ITEM_REFUSED);
	if (!found || !(known.other_bytes || again))
		return 0;
	if (known.other_bytes && known.state != ITEM_ANNOUNCED)
		log_warn("item %s '%s': its feed announces other bytes under the same uuid, ingesting it anew", id,
			 log_quote(title, sizeof(title), item->title));
	return store_run(
		s,
		"UPDATE item SET state = 0, queued_at = ?2, updated_at = ?2, failures = 0, error = NULL, phase = NULL,"
		" done_bytes = 0, total_bytes = 0, unmade = unmade OR ?3 WHERE id = ?1",
		VALUES(text(id), number((uint64_t)store_now()), number(known.other_bytes)), err);
}

static int announce_items(struct store *s, const struct store_feed *feed, const struct feed *document, struct err *err)
{
	uint64_t now = (uint64_t)store_now();

	/* All are gone until the document names them. */
	int rc = store_run(s, "UPDATE item SET gone_at = ?2 WHERE feed_id = ?1 AND gone_at = 0",
			   VALUES(text(feed->id), number(now)), err);
	for (size_t i = 0; i < document->item_count && rc >= 0; i++)
		rc = announce_item(s, feed, &document->items[i], err);
	return rc;
}

static int forget_gone_items(struct store *s, const char *feed_id, struct err *err)
{
	return store_run(s,
			 "DELETE FROM item WHERE feed_id = ?1 AND gone_at AND state != 1"
			 " AND (version = 0 OR gone_at < ?2)"
			 " AND id NOT IN (SELECT item_id FROM machine WHERE item_id IS NOT NULL)",
			 VALUES(text(feed_id), number((uint64_t)store_now() - GONE_KEPT_S)), err);
}

static int take_document(struct store *s, const struct store_feed *feed, const struct feed *document, const char *etag,
			 const char *last_modified, struct err *err)
{
	CLEANUP(feed_options_done) struct feed_options options = { 0 };
	CLEANUP(json_free) json_t *notes = feed_notes_json(document->notes, document->note_count);
	CLEANUP(free_str) char *notes_text = json_array_size(notes) ? json_dumps(notes, JSON_COMPACT) : NULL;

	int rc = store_run(s,
			   "UPDATE feed SET title = ?2, etag = ?3, last_modified = ?4, ttl_s = ?5, skip_hours = ?6, "
			   "skip_days = ?7,"
			   " notes = ?8 WHERE id = ?1",
			   VALUES(text(feed->id), text(document->title), text(etag), text(last_modified),
				  number(document->ttl_s), number(document->skip_hours), number(document->skip_days),
				  text(notes_text)),
			   err);
	if (rc >= 0)
		rc = announce_items(s, feed, document, err);
	if (rc >= 0)
		rc = feed_options_parse(&options, feed->options, err);
	return rc < 0 ? rc : choose_ahead(s, feed->id, &options, err);
}

static int record_refresh(struct store *s, const char *id, const struct feed *document, const char *etag,
			  const char *last_modified, const char *why, struct err *err)
{
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	struct value now = number((uint64_t)store_now());

	int found = store_row(&feed, read_feed, s, FEED_SELECT " WHERE id = ?1", VALUES(text(id)), err);
	if (found <= 0)
		return found < 0 ? found : no_such_feed(id, err);
	if (why)
		return store_run(s, "UPDATE feed SET tried_at = ?2, error = ?3, failures = failures + 1 WHERE id = ?1",
				 VALUES(text(id), now, text(why)), err);
	int rc = store_run(s,
			   "UPDATE feed SET tried_at = ?2, fetched_at = ?2, error = NULL, failures = 0, gone_at = 0"
			   " WHERE id = ?1",
			   VALUES(text(id), now), err);
	if (rc >= 0 && document)
		rc = take_document(s, &feed, document, etag, last_modified, err);
	/* With a document that does not change for a year, too. */
	return rc < 0 ? rc : forget_gone_items(s, id, err);
}

int store_feed_update(struct store *s, const char *id, const struct feed *feed, const char *etag,
		      const char *last_modified, const char *why, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_end(s, record_refresh(s, id, feed, etag, last_modified, why, err), err);
	return rc < 0 ? rc : 0;
}

static int change_feed(struct store *s, const char *id, const char *sql, const char *value, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_run(s, sql, VALUES(text(id), text(value), number((uint64_t)store_now())), err);
	if (rc == 0)
		rc = no_such_feed(id, err);
	rc = store_end(s, rc, err);
	return rc < 0 ? rc : 0;
}

int store_feed_moved(struct store *s, const char *id, const char *moved_url, struct err *err)
{
	return change_feed(s, id, "UPDATE feed SET moved_url = ?2 WHERE id = ?1 AND ?3", moved_url, err);
}

int store_feed_gone(struct store *s, const char *id, const char *why, struct err *err)
{
	return change_feed(s, id,
			   "UPDATE feed SET error = ?2, tried_at = ?3, failures = failures + 1,"
			   " gone_at = iif(gone_at, gone_at, ?3) WHERE id = ?1",
			   why, err);
}
