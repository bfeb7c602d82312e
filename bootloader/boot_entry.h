/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_entry: what a disk that was just written would boot, read from what its boot loader reads: a kernel, its initial RAM
 * disks, its arguments. Nothing on the disk is executed. Every byte is taken for hostile: what is too long, too deep or goes
 * in circles is refused, and so is what is not understood, for then the boot loader itself knows better.
 *
 * Sources: UAPI.1 Boot Loader Specification, UAPI.10 Version Format, the GNU GRUB manual 2.12 (chapters 6 and 16), and
 * systemd-stub(7) with the Microsoft PE Format for unified kernel images.
 */
#ifndef VMCAST_BOOT_ENTRY_H
#define VMCAST_BOOT_ENTRY_H

#include "boot_volume.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_INITRDS_MAX   16u
#define BOOT_ARGUMENTS_MAX 4096u      /* x86 takes 2048, arm64 2048, s390x 4096 */
#define BOOT_CONFIG_MAX    (4u << 20) /* bytes of one file; grub.cfg with hundreds of snapshots has some 500 KiB */

struct boot_entry {
	char title[256];               /* for people; cleaned */
	char from[BOOT_PATH_MAX + 64]; /* "FILE" or "FILE:LINE" that says so; cleaned */
	struct boot_file kernel;
	struct boot_file initrds[BOOT_INITRDS_MAX]; /* one after the other */
	size_t initrd_count;
	char arguments[BOOT_ARGUMENTS_MAX]; /* printable, one line */
};

/*
 * The entry that the disk's boot loader starts when nobody is there: systemd-boot's if that is there, else GRUB's, else
 * what there is of the Boot Loader Specification. -ENOENT: nothing says what to boot; -ENOTSUP: understood, but nothing
 * that can be started from Linux (another boot loader, a password), or not understood; -EBADMSG: damaged; -E2BIG: beyond
 * a limit. The message names file and line. `is_efi`: how the firmware would start it.
 */
int boot_entry_find(struct boot_entry *out, const struct boot_volumes *volumes, bool is_efi, struct err *err);

/* The parts of it, tried in that order. -ENOENT: the disk has none of that kind. */
int boot_entry_grub(struct boot_entry *out, const struct boot_volumes *volumes, bool is_efi, struct err *err);
int boot_entry_bls(struct boot_entry *out, const struct boot_volumes *volumes, struct err *err);

/* What a file says, following it into others; boot_entry_grub() looks for the file first. */
int boot_entry_grub_config(struct boot_entry *out, const struct boot_volumes *volumes, const struct boot_file *config,
			   bool is_efi, struct err *err);

/* The arguments, checked. `len` bytes without NUL. -EBADMSG: not printable; -E2BIG: too many. */
int boot_entry_set_arguments(struct boot_entry *out, const char *text, size_t len, struct err *err);

/* A file that is a part of what is booted; it has to be there. -E2BIG: too many of them. */
int boot_entry_add_initrd(struct boot_entry *out, const struct boot_file *file, struct err *err);

#endif
