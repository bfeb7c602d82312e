/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A refresh takes what is new, asks for no more than that, and leaves everything as it was when it fails. */
#include "cleanup.h"
#include "subscribe.h"
#include "tap.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ITEM(uuid, url)                                                                                                \
	"<item><title>" uuid "</title><uuid>" uuid "</uuid><enclosure url='" url "' length='5' type='x/y'/></item>"
#define RSS(items) "<rss version='2.0'><channel><title>Images</title>" items "</channel></rss>"
#define TWO_ITEMS  RSS(ITEM("one", "disks/one.img") ITEM("two", "http://elsewhere.example/two.img"))

static char dir[] = "/tmp/test_subscribe.XXXXXX";
static struct err err;
static struct config config = { .refresh_s = 900, .feed_bytes_max = 65536, .feed_items_max = 100 };

/* A publisher: answers each connection with the reply that is set, and keeps the request. */
static struct {
	int fd;
	uint16_t port;
	const char *volatile reply; /* NULL: never answers */
	char request[4096];
	pthread_t thread;
} publisher;

static void answer(int fd)
{
	ssize_t got = read(fd, publisher.request, sizeof(publisher.request) - 1);

	publisher.request[got > 0 ? got : 0] = '\0';
	if (publisher.reply && write(fd, publisher.reply, strlen(publisher.reply)) < 0)
		printf("# publisher: %s\n", strerror(errno));
	if (!publisher.reply)
		poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 20000); /* until the client hangs up */
	close(fd);
}

static void *publish(void *ctx)
{
	int fd;

	(void)ctx;
	while ((fd = accept(publisher.fd, NULL, NULL)) >= 0)
		answer(fd);
	return NULL;
}

static void start_publisher(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	publisher.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(publisher.fd, (struct sockaddr *)&at, len) < 0 || listen(publisher.fd, 10) < 0 ||
	    getsockname(publisher.fd, (struct sockaddr *)&at, &len) < 0)
		abort();
	publisher.port = ntohs(at.sin_port);
	pthread_create(&publisher.thread, NULL, publish, NULL);
}

static void stop_publisher(void)
{
	shutdown(publisher.fd, SHUT_RDWR);
	pthread_join(publisher.thread, NULL);
	close(publisher.fd);
}

/* A store with one feed; `id` is the feed's. */
static struct store *store_with(const char *url, char id[static STORE_ID_CHARS])
{
	struct store *s = NULL;

	if (store_open(&s, dir, &err) < 0 || store_feed_add(s, url, false, id, &err) < 0)
		printf("# %s\n", err.text);
	return s;
}

static struct store *store_with_publisher(char id[static STORE_ID_CHARS])
{
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/images/feed.xml", publisher.port);
	return store_with(url, id);
}

static int refresh(struct store *s, const char *id)
{
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	atomic_bool stop = false;

	if (store_feed_get(s, id, &feed, &err) < 0)
		return err.code;
	return subscribe_refresh(s, &config, &feed, &stop, &err);
}

static size_t item_count(struct store *s)
{
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	size_t present = 0;

	store_item_list(s, NULL, &items, &err);
	for (size_t i = 0; i < items.count; i++)
		present += items.rows[i].present;
	return present;
}

static void start_anew(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s/*", dir);
	if (system(command) != 0)
		printf("# %s failed\n", command);
}

#define OK_REPLY(body)                                                                                                 \
	"HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"v1\"\r\nLast-Modified: Mon, 02 Nov 2026 10:00:00 "            \
	"GMT\r\n\r\n" body

#define REDIRECT(to) "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: " to "\r\n\r\n"

static void what_is_new_is_taken_and_not_asked_for_again(void)
{
	char id[STORE_ID_CHARS], path[128];
	CLEANUP(store_close) struct store *s = store_with_publisher(id);
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	char want[64];

	publisher.reply = OK_REPLY(TWO_ITEMS);
	is_int(refresh(s, id), 0, "a feed is refreshed");
	ok(!strstr(publisher.request, "If-None-Match"), "unconditionally, the first time");
	store_item_list(s, id, &items, &err);
	if (!ok(items.count == 2, "it has two items"))
		return;
	const struct store_item *one = &items.rows[strcmp(items.rows[0].announced.uuid, "one") ? 1 : 0];
	snprintf(want, sizeof(want), "http://127.0.0.1:%u/images/disks/one.img", publisher.port);
	is_str(one->announced.url, want, "a relative enclosure is resolved against the feed");
	snprintf(path, sizeof(path), "%s/feeds/%s.xml", dir, id);
	is_int(access(path, R_OK), 0, "the document is kept");

	publisher.reply = "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n";
	is_int(refresh(s, id), 0, "'not modified' is fine");
	ok(strstr(publisher.request, "If-None-Match: \"v1\"\r\n"), "it is asked for by ETag");
	ok(strstr(publisher.request, "If-Modified-Since: Mon, 02 Nov 2026 10:00:00 GMT\r\n"), "and by date");
	is_int(item_count(s), 2, "and the items are all there");

	publisher.reply = OK_REPLY(RSS(ITEM("two", "http://elsewhere.example/two.img")));
	is_int(refresh(s, id), 0, "a new document is taken");
	is_int(item_count(s), 1, "and what is not in it is gone");
}

/* What was written in the second in which it was sent may be written again in it, with the same length. */
static void what_has_just_changed_is_asked_for_whole(void)
{
#define CHANGED_AT(changed, sent)                                                                                      \
	"HTTP/1.1 200 OK\r\nConnection: close\r\nETag: \"v1\"\r\nDate: Mon, 02 Nov 2026 10:00:" sent                   \
	" GMT\r\nLast-Modified: Mon, 02 Nov 2026 10:00:" changed " GMT\r\n\r\n" TWO_ITEMS
	char id[STORE_ID_CHARS];
	CLEANUP(store_close) struct store *s = store_with_publisher(id);

	publisher.reply = CHANGED_AT("05", "05");
	refresh(s, id);
	publisher.reply = CHANGED_AT("05", "06");
	is_int(refresh(s, id), 0, "a document that had just changed is asked for again");
	ok(!strstr(publisher.request, "\r\nIf-"), "whatever its ETag");
	refresh(s, id);
	ok(strstr(publisher.request, "If-None-Match: \"v1\"\r\n"), "until it is older than the answer");
#undef CHANGED_AT
}

static void a_failure_is_recorded_and_changes_nothing(void)
{
	static const struct {
		const char *name, *reply, *why; /* why: part of what is recorded; NULL: nothing is */
		int code;
	} table[] = {
		{ "404", "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n", "404", -ENOENT },
		{ "503", "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n", "503", -EAGAIN },
		{ "304", "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n", NULL, 0 },
		{ "cut short", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<rss", "", -ECONNRESET },
		{ "empty", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "", -EBADMSG },
		{ "a login page", OK_REPLY("<html><body>Login, please</body></html>"), "", -EBADMSG },
		{ "entities", OK_REPLY("<!DOCTYPE rss [<!ENTITY a 'b'>]>" TWO_ITEMS), "", -EBADMSG },
		{ "redirect to a file", REDIRECT("file:///etc/passwd"), "", -EACCES },
		{ "redirect to a metadata service", REDIRECT("http://169.254.169.254/"), "", -EACCES },
	};
	char id[STORE_ID_CHARS], path[128];
	CLEANUP(store_close) struct store *s = store_with_publisher(id);
	struct stat before, after;

	publisher.reply = OK_REPLY(TWO_ITEMS);
	is_int(refresh(s, id), 0, "a feed is good at first");
	snprintf(path, sizeof(path), "%s/feeds/%s.xml", dir, id);
	stat(path, &before);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		CLEANUP(store_feed_free) struct store_feed feed = { 0 };

		publisher.reply = table[i].reply;
		int rc = refresh(s, id);
		is_int(rc, table[i].code, table[i].name);
		store_feed_get(s, id, &feed, &err);
		if (table[i].why)
			ok(feed.error && strstr(feed.error, table[i].why), "recorded: %s", feed.error);
		else
			ok(!feed.error, "recorded: nothing");
		is_int(item_count(s), 2, "its items stay");
	}
	stat(path, &after);
	ok(before.st_ino == after.st_ino, "and the document that is kept is still the good one");
	publisher.reply = OK_REPLY(TWO_ITEMS);
	is_int(refresh(s, id), 0, "when it is good again that is taken");
}

static void a_long_document_is_refused(void)
{
	static char reply[100000];
	char id[STORE_ID_CHARS];
	CLEANUP(store_close) struct store *s = store_with_publisher(id);

	memset(reply, ' ', sizeof(reply) - 1);
	memcpy(reply, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", 38);
	publisher.reply = reply;
	is_int(refresh(s, id), -EFBIG, "a document of more than feed_bytes_max is refused");
	ok(strstr(err.text, "65536"), "with the limit: %s", err.text);
}

static void a_lost_database_finds_the_document_from_before(void)
{
	char id[STORE_ID_CHARS], path[64];

	{
		CLEANUP(store_close) struct store *s = store_with_publisher(id);

		publisher.reply = OK_REPLY(TWO_ITEMS);
		refresh(s, id);
	}
	snprintf(path, sizeof(path), "%s/vmcast.db", dir);
	unlink(path);
	CLEANUP(store_close) struct store *s = store_with_publisher(id);
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	is_int(item_count(s), 0, "a database is lost");
	publisher.reply = "HTTP/1.1 500 Gone\r\nConnection: close\r\n\r\n";
	is_int(refresh(s, id), -EAGAIN, "while the publisher is down");
	is_int(item_count(s), 2, "the items are there from the document that was kept");
	store_feed_get(s, id, &feed, &err);
	ok(feed.error, "and the failure is still recorded: %s", feed.error);
}

static void files_are_read_with_care(void)
{
	char id[STORE_ID_CHARS], url[128], path[128];

	snprintf(path, sizeof(path), "%s/my feed.xml", dir);
	snprintf(url, sizeof(url), "file://%s/my%%20feed.xml", dir);
	CLEANUP(store_close) struct store *s = store_with(url, id);
	is_int(refresh(s, id), -ENOENT, "a file that is not there");
	FILE *file = fopen(path, "w");
	fputs(TWO_ITEMS, file);
	fclose(file);
	is_int(refresh(s, id), 0, "one that is, with a space in its name");
	is_int(item_count(s), 2, "has its items");
	unlink(path);
	if (mkfifo(path, 0600) < 0)
		return;
	is_int(refresh(s, id), -EINVAL, "a fifo is refused and does not hang");
	unlink(path);
	if (symlink("/dev/zero", path) < 0)
		return;
	is_int(refresh(s, id), -EINVAL, "so is a device");
	is_int(item_count(s), 2, "and the items stay");
}

static void a_file_url_that_is_cut_short_is_no_url(void)
{
	static const char *const wrong[] = { "%", "a%4", "a%zz", "a%+4", "a%00" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char id[STORE_ID_CHARS], url[128];

		start_anew();
		snprintf(url, sizeof(url), "file://%s/%s", dir, wrong[i]);
		CLEANUP(store_close) struct store *s = store_with(url, id);
		int rc = refresh(s, id);
		ok(rc == -EINVAL || rc == -ENOENT, "'%s': %s", wrong[i], err.text);
	}
}

static void *stop_soon(void *ctx)
{
	usleep(300000);
	atomic_store((atomic_bool *)ctx, true);
	return NULL;
}

static void a_stop_interrupts_a_publisher_that_hangs(void)
{
	char id[STORE_ID_CHARS];
	CLEANUP(store_close) struct store *s = store_with_publisher(id);
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	atomic_bool stop = false;
	pthread_t stopper;

	publisher.reply = NULL;
	store_feed_get(s, id, &feed, &err);
	pthread_create(&stopper, NULL, stop_soon, &stop);
	time_t begin = time(NULL);
	is_int(subscribe_refresh(s, &config, &feed, &stop, &err), -ECANCELED, "a stop ends a refresh");
	ok(time(NULL) - begin < 4, "soon");
	pthread_join(stopper, NULL);
	store_feed_free(&feed);
	store_feed_get(s, id, &feed, &err);
	ok(!feed.error, "and is not the feed's fault");
}

static void feeds_are_due_in_time_and_out_of_step(void)
{
	struct store_feed feed = { .id = "0123456789abcdef", .tried_at = 10000 }, other = feed;
	static const struct {
		unsigned failures;
		int64_t latest;
	} table[] = { { 0, 900 }, { 1, 30 }, { 2, 60 }, { 5, 480 }, { 6, 900 }, { 1000, 900 } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		feed.failures = table[i].failures;
		int64_t due = subscribe_due_at(&config, &feed, 10001) - 10000;
		ok(due <= table[i].latest && due > table[i].latest * 9 / 10 - 1, "after %u failures in %d s",
		   feed.failures, (int)due);
	}
	feed.failures = 0;
	other.id[0] = '1';
	ok(subscribe_due_at(&config, &feed, 10001) != subscribe_due_at(&config, &other, 10001), "each at its own time");
	is_int(subscribe_due_at(&config, &feed, 10001), subscribe_due_at(&config, &feed, 10002), "that stays");
	is_int(subscribe_due_at(&config, &feed, 5000), 5000, "a clock that was set back does not put it off");
}

/* 2026-11-22 12:00 is a Sunday; all in UTC. */
#define SUNDAY_NOON 1795348800

static void a_feed_says_when_it_wants_to_be_left_alone(void)
{
	static const struct {
		uint32_t ttl_s, skip_hours;
		uint8_t skip_days;
		unsigned failures;
		int64_t gone_at, earliest, latest; /* after SUNDAY_NOON */
		const char *label;
	} cases[] = {
		{ 60, 0, 0, 0, 0, 810, 900, "a short ttl changes nothing" },
		{ 7200, 0, 0, 0, 0, 7200, 7200, "a long one is a lower bound" },
		{ 7200, 0, 0, 1, 0, 27, 30, "but not after a failure" },
		{ 0, 1u << 12 | 1u << 13, 0, 0, 0, 7200, 7200, "hours are skipped" },
		{ 0, 1u << 3, 0, 0, 0, 810, 900, "others are not" },
		{ 0, 0, 1u << 0, 0, 0, 43200, 43200, "days are skipped" },
		{ 0, 0, 1u << 0 | 1u << 1, 0, 0, 43200 + 86400, 43200 + 86400, "two of them" },
		{ 0, 1u << 0, 1u << 0, 0, 0, 43200 + 3600, 43200 + 3600, "and then an hour" },
		{ 0, 0xffffff, 0, 0, 0, 810, 900, "never is no answer" },
		{ 0, 0, 0x7f, 0, 0, 810, 900, "nor is on no day" },
		{ 0, 0, 0, 3, 1, INT64_MAX - SUNDAY_NOON, INT64_MAX - SUNDAY_NOON, "gone is never" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct store_feed feed = { .id = "0123456789abcdef",
						 .tried_at = SUNDAY_NOON,
						 .ttl_s = cases[i].ttl_s,
						 .skip_hours = cases[i].skip_hours,
						 .skip_days = cases[i].skip_days,
						 .failures = cases[i].failures,
						 .gone_at = cases[i].gone_at };
		int64_t due = subscribe_due_at(&config, &feed, SUNDAY_NOON + 1) - SUNDAY_NOON;

		ok(due >= cases[i].earliest && due <= cases[i].latest, "%s: %" PRId64 " s", cases[i].label, due);
	}
}

static void what_the_options_forbid_is_not_fetched(void)
{
	char id[STORE_ID_CHARS];

	publisher.reply = OK_REPLY(TWO_ITEMS);
	CLEANUP(store_close) struct store *s = store_with_publisher(id);
	is_int(store_feed_set(s, id, "scheme=https", &err), 0, "a feed's options are set");
	is_int(refresh(s, id), -EACCES, "no plain HTTP where they say so");
	is_int(store_feed_set(s, id, "scheme= auth=nobody", &err), 0, "and changed");
	is_int(refresh(s, id), -ENOENT, "a secret that cannot be had");
	is_int(store_feed_set(s, id, "auth= colour=green", &err), -EINVAL, "options that are none");
	is_int(store_feed_set(s, id, "auth=", &err), 0, "nothing is left of them");
	is_int(refresh(s, id), 0, "and taken back");
}

int main(void)
{
	static void (*const cases[])(void) = {
		what_is_new_is_taken_and_not_asked_for_again,   what_has_just_changed_is_asked_for_whole,
		a_failure_is_recorded_and_changes_nothing,      a_long_document_is_refused,
		a_lost_database_finds_the_document_from_before, files_are_read_with_care,
		a_file_url_that_is_cut_short_is_no_url,         a_stop_interrupts_a_publisher_that_hangs,
		feeds_are_due_in_time_and_out_of_step,          a_feed_says_when_it_wants_to_be_left_alone,
		what_the_options_forbid_is_not_fetched,
	};

	if (!mkdtemp(dir))
		return 1;
	start_publisher();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		start_anew();
		cases[i]();
	}
	stop_publisher();
	start_anew();
	rmdir(dir);
	return done_testing();
}
