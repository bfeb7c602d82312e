/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mac: see mac.h */
#include "mac.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

int mac_parse(char out[static MAC_CHARS], const char *text)
{
	char digits[12];
	size_t count = 0, separators = 0;
	char separator = '\0';

	for (const char *p = text; *p; p++) {
		if (isxdigit((unsigned char)*p)) {
			if (count == sizeof(digits))
				return -EINVAL;
			digits[count++] = (char)tolower((unsigned char)*p);
			continue;
		}
		/* One kind of separator, after each pair or (dots) each four digits. */
		if (!strchr(":-.", *p) || (separator && *p != separator) || count == sizeof(digits))
			return -EINVAL;
		separator = *p;
		separators++;
		if (count != separators * (separator == '.' ? 4 : 2))
			return -EINVAL;
	}
	if (count != sizeof(digits) || (separator && separators != (separator == '.' ? 2 : 5)))
		return -EINVAL;
	for (size_t i = 0; i < 6; i++) {
		out[3 * i] = digits[2 * i];
		out[3 * i + 1] = digits[2 * i + 1];
		out[3 * i + 2] = i == 5 ? '\0' : ':';
	}
	return 0;
}
