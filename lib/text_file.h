/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text_file: a small file in memory, its replacement as a whole, and its end. */
#ifndef VMCAST_TEXT_FILE_H
#define VMCAST_TEXT_FILE_H

#include "err.h"

#include <stddef.h>

/* `*text` is NUL-terminated, caller frees. -EFBIG: it has more than `max` bytes. */
int text_file_read(char **text, size_t *len, const char *path, size_t max, struct err *err);

/* The file is the new one or the one before, also after a power cut. */
int text_file_replace(const char *path, const char *text, size_t len, struct err *err);

/* It is gone, also after a power cut; missing is fine. */
int text_file_remove(const char *path, struct err *err);

#endif
