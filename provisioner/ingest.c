/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ingest: see ingest.h */
#include "ingest.h"

#include "backoff.h"
#include "cleanup.h"
#include "convert_content.h"
#include "deployable.h"
#include "download.h"
#include "feed_options.h"
#include "folder.h"
#include "log.h"
#include "sniff.h"
#include "source_policy.h"
#include "sweep.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM   4096
#define PROGRESS_MS 1000u
/* Within one attempt; then the item fails for now, and the service tries it again later. With another mirror to go to there
 * is no need to wait so long for one that does not answer. */
#define PATIENCE_S        120u
#define PATIENCE_MIRROR_S 20u

struct ingest {
	struct store *store;
	const struct config *config;
	const struct store_item *item;
	const atomic_bool *stop;
	struct source_policy *policy;
	char *feed_url;
	uint64_t disk_bytes_max;
	enum proof wanted;               /* by the policy of its feed */
	bool needs_gpg;                  /* the document proves too little; the archive may prove enough */
	char hint[STORE_ID_CHARS + 160]; /* what its operator can say about a refusal */
	uint64_t room_bytes;             /* the most that can be made at all, UINT64_MAX: no limit */
	char spool[PATH_ROOM];           /* what all names in the spool begin with */
	char work[PATH_ROOM];            /* folder of what is made */
	char images[PATH_ROOM];          /* where images live */
	uint64_t told_ms, logged_ms;     /* when progress was stored and logged last */
};

static int make_paths(struct ingest *in, struct err *err)
{
	const char *dir = store_dir(in->store), *id = in->item->id;

	if (snprintf(in->spool, PATH_ROOM, "%s/spool/%s", dir, id) >= PATH_ROOM ||
	    snprintf(in->work, PATH_ROOM, "%s/spool/%s.work", dir, id) >= PATH_ROOM ||
	    snprintf(in->images, PATH_ROOM, "%s/images", dir) >= PATH_ROOM)
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", dir);
	return 0;
}

/* Where enclosure (or, of the deployable form, disk) `nr` is downloaded to. The first keeps the plain name, so that a
 * download of an older vmcastd is continued. */
static void part_path(char out[static PATH_ROOM], const struct ingest *in, const char *what, size_t nr)
{
	char number[24] = "";

	if (nr || what[0])
		snprintf(number, sizeof(number), "%zu", nr);
	if (snprintf(out, PATH_ROOM, "%s.part%s%s", in->spool, what, number) >= PATH_ROOM)
		out[0] = '\0'; /* as good as any other name that cannot be created */
}

/* Images that are being made count, too; what is unpacked in between does not. */
static int check_room(const struct ingest *in, struct err *err)
{
	char room[UNITS_TEXT];
	uint64_t made;

	if (in->room_bytes == UINT64_MAX)
		return 0;
	if (folder_bytes_without(in->work, "scratch", &made, err))
		return err->code;
	if (made <= in->room_bytes)
		return 0;
	return err_set(err, -EDQUOT, "it needs more than the %s that the store may have in all (store_bytes_max)",
		       units_bytes(room, in->room_bytes));
}

/* Ends the work when nobody wants it any more: the item is gone, rolled back, or announced with another enclosure. */
static int tell_progress(void *ctx, const char *phase, uint64_t done, uint64_t total, struct err *err)
{
	char done_text[UNITS_TEXT], total_text[UNITS_TEXT];
	struct ingest *in = ctx;
	uint64_t now = clock_ms();

	if (in->told_ms && now - in->told_ms < PROGRESS_MS)
		return 0;
	in->told_ms = now;
	int rc = store_item_progress(in->store, in->item->id, phase, done, total, err);
	if (rc == -ESTALE)
		return rc;
	if (rc)
		log_warn("item %s: progress cannot be stored: %s, ignoring", in->item->id, err->text);
	/* The log tells a long ingest from a hung one; it need not tell more. */
	if (now - in->logged_ms >= 10 * PROGRESS_MS) {
		in->logged_ms = now;
		log_info("item %s: %s: %s of %s", in->item->id, phase, units_bytes(done_text, done),
			 total ? units_bytes(total_text, total) : "unknown length");
	}
	return check_room(in, err);
}

static int tell_download(void *ctx, uint64_t done, uint64_t total, struct err *err)
{
	return tell_progress(ctx, "download", done, total, err);
}

/* What the operator would have to say to have it nevertheless. */
static void make_hint(struct ingest *in, const struct store_feed *feed, const struct feed_options *options)
{
	const char *wanted = proof_name(in->wanted);

	if (options->has_policy || options->root)
		snprintf(in->hint, sizeof(in->hint), "feed %s asks for '%s' of every item", feed->id, wanted);
	else if (feed->configured)
		snprintf(in->hint, sizeof(in->hint),
			 "to take such items of feed %s: policy=none on its line of the configuration file", feed->id);
	else
		snprintf(in->hint, sizeof(in->hint), "to take such items: vmcast feed set %s policy=none", feed->id);
}

/* Why its document proves no more. */
static const char *missing_proof(const struct ingest *in)
{
	const struct feed_item *said = &in->item->announced;
	bool digests = said->has_digest;

	for (size_t i = 0; i < said->mirror_count; i++)
		digests = digests && said->mirrors[i].has_digest;
	if (in->item->announced.proof == PROOF_DIGEST)
		return "there is a digest and no signature";
	return digests ? "its digest came over plain HTTP, where anybody on the way can write one"
		       : "its feed has no digest of every enclosure";
}

static int refuse(const struct ingest *in, const char *why, struct err *err)
{
	char shown[160];

	http_url_for_log(shown, sizeof(shown), in->feed_url);
	return err_set(err, -EKEYREJECTED, "nothing proves what feed '%s' announces: %s; %s", shown, why, in->hint);
}

/* What it must prove: the document does, or the archive may yet. */
static int check_proof(struct ingest *in, struct err *err)
{
	if (in->item->announced.proof >= in->wanted)
		return 0;
	in->needs_gpg = in->config->keyring && in->wanted <= PROOF_GPG;
	return in->needs_gpg ? 0 : refuse(in, missing_proof(in), err);
}

/* The feed's own limits and what it may name. */
static int prepare(struct ingest *in, struct err *err)
{
	CLEANUP(store_feed_free) struct store_feed feed = { 0 };
	CLEANUP(feed_options_done) struct feed_options options = { 0 };
	int rc = make_paths(in, err);

	if (!rc)
		rc = store_feed_get(in->store, in->item->feed_id, &feed, err);
	if (!rc)
		rc = feed_options_parse(&options, feed.options, err);
	if (rc)
		return rc;
	in->disk_bytes_max = options.disk_bytes_max ? options.disk_bytes_max : in->config->disk_bytes_max;
	in->wanted = feed_options_proof(&options);
	in->feed_url = TAKE(feed.url);
	make_hint(in, &feed, &options);
	if (check_proof(in, err))
		return err->code;
	return source_policy_of_feed(&in->policy, in->config, in->feed_url, &options, err);
}

/* Nothing is begun that can only end in a full store. */
static int find_room(struct ingest *in, struct err *err)
{
	uint64_t used, spare, max = in->config->store_bytes_max;

	in->room_bytes = max ? max : UINT64_MAX;
	if (!max)
		return 0;
	store_images_lock(in->store);
	int rc = sweep_used_bytes(in->store, &used, err);
	if (!rc)
		rc = store_spare_bytes(in->store, &spare, err);
	if (!rc && used - spare >= max)
		rc = sweep_make_room(in->store, max, 1, err);
	store_images_unlock(in->store);
	/* Whether there is enough is found out at the end: what is made may be there already, as some other image. */
	return rc;
}

/* What the publisher calls the file; what cannot be a disk or anything else that is taken is not worth downloading. */
static int check_declared(const struct sniff_format **out, const struct feed_enclosure *enclosure, struct err *err)
{
	int rc = sniff_declared(out, enclosure->type, enclosure->url, err);

	if (!rc && *out && (*out)->kind == SNIFF_OTHER)
		rc = err_set(err, -ENOTSUP, "the feed calls it %s, which is nothing to boot from", (*out)->name);
	return rc;
}

/* The enclosure as an open file: downloaded, or where it lies. */
static int open_enclosure(struct ingest *in, int *fd, const struct feed_enclosure *enclosure, const char *part,
			  unsigned patience_s, struct err *err)
{
	if (source_policy_is_file(enclosure->url))
		return source_policy_open_file(in->policy, fd, enclosure->url, err);
	const struct download_options options = {
		.url = enclosure->url,
		.path = part,
		.policy = in->policy,
		.length = enclosure->length,
		/* What cannot be compressed grows a little when it is; nothing that is longer than that fits the limit. */
		.bytes_max = in->disk_bytes_max + in->disk_bytes_max / 64,
		.patience_s = patience_s,
		.stop = in->stop,
		.progress = tell_download,
		.ctx = in,
	};
	int rc = download_file(&options, err);

	if (rc)
		return err_wrap(err, "download");
	*fd = open(part, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_set(err, -errno, "open '%s': %s", part, strerror(errno)) : 0;
}

/* An empty work folder, whatever an attempt before this one left. */
static int make_work(const struct ingest *in, struct err *err)
{
	int rc = folder_remove(in->work, err);

	if (!rc && mkdir(in->work, 0755))
		rc = err_set(err, -errno, "create '%s': %s", in->work, strerror(errno));
	return rc;
}

static int take_enclosure(struct ingest *in, struct store_content *content, const struct feed_enclosure *enclosure,
			  size_t nr, struct err *err)
{
	const struct sniff_format *declared = NULL;
	CLEANUP(close_fd) int fd = -1;
	char part[PATH_ROOM];
	int rc = source_policy_check_url(in->policy, enclosure->url, err);

	part_path(part, in, "", nr);
	if (!rc)
		rc = check_declared(&declared, enclosure, err);
	if (!rc && in->needs_gpg && declared && declared->kind != SNIFF_ARCHIVE && declared->kind != SNIFF_CODEC)
		rc = refuse(in, missing_proof(in), err);
	if (!rc)
		rc = open_enclosure(in, &fd, enclosure, part,
				    nr < in->item->announced.mirror_count ? PATIENCE_MIRROR_S : PATIENCE_S, err);
	if (!rc)
		rc = make_work(in, err);
	if (rc)
		return rc;
	const struct convert_content_options options = {
		.file = {
			.image = {
				.chunk_bytes = (uint32_t)in->config->chunk_bytes,
				.level = (int)in->config->compression_level,
				.disk_bytes_max = in->disk_bytes_max,
			},
			.declared = declared,
			.digest = enclosure->has_digest ? enclosure->digest : NULL,
			.length = enclosure->length,
			.watch = { .stop = in->stop, .progress = tell_progress, .ctx = in },
		},
		.work = in->work,
		.unpack_program = in->config->unpack,
		.keyring = in->config->keyring,
		.scratch_bytes_max = in->config->scratch_bytes_max,
	};

	rc = convert_content(content, fd, &options, err);
	if (!rc && in->needs_gpg && !content->gpg_signed)
		rc = refuse(in, "no key of the keyring signed for all of the archive", err);
	return rc;
}

static int fetch_disk(struct ingest *in, struct store_content *content, const struct feed_disk *disk, size_t nr,
		      struct err *err)
{
	char part[PATH_ROOM], folder[PATH_ROOM + 32];
	const struct deployable_options options = {
		.index_url = disk->index_url,
		.image_url = disk->image_url,
		.id = disk->id,
		.index_bytes = disk->index_bytes,
		.image_bytes = disk->image_bytes,
		.disk_bytes = disk->disk_bytes,
		.part = part,
		.folder = folder,
		.policy = in->policy,
		.disk_bytes_max = in->disk_bytes_max,
		.patience_s = PATIENCE_S,
		.watch = { .stop = in->stop, .progress = tell_progress, .ctx = in },
	};
	struct store_image image;
	int rc = 0;

	part_path(part, in, ".disk", nr);
	snprintf(folder, sizeof(folder), "%s/image.%zu", in->work, nr);
	if (mkdir(folder, 0755))
		rc = err_set(err, -errno, "create '%s': %s", folder, strerror(errno));
	if (!rc)
		rc = deployable_fetch(&image, &options, err);
	if (rc)
		return err_wrap(err, "its deployable form, disk %zu", nr + 1);
	return content_add_disk(content, &image, disk->name ? strdup(disk->name) : NULL,
				disk->bus ? strdup(disk->bus) : NULL, err);
}

/* What the publisher made deployable himself needs no conversion. */
static int take_deployable(struct ingest *in, struct store_content *out, struct err *err)
{
	CLEANUP(store_content_free) struct store_content content = { .kind = ITEM_DISK };
	const struct feed_item *said = &in->item->announced;
	int rc = make_work(in, err);

	for (size_t i = 0; i < said->disk_count && !rc; i++)
		rc = fetch_disk(in, &content, &said->disks[i], i, err);
	if (!rc && !(content.form = strdup("deployable as published")))
		rc = err_set(err, -ENOMEM, "out of memory");
	if (rc)
		return rc;
	*out = content;
	content = (struct store_content){ 0 };
	return 0;
}

/* Whether another source of the same item may do better. */
static bool is_of_source(int rc)
{
	return rc != -ECANCELED && rc != -ESTALE && !ingest_is_shortage(rc);
}

/* What went wrong with each source that was tried, for one line. */
struct attempts {
	struct err err; /* all of them; the code is one that may pass, if one of them may */
	size_t count;
};

static void add_attempt(struct attempts *a, const char *url, const struct err *err)
{
	char shown[160], before[sizeof(a->err.text)];
	int code = a->count && http_is_transient(a->err.code) ? a->err.code : err->code;

	http_url_for_log(shown, sizeof(shown), url);
	memcpy(before, a->err.text, sizeof(before));
	if (a->count++)
		err_set(&a->err, code, "%.380s; %s: %.220s", before, shown, err->text);
	else
		err_set(&a->err, code, "%s: %.220s", shown, err->text);
}

static struct feed_enclosure first_enclosure(const struct feed_item *said)
{
	struct feed_enclosure first = {
		.url = said->url, .type = said->type, .length = said->length, .has_digest = said->has_digest
	};

	memcpy(first.digest, said->digest, DIGEST_BYTES);
	return first;
}

/* An enclosure with fewer disks than its item was announced with is not the machine that was meant. */
static int check_disks(const struct feed_item *said, const struct store_content *content, struct err *err)
{
	if (!said->disk_count || said->disk_count == content->disk_count)
		return 0;
	return err_set(err, -EBADMSG, "it has %zu disk%s, the feed announces %zu", content->disk_count,
		       content->disk_count == 1 ? "" : "s", said->disk_count);
}

/* Whether the download may still be of use to another attempt. What is wrong in itself must be fetched anew. */
static bool is_worth_keeping(int rc)
{
	return rc == -ECANCELED || ingest_is_shortage(rc) || http_is_transient(rc);
}

static void discard_enclosure(const struct ingest *in, size_t nr)
{
	char part[PATH_ROOM];

	part_path(part, in, "", nr);
	download_discard(part);
}

static void discard_deployable(const struct ingest *in)
{
	char part[PATH_ROOM];

	for (size_t i = 0; i < in->item->announced.disk_count; i++) {
		part_path(part, in, ".disk", i);
		deployable_discard(part);
	}
}

/* The deployable form, then the enclosures in order, until one of them will do. Each loses its own download if that is of
 * no use: another's failure may be one that passes, and keeps what is left for the next attempt. */
static int take_any(struct ingest *in, struct store_content *content, struct err *err)
{
	const struct feed_item *said = &in->item->announced;
	const struct feed_enclosure first = first_enclosure(said);
	struct attempts failed = { .count = 0 };
	char refused[sizeof(err->text) + 32] = "";
	int rc = -ENOENT;

	/* The deployable form has no signatures of its own. */
	if (said->disk_count && !in->needs_gpg) {
		rc = take_deployable(in, content, err);
		if (!rc || !is_of_source(rc))
			return rc;
		log_warn("item %s: %s, trying its enclosure", in->item->id, err->text);
		snprintf(refused, sizeof(refused), "%s: made from the enclosure", err->text);
		add_attempt(&failed, said->disks[0].index_url, err);
		if (!is_worth_keeping(rc))
			discard_deployable(in);
	}
	for (size_t i = 0; i <= said->mirror_count; i++) {
		const struct feed_enclosure *enclosure = i ? &said->mirrors[i - 1] : &first;

		rc = take_enclosure(in, content, enclosure, i, err);
		if (!rc)
			rc = check_disks(said, content, err);
		if (!rc && refused[0])
			rc = content_add_note(content, refused, err);
		if (!rc || !is_of_source(rc))
			return rc;
		store_content_free(content);
		if (i < said->mirror_count)
			log_warn("item %s: %s, trying the next mirror", in->item->id, err->text);
		add_attempt(&failed, enclosure->url, err);
		if (!is_worth_keeping(rc))
			discard_enclosure(in, i);
	}
	if (failed.count > 1)
		*err = failed.err;
	return err->code;
}

static uint64_t missing_bytes(const struct ingest *in, const char *id, uint64_t bytes)
{
	char path[PATH_ROOM + STORE_IMAGE_CHARS];

	snprintf(path, sizeof(path), "%s/%s", in->images, id);
	return id[0] && access(path, F_OK) ? bytes : 0;
}

/* What it will add to what is stored already, where the same image may be of another item or version. */
static uint64_t added_bytes(const struct ingest *in, const struct store_content *content)
{
	uint64_t bytes = missing_bytes(in, content->file.id, content->file.bytes) +
			 missing_bytes(in, content->initrd.id, content->initrd.bytes);

	for (size_t i = 0; i < content->disk_count; i++) {
		const struct store_image *image = &content->disks[i].image;

		bytes += missing_bytes(in, image->id, image->image_bytes + image->index_bytes);
	}
	return bytes;
}

/* Nothing of it is offered before all of it is there; and nothing sweeps it away in between. */
static int publish(struct ingest *in, const struct store_content *content, struct err *err)
{
	store_images_lock(in->store);
	int rc = sweep_make_room(in->store, in->config->store_bytes_max, added_bytes(in, content), err);
	if (!rc)
		rc = content_publish(in->images, in->work, content, err);
	if (!rc)
		rc = store_item_ready(in->store, in->item->id, content, err);
	store_images_unlock(in->store);
	return rc;
}

static int make_content(struct ingest *in, struct store_content *content, struct err *err)
{
	int rc = prepare(in, err);

	if (!rc)
		rc = find_room(in, err);
	if (!rc)
		rc = take_any(in, content, err);
	return rc ? rc : publish(in, content, err);
}

static void clean_up(const struct ingest *in, int rc)
{
	const struct feed_item *said = &in->item->announced;
	struct err err;

	if (folder_remove(in->work, &err))
		log_warn("item %s: %s, ignoring", in->item->id, err.text);
	if (is_worth_keeping(rc))
		return;
	for (size_t i = 0; i <= said->mirror_count; i++)
		discard_enclosure(in, i);
	discard_deployable(in);
}

static void log_ready(const struct ingest *in, const struct store_content *content, uint64_t since_ms)
{
	char title[120], form[120], bytes[UNITS_TEXT], took[UNITS_TEXT];

	log_info("item %s \"%s\": ready: %s, %s of %s, %s", in->item->id,
		 log_quote(title, sizeof(title), in->item->announced.title), content_kind_name(content->kind),
		 units_bytes(bytes, content_bytes(content)),
		 log_quote(form, sizeof(form), content->form ? content->form : "a disk"),
		 units_seconds(took, (clock_ms() - since_ms) / 1000));
}

int ingest_item(struct store *store, const struct config *config, const struct store_item *item,
		const atomic_bool *stop, struct err *err)
{
	struct ingest in = { .store = store, .config = config, .item = item, .stop = stop };
	CLEANUP(store_content_free) struct store_content content = { 0 };
	char shown[512], title[120];
	uint64_t begin_ms = clock_ms();
	struct err cause;

	http_url_for_log(shown, sizeof(shown), item->announced.url);
	log_info("item %s \"%s\": ingesting '%s'", item->id, log_quote(title, sizeof(title), item->announced.title),
		 shown);
	int rc = make_content(&in, &content, err);
	source_policy_free(&in.policy);
	free(in.feed_url);
	clean_up(&in, rc);
	if (!rc)
		log_ready(&in, &content, begin_ms);
	if (rc == -ESTALE)
		log_info("item %s: ended: %s", item->id, err->text);
	if (!rc || rc == -ECANCELED || rc == -ESTALE)
		return rc;
	bool refused = rc == -EKEYREJECTED;
	log_error("item %s \"%s\": %s%s", item->id, title, refused ? "refused: " : "", err->text);
	int stored = refused ? store_item_refused(store, item->id, err->text, &cause)
			     : store_item_failed(store, item->id, err->text, &cause);
	if (stored)
		log_error("item %s: its failure cannot be stored: %s", item->id, cause.text);
	return rc;
}
