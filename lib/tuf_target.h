/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_target: the bytes of a file whose length and hashes are known, from a TUF repository's targets folder into a file.
 * Source: the TUF specification, section 5.7 (and 6.2 for names with hashes). */
#ifndef VMCAST_TUF_TARGET_H
#define VMCAST_TUF_TARGET_H

#include "err.h"
#include "tuf_fileinfo.h"

struct http;

struct tuf_target {
	const char *url;      /* of the targets folder */
	bool has_hashed_name; /* consistent snapshots: DIGEST.NAME */
	const char *path;     /* in it */
	const struct tuf_fileinfo *info;
};

/* See tuf_download. */
int tuf_target_fetch(struct http *http, const struct tuf_target *target, const char *file, struct err *err);

#endif
