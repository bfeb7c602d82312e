/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_plan: what the service wants on this machine's disk (POST /v1/plan). The request tells who asks and what disks there
 * are; the response names an image by its digest, the target rule, the landing, and the job that the client reports on.
 */
#ifndef VMCAST_BOOT_PLAN_H
#define VMCAST_BOOT_PLAN_H

#include "digest.h"
#include "disk.h"
#include "machine.h"

struct boot_plan {
	char job[65];     /* letters and digits */
	char ticket[129]; /* the same; goes into the Authorization field */
	char title[256];  /* the item's, for people; not cleaned */
	char image_id[DIGEST_HEX];
	char *image_url; /* full URLs */
	char *index_url;
	uint8_t index_digest[DIGEST_BYTES];
	uint64_t index_bytes;
	uint64_t disk_bytes;
	uint64_t image_bytes;
	char target[512]; /* rule; empty: none */
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
