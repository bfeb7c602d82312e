/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_identity: by which keys the store knows machines, which boot tickets were presented, and what jobs are signed with. */
#include "store_impl.h"

#include "cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/* So many that were presented: more than machines boot in a day. */
#define TICKETS_MAX 65536
/* Who has presented one in time may wait for an ingest, or a network, for so long after its hour. */
#define PRESENTED_LIFE_S (24 * 60 * 60)

struct secret {
	uint8_t value[STORE_SECRET_BYTES];
};

static void read_secret(void *row, sqlite3_stmt *q)
{
	struct secret *secret = row;

	if (sqlite3_column_bytes(q, 0) == STORE_SECRET_BYTES)
		memcpy(secret->value, sqlite3_column_blob(q, 0), STORE_SECRET_BYTES);
}

static int make_secret(struct store *s, const char *name, struct err *err)
{
	uint8_t fresh[STORE_SECRET_BYTES];

	if (getrandom(fresh, sizeof(fresh), 0) != sizeof(fresh))
		return err_set(err, -errno, "random numbers: %s", strerror(errno));
	int rc = store_run(s, "INSERT OR IGNORE INTO secret (name, value) VALUES (?1, ?2)",
			   VALUES(text(name), bytes(fresh, sizeof(fresh))), err);
	return rc < 0 ? rc : 0;
}

int store_secret(struct store *s, const char *name, uint8_t out[static STORE_SECRET_BYTES], struct err *err)
{
	struct secret secret = { { 0 } };
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = make_secret(s, name, err);
	if (!rc)
		rc = store_row(&secret, read_secret, s, "SELECT value FROM secret WHERE name = ?1", VALUES(text(name)),
			       err);
	rc = store_end(s, rc, err);
	if (rc < 0)
		return rc;
	memcpy(out, secret.value, sizeof(secret.value));
	return 0;
}

/* A machine's row, as a claim finds it. */
struct known {
	char *key, *kept;
};

static void read_known(void *row, sqlite3_stmt *q)
{
	struct known *known = row;

	known->key = column_text(q, 0);
	known->kept = column_text(q, 1);
}

static void free_known(struct known *known)
{
	free(known->key);
	free(known->kept);
}

/* Kept until somebody has looked at it, whatever becomes of this request. */
static int refuse_key(struct store *s, const char *mac, const struct store_claim *claim, struct err *refusal,
		      struct err *err)
{
	CLEANUP(free_str) char *alert = NULL;

	if (asprintf(&alert, "%s%.8s from %s wanted to be this machine, which is known by another key",
		     claim->key ? "key " : "somebody without a key", claim->key ? claim->key_id : "",
		     claim->address) < 0) {
		alert = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	err_set(refusal, -EACCES,
		"field \"machine_key\": machine %s is known by another key; if its board or TPM was changed: vmcast "
		"machine "
		"forget-key %s",
		mac, mac);
	int rc = store_run(s, "UPDATE machine SET alert = ?2, alert_at = ?3 WHERE mac = ?1",
			   VALUES(text(mac), text(alert), number((uint64_t)store_now())), err);
	return rc < 0 ? rc : 0;
}

static int check_known(struct store *s, const char *mac, const struct store_claim *claim, struct err *refusal,
		       struct err *err)
{
	CLEANUP(free_known) struct known known = { 0 };
	int found = store_row(&known, read_known, s, "SELECT key, key_kept FROM machine WHERE mac = ?1",
			      VALUES(text(mac)), err);

	if (found <= 0 || !known.key || (claim->key && strcmp(known.key, claim->key) == 0))
		return found < 0 ? found : 0;
	return refuse_key(s, mac, claim, refusal, err);
}

/* A ticket that was presented. */
struct presented {
	char *key;
	bool is_over; /* its job is done; after one that failed the machine tries again */
};

static void read_presented(void *row, sqlite3_stmt *q)
{
	struct presented *presented = row;

	presented->key = column_text(q, 0);
	presented->is_over = column_number(q, 1);
}

static int note_ticket(struct store *s, const uint8_t digest[static DIGEST_BYTES], const struct store_claim *claim,
		       struct err *err)
{
	int rc = store_run(
		s,
		"DELETE FROM boot_ticket WHERE expires_at + ?3 <= ?1 OR digest IN (SELECT digest FROM boot_ticket"
		" ORDER BY expires_at LIMIT max(0, (SELECT count(*) FROM boot_ticket) - ?2))",
		VALUES(number((uint64_t)store_now()), number(TICKETS_MAX - 1), number(PRESENTED_LIFE_S)), err);
	if (rc >= 0)
		rc = store_run(s, "INSERT INTO boot_ticket (digest, key, expires_at) VALUES (?1, ?2, ?3)",
			       VALUES(bytes(digest, DIGEST_BYTES), text(claim->key ? claim->key : ""),
				      number((uint64_t)claim->expires_at)),
			       err);
	return rc < 0 ? rc : 0;
}

static int take_ticket(struct store *s, const struct store_claim *claim, bool may_be_spent, struct err *refusal,
		       struct err *err)
{
	struct presented presented = { 0 };
	uint8_t digest[DIGEST_BYTES];

	digest_of(digest, claim->ticket, strlen(claim->ticket));
	int found = store_row(&presented, read_presented, s,
			      "SELECT t.key, coalesce(j.phase = 'done', t.job_id IS NOT NULL) FROM boot_ticket t"
			      " LEFT JOIN job j ON j.id = t.job_id WHERE t.digest = ?1",
			      VALUES(bytes(digest, sizeof(digest))), err);
	CLEANUP(free_str) char *key = presented.key;
	if (found < 0)
		return found;
	if (!found && store_now() >= claim->expires_at)
		err_set(refusal, -EACCES, "field \"ticket\": that of machine %s has expired: boot the machine again",
			claim->mac);
	if (!found)
		return refusal->code ? 0 : note_ticket(s, digest, claim, err);
	if (strcmp(key, claim->key ? claim->key : "") != 0)
		err_set(refusal, -EACCES,
			"field \"ticket\": that of machine %s was presented with another key before: boot the machine "
			"again",
			claim->mac);
	else if (presented.is_over && !may_be_spent)
		err_set(refusal, -EACCES, "field \"ticket\": that of machine %s is spent: boot the machine again",
			claim->mac);
	return 0;
}

int store_claim_known(struct store *s, const struct store_claim *claim, const struct store_macs *macs,
		      struct err *refusal, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && !refusal->code && i < macs->count; i++)
		rc = check_known(s, macs->macs[i], claim, refusal, err);
	return rc;
}

int store_claim_ticket(struct store *s, const struct store_claim *claim, struct err *refusal, struct err *err)
{
	return take_ticket(s, claim, true, refusal, err);
}

/* The known key first: a thief must not spend the ticket of a machine that has one. */
static int take(struct store *s, const struct store_claim *claim, const struct store_macs *macs, struct err *refusal,
		struct err *err)
{
	int rc = store_claim_known(s, claim, macs, refusal, err);

	if (!rc && !refusal->code && claim->ticket)
		rc = take_ticket(s, claim, false, refusal, err);
	return rc;
}

int store_claim_take(struct store *s, const struct store_claim *claim, const struct store_macs *macs, struct err *err)
{
	struct err refusal = { 0 };
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_end(s, take(s, claim, macs, &refusal, err), err);
	if (rc < 0 || !refusal.code)
		return rc;
	*err = refusal;
	return err->code;
}

static int pin_key(struct store *s, const struct store_claim *claim, struct err *err)
{
	if (!claim->mac || !claim->key || !claim->is_durable)
		return 0;
	return store_run(s, "UPDATE machine SET key = ?2, key_kept = ?3 WHERE mac = ?1 AND key IS NULL",
			 VALUES(text(claim->mac), text(claim->key), text(claim->kept)), err);
}

static int spend_ticket(struct store *s, const char *job_id, const struct store_claim *claim, struct err *err)
{
	uint8_t digest[DIGEST_BYTES];

	if (!claim->ticket)
		return 0;
	digest_of(digest, claim->ticket, strlen(claim->ticket));
	return store_run(s, "UPDATE boot_ticket SET job_id = ?2 WHERE digest = ?1",
			 VALUES(bytes(digest, sizeof(digest)), text(job_id)), err);
}

void store_claim_chain(char out[static STORE_CHAIN_CHARS], const struct store_claim *claim)
{
	if (claim->mac)
		snprintf(out, STORE_CHAIN_CHARS, "%s", claim->mac);
	else
		snprintf(out, STORE_CHAIN_CHARS, "key:%.64s", claim->key ? claim->key_id : "");
}

int store_claim_job(struct store *s, const char *job_id, uint64_t version, const struct store_claim *claim,
		    struct err *err)
{
	char chain[STORE_CHAIN_CHARS];
	int rc;

	if (!claim)
		return 0;
	store_claim_chain(chain, claim);
	rc = store_run(s, "UPDATE job SET version = ?2, key = ?3, key_kept = ?4, chain = ?5 WHERE id = ?1",
		       VALUES(text(job_id), number(version), text(claim->key), text(claim->kept), text(chain)), err);
	if (rc < 0 || (rc = spend_ticket(s, job_id, claim, err)) < 0)
		return rc;
	rc = pin_key(s, claim, err);
	return rc < 0 ? rc : 0;
}

static void read_identity(void *row, sqlite3_stmt *q)
{
	struct store_job_identity *identity = row;
	int nr = 0;

	identity->key = column_text(q, nr++);
	identity->key_kept = column_text(q, nr++);
	column_fixed(identity->chain, sizeof(identity->chain), q, nr++);
	column_fixed(identity->mac, sizeof(identity->mac), q, nr++);
	column_fixed(identity->item_id, sizeof(identity->item_id), q, nr++);
	identity->version = column_number(q, nr);
}

int store_job_identity(struct store *s, const char *id, struct store_job_identity *out, struct err *err)
{
	struct store_job_identity row = { 0 };
	int found = store_get(&row, read_identity, s,
			      "SELECT key, key_kept, chain, mac, item_id, version FROM job WHERE id = ?1",
			      VALUES(text(id)), err);

	if (found <= 0)
		return found < 0 ? found : err_set(err, -ENOENT, "there is no job '%s'", id);
	*out = row;
	return 0;
}

void store_job_identity_free(struct store_job_identity *row)
{
	free(row->key);
	free(row->key_kept);
	*row = (struct store_job_identity){ 0 };
}
