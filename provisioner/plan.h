/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan: what a client is told to do (POST /v1/plan), and what it reports of it (POST /v1/jobs/ID). Fields:
 * docs/reference/api.md. */
#ifndef VMCAST_PLAN_H
#define VMCAST_PLAN_H

#include "request.h"

/*
 * The item's images, the target rules, and a ticket for reports. An item that is not ingested yet but may be wanted by a
 * machine is asked for by this; the answer is then 503 and how far it is.
 */
route_handler plan_make;

/* A report. The ticket is in the Authorization header. */
route_handler plan_report;

#endif
