/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_report: what a node tells, and what of an answer it takes. */
#include "cleanup.h"
#include "guest_report.h"
#include "json.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPEC                                                                                                           \
	"{\"name\": \"web\", \"arch\": \"x86_64\", \"machine\": \"q35\", \"firmware\": \"bios\", \"cpus\": 2,"         \
	" \"memory_bytes\": 1073741824, \"disks\": [{\"bus\": \"virtio\"}], \"nics\": [], \"restart\": \"never\"}"

#define RECORD                                                                                                         \
	"{\"format\": 1, \"title\": \"Web\", \"version\": 3, \"seed\": true, \"stopped\": false, \"guest\": " SPEC "}"

static struct guest_record make_record(void)
{
	struct guest_record record;
	struct err err = { 0 };

	if (guest_record_parse(&record, "0123456789abcdef", RECORD, strlen(RECORD), &err) != 0)
		abort();
	return record;
}

static int parse_record(const char *text, struct err *err)
{
	struct guest_record record;

	*err = (struct err){ 0 };
	return guest_record_parse(&record, "0123456789abcdef", text, strlen(text), err);
}

static void test_record(void)
{
	struct guest_record record = make_record();
	struct err err;

	is_str(record.id, "0123456789abcdef", "a record has an id");
	is_str(record.title, "Web", "a title");
	is_int(record.version, 3, "a version");
	ok(record.has_seed && !record.is_stopped, "a seed, and is to run");
	is_int(record.spec.cpus, 2, "and a machine");
	is_int(parse_record("{\"format\": 2, \"guest\": " SPEC "}", &err), -ENOTSUP, "another format is refused");
	is_int(parse_record("{\"format\": 1}", &err), -EPROTO, "a record without a machine is refused");
	is_int(parse_record("{\"format\": 1, \"stopped\": 1, \"guest\": " SPEC "}", &err), -EPROTO,
	       "and one whose field is of another type");
	is_int(parse_record("", &err), -EPROTO, "and one that was cut");
}

static void has(const char *text, const char *part, const char *name)
{
	if (!ok(text && strstr(text, part), "%s", name))
		printf("# no '%s' in: %s\n", part, text ? text : "NULL");
}

static void say(struct guest *guest, const char *text, size_t len)
{
	memcpy(guest->console + guest->console_len, text, len);
	guest->console_len += len;
	guest->console_end += len;
}

/* The text of the one console in a report; caller frees. NULL: none. */
static char *console_of(const char *report)
{
	CLEANUP(json_free) json_t *json = json_loads(report, JSON_ALLOW_NUL, NULL);
	const char *data =
		json_string_value(json_object_get(json_array_get(json_object_get(json, "console"), 0), "data"));

	return data ? strdup(data) : NULL;
}

static void test_report(void)
{
	struct guest_record record = make_record();
	struct machine machine = { .mac_count = 1, .macs = { "52:54:00:00:00:01" } };
	struct guest_reporter reporter = { .machine = &machine, .ticket = "00ff" };
	struct guest guest;
	struct err err;
	uint64_t ends[1];

	if (guest_init(&guest, &record, 0, &err) != 0)
		abort();
	CLEANUP(free_str) char *first = guest_report_text(&reporter, &guest, 1, ends);
	has(first, "\"seq\":1,", "the first report is number 1");
	has(first, "\"macs\":[\"52:54:00:00:00:01\"]", "it has the node's address");
	has(first, "\"ticket\":\"00ff\"", "its ticket");
	has(first, "\"state\":\"defined\"", "the guest's state");
	has(first, "\"accel\":null", "and nothing that runs it");
	has(first, "\"console\":[]", "a console that said nothing is left out");

	say(&guest, "a\0\xff\xc3\xa4 \xe2\x82", 8);
	CLEANUP(free_str) char *second = guest_report_text(&reporter, &guest, 1, ends);
	CLEANUP(free_str) char *said = console_of(second);
	has(second, "\"seq\":2,", "the next is number 2");
	is_str(said, "a??\xc3\xa4 ", "what is no character is shown as '?', and one that is cut waits");
	guest_report_sent(&guest, 1, ends);
	is_int(guest.console_len, 2, "what arrived is not kept");
	say(&guest, "\xac!", 2);
	CLEANUP(free_str) char *third = guest_report_text(&reporter, &guest, 1, ends);
	CLEANUP(free_str) char *rest = console_of(third);
	is_str(rest, "\xe2\x82\xac!", "the character comes when it is whole");
	guest_done(&guest);
}

/* As much as several noisy guests have to say: what has no room waits. */
static void test_full_consoles(void)
{
	struct guest_record record = make_record();
	struct machine machine = { 0 };
	struct guest_reporter reporter = { .machine = &machine };
	struct guest guests[5];
	uint64_t ends[5];
	struct err err;
	size_t left = 0;

	for (size_t i = 0; i < 5; i++) {
		if (guest_init(&guests[i], &record, (unsigned)i, &err) != 0)
			abort();
		memset(guests[i].console, '\001', GUEST_CONSOLE_BYTES);
		guests[i].console_len = guests[i].console_end = GUEST_CONSOLE_BYTES;
	}
	CLEANUP(free_str) char *text = guest_report_text(&reporter, guests, 5, ends);
	ok(strlen(text) < 1u << 20, "a report of full consoles is less than a MiB");
	guest_report_sent(guests, 5, ends);
	for (size_t i = 0; i < 5; i++) {
		left += guests[i].console_len;
		guest_done(&guests[i]);
	}
	is_int(left, 5 * GUEST_CONSOLE_BYTES - (128 << 10), "and what had no room is kept");
}

static int parse_answer(struct guest_answer *out, const char *text, struct err *err)
{
	*err = (struct err){ 0 };
	return guest_answer_parse(out, text, strlen(text), err);
}

static void refuses(const char *text, const char *why, const char *name)
{
	struct guest_answer answer = { 0 };
	struct err err;

	is_int(parse_answer(&answer, text, &err), -EPROTO, name);
	has(err.text, why, "and the reason names the field");
	guest_answer_done(&answer);
}

static void test_answer(void)
{
	struct guest_answer answer = { 0 };
	struct err err;

	is_int(parse_answer(
		       &answer,
		       "{\"version\": 1, \"again_s\": 0, \"guests\": [{\"id\": \"ab\", \"wanted\": \"stopped\"},"
		       " {\"id\": \"cd\", \"wanted\": null}], \"console\": [{\"id\": \"cd\", \"data\": \"ls\\r\"}]}",
		       &err),
	       0, "an answer");
	is_int(answer.count, 2, "about two guests");
	ok(answer.orders[0].has_wanted && !answer.orders[0].is_wanted, "one is to stop");
	ok(!answer.orders[1].has_wanted, "of the other nothing is wanted");
	is_str(answer.orders[1].typed, "ls\r", "and somebody types on it");
	is_int(answer.again_s, 1, "a pause of nothing is a second");
	guest_answer_done(&answer);
	is_int(parse_answer(&answer, "{\"version\": 1, \"again_s\": 4000}", &err), 0, "an answer that says nothing");
	is_int(answer.again_s, 60, "a pause of an hour is a minute");
	guest_answer_done(&answer);
	is_int(parse_answer(&answer, "{\"version\": 2}", &err), -ENOTSUP, "another version is refused");
	refuses("{\"version\": 1, \"guests\": {}}", "\"guests\"", "no list");
	refuses("{\"version\": 1, \"guests\": [{}]}", "\"id\"", "a guest without an id");
	refuses("{\"version\": 1, \"guests\": [{\"id\": \"ab\", \"wanted\": \"paused\"}]}", "paused",
		"a word that is not known");
	refuses("{\"version\": 1, \"console\": [{\"id\": \"ab\"}]}", "\"data\"", "keys that are none");
}

/* One order more than there can be guests. */
static void test_many(void)
{
	CLEANUP(json_free) json_t *list = json_array();
	struct guest_answer answer = { 0 };
	struct err err = { 0 };

	for (int i = 0; i <= GUESTS_MAX; i++)
		json_array_append_new(list, json_pack("{s:o}", "id", json_sprintf("%04x", i)));
	CLEANUP(json_free) json_t *root = json_pack("{s:i, s:O}", "version", 1, "guests", list);
	CLEANUP(free_str) char *text = json_dumps(root, 0);
	is_int(parse_answer(&answer, text, &err), -EPROTO, "more guests than a node can have");
	has(err.text, "more than 32", "and the reason says how many");
}

int main(void)
{
	test_record();
	test_report();
	test_full_consoles();
	test_answer();
	test_many();
	return done_testing();
}
