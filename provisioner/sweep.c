/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sweep: see sweep.h */
#include "sweep.h"

#include "cleanup.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

/* Room for the names a folder of ours holds, with the state folder's own path in front. */
#define PATH_ROOM 4096

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int path_in(char out[static PATH_ROOM], const struct store *store, const char *folder, const char *name,
		   struct err *err)
{
	if (snprintf(out, PATH_ROOM, "%s/%s/%s", store_dir(store), folder, name) >= PATH_ROOM)
		return err_set(err, -ENAMETOOLONG, "'%s' in '%s': name too long", name, folder);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *position)
{
	(void)st;
	(void)type;
	(void)position;
	return remove(path);
}

static void remove_tree(const char *path)
{
	if (nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		log_warn("sweep: remove '%s': %s, ignoring", path, strerror(errno));
}

/* Call `visit` with each name in `folder` of the state folder. */
static int each(struct store *store, const char *folder,
		int (*visit)(struct store *store, const char *name, struct err *err), struct err *err)
{
	char path[PATH_ROOM];
	struct dirent *entry;

	if (path_in(path, store, folder, "", err) < 0)
		return err->code;
	CLEANUP(close_dir) DIR *dir = opendir(path);
	if (!dir)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && visit(store, entry->d_name, err) < 0)
			return err->code;
	return 0;
}

static int sweep_spooled(struct store *store, const char *name, struct err *err)
{
	CLEANUP(store_item_free) struct store_item item = { 0 };
	char path[PATH_ROOM], id[STORE_ID_CHARS];
	struct err none;

	snprintf(id, sizeof(id), "%s", name);
	if (path_in(path, store, "spool", name, err) < 0)
		return err->code;
	int rc = store_item_get(store, id, &item, &none);
	if (rc < 0 && rc != -ENOENT)
		return err_set(err, rc, "%s", none.text);
	if (rc == 0 && (item.state == ITEM_ANNOUNCED || item.retry_at))
		return 0;
	log_info("sweep: removing '%s', which no item waits for", path);
	remove_tree(path);
	return 0;
}

static bool is_image_id(const char *name)
{
	return strlen(name) == STORE_IMAGE_CHARS - 1 && strspn(name, "0123456789abcdef") == STORE_IMAGE_CHARS - 1;
}

/* Away in one step first: half an image is never where images are served from. */
static int remove_image(const struct store *store, const char *id, struct err *err)
{
	char path[PATH_ROOM], doomed[PATH_ROOM];

	if (path_in(path, store, "images", id, err) < 0 || path_in(doomed, store, "spool", id, err) < 0)
		return err->code;
	if (rename(path, doomed) < 0 && errno != ENOENT)
		return err_set(err, -errno, "move '%s' away: %s", path, strerror(errno));
	remove_tree(doomed);
	return 0;
}

static int sweep_image(struct store *store, const char *name, struct err *err)
{
	bool wanted;

	if (!is_image_id(name))
		return 0;
	if (store_image_wanted(store, name, &wanted, err) < 0)
		return err->code;
	if (wanted)
		return 0;
	log_info("sweep: removing image %.16s..., which nothing names any more", name);
	return remove_image(store, name, err);
}

static int sweep_document(struct store *store, const char *name, struct err *err)
{
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	char path[PATH_ROOM], id[STORE_ID_CHARS];
	struct err none;

	snprintf(id, sizeof(id), "%s", name);
	if (path_in(path, store, "feeds", name, err) < 0)
		return err->code;
	int rc = store_feed_get(store, id, &feed, &none);
	if (rc == -ENOENT) {
		log_info("sweep: removing '%s', whose feed is gone", path);
		remove_tree(path);
	} else if (rc < 0) {
		return err_set(err, rc, "%s", none.text);
	}
	return 0;
}

int sweep_idle(struct store *store, struct err *err)
{
	if (each(store, "feeds", sweep_document, err) < 0)
		return err->code;
	if (each(store, "spool", sweep_spooled, err) < 0)
		return err->code;
	return each(store, "images", sweep_image, err);
}

static bool has_size(const struct store *store, const char *id, const char *name, uint64_t size)
{
	char path[PATH_ROOM];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/images/%s/%s", store_dir(store), id, name) < (int)sizeof(path) &&
	       stat(path, &st) == 0 && (uint64_t)st.st_size == size;
}

static bool is_there(const struct store *store, const struct store_blob *blob)
{
	if (!blob->index_bytes)
		return has_size(store, blob->id, "file", blob->bytes);
	return has_size(store, blob->id, "image.zst", blob->bytes) &&
	       has_size(store, blob->id, "index", blob->index_bytes);
}

static int find_lost_images(struct store *store, struct err *err)
{
	CLEANUP(store_blob_list_free) struct store_blob_list blobs = { 0 };
	size_t asked;

	if (store_blob_list(store, &blobs, err) < 0)
		return err->code;
	for (size_t i = 0; i < blobs.count; i++) {
		const char *id = blobs.rows[i].id;

		if (is_there(store, &blobs.rows[i]))
			continue;
		/* What is left of it would stand in the way of the new one, which has the same name. */
		if (remove_image(store, id, err) < 0 || store_image_lost(store, id, &asked, err) < 0)
			return err->code;
		log_warn("sweep: image %.16s... is missing or cut short: items that are ingested anew: %zu", id, asked);
	}
	return 0;
}

int sweep_start(struct store *store, struct err *err)
{
	/* First: an item whose image is lost waits again, and may have its download left in the spool. */
	if (find_lost_images(store, err) < 0)
		return err->code;
	return each(store, "spool", sweep_spooled, err);
}
