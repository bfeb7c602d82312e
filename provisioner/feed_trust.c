/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_trust: see feed_trust.h */
#include "feed_trust.h"

#include "cleanup.h"
#include "folder.h"
#include "log.h"
#include "source_policy.h"
#include "text_file.h"
#include "tuf.h"
#include "tuf_store.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct feed_trust {
	const struct feed_trust_options *options;
	char *feeds;        /* folder of what is kept of feeds */
	char *dir;          /* of trusted metadata */
	char *document;     /* file */
	char *folder;       /* URL that all targets are below */
	char *metadata_url; /* folder */
	char *name;         /* target path of the document */
	struct tuf_options tuf_options;
	struct tuf *tuf;
};

static int format(char **out, struct err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int format(char **out, struct err *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int len = vasprintf(out, fmt, args);
	va_end(args);
	if (len >= 0)
		return 0;
	*out = NULL;
	return err_set(err, -ENOMEM, "out of memory");
}

/* The target path of a URL below the folder: 1; 0: it is elsewhere. Caller frees. */
static int target_path(char **out, const struct feed_trust *t, const char *url, struct err *err)
{
	size_t len = strlen(t->folder);

	if (strncmp(url, t->folder, len) != 0)
		return 0;
	CLEANUP(free_str) char *path = strndup(url + len, strcspn(url + len, "?#"));
	int decoded_len = 0;
	char *decoded = path ? curl_easy_unescape(NULL, path, 0, &decoded_len) : NULL;
	if (!decoded)
		return err_set(err, -ENOMEM, "out of memory");
	*out = strdup(decoded);
	curl_free(decoded);
	return *out ? 1 : err_set(err, -ENOMEM, "out of memory");
}

static int make_names(struct feed_trust *t, struct err *err)
{
	const struct feed_trust_options *o = t->options;
	char shown[512];

	if (source_policy_is_file(o->feed_url))
		return err_set(err, -EINVAL, "root: only a feed at an http or https URL can be signed");
	if (format(&t->feeds, err, "%s/feeds", o->state_dir) < 0 ||
	    format(&t->dir, err, "%s/%s.trust", t->feeds, o->feed_id) < 0 ||
	    format(&t->document, err, "%s/%s.signed.xml", t->feeds, o->feed_id) < 0 ||
	    http_url_join(&t->folder, o->feed_url, "./", err) < 0 ||
	    http_url_join(&t->metadata_url, o->feed_url, "metadata/", err) < 0 ||
	    target_path(&t->name, t, o->feed_url, err) < 0)
		return err->code;
	http_url_for_log(shown, sizeof(shown), o->feed_url);
	if (!t->name || !t->name[0])
		return err_set(err, -EINVAL,
			       "root: the URL of a signed feed ends in its document's name, '%s' does not", shown);
	return 0;
}

/* Beside the folder: what is in it are roles, which may have any name. */
static int is_pinned(const struct feed_trust *t, const char *name, const char *root, size_t len, struct err *err)
{
	CLEANUP(free_str) char *pinned = NULL;
	size_t pinned_len = 0;
	int rc = tuf_store_load(&pinned, &pinned_len, t->feeds, name, TUF_ROOT_BYTES_MAX, err);

	if (rc == -ENOENT)
		return 0;
	return rc ? rc : pinned_len == len && memcmp(pinned, root, len) == 0;
}

/* The root that the operator trusts, unless it is what the trusted state began with. */
static int pin_root(const struct feed_trust *t, struct err *err)
{
	CLEANUP(free_str) char *root = NULL, *name = NULL;
	size_t len = 0;
	/* It is the operator who must mend this, not the network. */
	if (text_file_read(&root, &len, t->options->root, TUF_ROOT_BYTES_MAX, err) < 0) {
		err_wrap(err, "root");
		return err->code = -EINVAL;
	}
	int rc = format(&name, err, "%s.root", t->options->feed_id);
	if (!rc)
		rc = is_pinned(t, name, root, len, err);
	if (rc)
		return rc < 0 ? rc : 0;
	rc = folder_remove(t->dir, err);
	if (!rc && mkdir(t->dir, 0755))
		rc = err_set(err, -errno, "create '%s': %s", t->dir, strerror(errno));
	if (!rc)
		rc = tuf_store_save(t->dir, "root", root, len, err);
	return rc ? rc : tuf_store_save(t->feeds, name, root, len, err);
}

static int follow(struct feed_trust *t, struct err *err)
{
	t->tuf_options = (struct tuf_options){
		.dir = t->dir,
		.metadata_url = t->metadata_url,
		.targets_url = t->folder,
		.http = t->options->http,
		.now = time(NULL),
	};
	int rc = tuf_open(&t->tuf, &t->tuf_options, err);

	if (rc)
		return err_wrap(err, "root '%s'", t->options->root);
	rc = tuf_refresh(t->tuf, err);
	return rc ? err_wrap(err, "signatures") : 0;
}

int feed_trust_open(struct feed_trust **out, const struct feed_trust_options *options, struct err *err)
{
	CLEANUP(feed_trust_close) struct feed_trust *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->options = options;
	if (make_names(t, err) < 0 || pin_root(t, err) < 0 || follow(t, err) < 0)
		return err->code;
	*out = TAKE(t);
	return 0;
}

void feed_trust_close(struct feed_trust **tp)
{
	struct feed_trust *t = *tp;

	if (!t)
		return;
	tuf_close(&t->tuf);
	free(t->feeds);
	free(t->dir);
	free(t->document);
	free(t->folder);
	free(t->metadata_url);
	free(t->name);
	free(t);
	*tp = NULL;
}

int feed_trust_get_document(const char **path, struct feed_trust *t, uint64_t bytes_max, struct err *err)
{
	char shown[256];
	struct tuf_fileinfo info;
	int rc = tuf_find(&info, t->tuf, t->name, err);

	log_quote(shown, sizeof(shown), t->name);
	if (rc == -ENOENT)
		return err_set(err, -EACCES, "signatures: nothing is signed for the document, '%s'", shown);
	if (!rc && info.length > bytes_max)
		rc = err_set(err, -EFBIG, "'%s': %" PRIu64 " bytes are signed for, feed_bytes_max is %" PRIu64, shown,
			     info.length, bytes_max);
	if (!rc)
		rc = tuf_download(t->tuf, t->name, &info, t->document, err);
	if (rc)
		return err_wrap(err, "signatures");
	*path = t->document;
	return 0;
}

/* What is signed for, and what the document says besides, must be one thing. */
static int take_info(struct feed_enclosure *enclosure, const struct tuf_fileinfo *info, struct err *err)
{
	if (!info->has_sha256)
		return err_set(err, -ENOTSUP, "it is signed for without a sha256");
	if (enclosure->length && enclosure->length != info->length)
		return err_set(err, -EACCES, "the document says %" PRIu64 " bytes, %" PRIu64 " are signed for",
			       enclosure->length, info->length);
	if (enclosure->has_digest && !digest_equal(enclosure->digest, info->sha256))
		return err_set(err, -EACCES, "the document's digest is not the one that is signed for");
	enclosure->length = info->length;
	enclosure->has_digest = true;
	memcpy(enclosure->digest, info->sha256, DIGEST_BYTES);
	return 0;
}

static int check_enclosure(struct feed_trust *t, struct feed_enclosure *enclosure, struct err *err)
{
	CLEANUP(free_str) char *path = NULL;
	struct tuf_fileinfo info;
	char shown[256];
	int rc = target_path(&path, t, enclosure->url, err);

	if (rc == 0 && !enclosure->has_digest)
		rc = err_set(err, -EACCES, "it is not in the feed's folder, and the document has no digest of it");
	else if (rc > 0)
		rc = tuf_find(&info, t->tuf, path, err);
	if (!rc && path)
		rc = take_info(enclosure, &info, err);
	if (rc == -ENOENT)
		rc = err_set(err, -EACCES, "nothing is signed for it");
	http_url_for_log(shown, sizeof(shown), enclosure->url);
	return rc ? err_wrap(err, "'%s'", shown) : 0;
}

static int check_item(struct feed_trust *t, struct feed_item *item, struct err *err)
{
	struct feed_enclosure first = { .url = item->url, .length = item->length, .has_digest = item->has_digest };

	memcpy(first.digest, item->digest, DIGEST_BYTES);
	int rc = check_enclosure(t, &first, err);
	for (size_t i = 0; i < item->mirror_count && !rc; i++)
		rc = check_enclosure(t, &item->mirrors[i], err);
	if (rc)
		return rc;
	item->length = first.length;
	item->has_digest = true;
	memcpy(item->digest, first.digest, DIGEST_BYTES);
	item->proof = PROOF_SIGNED;
	return 0;
}

int feed_trust_check(struct feed_trust *t, struct feed *document, struct err *err)
{
	char shown[256];

	for (size_t i = 0; i < document->item_count; i++)
		if (check_item(t, &document->items[i], err) < 0)
			return err_wrap(err, "signatures: enclosure of item '%s'",
					log_quote(shown, sizeof(shown), document->items[i].uuid));
	return 0;
}
