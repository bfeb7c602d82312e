/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch: what long work tells while it goes on, and what ends it early. */
#ifndef VMCAST_WATCH_H
#define VMCAST_WATCH_H

#include "err.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

struct watch {
	const atomic_bool *stop; /* ends the work with -ECANCELED; NULL: never */
	/* Called often; `phase` is a word such as "download"; total 0: not known. A failure ends the work and is what it
	 * returns. NULL: nobody wants to know. */
	int (*progress)(void *ctx, const char *phase, uint64_t done_bytes, uint64_t total_bytes, struct err *err);
	void *ctx;
};

/* To be called in the work's innermost loop: 0 to go on. */
static inline int watch_look(const struct watch *watch, const char *phase, uint64_t done, uint64_t total,
			     struct err *err)
{
	if (watch->stop && atomic_load(watch->stop))
		return err_set(err, -ECANCELED, "stopped");
	return watch->progress ? watch->progress(watch->ctx, phase, done, total, err) : 0;
}

#endif
