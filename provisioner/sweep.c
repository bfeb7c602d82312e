/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sweep: see sweep.h */
#include "sweep.h"

#include "cleanup.h"
#include "folder.h"
#include "log.h"
#include "units.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* Room for the names a folder of ours holds, with the state folder's own path in front. */
#define PATH_ROOM 4096

static int path_in(char out[static PATH_ROOM], const struct store *store, const char *folder, const char *name,
		   struct err *err)
{
	if (snprintf(out, PATH_ROOM, "%s/%s/%s", store_dir(store), folder, name) >= PATH_ROOM)
		return err_set(err, -ENAMETOOLONG, "'%s' in '%s': name too long", name, folder);
	return 0;
}

static void remove_logged(const char *path)
{
	struct err err;

	if (folder_remove(path, &err))
		log_warn("sweep: %s, ignoring", err.text);
}

/* Call `visit` with each name in `folder` of the state folder. */
static int each(struct store *store, const char *folder,
		int (*visit)(struct store *store, const char *name, void *ctx, struct err *err), void *ctx,
		struct err *err)
{
	char path[PATH_ROOM];
	struct dirent *entry;

	if (path_in(path, store, folder, "", err) < 0)
		return err->code;
	CLEANUP(close_dir) DIR *dir = opendir(path);
	if (!dir)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && visit(store, entry->d_name, ctx, err) < 0)
			return err->code;
	return 0;
}

/* Of an item that waits its downloads are of use, and nothing else is. */
static int sweep_spooled(struct store *store, const char *name, void *ctx, struct err *err)
{
	CLEANUP(store_item_free) struct store_item item = { 0 };
	char path[PATH_ROOM], id[STORE_ID_CHARS];
	struct err none;

	(void)ctx;
	snprintf(id, sizeof(id), "%s", name);
	if (path_in(path, store, "spool", name, err) < 0)
		return err->code;
	int rc = store_item_get(store, id, &item, &none);
	if (rc < 0 && rc != -ENOENT)
		return err_set(err, rc, "%s", none.text);
	if (rc == 0 && (item.state == ITEM_ANNOUNCED || item.retry_at) &&
	    strncmp(name + strlen(id), ".part", strlen(".part")) == 0)
		return 0;
	log_info("sweep: removing '%s', which no item waits for", path);
	remove_logged(path);
	return 0;
}

static bool is_image_id(const char *name)
{
	return strlen(name) == STORE_IMAGE_CHARS - 1 && strspn(name, "0123456789abcdef") == STORE_IMAGE_CHARS - 1;
}

static int remove_image(const struct store *store, const char *id, struct err *err)
{
	char path[PATH_ROOM];

	return path_in(path, store, "images", id, err) < 0 ? err->code : folder_remove(path, err);
}

void sweep_list_free(struct sweep_list *list)
{
	free(list->rows);
	*list = (struct sweep_list){ 0 };
}

static int add_entry(struct sweep_list *list, const struct sweep_entry *entry, struct err *err)
{
	struct sweep_entry *grown = reallocarray(list->rows, list->count + 1, sizeof(*grown));

	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	list->rows = grown;
	list->rows[list->count++] = *entry;
	list->bytes += entry->bytes;
	return 0;
}

/* One run over images/. */
struct collection {
	bool dry_run;
	struct store_blob_list wanted; /* in order */
	struct sweep_list *out;
};

static int compare_blob(const void *id, const void *blob)
{
	return strcmp(id, ((const struct store_blob *)blob)->id);
}

static bool is_wanted(const struct collection *c, const char *id)
{
	return c->wanted.count &&
	       bsearch(id, c->wanted.rows, c->wanted.count, sizeof(*c->wanted.rows), compare_blob) != NULL;
}

static int collect_image(struct store *store, const char *name, void *ctx, struct err *err)
{
	struct sweep_entry entry = { .kind = SWEEP_IMAGE };
	struct collection *c = ctx;
	char path[PATH_ROOM];

	if (!is_image_id(name) || is_wanted(c, name))
		return 0;
	snprintf(entry.name, sizeof(entry.name), "%s", name);
	int rc = path_in(path, store, "images", name, err);
	if (!rc)
		rc = folder_bytes(path, &entry.bytes, err);
	if (!rc)
		rc = add_entry(c->out, &entry, err);
	if (rc || c->dry_run)
		return rc;
	log_info("sweep: removing image %.16s..., which nothing names any more", name);
	return folder_remove(path, err);
}

/* A delta, or one that is being made, goes with either of its images. */
static int collect_delta(struct store *store, const char *name, void *ctx, struct err *err)
{
	const struct collection *c = ctx;
	char path[PATH_ROOM], new_id[STORE_IMAGE_CHARS] = "", old_id[STORE_IMAGE_CHARS] = "";

	if (strlen(name) >= 2 * STORE_IMAGE_CHARS - 1) {
		memcpy(new_id, name, STORE_IMAGE_CHARS - 1);
		memcpy(old_id, name + STORE_IMAGE_CHARS, STORE_IMAGE_CHARS - 1);
	}
	if (c->dry_run || (is_wanted(c, new_id) && is_wanted(c, old_id)))
		return 0;
	return path_in(path, store, "deltas", name, err) < 0 ? err->code : folder_remove(path, err);
}

static int add_versions(struct collection *c, const struct store_trimmed_list *trimmed, struct err *err)
{
	for (size_t i = 0; i < trimmed->count; i++) {
		struct sweep_entry entry = { .kind = SWEEP_VERSION, .version = trimmed->rows[i].number };

		memcpy(entry.name, trimmed->rows[i].item_id, sizeof(trimmed->rows[i].item_id));
		if (!c->dry_run)
			log_info("item %s: version %llu is one more than is kept, forgetting it", entry.name,
				 (unsigned long long)entry.version);
		if (add_entry(c->out, &entry, err))
			return err->code;
	}
	return 0;
}

/* With the lock held. */
static int collect(struct store *store, bool dry_run, struct sweep_list *out, struct err *err)
{
	CLEANUP(store_trimmed_list_free) struct store_trimmed_list trimmed = { 0 };
	struct collection c = { .dry_run = dry_run, .out = out };
	int rc = store_trim(store, dry_run, &trimmed, &c.wanted, err);

	if (!rc)
		rc = add_versions(&c, &trimmed, err);
	if (!rc)
		rc = each(store, "images", collect_image, &c, err);
	if (!rc)
		rc = each(store, "deltas", collect_delta, &c, err);
	store_blob_list_free(&c.wanted);
	return rc;
}

int sweep_collect(struct store *store, bool dry_run, struct sweep_list *out, struct err *err)
{
	CLEANUP(sweep_list_free) struct sweep_list list = { 0 };

	store_images_lock(store);
	int rc = collect(store, dry_run, &list, err);
	store_images_unlock(store);
	if (rc)
		return rc;
	*out = list;
	list = (struct sweep_list){ 0 };
	return 0;
}

int sweep_used_bytes(const struct store *store, uint64_t *out, struct err *err)
{
	char path[PATH_ROOM];
	uint64_t images;
	int rc = path_in(path, store, "images", "", err);

	if (!rc)
		rc = folder_bytes(path, &images, err);
	if (!rc)
		rc = path_in(path, store, "deltas", "", err);
	if (!rc)
		rc = folder_bytes(path, out, err);
	if (!rc)
		*out += images;
	return rc;
}

static int no_room(uint64_t bytes, uint64_t used, uint64_t bytes_max, uint64_t spare, struct err *err)
{
	char more[UNITS_TEXT], there[UNITS_TEXT], limit[UNITS_TEXT], old[UNITS_TEXT];

	return err_set(err, -EDQUOT,
		       "the store is full: %s are needed, %s of at most %s (store_bytes_max) are used, of which old "
		       "versions that nobody reads have %s",
		       units_bytes(more, bytes), units_bytes(there, used), units_bytes(limit, bytes_max),
		       units_bytes(old, spare));
}

static int remove_delta(struct store *store, const char *name, void *ctx, struct err *err)
{
	char path[PATH_ROOM];

	++*(size_t *)ctx;
	return path_in(path, store, "deltas", name, err) < 0 ? err->code : folder_remove(path, err);
}

int sweep_make_room(struct store *store, uint64_t bytes_max, uint64_t bytes, struct err *err)
{
	uint64_t used, spare;
	int dropped = 1;

	if (!bytes_max)
		return 0;
	while (dropped > 0) {
		CLEANUP(sweep_list_free) struct sweep_list removed = { 0 };

		if (collect(store, false, &removed, err) || sweep_used_bytes(store, &used, err))
			return err->code;
		if (used + bytes <= bytes_max)
			return 0;
		/* They only save time; what they are made from may be what somebody needs. */
		size_t deltas = 0;
		if (each(store, "deltas", remove_delta, &deltas, err) < 0)
			return err->code;
		if (deltas)
			continue;
		if (store_spare_bytes(store, &spare, err))
			return err->code;
		if (used - spare + bytes > bytes_max)
			break;
		log_info("sweep: the store is full, forgetting the oldest version");
		dropped = store_drop_oldest_version(store, err);
	}
	return dropped < 0 ? dropped : no_room(bytes, used, bytes_max, spare, err);
}

static int sweep_document(struct store *store, const char *name, void *ctx, struct err *err)
{
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	char path[PATH_ROOM], id[STORE_ID_CHARS];
	struct err none;

	(void)ctx;
	snprintf(id, sizeof(id), "%s", name);
	if (path_in(path, store, "feeds", name, err) < 0)
		return err->code;
	int rc = store_feed_get(store, id, &feed, &none);
	if (rc == -ENOENT) {
		log_info("sweep: removing '%s', whose feed is gone", path);
		remove_logged(path);
	} else if (rc < 0) {
		return err_set(err, rc, "%s", none.text);
	}
	return 0;
}

int sweep_idle(struct store *store, struct err *err)
{
	CLEANUP(sweep_list_free) struct sweep_list removed = { 0 };

	if (each(store, "feeds", sweep_document, NULL, err) < 0)
		return err->code;
	if (each(store, "spool", sweep_spooled, NULL, err) < 0)
		return err->code;
	return sweep_collect(store, false, &removed, err);
}

/* Whether a file of an image is as long as the store says: 1 or 0. What cannot be looked at may be as good as ever. */
static int has_size(const struct store *store, const char *id, const char *name, uint64_t size, struct err *err)
{
	char path[PATH_ROOM];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/images/%s/%s", store_dir(store), id, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", store_dir(store));
	if (stat(path, &st) == 0)
		return (uint64_t)st.st_size == size;
	if (errno == ENOENT)
		return 0;
	return err_set(err, -errno, "look at '%s': %s: correct that and start again, or remove the image's folder",
		       path, strerror(errno));
}

static int is_there(const struct store *store, const struct store_blob *blob, struct err *err)
{
	if (!blob->index_bytes)
		return has_size(store, blob->id, "file", blob->bytes, err);
	int rc = has_size(store, blob->id, "image.zst", blob->bytes, err);
	return rc > 0 ? has_size(store, blob->id, "index", blob->index_bytes, err) : rc;
}

static int count_name(struct store *store, const char *name, void *ctx, struct err *err)
{
	(void)store;
	(void)name;
	(void)err;
	++*(size_t *)ctx;
	return 0;
}

int sweep_check_mounted(struct store *store, const struct store_blob_list *blobs, struct err *err)
{
	size_t names = 0;
	int rc = blobs->count ? each(store, "images", count_name, &names, err) : 0;

	if (rc || !blobs->count || names)
		return rc;
	return err_set(err, -ENOENT,
		       "'%s/images' is empty, and vmcast.db names %zu images: mount or restore it; if they are lost, "
		       "'touch %s/images/lost' and start again: they are made anew",
		       store_dir(store), blobs->count, store_dir(store));
}

static int find_lost_images(struct store *store, struct err *err)
{
	CLEANUP(store_blob_list_free) struct store_blob_list blobs = { 0 };
	size_t asked;

	if (store_blob_list(store, &blobs, err) < 0 || sweep_check_mounted(store, &blobs, err) < 0)
		return err->code;
	for (size_t i = 0; i < blobs.count; i++) {
		const char *id = blobs.rows[i].id;

		int there = is_there(store, &blobs.rows[i], err);
		if (there < 0)
			return there;
		if (there)
			continue;
		/* What is left of it would stand in the way of the new one, which has the same name. */
		if (remove_image(store, id, err) < 0 || store_image_lost(store, id, &asked, err) < 0)
			return err->code;
		log_warn("sweep: image %.16s... is missing or cut short: items that are ingested anew: %zu", id, asked);
	}
	/* It said so of this start only. */
	return remove_image(store, "lost", err);
}

int sweep_start(struct store *store, struct err *err)
{
	/* First: an item whose image is lost waits again, and may have its download left in the spool. */
	if (find_lost_images(store, err) < 0)
		return err->code;
	return each(store, "spool", sweep_spooled, NULL, err);
}
