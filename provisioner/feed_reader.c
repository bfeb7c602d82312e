/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_reader: see feed_reader.h. libxml2's push parser calls on_start, on_text and on_end; no tree is made. */
#include "feed_reader.h"

#include "cleanup.h"
#include "feed_encoding.h"
#include "log.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RSS and Atom are six levels deep at most; the rest is for XHTML that stands inline in a description. */
#define DEPTH_MAX 32u
/*
 * What libxml2 does in quadratic time, so that a document of a few megabytes would take minutes: it compares each
 * attribute of a tag with each other one, looks through all namespaces in scope for each name, and keeps every name it
 * ever met in a hash table that stops growing at 16,384 chains.
 */
#define ATTRIBUTES_MAX 64
#define NAMESPACES_MAX 128u
#define NAMES_MAX      8192
/* What the parser may hold back while it waits for the end of one tag, comment or CDATA section. */
#define TOKEN_MAX   (256u << 10)
#define PIECE_BYTES (16u << 10)

#define ATOM_NAMESPACE  "http://www.w3.org/2005/Atom"
#define MEDIA_NAMESPACE "http://search.yahoo.com/mrss"

/* Whose an element is. */
enum space { SPACE_OTHER, SPACE_RSS, SPACE_ATOM, SPACE_OURS, SPACE_MEDIA };

/* Elements that are a text each. */
static const struct {
	enum space space;
	const char *name;
	enum feed_field field;
} fields[] = {
	{ SPACE_RSS, "title", FIELD_TITLE },
	{ SPACE_RSS, "description", FIELD_DESCRIPTION },
	{ SPACE_RSS, "link", FIELD_LINK },
	{ SPACE_RSS, "language", FIELD_LANGUAGE },
	{ SPACE_RSS, "uuid", FIELD_UUID },
	{ SPACE_RSS, "guid", FIELD_GUID },
	{ SPACE_RSS, "pubDate", FIELD_PUB_DATE },
	{ SPACE_RSS, "ttl", FIELD_TTL },
	{ SPACE_ATOM, "title", FIELD_TITLE },
	{ SPACE_ATOM, "subtitle", FIELD_DESCRIPTION },
	{ SPACE_ATOM, "summary", FIELD_DESCRIPTION },
	{ SPACE_ATOM, "content", FIELD_CONTENT },
	{ SPACE_ATOM, "id", FIELD_GUID },
	{ SPACE_ATOM, "published", FIELD_PUB_DATE },
	{ SPACE_ATOM, "updated", FIELD_UPDATED },
	{ SPACE_OURS, "digest", FIELD_DIGEST },
	{ SPACE_OURS, "architecture", FIELD_ARCHITECTURE },
	{ SPACE_OURS, "firmware", FIELD_FIRMWARE },
	{ SPACE_OURS, "disk", FIELD_DISK },
	{ SPACE_OURS, "memory", FIELD_MEMORY },
	{ SPACE_OURS, "landing", FIELD_LANDING },
	{ SPACE_OURS, "cmdline", FIELD_CMDLINE },
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

const char *const draft_image_names[IMAGE_FIELDS] = {
	[IMAGE_INDEX] = "index",
	[IMAGE_IMAGE] = "image",
	[IMAGE_ID] = "id",
	[IMAGE_INDEX_BYTES] = "index_bytes",
	[IMAGE_IMAGE_BYTES] = "image_bytes",
	[IMAGE_DISK_BYTES] = "disk_bytes",
	[IMAGE_NAME] = "name",
	[IMAGE_BUS] = "bus",
};

/* What surrounds what we read: elements of RSS lie one deeper than those of Atom. */
static const struct dialect {
	const char *form, *root, *item;
	size_t item_depth;
} rss = { "RSS 2.0", "rss", "item", 3 }, atom = { "Atom 1.0", "feed", "entry", 2 };

struct reader {
	xmlParserCtxtPtr xml;
	const struct feed_limits *limits;
	const struct feed_handler *handler;
	struct err *err; /* filled when `rc` is set */
	int rc;

	size_t depth; /* open elements */
	unsigned namespaces[DEPTH_MAX + 1], namespaces_open;
	const struct dialect *dialect;
	char *rss_uri; /* the root's namespace; NULL: none, as it should be */
	bool in_channel, had_channel, in_item;
	bool in_skips;                   /* in skipHours or skipDays */
	bool in_group;                   /* in a media:group */
	struct draft_enclosure *content; /* the media:content that is open */
	uint64_t item_count;
	struct feed_draft channel, item;

	char **text;         /* into a draft: the text being read; NULL: none is */
	bool text_is_markup; /* elements may stand in it */
	size_t text_depth, text_len, text_room;
};

static void free_enclosure(struct draft_enclosure *e)
{
	free(e->url);
	free(e->type);
	free(e->length);
	free(e->digest);
	free(e->arch);
	free(e->medium);
	free(e->is_default);
	free(e->hash);
}

static void clear_draft(struct feed_draft *d)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		free(d->texts[i]);
	for (size_t i = 0; i < d->enclosure_count; i++)
		free_enclosure(&d->enclosures[i]);
	for (size_t i = 0; i < d->image_count; i++)
		for (size_t k = 0; k < IMAGE_FIELDS; k++)
			free(d->images[i].attributes[k]);
	for (size_t i = 0; i < d->category_count; i++)
		free(d->categories[i]);
	for (size_t i = 0; i < d->skip_count; i++)
		free(d->skips[i]);
	free(d->permalink);
	*d = (struct feed_draft){ 0 };
}

/* `rc` was returned with r->err filled: no more callbacks come. */
static void give_up(struct reader *r, int rc)
{
	r->rc = rc;
	xmlStopParser(r->xml);
}

static void begin_text(struct reader *r, char **text)
{
	*text = calloc(1, 1);
	if (!*text) {
		give_up(r, err_set(r->err, -ENOMEM, "feed: out of memory"));
		return;
	}
	r->text = text;
	r->text_is_markup = false;
	r->text_depth = r->depth;
	r->text_len = 0;
	r->text_room = 1;
}

static void on_text(void *ctx, const xmlChar *bytes, int signed_len)
{
	struct reader *r = ctx;
	size_t len = (size_t)signed_len;

	if (r->rc || !r->text)
		return;
	if (len > FEED_RAW_TEXT_MAX - r->text_len)
		len = FEED_RAW_TEXT_MAX - r->text_len;
	if (r->text_len + len + 1 > r->text_room) {
		size_t room = (r->text_len + len + 1) * 2;
		char *longer = realloc(*r->text, room);

		if (!longer) {
			give_up(r, err_set(r->err, -ENOMEM, "feed: out of memory"));
			return;
		}
		*r->text = longer;
		r->text_room = room;
	}
	memcpy(*r->text + r->text_len, bytes, len);
	r->text_len += len;
	(*r->text)[r->text_len] = '\0';
}

/* An element within a text is markup of XHTML that was not escaped: as a tag it is taken out with the others. */
static void add_tag(struct reader *r, const char *name)
{
	on_text(r, (const xmlChar *)"<", 1);
	on_text(r, (const xmlChar *)name, (int)strlen(name));
	on_text(r, (const xmlChar *)">", 1);
}

/* The attributes of one element, as libxml2 gives them: five pointers each, to name, prefix, namespace, value and the
 * value's end. */
struct attributes {
	const xmlChar **all;
	int count;
};

/* `uri` NULL: one without a namespace. Caller frees; NULL where there is none. */
static char *take_attribute(const struct attributes *a, const char *name, const char *uri)
{
	const xmlChar **at = a->all;

	for (int i = 0; i < a->count; i++, at += 5) {
		bool same_space = uri ? at[2] && strcmp((const char *)at[2], uri) == 0 : !at[1];

		if (same_space && strcmp((const char *)at[0], name) == 0)
			return strndup((const char *)at[3], (size_t)(at[4] - at[3]));
	}
	return NULL;
}

static bool attribute_is(const struct attributes *a, const char *name, const char *value)
{
	CLEANUP(free_str) char *found = take_attribute(a, name, NULL);

	return found && strcasecmp(found, value) == 0;
}

static unsigned line_of(const struct reader *r)
{
	int line = xmlSAX2GetLineNumber(r->xml);

	return line > 0 ? (unsigned)line : 0;
}

/* `url` and `length` are what the dialect calls these attributes. NULL: there are enough. */
static struct draft_enclosure *add_enclosure(struct reader *r, const struct attributes *a, const char *url,
					     const char *length)
{
	struct feed_draft *item = &r->item;

	if (item->enclosure_count == FEED_ENCLOSURES_MAX) {
		item->enclosures_dropped++;
		return NULL;
	}
	struct draft_enclosure *e = &item->enclosures[item->enclosure_count++];
	*e = (struct draft_enclosure){ .line = line_of(r),
				       .url = take_attribute(a, url, NULL),
				       .type = take_attribute(a, "type", NULL),
				       .length = take_attribute(a, length, NULL),
				       .digest = take_attribute(a, "digest", FEED_NAMESPACE),
				       .arch = take_attribute(a, "architecture", FEED_NAMESPACE) };
	return e;
}

static void add_media(struct reader *r, const struct attributes *a)
{
	struct draft_enclosure *e = add_enclosure(r, a, "url", "fileSize");

	r->content = e;
	if (!e)
		return;
	e->media = true;
	e->medium = take_attribute(a, "medium", NULL);
	e->is_default = take_attribute(a, "isDefault", NULL);
}

/* One of a media:content is its own; another one is of all in the item. */
static void add_hash(struct reader *r, const struct attributes *a)
{
	char **text = r->content ? &r->content->hash : &r->item.texts[FIELD_HASH];

	if (!attribute_is(a, "algo", "sha-256") && !attribute_is(a, "algo", "sha256"))
		r->item.weak_hash = true;
	else if (*text)
		r->item.doubled = "hash";
	else
		begin_text(r, text);
}

static void add_image(struct reader *r, const struct attributes *a)
{
	struct feed_draft *item = &r->item;

	if (item->image_count == FEED_DISKS_MAX) {
		item->images_dropped++;
		return;
	}
	struct draft_image *image = &item->images[item->image_count++];
	image->line = line_of(r);
	for (size_t i = 0; i < IMAGE_FIELDS; i++)
		image->attributes[i] = take_attribute(a, draft_image_names[i], NULL);
}

/* RSS has the category as text, Atom as an attribute. */
static void add_category(struct reader *r, const struct attributes *a)
{
	struct feed_draft *item = &r->item;

	if (item->category_count == FEED_CATEGORIES_MAX) {
		item->categories_dropped++;
		return;
	}
	char **category = &item->categories[item->category_count++];
	if (r->dialect == &rss)
		begin_text(r, category);
	else
		*category = take_attribute(a, "term", NULL);
}

/* Atom's links say what they lead to. */
static void add_link(struct reader *r, struct feed_draft *draft, const struct attributes *a)
{
	CLEANUP(free_str) char *rel = take_attribute(a, "rel", NULL);

	if (rel && strcmp(rel, "enclosure") == 0 && draft == &r->item)
		add_enclosure(r, a, "href", "length");
	else if ((!rel || strcmp(rel, "alternate") == 0) && !draft->texts[FIELD_LINK])
		draft->texts[FIELD_LINK] = take_attribute(a, "href", NULL);
}

static void add_skip(struct reader *r)
{
	if (r->channel.skip_count < FEED_SKIPS_MAX)
		begin_text(r, &r->channel.skips[r->channel.skip_count++]);
}

static void start_item(struct reader *r)
{
	if (++r->item_count > r->limits->items_max) {
		give_up(r, err_set(r->err, -EFBIG, "feed has more than %" PRIu64 " items (feed_items_max)",
				   r->limits->items_max));
		return;
	}
	r->in_item = true;
	r->item.line = line_of(r);
}

static enum space space_of(const struct reader *r, const xmlChar *uri)
{
	if (uri && strcmp((const char *)uri, FEED_NAMESPACE) == 0)
		return SPACE_OURS;
	/* With and without a slash at its end: both were published. */
	if (uri &&
	    (strcmp((const char *)uri, MEDIA_NAMESPACE) == 0 || strcmp((const char *)uri, MEDIA_NAMESPACE "/") == 0))
		return SPACE_MEDIA;
	if (r->dialect == &atom)
		return uri && strcmp((const char *)uri, ATOM_NAMESPACE) == 0 ? SPACE_ATOM : SPACE_OTHER;
	bool same = r->rss_uri && uri ? strcmp(r->rss_uri, (const char *)uri) == 0 : !r->rss_uri && !uri;
	return same ? SPACE_RSS : SPACE_OTHER;
}

static int check_bounds(struct reader *r, int namespaces, int attributes)
{
	if (r->depth > DEPTH_MAX)
		return err_set(r->err, -EFBIG, "feed: elements are more than %u deep", DEPTH_MAX);
	if (attributes > ATTRIBUTES_MAX)
		return err_set(r->err, -EFBIG, "feed: an element has more than %d attributes", ATTRIBUTES_MAX);
	r->namespaces[r->depth] = (unsigned)namespaces;
	r->namespaces_open += (unsigned)namespaces;
	if (r->namespaces_open > NAMESPACES_MAX)
		return err_set(r->err, -EFBIG, "feed: more than %u namespaces", NAMESPACES_MAX);
	return 0;
}

/* The outermost element: <rss>, or Atom's <feed>, which is the channel as well. */
static void start_root(struct reader *r, const char *name, const xmlChar *uri)
{
	char shown[64];

	if (strcmp(name, atom.root) == 0 && uri && strcmp((const char *)uri, ATOM_NAMESPACE) == 0) {
		r->dialect = &atom;
		r->in_channel = r->had_channel = true;
		return;
	}
	r->dialect = &rss;
	if (strcmp(name, rss.root) != 0)
		give_up(r, err_set(r->err, -EBADMSG, "this is no RSS feed and no Atom feed: it begins with <%s>",
				   log_quote(shown, sizeof(shown), name)));
	else if (uri)
		r->rss_uri = strdup((const char *)uri);
}

/* An element that is a text of its own, if it is one that we know. */
static void start_field(struct reader *r, struct feed_draft *draft, const char *name, enum space space,
			const struct attributes *a)
{
	size_t nr = 0;

	while (nr < FIELDS && (fields[nr].space != space || strcmp(fields[nr].name, name) != 0))
		nr++;
	if (nr == FIELDS) {
		if (space == SPACE_OURS && !draft->unknown[0])
			log_quote(draft->unknown, sizeof(draft->unknown), name);
		return;
	}
	enum feed_field field = fields[nr].field;
	if (draft->texts[field]) {
		if (space == SPACE_OURS)
			draft->doubled = fields[nr].name;
		return;
	}
	if (field == FIELD_GUID)
		draft->permalink = take_attribute(a, "isPermaLink", NULL);
	begin_text(r, &draft->texts[field]);
	r->text_is_markup = field == FIELD_TITLE || field == FIELD_DESCRIPTION || field == FIELD_CONTENT;
}

static void start_in_channel(struct reader *r, const char *name, enum space space, const struct attributes *a)
{
	if ((space == SPACE_RSS || space == SPACE_ATOM) && strcmp(name, r->dialect->item) == 0)
		start_item(r);
	else if (space == SPACE_RSS && (strcmp(name, "skipHours") == 0 || strcmp(name, "skipDays") == 0))
		r->in_skips = true;
	else if (space == SPACE_ATOM && strcmp(name, "link") == 0)
		add_link(r, &r->channel, a);
	else if (space != SPACE_MEDIA)
		start_field(r, &r->channel, name, space, a);
}

/* Media RSS: the same in an item and in a group of it. */
static void start_media(struct reader *r, const char *name, const struct attributes *a)
{
	if (strcmp(name, "content") == 0)
		add_media(r, a);
	else if (strcmp(name, "hash") == 0)
		add_hash(r, a);
	else if (strcmp(name, "group") == 0)
		r->in_group = true;
}

static void start_in_item(struct reader *r, const char *name, enum space space, const struct attributes *a)
{
	if (space == SPACE_MEDIA)
		start_media(r, name, a);
	else if (space == SPACE_RSS && strcmp(name, "enclosure") == 0)
		add_enclosure(r, a, "url", "length");
	else if (space == SPACE_ATOM && strcmp(name, "link") == 0)
		add_link(r, &r->item, a);
	else if ((space == SPACE_RSS || space == SPACE_ATOM) && strcmp(name, "category") == 0)
		add_category(r, a);
	else if (space == SPACE_OURS && strcmp(name, "image") == 0)
		add_image(r, a);
	else
		start_field(r, &r->item, name, space, a);
}

static void start_element(struct reader *r, const char *name, const xmlChar *uri, const struct attributes *a)
{
	if (r->depth == 1) {
		start_root(r, name, uri);
		return;
	}
	enum space space = space_of(r, uri);
	size_t item_depth = r->dialect->item_depth;

	if (r->dialect == &rss && r->depth == 2 && space == SPACE_RSS && strcmp(name, "channel") == 0)
		r->in_channel = r->had_channel = true;
	else if (r->depth == item_depth && r->in_channel)
		start_in_channel(r, name, space, a);
	else if (r->depth == item_depth + 1 && r->in_item)
		start_in_item(r, name, space, a);
	else if (r->depth == item_depth + 1 && r->in_skips)
		add_skip(r);
	else if (r->in_item && space == SPACE_MEDIA && (r->in_group || r->content))
		start_media(r, name, a);
}

static void on_start(void *ctx, const xmlChar *xml_name, const xmlChar *prefix, const xmlChar *uri, int namespace_count,
		     const xmlChar **namespaces, int attribute_count, int defaulted, const xmlChar **attributes)
{
	const struct attributes a = { attributes, attribute_count };
	const char *name = (const char *)xml_name;
	struct reader *r = ctx;

	(void)prefix, (void)namespaces, (void)defaulted;
	if (r->rc)
		return;
	r->depth++;
	int rc = check_bounds(r, namespace_count, attribute_count);
	if (rc)
		give_up(r, rc);
	else if (!r->text)
		start_element(r, name, uri, &a);
	else if (r->text_is_markup)
		add_tag(r, name);
}

static void end_item(struct reader *r)
{
	int rc = r->handler->on_item(r->handler->ctx, &r->item, r->err);

	clear_draft(&r->item);
	r->in_item = r->in_group = false;
	if (rc)
		give_up(r, rc);
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct reader *r = ctx;

	(void)prefix;
	if (r->rc)
		return;
	size_t item_depth = r->dialect->item_depth;
	if (r->text && r->depth == r->text_depth)
		r->text = NULL;
	else if (r->text && r->text_is_markup)
		add_tag(r, (const char *)name);
	else if (r->content && strcmp((const char *)name, "content") == 0 && space_of(r, uri) == SPACE_MEDIA)
		r->content = NULL;
	if (r->depth == item_depth && r->in_item)
		end_item(r);
	if (r->depth == item_depth)
		r->in_skips = false;
	if (r->depth == item_depth + 1)
		r->in_group = false;
	if (r->depth == item_depth - 1)
		r->in_channel = false;
	r->namespaces_open -= r->namespaces[r->depth];
	r->depth--;
}

/* Called when the parser meets a DOCTYPE, before it reads what the DTD declares. */
static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	struct reader *r = ctx;

	(void)name, (void)external, (void)system;
	if (!r->rc)
		give_up(r, err_set(r->err, -EBADMSG, "feed has a DOCTYPE: DTDs and entities are not accepted"));
}

/* The five entities of XML itself; without a DTD there are no others. */
static xmlEntityPtr on_entity(void *ctx, const xmlChar *name)
{
	(void)ctx;
	return xmlGetPredefinedEntity(name);
}

/* Only the first error counts: those after it are its consequences. */
static void on_error(void *ctx, xmlErrorPtr error)
{
	struct reader *r = ctx;
	char shown[256];

	if (r->rc || error->level < XML_ERR_ERROR)
		return;
	log_quote(shown, sizeof(shown), error->message ? error->message : "unknown error");
	size_t len = strlen(shown);
	if (len >= 4 && strcmp(shown + len - 4, "\\x0A") == 0)
		shown[len - 4] = '\0';
	give_up(r, err_set(r->err, -EBADMSG, "feed is not well-formed XML: line %d: %s", error->line, shown));
}

static int parse_piece(struct reader *r, const char *piece, size_t len, bool last)
{
	xmlParseChunk(r->xml, piece, (int)len, last);
	if (r->rc)
		return r->rc;
	if (r->xml->input && (size_t)(r->xml->input->end - r->xml->input->cur) > TOKEN_MAX)
		return err_set(r->err, -EFBIG, "feed: a tag, comment or CDATA section is longer than %u KiB",
			       TOKEN_MAX >> 10);
	if (xmlDictSize(r->xml->dict) > NAMES_MAX)
		return err_set(r->err, -EFBIG, "feed has more than %d different names of elements and attributes",
			       NAMES_MAX);
	return 0;
}

static int parse_document(struct reader *r, const char *xml, size_t len)
{
	for (size_t at = 0; at < len; at += PIECE_BYTES) {
		int rc = parse_piece(r, xml + at, len - at < PIECE_BYTES ? len - at : PIECE_BYTES, false);

		if (rc)
			return rc;
	}
	int rc = parse_piece(r, xml, 0, true);
	if (rc)
		return rc;
	if (!r->xml->wellFormed)
		return err_set(r->err, -EBADMSG, "feed is not well-formed XML");
	if (!r->had_channel)
		return err_set(r->err, -EBADMSG, "this is no RSS feed: it has no <channel>");
	return r->handler->on_channel(r->handler->ctx, &r->channel, r->err);
}

int feed_read(const char **form, const char *xml, size_t len, const struct feed_limits *limits,
	      const struct feed_handler *handler, struct err *err)
{
	xmlSAXHandler sax = {
		.initialized = XML_SAX2_MAGIC,
		.internalSubset = on_doctype,
		.getEntity = on_entity,
		.startElementNs = on_start,
		.endElementNs = on_end,
		.characters = on_text,
		.cdataBlock = on_text,
		.serror = on_error,
	};
	struct reader r = { .limits = limits, .handler = handler, .err = err };
	CLEANUP(free_str) char *utf8 = NULL;
	char most[UNITS_TEXT];
	size_t utf8_len;

	if (len > limits->bytes_max)
		return err_set(err, -EFBIG, "feed is longer than %s (feed_bytes_max)",
			       units_bytes(most, limits->bytes_max));
	int rc = feed_encoding_convert(&utf8, &utf8_len, xml, len, err);
	if (rc)
		return rc;
	xmlInitParser();
	r.xml = xmlCreatePushParserCtxt(&sax, &r, NULL, 0, NULL);
	if (!r.xml)
		return err_set(err, -ENOMEM, "feed: out of memory");
	/* Whatever the document declares, what the parser gets is UTF-8. */
	xmlCtxtUseOptions(r.xml, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_NOENT);
	rc = utf8 ? parse_document(&r, utf8, utf8_len) : parse_document(&r, xml, len);
	xmlFreeParserCtxt(r.xml);
	clear_draft(&r.channel);
	clear_draft(&r.item);
	free(r.rss_uri);
	if (!rc)
		*form = r.dialect->form;
	return rc;
}
