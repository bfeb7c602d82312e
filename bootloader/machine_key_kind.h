/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine_key_kind: what the kinds of machine keys are made of: for machine_key*.c and their tests. */
#ifndef VMCAST_MACHINE_KEY_KIND_H
#define VMCAST_MACHINE_KEY_KIND_H

#include "digest.h"
#include "machine_key.h"

#include <pthread.h>

#define MACHINE_KEY_SEED_BYTES    32
#define MACHINE_KEY_SIGNATURE_MAX 72 /* DER of two numbers of P-256 */

struct machine_key_ops {
	const char *kept;
	/* One call at a time. */
	int (*sign)(struct machine_key *key, uint8_t out[static MACHINE_KEY_SIGNATURE_MAX], size_t *out_bytes,
		    const void *data, size_t len, struct err *err);
	/* Wipes and frees what is the kind's own. */
	void (*close)(struct machine_key *key);
};

struct machine_key {
	const struct machine_key_ops *ops;
	json_t *public_key;
	char id[DIGEST_HEX];
	pthread_mutex_t lock; /* of the ops */
};

/* Each fills all but `id` and `lock`. -ENOENT: there is no such place, or none that can be used. */
int machine_key_open_tpm(struct machine_key **out, const char *path, struct err *err);
int machine_key_open_nvram(struct machine_key **out, const char *folder, struct err *err);
int machine_key_open_memory(struct machine_key **out, struct err *err);

/* The same with an open TPM, of which it takes ownership. */
int machine_key_attach_tpm(struct machine_key **out, int fd, struct err *err);

#endif
