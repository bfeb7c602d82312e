/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuf_fileinfo: what TUF metadata says of a file: version, length, hashes; and whether bytes are that file's.
 *
 * Source: the TUF specification, sections 4.4 (METAFILES) and 4.5 (TARGETS).
 */
#ifndef VMCAST_TUF_FILEINFO_H
#define VMCAST_TUF_FILEINFO_H

#include "err.h"

#include <jansson.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tuf_fileinfo {
	int64_t version; /* of metadata, from 1; of a target 0 */
	bool has_length;
	uint64_t length;
	bool has_sha256, has_sha512;
	uint8_t sha256[SHA256_DIGEST_SIZE], sha512[SHA512_DIGEST_SIZE];
	const json_t *custom; /* of a target; borrowed from what was parsed; NULL: none */
};

/* -EBADMSG if it is malformed, or has hashes and none that is known. A target must have length and hashes, metadata
 * must have a version. */
int tuf_fileinfo_parse(struct tuf_fileinfo *out, const json_t *in, bool is_target, struct err *err);

/* A field that must be there and of this type. -EBADMSG. */
int tuf_need(const json_t **out, const json_t *in, const char *key, json_type type, struct err *err);
int tuf_need_version(int64_t *out, const json_t *in, struct err *err);

/* Bytes being compared: tuf_check_init, tuf_check_add any number of times, tuf_check_final. */
struct tuf_check {
	const struct tuf_fileinfo *info;
	uint64_t bytes;
	struct sha256_ctx sha256;
	struct sha512_ctx sha512;
};

/* `info` is borrowed. */
void tuf_check_init(struct tuf_check *check, const struct tuf_fileinfo *info);

/* -EACCES as soon as it is longer than announced. */
int tuf_check_add(struct tuf_check *check, const void *data, size_t len, struct err *err);

/* -EACCES if length or a hash is not the announced one. */
int tuf_check_final(struct tuf_check *check, struct err *err);

#endif
