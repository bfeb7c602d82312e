/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * convert: a publisher's file (a raw disk, plain or compressed) -> a deployable image in a folder. One pass: the bytes
 * whose digest is compared are the bytes that are unpacked, and nothing is finished before the comparison.
 */
#ifndef VMCAST_CONVERT_H
#define VMCAST_CONVERT_H

#include "digest.h"
#include "err.h"
#include "image_writer.h"
#include "sniff.h"
#include "watch.h"

#include <stdint.h>

struct convert_options {
	struct image_options image;
	const struct sniff_format *declared; /* what the publisher calls the file, NULL: nothing */
	const uint8_t *digest;               /* SHA-256 of the file, DIGEST_BYTES long; NULL: none is known */
	uint64_t length;                     /* of the file; 0: not known */
	struct watch watch;                  /* phase: "convert"; counts the file's bytes */
};

/*
 * Convert the file open at `fd`, from its beginning. `*out` describes the image, complete and flushed in
 * options->image.folder. -EBADMSG corrupt, truncated, not what it was declared to be, or of another length or digest;
 * -ENOTSUP something that is no raw disk; -EFBIG larger than allowed.
 */
int convert_file(struct store_image *out, int fd, const struct convert_options *options, struct err *err);

/* Only compare length and digest of the file, where they are known: for what reads it in some other way. Phase:
 * "check". */
int convert_check_origin(int fd, const struct convert_options *options, struct err *err);

#endif
