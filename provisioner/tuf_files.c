/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_files: see tuf_files.h */
#include "tuf_files.h"

#include "cleanup.h"
#include "json.h"
#include "key_site.h"
#include "text_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME_MAX 256 /* of paths of ours, with 64 digits before the last part */

static const char *const folders[] = { "targets", "targets/machines" };
#define FOLDERS (sizeof(folders) / sizeof(folders[0]))

/* targets/[machines/]SHA256.NAME */
static void name_file(char out[static FILE_NAME_MAX], const char *path, const json_t *target)
{
	const char *sha256 = json_string_value(json_object_get(json_object_get(target, "hashes"), "sha256"));
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash + 1 - path) : 0;

	snprintf(out, FILE_NAME_MAX, "targets/%.*s%s.%s", folder, path, sha256, path + folder);
}

static int make_folder(const char *dir, const char *name, struct err *err)
{
	char path[PATH_MAX];
	int rc = key_site_path(path, dir, name, err);

	if (rc < 0)
		return rc;
	if (mkdir(path, 0755) && errno != EEXIST)
		return err_set(err, -errno, "make '%s': %s", path, strerror(errno));
	return key_site_give(dir, path, err);
}

static int write_one(const char *dir, const char *name, const json_t *text, struct err *err)
{
	char path[PATH_MAX];
	int rc = key_site_path(path, dir, name, err);

	if (rc < 0 || access(path, F_OK) == 0)
		return rc;
	if ((rc = text_file_replace(path, json_string_value(text), json_string_length(text), err)) < 0)
		return rc;
	return key_site_give(dir, path, err);
}

int tuf_files_write(const char *dir, const json_t *targets, const json_t *texts, struct err *err)
{
	char name[FILE_NAME_MAX];
	const char *path;
	json_t *target;
	int rc = 0;

	for (size_t i = 0; !rc && i < FOLDERS; i++)
		rc = make_folder(dir, folders[i], err);
	json_object_foreach((json_t *)targets, path, target)
	{
		if (rc < 0)
			break;
		name_file(name, path, target);
		rc = write_one(dir, name, json_object_get(texts, path), err);
	}
	return rc;
}

static void remove_file(const char *dir, const char *name)
{
	char path[PATH_MAX];
	struct err ignored;

	if (key_site_path(path, dir, name, &ignored) == 0)
		unlink(path);
}

void tuf_files_remove(const char *dir, const json_t *older, const json_t *newer, const json_t *newest)
{
	char name[FILE_NAME_MAX];
	const char *path;
	json_t *target;

	json_object_foreach((json_t *)older, path, target)
	{
		if (json_equal(target, json_object_get(newer, path)) ||
		    json_equal(target, json_object_get(newest, path)))
			continue;
		name_file(name, path, target);
		remove_file(dir, name);
	}
}

static int add_names(json_t *names, const json_t *targets)
{
	char name[FILE_NAME_MAX];
	const char *path;
	json_t *target;

	json_object_foreach((json_t *)targets, path, target)
	{
		name_file(name, path, target);
		if (json_object_set_new(names, name, json_true()))
			return -ENOMEM;
	}
	return 0;
}

/* Folders are what is made, and the names of all files have a dot after their digest. */
static int sweep_folder(const char *dir, const char *folder, const json_t *names, struct err *err)
{
	char path[PATH_MAX], name[sizeof("targets/machines/") + NAME_MAX];
	int rc = key_site_path(path, dir, folder, err);

	if (rc < 0)
		return rc;
	CLEANUP(close_dir) DIR *entries = opendir(path);
	if (!entries)
		return errno == ENOENT ? 0 : err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	for (struct dirent *entry; (entry = readdir(entries));) {
		snprintf(name, sizeof(name), "%s/%s", folder, entry->d_name);
		if (entry->d_type != DT_DIR && !json_object_get(names, name))
			remove_file(dir, name);
	}
	return 0;
}

int tuf_files_sweep(const char *dir, const json_t *const *kept, size_t count, struct err *err)
{
	CLEANUP(json_free) json_t *names = json_object();
	int rc = 0;

	for (size_t i = 0; i < count; i++)
		if (add_names(names, kept[i]))
			return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; !rc && i < FOLDERS; i++)
		rc = sweep_folder(dir, folders[i], names, err);
	return rc;
}
