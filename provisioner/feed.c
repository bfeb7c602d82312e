/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed: see feed.h. feed_reader.c gives the raw texts of one item at a time; here they are judged and made presentable.
 */
#include "feed.h"

#include "cleanup.h"
#include "feed_date.h"
#include "feed_reader.h"
#include "feed_text.h"
#include "log.h"
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Longer ids and URLs are refused, not cut: cut ones would be others. */
#define ID_MAX      1024u
#define URL_MAX     4096u
#define CMDLINE_MAX 2048u /* the kernel's own limit on x86, COMMAND_LINE_SIZE */
/* A hostile feed could make one for each item. */
#define NOTES_MAX 100u

struct builder {
	struct feed *feed;
	size_t item_room;
	size_t item_nr;       /* of the item in hand, from 1 */
	size_t notes_dropped; /* beyond NOTES_MAX */
};

static void free_disk(struct feed_disk *disk)
{
	free(disk->index_url);
	free(disk->image_url);
	free(disk->name);
	free(disk->bus);
}

void feed_item_free(struct feed_item *item)
{
	for (size_t i = 0; i < item->category_count; i++)
		free(item->categories[i]);
	for (size_t i = 0; i < item->mirror_count; i++) {
		free(item->mirrors[i].url);
		free(item->mirrors[i].type);
	}
	for (size_t i = 0; i < item->disk_count; i++)
		free_disk(&item->disks[i]);
	free(item->categories);
	free(item->mirrors);
	free(item->disks);
	free(item->uuid);
	free(item->title);
	free(item->description);
	free(item->link);
	free(item->url);
	free(item->type);
	free(item->arch);
	free(item->firmware);
	free(item->landing);
	free(item->cmdline);
	*item = (struct feed_item){ 0 };
}

void feed_free(struct feed **feed)
{
	struct feed *f = *feed;

	if (!f)
		return;
	for (size_t i = 0; i < f->item_count; i++)
		feed_item_free(&f->items[i]);
	for (size_t i = 0; i < f->note_count; i++)
		free(f->notes[i].text);
	free(f->items);
	free(f->notes);
	free(f->title);
	free(f->link);
	free(f->description);
	free(f->language);
	free(f->uuid);
	free(f);
	*feed = NULL;
}

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "feed: out of memory");
}

__attribute__((format(printf, 3, 4))) static int add_note(struct builder *b, struct err *err, const char *fmt, ...)
{
	struct feed *f = b->feed;
	va_list ap;

	if (f->note_count >= NOTES_MAX) {
		b->notes_dropped++;
		return 0;
	}
	/* One more than it needs, for the note that says how many were dropped. */
	if (!f->notes)
		f->notes = calloc(NOTES_MAX + 1, sizeof(*f->notes));
	if (!f->notes)
		return out_of_memory(err);
	va_start(ap, fmt);
	int len = vasprintf(&f->notes[f->note_count].text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return out_of_memory(err);
	f->note_count++;
	return 0;
}

/* A copy without the white space around it; empty counts as missing. NULL if `raw` is. */
static int copy_trimmed(char **out, const char *raw, struct err *err)
{
	*out = NULL;
	if (!raw)
		return 0;
	while (isspace((unsigned char)*raw))
		raw++;
	size_t len = strlen(raw);
	while (len && isspace((unsigned char)raw[len - 1]))
		len--;
	if (!len)
		return 0;
	*out = strndup(raw, len);
	return *out ? 0 : out_of_memory(err);
}

/* For people: tags removed, cut where too long. Empty counts as missing. */
static int copy_text(struct builder *b, char **out, const char *raw, enum feed_text_kind kind, const char *what,
		     struct err *err)
{
	bool cut;

	*out = NULL;
	if (!raw)
		return 0;
	char *text = feed_text_plain(raw, kind, FEED_TEXT_MAX, &cut);
	if (!text)
		return out_of_memory(err);
	if (!*text) {
		free(text);
		return 0;
	}
	*out = text;
	return cut ? add_note(b, err, "item %zu: %s is longer than %u bytes, cut", b->item_nr, what, FEED_TEXT_MAX) : 0;
}

/*
 * The checks below return 0, or -EINVAL with the reason why the item cannot be used: what a publisher wrote and we
 * cannot follow is never passed over, since it may be a digest, or what keeps an image from the wrong machines.
 */

static int check_url(const char *url, struct err *err)
{
	size_t scheme_len = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
	char shown[64];

	if (strlen(url) > URL_MAX)
		return err_set(err, -EINVAL, "its enclosure's URL is longer than %u bytes", URL_MAX);
	for (const char *c = url; *c; c++) {
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '\\')
			return err_set(err, -EINVAL,
				       "its enclosure's URL has a character that must be written as %%%02X",
				       (unsigned char)*c);
	}
	if (!feed_text_is_plain(url))
		return err_set(err, -EINVAL, "its enclosure's URL has characters that do not show");
	/* A colon behind a slash is a relative path's, not a scheme's. */
	if (url[scheme_len] != ':' || strncasecmp(url, "http:", 5) == 0 || strncasecmp(url, "https:", 6) == 0 ||
	    strncasecmp(url, "file:", 5) == 0)
		return 0;
	snprintf(shown, sizeof(shown), "%.*s", (int)scheme_len, url);
	return err_set(err, -EINVAL, "its enclosure's scheme '%s' is not http, https or file", shown);
}

static int check_length(uint64_t *out, const char *text, struct err *err)
{
	char *rest = NULL, shown[64];

	*out = 0;
	if (!text)
		return 0;
	errno = 0;
	unsigned long long value = strtoull(text, &rest, 10);
	if (!isdigit((unsigned char)text[0]) || *rest || errno || value > INT64_MAX)
		return err_set(err, -EINVAL, "its enclosure's length '%s' is no number of bytes",
			       log_quote(shown, sizeof(shown), text));
	*out = value;
	return 0;
}

static int check_digest(struct feed_item *item, const char *text, struct err *err)
{
	char shown[160];

	if (!text)
		return 0;
	if (strncasecmp(text, "sha256:", 7) != 0)
		return err_set(err, -EINVAL, "its digest '%s' does not begin with 'sha256:'",
			       log_quote(shown, sizeof(shown), text));
	if (digest_parse(item->digest, text + 7))
		return err_set(err, -EINVAL, "its digest '%s' is not 64 hexadecimal digits",
			       log_quote(shown, sizeof(shown), text));
	item->has_digest = true;
	return 0;
}

/* Pairs of a spelling and what we call it. */
static int check_word(char **out, const char *text, const char *what, const char *const (*words)[2], struct err *err)
{
	char shown[64];

	*out = NULL;
	if (!text)
		return 0;
	for (; (*words)[0]; words++) {
		if (strcasecmp(text, (*words)[0]) == 0) {
			*out = (*words)[1] ? strdup((*words)[1]) : NULL;
			return *out || !(*words)[1] ? 0 : out_of_memory(err);
		}
	}
	return err_set(err, -EINVAL, "its %s '%s' is not known", what, log_quote(shown, sizeof(shown), text));
}

static int check_bytes(uint64_t *out, const char *text, const char *what, struct err *err)
{
	char shown[64];

	*out = 0;
	if (!text || units_parse_bytes(out, text) == 0)
		return 0;
	return err_set(err, -EINVAL, "its %s '%s' is no size such as 8G", what, log_quote(shown, sizeof(shown), text));
}

/* The words of our own extension elements. */
static int take_extensions(struct feed_item *item, const struct feed_draft *draft, struct err *err)
{
	static const char *const arches[][2] = { { "x86_64", "x86_64" },
						 { "amd64", "x86_64" },
						 { "aarch64", "aarch64" },
						 { "arm64", "aarch64" },
						 { NULL, NULL } };
	static const char *const firmwares[][2] = {
		{ "bios", "bios" }, { "uefi", "uefi" }, { "bios uefi", NULL }, { "bios,uefi", NULL }, { NULL, NULL }
	};
	static const char *const landings[][2] = {
		{ "disk", "disk" }, { "kexec", "kexec" }, { "guest", "guest" }, { NULL, NULL }
	};
	char *text[FIELD_COUNT] = { NULL };
	int rc = 0;

	if (draft->doubled)
		return err_set(err, -EINVAL, "it has more than one vmcast:%s", draft->doubled);
	for (int i = FIELD_DIGEST; !rc && i < FIELD_COUNT; i++)
		rc = copy_trimmed(&text[i], draft->texts[i], err);
	/* An element that is there and empty is no less a mistake than one that cannot be read. */
	for (int i = FIELD_DIGEST; !rc && i < FIELD_COUNT; i++) {
		if (draft->texts[i] && !text[i] && i != FIELD_CMDLINE)
			rc = err_set(err, -EINVAL, "one of its vmcast: elements is empty");
	}
	if (!rc)
		rc = check_digest(item, text[FIELD_DIGEST], err);
	if (!rc)
		rc = check_word(&item->arch, text[FIELD_ARCHITECTURE], "architecture", arches, err);
	if (!rc)
		rc = check_word(&item->firmware, text[FIELD_FIRMWARE], "firmware", firmwares, err);
	if (!rc)
		rc = check_word(&item->landing, text[FIELD_LANDING], "landing", landings, err);
	if (!rc)
		rc = check_bytes(&item->disk_bytes_min, text[FIELD_DISK], "disk", err);
	if (!rc)
		rc = check_bytes(&item->memory_bytes_min, text[FIELD_MEMORY], "memory", err);
	if (!rc && text[FIELD_CMDLINE]) {
		item->cmdline = TAKE(text[FIELD_CMDLINE]);
		if (strlen(item->cmdline) > CMDLINE_MAX || !feed_text_is_plain(item->cmdline))
			rc = err_set(err, -EINVAL, "its cmdline is longer than %u bytes or not one plain line",
				     CMDLINE_MAX);
	}
	for (int i = 0; i < FIELD_COUNT; i++)
		free(text[i]);
	return rc;
}

static int take_enclosure(struct feed_item *item, const struct feed_draft *draft, struct err *err)
{
	CLEANUP(free_str) char *length = NULL;

	if (!draft->enclosures)
		return err_set(err, -EINVAL, "it has no enclosure");
	int rc = copy_trimmed(&item->url, draft->url, err);
	if (!rc && !item->url)
		return err_set(err, -EINVAL, "its enclosure has no URL");
	if (!rc)
		rc = check_url(item->url, err);
	if (!rc)
		rc = copy_trimmed(&length, draft->length, err);
	if (!rc)
		rc = check_length(&item->length, length, err);
	if (!rc)
		rc = copy_trimmed(&item->type, draft->type, err);
	if (rc || !item->type)
		return rc;
	/* Lower case, without parameters. */
	item->type[strcspn(item->type, "; \t\r\n")] = '\0';
	for (char *c = item->type; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (strlen(item->type) > ID_MAX || !feed_text_is_plain(item->type))
		return err_set(err, -EINVAL, "its enclosure's type is no media type");
	return 0;
}

static int take_uuid(struct feed_item *item, const struct feed_draft *draft, struct err *err)
{
	int rc = copy_trimmed(&item->uuid, draft->texts[FIELD_UUID], err);

	if (!rc && !item->uuid)
		rc = copy_trimmed(&item->uuid, draft->texts[FIELD_GUID], err);
	if (rc)
		return rc;
	if (!item->uuid)
		return copy_trimmed(&item->uuid, item->url, err);
	if (strlen(item->uuid) > ID_MAX || !feed_text_is_plain(item->uuid))
		return err_set(err, -EINVAL, "its uuid is longer than %u bytes or not one plain line", ID_MAX);
	return 0;
}

static int take_texts(struct builder *b, struct feed_item *item, const struct feed_draft *draft, struct err *err)
{
	const char *date = draft->texts[FIELD_PUB_DATE];
	char shown[64];
	int rc = copy_text(b, &item->title, draft->texts[FIELD_TITLE], FEED_TEXT_LINE, "title", err);

	if (!rc)
		rc = copy_text(b, &item->description, draft->texts[FIELD_DESCRIPTION], FEED_TEXT_BLOCK, "description",
			       err);
	if (!rc)
		rc = copy_text(b, &item->link, draft->texts[FIELD_LINK], FEED_TEXT_LINE, "link", err);
	if (!rc && !item->title) {
		item->title = strdup(item->uuid);
		rc = item->title ? 0 : out_of_memory(err);
	}
	if (!rc && date && feed_date_parse(&item->published, date))
		rc = add_note(b, err, "item %zu: date '%s' cannot be read, ignoring", b->item_nr,
			      log_quote(shown, sizeof(shown), date));
	if (!rc && draft->enclosures > 1)
		rc = add_note(b, err, "item %zu: has %u enclosures, only the first is used", b->item_nr,
			      draft->enclosures);
	return rc;
}

static int keep_item(struct builder *b, struct feed_item *item, struct err *err)
{
	struct feed *f = b->feed;

	if (f->item_count == b->item_room) {
		size_t room = b->item_room ? b->item_room * 2 : 16;
		struct feed_item *items = realloc(f->items, room * sizeof(*items));

		if (!items)
			return out_of_memory(err);
		f->items = items;
		b->item_room = room;
	}
	f->items[f->item_count++] = *item;
	*item = (struct feed_item){ 0 };
	return 0;
}

static int on_item(void *ctx, const struct feed_draft *draft, struct err *err)
{
	CLEANUP(feed_item_free) struct feed_item item = { 0 };
	struct builder *b = ctx;
	char shown[80];

	b->item_nr++;
	int rc = take_enclosure(&item, draft, err);
	if (!rc)
		rc = take_uuid(&item, draft, err);
	if (!rc)
		rc = take_extensions(&item, draft, err);
	if (rc == -EINVAL) {
		const char *title = draft->texts[FIELD_TITLE] ? draft->texts[FIELD_TITLE] : "";

		return add_note(b, err, "item %zu '%s' left out: %s", b->item_nr,
				log_quote(shown, sizeof(shown), title), err->text);
	}
	if (!rc)
		rc = take_texts(b, &item, draft, err);
	return rc ? rc : keep_item(b, &item, err);
}

static int on_channel(void *ctx, const struct feed_draft *draft, struct err *err)
{
	struct builder *b = ctx;
	struct feed *f = b->feed;

	b->item_nr = 0; /* notes about item 0 are about the channel */
	int rc = copy_text(b, &f->title, draft->texts[FIELD_TITLE], FEED_TEXT_LINE, "title", err);
	if (!rc)
		rc = copy_text(b, &f->link, draft->texts[FIELD_LINK], FEED_TEXT_LINE, "link", err);
	if (!rc)
		rc = copy_text(b, &f->description, draft->texts[FIELD_DESCRIPTION], FEED_TEXT_BLOCK, "description",
			       err);
	if (!rc)
		rc = copy_text(b, &f->language, draft->texts[FIELD_LANGUAGE], FEED_TEXT_LINE, "language", err);
	if (!rc)
		rc = copy_text(b, &f->uuid, draft->texts[FIELD_UUID], FEED_TEXT_LINE, "uuid", err);
	if (!rc && !f->title) {
		f->title = strdup("untitled feed");
		rc = f->title ? 0 : out_of_memory(err);
	}
	return rc;
}

/* By uuid, and among equals by place in the document. */
static int compare_places(const void *a, const void *b)
{
	const struct feed_item *x = *(struct feed_item *const *)a, *y = *(struct feed_item *const *)b;
	int order = strcmp(x->uuid, y->uuid);

	return order ? order : (x > y) - (x < y);
}

/* Of items with the same uuid the first stays. Marks the others by taking their uuid away, then closes the gaps. */
static int drop_doubles(struct builder *b, struct err *err)
{
	struct feed *f = b->feed;
	CLEANUP(free_mem) struct feed_item **places = calloc(f->item_count + 1, sizeof(*places));
	const char *last = NULL;
	size_t kept = 0;
	char shown[80];
	int rc = 0;

	if (!places)
		return out_of_memory(err);
	for (size_t i = 0; i < f->item_count; i++)
		places[i] = &f->items[i];
	qsort(places, f->item_count, sizeof(*places), compare_places);
	for (size_t i = 0; i < f->item_count; i++) {
		if (!last || strcmp(last, places[i]->uuid) != 0) {
			last = places[i]->uuid;
			continue;
		}
		rc = rc ? rc
			: add_note(b, err, "item '%s' left out: its uuid came before",
				   log_quote(shown, sizeof(shown), places[i]->title));
		free(TAKE(places[i]->uuid));
	}
	for (size_t i = 0; i < f->item_count; i++) {
		if (f->items[i].uuid)
			f->items[kept++] = f->items[i];
		else
			feed_item_free(&f->items[i]);
	}
	f->item_count = kept;
	return rc;
}

int feed_parse(struct feed **out, const char *xml, size_t len, const struct feed_limits *limits, struct err *err)
{
	CLEANUP(feed_free) struct feed *feed = calloc(1, sizeof(*feed));
	struct builder b = { .feed = feed };
	const struct feed_handler handler = { on_item, on_channel, &b };

	if (!feed)
		return out_of_memory(err);
	int rc = feed_read(xml, len, limits, &handler, err);
	if (!rc)
		rc = drop_doubles(&b, err);
	if (rc)
		return rc;
	if (b.notes_dropped && asprintf(&feed->notes[feed->note_count].text, "%zu more notes", b.notes_dropped) >= 0)
		feed->note_count++;
	*out = TAKE(feed);
	return 0;
}
