/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the header of a disk image: no crash, and what is taken keeps disk_format.h's promises. Images are far
 * longer than their headers, so the input is a recipe: the length of the file, and pieces of it, each with its place.
 * Checksums are made right again.
 */
#include "disk_format.h"

#include "bytes.h"
#include "disk_seal.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define FILE_BYTES_MAX (64u << 20)

/* File length (4 bytes), then pieces: offset (4), length (2), bytes. */
static int cook(const uint8_t *data, size_t len)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert(fd >= 0 && !ftruncate(fd, le32(data) % FILE_BYTES_MAX));
	for (size_t at = 4; at + 6 < len;) {
		uint32_t off = le32(data + at) % FILE_BYTES_MAX;
		size_t bytes = le16(data + at + 4);

		at += 6;
		if (bytes > len - at)
			bytes = len - at;
		assert(pwrite(fd, data + at, bytes, off) == (ssize_t)bytes);
		at += bytes;
	}
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct disk_format format;
	struct stat st;
	struct err err = { 0 };

	if (len < 4)
		return 0;
	int fd = cook(data, len);
	disk_seal(fd);
	assert(!fstat(fd, &st));
	int rc = disk_format_check(&format, NULL, fd, 0, (uint64_t)st.st_size, &err);
	if (rc) {
		assert(rc == err.code && (rc == -EBADMSG || rc == -ENOTSUP) && err.text[0]);
	} else {
		assert(disk_format_is_known(format.driver) && format.disk_bytes && format.disk_bytes % 512 == 0);
		assert(format.note_count <= DISK_FORMAT_NOTES);
		assert(!format.map.off ||
		       (format.map.ratio && format.map.block_bytes && format.map.off < (uint64_t)st.st_size));
	}
	close(fd);
	return 0;
}
