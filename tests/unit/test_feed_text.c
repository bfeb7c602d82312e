/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Publishers' texts become plain (F21), and their dates numbers. */
#include "feed_text.h"

#include "feed_date.h"
#include "log.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

static void test_plain(void)
{
	static const struct {
		enum feed_text_kind kind;
		const char *raw, *want;
	} cases[] = {
		{ FEED_TEXT_LINE, "plain", "plain" },
		{ FEED_TEXT_LINE, " \t two\r\n words \n", "two words" },
		{ FEED_TEXT_BLOCK, " two \n lines ", "two\nlines" },
		{ FEED_TEXT_LINE, "a < b > c && d", "a < b > c && d" },
		{ FEED_TEXT_LINE, "<b>bold</b> <i>x</i>y", "bold xy" },
		{ FEED_TEXT_LINE, "<a title=\"a > b\">link</a>", "link" },
		{ FEED_TEXT_LINE, "a<script>alert('</b>')</script>b", "ab" },
		{ FEED_TEXT_LINE, "a<STYLE>p { }</style >b", "ab" },
		{ FEED_TEXT_LINE, "a<!-- <b> -->b", "ab" },
		{ FEED_TEXT_LINE, "a<!-- never closed", "a" },
		{ FEED_TEXT_LINE, "never <closed", "never <closed" },
		{ FEED_TEXT_BLOCK, "<p>one</p><p>two</p>", "one\ntwo" },
		{ FEED_TEXT_LINE, "<p>one</p><p>two</p>", "one two" },
		{ FEED_TEXT_LINE, "&amp;&lt;b&gt;&quot;&#39;&#x41;&nbsp;x", "&<b>\"'A x" },
		{ FEED_TEXT_LINE, "&amp;amp; &unknown; & &#; &#x;", "&amp; &unknown; & &#; &#x;" },
		{ FEED_TEXT_LINE, "&#27;[31m&#0;&#x9b;m&#8238;x", "[31mmx" },
		{ FEED_TEXT_LINE, "&#x110000;&#99999999999999999999;&#xD800;", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ FEED_TEXT_LINE, "\x1b[2J\x07\x7f", "[2J" },
		{ FEED_TEXT_LINE, "\xc2\x9b\x31m", "1m" },
		{ FEED_TEXT_LINE,
		  "abc\xe2\x80\xae"
		  "fed",
		  "abcfed" },
		{ FEED_TEXT_LINE, "\xe2\x81\xa6x\xe2\x81\xa9\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "x" },
		{ FEED_TEXT_LINE, "zero\xe2\x80\x8bwidth\xef\xbb\xbf", "zerowidth" },
		{ FEED_TEXT_LINE, "line\xe2\x80\xa8separator", "line separator" },
		{ FEED_TEXT_LINE, "\xd7\x90\xd7\x91 \xd8\xa7", "\xd7\x90\xd7\x91 \xd8\xa7" },
		{ FEED_TEXT_LINE, "bad \xff\xc3(\xe2\x82\xed\xa0\x80\xf4\x90\x80\x80 end",
		  "bad "
		  "\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
		  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd end" },
		{ FEED_TEXT_LINE, "overlong \xc0\xaf", "overlong \xef\xbf\xbd\xef\xbf\xbd" },
		{ FEED_TEXT_LINE, "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char shown[256];
		bool cut;
		char *text = feed_text_plain(cases[i].raw, cases[i].kind, 1000, &cut);

		is_str(text, cases[i].want, log_quote(shown, sizeof(shown), cases[i].raw));
		ok(text && !cut &&
			   (cases[i].kind == FEED_TEXT_BLOCK || feed_text_is_plain(text) ||
			    strstr(text, "\xef\xbf\xbd")),
		   "whole and plain");
		free(text);
	}
}

static void test_cut(void)
{
	static const struct {
		const char *raw;
		size_t max;
		const char *want;
		bool cut;
	} cases[] = {
		{ "abcd", 4, "abcd", false },        { "abcde", 4, "abcd", true },
		{ "abc\xc3\xa9", 4, "abc", true },   { "abc\xc3\xa9", 5, "abc\xc3\xa9", false },
		{ "abcd   ", 4, "abcd", false },     { "abc d", 4, "abc", true },
		{ "abcd<b></b>", 4, "abcd", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool cut;
		char *text = feed_text_plain(cases[i].raw, FEED_TEXT_LINE, cases[i].max, &cut);

		is_str(text, cases[i].want, "cut at a character");
		is_int(cut, cases[i].cut, "and told so only if something is missing");
		free(text);
	}
}

static void test_dates(void)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: none */
	} cases[] = {
		{ "Wed, 20 Mar 2013 13:50:16 GMT", 1363787416 },
		{ "Wed, 20 Mar 2013 13:50:16 +0100", 1363783816 },
		{ "Wed, 20 Mar 2013 13:50:16 -0530", 1363807216 },
		{ "20 Mar 2013 13:50 EST", 1363805400 },
		{ "Wed, 20 Mar 13 13:50:16 PDT", 1363812616 },
		{ "Wed, 20 March 2013 13:50:16 Z", 1363787416 },
		{ " Wed,20 mar 2013 13:50:16 ", 1363787416 },
		{ "2013-03-20 13:50:16.123456", 1363787416 },
		{ "2013-03-20T13:50:16Z", 1363787416 },
		{ "2013-03-20T13:50:16.5+01:00", 1363783816 },
		{ "2013-03-20T13:50:16+01", 1363783816 },
		{ "2013-03-20", 1363737600 },
		{ "29 Feb 2024 00:00:00 GMT", 1709164800 },
		{ "01 Jan 2106 00:00:00 GMT", 4291747200 },
		{ "29 Feb 2023 00:00:00 GMT", -1 },
		{ "31 Apr 2023 00:00:00 GMT", -1 },
		{ "20 Mar 1913 00:00:00 GMT", -1 },
		{ "2013-13-20", -1 },
		{ "2013-03-20 25:00:00", -1 },
		{ "2013-03-20 13:50:16 +2500", -1 },
		{ "2013-03-20 13:50:16 +", -1 },
		{ "2013-03-20 13:50:16 +1", -1 },
		{ "2013-03-20 13:50:16 +12:5", -1 },
		{ "2013-03-20 13", -1 },
		{ "yesterday", -1 },
		{ "1363787416", -1 },
		{ "20 Mar", -1 },
		{ "20 Mar 99999999999999 00:00:00 GMT", -1 },
		{ "", -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t got = -1;
		int rc = feed_date_parse(&got, cases[i].text);

		is_int(rc ? -1 : got, cases[i].want, cases[i].text);
	}
}

int main(void)
{
	test_plain();
	test_cut();
	test_dates();
	return done_testing();
}
