/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan: which chunks of an image its disk holds already, from a run that was interrupted or an image before: read in place,
 * compared with their digests, by threads of its own, while others fetch what is known not to be there.
 */
#ifndef VMCAST_SCAN_H
#define VMCAST_SCAN_H

#include "device.h"
#include "index.h"
#include "progress.h"
#include "todo.h"

#include <stdatomic.h>

struct scan;

/* Memory and threads for images of chunks up to `chunk_bytes_max`. Caller frees with scan_free. */
int scan_new(struct scan **out, uint32_t chunk_bytes_max, struct progress *progress, struct err *err);
void scan_free(struct scan **s);

/* Chunks `first`..`end`-1 of an image on a disk; all of it is borrowed until scan_finish. */
struct scan_range {
	struct device *dev;
	struct index *index;
	struct todo *todo;
	uint64_t first;
	uint64_t end;
};

/*
 * Begin to look. Chunks found are done, and all of the range is decided, in the end and as it goes on. A disk that cannot
 * be read there is left to those who write, to fail or to heal.
 */
void scan_begin(struct scan *s, const struct scan_range *range);

/* Stop looking, if it has not ended, and return how many chunks were found; 0 if they are all zeros, which an empty disk
 * has, too. */
uint64_t scan_finish(struct scan *s);

#endif
