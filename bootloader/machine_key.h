/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine_key: the key pair by which the service knows a machine again. Its private half is in the machine's TPM if that can
 * be used, else in a UEFI variable, else in this process's memory and gone with it. It is never written anywhere else.
 */
#ifndef VMCAST_MACHINE_KEY_H
#define VMCAST_MACHINE_KEY_H

#include "err.h"

#include <jansson.h>
#include <stddef.h>

struct machine_key;

/* Where keys may be kept; NULL: not there. */
struct machine_key_places {
	const char *tpm;     /* device of a TPM 2.0 that manages what is loaded into it: /dev/tpmrm0 */
	const char *efivars; /* folder of efivarfs: /sys/firmware/efi/efivars */
};

#define MACHINE_KEY_WHY 1024

/*
 * The first place that can be used counts. `why` says of those before it why they could not; it is empty if there is none.
 * Caller frees with machine_key_close, which wipes it.
 */
int machine_key_open(struct machine_key **out, char why[static MACHINE_KEY_WHY],
		     const struct machine_key_places *places, struct err *err);
void machine_key_close(struct machine_key **key);

/* "tpm", "nvram" or "memory": the service's spelling. */
const char *machine_key_kept(const struct machine_key *key);

/* {keytype, scheme, keyval}, and the SHA-256 of its canonical JSON in hex: as in TUF's metadata. Borrowed. */
json_t *machine_key_public(const struct machine_key *key);
const char *machine_key_id(const struct machine_key *key);

/* The signature of these bytes, in hex: Ed25519, or DER of ECDSA with SHA-256. Any thread may call it. Caller frees `*out`.
 * -ENOKEY: where the key is kept does not answer as it did. */
int machine_key_sign(char **out, struct machine_key *key, const void *data, size_t len, struct err *err);

#endif
