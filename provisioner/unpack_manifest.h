/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_manifest: digests of an archive's files as it carries them -> name and digest. Three ways to write a line: OVF's
 * `SHA256(disk.vmdk)= hex` (SHA-1, -256, -512), the same with a space as BSD and OpenSSL write it, and that of
 * sha1sum and friends, `hex  name`, where the length says which digest it is.
 */
#ifndef VMCAST_UNPACK_MANIFEST_H
#define VMCAST_UNPACK_MANIFEST_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

#define MANIFEST_BYTES_MAX   (1u << 20)
#define MANIFEST_ENTRIES_MAX 4096
#define MANIFEST_DIGEST_MAX  64

struct manifest_entry {
	char *file;
	uint8_t digest[MANIFEST_DIGEST_MAX];
	size_t digest_bytes; /* 20: SHA-1, 32: SHA-256, 64: SHA-512 */
};

struct manifest {
	struct manifest_entry *entries;
	size_t entry_count;
};

/* `what` names the file in errors. Caller frees with manifest_free. A name that comes twice is an error; so is an empty manifest. */
int manifest_parse(struct manifest **out, const char *what, const char *text, size_t len, struct err *err);
void manifest_free(struct manifest **m);

/* NULL: it says nothing of that file. */
const struct manifest_entry *manifest_find(const struct manifest *m, const char *file);

/* A digest of any of the three kinds, computed in one pass. Caller closes with hasher_close. */
struct hasher;
int hasher_open(struct hasher **out, size_t digest_bytes, struct err *err);
void hasher_add(struct hasher *h, const void *data, size_t len);
void hasher_final(struct hasher *h, uint8_t out[static MANIFEST_DIGEST_MAX]);
void hasher_close(struct hasher **h);

#endif
