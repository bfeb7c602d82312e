/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_kernel: an ELF file -> whether a boot loader takes it as an operating system: Multiboot 0.6.96 (header in the first
 * 8 KiB), Multiboot2 (in the first 32 KiB), or Xen's PVH note (XEN_ELFNOTE_PHYS32_ENTRY).
 */
#ifndef VMCAST_UNPACK_KERNEL_H
#define VMCAST_UNPACK_KERNEL_H

#include "err.h"

#include <stdint.h>
#include <sys/types.h>

/* Reads as blob_read does: up to `len` bytes from `off`; less only at the end. */
struct kernel_source {
	ssize_t (*read)(void *ctx, void *buf, size_t len, uint64_t off, struct err *err);
	void *ctx;
};

/* `*name`: "an ELF kernel (Multiboot)"; static. -ENOTSUP: an ELF program that is none of these; -EBADMSG corrupt. */
int kernel_check(const char **name, const struct kernel_source *source, struct err *err);

#endif
