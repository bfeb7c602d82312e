/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * feed_text: what a publisher wrote, perhaps HTML, perhaps hostile -> plain text that can be kept: valid UTF-8 without
 * tags, control codes and bidirectional overrides. Quoting for the place where it is shown comes on top of this, there.
 */
#ifndef VMCAST_FEED_TEXT_H
#define VMCAST_FEED_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum feed_text_kind {
	FEED_TEXT_LINE,  /* a title: runs of white space become one space */
	FEED_TEXT_BLOCK, /* a description: line ends stay, and block elements of HTML make them */
};

/*
 * The plain text of `raw` (any bytes), at most `max` bytes long: longer text is cut at a character and `*cut` set.
 * Caller frees; NULL: out of memory.
 */
char *feed_text_plain(const char *raw, enum feed_text_kind kind, size_t max, bool *cut);

/* Whether `text` is valid UTF-8 without anything that feed_text_plain would take out: what must not be changed silently
 * (ids, URLs) is refused instead. */
bool feed_text_is_plain(const char *text);

#endif
