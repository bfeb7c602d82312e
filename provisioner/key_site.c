/* SPDX-License-Identifier: GPL-2.0-or-later */
/* key_site: see key_site.h */
#include "key_site.h"

#include "cleanup.h"
#include "folder.h"
#include "json.h"
#include "signing_key.h"
#include "tuf_store.h"
#include "tuf_writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int key_site_path(char out[static PATH_MAX], const char *dir, const char *name, struct err *err)
{
	if (snprintf(out, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", dir);
	return 0;
}

int64_t key_site_newest(const char *folder, const char *role)
{
	CLEANUP(close_dir) DIR *dir = opendir(folder);
	const struct dirent *entry;
	int64_t newest = 0;
	char wanted[300];

	while (dir && (entry = readdir(dir))) {
		int64_t version = strtoll(entry->d_name, NULL, 10);

		snprintf(wanted, sizeof(wanted), "%" PRId64 ".%s.json", version, role);
		if (version > newest && strcmp(entry->d_name, wanted) == 0)
			newest = version;
	}
	return newest;
}

static void name_file(char out[static 64], enum tuf_type type, int64_t version)
{
	snprintf(out, 64, "%" PRId64 ".%s", version, tuf_type_name(type));
}

int key_site_load(struct tuf_metadata **out, const char *dir, const char *folder, enum tuf_type type, int64_t version,
		  struct err *err)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *md = NULL;
	CLEANUP(free_str) char *text = NULL;
	char path[PATH_MAX], name[64];
	size_t len;
	int rc = key_site_path(path, dir, folder, err);

	name_file(name, type, version);
	if (!rc)
		rc = tuf_store_load(&text, &len, path, name, KEY_SITE_METADATA_MAX, err);
	if (!rc && (rc = tuf_metadata_parse(&md, type, text, len, err)) < 0)
		err_wrap(err, "'%s/%s.json'", path, name);
	if (!rc && md->version != version)
		rc = err_set(err, -EBADMSG, "'%s/%s.json': it is version %" PRId64, path, name, md->version);
	if (rc)
		return rc;
	*out = TAKE(md);
	return 0;
}

/* 5.3.4, 5.3.5 */
static int check_next_root(const struct tuf_metadata *root, const struct tuf_metadata *next, struct err *err)
{
	if (next->version != root->version + 1)
		return err_set(err, -EACCES, "root version %" PRId64 " cannot follow version %" PRId64, next->version,
			       root->version);
	if (tuf_metadata_verify_by_root(next, root, err))
		return err_wrap(err, "by the keys of version %" PRId64, root->version);
	return tuf_metadata_verify_by_root(next, next, err) ? err_wrap(err, "by its own keys") : 0;
}

static int follow_roots(struct key_site *site, struct err *err)
{
	struct err none = { 0 };
	int rc = key_site_load(&site->root, site->dir, "metadata", TUF_ROOT, 1, err);

	if (!rc)
		rc = tuf_metadata_verify_by_root(site->root, site->root, err);
	while (!rc) {
		CLEANUP(tuf_metadata_free) struct tuf_metadata *next = NULL;

		rc = key_site_load(&next, site->dir, "metadata", TUF_ROOT, site->root->version + 1, &none);
		if (rc == -ENOENT)
			return 0;
		if (rc) {
			*err = none;
			return rc;
		}
		if ((rc = check_next_root(site->root, next, err)) < 0)
			return rc;
		tuf_metadata_free(&site->root);
		site->root = TAKE(next);
	}
	return rc;
}

int key_site_open(struct key_site *site, const char *dir, struct err *err)
{
	char folder[PATH_MAX];

	*site = (struct key_site){ .dir = dir };
	int rc = key_site_path(folder, dir, "metadata", err);
	if (!rc && (rc = follow_roots(site, err)) < 0)
		return err_wrap(err, "repository '%s'", dir);
	if (rc)
		return rc;
	int64_t version = key_site_newest(folder, "targets");
	if (version == 0)
		return err_set(err, -ENOENT, "repository '%s': there is no targets metadata", dir);
	return key_site_load(&site->targets, dir, "metadata", TUF_TARGETS, version, err);
}

void key_site_done(struct key_site *site)
{
	tuf_metadata_free(&site->root);
	tuf_metadata_free(&site->targets);
}

int key_site_give(const char *dir, const char *path, struct err *err)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (stat(dir, &st) || lchown(path, st.st_uid, st.st_gid))
		return err_set(err, -errno, "owner of '%s': %s", path, strerror(errno));
	return 0;
}

int key_site_begin(const struct key_site *site, struct err *err)
{
	char staged[PATH_MAX];
	int rc = key_site_path(staged, site->dir, "staged", err);

	if (rc)
		return rc;
	rmdir(staged); /* is left empty where publishing was interrupted at its very end */
	if (mkdir(staged, 0700) == 0)
		return key_site_give(site->dir, staged, err);
	if (errno == EEXIST)
		return err_set(err, -EEXIST,
			       "'%s': what was staged before is not published (vmcast sign, then vmcast key publish; "
			       "or remove it)",
			       staged);
	return err_set(err, -errno, "make '%s': %s", staged, strerror(errno));
}

static int stage(const struct key_site *site, const json_t *envelope, enum tuf_type type, struct err *err)
{
	const json_t *version = json_object_get(json_object_get(envelope, "signed"), "version");
	char staged[PATH_MAX], path[PATH_MAX], name[64], file[80];
	CLEANUP(free_str) char *text = NULL;
	size_t len;
	int rc = tuf_envelope_text(&text, &len, envelope, err);

	name_file(name, type, json_integer_value(version));
	snprintf(file, sizeof(file), "%s.json", name);
	if (rc || (rc = key_site_path(staged, site->dir, "staged", err)) ||
	    (rc = key_site_path(path, staged, file, err)) || (rc = tuf_store_save(staged, name, text, len, err)))
		return rc;
	if (chmod(path, 0644))
		return err_set(err, -errno, "mode of '%s': %s", path, strerror(errno));
	return key_site_give(site->dir, path, err);
}

int key_site_stage(const struct key_site *site, const struct key_change *change, struct err *err)
{
	int rc = change->root ? stage(site, change->root, TUF_ROOT, err) : 0;

	return rc || !change->targets ? rc : stage(site, change->targets, TUF_TARGETS, err);
}

void key_site_discard(const char *dir)
{
	char staged[PATH_MAX];
	struct err ignored;

	if (key_site_path(staged, dir, "staged", &ignored) == 0)
		folder_remove(staged, &ignored);
}

/* What will hold once all that is staged is in its place. */
struct outcome {
	struct tuf_metadata *root, *targets; /* staged ones; NULL: those of now stay */
	bool has_online;
};

static void outcome_done(struct outcome *o)
{
	tuf_metadata_free(&o->root);
	tuf_metadata_free(&o->targets);
}

static bool role_has(const json_t *role, const char *id)
{
	const json_t *keyid;
	size_t nr;

	json_array_foreach(json_object_get(role, "keyids"), nr,
			   keyid) if (strcmp(json_string_value(keyid), id) == 0) return true;
	return false;
}

static const json_t *find_delegation(const struct tuf_metadata *targets, const char *name)
{
	const json_t *delegations = json_object_get(targets->fields, "delegations"), *role;
	size_t nr;

	json_array_foreach(json_object_get(delegations, "roles"), nr,
			   role) if (strcmp(json_string_value(json_object_get(role, "name")), name) == 0) return role;
	return NULL;
}

static int check_role(const json_t *role, const char *name, const struct tuf_metadata *by, const char *id,
		      const char *path, struct err *err)
{
	if (role_has(role, id))
		return 0;
	return err_set(err, -EACCES,
		       "'%s': key %s is not the one that %s version %" PRId64 " names for the role \"%s\"", path, id,
		       tuf_type_name(by->type), by->version, name);
}

int key_site_load_online(struct signing_key **out, const struct key_site *site, const char *const *delegated,
			 struct err *err)
{
	static const char *const top[] = { "snapshot", "timestamp" };
	const json_t *roles = json_object_get(site->root->fields, "roles");
	CLEANUP(signing_key_free) struct signing_key *key = NULL;
	char path[PATH_MAX];
	int rc = key_site_path(path, site->dir, "online.pem", err);

	if (!rc)
		rc = signing_key_load(&key, path, NULL, err);
	for (size_t i = 0; !rc && i < 2; i++)
		rc = check_role(json_object_get(roles, top[i]), top[i], site->root, signing_key_id(key), path, err);
	for (; !rc && *delegated; delegated++)
		rc = check_role(find_delegation(site->targets, *delegated), *delegated, site->targets,
				signing_key_id(key), path, err);
	if (!rc)
		*out = TAKE(key);
	return rc;
}

/* A service with another key than the root's could sign nothing that a client takes. */
static int check_online(const struct key_site *site, const char *name, const struct tuf_metadata *root, struct err *err)
{
	CLEANUP(signing_key_free) struct signing_key *key = NULL;
	char path[PATH_MAX];
	int rc = key_site_path(path, site->dir, name, err);

	if (!rc)
		rc = signing_key_load(&key, path, NULL, err);
	if (rc)
		return rc;
	const json_t *roles = json_object_get(root->fields, "roles");
	if (!role_has(json_object_get(roles, "timestamp"), signing_key_id(key)) ||
	    !role_has(json_object_get(roles, "snapshot"), signing_key_id(key)))
		return err_set(err, -EACCES, "'%s' is not the key of root version %" PRId64, path, root->version);
	return 0;
}

static int load_staged(struct outcome *out, const struct key_site *site, const char *staged, struct err *err)
{
	char online[PATH_MAX];
	int64_t root = key_site_newest(staged, "root"), targets = key_site_newest(staged, "targets");
	int rc = key_site_path(online, staged, "online.pem", err);

	if (!rc && root)
		rc = key_site_load(&out->root, site->dir, "staged", TUF_ROOT, root, err);
	if (!rc && targets)
		rc = key_site_load(&out->targets, site->dir, "staged", TUF_TARGETS, targets, err);
	out->has_online = access(online, F_OK) == 0;
	if (!rc && !root && !targets)
		rc = err_set(err, -ENOENT, "'%s': nothing is staged", staged);
	return rc;
}

static int check_outcome(const struct outcome *o, const struct key_site *site, struct err *err)
{
	const struct tuf_metadata *root = o->root ? o->root : site->root;
	const struct tuf_metadata *targets = o->targets ? o->targets : site->targets;
	int rc = o->root ? check_next_root(site->root, o->root, err) : 0;

	if (!rc && o->targets && o->targets->version <= site->targets->version)
		rc = err_set(err, -EACCES, "targets version %" PRId64 " cannot follow version %" PRId64,
			     targets->version, site->targets->version);
	if (!rc)
		rc = tuf_metadata_verify_by_root(targets, root, err);
	return rc || !o->has_online ? rc : check_online(site, "staged/online.pem", root, err);
}

static int move(const struct key_site *site, const char *name, const char *folder, struct err *err)
{
	char from[PATH_MAX], to[PATH_MAX], dir[PATH_MAX];
	int rc = key_site_path(from, site->dir, "staged", err);

	if (rc || (rc = key_site_path(dir, from, name, err)) || (rc = key_site_path(from, site->dir, folder, err)) ||
	    (rc = key_site_path(to, from, name, err)))
		return rc;
	if (rename(dir, to))
		return err_set(err, -errno, "move '%s' to '%s': %s", dir, to, strerror(errno));
	return folder_sync(from, err);
}

static int move_metadata(const struct key_site *site, const struct tuf_metadata *md, struct err *err)
{
	char name[64], file[80];

	if (!md)
		return 0;
	name_file(name, md->type, md->version);
	snprintf(file, sizeof(file), "%s.json", name);
	return move(site, file, "metadata", err);
}

int key_site_publish(const struct key_site *site, struct err *err)
{
	CLEANUP(outcome_done) struct outcome o = { 0 };
	char staged[PATH_MAX];
	int rc = key_site_path(staged, site->dir, "staged", err);

	if (rc || (rc = load_staged(&o, site, staged, err)) || (rc = check_outcome(&o, site, err)) ||
	    (rc = move_metadata(site, o.targets, err)) || (o.has_online && (rc = move(site, "online.pem", ".", err))) ||
	    (rc = move_metadata(site, o.root, err)))
		return rc;
	key_site_discard(site->dir);
	return folder_sync(site->dir, err);
}
