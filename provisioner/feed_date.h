/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_date: the dates that stand in feeds -> seconds since 1970. */
#ifndef VMCAST_FEED_DATE_H
#define VMCAST_FEED_DATE_H

#include <stdint.h>

/*
 * RFC 822 as RSS uses it ("Wed, 20 Mar 2013 13:50:16 +0100"; day name and seconds may be missing, years may have two
 * digits, zones a North American or military name), or ISO 8601 as some publishers write it ("2013-03-20
 * 13:50:16.123456", "2013-03-20T13:50:16+01:00", "2013-03-20"). No zone means UTC. 0, or -EINVAL with `*out` untouched.
 */
int feed_date_parse(int64_t *out, const char *text);

#endif
