/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress: how far the work is, for the console and for the reporter (report.h), which reads it from another thread.
 *
 * Two sorts of lines: marks, one for each step that was reached ("vmcast: first byte at 12.345 s"), which timelines are
 * made from; and the running figures, one line rewritten on a terminal, else a line every few seconds. Bytes are those
 * of the compressed image: zeros cost next to nothing, so only these tell how long it will take.
 */
#ifndef VMCAST_PROGRESS_H
#define VMCAST_PROGRESS_H

#include "phase.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define PROGRESS_DISK 128 /* what the service keeps of it */

struct progress_state {
	enum phase phase;
	uint64_t bytes_done;
	uint64_t bytes_total;     /* 0: not yet known */
	uint64_t bytes_per_s;     /* of the last few seconds; of all once it is fetched */
	char disk[PROGRESS_DISK]; /* the target's name, or several; empty: not yet chosen */
};

struct progress;

/*
 * `to` (NULL: silent) is borrowed until progress_free. `since_boot`: marks carry the seconds since the machine started.
 * Caller frees with progress_free. NULL: out of memory.
 */
struct progress *progress_new(FILE *to, bool since_boot);
void progress_free(struct progress **p);

/* All of these do nothing when `p` is NULL. */
void progress_set_phase(struct progress *p, enum phase phase);
void progress_set_disk(struct progress *p, const char *name);
void progress_set_total(struct progress *p, uint64_t bytes_total);
void progress_add(struct progress *p, uint64_t bytes);

/* As much was on the disk already: done, but not at any rate. */
void progress_skip(struct progress *p, uint64_t bytes);

/* The service is making the image ready: how far it is with a phase of that. `total` 0: not known. */
void progress_wait(struct progress *p, const char *phase, uint64_t done, uint64_t total);

/* A step was reached: its name, then what is worth knowing about it ("" if nothing). */
void progress_mark(struct progress *p, const char *step, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* How long the phases so far took. */
uint64_t progress_phase_ms(struct progress *p, enum phase phase);

/* A consistent copy, from any thread; all zero when `p` is NULL. */
void progress_get(struct progress *p, struct progress_state *out);

#endif
