/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * static_file: a file as an answer, sent by sendfile: ETag, one Range, If-Range, If-None-Match. Source: RFC 9110,
 * sections 13 and 14. The path is the caller's own: nothing of a request may be in it that has not been checked to be
 * of our form.
 */
#ifndef VMCAST_STATIC_FILE_H
#define VMCAST_STATIC_FILE_H

#include "request.h"

struct static_file {
	const char *path;
	const char *type; /* Content-Type */
	const char *tag;  /* names the content; NULL: made from size and time of change */
	bool immutable;   /* what has this address never changes */
};

/* -ENOENT if it is not there or no regular file. */
int reply_file(struct request *rq, const struct static_file *file, struct err *err);

#endif
