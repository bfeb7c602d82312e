/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device_memory: a disk in memory with a volatile write cache, that keeps a log of what was asked of it, and fails and
 * lies as it is told. It answers "what is on the medium if the power goes at this very operation?".
 */
#ifndef VMCAST_DEVICE_MEMORY_H
#define VMCAST_DEVICE_MEMORY_H

#include "device.h"

#include <pthread.h>
#include <stdbool.h>

enum device_memory_op { OP_WRITE, OP_ZERO, OP_DISCARD, OP_READ, OP_FLUSH };

/* What a range reads as when it was discarded. */
#define DEVICE_MEMORY_JUNK 0x5a

struct device_memory_record {
	enum device_memory_op op;
	uint64_t off;
	uint64_t len;
	size_t at; /* on the clock */
};

struct device_memory {
	struct device dev;    /* first: the ops get a pointer to it */
	pthread_mutex_t lock; /* an operation is one step: who looks and who writes are different threads */
	uint8_t *medium;      /* survives a power cut; the caller's */
	uint8_t *cache;       /* what reads see: the medium and everything written since */
	struct device_memory_record *log;
	size_t log_count;
	size_t log_room;
	size_t *clock;      /* counts operations; disks on one power supply share it */
	size_t own_clock;   /* of a disk that has its own, as it has at first */
	size_t fail_at;     /* the operation at this time (from 0) fails; SIZE_MAX: none */
	bool fail_for_ever; /* and so do all after it: the power is gone */

	/* How it zeroes and discards. At first: as it should. */
	bool zero_refused;
	bool discard_refused;
	size_t honest_zeros;  /* after so many it says that it zeroed, and does not; SIZE_MAX: never */
	bool zeros_fade;      /* what it zeroed is junk from the next flush on */
	size_t flushed_count; /* of the log, at the last flush */
};

/* `medium` (of `bytes` bytes) is borrowed until device_close and then holds what reached the medium. NULL: out of
 * memory. */
struct device_memory *device_memory_new(uint8_t *medium, uint64_t bytes);

#endif
