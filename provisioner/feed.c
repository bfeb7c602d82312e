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
#define ID_MAX          1024u
#define URL_MAX         4096u
#define TTL_MINUTES_MAX 44640u
#define CMDLINE_MAX     2048u /* the kernel's own limit on x86, COMMAND_LINE_SIZE */
/* A hostile feed could make one for each item. */
#define NOTES_MAX 100u

struct builder {
	struct feed *feed;
	size_t item_room;
	size_t item_nr;       /* of the item in hand, from 1 */
	unsigned line;        /* where it begins */
	bool again;           /* it is looked at for another architecture: what is to note was noted */
	size_t notes_dropped; /* beyond NOTES_MAX */
};

/* An enclosure that can be used, and for which machines. */
struct candidate {
	struct feed_enclosure enclosure;
	const char *arch; /* static */
	bool is_default;  /* the one that its publisher puts first */
};

struct candidates {
	struct candidate all[FEED_ENCLOSURES_MAX];
	size_t count;
};

static void free_enclosure(struct feed_enclosure *e)
{
	free(e->url);
	free(e->type);
}

static void candidates_done(struct candidates *c)
{
	for (size_t i = 0; i < c->count; i++)
		free_enclosure(&c->all[i].enclosure);
}

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
	for (size_t i = 0; i < item->mirror_count; i++)
		free_enclosure(&item->mirrors[i]);
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

enum note_kind { NOTE_ADVICE, NOTE_REFUSED };

__attribute__((format(printf, 4, 5))) static int add_note(struct builder *b, enum note_kind kind, struct err *err,
							  const char *fmt, ...)
{
	struct feed *f = b->feed;
	va_list ap;

	if (b->again)
		return 0;
	if (f->note_count >= NOTES_MAX) {
		b->notes_dropped++;
		return 0;
	}
	/* One more than it needs, for the note that says how many were dropped. */
	if (!f->notes)
		f->notes = calloc(NOTES_MAX + 1, sizeof(*f->notes));
	if (!f->notes)
		return out_of_memory(err);
	struct feed_note *note = &f->notes[f->note_count];
	note->line = b->line;
	note->refused = kind == NOTE_REFUSED;
	va_start(ap, fmt);
	int len = vasprintf(&note->text, fmt, ap);
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
	return cut ? add_note(b, NOTE_ADVICE, err, "item %zu: %s is longer than %u bytes, cut", b->item_nr, what,
			      FEED_TEXT_MAX)
		   : 0;
}

/*
 * The checks below return 0, or -EINVAL with the reason why the item cannot be used: what a publisher wrote and we
 * cannot follow is never passed over, since it may be a digest, or what keeps an image from the wrong machines.
 */

static int check_url(const char *url, const char *what, struct err *err)
{
	size_t scheme_len = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
	char shown[64];

	if (strlen(url) > URL_MAX)
		return err_set(err, -EINVAL, "its %s's URL is longer than %u bytes", what, URL_MAX);
	for (const char *c = url; *c; c++) {
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '\\')
			return err_set(err, -EINVAL, "its %s's URL has a character that must be written as %%%02X",
				       what, (unsigned char)*c);
	}
	if (!feed_text_is_plain(url))
		return err_set(err, -EINVAL, "its %s's URL has characters that do not show", what);
	/* A colon behind a slash is a relative path's, not a scheme's. */
	if (url[scheme_len] != ':' || strncasecmp(url, "http:", 5) == 0 || strncasecmp(url, "https:", 6) == 0 ||
	    strncasecmp(url, "file:", 5) == 0)
		return 0;
	snprintf(shown, sizeof(shown), "%.*s", (int)scheme_len, url);
	return err_set(err, -EINVAL, "its %s's scheme '%s' is not http, https or file", what, shown);
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

static int check_digest(bool *has, uint8_t digest[static DIGEST_BYTES], const char *text, struct err *err)
{
	char shown[160];

	*has = false;
	if (!text)
		return 0;
	if (strncasecmp(text, "sha256:", 7) != 0)
		return err_set(err, -EINVAL, "its digest '%s' does not begin with 'sha256:'",
			       log_quote(shown, sizeof(shown), text));
	if (digest_parse(digest, text + 7))
		return err_set(err, -EINVAL, "its digest '%s' is not 64 hexadecimal digits",
			       log_quote(shown, sizeof(shown), text));
	*has = true;
	return 0;
}

/* media:hash has the digits alone. */
static int check_hash(bool *has, uint8_t digest[static DIGEST_BYTES], const char *text, struct err *err)
{
	CLEANUP(free_str) char *trimmed = NULL;
	char shown[160];
	int rc = copy_trimmed(&trimmed, text, err);

	*has = false;
	if (rc || !text)
		return rc;
	if (!trimmed || strlen(trimmed) != 2 * DIGEST_BYTES || digest_parse(digest, trimmed))
		return err_set(err, -EINVAL, "its media:hash '%s' is not 64 hexadecimal digits",
			       log_quote(shown, sizeof(shown), text));
	*has = true;
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

static const char *const arches[][2] = {
	{ "x86_64", "x86_64" }, { "amd64", "x86_64" }, { "aarch64", "aarch64" }, { "arm64", "aarch64" }, { NULL, NULL }
};

/* The architecture by the name that we use; `fallback` where there is none said. */
static int check_arch(const char **out, const char *text, const char *fallback, struct err *err)
{
	CLEANUP(free_str) char *trimmed = NULL, *word = NULL;
	int rc = copy_trimmed(&trimmed, text, err);

	*out = fallback;
	if (!rc)
		rc = check_word(&word, trimmed, "architecture", arches, err);
	for (size_t i = 0; !rc && word && arches[i][0]; i++)
		if (strcmp(word, arches[i][0]) == 0)
			*out = arches[i][0];
	return rc;
}

/* The words of our own extension elements. */
static int take_extensions(struct feed_item *item, const struct feed_draft *draft, struct err *err)
{
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
		rc = check_digest(&item->has_digest, item->digest, text[FIELD_DIGEST], err);
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

/* Lower case, without parameters. */
static int take_type(char **out, const struct draft_enclosure *draft, struct err *err)
{
	static const char *const others[] = { "image", "audio", "video" };
	int rc = copy_trimmed(out, draft->type, err);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (draft->medium && strcasecmp(draft->medium, others[i]) == 0)
			return err_set(err, -EINVAL, "its media:content is %s, no disk", others[i]);
	if (rc || !*out)
		return rc;
	(*out)[strcspn(*out, "; \t\r\n")] = '\0';
	for (char *c = *out; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (strlen(*out) > ID_MAX || !feed_text_is_plain(*out))
		return err_set(err, -EINVAL, "its enclosure's type is no media type");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strncmp(*out, others[i], strlen(others[i])) == 0 && (*out)[strlen(others[i])] == '/')
			return err_set(err, -EINVAL, "its enclosure's type '%.60s' is that of %s, not of a disk", *out,
				       others[i]);
	return 0;
}

static int take_length(uint64_t *out, const char *text, struct err *err)
{
	CLEANUP(free_str) char *length = NULL;
	int rc = copy_trimmed(&length, text, err);

	return rc ? rc : check_length(out, length, err);
}

/* Its digest: its own, or that of all media in the item. */
static int take_digest(struct feed_enclosure *e, const struct feed_draft *item, const struct draft_enclosure *draft,
		       struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	const char *hash = draft->hash ? draft->hash : draft->media ? item->texts[FIELD_HASH] : NULL;
	uint8_t hashed[DIGEST_BYTES];
	bool has_hash = false;

	int rc = copy_trimmed(&text, draft->digest, err);
	if (!rc && draft->digest && !text)
		return err_set(err, -EINVAL, "its vmcast:digest is empty");
	if (!rc)
		rc = check_digest(&e->has_digest, e->digest, text, err);
	if (!rc)
		rc = check_hash(&has_hash, hashed, hash, err);
	if (rc || !has_hash)
		return rc;
	if (e->has_digest && !digest_equal(e->digest, hashed))
		return err_set(err, -EINVAL, "its vmcast:digest and its media:hash differ");
	memcpy(e->digest, hashed, DIGEST_BYTES);
	e->has_digest = true;
	return 0;
}

static int take_enclosure(struct candidate *out, const struct feed_draft *item, const struct draft_enclosure *draft,
			  const char *item_arch, struct err *err)
{
	struct feed_enclosure *e = &out->enclosure;

	int rc = copy_trimmed(&e->url, draft->url, err);
	if (!rc && !e->url)
		return err_set(err, -EINVAL, "its enclosure has no URL");
	if (!rc)
		rc = check_url(e->url, "enclosure", err);
	if (!rc)
		rc = take_length(&e->length, draft->length, err);
	if (!rc)
		rc = take_type(&e->type, draft, err);
	if (!rc)
		rc = check_arch(&out->arch, draft->arch, item_arch, err);
	out->is_default = draft->is_default && strcasecmp(draft->is_default, "true") == 0;
	return rc ? rc : take_digest(e, item, draft, err);
}

/* The same place named twice, as an enclosure and in Media RSS: one tells what the other does not. 1: it was. */
static int merge_double(struct candidates *c, struct candidate *fresh, struct err *err)
{
	for (size_t i = 0; i < c->count; i++) {
		struct feed_enclosure *known = &c->all[i].enclosure, *e = &fresh->enclosure;

		if (strcmp(known->url, e->url) != 0)
			continue;
		if ((known->length && e->length && known->length != e->length) ||
		    (known->has_digest && e->has_digest && !digest_equal(known->digest, e->digest)))
			return err_set(err, -EINVAL, "it names '%.200s' twice, with different lengths or digests",
				       e->url);
		known->length = known->length ? known->length : e->length;
		if (!known->type)
			known->type = TAKE(e->type);
		if (!known->has_digest) {
			known->has_digest = e->has_digest;
			memcpy(known->digest, e->digest, DIGEST_BYTES);
		}
		free_enclosure(e);
		return 1;
	}
	return 0;
}

/* All that can be used, the default one first. -EINVAL: none can. */
static int take_enclosures(struct builder *b, struct candidates *out, const struct feed_draft *draft,
			   const char *item_arch, struct err *err)
{
	char shown[80];
	int rc = 0;

	if (!draft->enclosure_count)
		return err_set(err, -EINVAL, "it has no enclosure");
	for (size_t i = 0; i < draft->enclosure_count; i++) {
		struct candidate fresh = { 0 };

		rc = take_enclosure(&fresh, draft, &draft->enclosures[i], item_arch, err);
		if (!rc)
			rc = merge_double(out, &fresh, err);
		if (rc == 0) {
			size_t at = fresh.is_default ? 0 : out->count;

			memmove(&out->all[at + 1], &out->all[at], (out->count - at) * sizeof(fresh));
			out->all[at] = fresh;
			out->count++;
			continue;
		}
		if (rc < 0)
			free_enclosure(&fresh.enclosure);
		if (rc < 0 && (rc != -EINVAL || draft->enclosure_count == 1))
			return rc;
		if (rc < 0 && (rc = add_note(b, NOTE_REFUSED, err, "item %zu: enclosure %zu left out: %s", b->item_nr,
					     i + 1, err->text)) < 0)
			return rc;
	}
	if (!out->count)
		return err_set(err, -EINVAL, "none of its %zu enclosures can be used", draft->enclosure_count);
	if (draft->enclosures_dropped)
		return add_note(b, NOTE_REFUSED, err, "item %zu '%s': %zu enclosures more than %u left out", b->item_nr,
				log_quote(shown, sizeof(shown),
					  draft->texts[FIELD_TITLE] ? draft->texts[FIELD_TITLE] : ""),
				draft->enclosures_dropped, FEED_ENCLOSURES_MAX);
	return 0;
}

/* Those for one architecture become the item's: the first its enclosure, the others its mirrors. */
static int use_enclosures(struct feed_item *item, struct candidates *c, const char *arch, struct err *err)
{
	struct feed_enclosure said = { .has_digest = item->has_digest };

	memcpy(said.digest, item->digest, DIGEST_BYTES);
	item->mirrors = calloc(c->count, sizeof(*item->mirrors));
	if (!item->mirrors)
		return out_of_memory(err);
	for (size_t i = 0; i < c->count; i++) {
		struct feed_enclosure *e = &c->all[i].enclosure;

		if (c->all[i].arch != arch)
			continue;
		/* What the item says of its bytes holds for those enclosures that do not say otherwise. */
		if (!e->has_digest && said.has_digest) {
			memcpy(e->digest, said.digest, DIGEST_BYTES);
			e->has_digest = true;
		}
		if (item->url) {
			item->mirrors[item->mirror_count++] = *e;
		} else {
			item->url = e->url;
			item->type = e->type;
			item->length = e->length;
			item->has_digest = e->has_digest;
			memcpy(item->digest, e->digest, DIGEST_BYTES);
		}
		*e = (struct feed_enclosure){ 0 };
	}
	return 0;
}

static int check_size(uint64_t *out, const char *text, const char *what, struct err *err)
{
	char *rest = NULL, shown[64];

	errno = 0;
	*out = text && isdigit((unsigned char)text[0]) ? strtoull(text, &rest, 10) : 0;
	if (!*out || *rest || errno || *out > INT64_MAX)
		return err_set(err, -EINVAL, "its vmcast:image has no usable %s: '%s'", what,
			       log_quote(shown, sizeof(shown), text ? text : ""));
	return 0;
}

static int take_disk(struct feed_disk *disk, const struct draft_image *draft, struct err *err)
{
	static const char *const buses[][2] = { { "virtio", "virtio" }, { "scsi", "scsi" }, { "ide", "ide" },
						{ "sata", "sata" },     { "nvme", "nvme" }, { "xen", "xen" },
						{ NULL, NULL } };
	char *const *text = draft->attributes;
	char shown[80];
	int rc;

	if (!text[IMAGE_INDEX] || !text[IMAGE_IMAGE] || !text[IMAGE_ID])
		return err_set(err, -EINVAL, "its vmcast:image lacks index, image or id");
	if (digest_parse(disk->id, text[IMAGE_ID]))
		return err_set(err, -EINVAL, "its vmcast:image's id '%s' is not 64 hexadecimal digits",
			       log_quote(shown, sizeof(shown), text[IMAGE_ID]));
	if ((rc = check_url(text[IMAGE_INDEX], "vmcast:image", err)) < 0 ||
	    (rc = check_url(text[IMAGE_IMAGE], "vmcast:image", err)) < 0 ||
	    (rc = check_size(&disk->index_bytes, text[IMAGE_INDEX_BYTES], "index_bytes", err)) < 0 ||
	    (rc = check_size(&disk->image_bytes, text[IMAGE_IMAGE_BYTES], "image_bytes", err)) < 0 ||
	    (rc = check_size(&disk->disk_bytes, text[IMAGE_DISK_BYTES], "disk_bytes", err)) < 0 ||
	    (rc = check_word(&disk->bus, text[IMAGE_BUS], "vmcast:image's bus", buses, err)) < 0)
		return rc;
	if (text[IMAGE_NAME] && (strlen(text[IMAGE_NAME]) > ID_MAX || !feed_text_is_plain(text[IMAGE_NAME])))
		return err_set(err, -EINVAL, "its vmcast:image's name is longer than %u bytes or not one plain line",
			       ID_MAX);
	if (text[IMAGE_NAME] && !(disk->name = strdup(text[IMAGE_NAME])))
		return out_of_memory(err);
	disk->index_url = strdup(text[IMAGE_INDEX]);
	disk->image_url = strdup(text[IMAGE_IMAGE]);
	return disk->index_url && disk->image_url ? 0 : out_of_memory(err);
}

/* Half of a machine's disks is worse than none. */
static int take_disks(struct feed_item *item, const struct feed_draft *draft, struct err *err)
{
	int rc = 0;

	if (draft->images_dropped)
		return err_set(err, -EINVAL, "it has more than %u vmcast:image", FEED_DISKS_MAX);
	item->disks = calloc(draft->image_count + 1, sizeof(*item->disks));
	if (!item->disks)
		return out_of_memory(err);
	while (!rc && item->disk_count < draft->image_count) {
		size_t nr = item->disk_count++;

		rc = take_disk(&item->disks[nr], &draft->images[nr], err);
	}
	return rc;
}

/* `suffix`: the architecture of an item that is not the one its publisher means by the uuid; NULL: none. */
static int take_uuid(struct feed_item *item, const struct feed_draft *draft, const char *suffix, struct err *err)
{
	CLEANUP(free_str) char *bare = NULL;
	int rc = copy_trimmed(&bare, draft->texts[FIELD_UUID], err);

	if (!rc && !bare)
		rc = copy_trimmed(&bare, draft->texts[FIELD_GUID], err);
	if (rc)
		return rc;
	if (bare && (strlen(bare) > ID_MAX || !feed_text_is_plain(bare)))
		return err_set(err, -EINVAL, "its uuid is longer than %u bytes or not one plain line", ID_MAX);
	if (!bare)
		return copy_trimmed(&item->uuid, item->url, err);
	if (!suffix)
		item->uuid = TAKE(bare);
	else if (asprintf(&item->uuid, "%s#%s", bare, suffix) < 0)
		item->uuid = NULL;
	return item->uuid ? 0 : out_of_memory(err);
}

/* A guid is a link unless it says that it is none (RSS); ids of Atom never are. */
static int take_link(struct builder *b, struct feed_item *item, const struct feed_draft *draft, struct err *err)
{
	const char *guid = draft->texts[FIELD_GUID];
	int rc = copy_text(b, &item->link, draft->texts[FIELD_LINK], FEED_TEXT_LINE, "link", err);

	if (rc || item->link || !guid || draft->texts[FIELD_UPDATED] ||
	    (draft->permalink && strcasecmp(draft->permalink, "true") != 0))
		return rc;
	guid += strspn(guid, " \t\r\n");
	if (strncasecmp(guid, "http://", 7) != 0 && strncasecmp(guid, "https://", 8) != 0)
		return 0;
	return copy_text(b, &item->link, guid, FEED_TEXT_LINE, "link", err);
}

static int take_date(struct builder *b, struct feed_item *item, const struct feed_draft *draft, struct err *err)
{
	const char *date = draft->texts[FIELD_PUB_DATE] ? draft->texts[FIELD_PUB_DATE] : draft->texts[FIELD_UPDATED];
	char shown[64];

	if (!date || feed_date_parse(&item->published, date) == 0)
		return 0;
	return add_note(b, NOTE_ADVICE, err, "item %zu: date '%s' cannot be read, ignoring", b->item_nr,
			log_quote(shown, sizeof(shown), date));
}

static int take_categories(struct builder *b, struct feed_item *item, const struct feed_draft *draft, struct err *err)
{
	item->categories = calloc(draft->category_count + 1, sizeof(*item->categories));
	if (!item->categories)
		return out_of_memory(err);
	for (size_t i = 0; i < draft->category_count; i++) {
		char *text;
		int rc = copy_text(b, &text, draft->categories[i], FEED_TEXT_LINE, "category", err);

		if (text)
			item->categories[item->category_count++] = text;
		if (rc)
			return rc;
	}
	if (draft->categories_dropped)
		return add_note(b, NOTE_ADVICE, err, "item %zu: %zu categories more than %u, ignoring", b->item_nr,
				draft->categories_dropped, FEED_CATEGORIES_MAX);
	return 0;
}

static int take_texts(struct builder *b, struct feed_item *item, const struct feed_draft *draft, struct err *err)
{
	const char *description =
		draft->texts[FIELD_DESCRIPTION] ? draft->texts[FIELD_DESCRIPTION] : draft->texts[FIELD_CONTENT];
	int rc = copy_text(b, &item->title, draft->texts[FIELD_TITLE], FEED_TEXT_LINE, "title", err);

	if (!rc)
		rc = copy_text(b, &item->description, description, FEED_TEXT_BLOCK, "description", err);
	if (!rc && !item->title) {
		item->title = strdup(item->uuid);
		rc = item->title ? 0 : out_of_memory(err);
	}
	if (!rc)
		rc = take_link(b, item, draft, err);
	if (!rc)
		rc = take_date(b, item, draft, err);
	if (!rc)
		rc = take_categories(b, item, draft, err);
	if (!rc && draft->weak_hash)
		rc = add_note(b, NOTE_ADVICE, err, "item %zu: has a media:hash that is not sha-256, ignoring",
			      b->item_nr);
	if (!rc && draft->unknown[0])
		rc = add_note(b, NOTE_ADVICE, err, "item %zu: vmcast:%s is not known, ignoring", b->item_nr,
			      draft->unknown);
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

/* The item as machines of one architecture see it. */
static int take_item(struct builder *b, const struct feed_draft *draft, struct candidates *candidates, const char *arch,
		     const char *suffix, struct err *err)
{
	CLEANUP(feed_item_free) struct feed_item item = { .line = draft->line };
	int rc = take_extensions(&item, draft, err);

	/* What the item says of bytes is not said of those for other machines. */
	if (suffix) {
		item.has_digest = false;
		free(item.arch);
		item.arch = strdup(arch);
	}
	if (!rc)
		rc = use_enclosures(&item, candidates, arch, err);
	if (!rc && !suffix)
		rc = take_disks(&item, draft, err);
	if (!rc)
		rc = take_uuid(&item, draft, suffix, err);
	if (!rc)
		rc = take_texts(b, &item, draft, err);
	return rc ? rc : keep_item(b, &item, err);
}

/* One item for each architecture, first that which the item as a whole is for. */
static int take_items(struct builder *b, const struct feed_draft *draft, struct err *err)
{
	CLEANUP(candidates_done) struct candidates candidates = { 0 };
	const char *own;
	int rc = check_arch(&own, draft->texts[FIELD_ARCHITECTURE], arches[0][0], err);

	if (!rc)
		rc = take_enclosures(b, &candidates, draft, own, err);
	for (size_t i = 0; !rc && i < candidates.count; i++)
		if (candidates.all[i].arch == own && candidates.all[i].enclosure.url)
			rc = take_item(b, draft, &candidates, own, NULL, err);
	for (size_t i = 0; !rc && i < candidates.count; i++) {
		b->again = b->feed->item_count > 0 && b->feed->items[b->feed->item_count - 1].line == draft->line;
		if (candidates.all[i].enclosure.url)
			rc = take_item(b, draft, &candidates, candidates.all[i].arch, candidates.all[i].arch, err);
	}
	b->again = false;
	return rc;
}

static int on_item(void *ctx, const struct feed_draft *draft, struct err *err)
{
	struct builder *b = ctx;
	char shown[80];

	b->item_nr++;
	b->line = draft->line;
	int rc = take_items(b, draft, err);
	if (rc != -EINVAL)
		return rc;
	const char *title = draft->texts[FIELD_TITLE] ? draft->texts[FIELD_TITLE] : "";
	return add_note(b, NOTE_REFUSED, err, "item %zu '%s' left out: %s", b->item_nr,
			log_quote(shown, sizeof(shown), title), err->text);
}

/* Minutes; more than a month is a mistake, not a wish. */
static int take_ttl(struct builder *b, const char *text, struct err *err)
{
	CLEANUP(free_str) char *trimmed = NULL;
	uint64_t minutes;
	char shown[64];
	int rc = copy_trimmed(&trimmed, text, err);

	if (rc || !trimmed)
		return rc;
	if (trimmed[strspn(trimmed, "0123456789")] || units_parse_bytes(&minutes, trimmed) || minutes > TTL_MINUTES_MAX)
		return add_note(b, NOTE_ADVICE, err, "ttl '%s' is no number of minutes up to %u, ignoring",
				log_quote(shown, sizeof(shown), trimmed), TTL_MINUTES_MAX);
	b->feed->ttl_s = (uint32_t)minutes * 60;
	return 0;
}

/* An hour 0..23, or the English name of a day. Others are ignored, as RSS says nothing of them. */
static void take_skip(struct feed *f, const char *text)
{
	static const char *const days[] = {
		"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"
	};
	char word[16] = "";

	sscanf(text, " %15s", word);
	if (word[0] && !word[strspn(word, "0123456789")] && strlen(word) <= 2 && atoi(word) < 24)
		f->skip_hours |= 1u << atoi(word);
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++)
		if (strcasecmp(word, days[i]) == 0)
			f->skip_days |= (uint8_t)(1u << i);
}

static int on_channel(void *ctx, const struct feed_draft *draft, struct err *err)
{
	struct builder *b = ctx;
	struct feed *f = b->feed;
	const char *id = draft->texts[FIELD_UUID] ? draft->texts[FIELD_UUID] : draft->texts[FIELD_GUID];

	b->item_nr = 0; /* notes about item 0 are about the channel */
	b->line = 0;
	int rc = copy_text(b, &f->title, draft->texts[FIELD_TITLE], FEED_TEXT_LINE, "title", err);
	if (!rc)
		rc = copy_text(b, &f->link, draft->texts[FIELD_LINK], FEED_TEXT_LINE, "link", err);
	if (!rc)
		rc = copy_text(b, &f->description, draft->texts[FIELD_DESCRIPTION], FEED_TEXT_BLOCK, "description",
			       err);
	if (!rc)
		rc = copy_text(b, &f->language, draft->texts[FIELD_LANGUAGE], FEED_TEXT_LINE, "language", err);
	if (!rc)
		rc = copy_text(b, &f->uuid, id, FEED_TEXT_LINE, "uuid", err);
	if (!rc)
		rc = take_ttl(b, draft->texts[FIELD_TTL], err);
	for (size_t i = 0; i < draft->skip_count; i++)
		take_skip(f, draft->skips[i]);
	if (rc || f->title)
		return rc;
	f->title = strdup("untitled feed");
	return f->title ? 0 : out_of_memory(err);
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
		b->line = places[i]->line;
		rc = rc ? rc
			: add_note(b, NOTE_REFUSED, err, "item '%s' left out: its uuid came before",
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
	int rc = feed_read(&feed->form, xml, len, limits, &handler, err);
	if (!rc)
		rc = drop_doubles(&b, err);
	if (rc)
		return rc;
	if (b.notes_dropped && asprintf(&feed->notes[feed->note_count].text, "%zu more notes", b.notes_dropped) >= 0)
		feed->note_count++;
	*out = TAKE(feed);
	return 0;
}
