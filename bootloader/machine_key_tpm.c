/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine_key_tpm: machine keys of a TPM 2.0, which makes them anew at each start and lets nobody see them (tpm2.h). */
#include "cleanup.h"
#include "machine_key_kind.h"
#include "tpm2.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>

struct tpm_key {
	struct machine_key key; /* first: the ops get a pointer to it */
	int fd;
	uint32_t handle; /* 0: nothing is loaded */
};

/* SubjectPublicKeyInfo of a point of P-256 up to its numbers (RFC 5480, 2). */
static const uint8_t info_head[] = {
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
	0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
};

#define INFO_BYTES (sizeof(info_head) + 2 * TPM2_NUMBER_BYTES)
#define PEM_LINE   64

static int read_all(int fd, uint8_t *out, size_t len, struct err *err)
{
	for (size_t have = 0; have < len;) {
		ssize_t got = read(fd, out + have, len - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(err, -errno, "read: %s", strerror(errno));
		if (got == 0)
			return err_set(err, -EPROTO, "no answer after %zu of %zu bytes", have, len);
		have += (size_t)got;
	}
	return 0;
}

/* The kernel bounds how long a command may take, and repeats what the TPM wants repeated. */
static int exchange(int fd, uint8_t answer[static TPM2_ANSWER_MAX], size_t *answer_bytes, const uint8_t *command,
		    size_t len, struct err *err)
{
	ssize_t written;

	/* A device takes a command in one piece. */
	do
		written = write(fd, command, len);
	while (written < 0 && errno == EINTR);
	if (written != (ssize_t)len)
		return err_set(err, written < 0 ? -errno : -EPROTO, "write: %s",
			       written < 0 ? strerror(errno) : "not all of it");
	int rc = read_all(fd, answer, TPM2_HEADER_BYTES, err);
	if (!rc)
		rc = tpm2_answer_bytes(answer_bytes, answer, err);
	return rc ? rc : read_all(fd, answer + TPM2_HEADER_BYTES, *answer_bytes - TPM2_HEADER_BYTES, err);
}

/* A positive number of DER, with a zero in front where it would be negative (X.690, 8.3). */
static size_t put_number(uint8_t *out, const uint8_t number[static TPM2_NUMBER_BYTES])
{
	size_t skip = 0, len;

	while (skip < TPM2_NUMBER_BYTES - 1 && number[skip] == 0)
		skip++;
	len = TPM2_NUMBER_BYTES - skip;
	bool is_padded = number[skip] & 0x80;
	out[0] = 0x02;
	out[1] = (uint8_t)(len + is_padded);
	out[2] = 0;
	memcpy(out + 2 + is_padded, number + skip, len);
	return 2 + is_padded + len;
}

/* ECDSA-Sig-Value (RFC 3279, 2.2.3). */
static size_t put_signature(uint8_t out[static MACHINE_KEY_SIGNATURE_MAX], const struct tpm2_signature *signature)
{
	size_t len = put_number(out + 2, signature->r);

	len += put_number(out + 2 + len, signature->s);
	out[0] = 0x30;
	out[1] = (uint8_t)len;
	return 2 + len;
}

static int sign(struct machine_key *key, uint8_t out[static MACHINE_KEY_SIGNATURE_MAX], size_t *out_bytes,
		const void *data, size_t len, struct err *err)
{
	const struct tpm_key *k = (const struct tpm_key *)key;
	uint8_t command[TPM2_COMMAND_MAX], answer[TPM2_ANSWER_MAX], digest[DIGEST_BYTES];
	struct tpm2_signature signature;
	size_t answer_bytes;

	digest_of(digest, data, len);
	int rc = exchange(k->fd, answer, &answer_bytes, command, tpm2_command_sign(command, k->handle, digest), err);
	if (!rc)
		rc = tpm2_answer_sign(&signature, answer, answer_bytes, err);
	if (!rc)
		*out_bytes = put_signature(out, &signature);
	return rc;
}

static void close_key(struct machine_key *key)
{
	struct tpm_key *k = (struct tpm_key *)key;
	uint8_t command[TPM2_COMMAND_MAX], answer[TPM2_ANSWER_MAX];
	struct err ignored = { 0 };
	size_t answer_bytes;

	/* The kernel would do it, too, as soon as the device is closed. */
	if (k->handle)
		exchange(k->fd, answer, &answer_bytes, command, tpm2_command_flush(command, k->handle), &ignored);
	close(k->fd);
	free(k);
}

static const struct machine_key_ops ops = { "tpm", sign, close_key };

static json_t *public_to_json(const struct tpm2_key *key)
{
	uint8_t info[INFO_BYTES];
	char text[BASE64_ENCODE_RAW_LENGTH(INFO_BYTES)], pem[256];

	memcpy(info, info_head, sizeof(info_head));
	memcpy(info + sizeof(info_head), key->x, TPM2_NUMBER_BYTES);
	memcpy(info + sizeof(info_head) + TPM2_NUMBER_BYTES, key->y, TPM2_NUMBER_BYTES);
	base64_encode_raw(text, sizeof(info), info);
	snprintf(pem, sizeof(pem), "-----BEGIN PUBLIC KEY-----\n%.*s\n%.*s\n-----END PUBLIC KEY-----\n", PEM_LINE, text,
		 (int)sizeof(text) - PEM_LINE, text + PEM_LINE);
	return json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ecdsa", "scheme", "ecdsa-sha2-nistp256", "keyval", "public",
			 pem);
}

static int create(struct tpm_key *k, struct err *err)
{
	uint8_t command[TPM2_COMMAND_MAX], answer[TPM2_ANSWER_MAX];
	struct tpm2_key key;
	size_t answer_bytes;
	int rc = exchange(k->fd, answer, &answer_bytes, command, tpm2_command_create(command), err);

	if (!rc)
		rc = tpm2_answer_create(&key, answer, answer_bytes, err);
	if (rc)
		return rc;
	k->handle = key.handle;
	k->key.public_key = public_to_json(&key);
	return k->key.public_key ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int machine_key_attach_tpm(struct machine_key **out, int fd, struct err *err)
{
	struct tpm_key *k = calloc(1, sizeof(*k));

	if (!k) {
		close(fd);
		return err_set(err, -ENOMEM, "out of memory");
	}
	k->key.ops = &ops;
	k->fd = fd;
	int rc = create(k, err);
	if (rc)
		close_key(&k->key);
	else
		*out = &k->key;
	return rc;
}

int machine_key_open_tpm(struct machine_key **out, const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "%s", errno == ENOENT ? "none" : strerror(errno));
	return machine_key_attach_tpm(out, fd, err);
}
