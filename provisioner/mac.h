/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mac: MAC addresses as people and programs write them. */
#ifndef VMCAST_MAC_H
#define VMCAST_MAC_H

#define MAC_CHARS 18 /* "52:54:00:12:34:56" and NUL */

/*
 * "52:54:00:12:34:56", "52-54-00-12-34-56", "5254.0012.3456" or "525400123456", either case -> lower case with colons.
 * 0, or -EINVAL with `out` untouched. `out` may be `text`.
 */
int mac_parse(char out[static MAC_CHARS], const char *text);

#endif
