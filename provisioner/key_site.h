/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * key_site: the repository folder of a site, as those see it who hold its offline keys: the chain of its roots, its targets
 * metadata, and what is staged until enough of them have signed.
 *
 *   metadata/  N.root.json, N.targets.json, and what the service signs    staged/  the next ones, served by nobody
 *   online.pem the service's private key                                  staged/online.pem  the one in place of it
 *
 * Source: the TUF specification, sections 5.3 (a root is followed by what its keys and the next one's have signed) and 6.1.
 */
#ifndef VMCAST_KEY_SITE_H
#define VMCAST_KEY_SITE_H

#include "err.h"
#include "tuf_metadata.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define KEY_SITE_METADATA_MAX 512000 /* what clients read of a root, and more than any targets metadata of ours */

struct key_site {
	const char *dir;              /* borrowed */
	struct tuf_metadata *root;    /* the newest */
	struct tuf_metadata *targets; /* the newest; whether that root's keys have signed it is not asked */
};

/* DIR/name. */
int key_site_path(char out[static PATH_MAX], const char *dir, const char *name, struct err *err);

/* Of the files N.ROLE.json in a folder the largest N; 0: there is none. */
int64_t key_site_newest(const char *folder, const char *role);

/* DIR/FOLDER/VERSION.ROLE.json. Caller frees with tuf_metadata_free. */
int key_site_load(struct tuf_metadata **out, const char *dir, const char *folder, enum tuf_type type, int64_t version,
		  struct err *err);

/* Follows the roots from version 1. -ENOENT: there is none; -EACCES: one is not signed as it must be. Whether one has expired is not
 * asked. `dir` is borrowed; caller ends it with key_site_done, also after an error. */
int key_site_open(struct key_site *site, const char *dir, struct err *err);
void key_site_done(struct key_site *site);

struct signing_key;

/* DIR/online.pem, which must be the key of snapshot, timestamp, and of the roles in `delegated` (ends with NULL): else -EACCES.
 * Caller frees with signing_key_free. */
int key_site_load_online(struct signing_key **out, const struct key_site *site, const char *const *delegated,
			 struct err *err);

/* What comes next: envelopes, NULL where nothing changes. */
struct key_change {
	json_t *root, *targets;
	bool has_online; /* staged/online.pem is there already */
};

/* Make DIR/staged. -EEXIST: what was staged before is not published yet. */
int key_site_begin(const struct key_site *site, struct err *err);
int key_site_stage(const struct key_site *site, const struct key_change *change, struct err *err);

/* What is staged is thrown away. */
void key_site_discard(const char *dir);

/* Put what is staged in its place, the root last. -EACCES: it lacks signatures; -ENOENT: nothing is staged. Can be repeated after
 * it was interrupted. */
int key_site_publish(const struct key_site *site, struct err *err);

/* Let who owns DIR own a file in it, if we may: root makes what the service uses. */
int key_site_give(const char *dir, const char *path, struct err *err);

#endif
