/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * retry: whether an exchange that failed is worth another try, and the wait before it.
 *
 * Network errors and "come back later" are retried until patience is over. Bytes that do not have their digest are
 * fetched again a few times: a bit may have flipped on the way, but a server that keeps sending wrong bytes has them
 * wrong.
 */
#ifndef VMCAST_RETRY_H
#define VMCAST_RETRY_H

#include "backoff.h"
#include "err.h"

#include <limits.h>
#include <stdatomic.h>

/* Patience without end. */
#define RETRY_FOREVER UINT_MAX

struct retry {
	struct backoff backoff;
	unsigned corrupt;        /* wrong bytes in a row */
	const atomic_bool *stop; /* ends a wait; borrowed, may be NULL */
};

void retry_init(struct retry *r, unsigned patience_s, const atomic_bool *stop);

/* Something arrived: the next failure starts from the beginning. */
void retry_reset(struct retry *r);

/*
 * Something failed with `*err`. 0: it was worth another try and the wait is over. Else the error's code: a permanent
 * one, or one for which patience is over (which `*err` then says), or -ECANCELED. `retry_after_s` is what the peer
 * asked for.
 */
int retry_wait(struct retry *r, unsigned retry_after_s, struct err *err);

#endif
