/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_repository: see tuf_repository.h */
#include "tuf_repository.h"

#include "cleanup.h"
#include "json.h"
#include "key_site.h"
#include "log.h"
#include "seed.h"
#include "signing_key.h"
#include "text_file.h"
#include "tuf.h"
#include "tuf_catalog.h"
#include "tuf_files.h"
#include "tuf_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_S   1  /* changes within it are one signing */
#define REREAD_S 60 /* the environment's files and the clock change without the store */
#define DAY_S    (24 * 60 * 60)
#define WARN_S   (30 * DAY_S)
#define SETTLE_S 20 /* signing takes milliseconds; a disk that hangs must not take the server's threads with it */

/* Bins have the machines: 65,536 of them would make one file of 11 MB, of which clients take 5. */
enum role_nr {
	ROLE_ITEMS,
	ROLE_MACHINES,
	ROLE_BIN,
	ROLE_SNAPSHOT = ROLE_BIN + TUF_CATALOG_BINS,
	ROLE_TIMESTAMP,
	ROLES
};

static const struct role_kind {
	const char *name;
	enum tuf_type type;
	int64_t life_s;
} kinds[] = {
	[ROLE_ITEMS] = { "items", TUF_TARGETS, 30 * DAY_S },
	[ROLE_MACHINES] = { "machines", TUF_TARGETS, 30 * DAY_S },
	[ROLE_SNAPSHOT] = { "snapshot", TUF_SNAPSHOT, 7 * DAY_S },
	[ROLE_TIMESTAMP] = { "timestamp", TUF_TIMESTAMP, DAY_S },
};

static const char hex_digits[] = "0123456789abcdef";

static bool is_bin(enum role_nr nr)
{
	return nr >= ROLE_BIN && nr < ROLE_SNAPSHOT;
}

static const struct role_kind *kind_of(enum role_nr nr)
{
	return &kinds[is_bin(nr) ? ROLE_MACHINES : nr];
}

#define ROLE_NAME_MAX 16

/* A bin is machines-0 to machines-f. */
static void name_role(char out[static ROLE_NAME_MAX], enum role_nr nr)
{
	snprintf(out, ROLE_NAME_MAX, is_bin(nr) ? "%s-%c" : "%s", kind_of(nr)->name, hex_digits[(nr - ROLE_BIN) & 15]);
}

struct tuf_repository {
	const struct config *config;
	struct store *store;
	char dir[PATH_MAX], metadata[PATH_MAX];
	pthread_t thread;

	/* The thread's own, after the start. */
	struct key_site site;
	struct signing_key *key;               /* NULL: not loaded */
	struct tuf_metadata *published[ROLES]; /* NULL: not made yet */
	json_t *previous[ROLES];               /* targets of the version before, of the machines and the bins */
	struct env_files env;
	bool is_loaded;              /* what was published before */
	uint64_t changes;            /* of the store, before it was read last */
	uint8_t seeds[DIGEST_BYTES]; /* stamp of the templates, the same */
	int64_t read_at;             /* when that was; 0: never, or it failed */
	int64_t warned_at;

	pthread_mutex_t lock;
	pthread_cond_t wake, settled;
	bool is_stopping, wants_reload;
	uint64_t asked, answered; /* looks */
	bool has_root;
	struct err fault; /* code 0: the last look went well */
	json_t *status;
};

static int path_of(char out[static PATH_MAX], const struct tuf_repository *r, const char *name, struct err *err)
{
	return key_site_path(out, r->dir, name, err);
}

/* What is loaded is replaced as a whole, or stays as it is. */
static int load_keys(struct tuf_repository *r, struct err *err)
{
	CLEANUP(key_site_done) struct key_site site = { 0 };
	CLEANUP(signing_key_free) struct signing_key *key = NULL;
	static const char *const delegated[] = { "items", "machines", NULL };
	int rc;

	if ((rc = key_site_open(&site, r->dir, err)) < 0 ||
	    (rc = tuf_metadata_verify_by_root(site.targets, site.root, err)) < 0 ||
	    (rc = key_site_load_online(&key, &site, delegated, err)) < 0)
		return rc;
	key_site_done(&r->site);
	signing_key_free(&r->key);
	r->site = site;
	r->key = TAKE(key);
	site = (struct key_site){ 0 };
	log_info("trust: root version %" PRId64 ", targets version %" PRId64 ", online key %.8s", r->site.root->version,
		 r->site.targets->version, signing_key_id(r->key));
	return 0;
}

static int file_path(char out[static PATH_MAX], const struct tuf_repository *r, enum role_nr nr, int64_t version,
		     struct err *err)
{
	char name[64], role[ROLE_NAME_MAX];

	name_role(role, nr);
	if (nr == ROLE_TIMESTAMP)
		snprintf(name, sizeof(name), "metadata/%s.json", role);
	else
		snprintf(name, sizeof(name), "metadata/%" PRId64 ".%s.json", version, role);
	return path_of(out, r, name, err);
}

/* -ENOENT: it is not there. Caller frees with tuf_metadata_free. */
static int load_version(struct tuf_metadata **out, const struct tuf_repository *r, enum role_nr nr, int64_t version,
			struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	char path[PATH_MAX];
	size_t len;
	int rc = file_path(path, r, nr, version, err);

	if (rc < 0 || (rc = text_file_read(&text, &len, path, TUF_TARGETS_BYTES_MAX, err)) < 0)
		return rc;
	rc = tuf_metadata_parse(out, kind_of(nr)->type, text, len, err);
	return rc < 0 ? err_wrap(err, "'%s'", path) : 0;
}

static json_t *targets_of(const struct tuf_metadata *md)
{
	return md ? json_incref(json_object_get(md->fields, "targets")) : NULL;
}

/* What a service before this one published. Numbers must go on from there, so that what cannot be read is an error. */
static int load_published(struct tuf_repository *r, enum role_nr nr, struct err *err)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *before = NULL;
	char role[ROLE_NAME_MAX];

	name_role(role, nr);
	int64_t version = key_site_newest(r->metadata, role);
	if (r->published[nr] || (nr != ROLE_TIMESTAMP && !version))
		return 0;
	int rc = load_version(&r->published[nr], r, nr, version, err);
	if (rc < 0)
		return rc == -ENOENT && nr == ROLE_TIMESTAMP ? 0 : rc;
	if ((nr == ROLE_MACHINES || is_bin(nr)) && (rc = load_version(&before, r, nr, version - 1, err)) < 0 &&
	    rc != -ENOENT)
		return rc;
	r->previous[nr] = targets_of(before);
	return 0;
}

static int load_all(struct tuf_repository *r, struct err *err)
{
	const json_t *kept[2 * ROLES];
	size_t count = 0;
	int rc;

	for (int nr = 0; nr < ROLES; nr++) {
		if ((rc = load_published(r, nr, err)) < 0)
			return rc;
		kept[count++] = r->previous[nr];
		kept[count++] = r->published[nr] ? json_object_get(r->published[nr]->fields, "targets") : NULL;
	}
	return tuf_files_sweep(r->dir, kept, count, err);
}

static bool is_signed_by(const struct tuf_metadata *md, const char *id)
{
	const json_t *entry;
	size_t nr;

	json_array_foreach(json_object_get(md->document, "signatures"), nr,
			   entry) if (strcmp(json_string_value(json_object_get(entry, "keyid")), id) == 0) return true;
	return false;
}

static bool has_fields(const struct tuf_metadata *md, const json_t *fields)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)fields, name,
			    value) if (!json_equal(json_object_get(md->fields, name), value)) return false;
	return true;
}

static bool is_current(const struct tuf_repository *r, enum role_nr nr, const json_t *fields, int64_t now)
{
	const struct tuf_metadata *md = r->published[nr];
	int64_t life_s = kind_of(nr)->life_s;

	return md && md->expires - now > life_s / 2 && md->expires - now <= life_s &&
	       is_signed_by(md, signing_key_id(r->key)) && has_fields(md, fields);
}

/* Two newer ones are there: who read the timestamp before this one still finds what it led to. */
static void remove_old(const struct tuf_repository *r, enum role_nr nr, int64_t newest)
{
	char path[PATH_MAX];
	struct err ignored;

	for (int64_t version = newest - 2; nr != ROLE_TIMESTAMP && version > 0; version--)
		if (file_path(path, r, nr, version, &ignored) < 0 || unlink(path))
			return;
}

static int check_length(enum role_nr nr, size_t len, struct err *err)
{
	size_t max = kind_of(nr)->type == TUF_TARGETS ? TUF_TARGETS_BYTES_MAX : TUF_SNAPSHOT_BYTES_MAX;
	char role[ROLE_NAME_MAX];

	name_role(role, nr);
	if (len <= max)
		return 0;
	return err_set(err, -EFBIG, "role \"%s\": its metadata is %zu bytes, and no client takes more than %zu", role,
		       len, max);
}

/* Sign a role anew if its `fields` are not what they are to be: 1, or 0. */
static int update_role(struct tuf_repository *r, enum role_nr nr, json_t *fields, struct err *err)
{
	const struct role_kind *kind = kind_of(nr);
	int64_t now = time(NULL), version = r->published[nr] ? r->published[nr]->version + 1 : 1;
	CLEANUP(tuf_metadata_free) struct tuf_metadata *md = NULL;
	CLEANUP(json_free) json_t *envelope = NULL;
	CLEANUP(free_str) char *text = NULL;
	char path[PATH_MAX];
	size_t len;
	int rc;

	if (is_current(r, nr, fields, now))
		return 0;
	envelope = tuf_envelope_new(tuf_signed_new(kind->type, version, now + kind->life_s));
	if (!envelope || json_object_update(json_object_get(envelope, "signed"), fields))
		return err_set(err, -ENOMEM, "out of memory");
	if ((rc = signing_key_sign(envelope, r->key, err)) < 0 ||
	    (rc = tuf_envelope_text(&text, &len, envelope, err)) < 0 || (rc = check_length(nr, len, err)) < 0 ||
	    (rc = tuf_metadata_parse(&md, kind->type, text, len, err)) < 0 ||
	    (rc = file_path(path, r, nr, version, err)) < 0 || (rc = text_file_replace(path, text, len, err)) < 0 ||
	    (rc = key_site_give(r->dir, path, err)) < 0)
		return rc;
	tuf_metadata_free(&r->published[nr]);
	r->published[nr] = TAKE(md);
	return 1;
}

static int add_meta(json_t *meta, const char *role, const struct tuf_metadata *md, struct err *err)
{
	char file[ROLE_NAME_MAX + 8];

	snprintf(file, sizeof(file), "%s.json", role);
	if (json_object_set_new(meta, file, tuf_meta_new(md->version, md->text, md->bytes)))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* A role whose targets are files of their own. */
static int update_files(struct tuf_repository *r, enum role_nr nr, json_t *fields, const json_t *texts, struct err *err)
{
	const json_t *targets = json_object_get(fields, "targets");
	CLEANUP(json_free) json_t *before = targets_of(r->published[nr]);
	int rc = tuf_files_write(r->dir, targets, texts, err);

	if (rc < 0 || (rc = update_role(r, nr, fields, err)) <= 0)
		return rc;
	tuf_files_remove(r->dir, r->previous[nr], before, targets);
	json_decref(r->previous[nr]);
	r->previous[nr] = TAKE(before);
	return rc;
}

/* What the role `machines` delegates to its bins. */
static json_t *bin_delegations(const struct tuf_repository *r, struct err *err)
{
	CLEANUP(json_free) json_t *delegations = tuf_delegations_new();
	char name[ROLE_NAME_MAX];

	for (int nr = ROLE_BIN; nr < ROLE_SNAPSHOT; nr++) {
		name_role(name, nr);
		json_t *role = tuf_delegation_new_by_hash(name, (char[]){ hex_digits[nr - ROLE_BIN], '\0' });
		if (json_array_append_new(json_object_get(delegations, "roles"), role)) {
			err_set(err, -ENOMEM, "out of memory");
			return NULL;
		}
		if (tuf_role_add_key(delegations, role, r->key, err) < 0)
			return NULL;
	}
	return TAKE(delegations);
}

static int update_machines(struct tuf_repository *r, struct err *err)
{
	CLEANUP(tuf_catalog_files_done) struct tuf_catalog_files files = { 0 };
	CLEANUP(json_free) json_t *fields = json_object();
	json_t *delegations = bin_delegations(r, err);
	int rc;

	if (!delegations)
		return err->code;
	if (json_object_set_new(fields, "delegations", delegations))
		return err_set(err, -ENOMEM, "out of memory");
	if ((rc = tuf_catalog_files(&files, r->config, r->store, err)) < 0)
		return rc;
	json_object_set(fields, "targets", files.policy);
	rc = update_files(r, ROLE_MACHINES, fields, files.texts, err);
	for (int nr = ROLE_BIN; rc >= 0 && nr < ROLE_SNAPSHOT; nr++) {
		CLEANUP(json_free) json_t *bin = json_pack("{s:O}", "targets", files.bins[nr - ROLE_BIN]);

		rc = update_files(r, nr, bin, files.texts, err);
	}
	return rc;
}

static int update_items(struct tuf_repository *r, struct err *err)
{
	json_t *targets;
	int rc = tuf_catalog_items(&targets, &r->env, r->config, r->store, err);

	if (rc < 0)
		return rc;
	CLEANUP(json_free) json_t *fields = json_pack("{s:o}", "targets", targets);
	return update_role(r, ROLE_ITEMS, fields, err);
}

static int update_snapshot(struct tuf_repository *r, struct err *err)
{
	CLEANUP(json_free) json_t *fields = json_pack("{s:{}}", "meta");
	json_t *meta = json_object_get(fields, "meta");
	int rc = add_meta(meta, "targets", r->site.targets, err);

	for (int nr = 0; rc >= 0 && nr < ROLE_SNAPSHOT; nr++) {
		char name[ROLE_NAME_MAX];

		name_role(name, nr);
		rc = add_meta(meta, name, r->published[nr], err);
	}
	return rc < 0 ? rc : update_role(r, ROLE_SNAPSHOT, fields, err);
}

static int update_timestamp(struct tuf_repository *r, struct err *err)
{
	CLEANUP(json_free) json_t *fields = json_pack("{s:{}}", "meta");
	int rc = add_meta(json_object_get(fields, "meta"), "snapshot", r->published[ROLE_SNAPSHOT], err);

	return rc < 0 ? rc : update_role(r, ROLE_TIMESTAMP, fields, err);
}

/* Timestamp last: until it is there, the one before leads to a whole that is still there. */
static int publish(struct tuf_repository *r, struct err *err)
{
	int rc;

	if (!r->is_loaded && (rc = load_all(r, err)) < 0)
		return rc;
	r->is_loaded = true;
	if ((rc = update_items(r, err)) < 0 || (rc = update_machines(r, err)) < 0 ||
	    (rc = update_snapshot(r, err)) < 0 || (rc = update_timestamp(r, err)) < 0)
		return rc;
	if (rc > 0)
		log_info("trust: signed items %" PRId64 ", snapshot %" PRId64 ", timestamp %" PRId64,
			 r->published[ROLE_ITEMS]->version, r->published[ROLE_SNAPSHOT]->version,
			 r->published[ROLE_TIMESTAMP]->version);
	for (int nr = 0; nr < ROLES; nr++)
		remove_old(r, nr, r->published[nr]->version);
	return 0;
}

static void warn_of_end(const struct tuf_metadata *md, int64_t now)
{
	int64_t left = md->expires - now;

	if (left <= 0)
		log_warn("trust: %s version %" PRId64 " has expired: machines that check it refuse this service",
			 tuf_type_name(md->type), md->version);
	else if (left < WARN_S)
		log_warn("trust: %s version %" PRId64 " expires in %" PRId64 " days", tuf_type_name(md->type),
			 md->version, left / DAY_S);
}

static void warn_once_a_day(struct tuf_repository *r)
{
	int64_t now = time(NULL);

	if (now - r->warned_at < DAY_S)
		return;
	r->warned_at = now;
	warn_of_end(r->site.root, now);
	warn_of_end(r->site.targets, now);
}

static json_t *status_of(const struct tuf_repository *r)
{
	const struct tuf_metadata *timestamp = r->published[ROLE_TIMESTAMP];

	if (!r->key)
		return json_object();
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "root_version", (json_int_t)r->site.root->version, "root_expires",
			 (json_int_t)r->site.root->expires, "targets_version", (json_int_t)r->site.targets->version,
			 "targets_expires", (json_int_t)r->site.targets->expires, "signed_at",
			 timestamp ? json_integer(timestamp->expires - kind_of(ROLE_TIMESTAMP)->life_s) : json_null());
}

/* Bring what is published in step. `*has_root`: whether there is anything to be in step with. */
static int look(struct tuf_repository *r, bool *has_root, bool wants_reload, struct err *err)
{
	int64_t root = key_site_newest(r->metadata, "root"), targets = key_site_newest(r->metadata, "targets");
	int64_t now = time(NULL);
	/* Before what it counts is read: what changes meanwhile is found by the next look. */
	uint64_t changes = store_changes(r->store);
	uint8_t seeds[DIGEST_BYTES];
	int rc;

	seed_stamp(seeds, r->config->seeds_dir);

	*has_root = *has_root || root > 0;
	if (!*has_root)
		return 0;
	if (!r->key || wants_reload || root != r->site.root->version || targets != r->site.targets->version) {
		if ((rc = load_keys(r, err)) < 0)
			return rc;
		r->warned_at = 0;
		r->read_at = 0;
	}
	warn_once_a_day(r);
	if (r->read_at && changes == r->changes && digest_equal(seeds, r->seeds) && now >= r->read_at &&
	    now - r->read_at < REREAD_S)
		return 0;
	r->read_at = 0;
	if ((rc = publish(r, err)) < 0)
		return rc;
	r->changes = changes;
	memcpy(r->seeds, seeds, sizeof(seeds));
	r->read_at = now;
	return 0;
}

static void look_and_tell(struct tuf_repository *r)
{
	struct err err = { 0 };

	pthread_mutex_lock(&r->lock);
	uint64_t asked = r->asked;
	bool has_root = r->has_root, wants_reload = r->wants_reload;
	r->wants_reload = false;
	pthread_mutex_unlock(&r->lock);

	if (look(r, &has_root, wants_reload, &err) == 0)
		err.code = 0;
	json_t *status = status_of(r);

	pthread_mutex_lock(&r->lock);
	if (err.code && strcmp(err.text, r->fault.code ? r->fault.text : "") != 0)
		log_error("trust: %s, retrying in %d s", err.text, LOOK_S);
	r->has_root = has_root;
	r->fault = err;
	json_decref(r->status);
	r->status = status;
	r->answered = asked;
	pthread_cond_broadcast(&r->settled);
	pthread_mutex_unlock(&r->lock);
}

static void *run(void *arg)
{
	struct tuf_repository *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->is_stopping) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += LOOK_S;
		if (r->asked == r->answered && !r->wants_reload)
			pthread_cond_timedwait(&r->wake, &r->lock, &until);
		pthread_mutex_unlock(&r->lock);
		look_and_tell(r);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void free_all(struct tuf_repository *r)
{
	key_site_done(&r->site);
	signing_key_free(&r->key);
	for (int nr = 0; nr < ROLES; nr++) {
		tuf_metadata_free(&r->published[nr]);
		json_decref(r->previous[nr]);
	}
	json_decref(r->status);
	pthread_cond_destroy(&r->wake);
	pthread_cond_destroy(&r->settled);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int tuf_repository_start(struct tuf_repository **out, const struct config *config, struct store *store, struct err *err)
{
	struct tuf_repository *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->config = config;
	r->store = store;
	env_files_init(&r->env);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	pthread_cond_init(&r->settled, NULL);
	int rc = key_site_path(r->dir, config->state_dir, "trust", err);
	if (rc == 0)
		rc = path_of(r->metadata, r, "metadata", err);
	if (rc == 0) {
		look_and_tell(r);
		if (r->fault.code) {
			*err = r->fault;
			rc = err->code;
		}
	}
	if (rc == 0 && !r->has_root)
		log_info("trust: '%s' has no root.json: nothing is signed", r->metadata);
	if (rc == 0 && (errno = pthread_create(&r->thread, NULL, run, r)))
		rc = err_set(err, -errno, "start a thread: %s", strerror(errno));
	if (rc < 0) {
		free_all(r);
		return rc;
	}
	*out = r;
	return 0;
}

void tuf_repository_stop(struct tuf_repository **r)
{
	if (!*r)
		return;
	pthread_mutex_lock(&(*r)->lock);
	(*r)->is_stopping = true;
	pthread_cond_signal(&(*r)->wake);
	pthread_mutex_unlock(&(*r)->lock);
	pthread_join((*r)->thread, NULL);
	free_all(*r);
	*r = NULL;
}

int tuf_repository_settle(struct tuf_repository *r, struct err *err)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += SETTLE_S;
	pthread_mutex_lock(&r->lock);
	uint64_t asked = ++r->asked;
	pthread_cond_signal(&r->wake);
	while (r->answered < asked && pthread_cond_timedwait(&r->settled, &r->lock, &until) == 0) {
	}
	int rc = r->has_root;
	if (r->answered < asked)
		rc = err_set(err, -EAGAIN, "what is served is not signed yet, after %d s", SETTLE_S);
	else if (r->fault.code)
		rc = err_set(err, -EAGAIN, "what is served cannot be signed: %s", r->fault.text);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

void tuf_repository_reload(struct tuf_repository *r)
{
	pthread_mutex_lock(&r->lock);
	r->wants_reload = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

bool tuf_repository_has_root(struct tuf_repository *r)
{
	pthread_mutex_lock(&r->lock);
	bool has_root = r->has_root;
	pthread_mutex_unlock(&r->lock);
	return has_root;
}

json_t *tuf_repository_status(struct tuf_repository *r)
{
	json_t *status = json_null();

	pthread_mutex_lock(&r->lock);
	if (r->has_root) {
		status = json_copy(r->status);
		json_object_set_new(status, "error", json_text(r->fault.code ? r->fault.text : NULL));
	}
	pthread_mutex_unlock(&r->lock);
	return status;
}
