/* SPDX-License-Identifier: GPL-2.0-or-later */
/* key_change: see key_change.h */
#include "key_change.h"

#include "cleanup.h"
#include "json.h"
#include "signing_key.h"
#include "tuf_writer.h"

#include <errno.h>
#include <string.h>

static const char *const service_roles[] = { "snapshot", "timestamp" };

#define SERVICE_ROLES (sizeof(service_roles) / sizeof(service_roles[0]))

/* What the online key of a service, or of a publisher, may sign for: nothing but these paths. */
static const struct {
	bool is_feed;
	const char *name;
	const char *paths[4];
} delegated[] = {
	{ false, "items", { "items/*/*", "items/*/*/*", "env/*", NULL } },
	{ false, "machines", { "machines/*", "policy.json", NULL } },
	{ true, "feed", { "*", "*/*", "*/*/*", NULL } },
};

#define DELEGATED (sizeof(delegated) / sizeof(delegated[0]))

void key_change_done(struct key_change *change)
{
	json_decref(change->root);
	json_decref(change->targets);
	*change = (struct key_change){ .root = NULL };
}

static json_t *fields_of(const json_t *envelope)
{
	return json_object_get(envelope, "signed");
}

static json_t *role_of(const json_t *root, const char *role)
{
	return json_object_get(json_object_get(fields_of(root), "roles"), role);
}

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int add_root_keys(json_t *root, struct keyring *ring, const struct key_plan *plan, struct err *err)
{
	json_t *role = role_of(root, "root");
	int rc = 0;

	for (unsigned i = 0; !rc && i < plan->root_keys; i++) {
		const struct signing_key *key;

		rc = keyring_make(&key, ring, "root", 0, err);
		if (!rc)
			rc = tuf_role_add_key(fields_of(root), role, key, err);
	}
	if (!rc && json_object_set_new(role, "threshold", json_integer(plan->root_threshold)))
		rc = out_of_memory(err);
	return rc;
}

static int add_delegations(json_t *targets, const struct signing_key *online, bool is_feed, struct err *err)
{
	json_t *delegations = tuf_delegations_new();
	int rc = json_object_set_new(fields_of(targets), "delegations", delegations) ? out_of_memory(err) : 0;

	for (size_t i = 0; !rc && i < DELEGATED; i++) {
		if (delegated[i].is_feed != is_feed)
			continue;
		json_t *role = tuf_delegation_new(delegated[i].name, delegated[i].paths);

		if (json_array_append_new(json_object_get(delegations, "roles"), role))
			return out_of_memory(err);
		rc = tuf_role_add_key(delegations, role, online, err);
	}
	return rc;
}

int key_change_first(struct key_change *out, struct keyring *ring, const struct signing_key *online,
		     const struct key_plan *plan, struct err *err)
{
	const struct signing_key *targets;

	out->root = tuf_envelope_new(tuf_signed_new(TUF_ROOT, 1, plan->expires));
	out->targets = tuf_envelope_new(tuf_signed_new(TUF_TARGETS, 1, plan->expires));
	if (!out->root || !out->targets)
		return out_of_memory(err);
	int rc = add_root_keys(out->root, ring, plan, err);
	if (!rc)
		rc = keyring_make(&targets, ring, "targets", 0, err);
	if (!rc)
		rc = tuf_role_add_key(fields_of(out->root), role_of(out->root, "targets"), targets, err);
	for (size_t i = 0; !rc && i < SERVICE_ROLES; i++)
		rc = tuf_role_add_key(fields_of(out->root), role_of(out->root, service_roles[i]), online, err);
	return rc ? rc : add_delegations(out->targets, online, plan->is_feed, err);
}

/* The next version of what there is: the same fields, unsigned. */
static int next_version(json_t **out, const struct tuf_metadata *md, int64_t expires, struct err *err)
{
	*out = tuf_envelope_new(json_deep_copy(md->fields));
	return *out ? tuf_signed_renew(fields_of(*out), md->version + 1, expires, err) : out_of_memory(err);
}

int key_change_renew(struct key_change *out, const struct key_site *site, enum tuf_type type, int64_t expires,
		     struct err *err)
{
	return type == TUF_ROOT ? next_version(&out->root, site->root, expires, err)
				: next_version(&out->targets, site->targets, expires, err);
}

static int collect_keyids(json_t *set, const json_t *role, struct err *err)
{
	const json_t *keyid;
	size_t nr;

	json_array_foreach(json_object_get(role, "keyids"), nr,
			   keyid) if (json_object_set_new(set, json_string_value(keyid),
							  json_true())) return out_of_memory(err);
	return 0;
}

/* A key that no role names any more goes from "keys". `roles`: a root's object, or the list of delegations. */
static int drop_unused_keys(json_t *holder, struct err *err)
{
	CLEANUP(json_free) json_t *used = json_object();
	json_t *roles = json_object_get(holder, "roles"), *keys = json_object_get(holder, "keys"), *role;
	const char *name;
	size_t nr;
	void *next;
	int rc = used ? 0 : out_of_memory(err);

	json_object_foreach(roles, name, role) if (!rc) rc = collect_keyids(used, role, err);
	json_array_foreach(roles, nr, role) if (!rc) rc = collect_keyids(used, role, err);
	if (rc)
		return rc;
	json_object_foreach_safe(keys, next, name, role) if (!json_object_get(used, name)) json_object_del(keys, name);
	return 0;
}

static int clear_role(json_t *role, struct err *err)
{
	return json_object_set_new(role, "keyids", json_array()) ||
			       json_object_set_new(role, "threshold", json_integer(1))
		       ? out_of_memory(err)
		       : 0;
}

/* The role's keys become this one. */
static int give_role(json_t *holder, json_t *role, const struct signing_key *key, struct err *err)
{
	int rc = clear_role(role, err);

	return rc ? rc : tuf_role_add_key(holder, role, key, err);
}

int key_change_roots(struct key_change *out, const struct key_site *site, struct keyring *ring,
		     const struct key_plan *plan, struct err *err)
{
	int rc = next_version(&out->root, site->root, plan->expires, err);

	if (!rc)
		rc = clear_role(role_of(out->root, "root"), err);
	if (!rc)
		rc = add_root_keys(out->root, ring, plan, err);
	return rc ? rc : drop_unused_keys(fields_of(out->root), err);
}

/* Which of the root's keys is meant; NULL: the only one. */
static int find_root_key(size_t *out, const json_t *keyids, const char *beginning, struct err *err)
{
	size_t nr, found = 0, len = beginning ? strlen(beginning) : 0;
	const json_t *keyid;

	if (!beginning && json_array_size(keyids) > 1)
		return err_set(err, -EINVAL, "the root has %zu keys: which is replaced? (--replace KEYID, or --all)",
			       json_array_size(keyids));
	json_array_foreach(keyids, nr, keyid)
	{
		if (len && strncmp(json_string_value(keyid), beginning, len) != 0)
			continue;
		*out = nr;
		found++;
	}
	if (found == 1)
		return 0;
	return err_set(err, -EINVAL, "%s of the root's keys have an id that begins with '%s'",
		       found ? "several" : "none", beginning ? beginning : "");
}

int key_change_one_root(struct key_change *out, const struct key_site *site, struct keyring *ring, const char *replace,
			int64_t expires, struct err *err)
{
	const struct signing_key *key;
	size_t nr = 0;
	int rc = next_version(&out->root, site->root, expires, err);

	if (rc)
		return rc;
	json_t *role = role_of(out->root, "root"), *keyids = json_object_get(role, "keyids");
	if ((rc = find_root_key(&nr, keyids, replace, err)) < 0 ||
	    (rc = keyring_make(&key, ring, "root", (unsigned)json_array_size(keyids), err)) < 0)
		return rc;
	json_array_remove(keyids, nr);
	rc = tuf_role_add_key(fields_of(out->root), role, key, err);
	return rc ? rc : drop_unused_keys(fields_of(out->root), err);
}

int key_change_targets(struct key_change *out, const struct key_site *site, struct keyring *ring, int64_t expires,
		       struct err *err)
{
	const struct signing_key *key;
	int rc = next_version(&out->root, site->root, expires, err);

	if (!rc)
		rc = next_version(&out->targets, site->targets, expires, err);
	if (!rc)
		rc = keyring_make(&key, ring, "targets", 1, err);
	if (!rc)
		rc = give_role(fields_of(out->root), role_of(out->root, "targets"), key, err);
	return rc ? rc : drop_unused_keys(fields_of(out->root), err);
}

static bool shares_a_key(const json_t *role, const json_t *other)
{
	const json_t *a, *b;
	size_t i, j;

	json_array_foreach(json_object_get(role, "keyids"), i, a)
		json_array_foreach(json_object_get(other, "keyids"), j, b) if (json_equal(a, b)) return true;
	return false;
}

/* Delegations that the service's key of before signs for; others are somebody else's. */
static int give_delegations(json_t *targets, const json_t *before, const struct signing_key *online, struct err *err)
{
	json_t *delegations = json_object_get(fields_of(targets), "delegations"), *role;
	size_t nr;

	json_array_foreach(json_object_get(delegations, "roles"), nr, role)
	{
		int rc = shares_a_key(role, before) ? give_role(delegations, role, online, err) : 0;

		if (rc)
			return rc;
	}
	return drop_unused_keys(delegations, err);
}

int key_change_online(struct key_change *out, const struct key_site *site, const struct signing_key *online,
		      int64_t expires, struct err *err)
{
	const json_t *before = json_object_get(json_object_get(site->root->fields, "roles"), "timestamp");
	int rc = next_version(&out->root, site->root, expires, err);

	if (!rc)
		rc = next_version(&out->targets, site->targets, expires, err);
	if (!rc)
		rc = give_delegations(out->targets, before, online, err);
	for (size_t i = 0; !rc && i < SERVICE_ROLES; i++)
		rc = give_role(fields_of(out->root), role_of(out->root, service_roles[i]), online, err);
	out->has_online = true;
	return rc ? rc : drop_unused_keys(fields_of(out->root), err);
}

int key_change_sign(struct key_change *change, const struct key_site *site, const struct keyring *ring, struct err *err)
{
	const json_t *now = site->root ? json_object_get(site->root->fields, "roles") : NULL;
	const json_t *roles = change->root ? json_object_get(fields_of(change->root), "roles") : now;
	int rc = 0;

	if (change->root && now)
		rc = keyring_sign(ring, change->root, json_object_get(now, "root"), err);
	if (!rc && change->root)
		rc = keyring_sign(ring, change->root, json_object_get(roles, "root"), err);
	if (!rc && change->targets)
		rc = keyring_sign(ring, change->targets, json_object_get(roles, "targets"), err);
	return rc;
}
