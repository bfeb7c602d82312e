/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tar_writer: members, one after the other, whose length is known at their end only -> a tar archive. Source: POSIX.1-2017
 * pax, ustar interchange format; a member of 8 GiB or more has its length in base 256, as GNU tar writes it and every
 * reader in use knows it.
 */
#ifndef VMCAST_TAR_WRITER_H
#define VMCAST_TAR_WRITER_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

#define TAR_BLOCK_BYTES 512u
#define TAR_NAME_MAX    99u

/* The header of a file of `bytes` bytes, last changed at `when` (s since 1970). `name`: 1 to TAR_NAME_MAX bytes. */
void tar_header_pack(uint8_t raw[static TAR_BLOCK_BYTES], const char *name, uint64_t bytes, int64_t when);

struct tar_writer;

/* The file must not be there yet. Caller closes with tar_writer_close. */
int tar_writer_open(struct tar_writer **out, const char *path, struct err *err);
void tar_writer_close(struct tar_writer **w);

/* The next member: `name` as tar_header_pack's. What follows is its content, until the next one or the end. */
int tar_writer_begin(struct tar_writer *w, const char *name, struct err *err);
int tar_writer_add(struct tar_writer *w, const void *data, size_t len, struct err *err);

/* The archive is complete: flush it to the disk. */
int tar_writer_finish(struct tar_writer *w, struct err *err);

#endif
