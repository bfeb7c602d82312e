/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_operator: what operators may ask for and change, on the unix socket: the API behind the vmcast command. */
#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "request.h"
#include "routes_feed.h"
#include "target_rule.h"
#include "version.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const char *const item_states[] = {
	[ITEM_ANNOUNCED] = "announced", [ITEM_INGESTING] = "ingesting", [ITEM_READY] = "ready", [ITEM_FAILED] = "failed"
};
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
	json_t *more = json_pack("{s:s, s:b, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
				 "architecture", said->arch ? said->arch : "x86_64", "digested", said->has_digest,
				 "state", item_states[item->state], "present", item->present, "signed", item->is_signed,
				 "firmware", json_text(said->firmware), "image", json_id(item->image_id), "disk_bytes",
				 json_size(item->disk_bytes), "image_bytes", json_size(item->image_bytes), "phase",
				 json_text(item->phase), "done_bytes", json_size(item->done_bytes), "total_bytes",
				 json_size(item->total_bytes), "error", json_text(item->error), "updated_at",
				 json_time(item->updated_at));

	json_object_update(json, more);
	json_decref(more);
	return json;
}

static json_t *machine_json(const struct store_machine *machine)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "mac", machine->mac,
			 "architecture", json_text(machine->arch), "firmware", json_text(machine->firmware), "address",
			 json_text(machine->address), "assignment", assignment_states[machine->assignment], "item",
			 json_id(machine->item_id), "item_title", json_text(machine->item_title), "target",
			 json_text(machine->target), "error", json_text(machine->error), "installed_at",
			 json_time(machine->installed_at), "first_seen_at", json_time(machine->first_seen_at),
			 "last_seen_at", json_time(machine->last_seen_at));
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

static bool job_is_over(const struct store_job *job)
{
	return job->phase && (strcmp(job->phase, "done") == 0 || strcmp(job->phase, "failed") == 0);
}

static int get_index(struct request *rq, struct err *err)
{
	json_t *routes = json_array();

	for (const struct route *route = routes_operator; route->method; route++)
		json_array_append_new(routes, json_pack("{s:s, s:s, s:s}", "method", route->method, "path", route->path,
							"help", route->help));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:s, s:o}", "version", VMCAST_VERSION, "routes", routes), err);
}

/* How many items are in each state, and how many have an image. */
static json_t *count_items(const struct store_item_list *items)
{
	size_t counts[] = { [ITEM_ANNOUNCED] = 0, [ITEM_INGESTING] = 0, [ITEM_READY] = 0, [ITEM_FAILED] = 0 };
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
	size_t failing = 0, running = 0;
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
	return reply_json(rq, MHD_HTTP_OK,
			  json_pack("{s:s, s:I, s:s, s:s, s:{s:o, s:o}, s:o, s:o, s:{s:o, s:o}, s:o}", "version",
				    VMCAST_VERSION, "uptime_s", (json_int_t)(time(NULL) - server->started_at), "url",
				    server->config->url, "state_dir", store_dir(server->store), "feeds", "count",
				    json_size(feeds.count), "failing", json_size(failing), "items", count_items(&items),
				    "machines", json_size(machines.count), "jobs", "running", json_size(running),
				    "over", json_size(jobs.count - running), "dnsmasq", dnsmasq_json(server->dnsmasq)),
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
	int rc = store_item_get(rq->server->store, id, &item, err);

	return rc < 0 ? rc : reply_json(rq, status, item_json(&item), err);
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

static int put_assignment(struct request *rq, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	CLEANUP(store_item_free) struct store_item item = { 0 };
	const char *id, *target = NULL;
	struct store *store = rq->server->store;
	int rc;

	if ((rc = request_json(&json, rq, err)) < 0 || (rc = json_need_string(&id, json, "item", 64, err)) < 0 ||
	    (rc = json_want_string(&target, json, "target", 512, err)) < 0)
		return rc;
	if (target && target_rule_check(target, err) < 0)
		return err_wrap(err, "field \"target\"");
	rc = store_item_get(store, id, &item, err);
	if (rc < 0)
		return err_wrap(err, "field \"item\"");
	rc = store_machine_assign(store, rq->param, id, target, err);
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
	{ "GET", "/", get_index, "this table" },
	{ "GET", "/v1/status", get_status, "counts and what is wrong" },
	{ "GET", "/v1/feeds", routes_feed_list, "all feeds" },
	{ "POST", "/v1/feeds", routes_feed_add, "add a feed: {\"url\", \"options\"}" },
	{ "GET", "/v1/feeds/{id}", routes_feed_get, "one feed, with the notes of its last document" },
	{ "PATCH", "/v1/feeds/{id}", routes_feed_set, "change a feed's options: {\"options\"}" },
	{ "POST", "/v1/feeds/{id}/refresh", routes_feed_refresh, "fetch a feed now" },
	{ "DELETE", "/v1/feeds/{id}", routes_feed_remove, "remove a feed and its items" },
	{ "GET", "/v1/items", get_items, "all items, or those of ?feed=ID" },
	{ "GET", "/v1/items/{id}", get_item, "one item" },
	{ "POST", "/v1/items/{id}/ingest", post_item_ingest, "make the item's image (again)" },
	{ "GET", "/v1/machines", get_machines, "all machines that were seen or assigned" },
	{ "GET", "/v1/machines/{mac}", get_machine, "one machine, with its inventory" },
	{ "PUT", "/v1/machines/{mac}/assignment", put_assignment,
	  "let a machine install an item: {\"item\", \"target\"}" },
	{ "DELETE", "/v1/machines/{mac}/assignment", delete_assignment, "take the assignment back" },
	{ "GET", "/v1/jobs", get_jobs, "what machines write, or wrote" },
	{ NULL, NULL, NULL, NULL },
};
