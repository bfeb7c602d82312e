/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seed_machine: see seed_machine.h */
#include "seed_machine.h"

#include "cleanup.h"

#include <string.h>

int seed_machine_make(struct seed_document *out, const struct config *config, struct store *store,
		      const struct store_machine *machine, const struct store_item *item, struct err *err)
{
	CLEANUP(seed_free) struct seed seed = { 0 };
	uint8_t secret[STORE_SECRET_BYTES];
	const struct seed_machine who = {
		.mac = machine->mac,
		.hostname = machine->hostname,
		.assignment = machine->assignment_key,
		.item_id = item->id,
		.item_title = item->announced.title,
		.item_uuid = item->announced.uuid,
	};
	int rc = seed_load(&seed, config->seeds_dir, machine->seed, err);

	if (!rc)
		rc = store_secret(store, "seed", secret, err);
	if (!rc)
		rc = seed_render(out, &seed, &who, secret, err);
	explicit_bzero(secret, sizeof(secret));
	return rc;
}
