/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmdline: what the boot menu tells the client through the kernel's command line.
 *
 *   vmcast.server=http://10.77.0.1:8880 vmcast.item=0123456789abcdef vmcast.ticket=00112233445566778899aabbccddeeff
 *   BOOTIF=01-52-54-00-12-34-56 vmcast.disk="model=A B"
 *
 * Words are split and quoted as the kernel does it (Documentation/admin-guide/kernel-parameters.rst); words that are
 * not ours are skipped; of a word given twice the last one counts.
 */
#ifndef VMCAST_CMDLINE_H
#define VMCAST_CMDLINE_H

#include "err.h"
#include "landing_name.h"
#include "zeros_policy.h"

#include <stdbool.h>

#define CMDLINE_VALUE 512
#define MAC_TEXT      18 /* 52:54:00:12:34:56 and a NUL */
#define TICKET_TEXT   33 /* 128 bits in hex and a NUL */

struct cmdline {
	char server[CMDLINE_VALUE]; /* base URL */
	char item[CMDLINE_VALUE];   /* empty: what the service has assigned to this machine */
	char disk[CMDLINE_VALUE];   /* target rules (target_rule_split) that replace the plan's; empty: none */
	char landing[LANDING_NAME]; /* that replaces the plan's, by its name there; empty: none */
	bool has_zeros;             /* the policy replaces the plan's */
	enum zeros_policy zeros;
	char ticket[TICKET_TEXT]; /* of this boot; a secret; empty: none */
	bool is_node;             /* start the guests that are on this machine's disk; nothing is written */
	char boot_mac[MAC_TEXT];  /* of the NIC the machine booted from; empty: unknown */
};

/* -EINVAL: no server, a rule, policy, ticket or landing that cannot be read, or a value that is too long. */
int cmdline_parse(struct cmdline *out, const char *text, struct err *err);

#endif
