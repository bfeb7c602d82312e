/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A feed's options are read as they are written, and refused with what would be right; they come back as one text. */
#include "feed_options.h"

#include "cleanup.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct err err;

static void good_ones_come_back_canonical(void)
{
	static const struct {
		const char *text, *canonical;
	} cases[] = {
		{ "", "" },
		{ "   ", "" },
		{ "ingest=all", "ingest=all" },
		{ "ingest=newest", "ingest=newest" },
		{ "ingest=newest:1", "ingest=newest" },
		{ "ingest=newest:3", "ingest=newest:3" },
		{ "ingest=newest:3 ingest=demand", "ingest=demand" },
		{ "ingest=manual", "ingest=manual" },
		{ "keep=2\tingest=all", "ingest=all keep=2" },
		{ "title=\"Debian *\" keep=1", "title=\"Debian *\" keep=1" },
		{ "title=Debian*", "title=Debian*" },
		{ "title=\"one\"", "title=one" },
		{ "title=a title=", "" },
		{ "allow_host=a.example,10.0.0.1,::1", "allow_host=a.example,10.0.0.1,::1" },
		{ "allow_host=a allow_host=b", "allow_host=b" },
		{ "only_host=a,b scheme=https", "only_host=a,b scheme=https" },
		{ "scheme=https scheme=", "" },
		{ "disk_bytes_max=20480M", "disk_bytes_max=20G" },
		{ "disk_bytes_max=1048577", "disk_bytes_max=1048577" },
		{ "feed_bytes_max=64K", "feed_bytes_max=64K" },
		{ "auth=a certificate=b proxy_auth=c", "auth=a certificate=b proxy_auth=c" },
		{ "root=/etc/r.json keep=2", "keep=2 root=/etc/r.json" },
		{ "root=/etc/r.json root=", "" },
		{ "policy=none", "policy=none" },
		{ "policy=digest root=/etc/r.json", "root=/etc/r.json policy=digest" },
		{ "policy=gpg policy=", "" },
		{ "policy=signed", "policy=signed" },
		{ "proxy=http://p.example:3128", "proxy=http://p.example:3128" },
		{ "proxy=socks5h://127.0.0.1:1080/", "proxy=socks5h://127.0.0.1:1080/" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(feed_options_done) struct feed_options options = { 0 }, again = { 0 };
		CLEANUP(free_str) char *text = NULL, *text_again = NULL;

		is_int(feed_options_parse(&options, cases[i].text, &err), 0, cases[i].text);
		feed_options_text(&text, &options, &err);
		is_str(text, cases[i].canonical, "its canonical form");
		is_int(feed_options_parse(&again, text, &err), 0, "which is read");
		feed_options_text(&text_again, &again, &err);
		is_str(text_again, text, "as the same");
		feed_options_done(&again);
	}
}

static void bad_ones_say_what_would_be_right(void)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "ingest=sometimes", "ingest=sometimes: write all, newest, newest:3, demand or manual" },
		{ "ingest=newest:0", "write all" },
		{ "ingest=newest:10001", "write all" },
		{ "ingest=newest:3K", "write all" },
		{ "ingest=all:3", "write all" },
		{ "keep=-1", "keep=-1: write a number of versions" },
		{ "keep=1001", "write a number" },
		{ "allow_host=http://a/", "not a host" },
		{ "allow_host=a,a", "given twice" },
		{ "scheme=http", "write https" },
		{ "disk_bytes_max=1", "write a size" },
		{ "disk_bytes_max=big", "write a size" },
		{ "feed_bytes_max=1G", "write a size" },
		{ "auth=../../etc/passwd", "not a name" },
		{ "proxy=ftp://p/", "write http://HOST:PORT" },
		{ "proxy=http://", "write http://HOST:PORT" },
		{ "proxy=http://user:secret@p/", "belong into the secrets file" },
		{ "policy=best", "policy=best: write signed, gpg, digest or none" },
		{ "policy=NONE", "write signed" },
		{ "colour=green", "no option 'colour'" },
		{ "all", "'all' is no option; write KEY=VALUE" },
		{ "title=\"open", "does not end" },
		{ "title=\"a\"b", "does not end" },
		{ "title=\"a\x1b[2J\"", "a pattern" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(feed_options_done) struct feed_options options = { 0 };

		is_int(feed_options_parse(&options, cases[i].text, &err), -EINVAL, cases[i].text);
		ok(strstr(err.text, cases[i].said), "says '%s': %s", cases[i].said, err.text);
		ok(!strpbrk(err.text, "\x1b"), "in plain characters");
		ok(!strstr(err.text, "secret@"), "and without a password");
	}
	CLEANUP(feed_options_done) struct feed_options options = { 0 };
	char text[3000];

	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	is_int(feed_options_parse(&options, text, &err), -EINVAL, "too long a text");
	is_int(feed_options_parse(&options, "proxy=http://u:geheim@p", &err), -EINVAL, "a password in a proxy's URL");
}

static void a_policy_is_the_least_that_is_proven(void)
{
	static const struct {
		const char *text;
		enum proof least;
		int check;
	} cases[] = {
		{ "", PROOF_DIGEST, 0 },
		{ "policy=none", PROOF_NONE, 0 },
		{ "policy=gpg", PROOF_GPG, 0 },
		{ "root=/r.json", PROOF_SIGNED, 0 },
		{ "root=/r.json policy=signed", PROOF_SIGNED, 0 },
		{ "policy=signed", PROOF_SIGNED, -EINVAL },
		{ "policy=none policy=", PROOF_DIGEST, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(feed_options_done) struct feed_options options = { 0 };

		feed_options_parse(&options, cases[i].text, &err);
		is_int(feed_options_proof(&options), cases[i].least, cases[i].text);
		is_int(feed_options_check(&options, &err), cases[i].check, "can be had, or not");
	}
}

static void a_line_is_a_url_and_options(void)
{
	static const struct {
		const char *line, *url, *options;
	} cases[] = {
		{ "http://h/feed.xml", "http://h/feed.xml", "" },
		{ "https://h/f?a=b&c=d  keep=2 ingest=demand", "https://h/f?a=b&c=d", "ingest=demand keep=2" },
		{ "file:///srv/feed.xml\ttitle=\"a b\"", "file:///srv/feed.xml", "title=\"a b\"" },
		{ "ftp://h/", NULL, NULL },
		{ "http://u:p@h/", NULL, NULL },
		{ "http://h/ keep", NULL, NULL },
		{ "keep=2", NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(free_str) char *url = NULL, *options = NULL;

		is_int(feed_options_split_line(&url, &options, cases[i].line, &err), cases[i].url ? 0 : -EINVAL,
		       cases[i].line);
		is_str(url, cases[i].url, "its URL");
		is_str(options, cases[i].options, "its options");
	}
}

static void titles_are_matched_like_file_names(void)
{
	CLEANUP(feed_options_done) struct feed_options options = { 0 };

	ok(feed_options_match_title(&options, "anything"), "no pattern matches everything");
	feed_options_parse(&options, "title=\"debian [0-9]*\"", &err);
	ok(feed_options_match_title(&options, "Debian 12"), "a pattern, in any case");
	ok(!feed_options_match_title(&options, "My Debian 12"), "of the whole title");
	ok(!feed_options_match_title(&options, "Debian sid"), "and nothing else");
}

static void machines_may_ask_unless_it_is_manual(void)
{
	static const struct {
		const char *text;
		bool on_auto, on_demand, on_manual;
	} cases[] = {
		{ "", true, true, false },
		{ "ingest=all", true, true, true },
		{ "ingest=newest", true, true, true },
		{ "ingest=demand", true, true, true },
		{ "ingest=manual", false, false, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(feed_options_done) struct feed_options options = { 0 };

		feed_options_parse(&options, cases[i].text, &err);
		is_int(feed_options_on_demand(&options, INGEST_AUTO), cases[i].on_auto, cases[i].text);
		is_int(feed_options_on_demand(&options, INGEST_DEMAND), cases[i].on_demand, cases[i].text);
		is_int(feed_options_on_demand(&options, INGEST_MANUAL), cases[i].on_manual, cases[i].text);
	}
}

int main(void)
{
	good_ones_come_back_canonical();
	bad_ones_say_what_would_be_right();
	a_policy_is_the_least_that_is_proven();
	a_line_is_a_url_and_options();
	titles_are_matched_like_file_names();
	machines_may_ask_unless_it_is_manual();
	return done_testing();
}
