/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * write: puts an image on a device so that a power cut at any instant leaves either a disk that nothing boots from, or
 * the whole image. The order, and what each step is for, is at the top of write.c.
 */
#ifndef VMCAST_WRITE_H
#define VMCAST_WRITE_H

#include "chunk.h"
#include "device.h"
#include "progress.h"

#include <stdatomic.h>

struct write_options {
	struct device *dev; /* at least as large as the image */
	struct index *index;
	const struct chunk_source *source;
	struct progress *progress; /* NULL: nobody looks */
	const atomic_bool *stop;   /* NULL: never */
};

/*
 * -EIO: the device failed; -EBADMSG: a chunk did not have its digest after retries; else what the source returned.
 * After any failure but -ENOMEM (nothing was touched) the device is unbootable, or the error says that even this could
 * not be done.
 */
int write_image(const struct write_options *options, struct err *err);

#endif
