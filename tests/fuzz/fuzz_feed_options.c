/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any line as a feed with its options: no crash, and what is taken comes back as a text that means the same. */
#include "feed_options.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *line = strndup((const char *)data, len), *url = NULL, *text = NULL, *again = NULL;
	struct feed_options options = { 0 };
	struct err err;

	if (feed_options_split_line(&url, &text, line, &err) == 0) {
		assert(!strpbrk(url, " \t\n") && !strpbrk(text, "\n\x1b"));
		/* Quotes make it longer than what was written by some bytes for each key, no more. */
		assert(strlen(text) <= strlen(line) + 64);
		if (strlen(text) <= FEED_OPTIONS_MAX) {
			assert(!feed_options_parse(&options, text, &err) && !feed_options_text(&again, &options, &err));
			assert(strcmp(text, again) == 0);
		}
		feed_options_match_title(&options, "a title");
	}
	feed_options_done(&options);
	free(line);
	free(url);
	free(text);
	free(again);
	return 0;
}
