/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_format_impl: what disk_format.c and the disk_format_NAME.c share. Nobody else includes it. */
#ifndef VMCAST_DISK_FORMAT_IMPL_H
#define VMCAST_DISK_FORMAT_IMPL_H

#include "bytes.h"
#include "disk_format.h"

#include <errno.h>
#include <inttypes.h>

/* The bytes of the image: a part of a file. */
struct image_file {
	int fd;
	uint64_t off, bytes;
};

/* Read `len` bytes of the image from `at` on. -EBADMSG: `what`, which lies there, is not all in the image. */
int image_read(const struct image_file *f, uint8_t *buf, size_t len, uint64_t at, const char *what, struct err *err);

/* Whether the image has `len` bytes from `at` on, where `what` lies. -EBADMSG otherwise. */
int image_holds(const struct image_file *f, uint64_t at, uint64_t len, const char *what, struct err *err);

/* Remember something for the operator. What does not fit is left out. */
void disk_format_note(struct disk_format *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline bool is_power_of_2(uint64_t n)
{
	return n && !(n & (n - 1));
}

static inline uint64_t divide_up(uint64_t n, uint64_t by)
{
	return n / by + (n % by != 0);
}

/* Each looks at the whole header, and sets out->disk_bytes. */
int disk_format_check_qcow(struct disk_format *out, const struct image_file *f, struct err *err);
int disk_format_check_qcow2(struct disk_format *out, const struct image_file *f, struct err *err);
int disk_format_check_qed(struct disk_format *out, const struct image_file *f, struct err *err);
int disk_format_check_vmdk(struct disk_format *out, const struct image_file *f, struct err *err);
int disk_format_check_vpc(struct disk_format *out, const struct image_file *f, struct err *err);
int disk_format_check_vhdx(struct disk_format *out, const struct image_file *f, struct err *err);
int disk_format_check_vdi(struct disk_format *out, const struct image_file *f, struct err *err);
int disk_format_check_parallels(struct disk_format *out, const struct image_file *f, struct err *err);
int disk_format_check_bochs(struct disk_format *out, const struct image_file *f, struct err *err);

#endif
