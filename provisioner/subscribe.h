/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * subscribe: a feed's URL -> its newest document -> the store. Conditional where the server can do that, bounded in
 * length and time. The last good document is kept in `<state_dir>/feeds/<feed id>.xml`; whatever goes wrong is recorded
 * with the feed, and its items go on as they were, for as long as it takes (F22). A feed that moved for good (301, 308)
 * is asked for there until that fails; one that is gone for good (410) is not asked for again.
 */
#ifndef VMCAST_SUBSCRIBE_H
#define VMCAST_SUBSCRIBE_H

#include "config.h"
#include "err.h"
#include "store.h"

#include <stdatomic.h>

/*
 * Refresh one feed now. 0: the store holds what the feed says at present. Otherwise the failure is recorded in the
 * store as well, unless `*stop` ended it (-ECANCELED) or it is the store that failed.
 */
int subscribe_refresh(struct store *store, const struct config *config, const struct store_feed *feed,
		      const atomic_bool *stop, struct err *err);

/*
 * When to refresh `feed` next, in seconds since 1970: after the interval, less up to a tenth of it that differs by feed
 * and by refresh, or the feed's own ttl if that is longer, outside of its skipHours and skipDays; after a failure sooner, at doubling intervals from 30 s on; never (INT64_MAX) for one that is gone. `now` bounds
 * the answer when the clock was set back.
 */
int64_t subscribe_due_at(const struct config *config, const struct store_feed *feed, int64_t now);

#endif
