/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * receipt: what the machine signs when its disks are written, for the service to keep (docs/reference/formats.md, Receipts).
 */
#ifndef VMCAST_RECEIPT_H
#define VMCAST_RECEIPT_H

#include "boot_plan.h"
#include "progress.h"
#include "write.h"

#include <jansson.h>

/* One disk that was written. Borrowed. */
struct receipt_disk {
	const struct disk *target;
	const struct plan_disk *plan;
	const struct write_stats *stats;
};

/* What is receipted. All is borrowed. */
struct receipt_of {
	const struct boot_plan *plan;
	const struct receipt_disk *disks;
	size_t disk_count;
	int64_t started_at, ended_at; /* seconds since 1970, by this machine's clock */
	struct progress *progress;    /* knows how long the phases took */
};

/* {"signed", "signatures"}; caller frees with json_decref. -ENOKEY: the key does not sign. */
int receipt_sign(json_t **out, const struct receipt_of *what, struct machine_key *key, struct err *err);

#endif
