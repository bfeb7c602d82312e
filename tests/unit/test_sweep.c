/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the sweep leaves in the spool, and what it takes away. */
#include "cleanup.h"
#include "folder.h"
#include "store.h"
#include "sweep.h"
#include "tap.h"
#include "tree.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

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
	spool(waiting, ".work");
	spool("junk", "");
	is_int(sweep(store, &err), 0, when);
	ok(is_spooled(waiting, ".part") && is_spooled(waiting, ".part.state"), "the download of a waiting item stays");
	ok(!is_spooled(waiting, ".work"), "what was made of it so far goes");
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

/* 64 digits. */
static const char *image_id(char digit)
{
	static char id[STORE_IMAGE_CHARS];

	memset(id, digit, sizeof(id) - 1);
	return id;
}

/* An image of 1000 bytes below images/, and the ingest that made it. */
static void ingest_image(const char *item_id, char digit)
{
	CLEANUP(store_item_free) struct store_item item = { 0 };
	CLEANUP(store_content_free) struct store_content content = { .kind = ITEM_DISK };
	struct store_image image = { .disk_bytes = 512, .image_bytes = 900, .index_bytes = 100 };
	char path[200], bytes[1000];

	memset(bytes, 'x', sizeof(bytes));
	snprintf(image.id, sizeof(image.id), "%s", image_id(digit));
	bytes[900] = '\0';
	snprintf(path, sizeof(path), "images/%s/image.zst", image.id);
	put(path, bytes);
	bytes[100] = '\0';
	snprintf(path, sizeof(path), "images/%s/index", image.id);
	put(path, bytes);
	if (content_add_disk(&content, &image, NULL, NULL, &err) || store_item_ask(store, item_id, &err) ||
	    store_item_claim(store, false, &item, &err) != 1 || store_item_ready(store, item_id, &content, &err))
		abort();
}

static bool is_stored(char digit)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/images/%s/index", root, image_id(digit));
	return access(path, F_OK) == 0;
}

static void begin_with(char item_id[static STORE_ID_CHARS], const char *options)
{
	CLEANUP(store_feed_list_free) struct store_feed_list feeds = { 0 };

	if (mkdir(root, 0700) < 0 || store_open(&store, root, &err) < 0)
		abort();
	add_item(item_id, "http://a.example/", false);
	if (store_feed_list(store, &feeds, &err) || store_feed_set(store, feeds.rows[0].id, options, &err))
		abort();
}

static void test_collect(void)
{
	CLEANUP(sweep_list_free) struct sweep_list would = { 0 }, did = { 0 };
	CLEANUP(store_feed_list_free) struct store_feed_list feeds = { 0 };
	char item[STORE_ID_CHARS], path[PATH_MAX];

	begin_with(item, "keep=3");
	ingest_image(item, 'a');
	ingest_image(item, 'b');
	ingest_image(item, 'c');
	put("images/not-an-image", "somebody's");
	store_feed_list(store, &feeds, &err);
	store_feed_set(store, feeds.rows[0].id, "keep=2", &err);
	is_int(sweep_collect(store, true, &would, &err), 0, "a dry run");
	is_int(would.count, 2, "finds the version that is one too many, and its image");
	is_int(would.bytes, 1000, "with all that it has");
	ok(is_stored('a'), "and leaves it");
	is_int(sweep_collect(store, false, &did, &err), 0, "a run");
	ok(did.count == 2 && did.bytes == 1000, "finds the same");
	ok(!is_stored('a') && is_stored('b') && is_stored('c'), "and removes it, and no other");
	snprintf(path, sizeof(path), "%s/images/not-an-image", root);
	ok(access(path, F_OK) == 0, "what has no image's name is not ours to remove");
	store_close(&store);
	remove_root();
}

static void test_room(void)
{
	char item[STORE_ID_CHARS];

	begin_with(item, "keep=3");
	ingest_image(item, 'a');
	ingest_image(item, 'b');
	ingest_image(item, 'c');
	is_int(sweep_make_room(store, 0, UINT64_MAX, &err), 0, "without a limit there is room for anything");
	is_int(sweep_make_room(store, 4000, 1000, &err), 0, "what fits");
	ok(is_stored('a'), "pushes nothing out");
	is_int(sweep_make_room(store, 4000, 3001, &err), -EDQUOT, "what is too much without all old versions, too");
	ok(is_stored('a') && is_stored('b'), "pushes nothing out either");
	ok(strstr(err.text, "store_bytes_max"), "and the reason names the limit: %s", err.text);
	is_int(sweep_make_room(store, 4000, 1001, &err), 0, "what needs room");
	ok(!is_stored('a') && is_stored('b') && is_stored('c'), "pushes out as much as it needs, the oldest first");
	is_int(sweep_make_room(store, 4000, 3000, &err), 0, "what needs all there is");
	ok(!is_stored('b') && is_stored('c'), "leaves what serves");
	store_close(&store);
	remove_root();
}

static void test_lost(void)
{
	CLEANUP(store_item_free) struct store_item found = { 0 };
	char item[STORE_ID_CHARS], path[PATH_MAX];

	begin_with(item, "keep=2");
	ingest_image(item, 'a');
	ingest_image(item, 'b');
	snprintf(path, sizeof(path), "%s/images/%s/index", root, image_id('b'));
	if (truncate(path, 99))
		abort();
	is_int(sweep_start(store, &err), 0, "at start an image is found that is one byte short");
	store_item_get(store, item, &found, &err);
	ok(found.version == 1 && found.state == ITEM_ANNOUNCED, "the version before serves, and the item is made anew");
	ok(!is_stored('b') && is_stored('a'), "without its remains in the way");
	store_close(&store);
	remove_root();
}

/* A start that would forget what may be there all along. */
static void test_not_looked_at(void)
{
	CLEANUP(store_item_free) struct store_item found = { 0 };
	char item[STORE_ID_CHARS], path[PATH_MAX], away[PATH_MAX];

	begin_with(item, "keep=2");
	is_int(sweep_start(store, &err), 0, "a first start is not refused");
	ingest_image(item, 'a');
	ingest_image(item, 'b');
	/* As root, too, this cannot be looked at. */
	snprintf(path, sizeof(path), "%s/images/%s/index", root, image_id('b'));
	if (unlink(path) || symlink(path, path))
		abort();
	is_int(sweep_start(store, &err), -ELOOP, "an image that cannot be looked at ends the start");
	ok(strstr(err.text, path) && strstr(err.text, "start again"), "with what to do: %s", err.text);
	store_item_get(store, item, &found, &err);
	is_int(found.version, 2, "and is not forgotten");
	snprintf(path, sizeof(path), "%s/images", root);
	snprintf(away, sizeof(away), "%s/away", root);
	if (rename(path, away) || mkdir(path, 0700))
		abort();
	is_int(sweep_start(store, &err), -ENOENT, "a start without any of the images is refused");
	ok(strstr(err.text, "mount") && strstr(err.text, "images/lost"), "with what to do: %s", err.text);
	store_item_free(&found);
	store_item_get(store, item, &found, &err);
	is_int(found.version, 2, "nor are they forgotten then");
	put("images/lost", "");
	is_int(sweep_start(store, &err), 0, "once it is said that they are lost, it starts");
	snprintf(path, sizeof(path), "%s/images/lost", root);
	is_int(access(path, F_OK), -1, "which is said of that start only");
	store_item_free(&found);
	store_item_get(store, item, &found, &err);
	ok(found.version == 0 && found.state == ITEM_ANNOUNCED, "and they are made anew");
	store_close(&store);
	remove_root();
}

static atomic_bool measured;

/* As a program that unpacks: files come, grow and go. */
static void *work_in_scratch(void *ctx)
{
	char path[PATH_MAX];

	(void)ctx;
	for (unsigned i = 0; !atomic_load(&measured); i++) {
		snprintf(path, sizeof(path), "%s/scratch/%u", root, i % 50);
		CLEANUP(close_file) FILE *file = fopen(path, "a");
		if (!file || ftruncate(fileno(file), (off_t)(i % 70) << 20))
			abort();
		if (i % 3 == 0 && remove(path))
			abort();
	}
	return NULL;
}

/* As images do that are made and forgotten: folders come and go. */
static void *work_with_folders(void *ctx)
{
	char path[PATH_MAX];

	(void)ctx;
	for (unsigned i = 0; !atomic_load(&measured); i++) {
		snprintf(path, sizeof(path), "%s/%u", root, i % 20);
		if (i / 20 % 2 == 0 ? mkdir(path, 0700) : rmdir(path))
			abort();
	}
	return NULL;
}

static void test_folders_that_go(void)
{
	uint64_t bytes = 0;
	unsigned failed = 0;
	pthread_t thread;

	if (mkdir(root, 0700) < 0)
		abort();
	atomic_store(&measured, false);
	if (pthread_create(&thread, NULL, work_with_folders, NULL))
		abort();
	for (unsigned i = 0; i < 3000; i++)
		failed += folder_bytes(root, &bytes, &err) != 0;
	atomic_store(&measured, true);
	pthread_join(thread, NULL);
	is_int(failed, 0, "folders that go meanwhile are no failure");
	remove_root();
}

static void test_bytes(void)
{
	uint64_t bytes = 0;
	unsigned wrong = 0;
	pthread_t thread;

	if (mkdir(root, 0700) < 0)
		abort();
	put("image.0/index", "index");
	put("deep/scratch/file", "1234");
	is_int(folder_bytes_without(root, "scratch", &bytes, &err), 0, "a folder without one that is not there");
	is_int(bytes, 9, "has all its bytes, and those of one of that name further down");
	put("scratch/deep/file", "unpacked");
	if (pthread_create(&thread, NULL, work_in_scratch, NULL))
		abort();
	for (unsigned i = 0; i < 3000; i++)
		wrong += folder_bytes_without(root, "scratch", &bytes, &err) || bytes != 9;
	atomic_store(&measured, true);
	pthread_join(thread, NULL);
	is_int(wrong, 0, "what is written meanwhile in a folder that is left out does not count");
	remove_root();
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
	test_collect();
	test_room();
	test_lost();
	test_not_looked_at();
	test_bytes();
	test_folders_that_go();
	return done_testing();
}
