/* SPDX-License-Identifier: GPL-2.0-or-later */
/* demand: see demand.h */
#include "demand.h"

#include "log.h"

bool demand_allows(const struct config *config, const struct store_item *item)
{
	struct feed_options options = { .ingest = item->feed_ingest };

	return feed_options_on_demand(&options, config->ingest);
}

bool demand_item(const struct server *server, const struct store_item *item)
{
	struct err err = { 0 };

	if (item->version || store_item_is_stuck(item))
		return false;
	if (item->state == ITEM_INGESTING)
		return true;
	if (!item->present || !demand_allows(server->config, item))
		return false;
	if (store_item_demand(server->store, item->id, &err) < 0)
		log_warn("item %s: %s, ignoring", item->id, err.text);
	worker_wake_ingest(server->worker);
	return true;
}
