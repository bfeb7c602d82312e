/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_item: `vmcast item ...` */
#include "vmcast_cli.h"

#include "json.h"

#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 200

static int item_call(struct cli *cli, const char *method, const char *id, const char *suffix, json_t **out,
		     struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/items/%s%s", id, suffix);
	return api_call(cli, method, path, NULL, out, err);
}

/* "ready", "ingesting 42%", "failed", with "(withdrawn)" if the feed has it no more. */
static const char *state_of(char out[static PRINT_TEXT], const json_t *row)
{
	char percent[PRINT_TEXT] = "";
	const char *state = row_text(row, "state");

	if (strcmp(state, "ingesting") == 0)
		print_percent(percent, row_number(row, "done_bytes"), row_number(row, "total_bytes"));
	snprintf(out, PRINT_TEXT, "%s%s%.20s%s", state, percent[0] ? " " : "", percent,
		 row_flag(row, "present") ? "" : " (withdrawn)");
	return out;
}

/* "disk", "3 disks", "kernel"; nothing for what is not ingested. */
static const char *kind_of(char out[static PRINT_TEXT], const json_t *row)
{
	uint64_t disks = row_number(row, "disk_count");

	if (disks > 1)
		snprintf(out, PRINT_TEXT, "%" PRIu64 " disks", disks);
	else
		snprintf(out, PRINT_TEXT, "%.20s", row_text(row, "kind"));
	return out;
}

/* "3", "2 of 3" after a rollback, "" for what is not ingested. */
static const char *version_of(char out[static PRINT_TEXT], const json_t *row)
{
	uint64_t version = row_number(row, "version"), newest = row_number(row, "newest_version");

	out[0] = '\0';
	if (version && version != newest)
		snprintf(out, PRINT_TEXT, "%" PRIu64 " of %" PRIu64, version, newest);
	else if (version)
		snprintf(out, PRINT_TEXT, "%" PRIu64, version);
	return out;
}

static int item_list(struct cli *cli, char **args, struct err *err)
{
	static const char *const headings[] = { "ID",        "STATE", "KIND", "VERSION", "DISK",
						"PUBLISHED", "PROOF", "FEED", "TITLE" };
	CLEANUP(json_free) json_t *json = NULL;
	CLEANUP(json_free) json_t *feed = NULL;
	char path[64] = "/v1/items", text[PRINT_TEXT];
	size_t nr;
	json_t *row;
	int rc;

	(void)args;
	if (cli->feed && (rc = api_find_feed(cli, &feed, cli->feed, err)) < 0)
		return rc;
	if (feed)
		snprintf(path, sizeof(path), "/v1/items?feed=%s", row_text(feed, "id"));
	rc = api_call(cli, "GET", path, NULL, &json, err);
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));

	json_array_foreach(json_object_get(json, "items"), nr, row)
	{
		table_add(t, row_text(row, "id"));
		table_add(t, state_of(text, row));
		table_add(t, kind_of(text, row));
		table_add(t, version_of(text, row));
		table_add(t, print_bytes(text, row_number(row, "disk_bytes")));
		table_add(t, print_date(text, row_number(row, "published")));
		table_add(t, row_text(row, "proof"));
		table_add(t, row_text(row, "feed_title"));
		table_add(t, row_text(row, "title"));
	}
	table_print(t, cli);
	return 0;
}

static void print_deltas(const json_t *deltas)
{
	char text[128], bytes[PRINT_TEXT];
	const json_t *delta;
	size_t nr;

	json_array_foreach(deltas, nr, delta)
	{
		snprintf(text, sizeof(text), "%s from image %.16s...", print_bytes(bytes, row_number(delta, "bytes")),
			 row_text(delta, "from"));
		print_fact("delta", text);
	}
}

static void print_disks(const json_t *disks)
{
	char text[256], bytes[PRINT_TEXT];
	const json_t *disk;
	size_t nr;

	json_array_foreach(disks, nr, disk)
	{
		const char *name = row_text(disk, "name"), *bus = row_text(disk, "bus");

		snprintf(text, sizeof(text), "%s%s%.100s%s%s%s", print_bytes(bytes, row_number(disk, "disk_bytes")),
			 name[0] ? ", " : "", name, bus[0] ? " on " : "", bus,
			 json_array_size(disks) > 1 && row_flag(disk, "boot") ? ", boots" : "");
		print_fact("disk", text);
		print_deltas(json_object_get(disk, "deltas"));
	}
}

static void print_machine(const json_t *machine)
{
	char text[512], memory[PRINT_TEXT];
	uint64_t cpus = row_number(machine, "cpus");

	if (!machine)
		return;
	snprintf(text, sizeof(text), "%.100s", row_text(machine, "name"));
	print_fact("machine", text);
	if (cpus) {
		snprintf(text, sizeof(text), "%" PRIu64, cpus);
		print_fact("processors", text);
	}
	print_fact("memory", print_bytes(memory, row_number(machine, "memory_bytes")));
}

static void print_notes(const json_t *notes)
{
	const json_t *note;
	size_t nr;

	json_array_foreach(notes, nr, note) print_fact("note", json_string_value(note));
}

static void print_item(const json_t *row)
{
	char text[PRINT_TEXT];

	print_fact("id", row_text(row, "id"));
	print_fact("title", row_text(row, "title"));
	print_fact("feed", row_text(row, "feed_title"));
	print_fact("uuid", row_text(row, "uuid"));
	print_fact("published", print_date(text, row_number(row, "published")));
	print_fact("state", state_of(text, row));
	print_fact("error", row_text(row, "error"));
	print_fact("proof", strcmp(row_text(row, "proof"), "none") == 0 ? "none (unsigned)" : row_text(row, "proof"));
	print_fact("architecture", row_text(row, "architecture"));
	print_fact("firmware", row_text(row, "firmware"));
	print_fact("enclosure", row_text(row, "url"));
	print_fact("type", row_text(row, "type"));
	print_fact("length", print_bytes(text, row_number(row, "length")));
	print_fact("image", row_text(row, "image"));
	print_fact("version", version_of(text, row));
	print_fact("kind", row_text(row, "kind"));
	print_fact("form", row_text(row, "form"));
	print_disks(json_object_get(row, "disks"));
	print_machine(json_object_get(row, "machine"));
	print_fact("cmdline", row_text(row, "cmdline"));
	print_notes(json_object_get(row, "notes"));
	print_fact("download", print_bytes(text, row_number(row, "image_bytes")));
	print_fact("link", row_text(row, "link"));
	print_fact("description", row_text(row, "description"));
}

static int item_show(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *found = NULL;
	CLEANUP(json_free) json_t *row = NULL;
	int rc = api_find_item(cli, &found, args[0], err);

	/* The list that it was found in does not have everything. */
	if (!rc)
		rc = item_call(cli, "GET", row_text(found, "id"), "", &row, err);
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(row, err);
	print_item(row);
	return 0;
}

/* Failed, or refused. */
static bool is_stuck(const json_t *row)
{
	return strcmp(row_text(row, "state"), "failed") == 0 || strcmp(row_text(row, "state"), "refused") == 0;
}

/* Until the ingest has ended, well or not. `*row` is replaced by its last state. */
static int wait_ingested(struct cli *cli, json_t **row, struct err *err)
{
	struct progress progress = { 0 };
	int rc = 0;

	for (;;) {
		const char *state = row_text(*row, "state"), *phase = row_text(*row, "phase");
		json_t *next = NULL;

		if (strcmp(state, "ready") == 0 || is_stuck(*row))
			break;
		progress_show(&progress, cli,
			      phase[0]                          ? phase
			      : strcmp(state, "ingesting") == 0 ? "starting"
								: "waiting for its turn",
			      row_number(*row, "done_bytes"), row_number(*row, "total_bytes"));
		nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000l }, NULL);
		rc = item_call(cli, "GET", row_text(*row, "id"), "", &next, err);
		if (rc < 0)
			break;
		json_decref(*row);
		*row = next;
	}
	progress_end(&progress, cli);
	return rc;
}

static int item_ingest(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *found = NULL;
	CLEANUP(json_free) json_t *row = NULL;
	char text[PRINT_TEXT];
	int rc;

	if ((rc = api_find_item(cli, &found, args[0], err)) < 0 ||
	    (rc = item_call(cli, "POST", row_text(found, "id"), "/ingest", &row, err)) < 0 ||
	    (cli->wait && (rc = wait_ingested(cli, &row, err)) < 0))
		return rc;
	if (cli->json && print_json(row, err) < 0)
		return err->code;
	if (cli->wait && is_stuck(row))
		return err_set(err, -EIO, "item %s: %s", row_text(row, "id"), row_text(row, "error"));
	if (!cli->json)
		printf("%s  %s\n", row_text(row, "id"), state_of(text, row));
	return 0;
}

static int item_versions(struct cli *cli, char **args, struct err *err)
{
	static const char *const headings[] = { "VERSION", "SERVES", "INGESTED", "PUBLISHED", "KIND",
						"PROOF",   "DISK",   "STORED",   "FORM",      "TITLE" };
	CLEANUP(json_free) json_t *found = NULL;
	CLEANUP(json_free) json_t *json = NULL;
	char text[PRINT_TEXT];
	size_t nr;
	json_t *row;
	int rc = api_find_item(cli, &found, args[0], err);

	if (!rc)
		rc = item_call(cli, "GET", row_text(found, "id"), "/versions", &json, err);
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));

	json_array_foreach(json_object_get(json, "versions"), nr, row)
	{
		snprintf(text, sizeof(text), "%" PRIu64, row_number(row, "version"));
		table_add(t, text);
		table_add(t, row_flag(row, "serves") ? "yes" : "");
		table_add(t, print_time(text, row_number(row, "made_at")));
		table_add(t, print_date(text, row_number(row, "published")));
		table_add(t, kind_of(text, row));
		table_add(t, row_text(row, "proof"));
		table_add(t, print_bytes(text, row_number(row, "disk_bytes")));
		table_add(t, print_bytes(text, row_number(row, "stored_bytes")));
		table_add(t, row_text(row, "form"));
		table_add(t, row_text(row, "title"));
	}
	table_print(t, cli);
	return 0;
}

static int item_rollback(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *found = NULL;
	CLEANUP(json_free) json_t *row = NULL;
	char path[64], text[PRINT_TEXT], *end;
	int rc;

	errno = 0;
	unsigned long long version = strtoull(args[1], &end, 10);
	if (errno || *end || args[1][0] < '0' || args[1][0] > '9' || version > INT64_MAX)
		return err_set(err, -EINVAL, "'%s' is no version: a number of `vmcast item versions` is", args[1]);
	if ((rc = api_find_item(cli, &found, args[0], err)) < 0)
		return rc;
	snprintf(path, sizeof(path), "/v1/items/%s/version", row_text(found, "id"));
	rc = api_call(cli, "PUT", path, json_pack("{s:I}", "version", (json_int_t)version), &row, err);
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(row, err);
	printf("%s  version %s serves\n", row_text(row, "id"), version_of(text, row));
	return 0;
}

const struct command commands_item[] = {
	{ "item", "list", "", 0, 0, TAKES_FEED, item_list, "items of all feeds, newest first",
	  "With --feed FEED only those of one feed.\n" },
	{ "item", "show", "ITEM", 1, 1, 0, item_show, "everything about one item",
	  "ITEM is the beginning of an item's id, or its exact title if no other has the same.\n" },
	{ "item", "ingest", "ITEM", 1, 1, TAKES_WAIT, item_ingest, "make an item's image (again)",
	  "Downloads the enclosure, verifies it and turns it into the form that machines write. The service does this "
	  "by\n"
	  "itself for every new item unless its configuration says `ingest = manual`. With --wait, shows the "
	  "progress,\n"
	  "returns when the image is there, and fails if it could not be made.\n"
	  "\n"
	  "ITEM is the beginning of an item's id, or its exact title if no other has the same.\n"
	  "\n"
	  "  vmcast item ingest --wait 'Debian 12'\n" },
	{ "item", "versions", "ITEM", 1, 1, 0, item_versions, "versions of an item that are kept, newest first",
	  "The same uuid announced with other bytes is a new version; the one before serves until that is ingested. As "
	  "many\n"
	  "are kept as the feed's option keep=N says (default 2).\n" },
	{ "item", "rollback", "ITEM VERSION", 2, 2, 0, item_rollback, "let an older (or newer) version serve",
	  "It serves until the feed announces other bytes and those are ingested, or another version is chosen. "
	  "Machines that\n"
	  "are being written go on with what they began.\n"
	  "\n"
	  "  vmcast item rollback 'Debian 12' 3\n" },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};
