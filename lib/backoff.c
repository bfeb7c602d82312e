/* SPDX-License-Identifier: GPL-2.0-or-later */
/* backoff: see backoff.h */
#include "backoff.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#define WAIT_MAX_MS 30000u
#define NAP_MS      100u /* how long a wait goes on after it was stopped */

uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int clock_sleep_ms(uint64_t ms, const atomic_bool *stop, struct err *err)
{
	uint64_t until = clock_ms() + ms;

	while (clock_ms() < until) {
		struct timespec nap = { .tv_nsec = NAP_MS * 1000000L };

		if (stop && atomic_load(stop))
			return err_set(err, -ECANCELED, "interrupted");
		nanosleep(&nap, NULL);
	}
	return 0;
}

void backoff_init(struct backoff *b, unsigned patience_s)
{
	*b = (struct backoff){ .patience_s = patience_s };
}

void backoff_reset(struct backoff *b)
{
	backoff_init(b, b->patience_s);
}

static uint64_t random_below(uint64_t limit)
{
	uint32_t r = 0;

	/* No entropy yet (early boot) only means no spread. */
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = 0;
	return r % limit;
}

int64_t backoff_next_ms(struct backoff *b, unsigned at_least_s)
{
	uint64_t now = clock_ms();

	if (b->tries == 0)
		b->give_up_ms = now + (uint64_t)b->patience_s * 1000;
	if (now >= b->give_up_ms)
		return -1;
	uint64_t wait = b->tries < 5 ? 1000u << b->tries : WAIT_MAX_MS;
	if (wait < (uint64_t)at_least_s * 1000)
		wait = (uint64_t)at_least_s * 1000;
	wait += random_below(wait / 4);
	/* The last try comes just before patience ends, not after. */
	if (now + wait > b->give_up_ms)
		wait = b->give_up_ms - now;
	b->tries++;
	return (int64_t)wait;
}
