/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_token: see store_token.h */
#include "store_token.h"

#include "store_impl.h"

#include "cleanup.h"
#include "digest.h"

#include <errno.h>
#include <nettle/memops.h>
#include <string.h>

#define TOKEN_PREFIX "vmcast_" /* so that what looks for secrets in files can tell one */

const char *const role_names[] = { [ROLE_VIEW] = "view", [ROLE_OPERATE] = "operate", [ROLE_ADMIN] = "admin", NULL };

struct row {
	struct store_token token;
	uint8_t digest[DIGEST_BYTES];
};

static void read_row(void *to, sqlite3_stmt *q)
{
	struct row *row = to;

	column_fixed(row->token.name, sizeof(row->token.name), q, 0);
	row->token.role = (enum role)column_number(q, 1);
	row->token.created_at = (int64_t)column_number(q, 2);
	row->token.expires_at = (int64_t)column_number(q, 3);
	if (sqlite3_column_bytes(q, 4) == DIGEST_BYTES)
		memcpy(row->digest, sqlite3_column_blob(q, 4), DIGEST_BYTES);
}

static int read_all(struct row **out, size_t *count, struct store *s, struct err *err)
{
	void *rows = NULL;
	int rc = store_rows(&rows, count, sizeof(struct row), read_row, s,
			    "SELECT name, role, created_at, expires_at, digest FROM token ORDER BY name", NO_VALUES,
			    err);

	if (rc < 0) {
		free(rows);
		return rc;
	}
	*out = rows;
	return 0;
}

static int add(struct store *s, const char *name, enum role role, int64_t expires_at, const char *token,
	       struct err *err)
{
	uint8_t digest[DIGEST_BYTES];
	int64_t count, same;

	if (store_number(&count, s, "SELECT count(*) FROM token", NO_VALUES, err) < 0 ||
	    store_number(&same, s, "SELECT count(*) FROM token WHERE name = ?1", VALUES(text(name)), err) < 0)
		return err->code;
	if (same)
		return err_set(err, -EEXIST, "there is a token '%s' already; revoke it first", name);
	if (count >= STORE_TOKENS_MAX)
		return err_set(err, -ENOSPC, "there are %d tokens, which is as many as there may be", STORE_TOKENS_MAX);
	digest_of(digest, token, strlen(token));
	return store_run(s,
			 "INSERT INTO token (name, role, digest, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
			 VALUES(text(name), number(role), bytes(digest, sizeof(digest)), number((uint64_t)store_now()),
				number((uint64_t)expires_at)),
			 err);
}

int store_token_new(struct store *s, const char *name, enum role role, int64_t expires_at,
		    char token[static STORE_TOKEN_CHARS], struct err *err)
{
	char made[STORE_TOKEN_CHARS] = TOKEN_PREFIX;
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	store_random_hex(made + strlen(TOKEN_PREFIX), 2 * DIGEST_BYTES);
	rc = store_end(s, add(s, name, role, expires_at, made, err), err);
	if (rc >= 0)
		memcpy(token, made, sizeof(made));
	explicit_bzero(made, sizeof(made));
	return rc < 0 ? rc : 0;
}

int store_token_list(struct store *s, struct store_token_list *out, struct err *err)
{
	CLEANUP(free_mem) struct row *rows = NULL;
	size_t count = 0;
	int rc = read_all(&rows, &count, s, err);

	if (rc < 0)
		return rc;
	struct store_token_list list = { calloc(count + 1, sizeof(*list.rows)), count };

	if (!list.rows)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		list.rows[i] = rows[i].token;
	*out = list;
	return 0;
}

void store_token_list_free(struct store_token_list *list)
{
	free(list->rows);
	*list = (struct store_token_list){ 0 };
}

int store_token_revoke(struct store *s, const char *name, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_run(s, "DELETE FROM token WHERE name = ?1", VALUES(text(name)), err);
	if (!rc)
		rc = err_set(err, -ENOENT, "there is no token '%s'", name);
	rc = store_end(s, rc, err);
	return rc < 0 ? rc : 0;
}

int store_token_find(struct store_token *out, struct store *s, const char *token, struct err *err)
{
	CLEANUP(free_mem) struct row *rows = NULL;
	const struct row *found = NULL;
	uint8_t digest[DIGEST_BYTES];
	size_t count = 0;
	int rc = read_all(&rows, &count, s, err);

	if (rc < 0)
		return rc;
	digest_of(digest, token, strlen(token));
	for (size_t i = 0; i < count; i++)
		if (memeql_sec(digest, rows[i].digest, DIGEST_BYTES))
			found = &rows[i];
	if (!found)
		return err_set(err, -EACCES, "the token is wrong, or was revoked");
	*out = found->token;
	if (out->expires_at && out->expires_at <= store_now())
		return err_set(err, -EKEYEXPIRED, "the token '%s' has expired", out->name);
	return 0;
}
