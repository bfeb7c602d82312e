/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ingest: see ingest.h */
#include "ingest.h"

#include "backoff.h"
#include "cleanup.h"
#include "convert.h"
#include "download.h"
#include "image_writer.h"
#include "log.h"
#include "sniff.h"
#include "source_policy.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM   4096
#define PROGRESS_MS 1000u
/* Within one attempt; then the item fails for now, and the service tries it again later. */
#define PATIENCE_S 120u

struct ingest {
	struct store *store;
	const struct config *config;
	const struct store_item *item;
	const atomic_bool *stop;
	struct source_policy *policy;
	char part[PATH_ROOM];   /* the download */
	char folder[PATH_ROOM]; /* the image while it is made */
	char images[PATH_ROOM]; /* where images live */
	const char *phase;
	uint64_t told_ms, logged_ms; /* when progress was stored and logged last */
};

static int make_paths(struct ingest *in, struct err *err)
{
	const char *dir = store_dir(in->store), *id = in->item->id;

	if (snprintf(in->part, PATH_ROOM, "%s/spool/%s.part", dir, id) >= PATH_ROOM ||
	    snprintf(in->folder, PATH_ROOM, "%s/spool/%s.image", dir, id) >= PATH_ROOM ||
	    snprintf(in->images, PATH_ROOM, "%s/images", dir) >= PATH_ROOM)
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", dir);
	return 0;
}

/* Ends the work when nobody wants it any more: the item is gone, or announced with another enclosure. */
static int tell_progress(void *ctx, uint64_t done, uint64_t total, struct err *err)
{
	char done_text[UNITS_TEXT], total_text[UNITS_TEXT];
	struct ingest *in = ctx;
	uint64_t now = clock_ms();

	if (in->told_ms && now - in->told_ms < PROGRESS_MS)
		return 0;
	in->told_ms = now;
	int rc = store_item_progress(in->store, in->item->id, in->phase, done, total, err);
	if (rc == -ESTALE)
		return rc;
	if (rc)
		log_warn("item %s: progress cannot be stored: %s, ignoring", in->item->id, err->text);
	/* The log tells a long ingest from a hung one; it need not tell more. */
	if (now - in->logged_ms < 10 * PROGRESS_MS)
		return 0;
	in->logged_ms = now;
	log_info("item %s: %s: %s of %s", in->item->id, in->phase, units_bytes(done_text, done),
		 total ? units_bytes(total_text, total) : "unknown length");
	return 0;
}

static int begin_phase(struct ingest *in, const char *phase, struct err *err)
{
	in->phase = phase;
	in->told_ms = 0;
	return tell_progress(in, 0, 0, err);
}

static int make_policy(struct ingest *in, struct err *err)
{
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	int rc = store_feed_get(in->store, in->item->feed_id, &feed, err);

	if (!rc)
		rc = source_policy_new(&in->policy, feed.url, &in->config->allow_hosts, err);
	return rc ? rc : source_policy_check_url(in->policy, in->item->announced.url, err);
}

/* What the publisher calls the file; a kind that cannot be read is not worth downloading. */
static int check_declared(const struct sniff_format **out, const struct feed_item *announced, struct err *err)
{
	int rc = sniff_declared(out, announced->type, announced->url, err);

	if (!rc && *out && !(*out)->codec)
		rc = err_set(err, -ENOTSUP, "the feed calls it %s, which is not supported yet", (*out)->name);
	return rc;
}

/* The enclosure as an open file: downloaded, or where it lies. */
static int open_enclosure(struct ingest *in, int *fd, struct err *err)
{
	const struct feed_item *announced = &in->item->announced;

	if (source_policy_is_file(announced->url))
		return source_policy_open_file(in->policy, fd, announced->url, err);
	const struct download_options options = {
		.url = announced->url,
		.path = in->part,
		.policy = in->policy,
		.length = announced->length,
		/* What cannot be compressed grows a little when it is; nothing that is longer than that fits the limit. */
		.bytes_max = in->config->disk_bytes_max + in->config->disk_bytes_max / 64,
		.patience_s = PATIENCE_S,
		.stop = in->stop,
		.progress = tell_progress,
		.ctx = in,
	};
	int rc = begin_phase(in, "download", err);
	if (!rc)
		rc = download_file(&options, err);
	if (rc)
		return err_wrap(err, "download");
	*fd = open(in->part, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_set(err, -errno, "open '%s': %s", in->part, strerror(errno)) : 0;
}

static int convert(struct ingest *in, struct store_image *image, int fd, const struct sniff_format *declared,
		   struct err *err)
{
	const struct feed_item *announced = &in->item->announced;
	const struct convert_options options = {
		.image = {
			.folder = in->folder,
			.chunk_bytes = (uint32_t)in->config->chunk_bytes,
			.level = (int)in->config->compression_level,
			.disk_bytes_max = in->config->disk_bytes_max,
		},
		.declared = declared,
		.digest = announced->has_digest ? announced->digest : NULL,
		.length = announced->length,
		.stop = in->stop,
		.progress = tell_progress,
		.ctx = in,
	};

	int rc = begin_phase(in, "convert", err);
	if (!rc)
		rc = image_remove(in->folder, err);
	if (rc)
		return rc;
	if (mkdir(in->folder, 0755))
		return err_set(err, -errno, "create '%s': %s", in->folder, strerror(errno));
	return convert_file(image, fd, &options, err);
}

static int make_image(struct ingest *in, struct store_image *image, struct err *err)
{
	const struct sniff_format *declared = NULL;
	CLEANUP(close_fd) int fd = -1;
	int rc = make_paths(in, err);

	if (!rc)
		rc = make_policy(in, err);
	if (!rc)
		rc = check_declared(&declared, &in->item->announced, err);
	if (!rc)
		rc = open_enclosure(in, &fd, err);
	if (!rc)
		rc = convert(in, image, fd, declared, err);
	return rc ? rc : image_publish(in->images, in->folder, image, err);
}

/* Whether the download may still be of use to another attempt. What is wrong in itself must be fetched anew. */
static bool is_worth_keeping(int rc)
{
	return rc == -ECANCELED || rc == -ENOSPC || rc == -ENOMEM || http_is_transient(rc);
}

static void clean_up(const struct ingest *in, int rc)
{
	struct err err;

	if (image_remove(in->folder, &err))
		log_warn("item %s: %s, ignoring", in->item->id, err.text);
	if (!is_worth_keeping(rc))
		download_discard(in->part);
}

static void log_ready(const struct ingest *in, const struct store_image *image, uint64_t since_ms)
{
	char title[120], disk[UNITS_TEXT], bytes[UNITS_TEXT], took[UNITS_TEXT];

	log_info("item %s \"%s\": ready as image %.16s: disk of %s in %s, %s", in->item->id,
		 log_quote(title, sizeof(title), in->item->announced.title), image->id,
		 units_bytes(disk, image->disk_bytes), units_bytes(bytes, image->image_bytes),
		 units_seconds(took, (clock_ms() - since_ms) / 1000));
}

static int record(struct ingest *in, const struct store_image *image, struct err *err)
{
	CLEANUP(store_content_free) struct store_content content = { .kind = ITEM_DISK };
	int rc = content_add_disk(&content, image, NULL, NULL, err);

	return rc ? rc : store_item_ready(in->store, in->item->id, &content, 2, err);
}

int ingest_item(struct store *store, const struct config *config, const struct store_item *item,
		const atomic_bool *stop, struct err *err)
{
	struct ingest in = { .store = store, .config = config, .item = item, .stop = stop };
	char shown[512], title[120];
	struct store_image image;
	uint64_t begin_ms = clock_ms();
	struct err cause;

	http_url_for_log(shown, sizeof(shown), item->announced.url);
	log_info("item %s \"%s\": ingesting '%s'", item->id, log_quote(title, sizeof(title), item->announced.title),
		 shown);
	int rc = make_image(&in, &image, err);
	source_policy_free(&in.policy);
	if (!rc)
		rc = record(&in, &image, err);
	clean_up(&in, rc);
	if (!rc)
		log_ready(&in, &image, begin_ms);
	if (rc == -ESTALE)
		log_info("item %s: ended: %s", item->id, err->text);
	if (!rc || rc == -ECANCELED || rc == -ESTALE)
		return rc;
	log_error("item %s: %s", item->id, err->text);
	if (store_item_failed(store, item->id, err->text, &cause))
		log_error("item %s: its failure cannot be stored: %s", item->id, cause.text);
	return rc;
}
