/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_plan: what an item's description says of its machine -> the machine that a node runs it in, as plans and signed metadata
 * have it ("guest", docs/reference/api.md). What is not said gets a value that most images start with; what a node cannot be given
 * is refused here, before anything is written.
 */
#ifndef VMCAST_GUEST_PLAN_H
#define VMCAST_GUEST_PLAN_H

#include "store.h"

#include <jansson.h>

/*
 * Of an item with disks. -EALREADY: there is no such machine, and the error names the item, the field and its value. Caller frees
 * with json_decref. The same item gives the same JSON.
 */
int guest_plan_make(json_t **out, const struct store_item *item, const struct store_content *content, struct err *err);

#endif
