/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish_convert: an image file of any form that the service takes -> its disks as deployable images, made by the same code. */
#ifndef VMCAST_PUBLISH_CONVERT_H
#define VMCAST_PUBLISH_CONVERT_H

#include "content.h"
#include "err.h"
#include "watch.h"

struct publish_convert_options {
	const char *work;           /* disk nr lands in `<work>/image.<nr>`, flushed */
	const char *unpack_program; /* path of vmcast-unpack */
	const struct watch *watch;
};

/* Caller frees `*out` with store_content_free. -ENOTSUP: it is a thing without a disk. Else as convert_file. */
int publish_convert(struct store_content *out, int fd, const struct publish_convert_options *options, struct err *err);

#endif
