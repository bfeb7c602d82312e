/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan: see plan.h */
#include "plan.h"

#include "cleanup.h"
#include "digest.h"
#include "json.h"
#include "log.h"
#include "mac.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PLAN_VERSION 1
#define MACS_MAX     64
#define DISKS_MAX    256

/* A plan request, checked. Strings are borrowed from the JSON document. */
struct plan_request {
	const char *item_id;
	const char *arch; /* NULL: a host run that did not say */
	const char *firmware;
	char mac[STORE_MAC_CHARS]; /* of the machine: the one that is assigned the item, else the first; empty for a
				      host run */
	const char *target;        /* rule of that assignment, NULL: none; borrowed from `machine` */
	struct store_machine machine;
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
	return err_set(err, -EINVAL, "field \"%s\": '%.40s' is not known", field, value);
}

/* Of the machine's addresses the one whose row is assigned this item decides; all must be well-formed. */
static int find_machine(struct plan_request *p, const json_t *macs, struct store *store, struct err *err)
{
	size_t nr;
	const json_t *entry;

	if (!macs || json_is_null(macs))
		return 0;
	if (!json_is_array(macs) || json_array_size(macs) > MACS_MAX)
		return err_set(err, -EINVAL, "field \"macs\": a list of at most %d addresses is needed", MACS_MAX);
	json_array_foreach(macs, nr, entry)
	{
		char mac[STORE_MAC_CHARS];
		struct store_machine machine = { 0 };
		struct err ignored = { 0 };

		if (!json_is_string(entry) || mac_parse(mac, json_string_value(entry)) < 0)
			return err_set(err, -EINVAL, "field \"macs\": entry %zu is no MAC address", nr);
		if (nr == 0)
			memcpy(p->mac, mac, sizeof(mac));
		if (p->target || p->machine.mac[0])
			continue;
		if (store_machine_get(store, mac, &machine, &ignored) < 0)
			continue;
		if (machine.assignment != ASSIGNMENT_ASSIGNED || strcmp(machine.item_id, p->item_id) != 0) {
			store_machine_free(&machine);
			continue;
		}
		p->machine = machine;
		p->target = machine.target;
		memcpy(p->mac, mac, sizeof(mac));
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
	if ((rc = json_need_string(&p->item_id, json, "item", 256, err)) < 0 || (rc = check_id(p->item_id, err)) < 0 ||
	    (rc = json_want_string(&p->arch, json, "arch", 256, err)) < 0 ||
	    (rc = json_want_string(&p->firmware, json, "firmware", 256, err)) < 0)
		return rc;
	if (p->arch && (rc = check_word("arch", p->arch, archs, err)) < 0)
		return rc;
	if (p->firmware && (rc = check_word("firmware", p->firmware, firmwares, err)) < 0)
		return rc;
	if (json_array_size(json_object_get(json, "disks")) > DISKS_MAX)
		return err_set(err, -EINVAL, "field \"disks\": more than %d disks", DISKS_MAX);
	return find_machine(p, json_object_get(json, "macs"), store, err);
}

/* Whether the item can be written, and by this machine. */
static int check_item(const struct store_item *item, const struct plan_request *p, struct err *err)
{
	const char *arch = item->announced.arch ? item->announced.arch : "x86_64";
	char quoted[256];

	if (!item->image_id[0]) {
		log_quote(quoted, sizeof(quoted), item->announced.title);
		if (item->state == ITEM_FAILED)
			return err_set(err, -EALREADY, "item %s '%s' has no image: its ingest failed: %s", item->id,
				       quoted, item->error ? item->error : "");
		return err_set(err, -EAGAIN, "item %s '%s' has no image yet: it is %s", item->id, quoted,
			       item->state == ITEM_INGESTING ? "being ingested" : "waiting to be ingested");
	}
	if (p->arch && strcmp(p->arch, arch) != 0)
		return err_set(err, -EALREADY, "item %s is for %s, this machine is %s", item->id, arch, p->arch);
	if (p->firmware && item->announced.firmware && strcmp(p->firmware, item->announced.firmware) != 0)
		return err_set(err, -EALREADY, "item %s is for %s, this machine is %s", item->id,
			       item->announced.firmware, p->firmware);
	return 0;
}

/* What the operator sees of the machine's hardware: the request's own fields, and no others. */
static char *inventory_of(const json_t *json)
{
	static const char *const kept[] = { "macs", "arch", "firmware", "memory_bytes", "client", "disks" };
	CLEANUP(json_free) json_t *inventory = json_object();

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (json_object_get(json, kept[i]))
			json_object_set(inventory, kept[i], json_object_get(json, kept[i]));
	return json_dumps(inventory, JSON_COMPACT);
}

static json_t *image_json(const struct store_item *item)
{
	char url[128], index_url[128], digest[DIGEST_HEX + 8];

	snprintf(url, sizeof(url), "/images/%s/image.zst", item->image_id);
	snprintf(index_url, sizeof(index_url), "/images/%s/index", item->image_id);
	/* An image is named by its index: the id is the digest. */
	snprintf(digest, sizeof(digest), "sha256:%s", item->image_id);
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "id", item->image_id, "url", url, "index_url",
			 index_url, "index_digest", digest, "index_bytes", (json_int_t)item->index_bytes, "disk_bytes",
			 (json_int_t)item->disk_bytes, "image_bytes", (json_int_t)item->image_bytes);
}

static int make_job(char id[static STORE_ID_CHARS], char ticket[static STORE_TICKET_CHARS], const struct request *rq,
		    const struct plan_request *p, const struct store_item *item, const json_t *json, struct err *err)
{
	CLEANUP(free_str) char *inventory = inventory_of(json);
	char address[64];
	int rc;

	request_address(address, rq);
	if (p->mac[0] && (rc = store_machine_seen(rq->server->store, p->mac, p->arch, p->firmware, address, err)) < 0)
		return rc;
	rc = store_job_new(rq->server->store, p->mac, item->id, item->image_id, inventory, id, ticket, err);
	if (rc == -ESTALE)
		return err_set(err, -EAGAIN, "item %s has just got another image", item->id);
	return rc;
}

int plan_make(struct request *rq, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	CLEANUP(plan_request_done) struct plan_request p = { 0 };
	CLEANUP(store_item_free) struct store_item item = { 0 };
	char job[STORE_ID_CHARS], ticket[STORE_TICKET_CHARS], address[64], quoted[256];
	int rc;

	if ((rc = request_json(&json, rq, err)) < 0 || (rc = parse_request(&p, json, rq->server->store, err)) < 0 ||
	    (rc = store_item_get(rq->server->store, p.item_id, &item, err)) < 0 ||
	    (rc = check_item(&item, &p, err)) < 0 || (rc = make_job(job, ticket, rq, &p, &item, json, err)) < 0)
		return rc;
	request_address(address, rq);
	log_info("job %s: plan for %s at %s: item %s '%s'", job, p.mac[0] ? p.mac : "a host", address, item.id,
		 log_quote(quoted, sizeof(quoted), item.announced.title));

	const char *target = p.target ? p.target : rq->server->config->target;

	return reply_json(rq, MHD_HTTP_OK,
			  json_pack("{s:i, s:s, s:s, s:{s:s, s:o, s:o}, s:o, s:o, s:s, s:n}", "version", PLAN_VERSION,
				    "job", job, "ticket", ticket, "item", "id", item.id, "title",
				    json_text(item.announced.title), "uuid", json_text(item.announced.uuid), "image",
				    image_json(&item), "target", json_text(target), "landing", "reboot", "trust"),
			  err);
}

/* The ticket of "Authorization: Bearer TICKET", or NULL. */
static const char *bearer(const struct request *rq)
{
	const char *header = MHD_lookup_connection_value(rq->conn, MHD_HEADER_KIND, "Authorization");

	return header && strncasecmp(header, "Bearer ", 7) == 0 ? header + 7 : NULL;
}

static void log_report(const char *id, const struct store_job *report)
{
	char message[256];

	if (report->exit || strcmp(report->phase, "failed") == 0)
		log_warn("job %s: failed with exit %d: %s", id, report->exit,
			 log_quote(message, sizeof(message), report->message ? report->message : ""));
	else
		log_info("job %s: %s, %" PRIu64 " of %" PRIu64 " bytes", id, report->phase, report->done_bytes,
			 report->total_bytes);
}

int plan_report(struct request *rq, struct err *err)
{
	static const char *const phases[] = { "plan", "index", "target", "write", "commit", "done", "failed", NULL };
	CLEANUP(json_free) json_t *json = NULL;
	const char *phase, *disk = NULL, *message = NULL, *ticket = bearer(rq);
	struct store_job report = { 0 };
	uint64_t status = 0;
	int rc;

	if (!ticket)
		return err_set(err, -EACCES, "a report needs its job's ticket (Authorization: Bearer)");
	if ((rc = request_json(&json, rq, err)) < 0 || (rc = json_need_string(&phase, json, "phase", 32, err)) < 0 ||
	    (rc = check_word("phase", phase, phases, err)) < 0 ||
	    (rc = json_want_string(&disk, json, "disk", 128, err)) < 0 ||
	    (rc = json_want_string(&message, json, "message", 4096, err)) < 0 ||
	    (rc = json_want_u64(&report.done_bytes, json, "bytes_done", INT64_MAX, err)) < 0 ||
	    (rc = json_want_u64(&report.total_bytes, json, "bytes_total", INT64_MAX, err)) < 0 ||
	    (rc = json_want_u64(&report.bytes_per_s, json, "bytes_per_s", INT64_MAX, err)) < 0 ||
	    (rc = json_want_u64(&status, json, "exit", 255, err)) < 0)
		return rc;
	/* Borrowed: the store copies what it keeps. */
	report.phase = (char *)phase;
	report.disk = (char *)disk;
	report.message = (char *)message;
	report.exit = (int)status;
	rc = store_job_report(rq->server->store, rq->param, ticket, &report, err);
	if (rc < 0)
		return rc;
	if (rc > 0)
		log_report(rq->param, &report);
	return reply_empty(rq, MHD_HTTP_NO_CONTENT, err);
}
