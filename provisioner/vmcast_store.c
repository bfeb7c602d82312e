/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_store: `vmcast store ...` */
#include "vmcast_cli.h"

#include "json.h"

#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POLL_MS 500

static void print_verify(const json_t *verify)
{
	char text[256], when[PRINT_TEXT], percent[PRINT_TEXT];
	const json_t *finding;
	size_t nr;

	if (strcmp(row_text(verify, "state"), "running") == 0)
		snprintf(text, sizeof(text), "running, %s",
			 print_percent(percent, row_number(verify, "done_bytes"), row_number(verify, "total_bytes")));
	else if (strcmp(row_text(verify, "state"), "over") == 0)
		snprintf(text, sizeof(text), "%s: %" PRIu64 " good, %" PRIu64 " damaged",
			 print_time(when, row_number(verify, "ended_at")), row_number(verify, "good"),
			 row_number(verify, "damaged"));
	else
		snprintf(text, sizeof(text), "never since the service was started");
	print_fact("verified", text);
	print_fact("ended early", row_text(verify, "error"));
	json_array_foreach(json_object_get(verify, "findings"), nr, finding)
	{
		snprintf(text, sizeof(text), "%.16s...: %.200s", row_text(finding, "image"), row_text(finding, "why"));
		print_fact("damaged", text);
	}
}

static int store_status(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	char text[256], bytes[PRINT_TEXT], limit[PRINT_TEXT];
	int rc = api_call(cli, "GET", "/v1/store", NULL, &json, err);

	(void)args;
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	snprintf(text, sizeof(text), "%" PRIu64 "%s%s", row_number(json, "image_count"),
		 row_number(json, "image_count") ? ", " : "", print_bytes(bytes, row_number(json, "image_bytes")));
	print_fact("images", text);
	print_fact("limit", row_number(json, "bytes_max") ? print_bytes(limit, row_number(json, "bytes_max"))
							  : "none (store_bytes_max)");
	print_fact("old versions", print_bytes(bytes, row_number(json, "spare_bytes")));
	print_fact("spool", print_bytes(bytes, row_number(json, "spool_bytes")));
	print_fact("free", print_bytes(bytes, row_number(json, "free_bytes")));
	print_fact("folder", row_text(json, "state_dir"));
	print_verify(json_object_get(json, "verify"));
	return 0;
}

/* Until the run is over. `*json` is replaced by the last state. */
static int wait_verified(struct cli *cli, json_t **json, struct err *err)
{
	struct progress progress = { 0 };
	int rc = 0;

	for (;;) {
		const json_t *verify = json_object_get(*json, "verify");
		json_t *next = NULL;

		if (strcmp(row_text(verify, "state"), "running") != 0)
			break;
		progress_show(&progress, cli, "verifying", row_number(verify, "done_bytes"),
			      row_number(verify, "total_bytes"));
		nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000l }, NULL);
		rc = api_call(cli, "GET", "/v1/store", NULL, &next, err);
		if (rc < 0)
			break;
		json_decref(*json);
		*json = next;
	}
	progress_end(&progress, cli);
	return rc;
}

static int store_verify(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	int rc = api_call(cli, "POST", "/v1/store/verify", NULL, &json, err);

	(void)args;
	if (!rc)
		rc = wait_verified(cli, &json, err);
	if (rc < 0)
		return rc;
	const json_t *verify = json_object_get(json, "verify");

	if (cli->json && print_json(verify, err) < 0)
		return err->code;
	if (!cli->json)
		print_verify(verify);
	if (row_text(verify, "error")[0])
		return err_set(err, -EIO, "verify: ended early: %s", row_text(verify, "error"));
	if (row_number(verify, "damaged"))
		return err_set(err, CLI_FOUND_FAULTS,
			       "damaged images: %" PRIu64 "; items that are ingested anew: %" PRIu64,
			       row_number(verify, "damaged"), row_number(verify, "ingested_anew"));
	return 0;
}

static int store_gc(struct cli *cli, char **args, struct err *err)
{
	static const char *const headings[] = { "WHAT", "NAME", "SIZE" };
	CLEANUP(json_free) json_t *json = NULL;
	char text[PRINT_TEXT], name[128];
	size_t nr;
	json_t *row;
	int rc = api_call(cli, "POST", cli->dry_run ? "/v1/store/gc?dry_run=1" : "/v1/store/gc", NULL, &json, err);

	(void)args;
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));

	json_array_foreach(json_object_get(json, "removed"), nr, row)
	{
		bool is_version = strcmp(row_text(row, "what"), "version") == 0;

		if (is_version)
			snprintf(name, sizeof(name), "%" PRIu64 " of item %s", row_number(row, "version"),
				 row_text(row, "item"));
		else
			snprintf(name, sizeof(name), "%s", row_text(row, "image"));
		table_add(t, row_text(row, "what"));
		table_add(t, name);
		table_add(t, print_bytes(text, row_number(row, "bytes")));
	}
	table_print(t, cli);
	printf("%s %s\n", cli->dry_run ? "would free" : "freed",
	       row_number(json, "bytes") ? print_bytes(text, row_number(json, "bytes")) : "nothing");
	return 0;
}

const struct command commands_store[] = {
	{ "store", "status", "", 0, 0, 0, store_status, "what images take, and how they were last verified", NULL },
	{ "store", "verify", "", 0, 0, 0, store_verify, "compare all that is stored with its digests",
	  "Reads every image and every file that is kept. What is damaged is removed, and the items that it was the "
	  "newest\n"
	  "version of are ingested anew; until then the version before serves, if there is one. Fails if anything was\n"
	  "damaged. An interrupted command does not interrupt the service: `vmcast store status` shows how far it "
	  "is.\n" },
	{ "store", "gc", "", 0, 0, TAKES_DRY_RUN, store_gc, "remove what nothing wants any more",
	  "Forgets versions beyond as many as are kept of an item (the feed's option keep=N, default 2), but none "
	  "that\n"
	  "serves, and removes images that then no version names and no machine reads. The service does the same by "
	  "itself\n"
	  "whenever it has nothing to ingest. With --dry-run, only tells what it would remove.\n" },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};
