/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_impl: what the store's own files share: transactions, statements with their values, and rows read back.
 *
 *   int rc = store_begin(s, err);
 *   if (rc < 0)
 *           return rc;
 *   rc = store_run(s, "DELETE FROM feed WHERE id = ?1", VALUES(text(id)), err);
 *   return store_end(s, rc, err);
 */
#ifndef VMCAST_STORE_IMPL_H
#define VMCAST_STORE_IMPL_H

#include "store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>

/* A statement that was prepared once. Its SQL text is a literal, so it is found by the text's address first. */
struct store_statement {
	const char *sql;
	sqlite3_stmt *stmt;
};

struct store {
	sqlite3 *db;
	char *dir;
	char *path;
	int lock_fd; /* flock()ed while this service owns the folder */
	pthread_mutex_t lock;
	pthread_mutex_t images_lock; /* see store_images_lock */
	struct store_statement *statements;
	size_t statement_count;
	uint64_t quiet_changes; /* that store_changes does not count */
};

/* The value of one parameter, in order from ?1. Strings and bytes are borrowed until the statement is done. */
struct value {
	enum { VALUE_TEXT, VALUE_NUMBER, VALUE_BYTES } kind;
	const void *data; /* NULL: SQL NULL */
	size_t len;
	int64_t number;
};

static inline struct value text(const char *s)
{
	return (struct value){ .kind = VALUE_TEXT, .data = s };
}

/* Unsigned 64-bit numbers keep their bits: what is above 2^63 is negative in the database and comes back as it was. */
static inline struct value number(uint64_t n)
{
	return (struct value){ .kind = VALUE_NUMBER, .number = (int64_t)n };
}

static inline struct value bytes(const void *data, size_t len)
{
	return (struct value){ .kind = VALUE_BYTES, .data = data, .len = len };
}

/* The two arguments `values, value_count` of the functions below. */
#define VALUES(...)                                                                                                    \
	(const struct value[]){ __VA_ARGS__ }, sizeof((const struct value[]){ __VA_ARGS__ }) / sizeof(struct value)
#define NO_VALUES NULL, 0

/* Take the lock and begin a transaction that may write. Ended by store_end, whatever happens between. */
int store_begin(struct store *s, struct err *err);

/*
 * The same for what may be lost in a power cut, though not by a kill: progress. Without the wait for the disk, which
 * two hundred machines that report once a second would feel.
 */
int store_begin_light(struct store *s, struct err *err);

/* Commit if `rc` is 0 or more, else roll back; release the lock. Returns `rc`, or why the commit failed. */
int store_end(struct store *s, int rc, struct err *err);

/* Run a statement that gives no rows. `sql` is a literal. Returns how many rows it changed. */
int store_run(struct store *s, const char *sql, const struct value *values, size_t value_count, struct err *err);

/* Begin a statement that gives rows: 0 and `*out`, to be stepped with store_next to its end or given up with
 * store_reset. */
int store_query(sqlite3_stmt **out, struct store *s, const char *sql, const struct value *values, size_t value_count,
		struct err *err);
int store_next(struct store *s, sqlite3_stmt *q,
	       struct err *err); /* 1: a row; 0: no more, and the statement is reset */
void store_reset(sqlite3_stmt **q);

/* One number of one row, such as a count. -ENOENT if there is no row (`err` is filled in a general way). */
int store_number(int64_t *out, struct store *s, const char *sql, const struct value *values, size_t value_count,
		 struct err *err);

/* Column `nr` of the present row. Text is copied; NULL stays NULL. */
char *column_text(sqlite3_stmt *q, int nr);
uint64_t column_number(sqlite3_stmt *q, int nr);
void column_fixed(char *out, size_t room, sqlite3_stmt *q, int nr); /* into an array; empty for NULL */

/* Fill a zeroed row from the present row of a query. */
typedef void store_read_fn(void *row, sqlite3_stmt *q);

/*
 * All rows of a query, outside of a transaction, into a growing array of `row_bytes` each. On failure what was read is
 * still counted, for the caller to free.
 */
int store_rows(void **rows, size_t *count, size_t row_bytes, store_read_fn *read, struct store *s, const char *sql,
	       const struct value *values, size_t value_count, struct err *err);

/* The first row of a query, inside of a transaction: 1, or 0 if there is none. `row` must be zeroed. */
int store_row(void *row, store_read_fn *read, struct store *s, const char *sql, const struct value *values,
	      size_t value_count, struct err *err);

/* The same outside of a transaction. */
int store_get(void *row, store_read_fn *read, struct store *s, const char *sql, const struct value *values,
	      size_t value_count, struct err *err);

/* What the last failing SQLite call said, as an error. */
int store_fault(struct store *s, struct err *err);

/* Make or upgrade the tables (store_schema.c). */
int store_migrate(struct store *s, struct err *err);

/* First 16 hex digits of SHA-256 over `a`, and a NUL and `b` if there is one. */
void store_id(char out[static STORE_ID_CHARS], const char *a, const char *b);
void store_random_hex(char *out, size_t chars); /* `chars` digits and a NUL */
int64_t store_now(void);                        /* seconds since 1970 */

int store_no_such_item(const char *id, struct err *err); /* -ENOENT */

/* Within a transaction: the machine said something just now; its row is made if there is none (store_machine.c). */
int store_machine_touch(struct store *s, const char *mac, struct err *err);

/* Within a transaction: the plan is handed out. Job and ticket are the claim's; a durable key is the machine's, if it has none
 * (store_identity.c). */
int store_claim_job(struct store *s, const char *job_id, uint64_t version, const struct store_claim *claim,
		    struct err *err);

/* Within a transaction: -EINVAL if it does not follow the last one of its chain (store_receipt.c). */
int store_receipt_add(struct store *s, const struct store_receipt *receipt, struct err *err);

/* Within a transaction: the same job ended well. What is wanted of the guest that it wrote is forgotten; a disk that was written
 * as one has no guests (store_guest.c). */
int store_guest_installed(struct store *s, const char *job_id, struct err *err);

/* Within a transaction: -EACCES in `*refusal` where one of `macs` is known by another key; take the ticket, spent or not
 * (store_identity.c). */
int store_claim_known(struct store *s, const struct store_claim *claim, const struct store_macs *macs,
		      struct err *refusal, struct err *err);
int store_claim_ticket(struct store *s, const struct store_claim *claim, struct err *refusal, struct err *err);

/* Within a transaction: the job ended well. Its machines are installed, and assignments it was made for fulfilled. */
int store_machine_installed(struct store *s, const char *job_id, struct err *err);

#endif
