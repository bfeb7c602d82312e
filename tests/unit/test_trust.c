/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rest of trust.c is tested by tests/functional/write-signed.t, with a program whose clock nobody can set. */
#include "trust.h"

#include "tap.h"
#include "version.h"

#include <errno.h>

static void test_time(void)
{
	static const struct {
		const char *label;
		int64_t clock_s;
		const char *date;
		int64_t want; /* 0: refused */
	} cases[] = {
		{ "a clock that may be right counts", VMCAST_MADE_S, "", VMCAST_MADE_S },
		{ "whatever the service says", VMCAST_MADE_S + 5, "Sun, 01 Jan 2040 00:00:00 GMT", VMCAST_MADE_S + 5 },
		{ "one before this program was made does not, the service's does", VMCAST_MADE_S - 1,
		  "Sun, 01 Jan 2040 00:00:00 GMT", INT64_C(2208988800) },
		{ "at the epoch, too", 0, "Sun, 01 Jan 2040 00:00:00 GMT", INT64_C(2208988800) },
		{ "a service without a date is of no help", 0, "", 0 },
		{ "nor one whose clock is as wrong", 0, "Thu, 01 Jan 1970 00:00:10 GMT", 0 },
		{ "nor one that says something else", 0, "2040-01-01T00:00:00Z", 0 },
		{ "nor one that says more", 0, "Sun, 01 Jan 2040 00:00:00 GMT+1", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		int64_t now = 0;

		is_int(trust_choose_time(&now, cases[i].clock_s, cases[i].date, &err), cases[i].want ? 0 : -EACCES,
		       cases[i].label);
		is_int(now, cases[i].want, "... and this is the time");
	}
}

int main(void)
{
	test_time();
	return done_testing();
}
