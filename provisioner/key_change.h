/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * key_change: the next root and targets metadata of a site: made for the first time, with other keys, or with another end.
 * Nothing is signed here but in key_change_sign; nothing is written but keys.
 *
 * Source: the TUF specification, sections 4.3, 4.5 and 6.1.
 */
#ifndef VMCAST_KEY_CHANGE_H
#define VMCAST_KEY_CHANGE_H

#include "err.h"
#include "key_site.h"
#include "keyring.h"

struct signing_key;

struct key_plan {
	unsigned root_keys, root_threshold; /* of new root keys */
	int64_t expires;                    /* seconds since 1970 */
	bool is_feed;                       /* of key_change_first: a publisher's, of whom `online` signs the feed */
};

/* All of them: free what a change holds with key_change_done, also after an error. New keys are made in `ring`. */
void key_change_done(struct key_change *change);

/* Version 1 of both. `online` may sign for the roles of the service. */
int key_change_first(struct key_change *out, struct keyring *ring, const struct signing_key *online,
		     const struct key_plan *plan, struct err *err);

/* Only versions and ends. */
int key_change_renew(struct key_change *out, const struct key_site *site, enum tuf_type type, int64_t expires,
		     struct err *err);

/* All root keys become plan->root_keys new ones; or the one whose id begins with `replace` becomes another, and the threshold
 * stays. */
int key_change_roots(struct key_change *out, const struct key_site *site, struct keyring *ring,
		     const struct key_plan *plan, struct err *err);
int key_change_one_root(struct key_change *out, const struct key_site *site, struct keyring *ring, const char *replace,
			int64_t expires, struct err *err);

/* The keys of targets become one new key. */
int key_change_targets(struct key_change *out, const struct key_site *site, struct keyring *ring, int64_t expires,
		       struct err *err);

/* `online` takes the place of the service's key. */
int key_change_online(struct key_change *out, const struct key_site *site, const struct signing_key *online,
		      int64_t expires, struct err *err);

/* Each key of the ring signs what it may: the root as the one before and as the next one say; site->root NULL: there is none
 * before. */
int key_change_sign(struct key_change *change, const struct key_site *site, const struct keyring *ring,
		    struct err *err);

#endif
