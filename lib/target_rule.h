/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * target_rule: the operator's rule that names a machine's target disk: conditions joined by commas, all of which must
 * hold, such as `bus=nvme,bytes=960G` or `serial=S4EVNX0R`. The service checks that a rule can be read; the client
 * applies it.
 */
#ifndef VMCAST_TARGET_RULE_H
#define VMCAST_TARGET_RULE_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_RULES_MAX 64 /* disks of one item */

/* What a rule can look at. Strings are never NULL; unknown ones are empty (and then match nothing). */
struct disk_identity {
	char name[32]; /* kernel name without /dev/: "vda"; not stable between boots */
	char serial[128];
	char model[128];
	char wwn[64];
	char bus[16]; /* virtio, nvme, sata, scsi, usb, mmc, xen, or "" */
	uint64_t bytes;
	uint32_t sector_bytes; /* logical */
};

/* Check a rule's text: -EINVAL names the key or value at fault and the keys there are. */
int target_rule_check(const char *rule, struct err *err);

/* Whether `disk` meets every condition; if not, `why` (may be NULL) says which one failed. The rule must have been
 * checked. */
bool target_rule_matches(const char *rule, const struct disk_identity *disk, char *why, size_t room);

/*
 * The rules of an item's disks are one text, joined by ` ; ` in the order of the disks. Cut `text` in place into at most
 * `room` of them, without the blanks around; `rules` are borrowed from it. Returns how many there are, `room` + 1 if
 * there are more.
 */
size_t target_rule_split(const char **rules, size_t room, char *text);

/* Check each rule of such a text as target_rule_check does. */
int target_rules_check(const char *text, struct err *err);

#endif
