/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish_convert: see publish_convert.h */
#include "publish_convert.h"

#include "convert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_ROOM 4096
/* As the service's own defaults (config.c): what subscribers get is what they would have made. */
#define CHUNK_BYTES (1u << 20)
#define LEVEL       3

static int tell(void *ctx, uint64_t done, uint64_t total, struct err *err)
{
	const struct publish_convert_options *options = ctx;

	return watch_look(options->watch, "converting", done, total, err);
}

int publish_convert(struct store_content *out, int fd, const struct publish_convert_options *options, struct err *err)
{
	struct store_content content = { .kind = ITEM_DISK };
	struct store_image image;
	char folder[PATH_ROOM];
	const struct convert_options convert = {
		.image = { .folder = folder, .chunk_bytes = CHUNK_BYTES, .level = LEVEL },
		.stop = options->watch->stop,
		.progress = tell,
		.ctx = (void *)options,
	};

	if (snprintf(folder, sizeof(folder), "%s/image.0", options->work) >= (int)sizeof(folder))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", options->work);
	if (mkdir(folder, 0755))
		return err_set(err, -errno, "create '%s': %s", folder, strerror(errno));
	int rc = convert_file(&image, fd, &convert, err);
	if (!rc)
		rc = content_add_disk(&content, &image, NULL, NULL, err);
	if (rc)
		return rc;
	*out = content;
	return 0;
}
