/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_guest: the guests of the store, and which node may tell of them. */
#include "store_impl.h"

#include "cleanup.h"
#include "digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUEST_COLUMNS "mac, item_id, name, version, state, text, accel, cpus, memory_bytes, wanted, seen_at FROM guest"

static void read_guest(void *row, sqlite3_stmt *q)
{
	struct store_guest *guest = row;
	int nr = 0;

	column_fixed(guest->mac, sizeof(guest->mac), q, nr++);
	column_fixed(guest->item_id, sizeof(guest->item_id), q, nr++);
	guest->name = column_text(q, nr++);
	guest->version = column_number(q, nr++);
	guest->state = column_text(q, nr++);
	guest->text = column_text(q, nr++);
	guest->accel = column_text(q, nr++);
	guest->cpus = column_number(q, nr++);
	guest->memory_bytes = column_number(q, nr++);
	guest->wanted = column_text(q, nr++);
	guest->seen_at = (int64_t)column_number(q, nr);
}

void store_guest_free(struct store_guest *row)
{
	free(row->name);
	free(row->state);
	free(row->text);
	free(row->accel);
	free(row->wanted);
	*row = (struct store_guest){ 0 };
}

void store_guest_list_free(struct store_guest_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		store_guest_free(&list->rows[i]);
	free(list->rows);
	*list = (struct store_guest_list){ 0 };
}

int store_guest_list(struct store *s, const char *mac, struct store_guest_list *out, struct err *err)
{
	CLEANUP(store_guest_list_free) struct store_guest_list list = { 0 };
	void *rows;

	int rc = store_rows(&rows, &list.count, sizeof(*list.rows), read_guest, s,
			    "SELECT " GUEST_COLUMNS " WHERE ?1 IS NULL OR mac = ?1 ORDER BY mac, name, item_id",
			    VALUES(text(mac)), err);
	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_guest_list){ 0 };
	return 0;
}

static int no_such_guest(const char *mac, const char *item_id, struct err *err)
{
	return err_set(err, -ENOENT, "node %s has no guest '%s'", mac, item_id);
}

int store_guest_get(struct store *s, const char *mac, const char *item_id, struct store_guest *out, struct err *err)
{
	struct store_guest row = { 0 };
	int found = store_get(&row, read_guest, s, "SELECT " GUEST_COLUMNS " WHERE mac = ?1 AND item_id = ?2",
			      VALUES(text(mac), text(item_id)), err);

	if (found <= 0)
		return found < 0 ? found : no_such_guest(mac, item_id, err);
	*out = row;
	return 0;
}

int store_guest_want(struct store *s, const char *mac, const char *item_id, const char *wanted, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_run(s, "UPDATE guest SET wanted = ?3 WHERE mac = ?1 AND item_id = ?2",
		       VALUES(text(mac), text(item_id), text(wanted)), err);
	if (!rc)
		rc = no_such_guest(mac, item_id, err);
	rc = store_end(s, rc, err);
	return rc < 0 ? rc : 0;
}

int store_guest_installed(struct store *s, const char *job_id, struct err *err)
{
	int rc = store_run(s,
			   "UPDATE guest SET wanted = NULL WHERE item_id = (SELECT item_id FROM job WHERE id = ?1)"
			   " AND mac IN (SELECT mac FROM job_card WHERE job_id = ?1)",
			   VALUES(text(job_id)), err);

	if (rc >= 0)
		rc = store_run(s,
			       "DELETE FROM guest WHERE mac IN (SELECT mac FROM job_card WHERE job_id = ?1)"
			       " AND NOT (SELECT is_guest FROM job WHERE id = ?1)",
			       VALUES(text(job_id)), err);
	return rc < 0 ? rc : 0;
}

/* What nodes tell is of no interest to who asks whether something changed. `changes`: sqlite3_total_changes64 at the beginning. */
static int end_quietly(struct store *s, int64_t changes, int rc, struct err *err)
{
	s->quiet_changes += (uint64_t)(sqlite3_total_changes64(s->db) - changes);
	return store_end(s, rc, err);
}

/* A machine's row, as a report finds it. */
struct node {
	bool is_node;
	char *machine_key; /* NULL: it is known by none */
	char ticket[DIGEST_HEX];
	int64_t expires_at; /* that ticket */
	char *key;          /* of that boot; NULL: nothing was reported yet */
	uint64_t seq, bare_seq;
};

static void read_node(void *row, sqlite3_stmt *q)
{
	struct node *node = row;
	int nr = 0;

	node->is_node = column_number(q, nr++) != 0;
	node->machine_key = column_text(q, nr++);
	column_fixed(node->ticket, sizeof(node->ticket), q, nr++);
	node->expires_at = (int64_t)column_number(q, nr++);
	node->key = column_text(q, nr++);
	node->seq = column_number(q, nr++);
	node->bare_seq = column_number(q, nr);
}

static void free_node(struct node *node)
{
	free(node->machine_key);
	free(node->key);
}

static int check_number(uint64_t seq, uint64_t last, const char *mac, struct err *err)
{
	if (seq > last)
		return 0;
	return err_set(err, -EALREADY, "field \"seq\": report %" PRIu64 " of node %s came after report %" PRIu64, seq,
		       mac, last);
}

/* It goes on for as long as the node runs, which may be years. */
static int go_on(struct store *s, const struct store_claim *claim, const struct node *node, uint64_t seq,
		 struct err *err)
{
	int rc = check_number(seq, node->seq, claim->mac, err);

	if (rc < 0)
		return rc;
	rc = store_run(s, "UPDATE machine SET node_seq = ?2 WHERE mac = ?1", VALUES(text(claim->mac), number(seq)),
		       err);
	return rc < 0 ? rc : 0;
}

/* Another ticket than that of the last report: of a new boot, or an old report that somebody sends again. */
static int begin_boot(struct store *s, const struct store_claim *claim, const struct node *node, const char *ticket,
		      uint64_t seq, struct err *refusal, struct err *err)
{
	if (claim->expires_at < node->expires_at) {
		err_set(refusal, -EACCES, "field \"ticket\": node %s has booted with a later one since", claim->mac);
		return 0;
	}
	int rc = store_claim_ticket(s, claim, refusal, err);
	if (rc < 0 || refusal->code)
		return rc;
	rc = store_run(s,
		       "UPDATE machine SET node_ticket = ?2, node_expires_at = ?3, node_key = ?4, node_seq = ?5"
		       " WHERE mac = ?1",
		       VALUES(text(claim->mac), text(ticket), number((uint64_t)claim->expires_at),
			      text(claim->key ? claim->key : ""), number(seq)),
		       err);
	return rc < 0 ? rc : 0;
}

static int take_ticket(struct store *s, const struct store_claim *claim, const struct node *node, uint64_t seq,
		       struct err *refusal, struct err *err)
{
	uint8_t digest[DIGEST_BYTES];
	char ticket[DIGEST_HEX];

	digest_of(digest, claim->ticket, strlen(claim->ticket));
	digest_hex(ticket, digest);
	if (!node->key || strcmp(ticket, node->ticket) != 0)
		return begin_boot(s, claim, node, ticket, seq, refusal, err);
	if (strcmp(node->key, claim->key ? claim->key : "") == 0)
		return go_on(s, claim, node, seq, err);
	err_set(refusal, -EACCES, "field \"ticket\": that of node %s was presented with another key before",
		claim->mac);
	return 0;
}

/* Of a node that boots from a signed command line, which has no ticket. */
static int take_key(struct store *s, const struct store_claim *claim, const struct node *node, uint64_t seq,
		    struct err *refusal, struct err *err)
{
	if (!node->machine_key || strcmp(node->machine_key, claim->key) != 0) {
		err_set(refusal, -EACCES, "field \"ticket\": node %s has none, and is not known by this key",
			claim->mac);
		return 0;
	}
	int rc = check_number(seq, node->bare_seq, claim->mac, err);
	if (rc < 0)
		return rc;
	rc = store_run(s, "UPDATE machine SET bare_seq = ?2 WHERE mac = ?1", VALUES(text(claim->mac), number(seq)),
		       err);
	return rc < 0 ? rc : 0;
}

static int take(struct store *s, const struct store_claim *claim, const struct store_macs *macs, uint64_t seq,
		struct err *refusal, struct err *err)
{
	CLEANUP(free_node) struct node node = { 0 };
	int rc = store_claim_known(s, claim, macs, refusal, err);

	if (rc < 0 || refusal->code)
		return rc;
	rc = store_row(&node, read_node, s,
		       "SELECT is_node, key, node_ticket, node_expires_at, node_key, node_seq, bare_seq FROM machine"
		       " WHERE mac = ?1",
		       VALUES(text(claim->mac)), err);
	if (rc < 0)
		return rc;
	if (!node.is_node)
		return err_set(err, -EALREADY, "machine %s is no node: what was written to it last is no guest",
			       claim->mac);
	if (claim->ticket)
		return take_ticket(s, claim, &node, seq, refusal, err);
	return claim->is_durable ? take_key(s, claim, &node, seq, refusal, err) : 0;
}

int store_guest_claim(struct store *s, const struct store_claim *claim, const struct store_macs *macs, uint64_t seq,
		      struct err *err)
{
	struct err refusal = { 0 };
	int rc = store_begin_light(s, err);

	if (rc < 0)
		return rc;
	int64_t changes = sqlite3_total_changes64(s->db);
	rc = end_quietly(s, changes, take(s, claim, macs, seq, &refusal, err), err);
	if (rc < 0 || !refusal.code)
		return rc;
	*err = refusal;
	return err->code;
}

static int add_guest(struct store *s, const char *mac, const struct store_guest *guest, int64_t now, struct err *err)
{
	int rc = store_run(s,
			   "INSERT INTO guest (mac, item_id, name, version, state, text, accel, cpus, memory_bytes,"
			   " seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
			   " ON CONFLICT (mac, item_id) DO UPDATE SET name = ?3, version = ?4, state = ?5, text = ?6,"
			   " accel = ?7, cpus = ?8, memory_bytes = ?9, seen_at = ?10",
			   VALUES(text(mac), text(guest->item_id), text(guest->name), number(guest->version),
				  text(guest->state), text(guest->text), text(guest->accel), number(guest->cpus),
				  number(guest->memory_bytes), number((uint64_t)now)),
			   err);

	return rc < 0 ? rc : 0;
}

/* As a JSON list; their ids are hex digits. Caller frees. */
static char *ids_of(const struct store_guest_list *guests)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	for (size_t i = 0; to && i < guests->count; i++)
		fprintf(to, "%s\"%s\"", i ? "," : "[", guests->rows[i].item_id);
	if (to)
		fputs(guests->count ? "]" : "[]", to);
	if (to && fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}

static int remove_gone(struct store *s, const char *mac, const struct store_guest_list *guests, struct err *err)
{
	CLEANUP(free_str) char *ids = ids_of(guests);

	if (!ids)
		return err_set(err, -ENOMEM, "out of memory");
	return store_run(s, "DELETE FROM guest WHERE mac = ?1 AND item_id NOT IN (SELECT value FROM json_each(?2))",
			 VALUES(text(mac), text(ids)), err);
}

static int report(struct store *s, const char *mac, const struct store_guest_list *guests, struct err *err)
{
	int64_t before, after, now = store_now();
	int rc = store_number(&before, s, "SELECT count(*) FROM guest WHERE mac = ?1", VALUES(text(mac)), err);

	for (size_t i = 0; i < guests->count && rc >= 0; i++)
		rc = add_guest(s, mac, &guests->rows[i], now, err);
	if (rc >= 0)
		rc = remove_gone(s, mac, guests, err);
	if (rc >= 0)
		rc = store_number(&after, s, "SELECT count(*) FROM guest WHERE mac = ?1", VALUES(text(mac)), err);
	if (rc >= 0 && after > before)
		rc = store_run(s,
			       "DELETE FROM guest WHERE (mac, item_id) IN (SELECT mac, item_id FROM guest"
			       " ORDER BY seen_at LIMIT max(0, (SELECT count(*) FROM guest) - ?1))",
			       VALUES(number(STORE_GUESTS_MAX)), err);
	return rc < 0 ? rc : 0;
}

int store_guest_report(struct store *s, const char *mac, const struct store_guest_list *guests, struct err *err)
{
	int rc = store_begin_light(s, err);

	if (rc < 0)
		return rc;
	int64_t changes = sqlite3_total_changes64(s->db);
	return end_quietly(s, changes, report(s, mac, guests, err), err);
}
