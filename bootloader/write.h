/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * write: puts an item's images on their devices so that a power cut at any instant leaves either disks that nothing boots
 * from, or the whole item. The order, and what each step is for, is at the top of write.c.
 */
#ifndef VMCAST_WRITE_H
#define VMCAST_WRITE_H

#include "chunk.h"
#include "device.h"
#include "progress.h"
#include "remote_delta.h"
#include "zeros_policy.h"

#include <stdatomic.h>

/* What became of one disk. */
struct write_stats {
	uint64_t fetched_bytes;   /* of compressed chunks and of deltas, from the network */
	uint64_t written_bytes;   /* of the image: as bytes, not as areas that the disk was told to make zeros */
	uint64_t found_bytes;     /* of the image: on the disk before, or made by a delta of what was */
	uint64_t read_back_bytes; /* of the image, past the cache */
	uint8_t read_back_digest
		[DIGEST_BYTES]; /* of these in the order of reading: the ends without labels, the labels but
						 * for the boot sectors, the boot sectors (write.c); the same for each disk
						 * that the image is written to */
};

/* What is not the image's on a machine's disk (table_fit.h). */
struct write_fit {
	uint32_t sector_bytes; /* 512 or 4096 */
	const uint8_t *seed;   /* SEED_VOLUME_BYTES, aligned: becomes a partition at the disk's end; NULL: none */
	bool grow;             /* the last partition */
};

struct write_disk {
	struct device *dev; /* at least as large as the image */
	struct index *index;
	struct chunk_source source;
	struct remote_delta *delta; /* what to try first; NULL: nothing */
	const struct write_fit
		*fit; /* how its partition table is made to fit the disk; NULL: all bytes are the image's */
	struct write_stats *stats; /* filled on success; NULL: nobody asks */
};

struct write_options {
	const struct write_disk *disks; /* the one that the machine boots from first; it is finished last */
	size_t count;                   /* at least 1 */
	struct progress *progress;      /* NULL: nobody looks */
	const atomic_bool *stop;        /* NULL: never */
	enum zeros_policy zeros;        /* between the ends; the ends are always what the image is */
	uint64_t *left_bytes; /* how many bytes of all disks it did not make zeros are added here; NULL: nobody asks */
};

/*
 * -EIO: a device failed; -EBADMSG: a chunk did not have its digest after retries; else what the source returned. After
 * any failure but -ENOMEM (nothing was touched) every device is unbootable, or the error says that this could not be
 * done: of several devices it names each that may still boot, be it what was on it before. Memory does not grow with the images; each further disk takes 68 KiB.
 */
int write_images(const struct write_options *options, struct err *err);

#endif
