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
#include "machine_key.h"
#include "zeros_policy.h"

#define PLAN_DISKS_MAX TARGET_RULES_MAX

/* The service's own, and mirrors. */
#define PLAN_URLS_MAX 9

/* More are not looked at. */
#define PLAN_DELTAS_MAX 8

#define PLAN_LANDING 32 /* with its end */

/* How to make an image of another one, if a disk holds that. */
struct plan_delta {
	char from[DIGEST_HEX];
	char *url; /* full */
	uint64_t bytes;
};

struct plan_image {
	char id[DIGEST_HEX];
	char *urls[PLAN_URLS_MAX]; /* full URLs of the image, the service's first; at least 1 */
	size_t url_count;
	char *index_url;
	uint8_t index_digest[DIGEST_BYTES];
	uint64_t index_bytes;
	uint64_t disk_bytes;
	uint64_t image_bytes;
	struct plan_delta deltas[PLAN_DELTAS_MAX];
	size_t delta_count;
};

struct plan_disk {
	char name[64];    /* as its publisher calls it, for people; not cleaned; empty: not said */
	char target[512]; /* rule; empty: none */
	struct plan_image image;
};

/* The hypervisor pack that a guest is run with (guest_pack.h). */
struct plan_pack {
	char id[DIGEST_HEX]; /* its SHA-256 */
	char *url;           /* full */
	uint64_t bytes;
};

struct boot_plan {
	char job[65];     /* letters and digits */
	char ticket[129]; /* the same; goes into the Authorization field */
	char item[65];    /* its id, letters and digits; uuid and version, empty and 0: unknown */
	char item_uuid[256];
	uint64_t item_version;
	char title[256];                   /* the item's, for people; not cleaned */
	char machine[MAC_TEXT];            /* what the service knows this machine by; empty: it is none */
	bool wants_receipt;                /* else the service is one of before there were any */
	char previous_receipt[DIGEST_HEX]; /* hash of this machine's last one; empty: it is the first */
	struct plan_disk *disks;           /* the one that the machine boots from first */
	size_t disk_count;                 /* at least 1 */
	char landing[PLAN_LANDING];
	json_t *guest; /* of landing "guest": what guest_spec_parse reads, without the pack; NULL: no such landing */
	struct plan_pack pack;
	bool grow;          /* the last partition of each disk, to its end */
	char *metadata_url; /* of what the site has signed; NULL: the service has nothing signed */
	char *targets_url;
	enum zeros_policy zeros;
	struct {
		char name[65];           /* letters, digits, '.', '_' and '-'; empty: the machine gets none */
		char digest[DIGEST_HEX]; /* of what POST /v1/seed gives, once it is opened */
	} seed;
};

/* Who asks for what. */
struct plan_question {
	const char *item;              /* NULL: a machine takes what it is assigned */
	const char *ticket;            /* of this boot; NULL or empty: none */
	const struct machine_key *key; /* NULL: none */
	const struct machine *machine; /* NULL on a host that only borrows an image */
	const struct disk_list *disks; /* the same */
};

/* The request's text. Caller frees; NULL: out of memory, or the item's name is not UTF-8. */
char *boot_plan_request(const struct plan_question *question);

/*
 * Decode a response. Its URLs are resolved against `server`. -EPROTO: a field is missing or impossible; -ENOTSUP:
 * another version. Caller frees with boot_plan_free.
 */
int boot_plan_parse(struct boot_plan *out, const char *text, size_t len, const char *server, struct err *err);

void boot_plan_free(struct boot_plan *plan);

#endif
