/* SPDX-License-Identifier: GPL-2.0-or-later */
/* keyring: see keyring.h */
#include "keyring.h"

#include "cleanup.h"
#include "folder.h"
#include "signing_key.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_folder(const char *dir, struct err *err)
{
	struct stat st;

	if (stat(dir, &st))
		return err_set(err, -errno, "keys '%s': %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "keys '%s': it is no folder", dir);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(err, -EACCES,
			       "keys '%s': its mode is %04o, others than its owner could look into it (chmod 700)", dir,
			       st.st_mode & 07777);
	return 0;
}

static int append(struct keyring *ring, const char *path, struct signing_key **key, struct err *err)
{
	char *copy = strdup(path);

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	ring->keys[ring->count].path = copy;
	ring->keys[ring->count++].key = TAKE(*key);
	return 0;
}

static int check_room(const struct keyring *ring, struct err *err)
{
	return ring->count < KEYRING_KEYS_MAX
		       ? 0
		       : err_set(err, -E2BIG, "keys '%s': more than %d", ring->dir, KEYRING_KEYS_MAX);
}

static int load(struct keyring *ring, const char *path, struct err *err)
{
	CLEANUP(signing_key_free) struct signing_key *key = NULL;
	int rc = check_room(ring, err);

	if (!rc)
		rc = signing_key_load(&key, path, ring->passphrase, err);
	return rc ? rc : append(ring, path, &key, err);
}

/* A name that is a pattern itself finds too much or nothing, and is told as that. */
static int find_keys(glob_t *found, const char *dir, struct err *err)
{
	char pattern[PATH_MAX];

	if (snprintf(pattern, sizeof(pattern), "%s/*.pem", dir) >= (int)sizeof(pattern))
		return err_set(err, -ENAMETOOLONG, "keys '%s': path is too long", dir);
	int code = glob(pattern, 0, NULL, found);
	return code && code != GLOB_NOMATCH ? err_set(err, -EIO, "keys '%s': cannot be listed", dir) : 0;
}

int keyring_open(struct keyring *ring, const char *dir, const char *passphrase, struct err *err)
{
	CLEANUP(globfree) glob_t found = { 0 };

	*ring = (struct keyring){ .dir = dir, .passphrase = passphrase };
	int rc = check_folder(dir, err);
	if (rc)
		return rc;
	if ((rc = find_keys(&found, dir, err)) < 0)
		return rc;
	if (found.gl_pathc == 0)
		return err_set(err, -ENOENT, "keys '%s': there is no key (*.pem)", dir);
	for (size_t i = 0; !rc && i < found.gl_pathc; i++)
		rc = load(ring, found.gl_pathv[i], err);
	ring->made_from = ring->count;
	return rc;
}

int keyring_open_empty(struct keyring *ring, const char *dir, const char *passphrase, struct err *err)
{
	*ring = (struct keyring){ .dir = dir, .passphrase = passphrase };
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_set(err, -errno, "keys '%s': %s", dir, strerror(errno));
	CLEANUP(globfree) glob_t found = { 0 };
	int rc = check_folder(dir, err);
	if (!rc)
		rc = find_keys(&found, dir, err);
	if (!rc && found.gl_pathc)
		rc = err_set(err, -EEXIST, "keys '%s': there are keys in it", dir);
	return rc;
}

void keyring_done(struct keyring *ring)
{
	while (ring->count--) {
		free(ring->keys[ring->count].path);
		signing_key_free(&ring->keys[ring->count].key);
	}
	ring->count = 0;
}

/* "root-1.pem", "root-2.pem", ...; of targets, which has one key, "targets.pem" first. */
static int name_key(char out[static PATH_MAX], const char *dir, const char *role, unsigned nr)
{
	if (strcmp(role, "targets") == 0 && nr == 1)
		return snprintf(out, PATH_MAX, "%s/targets.pem", dir);
	return snprintf(out, PATH_MAX, "%s/%s-%u.pem", dir, role, nr);
}

/* The number in a name that name_key made for this role, 0 in others. */
static unsigned number_of(const char *path, const char *dir, const char *role)
{
	size_t len = strlen(dir) + 1 + strlen(role);
	char name[PATH_MAX];
	unsigned nr = 1;

	if (strlen(path) > len && path[len] == '-')
		nr = (unsigned)strtoul(path + len + 1, NULL, 10);
	return name_key(name, dir, role, nr) < PATH_MAX && strcmp(name, path) == 0 ? nr : 0;
}

int keyring_make(const struct signing_key **out, struct keyring *ring, const char *role, unsigned above,
		 struct err *err)
{
	CLEANUP(signing_key_free) struct signing_key *key = NULL;
	char path[PATH_MAX];
	int rc = check_room(ring, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < ring->count; i++) {
		unsigned nr = number_of(ring->keys[i].path, ring->dir, role);

		above = nr > above ? nr : above;
	}
	if (name_key(path, ring->dir, role, above + 1) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "keys '%s': path is too long", ring->dir);
	rc = signing_key_create(&key, path, ring->passphrase, err);
	if (!rc && (rc = append(ring, path, &key, err)) < 0)
		unlink(path);
	if (rc)
		return rc;
	*out = ring->keys[ring->count - 1].key;
	return 0;
}

int keyring_flush(const struct keyring *ring, struct err *err)
{
	return folder_sync(ring->dir, err);
}

void keyring_undo(struct keyring *ring)
{
	for (size_t i = ring->made_from; i < ring->count; i++)
		unlink(ring->keys[i].path);
}

int keyring_sign(const struct keyring *ring, json_t *envelope, const json_t *role, struct err *err)
{
	const json_t *keyid;
	size_t nr;

	json_array_foreach(json_object_get(role, "keyids"), nr, keyid)
	{
		for (size_t i = 0; i < ring->count; i++) {
			if (strcmp(signing_key_id(ring->keys[i].key), json_string_value(keyid)) != 0)
				continue;
			int rc = signing_key_sign(envelope, ring->keys[i].key, err);
			if (rc)
				return rc;
		}
	}
	return 0;
}
