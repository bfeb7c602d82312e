/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_job: the jobs of the store: one write of one image by one machine, and who may report on it. */
#include "store_impl.h"

#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void read_job(void *row, sqlite3_stmt *q)
{
	struct store_job *job = row;
	int nr = 0;

	column_fixed(job->id, sizeof(job->id), q, nr++);
	column_fixed(job->mac, sizeof(job->mac), q, nr++);
	column_fixed(job->item_id, sizeof(job->item_id), q, nr++);
	column_fixed(job->image_id, sizeof(job->image_id), q, nr++);
	job->phase = column_text(q, nr++);
	job->disk = column_text(q, nr++);
	job->message = column_text(q, nr++);
	job->done_bytes = column_number(q, nr++);
	job->total_bytes = column_number(q, nr++);
	job->bytes_per_s = column_number(q, nr++);
	job->exit = (int)column_number(q, nr++);
	job->started_at = (int64_t)column_number(q, nr++);
	job->updated_at = (int64_t)column_number(q, nr);
}

void store_job_free(struct store_job *row)
{
	free(row->phase);
	free(row->disk);
	free(row->message);
	*row = (struct store_job){ 0 };
}

void store_job_list_free(struct store_job_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		store_job_free(&list->rows[i]);
	free(list->rows);
	*list = (struct store_job_list){ 0 };
}

int store_job_list(struct store *s, struct store_job_list *out, struct err *err)
{
	CLEANUP(store_job_list_free) struct store_job_list list = { 0 };
	void *rows;

	int rc = store_rows(
		&rows, &list.count, sizeof(*list.rows), read_job, s,
		"SELECT id, mac, item_id, image_id, phase, disk, message, done_bytes, total_bytes, bytes_per_s,"
		" exit, started_at, updated_at FROM job ORDER BY started_at DESC, rowid DESC",
		NO_VALUES, err);
	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_job_list){ 0 };
	return 0;
}

static int check_version_serves(struct store *s, const char *item_id, uint64_t version, struct err *err)
{
	int64_t serves;

	int rc = store_number(&serves, s, "SELECT version = ?2 FROM item WHERE id = ?1",
			      VALUES(text(item_id), number(version)), err);
	if (rc == -ENOENT)
		return store_no_such_item(item_id, err);
	if (!rc && !serves)
		return err_set(err, -ESTALE, "item '%s' serves another version by now", item_id);
	return rc;
}

/* With each address, as the machine may ask by another one next time. */
static int add_macs(struct store *s, const char *id, const struct store_macs *macs, const char *inventory,
		    struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < macs->count && rc >= 0; i++) {
		rc = store_machine_touch(s, macs->macs[i], err);
		if (!rc)
			rc = store_run(s, "UPDATE machine SET inventory = coalesce(?2, inventory) WHERE mac = ?1",
				       VALUES(text(macs->macs[i]), text(inventory)), err);
		if (rc >= 0)
			rc = store_run(
				s, "INSERT INTO job_card SELECT ?1, mac, assignment_key FROM machine WHERE mac = ?2",
				VALUES(text(id), text(macs->macs[i])), err);
	}
	return rc < 0 ? rc : 0;
}

/* From then on store_image_wanted keeps all that the machine may read, whatever the item serves later. */
static int add_job(struct store *s, const char *mac, const char *item_id, uint64_t version, const char *phase,
		   const char *id, const char *ticket, struct err *err)
{
	uint8_t digest[DIGEST_BYTES];

	digest_of(digest, ticket, strlen(ticket));
	int rc = store_run(s,
			   "INSERT INTO job (id, ticket_digest, mac, item_id, image_id, phase, started_at, updated_at)"
			   " VALUES (?1, ?2, ?3, ?4, coalesce((SELECT id FROM version_blob"
			   "  WHERE item_id = ?4 AND number = ?5 AND role = 0 AND nr = 0), ''), ?7, ?6, ?6)",
			   VALUES(text(id), bytes(digest, sizeof(digest)), text(mac), text(item_id), number(version),
				  number((uint64_t)store_now()), text(phase)),
			   err);
	if (rc >= 0)
		rc = store_run(s,
			       "INSERT OR IGNORE INTO job_blob SELECT ?1, id FROM version_blob"
			       " WHERE item_id = ?2 AND number = ?3",
			       VALUES(text(id), text(item_id), number(version)), err);
	/* By when they were heard of: jobs made in bulk go before one that reports every second. */
	if (rc >= 0)
		rc = store_run(s,
			       "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE id != ?1 ORDER BY updated_at"
			       " LIMIT max(0, (SELECT count(*) FROM job) - ?2))",
			       VALUES(text(id), number(STORE_JOBS_MAX)), err);
	return rc < 0 ? rc : 0;
}

int store_job_new(struct store *s, const struct store_macs *macs, const char *item_id, uint64_t version,
		  const char *inventory, const struct store_claim *claim, char id[static STORE_ID_CHARS],
		  char ticket[static STORE_TICKET_CHARS], struct err *err)
{
	const char *mac = macs->count ? macs->macs[0] : NULL;
	char new_id[STORE_ID_CHARS], new_ticket[STORE_TICKET_CHARS];

	store_random_hex(new_id, sizeof(new_id) - 1);
	store_random_hex(new_ticket, sizeof(new_ticket) - 1);
	int rc = store_begin(s, err);
	if (rc < 0)
		return rc;
	rc = check_version_serves(s, item_id, version, err);
	if (!rc)
		rc = add_job(s, mac, item_id, version, "plan", new_id, new_ticket, err);
	if (!rc)
		rc = add_macs(s, new_id, macs, inventory, err);
	if (!rc)
		rc = store_claim_job(s, new_id, version, claim, err);
	rc = store_end(s, rc, err);
	if (rc < 0)
		return rc;
	memcpy(id, new_id, sizeof(new_id));
	memcpy(ticket, new_ticket, sizeof(new_ticket));
	return 0;
}

int store_job_started(struct store *s, const char *mac, const char *item_id, uint64_t version, struct err *err)
{
	char id[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS];

	store_random_hex(id, sizeof(id) - 1);
	/* Nobody gets it: nobody reports. */
	store_random_hex(ticket, sizeof(ticket) - 1);
	int rc = store_begin(s, err);
	if (rc < 0)
		return rc;
	rc = check_version_serves(s, item_id, version, err);
	/* A machine that starts again and again is one row, not the end of everybody's history. */
	if (!rc)
		rc = store_run(s, "DELETE FROM job WHERE mac = ?1 AND phase = 'started'", VALUES(text(mac)), err);
	if (rc >= 0)
		rc = add_job(s, mac, item_id, version, "started", id, ticket, err);
	return store_end(s, rc, err);
}

int store_job_is_guests(struct store *s, const char *id, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_run(s, "UPDATE job SET is_guest = 1 WHERE id = ?1", VALUES(text(id)), err);
	rc = store_end(s, rc, err);
	return rc < 0 ? rc : 0;
}

/* A job as its next report finds it. */
struct open_job {
	uint8_t ticket_digest[DIGEST_BYTES];
	char phase[16];
	bool ended;
	bool has_key;
	uint64_t seq; /* of the last report */
	uint8_t report_digest[DIGEST_BYTES];
};

/* Zeros for another length. */
static void read_digest(uint8_t out[static DIGEST_BYTES], sqlite3_stmt *q, int nr)
{
	const void *digest = sqlite3_column_blob(q, nr);

	if (digest && sqlite3_column_bytes(q, nr) == DIGEST_BYTES)
		memcpy(out, digest, DIGEST_BYTES);
}

static void read_open_job(void *row, sqlite3_stmt *q)
{
	struct open_job *job = row;

	read_digest(job->ticket_digest, q, 0);
	column_fixed(job->phase, sizeof(job->phase), q, 1);
	job->ended = column_number(q, 2);
	job->has_key = sqlite3_column_type(q, 3) != SQLITE_NULL;
	job->seq = column_number(q, 4);
	read_digest(job->report_digest, q, 5);
}

/* Takes as long for a wrong ticket as for a right one: the digests are compared, and to their end. */
static bool ticket_fits(const struct open_job *job, const char *ticket)
{
	uint8_t digest[DIGEST_BYTES];
	volatile uint8_t differing = 0;

	digest_of(digest, ticket, strlen(ticket));
	for (size_t i = 0; i < sizeof(digest); i++)
		differing = differing | (uint8_t)(digest[i] ^ job->ticket_digest[i]);
	return !differing;
}

static bool is_last_phase(const char *phase)
{
	return strcmp(phase, "done") == 0 || strcmp(phase, "failed") == 0;
}

static int check_phase(const char *phase, struct err *err)
{
	static const char *const known[] = { "plan", "index", "target", "write", "commit", "done", "failed" };

	for (size_t i = 0; phase && i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(phase, known[i]) == 0)
			return 0;
	return err_set(err, -EINVAL, "a report needs a phase: plan, index, target, write, commit, done or failed");
}

static int write_report(struct store *s, const char *id, const struct store_job *report, struct err *err)
{
	bool last = is_last_phase(report->phase);

	int rc = store_run(s,
			   "UPDATE job SET phase = ?2, disk = coalesce(?3, disk), message = ?4, done_bytes = ?5,"
			   " total_bytes = ?6, bytes_per_s = ?7, exit = ?8, ended = ?9, updated_at = ?10, seq = ?11,"
			   " report_digest = ?12 WHERE id = ?1",
			   VALUES(text(id), text(report->phase), text(report->disk), text(report->message),
				  number(report->done_bytes), number(report->total_bytes), number(report->bytes_per_s),
				  number((uint64_t)report->exit), number(last), number((uint64_t)store_now()),
				  number(report->seq), bytes(report->digest, DIGEST_BYTES)),
			   err);
	if (rc < 0 || strcmp(report->phase, "done") != 0)
		return rc;
	if (report->receipt && (rc = store_receipt_add(s, report->receipt, err)) < 0)
		return rc;
	return store_machine_installed(s, id, err);
}

/* A sniffed report that is sent again is an old one: 1 if it is the last. */
static int check_number(const struct open_job *job, const char *id, const struct store_job *report, struct err *err)
{
	if (!job->has_key || report->seq > job->seq)
		return 0;
	if (report->seq == job->seq && report->digest && memcmp(report->digest, job->report_digest, DIGEST_BYTES) == 0)
		return 1;
	return err_set(err, -EALREADY, "field \"seq\": report %" PRIu64 " of job '%s' came after report %" PRIu64,
		       report->seq, id, job->seq);
}

static int report_on(struct store *s, const char *id, const char *ticket, const struct store_job *report,
		     struct err *err)
{
	struct open_job job = { 0 };

	int found = store_row(&job, read_open_job, s,
			      "SELECT ticket_digest, phase, ended, key, seq, report_digest FROM job WHERE id = ?1",
			      VALUES(text(id)), err);
	if (found <= 0)
		return found < 0 ? found : err_set(err, -ENOENT, "there is no job '%s'", id);
	if (!ticket_fits(&job, ticket))
		return err_set(err, -EACCES, "that is not the ticket of job '%s'", id);
	int rc = check_number(&job, id, report, err);
	if (rc)
		return rc < 0 ? rc : 0;
	if (job.ended && strcmp(job.phase, report->phase) == 0)
		return 0;
	if (job.ended)
		return err_set(err, -EALREADY, "job '%s' has ended (%s)", id, job.phase);
	rc = write_report(s, id, report, err);
	return rc < 0 ? rc : strcmp(job.phase, report->phase) != 0;
}

int store_job_report(struct store *s, const char *id, const char *ticket, const struct store_job *report,
		     struct err *err)
{
	if (check_phase(report->phase, err) < 0)
		return err->code;
	int rc = is_last_phase(report->phase) ? store_begin(s, err) : store_begin_light(s, err);
	if (rc < 0)
		return rc;
	return store_end(s, report_on(s, id, ticket, report, err), err);
}

static void read_mac(void *row, sqlite3_stmt *q)
{
	column_fixed(row, STORE_MAC_CHARS, q, 0);
}

static int find_machine(struct store *s, const char *id, const char *ticket, char mac[static STORE_MAC_CHARS],
			struct err *err)
{
	struct open_job job = { 0 };
	int found = store_row(&job, read_open_job, s,
			      "SELECT ticket_digest, phase, ended, key, seq, report_digest FROM job WHERE id = ?1",
			      VALUES(text(id)), err);

	if (found <= 0)
		return found < 0 ? found : err_set(err, -ENOENT, "there is no job '%s'", id);
	if (!ticket_fits(&job, ticket))
		return err_set(err, -EACCES, "that is not the ticket of job '%s'", id);
	if (job.ended)
		return err_set(err, -EALREADY, "job '%s' has ended (%s)", id, job.phase);
	found = store_row(mac, read_mac, s,
			  "SELECT m.mac FROM job j JOIN job_card c ON c.job_id = j.id AND c.mac = j.mac"
			  " JOIN machine m ON m.mac = c.mac AND m.assignment_key = c.assignment_key"
			  " WHERE j.id = ?1 AND m.assignment = 1 AND m.item_id = j.item_id",
			  VALUES(text(id)), err);
	if (found < 0)
		return found;
	return found ? 0 : err_set(err, -EALREADY, "job '%s' was not made for what its machine is assigned now", id);
}

int store_job_machine(struct store *s, const char *id, const char *ticket, char mac[static STORE_MAC_CHARS],
		      struct err *err)
{
	int rc = store_begin_light(s, err);

	return rc < 0 ? rc : store_end(s, find_machine(s, id, ticket, mac, err), err);
}
