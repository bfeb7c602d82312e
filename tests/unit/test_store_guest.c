/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_guest: what nodes tell is kept with what operators want, is no change of what is signed, and ends. */
#include "cleanup.h"
#include "store.h"
#include "tap.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#define NODE  "52:54:00:12:34:56"
#define OTHER "52:54:00:12:34:57"

static char dir[] = "/tmp/test_store_guest.XXXXXX";
static struct err err;

/* Nodes come to be by jobs, which another test has. */
static void run_sql(const char *sql)
{
	char path[64];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/vmcast.db", dir);
	if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		printf("# %s: %s\n", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static int tell(struct store *s, const char *mac, const char *state, size_t count)
{
	struct store_guest rows[2] = { { .item_id = "1111111111111111", .name = "web" },
				       { .item_id = "2222222222222222", .name = "mail", .accel = "kvm" } };

	rows[0].state = rows[1].state = (char *)state;
	return store_guest_report(s, mac, &(struct store_guest_list){ rows, count }, &err);
}

/* "mail/running/stopped web/...": by name, with state and what is wanted. */
static const char *listed(struct store *s, const char *mac)
{
	CLEANUP(store_guest_list_free) struct store_guest_list list = { 0 };
	static char text[200];
	size_t len = 0;

	store_guest_list(s, mac, &list, &err);
	text[0] = '\0';
	for (size_t i = 0; i < list.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s/%s/%s", i ? " " : "", list.rows[i].name,
					list.rows[i].state, list.rows[i].wanted ? list.rows[i].wanted : "-");
	return text;
}

static void what_is_told(struct store *s)
{
	uint64_t changes;

	is_int(tell(s, NODE, "defined", 2), 0, "a node has two guests");
	is_str(listed(s, NODE), "mail/defined/- web/defined/-", "which are known by name");
	is_int(store_guest_want(s, NODE, "1111111111111111", "stopped", &err), 0, "one is to stop");
	changes = store_changes(s);
	tell(s, NODE, "running", 2);
	tell(s, OTHER, "running", 1);
	is_str(listed(s, NODE), "mail/running/- web/running/stopped", "what is told again leaves what is wanted");
	is_str(listed(s, NULL), "mail/running/- web/running/stopped web/running/-", "another node has its own");
	is_int((int64_t)store_changes(s), (int64_t)changes, "what nodes tell is nothing that is signed");
	store_guest_want(s, NODE, "1111111111111111", "running", &err);
	ok(store_changes(s) != changes, "what operators want is a change like any other");
	tell(s, NODE, "running", 1);
	is_str(listed(s, NULL), "web/running/running web/running/-", "one that is not told any more is gone");
	is_int(store_guest_want(s, NODE, "2222222222222222", "running", &err), -ENOENT, "and cannot be wanted");
	is_str(err.text, "node " NODE " has no guest '2222222222222222'", "by name");
	is_int(tell(s, "52:54:00:00:00:09", "running", 1), -EIO, "a machine that there is not has none");
}

static void many(struct store *s)
{
	run_sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 65600)"
		" INSERT INTO guest (mac, item_id, name, version, state, cpus, memory_bytes, seen_at)"
		" SELECT '" OTHER "', printf('%016x', i), 'x', 1, 'running', 1, 1, i FROM n");
	tell(s, NODE, "running", 2);
	CLEANUP(store_guest_list_free) struct store_guest_list all = { 0 };
	store_guest_list(s, NULL, &all, &err);
	is_int((int64_t)all.count, STORE_GUESTS_MAX, "there are only so many");
	is_str(listed(s, NODE), "mail/running/- web/running/running", "and those heard of last are among them");
}

int main(void)
{
	struct store *s = NULL;
	char command[100];

	if (!mkdtemp(dir) || store_open(&s, dir, &err) < 0)
		return 1;
	store_machine_seen(s, NODE, "x86_64", "bios", "192.0.2.1", &err);
	store_machine_seen(s, OTHER, "x86_64", "bios", "192.0.2.2", &err);
	what_is_told(s);
	many(s);
	store_close(&s);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? done_testing() : 1;
}
