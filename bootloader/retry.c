/* SPDX-License-Identifier: GPL-2.0-or-later */
/* retry: see retry.h */
#include "retry.h"

#include "http.h"
#include "log.h"

#include <errno.h>

#define CORRUPT_MAX 3 /* tries to get the same bytes right */

void retry_init(struct retry *r, unsigned patience_s, const atomic_bool *stop)
{
	*r = (struct retry){ .stop = stop };
	backoff_init(&r->backoff, patience_s);
}

void retry_reset(struct retry *r)
{
	backoff_reset(&r->backoff);
	r->corrupt = 0;
}

int retry_wait(struct retry *r, unsigned retry_after_s, struct err *err)
{
	bool corrupt = err->code == -EBADMSG || err->code == -EACCES;

	if (!corrupt && !http_is_transient(err->code))
		return err->code;
	if (corrupt && ++r->corrupt >= CORRUPT_MAX)
		return err_wrap(err, "tried %u times", r->corrupt);
	int64_t ms = backoff_next_ms(&r->backoff, retry_after_s);
	if (ms < 0)
		return err_wrap(err, "gave up after %u s", r->backoff.patience_s);
	log_warn("%s, retrying in %.1f s", err->text, (double)ms / 1000);
	return clock_sleep_ms((uint64_t)ms, r->stop, err);
}
