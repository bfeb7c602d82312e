/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_boot_disk: a disk of one file system in /tmp, made once, in which one file is the input. */
#ifndef VMCAST_FUZZ_BOOT_DISK_H
#define VMCAST_FUZZ_BOOT_DISK_H

#include "boot_tree.h"
#include "bytes.h"

#include <assert.h>

static inline int fuzz_disk(const char *path)
{
	char full[PATH_MAX];

	make_root();
	atexit(remove_root);
	add_volume("root", 1, "btrfs", "aaaa", "root/default");
	put("root/k", "kernel");
	put("root/i", "initrd");
	put("root/default/k", "kernel");
	put("root/grubenv", "# GRUB Environment Block\nsaved_entry=1>x\nkernelopts=a\\\\b\n####");
	put("root/loader/entries/x-2.conf", "title x\nlinux /k\ninitrd /i $more\noptions $kernelopts a\n");
	put("root/loader/entries/x-10.conf", "title y\nlinux /k\noptions b\n");
	snprintf(full, sizeof(full), "root/%s", path);
	put(full, "");
	snprintf(full, sizeof(full), "%s/root/%s", root, path);
	int fd = open(full, O_RDWR | O_CLOEXEC);
	assert(fd >= 0);
	return fd;
}

static inline void fuzz_write(int fd, const uint8_t *data, size_t len)
{
	assert(ftruncate(fd, 0) == 0 && pwrite(fd, data, len, 0) == (ssize_t)len);
}

/* What is found lies within a file that is there, and can be shown. */
static inline void fuzz_check_text(const char *text)
{
	for (; *text; text++)
		assert((unsigned char)*text >= 0x20 && *text != 0x7f);
}

#endif
