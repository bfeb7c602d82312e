/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_disk: files that hold a disk, or parts of one, -> a disk of the report: an image, a VMDK of several files, a
 * Parallels bundle, images of partitions.
 */
#ifndef VMCAST_UNPACK_DISK_H
#define VMCAST_UNPACK_DISK_H

#include "unpack_archive.h"
#include "unpack_report.h"
#include "unpack_vm.h"

/* Containers may stand in containers this often: a tar in a zip in ... */
#define UNPACK_DEPTH_MAX 1

/* What is being made. */
struct unpacking {
	struct work *work;
	struct report *report;
};

/* What the disk is to be: what a description says of it. */
struct disk_wish {
	const char *name, *bus;
	uint64_t capacity_bytes; /* 0: not said */
	bool exact;              /* the image must have them all; else zeros follow it */
	bool boot;
};

/* Unpack a compressed file into the scratch folder; `in` itself is left. -ENOTSUP for compressions that are not read. */
int unpack_peel(struct blob *out, struct work *w, const struct blob *in, const struct sniff_format *codec,
		struct err *err);

/* sniff_file for a blob. */
int unpack_look(const struct sniff_format **out, struct work *w, const struct blob *blob, struct err *err);

/*
 * -EBADMSG if a member's name promises another disk format than its bytes are. `peeled`: the last suffix was that of a
 * compression, and what is left counts.
 */
int unpack_disk_check_name(const char *name, bool peeled, const struct sniff_format *looks, struct err *err);

/* A blob that is one image, whatever its format. */
int unpack_disk_image(struct unpacking *u, const struct disk_wish *wish, const struct blob *blob, struct err *err);

/*
 * A member that is an image, perhaps compressed (at `depth` of containers, and no deeper than UNPACK_DEPTH_MAX), or a
 * VMDK descriptor whose extents are other members.
 */
int unpack_disk_member(struct unpacking *u, const struct disk_wish *wish, struct unpack_archive *a,
		       struct archive_member *member, unsigned depth, struct err *err);

int unpack_disk_vmdk(struct unpacking *u, const struct disk_wish *wish, struct unpack_archive *a,
		     struct archive_member *descriptor, struct err *err);
int unpack_disk_hdd(struct unpacking *u, const struct disk_wish *wish, struct unpack_archive *a,
		    struct archive_member *descriptor, struct err *err);

/* Images of partitions, in order, as one disk with a partition table. */
int unpack_disk_partitions(struct unpacking *u, const struct disk_wish *wish, const struct blob *images, size_t count,
			   struct err *err);

/* A disk of nothing but zeros. */
int unpack_disk_empty(struct unpacking *u, const struct disk_wish *wish, struct err *err);

#endif
