/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_seed: what this machine's system shall find at its first boot (cloud-init's NoCloud), asked of the service for this job. It
 * comes sealed for a key of this run, whose secret half never leaves this process: docs/reference/formats.md, "Seeds".
 */
#ifndef VMCAST_BOOT_SEED_H
#define VMCAST_BOOT_SEED_H

#include "seed_volume.h"
#include "service.h"

#include <jansson.h>

struct boot_seed {
	struct seed_file files[SEED_VOLUME_FILES_MAX];
	size_t count;
	json_t *document; /* what the files are borrowed from */
};

/*
 * The plan's seed, which must have its digest. With the service's key; errors of the network are retried as the service's are.
 * -EACCES: the answer is not sealed for us, or is not what the plan says; -EPROTO: refused, or no seed. Caller ends it with boot_seed_done.
 */
int boot_seed_get(struct boot_seed *out, const struct service *service, const struct boot_plan *plan, struct err *err);

/* Wipes what it can. */
void boot_seed_done(struct boot_seed *seed);

/* An opened seed -> its files. For boot_seed_get and its tests. -EPROTO: it is none. */
int boot_seed_parse(struct boot_seed *out, const char *text, size_t len, struct err *err);

#endif
