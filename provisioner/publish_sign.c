/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish_sign: see publish_sign.h */
#include "publish_sign.h"

#include "cleanup.h"
#include "feed.h"
#include "http.h"
#include "json.h"
#include "key_site.h"
#include "log.h"
#include "signing_key.h"
#include "text_file.h"
#include "tuf_writer.h"

#include <curl/curl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DOCUMENT     "feed.xml"
#define DOCUMENT_MAX (64u << 20)
#define ITEMS_MAX    100000
#define METADATA_MAX (64u << 20)
#define DAY_S        (24 * 60 * 60)
#define COPY_BYTES   (1u << 20)
#define KEPT         2 /* versions before the newest: who read the timestamp before still finds what it leads to */
/* Stands for the folder where the document's URLs are relative. */
#define NO_BASE "http://folder.invalid/"

struct signing {
	const struct publish_sign_options *options;
	const char *base;
	char ours[PATH_MAX], published[PATH_MAX]; /* metadata folders of the repository and of the publisher's folder */
	struct key_site site;
	struct signing_key *key;
	int64_t version, expires; /* of all that is signed now */
};

static void signing_done(struct signing *s)
{
	key_site_done(&s->site);
	signing_key_free(&s->key);
}

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* Everything in the folder is for everybody to read: the private key must not be there. */
static int check_apart(const struct publish_sign_options *o, struct err *err)
{
	CLEANUP(free_str) char *folder = realpath(o->folder, NULL);
	CLEANUP(free_str) char *repository = realpath(o->repository, NULL);
	size_t len = folder ? strlen(folder) : 0;

	if (!folder || !repository)
		return err_set(err, -errno, "'%s': %s", folder ? o->repository : o->folder, strerror(errno));
	if (strncmp(repository, folder, len) == 0 && (!repository[len] || repository[len] == '/'))
		return err_set(err, -EINVAL,
			       "'%s' has the private key, and '%s' is for everybody to read: keep it elsewhere",
			       o->repository, o->folder);
	return 0;
}

/* Followers would refuse it, so that nothing is put in place. */
static int check_end(const struct tuf_metadata *md, struct err *err)
{
	const char *role = tuf_type_name(md->type);
	int rc = tuf_metadata_check_expiry(md, role, time(NULL), err);

	return rc ? err_wrap(err, "nobody would follow (vmcast key renew %s)", role) : 0;
}

static int open_keys(struct signing *s, struct err *err)
{
	static const char *const roles[] = { "feed", NULL };
	const struct publish_sign_options *o = s->options;
	int rc = check_apart(o, err);

	if (rc || (rc = key_site_open(&s->site, o->repository, err)) ||
	    (rc = tuf_metadata_verify_by_root(s->site.targets, s->site.root, err)) ||
	    (rc = check_end(s->site.root, err)) || (rc = check_end(s->site.targets, err)) ||
	    (rc = key_site_path(s->ours, o->repository, "metadata", err)) ||
	    (rc = key_site_path(s->published, o->folder, "metadata", err)))
		return rc;
	if (mkdir(s->published, 0755) && errno != EEXIST)
		return err_set(err, -errno, "make '%s': %s", s->published, strerror(errno));
	return key_site_load_online(&s->key, &s->site, roles, err);
}

/* The path below the folder of what the document names: 1; 0: it is elsewhere. Caller frees. */
static int path_of(char **out, const struct signing *s, const char *url, struct err *err)
{
	CLEANUP(free_str) char *whole = NULL;
	size_t len = strlen(s->base);
	int rc = http_url_join(&whole, s->base, url, err);

	if (rc || strncmp(whole, s->base, len) != 0)
		return rc;
	whole[len + strcspn(whole + len, "?#")] = '\0';
	char *decoded = curl_easy_unescape(NULL, whole + len, 0, NULL);
	*out = decoded ? strdup(decoded) : NULL;
	curl_free(decoded);
	return *out ? 1 : out_of_memory(err);
}

static int read_digest(uint8_t digest[static DIGEST_BYTES], int fd, const char *path, struct err *err)
{
	CLEANUP(free_mem) uint8_t *buf = malloc(COPY_BYTES);
	struct digest d;
	ssize_t got;

	if (!buf)
		return out_of_memory(err);
	digest_init(&d);
	while ((got = read(fd, buf, COPY_BYTES)) > 0)
		digest_add(&d, buf, (size_t)got);
	digest_final(&d, digest);
	return got < 0 ? err_set(err, -errno, "read '%s': %s", path, strerror(errno)) : 0;
}

/* For what the role `feed` is not (key_change.c). */
static bool is_too_deep(const char *path)
{
	const char *slash = strchr(path, '/');

	slash = slash ? strchr(slash + 1, '/') : NULL;
	return slash && strchr(slash + 1, '/');
}

/* What is published knows its digest; what somebody wrote into the document may not. */
static int add_file(json_t *targets, const struct signing *s, const char *name, const struct feed_enclosure *e,
		    struct err *err)
{
	uint8_t digest[DIGEST_BYTES];
	char path[PATH_MAX];
	struct stat st;
	int rc = key_site_path(path, s->options->folder, name, err);

	if (rc)
		return rc;
	if (is_too_deep(name))
		return err_set(err, -EINVAL, "'%s' lies in more than two folders, for which the key may not sign",
			       path);
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st))
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (e->length && (uint64_t)st.st_size != e->length))
		return err_set(err, -EINVAL, "'%s' is not the file of %" PRIu64 " bytes that it should be", path,
			       e->length);
	if (e->has_digest)
		memcpy(digest, e->digest, DIGEST_BYTES);
	else if ((rc = read_digest(digest, fd, path, err)) < 0)
		return rc;
	if (json_object_set_new(targets, name, tuf_target_new((uint64_t)st.st_size, digest, NULL)))
		return out_of_memory(err);
	return 0;
}

static int add_enclosure(json_t *targets, const struct signing *s, const struct feed_enclosure *e, struct err *err)
{
	CLEANUP(free_str) char *path = NULL;
	int rc = path_of(&path, s, e->url, err);

	if (rc > 0)
		return add_file(targets, s, path, e, err);
	if (!rc && !e->has_digest)
		rc = err_set(err, -EINVAL, "it is not in the folder, and the document has no digest of it");
	return rc;
}

static int add_item(json_t *targets, const struct signing *s, const struct feed_item *item, struct err *err)
{
	struct feed_enclosure first = { .url = item->url, .length = item->length, .has_digest = item->has_digest };

	memcpy(first.digest, item->digest, DIGEST_BYTES);
	int rc = add_enclosure(targets, s, &first, err);
	for (size_t i = 0; i < item->mirror_count && !rc; i++)
		rc = add_enclosure(targets, s, &item->mirrors[i], err);
	return rc;
}

static int add_items(json_t *targets, const struct signing *s, const char *text, size_t len, struct err *err)
{
	const struct feed_limits limits = { DOCUMENT_MAX, ITEMS_MAX };
	CLEANUP(feed_free) struct feed *document = NULL;
	char shown[256];
	int rc = feed_parse(&document, text, len, &limits, err);

	for (size_t i = 0; !rc && i < document->item_count; i++) {
		rc = add_item(targets, s, &document->items[i], err);
		if (rc)
			err_wrap(err, "enclosure of item '%s'",
				 log_quote(shown, sizeof(shown), document->items[i].title));
	}
	return rc;
}

/* The document, under the name by which those who follow signatures ask for it. */
static int add_document(json_t *targets, const struct signing *s, struct err *err)
{
	char path[PATH_MAX], hex[DIGEST_HEX], name[DIGEST_HEX + 16];
	CLEANUP(free_str) char *text = NULL;
	uint8_t digest[DIGEST_BYTES];
	struct digest d;
	size_t len;
	int rc = key_site_path(path, s->options->folder, DOCUMENT, err);

	if (rc || (rc = text_file_read(&text, &len, path, DOCUMENT_MAX, err)) ||
	    (rc = add_items(targets, s, text, len, err)))
		return rc;
	digest_init(&d);
	digest_add(&d, text, len);
	digest_final(&d, digest);
	digest_hex(hex, digest);
	snprintf(name, sizeof(name), "%s." DOCUMENT, hex);
	if (json_object_set_new(targets, DOCUMENT, tuf_target_new(len, digest, NULL)))
		return out_of_memory(err);
	rc = key_site_path(path, s->options->folder, name, err);
	return rc ? rc : text_file_replace(path, text, len, err);
}

static int save(const struct signing *s, const char *name, const char *text, size_t len, struct err *err)
{
	const char *const folders[] = { s->ours, s->published };
	char path[PATH_MAX];
	int rc = 0;

	for (size_t i = 0; i < 2 && !rc; i++) {
		rc = key_site_path(path, folders[i], name, err);
		if (!rc)
			rc = text_file_replace(path, text, len, err);
	}
	return rc ? rc : key_site_give(s->options->repository, path, err);
}

static int save_envelope(const struct signing *s, const char *name, const json_t *envelope, json_t *meta,
			 const char *meta_name, struct err *err)
{
	int64_t version = json_integer_value(json_object_get(json_object_get(envelope, "signed"), "version"));
	CLEANUP(free_str) char *text = NULL;
	size_t len;
	int rc = tuf_envelope_text(&text, &len, envelope, err);

	if (!rc)
		rc = save(s, name, text, len, err);
	if (!rc && meta && json_object_set_new(meta, meta_name, tuf_meta_new(version, text, len)))
		rc = out_of_memory(err);
	return rc;
}

/* Sign and save one role. `what`: its payload, by the name `field`. `meta` (may be NULL) gets what the next role says of it. */
static int sign_role(const struct signing *s, enum tuf_type type, const char *role, const char *field, json_t *what,
		     json_t *meta, struct err *err)
{
	CLEANUP(json_free) json_t *envelope = tuf_envelope_new(tuf_signed_new(type, s->version, s->expires));
	char file[64], meta_name[64];

	if (!envelope || json_object_set(json_object_get(envelope, "signed"), field, what))
		return out_of_memory(err);
	if (type == TUF_TIMESTAMP)
		snprintf(file, sizeof(file), "timestamp.json");
	else
		snprintf(file, sizeof(file), "%" PRId64 ".%s.json", s->version, role);
	snprintf(meta_name, sizeof(meta_name), "%s.json", role);
	int rc = signing_key_sign(envelope, s->key, err);
	return rc ? rc : save_envelope(s, file, envelope, meta, meta_name, err);
}

static int copy_offline(const struct signing *s, enum tuf_type type, int64_t version, struct err *err)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *md = NULL;
	char name[64], path[PATH_MAX];
	int rc = key_site_load(&md, s->options->repository, "metadata", type, version, err);

	snprintf(name, sizeof(name), "%" PRId64 ".%s.json", version, tuf_type_name(type));
	if (!rc)
		rc = key_site_path(path, s->published, name, err);
	return rc ? rc : text_file_replace(path, md->text, md->bytes, err);
}

/* What those who hold the offline keys signed. Followers need every root from the one that they know on. */
static int copy_roots(const struct signing *s, struct err *err)
{
	int rc = 0;

	for (int64_t version = 1; !rc && version <= s->site.root->version; version++)
		rc = copy_offline(s, TUF_ROOT, version, err);
	return rc;
}

static int64_t newest(const struct signing *s)
{
	static const char *const roles[] = { "feed", "snapshot" };
	const char *const folders[] = { s->ours, s->published };
	int64_t found = 0;

	for (size_t i = 0; i < 4; i++) {
		int64_t version = key_site_newest(folders[i % 2], roles[i / 2]);

		found = version > found ? version : found;
	}
	return found;
}

/* The document that a version of ours was about; NULL: there is none. Caller frees. */
static char *document_of(const struct signing *s, int64_t version)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(tuf_metadata_free) struct tuf_metadata *md = NULL;
	char name[64], path[PATH_MAX], hex[DIGEST_HEX], *file = NULL;
	struct tuf_fileinfo info;
	struct err ignored;
	size_t len;

	snprintf(name, sizeof(name), "%" PRId64 ".feed.json", version);
	if (key_site_path(path, s->ours, name, &ignored) || text_file_read(&text, &len, path, METADATA_MAX, &ignored) ||
	    tuf_metadata_parse(&md, TUF_TARGETS, text, len, &ignored) || !tuf_metadata_target(&info, md, DOCUMENT))
		return NULL;
	digest_hex(hex, info.sha256);
	return asprintf(&file, "%s." DOCUMENT, hex) < 0 ? NULL : file;
}

/* Documents that none of the kept versions is about. */
static void remove_documents(const struct signing *s)
{
	CLEANUP(json_free) json_t *kept = json_object();
	DIR *dir = opendir(s->options->folder);
	const struct dirent *entry;
	bool is_known = false;
	char path[PATH_MAX];
	struct err ignored;

	for (int64_t version = s->version - KEPT; version <= s->version; version++) {
		CLEANUP(free_str) char *file = document_of(s, version);

		is_known = file && json_object_set_new(kept, file, json_true()) == 0;
	}
	/* Unless the newest is known, it could be any of them. */
	while (is_known && dir && (entry = readdir(dir))) {
		size_t hex = strspn(entry->d_name, "0123456789abcdef");

		if (hex == DIGEST_HEX - 1 && strcmp(entry->d_name + hex, "." DOCUMENT) == 0 &&
		    !json_object_get(kept, entry->d_name) &&
		    key_site_path(path, s->options->folder, entry->d_name, &ignored) == 0)
			unlink(path);
	}
	if (dir)
		closedir(dir);
}

static bool remove_version(const struct signing *s, int64_t version)
{
	static const char *const roles[] = { "feed", "snapshot" };
	const char *const folders[] = { s->ours, s->published };
	char path[PATH_MAX], name[64];
	bool removed = false;
	struct err ignored;

	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%" PRId64 ".%s.json", version, roles[i / 2]);
		if (key_site_path(path, folders[i % 2], name, &ignored) == 0)
			removed = unlink(path) == 0 || removed;
	}
	return removed;
}

/* What the versions before the last few left. */
static void remove_old(const struct signing *s)
{
	for (int64_t version = s->version - KEPT - 1; version > 0 && remove_version(s, version); version--)
		;
	remove_documents(s);
}

/* From what is pointed to, to what points at it. */
static int sign_all(struct signing *s, json_t *targets, struct err *err)
{
	CLEANUP(json_free) json_t *roles = json_object();
	CLEANUP(json_free) json_t *snapshot = json_object();
	const struct tuf_metadata *top = s->site.targets;
	int rc = sign_role(s, TUF_TARGETS, "feed", "targets", targets, roles, err);

	if (!rc && json_object_set_new(roles, "targets.json", tuf_meta_new(top->version, top->text, top->bytes)))
		rc = out_of_memory(err);
	if (rc || (rc = copy_offline(s, TUF_TARGETS, top->version, err)) ||
	    (rc = sign_role(s, TUF_SNAPSHOT, "snapshot", "meta", roles, snapshot, err)) || (rc = copy_roots(s, err)))
		return rc;
	return sign_role(s, TUF_TIMESTAMP, "timestamp", "meta", snapshot, NULL, err);
}

int publish_sign(struct publish_signed *out, const struct publish_sign_options *options, struct err *err)
{
	CLEANUP(signing_done)
	struct signing s = { .options = options,
			     .base = options->base_url[0] ? options->base_url : NO_BASE,
			     .expires = time(NULL) + (int64_t)options->days * DAY_S };
	CLEANUP(json_free) json_t *targets = json_object();
	int rc = open_keys(&s, err);

	if (!rc)
		rc = add_document(targets, &s, err);
	if (!rc) {
		s.version = newest(&s) + 1;
		rc = sign_all(&s, targets, err);
	}
	if (rc)
		return err_wrap(err, "sign '%s'", options->folder);
	remove_old(&s);
	const int64_t root_end = s.site.root->expires, targets_end = s.site.targets->expires;
	*out = (struct publish_signed){
		.root_version = s.site.root->version,
		.version = s.version,
		.expires = s.expires,
		.offline_expires = root_end < targets_end ? root_end : targets_end,
	};
	return 0;
}
