/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_check: `vmcast feed check`: what a service would make of a feed, without one. For publishers. */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "feed.h"
#include "feed_json.h"
#include "http.h"
#include "json.h"
#include "log.h"
#include "sniff.h"
#include "source_policy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Those that the configuration has by default. */
static const struct feed_limits limits = { 16u << 20, 10000 };

#define REDIRECTS_MAX 10u

/* A document and where it came from. */
struct subject {
	char *text;
	size_t len;
	char *url; /* what its URLs are relative to; NULL: a file whose place on the web is not known */
};

static void subject_done(struct subject *s)
{
	free(s->text);
	free(s->url);
}

static int read_file(struct subject *s, const char *path, struct err *err)
{
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	struct stat st;

	if (!file || fstat(fileno(file), &st) < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "'%s' is not a regular file", path);
	if ((uint64_t)st.st_size > limits.bytes_max)
		return err_set(err, -EFBIG, "'%s' is longer than 16 MiB, the default of feed_bytes_max", path);
	s->text = malloc((size_t)st.st_size + 1);
	if (!s->text)
		return err_set(err, -ENOMEM, "out of memory");
	s->len = fread(s->text, 1, (size_t)st.st_size, file);
	return ferror(file) ? err_set(err, -EIO, "read '%s': %s", path, strerror(errno)) : 0;
}

static int fetch(struct subject *s, const char *url, struct err *err)
{
	const struct http_options options = { .redirects_max = REDIRECTS_MAX, .total_s = 300 };
	CLEANUP(http_close) struct http *http = NULL;
	int rc = http_open(&http, &options, err);

	if (!rc)
		rc = http_get_text(http, url, limits.bytes_max, &s->text, &s->len, err);
	if (!rc && !(s->url = strdup(http_final_url(http))))
		rc = err_set(err, -ENOMEM, "out of memory");
	return rc;
}

static int load(struct subject *s, const char *place, struct err *err)
{
	CLEANUP(free_str) char *path = NULL;

	if (source_policy_is_file(place)) {
		int rc = source_policy_file_path(&path, place, err);

		return rc ? rc : read_file(s, path, err);
	}
	return strstr(place, "://") ? fetch(s, place, err) : read_file(s, place, err);
}

/* Why a service would not fetch from this URL, as far as that shows without asking anybody. */
static int check_place(const struct subject *s, const char *url, struct err *err)
{
	CLEANUP(source_policy_free) struct source_policy *policy = NULL;
	CLEANUP(free_str) char *whole = NULL;
	const struct string_list none = { 0 };

	if (!s->url)
		return source_policy_is_file(url)
			       ? err_set(err, -EACCES, "'%s': a feed that is no file itself may not name files", url)
			       : 0;
	int rc = http_url_join(&whole, s->url, url, err);
	if (!rc)
		rc = source_policy_new(&policy, s->url, &none, err);
	return rc ? rc : source_policy_check_url(policy, whole, err);
}

static int check_enclosure(const char **what, const struct subject *s, const char *url, const char *type,
			   struct err *err)
{
	const struct sniff_format *format = NULL;
	int rc = check_place(s, url, err);

	if (!rc)
		rc = sniff_declared(&format, type, url, err);
	*what = format ? format->name : "whatever its bytes say";
	return rc;
}

/* Why none of an item's enclosures will be used: that of the first; 0 if one will. `*what` it is, if it says. */
static int check_item(const char **what, const struct subject *s, const struct feed_item *item, struct err *err)
{
	int rc = check_enclosure(what, s, item->url, item->type, err);

	for (size_t i = 0; rc && i < item->mirror_count; i++) {
		struct err ignored;

		if (check_enclosure(what, s, item->mirrors[i].url, item->mirrors[i].type, &ignored) == 0)
			rc = 0;
	}
	return rc;
}

static json_t *item_json(const struct subject *s, const struct feed_item *item)
{
	struct err err = { 0 };
	const char *what;
	int rc = check_item(&what, s, item, &err);
	json_t *categories = json_array();

	for (size_t i = 0; i < item->category_count; i++)
		json_array_append_new(categories, json_text(item->categories[i]));
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:I, s:b, s:s, s:o, s:s, s:i, s:i, s:o, s:I, s:o}", "line",
			 (int)item->line, "uuid", json_text(item->uuid), "title", json_text(item->title), "url",
			 json_text(item->url), "type", json_text(item->type), "length", (json_int_t)item->length,
			 "digest", item->has_digest, "architecture", item->arch ? item->arch : "x86_64", "firmware",
			 json_text(item->firmware), "what", what, "mirror_count", (int)item->mirror_count,
			 "image_count", (int)item->disk_count, "categories", categories, "published",
			 (json_int_t)item->published, "refused", json_text(rc ? err.text : NULL));
}

/* What is no fault and yet worth a publisher's while. */
static void advise(json_t *notes, unsigned line, const char *text)
{
	json_array_append_new(notes, json_pack("{s:i, s:b, s:s}", "line", (int)line, "refused", false, "text", text));
}

static void advise_item(json_t *notes, const struct feed_item *item)
{
	bool digests = item->has_digest;

	for (size_t i = 0; i < item->mirror_count; i++)
		digests = digests && item->mirrors[i].has_digest;
	if (!digests)
		advise(notes, item->line,
		       "no digest of every enclosure: subscribers refuse it, unless told not to (vmcast:digest, "
		       "media:hash)");
	if (!item->length)
		advise(notes, item->line, "no length: a download that was cut short may not be noticed");
	if (strcmp(item->uuid, item->url) == 0)
		advise(notes, item->line, "no uuid or guid: under another URL it will be another item");
	if (!item->published)
		advise(notes, item->line, "no date: it is taken for the oldest");
}

static json_t *feed_json(const struct subject *s, const struct feed *feed)
{
	json_t *items = json_array(), *notes = feed_notes_json(feed->notes, feed->note_count);
	size_t refused = 0;

	for (size_t i = 0; i < feed->note_count; i++)
		refused += feed->notes[i].refused;
	if (strncmp(feed->form, "RSS", 3) == 0 && (!feed->link || !feed->description))
		advise(notes, 0, "RSS wants a link and a description of the channel; other readers may refuse it");
	if (s->url && strncasecmp(s->url, "http://", strlen("http://")) == 0)
		advise(notes, 0,
		       "plain HTTP: anybody on the way can change it, and subscribers refuse all items unless told "
		       "not to; serve it over HTTPS, or sign it (vmcast publish --key)");
	for (size_t i = 0; i < feed->item_count; i++) {
		json_t *item = item_json(s, &feed->items[i]);

		refused += !json_is_null(json_object_get(item, "refused"));
		json_array_append_new(items, item);
		advise_item(notes, &feed->items[i]);
	}
	return json_pack("{s:s, s:o, s:o, s:i, s:o, s:o, s:i}", "form", feed->form, "title", json_text(feed->title),
			 "uuid", json_text(feed->uuid), "ttl_s", (int)feed->ttl_s, "items", items, "notes", notes,
			 "refused", (int)refused);
}

static void print_items(const struct cli *cli, const json_t *items)
{
	static const char *const headings[] = { "LINE", "STATE", "MACHINES", "BYTES", "DIGEST", "WHAT", "TITLE" };
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));
	char text[PRINT_TEXT];
	json_t *item;
	size_t nr;

	json_array_foreach(items, nr, item)
	{
		snprintf(text, sizeof(text), "%" PRIu64, row_number(item, "line"));
		table_add(t, text);
		table_add(t, row_text(item, "refused")[0] ? "refused" : "ok");
		snprintf(text, sizeof(text), "%s%s%s", row_text(item, "architecture"),
			 row_text(item, "firmware")[0] ? " " : "", row_text(item, "firmware"));
		table_add(t, text);
		table_add(t, print_bytes(text, row_number(item, "length")));
		table_add(t, row_flag(item, "digest") ? "sha256" : "");
		table_add(t, row_number(item, "image_count") ? "ready to write" : row_text(item, "what"));
		table_add(t, row_text(item, "title"));
	}
	table_print(t, cli);
}

static void print_line(const char *kind, uint64_t line, const char *text)
{
	char where[32] = "", safe[1024];

	if (line)
		snprintf(where, sizeof(where), "line %" PRIu64 ": ", line);
	printf("%s: %s%s\n", kind, where, log_quote(safe, sizeof(safe), text));
}

static void print_feed(const struct cli *cli, const json_t *json)
{
	json_t *items = json_object_get(json, "items"), *row;
	char title[256];
	size_t nr;

	printf("%s \"%s\", %zu item%s\n", row_text(json, "form"),
	       log_quote(title, sizeof(title), row_text(json, "title")), json_array_size(items),
	       json_array_size(items) == 1 ? "" : "s");
	if (json_array_size(items))
		print_items(cli, items);
	json_array_foreach(items, nr, row) if (row_text(row, "refused")[0])
		print_line("refused", row_number(row, "line"), row_text(row, "refused"));
	json_array_foreach(json_object_get(json, "notes"), nr, row)
		print_line(row_flag(row, "refused") ? "refused" : "advice", row_number(row, "line"),
			   row_text(row, "text"));
}

int feed_check(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(subject_done) struct subject subject = { 0 };
	CLEANUP(feed_free) struct feed *feed = NULL;
	CLEANUP(json_free) json_t *json = NULL;

	if (load(&subject, args[0], err) < 0 || feed_parse(&feed, subject.text, subject.len, &limits, err) < 0)
		return err->code;
	json = feed_json(&subject, feed);
	uint64_t refused = row_number(json, "refused");
	if (cli->json && print_json(json, err) < 0)
		return err->code;
	if (!cli->json)
		print_feed(cli, json);
	fflush(stdout); /* what is said of it all comes last */
	if (refused)
		return err_set(err, CLI_FOUND_FAULTS, "%" PRIu64 " of what the feed has would be refused", refused);
	return 0;
}
