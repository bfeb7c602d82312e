/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_schema: the tables and how they came to be. PRAGMA user_version counts the migrations that were run; each runs
 * in one transaction with its new number, so that a kill in between leaves the version before. Never edit a migration
 * that was released: append one.
 */
#include "store_impl.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>

/* "vmca": tells our database from anybody else's. */
#define APPLICATION_ID 0x766d6361

static const char *const migrations[] = {
	/* 1 */
	"CREATE TABLE feed ("
	"	id TEXT PRIMARY KEY,"
	"	url TEXT NOT NULL UNIQUE,"
	"	title TEXT,"
	"	etag TEXT,"
	"	last_modified TEXT,"
	"	error TEXT,"
	"	failures INTEGER NOT NULL DEFAULT 0,"
	"	configured INTEGER NOT NULL,"
	"	tried_at INTEGER NOT NULL DEFAULT 0,"
	"	fetched_at INTEGER NOT NULL DEFAULT 0"
	") STRICT;"
	"CREATE TABLE item ("
	"	id TEXT PRIMARY KEY,"
	"	feed_id TEXT NOT NULL REFERENCES feed(id) ON DELETE CASCADE,"
	/* what the feed says of it */
	"	uuid TEXT NOT NULL,"
	"	title TEXT NOT NULL,"
	"	description TEXT,"
	"	link TEXT,"
	"	published INTEGER NOT NULL,"
	"	url TEXT NOT NULL,"
	"	type TEXT,"
	"	length INTEGER NOT NULL,"
	"	digest BLOB,"
	"	arch TEXT,"
	"	firmware TEXT,"
	"	disk_bytes_min INTEGER NOT NULL,"
	"	memory_bytes_min INTEGER NOT NULL,"
	"	landing TEXT,"
	"	cmdline TEXT,"
	"	gone_at INTEGER NOT NULL DEFAULT 0,"
	/* what became of it: state is an enum item_state */
	"	state INTEGER NOT NULL DEFAULT 0,"
	"	asked INTEGER NOT NULL DEFAULT 0,"
	"	queued_at INTEGER NOT NULL,"
	"	failures INTEGER NOT NULL DEFAULT 0,"
	"	phase TEXT,"
	"	done_bytes INTEGER NOT NULL DEFAULT 0,"
	"	total_bytes INTEGER NOT NULL DEFAULT 0,"
	"	error TEXT,"
	"	updated_at INTEGER NOT NULL,"
	/* the image that serves */
	"	image_id TEXT,"
	"	disk_bytes INTEGER NOT NULL DEFAULT 0,"
	"	image_bytes INTEGER NOT NULL DEFAULT 0,"
	"	index_bytes INTEGER NOT NULL DEFAULT 0,"
	"	sector_bytes INTEGER NOT NULL DEFAULT 0"
	") STRICT;"
	"CREATE INDEX item_feed ON item(feed_id);"
	"CREATE INDEX item_waiting ON item(state, queued_at);"
	"CREATE INDEX item_image ON item(image_id);"
	"CREATE TABLE machine ("
	"	mac TEXT PRIMARY KEY,"
	"	arch TEXT,"
	"	firmware TEXT,"
	"	address TEXT,"
	"	inventory TEXT,"
	/* assignment is an enum assignment_state */
	"	assignment INTEGER NOT NULL DEFAULT 0,"
	"	item_id TEXT REFERENCES item(id),"
	"	target TEXT,"
	"	assigned_at INTEGER NOT NULL DEFAULT 0,"
	"	first_seen_at INTEGER NOT NULL,"
	"	last_seen_at INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX machine_item ON machine(item_id);"
	"CREATE INDEX machine_seen ON machine(last_seen_at);"
	/* A job is a record of what happened and outlives its item and its machine: no references. */
	"CREATE TABLE job ("
	"	id TEXT PRIMARY KEY,"
	"	ticket_digest BLOB NOT NULL,"
	"	mac TEXT,"
	"	item_id TEXT NOT NULL,"
	"	image_id TEXT NOT NULL,"
	"	phase TEXT NOT NULL,"
	"	disk TEXT,"
	"	message TEXT,"
	"	done_bytes INTEGER NOT NULL DEFAULT 0,"
	"	total_bytes INTEGER NOT NULL DEFAULT 0,"
	"	bytes_per_s INTEGER NOT NULL DEFAULT 0,"
	"	exit INTEGER NOT NULL DEFAULT 0,"
	"	ended INTEGER NOT NULL DEFAULT 0,"
	"	started_at INTEGER NOT NULL,"
	"	updated_at INTEGER NOT NULL"
	") STRICT;"
	"CREATE INDEX job_updated ON job(updated_at);"
	"CREATE INDEX job_mac ON job(mac, started_at);"
	"CREATE INDEX job_image ON job(image_id);",
	/* 2: failed ingests that are tried again */
	"ALTER TABLE item ADD COLUMN retry_at INTEGER NOT NULL DEFAULT 0;",
	/*
	 * 3: what keeps a machine from being written twice depends on no clock and on no job that may be forgotten, and
	 * holds for all network cards of the machine. assignment_key is drawn anew with each assignment.
	 */
	"ALTER TABLE machine ADD COLUMN installed_at INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE machine ADD COLUMN assignment_key INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE job_card ("
	"	job_id TEXT NOT NULL REFERENCES job(id) ON DELETE CASCADE,"
	"	mac TEXT NOT NULL,"
	"	assignment_key INTEGER NOT NULL,"
	"	PRIMARY KEY (job_id, mac)"
	") STRICT, WITHOUT ROWID;"
	"UPDATE machine SET installed_at ="
	" coalesce((SELECT max(updated_at) FROM job WHERE job.mac = machine.mac AND phase = 'done'), 0);"
	"UPDATE machine SET assignment_key = random() WHERE assignment = 1;"
	"INSERT INTO job_card SELECT job.id, job.mac, iif(job.started_at >= machine.assigned_at, assignment_key, 0)"
	" FROM job JOIN machine ON machine.mac = job.mac WHERE NOT job.ended;"
	"ALTER TABLE machine DROP COLUMN assigned_at;"
	"CREATE INDEX machine_forgettable ON machine(last_seen_at) WHERE item_id IS NULL AND installed_at = 0;"
	"CREATE INDEX item_ready ON item(feed_id) WHERE image_id IS NOT NULL AND gone_at = 0;",
	/*
	 * 4: a feed's own policy, and what its server and its document say of it. feed.ingest is an enum feed_ingest;
	 * item.ahead is 0: not without being asked, 1: ahead of time, 2: as the configuration says. item.details is what
	 * feed_json.h makes.
	 */
	"ALTER TABLE feed ADD COLUMN options TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE feed ADD COLUMN ingest INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE feed ADD COLUMN moved_url TEXT;"
	"ALTER TABLE feed ADD COLUMN gone_at INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE feed ADD COLUMN ttl_s INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE feed ADD COLUMN skip_hours INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE feed ADD COLUMN skip_days INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE feed ADD COLUMN notes TEXT;"
	"ALTER TABLE item ADD COLUMN details TEXT;"
	"ALTER TABLE item ADD COLUMN ahead INTEGER NOT NULL DEFAULT 2;",
	/*
	 * 5: an item has versions, and a version any number of disks or files. item.version is the one that serves (0: none),
	 * item.newest the number given out last. notes is a JSON array of strings.
	 */
	"CREATE TABLE version ("
	"	item_id TEXT NOT NULL REFERENCES item(id) ON DELETE CASCADE,"
	"	number INTEGER NOT NULL,"
	"	made_at INTEGER NOT NULL,"
	/* what the feed said of it when it was made */
	"	title TEXT NOT NULL,"
	"	url TEXT NOT NULL,"
	"	published INTEGER NOT NULL,"
	/* kind is an enum item_kind */
	"	kind INTEGER NOT NULL,"
	"	form TEXT,"
	"	cmdline TEXT,"
	"	machine TEXT,"
	"	notes TEXT,"
	"	PRIMARY KEY (item_id, number)"
	") STRICT, WITHOUT ROWID;"
	/* What a version has below images/. role is an enum blob_role; of the disks nr 0 boots. */
	"CREATE TABLE version_blob ("
	"	item_id TEXT NOT NULL,"
	"	number INTEGER NOT NULL,"
	"	role INTEGER NOT NULL,"
	"	nr INTEGER NOT NULL,"
	"	id TEXT NOT NULL,"
	"	bytes INTEGER NOT NULL,"
	"	index_bytes INTEGER NOT NULL DEFAULT 0,"
	"	disk_bytes INTEGER NOT NULL DEFAULT 0,"
	"	sector_bytes INTEGER NOT NULL DEFAULT 0,"
	"	name TEXT,"
	"	bus TEXT,"
	"	PRIMARY KEY (item_id, number, role, nr),"
	"	FOREIGN KEY (item_id, number) REFERENCES version(item_id, number) ON DELETE CASCADE"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX version_blob_id ON version_blob(id);"
	"CREATE TABLE job_blob ("
	"	job_id TEXT NOT NULL REFERENCES job(id) ON DELETE CASCADE,"
	"	id TEXT NOT NULL,"
	"	PRIMARY KEY (job_id, id)"
	") STRICT, WITHOUT ROWID;"
	"CREATE INDEX job_blob_id ON job_blob(id);"
	"ALTER TABLE item ADD COLUMN version INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE item ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;"
	"UPDATE item SET version = 1, newest = 1 WHERE image_id IS NOT NULL;"
	"INSERT INTO version (item_id, number, made_at, title, url, published, kind, form)"
	" SELECT id, 1, updated_at, title, url, published, 0, 'a raw disk' FROM item WHERE image_id IS NOT NULL;"
	"INSERT INTO version_blob (item_id, number, role, nr, id, bytes, index_bytes, disk_bytes, sector_bytes)"
	" SELECT id, 1, 0, 0, image_id, image_bytes, index_bytes, disk_bytes, sector_bytes FROM item"
	" WHERE image_id IS NOT NULL;"
	"INSERT INTO job_blob SELECT id, image_id FROM job;"
	"DROP INDEX item_image;"
	"DROP INDEX item_ready;"
	"DROP INDEX job_image;"
	"ALTER TABLE item DROP COLUMN image_id;"
	"ALTER TABLE item DROP COLUMN disk_bytes;"
	"ALTER TABLE item DROP COLUMN image_bytes;"
	"ALTER TABLE item DROP COLUMN index_bytes;"
	"ALTER TABLE item DROP COLUMN sector_bytes;"
	"CREATE INDEX item_ready ON item(feed_id) WHERE version > 0 AND gone_at = 0;"
	"CREATE INDEX item_awaited ON item(published) WHERE version = 0 AND gone_at = 0 AND state < 2;",
	/*
	 * 6: what the feed said with a version's bytes of the machines they are for. (version.cmdline is the content's own.)
	 * What it said then of versions that are there already is not known: what it says now, as before.
	 */
	"ALTER TABLE version ADD COLUMN arch TEXT;"
	"ALTER TABLE version ADD COLUMN firmware TEXT;"
	"ALTER TABLE version ADD COLUMN disk_bytes_min INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE version ADD COLUMN memory_bytes_min INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE version ADD COLUMN landing TEXT;"
	"ALTER TABLE version ADD COLUMN announced_cmdline TEXT;"
	"UPDATE version SET (arch, firmware, disk_bytes_min, memory_bytes_min, landing, announced_cmdline) ="
	" (SELECT arch, firmware, disk_bytes_min, memory_bytes_min, landing, cmdline FROM item"
	"  WHERE item.id = version.item_id);",
	/* 7: what is announced is not (known to be) what the newest version was made of */
	"ALTER TABLE item ADD COLUMN unmade INTEGER NOT NULL DEFAULT 1; UPDATE item SET unmade = 0 WHERE state = 2;",
	/* 8: whether a publisher's key signed for the bytes, as the feed said it and as they were made into a version */
	("ALTER TABLE item ADD COLUMN signed INTEGER NOT NULL DEFAULT 0;"
	 "ALTER TABLE version ADD COLUMN signed INTEGER NOT NULL DEFAULT 0;"),
	/*
	 * 9: who a machine is. key: JSON of its public key, always in one form; a machine's once it is one that outlives a boot. A ticket's
	 * row says who presented it, and what came of it. A chain of receipts is a machine's address, or a host's key id.
	 */
	("ALTER TABLE machine ADD COLUMN key TEXT;"
	 "ALTER TABLE machine ADD COLUMN key_kept TEXT;"
	 "ALTER TABLE machine ADD COLUMN alert TEXT;"
	 "ALTER TABLE machine ADD COLUMN alert_at INTEGER NOT NULL DEFAULT 0;"
	 "ALTER TABLE job ADD COLUMN version INTEGER NOT NULL DEFAULT 0;"
	 "ALTER TABLE job ADD COLUMN key TEXT;"
	 "ALTER TABLE job ADD COLUMN key_kept TEXT;"
	 "ALTER TABLE job ADD COLUMN chain TEXT;"
	 "ALTER TABLE job ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;"
	 "ALTER TABLE job ADD COLUMN report_digest BLOB;"
	 "CREATE TABLE secret (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
	 "CREATE TABLE boot_ticket ("
	 "	digest BLOB PRIMARY KEY,"
	 "	key TEXT NOT NULL," /* '': none */
	 "	job_id TEXT,"       /* NULL: no plan was handed out yet */
	 "	expires_at INTEGER NOT NULL"
	 ") STRICT;"
	 "CREATE INDEX boot_ticket_expires ON boot_ticket(expires_at);"
	 "CREATE TABLE receipt ("
	 "	nr INTEGER PRIMARY KEY,"
	 "	hash TEXT NOT NULL UNIQUE,"
	 "	previous TEXT NOT NULL," /* '': none */
	 "	chain TEXT NOT NULL,"
	 "	job_id TEXT NOT NULL,"
	 "	item_id TEXT NOT NULL,"
	 "	received_at INTEGER NOT NULL,"
	 "	document TEXT NOT NULL"
	 ") STRICT;"
	 "CREATE INDEX receipt_chain ON receipt(chain, nr);"),
	/*
	 * 10: more than "signed" can be proven: an enum proof, and whether an archive's own signatures held. What the documents
	 * prove is known when they have been read once more.
	 */
	("ALTER TABLE item ADD COLUMN proof INTEGER NOT NULL DEFAULT 0;"
	 "ALTER TABLE version ADD COLUMN proof INTEGER NOT NULL DEFAULT 0;"
	 "ALTER TABLE version ADD COLUMN gpg INTEGER NOT NULL DEFAULT 0;"
	 "UPDATE item SET proof = 3 WHERE signed;"
	 "UPDATE version SET proof = 3 WHERE signed;"
	 "ALTER TABLE item DROP COLUMN signed;"
	 "ALTER TABLE version DROP COLUMN signed;"
	 "UPDATE feed SET etag = NULL, last_modified = NULL;"),
	/* 11: the tokens of operators on the network; role is an enum role, digest the SHA-256 of the token */
	"CREATE TABLE token ("
	"	name TEXT PRIMARY KEY,"
	"	role INTEGER NOT NULL,"
	"	digest BLOB NOT NULL,"
	"	created_at INTEGER NOT NULL,"
	"	expires_at INTEGER NOT NULL"
	") STRICT;",
	/* 12: what a machine's system finds at its first boot, and what it is called */
	("ALTER TABLE machine ADD COLUMN seed TEXT;"
	 "ALTER TABLE machine ADD COLUMN hostname TEXT;"),
	/* 13: how what it was assigned is started */
	"ALTER TABLE machine ADD COLUMN landing TEXT;",
	/* 14: whether the last partition of what it was assigned grows */
	"ALTER TABLE machine ADD COLUMN grow INTEGER NOT NULL DEFAULT 0;",
	/*
	 * 15: machines that stay and run guests. node_ticket is the digest of the boot's ticket that it reports with, node_key whose
	 * it is ('': nobody's), node_seq its last report's number; bare_seq that of the last one without a ticket. guest.wanted is
	 * NULL until an operator says something.
	 */
	("ALTER TABLE machine ADD COLUMN is_node INTEGER NOT NULL DEFAULT 0;"
	 "ALTER TABLE machine ADD COLUMN node_ticket TEXT;"
	 "ALTER TABLE machine ADD COLUMN node_expires_at INTEGER NOT NULL DEFAULT 0;"
	 "ALTER TABLE machine ADD COLUMN node_key TEXT;"
	 "ALTER TABLE machine ADD COLUMN node_seq INTEGER NOT NULL DEFAULT 0;"
	 "ALTER TABLE machine ADD COLUMN bare_seq INTEGER NOT NULL DEFAULT 0;"
	 "ALTER TABLE job ADD COLUMN is_guest INTEGER NOT NULL DEFAULT 0;"
	 "CREATE TABLE guest ("
	 "	mac TEXT NOT NULL REFERENCES machine(mac) ON DELETE CASCADE,"
	 "	item_id TEXT NOT NULL," /* a guest outlives its item */
	 "	name TEXT NOT NULL,"
	 "	version INTEGER NOT NULL,"
	 "	state TEXT NOT NULL,"
	 "	text TEXT,"
	 "	accel TEXT,"
	 "	cpus INTEGER NOT NULL,"
	 "	memory_bytes INTEGER NOT NULL,"
	 "	wanted TEXT,"
	 "	seen_at INTEGER NOT NULL,"
	 "	PRIMARY KEY (mac, item_id)"
	 ") STRICT, WITHOUT ROWID;"
	 "CREATE INDEX guest_seen ON guest(seen_at);"),
};

/* Before it, whatever a feed announced was ingested. */
#define PROOF_SCHEMA 10

#define SCHEMA_VERSION ((int64_t)(sizeof(migrations) / sizeof(migrations[0])))

static int run_migration(struct store *s, int64_t version, struct err *err)
{
	char stamp[80];

	int rc = store_begin(s, err);
	if (rc < 0)
		return rc;
	snprintf(stamp, sizeof(stamp), "PRAGMA application_id = %d; PRAGMA user_version = %lld", APPLICATION_ID,
		 (long long)version);
	if (sqlite3_exec(s->db, migrations[version - 1], NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(s->db, stamp, NULL, NULL, NULL) != SQLITE_OK)
		rc = store_fault(s, err);
	return store_end(s, rc, err);
}

int store_migrate(struct store *s, struct err *err)
{
	int64_t version, application, tables;

	if (store_number(&version, s, "PRAGMA user_version", NO_VALUES, err) < 0 ||
	    store_number(&application, s, "PRAGMA application_id", NO_VALUES, err) < 0 ||
	    store_number(&tables, s, "SELECT count(*) FROM sqlite_schema", NO_VALUES, err) < 0)
		return err->code;
	if (application != APPLICATION_ID && (application || version || tables))
		return err_set(err, -EINVAL,
			       "'%s' is a database of some other program; set state_dir to a folder of its own",
			       s->path);
	if (version > SCHEMA_VERSION)
		return err_set(
			err, -ENOTSUP,
			"'%s' was written by a newer vmcastd (schema %lld, this one knows %lld); run that one, or "
			"restore the copy made before the upgrade",
			s->path, (long long)version, (long long)SCHEMA_VERSION);
	bool asks_more = version && version < PROOF_SCHEMA;
	while (version < SCHEMA_VERSION)
		if (run_migration(s, ++version, err) < 0)
			return err_wrap(err, "upgrade database to schema %lld", (long long)version);
	if (asks_more)
		log_warn("upgraded: what is served goes on; from now on an item that nothing proves is refused, unless "
			 "its feed has the option policy=none (vmcastd.conf(5), OPTIONS OF A FEED)");
	return 0;
}
