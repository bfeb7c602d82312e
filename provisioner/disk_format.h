/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_format: the header of a disk image file -> whether QEMU's driver for it may be let loose on it.
 *
 * Refused is whatever leads to another file (backing and data files, parents, extents by name), is encrypted, was not
 * closed cleanly, has features we do not know, or whose sizes lie. What is left is a single file which is the whole
 * disk. Formats, fields and where each is specified: disk_format.c and disk_format_NAME.c.
 */
#ifndef VMCAST_DISK_FORMAT_H
#define VMCAST_DISK_FORMAT_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_FORMAT_NOTES 4

/*
 * Of a VHDX whose sectors have 4096 bytes, which QEMU does not read: the entry of 8 bytes of block `n` lies at `off` of
 * the image, as the (n + n / ratio)th. `off` is 0 for everything else.
 */
struct disk_map {
	uint64_t off, ratio;
	uint32_t block_bytes;
};

struct disk_format {
	const char *driver;                 /* QEMU's name: "qcow2"; static storage */
	const char *name;                   /* for people: "a qcow2 image"; static storage */
	uint64_t disk_bytes;                /* of the disk inside, as the header says: a multiple of 512, not 0 */
	char notes[DISK_FORMAT_NOTES][128]; /* what the operator should know, though it is no reason to refuse */
	size_t note_count;
	const char *size_calc; /* of a VHD: QEMU's force_size_calc, by which its disk has disk_bytes; static storage */
	struct disk_map map;
};

/* The drivers that disk_format_check knows; `driver` may be any text. "raw" is not one of them: it has no header. */
bool disk_format_is_known(const char *driver);

/*
 * Look at the image that begins at `file_off` of `fd` and has `file_bytes`. `driver` is what it must be, NULL: whatever
 * its bytes say. -EBADMSG corrupt, or not that format; -ENOTSUP valid, but nothing we take: the error names the field
 * and its value. Of formats whose map `qemu-img check` does not look through (qcow, VHD, Bochs) or not to the end
 * (Parallels), that is done here: what lies outside of the file would read as zeros. Memory is less than 256 KiB.
 */
int disk_format_check(struct disk_format *out, const char *driver, int fd, uint64_t file_off, uint64_t file_bytes,
		      struct err *err);

#endif
