/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seed_volume: the files of a first-boot seed -> a FAT12 volume labelled CIDATA, which cloud-init's NoCloud data source looks
 * for. The same files make the same bytes. It becomes a partition of a disk (table_fit.h) or a disk of its own.
 *
 * Source: ECMA-107 for the volume, Microsoft's "FAT: General Overview of On-Disk Format" 1.03 for long names; cloud-init's
 * documentation, "NoCloud".
 */
#ifndef VMCAST_SEED_VOLUME_H
#define VMCAST_SEED_VOLUME_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

#define SEED_VOLUME_BYTES     (1u << 20)
#define SEED_VOLUME_FILES_MAX 8u
#define SEED_VOLUME_NAME_MAX  26u /* two entries of a long name */

/* Printable ASCII without '"*+,/:;<=>?[\]|. and with 6 first characters that no other file of the volume has. */
struct seed_file {
	const char *name;
	const char *data;
	size_t bytes;
};

/* `sector_bytes`: of the disk that it will lie on, 512 or 4096. `*out`: SEED_VOLUME_BYTES of device_buffer; caller wipes it and
 * frees with free. -ENOSPC: the files do not fit. */
int seed_volume_make(uint8_t **out, const struct seed_file *files, size_t count, uint32_t sector_bytes,
		     struct err *err);

#endif
