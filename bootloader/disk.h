/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk: the machine's disks, what identifies each, and why one cannot be a target.
 *
 * Sources: Documentation/ABI/stable/sysfs-block, Documentation/ABI/testing/sysfs-block-device, proc(5). Everything is
 * read below a root directory, so that tests can show it the disks of machines they do not have.
 */
#ifndef VMCAST_DISK_H
#define VMCAST_DISK_H

#include "err.h"
#include "target_rule.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define DISK_PATH 512

enum disk_use {
	DISK_FREE,    /* may be chosen */
	DISK_UNUSUAL, /* removable, loop and the like: only if the user names it by its path */
	DISK_REFUSED, /* in use or read-only: never */
};

struct disk {
	struct disk_identity id;
	char path[DISK_PATH]; /* /dev/vda, or the path the user gave */
	char dev[24];         /* "254:0" */
	uint64_t diskseq;     /* never the same for two disks that came under one name; 0: kernel before 5.15 */
	enum disk_use use;
	char why[128]; /* not DISK_FREE: why */
};

struct disk_list {
	struct disk *disks; /* by name */
	size_t count;
};

/* Empty drives (no medium, unbound loop devices) are left out. `root` is "" on a real machine. Caller frees with
 * disk_list_free. */
int disk_list_read(struct disk_list *out, const char *root, struct err *err);
void disk_list_free(struct disk_list *list);

/* The whole disk with device number `dev`, or NULL (a partition, say). Borrowed until disk_list_free. */
const struct disk *disk_list_find(const struct disk_list *list, dev_t dev);

/*
 * Whether both are the same piece of hardware, as far as it can be told. `why` says what differs. What identifies a
 * disk is read from the device itself, so a name that now belongs to another disk is found out.
 */
bool disk_is_same(const struct disk *a, const struct disk *b, char *why, size_t room);

/* {"name","bytes","serial","model","wwn","bus","sector_bytes","refused"}: what the plan request and `disks --json`
 * show. */
json_t *disk_to_json(const struct disk *disk);

/* A line for each disk, with `why` it is not wanted if it is not. */
void disk_list_print(FILE *to, const struct disk_list *list);

#endif
