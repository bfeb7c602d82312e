/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_source_file: the bytes of a disk that lie in its file as they are: a raw disk; or a VHDX with sectors of 4096
 * bytes, which QEMU does not read. That is a map of blocks that lie in any order: MS-VHDX, 2.5.1.
 */
#include "disk_reader_impl.h"

#include "bytes.h"
#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB 20 /* bits */

/* States of a block; the others of differencing disks, or none. */
enum {
	BLOCK_NOT_PRESENT = 0,
	BLOCK_UNDEFINED = 1,
	BLOCK_ZERO = 2,
	BLOCK_UNMAPPED = 3,
	BLOCK_FULLY_PRESENT = 6,
};

struct file_source {
	int fd;
	uint64_t file_off, file_bytes; /* of the image */
	uint64_t disk_bytes;
	struct disk_map map; /* of a VHDX */
	/* A part of the disk that is all data or all hole, as it was found last. */
	uint64_t run_off, run_end;
	uint64_t run_file_off; /* of the image */
	bool run_is_hole;
};

/* File systems without holes say that all is data. */
static int find_raw_run(struct file_source *s, uint64_t off, struct err *err)
{
	off_t data = lseek(s->fd, (off_t)(s->file_off + off), SEEK_DATA);
	off_t hole = data < 0 ? -1 : lseek(s->fd, data, SEEK_HOLE);

	if ((data < 0 || hole < 0) && errno != ENXIO)
		return err_set(err, -errno, "look for holes: %s", strerror(errno));
	uint64_t data_off = data < 0 ? s->disk_bytes : (uint64_t)data - s->file_off;
	s->run_is_hole = data_off > off;
	s->run_off = s->run_file_off = off;
	s->run_end = s->run_is_hole ? data_off : (uint64_t)hole - s->file_off;
	if (s->run_end > s->disk_bytes)
		s->run_end = s->disk_bytes;
	return 0;
}

static int find_block(struct file_source *s, uint64_t off, struct err *err)
{
	const uint64_t block = off / s->map.block_bytes;
	uint8_t raw[8];

	if (pread(s->fd, raw, 8, (off_t)(s->file_off + s->map.off + 8 * (block + block / s->map.ratio))) != 8)
		return err_set(err, -EBADMSG, "the file ends in its block map");
	const uint64_t entry = le64(raw), at = entry >> MIB << MIB;
	const unsigned state = entry & 7;
	s->run_off = block * s->map.block_bytes;
	s->run_end = s->run_off + s->map.block_bytes;
	s->run_file_off = at;
	s->run_is_hole = state <= BLOCK_UNMAPPED;
	if (s->run_is_hole)
		return 0;
	if (state != BLOCK_FULLY_PRESENT)
		return err_set(err, -EBADMSG, "the state of block %" PRIu64 " is %u", block, state);
	if (!at || at > s->file_bytes || s->map.block_bytes > s->file_bytes - at)
		return err_set(err, -EBADMSG, "block %" PRIu64 " lies at %" PRIu64 ", outside of the file of %" PRIu64,
			       block, at, s->file_bytes);
	return 0;
}

static int read_file(void *source, uint8_t *buf, uint64_t off, size_t len, bool *zero, struct err *err)
{
	struct file_source *s = source;

	*zero = true;
	for (size_t done = 0; done < len;) {
		const uint64_t at = off + done;
		int rc = 0;

		if (at < s->run_off || at >= s->run_end)
			rc = s->map.off ? find_block(s, at, err) : find_raw_run(s, at, err);
		if (rc)
			return rc;
		size_t room = s->run_end - at < len - done ? (size_t)(s->run_end - at) : len - done;
		ssize_t got = (ssize_t)room;
		if (s->run_is_hole)
			memset(buf + done, 0, room);
		else
			got = pread(s->fd, buf + done, room,
				    (off_t)(s->file_off + s->run_file_off + (at - s->run_off)));
		if (got < 0)
			return err_set(err, -errno, "read: %s", strerror(errno));
		if (got == 0)
			return err_set(err, -EBADMSG, "the file became shorter while it was read");
		*zero = *zero && s->run_is_hole;
		done += (size_t)got;
	}
	return 0;
}

static void close_file_source(void *source)
{
	struct file_source *s = source;

	if (!s)
		return;
	close_fd(&s->fd);
	free(s);
}

const struct disk_source_ops disk_source_file = { read_file, close_file_source };

int disk_source_file_open(void **out, int fd, const struct qemu_image *image, const struct disk_format *format,
			  struct err *err)
{
	struct file_source *s = calloc(1, sizeof(*s));

	if (!s) {
		close(fd);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*s = (struct file_source){
		.fd = fd, .file_off = image->file_off, .file_bytes = image->file_bytes, .disk_bytes = image->disk_bytes
	};
	if (format)
		s->map = format->map;
	*out = s;
	return 0;
}
