/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack: an enclosure -> what is in it: disks as lists of regions of files, or a file of another kind to keep.
 *
 * The archive is opened by the program vmcast-unpack in a sandbox (sandbox.h). It writes the files that are needed into
 * the scratch folder, under names it chooses, and a report. The report is input like any other: whoever breaks
 * vmcast-unpack writes it. So whatever is in `struct unpacked` was checked here: regions lie inside their files, do not
 * overlap on their disk and are in order; file names are numbers; texts are UTF-8 of bounded length.
 */
#ifndef VMCAST_UNPACK_H
#define VMCAST_UNPACK_H

#include "content.h"
#include "err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNPACK_DISKS_MAX 64
#define UNPACK_PARTS_MAX 4096 /* of one disk: a VMDK of 2 GiB extents then ends at 8 TiB */

/* A region of a disk. What lies between the parts and behind the last one is zeros. */
struct unpacked_part {
	char file[8];    /* "": the enclosure itself; else a name in the scratch folder */
	char format[16]; /* QEMU's name for what is in it: "raw", "qcow2", "vmdk", ... */
	uint64_t file_off, file_bytes;
	uint64_t disk_off;
	uint64_t disk_bytes; /* 0: as long as its format says; then it is the only part of its disk */
};

/* Disks are in the order in which the machine has them. */
struct unpacked_disk {
	char *name;          /* as the archive calls it: "disk1.vmdk", "xvda"; never empty */
	char *bus;           /* "virtio", "scsi", "ide", "sata", "nvme", "xen"; NULL: not said */
	bool boot;           /* exactly one disk of an item of kind ITEM_DISK */
	uint64_t disk_bytes; /* 0: as its only part says */
	struct unpacked_part *parts;
	size_t part_count;
};

struct unpacked {
	enum item_kind kind;
	char *form; /* words for people: "an OVA of 2 disks" */
	/* Of ITEM_DISK one or more; of ITEM_ISO at most one: its bytes as a disk, where it is made for being written so. */
	struct unpacked_disk *disks;
	size_t disk_count;
	char *machine; /* JSON object: name, cpus, memory_bytes, firmware, nics, os, each only if said; NULL: nothing was */
	char *file;    /* ITEM_ROOTFS, ITEM_KERNEL, ITEM_ISO: what to keep; "": the enclosure as it is. Else NULL */
	char *initrd;  /* of a kernel: a name in the scratch folder; NULL: none */
	char *cmdline; /* of a kernel; NULL: none */
	char **notes;  /* what an operator should know, each a sentence: "manifest.mf: 3 digests match" */
	size_t note_count;
	/* A key of the keyring signed the manifest, which has a digest of every member that something was made of. */
	bool gpg_signed;
};

struct unpack_options {
	const char *scratch;        /* an empty folder, made by the caller, who removes it with what is in it */
	const char *program;        /* path of vmcast-unpack */
	uint64_t scratch_bytes_max; /* of all that is written there, holes not counted */
	uint64_t disk_bytes_max;    /* of one disk, holes counted */
	/* GnuPG keyring, as `gpg --export` writes it, whose keys must have made the signatures; NULL: none is checked. */
	const char *keyring;
	uint64_t stall_ms;       /* without a sign of life: -ETIMEDOUT; 0: ten minutes */
	const atomic_bool *stop; /* ends the work with -ECANCELED; NULL: never */
	/* Called now and then: how many of the enclosure's bytes have been read. A failure ends the work and is what it
	 * returns. NULL: no. */
	int (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes, struct err *err);
	void *ctx;
};

/*
 * What is in the enclosure open at `fd` (a file, from its beginning whatever its offset is). Caller frees `*out` with
 * unpacked_free; its files stay in options->scratch. -EBADMSG corrupt, or contradicts itself; -ENOTSUP valid, but not
 * handled, or wants what an enclosure may not have; -EACCES a signature that does not hold; -EFBIG beyond a bound;
 * -ENOSPC, -ETIMEDOUT: vmcast-unpack does not keep to its bounds by itself, or does nothing any more.
 */
int unpack_enclosure(struct unpacked **out, int fd, const struct unpack_options *options, struct err *err);

/* NULL is fine. */
void unpacked_free(struct unpacked **u);

#endif
