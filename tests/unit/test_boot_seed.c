/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A seed, once it is opened: its files, and what is none. */
#include "boot_seed.h"
#include "tap.h"

#include <errno.h>

static int parse(struct boot_seed *out, const char *text, struct err *err)
{
	*err = (struct err){ 0 };
	return boot_seed_parse(out, text, strlen(text), err);
}

static void test_good(void)
{
	struct boot_seed seed = { 0 };
	struct err err;

	is_int(parse(&seed, "{\"files\":{\"user-data\":\"a\\nb\",\"meta-data\":\"i\"},\"salt\":\"00\",\"version\":1}",
		     &err),
	       0, "a seed of two files");
	is_int(seed.count, 2, "has two");
	is_str(seed.files[0].name, "meta-data", "the first");
	is_str(seed.files[1].name, "user-data", "the second");
	is_int(seed.files[1].bytes, 3, "with its length");
	is_str(seed.files[1].data, "a\nb", "and text");
	boot_seed_done(&seed);
	ok(!seed.count && !seed.document, "it ends");
}

static void test_faults(void)
{
	static const struct {
		const char *text, *name;
	} cases[] = {
		{ "", "nothing" },
		{ "{\"files\":{\"user-data\":\"x\"}}", "no version" },
		{ "{\"files\":{\"user-data\":\"x\"},\"version\":2}", "another version" },
		{ "{\"version\":1}", "no files" },
		{ "{\"files\":{},\"version\":1}", "an empty list of them" },
		{ "{\"files\":[\"user-data\"],\"version\":1}", "a list that is none" },
		{ "{\"files\":{\"user-data\":7},\"version\":1}", "a file that is no text" },
		{ "{\"files\":{\"user-data\":\"x\",\"../x\":\"y\"},\"version\":1}", "a file with another name" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct boot_seed seed = { 0 };
		struct err err;

		is_int(parse(&seed, cases[i].text, &err), -EPROTO, cases[i].name);
	}
}

int main(void)
{
	test_good();
	test_faults();
	return done_testing();
}
