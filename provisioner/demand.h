/* SPDX-License-Identifier: GPL-2.0-or-later */
/* demand: a machine wants an item that is not ingested yet. Anybody on the network may say so, so the feed's policy decides. */
#ifndef VMCAST_DEMAND_H
#define VMCAST_DEMAND_H

#include "request.h"

/* Whether machines may be offered this item though nothing serves it yet: its feed does not leave ingests to the operator. */
bool demand_allows(const struct config *config, const struct store_item *item);

/*
 * Whether it is worth waiting for the item: nothing serves it yet, and it is being ingested or waits for that. One that
 * waits goes first from now on.
 */
bool demand_item(const struct server *server, const struct store_item *item);

#endif
