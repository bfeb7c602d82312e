/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_version: which of two versions is the newer one (UAPI.10 Version Format Specification). */
#ifndef VMCAST_BOOT_VERSION_H
#define VMCAST_BOOT_VERSION_H

/* Negative: `a` is older; 0: they are the same; positive: newer. */
int boot_version_compare(const char *a, const char *b);

#endif
