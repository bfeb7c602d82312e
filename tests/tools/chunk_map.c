/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chunk_map: which chunks of an image a disk holds in their places. One line for each chunk that is not zeros:
 * FRAME-OFFSET FRAME-BYTES 0|1
 * usage: chunk_map INDEX DISK
 */
#include "index.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
	int fd;
	const char *path;
};

static int read_at(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	const struct file *file = ctx;

	if (pread(file->fd, buf, len, (off_t)off) == (ssize_t)len)
		return 0;
	return err_set(err, -EIO, "read '%s' at byte %" PRIu64, file->path, off);
}

static int file_open(struct file *out, const char *path, struct err *err)
{
	*out = (struct file){ .fd = open(path, O_RDONLY | O_CLOEXEC), .path = path };
	return out->fd >= 0 ? 0 : err_set(err, -errno, "open '%s': %s", path, strerror(errno));
}

/* A test's own index: its digest is whatever it has. */
static int open_index(struct index **out, struct file *file, struct err *err)
{
	struct index_source source = { .read_at = read_at, .ctx = file };
	uint8_t digest[DIGEST_BYTES];
	struct stat st;

	if (fstat(file->fd, &st) != 0)
		return err_set(err, -errno, "stat '%s': %s", file->path, strerror(errno));
	source.bytes = (uint64_t)st.st_size;
	CLEANUP(free_mem) uint8_t *raw = malloc((size_t)source.bytes);
	if (!raw)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = read_at(file, raw, (size_t)source.bytes, 0, err);
	if (rc)
		return rc;
	digest_of(digest, raw, (size_t)source.bytes);
	return index_open(out, &source, digest, err);
}

static int print_map(struct index *index, struct file *disk, struct err *err)
{
	const struct index_header *header = index_get_header(index);
	CLEANUP(free_mem) uint8_t *chunk = malloc(header->chunk_bytes);

	if (!chunk)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint64_t nr = 0; nr < header->chunk_count; nr++) {
		uint32_t len = index_chunk_bytes(header, nr);
		struct index_entry entry;
		int rc = index_get_entry(index, &entry, nr, err);

		if (!rc && entry.kind == CHUNK_ZERO)
			continue;
		if (!rc)
			rc = read_at(disk, chunk, len, nr * header->chunk_bytes, err);
		if (rc)
			return rc;
		printf("%" PRIu64 " %" PRIu32 " %d\n", entry.frame_off, entry.frame_bytes,
		       digest_is_of(entry.digest, chunk, len));
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct file index_file = { .fd = -1 }, disk = { .fd = -1 };
	struct index *index = NULL;
	struct err err = { 0 };

	if (argc != 3) {
		fprintf(stderr, "usage: chunk_map INDEX DISK\n");
		return 2;
	}
	int rc = file_open(&index_file, argv[1], &err);
	if (!rc)
		rc = file_open(&disk, argv[2], &err);
	if (!rc)
		rc = open_index(&index, &index_file, &err);
	if (!rc)
		rc = print_map(index, &disk, &err);
	if (rc)
		fprintf(stderr, "chunk_map: %s\n", err.text);
	index_close(&index);
	close_fd(&index_file.fd);
	close_fd(&disk.fd);
	return rc != 0;
}
