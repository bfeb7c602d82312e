/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Subscriptions come out of the lists that feed readers write, and what we write is read again. */
#include "opml.h"

#include "cleanup.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct err err;

static int parse(struct opml **out, const char *xml)
{
	err = (struct err){ 0 };
	return opml_parse(out, xml, strlen(xml), &err);
}

static void outlines_with_a_url_are_feeds(void)
{
	CLEANUP(opml_free) struct opml *opml = NULL;

	is_int(parse(&opml,
		     "<?xml version='1.0' encoding='ISO-8859-1'?>\n<opml "
		     "version='1.0'><head><title>mine</title></head><body>"
		     "<outline text='folder'>\n<outline text='A &amp; B' title='x' type='rss' "
		     "xmlUrl='http://a/?x=1&amp;y=2'/>"
		     "<outline title='caf\xe9' xmlurl='http://b/' xmlns:vmcast='urn:vmcast:1' vmcast:options='keep=2'/>"
		     "<outline text='none'/></outline><outline xmlUrl=''/>"
		     "<outline xmlUrl='http://c/' options='keep=3'/></body></opml>"),
	       0, "a list with folders");
	if (!opml || !is_int(opml->count, 3, "has its feeds"))
		return;
	is_str(opml->feeds[0].url, "http://a/?x=1&y=2", "URL");
	is_str(opml->feeds[0].title, "A & B", "title");
	is_int(opml->feeds[0].line, 3, "line");
	is_str(opml->feeds[1].url, "http://b/", "in another spelling");
	is_str(opml->feeds[1].title, "caf\xc3\xa9", "in another encoding");
	is_str(opml->feeds[1].options, "keep=2", "our options");
	ok(!opml->feeds[2].options && !opml->feeds[2].title, "and nobody else's");
}

static void what_is_no_list_is_refused(void)
{
	static const struct {
		const char *xml;
		int code;
		const char *said;
	} cases[] = {
		{ "", -EBADMSG, "not well-formed" },
		{ "text", -EBADMSG, "not well-formed" },
		{ "<rss/>", -EBADMSG, "no OPML" },
		{ "<opml><body>", -EBADMSG, "line 1" },
		{ "<opml><outline xmlUrl='a'/></opml><x/>", -EBADMSG, "not well-formed" },
		{ "<!DOCTYPE opml><opml/>", -EBADMSG, "DOCTYPE" },
		{ "<!DOCTYPE opml [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><opml>&a;</opml>", -EBADMSG, "DOCTYPE" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(opml_free) struct opml *opml = NULL;

		is_int(parse(&opml, cases[i].xml), cases[i].code, cases[i].xml);
		ok(strstr(err.text, cases[i].said) && !opml, "says '%s': %s", cases[i].said, err.text);
	}
	CLEANUP(free_str) char *many = malloc(OPML_FEEDS_MAX * 32ul + 100);
	char *at = stpcpy(many, "<opml>");
	for (size_t i = 0; i <= OPML_FEEDS_MAX; i++)
		at = stpcpy(at, "<outline xmlUrl='u'/>");
	strcpy(at, "</opml>");
	CLEANUP(opml_free) struct opml *opml = NULL;
	is_int(parse(&opml, many), -EFBIG, "too many feeds");
}

static void what_is_written_is_read_again(void)
{
	const struct opml_feed feeds[] = {
		{ .url = (char *)"http://a/?x=1&y=\"<2>\"",
		  .title = (char *)"A < \"B\" & \x01'C'",
		  .options = (char *)"title=\"a b\"" },
		{ .url = (char *)"http://b/", .options = (char *)"" },
	};
	CLEANUP(opml_free) struct opml *opml = NULL;
	CLEANUP(free_str) char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	is_int(opml_write(to, feeds, 2, &err), 0, "a list is written");
	fclose(to);
	if (!is_int(parse(&opml, text), 0, "and read") || !is_int(opml->count, 2, "with its feeds"))
		return;
	is_str(opml->feeds[0].url, feeds[0].url, "URL");
	is_str(opml->feeds[0].title, "A < \"B\" &  'C'", "title, but for what XML cannot hold");
	is_str(opml->feeds[0].options, feeds[0].options, "options");
	is_str(opml->feeds[1].title, "http://b/", "a feed without a title has its URL for one");
	ok(!opml->feeds[1].options, "no options are none");
}

int main(void)
{
	outlines_with_a_url_are_feeds();
	what_is_no_list_is_refused();
	what_is_written_is_read_again();
	return done_testing();
}
