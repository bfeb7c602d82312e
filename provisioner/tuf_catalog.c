/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_catalog: see tuf_catalog.h */
#include "tuf_catalog.h"

#include "cleanup.h"
#include "guest_plan.h"
#include "json.h"
#include "landing_name.h"
#include "menu.h"
#include "seed_machine.h"
#include "tuf_writer.h"

#include <errno.h>
#include <string.h>

/* Takes ownership of `custom`. `sha256`: 64 hex digits of ours. */
static int add_target(json_t *targets, const char *path, uint64_t length, const char *sha256, json_t *custom,
		      struct err *err)
{
	uint8_t digest[DIGEST_BYTES];

	if (digest_parse(digest, sha256) < 0) {
		json_decref(custom);
		return err_set(err, -EBADMSG, "target '%s': '%.64s' is no digest", path, sha256);
	}
	if (!custom ||
	    json_object_set_new(targets, path, tuf_target_new(length, digest, json_pack("{s:o}", "vmcast", custom))))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* The fields that all targets of an item have. */
static json_t *item_custom(const struct store_item *item, const char *kind)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:I}", "kind", kind, "item", item->id, "uuid",
			 json_text(item->announced.uuid), "title", json_text(item->announced.title), "version",
			 (json_int_t)item->version);
}

/* An item that is no guest's is signed without: its plan as one is refused, and says why. */
static int add_guest(json_t *custom, const struct store_item *item, const struct store_content *content,
		     struct err *err)
{
	json_t *guest = NULL;
	int rc = guest_plan_make(&guest, item, content, err);

	if (!rc)
		json_object_set_new(custom, "guest", guest);
	return rc == -EALREADY ? 0 : rc;
}

static int add_disk(json_t *targets, const struct store_item *item, const struct store_content *content, size_t nr,
		    const struct config *config, struct err *err)
{
	const struct store_image *image = &content->disks[nr].image;
	json_t *custom = item_custom(item, "disk");
	char path[64];

	json_object_set_new(custom, "disk", json_integer((json_int_t)nr));
	json_object_set_new(custom, "disks", json_integer((json_int_t)content->disk_count));
	json_object_set_new(custom, "disk_bytes", json_integer((json_int_t)image->disk_bytes));
	json_object_set_new(custom, "image", json_string(image->id));
	json_object_set_new(custom, "zeros", json_string(zeros_policy_names[config->zeros]));
	json_object_set_new(custom, "landing", json_text(menu_landing(item, NULL)));
	if (nr == 0 && add_guest(custom, item, content, err) < 0) {
		json_decref(custom);
		return err->code;
	}
	snprintf(path, sizeof(path), "items/%s/%zu/index", item->id, nr);
	/* An image is named by its index: the id is the digest. */
	return add_target(targets, path, image->index_bytes, image->id, custom, err);
}

static int add_file(json_t *targets, const struct store_item *item, const struct store_content *content,
		    const char *name, const struct content_file *file, struct err *err)
{
	json_t *custom = item_custom(item, content_kind_name(content->kind));
	const char *cmdline = content->cmdline ? content->cmdline : item->needs.cmdline;
	char path[64];

	if (content->kind == ITEM_KERNEL)
		json_object_set_new(custom, "cmdline", json_text(cmdline));
	snprintf(path, sizeof(path), "items/%s/%s", item->id, name);
	return add_target(targets, path, file->bytes, file->id, custom, err);
}

static int add_item(json_t *targets, const struct store_item *item, const struct config *config, struct store *store,
		    struct err *err)
{
	CLEANUP(store_content_free) struct store_content content = { 0 };
	int rc = store_item_content(store, item->id, item->version, &content, err);

	/* Another version serves since it was listed: a change that the next look finds. */
	if (rc == -ENOENT)
		return 0;
	for (size_t nr = 0; rc >= 0 && nr < content.disk_count; nr++)
		rc = add_disk(targets, item, &content, nr, config, err);
	if (rc >= 0 && content.file.id[0])
		rc = add_file(targets, item, &content, "file", &content.file, err);
	if (rc >= 0 && content.initrd.id[0])
		rc = add_file(targets, item, &content, "initrd", &content.initrd, err);
	return rc;
}

/* A file that is not there is no target. */
static int add_env(json_t *targets, struct env_files *env, enum env_file file, const char *dir, struct err *err)
{
	char name[64], hex[DIGEST_HEX];
	uint64_t bytes;
	int rc = env_file_digest(&bytes, hex, env, file, dir, err);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "env/%s", env_file_name(file));
	return add_target(targets, name, bytes, hex, json_pack("{s:s}", "kind", "env"), err);
}

int tuf_catalog_items(json_t **out, struct env_files *env, const struct config *config, struct store *store,
		      struct err *err)
{
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	CLEANUP(json_free) json_t *targets = json_object();
	int rc = store_item_list(store, NULL, &items, err);

	for (size_t i = 0; rc >= 0 && i < items.count; i++)
		if (items.rows[i].version)
			rc = add_item(targets, &items.rows[i], config, store, err);
	for (int file = 0; rc >= 0 && file < ENV_FILES; file++)
		rc = add_env(targets, env, (enum env_file)file, config->env_dir, err);
	if (rc < 0)
		return rc;
	*out = TAKE(targets);
	return 0;
}

/* A small file that is a target itself. Takes ownership of `content`. */
static int add_text(json_t *targets, json_t *files, const char *path, json_t *content, struct err *err)
{
	CLEANUP(json_free) json_t *owned = content;
	CLEANUP(free_str) char *text = json_dumps(owned, JSON_COMPACT | JSON_SORT_KEYS);
	uint8_t digest[DIGEST_BYTES];

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	digest_of(digest, text, strlen(text));
	if (json_object_set_new(targets, path, tuf_target_new(strlen(text), digest, NULL)) ||
	    json_object_set_new(files, path, json_string(text)))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* Of one that cannot be made, the name alone: its plan is refused, and says why. */
static int seed_json(json_t **out, const struct store_machine *machine, const struct config *config,
		     struct store *store, struct err *err)
{
	CLEANUP(seed_document_done) struct seed_document document = { 0 };
	CLEANUP(store_item_free) struct store_item item = { 0 };

	*out = NULL;
	if (!machine->seed)
		return 0;
	int rc = store_item_get(store, machine->item_id, &item, err);
	if (!rc)
		rc = seed_machine_make(&document, config, store, machine, &item, err);
	if (rc && rc != -ENOENT && rc != -EINVAL)
		return rc;
	*out = json_pack("{s:s, s:o}", "name", machine->seed, "digest",
			 rc ? json_null() : json_sprintf("sha256:%s", document.digest));
	return *out ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/*
 * The rule of its assignment, or else the configuration's; of a guest's disks all have the same, which chooses the node's disk. NULL:
 * none.
 */
static int target_json(json_t **out, const struct store_machine *machine, const struct config *config,
		       struct store *store, struct err *err)
{
	CLEANUP(store_item_free) struct store_item item = { 0 };
	const char *rule = machine->target ? machine->target : config->target;

	*out = json_text(rule);
	if (!rule || (machine->landing && strcmp(machine->landing, "guest") != 0))
		return 0;
	int rc = store_item_get(store, machine->item_id, &item, err);
	if (rc && rc != -ENOENT)
		return rc;
	for (unsigned nr = 1; !rc && menu_is_guest(&item, machine->landing) && nr < item.disk_count; nr++) {
		json_t *longer = json_sprintf("%s ; %s", json_string_value(*out), rule);

		json_decref(*out);
		*out = longer;
	}
	return 0;
}

/* What the plan for this machine says, too. */
static int add_machine(struct tuf_catalog_files *files, const struct store_machine *machine,
		       const struct config *config, struct store *store, struct err *err)
{
	uint8_t digest[DIGEST_BYTES];
	char path[64];
	json_t *seed, *target;

	if (seed_json(&seed, machine, config, store, err) < 0)
		return err->code;
	if (target_json(&target, machine, config, store, err) < 0) {
		json_decref(seed);
		return err->code;
	}

	snprintf(path, sizeof(path), "machines/%s.json", machine->mac);
	for (char *p = path; *p; p++)
		if (*p == ':')
			*p = '-';
	digest_of(digest, path, strlen(path));
	return add_text(files->bins[digest[0] >> 4], files->texts, path,
			json_pack("{s:i, s:s, s:o, s:s*, s:o*, s:o*}", "version", 1, "item", machine->item_id, "target",
				  target, "landing", machine->landing ? landing_name_planned(machine->landing) : NULL,
				  "grow", machine->grow ? json_true() : NULL, "seed", seed),
			err);
}

int tuf_catalog_files(struct tuf_catalog_files *out, const struct config *config, struct store *store, struct err *err)
{
	CLEANUP(store_machine_list_free) struct store_machine_list machines = { 0 };
	int rc = store_machine_list(store, &machines, err);

	out->texts = json_object();
	out->policy = json_object();
	for (int nr = 0; nr < TUF_CATALOG_BINS; nr++)
		out->bins[nr] = json_object();
	for (size_t i = 0; rc >= 0 && i < machines.count; i++)
		if (machines.rows[i].assignment == ASSIGNMENT_ASSIGNED)
			rc = add_machine(out, &machines.rows[i], config, store, err);
	if (rc < 0)
		return rc;
	return add_text(
		out->policy, out->texts, "policy.json",
		json_pack("{s:i, s:s}", "version", 1, "unassigned", unassigned_policy_names[config->unassigned]), err);
}

void tuf_catalog_files_done(struct tuf_catalog_files *files)
{
	json_decref(files->policy);
	for (int nr = 0; nr < TUF_CATALOG_BINS; nr++)
		json_decref(files->bins[nr]);
	json_decref(files->texts);
}
