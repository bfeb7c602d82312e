/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the feed.xml of a publisher's folder: it is refused, or an item can be added and removed again. */
#include "publish_feed.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char folder[] = "/tmp/vmcast-fuzz-XXXXXX", path[64];

static void clean_up(void)
{
	unlink(path);
	rmdir(folder);
}

static void put_feed(const uint8_t *data, size_t len)
{
	if (!path[0]) {
		if (!mkdtemp(folder))
			abort();
		snprintf(path, sizeof(path), "%s/feed.xml", folder);
		atexit(clean_up);
	}
	FILE *file = fopen(path, "w");
	if (!file || fwrite(data, 1, len, file) != len || fclose(file))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t digest[DIGEST_BYTES];
	const struct publish_channel channel = { .base_url = len % 2 ? "http://h/" : NULL };
	const struct publish_item item = {
		.uuid = "u",
		.title = "t",
		.description = "d",
		.file = "files/x",
		.type = "application/octet-stream",
		.digest = digest,
	};
	struct publish_feed *feed = NULL;
	struct err err;

	put_feed(data, len);
	if (publish_feed_open(&feed, folder, &channel, &err))
		return 0;
	int rc = publish_feed_put(feed, &item, &err);
	assert(rc == 0 || rc == 1);
	rc = publish_feed_remove(feed, "u", &err);
	assert(rc == 0);
	publish_feed_close(&feed);
	return 0;
}
