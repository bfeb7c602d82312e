/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zero_runs: what is done to a disk where its image is zeros (zeros_policy.h). With each policy some of it is made zeros:
 *
 * - where the new system would look for labels (labels.h), which may be an old system's;
 * - everything, if the image's partition table is not known or cannot be followed;
 * - what should be discarded and cannot.
 */
#ifndef VMCAST_ZERO_RUNS_H
#define VMCAST_ZERO_RUNS_H

#include "device.h"
#include "labels.h"
#include "zeros_policy.h"

/* Of one disk. */
struct zero_runs {
	enum zeros_policy policy;
	bool knows_labels;
	struct labels labels;
	uint64_t left_bytes; /* that were not made zeros: they are what they were, or were discarded */
};

/* A run of zeros at from..to-1. -EIO: the device failed. */
int zero_runs_place(struct zero_runs *z, struct device *dev, uint64_t from, uint64_t to, struct err *err);

#endif
