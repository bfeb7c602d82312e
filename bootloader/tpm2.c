/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tpm2: see tpm2.h */
#include "tpm2.h"

#include "bytes.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Part 2, 6: constants. */
#define TAG_NO_SESSIONS 0x8001u
#define TAG_SESSIONS    0x8002u
#define TAG_HASHCHECK   0x8024u
#define CC_CREATE       0x00000131u
#define CC_SIGN         0x0000015du
#define CC_FLUSH        0x00000165u
#define RH_OWNER        0x40000001u
#define RH_NULL         0x40000007u
#define RS_PASSWORD     0x40000009u
#define ALG_SHA256      0x000bu
#define ALG_NULL        0x0010u
#define ALG_ECDSA       0x0018u
#define ALG_ECC         0x0023u
#define ECC_NIST_P256   0x0003u

/* Transient objects have handles of this kind (part 2, 7.2). */
#define HANDLE_KIND      0xff000000u
#define HANDLE_TRANSIENT 0x80000000u

/*
 * Part 2, 8.3. The key never leaves the TPM (fixedTPM, fixedParent), is of its own making (sensitiveDataOrigin), signs what
 * it is given (sign, not restricted) for who has its password, which is empty (userWithAuth), and is never locked (noDA).
 */
#define FIXED_TPM             (1u << 1)
#define FIXED_PARENT          (1u << 4)
#define SENSITIVE_DATA_ORIGIN (1u << 5)
#define USER_WITH_AUTH        (1u << 6)
#define NO_DA                 (1u << 10)
#define SIGN                  (1u << 18)
#define ATTRIBUTES            (FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | NO_DA | SIGN)

/* Part of what the key is made from. Another text makes another key: every machine would be a stranger. */
static const uint8_t unique_x[TPM2_NUMBER_BYTES] = "vmcast machine key";
static const uint8_t unique_y[TPM2_NUMBER_BYTES];

/* A command that is being written. */
struct writer {
	uint8_t *bytes;
	size_t len;
};

static void put_bytes(struct writer *w, const uint8_t *bytes, size_t len)
{
	assert(len <= TPM2_COMMAND_MAX - w->len);
	memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
}

static void put16(struct writer *w, uint32_t value)
{
	put_bytes(w, (const uint8_t[]){ (uint8_t)(value >> 8), (uint8_t)value }, 2);
}

static void put32(struct writer *w, uint32_t value)
{
	put16(w, value >> 16);
	put16(w, value & 0xffff);
}

/* TPM2B: a length, then so many bytes. */
static void put_sized(struct writer *w, const uint8_t *bytes, size_t len)
{
	put16(w, (uint32_t)len);
	put_bytes(w, bytes, len);
}

static void begin(struct writer *w, uint32_t tag, uint32_t command)
{
	put16(w, tag);
	put32(w, 0); /* the length: see finish */
	put32(w, command);
}

static size_t finish(const struct writer *w)
{
	w->bytes[2] = w->bytes[3] = 0;
	w->bytes[4] = (uint8_t)(w->len >> 8);
	w->bytes[5] = (uint8_t)w->len;
	return w->len;
}

/* A password session with an empty password (part 1, 19.4). */
static void put_empty_password(struct writer *w)
{
	put32(w, 9); /* bytes that follow */
	put32(w, RS_PASSWORD);
	put16(w, 0);
	put_bytes(w, (const uint8_t[]){ 0 }, 1);
	put16(w, 0);
}

/* TPMT_PUBLIC up to `unique`, part 2, 12.2.4. */
static void put_template(struct writer *w)
{
	put16(w, ALG_ECC);
	put16(w, ALG_SHA256); /* of its name */
	put32(w, ATTRIBUTES);
	put16(w, 0); /* no policy */
	put16(w, ALG_NULL);
	put16(w, ALG_ECDSA);
	put16(w, ALG_SHA256);
	put16(w, ECC_NIST_P256);
	put16(w, ALG_NULL); /* no derivation of others from it */
}

size_t tpm2_command_create(uint8_t out[static TPM2_COMMAND_MAX])
{
	uint8_t bytes[TPM2_COMMAND_MAX];
	struct writer w = { .bytes = out }, public = { .bytes = bytes };

	put_template(&public);
	put_sized(&public, unique_x, sizeof(unique_x));
	put_sized(&public, unique_y, sizeof(unique_y));
	begin(&w, TAG_SESSIONS, CC_CREATE);
	put32(&w, RH_OWNER);
	put_empty_password(&w);
	put16(&w, 4); /* TPMS_SENSITIVE_CREATE: */
	put16(&w, 0); /* its password */
	put16(&w, 0); /* and data, which it makes by itself */
	put_sized(&w, public.bytes, public.len);
	put16(&w, 0); /* outsideInfo */
	put32(&w, 0); /* no PCRs: what booted does not make it another machine */
	return finish(&w);
}

size_t tpm2_command_sign(uint8_t out[static TPM2_COMMAND_MAX], uint32_t handle,
			 const uint8_t digest[static DIGEST_BYTES])
{
	struct writer w = { .bytes = out };

	begin(&w, TAG_SESSIONS, CC_SIGN);
	put32(&w, handle);
	put_empty_password(&w);
	put_sized(&w, digest, DIGEST_BYTES);
	put16(&w, ALG_NULL); /* the key's own scheme */
	/* No proof that the TPM made the digest: only restricted keys want one. */
	put16(&w, TAG_HASHCHECK);
	put32(&w, RH_NULL);
	put16(&w, 0);
	return finish(&w);
}

size_t tpm2_command_flush(uint8_t out[static TPM2_COMMAND_MAX], uint32_t handle)
{
	struct writer w = { .bytes = out };

	begin(&w, TAG_NO_SESSIONS, CC_FLUSH);
	put32(&w, handle);
	return finish(&w);
}

/* An answer that is being read. What is read beyond its end is zero, and `is_short` tells. */
struct reader {
	const uint8_t *at;
	size_t left;
	bool is_short;
};

static const uint8_t *take(struct reader *r, size_t len)
{
	const uint8_t *bytes = r->at;

	if (len > r->left) {
		r->is_short = true;
		r->left = 0;
		return NULL;
	}
	r->at += len;
	r->left -= len;
	return bytes;
}

static uint32_t get16(struct reader *r)
{
	const uint8_t *bytes = take(r, 2);

	return bytes ? be16(bytes) : 0;
}

static uint32_t get32(struct reader *r)
{
	const uint8_t *bytes = take(r, 4);

	return bytes ? be32(bytes) : 0;
}

/* A part of it with its own end: TPM2B. */
static struct reader get_sized(struct reader *r)
{
	size_t len = get16(r);
	const uint8_t *bytes = take(r, len);

	return (struct reader){ .at = bytes, .left = bytes ? len : 0, .is_short = r->is_short };
}

/* Older TPMs leave out what a number has of zeros at its beginning. */
static bool get_number(uint8_t out[static TPM2_NUMBER_BYTES], struct reader *r)
{
	struct reader number = get_sized(r);

	if (number.is_short || number.left > TPM2_NUMBER_BYTES)
		return false;
	memset(out, 0, TPM2_NUMBER_BYTES);
	if (number.left)
		memcpy(out + TPM2_NUMBER_BYTES - number.left, number.at, number.left);
	return !bytes_are_zero(out, TPM2_NUMBER_BYTES);
}

/* Part 2, 6.6: what of the response codes somebody can do something about. */
static const char *meaning_of(uint32_t code)
{
	static const struct {
		uint32_t code;
		const char *meaning;
	} meanings[] = {
		{ 0x100, "it was not started by the firmware" },
		{ 0x101, "it has failed its self-test" },
		{ 0x185, "the owner hierarchy is switched off" },
		{ 0x902, "it has no memory left for a key" },
		{ 0x921, "it is locked" },
		{ 0x98e, "the owner hierarchy has a password" },
		{ 0x9a2, "the owner hierarchy has a password" },
	};

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (meanings[i].code == code)
			return meanings[i].meaning;
	return "it refuses";
}

int tpm2_answer_bytes(size_t *out, const uint8_t header[static TPM2_HEADER_BYTES], struct err *err)
{
	uint32_t len = be32(header + 2);

	if (len < TPM2_HEADER_BYTES || len > TPM2_ANSWER_MAX)
		return err_set(err, -EPROTO, "an answer of %u bytes", len);
	*out = len;
	return 0;
}

/* The header of an answer to a command with one session; `*r` is behind it. */
static int check_header(struct reader *r, const uint8_t *answer, size_t len, struct err *err)
{
	*r = (struct reader){ .at = answer, .left = len };
	uint32_t tag = get16(r), said = get32(r), code = get32(r);

	if (r->is_short || said != len)
		return err_set(err, -EPROTO, "an answer of %zu bytes says that it has %u", len, said);
	if (code)
		return err_set(err, -EPERM, "%s (TPM response code 0x%03x)", meaning_of(code), code);
	return tag == TAG_SESSIONS ? 0 : err_set(err, -EPROTO, "an answer with tag 0x%04x", tag);
}

/* The parameters, which are followed by the session's part of the answer and nothing else. */
static int check_parameters(struct reader *out, struct reader *r, struct err *err)
{
	size_t len = get32(r);
	const uint8_t *bytes = take(r, len);

	*out = (struct reader){ .at = bytes, .left = bytes ? len : 0 };
	get_sized(r); /* nonce */
	take(r, 1);
	get_sized(r); /* acknowledgement */
	return !r->is_short && r->left == 0 ? 0 : err_set(err, -EPROTO, "an answer whose parts do not add up");
}

/* What was asked for, and nothing that could be used otherwise. */
static bool is_our_template(struct reader *public)
{
	uint8_t bytes[TPM2_COMMAND_MAX];
	struct writer wanted = { .bytes = bytes };

	put_template(&wanted);
	const uint8_t *got = take(public, wanted.len);
	return got && memcmp(got, wanted.bytes, wanted.len) == 0;
}

int tpm2_answer_create(struct tpm2_key *out, const uint8_t *answer, size_t len, struct err *err)
{
	struct reader r, parameters;
	struct tpm2_key key;
	int rc = check_header(&r, answer, len, err);

	if (rc)
		return rc;
	key.handle = get32(&r);
	rc = check_parameters(&parameters, &r, err);
	if (rc)
		return rc;
	/* What follows the public part tells how it was made, which the template says. */
	struct reader public = get_sized(&parameters);
	if ((key.handle & HANDLE_KIND) != HANDLE_TRANSIENT)
		return err_set(err, -EPROTO, "a key with handle 0x%08x, which is not one of a loaded key", key.handle);
	if (!is_our_template(&public))
		return err_set(err, -EPROTO, "a key that is not of the kind that was asked for");
	if (!get_number(key.x, &public) || !get_number(key.y, &public) || public.left)
		return err_set(err, -EPROTO, "a key that is no point of P-256");
	*out = key;
	return 0;
}

int tpm2_answer_sign(struct tpm2_signature *out, const uint8_t *answer, size_t len, struct err *err)
{
	struct reader r, parameters;
	struct tpm2_signature signature;
	int rc = check_header(&r, answer, len, err);

	if (!rc)
		rc = check_parameters(&parameters, &r, err);
	if (rc)
		return rc;
	if (get16(&parameters) != ALG_ECDSA || get16(&parameters) != ALG_SHA256 ||
	    !get_number(signature.r, &parameters) || !get_number(signature.s, &parameters) || parameters.left)
		return err_set(err, -EPROTO, "a signature that is none of ECDSA on P-256 with SHA-256");
	*out = signature;
	return 0;
}
