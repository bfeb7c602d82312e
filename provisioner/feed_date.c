/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_date: see feed_date.h */
#include "feed_date.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct date {
	int year, month, day; /* month 1..12 */
	int hour, minute, second;
	int zone_minutes; /* east of Greenwich */
};

static const char *skip_spaces(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

/* `min` to `max` digits; NULL if there are fewer or more. */
static const char *take_number(int *out, const char *s, int min, int max)
{
	int digits = 0, value = 0;

	while (digits <= max && isdigit((unsigned char)s[digits]))
		value = value * 10 + (s[digits++] - '0');
	if (digits < min || digits > max)
		return NULL;
	*out = value;
	return s + digits;
}

/* "13:50", "13:50:16", "13:50:16.123456": fractions are dropped. */
static const char *take_time(struct date *d, const char *s)
{
	s = take_number(&d->hour, s, 1, 2);
	if (!s || *s != ':')
		return NULL;
	s = take_number(&d->minute, s + 1, 2, 2);
	if (!s || *s != ':')
		return s;
	s = take_number(&d->second, s + 1, 2, 2);
	if (s && (*s == '.' || *s == ','))
		s += 1 + strspn(s + 1, "0123456789");
	return s;
}

/* "+0100", "+01:00", "+01", "Z", "GMT", "PDT"; nothing: UTC. */
static const char *take_zone(struct date *d, const char *s)
{
	static const struct {
		const char *name;
		int hours;
	} zones[] = { { "UT", 0 },   { "UTC", 0 },  { "GMT", 0 },  { "Z", 0 },    { "EST", -5 }, { "EDT", -4 },
		      { "CST", -6 }, { "CDT", -5 }, { "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 } };
	size_t len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

	if (*s == '+' || *s == '-') {
		int sign = *s == '-' ? -1 : 1, hours, minutes = 0;

		s = take_number(&hours, s + 1, 2, 4);
		if (!s)
			return NULL;
		if (hours >= 100) {
			minutes = hours % 100;
			hours /= 100;
		} else if (*s == ':') {
			s = take_number(&minutes, s + 1, 2, 2);
		}
		d->zone_minutes = sign * (hours * 60 + minutes);
		return s && hours < 24 && minutes < 60 ? s : NULL;
	}
	for (size_t i = 0; len && i < sizeof(zones) / sizeof(zones[0]); i++) {
		if (strlen(zones[i].name) == len && strncasecmp(s, zones[i].name, len) == 0) {
			d->zone_minutes = zones[i].hours * 60;
			return s + len;
		}
	}
	/* RFC 2822, section 4.3: a zone whose name is not known counts as UTC. */
	return s + len;
}

static const char *take_month(int *out, const char *s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++) {
		if (strncasecmp(s, names + 3 * i, 3) == 0) {
			*out = i + 1;
			return s + strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
		}
	}
	return NULL;
}

static const char *take_rfc822(struct date *d, const char *s)
{
	const char *comma = strchr(s, ',');
	const char *year;

	if (comma)
		s = skip_spaces(comma + 1);
	s = take_number(&d->day, s, 1, 2);
	s = s ? take_month(&d->month, skip_spaces(s)) : NULL;
	year = s ? skip_spaces(s) : NULL;
	s = year ? take_number(&d->year, year, 2, 4) : NULL;
	if (!s)
		return NULL;
	/* RFC 2822, section 4.3: two digits 00-49 are of this century, others and three digits count from 1900. */
	if (s - year == 2 && d->year < 50)
		d->year += 2000;
	else if (s - year < 4)
		d->year += 1900;
	s = take_time(d, skip_spaces(s));
	return s ? take_zone(d, skip_spaces(s)) : NULL;
}

static const char *take_iso(struct date *d, const char *s)
{
	s = take_number(&d->year, s, 4, 4);
	if (!s || *s != '-')
		return NULL;
	s = take_number(&d->month, s + 1, 2, 2);
	if (!s || *s != '-')
		return NULL;
	s = take_number(&d->day, s + 1, 2, 2);
	if (!s || *s == '\0')
		return s;
	if (*s == 'T' || *s == 't')
		s++;
	s = take_time(d, skip_spaces(s));
	return s ? take_zone(d, skip_spaces(s)) : NULL;
}

static bool is_plausible(const struct date *d)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;

	return d->year >= 1970 && d->month >= 1 && d->month <= 12 && d->day >= 1 &&
	       d->day <= days[d->month - 1] + (d->month == 2 && leap) && d->hour < 24 && d->minute < 60 &&
	       d->second <= 60;
}

int feed_date_parse(int64_t *out, const char *text)
{
	struct date d = { 0 };
	const char *begin = skip_spaces(text);
	const char *rest = take_iso(&d, begin);

	if (!rest) {
		d = (struct date){ 0 };
		rest = take_rfc822(&d, begin);
	}
	if (!rest || *skip_spaces(rest) != '\0' || !is_plausible(&d))
		return -EINVAL;
	struct tm tm = {
		.tm_year = d.year - 1900,
		.tm_mon = d.month - 1,
		.tm_mday = d.day,
		.tm_hour = d.hour,
		.tm_min = d.minute,
		.tm_sec = d.second,
	};
	*out = (int64_t)timegm(&tm) - d.zone_minutes * 60;
	return 0;
}
