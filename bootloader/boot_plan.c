/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_plan: see boot_plan.h */
#include "boot_plan.h"

#include "cleanup.h"
#include "json.h"
#include "service_url.h"
#include "version.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PLAN_VERSION 1
#define URL_MAX      2048

/* It is in memory before it is on a disk. */
#define PACK_BYTES_MAX (512u << 20)

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static json_t *macs_to_json(const struct machine *machine)
{
	json_t *macs = json_array();

	for (size_t i = 0; i < machine->mac_count; i++)
		json_array_append_new(macs, json_string(machine->macs[i]));
	return macs;
}

static json_t *disks_to_json(const struct disk_list *disks)
{
	json_t *list = json_array();

	for (size_t i = 0; i < disks->count; i++)
		json_array_append_new(list, disk_to_json(&disks->disks[i]));
	return list;
}

static void add_machine(json_t *rq, const struct machine *machine)
{
	json_object_set_new(rq, "macs", macs_to_json(machine));
	json_object_set_new(rq, "arch", json_string(machine->arch));
	json_object_set_new(rq, "firmware", json_string(machine->firmware));
	json_object_set_new(rq, "memory_bytes", json_integer((json_int_t)machine->memory_bytes));
}

char *boot_plan_request(const struct plan_question *question)
{
	CLEANUP(json_free)
	json_t *rq = json_pack("{s:i, s:s*, s:s}", "version", PLAN_VERSION, "item", question->item, "client",
			       "vmcast-boot " VMCAST_VERSION);

	if (question->ticket && question->ticket[0])
		json_object_set_new(rq, "ticket", json_string(question->ticket));
	if (question->key) {
		json_object_set(rq, "machine_key", machine_key_public(question->key));
		json_object_set_new(rq, "key_kept", json_string(machine_key_kept(question->key)));
	}
	if (question->machine)
		add_machine(rq, question->machine);
	if (question->disks)
		json_object_set_new(rq, "disks", disks_to_json(question->disks));
	return json_dumps(rq, JSON_COMPACT);
}

static int need_object(const json_t **out, const json_t *obj, const char *key, struct err *err)
{
	*out = json_object_get(obj, key);
	return json_is_object(*out) ? 0 : err_set(err, -EPROTO, "field \"%s\": an object is needed", key);
}

/* A word that is put into URLs and header fields, where nothing but letters and digits is safe everywhere. */
static int need_word(char *out, size_t room, const json_t *obj, const char *key, struct err *err)
{
	const char *text;
	int rc = json_need_string(&text, obj, key, room - 1, err);

	if (rc)
		return rc;
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c))
			return err_set(err, -EPROTO, "field \"%s\": only letters and digits may be in it", key);
	if (!text[0])
		return err_set(err, -EPROTO, "field \"%s\" is empty", key);
	strcpy(out, text);
	return 0;
}

static int need_digest(uint8_t out[static DIGEST_BYTES], const json_t *obj, const char *key, struct err *err)
{
	const char *text;
	int rc = json_need_string(&text, obj, key, DIGEST_HEX + sizeof("sha256:"), err);

	if (rc)
		return rc;
	return digest_parse(out, text) == 0 ? 0 : err_set(err, -EPROTO, "field \"%s\": not a SHA-256 digest", key);
}

static int need_url(char **out, const json_t *obj, const char *key, const char *server, struct err *err)
{
	const char *text;
	int rc = json_need_string(&text, obj, key, URL_MAX, err);

	if (rc)
		return rc;
	rc = service_url(out, server, text, err);
	if (!rc)
		return 0;
	if (rc == -EINVAL)
		err->code = -EPROTO;
	return err_wrap(err, "field \"%s\"", key);
}

/* Where else the image is; a field that may be left out. */
static int parse_mirrors(struct plan_image *out, const json_t *image, const char *server, struct err *err)
{
	const json_t *mirrors = json_object_get(image, "mirrors"), *mirror;
	size_t nr;

	if (!mirrors || json_is_null(mirrors))
		return 0;
	if (!json_is_array(mirrors) || json_array_size(mirrors) > PLAN_URLS_MAX - 1)
		return err_set(err, -EPROTO, "field \"mirrors\": a list of at most %d URLs is needed",
			       PLAN_URLS_MAX - 1);
	json_array_foreach(mirrors, nr, mirror)
	{
		const char *text = json_string_value(mirror);

		if (!text || service_url_mirror(&out->urls[out->url_count], server, text, err) != 0)
			return err_set(err, -EPROTO, "field \"mirrors\": '%s': only http and https are fetched",
				       text ? text : "");
		out->url_count++;
	}
	return 0;
}

static int parse_delta(struct plan_delta *out, const json_t *delta, const char *server, struct err *err)
{
	uint8_t from[DIGEST_BYTES];
	int rc = need_digest(from, delta, "from", err);

	if (!rc)
		rc = json_need_u64(&out->bytes, delta, "bytes", INT64_MAX, err);
	if (!rc)
		rc = need_url(&out->url, delta, "url", server, err);
	if (!rc)
		digest_hex(out->from, from);
	return rc;
}

/* A field that may be left out. */
static int parse_deltas(struct plan_image *out, const json_t *image, const char *server, struct err *err)
{
	const json_t *deltas = json_object_get(image, "deltas"), *delta;
	size_t nr;

	if (deltas && !json_is_null(deltas) && !json_is_array(deltas))
		return err_set(err, -EPROTO, "field \"deltas\": a list is needed");
	json_array_foreach(deltas, nr, delta)
	{
		if (nr == PLAN_DELTAS_MAX)
			break;
		int rc = parse_delta(&out->deltas[nr], delta, server, err);
		if (rc)
			return err_wrap(err, "field \"deltas\"");
		out->delta_count++;
	}
	return 0;
}

static int parse_image(struct plan_image *out, const json_t *image, const char *server, struct err *err)
{
	uint8_t id[DIGEST_BYTES];
	int rc = need_digest(id, image, "id", err);

	if (!rc)
		rc = need_digest(out->index_digest, image, "index_digest", err);
	if (!rc && !digest_equal(id, out->index_digest))
		rc = err_set(err, -EPROTO, "the image's id is not its index's digest");
	if (!rc)
		rc = need_url(&out->urls[0], image, "url", server, err);
	if (!rc) {
		out->url_count = 1;
		rc = parse_mirrors(out, image, server, err);
	}
	if (!rc)
		rc = need_url(&out->index_url, image, "index_url", server, err);
	if (!rc)
		rc = json_need_u64(&out->index_bytes, image, "index_bytes", INT64_MAX, err);
	if (!rc)
		rc = json_need_u64(&out->disk_bytes, image, "disk_bytes", INT64_MAX, err);
	if (!rc)
		rc = json_need_u64(&out->image_bytes, image, "image_bytes", INT64_MAX, err);
	if (!rc)
		rc = parse_deltas(out, image, server, err);
	if (!rc)
		digest_hex(out->id, id);
	return rc;
}

/* `json`: of an item with one disk the plan itself, else one of its "disks". */
static int parse_disk(struct plan_disk *out, const json_t *json, const char *server, struct err *err)
{
	const char *target = "", *name = "";
	const json_t *image;
	int rc = json_want_string(&target, json, "target", sizeof(out->target) - 1, err);

	if (!rc && target[0] && target_rule_check(target, err) != 0)
		rc = err_set(err, -EPROTO, "field \"target\": '%s' is not a rule", target);
	if (!rc)
		rc = json_want_string(&name, json, "name", SIZE_MAX, err);
	if (!rc)
		rc = need_object(&image, json, "image", err);
	if (!rc)
		rc = parse_image(&out->image, image, server, err);
	strcpy(out->target, rc ? "" : target);
	snprintf(out->name, sizeof(out->name), "%s", name);
	return rc;
}

static int parse_several(struct boot_plan *plan, const json_t *disks, const char *server, struct err *err)
{
	size_t nr;
	json_t *disk;

	if (!json_is_array(disks) || json_array_size(disks) < 1 || json_array_size(disks) > PLAN_DISKS_MAX)
		return err_set(err, -EPROTO, "field \"disks\": a list of 1 to %d disks is needed", PLAN_DISKS_MAX);
	plan->disks = calloc(json_array_size(disks), sizeof(*plan->disks));
	if (!plan->disks)
		return err_set(err, -ENOMEM, "out of memory");
	plan->disk_count = json_array_size(disks);
	json_array_foreach(disks, nr, disk)
	{
		/* That the machine boots from the first is what the order of writing stands on. */
		if (json_is_true(json_object_get(disk, "boot")) != (nr == 0))
			return err_set(err, -EPROTO, "field \"disks\": the first, and no other, must be the boot disk");
		int rc = parse_disk(&plan->disks[nr], disk, server, err);
		if (rc)
			return err_wrap(err, "disk %zu", nr + 1);
	}
	return 0;
}

static int parse_disks(struct boot_plan *plan, const json_t *root, const char *server, struct err *err)
{
	const json_t *disks = json_object_get(root, "disks");

	if (disks)
		return parse_several(plan, disks, server, err);
	plan->disks = calloc(1, sizeof(*plan->disks));
	if (!plan->disks)
		return err_set(err, -ENOMEM, "out of memory");
	plan->disk_count = 1;
	return parse_disk(&plan->disks[0], root, server, err);
}

static int parse_job(struct boot_plan *plan, const json_t *root, struct err *err)
{
	const char *landing;
	int rc = need_word(plan->job, sizeof(plan->job), root, "job", err);

	if (!rc)
		rc = need_word(plan->ticket, sizeof(plan->ticket), root, "ticket", err);
	if (!rc)
		rc = json_need_string(&landing, root, "landing", sizeof(plan->landing) - 1, err);
	if (!rc)
		rc = json_want_bool(&plan->grow, root, "grow", err);
	if (!rc)
		strcpy(plan->landing, landing);
	return rc;
}

/* Left out by a service that knows of no policy. */
static int parse_zeros(struct boot_plan *plan, const json_t *root, struct err *err)
{
	const char *zeros = zeros_policy_names[ZEROS_ZERO];
	int rc = json_want_string(&zeros, root, "zeros", 16, err);

	if (!rc && zeros_policy_parse(&plan->zeros, zeros) != 0)
		rc = err_set(err, -EPROTO, "field \"zeros\": '%s' is no policy of this client", zeros);
	return rc;
}

/* Where the signatures are; null of a service that has none. */
static int parse_trust(struct boot_plan *plan, const json_t *root, const char *server, struct err *err)
{
	const json_t *trust = json_object_get(root, "trust");

	if (!trust || json_is_null(trust))
		return 0;
	int rc = need_url(&plan->metadata_url, trust, "metadata_url", server, err);
	if (!rc)
		rc = need_url(&plan->targets_url, trust, "targets_url", server, err);
	return rc ? err_wrap(err, "field \"trust\"") : 0;
}

/* uuid and version are only told again, in the receipt: a service that says none of it wants none. */
static int parse_item(struct boot_plan *plan, const json_t *root, struct err *err)
{
	const char *title = "", *uuid = "";
	const json_t *item;
	int rc = need_object(&item, root, "item", err);

	if (!rc)
		rc = json_want_string(&title, item, "title", SIZE_MAX, err);
	if (!rc)
		rc = need_word(plan->item, sizeof(plan->item), item, "id", err);
	if (!rc)
		rc = json_want_string(&uuid, item, "uuid", sizeof(plan->item_uuid) - 1, err);
	if (!rc)
		rc = json_want_u64(&plan->item_version, item, "version", INT64_MAX, err);
	if (rc)
		return err_wrap(err, "field \"item\"");
	snprintf(plan->title, sizeof(plan->title), "%s", title);
	strcpy(plan->item_uuid, uuid);
	return 0;
}

static int parse_receipt(struct boot_plan *plan, const json_t *root, struct err *err)
{
	const json_t *receipt = json_object_get(root, "receipt");
	const char *machine = "", *previous = NULL;
	uint8_t digest[DIGEST_BYTES];
	int rc = json_want_string(&machine, root, "machine", sizeof(plan->machine) - 1, err);

	if (rc)
		return rc;
	strcpy(plan->machine, machine);
	if (!receipt || json_is_null(receipt))
		return 0;
	rc = json_want_string(&previous, receipt, "previous", DIGEST_HEX - 1, err);
	if (!rc && previous && digest_parse(digest, previous) != 0)
		rc = err_set(err, -EPROTO, "field \"previous\": not a SHA-256 digest");
	if (rc)
		return err_wrap(err, "field \"receipt\"");
	plan->wants_receipt = true;
	if (previous)
		digest_hex(plan->previous_receipt, digest);
	return 0;
}

/* null, or left out, where there is none. */
static int parse_seed(struct boot_plan *plan, const json_t *root, struct err *err)
{
	const json_t *seed = json_object_get(root, "seed");
	uint8_t digest[DIGEST_BYTES];
	const char *name;

	if (!seed || json_is_null(seed))
		return 0;
	int rc = json_need_string(&name, seed, "name", sizeof(plan->seed.name) - 1, err);
	if (!rc && (!name[0] || name[strspn(name, NAME_CHARACTERS)]))
		rc = err_set(err, -EPROTO, "field \"name\": letters, digits, '.', '_' and '-' are needed");
	if (!rc)
		rc = need_digest(digest, seed, "digest", err);
	if (rc)
		return err_wrap(err, "field \"seed\"");
	strcpy(plan->seed.name, name);
	digest_hex(plan->seed.digest, digest);
	return 0;
}

/* Only of the landing "guest". What is signed is the specification; the pack is a target of its own. */
static int parse_guest(struct boot_plan *plan, const json_t *root, const char *server, struct err *err)
{
	const json_t *guest, *pack;
	uint8_t digest[DIGEST_BYTES];
	int rc = 0;

	if (strcmp(plan->landing, "guest") != 0)
		return 0;
	if ((rc = need_object(&guest, root, "guest", err)) < 0)
		return rc;
	if ((rc = need_object(&pack, guest, "pack", err)) < 0 || (rc = need_digest(digest, pack, "sha256", err)) < 0 ||
	    (rc = json_need_u64(&plan->pack.bytes, pack, "bytes", PACK_BYTES_MAX, err)) < 0 ||
	    (rc = need_url(&plan->pack.url, pack, "url", server, err)) < 0)
		return err_wrap(err, "field \"guest\"");
	digest_hex(plan->pack.id, digest);
	plan->guest = json_copy((json_t *)(uintptr_t)guest);
	if (!plan->guest)
		return err_set(err, -ENOMEM, "out of memory");
	json_object_del(plan->guest, "pack");
	return 0;
}

static int parse_version(const json_t *root, struct err *err)
{
	uint64_t version;
	int rc = json_need_u64(&version, root, "version", UINT32_MAX, err);

	if (rc)
		return rc;
	return version == PLAN_VERSION
		       ? 0
		       : err_set(err, -ENOTSUP, "version %" PRIu64 ", this client knows %d", version, PLAN_VERSION);
}

static int parse_root(struct boot_plan *plan, const json_t *root, const char *server, struct err *err)
{
	int rc = parse_version(root, err);

	if (!rc)
		rc = parse_trust(plan, root, server, err);
	if (!rc)
		rc = parse_job(plan, root, err);
	if (!rc)
		rc = parse_zeros(plan, root, err);
	if (!rc)
		rc = parse_item(plan, root, err);
	if (!rc)
		rc = parse_receipt(plan, root, err);
	if (!rc)
		rc = parse_seed(plan, root, err);
	if (!rc)
		rc = parse_guest(plan, root, server, err);
	return rc ? rc : parse_disks(plan, root, server, err);
}

int boot_plan_parse(struct boot_plan *out, const char *text, size_t len, const char *server, struct err *err)
{
	CLEANUP(json_free) json_t *root = NULL;
	CLEANUP(boot_plan_free) struct boot_plan plan = { 0 };
	int rc = json_parse_object(&root, text, len, err);

	if (!rc)
		rc = parse_root(&plan, root, server, err);
	if (rc)
		return err_wrap(err, "plan from the service");
	*out = plan;
	plan = (struct boot_plan){ 0 };
	return 0;
}

void boot_plan_free(struct boot_plan *plan)
{
	for (size_t i = 0; i < plan->disk_count; i++) {
		for (size_t j = 0; j < PLAN_URLS_MAX; j++)
			free(plan->disks[i].image.urls[j]);
		for (size_t j = 0; j < PLAN_DELTAS_MAX; j++)
			free(plan->disks[i].image.deltas[j].url);
		free(plan->disks[i].image.index_url);
	}
	free(plan->disks);
	free(plan->metadata_url);
	free(plan->targets_url);
	free(plan->pack.url);
	json_decref(plan->guest);
	*plan = (struct boot_plan){ 0 };
}
