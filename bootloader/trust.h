/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trust: whether the site has signed what the plan says. The boot environment carries the site's root (or the user names
 * one); what its keys have signed decides, whoever answers for the service, and whatever the kernel's command line says.
 */
#ifndef VMCAST_TRUST_H
#define VMCAST_TRUST_H

#include "boot_plan.h"
#include "progress.h"
#include "service.h"

/* What is about to be done. All is borrowed. */
struct trust_question {
	const char *root; /* file of root metadata */
	const struct service *service;
	const struct boot_plan *plan;
	const char *item;        /* that was asked for, or that the service says is assigned */
	bool is_assigned_only;   /* nobody has asked for an item: it must be one that is assigned to this machine */
	bool is_machine;         /* a boot environment; else a person has typed the item and the disks */
	const char *rules;       /* of the kernel's command line, which replace the plan's; NULL: none */
	enum zeros_policy zeros; /* that would be followed */
	const char *landing;     /* of the kernel's command line, which replaces the plan's; NULL: none */
};

/*
 * Follow the site's metadata from the root, and compare the plan with it. -EACCES: not what is signed, or that cannot be
 * known; the error names the field. Errors of the network are retried as the service's are; -ENOMEM, -ECANCELED.
 */
int trust_check(const struct trust_question *question, struct progress *progress, struct err *err);

/*
 * The moment that expiry is judged by. `clock_s`: what the machine's clock says. If that is before this program was made,
 * `date`, a server's Date header, counts. -EACCES: that is no later time either.
 */
int trust_choose_time(int64_t *out, int64_t clock_s, const char *date, struct err *err);

#define TRUST_ROOT_TEXT 256

/* The root metadata in `file` for people. -EACCES or -EBADMSG: it is none, or not signed by its own keys. */
int trust_describe_root(char out[static TRUST_ROOT_TEXT], const char *file, struct err *err);

#endif
