/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf: see tuf.h */
#include "tuf.h"

#include "cleanup.h"
#include "http.h"
#include "json.h"
#include "tuf_delegation.h"
#include "tuf_metadata.h"
#include "tuf_store.h"
#include "tuf_target.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

/* The specification leaves these to the client, too. */
#define ROOT_ROTATIONS_MAX  256
#define TIMESTAMP_BYTES_MAX 16384
#define DELEGATIONS_MAX     32

struct tuf {
	const struct tuf_options *options;
	struct tuf_metadata *top[TUF_TYPES];           /* trusted, NULL: not yet */
	struct tuf_metadata *visited[DELEGATIONS_MAX]; /* by the last search; "custom" of what it found is in there */
	size_t visited_count;
	size_t visited_values; /* in all of them */
};

static const size_t bytes_max[TUF_TYPES] = { TUF_ROOT_BYTES_MAX, TIMESTAMP_BYTES_MAX, TUF_SNAPSHOT_BYTES_MAX,
					     TUF_TARGETS_BYTES_MAX };

/* Who must have signed the metadata of the role `name`; borrowed from the metadata that says so. */
struct signers {
	const char *name;
	const json_t *keys, *role;
};

static struct signers top_signers(const struct tuf *t, enum tuf_type type)
{
	const char *name = tuf_type_name(type);
	const json_t *root = t->top[TUF_ROOT]->fields;

	return (struct signers){ name, json_object_get(root, "keys"),
				 json_object_get(json_object_get(root, "roles"), name) };
}

static int parse_signed(struct tuf_metadata **out, enum tuf_type type, const struct signers *by, const char *text,
			size_t len, struct err *err)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *md = NULL;

	if (tuf_metadata_parse(&md, type, text, len, err) < 0)
		return err_wrap(err, "metadata of '%.64s'", by->name);
	int rc = tuf_metadata_verify(md, by->keys, by->role, by->name, err);
	if (!rc)
		*out = TAKE(md);
	return rc;
}

/* What was trusted before. It may be gone, or signed by keys that are no longer the role's: then there is nothing to
 * compare with, which is how a role recovers from a version that was driven too high (5.3.11). */
static int load(struct tuf_metadata **out, const struct tuf *t, enum tuf_type type, const struct signers *by,
		struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	size_t len;
	int rc = tuf_store_load(&text, &len, t->options->dir, by->name, bytes_max[type], err);

	if (!rc)
		rc = parse_signed(out, type, by, text, len, err);
	/* Whatever else fails (a disk, memory) must not pass for "nothing was seen before". */
	return rc == -ENOENT || rc == -EBADMSG || rc == -EACCES ? 0 : rc;
}

static int save(const struct tuf *t, const char *role, const struct tuf_metadata *md, struct err *err)
{
	return tuf_store_save(t->options->dir, role, md->text, md->bytes, err);
}

struct body {
	char *text;
	size_t len, max;
};

static int on_body(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct body *body = ctx;
	char *grown = realloc(body->text, body->len + len + 1);

	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(grown + body->len, data, len);
	body->text = grown;
	body->len += len;
	return 0;
}

static void free_body(struct body *body)
{
	free(body->text);
}

/* BASE/NAME */
static int join(char **out, const char *base, const char *name, struct err *err)
{
	size_t len = strlen(base);

	if (asprintf(out, "%s%s%s", base, len && base[len - 1] == '/' ? "" : "/", name) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* The file of `role`, into `body`, whose text is never NULL then; of `version` where the repository keeps more than one (0: it keeps none). `*status`: HTTP's. */
static int fetch(struct body *body, int *status, const struct tuf *t, const char *role, int64_t version,
		 struct err *err)
{
	char name[NAME_MAX], quoted[TUF_ROLE_ROOM];
	CLEANUP(free_str) char *url = NULL;
	struct http_response rs = { 0 };
	int rc = tuf_quote(quoted, sizeof(quoted), role, false, err);

	if (rc)
		return rc;
	if (version)
		snprintf(name, sizeof(name), "%" PRId64 ".%s.json", version, quoted);
	else
		snprintf(name, sizeof(name), "%s.json", quoted);
	if ((rc = join(&url, t->options->metadata_url, name, err)) < 0)
		return rc;
	if (!(body->text = calloc(1, 1)))
		return err_set(err, -ENOMEM, "out of memory");
	const struct http_request rq = { .url = url, .body_bytes_max = body->max, .on_body = on_body, .ctx = body };
	if ((rc = http_perform(t->options->http, &rq, &rs, err)) < 0)
		return rc;
	*status = rs.status;
	return http_check_status(&rs, url, err);
}

/* Whether two roots let the same keys sign for a role, and as many of them. */
static bool has_same_signers(const struct tuf_metadata *a, const struct tuf_metadata *b, enum tuf_type type)
{
	const json_t *in_a = json_object_get(json_object_get(a->fields, "roles"), tuf_type_name(type));
	const json_t *in_b = json_object_get(json_object_get(b->fields, "roles"), tuf_type_name(type));
	const json_t *keyids = json_object_get(in_a, "keyids"), *keyid;
	size_t nr;

	if (!json_equal(keyids, json_object_get(in_b, "keyids")) ||
	    !json_equal(json_object_get(in_a, "threshold"), json_object_get(in_b, "threshold")))
		return false;
	json_array_foreach(keyids, nr, keyid)
	{
		const char *id = json_string_value(keyid);
		const json_t *key_a = json_object_get(json_object_get(a->fields, "keys"), id);
		const json_t *key_b = json_object_get(json_object_get(b->fields, "keys"), id);

		if (key_a != key_b && !json_equal(key_a, key_b))
			return false;
	}
	return true;
}

/* 5.3.11: new keys of one of the two are how a site comes back from versions that a thief drove too high, and the
 * timestamp repeats the snapshot's version: both are forgotten. */
static int forget_rotated(const struct tuf *t, const struct tuf_metadata *next, struct err *err)
{
	const struct tuf_metadata *root = t->top[TUF_ROOT];

	if (has_same_signers(root, next, TUF_TIMESTAMP) && has_same_signers(root, next, TUF_SNAPSHOT))
		return 0;
	int rc = tuf_store_remove(t->options->dir, "timestamp", err);
	return rc ? rc : tuf_store_remove(t->options->dir, "snapshot", err);
}

/* 5.3: one root after the other, each signed by the one before and by itself. */
static int next_root(struct tuf *t, struct err *err)
{
	const struct tuf_metadata *root = t->top[TUF_ROOT];
	CLEANUP(tuf_metadata_free) struct tuf_metadata *next = NULL;
	CLEANUP(free_body) struct body body = { .max = TUF_ROOT_BYTES_MAX };
	const struct signers by = top_signers(t, TUF_ROOT);
	int status = 0;
	int rc = fetch(&body, &status, t, "root", root->version + 1, err);

	/* 5.3.3: the newest is there. Stores of objects say 403 of what they do not have. */
	if (rc && (status == 404 || status == 403))
		return 0;
	if (rc || (rc = parse_signed(&next, TUF_ROOT, &by, body.text, body.len, err)) < 0 ||
	    (rc = tuf_metadata_verify_by_root(next, next, err)) < 0)
		return rc;
	if (next->version != root->version + 1)
		return err_set(err, -EACCES, "root version %" PRId64 " came as version %" PRId64, next->version,
			       root->version + 1);
	/* Before the root is saved: after a power cut between the two it comes once more, and they are gone for sure. */
	if ((rc = forget_rotated(t, next, err)) < 0 || (rc = save(t, "root", next, err)) < 0)
		return rc;
	tuf_metadata_free(&t->top[TUF_ROOT]);
	t->top[TUF_ROOT] = TAKE(next);
	return 1;
}

static int update_root(struct tuf *t, struct err *err)
{
	int rc = 1;

	/* One question more than there may be roots: the answer to the last is that there is none. */
	for (int i = 0; rc > 0 && i <= ROOT_ROTATIONS_MAX; i++)
		rc = next_root(t, err);
	if (rc > 0)
		return err_set(err, -EACCES, "more than %d new roots at once", ROOT_ROTATIONS_MAX);
	/* 5.3.10: not before the newest is known, or nobody could come back from an old one. */
	return rc < 0 ? rc : tuf_metadata_check_expiry(t->top[TUF_ROOT], "root", t->options->now, err);
}

static void trust(struct tuf *t, struct tuf_metadata **md)
{
	enum tuf_type type = (*md)->type;

	tuf_metadata_free(&t->top[type]);
	t->top[type] = TAKE(*md);
}

static int refuse_rollback(const char *role, int64_t version, int64_t before, struct err *err)
{
	return err_set(err, -EACCES, "%s version %" PRId64 " is older than version %" PRId64 ", which was seen before",
		       role, version, before);
}

/* 5.4.3. Equal versions are the same file: the one that is trusted stays. */
static int compare_timestamps(const struct tuf_metadata *next, const struct tuf_metadata *before, struct err *err)
{
	struct tuf_fileinfo now, then;

	if (next->version < before->version)
		return refuse_rollback("timestamp", next->version, before->version, err);
	if (!tuf_metadata_meta(&now, next, "snapshot") || !tuf_metadata_meta(&then, before, "snapshot"))
		return err_set(err, -EBADMSG, "timestamp: nothing about the snapshot");
	if (now.version < then.version && next->version != before->version)
		return refuse_rollback("snapshot", now.version, then.version, err);
	return 0;
}

/* 5.4 */
static int update_timestamp(struct tuf *t, struct err *err)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *before = NULL, *next = NULL;
	CLEANUP(free_body) struct body body = { .max = TIMESTAMP_BYTES_MAX };
	const struct signers by = top_signers(t, TUF_TIMESTAMP);
	int status, rc;

	if ((rc = load(&before, t, TUF_TIMESTAMP, &by, err)) < 0 ||
	    (rc = fetch(&body, &status, t, "timestamp", 0, err)) < 0 ||
	    (rc = parse_signed(&next, TUF_TIMESTAMP, &by, body.text, body.len, err)) < 0 ||
	    (before && (rc = compare_timestamps(next, before, err)) < 0))
		return rc;
	bool is_same = before && before->version == next->version;
	if ((rc = tuf_metadata_check_expiry(is_same ? before : next, "timestamp", t->options->now, err)) < 0 ||
	    (!is_same && (rc = save(t, "timestamp", next, err)) < 0))
		return rc;
	trust(t, is_same ? &before : &next);
	return 0;
}

static int check_bytes(const struct tuf_fileinfo *info, const char *text, size_t len, const char *role, struct err *err)
{
	struct tuf_check check;

	tuf_check_init(&check, info);
	if (tuf_check_add(&check, text, len, err) < 0 || tuf_check_final(&check, err) < 0)
		return err_wrap(err, "metadata of '%.64s'", role);
	return 0;
}

/* What `info`, in metadata that is trusted, says must come, comes: of these bytes, this version, and not expired. */
static int fetch_announced(struct tuf_metadata **out, const struct tuf *t, enum tuf_type type, const struct signers *by,
			   const struct tuf_fileinfo *info, struct err *err)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *md = NULL;
	CLEANUP(free_body) struct body body = { .max = bytes_max[type] };
	int status, rc;

	if (info->has_length && info->length < body.max)
		body.max = info->length ? (size_t)info->length : 1;
	rc = fetch(&body, &status, t, by->name, t->top[TUF_ROOT]->consistent ? info->version : 0, err);
	if (rc || (rc = check_bytes(info, body.text, body.len, by->name, err)) < 0 ||
	    (rc = parse_signed(&md, type, by, body.text, body.len, err)) < 0)
		return rc;
	if (md->version != info->version)
		return err_set(err, -EACCES, "%.64s has version %" PRId64 ", version %" PRId64 " is announced",
			       by->name, md->version, info->version);
	*out = TAKE(md);
	return 0;
}

/* 5.5.5: no role's metadata is gone, or older. */
static int compare_snapshots(const struct tuf_metadata *next, const struct tuf_metadata *before, struct err *err)
{
	const char *name;
	json_t *ignored;

	json_object_foreach(json_object_get(before->fields, "meta"), name, ignored)
	{
		const json_t *now = json_object_get(json_object_get(next->fields, "meta"), name);
		json_int_t version = json_integer_value(json_object_get(now, "version"));
		json_int_t then = json_integer_value(json_object_get(ignored, "version"));

		if (!now)
			return err_set(err, -EACCES, "snapshot version %" PRId64 ": '%.64s' is gone", next->version,
				       name);
		if (version < then)
			return refuse_rollback(name, version, then, err);
	}
	return 0;
}

/* 5.5 */
static int update_snapshot(struct tuf *t, struct err *err)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *before = NULL, *next = NULL;
	const struct signers by = top_signers(t, TUF_SNAPSHOT);
	struct tuf_fileinfo info;
	int rc;

	if (!tuf_metadata_meta(&info, t->top[TUF_TIMESTAMP], "snapshot"))
		return err_set(err, -EBADMSG, "timestamp: nothing about the snapshot");
	if ((rc = load(&before, t, TUF_SNAPSHOT, &by, err)) < 0)
		return rc;
	bool is_same = before && before->version == info.version;
	if (!is_same && ((rc = fetch_announced(&next, t, TUF_SNAPSHOT, &by, &info, err)) < 0 ||
			 (before && (rc = compare_snapshots(next, before, err)) < 0)))
		return rc;
	if ((rc = tuf_metadata_check_expiry(is_same ? before : next, "snapshot", t->options->now, err)) < 0 ||
	    (!is_same && (rc = save(t, "snapshot", next, err)) < 0))
		return rc;
	trust(t, is_same ? &before : &next);
	return 0;
}

/* 5.6, for targets and for what it delegates to. */
static int update_targets(struct tuf_metadata **out, const struct tuf *t, const struct signers *by, struct err *err)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *md = NULL;
	struct tuf_fileinfo info;
	struct err ignored;
	int rc;

	if (!tuf_metadata_meta(&info, t->top[TUF_SNAPSHOT], by->name))
		return err_set(err, -EACCES, "snapshot version %" PRId64 ": nothing about '%.64s'",
			       t->top[TUF_SNAPSHOT]->version, by->name);
	if ((rc = load(&md, t, TUF_TARGETS, by, err)) < 0)
		return rc;
	bool is_same =
		md && md->version == info.version && check_bytes(&info, md->text, md->bytes, by->name, &ignored) == 0;
	if (!is_same) {
		tuf_metadata_free(&md);
		if ((rc = fetch_announced(&md, t, TUF_TARGETS, by, &info, err)) < 0)
			return rc;
	}
	if ((rc = tuf_metadata_check_expiry(md, by->name, t->options->now, err)) < 0 ||
	    (!is_same && (rc = save(t, by->name, md, err)) < 0))
		return rc;
	*out = TAKE(md);
	return 0;
}

int tuf_refresh(struct tuf *t, struct err *err)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *targets = NULL;
	int rc = update_root(t, err);

	if (rc || (rc = update_timestamp(t, err)) < 0 || (rc = update_snapshot(t, err)) < 0)
		return rc;
	const struct signers by = top_signers(t, TUF_TARGETS);
	if ((rc = update_targets(&targets, t, &by, err)) < 0)
		return rc;
	trust(t, &targets);
	return 0;
}

/* Roles to be searched, the next one last. */
struct agenda {
	struct signers *roles;
	size_t count;
};

static void free_agenda(struct agenda *agenda)
{
	free(agenda->roles);
}

static int push(struct agenda *agenda, const struct signers *role, struct err *err)
{
	struct signers *grown = reallocarray(agenda->roles, agenda->count + 1, sizeof(*grown));

	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	agenda->roles = grown;
	grown[agenda->count++] = *role;
	return 0;
}

/* 5.6.7: the delegations of `md` that are about `path`, in their order, before all others; after one that is terminating,
 * none. */
static int push_delegations(struct agenda *agenda, const struct tuf_metadata *md, const char *path, struct err *err)
{
	const json_t *delegations = json_object_get(md->fields, "delegations");
	const json_t *roles = json_object_get(delegations, "roles"), *role;
	size_t nr, end = json_array_size(roles);
	int rc = 0;

	json_array_foreach(roles, nr, role)
	{
		if (!tuf_delegation_covers(role, path) || !tuf_delegation_is_terminating(role))
			continue;
		agenda->count = 0;
		end = nr + 1;
		break;
	}
	while (!rc && end-- > 0) {
		role = json_array_get(roles, end);
		const struct signers by = { json_string_value(json_object_get(role, "name")),
					    json_object_get(delegations, "keys"), role };

		if (tuf_delegation_covers(role, path))
			rc = push(agenda, &by, err);
	}
	return rc;
}

static void forget_visited(struct tuf *t)
{
	while (t->visited_count > 0)
		tuf_metadata_free(&t->visited[--t->visited_count]);
	t->visited_values = 0;
}

/* 1: `role` has it. */
static int search_role(struct tuf_fileinfo *out, struct tuf *t, struct agenda *agenda, const struct signers *role,
		       const char *path, struct err *err)
{
	struct tuf_metadata *md = t->top[TUF_TARGETS];
	int rc;

	if (role->name != tuf_type_name(TUF_TARGETS)) {
		if (t->visited_count == DELEGATIONS_MAX)
			return err_set(err, -EACCES, "'%.128s': not found in %d delegated roles, no more are asked",
				       path, DELEGATIONS_MAX);
		rc = update_targets(&md, t, role, err);
		/* Withheld metadata is no word about the target: that is for those to say who sign it. */
		if (rc == -ENOENT) {
			err_wrap(err, "delegated role '%.64s'", role->name);
			return err->code = -EACCES;
		}
		if (rc)
			return rc;
		t->visited[t->visited_count++] = md;
		t->visited_values += md->values;
		/* All of them stay in memory until the search ends. */
		if (t->visited_values > TUF_VALUES_MAX)
			return err_set(err, -EACCES,
				       "'%.128s': not found in delegated roles of %d values, no more are asked", path,
				       TUF_VALUES_MAX);
	}
	return tuf_metadata_target(out, md, path) ? 1 : push_delegations(agenda, md, path, err);
}

int tuf_find(struct tuf_fileinfo *out, struct tuf *t, const char *path, struct err *err)
{
	CLEANUP(free_agenda) struct agenda agenda = { 0 };
	CLEANUP(json_free) json_t *seen = json_object(); /* a search ends, whoever delegates to whom */
	const struct signers first = top_signers(t, TUF_TARGETS);
	int rc = push(&agenda, &first, err);

	forget_visited(t);
	while (!rc && agenda.count > 0) {
		const struct signers role = agenda.roles[--agenda.count];

		if (json_object_get(seen, role.name))
			continue;
		rc = search_role(out, t, &agenda, &role, path, err);
		if (!rc && json_object_set_new(seen, role.name, json_true()))
			rc = err_set(err, -ENOMEM, "out of memory");
	}
	if (rc)
		return rc > 0 ? 0 : rc;
	return err_set(err, -ENOENT, "'%.128s': no such target", path);
}

int tuf_download(struct tuf *t, const char *path, const struct tuf_fileinfo *info, const char *file, struct err *err)
{
	const struct tuf_target target = { .url = t->options->targets_url,
					   .has_hashed_name = t->top[TUF_ROOT]->consistent,
					   .path = path,
					   .info = info };

	return tuf_target_fetch(t->options->http, &target, file, err);
}

int tuf_open(struct tuf **out, const struct tuf_options *options, struct err *err)
{
	CLEANUP(tuf_close) struct tuf *t = calloc(1, sizeof(*t));
	CLEANUP(free_str) char *text = NULL;
	size_t len;

	if (!t)
		return err_set(err, -ENOMEM, "out of memory");
	t->options = options;
	int rc = tuf_store_load(&text, &len, options->dir, "root", TUF_ROOT_BYTES_MAX, err);
	if (!rc)
		rc = tuf_metadata_parse(&t->top[TUF_ROOT], TUF_ROOT, text, len, err);
	if (!rc)
		rc = tuf_metadata_verify_by_root(t->top[TUF_ROOT], t->top[TUF_ROOT], err);
	if (rc)
		return err_wrap(err, "trusted root in '%s'", options->dir);
	*out = TAKE(t);
	return 0;
}

void tuf_close(struct tuf **tp)
{
	struct tuf *t = *tp;

	if (!t)
		return;
	for (size_t i = 0; i < TUF_TYPES; i++)
		tuf_metadata_free(&t->top[i]);
	forget_visited(t);
	free(t);
	*tp = NULL;
}
