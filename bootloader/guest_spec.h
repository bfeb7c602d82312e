/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_spec: what a guest of this node is made of, from the plan ("guest") or from guest.json beside its disks; and whether
 * this node can give it. Every word in it comes from a closed list, so that nothing of a publisher's text gets further.
 */
#ifndef VMCAST_GUEST_SPEC_H
#define VMCAST_GUEST_SPEC_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_DISKS_MAX 16
#define GUEST_NICS_MAX  8
#define GUEST_NAME      64  /* with its end */
#define GUEST_SAID      128 /* the same */

enum guest_firmware { GUEST_BIOS, GUEST_UEFI };

enum guest_restart { GUEST_RESTART_NEVER, GUEST_RESTART_ON_FAILURE, GUEST_RESTART_ALWAYS };

struct guest_nic {
	char model[16]; /* "virtio", "e1000", "e1000e", "rtl8139", "vmxnet3" */
	uint8_t mac[6];
	bool has_mac; /* else guest_nic_mac makes one */
};

struct guest_spec {
	char name[GUEST_NAME]; /* letters, digits, '.', '_' and '-'; for people */
	char arch[16];         /* "x86_64" or "aarch64" */
	char machine[16];      /* "q35" or "pc"; "virt" of aarch64 */
	enum guest_firmware firmware;
	unsigned cpus;                   /* 1 to 255 */
	uint64_t memory_bytes;           /* at least a MiB */
	char buses[GUEST_DISKS_MAX][16]; /* of each disk: "virtio", "scsi", "sata", "ide", "nvme", "usb" */
	size_t disk_count;               /* at least 1; the guest boots from the first */
	struct guest_nic nics[GUEST_NICS_MAX];
	size_t nic_count;
	enum guest_restart restart;
	struct {
		char cpus[GUEST_SAID], memory_bytes[GUEST_SAID], firmware[GUEST_SAID];
	} said_by; /* where the description says it; cleaned for a console; empty: nowhere */
};

/*
 * `json`: "guest" of a plan, or of guest.json; fields it has besides are not looked at. -EPROTO names the field and the value;
 * -ENOTSUP: no machine that QEMU has is like that. Bytes of `*out` without a meaning are zero.
 */
int guest_spec_parse(struct guest_spec *out, const json_t *json, struct err *err);

/* The same as JSON, for guest.json; guest_spec_parse reads it back to the same struct. Caller frees with json_decref; NULL: out
 * of memory. */
json_t *guest_spec_json(const struct guest_spec *spec);

/* What a node has to give. */
struct guest_room {
	unsigned cpus;
	uint64_t memory_bytes; /* free for guests */
};

/* -ENOTSUP: more CPUs than the node has; -ENOSPC: more memory. The text says who asks for it, and what there is. */
int guest_spec_check(const struct guest_spec *spec, const struct guest_room *room, struct err *err);

/*
 * The address of NIC `nic`, counted from 0: the one that the spec names, else 52:54:00 (QEMU's) and three bytes of SHA-256(node,
 * id, nic), so that it stays the same and two nodes with the same guest do not share one. `node`: what tells nodes apart, as
 * the MAC the service knows this one by; `id`: the guest's.
 */
void guest_nic_mac(uint8_t out[static 6], const struct guest_spec *spec, size_t nic, const char *node, const char *id);

#endif
