/* SPDX-License-Identifier: GPL-2.0-or-later */
/* units: see units.h */
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* The leading number, then the unit's name behind it. Signs, spaces and fractions are refused. */
static int parse(uint64_t *out, const char *text, const struct unit *units, size_t unit_count)
{
	char *rest;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	uint64_t number = strtoull(text, &rest, 10);
	if (errno)
		return -EINVAL;
	for (size_t i = 0; i < unit_count; i++) {
		uint64_t product;

		if (strcasecmp(rest, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(number, units[i].factor, &product))
			return -EINVAL;
		*out = product;
		return 0;
	}
	return -EINVAL;
}

int units_parse_bytes(uint64_t *out, const char *text)
{
	static const struct unit units[] = {
		{ "", 1 },           { "B", 1 },
		{ "K", 1ull << 10 }, { "KiB", 1ull << 10 },
		{ "M", 1ull << 20 }, { "MiB", 1ull << 20 },
		{ "G", 1ull << 30 }, { "GiB", 1ull << 30 },
		{ "T", 1ull << 40 }, { "TiB", 1ull << 40 },
	};

	return parse(out, text, units, sizeof(units) / sizeof(units[0]));
}

int units_parse_seconds(uint64_t *out, const char *text)
{
	static const struct unit units[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };

	return parse(out, text, units, sizeof(units) / sizeof(units[0]));
}

const char *units_bytes(char out[static UNITS_TEXT], uint64_t bytes)
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(out, UNITS_TEXT, "%" PRIu64 " B", bytes);
		return out;
	}
	while (value >= 1023.95 && i + 1 < sizeof(names) / sizeof(names[0])) {
		value /= 1024;
		i++;
	}
	snprintf(out, UNITS_TEXT, "%.1f %s", value, names[i]);
	return out;
}

const char *units_seconds(char out[static UNITS_TEXT], uint64_t seconds)
{
	if (seconds < 60)
		snprintf(out, UNITS_TEXT, "%" PRIu64 "s", seconds);
	else if (seconds < 3600)
		snprintf(out, UNITS_TEXT, "%" PRIu64 "m%02" PRIu64 "s", seconds / 60, seconds % 60);
	else
		snprintf(out, UNITS_TEXT, "%" PRIu64 "h%02" PRIu64 "m", seconds / 3600, seconds / 60 % 60);
	return out;
}
