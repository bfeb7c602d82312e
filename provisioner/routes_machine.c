/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_machine: what machines may ask for: scripts, boot files, images, plans. Reachable by anybody on the network.
 */
#include "boot_ticket.h"
#include "cleanup.h"
#include "demand.h"
#include "env_files.h"
#include "json.h"
#include "landing_name.h"
#include "log.h"
#include "mac.h"
#include "menu.h"
#include "plan.h"
#include "request.h"
#include "routes_guest.h"
#include "routes_seed.h"
#include "static_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SCRIPT_TYPE "text/plain; charset=us-ascii"
#define AWAITED_MAX 1000 /* items that are not here yet; a menu shows no more of all channels together */

/* Architectures and platforms as iPXE names them (and as we do, for people). */
static const struct name {
	const char *theirs, *ours;
} archs[] = { { "x86_64", "x86_64" },
	      { "arm64", "aarch64" },
	      { "aarch64", "aarch64" },
	      { "i386", "i386" },
	      { NULL, NULL } },
  platforms[] = { { "pcbios", "bios" }, { "bios", "bios" }, { "efi", "uefi" }, { "uefi", "uefi" }, { NULL, NULL } };

static int translate(const char **out, const struct name *names, const struct request *rq, const char *field,
		     struct err *err)
{
	const char *value = request_query(rq, field);

	for (const struct name *name = names; value && name->theirs; name++)
		if (strcmp(value, name->theirs) == 0) {
			*out = name->ours;
			return 0;
		}
	return err_set(err, -EINVAL, "argument \"%s\": '%.40s' is not known", field, value ? value : "");
}

/* The machine that asks, from the query. One without a MAC address is a machine that nothing is known about. */
static int parse_machine(struct menu_machine *out, const struct request *rq, struct err *err)
{
	const char *mac = request_query(rq, "mac");
	int rc;

	*out = (struct menu_machine){ 0 };
	if (mac && mac[0] && mac_parse(out->mac, mac) < 0)
		return err_set(err, -EINVAL, "argument \"mac\": '%.40s' is no MAC address", mac);
	out->may_choose_landing = !tuf_repository_has_root(rq->server->trust);
	rc = translate(&out->arch, archs, rq, "arch", err);
	if (rc < 0)
		return rc;
	return translate(&out->firmware, platforms, rq, "platform", err);
}

static int get_boot(struct request *rq, struct err *err)
{
	return reply_text(rq, SCRIPT_TYPE, menu_entry_script(rq->server->config), err);
}

/* Why a machine is not given this item, in words that go on after its title. */
static const char *why_not(const struct store_item *item, const struct store_content *content,
			   const struct menu_machine *machine)
{
	if (!menu_item_fits(item, machine))
		return "does not fit this machine";
	if (content->kind == ITEM_ROOTFS)
		return "is a root file system, which this version cannot boot yet";
	if (content->kind == ITEM_KERNEL && !menu_can_pass(content->cmdline ? content->cmdline : item->needs.cmdline))
		return "is a kernel whose command line iPXE cannot pass on";
	return NULL;
}

/* What keeps an item from being there, in words that go on after its title. Caller frees. */
static char *why_not_here(const struct store_item *item, bool is_awaited)
{
	char *text;
	int len;

	if (store_item_is_stuck(item))
		len = asprintf(&text, "could not be ingested: %s", item->error ? item->error : "");
	else if (!is_awaited)
		len = asprintf(&text, "waits for the operator: vmcast item ingest %s", item->id);
	else if (item->state == ITEM_INGESTING && item->total_bytes)
		len = asprintf(&text, "is being made ready: %s, %u %%", item->phase ? item->phase : "",
			       (unsigned)((double)item->done_bytes * 100 / (double)item->total_bytes));
	else
		len = asprintf(&text, item->state == ITEM_INGESTING ? "is being made ready" : "waits for its turn");
	return len < 0 ? NULL : text;
}

/* `message` after the item's title; then the item is asked for again (`again`), or the machine's script. */
static char *wait_script(const struct server *server, const struct store_item *item, const struct menu_machine *machine,
			 const char *message, bool again)
{
	CLEANUP(free_str) char *text = NULL;

	if (!message || asprintf(&text, "%s %s", item->announced.title, message) < 0) {
		text = NULL;
		return NULL;
	}
	return menu_wait_script(server->config, machine, text, again ? item->id : NULL);
}

/* iPXE will read a kernel or an ISO by itself, for as long as an installation takes. False: it is no longer what serves. */
static bool note_reader(const struct server *server, const struct store_item *item, const struct store_content *content,
			const struct menu_machine *machine)
{
	struct err err = { 0 };

	if (content->kind == ITEM_DISK)
		return true;
	int rc = store_job_started(server->store, machine->mac[0] ? machine->mac : NULL, item->id, item->version, &err);
	if (rc < 0 && rc != -ESTALE)
		log_warn("item %s: who reads it cannot be stored: %s, ignoring", item->id, err.text);
	return rc != -ESTALE;
}

/* With a ticket for this machine, item and landing (NULL: not chosen); one that did not say who it is gets none, and no plan. */
static char *boot_script(const struct server *server, const struct store_item *item,
			 const struct store_content *content, const struct menu_machine *machine, const char *landing,
			 struct menu_start start)
{
	char ticket[STORE_TICKET_CHARS], purpose[BOOT_TICKET_PURPOSE];

	if (machine->mac[0]) {
		if (landing)
			boot_ticket_purpose(purpose, item->id, landing);
		boot_ticket_make(ticket, server->ticket_secret, machine->mac, landing ? purpose : item->id,
				 (int64_t)time(NULL));
		start.ticket = ticket;
	}
	return menu_boot_script(server->config, item, content, machine, &start);
}

/*
 * Start an item, or say how far it is. `row`: of a machine that it is assigned to; NULL: it was chosen in a menu, perhaps with a
 * landing, which is then in `item`, too.
 */
static char *start_script(const struct server *server, const struct store_item *item, const struct store_machine *row,
			  const struct menu_machine *machine, const char *landing, bool to_disk)
{
	CLEANUP(store_content_free) struct store_content content = { 0 };
	struct err err = { 0 };

	if (!item->version) {
		bool is_awaited = demand_item(server, item);
		CLEANUP(free_str) char *why = why_not_here(item, is_awaited);

		return wait_script(server, item, machine, why, is_awaited && !row);
	}
	if (store_item_content(server->store, item->id, item->version, &content, &err) < 0)
		return wait_script(server, item, machine, "is not there any more", false);
	const char *why = why_not(item, &content, machine);
	if (why)
		return wait_script(server, item, machine, why, false);
	if (!note_reader(server, item, &content, machine))
		return wait_script(server, item, machine, "has just got another version", !row);
	/* One rule for all disks of a guest is none that the kernel's command line can say. */
	bool is_shared = menu_is_guest(item, NULL) && item->disk_count > 1;
	if (!row)
		return boot_script(server, item, &content, machine, landing,
				   (struct menu_start){ .why = "starting", .to_disk = to_disk });
	return boot_script(server, item, &content, machine, NULL,
			   (struct menu_start){ .why = "this machine is assigned",
						.target = is_shared     ? NULL
							  : row->target ? row->target
									: server->config->target });
}

/* The operator's word counts, or that of whoever stands before the machine, not the publisher's. NULL: nothing was said. */
static int land_otherwise(struct store_item *item, const char *landing, struct err *err)
{
	if (!landing)
		return 0;
	free(item->needs.landing);
	item->needs.landing = strdup(landing);
	return item->needs.landing ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static char *assigned_script(const struct server *server, const struct store_machine *row,
			     const struct menu_machine *machine)
{
	CLEANUP(store_item_free) struct store_item item = { 0 };
	struct err err = { 0 };

	if (store_item_get(server->store, row->item_id, &item, &err) < 0)
		return menu_wait_script(server->config, machine, "the image assigned to this machine is gone", NULL);
	if (land_otherwise(&item, row->landing, &err) < 0)
		return NULL;
	return start_script(server, &item, row, machine, NULL, false);
}

/* Whether the inventory, as plan_make kept it, lists other than one disk that can be written. Unknown: no. */
static bool has_several_disks(const char *text)
{
	CLEANUP(json_free) json_t *inventory = text ? json_loads(text, 0, NULL) : NULL;
	const json_t *disks = json_object_get(inventory, "disks"), *disk;
	size_t nr, usable = 0;

	if (!disks)
		return false;
	if (json_object_get(inventory, "disks_left_out"))
		return true;
	json_array_foreach(disks, nr, disk)
	{
		const json_t *refused = json_object_get(disk, "refused");

		usable += !refused || json_is_null(refused);
	}
	return usable != 1;
}

/* What is there, and what machines may have made. */
static int list_items(struct store_item_list *out, const struct server *server, struct err *err)
{
	CLEANUP(store_item_list_free) struct store_item_list awaited = { 0 };
	int rc = store_item_list_ready(server->store, out, err);

	if (rc == 0)
		rc = store_item_list_awaited(server->store, server->config->ingest == INGEST_DEMAND, AWAITED_MAX,
					     &awaited, err);
	if (rc < 0 || !awaited.count)
		return rc;
	struct store_item *rows = reallocarray(out->rows, out->count + awaited.count, sizeof(*rows));
	if (!rows)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(rows + out->count, awaited.rows, awaited.count * sizeof(*rows));
	out->rows = rows;
	out->count += awaited.count;
	/* Its rows are the other list's by now. */
	awaited.count = 0;
	return 0;
}

/* Of a machine that said who it is; its node is then who presents the ticket first. */
static char *guests_script(const struct server *server, const struct menu_machine *machine)
{
	char ticket[STORE_TICKET_CHARS];

	boot_ticket_make(ticket, server->ticket_secret, machine->mac, BOOT_TICKET_GUESTS, (int64_t)time(NULL));
	return menu_guests_script(server->config, machine, ticket);
}

static int get_script(struct request *rq, struct err *err)
{
	const struct server *server = rq->server;
	CLEANUP(store_machine_free) struct store_machine row = { 0 };
	CLEANUP(store_item_list_free) struct store_item_list items = { 0 };
	struct menu_machine machine;
	char address[64];
	int rc = parse_machine(&machine, rq, err);

	if (rc < 0)
		return rc;
	if (machine.mac[0]) {
		request_address(address, rq);
		/* One that cannot be noted down, because the disk is full, boots all the same. */
		if (store_machine_seen(server->store, machine.mac, machine.arch, machine.firmware, address, err) < 0)
			log_warn("machine %s: %s, ignoring", machine.mac, err->text);
		rc = store_machine_get(server->store, machine.mac, &row, err);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		log_info("machine %s: asks for its script from %s (%s, %s)", machine.mac, address, machine.arch,
			 machine.firmware);
	}
	machine.installed = row.installed_at != 0;
	machine.is_node = row.is_node;
	machine.several_disks = has_several_disks(row.inventory);
	if (row.assignment == ASSIGNMENT_INSTALLED && row.is_node)
		return reply_text(rq, SCRIPT_TYPE, guests_script(server, &machine), err);
	if (row.assignment == ASSIGNMENT_INSTALLED)
		return reply_text(rq, SCRIPT_TYPE, menu_local_script(&machine), err);
	if (row.assignment == ASSIGNMENT_ASSIGNED)
		return reply_text(rq, SCRIPT_TYPE, assigned_script(server, &row, &machine), err);
	rc = list_items(&items, server, err);
	if (rc < 0)
		return rc;
	return reply_text(rq, SCRIPT_TYPE, menu_script(server->config, &items, &machine), err);
}

/* The item of the query, and the machine. */
static int get_chosen(struct store_item *item, struct menu_machine *machine, const struct request *rq, struct err *err)
{
	const char *id = request_query(rq, "item");
	int rc = parse_machine(machine, rq, err);

	if (rc < 0)
		return rc;
	if (!id)
		return err_set(err, -EINVAL, "argument \"item\" is missing");
	return store_item_get(rq->server->store, id, item, err);
}

static int start_guests(struct request *rq, struct err *err)
{
	struct menu_machine machine;
	int rc = parse_machine(&machine, rq, err);

	if (rc < 0)
		return rc;
	if (!machine.mac[0])
		return err_set(err, -EINVAL, "argument \"mac\" is missing");
	return reply_text(rq, SCRIPT_TYPE, guests_script(rq->server, &machine), err);
}

/* NULL: as the item says. */
static int read_landing(const char **out, const struct request *rq, struct err *err)
{
	const char *said = request_query(rq, "landing");

	*out = said && strcmp(said, MENU_LANDING_ITEM) != 0 ? said : NULL;
	return *out && landing_name_check(*out, err) < 0 ? err_wrap(err, "argument \"landing\"") : 0;
}

static int get_start(struct request *rq, struct err *err)
{
	CLEANUP(store_item_free) struct store_item item = { 0 };
	struct menu_machine machine;
	const char *landing;

	if (request_query(rq, "guests"))
		return start_guests(rq, err);
	int rc = get_chosen(&item, &machine, rq, err);

	if (rc < 0 || (rc = read_landing(&landing, rq, err)) < 0 || (rc = land_otherwise(&item, landing, err)) < 0)
		return rc;
	return reply_text(rq, SCRIPT_TYPE,
			  start_script(rq->server, &item, NULL, &machine, landing, request_query(rq, "write") != NULL),
			  err);
}

static int get_details(struct request *rq, struct err *err)
{
	CLEANUP(store_content_free) struct store_content content = { 0 };
	CLEANUP(store_item_free) struct store_item item = { 0 };
	const struct server *server = rq->server;
	struct menu_machine machine;
	int rc = get_chosen(&item, &machine, rq, err);

	if (!rc && item.version)
		rc = store_item_content(server->store, item.id, item.version, &content, err);
	if (rc < 0)
		return rc;
	return reply_text(rq, SCRIPT_TYPE,
			  menu_details_script(server->config, &item, item.version ? &content : NULL, &machine,
					      demand_allows(server->config, &item)),
			  err);
}

/* `name` has been compared with an allow-list. */
static int reply_from(struct request *rq, const char *dir, const char *name, struct err *err)
{
	CLEANUP(free_str) char *path = NULL;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	return reply_file(rq, &(struct static_file){ .path = path, .type = "application/octet-stream" }, err);
}

static int get_env(struct request *rq, struct err *err)
{
	const struct config *config = rq->server->config;

	for (int file = 0; file < ENV_FILES; file++)
		if (strcmp(rq->param, env_file_name((enum env_file)file)) == 0)
			return reply_from(rq, config->env_dir, rq->param, err);
	if (strcmp(rq->param, config->initramfs) == 0)
		return reply_from(rq, config->env_dir, config->initramfs, err);
	if (config->secure_boot_dir && strcmp(rq->param, CONFIG_UNIFIED_KERNEL) == 0)
		return reply_from(rq, config->secure_boot_dir, CONFIG_UNIFIED_KERNEL, err);
	return err_set(err, -ENOENT, "there is no such file");
}

static int get_firmware(struct request *rq, struct err *err)
{
	static const char *const names[] = { "undionly.kpxe", "ipxe.pxe",       "ipxe.lkrn",         "ipxe.efi",
					     "snponly.efi",   "ipxe-arm64.efi", "snponly-arm64.efi", NULL };

	for (const char *const *name = names; *name; name++)
		if (strcmp(rq->param, *name) == 0)
			return reply_from(rq, config_firmware_dir(rq->server->config, *name), *name, err);
	return err_set(err, -ENOENT, "there is no such file");
}

static int reply_image_file(struct request *rq, const char *name, const char *type, struct err *err)
{
	CLEANUP(free_str) char *path = NULL;

	if (asprintf(&path, "%s/images/%s/%s", store_dir(rq->server->store), rq->param, name) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	return reply_file(rq, &(struct static_file){ .path = path, .type = type, .tag = rq->param, .immutable = true },
			  err);
}

static int get_image(struct request *rq, struct err *err)
{
	return reply_image_file(rq, "image.zst", "application/zstd", err);
}

static int get_index(struct request *rq, struct err *err)
{
	return reply_image_file(rq, "index", "application/octet-stream", err);
}

static int get_file(struct request *rq, struct err *err)
{
	return reply_image_file(rq, "file", "application/octet-stream", err);
}

static int get_delta(struct request *rq, struct err *err)
{
	CLEANUP(free_str) char *path = NULL;

	if (asprintf(&path, "%s/deltas/%s", store_dir(rq->server->store), rq->param) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	return reply_file(rq, &(struct static_file){ .path = path, .type = "application/octet-stream" }, err);
}

/* The timestamp is the one file that is replaced; a number or a hash before the name of each other one says what it is. */
static int reply_trust_file(struct request *rq, const char *folder, struct err *err)
{
	CLEANUP(free_str) char *path = NULL;
	bool is_timestamp = strcmp(rq->param, "timestamp.json") == 0;

	if (!is_timestamp && !strchr("0123456789abcdef", rq->param[0]))
		return err_set(err, -ENOENT, "there is no such file");
	if (asprintf(&path, "%s/trust/%s/%s", store_dir(rq->server->store), folder, rq->param) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	return reply_file(rq,
			  &(struct static_file){ .path = path, .type = "application/json", .immutable = !is_timestamp },
			  err);
}

static int get_trust_metadata(struct request *rq, struct err *err)
{
	return reply_trust_file(rq, "metadata", err);
}

static int get_trust_target(struct request *rq, struct err *err)
{
	return reply_trust_file(rq, "targets", err);
}

static int get_trust_machine(struct request *rq, struct err *err)
{
	return reply_trust_file(rq, "targets/machines", err);
}

static int get_health(struct request *rq, struct err *err)
{
	return reply_text(rq, "text/plain", strdup("ok\n"), err);
}

const struct route routes_machine[] = {
	{ "GET", "/boot.ipxe", get_boot, "iPXE script that every machine starts with", ROLE_VIEW },
	{ "GET", "/v1/script", get_script, "iPXE script for one machine: menu, assigned image, or local disk",
	  ROLE_VIEW },
	{ "GET", "/v1/start", get_start, "iPXE script that starts one item, or waits until it is ready", ROLE_VIEW },
	{ "GET", "/v1/details", get_details, "iPXE script that shows one item", ROLE_VIEW },
	{ "GET", "/env/{file}", get_env, "kernel and initramfs of the boot environment", ROLE_VIEW },
	{ "GET", "/firmware/{file}", get_firmware, "iPXE binaries, for machines that boot by HTTP", ROLE_VIEW },
	{ "GET", "/images/{image}/image.zst", get_image, "an image's frames", ROLE_VIEW },
	{ "GET", "/images/{image}/index", get_index, "an image's index", ROLE_VIEW },
	{ "GET", "/images/{image}/file", get_file, "a kernel, its initramfs, or an ISO image", ROLE_VIEW },
	{ "GET", "/deltas/{delta}", get_delta, "how to make an image of another one", ROLE_VIEW },
	{ "GET", "/tuf/metadata/{file}", get_trust_metadata, "signed metadata (TUF)", ROLE_VIEW },
	{ "GET", "/tuf/targets/{file}", get_trust_target, "the signed policy", ROLE_VIEW },
	{ "GET", "/tuf/targets/machines/{file}", get_trust_machine, "a machine's signed assignment", ROLE_VIEW },
	{ "POST", "/v1/plan", plan_make, "what to write, where, and a ticket for reports", ROLE_VIEW },
	{ "POST", "/v1/jobs/{id}", plan_report, "progress and outcome of a job", ROLE_VIEW },
	{ "POST", "/v1/seed", routes_seed_give, "what a machine's system finds at its first boot, sealed", ROLE_VIEW },
	{ "POST", "/v1/guests", routes_guest_report, "a node's guests and consoles, and what is wanted of them",
	  ROLE_VIEW },
	{ "GET", "/healthz", get_health, "\"ok\" while the service runs", ROLE_VIEW },
	{ NULL, NULL, NULL, NULL, 0 },
};
