/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_uki: where in a unified kernel image its parts are: an EFI program with a kernel, an initial RAM disk and arguments as
 * sections (UAPI.5 Unified Kernel Image; sections as Microsoft's PE Format has them). Only headers are decoded.
 */
#ifndef VMCAST_BOOT_UKI_H
#define VMCAST_BOOT_UKI_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_uki_part {
	uint64_t off;   /* in the file */
	uint64_t bytes; /* 0: it has none */
};

struct boot_uki {
	struct boot_uki_part kernel; /* there, if nothing failed */
	struct boot_uki_part microcode;
	struct boot_uki_part initrd;
	struct boot_uki_part arguments;
	struct boot_uki_part release; /* os-release(5) */
	struct boot_uki_part devicetree;
};

/*
 * The parts of the file, all within its `bytes` bytes; with several profiles those of the first one. -EBADMSG: damaged; -ENOTSUP: an EFI
 * program, but without a kernel, or for other processors than these.
 */
int boot_uki_read(struct boot_uki *out, int fd, uint64_t bytes, struct err *err);

/* A part as text. Caller frees. -E2BIG: more than `max` bytes. */
int boot_uki_text(char **text, size_t *len, int fd, const struct boot_uki_part *part, size_t max, struct err *err);

#endif
