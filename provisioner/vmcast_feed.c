/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_feed: `vmcast feed ...` */
#include "vmcast_cli.h"

#include "json.h"

#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POLL_MS 300
/* A server that hangs is given up after 30 s by the service; this is for a service that is busy with other feeds. */
#define REFRESH_WAIT_S 300

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* Call the service for one feed: "/v1/feeds/ID" and `suffix`. */
static int feed_call(struct cli *cli, const char *method, const char *id, const char *suffix, json_t **out,
		     struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/feeds/%s%s", id, suffix);
	return api_call(cli, method, path, NULL, out, err);
}

static int feed_list(struct cli *cli, char **args, struct err *err)
{
	static const char *const headings[] = { "ID", "STATE", "ITEMS", "FETCHED", "TITLE", "URL" };
	CLEANUP(json_free) json_t *json = NULL;
	char number[32], fetched[PRINT_TEXT];
	size_t nr;
	json_t *row;
	int rc = api_call(cli, "GET", "/v1/feeds", NULL, &json, err);

	(void)args;
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));

	json_array_foreach(json_object_get(json, "feeds"), nr, row)
	{
		table_add(t, row_text(row, "id"));
		table_add(t, row_text(row, "error")[0] ? "failing" : row_number(row, "fetched_at") ? "ok" : "new");
		snprintf(number, sizeof(number), "%" PRIu64, row_number(row, "item_count"));
		table_add(t, number);
		table_add(t, print_time(fetched, row_number(row, "fetched_at")));
		table_add(t, row_text(row, "title"));
		table_add(t, row_text(row, "url"));
	}
	table_print(t, cli);
	json_array_foreach(json_object_get(json, "feeds"), nr, row) if (row_text(row, "error")[0])
	{
		printf("\n%s ", row_text(row, "id"));
		print_fact("failing:", row_text(row, "error"));
	}
	return 0;
}

static int find_row(json_t **out, struct cli *cli, const char *id, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	size_t nr;
	json_t *row;
	int rc = api_call(cli, "GET", "/v1/feeds", NULL, &json, err);

	if (rc < 0)
		return rc;
	json_array_foreach(json_object_get(json, "feeds"), nr, row) if (strcmp(row_text(row, "id"), id) == 0)
	{
		*out = json_incref(row);
		return 0;
	}
	return err_set(err, -ENOENT, "feed %s was removed meanwhile", id);
}

/* Until the feed was tried after `since` (its own time stamp of before): `*out` is its row then. */
static int wait_refreshed(json_t **out, struct cli *cli, const char *id, uint64_t since, struct err *err)
{
	struct progress progress = { 0 };
	int rc = 0;

	for (int waited_ms = 0; waited_ms < REFRESH_WAIT_S * 1000; waited_ms += POLL_MS) {
		CLEANUP(json_free) json_t *row = NULL;

		progress_show(&progress, cli, "fetching the feed", 0, 0);
		rc = find_row(&row, cli, id, err);
		if (rc < 0)
			break;
		if (row_number(row, "tried_at") > since) {
			*out = TAKE(row);
			break;
		}
		sleep_ms(POLL_MS);
	}
	progress_end(&progress, cli);
	if (rc == 0 && !*out)
		return err_set(err, -ETIMEDOUT, "feed %s was not fetched within %d s; the service's log may say why",
			       id, REFRESH_WAIT_S);
	return rc;
}

/* Ask for a refresh and wait for its end. */
static int refresh(struct cli *cli, const char *id, json_t **out, struct err *err)
{
	CLEANUP(json_free) json_t *before = NULL;
	int rc = find_row(&before, cli, id, err);

	if (rc < 0)
		return rc;
	uint64_t since = row_number(before, "tried_at");

	/* Time stamps are in seconds: a new one must differ. */
	while ((uint64_t)time(NULL) <= since)
		sleep_ms(POLL_MS);
	rc = feed_call(cli, "POST", id, "/refresh", NULL, err);
	return rc < 0 ? rc : wait_refreshed(out, cli, id, since, err);
}

/* What became of a refresh: fails if the feed did. */
static int report(struct cli *cli, const json_t *row, struct err *err)
{
	const char *error = row_text(row, "error");

	if (cli->json && print_json(row, err) < 0)
		return err->code;
	if (error[0])
		return err_set(err, -EIO, "feed %s: %s", row_text(row, "id"), error);
	if (!cli->json)
		printf("%s  %" PRIu64 " items\n", row_text(row, "id"), row_number(row, "item_count"));
	return 0;
}

static int feed_add(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *row = NULL;
	CLEANUP(json_free) json_t *fetched = NULL;
	int rc = api_call(cli, "POST", "/v1/feeds", json_pack("{s:s}", "url", args[0]), &row, err);

	if (rc < 0)
		return rc;
	if (cli->wait) {
		rc = wait_refreshed(&fetched, cli, row_text(row, "id"), row_number(row, "tried_at"), err);
		return rc < 0 ? rc : report(cli, fetched, err);
	}
	if (cli->json)
		return print_json(row, err);
	printf("%s\n", row_text(row, "id"));
	return 0;
}

static int feed_refresh(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *feeds = NULL;
	json_t *feed;
	size_t nr;
	int rc, worst = 0;

	if (args[0]) {
		CLEANUP(json_free) json_t *found = NULL;

		if ((rc = api_find_feed(cli, &found, args[0], err)) < 0)
			return rc;
		feeds = json_pack("{s:[O]}", "feeds", found);
	} else if ((rc = api_call(cli, "GET", "/v1/feeds", NULL, &feeds, err)) < 0) {
		return rc;
	}
	/* One that fails does not keep the others from being fetched; the first failure is what is reported. */
	json_array_foreach(json_object_get(feeds, "feeds"), nr, feed)
	{
		CLEANUP(json_free) json_t *row = NULL;
		struct err this = { 0 };

		rc = refresh(cli, row_text(feed, "id"), &row, &this);
		if (rc == 0)
			rc = report(cli, row, &this);
		if (rc < 0 && worst == 0) {
			worst = rc;
			*err = this;
		}
	}
	return worst;
}

static int feed_remove(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *row = NULL;
	int rc = api_find_feed(cli, &row, args[0], err);

	return rc < 0 ? rc : feed_call(cli, "DELETE", row_text(row, "id"), "", NULL, err);
}

const struct command commands_feed[] = {
	{ "feed", "list", "", 0, 0, 0, feed_list, "feeds the service is subscribed to", NULL },
	{ "feed", "add", "URL", 1, 1, TAKES_WAIT, feed_add, "subscribe to a feed",
	  "URL is an http, https or file URL of a VMcast feed (RSS 2.0, one enclosure per image). Prints the feed's "
	  "id.\n"
	  "With --wait, returns when the feed has been fetched for the first time, and fails if that failed.\n"
	  "\n"
	  "  vmcast feed add --wait https://images.example.org/feed.xml\n" },
	{ "feed", "refresh", "[FEED]", 0, 1, 0, feed_refresh,
	  "fetch a feed, or all of them, now and wait for the outcome",
	  "FEED is the beginning of a feed's id, its title, or its URL.\n" },
	{ "feed", "remove", "FEED", 1, 1, 0, feed_remove, "unsubscribe; the feed's items disappear from the menus",
	  "FEED is the beginning of a feed's id, its title, or its URL. A feed that is named in the configuration file "
	  "is\n"
	  "removed there.\n" },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};
