/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_guest: guests on their nodes. What a node tells of them and is told (POST /v1/guests), and what operators see and want.
 * Fields: docs/reference/api.md. */
#ifndef VMCAST_ROUTES_GUEST_H
#define VMCAST_ROUTES_GUEST_H

#include "request.h"

/* Of a node's report. */
#define ROUTES_GUEST_BODY_MAX (1u << 20)

/* For nodes. */
route_handler routes_guest_report;

/* For operators. {guest} is the node's address and the item. */
route_handler routes_guest_list, routes_guest_get, routes_guest_want, routes_guest_read, routes_guest_type;

#endif
