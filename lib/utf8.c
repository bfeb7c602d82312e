/* SPDX-License-Identifier: GPL-2.0-or-later */
/* utf8: see utf8.h */
#include "utf8.h"

size_t utf8_decode(uint32_t *code, const char *text)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)text;
	size_t len = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;

	*code = UTF8_REPLACEMENT;
	if (len == 0)
		return 0;
	uint32_t value = len == 1 ? s[0] : s[0] & (0xffu >> (len + 1));
	/* The NUL at the end of the text is no continuation byte, so this never reads past it. */
	for (size_t i = 1; i < len; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		value = value << 6 | (s[i] & 0x3f);
	}
	if (value < smallest[len] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	*code = value;
	return len;
}
