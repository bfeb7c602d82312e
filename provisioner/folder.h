/* SPDX-License-Identifier: GPL-2.0-or-later */
/* folder: a folder of ours with whatever is in it. */
#ifndef VMCAST_FOLDER_H
#define VMCAST_FOLDER_H

#include "err.h"

#include <stdint.h>

/* Remove a file, or a folder with all that is in it; links are removed, not followed. Missing is fine. */
int folder_remove(const char *path, struct err *err);

/* The bytes of all files in it, as long as they say they are; missing: 0. */
int folder_bytes(const char *path, uint64_t *out, struct err *err);

/* The same without what is in its folder `name`, where somebody may be writing meanwhile. */
int folder_bytes_without(const char *path, const char *name, uint64_t *out, struct err *err);

/* Flush its entries: what was made in it, or moved into it, is there after a power cut. */
int folder_sync(const char *path, struct err *err);

#endif
