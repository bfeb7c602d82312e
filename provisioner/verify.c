/* SPDX-License-Identifier: GPL-2.0-or-later */
/* verify: see verify.h */
#include "verify.h"

#include "cleanup.h"
#include "deployable.h"
#include "digest.h"
#include "folder.h"
#include "log.h"
#include "sweep.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct verify {
	struct store *store;
	void (*found)(void *ctx);
	void *ctx;
	atomic_bool stop;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	bool has_thread;
	struct verify_status status;
	uint64_t before_bytes; /* of the images before the one that is looked at */
};

static int open_in(int *fd, const struct verify *v, const char *id, const char *name, struct err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/images/%s/%s", store_dir(v->store), id, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", store_dir(v->store));
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_set(err, -errno, "open '%s': %s", path, strerror(errno)) : 0;
}

/* What a blob consists of. */
struct blob_files {
	int data_fd, index_fd; /* of a file that is kept, index_fd is -1 */
};

static void close_files(struct blob_files *files)
{
	close_fd(&files->data_fd);
	close_fd(&files->index_fd);
}

static int open_files(struct blob_files *files, const struct verify *v, const struct store_blob *blob, struct err *err)
{
	if (!blob->index_bytes)
		return open_in(&files->data_fd, v, blob->id, "file", err);
	int rc = open_in(&files->index_fd, v, blob->id, "index", err);
	return rc ? rc : open_in(&files->data_fd, v, blob->id, "image.zst", err);
}

static int tell(void *ctx, const char *phase, uint64_t done, uint64_t total, struct err *err)
{
	struct verify *v = ctx;

	(void)phase;
	(void)total;
	(void)err;
	pthread_mutex_lock(&v->lock);
	v->status.done_bytes = v->before_bytes + done;
	pthread_mutex_unlock(&v->lock);
	return 0;
}

static int check_image(struct verify *v, const struct blob_files *opened, const uint8_t *id, struct err *err)
{
	const struct watch watch = { .stop = &v->stop, .progress = tell, .ctx = v };
	const struct deployable_files files = { .index_fd = opened->index_fd, .image_fd = opened->data_fd, .id = id };
	struct store_image found;

	return deployable_verify(&found, &files, &watch, err);
}

static int check_file(struct verify *v, const struct store_blob *blob, int fd, const uint8_t *id, struct err *err)
{
	const struct watch watch = { .stop = &v->stop, .progress = tell, .ctx = v };
	static const size_t room = 1 << 20;
	CLEANUP(free_mem) uint8_t *buf = malloc(room);
	uint8_t found[DIGEST_BYTES];
	uint64_t done = 0;
	struct digest d;
	ssize_t got;

	if (!buf)
		return err_set(err, -ENOMEM, "out of memory");
	digest_init(&d);
	while ((got = read(fd, buf, room)) > 0) {
		digest_add(&d, buf, (size_t)got);
		done += (uint64_t)got;
		if (watch_look(&watch, "verify", done, blob->bytes, err))
			return err->code;
	}
	if (got < 0)
		return err_set(err, -errno, "read: %s", strerror(errno));
	digest_final(&d, found);
	return digest_equal(found, id) ? 0 : err_set(err, -EBADMSG, "its SHA-256 is not its name");
}

/* What looking at files that were opened can fail with that says something of the image, and not of this run. */
static bool is_damage(int rc)
{
	return rc == -EBADMSG || rc == -EACCES || rc == -EPROTO || rc == -ENOTSUP;
}

static void describe(struct verify *v, const char *id, const char *why, size_t asked)
{
	struct verify_status *status = &v->status;

	pthread_mutex_lock(&v->lock);
	if (status->damaged < VERIFY_FINDINGS_MAX) {
		struct verify_finding *finding = &status->findings[status->damaged];

		snprintf(finding->id, sizeof(finding->id), "%s", id);
		snprintf(finding->why, sizeof(finding->why), "%.255s", why);
	}
	status->damaged++;
	status->asked += asked;
	pthread_mutex_unlock(&v->lock);
}

/* Meanwhile it may have been replaced or forgotten; whoever puts it there again finds no damaged one in the way. */
static int remove_damaged(struct verify *v, const struct store_blob *blob, const struct err *why, struct err *err)
{
	char path[PATH_MAX];
	size_t asked = 0;
	bool wanted = false;

	if (snprintf(path, sizeof(path), "%s/images/%s", store_dir(v->store), blob->id) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", store_dir(v->store));
	store_images_lock(v->store);
	int rc = store_image_wanted(v->store, blob->id, &wanted, err);
	if (!rc && wanted)
		rc = folder_remove(path, err);
	if (!rc && wanted)
		rc = store_image_lost(v->store, blob->id, &asked, err);
	store_images_unlock(v->store);
	if (rc || !wanted)
		return rc;
	log_error("verify: image %.16s... is damaged and removed: %s; items that are ingested anew: %zu", blob->id,
		  why->text, asked);
	describe(v, blob->id, why->text, asked);
	if (asked)
		v->found(v->ctx);
	return 0;
}

/* It may be as good as ever, on a disk or a network that is not. */
static int leave_unreadable(struct verify *v, const struct store_blob *blob, const struct err *why)
{
	char text[256];

	log_error("verify: image %.16s... cannot be read and is left as it is: %s", blob->id, why->text);
	snprintf(text, sizeof(text), "cannot be read, left as it is: %.200s", why->text);
	describe(v, blob->id, text, 0);
	return 0;
}

static int check_blob(struct verify *v, const struct store_blob *blob, struct err *err)
{
	CLEANUP(close_files) struct blob_files files = { .data_fd = -1, .index_fd = -1 };
	uint8_t id[DIGEST_BYTES];
	struct err why;

	if (digest_parse(id, blob->id)) {
		err_set(&why, -EBADMSG, "its name is no digest");
		return remove_damaged(v, blob, &why, err);
	}
	int rc = open_files(&files, v, blob, &why);
	if (rc == -ENOENT)
		return remove_damaged(v, blob, &why, err);
	/* Why it cannot be opened is not in the image. */
	if (rc) {
		*err = why;
		return rc;
	}
	rc = blob->index_bytes ? check_image(v, &files, id, &why) : check_file(v, blob, files.data_fd, id, &why);
	if (rc == -EIO)
		return leave_unreadable(v, blob, &why);
	if (rc && is_damage(rc))
		return remove_damaged(v, blob, &why, err);
	if (rc) {
		*err = why;
		return err_wrap(err, "image %.16s...", blob->id);
	}
	pthread_mutex_lock(&v->lock);
	v->status.good++;
	pthread_mutex_unlock(&v->lock);
	return 0;
}

static int check_all(struct verify *v, struct err *err)
{
	CLEANUP(store_blob_list_free) struct store_blob_list blobs = { 0 };
	int rc = store_blob_list(v->store, &blobs, err);

	if (!rc)
		rc = sweep_check_mounted(v->store, &blobs, err);
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < blobs.count; i++)
		v->status.total_bytes += blobs.rows[i].bytes;
	pthread_mutex_unlock(&v->lock);
	for (size_t i = 0; i < blobs.count && !rc; i++) {
		rc = check_blob(v, &blobs.rows[i], err);
		v->before_bytes += blobs.rows[i].bytes;
		tell(v, "verify", 0, 0, err);
	}
	return rc;
}

static void *run(void *ctx)
{
	struct verify *v = ctx;
	struct err err;

	log_info("verify: begins");
	int rc = check_all(v, &err);
	pthread_mutex_lock(&v->lock);
	if (rc)
		snprintf(v->status.error, sizeof(v->status.error), "%.255s", err.text);
	v->status.running = false;
	v->status.ended_at = time(NULL);
	pthread_mutex_unlock(&v->lock);
	if (rc)
		log_warn("verify: ended early: %s", err.text);
	else
		log_info("verify: images that are good: %zu, damaged: %zu", v->status.good, v->status.damaged);
	return NULL;
}

int verify_new(struct verify **out, struct store *store, void (*found)(void *ctx), void *ctx, struct err *err)
{
	struct verify *v = calloc(1, sizeof(*v));

	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	v->store = store;
	v->found = found;
	v->ctx = ctx;
	pthread_mutex_init(&v->lock, NULL);
	*out = v;
	return 0;
}

void verify_free(struct verify **verify)
{
	struct verify *v = *verify;

	if (!v)
		return;
	atomic_store(&v->stop, true);
	if (v->has_thread)
		pthread_join(v->thread, NULL);
	pthread_mutex_destroy(&v->lock);
	free(v);
	*verify = NULL;
}

int verify_start(struct verify *v, struct err *err)
{
	int code = 0;

	pthread_mutex_lock(&v->lock);
	if (!v->status.running) {
		/* The last one has ended, or is about to. */
		if (v->has_thread)
			pthread_join(v->thread, NULL);
		v->status = (struct verify_status){ .running = true, .began_at = time(NULL) };
		v->before_bytes = 0;
		code = pthread_create(&v->thread, NULL, run, v);
		v->has_thread = !code;
		v->status.running = !code;
	}
	pthread_mutex_unlock(&v->lock);
	return code ? err_set(err, -code, "start a thread: %s", strerror(code)) : 0;
}

void verify_get_status(struct verify *v, struct verify_status *out)
{
	pthread_mutex_lock(&v->lock);
	*out = v->status;
	pthread_mutex_unlock(&v->lock);
}
