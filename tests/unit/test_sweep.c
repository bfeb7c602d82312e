/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the sweep leaves in the spool, and what it takes away. */
#include "cleanup.h"
#include "store.h"
#include "sweep.h"
#include "tap.h"
#include "tree.h"

static struct store *store;
static struct err err;

/* A feed of one item, whose id goes to `id`; `gone`: the next document is without it. */
static void add_item(char id[static STORE_ID_CHARS], const char *url, bool gone)
{
	struct feed_item item = { .uuid = (char *)url, .title = "disk", .url = "http://publisher.example/disk" };
	struct feed feed = { .title = "feed", .items = &item, .item_count = 1 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	char feed_id[STORE_ID_CHARS];

	if (store_feed_add(store, url, false, feed_id, &err) < 0 ||
	    store_feed_update(store, feed_id, &feed, NULL, NULL, NULL, &err) < 0 ||
	    store_item_list(store, feed_id, &items, &err) < 0)
		abort();
	memcpy(id, items.rows[0].id, STORE_ID_CHARS);
	if (gone && store_feed_remove(store, feed_id, &err) < 0)
		abort();
}

/* The claimed item is the only one that waits. */
static void fail_item(const char *id, bool again)
{
	CLEANUP(store_item_free) struct store_item item = { 0 };

	if (store_item_claim(store, false, &item, &err) != 1 || strcmp(item.id, id) != 0 ||
	    store_item_failed(store, id, "no", &err) < 0 || (again && store_item_retry(store, id, 60, &err) < 0))
		abort();
}

static void spool(const char *id, const char *suffix)
{
	char path[100];

	snprintf(path, sizeof(path), "spool/%s%s", id, suffix);
	put(path, "bytes");
}

static bool is_spooled(const char *id, const char *suffix)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/spool/%s%s", root, id, suffix);
	return access(path, F_OK) == 0;
}

static void test_spool(int (*sweep)(struct store *, struct err *), const char *when)
{
	char failed[STORE_ID_CHARS], retried[STORE_ID_CHARS], waiting[STORE_ID_CHARS], gone[STORE_ID_CHARS];

	if (store_open(&store, root, &err) < 0)
		abort();
	add_item(failed, "http://a.example/", false);
	fail_item(failed, false);
	add_item(retried, "http://b.example/", false);
	fail_item(retried, true);
	add_item(gone, "http://c.example/", true);
	add_item(waiting, "http://d.example/", false);
	spool(failed, ".part");
	spool(retried, ".part");
	spool(waiting, ".part");
	spool(waiting, ".part.state");
	spool(gone, ".part");
	spool("junk", "");
	is_int(sweep(store, &err), 0, when);
	ok(is_spooled(waiting, ".part") && is_spooled(waiting, ".part.state"), "the download of a waiting item stays");
	ok(is_spooled(retried, ".part"), "that of one that failed and is tried again stays");
	ok(!is_spooled(failed, ".part"), "that of one that failed for good goes");
	ok(!is_spooled(gone, ".part"), "that of one that is gone goes");
	ok(!is_spooled("junk", ""), "so does what belongs to no item");
	store_close(&store);
}

static void test_documents(void)
{
	char kept[STORE_ID_CHARS], removed[STORE_ID_CHARS], path[PATH_MAX];

	if (store_open(&store, root, &err) < 0 || store_feed_add(store, "http://a.example/", false, kept, &err) < 0 ||
	    store_feed_add(store, "http://b.example/", false, removed, &err) < 0 ||
	    store_feed_remove(store, removed, &err) < 0)
		abort();
	snprintf(path, sizeof(path), "feeds/%s.xml", kept);
	put(path, "<rss/>");
	snprintf(path, sizeof(path), "feeds/%s.xml", removed);
	put(path, "<rss/>");
	is_int(sweep_idle(store, &err), 0, "documents are swept");
	snprintf(path, sizeof(path), "%s/feeds/%s.xml", root, kept);
	is_int(access(path, F_OK), 0, "that of a feed stays");
	snprintf(path, sizeof(path), "%s/feeds/%s.xml", root, removed);
	is_int(access(path, F_OK), -1, "that of one that was removed goes");
	store_close(&store);
}

int main(void)
{
	make_root();
	test_spool(sweep_start, "at start");
	remove_root();
	if (mkdir(root, 0700) < 0)
		abort();
	test_spool(sweep_idle, "while nothing is ingested");
	remove_root();
	if (mkdir(root, 0700) < 0)
		abort();
	test_documents();
	remove_root();
	return done_testing();
}
