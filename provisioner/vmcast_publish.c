/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_publish: `vmcast publish`: the one command that asks no service, with options of its own. */
#include "vmcast_cli.h"

#include "backoff.h"
#include "cleanup.h"
#include "json.h"
#include "publish.h"
#include "units.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* What takes no longer says nothing. */
#define QUIET_MS 1000u
#define SHOW_MS  200u

#define CPUS_MAX 1024u
#define DAYS     30u
#define SOON_S   (30 * 24 * 60 * 60)
#define DAYS_MAX 3650u

static atomic_bool stop;

/* What was asked for. */
struct request {
	struct cli *cli;
	struct publish_options options;
	struct publish_image image; /* of each IMAGE, but for its path */
	const char *remove;
	bool help, has_days;
	json_t *items; /* what has been done */
	struct progress progress;
	char phase[32];
	uint64_t phase_ms, shown_ms;
};

const struct command commands_publish[] = {
	{ "publish", NULL, "[IMAGE...] --to DIR [--title TITLE] [--key DIR]", 0, 0, 0, NULL,
	  "make a feed that others can subscribe to",
	  "DIR is made, or extended: it holds feed.xml and what that names, and is all that a web server has to serve. "
	  "Each\n"
	  "IMAGE, of any form that vmcastd takes, becomes an item. An item with the same uuid is replaced, others "
	  "stay.\n"
	  "\n"
	  "  --to DIR            the folder\n"
	  "  --base-url URL      where DIR is served; kept for next time. Without it URLs are relative, which vmcast\n"
	  "                      follows and older clients do not\n"
	  "  --title TITLE       the item's; of one IMAGE only. Default: the file's name. A title names an item in its "
	  "feed\n"
	  "  --uuid UUID         the item's, of one IMAGE only. Default: made from the feed and the title\n"
	  "  --description TEXT  --link URL     about the item\n"
	  "  --arch ARCH         x86_64 or aarch64\n"
	  "  --firmware FIRMWARE bios or uefi: what it needs; default: it boots with both\n"
	  "  --memory SIZE       --cpus N       what the machine needs\n"
	  "  --form FORM         original: IMAGE as it is; deployable: its disks ready to be written, which saves "
	  "every\n"
	  "                      subscriber the conversion; both (default)\n"
	  "  --xvm2, --ova       the original form is a package made of the disks\n"
	  "  --feed-title TITLE  --feed-description TEXT  --feed-link URL  --language CODE     about the feed\n"
	  "  --key DIR           sign the feed with the publisher's key: DIR is what vmcast key init --feed "
	  "--repository "
	  "DIR\n"
	  "                      made. Without IMAGE it is signed as it is, for longer\n"
	  "  --days N            until it must be signed again (default 30)\n"
	  "  --remove UUID       take an item away, and the files that only it named\n"
	  "  --json              what was done, as one JSON document\n" },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};

static void on_signal(int signal)
{
	(void)signal;
	atomic_store(&stop, true);
}

/* So that an interrupted run removes what is half done; a second signal ends it at once. */
static void catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int show(void *ctx, const char *phase, uint64_t done, uint64_t total, struct err *err)
{
	struct request *rq = ctx;
	uint64_t now = clock_ms();

	(void)err;
	if (strcmp(phase, rq->phase) != 0) {
		snprintf(rq->phase, sizeof(rq->phase), "%s", phase);
		rq->phase_ms = now;
	}
	if (now - rq->phase_ms >= QUIET_MS && now - rq->shown_ms >= SHOW_MS) {
		rq->shown_ms = now;
		progress_show(&rq->progress, rq->cli, phase, done, total);
	}
	return 0;
}

enum option_id {
	OPTION_TO = 256,
	OPTION_TITLE,
	OPTION_UUID,
	OPTION_DESCRIPTION,
	OPTION_LINK,
	OPTION_ARCH,
	OPTION_FIRMWARE,
	OPTION_MEMORY,
	OPTION_CPUS,
	OPTION_FORM,
	OPTION_XVM2,
	OPTION_OVA,
	OPTION_BASE_URL,
	OPTION_FEED_TITLE,
	OPTION_FEED_DESCRIPTION,
	OPTION_FEED_LINK,
	OPTION_LANGUAGE,
	OPTION_REMOVE,
	OPTION_KEY,
	OPTION_DAYS,
	OPTION_JSON,
	OPTION_SOCKET,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "to", required_argument, NULL, OPTION_TO },
	{ "title", required_argument, NULL, OPTION_TITLE },
	{ "uuid", required_argument, NULL, OPTION_UUID },
	{ "description", required_argument, NULL, OPTION_DESCRIPTION },
	{ "link", required_argument, NULL, OPTION_LINK },
	{ "arch", required_argument, NULL, OPTION_ARCH },
	{ "firmware", required_argument, NULL, OPTION_FIRMWARE },
	{ "memory", required_argument, NULL, OPTION_MEMORY },
	{ "cpus", required_argument, NULL, OPTION_CPUS },
	{ "form", required_argument, NULL, OPTION_FORM },
	{ "xvm2", no_argument, NULL, OPTION_XVM2 },
	{ "ova", no_argument, NULL, OPTION_OVA },
	{ "base-url", required_argument, NULL, OPTION_BASE_URL },
	{ "feed-title", required_argument, NULL, OPTION_FEED_TITLE },
	{ "feed-description", required_argument, NULL, OPTION_FEED_DESCRIPTION },
	{ "feed-link", required_argument, NULL, OPTION_FEED_LINK },
	{ "language", required_argument, NULL, OPTION_LANGUAGE },
	{ "remove", required_argument, NULL, OPTION_REMOVE },
	{ "key", required_argument, NULL, OPTION_KEY },
	{ "days", required_argument, NULL, OPTION_DAYS },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_word(const char **out, const char *value, const char *what, const char *const *words, struct err *err)
{
	for (; *words; words++) {
		if (strcmp(value, *words) == 0) {
			*out = *words;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "--%s '%s' is not known", what, value);
}

static int take_form(struct publish_options *o, const char *value, struct err *err)
{
	static const char *const forms[] = { "original", "deployable", "both", NULL };
	const char *form = "";
	int rc = take_word(&form, value, "form", forms, err);

	if (rc)
		return rc;
	o->original = strcmp(form, "deployable") != 0;
	o->deployable = strcmp(form, "original") != 0;
	return 0;
}

static int take_package(struct publish_options *o, enum publish_package package, struct err *err)
{
	if (o->package != PUBLISH_AS_IT_IS && o->package != package)
		return err_set(err, -EINVAL, "--xvm2 and --ova: choose one");
	o->package = package;
	return 0;
}

static int take_option(struct request *rq, int id, const char *value, struct err *err)
{
	static const char *const arches[] = { "x86_64", "aarch64", NULL };
	static const char *const firmwares[] = { "bios", "uefi", NULL };
	struct publish_options *o = &rq->options;

	switch (id) {
	case OPTION_TO:
		o->folder = value;
		return 0;
	case OPTION_TITLE:
		rq->image.title = value;
		return 0;
	case OPTION_UUID:
		rq->image.uuid = value;
		return 0;
	case OPTION_DESCRIPTION:
		rq->image.description = value;
		return 0;
	case OPTION_LINK:
		rq->image.link = value;
		return 0;
	case OPTION_ARCH:
		return take_word(&o->arch, value, "arch", arches, err);
	case OPTION_FIRMWARE:
		return take_word(&o->firmware, value, "firmware", firmwares, err);
	case OPTION_MEMORY:
		return units_parse_bytes(&o->memory_bytes, value)
			       ? err_set(err, -EINVAL, "--memory '%s': write a size such as 512M", value)
			       : 0;
	case OPTION_CPUS:
		return option_number(&o->cpus, value, "cpus", CPUS_MAX, err);
	case OPTION_FORM:
		return take_form(o, value, err);
	case OPTION_XVM2:
		return take_package(o, PUBLISH_XVM2, err);
	case OPTION_OVA:
		return take_package(o, PUBLISH_OVA, err);
	case OPTION_BASE_URL:
		o->channel.base_url = value;
		return 0;
	case OPTION_FEED_TITLE:
		o->channel.title = value;
		return 0;
	case OPTION_FEED_DESCRIPTION:
		o->channel.description = value;
		return 0;
	case OPTION_FEED_LINK:
		o->channel.link = value;
		return 0;
	case OPTION_LANGUAGE:
		o->channel.language = value;
		return 0;
	case OPTION_REMOVE:
		rq->remove = value;
		return 0;
	case OPTION_KEY:
		o->key = value;
		return 0;
	case OPTION_DAYS:
		rq->has_days = true;
		return option_number(&o->key_days, value, "days", DAYS_MAX, err);
	case OPTION_JSON:
		rq->cli->json = true;
		return 0;
	case OPTION_HELP:
		rq->help = true;
		return 0;
	case OPTION_SOCKET:
		return 0;
	default:
		return err_set(err, -EINVAL, "see vmcast publish --help");
	}
}

/* What the options say together. `count` IMAGEs follow them. */
static int check_request(const struct request *rq, int count, struct err *err)
{
	const struct publish_options *o = &rq->options;

	if (!o->folder)
		return err_set(err, -EINVAL, "publish: where? (--to DIR; vmcast publish --help)");
	if (rq->has_days && !o->key)
		return err_set(err, -EINVAL, "publish: --days is of what is signed (--key DIR)");
	if (rq->remove ? count > 0 : count == 0 && !o->key)
		return err_set(err, -EINVAL, "publish: %s (vmcast publish --help)",
			       rq->remove ? "--remove takes no IMAGE" : "no IMAGE is given");
	if (count > 1 && (rq->image.title || rq->image.uuid))
		return err_set(err, -EINVAL, "publish: --title and --uuid are of one IMAGE; %d are given", count);
	if (o->package != PUBLISH_AS_IT_IS && !o->original)
		return err_set(err, -EINVAL, "publish: with --form deployable there is no package");
	return 0;
}

/* A file's name without what says its form: "debian-12.qcow2.zst" is "debian-12". */
static char *title_of(const char *path)
{
	static const char *const ends[] = { ".raw", ".img", ".qcow", ".qcow2", ".qed",  ".vmdk", ".vhd", ".vhdx",
					    ".vdi", ".hdd", ".ova",  ".xvm",   ".xvm2", ".xva",  ".iso", ".tar",
					    ".zip", ".7z",  ".gz",   ".bz2",   ".xz",   ".zst",  ".lz4", ".lzma" };
	const char *slash = strrchr(path, '/');
	char *title = strdup(slash ? slash + 1 : path);

	for (size_t i = 0; title && i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t len = strlen(title), end_len = strlen(ends[i]);

		if (len > end_len && strcasecmp(title + len - end_len, ends[i]) == 0) {
			title[len - end_len] = '\0';
			i = (size_t)-1; /* once more from the beginning: there may be another in front of it */
		}
	}
	return title;
}

static json_t *disk_row(const struct content_disk *disk)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "image", disk->image.id, "disk_bytes",
			 (json_int_t)disk->image.disk_bytes, "image_bytes", (json_int_t)disk->image.image_bytes,
			 "index_bytes", (json_int_t)disk->image.index_bytes, "name", json_text(disk->name), "bus",
			 json_text(disk->bus));
}

static int keep_result(struct request *rq, const struct publish_result *result, const char *title, struct err *err)
{
	char digest[DIGEST_HEX];
	json_t *disks = json_array();

	for (size_t i = 0; i < result->content.disk_count; i++)
		json_array_append_new(disks, disk_row(&result->content.disks[i]));
	digest_hex(digest, result->digest);
	json_t *row = json_pack("{s:s, s:s, s:b, s:s, s:I, s:s, s:o}", "uuid", result->uuid, "title", title, "replaced",
				result->replaced, "file", result->file, "length", (json_int_t)result->length, "sha256",
				digest, "disks", disks);
	return json_array_append_new(rq->items, row) ? err_set(err, -ENOMEM, "publish: out of memory") : 0;
}

static int add_image(struct request *rq, struct publish *p, const char *path, struct err *err)
{
	CLEANUP(publish_result_free) struct publish_result result = { .uuid = NULL };
	CLEANUP(free_str) char *title = rq->image.title ? strdup(rq->image.title) : title_of(path);
	struct publish_image image = rq->image;

	if (!title)
		return err_set(err, -ENOMEM, "publish: out of memory");
	image.path = path;
	image.title = title;
	int rc = publish_add(p, &result, &image, err);
	progress_end(&rq->progress, rq->cli);
	if (!rc && result.original_only)
		fprintf(stderr, "vmcast: '%s' is no disk: published in its original form only\n", title);
	if (!rc && !rq->options.original && result.content.disk_count > 1)
		fprintf(stderr, "vmcast: '%s' has %zu disks; clients other than vmcast see the first only\n", title,
			result.content.disk_count);
	return rc ? rc : keep_result(rq, &result, title, err);
}

static void print_item(const json_t *row)
{
	char bytes[PRINT_TEXT], text[600];
	const json_t *disk;
	size_t nr;

	print_fact(row_flag(row, "replaced") ? "replaced" : "added", row_text(row, "title"));
	print_fact("uuid", row_text(row, "uuid"));
	snprintf(text, sizeof(text), "%s, %s", row_text(row, "file"), print_bytes(bytes, row_number(row, "length")));
	print_fact("enclosure", text);
	json_array_foreach(json_object_get(row, "disks"), nr, disk)
	{
		char disk_bytes[PRINT_TEXT];

		snprintf(text, sizeof(text), "%.16s..., disk of %s in %s", row_text(disk, "image"),
			 print_bytes(disk_bytes, row_number(disk, "disk_bytes")),
			 print_bytes(bytes, row_number(disk, "image_bytes")));
		print_fact("deployable", text);
	}
}

/* null where nothing is signed. */
static json_t *signed_row(const struct publish_signed *last)
{
	if (!last->version)
		return json_null();
	return json_pack("{s:I, s:I, s:I}", "version", (json_int_t)last->version, "root_version",
			 (json_int_t)last->root_version, "expires", (json_int_t)last->expires);
}

static void print_signed(const struct publish_signed *last)
{
	char end[PRINT_TEXT], text[200];

	if (!last->version)
		return;
	snprintf(text, sizeof(text), "version %" PRId64 ", to be signed again before %s", last->version,
		 print_time(end, (uint64_t)last->expires));
	print_fact("signed", text);
	if (last->offline_expires - time(NULL) < SOON_S)
		fprintf(stderr, "vmcast: what the offline keys signed ends at %s: vmcast key list, vmcast key renew\n",
			print_time(end, (uint64_t)last->offline_expires));
}

static int print_results(const struct request *rq, const struct publish *p, struct err *err)
{
	CLEANUP(free_str) char *feed = NULL;
	const struct publish_signed last = publish_signed(p);
	const json_t *row;
	size_t nr;

	if (asprintf(&feed, "%s/feed.xml", rq->options.folder) < 0) {
		feed = NULL;
		return err_set(err, -ENOMEM, "publish: out of memory");
	}
	if (rq->cli->json) {
		CLEANUP(json_free)
		json_t *all = json_pack("{s:o, s:O, s:o, s:o}", "feed", json_text(feed), "items", rq->items, "removed",
					json_text(rq->remove), "signed", signed_row(&last));

		return all ? print_json(all, err) : err_set(err, -ENOMEM, "publish: out of memory");
	}
	json_array_foreach(rq->items, nr, row) print_item(row);
	if (rq->remove)
		print_fact("removed", rq->remove);
	print_signed(&last);
	print_fact("feed", feed);
	return 0;
}

/* Mistakes that can be seen before any work is done. */
static int check_images(const struct request *rq, char **paths, int count, struct err *err)
{
	for (int i = 0; i < count; i++) {
		if (access(paths[i], R_OK))
			return err_set(err, -errno, "'%s': %s", paths[i], strerror(errno));
		for (int j = 0; !rq->image.title && j < i; j++) {
			CLEANUP(free_str) char *one = title_of(paths[i]);
			CLEANUP(free_str) char *other = title_of(paths[j]);

			if (one && other && strcmp(one, other) == 0)
				return err_set(err, -EINVAL,
					       "'%s' and '%s' would both be called '%s': publish them one by one, with "
					       "--title",
					       paths[j], paths[i], one);
		}
	}
	return 0;
}

/* What was done before something failed is done, and told. */
static int work(struct request *rq, char **paths, int count, struct err *err)
{
	CLEANUP(publish_close) struct publish *p = NULL;
	struct err ignored;
	int rc = check_images(rq, paths, count, err);

	if (!rc)
		rc = publish_open(&p, &rq->options, err);
	if (rc)
		return rc;
	if (rq->remove)
		rc = publish_remove(p, rq->remove, err);
	else if (!count)
		rc = publish_renew(p, err);
	for (int i = 0; !rc && i < count; i++)
		rc = add_image(rq, p, paths[i], err);
	if (!rc || json_array_size(rq->items))
		print_results(rq, p, rc ? &ignored : err);
	if (!rc && (count || rq->remove) && !publish_is_absolute(p))
		fprintf(stderr, "vmcast: URLs in the feed are relative; clients other than vmcast need --base-url\n");
	return rc;
}

/* vmcast-unpack, which is installed where this program is, or beside it where both were built. Caller frees; NULL: out of
 * memory. */
static char *find_unpack(void)
{
	char self[PATH_MAX], *path = NULL;
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len < 0 ? 0 : len] = '\0';
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	if (asprintf(&path, "%s/vmcast-unpack", self) < 0)
		return NULL;
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return asprintf(&path, "%s/../libexec/vmcast/vmcast-unpack", self) < 0 ? NULL : path;
}

int publish_run(struct cli *cli, int argc, char **argv, struct err *err)
{
	struct request rq = {
		.cli = cli,
		.options = { .original = true,
			     .key_days = DAYS,
			     .deployable = true,
			     .watch = { .stop = &stop, .progress = show, .ctx = &rq } },
		.phase_ms = clock_ms(),
	};
	int opt, rc = 0;

	while (!rc && (opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
		rc = take_option(&rq, opt == 'h' ? OPTION_HELP : opt, optarg, err);
	if (rc)
		return rc;
	if (rq.help)
		return 1;
	/* The first word is the command's name. */
	rc = check_request(&rq, argc - optind - 1, err);
	if (rc)
		return rc;
	CLEANUP(json_free) json_t *items = json_array();
	CLEANUP(free_str) char *unpack = find_unpack();
	if (!items || !unpack)
		return err_set(err, -ENOMEM, "publish: out of memory");
	rq.items = items;
	rq.options.unpack_program = unpack;
	catch_signals();
	return work(&rq, argv + optind + 1, argc - optind - 1, err);
}
