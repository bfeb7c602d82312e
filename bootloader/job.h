/* SPDX-License-Identifier: GPL-2.0-or-later */
/* job: the way of one image to one disk, from asking for the plan to the receipt. */
#ifndef VMCAST_JOB_H
#define VMCAST_JOB_H

#include "exit_code.h"
#include "landing.h"
#include "machine.h"
#include "progress.h"
#include "service.h"

struct job_options {
	const struct service *service;
	const char *item;
	const char *disk_path;         /* the user named the target; NULL: choose among the machine's disks by rule */
	const char *rule;              /* replaces the plan's; NULL: the plan's. Not used with `disk_path` */
	const struct machine *machine; /* told to the service; NULL: a host, which has no landing either */
	struct progress *progress;
};

struct job_result {
	enum exit_code exit;
	char disk[512];                /* path of the target; empty if none was chosen */
	char image_id[65];             /* empty if there was no plan */
	uint64_t disk_bytes;           /* of the image */
	const struct landing *landing; /* where to go next; NULL on a host */
};

/*
 * Returns 0 with `out->exit` EXIT_DONE, or an error with the exit code it ends in. All of `*out` is set in both cases.
 * The service has been told the outcome, or the error says that it could not be.
 */
int job_run(struct job_result *out, const struct job_options *options, struct err *err);

#endif
