/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sniff: what bytes are, by the bytes themselves; and whether what the publisher called them contradicts that.
 *
 * A disk is written as it is, so anything that is a container for a disk and not a disk must be recognised: a qcow2
 * file written raw would be a disk that does not boot, reported as a success.
 */
#ifndef VMCAST_SNIFF_H
#define VMCAST_SNIFF_H

#include "codec.h"
#include "err.h"

#include <stddef.h>
#include <stdint.h>

/* How much of the beginning sniff_head looks at: an ISO 9660 volume descriptor lies at 32 KiB. */
#define SNIFF_HEAD_BYTES (34u << 10)
/* How much of the end sniff_tail looks at: the footer of a fixed VHD. */
#define SNIFF_TAIL_BYTES 512u

enum sniff_kind {
	SNIFF_RAW,     /* nothing else: a disk as it is */
	SNIFF_DISK,    /* the image format of a disk: `driver` */
	SNIFF_CODEC,   /* one compressed file */
	SNIFF_ARCHIVE, /* several files */
	SNIFF_KERNEL,
	SNIFF_ISO,   /* a file system of optical media that is no disk */
	SNIFF_OTHER, /* nothing a machine boots from */
};

struct sniff_format {
	const char *name; /* "a qcow2 image", "gzip" */
	enum sniff_kind kind;
	const struct codec_ops *codec; /* reads it in one pass (codec_none: a raw disk); NULL: that takes more */
	const char *driver;            /* QEMU's name for it: "raw", "qcow2"; NULL: it has none */
	const char *types;             /* media types that promise it, each with a space before and after */
	const char *suffixes;          /* file name endings that promise it, the same way */
};

/* What begins with these bytes: the first SNIFF_HEAD_BYTES, or all there are. Never NULL; static storage. */
const struct sniff_format *sniff_head(const uint8_t *head, size_t len);

/* Whether raw bytes that end like this are a raw disk: -ENOTSUP names what they are instead. `len` is SNIFF_TAIL_BYTES
 * or all there are. */
int sniff_tail(const uint8_t *tail, size_t len, struct err *err);

/* What the `bytes` bytes from `off` on of a file are, by both ends. -EBADMSG: the file is shorter. */
int sniff_file(const struct sniff_format **out, int fd, uint64_t off, uint64_t bytes, struct err *err);

/*
 * What an enclosure's media type or the name in its URL promises: NULL if they promise nothing. -EBADMSG if they
 * promise different things. `type` may be NULL.
 */
int sniff_declared(const struct sniff_format **out, const char *type, const char *url, struct err *err);

#endif
