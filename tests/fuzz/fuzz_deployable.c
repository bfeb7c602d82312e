/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an image that a publisher made deployable: it is refused, or gives a whole disk of the size it says. */
#include "deployable.h"

#include "bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int count(void *ctx, const uint8_t *raw, size_t len, struct err *err)
{
	uint64_t *bytes = ctx;

	(void)raw;
	(void)err;
	*bytes += len;
	return 0;
}

static int file_of(const uint8_t *data, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	return fd;
}

/* The length of the index, the index, and the rest is the image. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct watch watch = { .stop = NULL };
	uint8_t id[DIGEST_BYTES];
	uint64_t disk_bytes = 0;
	const struct deployable_sink sink = { count, &disk_bytes };
	struct store_image image;
	struct err err;

	if (len < 4 || le32(data) > len - 4)
		return 0;
	size_t index_len = le32(data);
	digest_of(id, data + 4, index_len);
	const struct deployable_files files = { file_of(data + 4, index_len),
						file_of(data + 4 + index_len, len - 4 - index_len), id };
	if (deployable_verify(&image, &files, &watch, &err) == 0) {
		int rc = deployable_read(&files, &sink, &watch, &err);

		assert(rc == 0 && disk_bytes == image.disk_bytes);
		assert(image.index_bytes == index_len && image.image_bytes == len - 4 - index_len);
	}
	close(files.index_fd);
	close(files.image_fd);
	return 0;
}
