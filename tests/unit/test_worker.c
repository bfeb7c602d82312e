/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ingester goes on where a settled state could not be written. */
#include "cleanup.h"
#include "ingest.h"
#include "store.h"
#include "tap.h"
#include "tree.h"
#include "worker.h"

#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>

static struct store *store;
static struct err err;

static void run_sql(const char *sql)
{
	char path[PATH_MAX];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/vmcast.db", root);
	if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		abort();
	sqlite3_close(db);
}

/* Ingests fail, with this. */
static _Atomic int ingest_code = -ENOENT;

int ingest_item(struct store *s, const struct config *config, const struct store_item *item, const atomic_bool *stop,
		struct err *cause)
{
	(void)config, (void)stop;
	if (store_item_failed(s, item->id, "it failed", cause))
		abort();
	return err_set(cause, ingest_code, "it failed");
}

static bool is_tried_again(const char *id)
{
	for (int i = 0; i < 50; i++) {
		CLEANUP(store_item_free) struct store_item item = { 0 };

		if (store_item_get(store, id, &item, &err) < 0)
			abort();
		if (item.state == ITEM_FAILED && item.retry_at)
			return true;
		usleep(100000);
	}
	return false;
}

static bool becomes(const char *id, enum item_state state)
{
	for (int i = 0; i < 100; i++) {
		CLEANUP(store_item_free) struct store_item item = { 0 };

		if (store_item_get(store, id, &item, &err) < 0)
			abort();
		if (item.state == state)
			return true;
		usleep(100000);
	}
	return false;
}

/* With a full disk the ingest fails, and then writing down that it did. */
static void an_item_left_ingesting_is_ingested(void)
{
	const struct config config = { .refresh_s = 900, .chunk_bytes = 1 << 20, .disk_bytes_max = 1 << 30 };
	struct feed_item item = { .uuid = "u", .title = "disk", .url = "file:///nonexistent/disk" };
	struct feed feed = { .title = "feed", .items = &item, .item_count = 1 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	struct worker *worker;
	char feed_id[STORE_ID_CHARS];

	if (store_open(&store, root, &err) < 0 ||
	    store_feed_add(store, "file:///nonexistent/feed.xml", false, feed_id, &err) < 0 ||
	    store_feed_update(store, feed_id, &feed, NULL, NULL, NULL, &err) < 0 ||
	    store_item_list(store, feed_id, &items, &err) < 0 || worker_start(&worker, &config, store, &err) < 0)
		abort();
	ok(becomes(items.rows[0].id, ITEM_FAILED), "an ingest fails");
	run_sql("UPDATE item SET state = 1, error = NULL");
	worker_wake_ingest(worker);
	ok(becomes(items.rows[0].id, ITEM_FAILED), "one whose failure was not written is done again");
	static const int shortages[] = { -EAGAIN, -ENOMEM, -EMFILE, -ENFILE, -ENOSPC };
	for (size_t i = 0; i < sizeof(shortages) / sizeof(shortages[0]); i++) {
		ingest_code = shortages[i];
		run_sql("UPDATE item SET state = 1, error = NULL, retry_at = 0");
		worker_wake_ingest(worker);
		ok(is_tried_again(items.rows[0].id), "what is missing now may be there later: %s",
		   strerror(-shortages[i]));
	}
	worker_stop(&worker);
	store_close(&store);
}

int main(void)
{
	make_root();
	an_item_left_ingesting_is_ingested();
	remove_root();
	return done_testing();
}
