/* SPDX-License-Identifier: GPL-2.0-or-later */
/* units: sizes and durations as people write and read them. Sizes are powers of 1024 throughout. */
#ifndef VMCAST_UNITS_H
#define VMCAST_UNITS_H

#include <stdint.h>

#define UNITS_TEXT 24

/* "8G", "512M", "64KiB", "4096" -> bytes. Suffixes K M G T, also as KiB ...; either case. 0, or -EINVAL. */
int units_parse_bytes(uint64_t *out, const char *text);

/* "90", "90s", "15m", "1h", "2d" -> seconds. 0, or -EINVAL. */
int units_parse_seconds(uint64_t *out, const char *text);

/* "1.2 GiB", "512 B". Returns `out`. */
const char *units_bytes(char out[static UNITS_TEXT], uint64_t bytes);

/* "42s", "3m05s", "2h07m". Returns `out`. */
const char *units_seconds(char out[static UNITS_TEXT], uint64_t seconds);

#endif
