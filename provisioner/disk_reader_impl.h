/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_reader_impl: where disk_reader gets the bytes from. Nobody else includes it. */
#ifndef VMCAST_DISK_READER_IMPL_H
#define VMCAST_DISK_READER_IMPL_H

#include "disk_format.h"
#include "disk_reader.h"
#include "qemu_nbd.h"

struct disk_source_ops {
	/* The `len` bytes of the disk from `off` on, all of which it has; `off` is where the last call ended. */
	int (*read)(void *source, uint8_t *buf, uint64_t off, size_t len, bool *zero, struct err *err);
	void (*close)(void *source);
};

/* The bytes of the file itself: of a raw disk, or of a VHDX whose map we follow. */
extern const struct disk_source_ops disk_source_file;
/* QEMU's. */
extern const struct disk_source_ops disk_source_nbd;

/* `format` NULL: a raw disk. Takes ownership of `fd`. */
int disk_source_file_open(void **out, int fd, const struct qemu_image *image, const struct disk_format *format,
			  struct err *err);
int disk_source_nbd_open(void **out, const struct qemu_image *image, const atomic_bool *stop, struct err *err);

#endif
