/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remote_index: an INDEX on a web server as the source of a `struct index`. */
#ifndef VMCAST_REMOTE_INDEX_H
#define VMCAST_REMOTE_INDEX_H

#include "index.h"
#include "service.h"

struct remote_index;

/*
 * Fetch and check the index that `image` names; both it and `service` are borrowed until remote_index_close. Network
 * errors are retried; so is, a few times, an index with another digest. Pages that are needed again later are fetched
 * without retries of their own: who needs them decides. Codes as index_open's, and -EBADMSG if it does not agree with
 * the plan.
 */
int remote_index_open(struct remote_index **out, const struct plan_image *image, const struct service *service,
		      struct err *err);
void remote_index_close(struct remote_index **r);

/* Borrowed until remote_index_close. */
struct index *remote_index_get(struct remote_index *r);

#endif
