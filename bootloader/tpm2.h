/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tpm2: commands to a TPM 2.0 and its answers, as bytes: a signing key that is made from the owner's seed, signatures of it,
 * and its end. Nothing of it is sent or received here (machine_key_tpm.c).
 *
 * The key is a primary one, ECDSA on P-256 with SHA-256, made from a template that never changes: the same TPM makes the same
 * key of it each time, until it is cleared, and so nothing has to be kept anywhere. The template has words of its own in
 * its `unique` field, so that it is nobody else's key by chance.
 *
 * An answer is as hostile as anything else that comes from outside: every length in it is compared with what is left.
 *
 * Source: TCG, TPM 2.0 Library, version 1.59: part 1, 14 and 27.6 (primary keys), part 2 (structures), part 3, 20.2 (Sign), 24.1
 * (CreatePrimary), 28.4 (FlushContext). tpm2-tss would do the same: of Debian 12's, which has no static one, what marshals
 * (libtss2-mu and -sys, 449 KiB) takes twice the room that this program has left to grow.
 */
#ifndef VMCAST_TPM2_H
#define VMCAST_TPM2_H

#include "digest.h"
#include "err.h"

#include <stddef.h>
#include <stdint.h>

#define TPM2_COMMAND_MAX  192u
#define TPM2_ANSWER_MAX   4096u /* the largest that the kernel hands over (TPM_BUFSIZE) */
#define TPM2_HEADER_BYTES 10u
#define TPM2_NUMBER_BYTES 32u /* a number of P-256 */

struct tpm2_key {
	uint32_t handle;
	uint8_t x[TPM2_NUMBER_BYTES];
	uint8_t y[TPM2_NUMBER_BYTES];
};

struct tpm2_signature {
	uint8_t r[TPM2_NUMBER_BYTES];
	uint8_t s[TPM2_NUMBER_BYTES];
};

/* Write a command and return its length. */
size_t tpm2_command_create(uint8_t out[static TPM2_COMMAND_MAX]);
size_t tpm2_command_sign(uint8_t out[static TPM2_COMMAND_MAX], uint32_t handle,
			 const uint8_t digest[static DIGEST_BYTES]);
size_t tpm2_command_flush(uint8_t out[static TPM2_COMMAND_MAX], uint32_t handle);

/* How many bytes an answer says that it has, from its header. -EPROTO: no answer is that short or that long. */
int tpm2_answer_bytes(size_t *out, const uint8_t header[static TPM2_HEADER_BYTES], struct err *err);

/*
 * Read an answer of exactly `len` bytes. -EPROTO: it is none to that command, or of another kind of key; -EPERM: the TPM
 * refuses, and why.
 */
int tpm2_answer_create(struct tpm2_key *out, const uint8_t *answer, size_t len, struct err *err);
int tpm2_answer_sign(struct tpm2_signature *out, const uint8_t *answer, size_t len, struct err *err);

#endif
