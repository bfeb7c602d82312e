/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report: tells the service how the job goes (POST /v1/jobs/JOB), about once a second, from a thread of its own, so
 * that a service that hangs does not hold up the disk. These are best effort; what the job ended in is not:
 * reporter_finish.
 */
#ifndef VMCAST_REPORT_H
#define VMCAST_REPORT_H

#include "exit_code.h"
#include "progress.h"
#include "service.h"

struct reporter;

/* All are borrowed until reporter_finish. */
int reporter_start(struct reporter **out, const struct service *service, const struct boot_plan *plan,
		   struct progress *progress, struct err *err);

struct report_end {
	enum phase phase; /* PHASE_DONE: the receipt; PHASE_FAILED */
	enum exit_code exit;
	const char *message;
	json_t *receipt;         /* receipt.h; borrowed; NULL: none */
	unsigned retry_s;        /* how long errors that may pass are retried */
	const atomic_bool *stop; /* ends the retries; NULL: nothing does */
};

/* Stop the running reports and deliver the last one. Frees `*r`, which may be NULL. */
int reporter_finish(struct reporter **r, const struct report_end *end, struct err *err);

#endif
