/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a feed: no crash, and what is made of them keeps feed.h's promises. */
#include "feed.h"
#include "feed_json.h"
#include "feed_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_line(const char *text)
{
	assert(!text || (strlen(text) <= FEED_TEXT_MAX && !strpbrk(text, "\r\n\t\x1b\x7f")));
}

/* What goes into the store comes out of it. */
static void check_packed(const struct feed_item *item)
{
	struct feed_item again = { 0 };
	char *text = NULL, *text_again = NULL;
	struct err err;

	assert(!feed_item_pack(&text, item, &err) && !feed_item_unpack(&again, text, &err) &&
	       !feed_item_pack(&text_again, &again, &err));
	assert(text ? strcmp(text, text_again) == 0 : !text_again);
	feed_item_free(&again);
	free(text);
	free(text_again);
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
	assert(item->mirror_count < FEED_ENCLOSURES_MAX && item->category_count <= FEED_CATEGORIES_MAX);
	for (size_t i = 0; i < item->mirror_count; i++)
		assert(feed_text_is_plain(item->mirrors[i].url));
	for (size_t i = 0; i < item->category_count; i++)
		check_line(item->categories[i]);
	for (size_t i = 0; i < item->disk_count; i++) {
		check_line(item->disks[i].name);
		assert(feed_text_is_plain(item->disks[i].index_url) && feed_text_is_plain(item->disks[i].image_url));
		assert(item->disks[i].index_bytes && item->disks[i].image_bytes && item->disks[i].disk_bytes);
	}
	check_packed(item);
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
