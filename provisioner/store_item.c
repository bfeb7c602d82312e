/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_item: the items of the store and how they become images. */
#include "store_impl.h"

#include "cleanup.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* A clock that was wrong for a while must not keep an item waiting for years: further off than this is now. */
#define RETRY_AHEAD_S 86400

#define JOB_SILENT_S 86400 /* a machine that said nothing for a day does not write any more */

/* States stand in SQL as the numbers they are stored as. */
static_assert(ITEM_ANNOUNCED == 0 && ITEM_INGESTING == 1 && ITEM_READY == 2 && ITEM_FAILED == 3, "as in the database");

#define ITEM_SELECT                                                                                                    \
	"SELECT i.id, i.feed_id, f.title, i.uuid, i.title, i.description, i.link, i.published, i.url, i.type, "        \
	"i.length,"                                                                                                    \
	" i.digest, i.arch, i.firmware, i.disk_bytes_min, i.memory_bytes_min, i.landing, i.cmdline, i.gone_at = 0, "   \
	"i.state,"                                                                                                     \
	" i.image_id, i.disk_bytes, i.image_bytes, i.index_bytes, i.sector_bytes, i.phase, i.done_bytes, "             \
	"i.total_bytes,"                                                                                               \
	" i.error, i.failures, i.retry_at, i.updated_at FROM item i JOIN feed f ON f.id = i.feed_id"

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
	item->updated_at = (int64_t)column_number(q, nr);
}

void store_item_free(struct store_item *row)
{
	free(row->feed_title);
	free(row->announced.uuid);
	free(row->announced.title);
	free(row->announced.description);
	free(row->announced.link);
	free(row->announced.url);
	free(row->announced.type);
	free(row->announced.arch);
	free(row->announced.firmware);
	free(row->announced.landing);
	free(row->announced.cmdline);
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

static void read_ready(void *row, sqlite3_stmt *q)
{
	struct store_item *item = row;
	int nr = 0;

	column_fixed(item->id, sizeof(item->id), q, nr++);
	column_fixed(item->feed_id, sizeof(item->feed_id), q, nr++);
	item->feed_title = column_text(q, nr++);
	item->announced.title = column_text(q, nr++);
	item->announced.published = (int64_t)column_number(q, nr++);
	item->announced.arch = column_text(q, nr++);
	item->announced.firmware = column_text(q, nr++);
	item->announced.landing = column_text(q, nr++);
	item->state = (enum item_state)column_number(q, nr++);
	column_fixed(item->image_id, sizeof(item->image_id), q, nr++);
	item->disk_bytes = column_number(q, nr);
	item->present = true;
}

int store_item_list_ready(struct store *s, struct store_item_list *out, struct err *err)
{
	CLEANUP(store_item_list_free) struct store_item_list list = { 0 };
	void *rows;

	int rc = store_rows(&rows, &list.count, sizeof(*list.rows), read_ready, s,
			    "SELECT i.id, i.feed_id, f.title, i.title, i.published, i.arch, i.firmware, i.landing,"
			    " i.state, i.image_id, i.disk_bytes FROM item i INDEXED BY item_ready"
			    " JOIN feed f ON f.id = i.feed_id WHERE i.image_id IS NOT NULL AND i.gone_at = 0",
			    NO_VALUES, err);
	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_item_list){ 0 };
	return 0;
}

static int no_such_item(const char *id, struct err *err)
{
	return err_set(err, -ENOENT, "there is no item '%s'", id);
}

int store_item_get(struct store *s, const char *id, struct store_item *out, struct err *err)
{
	struct store_item row = { 0 };

	int found = store_get(&row, read_item, s, ITEM_SELECT " WHERE i.id = ?1", VALUES(text(id)), err);
	if (found <= 0)
		return found < 0 ? found : no_such_item(id, err);
	*out = row;
	return 0;
}

static int claim(struct store *s, bool only_asked, struct store_item *row, struct err *err)
{
	uint64_t now = (uint64_t)store_now();

	int found = store_row(row, read_item, s,
			      ITEM_SELECT " WHERE (i.state = 0 OR (i.state = 3 AND i.retry_at AND"
					  " (i.retry_at <= ?2 OR i.retry_at > ?3)))"
					  " AND (i.asked OR (NOT ?1 AND i.gone_at = 0))"
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
		rc = no_such_item(id, err);
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
		return err_set(err, -ESTALE, "item '%s' was removed, or announced with another enclosure meanwhile",
			       id);
	return rc < 0 ? rc : 0;
}

int store_item_ready(struct store *s, const char *id, const struct store_image *image, struct err *err)
{
	bool changed;

	int rc = change(s, id,
			"UPDATE item SET state = 2, asked = 0, failures = 0, error = NULL, phase = NULL, image_id = ?2,"
			" disk_bytes = ?3, image_bytes = ?4, index_bytes = ?5, sector_bytes = ?6, updated_at = ?7"
			" WHERE id = ?1 AND state = 1",
			VALUES(text(id), text(image->id), number(image->disk_bytes), number(image->image_bytes),
			       number(image->index_bytes), number(image->sector_bytes), number((uint64_t)store_now())),
			&changed, err);
	if (rc < 0)
		return rc;
	if (!changed)
		return err_set(err, -ESTALE, "item '%s' was announced with another enclosure meanwhile", id);
	return 0;
}

int store_item_failed(struct store *s, const char *id, const char *why, struct err *err)
{
	return change(s, id,
		      "UPDATE item SET state = 3, failures = failures + 1, error = ?2, retry_at = 0, phase = NULL,"
		      " updated_at = ?3"
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

static void read_wanted(void *row, sqlite3_stmt *q)
{
	*(bool *)row = column_number(q, 0);
}

int store_image_wanted(struct store *s, const char *image_id, bool *wanted, struct err *err)
{
	int found = store_get(wanted, read_wanted, s,
			      "SELECT EXISTS (SELECT 1 FROM item WHERE image_id = ?1) OR"
			      " EXISTS (SELECT 1 FROM job WHERE image_id = ?1 AND NOT ended AND updated_at > ?2)",
			      VALUES(text(image_id), number((uint64_t)(store_now() - JOB_SILENT_S))), err);

	return found < 0 ? found : 0;
}
