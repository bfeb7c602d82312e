/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_item: the items of the store and how they become images. */
#include "store_impl.h"

#include "cleanup.h"
#include "feed_json.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* A clock that was wrong for a while must not keep an item waiting for years: further off than this is now. */
#define RETRY_AHEAD_S 86400

/* States stand in SQL as the numbers they are stored as. */
static_assert(ITEM_ANNOUNCED == 0 && ITEM_INGESTING == 1 && ITEM_READY == 2 && ITEM_FAILED == 3 && ITEM_REFUSED == 4 &&
		      PROOF_GPG == 2,
	      "as in the database");

/* Of version v: what the feed proves of its bytes, or what is signed in them. */
#define VERSION_PROOF "max(v.proof, 2 * v.gpg)"

#define ITEM_SELECT                                                                                                    \
	"SELECT i.id, i.feed_id, f.title, i.uuid, i.title, i.description, i.link, i.published, i.url, i.type, "        \
	"i.length,"                                                                                                    \
	" i.digest, i.arch, i.firmware, i.disk_bytes_min, i.memory_bytes_min, i.landing, i.cmdline, i.gone_at = 0, "   \
	"i.state,"                                                                                                     \
	" i.version, i.newest, v.kind, v.form,(SELECT count(*) FROM version_blob WHERE item_id = i.id AND number = "   \
	"i.version AND role = 0), d.id, d.disk_bytes, d.bytes, d.index_bytes, d.sector_bytes, i.phase, i.done_bytes, " \
	"i.total_bytes,"                                                                                               \
	" i.error, i.failures, i.retry_at, i.updated_at, i.details, f.ingest,"                                         \
	" iif(i.version, v.arch, i.arch), iif(i.version, v.firmware, i.firmware),"                                     \
	" iif(i.version, v.disk_bytes_min, i.disk_bytes_min), iif(i.version, v.memory_bytes_min, i.memory_bytes_min)," \
	" iif(i.version, v.landing, i.landing), iif(i.version, v.announced_cmdline, i.cmdline),"                       \
	" iif(i.version, " VERSION_PROOF ", i.proof), i.proof"                                                         \
	" FROM item i JOIN feed f ON f.id = i.feed_id"                                                                 \
	" LEFT JOIN version v ON v.item_id = i.id AND v.number = i.version"                                            \
	" LEFT JOIN version_blob d ON d.item_id = i.id AND d.number = i.version AND d.role = 0 AND d.nr = 0"

static void read_digest(struct feed_item *item, sqlite3_stmt *q, int nr)
{
	const void *digest = sqlite3_column_blob(q, nr);

	item->has_digest = digest && sqlite3_column_bytes(q, nr) == DIGEST_BYTES;
	if (item->has_digest)
		memcpy(item->digest, digest, DIGEST_BYTES);
}

static void read_item(void *row, sqlite3_stmt *q)
{
	struct store_item *item = row;
	struct feed_item *announced = &item->announced;
	struct err ignored;
	int nr = 0;

	column_fixed(item->id, sizeof(item->id), q, nr++);
	column_fixed(item->feed_id, sizeof(item->feed_id), q, nr++);
	item->feed_title = column_text(q, nr++);
	announced->uuid = column_text(q, nr++);
	announced->title = column_text(q, nr++);
	announced->description = column_text(q, nr++);
	announced->link = column_text(q, nr++);
	announced->published = (int64_t)column_number(q, nr++);
	announced->url = column_text(q, nr++);
	announced->type = column_text(q, nr++);
	announced->length = column_number(q, nr++);
	read_digest(announced, q, nr++);
	announced->arch = column_text(q, nr++);
	announced->firmware = column_text(q, nr++);
	announced->disk_bytes_min = column_number(q, nr++);
	announced->memory_bytes_min = column_number(q, nr++);
	announced->landing = column_text(q, nr++);
	announced->cmdline = column_text(q, nr++);
	item->present = column_number(q, nr++);
	item->state = (enum item_state)column_number(q, nr++);
	item->version = column_number(q, nr++);
	item->newest = column_number(q, nr++);
	item->kind = (enum item_kind)column_number(q, nr++);
	item->form = column_text(q, nr++);
	item->disk_count = (unsigned)column_number(q, nr++);
	column_fixed(item->image_id, sizeof(item->image_id), q, nr++);
	item->disk_bytes = column_number(q, nr++);
	item->image_bytes = column_number(q, nr++);
	item->index_bytes = column_number(q, nr++);
	item->sector_bytes = (uint32_t)column_number(q, nr++);
	item->phase = column_text(q, nr++);
	item->done_bytes = column_number(q, nr++);
	item->total_bytes = column_number(q, nr++);
	item->error = column_text(q, nr++);
	item->failures = (unsigned)column_number(q, nr++);
	item->retry_at = item->state == ITEM_FAILED ? (int64_t)column_number(q, nr) : 0;
	nr++;
	item->updated_at = (int64_t)column_number(q, nr++);
	/* What cannot be read is as good as not there until the feed's next document says it again. */
	feed_item_unpack(announced, (const char *)sqlite3_column_text(q, nr++), &ignored);
	item->feed_ingest = (enum feed_ingest)column_number(q, nr++);
	item->needs.arch = column_text(q, nr++);
	item->needs.firmware = column_text(q, nr++);
	item->needs.disk_bytes_min = column_number(q, nr++);
	item->needs.memory_bytes_min = column_number(q, nr++);
	item->needs.landing = column_text(q, nr++);
	item->needs.cmdline = column_text(q, nr++);
	item->proof = (enum proof)column_number(q, nr++);
	announced->proof = (enum proof)column_number(q, nr);
}

void store_item_free(struct store_item *row)
{
	free(row->feed_title);
	feed_item_free(&row->announced);
	free(row->needs.arch);
	free(row->needs.firmware);
	free(row->needs.landing);
	free(row->needs.cmdline);
	free(row->form);
	free(row->phase);
	free(row->error);
	*row = (struct store_item){ 0 };
}

void store_item_list_free(struct store_item_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		store_item_free(&list->rows[i]);
	free(list->rows);
	*list = (struct store_item_list){ 0 };
}

int store_item_list(struct store *s, const char *feed_id, struct store_item_list *out, struct err *err)
{
	CLEANUP(store_item_list_free) struct store_item_list list = { 0 };
	void *rows;

	int rc = store_rows(&rows, &list.count, sizeof(*list.rows), read_item, s,
			    ITEM_SELECT " WHERE ?1 IS NULL OR i.feed_id = ?1 ORDER BY i.published DESC, i.title, i.id",
			    VALUES(text(feed_id)), err);
	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_item_list){ 0 };
	return 0;
}

/* The first ten columns of both lists that menus are made of; returns the number of the next. */
static int read_listed(struct store_item *item, sqlite3_stmt *q)
{
	int nr = 0;

	column_fixed(item->id, sizeof(item->id), q, nr++);
	column_fixed(item->feed_id, sizeof(item->feed_id), q, nr++);
	item->feed_title = column_text(q, nr++);
	item->announced.title = column_text(q, nr++);
	item->announced.published = (int64_t)column_number(q, nr++);
	item->needs.arch = column_text(q, nr++);
	item->needs.firmware = column_text(q, nr++);
	item->needs.landing = column_text(q, nr++);
	item->state = (enum item_state)column_number(q, nr++);
	item->proof = (enum proof)column_number(q, nr++);
	item->present = true;
	return nr;
}

static void read_ready(void *row, sqlite3_stmt *q)
{
	struct store_item *item = row;
	int nr = read_listed(item, q);

	item->version = column_number(q, nr++);
	item->kind = (enum item_kind)column_number(q, nr++);
	column_fixed(item->image_id, sizeof(item->image_id), q, nr++);
	item->disk_bytes = column_number(q, nr++);
	item->disk_count = (unsigned)column_number(q, nr);
}

int store_item_list_ready(struct store *s, struct store_item_list *out, struct err *err)
{
	CLEANUP(store_item_list_free) struct store_item_list list = { 0 };
	void *rows;

	int rc = store_rows(&rows, &list.count, sizeof(*list.rows), read_ready, s,
			    "SELECT i.id, i.feed_id, f.title, i.title, i.published, v.arch, v.firmware, v.landing,"
			    " i.state, " VERSION_PROOF ", i.version, v.kind, d.id, d.disk_bytes,"
			    " (SELECT count(*) FROM version_blob WHERE item_id = i.id AND number = i.version"
			    "  AND role = 0) FROM item i INDEXED BY item_ready"
			    " JOIN feed f ON f.id = i.feed_id"
			    " JOIN version v ON v.item_id = i.id AND v.number = i.version"
			    " LEFT JOIN version_blob d ON d.item_id = i.id AND d.number = i.version AND d.role = 0"
			    " AND d.nr = 0 WHERE i.version > 0 AND i.gone_at = 0",
			    NO_VALUES, err);
	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_item_list){ 0 };
	return 0;
}

static void read_awaited(void *row, sqlite3_stmt *q)
{
	struct store_item *item = row;
	int nr = read_listed(item, q);

	item->announced.length = column_number(q, nr++);
	item->feed_ingest = (enum feed_ingest)column_number(q, nr);
}

int store_item_list_awaited(struct store *s, bool by_default, size_t max, struct store_item_list *out, struct err *err)
{
	CLEANUP(store_item_list_free) struct store_item_list list = { 0 };
	void *rows;

	static_assert(ITEM_INGESTING < 2 && ITEM_READY == 2 && FEED_INGEST_DEFAULT == 0 && FEED_INGEST_MANUAL == 4,
		      "as in the database");
	int rc = store_rows(&rows, &list.count, sizeof(*list.rows), read_awaited, s,
			    "SELECT i.id, i.feed_id, f.title, i.title, i.published, i.arch, i.firmware, i.landing,"
			    " i.state, i.proof, i.length, f.ingest FROM item i INDEXED BY item_awaited"
			    " JOIN feed f ON f.id = i.feed_id"
			    " WHERE i.version = 0 AND i.gone_at = 0 AND i.state < 2"
			    " AND iif(f.ingest = 0, ?1, i.ahead = 0 AND f.ingest <> 4)"
			    " ORDER BY i.published DESC LIMIT ?2",
			    VALUES(number(by_default), number(max)), err);
	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_item_list){ 0 };
	return 0;
}

int store_no_such_item(const char *id, struct err *err)
{
	return err_set(err, -ENOENT, "there is no item '%s'", id);
}

int store_item_get(struct store *s, const char *id, struct store_item *out, struct err *err)
{
	struct store_item row = { 0 };

	int found = store_get(&row, read_item, s, ITEM_SELECT " WHERE i.id = ?1", VALUES(text(id)), err);
	if (found <= 0)
		return found < 0 ? found : store_no_such_item(id, err);
	*out = row;
	return 0;
}

static int claim(struct store *s, bool only_asked, struct store_item *row, struct err *err)
{
	uint64_t now = (uint64_t)store_now();

	int found =
		store_row(row, read_item, s,
			  ITEM_SELECT " WHERE (i.state = 0 OR (i.state = 3 AND i.retry_at AND"
				      " (i.retry_at <= ?2 OR i.retry_at > ?3)))"
				      " AND (i.asked OR ((i.ahead = 1 OR (i.ahead = 2 AND NOT ?1)) AND i.gone_at = 0))"
				      " ORDER BY i.asked DESC, i.queued_at, i.published DESC, i.id LIMIT 1",
			  VALUES(number(only_asked), number(now), number(now + RETRY_AHEAD_S)), err);
	if (found <= 0)
		return found;
	int rc = store_run(s,
			   "UPDATE item SET state = 1, phase = NULL, done_bytes = 0, total_bytes = 0, updated_at = ?2"
			   " WHERE id = ?1",
			   VALUES(text(row->id), number(now)), err);
	row->state = ITEM_INGESTING;
	return rc < 0 ? rc : 1;
}

int store_item_claim(struct store *s, bool only_asked, struct store_item *out, struct err *err)
{
	struct store_item row = { 0 };

	int rc = store_begin(s, err);
	if (rc < 0)
		return rc;
	rc = store_end(s, claim(s, only_asked, &row, err), err);
	if (rc <= 0) {
		store_item_free(&row);
		return rc;
	}
	*out = row;
	return 1;
}

/* Change one item by a statement whose ?1 is its id; -ENOENT if there is none such. `changed` (may be NULL): whether it
 * applied. */
static int change(struct store *s, const char *id, const char *sql, const struct value *values, size_t value_count,
		  bool *changed, struct err *err)
{
	int64_t there;

	int rc = store_begin(s, err);
	if (rc < 0)
		return rc;
	rc = store_number(&there, s, "SELECT count(*) FROM item WHERE id = ?1", VALUES(text(id)), err);
	if (!rc && !there)
		rc = store_no_such_item(id, err);
	if (!rc)
		rc = store_run(s, sql, values, value_count, err);
	rc = store_end(s, rc, err);
	if (rc >= 0 && changed)
		*changed = rc > 0;
	return rc < 0 ? rc : 0;
}

int store_item_ask(struct store *s, const char *id, struct err *err)
{
	return change(
		s, id,
		"UPDATE item SET state = 0, asked = 1, queued_at = ?2, failures = 0, error = NULL, updated_at = ?2"
		" WHERE id = ?1 AND state != 1",
		VALUES(text(id), number((uint64_t)store_now())), NULL, err);
}

int store_item_demand(struct store *s, const char *id, struct err *err)
{
	return change(s, id,
		      "UPDATE item SET asked = 1, queued_at = ?2, updated_at = ?2"
		      " WHERE id = ?1 AND state = 0 AND version = 0 AND NOT asked",
		      VALUES(text(id), number((uint64_t)store_now())), NULL, err);
}

int store_item_progress(struct store *s, const char *id, const char *phase, uint64_t done, uint64_t total,
			struct err *err)
{
	int rc = store_begin_light(s, err);

	if (rc < 0)
		return rc;
	rc = store_run(s,
		       "UPDATE item SET phase = ?2, done_bytes = ?3, total_bytes = ?4, updated_at = ?5"
		       " WHERE id = ?1 AND state = 1 AND (asked OR gone_at = 0)",
		       VALUES(text(id), text(phase), number(done), number(total), number((uint64_t)store_now())), err);
	rc = store_end(s, rc, err);
	if (!rc)
		return err_set(err, -ESTALE,
			       "item '%s' was removed, rolled back or announced with another enclosure meanwhile", id);
	return rc < 0 ? rc : 0;
}

int store_item_failed(struct store *s, const char *id, const char *why, struct err *err)
{
	return change(s, id,
		      "UPDATE item SET state = 3, failures = failures + 1, error = ?2, retry_at = 0, phase = NULL,"
		      " updated_at = ?3"
		      " WHERE id = ?1 AND state = 1",
		      VALUES(text(id), text(why), number((uint64_t)store_now())), NULL, err);
}

int store_item_refused(struct store *s, const char *id, const char *why, struct err *err)
{
	return change(s, id,
		      "UPDATE item SET state = 4, error = ?2, retry_at = 0, phase = NULL, updated_at = ?3"
		      " WHERE id = ?1 AND state = 1",
		      VALUES(text(id), text(why), number((uint64_t)store_now())), NULL, err);
}

int store_item_retry(struct store *s, const char *id, unsigned delay_s, struct err *err)
{
	return change(s, id, "UPDATE item SET retry_at = ?2 WHERE id = ?1 AND state = 3",
		      VALUES(text(id), number((uint64_t)store_now() + delay_s)), NULL, err);
}

int store_item_requeue(struct store *s, const char *id, struct err *err)
{
	return change(s, id, "UPDATE item SET state = 0, phase = NULL, updated_at = ?2 WHERE id = ?1 AND state = 1",
		      VALUES(text(id), number((uint64_t)store_now())), NULL, err);
}

int store_item_recover(struct store *s, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_end(s, store_run(s, "UPDATE item SET state = 0, phase = NULL WHERE state = 1", NO_VALUES, err), err);
	return rc < 0 ? rc : 0;
}
