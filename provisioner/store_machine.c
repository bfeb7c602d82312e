/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store_machine: the machines of the store and what they are assigned. */
#include "store_impl.h"

#include "cleanup.h"
#include "mac.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* States stand in SQL as the numbers they are stored as. */
static_assert(ASSIGNMENT_NONE == 0 && ASSIGNMENT_ASSIGNED == 1 && ASSIGNMENT_INSTALLED == 2, "as in the database");

/* error: of the newest job that was reported on, if that one failed. */
#define MACHINE_SELECT(inventory)                                                                                      \
	"SELECT m.mac, m.arch, m.firmware, m.address, " inventory ", m.item_id, i.title, m.target, m.assignment,"      \
	" (SELECT CASE phase WHEN 'failed' THEN coalesce(message, 'failed') END FROM job WHERE mac = m.mac"            \
	"  AND phase <> 'started' ORDER BY started_at DESC, rowid DESC LIMIT 1),"                                      \
	" m.installed_at, m.first_seen_at, m.last_seen_at, m.key, m.key_kept, m.alert, m.alert_at,"                    \
	" m.landing, m.grow, m.seed, m.hostname, m.assignment_key, m.is_node"                                          \
	" FROM machine m LEFT JOIN item i ON i.id = m.item_id"

static void read_machine(void *row, sqlite3_stmt *q)
{
	struct store_machine *machine = row;
	int nr = 0;

	column_fixed(machine->mac, sizeof(machine->mac), q, nr++);
	machine->arch = column_text(q, nr++);
	machine->firmware = column_text(q, nr++);
	machine->address = column_text(q, nr++);
	machine->inventory = column_text(q, nr++);
	column_fixed(machine->item_id, sizeof(machine->item_id), q, nr++);
	machine->item_title = column_text(q, nr++);
	machine->target = column_text(q, nr++);
	machine->assignment = (enum assignment_state)column_number(q, nr++);
	machine->error = column_text(q, nr++);
	machine->installed_at = (int64_t)column_number(q, nr++);
	machine->first_seen_at = (int64_t)column_number(q, nr++);
	machine->last_seen_at = (int64_t)column_number(q, nr++);
	machine->key = column_text(q, nr++);
	machine->key_kept = column_text(q, nr++);
	machine->alert = column_text(q, nr++);
	machine->alert_at = (int64_t)column_number(q, nr++);
	machine->landing = column_text(q, nr++);
	machine->grow = column_number(q, nr++) != 0;
	machine->seed = column_text(q, nr++);
	machine->hostname = column_text(q, nr++);
	machine->assignment_key = column_number(q, nr++);
	machine->is_node = column_number(q, nr) != 0;
}

void store_machine_free(struct store_machine *row)
{
	free(row->arch);
	free(row->firmware);
	free(row->address);
	free(row->inventory);
	free(row->item_title);
	free(row->target);
	free(row->error);
	free(row->key);
	free(row->key_kept);
	free(row->alert);
	free(row->landing);
	free(row->seed);
	free(row->hostname);
	*row = (struct store_machine){ 0 };
}

void store_machine_list_free(struct store_machine_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		store_machine_free(&list->rows[i]);
	free(list->rows);
	*list = (struct store_machine_list){ 0 };
}

int store_machine_list(struct store *s, struct store_machine_list *out, struct err *err)
{
	CLEANUP(store_machine_list_free) struct store_machine_list list = { 0 };
	void *rows;

	int rc = store_rows(&rows, &list.count, sizeof(*list.rows), read_machine, s,
			    MACHINE_SELECT("NULL") " ORDER BY m.mac", NO_VALUES, err);
	list.rows = rows;
	if (rc < 0)
		return rc;
	*out = list;
	list = (struct store_machine_list){ 0 };
	return 0;
}

static int no_such_machine(const char *mac, struct err *err)
{
	return err_set(err, -ENOENT, "there is no machine '%s'", mac);
}

int store_machine_get(struct store *s, const char *mac, struct store_machine *out, struct err *err)
{
	struct store_machine row = { 0 };

	int found = store_get(&row, read_machine, s, MACHINE_SELECT("m.inventory") " WHERE m.mac = ?1",
			      VALUES(text(mac)), err);
	if (found <= 0)
		return found < 0 ? found : no_such_machine(mac, err);
	*out = row;
	return 0;
}

/* The one form a MAC has here, so that a machine is never two rows. */
static int check_mac(const char *mac, struct err *err)
{
	char parsed[MAC_CHARS];

	if (mac_parse(parsed, mac) < 0 || strcmp(parsed, mac) != 0)
		return err_set(err, -EINVAL, "not a MAC address; write it as 52:54:00:12:34:56");
	return 0;
}

/* For one more row. What keeps a machine from being written again is never forgotten. */
static int make_room(struct store *s, struct err *err)
{
	int64_t count;

	int rc = store_number(&count, s, "SELECT count(*) FROM machine", NO_VALUES, err);
	if (rc < 0 || count < STORE_MACHINES_MAX)
		return rc;
	rc = store_run(s,
		       "DELETE FROM machine WHERE mac IN (SELECT mac FROM machine WHERE item_id IS NULL AND"
		       " installed_at = 0 AND key IS NULL ORDER BY last_seen_at LIMIT ?1)",
		       VALUES(number((uint64_t)count - STORE_MACHINES_MAX + 1)), err);
	if (!rc)
		rc = err_set(err, -ENOSPC,
			     "%d machines are installed, assigned or known by a key, which is as many as are kept",
			     STORE_MACHINES_MAX);
	return rc < 0 ? rc : 0;
}

int store_machine_touch(struct store *s, const char *mac, struct err *err)
{
	struct value now = number((uint64_t)store_now());

	if (check_mac(mac, err) < 0)
		return err->code;
	int rc = store_run(s, "UPDATE machine SET last_seen_at = ?2 WHERE mac = ?1", VALUES(text(mac), now), err);
	if (rc)
		return rc < 0 ? rc : 0;
	rc = make_room(s, err);
	if (rc < 0)
		return rc;
	rc = store_run(s, "INSERT INTO machine (mac, first_seen_at, last_seen_at) VALUES (?1, ?2, ?2)",
		       VALUES(text(mac), now), err);
	return rc < 0 ? rc : 0;
}

int store_machine_installed(struct store *s, const char *job_id, struct err *err)
{
	/* A row that was forgotten while the job ran is made again, whatever the limit: it was there when that began. */
	int rc = store_run(
		s,
		"INSERT INTO machine (mac, installed_at, is_node, first_seen_at, last_seen_at)"
		" SELECT c.mac, ?2, j.is_guest, ?2, ?2 FROM job_card c JOIN job j ON j.id = c.job_id"
		" WHERE j.id = ?1 ON CONFLICT (mac) DO UPDATE SET installed_at = ?2, is_node = excluded.is_node",
		VALUES(text(job_id), number((uint64_t)store_now())), err);
	if (rc >= 0)
		rc = store_guest_installed(s, job_id, err);
	if (rc < 0)
		return rc;
	/* A job from before the assignment does not fulfil it: whoever assigned the item again wants it written again.
	 */
	return store_run(s,
			 "UPDATE machine SET assignment = 2 WHERE assignment = 1"
			 " AND item_id = (SELECT item_id FROM job WHERE id = ?1)"
			 " AND (mac, assignment_key) IN (SELECT mac, assignment_key FROM job_card WHERE job_id = ?1)",
			 VALUES(text(job_id)), err);
}

int store_machine_seen(struct store *s, const char *mac, const char *arch, const char *firmware, const char *address,
		       struct err *err)
{
	int rc = store_begin_light(s, err);

	if (rc < 0)
		return rc;
	rc = store_machine_touch(s, mac, err);
	if (!rc)
		rc = store_run(s,
			       "UPDATE machine SET arch = coalesce(?2, arch), firmware = coalesce(?3, firmware),"
			       " address = coalesce(?4, address) WHERE mac = ?1",
			       VALUES(text(mac), text(arch), text(firmware), text(address)), err);
	rc = store_end(s, rc, err);
	return rc < 0 ? rc : 0;
}

static int assign(struct store *s, const char *mac, const struct store_assignment *a, struct err *err)
{
	int64_t there;

	if (check_mac(mac, err) < 0 ||
	    store_number(&there, s, "SELECT count(*) FROM item WHERE id = ?1", VALUES(text(a->item_id)), err) < 0)
		return err->code;
	if (!there)
		return err_set(err, -ENOENT, "there is no item '%s'", a->item_id);
	/* A machine may be assigned something before it is ever seen, which 0 says. */
	return store_run(s,
			 "INSERT INTO machine (mac, item_id, target, landing, grow, seed, hostname, assignment,"
			 " assignment_key, first_seen_at, last_seen_at)"
			 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, random(), 0, 0)"
			 " ON CONFLICT (mac) DO UPDATE SET item_id = excluded.item_id, target = excluded.target,"
			 " landing = excluded.landing, grow = excluded.grow, seed = excluded.seed, hostname = "
			 "excluded.hostname, assignment = 1,"
			 " assignment_key = excluded.assignment_key",
			 VALUES(text(mac), text(a->item_id), text(a->target), text(a->landing), number(a->grow),
				text(a->seed), text(a->hostname)),
			 err);
}

int store_machine_assign(struct store *s, const char *mac, const struct store_assignment *assignment, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_end(s, assign(s, mac, assignment, err), err);
	return rc < 0 ? rc : 0;
}

/* A change of one machine's row. `sql` is a literal whose ?1 is the address. */
static int change(struct store *s, const char *sql, const char *mac, struct err *err)
{
	int rc = store_begin(s, err);

	if (rc < 0)
		return rc;
	rc = store_run(s, sql, VALUES(text(mac)), err);
	if (!rc)
		rc = no_such_machine(mac, err);
	rc = store_end(s, rc, err);
	return rc < 0 ? rc : 0;
}

int store_machine_release(struct store *s, const char *mac, struct err *err)
{
	return change(s,
		      "UPDATE machine SET item_id = NULL, target = NULL, landing = NULL, grow = 0, seed = NULL, "
		      "hostname = NULL,"
		      " assignment = 0 WHERE mac = ?1",
		      mac, err);
}

int store_machine_forget_key(struct store *s, const char *mac, struct err *err)
{
	return change(s, "UPDATE machine SET key = NULL, key_kept = NULL, alert = NULL, alert_at = 0 WHERE mac = ?1",
		      mac, err);
}
