/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sweep: clears from the state folder what nothing names any more, and finds images that are named and not there. */
#ifndef VMCAST_SWEEP_H
#define VMCAST_SWEEP_H

#include "err.h"
#include "store.h"

/*
 * At start, while nothing is ingested: remove from spool/ whatever does not begin with the id of an item that waits to
 * be ingested, or tried again (its download is resumed). Items whose image is not on the disk as the store describes it
 * are asked for again.
 */
int sweep_start(struct store *store, struct err *err);

/* While nothing is ingested: the same for spool/, and remove from images/ what no item or running job wants, and
 * from feeds/ the documents of feeds that were removed. */
int sweep_idle(struct store *store, struct err *err);

#endif
