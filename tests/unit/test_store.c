/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store keeps what it was told through kills, refuses what it cannot be sure of, and hands work out once. */
#include "cleanup.h"
#include "store.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FEED_URL  "http://publisher.example/feed.xml"
#define MAC       "52:54:00:12:34:56"
#define OTHER_MAC "52:54:00:12:34:57"

static char dir[] = "/tmp/test_store.XXXXXX";
static struct err err;

static const struct store_macs host = { .count = 0 }, card = { .macs = { MAC }, .count = 1 },
			       two_cards = { .macs = { MAC, OTHER_MAC }, .count = 2 };

static struct store *open_store(void)
{
	struct store *s = NULL;

	if (store_open(&s, dir, &err) < 0)
		printf("# %s\n", err.text);
	return s;
}

/* Run SQL on the database from outside, as an operator or an older program would. */
static void run_sql(const char *sql)
{
	char path[64];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/vmcast.db", dir);
	if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		printf("# %s: %s\n", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void start_anew(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s/*", dir);
	if (system(command) != 0)
		printf("# %s failed\n", command);
}

/* A document of `count` items with the uuids "u0", "u1" ... published one second apart. */
static struct feed *document(size_t count)
{
	static struct feed_item items[100];
	static char uuids[100][8];
	static struct feed feed;

	for (size_t i = 0; i < count; i++) {
		snprintf(uuids[i], sizeof(uuids[i]), "u%zu", i);
		items[i] = (struct feed_item){ .uuid = uuids[i],
					       .title = uuids[i],
					       .url = "http://publisher.example/a.img",
					       .length = 1000,
					       .published = 1000 + (int64_t)i };
	}
	feed = (struct feed){ .title = "Images", .items = items, .item_count = count };
	return &feed;
}

static void add_feed(struct store *s, size_t items, char id[static STORE_ID_CHARS])
{
	store_feed_add(s, FEED_URL, false, id, &err);
	store_feed_update(s, id, document(items), "\"e1\"", NULL, NULL, &err);
}

static struct store_image image_named(char digit)
{
	struct store_image image = {
		.disk_bytes = 1 << 20, .image_bytes = 500, .index_bytes = 176, .sector_bytes = 512
	};

	memset(image.id, digit, sizeof(image.id) - 1);
	return image;
}

/* An ingest ended with one disk. */
static int make_ready(struct store *s, const char *id, char digit)
{
	CLEANUP(store_content_free) struct store_content content = { .kind = ITEM_DISK };
	struct store_image image = image_named(digit);

	content_add_disk(&content, &image, NULL, NULL, &err);
	return store_item_ready(s, id, &content, &err);
}

/* Claim and finish whatever waits. */
static void ingest_all(struct store *s, char digit)
{
	struct store_item item;

	while (store_item_claim(s, false, &item, &err) > 0) {
		make_ready(s, item.id, digit);
		store_item_free(&item);
	}
}

static enum item_state state_of(struct store *s, const char *id)
{
	CLEANUP(store_item_free) struct store_item item = { 0 };

	return store_item_get(s, id, &item, &err) < 0 ? (enum item_state) - 1 : item.state;
}

static void feeds_and_items_survive_a_restart(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	char id[STORE_ID_CHARS], again[STORE_ID_CHARS];
	struct feed *doc = document(1);

	store_feed_add(s, FEED_URL, false, id, &err);
	is_int(store_feed_add(s, FEED_URL, false, again, &err), 0, "a feed can be added twice");
	is_str(again, id, "and keeps its id");
	doc->items[0].description = "It's \"quoted\"; DROP TABLE item;--";
	doc->items[0].arch = "aarch64";
	doc->items[0].has_digest = true;
	memset(doc->items[0].digest, 0xab, DIGEST_BYTES);
	doc->items[0].length = UINT64_MAX;
	is_int(store_feed_update(s, id, doc, "\"e1\"", "Mon", NULL, &err), 0, "a document is taken");
	store_close(&s);
	s = open_store();
	store_feed_get(s, id, &feed, &err);
	is_str(feed.title, "Images", "the title is there after a restart");
	is_str(feed.etag, "\"e1\"", "and the ETag");
	is_str(feed.last_modified, "Mon", "and the date");
	is_int(feed.item_count, 1, "and one item");
	store_item_list(s, id, &items, &err);
	if (!ok(items.count == 1, "which is listed"))
		return;
	is_str(items.rows[0].announced.description, doc->items[0].description, "its text is kept as it was");
	is_str(items.rows[0].announced.arch, "aarch64", "its architecture, too");
	ok(items.rows[0].announced.has_digest && items.rows[0].announced.digest[31] == 0xab, "and its digest");
	ok(items.rows[0].announced.length == UINT64_MAX, "numbers above 2^63 come back as they were");
	is_str(items.rows[0].feed_title, "Images", "it knows its feed's title");
	is_str(items.rows[0].id, "a85003d8ee44c2c9", "its id comes from feed URL and uuid alone");
}

static void items_are_claimed_once_oldest_and_asked_first(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	struct store_item a = { 0 }, b = { 0 }, c = { 0 }, none;
	char id[STORE_ID_CHARS];
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };

	add_feed(s, 3, id);
	store_item_list(s, NULL, &items, &err);
	is_str(items.rows[0].announced.uuid, "u2", "items are listed newest first");
	is_int(store_item_claim(s, true, &none, &err), 0, "nothing is claimed when nothing was asked for");
	store_item_ask(s, items.rows[2].id, &err);
	is_int(store_item_claim(s, true, &a, &err), 1, "what was asked for is");
	is_str(a.announced.uuid, "u0", "and it is that");
	is_int(store_item_claim(s, false, &b, &err), 1, "another claim gets another item");
	is_str(b.announced.uuid, "u2", "of those that wait equally long, the newest");
	is_int(store_item_claim(s, false, &c, &err), 1, "a third gets the third");
	is_int(store_item_claim(s, false, &none, &err), 0, "and then there is none left");
	is_int(store_item_requeue(s, b.id, &err), 0, "one was interrupted");
	store_item_free(&b);
	is_int(store_item_claim(s, false, &b, &err), 1, "it is claimed again");
	is_str(b.announced.uuid, "u2", "and it is that one");
	store_item_failed(s, c.id, "server is away", &err);
	is_int(store_item_claim(s, false, &none, &err), 0, "one that failed is not claimed again");
	is_int(store_item_retry(s, c.id, 3600, &err), 0, "a failure that may pass is to be tried again in an hour");
	is_int(store_item_claim(s, false, &none, &err), 0, "it is not claimed yet");
	is_int(state_of(s, c.id), ITEM_FAILED, "and failed until then");
	run_sql("UPDATE item SET retry_at = 1 WHERE retry_at");
	store_item_free(&c);
	is_int(store_item_claim(s, false, &c, &err), 1, "then it is");
	is_str(c.error, "server is away", "and still says what went wrong");
	store_item_failed(s, c.id, "server is away", &err);
	is_int(store_item_claim(s, false, &none, &err), 0, "failing again, it is not");
	store_item_retry(s, c.id, 60, &err);
	run_sql("UPDATE item SET retry_at = 4000000000 WHERE retry_at");
	store_item_free(&c);
	is_int(store_item_claim(s, false, &c, &err), 1,
	       "a time far ahead, from a clock that was wrong, does not count");
	store_close(&s);
	s = open_store();
	is_int(state_of(s, a.id), ITEM_ANNOUNCED, "what was being ingested when the service ended is announced again");
	store_item_free(&a);
	store_item_free(&b);
	store_item_free(&c);
}

static void other_bytes_are_ingested_anew_while_the_old_serve(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 };
	struct store_image image = image_named('b');
	char feed_id[STORE_ID_CHARS], id[STORE_ID_CHARS];
	struct feed *doc;

	add_feed(s, 1, feed_id);
	store_item_claim(s, false, &item, &err);
	memcpy(id, item.id, sizeof(id));
	doc = document(1);
	doc->items[0].length = 2000;
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	is_int(make_ready(s, id, 'b'), -ESTALE, "an ingest of what was announced before is not taken");
	is_int(store_item_failed(s, id, "no", &err), 0, "and its failure is of no interest");
	is_int(state_of(s, id), ITEM_ANNOUNCED, "the item waits for its next ingest");
	ingest_all(s, 'b');
	is_int(state_of(s, id), ITEM_READY, "which succeeds");

	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	is_int(state_of(s, id), ITEM_READY, "the same announcement changes nothing");
	doc->items[0].title = "New title";
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	is_int(state_of(s, id), ITEM_READY, "nor does another title");
	doc->items[0].has_digest = true;
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	is_int(state_of(s, id), ITEM_ANNOUNCED, "another digest does");
	store_item_free(&item);
	store_item_get(s, id, &item, &err);
	is_str(item.image_id, image.id, "while the image goes on serving");
	is_str(item.announced.title, "New title", "under its new title");
	ingest_all(s, 'c');
	doc->items[0].url = "http://mirror.example/a.img";
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	is_int(state_of(s, id), ITEM_READY, "another URL of bytes with the same digest does not");
	doc->items[0].has_digest = false;
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	ingest_all(s, 'd');
	doc->items[0].url = "http://other.example/a.img";
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	is_int(state_of(s, id), ITEM_ANNOUNCED, "but does where no digest vouches for them");
}

static void a_failed_refresh_changes_nothing_else(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	char id[STORE_ID_CHARS];

	add_feed(s, 2, id);
	for (int i = 0; i < 3; i++)
		store_feed_update(s, id, NULL, NULL, NULL, "connection refused", &err);
	store_feed_get(s, id, &feed, &err);
	is_str(feed.error, "connection refused", "the reason is kept");
	is_int(feed.failures, 3, "and how often");
	is_int(feed.item_count, 2, "and the items are all there");
	is_str(feed.etag, "\"e1\"", "and the ETag");
	store_feed_update(s, id, NULL, NULL, NULL, NULL, &err);
	store_feed_free(&feed);
	store_feed_get(s, id, &feed, &err);
	ok(!feed.error && !feed.failures, "'not modified' clears the failure");
	is_int(feed.item_count, 2, "with the items still there");
}

static void a_menu_reads_what_is_ready_and_no_more(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	char id[STORE_ID_CHARS];

	store_feed_add(s, FEED_URL, false, id, &err);
	store_feed_update(s, id, document(2), NULL, NULL, NULL, &err);
	ingest_all(s, 'e');
	store_feed_update(s, id, document(50), NULL, NULL, NULL, &err);
	is_int(store_item_list_ready(s, &items, &err), 0, "of 50 items that are announced");
	is_int(items.count, 2, "those that have an image are read");
	store_feed_update(s, id, document(1), NULL, NULL, NULL, &err);
	store_item_list_free(&items);
	store_item_list_ready(s, &items, &err);
	if (!ok(items.count == 1, "and still in their feed"))
		return;
	const struct store_item *item = &items.rows[0];
	is_str(item->announced.title, "u0", "with title");
	is_str(item->feed_title, "Images", "feed");
	is_int(item->announced.published, 1000, "date");
	is_int(item->disk_bytes, 1 << 20, "size");
	ok(item->present && item->image_id[0] == 'e', "and image");
}

static size_t count_awaited(struct store *s, bool by_default, size_t max)
{
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };

	return store_item_list_awaited(s, by_default, max, &items, &err) == 0 ? items.count : SIZE_MAX;
}

static void a_menu_reads_what_machines_may_have_made(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	char id[STORE_ID_CHARS];

	store_feed_add(s, FEED_URL, false, id, &err);
	store_feed_update(s, id, document(5), NULL, NULL, NULL, &err);
	is_int(count_awaited(s, false, 100), 0, "items that are ingested anyway are not");
	is_int(count_awaited(s, true, 100), 5, "but where the configuration says on demand");
	store_feed_set(s, id, "ingest=manual", &err);
	is_int(count_awaited(s, true, 100), 0, "nor are those that are the operator's business");
	store_feed_set(s, id, "ingest=newest:2", &err);
	is_int(count_awaited(s, false, 100), 3, "but those that come after the newest ones");
	store_feed_set(s, id, "ingest=demand", &err);
	is_int(count_awaited(s, false, 100), 5, "and all of a feed that says so");
	store_item_list_awaited(s, false, 2, &items, &err);
	if (!ok(items.count == 2, "no more than a menu can show"))
		return;
	ok(items.rows[0].announced.published >= items.rows[1].announced.published, "the newest first");
	is_str(items.rows[0].feed_title, "Images", "with the feed's title");
	ok(items.rows[0].present && !items.rows[0].version && items.rows[0].feed_ingest == FEED_INGEST_DEMAND,
	   "and all that a menu asks");
	store_item_demand(s, items.rows[0].id, &err);
	ingest_all(s, 'e');
	is_int(count_awaited(s, false, 100), 4, "until one was asked for, and is there");
}

static void gone_items_go_when_nothing_needs_them(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	char id[STORE_ID_CHARS];

	add_feed(s, 3, id);
	ingest_all(s, 'e');
	store_feed_update(s, id, document(4), NULL, NULL, NULL, &err);
	store_feed_update(s, id, document(1), NULL, NULL, NULL, &err);
	store_item_list(s, id, &items, &err);
	is_int(items.count, 3, "of three that are gone, the one without an image is forgotten");
	ok(!items.rows[0].present && items.rows[2].present, "the others are marked");
	store_machine_assign(s, MAC, &(struct store_assignment){ .item_id = items.rows[0].id }, &err);
	run_sql("UPDATE item SET gone_at = 1 WHERE gone_at");
	store_feed_update(s, id, document(1), NULL, NULL, NULL, &err);
	store_item_list_free(&items);
	store_item_list(s, id, &items, &err);
	is_int(items.count, 2, "after a week those go, but for one that a machine is assigned");
	store_machine_release(s, MAC, &err);
	store_feed_update(s, id, NULL, NULL, NULL, NULL, &err);
	store_item_list_free(&items);
	store_item_list(s, id, &items, &err);
	is_int(items.count, 1, "released, it goes without a change of the document");
	store_feed_update(s, id, document(2), NULL, NULL, NULL, &err);
	ingest_all(s, 'e');
	store_feed_update(s, id, document(1), NULL, NULL, NULL, &err);
	store_item_list_free(&items);
	store_item_list(s, id, &items, &err);
	store_machine_assign(s, MAC, &(struct store_assignment){ .item_id = items.rows[0].id }, &err);
	is_int(store_feed_remove(s, id, &err), 0, "a feed with an assigned item can be removed");
	CLEANUP(store_machine_free) struct store_machine machine = { 0 };
	store_machine_get(s, MAC, &machine, &err);
	is_int(machine.assignment, ASSIGNMENT_NONE, "the machine is no longer assigned then");
	store_item_list_free(&items);
	store_item_list(s, NULL, &items, &err);
	is_int(items.count, 0, "and its items are gone");
}

static void configured_feeds_follow_the_configuration(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_feed_list_free) struct store_feed_list feeds = { 0 };
	char *const first[] = { "http://a/", "http://b/" }, *const second[] = { "http://b/", "http://c/" };
	char by_hand[STORE_ID_CHARS];

	store_feed_add(s, "http://by-hand/", false, by_hand, &err);
	is_int(store_feed_configure(s, first, 2, &err), 0, "two feeds are configured");
	is_int(store_feed_configure(s, second, 2, &err), 0, "then two others");
	store_feed_list(s, &feeds, &err);
	if (!ok(feeds.count == 3, "one is left of the old, one new, one that was added by hand"))
		return;
	is_str(feeds.rows[0].url, "http://b/", "the old one");
	is_str(feeds.rows[1].url, "http://by-hand/", "the one added by hand");
	ok(feeds.rows[0].configured && !feeds.rows[1].configured, "only the former is configured");
	is_int(store_feed_remove(s, feeds.rows[0].id, &err), -EPERM, "a configured feed cannot be removed");
	is_int(store_feed_remove(s, by_hand, &err), 0, "the other can");
	is_int(store_feed_remove(s, by_hand, &err), -ENOENT, "once");
}

static void only_the_ticket_reports_and_only_until_the_end(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_machine_free) struct store_machine machine = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	struct store_job report = { .phase = "write", .done_bytes = 5, .total_bytes = 10 };
	char feed_id[STORE_ID_CHARS], job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS], wrong[STORE_TICKET_CHARS];
	const char *item;

	add_feed(s, 1, feed_id);
	store_item_list(s, NULL, &items, &err);
	item = items.rows[0].id;
	is_int(store_job_new(s, &card, item, 1, "{}", NULL, job, ticket, &err), -ESTALE,
	       "no job for an image not served");
	is_int(store_job_new(s, &card, "0000000000000000", 1, "{}", NULL, job, ticket, &err), -ENOENT,
	       "nor for no item");
	ingest_all(s, 'f');
	store_machine_assign(s, MAC,
			     &(struct store_assignment){ .item_id = item, .target = "bus=nvme", .landing = "kexec" },
			     &err);
	is_int(store_job_new(s, &card, item, 1, "{\"a\":1}", NULL, job, ticket, &err), 0, "a job is made");
	store_machine_get(s, MAC, &machine, &err);
	is_str(machine.inventory, "{\"a\":1}", "the machine's inventory is kept");
	is_str(machine.target, "bus=nvme", "and its target rule");
	is_str(machine.landing, "kexec", "and its landing");
	memcpy(wrong, ticket, sizeof(wrong));
	wrong[31] ^= 1;
	is_int(store_job_report(s, job, wrong, &report, &err), -EACCES, "a wrong ticket is refused");
	is_int(store_job_report(s, job, "", &report, &err), -EACCES, "an empty one, too");
	is_int(store_job_report(s, "0123456789abcdef", ticket, &report, &err), -ENOENT, "a job that is not there");
	ok(store_job_report(s, job, ticket, &report, &err) >= 0, "the right one is taken");
	report.phase = "party";
	is_int(store_job_report(s, job, ticket, &report, &err), -EINVAL, "a phase we do not know is refused");

	report = (struct store_job){ .phase = "done", .done_bytes = 10, .total_bytes = 10 };
	ok(store_job_report(s, job, ticket, &report, &err) >= 0, "the receipt is taken");
	store_machine_free(&machine);
	store_machine_get(s, MAC, &machine, &err);
	is_int(machine.assignment, ASSIGNMENT_INSTALLED, "and the assignment is installed");
	is_int(store_job_report(s, job, ticket, &report, &err), 0, "its repetition is harmless");
	report.phase = "write";
	is_int(store_job_report(s, job, ticket, &report, &err), -EALREADY, "but the job does not begin again");

	store_machine_assign(s, MAC, &(struct store_assignment){ .item_id = item }, &err);
	report.phase = "done";
	store_job_report(s, job, ticket, &report, &err);
	store_machine_free(&machine);
	store_machine_get(s, MAC, &machine, &err);
	is_int(machine.assignment, ASSIGNMENT_ASSIGNED, "a replayed receipt does not fulfil a new assignment");
}

static void a_seed_is_of_its_assignment(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_machine_free) struct store_machine machine = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	struct store_job report = { .phase = "failed" };
	char feed_id[STORE_ID_CHARS], job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS], mac[STORE_MAC_CHARS];

	add_feed(s, 1, feed_id);
	ingest_all(s, 'f');
	store_item_list(s, NULL, &items, &err);
	const struct store_assignment with = { .item_id = items.rows[0].id, .seed = "web", .hostname = "web-1" };
	is_int(store_machine_assign(s, MAC, &with, &err), 0, "assigned with a seed");
	store_machine_get(s, MAC, &machine, &err);
	is_str(machine.seed, "web", "which is kept");
	is_str(machine.hostname, "web-1", "with the host name");
	uint64_t first = machine.assignment_key;
	store_job_new(s, &card, with.item_id, 1, NULL, NULL, job, ticket, &err);
	is_int(store_job_machine(s, job, ticket, mac, &err), 0, "its job knows the machine");
	is_str(mac, MAC, "by its address");
	is_int(store_job_machine(s, job, "", mac, &err), -EACCES, "for who has its ticket");
	store_machine_assign(s, MAC, &(struct store_assignment){ .item_id = with.item_id }, &err);
	is_int(store_job_machine(s, job, ticket, mac, &err), -EALREADY, "until something else is assigned");
	store_machine_free(&machine);
	store_machine_get(s, MAC, &machine, &err);
	ok(!machine.seed && !machine.hostname, "which has no seed");
	ok(machine.assignment_key != first, "and is another assignment");
	store_machine_assign(s, MAC, &with, &err);
	store_job_new(s, &card, with.item_id, 1, NULL, NULL, job, ticket, &err);
	store_job_report(s, job, ticket, &report, &err);
	is_int(store_job_machine(s, job, ticket, mac, &err), -EALREADY, "or the job has ended");
	store_machine_release(s, MAC, &err);
	store_machine_free(&machine);
	store_machine_get(s, MAC, &machine, &err);
	ok(!machine.seed && !machine.hostname, "released: none of it is left");
}

static void a_clock_that_is_set_back_reinstalls_nothing(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_machine_free) struct store_machine machine = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	struct store_job report = { .phase = "done" };
	char feed_id[STORE_ID_CHARS], job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS];

	add_feed(s, 1, feed_id);
	ingest_all(s, 'a');
	store_item_list(s, NULL, &items, &err);
	store_machine_assign(s, MAC, &(struct store_assignment){ .item_id = items.rows[0].id }, &err);
	store_job_new(s, &card, items.rows[0].id, 1, NULL, NULL, job, ticket, &err);
	run_sql("UPDATE job SET started_at = started_at - 3600");
	ok(store_job_report(s, job, ticket, &report, &err) >= 0,
	   "a job that by the clock began an hour before its assignment ends well");
	store_machine_get(s, MAC, &machine, &err);
	is_int(machine.assignment, ASSIGNMENT_INSTALLED, "and the assignment is fulfilled");
}

static void a_machine_is_installed_by_all_its_addresses(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_machine_list_free) struct store_machine_list machines = { 0 };
	CLEANUP(store_machine_free) struct store_machine other = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	struct store_job report = { .phase = "done" };
	char feed_id[STORE_ID_CHARS], job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS];

	add_feed(s, 1, feed_id);
	ingest_all(s, 'a');
	store_item_list(s, NULL, &items, &err);
	store_machine_assign(s, OTHER_MAC, &(struct store_assignment){ .item_id = items.rows[0].id }, &err);
	store_job_new(s, &two_cards, items.rows[0].id, 1, "{}", NULL, job, ticket, &err);
	run_sql("DELETE FROM machine WHERE mac = '" MAC "'");
	is_int(store_job_report(s, job, ticket, &report, &err), 1, "a machine of two addresses is written");
	store_machine_list(s, &machines, &err);
	if (!ok(machines.count == 2, "both are known, though one was forgotten meanwhile"))
		return;
	ok(machines.rows[0].installed_at && machines.rows[1].installed_at, "and both are installed");
	is_int(machines.rows[0].assignment, ASSIGNMENT_NONE, "one was not assigned anything");
	is_int(machines.rows[1].assignment, ASSIGNMENT_INSTALLED, "what the other was assigned is fulfilled");
	ok(!machines.rows[1].inventory, "a list has no inventories");
	store_machine_get(s, OTHER_MAC, &other, &err);
	is_str(other.inventory, "{}", "each machine has its own");
}

static void what_was_installed_is_remembered_without_its_job(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_machine_free) struct store_machine machine = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	struct store_job report = { .phase = "done" };
	char feed_id[STORE_ID_CHARS], job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS];

	add_feed(s, 1, feed_id);
	ingest_all(s, 'a');
	store_item_list(s, NULL, &items, &err);
	store_job_new(s, &card, items.rows[0].id, 1, NULL, NULL, job, ticket, &err);
	store_job_report(s, job, ticket, &report, &err);
	run_sql("DELETE FROM job; UPDATE machine SET last_seen_at = 1");
	run_sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 65540) INSERT INTO machine"
		" (mac, first_seen_at, last_seen_at) SELECT printf('0%d:x', i), i + 1, i + 1 FROM n");
	store_machine_seen(s, "52:54:00:00:00:01", NULL, NULL, NULL, &err);
	is_int(store_machine_get(s, MAC, &machine, &err), 0, "a machine that was installed is not pushed out");
	ok(machine.installed_at, "and is still known to be, when its job is forgotten");
	run_sql("UPDATE machine SET installed_at = 1");
	is_int(store_job_new(s, &two_cards, items.rows[0].id, 1, NULL, NULL, job, ticket, &err), -ENOSPC,
	       "with all room taken by such machines there is no job for one that would not be remembered");
	is_int(store_machine_seen(s, "52:54:00:00:00:02", NULL, NULL, NULL, &err), -ENOSPC, "nor room for its row");
	is_int(store_machine_seen(s, "52:54:00:00:00:01", NULL, NULL, NULL, &err), 0, "but not one that is there");
}

static void a_job_from_before_does_not_fulfil_an_assignment(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_machine_free) struct store_machine machine = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	struct store_job report = { .phase = "done" };
	char feed_id[STORE_ID_CHARS], job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS];

	add_feed(s, 1, feed_id);
	ingest_all(s, 'a');
	store_item_list(s, NULL, &items, &err);
	store_job_new(s, &card, items.rows[0].id, 1, NULL, NULL, job, ticket, &err);
	store_machine_assign(s, MAC, &(struct store_assignment){ .item_id = items.rows[0].id }, &err);
	ok(store_job_report(s, job, ticket, &report, &err) >= 0, "a job that began before the assignment ends well");
	store_machine_get(s, MAC, &machine, &err);
	is_int(machine.assignment, ASSIGNMENT_ASSIGNED, "and the machine is still to be written");

	report = (struct store_job){ .phase = "failed", .exit = 5, .message = "no disk" };
	store_job_new(s, &card, items.rows[0].id, 1, NULL, NULL, job, ticket, &err);
	store_job_report(s, job, ticket, &report, &err);
	store_machine_free(&machine);
	store_machine_get(s, MAC, &machine, &err);
	is_int(machine.assignment, ASSIGNMENT_ASSIGNED, "a failed job leaves the machine assigned");
	is_str(machine.error, "no disk", "and says why");
}

static void keep_versions(struct store *s, unsigned keep)
{
	CLEANUP(store_feed_list_free) struct store_feed_list feeds = { 0 };
	char options[32];

	snprintf(options, sizeof(options), "keep=%u", keep);
	store_feed_list(s, &feeds, &err);
	is_int(store_feed_set(s, feeds.rows[0].id, options, &err), 0, "the feed's options say what to keep");
}

static void images_are_wanted_by_items_and_running_jobs(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	struct store_image old = image_named('1'), new = image_named('2');
	struct store_job report = { .phase = "done" };
	char feed_id[STORE_ID_CHARS], job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS];
	bool wanted = true;

	add_feed(s, 1, feed_id);
	keep_versions(s, 1);
	store_image_wanted(s, old.id, &wanted, &err);
	ok(!wanted, "an image that nothing names is not wanted");
	ingest_all(s, '1');
	store_image_wanted(s, old.id, &wanted, &err);
	ok(wanted, "one that an item serves is");
	store_item_list(s, NULL, &items, &err);
	store_job_new(s, &host, items.rows[0].id, 1, NULL, NULL, job, ticket, &err);
	store_item_ask(s, items.rows[0].id, &err);
	ingest_all(s, '2');
	store_image_wanted(s, old.id, &wanted, &err);
	ok(wanted, "one that was replaced is, while a job still reads it");
	run_sql("UPDATE job SET updated_at = updated_at - 90000");
	store_image_wanted(s, old.id, &wanted, &err);
	ok(!wanted, "unless that was silent for more than a day");
	run_sql("UPDATE job SET updated_at = updated_at + 90000");
	store_job_report(s, job, ticket, &report, &err);
	store_image_wanted(s, old.id, &wanted, &err);
	ok(!wanted, "or has ended");
	store_image_wanted(s, new.id, &wanted, &err);
	ok(wanted, "its successor is wanted");
}

/* The only item of the only feed. */
static void add_item(struct store *s, char id[static STORE_ID_CHARS])
{
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	char feed_id[STORE_ID_CHARS];

	add_feed(s, 1, feed_id);
	store_item_list(s, NULL, &items, &err);
	snprintf(id, STORE_ID_CHARS, "%s", items.rows[0].id);
}

/* Forget what there is too much of: how many versions that are. */
static size_t trim(struct store *s, bool dry_run)
{
	CLEANUP(store_trimmed_list_free) struct store_trimmed_list trimmed = { 0 };
	CLEANUP(store_blob_list_free) struct store_blob_list wanted = { 0 };

	return store_trim(s, dry_run, &trimmed, &wanted, &err) ? 1000 : trimmed.count;
}

static void ingest_again(struct store *s, const char *id, char digit)
{
	CLEANUP(store_item_free) struct store_item item = { 0 };

	store_item_ask(s, id, &err);
	store_item_claim(s, false, &item, &err);
	is_int(make_ready(s, id, digit), 0, "an ingest ends well");
}

/* "3 *2 1": the versions that are kept, newest first, a star before the one that serves. */
static const char *versions_of(struct store *s, const char *id)
{
	CLEANUP(store_version_list_free) struct store_version_list list = { 0 };
	static char text[200];
	size_t len = 0;

	store_item_versions(s, id, &list, &err);
	text[0] = '\0';
	for (size_t i = 0; i < list.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%llu", i ? " " : "",
					list.rows[i].serves ? "*" : "", (unsigned long long)list.rows[i].number);
	return text;
}

static void other_bytes_are_a_new_version(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	char id[STORE_ID_CHARS];

	add_item(s, id);
	is_str(versions_of(s, id), "", "an item that was never ingested has no version");
	ingest_again(s, id, 'a');
	is_str(versions_of(s, id), "*1", "the first ingest makes the first");
	ingest_again(s, id, 'a');
	is_str(versions_of(s, id), "*1", "the same bytes again make none");
	ingest_again(s, id, 'b');
	is_str(versions_of(s, id), "*2 1", "other bytes do, which serve");
	ingest_again(s, id, 'c');
	is_str(versions_of(s, id), "*3 2", "as many are kept as were asked for");
	keep_versions(s, 3);
	ingest_again(s, id, 'b');
	is_str(versions_of(s, id), "*4 3 2", "bytes of an older version are a new one, too");
	keep_versions(s, 1);
	is_int(trim(s, true), 2, "with less to keep the older ones would go");
	is_str(versions_of(s, id), "*4 3 2", "if they were told to");
	is_int(trim(s, false), 2, "which they are");
	is_str(versions_of(s, id), "*4", "and not the one that serves");
}

static void what_was_made_of_a_removed_item_is_not_taken(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 };
	char id[STORE_ID_CHARS];

	add_item(s, id);
	is_int(store_item_claim(s, false, &item, &err), 1, "an item is ingested");
	is_int(store_feed_remove(s, item.feed_id, &err), 0, "while its feed is removed");
	is_int(make_ready(s, id, 'a'), -ESTALE, "then nobody wants what was made of it");
}

static void a_rollback_stays_until_there_is_something_newer(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 };
	char id[STORE_ID_CHARS], job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS];

	add_item(s, id);
	ingest_again(s, id, 'a');
	ingest_again(s, id, 'b');
	is_int(store_item_rollback(s, id, 1, &err), 0, "an older version is chosen");
	is_str(versions_of(s, id), "2 *1", "and serves");
	store_item_get(s, id, &item, &err);
	ok(item.version == 1 && item.newest == 2 && item.image_id[0] == 'a', "as the item says");
	is_int(store_job_new(s, &host, id, 2, NULL, NULL, job, ticket, &err), -ESTALE, "no job is made for the other");
	is_int(store_job_new(s, &host, id, 1, NULL, NULL, job, ticket, &err), 0, "but for this one");
	ingest_again(s, id, 'b');
	is_str(versions_of(s, id), "2 *1", "the newest ingested again changes nothing");
	ingest_again(s, id, 'c');
	is_str(versions_of(s, id), "*3 2", "something newer serves, and what is beyond the limit goes");
	is_int(store_item_rollback(s, id, 1, &err), -ENOENT, "what is not kept cannot be chosen");
	is_int(store_item_rollback(s, id, 3, &err), 0, "what serves already can");
	is_int(store_item_rollback(s, "0000000000000000", 1, &err), -ENOENT, "an item that is not there cannot");
	store_item_rollback(s, id, 2, &err);
	keep_versions(s, 1);
	is_int(trim(s, false), 0, "what serves is kept beyond the limit");
	is_str(versions_of(s, id), "3 *2", "beside the newest");
	ingest_again(s, id, 'c');
	is_str(versions_of(s, id), "3 *2", "also when that is ingested again");
}

static void a_version_is_for_the_machines_it_was_announced_for(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list menu = { 0 };
	char feed_id[STORE_ID_CHARS], id[STORE_ID_CHARS];
	struct feed *doc = document(1);

	doc->items[0].arch = "x86_64";
	doc->items[0].memory_bytes_min = 1000;
	doc->items[0].cmdline = "one";
	store_feed_add(s, FEED_URL, false, feed_id, &err);
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	store_item_list(s, NULL, &menu, &err);
	snprintf(id, sizeof(id), "%s", menu.rows[0].id);
	is_str(menu.rows[0].needs.arch, "x86_64", "what serves nothing yet is for those that it is announced for");
	ingest_all(s, 'a');

	doc->items[0].firmware = "bios";
	doc->items[0].disk_bytes_min = 3000;
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	store_item_get(s, id, &item, &err);
	is_str(item.needs.firmware, "bios", "what the feed says anew of the same bytes holds at once");
	is_int(item.needs.disk_bytes_min, 3000, "all of it");

	doc->items[0].length = 2000;
	doc->items[0].arch = "aarch64";
	doc->items[0].firmware = "uefi";
	doc->items[0].landing = "kexec";
	doc->items[0].memory_bytes_min = 2000;
	doc->items[0].disk_bytes_min = 0;
	doc->items[0].cmdline = "two";
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	store_item_free(&item);
	store_item_get(s, id, &item, &err);
	is_str(item.announced.arch, "aarch64", "other bytes are announced, for others");
	is_str(item.needs.arch, "x86_64", "until they are here, those that serve are for whom they were");
	is_str(item.needs.firmware, "bios", "by firmware");
	is_str(item.needs.landing, NULL, "landing");
	is_str(item.needs.cmdline, "one", "command line");
	is_int(item.needs.memory_bytes_min + item.needs.disk_bytes_min, 4000, "and sizes");
	store_item_list_free(&menu);
	store_item_list_ready(s, &menu, &err);
	is_str(menu.rows[0].needs.arch, "x86_64", "a menu is told the same");
	is_str(menu.rows[0].needs.firmware, "bios", "by firmware");
	is_str(menu.rows[0].needs.landing, NULL, "and landing");

	ingest_all(s, 'b');
	store_item_free(&item);
	store_item_get(s, id, &item, &err);
	is_str(item.needs.arch, "aarch64", "then the new ones are for theirs");
	is_str(item.needs.landing, "kexec", "as they land");
	store_item_rollback(s, id, 1, &err);
	doc->items[0].firmware = NULL;
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	store_item_free(&item);
	store_item_get(s, id, &item, &err);
	is_str(item.needs.arch, "x86_64", "after a rollback it is as before");
	is_str(item.needs.firmware, "bios", "whatever is said of the others");
	is_int(item.needs.memory_bytes_min, 1000, "and needs what it did");
}

static void content_comes_back_as_it_was_given(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 };
	CLEANUP(store_content_free) struct store_content content = { .kind = ITEM_KERNEL }, back = { 0 };
	struct store_image images[2] = { image_named('1'), image_named('2') };
	char id[STORE_ID_CHARS];
	bool wanted = false;

	content.form = strdup("a kernel");
	content.cmdline = strdup("quiet");
	content.machine = strdup("{\"cpus\":2}");
	content_add_note(&content, "one", &err);
	content_add_note(&content, "two \"quoted\"", &err);
	content_add_disk(&content, &images[0], strdup("vda"), strdup("virtio"), &err);
	content_add_disk(&content, &images[1], NULL, NULL, &err);
	content.file = (struct content_file){ .bytes = 77 };
	content.initrd = (struct content_file){ .bytes = 78 };
	memset(content.file.id, 'f', sizeof(content.file.id) - 1);
	memset(content.initrd.id, 'e', sizeof(content.initrd.id) - 1);
	add_item(s, id);
	store_item_claim(s, false, &item, &err);
	is_int(store_item_ready(s, id, &content, &err), 0, "all that an item can be is stored");
	is_int(store_item_content(s, id, 0, &back, &err), 0, "and read");
	ok(back.kind == ITEM_KERNEL && back.version == 1 && back.disk_count == 2 && back.note_count == 2,
	   "kind, numbers");
	is_str(back.form, "a kernel", "form");
	is_str(back.cmdline, "quiet", "command line");
	is_str(back.machine, "{\"cpus\":2}", "machine");
	is_str(back.notes[1], "two \"quoted\"", "notes");
	is_str(back.disks[0].name, "vda", "a disk's name");
	is_str(back.disks[0].bus, "virtio", "and bus");
	ok(!back.disks[1].name && !back.disks[1].bus && back.disks[1].image.id[0] == '2', "or none, in order");
	ok(back.file.bytes == 77 && back.file.id[0] == 'f' && back.initrd.bytes == 78 && back.initrd.id[0] == 'e',
	   "both files");
	store_image_wanted(s, content.initrd.id, &wanted, &err);
	ok(wanted, "a file is wanted");
	wanted = false;
	store_image_wanted(s, images[1].id, &wanted, &err);
	ok(wanted, "and every disk");
	is_int(store_item_content(s, id, 2, &back, &err), -ENOENT, "there is no other version");
}

static void what_is_lost_is_made_anew(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 };
	struct store_image image = image_named('b');
	char id[STORE_ID_CHARS];
	size_t asked = 7;

	add_item(s, id);
	ingest_again(s, id, 'a');
	ingest_again(s, id, 'b');
	is_int(store_image_lost(s, image.id, &asked, &err), 0, "the image of the newest version is lost");
	is_int(asked, 1, "its item is asked for");
	is_str(versions_of(s, id), "*1", "and the version before it serves");
	store_item_get(s, id, &item, &err);
	is_int(item.state, ITEM_ANNOUNCED, "until the ingest");
	ingest_again(s, id, 'b');
	is_str(versions_of(s, id), "*3 1", "which makes a version of its own");
	memset(image.id, 'a', sizeof(image.id) - 1);
	store_image_lost(s, image.id, &asked, &err);
	is_int(asked, 0, "the image of an older version cannot be made again");
	is_str(versions_of(s, id), "*3", "and is forgotten");
	memset(image.id, 'b', sizeof(image.id) - 1);
	store_image_lost(s, image.id, &asked, &err);
	is_str(versions_of(s, id), "", "without any version");
	store_item_free(&item);
	store_item_get(s, id, &item, &err);
	ok(item.version == 0 && !item.image_id[0], "nothing serves");
}

static void what_was_withdrawn_does_not_come_back_for_what_is_lost(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 };
	struct store_image image = image_named('b');
	char id[STORE_ID_CHARS];
	size_t asked = 7;

	add_item(s, id);
	keep_versions(s, 3);
	ingest_again(s, id, 'a');
	ingest_again(s, id, 'b');
	ingest_again(s, id, 'c');
	store_item_rollback(s, id, 2, &err);
	is_int(store_image_lost(s, image.id, &asked, &err), 0, "the image of a version that was chosen is lost");
	is_str(versions_of(s, id), "3 *1", "the one before it serves, not the newer one that was withdrawn");
	memset(image.id, 'a', sizeof(image.id) - 1);
	is_int(store_image_lost(s, image.id, &asked, &err), 0, "the last of those is lost, too");
	is_str(versions_of(s, id), "3", "then none serves");
	is_int(asked, 0, "nor is the one that was withdrawn made again");
	store_item_get(s, id, &item, &err);
	ok(item.version == 0 && item.state == ITEM_FAILED && strstr(item.error, "rollback"), "the item says so: %s",
	   item.error ? item.error : "");
	is_int(store_item_rollback(s, id, 3, &err), 0, "another version is chosen");
	store_item_free(&item);
	store_item_get(s, id, &item, &err);
	ok(item.version == 3 && item.state == ITEM_READY && !item.error, "and serves, with nothing wrong any more");
}

static void what_was_withdrawn_is_not_made_again_when_it_is_lost(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 };
	struct store_image image = image_named('b');
	char id[STORE_ID_CHARS];
	size_t asked = 7;

	add_item(s, id);
	ingest_again(s, id, 'a');
	ingest_again(s, id, 'b');
	store_item_rollback(s, id, 1, &err);
	is_int(store_image_lost(s, image.id, &asked, &err), 0, "the image of a version that was withdrawn is lost");
	is_int(asked, 0, "it is not made again");
	is_str(versions_of(s, id), "*1", "and the one that was chosen serves");
	is_int(state_of(s, id), ITEM_READY, "as before");
	is_int(store_item_claim(s, false, &item, &err), 0, "there is nothing to do");
	ingest_again(s, id, 'b');
	is_str(versions_of(s, id), "*3 1", "who wants it again can ask for it");
}

/* An item of which version 1 serves while 2, the newest, is lost and waits to be made again. */
static void lose_newest(struct store *s, char id[static STORE_ID_CHARS])
{
	struct store_image image = image_named('b');
	size_t asked;

	add_item(s, id);
	ingest_again(s, id, 'a');
	ingest_again(s, id, 'b');
	store_image_lost(s, image.id, &asked, &err);
	is_int(state_of(s, id), ITEM_ANNOUNCED, "what is lost waits to be made again");
}

static void a_rollback_ends_what_it_makes_needless(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 };
	char id[STORE_ID_CHARS];

	lose_newest(s, id);
	is_int(store_item_rollback(s, id, 1, &err), 0, "the one before it is chosen");
	is_int(state_of(s, id), ITEM_READY, "then it does not wait any more");
	is_int(store_item_claim(s, false, &item, &err), 0, "and is not made");

	store_item_ask(s, id, &err);
	is_int(store_item_claim(s, false, &item, &err), 1, "asked for, it is being made");
	is_int(store_item_rollback(s, id, 1, &err), 0, "when the other is chosen");
	is_int(store_item_progress(s, id, "download", 1, 2, &err), -ESTALE, "then nobody wants it any more");
	is_int(make_ready(s, id, 'b'), -ESTALE, "even if it is made already");

	store_item_ask(s, id, &err);
	store_item_free(&item);
	store_item_claim(s, false, &item, &err);
	store_item_failed(s, id, "no", &err);
	store_item_retry(s, id, 0, &err);
	is_int(store_item_rollback(s, id, 1, &err), 0, "it failed, to be tried again, when the other is chosen");
	store_item_free(&item);
	store_item_get(s, id, &item, &err);
	ok(item.state == ITEM_READY && !item.error && !item.failures && !item.retry_at, "that is forgotten");
	store_item_free(&item);
	is_int(store_item_claim(s, false, &item, &err), 0, "and it is not tried again");
}

static void a_rollback_keeps_what_is_announced_apart_from_what_was_made(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 };
	char feed_id[STORE_ID_CHARS], id[STORE_ID_CHARS];
	struct feed *doc = document(1);

	add_item(s, id);
	store_item_get(s, id, &item, &err);
	memcpy(feed_id, item.feed_id, sizeof(feed_id));
	doc->items[0].arch = "x86_64";
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	ingest_again(s, id, 'a');
	doc->items[0].length = 2000;
	doc->items[0].arch = "aarch64";
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	is_int(store_item_rollback(s, id, 1, &err), 0, "what serves is chosen while other bytes wait");
	is_int(state_of(s, id), ITEM_ANNOUNCED, "they go on waiting");
	store_item_free(&item);
	store_item_claim(s, false, &item, &err);
	store_item_rollback(s, id, 1, &err);
	is_int(state_of(s, id), ITEM_INGESTING, "and are being made");
	store_item_failed(s, id, "no", &err);
	store_item_rollback(s, id, 1, &err);
	is_int(state_of(s, id), ITEM_READY, "until that failed: then it is settled");
	doc->items[0].memory_bytes_min = 1000;
	store_feed_update(s, feed_id, doc, NULL, NULL, NULL, &err);
	store_item_free(&item);
	store_item_get(s, id, &item, &err);
	is_str(item.needs.arch, "x86_64",
	       "what is said of the bytes that were not made is not said of those that serve");
}

static void room_is_made_of_what_nobody_reads(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	char id[STORE_ID_CHARS], job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS];
	struct store_job report = { .phase = "done" };
	uint64_t spare = 7;

	add_item(s, id);
	keep_versions(s, 4);
	ingest_again(s, id, 'a');
	store_spare_bytes(s, &spare, &err);
	is_int(spare, 0, "what serves is not spare");
	store_job_new(s, &host, id, 1, NULL, NULL, job, ticket, &err);
	ingest_again(s, id, 'b');
	store_spare_bytes(s, &spare, &err);
	is_int(spare, 0, "nor what a job reads");
	store_job_report(s, job, ticket, &report, &err);
	store_spare_bytes(s, &spare, &err);
	is_int(spare, 676, "an older version is, with image and index");
	ingest_again(s, id, 'c');
	ingest_again(s, id, 'a');
	is_str(versions_of(s, id), "*4 3 2 1", "of four versions");
	store_spare_bytes(s, &spare, &err);
	is_int(spare, 2 * 676, "the image that the first and the last share is not spare");
	is_int(store_drop_oldest_version(s, &err), 1, "the oldest that has one of its own goes first");
	is_str(versions_of(s, id), "*4 3 1", "and no other");
	is_int(store_item_rollback(s, id, 3, &err), 0, "another version is chosen");
	is_int(store_job_new(s, &host, id, 3, NULL, NULL, job, ticket, &err), 0, "which a machine reads");
	is_int(store_item_rollback(s, id, 4, &err), 0, "and the newest again");
	is_int(store_drop_oldest_version(s, &err), 0, "what a job reads does not go: it would free nothing");
	store_job_report(s, job, ticket, &report, &err);
	is_int(store_drop_oldest_version(s, &err), 1, "until the job has ended");
	is_int(store_drop_oldest_version(s, &err), 0, "then there is nothing to free");
	is_str(versions_of(s, id), "*4 1", "and what remains shares its image with what serves");
}

static void what_machines_want_goes_first_and_is_made_once(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	CLEANUP(store_item_free) struct store_item item = { 0 };
	char feed_id[STORE_ID_CHARS];

	add_feed(s, 3, feed_id);
	store_item_list(s, NULL, &items, &err);
	const char *last = items.rows[2].id;
	is_int(store_item_claim(s, true, &item, &err), 0, "nothing is made that nobody asked for");
	is_int(store_item_demand(s, last, &err), 0, "a machine wants the oldest");
	is_int(store_item_claim(s, true, &item, &err), 1, "it is made");
	is_str(item.id, last, "first");
	is_int(store_item_demand(s, last, &err), 0, "wanting it more");
	is_int(state_of(s, last), ITEM_INGESTING, "changes nothing");
	store_item_failed(s, last, "no", &err);
	store_item_demand(s, last, &err);
	is_int(state_of(s, last), ITEM_FAILED, "what failed waits for the operator");
	store_item_ask(s, last, &err);
	store_item_free(&item);
	store_item_claim(s, true, &item, &err);
	make_ready(s, last, 'a');
	store_item_demand(s, last, &err);
	is_int(store_item_claim(s, true, &item, &err), 0, "what is ready is not made again");
	struct feed *anew = document(3);
	anew->items[0].length = 2000;
	store_feed_update(s, feed_id, anew, NULL, NULL, NULL, &err);
	is_int(state_of(s, last), ITEM_ANNOUNCED, "not even when its feed has other bytes");
	is_int(store_item_claim(s, true, &item, &err), 0, "that nobody asked for");
	is_int(store_item_demand(s, "0000000000000000", &err), -ENOENT, "what is not there is not found");
}

static void what_ipxe_started_by_itself_is_kept_while_it_may_be_read(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_machine_free) struct store_machine machine = { 0 };
	CLEANUP(store_job_list_free) struct store_job_list jobs = { 0 };
	struct store_image image = image_named('a');
	struct store_job report = { .phase = "failed", .message = "no disk" };
	char id[STORE_ID_CHARS], job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS];
	bool wanted = false;

	add_item(s, id);
	keep_versions(s, 1);
	ingest_again(s, id, 'a');
	store_job_new(s, &card, id, 1, NULL, NULL, job, ticket, &err);
	store_job_report(s, job, ticket, &report, &err);
	for (int i = 0; i < 3; i++)
		is_int(store_job_started(s, MAC, id, 1, &err), 0, "a machine starts it by itself");
	store_job_list(s, &jobs, &err);
	is_int(jobs.count, 2, "however often, it is noted once");
	store_machine_get(s, MAC, &machine, &err);
	is_str(machine.error, "no disk", "what went wrong before is still told");
	ingest_again(s, id, 'b');
	is_str(versions_of(s, id), "*2", "other bytes come, and one version is kept");
	store_image_wanted(s, image.id, &wanted, &err);
	ok(wanted, "what the machine reads is still wanted");
	run_sql("UPDATE job SET updated_at = updated_at - 86401");
	store_image_wanted(s, image.id, &wanted, &err);
	ok(!wanted, "for a day");
	is_int(store_job_started(s, MAC, id, 1, &err), -ESTALE, "a version that serves no longer is not started");
}

static void machines_have_one_form_of_name_and_a_limit(void)
{
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_machine_list_free) struct store_machine_list machines = { 0 };
	static const char *const wrong[] = { "",
					     "52:54:00:12:34:5",
					     "52:54:00:12:34:5G",
					     "52-54-00-12-34-56",
					     "52:54:00:12:34:56:78",
					     "52:54:00:12:34:AB" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		is_int(store_machine_seen(s, wrong[i], NULL, NULL, NULL, &err), -EINVAL, "not a MAC address");
	store_machine_seen(s, MAC, "x86_64", "uefi", "10.0.0.1", &err);
	is_int(store_machine_seen(s, MAC, NULL, "bios", NULL, &err), 0, "a machine comes again");
	store_machine_list(s, &machines, &err);
	is_int(machines.count, 1, "and is one machine");
	is_str(machines.rows[0].arch, "x86_64", "what it did not say this time stays");
	is_str(machines.rows[0].firmware, "bios", "what it did say is new");
	is_int(store_machine_release(s, "52:54:00:00:00:99", &err), -ENOENT, "one never seen cannot be released");
	is_int(store_machine_assign(s, MAC, &(struct store_assignment){ .item_id = "0123456789abcdef" }, &err), -ENOENT,
	       "nor one be assigned no item");
	run_sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 65540) INSERT INTO machine"
		" (mac, first_seen_at, last_seen_at) SELECT printf('0%d:x', i), i, i FROM n");
	store_machine_seen(s, "52:54:00:00:00:01", NULL, NULL, NULL, &err);
	store_machine_list_free(&machines);
	store_machine_list(s, &machines, &err);
	is_int(machines.count, STORE_MACHINES_MAX, "made-up machines push each other out");
	is_str(machines.rows[machines.count - 1].mac, MAC, "and not one that was seen lately");
}

static void damaged_and_foreign_databases_are_refused(void)
{
	struct store *s = open_store();
	char path[64], id[STORE_ID_CHARS];

	add_feed(s, 50, id);
	is_int(store_open(&(struct store *){ NULL }, dir, &err), -EBUSY,
	       "a second service on the same folder is refused");
	store_close(&s);
	run_sql("PRAGMA application_id = 7");
	is_int(store_open(&s, dir, &err), -EINVAL, "another program's database is refused");
	run_sql("PRAGMA application_id = 1986880353; PRAGMA wal_checkpoint(TRUNCATE)");
	s = open_store();
	ok(s, "and ours is not");
	store_close(&s);
	run_sql("PRAGMA user_version = 1000");
	is_int(store_open(&s, dir, &err), -ENOTSUP, "a newer schema is refused");
	ok(strstr(err.text, "newer vmcastd (schema 1000"), "with what to do: %s", err.text);
	run_sql("PRAGMA wal_checkpoint(TRUNCATE)");

	snprintf(path, sizeof(path), "%s/vmcast.db", dir);
	CLEANUP(close_fd) int fd = open(path, O_RDWR);
	static char junk[8192];
	memset(junk, 0x5a, sizeof(junk));
	for (off_t off = 4096; off < 65536; off += 8192)
		if (pwrite(fd, junk, 4096, off) != 4096)
			printf("# cannot damage the database\n");
	is_int(store_open(&s, dir, &err), -EBADMSG, "a damaged one is refused");
	ok(strstr(err.text, "left as it is; restore a copy") && !strchr(err.text, '\n'), "with what to do: %s",
	   err.text);
	if (pwrite(fd, junk, 4096, 0) != 4096)
		printf("# cannot damage the database\n");
	is_int(store_open(&s, dir, &err), -EBADMSG, "so is one that is no database at all");
}

/* Begin with a database that an older vmcastd wrote: tests/data/store/schema-VERSION.sql. */
static struct store *open_older(int version)
{
	char path[64], sql[32768];

	start_anew();
	snprintf(path, sizeof(path), "tests/data/store/schema-%d.sql", version);
	FILE *f = fopen(path, "r");
	size_t len = f ? fread(sql, 1, sizeof(sql) - 1, f) : 0;
	if (f)
		fclose(f);
	sql[len] = '\0';
	ok(len > 0 && len < sizeof(sql) - 1, "%s is read", path);
	run_sql(sql);
	return open_store();
}

static void a_database_of_schema_1_is_upgraded(void)
{
	CLEANUP(store_close) struct store *s = open_older(1);
	CLEANUP(store_machine_free) struct store_machine machine = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };

	ok(s && store_item_list(s, NULL, &items, &err) == 0, "it opens");
	store_machine_get(s, OTHER_MAC, &machine, &err);
	is_int(machine.installed_at, 77, "a machine that was installed still is");
	is_int(store_job_report(s, "0123456789abcdef", "t", &(struct store_job){ .phase = "done" }, &err), 1,
	       "a job that ran during the upgrade ends well");
	store_machine_free(&machine);
	store_machine_get(s, MAC, &machine, &err);
	is_int(machine.assignment, ASSIGNMENT_INSTALLED, "and fulfils the assignment");
	is_int(items.count, 2, "with what it held");
	is_int(store_item_retry(s, items.rows[0].id, 1, &err), 0, "and can do what is new");
}

static void a_database_of_schema_3_is_upgraded(void)
{
	CLEANUP(store_close) struct store *s = open_older(3);
	CLEANUP(store_item_free) struct store_item served = { 0 }, anew = { 0 }, never = { 0 };
	CLEANUP(store_version_list_free) struct store_version_list versions = { 0 };
	CLEANUP(store_content_free) struct store_content content = { 0 };
	struct store_image read_by_job = image_named('3');
	bool wanted = false;

	ok(s && store_item_get(s, "00000000000000a1", &served, &err) == 0, "it opens");
	is_int(served.version, 1, "what served is the item's first version");
	is_int(served.disk_bytes + served.image_bytes + served.index_bytes + served.sector_bytes,
	       1048576 + 500 + 176 + 512, "with its sizes");
	is_int(store_item_content(s, served.id, 1, &content, &err), 0, "and its content");
	is_str(served.needs.arch, "aarch64", "for the machines that its feed says");
	is_str(served.needs.firmware, "uefi", "by firmware");
	is_str(served.needs.landing, "disk", "landing");
	is_str(served.needs.cmdline, "quiet", "command line");
	is_int(served.needs.disk_bytes_min + served.needs.memory_bytes_min, 4096 + 8192, "and sizes");
	ok(content.kind == ITEM_DISK && content.disk_count == 1 && content.disks[0].image.id[0] == '1',
	   "which is that one disk");
	is_int(store_item_versions(s, served.id, &versions, &err), 0, "it is listed");
	ok(versions.count == 1 && versions.rows[0].serves && versions.rows[0].made_at == 960, "as served since then");
	store_item_get(s, "00000000000000a2", &anew, &err);
	ok(anew.version == 1 && anew.state == ITEM_ANNOUNCED && anew.image_id[0] == '2',
	   "what waits to be ingested anew goes on serving");
	store_item_get(s, "00000000000000a3", &never, &err);
	ok(never.version == 0 && !never.image_id[0] && never.state == ITEM_FAILED, "what was never made is not there");
	store_image_wanted(s, read_by_job.id, &wanted, &err);
	ok(wanted, "an image that a running job reads is still wanted");
	is_int(store_job_report(s, "0123456789abcdef", "t", &(struct store_job){ .phase = "done" }, &err), 1,
	       "the job ends well");
}

static void a_database_of_schema_8_is_upgraded(void)
{
	CLEANUP(store_close) struct store *s = open_older(8);
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	CLEANUP(store_item_free) struct store_item served = { 0 }, anew = { 0 };

	ok(s && store_item_get(s, "00000000000000a1", &served, &err) == 0, "it opens");
	is_int(served.version, 1, "what served serves");
	is_int(served.proof, PROOF_SIGNED, "what was signed is");
	is_int(served.announced.proof, PROOF_SIGNED, "as it was announced, too");
	store_item_get(s, "00000000000000a2", &anew, &err);
	ok(anew.version == 1 && anew.proof == PROOF_NONE, "what was not serves as well, proven by nothing");
	store_feed_get(s, "00000000000000f1", &feed, &err);
	ok(!feed.etag && !feed.last_modified, "its document is read once more, for what it proves");
	is_str(feed.options, "", "no policy is made up for it");
}

static void refused_items_wait_for_another_policy(void)
{
	start_anew();
	CLEANUP(store_close) struct store *s = open_store();
	CLEANUP(store_item_free) struct store_item item = { 0 }, again = { 0 };
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	char id[STORE_ID_CHARS];

	add_feed(s, 1, id);
	is_int(store_item_claim(s, false, &item, &err), 1, "an item is claimed");
	is_int(store_item_refused(s, item.id, "it proves nothing", &err), 0, "and refused");
	is_int(store_item_claim(s, false, &again, &err), 0, "it is not tried again");
	store_feed_update(s, id, document(1), NULL, NULL, NULL, &err);
	is_int(store_item_claim(s, false, &again, &err), 0, "nor when its feed says the same");
	store_feed_get(s, id, &feed, &err);
	is_int(feed.refused_count, 1, "its feed counts it");
	struct feed *more = document(1);
	more->items[0].proof = PROOF_DIGEST;
	store_feed_update(s, id, more, NULL, NULL, NULL, &err);
	is_int(store_item_claim(s, false, &again, &err), 1, "but when more proves it");
	is_int(again.announced.proof, PROOF_DIGEST, "which is known");
	is_int(store_item_refused(s, again.id, "it proves too little", &err), 0, "and may be too little");
	store_item_free(&again);
	is_int(store_feed_set(s, id, "policy=signed", &err), -EINVAL, "a policy that cannot be met is refused");
	is_int(store_feed_set(s, id, "policy=none", &err), 0, "another policy");
	is_int(store_item_claim(s, false, &again, &err), 1, "is asked about it");
}

/* Refresh and ingest as fast as it goes, telling the parent of each refresh that was committed. */
static void work_until_killed(int tell_fd)
{
	struct store *s = open_store();
	char id[STORE_ID_CHARS];

	store_feed_add(s, FEED_URL, false, id, &err);
	for (unsigned i = 1;; i++) {
		char etag[16];

		snprintf(etag, sizeof(etag), "\"%u\"", i);
		if (store_feed_update(s, id, document(1 + i % 50), etag, NULL, NULL, &err) < 0 ||
		    write(tell_fd, &i, sizeof(i)) != sizeof(i))
			_exit(1);
		ingest_all(s, '3');
		store_machine_seen(s, MAC, "x86_64", "bios", NULL, &err);
	}
}

static void killed_at_any_instant_it_loses_nothing(void)
{
	unsigned damaged = 0, lost = 0, mixed = 0, told_of = 0;

	for (int round = 0; round < 20; round++) {
		int fds[2];
		unsigned last = 0, number;

		start_anew();
		if (pipe(fds) < 0)
			return;
		pid_t child = fork();
		if (child == 0)
			work_until_killed(fds[1]);
		close(fds[1]);
		/* Let it get going, then any instant. */
		if (read(fds[0], &last, sizeof(last)) != sizeof(last))
			printf("# the child did not start\n");
		usleep((useconds_t)(rand() % 60000));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		while (read(fds[0], &number, sizeof(number)) == sizeof(number))
			last = number;
		close(fds[0]);

		CLEANUP(store_close) struct store *s = open_store();
		CLEANUP(store_feed_list_free) struct store_feed_list feeds = { 0 };
		damaged += !s;
		if (!s || store_feed_list(s, &feeds, &err) < 0 || feeds.count != 1)
			continue;
		unsigned found = feeds.rows[0].etag ? (unsigned)strtoul(feeds.rows[0].etag + 1, NULL, 10) : 0;
		told_of += last;
		lost += found < last;
		mixed += found && feeds.rows[0].item_count != 1 + found % 50;
	}
	is_int(damaged, 0, "killed at 20 random instants, the database opens each time");
	is_int(lost, 0, "what had been committed is there");
	is_int(mixed, 0, "and a refresh is there whole or not at all");
	ok(told_of > 0, "%u refreshes were tried", told_of);
}

int main(void)
{
	static void (*const cases[])(void) = {
		feeds_and_items_survive_a_restart,
		items_are_claimed_once_oldest_and_asked_first,
		other_bytes_are_ingested_anew_while_the_old_serve,
		a_failed_refresh_changes_nothing_else,
		a_menu_reads_what_is_ready_and_no_more,
		a_menu_reads_what_machines_may_have_made,
		gone_items_go_when_nothing_needs_them,
		configured_feeds_follow_the_configuration,
		only_the_ticket_reports_and_only_until_the_end,
		a_seed_is_of_its_assignment,
		a_clock_that_is_set_back_reinstalls_nothing,
		a_machine_is_installed_by_all_its_addresses,
		what_was_installed_is_remembered_without_its_job,
		a_job_from_before_does_not_fulfil_an_assignment,
		images_are_wanted_by_items_and_running_jobs,
		what_ipxe_started_by_itself_is_kept_while_it_may_be_read,
		machines_have_one_form_of_name_and_a_limit,
		damaged_and_foreign_databases_are_refused,
		other_bytes_are_a_new_version,
		what_was_made_of_a_removed_item_is_not_taken,
		a_rollback_stays_until_there_is_something_newer,
		a_version_is_for_the_machines_it_was_announced_for,
		content_comes_back_as_it_was_given,
		what_is_lost_is_made_anew,
		what_was_withdrawn_does_not_come_back_for_what_is_lost,
		what_was_withdrawn_is_not_made_again_when_it_is_lost,
		a_rollback_ends_what_it_makes_needless,
		a_rollback_keeps_what_is_announced_apart_from_what_was_made,
		room_is_made_of_what_nobody_reads,
		what_machines_want_goes_first_and_is_made_once,
		a_database_of_schema_1_is_upgraded,
		a_database_of_schema_3_is_upgraded,
		a_database_of_schema_8_is_upgraded,
		refused_items_wait_for_another_policy,
		killed_at_any_instant_it_loses_nothing,
	};

	if (!mkdtemp(dir))
		return 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start_anew();
		cases[i]();
	}
	start_anew();
	rmdir(dir);
	return done_testing();
}
