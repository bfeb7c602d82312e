/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exit_code: the one table of what vmcast-boot's exit status means, and how a failure becomes one of them. Documented
 * in vmcast-boot(8); scripts and the service rely on the numbers.
 */
#ifndef VMCAST_EXIT_CODE_H
#define VMCAST_EXIT_CODE_H

#include "phase.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_OTHER = 1,        /* out of memory, interrupted, the machine's key does not sign */
	EXIT_USAGE = 2,        /* command line or kernel command line */
	EXIT_NETWORK = 3,      /* gave up on the network */
	EXIT_NOT_TRUSTED = 4,  /* the plan is not what is signed, or index or image not what the plan says */
	EXIT_TARGET = 5,       /* no disk, several disks, or one that cannot be taken */
	EXIT_DISK = 6,         /* the disk failed to read, write or flush */
	EXIT_SERVER = 7,       /* the service refuses, or breaks the protocol */
	EXIT_NOT_REPORTED = 8, /* the disk is good, the service does not know */
};

/* What a failure with the negative errno value `code` in `phase` ends in. */
enum exit_code exit_code_of(enum phase phase, int code);

#endif
