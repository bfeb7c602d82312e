/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small modules of lib: err, digest, units, log, json, backoff, target_rule, and the URL functions of http. */
#include "backoff.h"
#include "cleanup.h"
#include "digest.h"
#include "http.h"
#include "json.h"
#include "log.h"
#include "tap.h"
#include "target_rule.h"
#include "units.h"

#include <errno.h>

static void errors_gather_context(void)
{
	struct err err = { 0 };
	char longest[2000];

	is_int(err_set(&err, -ENOENT, "open '%s'", "x"), -ENOENT, "err_set returns the code");
	is_int(err_wrap(&err, "read feed"), -ENOENT, "err_wrap keeps it");
	is_str(err.text, "read feed: open 'x'", "context comes first");
	memset(longest, 'c', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	err_wrap(&err, "%s", longest);
	ok(strstr(err.text, ": read feed: open 'x'") != NULL, "a context of any length leaves the cause readable");
}

/* Whatever is cut, at any length, stays UTF-8: JSON takes nothing else. */
static void errors_are_cut_between_characters(void)
{
	static const char *const characters[] = { "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80" };
	char text[2000];
	struct err err = { 0 };
	unsigned bad = 0;

	for (size_t nr = 0; nr < 3; nr++) {
		for (size_t before = 0; before < 8; before++) {
			memset(text, 'x', before);
			text[before] = '\0';
			while (strlen(text) + 5 < sizeof(text))
				strcat(text, characters[nr]);
			err_set(&err, -EIO, "%s", text);
			CLEANUP(json_free) json_t *set = json_string(err.text);
			err_wrap(&err, "%s", text);
			CLEANUP(json_free) json_t *wrapped = json_string(err.text);
			bad += !set + !wrapped + (strlen(err.text) < sizeof(err.text) - 12);
		}
	}
	is_int(bad, 0, "a long error is cut between characters, and not shorter than it must be");
	err_set(&err, -EIO, "%s\xE2\x82", "x");
	is_str(err.text, "x\xE2\x82", "what fits is left as it is");
}

static void any_text_is_json(void)
{
	CLEANUP(json_free) json_t *plain = json_text("caf\xC3\xA9");
	CLEANUP(json_free) json_t *broken = json_text("/dev/\xFF");
	CLEANUP(json_free) json_t *none = json_text(NULL);

	is_str(json_string_value(plain), "caf\xC3\xA9", "UTF-8 is taken as it is");
	is_str(json_string_value(broken), "/dev/\\xFF", "other bytes are shown, not lost");
	ok(json_is_null(none), "no text is null");
}

static void digests(void)
{
	/* FIPS 180-4 example: "abc" */
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	uint8_t digest[DIGEST_BYTES], parsed[DIGEST_BYTES];
	char hex[DIGEST_HEX];

	digest_of(digest, "abc", 3);
	digest_hex(hex, digest);
	is_str(hex, abc, "SHA-256 of abc");
	ok(digest_parse(parsed, abc) == 0 && digest_equal(parsed, digest), "hex parses");
	ok(digest_parse(parsed, "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0,
	   "with its type and in upper case");
	is_int(digest_parse(parsed, "sha1:ba78"), -EINVAL, "another type is refused");
	is_int(digest_parse(parsed, ""), -EINVAL, "an empty digest is refused");
	is_int(digest_parse(parsed, "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"), -EINVAL,
	       "a digit that is none is refused");
}

static void sizes_and_durations(void)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t value;
	} sizes[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "64KiB", 0, 65536 },
		{ "8G", 0, 8ull << 30 },
		{ "2t", 0, 2ull << 40 },
		{ "", -EINVAL, 0 },
		{ "G", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "5X", -EINVAL, 0 },
		{ "99999999T", -EINVAL, 0 },
		{ " 5", -EINVAL, 0 },
		{ "18446744073709551616", -EINVAL, 0 },
	};
	char text[UNITS_TEXT];
	uint64_t value;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		value = 0;
		int rc = units_parse_bytes(&value, sizes[i].text);
		ok(rc == sizes[i].rc && value == sizes[i].value, "size \"%s\"", sizes[i].text);
	}
	ok(units_parse_seconds(&value, "15m") == 0 && value == 900, "15m is 900 s");
	is_int(units_parse_seconds(&value, "5 parsecs"), -EINVAL, "5 parsecs is no duration");
	is_str(units_bytes(text, 1023), "1023 B", "bytes below 1 KiB");
	is_str(units_bytes(text, 1288490189), "1.2 GiB", "GiB");
	is_str(units_bytes(text, (1ull << 30) - 1), "1.0 GiB", "no \"1024.0 MiB\"");
	is_str(units_seconds(text, 185), "3m05s", "minutes");
	is_str(units_seconds(text, 7620), "2h07m", "hours");
}

static void foreign_text_is_quoted(void)
{
	static const struct {
		const char *text, *quoted;
	} cases[] = {
		{ "Debian 12 \xc3\xa9", "Debian 12 \xc3\xa9" },
		{ "a\nb\x1b[31m", "a\\x0Ab\\x1B[31m" },
		{ "say \"x\\", "say \\\"x\\\\" },
		{ "\xff\xc0\xaf", "\\xFF\\xC0\\xAF" },
		{ "\xe2\x80\xae", "\\xE2\\x80\\xAE" }, /* right-to-left override */
		{ "\xed\xa0\x80", "\\xED\\xA0\\x80" }, /* a surrogate */
		{ "cut\xc3", "cut\\xC3" },
	};
	char out[64], small[12];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_str(log_quote(out, sizeof(out), cases[i].text), cases[i].quoted, "quoted for one line");
	is_str(log_quote(small, sizeof(small), "a long text"), "a long t...", "cut with dots");
}

static void urls_lose_their_secrets(void)
{
	CLEANUP(free_str) char *joined = NULL;
	struct err err = { 0 };
	char out[64];

	http_url_for_log(out, sizeof(out), "https://u:p@h.example/a/b?token=x#f");
	is_str(out, "https://h.example/a/b", "user, password, query and fragment are gone");
	http_url_for_log(out, sizeof(out), "http://h/a@b");
	is_str(out, "http://h/a@b", "an @ in the path stays");
	is_int(http_url_join(&joined, "http://h.example/feeds/f.xml", "../img/a.gz", &err), 0, "a relative URL joins");
	is_str(joined, "http://h.example/img/a.gz", "as RFC 3986 says");
}

static void json_fields_are_checked(void)
{
	static const char with_nul[] = "{\"z\": \"a\\u0000b\"}";
	static const char fields[] = "{\"name\": \"x\", \"size\": 5, \"neg\": -1, \"nul\": null}";
	CLEANUP(json_free) json_t *obj = NULL;
	struct err err = { 0 };
	const char *name = NULL;
	uint64_t size = 0;

	is_int(json_parse_object(&obj, with_nul, strlen(with_nul), &err), -EPROTO, "a NUL in a string is refused");
	is_int(json_parse_object(&obj, "{\"a\":1,\"a\":2}", 13, &err), -EPROTO, "a duplicate key is refused");
	is_int(json_parse_object(&obj, "[]", 2, &err), -EPROTO, "an array is no object");
	is_int(json_parse_object(&obj, fields, strlen(fields), &err), 0, "an object parses");
	ok(json_need_string(&name, obj, "name", 10, &err) == 0 && strcmp(name, "x") == 0, "a string");
	ok(json_need_u64(&size, obj, "size", 10, &err) == 0 && size == 5, "a number");
	is_int(json_need_u64(&size, obj, "size", 4, &err), -EPROTO, "a number above its limit");
	is_int(json_need_u64(&size, obj, "neg", 10, &err), -EPROTO, "a negative number");
	is_int(json_need_u64(&size, obj, "name", 10, &err), -EPROTO, "a string for a number");
	is_int(json_need_string(&name, obj, "nul", 10, &err), -EPROTO, "null for a required field");
	is_int(json_want_string(&name, obj, "gone", 10, &err), 0, "a missing optional field");
	is_str(err.text, "field \"nul\" is missing", "errors name the field");
}

static void backoff_grows_and_ends(void)
{
	struct backoff b;

	backoff_init(&b, 3600);
	int64_t first = backoff_next_ms(&b, 0), second = backoff_next_ms(&b, 0);
	ok(first >= 1000 && first < 1250, "the first wait is about a second");
	ok(second >= 2000 && second < 2500, "the second is twice as long");
	for (int i = 0; i < 20; i++)
		backoff_next_ms(&b, 0);
	int64_t later = backoff_next_ms(&b, 0);
	ok(later >= 30000 && later < 37500, "later ones stay at half a minute");
	ok(backoff_next_ms(&b, 120) >= 120000, "a server that asks for more gets it");
	backoff_init(&b, 0);
	is_int(backoff_next_ms(&b, 0), -1, "no patience, no wait");
}

static void several_target_rules(void)
{
	char text[] = "serial=A B ;bus=nvme,bytes=8G;  wwn=1 ";
	const char *rules[3];
	struct err err;

	is_int(target_rule_split(rules, 3, text), 3, "the rules of three disks are taken apart");
	is_str(rules[0], "serial=A B", "without the blanks around them");
	is_str(rules[1], "bus=nvme,bytes=8G", "in their order");
	is_str(rules[2], "wwn=1", "to the last");
	char more[] = "wwn=1;wwn=2;wwn=3";
	is_int(target_rule_split(rules, 2, more), 3, "more than there is room for are told, and not stored");
	is_int(target_rules_check("serial=A ; serial=B", &err), 0, "two good rules are good");
	is_int(target_rules_check("serial=A", &err), 0, "so is one");
	is_int(target_rules_check("serial=A ; size=B", &err), -EINVAL, "one bad rule of two is refused");
	is_int(target_rules_check("serial=A ; ", &err), -EINVAL, "and an empty one");
}

static void target_rules(void)
{
	const struct disk_identity disk = { .name = "vda", .serial = "S1", .bus = "virtio", .bytes = 8ull << 30 };
	struct err err = { 0 };
	char why[128];

	is_int(target_rule_check("bus=virtio,bytes=8G", &err), 0, "a rule of two conditions is fine");
	is_int(target_rule_check("disk=vda", &err), -EINVAL, "an unknown key is refused");
	ok(strstr(err.text, "'disk'") && strstr(err.text, "serial"), "naming it and the keys there are");
	is_int(target_rule_check("serial=", &err), -EINVAL, "a key without value is refused");
	is_int(target_rule_check("", &err), -EINVAL, "an empty rule is refused");
	is_int(target_rule_check("bytes=big", &err), -EINVAL, "a size that is none is refused");
	is_int(target_rule_check("serial=a\nb", &err), -EINVAL, "a control character is refused");
	is_int(target_rule_check("serial=a;b", &err), -EINVAL, "what separates rules is refused within one");
	ok(target_rule_matches("bus=virtio,bytes=8G", &disk, NULL, 0), "both conditions hold");
	ok(!target_rule_matches("bus=virtio,serial=S2", &disk, why, sizeof(why)), "one does not");
	is_str(why, "does not match serial=S2", "it says which");
	ok(!target_rule_matches("wwn=", &disk, NULL, 0), "an unknown property matches nothing");
}

int main(void)
{
	errors_gather_context();
	errors_are_cut_between_characters();
	any_text_is_json();
	digests();
	sizes_and_durations();
	foreign_text_is_quoted();
	urls_lose_their_secrets();
	json_fields_are_checked();
	backoff_grows_and_ends();
	target_rules();
	several_target_rules();
	return done_testing();
}
