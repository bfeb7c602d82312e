/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chunk: the seam between where frames come from and who checks and writes them. A source takes chunks from the list of
 * what is to be done, and hands their frames to the pipeline, which judges them later, in other threads: what came wrong is
 * on the list again.
 */
#ifndef VMCAST_CHUNK_H
#define VMCAST_CHUNK_H

#include "pipeline.h"
#include "todo.h"

struct chunk_source {
	/* Until nothing is left of `todo` or it failed, whose error is returned. `pipeline` has been begun with it. */
	int (*fetch)(void *ctx, struct todo *todo, struct pipeline *pipeline, struct err *err);
	void *ctx;
};

#endif
