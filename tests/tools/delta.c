/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * delta: what the service does in the background, by hand, for tests and measurements.
 *
 * usage: delta image RAW FOLDER CHUNK_BYTES     the deployable form of a raw disk, to FOLDER (made), whose id is printed
 *        delta make OLD_FOLDER OLD_ID NEW_FOLDER NEW_ID OUT
 */
#include "cleanup.h"
#include "delta_maker.h"
#include "image_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static int fill(struct image_writer *w, int fd, size_t chunk_bytes, struct err *err)
{
	for (;;) {
		uint8_t *buf;
		int rc = image_writer_next(w, &buf, err);
		size_t len = 0;
		ssize_t got;

		if (rc)
			return rc;
		while (len < chunk_bytes && (got = read(fd, buf + len, chunk_bytes - len)) > 0)
			len += (size_t)got;
		rc = image_writer_put(w, len, err);
		if (rc || len < chunk_bytes)
			return rc;
	}
}

static int make_image(char **args, struct err *err)
{
	CLEANUP(image_writer_close) struct image_writer *w = NULL;
	CLEANUP(close_fd) int fd = open(args[0], O_RDONLY | O_CLOEXEC);
	struct image_options options = { .folder = args[1], .chunk_bytes = (uint32_t)atoi(args[2]), .level = 3 };
	struct store_image image;

	if (fd < 0 || mkdir(args[1], 0755))
		return err_set(err, -errno, "%s, %s: %s", args[0], args[1], strerror(errno));
	int rc = image_writer_open(&w, &options, err);
	if (!rc)
		rc = fill(w, fd, options.chunk_bytes, err);
	if (!rc)
		rc = image_writer_finish(w, &image, err);
	if (!rc)
		printf("%s\n", image.id);
	return rc;
}

static int make_delta(char **args, struct err *err)
{
	struct delta_options options = {
		.old_folder = args[0],
		.old_id = args[1],
		.new_folder = args[2],
		.new_id = args[3],
		.path = args[4],
		.bytes_max = UINT64_MAX,
	};
	struct delta_made made;
	int rc = delta_make(&made, &options, err);

	if (!rc)
		printf("bytes=%" PRIu64 " chunks=%" PRIu64 " stashed=%" PRIu64 " ranges=%" PRIu64 " rounds=%" PRIu64
		       "\n",
		       made.bytes, made.chunks, made.stashed_bytes, made.ranges, made.rounds);
	return rc;
}

int main(int argc, char **argv)
{
	struct err err;
	int rc;

	if (argc == 5 && strcmp(argv[1], "image") == 0)
		rc = make_image(argv + 2, &err);
	else if (argc == 7 && strcmp(argv[1], "make") == 0)
		rc = make_delta(argv + 2, &err);
	else
		rc = err_set(&err, -EINVAL,
			     "usage: delta image RAW FOLDER CHUNK_BYTES | delta make OLD_FOLDER OLD_ID "
			     "NEW_FOLDER NEW_ID OUT");
	if (rc)
		fprintf(stderr, "delta: %s\n", err.text);
	return rc != 0;
}
