/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap: assertions that print TAP (testanything.org). A case is a sentence about behaviour; a failing one says where and what.
 *
 *   is_int(units_parse_bytes(&n, "8G"), 0, "8G is a size");
 *   ...
 *   return done_testing();
 */
#ifndef VMCAST_TAP_H
#define VMCAST_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static unsigned tap_run, tap_failed;

__attribute__((format(printf, 4, 5))) static inline bool tap_ok(bool passed, const char *file, int line,
								const char *fmt, ...)
{
	va_list ap;

	tap_run++;
	printf("%sok %u - ", passed ? "" : "not ", tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	if (!passed) {
		tap_failed++;
		printf("# at %s:%d\n", file, line);
	}
	fflush(stdout);
	return passed;
}

static inline bool tap_is_int(int64_t got, int64_t want, const char *file, int line, const char *name)
{
	bool passed = tap_ok(got == want, file, line, "%s", name);

	if (!passed)
		printf("# got %" PRId64 ", want %" PRId64 "\n", got, want);
	return passed;
}

static inline bool tap_is_str(const char *got, const char *want, const char *file, int line, const char *name)
{
	bool same = got && want ? strcmp(got, want) == 0 : got == want;
	bool passed = tap_ok(same, file, line, "%s", name);

	if (!passed)
		printf("# got  '%s'\n# want '%s'\n", got ? got : "(null)", want ? want : "(null)");
	return passed;
}

#define ok(passed, ...)         tap_ok((passed), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, name) tap_is_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, (name))
#define is_str(got, want, name) tap_is_str((got), (want), __FILE__, __LINE__, (name))

/* The plan, and what main() returns: 0 when every assertion held. */
static inline int done_testing(void)
{
	printf("1..%u\n", tap_run);
	return tap_failed || !tap_run;
}

#endif
