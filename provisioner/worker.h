/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker: the service's background threads. A few refreshers fetch each feed when its interval is over or somebody asks,
 * one feed each at a time, so that a publisher who is silent does not hold up the others; the ingester turns announced items into images, one at a time, oldest first.
 */
#ifndef VMCAST_WORKER_H
#define VMCAST_WORKER_H

#include "config.h"
#include "err.h"
#include "store.h"
#include "verify.h"

struct worker;

/*
 * Clear what a killed service left behind (spool files nobody wants, images no item or job names) and start the
 * threads. `config` and `store` are borrowed until worker_stop. Caller ends it with worker_stop.
 */
int worker_start(struct worker **out, const struct config *config, struct store *store, struct err *err);

/* Interrupt a running fetch or ingest (what was downloaded is kept for the next start), wait for the threads, free. */
void worker_stop(struct worker **worker);

/* Refresh this feed now, or every feed (NULL). Returns at once; any thread may call. An unknown id wakes nobody up in
 * vain: it is ignored. */
void worker_wake_refresh(struct worker *worker, const char *feed_id);

/* What checks the images; ends with the worker. */
struct verify *worker_verify(struct worker *worker);

/* Look for items to ingest now: an operator asked for one. Returns at once; any thread may call. */
void worker_wake_ingest(struct worker *worker);

#endif
