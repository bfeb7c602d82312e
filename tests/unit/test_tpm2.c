/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of a TPM are read within their bounds, and only what was asked for is taken. (A real one: netboot-machine-known-by-its-key.t) */
#include "tpm2.h"

#include "bytes.h"
#include "tap.h"

#include <errno.h>
#include <string.h>

/* Where TPM2_CreatePrimary has its public area: behind the header, a handle, a session of 13 bytes and 6 of sensitive data. */
#define COMMAND_PUBLIC_OFF 33
#define NUMBER_BYTES       (2 + TPM2_NUMBER_BYTES)

static struct err err;

struct answer {
	uint8_t bytes[512];
	size_t len;
};

static void put(struct answer *a, const void *bytes, size_t len)
{
	memcpy(a->bytes + a->len, bytes, len);
	a->len += len;
}

static void put_be(struct answer *a, uint64_t value, size_t bytes)
{
	while (bytes-- > 0)
		a->bytes[a->len++] = (uint8_t)(value >> (8 * bytes));
}

static void set_length(struct answer *a)
{
	size_t len = a->len;

	a->len = 2;
	put_be(a, (uint32_t)len, 4);
	a->len = len;
}

/* Header, handle (0: none), parameters, and the end of an empty session. */
static void make(struct answer *a, uint32_t handle, const struct answer *parameters)
{
	a->len = 0;
	put_be(a, 0x8002, 2);
	put_be(a, 0, 4); /* the length: see set_length */
	put_be(a, 0, 4);
	if (handle)
		put_be(a, handle, 4);
	put_be(a, (uint32_t)parameters->len, 4);
	put(a, parameters->bytes, parameters->len);
	put_be(a, 0, 5);
	set_length(a);
}

/* The public area that was asked for, with a point in it. */
static void make_create(struct answer *a)
{
	uint8_t command[TPM2_COMMAND_MAX];
	struct answer parameters = { .len = 0 };

	tpm2_command_create(command);
	size_t len = be16(command + COMMAND_PUBLIC_OFF);
	memset(command + COMMAND_PUBLIC_OFF + 2 + len - TPM2_NUMBER_BYTES, 7, TPM2_NUMBER_BYTES);
	put(&parameters, command + COMMAND_PUBLIC_OFF, 2 + len);
	make(a, 0x80000001, &parameters);
}

static void make_sign(struct answer *a)
{
	struct answer parameters = { .len = 0 };

	put_be(&parameters, 0x0018000b, 4);
	for (int i = 0; i < 2; i++) {
		put_be(&parameters, TPM2_NUMBER_BYTES, 2);
		memset(parameters.bytes + parameters.len, 5 + i, TPM2_NUMBER_BYTES);
		parameters.len += TPM2_NUMBER_BYTES;
	}
	make(a, 0, &parameters);
}

static int create_of(const struct answer *a)
{
	struct tpm2_key key;

	return tpm2_answer_create(&key, a->bytes, a->len, &err);
}

static int sign_of(const struct answer *a)
{
	struct tpm2_signature signature;

	return tpm2_answer_sign(&signature, a->bytes, a->len, &err);
}

/* Whatever is cut off, with a length that says so or one that does not. */
static void check_cuts(const struct answer *whole, int (*read)(const struct answer *a), const char *name)
{
	size_t taken = 0;

	for (size_t len = 0; len < whole->len; len++) {
		struct answer cut = *whole;

		cut.len = len;
		taken += read(&cut) == 0;
		if (len >= TPM2_HEADER_BYTES) {
			set_length(&cut);
			taken += read(&cut) == 0;
		}
	}
	is_int((int64_t)taken, 0, name);
}

static void keys_are_read(void)
{
	struct tpm2_key key;
	struct answer a;

	make_create(&a);
	is_int(tpm2_answer_create(&key, a.bytes, a.len, &err), 0, "a key");
	is_int(key.handle, 0x80000001, "its handle");
	ok(memcmp(key.x, "vmcast machine key", 18) == 0 && key.y[0] == 7 && key.y[31] == 7, "its point");
	check_cuts(&a, create_of, "none that is cut off");
	a.bytes[10] = 0x81;
	is_int(create_of(&a), -EPROTO, "none with the handle of something that stays in the TPM");
	make_create(&a);
	a.bytes[14 + 4 + 2 + 7] ^= 0x04;
	is_int(create_of(&a), -EPROTO, "none with other attributes");
	make_create(&a);
	memset(a.bytes + a.len - 5 - TPM2_NUMBER_BYTES, 0, TPM2_NUMBER_BYTES);
	is_int(create_of(&a), -EPROTO, "none with a coordinate of zero");
	make_create(&a);
	put_be(&a, 0, 1);
	set_length(&a);
	is_int(create_of(&a), -EPROTO, "none with a byte more");
}

static void signatures_are_read(void)
{
	struct tpm2_signature signature;
	struct answer a;

	make_sign(&a);
	is_int(tpm2_answer_sign(&signature, a.bytes, a.len, &err), 0, "a signature");
	ok(signature.r[0] == 5 && signature.s[31] == 6, "its numbers");
	check_cuts(&a, sign_of, "none that is cut off");
	a.bytes[15] = 0x14;
	is_int(sign_of(&a), -EPROTO, "none of another scheme");
}

static void refusals_are_explained(void)
{
	struct answer a = { .len = 0 };

	put_be(&a, 0x8001, 2);
	put_be(&a, 10, 4);
	put_be(&a, 0x9a2, 4);
	is_int(create_of(&a), -EPERM, "a TPM that refuses");
	is_str(err.text, "the owner hierarchy has a password (TPM response code 0x9a2)", "says why");
}

static void lengths_are_bounded(void)
{
	uint8_t header[TPM2_HEADER_BYTES] = { 0x80, 1, 0, 0, 0x10, 0 };
	size_t len;

	is_int(tpm2_answer_bytes(&len, header, &err), 0, "4096 bytes");
	header[5] = 1;
	is_int(tpm2_answer_bytes(&len, header, &err), -EPROTO, "4097 bytes are no answer");
	memset(header + 2, 0, 4);
	is_int(tpm2_answer_bytes(&len, header, &err), -EPROTO, "nor are none");
}

int main(void)
{
	keys_are_read();
	signatures_are_read();
	refusals_are_explained();
	lengths_are_bounded();
	return done_testing();
}
