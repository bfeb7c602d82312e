/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mac: addresses as people and programs write them. */
#include "mac.h"

#include "tap.h"

#include <errno.h>

int main(void)
{
	static const struct {
		const char *text, *mac; /* NULL: refused */
	} cases[] = {
		{ "52:54:00:12:34:56", "52:54:00:12:34:56" },
		{ "52-54-00-ab-CD-ef", "52:54:00:ab:cd:ef" },
		{ "5254.0012.3456", "52:54:00:12:34:56" },
		{ "525400123456", "52:54:00:12:34:56" },
		{ "", NULL },
		{ "52:54:00:12:34", NULL },
		{ "52:54:00:12:34:5", NULL },
		{ "52:54:00:12:34:56:", NULL },
		{ ":52:54:00:12:34:56", NULL },
		{ "52:54:00:12:34:56:78", NULL },
		{ "52:54-00:12:34:56", NULL },
		{ "5254:0012:3456", NULL },
		{ "52.54.00.12.34.56", NULL },
		{ "52:54:00:12:34:5g", NULL },
		{ "52::54:00:12:34:56", NULL },
		{ " 52:54:00:12:34:56", NULL },
		{ "52:54:00:12:34:56\n", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char mac[MAC_CHARS] = "untouched";
		int rc = mac_parse(mac, cases[i].text);

		if (cases[i].mac) {
			is_int(rc, 0, cases[i].text);
			is_str(mac, cases[i].mac, "in our form");
		} else {
			is_int(rc, -EINVAL, cases[i].text);
			is_str(mac, "untouched", "nothing is written");
		}
	}
	return done_testing();
}
