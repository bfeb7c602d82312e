/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_version: what the items of the store were and are, version by version, and who still wants what of it. */
#include "store_impl.h"

#include "cleanup.h"
#include "json.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define JOB_SILENT_S 86400 /* a machine that said nothing for a day does not write any more */

/* What a version has below images/. */
enum blob_role { BLOB_DISK, BLOB_FILE, BLOB_INITRD };

/* Roles and kinds stand in SQL as the numbers they are stored as. */
static_assert(BLOB_DISK == 0 && BLOB_FILE == 1 && BLOB_INITRD == 2, "as in the database");
static_assert(ITEM_DISK == 0 && ITEM_ROOTFS == 1 && ITEM_KERNEL == 2 && ITEM_ISO == 3, "as in the database");

#define BLOB_READ                                                                                                      \
	"EXISTS (SELECT 1 FROM job_blob r JOIN job j ON j.id = r.job_id"                                               \
	"  WHERE r.id = b.id AND NOT j.ended AND j.updated_at > ?1)"

static char *notes_text(const struct store_content *content)
{
	CLEANUP(json_free) json_t *notes = json_array();

	for (size_t i = 0; i < content->note_count; i++)
		json_array_append_new(notes, json_string(content->notes[i]));
	return content->note_count ? json_dumps(notes, JSON_COMPACT) : NULL;
}

static int parse_notes(struct store_content *content, const char *notes, struct err *err)
{
	CLEANUP(json_free) json_t *json = notes ? json_loads(notes, 0, NULL) : NULL;
	const json_t *note;
	size_t nr;

	json_array_foreach(json, nr,
			   note) if (json_is_string(note) &&
				     content_add_note(content, json_string_value(note), err) < 0) return err->code;
	return 0;
}

/* The row of a version; its blobs follow. */
struct version_row {
	struct store_content content;
	char *notes;
};

static void version_row_free(struct version_row *row)
{
	store_content_free(&row->content);
	free(row->notes);
}

static void read_version_row(void *out, sqlite3_stmt *q)
{
	struct version_row *row = out;
	int nr = 0;

	row->content.version = column_number(q, nr++);
	row->content.kind = (enum item_kind)column_number(q, nr++);
	row->content.form = column_text(q, nr++);
	row->content.cmdline = column_text(q, nr++);
	row->content.machine = column_text(q, nr++);
	row->notes = column_text(q, nr);
}

static int add_blob(struct store_content *content, sqlite3_stmt *q, struct err *err)
{
	enum blob_role role = (enum blob_role)column_number(q, 0);

	if (role == BLOB_DISK) {
		struct store_image image = {
			.image_bytes = column_number(q, 2),
			.index_bytes = column_number(q, 3),
			.disk_bytes = column_number(q, 4),
			.sector_bytes = (uint32_t)column_number(q, 5),
		};

		column_fixed(image.id, sizeof(image.id), q, 1);
		return content_add_disk(content, &image, column_text(q, 6), column_text(q, 7), err);
	}
	struct content_file *file = role == BLOB_FILE ? &content->file : &content->initrd;

	column_fixed(file->id, sizeof(file->id), q, 1);
	file->bytes = column_number(q, 2);
	return 0;
}

static int load_blobs(struct store *s, const char *id, struct store_content *content, struct err *err)
{
	CLEANUP(store_reset) sqlite3_stmt *q = NULL;
	int rc =
		store_query(&q, s,
			    "SELECT role, id, bytes, index_bytes, disk_bytes, sector_bytes, name, bus FROM version_blob"
			    " WHERE item_id = ?1 AND number = ?2 ORDER BY role, nr",
			    VALUES(text(id), number(content->version)), err);

	while (!rc && (rc = store_next(s, q, err)) > 0)
		rc = add_blob(content, q, err);
	return rc;
}

/* Within the lock: version `version`, or (0) the one that serves. -ENOENT if there is none. */
static int load_content(struct store *s, const char *id, uint64_t version, struct store_content *out, struct err *err)
{
	CLEANUP(version_row_free) struct version_row row = { 0 };
	int found =
		store_row(&row, read_version_row, s,
			  "SELECT v.number, v.kind, v.form, v.cmdline, v.machine, v.notes FROM item i"
			  " JOIN version v ON v.item_id = i.id AND v.number = iif(?2, ?2, i.version) WHERE i.id = ?1",
			  VALUES(text(id), number(version)), err);

	if (found < 0)
		return found;
	if (!found)
		return err_set(err, -ENOENT, "item '%s' has no such version", id);
	int rc = parse_notes(&row.content, row.notes, err);
	if (!rc)
		rc = load_blobs(s, id, &row.content, err);
	if (!rc) {
		*out = row.content;
		row.content = (struct store_content){ 0 };
	}
	return rc;
}

int store_item_content(struct store *s, const char *id, uint64_t version, struct store_content *out, struct err *err)
{
	pthread_mutex_lock(&s->lock);
	int rc = load_content(s, id, version, out, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int write_blob(struct store *s, const char *id, uint64_t version, enum blob_role role, size_t nr,
		      const struct content_disk *disk, struct err *err)
{
	const struct store_image *image = &disk->image;

	if (!image->id[0])
		return 0;
	return store_run(s,
			 "INSERT INTO version_blob (item_id, number, role, nr, id, bytes, index_bytes, disk_bytes,"
			 " sector_bytes, name, bus) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
			 VALUES(text(id), number(version), number(role), number(nr), text(image->id),
				number(image->image_bytes), number(image->index_bytes), number(image->disk_bytes),
				number(image->sector_bytes), text(disk->name), text(disk->bus)),
			 err);
}

static int write_file(struct store *s, const char *id, uint64_t version, enum blob_role role,
		      const struct content_file *file, struct err *err)
{
	struct content_disk as_disk = { .image.image_bytes = file->bytes };

	memcpy(as_disk.image.id, file->id, sizeof(file->id));
	return write_blob(s, id, version, role, 0, &as_disk, err);
}

/* In the place of a version of this number, if there is one. */
static int write_version(struct store *s, const char *id, uint64_t version, const struct store_content *content,
			 struct err *err)
{
	CLEANUP(free_str) char *notes = notes_text(content);
	int rc = store_run(s, "DELETE FROM version WHERE item_id = ?1 AND number = ?2",
			   VALUES(text(id), number(version)), err);

	if (rc >= 0)
		rc = store_run(
			s,
			"INSERT INTO version (item_id, number, made_at, title, url, published, kind, form, cmdline,"
			" machine, notes, arch, firmware, disk_bytes_min, memory_bytes_min, landing,"
			" announced_cmdline, proof, gpg) SELECT id, ?2, ?3, title, url, published, ?4, ?5, ?6, ?7, ?8, "
			"arch,"
			" firmware, disk_bytes_min, memory_bytes_min, landing, cmdline, proof, ?9 FROM item WHERE id = "
			"?1",
			VALUES(text(id), number(version), number((uint64_t)store_now()), number(content->kind),
			       text(content->form), text(content->cmdline), text(content->machine), text(notes),
			       number(content->gpg_signed)),
			err);
	for (size_t i = 0; i < content->disk_count && rc >= 0; i++)
		rc = write_blob(s, id, version, BLOB_DISK, i, &content->disks[i], err);
	if (rc >= 0)
		rc = write_file(s, id, version, BLOB_FILE, &content->file, err);
	if (rc >= 0)
		rc = write_file(s, id, version, BLOB_INITRD, &content->initrd, err);
	return rc;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether a machine would get the same, whatever was said about it. */
static bool same_bytes(const struct store_content *a, const struct store_content *b)
{
	if (a->kind != b->kind || a->disk_count != b->disk_count || strcmp(a->file.id, b->file.id) != 0 ||
	    strcmp(a->initrd.id, b->initrd.id) != 0 || !same_text(a->cmdline, b->cmdline))
		return false;
	for (size_t i = 0; i < a->disk_count; i++)
		if (strcmp(a->disks[i].image.id, b->disks[i].image.id) != 0)
			return false;
	return true;
}

/* An item as the end of its ingest finds it. */
struct item_now {
	bool ingesting;
	uint64_t version, newest;
};

static void read_item_now(void *row, sqlite3_stmt *q)
{
	struct item_now *now = row;

	now->ingesting = column_number(q, 0);
	now->version = column_number(q, 1);
	now->newest = column_number(q, 2);
}

static int get_item_now(struct store *s, const char *id, struct item_now *out, struct err *err)
{
	int found = store_row(out, read_item_now, s, "SELECT state = 1, version, newest FROM item WHERE id = ?1",
			      VALUES(text(id)), err);

	return found > 0 ? 0 : found < 0 ? found : store_no_such_item(id, err);
}

static uint64_t keep_of(const char *options_text)
{
	CLEANUP(feed_options_done) struct feed_options options = { 0 };
	struct err ignored;

	/* They were checked when they were set. */
	return feed_options_parse(&options, options_text, &ignored) || !options.keep ? STORE_KEEP : options.keep;
}

static void read_text(void *row, sqlite3_stmt *q)
{
	*(char **)row = column_text(q, 0);
}

/* Forget versions of one item beyond as many as are to be kept. */
static int trim_item(struct store *s, const char *id, struct err *err)
{
	CLEANUP(free_str) char *options = NULL;
	int rc = store_row(&options, read_text, s,
			   "SELECT f.options FROM item i JOIN feed f ON f.id = i.feed_id WHERE i.id = ?1",
			   VALUES(text(id)), err);

	if (rc < 0)
		return rc;
	return store_run(s,
			 "DELETE FROM version WHERE item_id = ?1 AND number != (SELECT version FROM item WHERE id = ?1)"
			 " AND number NOT IN"
			 " (SELECT number FROM version WHERE item_id = ?1 ORDER BY number DESC LIMIT ?2)",
			 VALUES(text(id), number(keep_of(options))), err);
}

static int record_ready(struct store *s, const char *id, const struct store_content *content, struct err *err)
{
	CLEANUP(store_content_free) struct store_content last = { 0 };
	struct item_now now = { 0 };
	int rc = get_item_now(s, id, &now, err);

	if (rc == -ENOENT)
		return err_set(err, -ESTALE, "item '%s' is gone", id);
	if (rc)
		return rc;
	if (!now.ingesting)
		return err_set(err, -ESTALE,
			       "item '%s' was announced with another enclosure, or rolled back, meanwhile", id);
	if (now.newest)
		rc = load_content(s, id, now.newest, &last, err);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	bool same = last.version && same_bytes(&last, content);
	uint64_t number_made = same ? now.newest : now.newest + 1;
	uint64_t serves = same && now.version ? now.version : number_made;

	rc = write_version(s, id, number_made, content, err);
	if (rc >= 0)
		rc = store_run(s,
			       "UPDATE item SET state = 2, asked = 0, failures = 0, error = NULL, phase = NULL,"
			       " unmade = 0, version = ?2, newest = ?3, updated_at = ?4 WHERE id = ?1",
			       VALUES(text(id), number(serves), number(number_made), number((uint64_t)store_now())),
			       err);
	return rc < 0 ? rc : trim_item(s, id, err);
}

int store_item_ready(struct store *s, const char *id, const struct store_content *content, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_end(s, record_ready(s, id, content, err), err);
	return rc < 0 ? rc : 0;
}

/* The choice stands until the feed announces something else: what failed is not tried again, nor is what is lost made again. */
static int settle(struct store *s, const char *id, struct err *err)
{
	return store_run(s,
			 "UPDATE item SET state = 2, asked = 0, failures = 0, error = NULL, phase = NULL, retry_at = 0"
			 " WHERE id = ?1 AND (state IN (3, 4) OR (NOT unmade AND NOT EXISTS"
			 "  (SELECT 1 FROM version WHERE item_id = ?1 AND number = item.newest)))",
			 VALUES(text(id)), err);
}

static int roll_back(struct store *s, const char *id, uint64_t version, struct err *err)
{
	struct item_now now = { 0 };
	int rc = get_item_now(s, id, &now, err);

	if (rc < 0)
		return rc;
	rc = store_run(s,
		       "UPDATE item SET version = ?2, updated_at = ?3 WHERE id = ?1 AND EXISTS"
		       " (SELECT 1 FROM version WHERE item_id = ?1 AND number = ?2)",
		       VALUES(text(id), number(version), number((uint64_t)store_now())), err);
	if (!rc)
		return err_set(err, -ENOENT, "item '%s' has no version %llu", id, (unsigned long long)version);
	return rc < 0 ? rc : settle(s, id, err);
}

int store_item_rollback(struct store *s, const char *id, uint64_t version, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_end(s, roll_back(s, id, version, err), err);
	return rc < 0 ? rc : 0;
}

static void read_version(void *row, sqlite3_stmt *q)
{
	struct store_version *version = row;
	int nr = 0;

	version->number = column_number(q, nr++);
	version->serves = column_number(q, nr++);
	version->made_at = (int64_t)column_number(q, nr++);
	version->title = column_text(q, nr++);
	version->url = column_text(q, nr++);
	version->published = (int64_t)column_number(q, nr++);
	version->kind = (enum item_kind)column_number(q, nr++);
	version->form = column_text(q, nr++);
	version->disk_count = (unsigned)column_number(q, nr++);
	version->disk_bytes = column_number(q, nr++);
	version->stored_bytes = column_number(q, nr++);
	version->proof = (enum proof)column_number(q, nr);
}

void store_version_free(struct store_version *row)
{
	free(row->title);
	free(row->url);
	free(row->form);
	*row = (struct store_version){ 0 };
}

void store_version_list_free(struct store_version_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		store_version_free(&list->rows[i]);
	free(list->rows);
	*list = (struct store_version_list){ 0 };
}

int store_item_versions(struct store *s, const char *id, struct store_version_list *out, struct err *err)
{
	CLEANUP(store_version_list_free) struct store_version_list list = { 0 };
	void *rows;
	int rc = store_rows(&rows, &list.count, sizeof(*list.rows), read_version, s,
			    "SELECT v.number, v.number = i.version, v.made_at, v.title, v.url, v.published, v.kind,"
			    " v.form, coalesce(sum(b.role = 0), 0), coalesce(sum(b.disk_bytes), 0),"
			    " coalesce(sum(b.bytes + b.index_bytes), 0), max(v.proof, 2 * v.gpg)"
			    " FROM version v JOIN item i ON i.id = v.item_id"
			    " LEFT JOIN version_blob b ON b.item_id = v.item_id AND b.number = v.number"
			    " WHERE v.item_id = ?1 GROUP BY v.number ORDER BY v.number DESC",
			    VALUES(text(id)), err);

	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_version_list){ 0 };
	return 0;
}

static void read_flag(void *row, sqlite3_stmt *q)
{
	*(bool *)row = column_number(q, 0);
}

static struct value silent_since(void)
{
	return number((uint64_t)(store_now() - JOB_SILENT_S));
}

int store_image_wanted(struct store *s, const char *image_id, bool *wanted, struct err *err)
{
	int found = store_get(wanted, read_flag, s,
			      "SELECT EXISTS (SELECT 1 FROM version_blob WHERE id = b.id) OR " BLOB_READ
			      " FROM (SELECT ?2 AS id) b",
			      VALUES(silent_since(), text(image_id)), err);

	return found < 0 ? found : 0;
}

/* The version that serves is gone: the newest before it does, but never a newer one, which was withdrawn. */
#define VERSION_BEFORE                                                                                                 \
	"coalesce((SELECT max(number) FROM version v WHERE v.item_id = item.id AND v.number < item.version), 0)"
#define SERVES_NOTHING                                                                                                 \
	"version > 0 AND NOT EXISTS (SELECT 1 FROM version v WHERE v.item_id = item.id AND v.number = item.version)"

static int replace_lost(struct store *s, struct err *err)
{
	CLEANUP(store_reset) sqlite3_stmt *q = NULL;
	int rc = store_query(&q, s, "SELECT id, version, " VERSION_BEFORE " FROM item WHERE " SERVES_NOTHING, NO_VALUES,
			     err);

	while (!rc && (rc = store_next(s, q, err)) > 0) {
		char id[STORE_ID_CHARS];

		column_fixed(id, sizeof(id), q, 0);
		log_warn("item %s: version %llu, which served, is lost; now version %llu serves (0: none)", id,
			 (unsigned long long)column_number(q, 1), (unsigned long long)column_number(q, 2));
		rc = 0;
	}
	if (!rc)
		rc = store_run(s, "UPDATE item SET version = " VERSION_BEFORE " WHERE " SERVES_NOTHING, NO_VALUES, err);
	if (rc < 0)
		return rc;
	/* To make it again would only make what was withdrawn. */
	return store_run(s,
			 "UPDATE item SET state = 3, retry_at = 0, error = 'the version that was chosen is lost: choose"
			 " another with \"vmcast item rollback\", or have what is announced made with"
			 " \"vmcast item ingest\"' WHERE state = 2 AND version = 0",
			 NO_VALUES, err);
}

static int forget_image(struct store *s, const char *image_id, struct err *err)
{
	/* A newest version that does not serve was withdrawn. */
	int asked = store_run(
		s,
		"UPDATE item SET state = 0, asked = 1, queued_at = ?2, failures = 0, error = NULL,"
		" updated_at = ?2 WHERE state != 1 AND id IN (SELECT b.item_id FROM version_blob b"
		"  JOIN item i ON i.id = b.item_id WHERE b.id = ?1 AND b.number = i.newest AND b.number = i.version)",
		VALUES(text(image_id), number((uint64_t)store_now())), err);
	int rc = asked < 0 ? asked
			   : store_run(s,
				       "DELETE FROM version WHERE (item_id, number) IN"
				       " (SELECT item_id, number FROM version_blob WHERE id = ?1)",
				       VALUES(text(image_id)), err);

	if (rc > 0)
		rc = replace_lost(s, err);
	return rc < 0 ? rc : asked;
}

int store_image_lost(struct store *s, const char *image_id, size_t *asked, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_end(s, forget_image(s, image_id, err), err);
	if (rc < 0)
		return rc;
	*asked = (size_t)rc;
	return 0;
}

static void read_blob(void *row, sqlite3_stmt *q)
{
	struct store_blob *blob = row;

	column_fixed(blob->id, sizeof(blob->id), q, 0);
	blob->bytes = column_number(q, 1);
	blob->index_bytes = column_number(q, 2);
}

void store_blob_list_free(struct store_blob_list *list)
{
	free(list->rows);
	*list = (struct store_blob_list){ 0 };
}

int store_blob_list(struct store *s, struct store_blob_list *out, struct err *err)
{
	CLEANUP(store_blob_list_free) struct store_blob_list list = { 0 };
	void *rows;
	int rc = store_rows(&rows, &list.count, sizeof(*list.rows), read_blob, s,
			    "SELECT id, max(bytes), max(index_bytes) FROM version_blob GROUP BY id ORDER BY id",
			    NO_VALUES, err);

	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_blob_list){ 0 };
	return 0;
}

static void read_pair(void *row, sqlite3_stmt *q)
{
	struct store_pair *pair = row;

	column_fixed(pair->new_id, sizeof(pair->new_id), q, 0);
	column_fixed(pair->old_id, sizeof(pair->old_id), q, 1);
	pair->new_bytes = column_number(q, 2);
}

void store_pair_list_free(struct store_pair_list *list)
{
	free(list->rows);
	*list = (struct store_pair_list){ 0 };
}

int store_pairs(struct store *s, uint64_t versions, struct store_pair_list *out, struct err *err)
{
	void *rows;
	size_t count;
	int rc = store_rows(&rows, &count, sizeof(*out->rows), read_pair, s,
			    "SELECT DISTINCT n.id, o.id, n.bytes FROM item i"
			    " JOIN (SELECT v.item_id, v.number, row_number() OVER (PARTITION BY v.item_id"
			    "  ORDER BY abs(v.number - j.version)) AS distance FROM version v"
			    "  JOIN item j ON j.id = v.item_id WHERE v.number != j.version) d"
			    "  ON d.item_id = i.id AND d.distance <= ?1"
			    " JOIN version_blob n ON n.item_id = i.id AND n.number = i.version AND n.role = 0"
			    " JOIN version_blob o ON o.item_id = i.id AND o.number = d.number AND o.role = 0"
			    "  AND o.nr = n.nr AND o.id != n.id",
			    VALUES(number(versions)), err);

	if (rc < 0)
		return rc;
	*out = (struct store_pair_list){ .rows = rows, .count = count };
	return 0;
}

static void read_bytes(void *row, sqlite3_stmt *q)
{
	*(uint64_t *)row = column_number(q, 0);
}

int store_spare_bytes(struct store *s, uint64_t *out, struct err *err)
{
	int found = store_get(out, read_bytes, s,
			      "SELECT coalesce(sum(size), 0) FROM (SELECT max(b.bytes + b.index_bytes) AS size"
			      " FROM version_blob b JOIN item i ON i.id = b.item_id WHERE NOT " BLOB_READ
			      " GROUP BY b.id HAVING max(b.number = i.version) = 0)",
			      VALUES(silent_since()), err);

	return found < 0 ? found : 0;
}

int store_drop_oldest_version(struct store *s, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_run(s,
		       "DELETE FROM version WHERE (item_id, number) IN (SELECT v.item_id, v.number FROM version v"
		       " JOIN item i ON i.id = v.item_id WHERE v.number != i.version AND EXISTS"
		       "  (SELECT 1 FROM version_blob b WHERE b.item_id = v.item_id AND b.number = v.number"
		       "   AND NOT " BLOB_READ " AND NOT EXISTS (SELECT 1 FROM version_blob o"
		       "    JOIN item serving ON serving.id = o.item_id AND serving.version = o.number"
		       "    WHERE o.id = b.id))"
		       " ORDER BY v.made_at, v.number, v.item_id LIMIT 1)",
		       VALUES(silent_since()), err);
	return store_end(s, rc, err);
}

static int append(void **rows, size_t *count, const void *row, size_t row_bytes, struct err *err)
{
	void *grown = reallocarray(*rows, *count + 1, row_bytes);

	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	*rows = grown;
	memcpy((char *)grown + (*count)++ * row_bytes, row, row_bytes);
	return 0;
}

/* Versions beyond `keep` of the items of one feed. */
static int find_trimmed(struct store *s, const char *feed_id, uint64_t keep, struct store_trimmed_list *out,
			struct err *err)
{
	CLEANUP(store_reset) sqlite3_stmt *q = NULL;
	int rc = store_query(&q, s,
			     "SELECT item_id, number, (SELECT coalesce(sum(bytes + index_bytes), 0) FROM version_blob b"
			     "  WHERE b.item_id = a.item_id AND b.number = a.number) FROM (SELECT v.item_id, v.number,"
			     "  i.version AS serves, row_number() OVER (PARTITION BY v.item_id ORDER BY v.number DESC)"
			     "  AS age FROM version v JOIN item i ON i.id = v.item_id WHERE i.feed_id = ?1) a"
			     " WHERE age > ?2 AND number != serves",
			     VALUES(text(feed_id), number(keep)), err);

	while (!rc && (rc = store_next(s, q, err)) > 0) {
		struct store_trimmed row = { .number = column_number(q, 1), .bytes = column_number(q, 2) };

		column_fixed(row.item_id, sizeof(row.item_id), q, 0);
		rc = append((void **)&out->rows, &out->count, &row, sizeof(row), err);
	}
	return rc;
}

static int find_wanted(struct store *s, struct store_blob_list *out, struct err *err)
{
	CLEANUP(store_reset) sqlite3_stmt *q = NULL;
	int rc = store_query(&q, s,
			     "SELECT id, max(bytes), max(index_bytes) FROM"
			     " (SELECT id, bytes, index_bytes FROM version_blob UNION ALL"
			     "  SELECT r.id, 0, 0 FROM job_blob r JOIN job j ON j.id = r.job_id"
			     "  WHERE NOT j.ended AND j.updated_at > ?1) GROUP BY id ORDER BY id",
			     VALUES(silent_since()), err);

	while (!rc && (rc = store_next(s, q, err)) > 0) {
		struct store_blob row = { 0 };

		read_blob(&row, q);
		rc = append((void **)&out->rows, &out->count, &row, sizeof(row), err);
	}
	return rc;
}

static int trim_all(struct store *s, struct store_trimmed_list *trimmed, struct store_blob_list *wanted,
		    struct err *err)
{
	CLEANUP(store_reset) sqlite3_stmt *q = NULL;
	int rc = store_query(&q, s, "SELECT id, options FROM feed", NO_VALUES, err);

	while (!rc && (rc = store_next(s, q, err)) > 0) {
		CLEANUP(free_str) char *options = column_text(q, 1);
		char id[STORE_ID_CHARS];

		column_fixed(id, sizeof(id), q, 0);
		rc = find_trimmed(s, id, keep_of(options), trimmed, err);
	}
	for (size_t i = 0; i < trimmed->count && rc >= 0; i++)
		rc = store_run(s, "DELETE FROM version WHERE item_id = ?1 AND number = ?2",
			       VALUES(text(trimmed->rows[i].item_id), number(trimmed->rows[i].number)), err);
	return rc < 0 ? rc : find_wanted(s, wanted, err);
}

int store_trim(struct store *s, bool dry_run, struct store_trimmed_list *trimmed, struct store_blob_list *wanted,
	       struct err *err)
{
	CLEANUP(store_trimmed_list_free) struct store_trimmed_list gone = { 0 };
	CLEANUP(store_blob_list_free) struct store_blob_list kept = { 0 };
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = trim_all(s, &gone, &kept, err);
	/* A failure rolls back. */
	int ended = store_end(s, !rc && dry_run ? -ECANCELED : rc, err);
	if (rc < 0 || (ended < 0 && !dry_run))
		return rc < 0 ? rc : ended;
	*trimmed = gone;
	*wanted = kept;
	gone = (struct store_trimmed_list){ 0 };
	kept = (struct store_blob_list){ 0 };
	return 0;
}

void store_trimmed_list_free(struct store_trimmed_list *list)
{
	free(list->rows);
	*list = (struct store_trimmed_list){ 0 };
}
