/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_status: `vmcast status` and `vmcast job list` */
#include "vmcast_cli.h"

#include "json.h"
#include "units.h"

#include "cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_dnsmasq(const json_t *dnsmasq)
{
	char text[1024];

	if (strcmp(row_text(dnsmasq, "state"), "restarting") == 0)
		snprintf(text, sizeof(text), "does not run, is started again: %s", row_text(dnsmasq, "error"));
	else
		snprintf(text, sizeof(text), "%s", row_text(dnsmasq, "state"));
	print_fact("dnsmasq", text);
}

static void print_trust(const json_t *trust)
{
	const char *error = row_text(trust, "error");
	char text[1024], root_end[PRINT_TEXT], targets_end[PRINT_TEXT];

	if (!json_is_object(trust))
		snprintf(text, sizeof(text), "nothing is signed");
	else if (error[0])
		snprintf(text, sizeof(text), "FAILED: %s", error);
	else
		snprintf(text, sizeof(text), "root version %" PRIu64 " until %s, targets version %" PRIu64 " until %s",
			 row_number(trust, "root_version"), print_date(root_end, row_number(trust, "root_expires")),
			 row_number(trust, "targets_version"),
			 print_date(targets_end, row_number(trust, "targets_expires")));
	print_fact("trust", text);
}

static int status(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	char text[160], uptime[UNITS_TEXT];
	int rc = api_call(cli, "GET", "/v1/status", NULL, &json, err);

	(void)args;
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	const json_t *feeds = json_object_get(json, "feeds"), *items = json_object_get(json, "items"),
		     *jobs = json_object_get(json, "jobs");

	snprintf(text, sizeof(text), "vmcastd %s, up %s", row_text(json, "version"),
		 units_seconds(uptime, row_number(json, "uptime_s")));
	print_fact("service", text);
	print_fact("url", row_text(json, "url"));
	print_fact("state", row_text(json, "state_dir"));
	snprintf(text, sizeof(text), "%" PRIu64 ", %" PRIu64 " failing", row_number(feeds, "count"),
		 row_number(feeds, "failing"));
	print_fact("feeds", text);
	snprintf(text, sizeof(text),
		 "%" PRIu64 " ready, %" PRIu64 " announced, %" PRIu64 " ingesting, %" PRIu64 " failed",
		 row_number(items, "ready"), row_number(items, "announced"), row_number(items, "ingesting"),
		 row_number(items, "failed"));
	print_fact("items", text);
	snprintf(text, sizeof(text), "%" PRIu64, row_number(json, "machines"));
	print_fact("machines", text);
	snprintf(text, sizeof(text), "%" PRIu64 " running, %" PRIu64 " over", row_number(jobs, "running"),
		 row_number(jobs, "over"));
	print_fact("jobs", text);
	print_dnsmasq(json_object_get(json, "dnsmasq"));
	print_trust(json_object_get(json, "trust"));
	return 0;
}

static int job_list(struct cli *cli, char **args, struct err *err)
{
	static const char *const headings[] = { "ID",   "MACHINE", "PHASE",   "WRITTEN",
						"DISK", "ITEM",    "STARTED", "MESSAGE" };
	CLEANUP(json_free) json_t *json = NULL;
	char text[PRINT_TEXT];
	size_t nr;
	json_t *row;
	int rc = api_call(cli, "GET", "/v1/jobs", NULL, &json, err);

	(void)args;
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));

	json_array_foreach(json_object_get(json, "jobs"), nr, row)
	{
		table_add(t, row_text(row, "id"));
		table_add(t, row_text(row, "mac")[0] ? row_text(row, "mac") : "(host)");
		table_add(t, row_text(row, "phase"));
		table_add(t, print_percent(text, row_number(row, "done_bytes"), row_number(row, "total_bytes")));
		table_add(t, row_text(row, "disk"));
		table_add(t, row_text(row, "item"));
		table_add(t, print_time(text, row_number(row, "started_at")));
		table_add(t, row_text(row, "message"));
	}
	table_print(t, cli);
	return 0;
}

const struct command commands_status[] = {
	{ "job", "list", "", 0, 0, 0, job_list, "what machines write or wrote, newest first", NULL },
	{ "status", NULL, "", 0, 0, 0, status, "the service at a glance", NULL },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};
