/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * delta_job: makes the deltas to what items serve from versions of them that are kept, in a thread of its own, one at a
 * time and with the lowest priority. A delta is a file `deltas/<new image>-<old image>`; an empty one says that it would
 * not be worth having. Sweeping removes those of images that are gone (sweep.h).
 */
#ifndef VMCAST_DELTA_JOB_H
#define VMCAST_DELTA_JOB_H

#include "config.h"
#include "store.h"

#define DELTA_NAME_CHARS (2 * STORE_IMAGE_CHARS) /* "<new>-<old>" with the final NUL */

struct delta_job;

/* `config` and `store` are borrowed until delta_job_free, which ends what goes on. */
int delta_job_new(struct delta_job **out, const struct config *config, struct store *store, struct err *err);
void delta_job_free(struct delta_job **job);

/* Look for what is to be made, soon. Any thread; NULL is fine. */
void delta_job_wake(struct delta_job *job);

/* A delta that is there. */
struct delta_file {
	char name[DELTA_NAME_CHARS];
	char from[STORE_IMAGE_CHARS];
	uint64_t bytes;
};

/* Those to image `id`, at most `max`: how many. None that would not be worth having. */
size_t delta_files(struct delta_file *out, size_t max, const struct store *store, const char *id);

#endif
