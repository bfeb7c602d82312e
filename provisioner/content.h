/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * content: what an item is once it is ingested: its disks as deployable images, or the file that is kept of it. On the
 * disk both live below `images/`, in a folder named by what is in it:
 *
 *   images/<id>/image.zst, images/<id>/index   a disk; the id is the index's SHA-256
 *   images/<id>/file                           anything else, as it is; the id is its own SHA-256
 */
#ifndef VMCAST_CONTENT_H
#define VMCAST_CONTENT_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_IMAGE_CHARS 65 /* an id: 64 hex digits and NUL */
#define CONTENT_DISKS_MAX 64

/* In the order of content_kind_name; the database holds the numbers. */
enum item_kind {
	ITEM_DISK,   /* one or more disks */
	ITEM_ROOTFS, /* an archive of a root file system: `file` */
	ITEM_KERNEL, /* `file` is a kernel; perhaps `initrd` and `cmdline` */
	ITEM_ISO,    /* `file`; one that can be written to a disk has that disk, too */
};

/* One deployable disk. */
struct store_image {
	char id[STORE_IMAGE_CHARS];
	uint64_t disk_bytes, image_bytes, index_bytes;
	uint32_t sector_bytes;
};

/* One disk of an item. */
struct content_disk {
	struct store_image image;
	char *name; /* as its archive calls it; NULL: not said */
	char *bus;  /* "virtio", "scsi", "ide", "sata", "nvme", "xen"; NULL: not said */
};

struct content_file {
	char id[STORE_IMAGE_CHARS]; /* empty: there is none */
	uint64_t bytes;
};

struct store_content {
	enum item_kind kind;
	uint64_t version;           /* of the item, from 1; 0: not recorded yet */
	char *form;                 /* words for people: "an OVA of 2 disks" */
	struct content_disk *disks; /* the one that the machine boots from first */
	size_t disk_count;
	struct content_file file;   /* of every kind but ITEM_DISK */
	struct content_file initrd; /* of a kernel that has one */
	char *cmdline;              /* of a kernel; NULL: none */
	char *machine; /* JSON object: name, cpus, memory_bytes, firmware, nics, os, arch, machine, document, and the lines of
			* that where it says some of these (cpus_line ..); NULL: nothing was said */
	char **notes; /* sentences for the operator */
	size_t note_count;
	bool gpg_signed; /* keys of the operator's keyring signed for all of it */
};

/* "disk", "rootfs", "kernel", "iso". Static storage. */
const char *content_kind_name(enum item_kind kind);

/* The caller's storage; zeroed afterwards. */
void store_content_free(struct store_content *content);

/* Append, taking ownership of the strings (NULL is fine). -ENOMEM; -EFBIG too many. */
int content_add_disk(struct store_content *content, const struct store_image *image, char *name, char *bus,
		     struct err *err);
int content_add_note(struct store_content *content, const char *note, struct err *err);

/* What it takes below images/, each image and file once. */
uint64_t content_bytes(const struct store_content *content);

#endif
