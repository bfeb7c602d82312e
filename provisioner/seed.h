/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seed: the operator's templates for the first boot of a machine's system (cloud-init's NoCloud) -> the seed of one machine.
 *
 * seeds_dir/NAME/ has user-data, and may have meta-data and network-config. `{{FIELD}}` stands for a field of the machine; there
 * is a fixed list of them, and another one is a fault. docs/reference/formats.md, "Seeds", has the form of what becomes of it.
 */
#ifndef VMCAST_SEED_H
#define VMCAST_SEED_H

#include "config.h"
#include "digest.h"
#include "err.h"
#include "store.h"

#include <stddef.h>
#include <stdint.h>

#define SEED_NAME_MAX       64
#define SEED_FILE_BYTES_MAX (256u << 10) /* of a template, and of what becomes of it */

enum seed_file_nr { SEED_META_DATA, SEED_USER_DATA, SEED_NETWORK_CONFIG, SEED_FILES };

extern const char *const seed_file_names[SEED_FILES];

struct seed {
	char name[SEED_NAME_MAX + 1];
	char *texts[SEED_FILES];     /* NULL: there is no such file */
	unsigned fields[SEED_FILES]; /* that it names: bit N is field N of seed_field_name */
};

/* The name of field `nr`, NULL after the last. */
const char *seed_field_name(size_t nr);

/* Letters, digits, '.', '_' and '-', none first that is '.'. */
int seed_check_name(const char *name, struct err *err);

/* One label of a host name (RFC 1123, 2.1), at most 63 characters. */
int seed_check_hostname(const char *hostname, struct err *err);

/*
 * The seed `name` of the folder `dir`. -ENOENT: there is none; -EINVAL: what is wrong with it: file, line and field, or who else
 * may read it. Caller frees with seed_free, which wipes it.
 */
int seed_load(struct seed *out, const char *dir, const char *name, struct err *err);
void seed_free(struct seed *seed);

/* Whom it is for. Strings may be NULL but `mac`. */
struct seed_machine {
	const char *mac;
	const char *hostname; /* NULL: made of `mac` */
	uint64_t assignment;  /* another number for each assignment */
	const char *item_id;
	const char *item_title;
	const char *item_uuid;
};

struct seed_document {
	char *text;
	size_t len;
	char digest[DIGEST_HEX]; /* of the text; tells nothing of it: 256 bits in it are nobody's to guess */
};

/* The same for the same arguments. -EINVAL: it becomes too long, or is not UTF-8. Caller ends it with seed_document_done, which
 * wipes it. */
int seed_render(struct seed_document *out, const struct seed *seed, const struct seed_machine *machine,
		const uint8_t secret[static STORE_SECRET_BYTES], struct err *err);
void seed_document_done(struct seed_document *document);

/* The names of all seeds, in order; a folder that is not there has none. */
int seed_list(struct string_list *out, const char *dir, struct err *err);

/* Another one whenever a file below `dir` was changed. */
void seed_stamp(uint8_t out[static DIGEST_BYTES], const char *dir);

#endif
