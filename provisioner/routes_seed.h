/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_seed: seeds: what operators see of them, and the one that a machine gets, sealed. Fields: docs/reference/api.md. */
#ifndef VMCAST_ROUTES_SEED_H
#define VMCAST_ROUTES_SEED_H

#include "request.h"

/* For operators. Never what is in a seed. */
route_handler routes_seed_list, routes_seed_get;

/* For the machine that runs a job with a seed. */
route_handler routes_seed_give;

#endif
