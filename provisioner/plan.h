/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan: what a client is told to do (POST /v1/plan), and what it reports of it (POST /v1/jobs/ID). Fields:
 * docs/reference/api.md. */
#ifndef VMCAST_PLAN_H
#define VMCAST_PLAN_H

#include "request.h"

/* The item's image, the target rule, and a ticket for reports. -EAGAIN while the item is being ingested. */
route_handler plan_make;

/* A report. The ticket is in the Authorization header. */
route_handler plan_report;

#endif
