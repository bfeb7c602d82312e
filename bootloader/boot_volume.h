/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_volume: the file systems of a disk that was just written, and the files in them. A path is resolved beneath its
 * file system's root as if that were the root of everything: neither `..` nor a link leads out of it.
 */
#ifndef VMCAST_BOOT_VOLUME_H
#define VMCAST_BOOT_VOLUME_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_VOLUMES_MAX 32u
#define BOOT_PATH_MAX    1024u
#define BOOT_NAMES_MAX   512u /* of a directory; one with more is refused */

struct boot_volume {
	unsigned disk;   /* 0: the one that the machine boots from */
	unsigned number; /* of its partition; 0: the whole disk */
	char kind[8];    /* ext4, xfs, btrfs, vfat */
	char uuid[40];   /* as the kernel's root=UUID= has it; empty: none */
	char label[260];
	int root_fd;    /* its topmost directory; of btrfs that of subvolume 5 */
	int default_fd; /* btrfs: the subvolume that is mounted when none is named; else the same */
};

struct boot_volumes {
	struct boot_volume list[BOOT_VOLUMES_MAX];
	size_t count;
};

struct boot_file {
	const struct boot_volume *volume; /* borrowed; NULL: no file */
	bool in_default;                  /* from default_fd, not from root_fd */
	char path[BOOT_PATH_MAX];         /* begins with / */
	uint64_t off;                     /* the part of it that counts */
	uint64_t bytes;                   /* 0: all of it */
};

/* -EBADMSG: too long, or not printable. A / is put before a path that has none. */
int boot_file_set(struct boot_file *out, const struct boot_volume *volume, bool in_default, const char *path,
		  struct err *err);

/* A descriptor to read from, and the file's size. -ENOENT: not there; -EBADMSG: something else than a file. Caller closes. */
int boot_file_open(uint64_t *bytes, const struct boot_file *file, struct err *err);

/* Whether it is there, and as what. */
enum boot_file_kind { BOOT_FILE_NONE, BOOT_FILE_EMPTY, BOOT_FILE_FULL, BOOT_FILE_DIR };
enum boot_file_kind boot_file_look(const struct boot_file *file);

/* `*text` is NUL-terminated, caller frees. -E2BIG: more than `max` bytes. */
int boot_file_read(char **text, size_t *len, const struct boot_file *file, size_t max, struct err *err);

/* Names in a directory that end in `suffix`, in the order of their bytes. Caller frees with boot_names_free. */
struct boot_names {
	char *names[BOOT_NAMES_MAX];
	size_t count;
};
int boot_file_list(struct boot_names *out, const struct boot_file *dir, const char *suffix, struct err *err);
void boot_names_free(struct boot_names *names);

#endif
