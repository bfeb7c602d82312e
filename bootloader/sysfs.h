/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysfs: reading the kernel's one-value files. */
#ifndef VMCAST_SYSFS_H
#define VMCAST_SYSFS_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SYSFS_PATH 512

/*
 * The file's first line without blanks at its ends; bytes that are not printable ASCII become '_' (they come from a
 * disk's firmware and end in JSON and on terminals). `out` is always terminated, empty on failure. 0 or a negative
 * errno value.
 */
int sysfs_text(char *out, size_t room, const char *path_fmt, ...) __attribute__((format(printf, 3, 4)));

/* A decimal number; 0 if it is not there. */
uint64_t sysfs_number(const char *path_fmt, ...) __attribute__((format(printf, 1, 2)));

/* The file's bytes as they are. Returns how many, or a negative errno value. */
ssize_t sysfs_bytes(uint8_t *out, size_t room, const char *path_fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same cleaning for text that came from elsewhere, in place. */
void sysfs_clean(char *text);

void sysfs_close_dir(DIR **dir);

#endif
