/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_reader: a disk image file of any format -> the bytes of its disk, in order.
 *
 * A raw one is read as it is. The header of any other is checked first (disk_format.h); then QEMU's own driver for
 * that format reads it in a sandbox (sandbox.h) and we read the disk from it through a socket, several requests ahead.
 * Memory is 4 MiB on our side and DISK_READER_QEMU_BYTES at most on QEMU's, whatever the size of the disk.
 */
#ifndef VMCAST_DISK_READER_H
#define VMCAST_DISK_READER_H

#include "err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of address space, of which far less is ever used; measured: see docs/explanation/threat-model.md. */
#define DISK_READER_QEMU_BYTES (1ull << 30)

struct disk_reader_options {
	int fd;                  /* the file that holds the image; borrowed until disk_reader_open returns */
	const char *path;        /* its name, for QEMU: if it has come to mean another file, -EAGAIN */
	const char *format;      /* QEMU's name: "raw", "qcow2", ...: what the bytes must be, too */
	uint64_t file_off;       /* where in the file the image begins */
	uint64_t file_bytes;     /* its length; 0: to the end of the file */
	uint64_t disk_bytes_max; /* a larger disk is refused (-EFBIG); 0: no limit of ours */
	const atomic_bool *stop; /* ends a read with -ECANCELED; NULL: never */
};

struct disk_reader;

/*
 * Caller closes with disk_reader_close, in the thread that opened. Errors are those of disk_format_check and
 * sandbox_start; -EPROTO, -EIO, -ETIMEDOUT: QEMU did not do its part, with what it said.
 */
int disk_reader_open(struct disk_reader **out, const struct disk_reader_options *options, struct err *err);
void disk_reader_close(struct disk_reader **r);

/* How long the disk is; a raw file's length is taken as it is, others are multiples of 512. */
uint64_t disk_reader_bytes(const struct disk_reader *r);

/* The `nr`th thing that the operator should know about the image, NULL behind the last; borrowed until the close. */
const char *disk_reader_note(const struct disk_reader *r, size_t nr);

/*
 * The next `len` bytes of the disk. Returns `len`, or less only at the end of the disk. `*zero` says that the image has
 * a hole there: all of them are zeros. `buf` is filled in any case.
 */
ssize_t disk_reader_read(struct disk_reader *r, uint8_t *buf, size_t len, bool *zero, struct err *err);

#endif
