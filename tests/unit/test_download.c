/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Downloads are continued only with bytes of the same file, and end when hardly any come. */
#include "download.h"

#include "backoff.h"
#include "canned_server.h"
#include "cleanup.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define TEN(c)     c c c c c c c c c c
#define HUNDRED(c) TEN(c) TEN(c) TEN(c) TEN(c) TEN(c) TEN(c) TEN(c) TEN(c) TEN(c) TEN(c)

static char folder[] = "/tmp/vmcast-test.XXXXXX", part[64], state[100];

static int download(const struct canned_server *server, struct download_options options, struct err *err)
{
	const struct string_list none = { 0 };
	CLEANUP(source_policy_free) struct source_policy *policy = NULL;

	if (source_policy_new(&policy, server->url, &none, err))
		return err->code;
	options.url = server->url;
	options.path = part;
	options.policy = policy;
	options.bytes_max = options.bytes_max ? options.bytes_max : 1 << 20;
	options.patience_s = 3;
	return download_file(&options, err);
}

static void write_text(const char *path, const char *text)
{
	CLEANUP(close_file) FILE *file = fopen(path, "we");

	if (!file || fputs(text, file) < 0)
		abort();
}

/* What is there, for comparison. */
static const char *received(void)
{
	static char text[1000];
	CLEANUP(close_file) FILE *file = fopen(part, "re");
	size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[len] = '\0';
	return text;
}

/* As an earlier call would have left it: a part of 100 bytes, of a file whose length the server did not say. */
static void leave_part(const struct canned_server *server)
{
	char text[300];

	snprintf(text, sizeof(text),
		 "{\"url\":\"%s\",\"etag\":\"\\\"a\\\"\",\"boot\":\"x\",\"total\":0,\"durable\":100}", server->url);
	write_text(state, text);
	write_text(part, HUNDRED("a"));
}

static void a_part_that_is_too_long_is_not_continued(void)
{
	const struct canned_answer answer = {
		.unless = "Range:",
		.otherwise = "HTTP/1.1 206 Partial\r\nETag: \"a\"\r\nContent-Range: bytes 100-109/*\r\n\r\n" TEN("b"),
		.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" TEN("c"),
	};
	static const struct {
		struct download_options options;
		const char *label;
	} cases[] = {
		{ { .length = 10 }, "the feed says fewer bytes than are there: the whole is asked for" },
		{ { .bytes_max = 10 }, "the limit is lower than what is there: the whole is asked for" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct canned_server server = canned_start(&answer, 1);
		struct err err = { 0 };

		leave_part(&server);
		is_int(download(&server, cases[i].options, &err), 0, cases[i].label);
		is_str(received(), TEN("c"), "and nothing else is in the file");
		canned_stop(&server);
		download_discard(part);
	}
}

static void a_part_without_validator_is_of_another_file(void)
{
	const struct canned_answer answers[] = {
		{ .bytes = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 20\r\n\r\n" TEN("a") },
		{ .unless = "Range:",
		  .otherwise =
			  "HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-19/20\r\nContent-Length: 10\r\n\r\n" TEN(
				  "b"),
		  .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" TEN("b") TEN("b") },
	};
	struct canned_server server = canned_start(answers, 2);
	struct err err = { 0 };

	is_int(download(&server, (struct download_options){ 0 }, &err), 0, "the server's file changed meanwhile");
	is_str(received(), TEN("b") TEN("b"), "what is there is one file, not parts of two");
	canned_stop(&server);
	download_discard(part);
}

/* A byte in each answer, and each answer well-formed. */
static void next_to_nothing_is_given_up(void)
{
	enum { COUNT = 40 };
	struct canned_answer answers[COUNT];
	char bytes[COUNT][200];
	struct err err = { 0 };

	for (unsigned nr = 0; nr < COUNT; nr++) {
		snprintf(bytes[nr], sizeof(bytes[nr]),
			 "HTTP/1.1 206 Partial\r\nETag: \"a\"\r\nContent-Range: bytes %u-%u/40\r\nContent-Length: "
			 "1\r\n\r\nx",
			 nr, nr);
		answers[nr] = (struct canned_answer){ .bytes = bytes[nr] };
	}
	snprintf(bytes[0], sizeof(bytes[0]), "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 40\r\n\r\nx");
	struct canned_server server = canned_start(answers, COUNT);
	uint64_t begin_ms = clock_ms();

	is_int(download(&server, (struct download_options){ 0 }, &err), -EAGAIN,
	       "a byte per request does not renew patience");
	ok(clock_ms() - begin_ms < 6000, "which ends in time: %s", err.text);
	canned_stop(&server);
	download_discard(part);
}

static int refuse(void *ctx, uint64_t done_bytes, uint64_t total_bytes, struct err *err)
{
	(void)ctx, (void)done_bytes, (void)total_bytes;
	return err_set(err, -ESTALE, "not wanted any more");
}

static void one_that_is_not_wanted_any_more_ends(void)
{
	const struct canned_answer answer = { .bytes = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\n\r\n",
					      .drips = 600,
					      .drip_ms = 100 };
	struct canned_server server = canned_start(&answer, 1);
	uint64_t begin_ms = clock_ms();
	struct err err = { 0 };

	is_int(download(&server, (struct download_options){ .progress = refuse }, &err), -ESTALE, "progress says no");
	ok(clock_ms() - begin_ms < 2000, "that ends it at once");
	canned_stop(&server);
	download_discard(part);
}

int main(void)
{
	if (!mkdtemp(folder))
		abort();
	snprintf(part, sizeof(part), "%s/part", folder);
	snprintf(state, sizeof(state), "%s.state", part);
	a_part_that_is_too_long_is_not_continued();
	a_part_without_validator_is_of_another_file();
	next_to_nothing_is_given_up();
	one_that_is_not_wanted_any_more_ends();
	ok(rmdir(folder) == 0, "nothing is left behind");
	return done_testing();
}
