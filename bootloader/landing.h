/* SPDX-License-Identifier: GPL-2.0-or-later */
/* landing: what happens to the machine once its disk is good. */
#ifndef VMCAST_LANDING_H
#define VMCAST_LANDING_H

#include "err.h"

#include <stdatomic.h>

struct landing {
	const char *name;
	/* Does not return when it works. `stop` may still prevent it. */
	int (*go)(const atomic_bool *stop, struct err *err);
};

/* -ENOTSUP: this client cannot do that. Asked before the disk is touched. */
int landing_find(const struct landing **out, const char *name, struct err *err);

#endif
