/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_xva_blocks: the disks of an XVA, cut into members of 1 MiB each with a checksum behind it, -> one file per disk.
 * Blocks that are missing are holes. Source: XenServer's export format.
 */
#ifndef VMCAST_UNPACK_XVA_BLOCKS_H
#define VMCAST_UNPACK_XVA_BLOCKS_H

#include "unpack_disk.h"

int unpack_form_xva(struct unpacking *u, struct unpack_archive *a, struct archive_member *description, unsigned depth,
		    struct err *err);

#endif
