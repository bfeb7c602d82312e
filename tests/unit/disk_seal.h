/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_seal: make the checksums of a changed VHD or VHDX right again, so that what was changed is what is looked at. */
#ifndef VMCAST_DISK_SEAL_H
#define VMCAST_DISK_SEAL_H

#include "bytes.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void disk_seal_vhd(int fd, off_t at, size_t len, size_t checksum_off)
{
	uint8_t raw[1024];
	uint32_t sum = 0;

	if (pread(fd, raw, len, at) != (ssize_t)len)
		return;
	for (size_t i = 0; i < len; i++)
		sum += i >= checksum_off && i < checksum_off + 4 ? 0 : raw[i];
	for (int i = 0; i < 4; i++)
		raw[checksum_off + (size_t)i] = (uint8_t)(~sum >> (24 - 8 * i));
	if (pwrite(fd, raw, len, at) != (ssize_t)len)
		abort();
}

static inline void disk_seal_vhdx(int fd, off_t at, size_t len)
{
	uint8_t *raw = malloc(len);
	uint32_t crc = ~0u;

	if (raw && pread(fd, raw, len, at) == (ssize_t)len) {
		put_le32(raw + 4, 0);
		for (size_t i = 0; i < len; i++) {
			crc ^= raw[i];
			for (int bit = 0; bit < 8; bit++)
				crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
		}
		put_le32(raw + 4, ~crc);
		if (pwrite(fd, raw, len, at) != (ssize_t)len)
			abort();
	}
	free(raw);
}

static inline void disk_seal(int fd)
{
	struct stat st;
	uint8_t head[8], foot[8];

	if (fstat(fd, &st) || st.st_size < 512 || pread(fd, head, 8, 0) != 8 ||
	    pread(fd, foot, 8, st.st_size - 512) != 8)
		return;
	if (memcmp(foot, "conectix", 8) == 0)
		disk_seal_vhd(fd, st.st_size - 512, 512, 64);
	if (memcmp(head, "conectix", 8) == 0) {
		disk_seal_vhd(fd, 0, 512, 64);
		disk_seal_vhd(fd, 512, 1024, 36);
	}
	if (memcmp(head, "vhdxfile", 8) == 0) {
		disk_seal_vhdx(fd, 64 << 10, 4096);
		disk_seal_vhdx(fd, 128 << 10, 4096);
		disk_seal_vhdx(fd, 192 << 10, 65536);
	}
}

#endif
