/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_node: the node's life as a hypervisor: finds its guests on its disk, starts them, watches them, tells the service of them
 * and does what that wants, until the node is told to end. Nothing is fetched: what was verified when it was written is recorded
 * by the guest's record (guest_store.h), which is written last.
 */
#ifndef VMCAST_GUEST_NODE_H
#define VMCAST_GUEST_NODE_H

#include "machine.h"
#include "progress.h"
#include "service.h"

/* All is borrowed. */
struct guest_node_options {
	const struct service *service;
	const char *ticket; /* of this boot; NULL or empty: none */
	const struct machine *machine;
	struct progress *progress;
	const atomic_bool *stop; /* Ctrl-Alt-Del, or a signal: end, and boot again */
};

enum guest_node_end { GUEST_NODE_REBOOT, GUEST_NODE_POWER_OFF };

/*
 * Returns 0 when the node is to go down (`*end`: how) and all guests have powered off, or did not in a minute and were ended.
 * -ENOENT: there is no guest on this node; other errors: why none can be started.
 */
int guest_node_run(enum guest_node_end *end, const struct guest_node_options *options, struct err *err);

#endif
