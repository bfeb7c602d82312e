/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_feed: `vmcast feed ...` */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "opml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

static const char *state_of(const json_t *row)
{
	if (row_number(row, "gone_at"))
		return "gone";
	return row_text(row, "error")[0] ? "failing" : row_number(row, "fetched_at") ? "ok" : "new";
}

/* What of a feed's items its policy keeps out. */
static const char *refused_text(char out[static PRINT_TEXT * 2], const json_t *row)
{
	snprintf(out, PRINT_TEXT * 2, "%" PRIu64 " of %" PRIu64 " items prove less than '%.10s' (vmcast item list)",
		 row_number(row, "refused_count"), row_number(row, "item_count"), row_text(row, "policy"));
	return out;
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
		table_add(t, state_of(row));
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
		print_fact(row_number(row, "gone_at") ? "gone:" : "failing:", row_text(row, "error"));
	}
	json_array_foreach(json_object_get(json, "feeds"), nr, row) if (row_text(row, "moved_url")[0])
	{
		printf("\n%s ", row_text(row, "id"));
		print_fact("moved to:", row_text(row, "moved_url"));
	}
	json_array_foreach(json_object_get(json, "feeds"), nr, row) if (row_number(row, "refused_count"))
	{
		char text[PRINT_TEXT * 2];

		printf("\n%s ", row_text(row, "id"));
		print_fact("refused:", refused_text(text, row));
	}
	return 0;
}

/* The feed whose `key` is `value`: 1, and `*out` is its row; 0: none is. */
static int find_row(json_t **out, struct cli *cli, const char *key, const char *value, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	size_t nr;
	json_t *row;
	int rc = api_call(cli, "GET", "/v1/feeds", NULL, &json, err);

	if (rc < 0)
		return rc;
	json_array_foreach(json_object_get(json, "feeds"), nr, row) if (strcmp(row_text(row, key), value) == 0)
	{
		*out = json_incref(row);
		return 1;
	}
	return 0;
}

static int need_row(json_t **out, struct cli *cli, const char *id, struct err *err)
{
	int found = find_row(out, cli, "id", id, err);

	return found ? (found < 0 ? found : 0) : err_set(err, -ENOENT, "feed %s was removed meanwhile", id);
}

/* Until the feed was tried after `since` (its own time stamp of before): `*out` is its row then. */
static int wait_refreshed(json_t **out, struct cli *cli, const char *id, uint64_t since, struct err *err)
{
	struct progress progress = { 0 };
	int rc = 0;

	for (int waited_ms = 0; waited_ms < REFRESH_WAIT_S * 1000; waited_ms += POLL_MS) {
		CLEANUP(json_free) json_t *row = NULL;

		progress_show(&progress, cli, "fetching the feed", 0, 0);
		rc = need_row(&row, cli, id, err);
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

/* When the feed was tried last. Time stamps are in seconds: returns when a new one will differ. */
static uint64_t stamp_before(const json_t *row)
{
	uint64_t stamp = row_number(row, "tried_at");

	while ((uint64_t)time(NULL) <= stamp)
		sleep_ms(POLL_MS);
	return stamp;
}

/* Ask for a refresh and wait for its end. */
static int refresh(struct cli *cli, const char *id, json_t **out, struct err *err)
{
	CLEANUP(json_free) json_t *before = NULL;
	int rc = need_row(&before, cli, id, err);

	if (rc < 0)
		return rc;
	uint64_t since = stamp_before(before);
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

/* KEY=VALUE arguments as one text; the shell has taken the quotes away. Caller frees. */
static int join_options(char **out, char **args, struct err *err)
{
	size_t len = 0;

	FILE *to = open_memstream(out, &len);
	if (!to)
		return err_set(err, -ENOMEM, "out of memory");
	for (; *args; args++) {
		size_t key = strcspn(*args, "=");
		bool quoted = (*args)[key] && strpbrk(*args + key, " \t") && (*args)[key + 1] != '"';

		if (quoted)
			fprintf(to, " %.*s=\"%s\"", (int)key, *args, *args + key + 1);
		else
			fprintf(to, " %s", *args);
	}
	return fclose(to) == 0 ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int feed_add(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(free_str) char *options = NULL;
	CLEANUP(json_free) json_t *before = NULL;
	CLEANUP(json_free) json_t *row = NULL;
	CLEANUP(json_free) json_t *fetched = NULL;
	uint64_t since = 0;
	int rc = join_options(&options, args + 1, err);

	/* Before it is added: a short document may have come by the time of the answer. */
	if (rc == 0 && cli->wait)
		rc = find_row(&before, cli, "url", args[0], err);
	if (rc > 0)
		since = stamp_before(before);
	if (rc >= 0)
		rc = api_call(cli, "POST", "/v1/feeds", json_pack("{s:s, s:s}", "url", args[0], "options", options),
			      &row, err);
	if (rc < 0)
		return rc;
	if (cli->wait) {
		rc = wait_refreshed(&fetched, cli, row_text(row, "id"), since, err);
		return rc < 0 ? rc : report(cli, fetched, err);
	}
	if (cli->json)
		return print_json(row, err);
	printf("%s\n", row_text(row, "id"));
	return 0;
}

static int feed_set(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(free_str) char *options = NULL;
	CLEANUP(json_free) json_t *found = NULL;
	CLEANUP(json_free) json_t *row = NULL;
	char path[64];
	int rc = api_find_feed(cli, &found, args[0], err);

	if (rc == 0)
		rc = join_options(&options, args + 1, err);
	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "/v1/feeds/%s", row_text(found, "id"));
	rc = api_call(cli, "PATCH", path, json_pack("{s:s}", "options", options), &row, err);
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(row, err);
	print_fact("options:", row_text(row, "options"));
	return 0;
}

static int feed_show(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *found = NULL;
	CLEANUP(json_free) json_t *row = NULL;
	char text[PRINT_TEXT], refused[PRINT_TEXT * 2];
	json_t *note;
	size_t nr;
	int rc = api_find_feed(cli, &found, args[0], err);

	if (rc == 0)
		rc = feed_call(cli, "GET", row_text(found, "id"), "", &row, err);
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(row, err);
	print_fact("id:", row_text(row, "id"));
	print_fact("title:", row_text(row, "title"));
	print_fact("url:", row_text(row, "url"));
	print_fact("moved to:", row_text(row, "moved_url"));
	print_fact("options:", row_text(row, "options"));
	print_fact("configured:", row_flag(row, "configured") ? "in the configuration file" : "");
	print_fact("state:", state_of(row));
	print_fact("error:", row_text(row, "error"));
	print_fact("fetched:", print_time(text, row_number(row, "fetched_at")));
	snprintf(text, sizeof(text), "%" PRIu64, row_number(row, "item_count"));
	print_fact("items:", text);
	print_fact("policy:", row_text(row, "policy"));
	print_fact("refused:", row_number(row, "refused_count") ? refused_text(refused, row) : "");
	json_array_foreach(json_object_get(row, "notes"), nr, note)
	{
		char line[32] = "";

		if (row_number(note, "line"))
			snprintf(line, sizeof(line), "line %" PRIu64 ":", row_number(note, "line"));
		print_fact(line[0] ? line : "note:", row_text(note, "text"));
	}
	return 0;
}

/* A list of subscriptions as a text of at most OPML_BYTES_MAX. */
static int read_opml(struct opml **out, const char *path, struct err *err)
{
	CLEANUP(close_file) FILE *file = strcmp(path, "-") == 0 ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "re");
	CLEANUP(free_str) char *text = malloc(OPML_BYTES_MAX + 1);

	if (!file)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	size_t len = fread(text, 1, OPML_BYTES_MAX + 1, file);
	if (ferror(file))
		return err_set(err, -EIO, "read '%s': %s", path, strerror(errno));
	int rc = opml_parse(out, text, len, err);
	return rc < 0 ? err_wrap(err, "'%s'", path) : 0;
}

/* 0 and the reason said for a feed that the service refuses: the others are still wanted. */
static int import_one(struct cli *cli, const struct opml_feed *feed, bool *refused, struct err *err)
{
	const char *options = cli->with_options && feed->options ? feed->options : "";
	CLEANUP(json_free) json_t *row = NULL;
	char shown[512];
	int rc = api_call(cli, "POST", "/v1/feeds", json_pack("{s:s, s:s}", "url", feed->url, "options", options), &row,
			  err);

	*refused = rc == -EINVAL || rc == -EIO;
	if (*refused)
		fprintf(stderr, "vmcast: line %d: '%s': %s\n", feed->line, log_quote(shown, sizeof(shown), feed->url),
			err->text);
	else if (rc == 0)
		printf("%s  %s\n", row_text(row, "id"), log_quote(shown, sizeof(shown), feed->url));
	return *refused ? 0 : rc;
}

static int feed_import(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(opml_free) struct opml *opml = NULL;
	size_t refused = 0, ignored = 0;
	int rc = read_opml(&opml, args[0], err);

	for (size_t i = 0; rc == 0 && i < opml->count; i++) {
		bool this_refused;

		rc = import_one(cli, &opml->feeds[i], &this_refused, err);
		refused += this_refused;
		ignored += opml->feeds[i].options && !cli->with_options;
	}
	if (rc < 0)
		return rc;
	/* They may name hosts and credentials: whoever made the file is not always who keeps this service. */
	if (ignored)
		fprintf(stderr, "vmcast: options of %zu feeds not taken; --with-options takes them\n", ignored);
	if (refused)
		return err_set(err, CLI_FOUND_FAULTS, "%zu of %zu feeds were refused", refused, opml->count);
	return 0;
}

static int feed_export(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	CLEANUP(free_mem) struct opml_feed *feeds = NULL;
	json_t *row;
	size_t nr;
	int rc = api_call(cli, "GET", "/v1/feeds", NULL, &json, err);

	(void)args;
	if (rc < 0)
		return rc;
	const json_t *rows = json_object_get(json, "feeds");
	feeds = calloc(json_array_size(rows) + 1, sizeof(*feeds));
	if (!feeds)
		return err_set(err, -ENOMEM, "out of memory");
	json_array_foreach(rows, nr, row)
	{
		const char *title = row_text(row, "title");

		/* Borrowed from the answer. */
		feeds[nr] = (struct opml_feed){ .url = (char *)row_text(row, "url"),
						.title = *title ? (char *)title : NULL,
						.options = (char *)row_text(row, "options") };
	}
	return opml_write(stdout, feeds, json_array_size(rows), err);
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

#define OPTIONS_HELP                                                                                                   \
	"\n"                                                                                                           \
	"  ingest=all|newest[:N]|demand|manual  which items are made ready before anybody asks\n"                      \
	"  title=GLOB                           only of items with such a title\n"                                     \
	"  keep=N                               versions of an item that are kept\n"                                   \
	"  allow_host=HOST,...                  hosts on internal addresses that the feed may name\n"                  \
	"  only_host=HOST,...                   besides the feed's own, no other host\n"                               \
	"  scheme=https                         no plain HTTP\n"                                                       \
	"  disk_bytes_max=SIZE  feed_bytes_max=SIZE\n"                                                                 \
	"  auth=NAME  certificate=NAME          of the secrets file, for the feed's own host\n"                        \
	"  proxy=URL  proxy_auth=NAME\n"                                                                               \
	"  root=FILE                            only what the publisher signed: FILE is his TUF root metadata\n"       \
	"  policy=signed|gpg|digest|none        what every item must prove at least; default: signed with root=, "     \
	"else digest\n"                                                                                                \
	"\n"                                                                                                           \
	"vmcastd.conf(5) says more. An empty value takes back what was set.\n"

#define FEED_HELP   "FEED is the beginning of a feed's id, its title, or its URL.\n"
#define OPTIONS_MAX 32

const struct command commands_feed[] = {
	{ "feed", "list", "", 0, 0, 0, feed_list, "feeds the service is subscribed to", NULL },
	{ "feed", "show", "FEED", 1, 1, 0, feed_show, "one feed, and what of its document was passed over", FEED_HELP },
	{ "feed", "add", "URL [KEY=VALUE]...", 1, OPTIONS_MAX, TAKES_WAIT, feed_add, "subscribe to a feed",
	  "URL is an http, https or file URL of a VMcast feed (RSS 2.0 or Atom 1.0, with enclosures). Prints the "
	  "feed's "
	  "id.\n"
	  "With --wait, returns when the feed has been fetched for the first time, and fails if that "
	  "failed.\n" OPTIONS_HELP "\n"
	  "  vmcast feed add --wait https://images.example.org/feed.xml ingest=newest:3\n" },
	{ "feed", "set", "FEED KEY=VALUE...", 2, OPTIONS_MAX, 0, feed_set, "change how a feed is treated",
	  FEED_HELP OPTIONS_HELP },
	{ "feed", "refresh", "[FEED]", 0, 1, 0, feed_refresh,
	  "fetch a feed, or all of them, now and wait for the outcome",
	  FEED_HELP "A feed that is gone for good is asked for again when it is named.\n" },
	{ "feed", "remove", "FEED", 1, 1, 0, feed_remove, "unsubscribe; the feed's items disappear from the menus",
	  FEED_HELP "A feed that is named in the configuration file is removed there.\n" },
	{ "feed", "check", "URL|FILE", 1, 1, 0, feed_check, "what would be made of a feed, line by line",
	  "Needs no service. Says what each item is, what would be refused and why, and what a publisher could do "
	  "better.\n"
	  "Exit status: 0 all of it can be used; 5 some of it would be refused; 1 all of it would, or it cannot be "
	  "fetched.\n" },
	{ "feed", "import", "FILE", 1, 1, TAKES_WITH_OPTIONS, feed_import, "subscribe to the feeds of an OPML file",
	  "FILE is OPML as feed readers write it, - for standard input. Feeds that are there already stay as they "
	  "are.\n"
	  "With --with-options, what `vmcast feed export` wrote of the feeds' options is taken as well: do this only "
	  "with "
	  "a\n"
	  "file you trust, as they may name hosts and credentials.\n"
	  "Exit status 5: some were refused, and it says why.\n" },
	{ "feed", "export", "", 0, 0, 0, feed_export, "print the subscriptions as OPML", NULL },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};
