/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tree: a machine that is a tree of files like the kernel's, made in a temporary directory. */
#ifndef VMCAST_TREE_H
#define VMCAST_TREE_H

#include "cleanup.h"

#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/vmcast-test-tree-XXXXXX";

static inline void make_root(void)
{
	if (!mkdtemp(root))
		abort();
}

static inline void make_dirs(char *path)
{
	for (char *at = path + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
}

/* A file below the root with this content. */
static inline void put(const char *path, const char *text)
{
	char full[PATH_MAX + sizeof(root) + 1];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	make_dirs(full);
	CLEANUP(close_file) FILE *file = fopen(full, "w");
	if (!file || fputs(text, file) < 0)
		abort();
}

struct attribute {
	const char *name;
	const char *text;
};

/* A disk at `device` (below sys/devices) that sys/block points to, with the attributes every disk has and some more. */
static inline void put_disk(const char *device, const char *dev, const char *sectors, const struct attribute *more,
			    size_t count)
{
	const char *name = strrchr(device, '/') + 1;
	const struct attribute common[] = {
		{ "dev", dev },          { "size", sectors },  { "ro", "0\n" },
		{ "removable", "0\n" },  { "diskseq", "7\n" }, { "queue/logical_block_size", "512\n" },
		{ "holders/.keep", "" },
	};
	char path[PATH_MAX], target[PATH_MAX + sizeof(root)];

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]) + count; i++) {
		const struct attribute *a = i < count ? &more[i] : &common[i - count];

		snprintf(path, sizeof(path), "sys/devices/%s/%s", device, a->name);
		/* What the case gives counts, not the common value. */
		snprintf(target, sizeof(target), "%s/%s", root, path);
		if (i < count || access(target, F_OK) != 0)
			put(path, a->text);
	}
	put("sys/block/.keep", "");
	snprintf(path, sizeof(path), "%s/sys/block/%s", root, name);
	snprintf(target, sizeof(target), "../devices/%s", device);
	if (symlink(target, path) != 0)
		abort();
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline void remove_root(void)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
