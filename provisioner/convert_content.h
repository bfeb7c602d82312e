/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * convert_content: an enclosure, whatever it is -> its content in a folder, to be moved below images/.
 *
 * A raw disk, plain or in one of our codecs, goes through convert.h in one pass. Everything else is taken apart by
 * unpack.h, and its disks are read part by part through disk_reader.h; both need the enclosure as a file.
 */
#ifndef VMCAST_CONVERT_CONTENT_H
#define VMCAST_CONVERT_CONTENT_H

#include "content.h"
#include "convert.h"
#include "err.h"
#include "watch.h"

#include <stdint.h>

struct convert_content_options {
	struct convert_options
		file;     /* what is known of the file, how to write images, what to tell; image.folder is not
					looked at */
	const char *work; /* an empty folder: disk nr lands in `<work>/image.<nr>`, a file in `<work>/file`, an
					initrd in `<work>/initrd`; beside them files that are of use meanwhile */
	const char *unpack_program; /* path of vmcast-unpack */
	const char *keyring;        /* as struct unpack_options has it */
	uint64_t scratch_bytes_max; /* what may be unpacked in between */
};

/*
 * Convert the file open at `fd`. `*out` describes what is in the work folder then, complete and flushed. Errors as
 * convert_file's, unpack_enclosure's and disk_reader's; -EAGAIN: the file changed while it was read. Phases: "check",
 * "unpack", "convert". Caller frees with store_content_free.
 */
int convert_content(struct store_content *out, int fd, const struct convert_content_options *options, struct err *err);

/* Move what is in the work folder below `images`, durably. What is there already is kept: an id names the bytes. */
int content_publish(const char *images, const char *work, const struct store_content *content, struct err *err);

#endif
