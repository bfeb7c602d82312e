/* SPDX-License-Identifier: GPL-2.0-or-later */
/* phase: the steps of putting an image on a disk, by the names that the service stores and the console shows. */
#ifndef VMCAST_PHASE_H
#define VMCAST_PHASE_H

enum phase {
	PHASE_PLAN,
	PHASE_INDEX,
	PHASE_TARGET,
	PHASE_WRITE, /* from here on the disk is changed */
	PHASE_COMMIT,
	PHASE_DONE,
	PHASE_FAILED,
};

/* "plan", "index" ...: the service's spelling. */
const char *phase_name(enum phase phase);

#endif
