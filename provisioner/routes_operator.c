/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_operator: what operators may ask for and change, on the unix socket and with a token on the network: the API
 * behind the vmcast command. */
#include "cleanup.h"
#include "delta_job.h"
#include "folder.h"
#include "json.h"
#include "landing_name.h"
#include "log.h"
#include "menu.h"
#include "request.h"
#include "routes_feed.h"
#include "routes_guest.h"
#include "routes_identity.h"
#include "routes_seed.h"
#include "routes_token.h"
#include "seed_machine.h"
#include "sweep.h"
#include "target_rule.h"
#include "version.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

static const char *const item_states[] = { [ITEM_ANNOUNCED] = "announced",
					   [ITEM_INGESTING] = "ingesting",
					   [ITEM_READY] = "ready",
					   [ITEM_FAILED] = "failed",
					   [ITEM_REFUSED] = "refused" };
static const char *const assignment_states[] = {
	[ASSIGNMENT_NONE] = "none", [ASSIGNMENT_ASSIGNED] = "assigned", [ASSIGNMENT_INSTALLED] = "installed"
};

static json_t *json_size(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* Seconds since 1970, or null for never. */
static json_t *json_time(int64_t value)
{
	return value ? json_integer(value) : json_null();
}

/* Fixed-size ids are empty where there is none. */
static json_t *json_id(const char *id)
{
	return id[0] ? json_string(id) : json_null();
}

static json_t *item_json(const struct store_item *item)
{
	const struct feed_item *said = &item->announced;
	json_t *json =
		json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", item->id, "feed",
			  item->feed_id, "feed_title", json_text(item->feed_title), "title", json_text(said->title),
			  "uuid", json_text(said->uuid), "description", json_text(said->description), "link",
			  json_text(said->link), "published", json_time(said->published), "url", json_text(said->url),
			  "type", json_text(said->type), "length", json_size(said->length));
	json_t *more = json_pack("{s:s, s:b, s:s, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
				 "architecture", said->arch ? said->arch : "x86_64", "digested", said->has_digest,
				 "state", item_states[item->state], "present", item->present, "proof",
				 proof_name(item->proof), "firmware", json_text(said->firmware), "image",
				 json_id(item->image_id), "disk_bytes", json_size(item->disk_bytes), "image_bytes",
				 json_size(item->image_bytes), "phase", json_text(item->phase), "done_bytes",
				 json_size(item->done_bytes), "total_bytes", json_size(item->total_bytes), "error",
				 json_text(item->error), "updated_at", json_time(item->updated_at));

	json_t *served = json_pack("{s:o, s:o, s:o, s:o, s:i}", "version",
				   item->version ? json_size(item->version) : json_null(), "newest_version",
				   item->newest ? json_size(item->newest) : json_null(), "kind",
				   item->version ? json_string(content_kind_name(item->kind)) : json_null(), "form",
				   json_text(item->form), "disk_count", (int)item->disk_count);

	json_object_update(json, more);
	json_object_update(json, served);
	json_decref(more);
	json_decref(served);
	return json;
}

static json_t *file_json(const struct content_file *file)
{
	if (!file->id[0])
		return json_null();
	return json_pack("{s:s, s:o}", "id", file->id, "bytes", json_size(file->bytes));
}

#define DELTAS_MAX 16

static json_t *deltas_json(const struct store *store, const char *id)
{
	struct delta_file files[DELTAS_MAX];
	size_t count = delta_files(files, DELTAS_MAX, store, id);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:s, s:o}", "from", files[i].from, "bytes",
						      json_size(files[i].bytes)));
	return list;
}

static json_t *disks_json(const struct store_content *content, const struct store *store)
{
	json_t *disks = json_array();

	for (size_t i = 0; i < content->disk_count; i++) {
		const struct content_disk *disk = &content->disks[i];

		json_array_append_new(disks, json_pack("{s:o, s:o, s:b, s:s, s:o, s:o, s:o, s:o}", "name",
						       json_text(disk->name), "bus", json_text(disk->bus), "boot",
						       i == 0, "image", disk->image.id, "disk_bytes",
						       json_size(disk->image.disk_bytes), "image_bytes",
						       json_size(disk->image.image_bytes), "index_bytes",
						       json_size(disk->image.index_bytes), "deltas",
						       deltas_json(store, disk->image.id)));
	}
	return disks;
}

/* What one item has beside what a list shows of it. */
static json_t *content_json(const struct store_content *content, const struct store *store)
{
	json_t *notes = json_array(), *machine = content->machine ? json_loads(content->machine, 0, NULL) : NULL;

	for (size_t i = 0; i < content->note_count; i++)
		json_array_append_new(notes, json_text(content->notes[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "disks", disks_json(content, store), "file",
			 file_json(&content->file), "initrd", file_json(&content->initrd), "cmdline",
			 json_text(content->cmdline), "machine", machine ? machine : json_null(), "notes", notes);
}

static json_t *version_json(const struct store_version *version)
{
	return json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:s, s:o, s:i, s:o, s:o, s:s}", "version",
			 json_size(version->number), "serves", version->serves, "made_at", json_time(version->made_at),
			 "title", json_text(version->title), "url", json_text(version->url), "published",
			 json_time(version->published), "kind", content_kind_name(version->kind), "form",
			 json_text(version->form), "disk_count", (int)version->disk_count, "disk_bytes",
			 json_size(version->disk_bytes), "stored_bytes", json_size(version->stored_bytes), "proof",
			 proof_name(version->proof));
}

static json_t *key_json(const char *text)
{
	return text ? json_loads(text, 0, NULL) : json_null();
}

static json_t *machine_json(const struct store_machine *machine)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
			 "s:o, s:o, s:b}",
			 "mac", machine->mac, "architecture", json_text(machine->arch), "firmware",
			 json_text(machine->firmware), "address", json_text(machine->address), "assignment",
			 assignment_states[machine->assignment], "item", json_id(machine->item_id), "item_title",
			 json_text(machine->item_title), "target", json_text(machine->target), "landing",
			 json_text(machine->landing), "grow", json_boolean(machine->grow), "seed",
			 json_text(machine->seed), "hostname", json_text(machine->hostname), "error",
			 json_text(machine->error), "installed_at", json_time(machine->installed_at), "first_seen_at",
			 json_time(machine->first_seen_at), "last_seen_at", json_time(machine->last_seen_at), "key",
			 key_json(machine->key), "key_kept", json_text(machine->key_kept), "alert",
			 json_text(machine->alert), "alert_at", json_time(machine->alert_at), "node", machine->is_node);
}

static json_t *job_json(const struct store_job *job)
{
	return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o}", "id", job->id, "mac",
			 json_id(job->mac), "item", job->item_id, "image", job->image_id, "phase",
			 json_text(job->phase), "disk", json_text(job->disk), "message", json_text(job->message),
			 "done_bytes", json_size(job->done_bytes), "total_bytes", json_size(job->total_bytes),
			 "bytes_per_s", json_size(job->bytes_per_s), "exit", job->exit, "started_at",
			 json_time(job->started_at), "updated_at", json_time(job->updated_at));
}

/* Or none that will be heard of again. */
static bool job_is_over(const struct store_job *job)
{
	return job->phase && (strcmp(job->phase, "done") == 0 || strcmp(job->phase, "failed") == 0 ||
			      strcmp(job->phase, "started") == 0);
}

static int get_index(struct request *rq, struct err *err)
{
	json_t *routes = json_array();

	for (const struct route *route = routes_operator; route->method; route++)
		json_array_append_new(routes,
				      json_pack("{s:s, s:s, s:s, s:s}", "method", route->method, "path", route->path,
						"role", role_names[route->role], "help", route->help));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:s, s:o}", "version", VMCAST_VERSION, "routes", routes), err);
}

/* How many items are in each state, and how many have an image. */
static json_t *count_items(const struct store_item_list *items)
{
	size_t counts[sizeof(item_states) / sizeof(item_states[0])] = { 0 };
	json_t *json = json_object();

	for (size_t i = 0; i < items->count; i++)
		counts[items->rows[i].state]++;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(json, item_states[i], json_size(counts[i]));
	return json;
}

static json_t *dnsmasq_json(struct dnsmasq *dnsmasq)
{
	static const char *const states[] = {
		[DNSMASQ_OFF] = "off", [DNSMASQ_RUNNING] = "running", [DNSMASQ_RESTARTING] = "restarting"
	};
	char why[DNSMASQ_WHY];
	enum dnsmasq_state state = dnsmasq_state(dnsmasq, why);

	return json_pack("{s:s, s:o}", "state", states[state], "error", json_text(why[0] ? why : NULL));
}

static int get_status(struct request *rq, struct err *err)
{
	const struct server *server = rq->server;
	CLEANUP(store_feed_list_free) struct store_feed_list feeds = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	CLEANUP(store_machine_list_free) struct store_machine_list machines = { 0 };
	CLEANUP(store_job_list_free) struct store_job_list jobs = { 0 };
	size_t failing = 0, running = 0, alerts = 0;
	int rc;

	if ((rc = store_feed_list(server->store, &feeds, err)) < 0 ||
	    (rc = store_item_list(server->store, NULL, &items, err)) < 0 ||
	    (rc = store_machine_list(server->store, &machines, err)) < 0 ||
	    (rc = store_job_list(server->store, &jobs, err)) < 0)
		return rc;
	for (size_t i = 0; i < feeds.count; i++)
		failing += feeds.rows[i].error != NULL;
	for (size_t i = 0; i < jobs.count; i++)
		running += !job_is_over(&jobs.rows[i]);
	for (size_t i = 0; i < machines.count; i++)
		alerts += machines.rows[i].alert != NULL;
	return reply_json(rq, MHD_HTTP_OK,
			  json_pack("{s:s, s:I, s:s, s:s, s:{s:o, s:o}, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o}",
				    "version", VMCAST_VERSION, "uptime_s",
				    (json_int_t)(time(NULL) - server->started_at), "url", server->config->url,
				    "state_dir", store_dir(server->store), "feeds", "count", json_size(feeds.count),
				    "failing", json_size(failing), "items", count_items(&items), "machines",
				    json_size(machines.count), "alerts", json_size(alerts), "jobs", "running",
				    json_size(running), "over", json_size(jobs.count - running), "dnsmasq",
				    dnsmasq_json(server->dnsmasq), "trust", tuf_repository_status(server->trust)),
			  err);
}

static int get_items(struct request *rq, struct err *err)
{
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	int rc = store_item_list(rq->server->store, request_query(rq, "feed"), &items, err);

	if (rc < 0)
		return rc;
	json_t *rows = json_array();

	for (size_t i = 0; i < items.count; i++)
		json_array_append_new(rows, item_json(&items.rows[i]));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:o}", "items", rows), err);
}

static int reply_item(struct request *rq, unsigned status, const char *id, struct err *err)
{
	CLEANUP(store_item_free) struct store_item item = { 0 };
	CLEANUP(store_content_free) struct store_content content = { 0 };
	int rc = store_item_get(rq->server->store, id, &item, err);

	if (!rc && item.version)
		rc = store_item_content(rq->server->store, id, item.version, &content, err);
	/* -ENOENT: another version serves since. It is shown without. */
	if (rc < 0 && !(rc == -ENOENT && item.version))
		return rc;
	json_t *json = item_json(&item), *more = content_json(&content, rq->server->store);

	json_object_update(json, more);
	json_decref(more);
	return reply_json(rq, status, json, err);
}

static int get_item(struct request *rq, struct err *err)
{
	return reply_item(rq, MHD_HTTP_OK, rq->param, err);
}

static int post_item_ingest(struct request *rq, struct err *err)
{
	int rc = store_item_ask(rq->server->store, rq->param, err);

	if (rc < 0)
		return rc;
	worker_wake_ingest(rq->server->worker);
	return reply_item(rq, MHD_HTTP_OK, rq->param, err);
}

static int get_versions(struct request *rq, struct err *err)
{
	CLEANUP(store_version_list_free) struct store_version_list versions = { 0 };
	CLEANUP(store_item_free) struct store_item item = { 0 };
	int rc = store_item_get(rq->server->store, rq->param, &item, err);

	if (!rc)
		rc = store_item_versions(rq->server->store, rq->param, &versions, err);
	if (rc < 0)
		return rc;
	json_t *rows = json_array();

	for (size_t i = 0; i < versions.count; i++)
		json_array_append_new(rows, version_json(&versions.rows[i]));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:o}", "versions", rows), err);
}

static int put_version(struct request *rq, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	uint64_t version;
	int rc;

	if ((rc = request_json(&json, rq, err)) < 0 ||
	    (rc = json_need_u64(&version, json, "version", INT64_MAX, err)) < 0 ||
	    (rc = store_item_rollback(rq->server->store, rq->param, version, err)) < 0)
		return rc;
	log_info("item %s: version %" PRIu64 " serves from now on", rq->param, version);
	return reply_item(rq, MHD_HTTP_OK, rq->param, err);
}

static json_t *verify_json(const struct verify_status *status)
{
	json_t *findings = json_array();

	for (size_t i = 0; i < status->damaged && i < VERIFY_FINDINGS_MAX; i++)
		json_array_append_new(findings, json_pack("{s:s, s:o}", "image", status->findings[i].id, "why",
							  json_text(status->findings[i].why)));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "state",
			 status->running    ? "running"
			 : status->began_at ? "over"
					    : "never",
			 "began_at", json_time(status->began_at), "ended_at", json_time(status->ended_at), "done_bytes",
			 json_size(status->done_bytes), "total_bytes", json_size(status->total_bytes), "good",
			 json_size(status->good), "damaged", json_size(status->damaged), "ingested_anew",
			 json_size(status->asked), "findings", findings, "error",
			 json_text(status->error[0] ? status->error : NULL));
}

/* What is below `folder` of the state folder. */
static int count_bytes(uint64_t *out, const struct request *rq, const char *folder, struct err *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", store_dir(rq->server->store), folder);
	return folder_bytes(path, out, err);
}

static int get_store(struct request *rq, struct err *err)
{
	CLEANUP(store_blob_list_free) struct store_blob_list blobs = { 0 };
	struct store *store = rq->server->store;
	struct verify_status verify;
	uint64_t used, spool, spare;
	struct statvfs fs;
	int rc;

	if ((rc = store_blob_list(store, &blobs, err)) < 0 || (rc = count_bytes(&used, rq, "images", err)) < 0 ||
	    (rc = count_bytes(&spool, rq, "spool", err)) < 0 || (rc = store_spare_bytes(store, &spare, err)) < 0)
		return rc;
	if (statvfs(store_dir(store), &fs) < 0)
		return err_set(err, -errno, "'%s': %s", store_dir(store), strerror(errno));
	verify_get_status(worker_verify(rq->server->worker), &verify);
	return reply_json(rq, MHD_HTTP_OK,
			  json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "state_dir", store_dir(store),
				    "image_count", json_size(blobs.count), "image_bytes", json_size(used),
				    "spare_bytes", json_size(spare), "spool_bytes", json_size(spool), "bytes_max",
				    rq->server->config->store_bytes_max ? json_size(rq->server->config->store_bytes_max)
									: json_null(),
				    "free_bytes", json_size((uint64_t)fs.f_bavail * fs.f_frsize), "verify",
				    verify_json(&verify)),
			  err);
}

static int post_verify(struct request *rq, struct err *err)
{
	int rc = verify_start(worker_verify(rq->server->worker), err);

	return rc < 0 ? rc : get_store(rq, err);
}

static int post_gc(struct request *rq, struct err *err)
{
	CLEANUP(sweep_list_free) struct sweep_list list = { 0 };
	const char *dry = request_query(rq, "dry_run");
	bool dry_run = dry && strcmp(dry, "1") == 0;

	if (dry && !dry_run && strcmp(dry, "0") != 0)
		return err_set(err, -EINVAL, "argument \"dry_run\": 0 or 1 is needed");
	int rc = sweep_collect(rq->server->store, dry_run, &list, err);
	if (rc < 0)
		return rc;
	json_t *rows = json_array();

	for (size_t i = 0; i < list.count; i++) {
		const struct sweep_entry *entry = &list.rows[i];

		json_array_append_new(rows,
				      entry->kind == SWEEP_VERSION
					      ? json_pack("{s:s, s:s, s:o, s:i}", "what", "version", "item",
							  entry->name, "version", json_size(entry->version), "bytes", 0)
					      : json_pack("{s:s, s:s, s:o}", "what", "image", "image", entry->name,
							  "bytes", json_size(entry->bytes)));
	}
	return reply_json(
		rq, MHD_HTTP_OK,
		json_pack("{s:b, s:o, s:o}", "dry_run", dry_run, "bytes", json_size(list.bytes), "removed", rows), err);
}

static int get_machines(struct request *rq, struct err *err)
{
	CLEANUP(store_machine_list_free) struct store_machine_list machines = { 0 };
	int rc = store_machine_list(rq->server->store, &machines, err);

	if (rc < 0)
		return rc;
	json_t *rows = json_array();

	for (size_t i = 0; i < machines.count; i++)
		json_array_append_new(rows, machine_json(&machines.rows[i]));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:o}", "machines", rows), err);
}

static int get_machine(struct request *rq, struct err *err)
{
	CLEANUP(store_machine_free) struct store_machine machine = { 0 };
	int rc = store_machine_get(rq->server->store, rq->param, &machine, err);

	if (rc < 0)
		return rc;
	json_t *json = machine_json(&machine), *inventory = NULL;

	if (machine.inventory)
		inventory = json_loads(machine.inventory, 0, NULL);
	json_object_set_new(json, "inventory", inventory ? inventory : json_null());
	return reply_json(rq, MHD_HTTP_OK, json, err);
}

#define TARGETS_MAX 4096 /* bytes of the rules for all disks of an item */

/* Whether there is a rule for each disk; of a guest's disks one, for all. An item that is not ingested yet cannot say how many it
 * has. */
static int check_target_count(const struct store_item *item, const char *target, const char *landing, struct err *err)
{
	CLEANUP(free_str) char *copy = strdup(target);
	const char *rules[TARGET_RULES_MAX];

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	size_t count = target_rule_split(rules, TARGET_RULES_MAX, copy);
	if (menu_is_guest(item, landing))
		return count == 1 ? 0
				  : err_set(err, -EINVAL,
					    "field \"target\": %zu rules: a guest's disks are files on one disk of its "
					    "node, which one rule chooses",
					    count);
	if (!item->disk_count || item->disk_count == count)
		return 0;
	return err_set(err, -EINVAL, "field \"target\": %zu rule%s, and the item has %u disk%s: one for each is needed",
		       count, count == 1 ? "" : "s", item->disk_count, item->disk_count == 1 ? "" : "s");
}

/* What would be made of it for this machine, which is then forgotten. */
static int check_seed(const struct request *rq, const struct store_assignment *a, const struct store_item *item,
		      struct err *err)
{
	CLEANUP(seed_document_done) struct seed_document document = { 0 };
	struct store_machine machine = { .seed = (char *)a->seed, .hostname = (char *)a->hostname };
	int rc;

	snprintf(machine.mac, sizeof(machine.mac), "%.17s", rq->param);
	rc = seed_machine_make(&document, rq->server->config, rq->server->store, &machine, item, err);
	return rc == -ENOENT ? (err->code = -EINVAL) : rc;
}

static int put_assignment(struct request *rq, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	CLEANUP(store_item_free) struct store_item item = { 0 };
	const char *id, *target = NULL, *landing = NULL, *seed = NULL, *hostname = NULL;
	bool grow = false;
	struct store *store = rq->server->store;
	int rc;

	if ((rc = request_json(&json, rq, err)) < 0 || (rc = json_need_string(&id, json, "item", 64, err)) < 0 ||
	    (rc = json_want_string(&target, json, "target", TARGETS_MAX, err)) < 0 ||
	    (rc = json_want_string(&landing, json, "landing", 64, err)) < 0 ||
	    (rc = json_want_bool(&grow, json, "grow", err)) < 0 ||
	    (rc = json_want_string(&seed, json, "seed", SEED_NAME_MAX, err)) < 0 ||
	    (rc = json_want_string(&hostname, json, "hostname", 255, err)) < 0)
		return rc;
	if (hostname && seed_check_hostname(hostname, err) < 0)
		return err_wrap(err, "field \"hostname\"");
	if (landing && landing_name_check(landing, err) < 0)
		return err_wrap(err, "field \"landing\"");
	if (target && target_rules_check(target, err) < 0)
		return err_wrap(err, "field \"target\"");
	rc = store_item_get(store, id, &item, err);
	if (rc < 0)
		return err_wrap(err, "field \"item\"");
	rc = target ? check_target_count(&item, target, landing, err) : 0;
	if (rc < 0)
		return rc;
	const struct store_assignment assignment = { id, target, landing, grow, seed, hostname };
	rc = seed ? check_seed(rq, &assignment, &item, err) : 0;
	if (rc < 0)
		return err_wrap(err, "field \"seed\"");
	rc = store_machine_assign(store, rq->param, &assignment, err);
	if (rc < 0)
		return rc;
	log_info("machine %s: assigned item %s", rq->param, id);
	return get_machine(rq, err);
}

static int delete_assignment(struct request *rq, struct err *err)
{
	int rc = store_machine_release(rq->server->store, rq->param, err);

	if (rc < 0)
		return rc;
	log_info("machine %s: released", rq->param);
	return reply_empty(rq, MHD_HTTP_NO_CONTENT, err);
}

static int get_jobs(struct request *rq, struct err *err)
{
	CLEANUP(store_job_list_free) struct store_job_list jobs = { 0 };
	int rc = store_job_list(rq->server->store, &jobs, err);

	if (rc < 0)
		return rc;
	json_t *rows = json_array();

	for (size_t i = 0; i < jobs.count; i++)
		json_array_append_new(rows, job_json(&jobs.rows[i]));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:o}", "jobs", rows), err);
}

const struct route routes_operator[] = {
	{ "GET", "/", get_index, "this table", ROLE_VIEW },
	{ "GET", "/v1/status", get_status, "counts and what is wrong", ROLE_VIEW },
	{ "GET", "/v1/feeds", routes_feed_list, "all feeds", ROLE_VIEW },
	{ "POST", "/v1/feeds", routes_feed_add, "add a feed: {\"url\", \"options\"}", ROLE_ADMIN },
	{ "GET", "/v1/feeds/{id}", routes_feed_get, "one feed, with the notes of its last document", ROLE_VIEW },
	{ "PATCH", "/v1/feeds/{id}", routes_feed_set, "change a feed's options: {\"options\"}", ROLE_ADMIN },
	{ "POST", "/v1/feeds/{id}/refresh", routes_feed_refresh, "fetch a feed now", ROLE_OPERATE },
	{ "DELETE", "/v1/feeds/{id}", routes_feed_remove, "remove a feed and its items", ROLE_ADMIN },
	{ "GET", "/v1/items", get_items, "all items, or those of ?feed=ID", ROLE_VIEW },
	{ "GET", "/v1/items/{id}", get_item, "one item", ROLE_VIEW },
	{ "POST", "/v1/items/{id}/ingest", post_item_ingest, "make the item's image (again)", ROLE_OPERATE },
	{ "GET", "/v1/items/{id}/versions", get_versions, "the versions of an item that are kept, newest first",
	  ROLE_VIEW },
	{ "PUT", "/v1/items/{id}/version", put_version, "let a version serve: {\"version\"}", ROLE_OPERATE },
	{ "GET", "/v1/store", get_store, "what images take, and how they were last verified", ROLE_VIEW },
	{ "POST", "/v1/store/verify", post_verify, "compare all images with their digests", ROLE_OPERATE },
	{ "POST", "/v1/store/gc", post_gc, "remove what nothing wants; ?dry_run=1 only tells", ROLE_OPERATE },
	{ "GET", "/v1/machines", get_machines, "all machines that were seen or assigned", ROLE_VIEW },
	{ "GET", "/v1/machines/{mac}", get_machine, "one machine, with its inventory", ROLE_VIEW },
	{ "PUT", "/v1/machines/{mac}/assignment", put_assignment,
	  "let a machine install an item: {\"item\", \"target\", \"landing\", \"grow\", \"seed\", \"hostname\"}",
	  ROLE_OPERATE },
	{ "DELETE", "/v1/machines/{mac}/assignment", delete_assignment, "take the assignment back", ROLE_OPERATE },
	{ "DELETE", "/v1/machines/{mac}/key", routes_identity_forget_key,
	  "forget by which key the machine is known, and its alert", ROLE_ADMIN },
	{ "GET", "/v1/seeds", routes_seed_list, "what there is for first boots, and what is wrong with it", ROLE_VIEW },
	{ "GET", "/v1/seeds/{file}", routes_seed_get, "one seed, without what is in it", ROLE_VIEW },
	{ "GET", "/v1/receipts", routes_identity_receipts, "what machines have signed for; ?machine=MAC: of one",
	  ROLE_VIEW },
	{ "GET", "/v1/receipts/{hash}", routes_identity_receipt, "one receipt", ROLE_VIEW },
	{ "GET", "/v1/tokens", routes_token_list, "the operators' tokens, without themselves", ROLE_ADMIN },
	{ "POST", "/v1/tokens", routes_token_create, "make a token: {\"name\", \"role\", \"expires_s\"}", ROLE_ADMIN },
	{ "DELETE", "/v1/tokens/{file}", routes_token_revoke, "revoke the token of this name", ROLE_ADMIN },
	{ "GET", "/v1/guests", routes_guest_list, "guests on their nodes; ?node=MAC: of one", ROLE_VIEW },
	{ "GET", "/v1/guests/{guest}", routes_guest_get, "one guest", ROLE_VIEW },
	{ "PUT", "/v1/guests/{guest}/wanted", routes_guest_want,
	  "let a guest run or stop: {\"wanted\": \"running\" or \"stopped\"}", ROLE_OPERATE },
	{ "GET", "/v1/guests/{guest}/console", routes_guest_read, "what a guest's console said; ?from=OFFSET",
	  ROLE_OPERATE },
	{ "POST", "/v1/guests/{guest}/console", routes_guest_type, "type on a guest's console: {\"data\"}",
	  ROLE_OPERATE },
	{ "GET", "/v1/jobs", get_jobs, "what machines write, or wrote", ROLE_VIEW },
	{ NULL, NULL, NULL, NULL, 0 },
};
