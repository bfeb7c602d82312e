/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine: what the client tells the service about the machine it runs on, read from /proc and /sys. */
#ifndef VMCAST_MACHINE_H
#define VMCAST_MACHINE_H

#include "cmdline.h"

#include <stddef.h>
#include <stdint.h>

#define MACHINE_MACS_MAX 32

struct machine {
	const char *arch;     /* x86_64, aarch64, or else uname's word; static */
	const char *firmware; /* "bios" or "uefi" */
	uint64_t memory_bytes;
	char macs[MACHINE_MACS_MAX][MAC_TEXT]; /* Ethernet addresses; the one booted from comes first */
	size_t mac_count;
};

/* `boot_mac` may be empty. What cannot be found out is left empty: the service decides what it can do without. */
void machine_read(struct machine *out, const char *boot_mac);

#endif
