/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a feed: no crash, and what is made of them keeps feed.h's promises. */
#include "feed.h"
#include "feed_text.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_line(const char *text)
{
	assert(!text || (strlen(text) <= FEED_TEXT_MAX && !strpbrk(text, "\r\n\t\x1b\x7f")));
}

static void check_item(const struct feed_item *item)
{
	assert(item->uuid && item->title && item->url);
	check_line(item->uuid);
	check_line(item->title);
	check_line(item->url);
	check_line(item->type);
	check_line(item->link);
	check_line(item->cmdline);
	assert(feed_text_is_plain(item->url) && feed_text_is_plain(item->uuid));
	assert(!item->description || !strpbrk(item->description, "\r\t\x1b\x7f"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct feed_limits limits = { 1 << 20, 100 };
	struct feed *feed = NULL;
	struct err err;

	if (feed_parse(&feed, (const char *)data, len, &limits, &err))
		return 0;
	assert(feed->title && feed->item_count <= limits.items_max);
	check_line(feed->title);
	for (size_t i = 0; i < feed->item_count; i++)
		check_item(&feed->items[i]);
	feed_free(&feed);
	return 0;
}
