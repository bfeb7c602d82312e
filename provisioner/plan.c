/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan: see plan.h */
#include "plan.h"

#include "cleanup.h"
#include "delta_job.h"
#include "demand.h"
#include "digest.h"
#include "env_files.h"
#include "guest_plan.h"
#include "identity.h"
#include "json.h"
#include "log.h"
#include "menu.h"
#include "seed_machine.h"
#include "target_rule.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PLAN_VERSION 1
#define DISKS_MAX    256
#define DELTAS_MAX   8
#define WAIT_S       "2" /* how often a client asks again while its item is being ingested */

/* A plan request, checked. Strings are borrowed from the JSON document. */
struct plan_request {
	const char *item_id; /* asked for, or, if that was left out, what the machine is assigned */
	const char *arch;    /* NULL: a host run that did not say */
	const char *firmware;
	struct store_macs macs; /* of the machine; first the one that is assigned the item, if any */
	const char *target;     /* rules of that assignment, NULL: none; borrowed from `machine` */
	const char *landing;    /* of it, or chosen in the machine's menu; NULL: the item's */
	struct store_machine machine;
	uint64_t memory_bytes;    /* 0: not said */
	uint64_t disk_bytes_most; /* of the largest disk, 0: not said */
};

static void plan_request_done(struct plan_request *p)
{
	store_machine_free(&p->machine);
}

static int check_id(const char *id, struct err *err)
{
	if (strlen(id) != STORE_ID_CHARS - 1 || strspn(id, "0123456789abcdef") != STORE_ID_CHARS - 1)
		return err_set(err, -EINVAL, "field \"item\": '%.40s' is no item id (16 hex digits)", id);
	return 0;
}

static int check_word(const char *field, const char *value, const char *const *allowed, struct err *err)
{
	for (const char *const *word = allowed; *word; word++)
		if (strcmp(value, *word) == 0)
			return 0;
	return err_set(err, -EINVAL, "field \"%s\": '%.40s' is not known; %s and %s are", field, value, allowed[0],
		       allowed[1]);
}

/* Nothing was asked for, and nothing is assigned. */
static int refuse_unassigned(const struct plan_request *p, struct err *err)
{
	if (!p->macs.count)
		return err_set(err, -EINVAL, "field \"item\": only a machine, which has \"macs\", may leave it out");
	return err_set(
		err, -EALREADY,
		"no item is assigned to machine %s, and its boot image takes no choice from a menu: vmcast machine "
		"assign %s ITEM",
		p->macs.macs[0], p->macs.macs[0]);
}

/*
 * Of the machine's addresses the first whose row is assigned this item, or any if none was asked for, decides, and names the
 * machine.
 */
static int find_assignment(struct plan_request *p, struct store *store, struct err *err)
{
	char swapped[STORE_MAC_CHARS];

	for (size_t i = 0; i < p->macs.count; i++) {
		CLEANUP(store_machine_free) struct store_machine machine = { 0 };
		int rc = store_machine_get(store, p->macs.macs[i], &machine, err);

		if (rc < 0 && rc != -ENOENT)
			return rc;
		if (machine.assignment != ASSIGNMENT_ASSIGNED ||
		    (p->item_id && strcmp(machine.item_id, p->item_id) != 0))
			continue;
		p->machine = machine;
		p->item_id = p->machine.item_id;
		p->target = machine.target;
		p->landing = machine.landing;
		machine = (struct store_machine){ 0 };
		memcpy(swapped, p->macs.macs[0], sizeof(swapped));
		memcpy(p->macs.macs[0], p->macs.macs[i], sizeof(swapped));
		memcpy(p->macs.macs[i], swapped, sizeof(swapped));
		return 0;
	}
	return p->item_id ? 0 : refuse_unassigned(p, err);
}

static int parse_hardware(struct plan_request *p, const json_t *json, struct err *err)
{
	const json_t *disks = json_object_get(json, "disks"), *disk;
	const char *client;
	size_t nr;
	int rc;

	if ((rc = json_want_u64(&p->memory_bytes, json, "memory_bytes", INT64_MAX, err)) < 0 ||
	    (rc = json_want_string(&client, json, "client", 256, err)) < 0)
		return rc;
	if (json_array_size(disks) > DISKS_MAX)
		return err_set(err, -EINVAL, "field \"disks\": more than %d disks", DISKS_MAX);
	json_array_foreach(disks, nr, disk)
	{
		uint64_t bytes = 0;

		if ((rc = json_want_u64(&bytes, disk, "bytes", INT64_MAX, err)) < 0)
			return err_wrap(err, "field \"disks\": entry %zu", nr);
		if (bytes > p->disk_bytes_most)
			p->disk_bytes_most = bytes;
	}
	return 0;
}

static int parse_request(struct plan_request *p, const json_t *json, struct store *store, struct err *err)
{
	static const char *const archs[] = { "x86_64", "aarch64", NULL }, *const firmwares[] = { "bios", "uefi", NULL };
	uint64_t version;
	int rc;

	if ((rc = json_need_u64(&version, json, "version", 1000, err)) < 0)
		return rc;
	if (version != PLAN_VERSION)
		return err_set(err, -EINVAL, "field \"version\": %" PRIu64 " is not spoken here, only %d", version,
			       PLAN_VERSION);
	if ((rc = json_want_string(&p->item_id, json, "item", 256, err)) < 0 ||
	    (p->item_id && (rc = check_id(p->item_id, err)) < 0) ||
	    (rc = json_want_string(&p->arch, json, "arch", 256, err)) < 0 ||
	    (rc = json_want_string(&p->firmware, json, "firmware", 256, err)) < 0)
		return rc;
	if (p->arch && (rc = check_word("arch", p->arch, archs, err)) < 0)
		return rc;
	if (p->firmware && (rc = check_word("firmware", p->firmware, firmwares, err)) < 0)
		return rc;
	if ((rc = parse_hardware(p, json, err)) < 0 || (rc = identity_read_macs(&p->macs, json, err)) < 0)
		return rc;
	return find_assignment(p, store, err);
}

/* Memory and disk as its publisher says that the item needs them. A request that does not tell is not judged. */
static int check_hardware(const struct store_item *item, const struct plan_request *p, struct err *err)
{
	const struct store_needs *said = &item->needs;
	char needed[UNITS_TEXT], there[UNITS_TEXT];

	/* A kernel counts what is left after itself and the firmware; an eighth is more than they take. */
	if (p->memory_bytes && p->memory_bytes + p->memory_bytes / 8 < said->memory_bytes_min)
		return err_set(err, -EALREADY, "item %s needs %s of memory, this machine has %s", item->id,
			       units_bytes(needed, said->memory_bytes_min), units_bytes(there, p->memory_bytes));
	if (p->disk_bytes_most && p->disk_bytes_most < said->disk_bytes_min)
		return err_set(err, -EALREADY, "item %s needs a disk of %s, the largest of this machine has %s",
			       item->id, units_bytes(needed, said->disk_bytes_min),
			       units_bytes(there, p->disk_bytes_most));
	return 0;
}

/* Whether the item is for disks, as far as that is known: what it is made of shows when it is ingested. */
static int check_kind(const struct store_item *item, struct err *err)
{
	if (item->version && !item->disk_count)
		return err_set(err, -EALREADY, "item %s is of kind %s: there is nothing in it to write to a disk%s",
			       item->id, content_kind_name(item->kind),
			       item->kind == ITEM_ROOTFS ? "" : "; a machine starts it from its boot menu");
	return 0;
}

static bool lands_as_guest(const struct store_item *item, const struct plan_request *p)
{
	return menu_is_guest(item, p->landing);
}

/* Of a guest's node: the guest has firmware, and perhaps an architecture, of its own. */
static int check_node(const struct store_item *item, const struct plan_request *p, struct err *err)
{
	if (p->arch && strcmp(p->arch, "x86_64") != 0)
		return err_set(err, -EALREADY, "item %s is to be a guest: nodes are x86_64, this machine is %s",
			       item->id, p->arch);
	return check_hardware(item, p, err);
}

/* Whether the item is there, and for this machine. */
static int check_item(const struct store_item *item, const struct plan_request *p, struct err *err)
{
	const char *arch = item->needs.arch ? item->needs.arch : "x86_64";
	char quoted[256];

	if (!item->version) {
		log_quote(quoted, sizeof(quoted), item->announced.title);
		if (store_item_is_stuck(item))
			return err_set(err, -EALREADY, "item %s '%s' has no image: its ingest failed: %s", item->id,
				       quoted, item->error ? item->error : "");
		return err_set(err, -EALREADY,
			       "item %s '%s' has no image, and its feed's are only ingested when an operator says so: "
			       "vmcast item ingest %s",
			       item->id, quoted, item->id);
	}
	if (lands_as_guest(item, p))
		return check_node(item, p, err);
	if (p->arch && strcmp(p->arch, arch) != 0)
		return err_set(err, -EALREADY, "item %s is for %s, this machine is %s", item->id, arch, p->arch);
	if (p->firmware && item->needs.firmware && strcmp(p->firmware, item->needs.firmware) != 0)
		return err_set(err, -EALREADY, "item %s is for %s, this machine is %s", item->id, item->needs.firmware,
			       p->firmware);
	return check_hardware(item, p, err);
}

/* Room for everything of an inventory but its disks: STORE_MACS_MAX addresses and a few numbers and names. */
#define INVENTORY_HEAD_MAX 3072

/* As many disks as there is room for; of the others only how many they are. */
static void add_disks(json_t *inventory, const json_t *disks)
{
	size_t left = STORE_INVENTORY_MAX - INVENTORY_HEAD_MAX, nr;
	json_t *kept = json_array(), *disk;

	json_array_foreach(disks, nr, disk)
	{
		size_t bytes = json_dumpb(disk, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) + 1;

		if (bytes > left)
			break;
		left -= bytes;
		json_array_append(kept, disk);
	}
	if (json_array_size(kept) < json_array_size(disks))
		json_object_set_new(inventory, "disks_left_out",
				    json_integer((json_int_t)(json_array_size(disks) - json_array_size(kept))));
	json_object_set_new(inventory, "disks", kept);
}

/* What the operator sees of the machine's hardware: the request's own fields, checked, and no others. */
static char *inventory_of(const json_t *json)
{
	static const char *const kept[] = { "macs", "arch", "firmware", "memory_bytes", "client" };
	CLEANUP(json_free) json_t *inventory = json_object();

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (json_object_get(json, kept[i]))
			json_object_set(inventory, kept[i], json_object_get(json, kept[i]));
	if (json_is_array(json_object_get(json, "disks")))
		add_disks(inventory, json_object_get(json, "disks"));
	return json_dumps(inventory, JSON_COMPACT);
}

/* Where else the image is: at `path` below each mirror's URL. */
static json_t *mirrors_json(const struct config *config, const char *path)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->mirrors.count; i++) {
		const char *base = config->mirrors.items[i];
		int len = (int)strlen(base);

		json_array_append_new(list, json_sprintf("%.*s%s", base[len - 1] == '/' ? len - 1 : len, base, path));
	}
	return list;
}

static json_t *deltas_json(const struct store *store, const char *id)
{
	struct delta_file files[DELTAS_MAX];
	size_t count = delta_files(files, DELTAS_MAX, store, id);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *delta = json_pack("{s:s, s:I}", "from", files[i].from, "bytes", (json_int_t)files[i].bytes);

		json_object_set_new(delta, "url", json_sprintf("/deltas/%s", files[i].name));
		json_array_append_new(list, delta);
	}
	return list;
}

static json_t *image_json(const struct store_image *image, const struct server *server)
{
	char url[128], index_url[128], digest[DIGEST_HEX + 8];

	snprintf(url, sizeof(url), "/images/%s/image.zst", image->id);
	snprintf(index_url, sizeof(index_url), "/images/%s/index", image->id);
	/* An image is named by its index: the id is the digest. */
	snprintf(digest, sizeof(digest), "sha256:%s", image->id);
	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:I, s:I, s:I}", "id", image->id, "url", url, "mirrors",
			 mirrors_json(server->config, url), "deltas", deltas_json(server->store, image->id),
			 "index_url", index_url, "index_digest", digest, "index_bytes", (json_int_t)image->index_bytes,
			 "disk_bytes", (json_int_t)image->disk_bytes, "image_bytes", (json_int_t)image->image_bytes);
}

/*
 * An item's disks with the rules for their targets: all of them, or, where they are not as many as the disks, none, so
 * that the client refuses and says what there is to choose from. A guest's one rule chooses the node's disk.
 */
static json_t *disks_json(const struct store_content *content, const char *target, bool is_guest,
			  const struct server *server)
{
	CLEANUP(free_str) char *text = target ? strdup(target) : NULL;
	const char *rules[TARGET_RULES_MAX];
	size_t count = text ? target_rule_split(rules, TARGET_RULES_MAX, text) : 0;
	json_t *list = json_array();

	for (size_t i = 0; i < content->disk_count; i++) {
		const struct content_disk *disk = &content->disks[i];

		const char *rule = is_guest ? target : count == content->disk_count ? rules[i] : NULL;

		json_array_append_new(list, json_pack("{s:o, s:o, s:b, s:o, s:o}", "name", json_text(disk->name), "bus",
						      json_text(disk->bus), "boot", i == 0, "target", json_text(rule),
						      "image", image_json(&disk->image, server)));
	}
	return list;
}

/*
 * An item of several disks has no "image" in its plan: a client that knows one disk only must refuse it, not write a part
 * of it.
 */
static json_t *plan_json(const struct store_item *item, const struct store_content *content, const char *target,
			 const char *landing, const char *job, const char *ticket, bool is_signed,
			 const struct server *server)
{
	json_t *plan =
		json_pack("{s:i, s:s, s:s, s:{s:s, s:o, s:o, s:I}, s:s, s:s, s:n}", "version", PLAN_VERSION, "job", job,
			  "ticket", ticket, "item", "id", item->id, "title", json_text(item->announced.title), "uuid",
			  json_text(item->announced.uuid), "version", (json_int_t)item->version, "zeros",
			  zeros_policy_names[server->config->zeros], "landing", landing, "trust");

	if (is_signed)
		json_object_set_new(plan, "trust",
				    json_pack("{s:s, s:s}", "metadata_url", "/tuf/metadata/", "targets_url",
					      "/tuf/targets/"));
	if (content->disk_count > 1) {
		json_object_set_new(plan, "disks", disks_json(content, target, strcmp(landing, "guest") == 0, server));
	} else {
		json_object_set_new(plan, "image", image_json(&content->disks[0].image, server));
		json_object_set_new(plan, "target", json_text(target));
	}
	return plan;
}

/* Not a failure to the client, which shows how far it is and asks again. */
static int reply_wait(struct request *rq, const struct store_item *item, struct err *err)
{
	bool runs = item->state == ITEM_INGESTING;
	char message[128];

	snprintf(message, sizeof(message), "item %s has no image yet: it is %s", item->id,
		 runs ? "being ingested" : "waiting to be ingested");
	int rc = reply_json(rq, MHD_HTTP_SERVICE_UNAVAILABLE,
			    json_pack("{s:s, s:{s:o, s:I, s:I}}", "error", message, "ingest", "phase",
				      json_text(runs && item->phase ? item->phase : "waiting"), "done",
				      (json_int_t)(runs ? item->done_bytes : 0), "total",
				      (json_int_t)(runs ? item->total_bytes : 0)),
			    err);
	if (!rc)
		MHD_add_response_header(rq->response, "Retry-After", WAIT_S);
	return rc;
}

static int make_job(char id[static STORE_ID_CHARS], char ticket[static STORE_TICKET_CHARS], const struct request *rq,
		    const struct plan_request *p, const struct store_claim *claim, const struct store_item *item,
		    const json_t *json, struct err *err)
{
	CLEANUP(free_str) char *inventory = inventory_of(json);
	char address[64];
	int rc;

	request_address(address, rq);
	if (p->macs.count &&
	    (rc = store_machine_seen(rq->server->store, p->macs.macs[0], p->arch, p->firmware, address, err)) < 0)
		return rc;
	rc = store_job_new(rq->server->store, &p->macs, item->id, item->version, inventory, claim, id, ticket, err);
	if (rc == -ESTALE)
		return err_set(err, -EAGAIN, "item %s has just got another version", item->id);
	return rc;
}

/* Rules of an assignment made before anybody knew how many disks the item has. The configuration's rule is for one. */
static int check_rules(const struct plan_request *p, const struct store_item *item, struct err *err)
{
	CLEANUP(free_str) char *text = p->target ? strdup(p->target) : NULL;
	const char *rules[TARGET_RULES_MAX];
	size_t count = text ? target_rule_split(rules, TARGET_RULES_MAX, text) : item->disk_count;

	if (p->target && !text)
		return err_set(err, -ENOMEM, "out of memory");
	if (lands_as_guest(item, p))
		return !text || count == 1
			       ? 0
			       : err_set(err, -EALREADY,
					 "the assignment has %zu rules: a guest's disks are files on one disk "
					 "of its node, which one rule chooses",
					 count);
	if (count == item->disk_count)
		return 0;
	return err_set(err, -EALREADY,
		       "the assignment has %zu rule%s, item %s has %u disk%s: one for each is needed: vmcast machine "
		       "assign %s %s --target RULE%s",
		       count, count == 1 ? "" : "s", item->id, item->disk_count, item->disk_count == 1 ? "" : "s",
		       p->macs.macs[0], item->id, item->disk_count > 1 ? " --target RULE ..." : "");
}

/* A machine that checks signatures takes no rule that nobody signed: that of the configuration is signed with an assignment. */
static const char *rules_of(const struct plan_request *p, bool is_signed, const struct config *config)
{
	if (p->target || (is_signed && !p->machine.mac[0]))
		return p->target;
	return config->target;
}

static const char *describe_key(const struct store_claim *claim)
{
	if (!claim->key)
		return "without a key";
	return claim->is_durable ? "with the machine's key" : "with a key of this boot";
}

/* Empty without a key: then there are none. */
static int last_receipt(char out[static STORE_HASH_CHARS], const struct store_claim *claim, struct store *store,
			struct err *err)
{
	char chain[STORE_CHAIN_CHARS];

	out[0] = '\0';
	if (!claim->key)
		return 0;
	store_claim_chain(chain, claim);
	return store_receipt_last(store, chain, out, err);
}

/* null: the machine gets none. One that cannot be made keeps the machine from being written: it would come up without. */
static int seed_json(json_t **out, const struct plan_request *p, const struct store_item *item,
		     const struct server *server, struct err *err)
{
	CLEANUP(seed_document_done) struct seed_document document = { 0 };

	*out = json_null();
	if (!p->machine.seed)
		return 0;
	int rc = seed_machine_make(&document, server->config, server->store, &p->machine, item, err);
	if (rc)
		return rc == -ENOENT || rc == -EINVAL ? (err->code = -EALREADY) : rc;
	*out = json_pack("{s:s, s:o}", "name", p->machine.seed, "digest", json_sprintf("sha256:%s", document.digest));
	return 0;
}

/* NULL: it lands otherwise. */
static int guest_json(json_t **out, const struct plan_request *p, const struct store_item *item,
		      const struct store_content *content, const struct server *server, struct err *err)
{
	const char *dir = server->config->env_dir;
	enum env_file pack = ENV_HYPERVISOR;
	CLEANUP(json_free) json_t *guest = NULL;
	char hex[DIGEST_HEX];
	uint64_t bytes;

	if (!lands_as_guest(item, p))
		return 0;
	int rc = guest_plan_make(&guest, item, content, err);
	if (rc < 0)
		return rc;
	if (strcmp(json_string_value(json_object_get(guest, "arch")), "aarch64") == 0)
		pack = ENV_HYPERVISOR_ARM64;
	rc = env_file_digest(&bytes, hex, server->env, pack, dir, err);
	if (rc == -ENOENT)
		return err_set(
			err, -EALREADY,
			"item %s as a guest: there is no hypervisor pack '%s/%s': make hypervisor%s, make install",
			item->id, dir, env_file_name(pack), pack == ENV_HYPERVISOR_ARM64 ? " ARM64=1" : "");
	if (rc < 0)
		return rc;
	json_object_set_new(guest, "pack",
			    json_pack("{s:o, s:s, s:I}", "url", json_sprintf("/env/%s", env_file_name(pack)), "sha256",
				      hex, "bytes", (json_int_t)bytes));
	*out = TAKE(guest);
	return 0;
}

/* Who the service takes the machine for, and what its receipt follows. */
static void add_identity(json_t *plan, const struct store_claim *claim, const char *previous)
{
	json_object_set_new(plan, "machine", json_text(claim->mac));
	if (claim->key)
		json_object_set_new(plan, "receipt",
				    json_pack("{s:o}", "previous", json_text(previous[0] ? previous : NULL)));
}

int plan_make(struct request *rq, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	CLEANUP(plan_request_done) struct plan_request p = { 0 };
	CLEANUP(identity_done) struct identity who = { 0 };
	CLEANUP(store_item_free) struct store_item item = { 0 };
	CLEANUP(store_content_free) struct store_content content = { 0 };
	CLEANUP(json_free) json_t *seed = NULL;
	CLEANUP(json_free) json_t *guest = NULL;
	char job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS], previous[STORE_HASH_CHARS], quoted[256];
	struct store *store = rq->server->store;
	int rc, is_signed = 0;

	if ((rc = request_json(&json, rq, err)) < 0 || (rc = parse_request(&p, json, store, err)) < 0)
		return rc;
	if (!p.machine.mac[0])
		p.landing = identity_landing(rq, json, p.item_id, &p.macs);
	if ((rc = identity_admit(&who, rq, json, p.item_id, &p.macs, err)) < 0 ||
	    (rc = store_item_get(store, p.item_id, &item, err)) < 0 || (rc = check_kind(&item, err)) < 0)
		return rc;
	if (demand_item(rq->server, &item))
		return reply_wait(rq, &item, err);
	if ((rc = check_item(&item, &p, err)) < 0 || (rc = check_rules(&p, &item, err)) < 0 ||
	    (rc = store_item_content(store, item.id, item.version, &content, err)) < 0 ||
	    (rc = seed_json(&seed, &p, &item, rq->server, err)) < 0 ||
	    (rc = guest_json(&guest, &p, &item, &content, rq->server, err)) < 0 ||
	    (is_signed = tuf_repository_settle(rq->server->trust, err)) < 0)
		return is_signed < 0 ? is_signed : rc;
	/* After it is signed: a job is made only of what serves still. */
	if ((rc = make_job(job, ticket, rq, &p, &who.claim, &item, json, err)) < 0 ||
	    (rc = last_receipt(previous, &who.claim, store, err)) < 0)
		return rc;
	if (guest && (rc = store_job_is_guests(store, job, err)) < 0)
		return rc;
	log_info("job %s: plan for %s at %s, %s: item %s '%s'", job, who.claim.mac ? who.claim.mac : "a host",
		 who.address, describe_key(&who.claim), item.id,
		 log_quote(quoted, sizeof(quoted), item.announced.title));
	const char *landing = menu_landing(&item, p.landing);
	json_t *plan = plan_json(&item, &content, rules_of(&p, is_signed, rq->server->config), landing, job, ticket,
				 is_signed, rq->server);
	add_identity(plan, &who.claim, previous);
	json_object_set(plan, "seed", seed);
	if (guest)
		json_object_set(plan, "guest", guest);
	json_object_set_new(plan, "grow", json_boolean(p.machine.grow));
	return reply_json(rq, MHD_HTTP_OK, plan, err);
}

static void log_report(const char *id, const struct store_job *report)
{
	char message[256];

	log_quote(message, sizeof(message), report->message ? report->message : "");
	if (report->exit || strcmp(report->phase, "failed") == 0)
		log_warn("job %s: failed with exit %d: %s", id, report->exit, message);
	else
		log_info("job %s: %s, %" PRIu64 " of %" PRIu64 " bytes%s%s", id, report->phase, report->done_bytes,
			 report->total_bytes, message[0] ? "; " : "", message);
}

int plan_report(struct request *rq, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	const char *phase, *disk = NULL, *message = NULL, *ticket = request_bearer(rq);
	CLEANUP(identity_report_done) struct identity_report identity = { 0 };
	struct store_job report = { 0 };
	uint64_t status = 0;
	int rc;

	if (!ticket)
		return err_set(err, -EACCES, "a report needs its job's ticket (Authorization: Bearer)");
	if ((rc = request_json(&json, rq, err)) < 0 || (rc = json_need_string(&phase, json, "phase", 32, err)) < 0 ||
	    (rc = json_want_string(&disk, json, "disk", 128, err)) < 0 ||
	    (rc = json_want_string(&message, json, "message", 4096, err)) < 0 ||
	    (rc = json_want_u64(&report.done_bytes, json, "bytes_done", INT64_MAX, err)) < 0 ||
	    (rc = json_want_u64(&report.total_bytes, json, "bytes_total", INT64_MAX, err)) < 0 ||
	    (rc = json_want_u64(&report.bytes_per_s, json, "bytes_per_s", INT64_MAX, err)) < 0 ||
	    (rc = json_want_u64(&status, json, "exit", 255, err)) < 0 ||
	    (rc = identity_check_report(&identity, rq, json, phase, err)) < 0)
		return rc;
	/* Borrowed: the store copies what it keeps. */
	report.phase = (char *)phase;
	report.disk = (char *)disk;
	report.message = (char *)message;
	report.exit = (int)status;
	report.seq = identity.seq;
	report.digest = identity.digest;
	report.receipt = identity.has_receipt ? &identity.receipt : NULL;
	rc = store_job_report(rq->server->store, rq->param, ticket, &report, err);
	if (rc < 0)
		return rc;
	if (rc > 0)
		log_report(rq->param, &report);
	return reply_empty(rq, MHD_HTTP_NO_CONTENT, err);
}
