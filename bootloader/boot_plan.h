/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_plan: what the service wants on this machine's disks (POST /v1/plan). The request tells who asks and what disks there
 * are; the response names, for each disk of the item, an image by its digest and the rule that chooses its target, then the
 * landing, and the job that the client reports on.
 */
#ifndef VMCAST_BOOT_PLAN_H
#define VMCAST_BOOT_PLAN_H

#include "digest.h"
#include "disk.h"
#include "machine.h"

#define PLAN_DISKS_MAX TARGET_RULES_MAX

struct plan_image {
	char id[DIGEST_HEX];
	char *image_url; /* full URLs */
	char *index_url;
	uint8_t index_digest[DIGEST_BYTES];
	uint64_t index_bytes;
	uint64_t disk_bytes;
	uint64_t image_bytes;
};

struct plan_disk {
	char name[64];    /* as its publisher calls it, for people; not cleaned; empty: not said */
	char target[512]; /* rule; empty: none */
	struct plan_image image;
};

struct boot_plan {
	char job[65];            /* letters and digits */
	char ticket[129];        /* the same; goes into the Authorization field */
	char title[256];         /* the item's, for people; not cleaned */
	struct plan_disk *disks; /* the one that the machine boots from first */
	size_t disk_count;       /* at least 1 */
	char landing[32];
};

/* The request's text. `machine` and `disks` are NULL on a host that only borrows an image. Caller frees; NULL: out of
 * memory. */
char *boot_plan_request(const char *item, const struct machine *machine, const struct disk_list *disks);

/*
 * Decode a response. Its URLs are resolved against `server`. -EPROTO: a field is missing or impossible; -ENOTSUP:
 * another version, or a plan that wants a check which this client cannot do. Caller frees with boot_plan_free.
 */
int boot_plan_parse(struct boot_plan *out, const char *text, size_t len, const char *server, struct err *err);

void boot_plan_free(struct boot_plan *plan);

#endif
