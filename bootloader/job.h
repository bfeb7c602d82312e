/* SPDX-License-Identifier: GPL-2.0-or-later */
/* job: the way of one item to its disks, from asking for the plan to the receipt. */
#ifndef VMCAST_JOB_H
#define VMCAST_JOB_H

#include "exit_code.h"
#include "landing.h"
#include "machine.h"
#include "progress.h"
#include "service.h"
#include "zeros_policy.h"

struct job_options {
	const struct service *service;
	const char *item;   /* NULL: what the service has assigned to `machine` */
	const char *ticket; /* of this boot; NULL or empty: none */
	const char *root;   /* file: what its keys have signed is done, nothing else; NULL: whatever the plan says */
	const char *const *disk_paths;  /* the user named the targets, in the order of the item's disks */
	size_t disk_path_count;         /* 0: choose among the machine's disks by rule */
	const char *rules;              /* replace the plan's, see target_rule_split; NULL: the plan's */
	const char *landing;            /* replaces the plan's; NULL: the plan's */
	const enum zeros_policy *zeros; /* replaces the plan's; NULL: the plan's */
	const struct machine *machine;  /* told to the service; NULL: a host, which has no landing either */
	const char *efivars;            /* folder of efivarfs, which need not be there; NULL: a host */
	bool is_trial;                  /* nobody lands after it: nothing is got ready for that */
	struct progress *progress;
};

struct job_result {
	enum exit_code exit;
	char disk[512];                /* path of the boot disk's target; empty if none was chosen */
	char image_id[65];             /* of the boot disk; empty if there was no plan */
	uint64_t disk_bytes;           /* of all images */
	enum zeros_policy zeros;       /* that was followed, if it came to that */
	uint64_t left_bytes;           /* that are zeros in the images, and were not made zeros */
	const struct landing *landing; /* where to go next; NULL on a host */
};

/*
 * Returns 0 with `out->exit` EXIT_DONE, or an error with the exit code it ends in. All of `*out` is set in both cases.
 * The service has been told the outcome, or the error says that it could not be.
 */
int job_run(struct job_result *out, const struct job_options *options, struct err *err);

#endif
