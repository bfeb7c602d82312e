/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_tree: a disk whose file systems are directories of a tree. */
#ifndef VMCAST_BOOT_TREE_H
#define VMCAST_BOOT_TREE_H

#include "boot_volume.h"
#include "tree.h"

#include <fcntl.h>
#include <stdio.h>

static struct boot_volumes volumes;

static inline int open_root(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/", root, dir);
	make_dirs(path);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		abort();
	return fd;
}

/* Partition `number` of the disk is the directory `dir`; of btrfs, `in_default` is where its default subvolume is. */
static inline struct boot_volume *add_volume(const char *dir, unsigned number, const char *kind, const char *uuid,
					     const char *in_default)
{
	struct boot_volume *volume = &volumes.list[volumes.count++];

	*volume = (struct boot_volume){ .number = number, .root_fd = open_root(dir) };
	volume->default_fd = in_default ? open_root(in_default) : volume->root_fd;
	snprintf(volume->kind, sizeof(volume->kind), "%s", kind);
	snprintf(volume->uuid, sizeof(volume->uuid), "%s", uuid);
	return volume;
}

/* An empty tree and a disk without file systems. */
static inline void begin_disk(void)
{
	for (; volumes.count; volumes.count--) {
		struct boot_volume *volume = &volumes.list[volumes.count - 1];

		if (volume->default_fd != volume->root_fd)
			close(volume->default_fd);
		close(volume->root_fd);
	}
	remove_root();
	if (mkdir(root, 0755) != 0)
		abort();
}

static inline void put_copy(const char *path, const char *from)
{
	char text[65536];
	CLEANUP(close_file) FILE *file = fopen(from, "r");

	if (!file)
		abort();
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	put(path, text);
}

static inline void put_link(const char *path, const char *target)
{
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	make_dirs(full);
	if (symlink(target, full) != 0)
		abort();
}

#endif
