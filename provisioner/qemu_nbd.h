/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu_nbd: QEMU's driver for one format of disk images, as a server in a sandbox that has the image and nothing else.
 *
 * The driver is named at every layer, so that nothing is guessed from the bytes; it is told to have no backing file.
 */
#ifndef VMCAST_QEMU_NBD_H
#define VMCAST_QEMU_NBD_H

#include "err.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

struct qemu_image {
	const char *path;   /* the file; if it is no longer the one below, all here is refused with -EAGAIN */
	struct stat file;   /* of the one whose header was checked */
	const char *driver; /* QEMU's name for the format */
	uint64_t file_off, file_bytes;
	uint64_t disk_bytes; /* as the header says */
	const char
		*size_calc; /* of a VHD: what of its header says so, as the driver calls it; NULL: up to the driver */
};

struct qemu_nbd;

/*
 * Let `qemu-img check` go through all of the image's tables: what lies outside of the file reads as zeros otherwise.
 * -EBADMSG: it found something; -EAGAIN: something ended it. A format for which there is no check passes.
 */
int qemu_check(const struct qemu_image *image, const atomic_bool *stop, struct err *err);

/*
 * Start the server. `*socket` is a connection to it, which the caller closes; nobody else can have one. Caller closes
 * with qemu_nbd_close, in the same thread.
 */
int qemu_nbd_open(struct qemu_nbd **out, int *socket, const struct qemu_image *image, struct err *err);

/* Something went wrong, as `*err` says: add what QEMU says, or if it ended, have that for the cause. Returns the code. */
int qemu_nbd_explain(struct qemu_nbd *q, struct err *err);

/* NULL is fine. */
void qemu_nbd_close(struct qemu_nbd **q);

#endif
