/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_fileinfo: see tuf_fileinfo.h */
#include "tuf_fileinfo.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/base16.h>
#include <string.h>

#define VERSION_MAX INT64_C(0x7fffffffffff)

int tuf_need(const json_t **out, const json_t *in, const char *key, json_type type, struct err *err)
{
	static const char *const names[] = { [JSON_OBJECT] = "an object",
					     [JSON_ARRAY] = "a list",
					     [JSON_STRING] = "a string",
					     [JSON_INTEGER] = "a whole number" };
	const json_t *value = json_object_get(in, key);

	if (!value || json_typeof(value) != type)
		return err_set(err, -EBADMSG, "field \"%s\": %s is needed", key, names[type]);
	*out = value;
	return 0;
}

int tuf_need_version(int64_t *out, const json_t *in, struct err *err)
{
	const json_t *value = NULL;
	int rc = tuf_need(&value, in, "version", JSON_INTEGER, err);

	if (rc)
		return rc;
	*out = json_integer_value(value);
	if (*out < 1 || *out > VERSION_MAX)
		return err_set(err, -EBADMSG, "field \"version\": %" PRId64 " is none, they begin with 1", *out);
	return 0;
}

static int decode_hash(uint8_t *out, bool *has, size_t want, const json_t *hashes, const char *name, struct err *err)
{
	const char *text = json_string_value(json_object_get(hashes, name));
	uint8_t raw[BASE16_DECODE_LENGTH(2 * SHA512_DIGEST_SIZE)];
	struct base16_decode_ctx ctx;
	size_t len;

	if (!text)
		return 0;
	base16_decode_init(&ctx);
	if (strlen(text) != 2 * want || !base16_decode_update(&ctx, &len, raw, 2 * want, text) ||
	    !base16_decode_final(&ctx) || len != want)
		return err_set(err, -EBADMSG, "field \"%s\": %zu hex digits are needed", name, 2 * want);
	memcpy(out, raw, want);
	*has = true;
	return 0;
}

/* Hashes there are must have one that we can compute: else they would only seem to be checked. */
static int parse_hashes(struct tuf_fileinfo *info, const json_t *in, struct err *err)
{
	const json_t *hashes = NULL;
	int rc = tuf_need(&hashes, in, "hashes", JSON_OBJECT, err);

	if (rc || (rc = decode_hash(info->sha256, &info->has_sha256, SHA256_DIGEST_SIZE, hashes, "sha256", err)) ||
	    (rc = decode_hash(info->sha512, &info->has_sha512, SHA512_DIGEST_SIZE, hashes, "sha512", err)))
		return rc;
	if (!info->has_sha256 && !info->has_sha512)
		return err_set(err, -EBADMSG, "field \"hashes\": none that is known (sha256, sha512)");
	return 0;
}

static int parse_length(struct tuf_fileinfo *info, const json_t *in, struct err *err)
{
	const json_t *length = NULL;
	int rc = tuf_need(&length, in, "length", JSON_INTEGER, err);

	if (rc)
		return rc;
	if (json_integer_value(length) < 0)
		return err_set(err, -EBADMSG, "field \"length\": %" JSON_INTEGER_FORMAT, json_integer_value(length));
	info->has_length = true;
	info->length = (uint64_t)json_integer_value(length);
	return 0;
}

int tuf_fileinfo_parse(struct tuf_fileinfo *out, const json_t *in, bool is_target, struct err *err)
{
	struct tuf_fileinfo info = { .custom = json_object_get(in, "custom") };
	int rc = 0;

	if (!is_target)
		rc = tuf_need_version(&info.version, in, err);
	if (!rc && (is_target || json_object_get(in, "length")))
		rc = parse_length(&info, in, err);
	if (!rc && (is_target || json_object_get(in, "hashes")))
		rc = parse_hashes(&info, in, err);
	if (!rc)
		*out = info;
	return rc;
}

void tuf_check_init(struct tuf_check *check, const struct tuf_fileinfo *info)
{
	check->info = info;
	check->bytes = 0;
	sha256_init(&check->sha256);
	sha512_init(&check->sha512);
}

int tuf_check_add(struct tuf_check *check, const void *data, size_t len, struct err *err)
{
	const struct tuf_fileinfo *info = check->info;

	check->bytes += len;
	if (info->has_length && check->bytes > info->length)
		return err_set(err, -EACCES, "it is longer than the %" PRIu64 " bytes announced", info->length);
	if (info->has_sha256)
		sha256_update(&check->sha256, len, data);
	if (info->has_sha512)
		sha512_update(&check->sha512, len, data);
	return 0;
}

int tuf_check_final(struct tuf_check *check, struct err *err)
{
	const struct tuf_fileinfo *info = check->info;
	uint8_t sha256[SHA256_DIGEST_SIZE], sha512[SHA512_DIGEST_SIZE];

	sha256_digest(&check->sha256, sizeof(sha256), sha256);
	sha512_digest(&check->sha512, sizeof(sha512), sha512);
	if (info->has_length && check->bytes != info->length)
		return err_set(err, -EACCES, "it has %" PRIu64 " bytes, %" PRIu64 " are announced", check->bytes,
			       info->length);
	if (info->has_sha256 && memcmp(sha256, info->sha256, sizeof(sha256)) != 0)
		return err_set(err, -EACCES, "its sha256 is not the announced one");
	if (info->has_sha512 && memcmp(sha512, info->sha512, sizeof(sha512)) != 0)
		return err_set(err, -EACCES, "its sha512 is not the announced one");
	return 0;
}
