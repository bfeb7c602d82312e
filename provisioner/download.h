/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * download: an enclosure's URL -> a file in the spool. What was received is kept across failures, stops and restarts of the
 * service, and continued with Range and If-Range where the server gave a strong validator; a server that changed the file or
 * knows no ranges is asked for the whole again. A server that keeps us going with next to nothing is given up like one that is
 * silent.
 */
#ifndef VMCAST_DOWNLOAD_H
#define VMCAST_DOWNLOAD_H

#include "err.h"
#include "source_policy.h"

#include <stdatomic.h>
#include <stdint.h>

struct download_options {
	const char *url;  /* http or https */
	const char *path; /* file to fill; `<path>.state` beside it says what it is a part of */
	const struct source_policy *policy;
	uint64_t length;         /* what the feed says; 0: nothing. Another length is an error. */
	uint64_t bytes_max;      /* longer files are refused */
	unsigned patience_s;     /* how long to go on trying while nothing comes, or nearly nothing */
	const atomic_bool *stop; /* ends it with -ECANCELED; NULL: never */
	/* Often; total 0: not known. A failure ends the download and is what it returns. NULL: no. */
	int (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes, struct err *err);
	void *ctx;
};

/*
 * 0: the file is complete. -EBADMSG: the server's file is not as long as the feed says; -EFBIG too long; -ENOSPC the spool has
 * no room for it; or what http.h says. A failure that may pass leaves what there is for the next call.
 */
int download_file(const struct download_options *options, struct err *err);

/* Remove the file and its state; missing is fine. */
void download_discard(const char *path);

#endif
