/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keyring: the private keys in a folder that is kept offline: root-1.pem, targets.pem, ..., all under one passphrase. */
#ifndef VMCAST_KEYRING_H
#define VMCAST_KEYRING_H

#include "err.h"

#include <jansson.h>
#include <stddef.h>

struct signing_key;

#define KEYRING_KEYS_MAX 64

struct keyring {
	const char *dir, *passphrase; /* borrowed */
	struct {
		char *path;
		struct signing_key *key;
	} keys[KEYRING_KEYS_MAX];
	size_t count;
	size_t made_from; /* keys from here on were made by keyring_make */
};

/* All keys *.pem of the folder. -EACCES: others than its owner could look into it; -ENOENT: it has no key; what
 * signing_key_load returns. `dir` and `passphrase` are borrowed; caller ends it with keyring_done, also after an error. */
int keyring_open(struct keyring *ring, const char *dir, const char *passphrase, struct err *err);

/* An empty one, in a folder that is made if it is missing. -EEXIST: there are keys in it. */
int keyring_open_empty(struct keyring *ring, const char *dir, const char *passphrase, struct err *err);
void keyring_done(struct keyring *ring);

/* Make a key of `role` and its file, with the next number: after all that are there, and after `above`, since those of others
 * are elsewhere. `*out` is borrowed from the ring. */
int keyring_make(const struct signing_key **out, struct keyring *ring, const char *role, unsigned above,
		 struct err *err);

/* Flush what was made. */
int keyring_flush(const struct keyring *ring, struct err *err);

/* Remove the files of the keys that were made: what they were made for has failed. */
void keyring_undo(struct keyring *ring);

/* Let each key sign that `role` ({keyids, ...}) names. */
int keyring_sign(const struct keyring *ring, json_t *envelope, const json_t *role, struct err *err);

#endif
