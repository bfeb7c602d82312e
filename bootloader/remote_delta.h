/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * remote_delta: the deltas that a service offers for an image, tried on a disk before its chunks are fetched.
 *
 * Which of them fits, if any, shows when its first chunks are made: when none of as many as REMOTE_DELTA_TRIES is right, the
 * disk holds something else. Records are fetched before payloads, and those of chunks that are in their place already are
 * passed over.
 */
#ifndef VMCAST_REMOTE_DELTA_H
#define VMCAST_REMOTE_DELTA_H

#include "delta_apply.h"
#include "service.h"

#define REMOTE_DELTA_TRIES 16

struct remote_delta;

/*
 * `*out` is NULL where nothing is offered: all calls take that. `image` and `service` are borrowed until
 * remote_delta_close.
 */
int remote_delta_open(struct remote_delta **out, const struct index_header *h, const struct plan_image *image,
		      const struct service *service, struct progress *progress, struct err *err);
void remote_delta_close(struct remote_delta **r);

/* Make what can be made on the disk. What cannot, for whatever reason but the disk (-EIO) or a stop (-ECANCELED), is left
 * to be fetched. */
int remote_delta_apply(struct remote_delta *r, const struct delta_target *target, struct err *err);

/* How many bytes that took from the network. */
uint64_t remote_delta_fetched_bytes(const struct remote_delta *r);

#endif
