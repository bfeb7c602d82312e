/* SPDX-License-Identifier: GPL-2.0-or-later */
/* range: what a Range header asks for (RFC 9110, section 14). */
#include "range.h"

#include "tap.h"

#define GIB (1ull << 30)

int main(void)
{
	static const struct {
		const char *header;
		uint64_t file_bytes;
		struct range want;
		const char *why;
	} cases[] = {
		{ NULL, 10, { RANGE_WHOLE, 0, 0 }, "no header" },
		{ "bytes=0-0", 10, { RANGE_PART, 0, 0 }, "the first byte" },
		{ "bytes=9-9", 10, { RANGE_PART, 9, 9 }, "the last byte" },
		{ "bytes=0-9", 10, { RANGE_PART, 0, 9 }, "all of it" },
		{ "bytes=0-10", 10, { RANGE_PART, 0, 9 }, "an end behind the end is the end" },
		{ "bytes=5-", 10, { RANGE_PART, 5, 9 }, "to the end" },
		{ "bytes=10-", 10, { RANGE_UNSATISFIABLE, 0, 0 }, "from the end on there is nothing" },
		{ "bytes=10-20", 10, { RANGE_UNSATISFIABLE, 0, 0 }, "behind the end" },
		{ "bytes=-3", 10, { RANGE_PART, 7, 9 }, "the last three" },
		{ "bytes=-30", 10, { RANGE_PART, 0, 9 }, "a longer suffix is all of it" },
		{ "bytes=-0", 10, { RANGE_UNSATISFIABLE, 0, 0 }, "the last zero bytes" },
		{ "bytes=0-", 0, { RANGE_UNSATISFIABLE, 0, 0 }, "an empty file" },
		{ "bytes=-1", 0, { RANGE_UNSATISFIABLE, 0, 0 }, "the last byte of an empty file" },
		{ "BYTES=1-2", 10, { RANGE_PART, 1, 2 }, "the unit in capitals" },
		{ "bytes=2-1", 10, { RANGE_WHOLE, 0, 0 }, "backwards is no range" },
		{ "bytes=0-1,3-4", 10, { RANGE_WHOLE, 0, 0 }, "several ranges: the whole" },
		{ "bytes=a-b", 10, { RANGE_WHOLE, 0, 0 }, "no numbers" },
		{ "bytes=1-2x", 10, { RANGE_WHOLE, 0, 0 }, "something behind it" },
		{ "bytes=", 10, { RANGE_WHOLE, 0, 0 }, "nothing" },
		{ "bytes=-", 10, { RANGE_WHOLE, 0, 0 }, "only a dash" },
		{ "bytes= 1-2", 10, { RANGE_WHOLE, 0, 0 }, "a space" },
		{ "lines=1-2", 10, { RANGE_WHOLE, 0, 0 }, "another unit" },
		{ "bytes=1--2", 10, { RANGE_WHOLE, 0, 0 }, "a negative end" },
		{ "bytes=2147483647-2147483648", 4 * GIB, { RANGE_PART, 2 * GIB - 1, 2 * GIB }, "across 2 GiB" },
		{ "bytes=4294967295-4294967296", 5 * GIB, { RANGE_PART, 4 * GIB - 1, 4 * GIB }, "across 4 GiB" },
		{ "bytes=4294967296-", 4 * GIB, { RANGE_UNSATISFIABLE, 0, 0 }, "from 4 GiB of 4 GiB" },
		{ "bytes=4294967296-", 4 * GIB + 1, { RANGE_PART, 4 * GIB, 4 * GIB }, "from 4 GiB of one byte more" },
		{ "bytes=99999999999999999999-", 10, { RANGE_UNSATISFIABLE, 0, 0 }, "beyond 64 bits" },
		{ "bytes=0-99999999999999999999", 10, { RANGE_PART, 0, 9 }, "an end beyond 64 bits" },
		{ "bytes=-99999999999999999999", 10, { RANGE_PART, 0, 9 }, "a suffix beyond 64 bits" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct range got = range_parse(cases[i].header, cases[i].file_bytes);

		ok(got.kind == cases[i].want.kind && got.first == cases[i].want.first && got.last == cases[i].want.last,
		   "%s: %s", cases[i].header ? cases[i].header : "(none)", cases[i].why);
	}
	return done_testing();
}
