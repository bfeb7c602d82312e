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

#include <stdatomic.h>
#include <stdint.h>

struct convert_options {
	struct image_options image;
	const struct sniff_format *declared; /* what the publisher calls the file, NULL: nothing */
	const uint8_t *digest;               /* SHA-256 of the file, DIGEST_BYTES long; NULL: none is known */
	uint64_t length;                     /* of the file; 0: not known */
	const atomic_bool *stop;             /* ends the work with -ECANCELED; NULL: never */
	/* Called for each chunk: how many of the file's bytes have been read. A failure ends the work and is what it returns.
	 * NULL: no. */
	int (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes, struct err *err);
	void *ctx;
};

/*
 * Convert the file open at `fd`, from its beginning. `*out` describes the image, complete and flushed in
 * options->image.folder. -EBADMSG corrupt, truncated, not what it was declared to be, or of another length or digest;
 * -ENOTSUP something that is no raw disk; -EFBIG larger than allowed.
 */
int convert_file(struct store_image *out, int fd, const struct convert_options *options, struct err *err);

#endif
