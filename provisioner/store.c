/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store: see store.h; opening, transactions and statements. The nouns are in store_feed.c, _item.c,
 * _version.c, _machine.c and _job.c. */
#include "store_impl.h"

#include "cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

/* sqlite3(1) in the operator's hand may hold the lock for a moment. */
#define BUSY_MS 10000

int store_fault(struct store *s, struct err *err)
{
	int code;

	switch (sqlite3_errcode(s->db)) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		code = -EBADMSG;
		break;
	case SQLITE_FULL:
		code = -ENOSPC;
		break;
	case SQLITE_BUSY:
		code = -EBUSY;
		break;
	case SQLITE_NOMEM:
		code = -ENOMEM;
		break;
	default:
		code = -EIO;
	}
	return err_set(err, code, "database '%s': %s", s->path, sqlite3_errmsg(s->db));
}

static int prepare(sqlite3_stmt **out, struct store *s, const char *sql, struct err *err)
{
	for (size_t i = 0; i < s->statement_count; i++)
		if (s->statements[i].sql == sql) {
			*out = s->statements[i].stmt;
			return 0;
		}
	struct store_statement *grown = realloc(s->statements, (s->statement_count + 1) * sizeof(*grown));
	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	s->statements = grown;
	if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
		return store_fault(s, err);
	s->statements[s->statement_count++] = (struct store_statement){ sql, *out };
	return 0;
}

static int bind(sqlite3_stmt *q, int nr, const struct value *v)
{
	if (v->kind == VALUE_NUMBER)
		return sqlite3_bind_int64(q, nr, v->number);
	if (!v->data)
		return sqlite3_bind_null(q, nr);
	if (v->kind == VALUE_TEXT)
		return sqlite3_bind_text(q, nr, v->data, -1, SQLITE_STATIC);
	return sqlite3_bind_blob(q, nr, v->data, (int)v->len, SQLITE_STATIC);
}

int store_query(sqlite3_stmt **out, struct store *s, const char *sql, const struct value *values, size_t value_count,
		struct err *err)
{
	sqlite3_stmt *q;

	if (prepare(&q, s, sql, err) < 0)
		return err->code;
	assert((size_t)sqlite3_bind_parameter_count(q) == value_count);
	for (size_t i = 0; i < value_count; i++)
		if (bind(q, (int)i + 1, &values[i]) != SQLITE_OK)
			return store_fault(s, err);
	*out = q;
	return 0;
}

void store_reset(sqlite3_stmt **q)
{
	if (!*q)
		return;
	sqlite3_reset(*q);
	sqlite3_clear_bindings(*q);
}

int store_next(struct store *s, sqlite3_stmt *q, struct err *err)
{
	int rc = sqlite3_step(q);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		rc = store_fault(s, err);
	else
		rc = 0;
	store_reset(&q);
	return rc;
}

int store_run(struct store *s, const char *sql, const struct value *values, size_t value_count, struct err *err)
{
	sqlite3_stmt *q;

	if (store_query(&q, s, sql, values, value_count, err) < 0)
		return err->code;
	int rc = store_next(s, q, err);
	assert(rc <= 0);
	return rc < 0 ? rc : sqlite3_changes(s->db);
}

int store_number(int64_t *out, struct store *s, const char *sql, const struct value *values, size_t value_count,
		 struct err *err)
{
	CLEANUP(store_reset) sqlite3_stmt *q = NULL;

	if (store_query(&q, s, sql, values, value_count, err) < 0)
		return err->code;
	int rc = store_next(s, q, err);
	if (!rc)
		return err_set(err, -ENOENT, "database '%s': no such row", s->path);
	if (rc > 0)
		*out = sqlite3_column_int64(q, 0);
	return rc < 0 ? rc : 0;
}

static int read_rows(void **rows, size_t *count, size_t row_bytes, store_read_fn *read, struct store *s,
		     const char *sql, const struct value *values, size_t value_count, struct err *err)
{
	CLEANUP(store_reset) sqlite3_stmt *q = NULL;
	size_t room = 0;
	int rc;

	*rows = NULL;
	*count = 0;
	if (store_query(&q, s, sql, values, value_count, err) < 0)
		return err->code;
	while ((rc = store_next(s, q, err)) > 0) {
		if (*count == room) {
			void *grown = reallocarray(*rows, room ? room * 2 : 16, row_bytes);

			if (!grown)
				return err_set(err, -ENOMEM, "out of memory");
			*rows = grown;
			room = room ? room * 2 : 16;
		}
		void *row = (char *)*rows + (*count)++ * row_bytes;
		memset(row, 0, row_bytes);
		read(row, q);
	}
	return rc;
}

int store_rows(void **rows, size_t *count, size_t row_bytes, store_read_fn *read, struct store *s, const char *sql,
	       const struct value *values, size_t value_count, struct err *err)
{
	pthread_mutex_lock(&s->lock);
	int rc = read_rows(rows, count, row_bytes, read, s, sql, values, value_count, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int store_row(void *row, store_read_fn *read, struct store *s, const char *sql, const struct value *values,
	      size_t value_count, struct err *err)
{
	CLEANUP(store_reset) sqlite3_stmt *q = NULL;

	if (store_query(&q, s, sql, values, value_count, err) < 0)
		return err->code;
	int rc = store_next(s, q, err);
	if (rc > 0)
		read(row, q);
	return rc;
}

int store_get(void *row, store_read_fn *read, struct store *s, const char *sql, const struct value *values,
	      size_t value_count, struct err *err)
{
	pthread_mutex_lock(&s->lock);
	int rc = store_row(row, read, s, sql, values, value_count, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

char *column_text(sqlite3_stmt *q, int nr)
{
	const char *found = (const char *)sqlite3_column_text(q, nr);
	char *copy = found ? strdup(found) : NULL;

	/* NULL would pass for "unknown". A service without memory for a line of text is better started again. */
	if (found && !copy)
		abort();
	return copy;
}

uint64_t column_number(sqlite3_stmt *q, int nr)
{
	return (uint64_t)sqlite3_column_int64(q, nr);
}

void column_fixed(char *out, size_t room, sqlite3_stmt *q, int nr)
{
	const char *found = (const char *)sqlite3_column_text(q, nr);

	snprintf(out, room, "%s", found ? found : "");
}

static int begin(struct store *s, const char *durability, struct err *err)
{
	pthread_mutex_lock(&s->lock);
	int rc = store_run(s, durability, NO_VALUES, err);
	if (rc >= 0)
		rc = store_run(s, "BEGIN IMMEDIATE", NO_VALUES, err);
	if (rc < 0)
		pthread_mutex_unlock(&s->lock);
	return rc < 0 ? rc : 0;
}

int store_begin(struct store *s, struct err *err)
{
	return begin(s, "PRAGMA synchronous = FULL", err);
}

int store_begin_light(struct store *s, struct err *err)
{
	return begin(s, "PRAGMA synchronous = NORMAL", err);
}

int store_end(struct store *s, int rc, struct err *err)
{
	struct err ignored;

	if (rc >= 0) {
		int committed = store_run(s, "COMMIT", NO_VALUES, err);

		if (committed < 0)
			rc = committed;
	}
	/* A full disk or an I/O error has rolled back already. */
	if (rc < 0 && !sqlite3_get_autocommit(s->db))
		store_run(s, "ROLLBACK", NO_VALUES, &ignored);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int64_t store_now(void)
{
	return time(NULL);
}

void store_id(char out[static STORE_ID_CHARS], const char *a, const char *b)
{
	uint8_t raw[DIGEST_BYTES];
	char hex[DIGEST_HEX];
	struct digest d;

	digest_init(&d);
	digest_add(&d, a, strlen(a));
	if (b) {
		digest_add(&d, "", 1);
		digest_add(&d, b, strlen(b));
	}
	digest_final(&d, raw);
	digest_hex(hex, raw);
	snprintf(out, STORE_ID_CHARS, "%.*s", STORE_ID_CHARS - 1, hex);
}

void store_random_hex(char *out, size_t chars)
{
	uint8_t raw[DIGEST_BYTES];
	char hex[DIGEST_HEX];

	assert(chars < sizeof(hex));
	/* Never fails for so few bytes once the kernel's generator is up, and waits until then. */
	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		abort();
	digest_hex(hex, raw);
	snprintf(out, chars + 1, "%s", hex);
}

static int make_folder(const char *dir, const char *name, struct err *err)
{
	CLEANUP(free_str) char *path = NULL;

	if (asprintf(&path, "%s%s%s", dir, *name ? "/" : "", name) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make folder '%s': %s", path, strerror(errno));
	return 0;
}

/* Two services on one folder would ingest twice and clear each other's spool away. */
static int lock_folder(struct store *s, struct err *err)
{
	CLEANUP(free_str) char *path = NULL;

	if (asprintf(&path, "%s/lock", s->dir) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, -EBUSY,
			       "'%s' is in use by another vmcastd; stop that one, or give this one its own state_dir",
			       s->dir);
	return 0;
}

/* Everything that can be wrong with the file is told here, at the start, rather than by a menu that lost its items. */
static int check_database(struct store *s, struct err *err)
{
	CLEANUP(store_reset) sqlite3_stmt *q = NULL;

	if (store_query(&q, s, "PRAGMA quick_check(1)", NO_VALUES, err) < 0 || store_next(s, q, err) < 0)
		return err->code;
	const char *verdict = (const char *)sqlite3_column_text(q, 0);
	if (verdict && strcmp(verdict, "ok") == 0)
		return 0;
	/* "*** in database main ***" on a line of its own comes first. */
	const char *last_line = verdict ? strrchr(verdict, '\n') : NULL;
	return err_set(err, -EBADMSG, "database '%s': %s", s->path,
		       last_line ? last_line + 1
		       : verdict ? verdict
				 : "no verdict");
}

static int open_database(struct store *s, struct err *err)
{
	static const char *const settings = "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON;"
					    "PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 16777216";

	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		return s->db ? store_fault(s, err) : err_set(err, -ENOMEM, "out of memory");
	sqlite3_busy_timeout(s->db, BUSY_MS);
	if (sqlite3_exec(s->db, settings, NULL, NULL, NULL) != SQLITE_OK)
		return store_fault(s, err);
	if (check_database(s, err) < 0)
		return err->code;
	return store_migrate(s, err);
}

int store_open(struct store **out, const char *state_dir, struct err *err)
{
	static const char *const folders[] = { "", "images", "spool", "feeds", "deltas" };
	CLEANUP(store_close) struct store *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->lock_fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->images_lock, NULL);
	if (!(s->dir = strdup(state_dir)) || asprintf(&s->path, "%s/vmcast.db", state_dir) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (make_folder(state_dir, folders[i], err) < 0)
			return err->code;
	if (lock_folder(s, err) < 0)
		return err->code;
	int rc = open_database(s, err);
	if (rc == -EBADMSG)
		return err_wrap(
			err, "damaged and left as it is; restore a copy, or move vmcast.db* out of '%s' to begin anew",
			state_dir);
	if (rc < 0 || store_item_recover(s, err) < 0)
		return err->code;
	*out = TAKE(s);
	return 0;
}

void store_close(struct store **store)
{
	struct store *s = *store;

	if (!s)
		return;
	for (size_t i = 0; i < s->statement_count; i++)
		sqlite3_finalize(s->statements[i].stmt);
	sqlite3_close(s->db);
	close_fd(&s->lock_fd);
	pthread_mutex_destroy(&s->images_lock);
	pthread_mutex_destroy(&s->lock);
	free(s->statements);
	free(s->path);
	free(s->dir);
	free(s);
	*store = NULL;
}

uint64_t store_changes(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t changes = (uint64_t)sqlite3_total_changes64(s->db) - s->quiet_changes;
	pthread_mutex_unlock(&s->lock);
	return changes;
}

const char *store_dir(const struct store *s)
{
	return s->dir;
}

void store_images_lock(struct store *s)
{
	pthread_mutex_lock(&s->images_lock);
}

void store_images_unlock(struct store *s)
{
	pthread_mutex_unlock(&s->images_lock);
}
