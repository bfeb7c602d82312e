/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_receipt: the receipts of the store, one chain for each machine. */
#include "store_impl.h"

#include "cleanup.h"

#include <errno.h>
#include <string.h>

#define RECEIPT_SELECT(document) "SELECT hash, previous, chain, job_id, item_id, received_at, " document " FROM receipt"

static void read_receipt(void *row, sqlite3_stmt *q)
{
	struct store_receipt *receipt = row;
	int nr = 0;

	column_fixed(receipt->hash, sizeof(receipt->hash), q, nr++);
	column_fixed(receipt->previous, sizeof(receipt->previous), q, nr++);
	column_fixed(receipt->chain, sizeof(receipt->chain), q, nr++);
	column_fixed(receipt->job_id, sizeof(receipt->job_id), q, nr++);
	column_fixed(receipt->item_id, sizeof(receipt->item_id), q, nr++);
	receipt->received_at = (int64_t)column_number(q, nr++);
	receipt->document = column_text(q, nr);
}

void store_receipt_free(struct store_receipt *row)
{
	free(row->document);
	*row = (struct store_receipt){ 0 };
}

void store_receipt_list_free(struct store_receipt_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		store_receipt_free(&list->rows[i]);
	free(list->rows);
	*list = (struct store_receipt_list){ 0 };
}

int store_receipt_list(struct store *s, const char *chain, struct store_receipt_list *out, struct err *err)
{
	CLEANUP(store_receipt_list_free) struct store_receipt_list list = { 0 };
	void *rows;
	int rc = store_rows(&rows, &list.count, sizeof(*list.rows), read_receipt, s,
			    RECEIPT_SELECT("NULL") " WHERE ?1 IS NULL OR chain = ?1 ORDER BY chain, nr",
			    VALUES(text(chain)), err);

	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_receipt_list){ 0 };
	return 0;
}

int store_receipt_get(struct store *s, const char *hash, struct store_receipt *out, struct err *err)
{
	struct store_receipt row = { 0 };
	int found = store_get(&row, read_receipt, s, RECEIPT_SELECT("document") " WHERE hash = ?1", VALUES(text(hash)),
			      err);

	if (found <= 0)
		return found < 0 ? found : err_set(err, -ENOENT, "there is no receipt '%.64s'", hash);
	*out = row;
	return 0;
}

#define LAST_SQL RECEIPT_SELECT("NULL") " WHERE chain = ?1 ORDER BY nr DESC LIMIT 1"

int store_receipt_last(struct store *s, const char *chain, char out[static STORE_HASH_CHARS], struct err *err)
{
	struct store_receipt row = { 0 };
	int found = store_get(&row, read_receipt, s, LAST_SQL, VALUES(text(chain)), err);

	memcpy(out, row.hash, sizeof(row.hash));
	return found < 0 ? found : 0;
}

static int check_follows(struct store *s, const struct store_receipt *receipt, struct err *err)
{
	struct store_receipt last = { 0 };
	int found = store_row(&last, read_receipt, s, LAST_SQL, VALUES(text(receipt->chain)), err);

	if (found < 0)
		return found;
	if (strcmp(receipt->previous, last.hash) != 0)
		return err_set(err, -EINVAL,
			       "receipt: field \"previous\": '%.64s' is not the last receipt of this machine",
			       receipt->previous);
	return 0;
}

int store_receipt_add(struct store *s, const struct store_receipt *receipt, struct err *err)
{
	int rc = check_follows(s, receipt, err);

	if (!rc)
		rc = store_run(s,
			       "INSERT INTO receipt (hash, previous, chain, job_id, item_id, received_at, document)"
			       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			       VALUES(text(receipt->hash), text(receipt->previous), text(receipt->chain),
				      text(receipt->job_id), text(receipt->item_id),
				      number((uint64_t)receipt->received_at), text(receipt->document)),
			       err);
	/* Those of hosts first: anybody on the network may be one. */
	if (rc >= 0)
		rc = store_run(
			s,
			"DELETE FROM receipt WHERE nr IN (SELECT nr FROM receipt ORDER BY chain NOT LIKE 'key:%',"
			" nr LIMIT max(0, (SELECT count(*) FROM receipt) - ?1))",
			VALUES(number(STORE_RECEIPTS_MAX)), err);
	return rc < 0 ? rc : 0;
}
