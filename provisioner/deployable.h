/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * deployable: an image that its publisher has already made deployable (`index` and `image.zst`, docs/reference/formats.md)
 * -> the same image in a folder of ours, every byte of it checked. A subscriber that finds this form skips the conversion,
 * never the verification.
 *
 * In a feed it is one element for each disk, the boot disk first; URLs may be relative to the feed:
 *
 *   <vmcast:image index="URL" image="URL" id="SHA-256 of the index" index_bytes="" image_bytes="" disk_bytes=""
 *                 name="" bus=""/>
 */
#ifndef VMCAST_DEPLOYABLE_H
#define VMCAST_DEPLOYABLE_H

#include "content.h"
#include "digest.h"
#include "err.h"
#include "source_policy.h"
#include "watch.h"

#include <stdint.h>

/* An image as two open files. */
struct deployable_files {
	int index_fd, image_fd;
	const uint8_t *id; /* SHA-256 of the index, DIGEST_BYTES long */
};

/*
 * Compare all of an image with its index, and the index with its id: each frame, each chunk's digest, which chunks are
 * zeros, the seek table. Memory for one chunk. `*out` describes the image. -EACCES: the index is not
 * the one with that id; -EBADMSG: something else is not what it must be, and which chunk.
 */
int deployable_verify(struct store_image *out, const struct deployable_files *files, const struct watch *watch,
		      struct err *err);

/* What takes the disk of an image, chunk after chunk. */
struct deployable_sink {
	/* `raw` are the disk's next bytes, as their digest in the index says. A failure ends the work and is what it returns. */
	int (*take)(void *ctx, const uint8_t *raw, size_t len, struct err *err);
	void *ctx;
};

/* The same, and all of the disk goes into `sink`. */
int deployable_read(const struct deployable_files *files, const struct deployable_sink *sink, const struct watch *watch,
		    struct err *err);

struct deployable_options {
	const char *index_url, *image_url; /* absolute; http, https, or file where the policy lets it */
	const uint8_t *id;
	uint64_t index_bytes, image_bytes, disk_bytes; /* as announced; other sizes are refused */
	const char *part;                              /* downloads go to `<part>.index` and `<part>.image` */
	const char *folder; /* of an image to be: exists, is empty, on the file system of `part` */
	const struct source_policy *policy;
	uint64_t disk_bytes_max; /* a larger disk is refused (-EFBIG) before anything is fetched */
	unsigned patience_s;     /* as download.h's */
	struct watch watch;      /* phases: "download", "verify" */
};

/*
 * Fetch both files, verify them and move them into `folder`, flushed, as image_publish takes it. A failure that may pass
 * leaves what was received for the next call. Errors as deployable_verify's and download_file's.
 */
int deployable_fetch(struct store_image *out, const struct deployable_options *options, struct err *err);

/* Remove what a failed fetch left at `part`; missing is fine. */
void deployable_discard(const char *part);

#endif
