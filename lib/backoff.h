/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backoff: how long to wait before trying again: 1 s, 2 s, 4 s ... 30 s, plus up to a quarter at random so that two
 * hundred machines that lost the same server do not come back in step.
 */
#ifndef VMCAST_BACKOFF_H
#define VMCAST_BACKOFF_H

#include "err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct backoff {
	unsigned tries;      /* failures since the last success */
	uint64_t give_up_ms; /* on the monotonic clock; 0: not yet set */
	unsigned patience_s; /* give up so long after the first failure in a row */
};

void backoff_init(struct backoff *b, unsigned patience_s);

/* Something worked: the next failure starts from the beginning. */
void backoff_reset(struct backoff *b);

/* Milliseconds to wait now, at least `at_least_s` (a Retry-After), or -1: patience is over. */
int64_t backoff_next_ms(struct backoff *b, unsigned at_least_s);

/* The monotonic clock (which also runs while suspended), in milliseconds since the machine started. */
uint64_t clock_ms(void);

/* Returns 0 when the time is over, or -ECANCELED soon after `stop` (may be NULL) became true. */
int clock_sleep_ms(uint64_t ms, const atomic_bool *stop, struct err *err);

#endif
