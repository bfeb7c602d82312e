/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_hdd: DiskDescriptor.xml, which makes a folder a disk of Parallels or Virtuozzo, -> the one image in it. Source:
 * the Virtuozzo specification "Virtual Disk Format" (ploop) and libvirt's and QEMU's notes on it.
 */
#ifndef VMCAST_UNPACK_HDD_H
#define VMCAST_UNPACK_HDD_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hdd {
	char *file;
	bool plain; /* raw, not a Parallels expanded image */
	uint64_t disk_bytes;
};

/* `what` names the file in errors. `out` is the caller's, freed with hdd_done. -ENOTSUP more than one image or snapshot. */
int hdd_parse(struct hdd *out, const char *what, const char *text, size_t len, struct err *err);
void hdd_done(struct hdd *hdd);

#endif
