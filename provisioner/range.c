/* SPDX-License-Identifier: GPL-2.0-or-later */
/* range: see range.h */
#include "range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* Decimal digits at `*p`, at least one; a number that does not fit is as good as the largest. */
static bool parse_number(uint64_t *out, const char **p)
{
	const char *digit = *p;
	uint64_t value = 0;

	for (; *digit >= '0' && *digit <= '9'; digit++)
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *digit - '0', &value)) {
			digit += strspn(digit, "0123456789");
			value = UINT64_MAX;
			break;
		}
	if (digit == *p)
		return false;
	*p = digit;
	*out = value;
	return true;
}

static struct range part(uint64_t first, uint64_t last, uint64_t file_bytes)
{
	if (first >= file_bytes)
		return (struct range){ .kind = RANGE_UNSATISFIABLE };
	if (last >= file_bytes)
		last = file_bytes - 1;
	return (struct range){ .kind = RANGE_PART, .first = first, .last = last };
}

struct range range_parse(const char *header, uint64_t file_bytes)
{
	const struct range whole = { .kind = RANGE_WHOLE };
	uint64_t first, last = UINT64_MAX;

	if (!header || strncasecmp(header, "bytes=", 6) != 0)
		return whole;
	const char *p = header + 6;

	if (*p == '-') {
		uint64_t suffix;

		p++;
		if (!parse_number(&suffix, &p) || *p)
			return whole;
		if (suffix == 0)
			return (struct range){ .kind = RANGE_UNSATISFIABLE };
		return part(suffix < file_bytes ? file_bytes - suffix : 0, UINT64_MAX, file_bytes);
	}
	if (!parse_number(&first, &p) || *p++ != '-')
		return whole;
	if (*p && (!parse_number(&last, &p) || *p))
		return whole;
	if (last < first)
		return whole;
	return part(first, last, file_bytes);
}
