/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_reader: see feed_reader.h. libxml2's push parser calls on_start, on_text and on_end; no tree is made. */
#include "feed_reader.h"

#include "cleanup.h"
#include "log.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* RSS itself is four levels deep; the rest is for XHTML that stands inline in a description. */
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

static const struct {
	const char *name;
	bool ours; /* in FEED_NAMESPACE, not in that of RSS */
} fields[FIELD_COUNT] = {
	[FIELD_TITLE] = { "title", false },
	[FIELD_DESCRIPTION] = { "description", false },
	[FIELD_LINK] = { "link", false },
	[FIELD_LANGUAGE] = { "language", false },
	[FIELD_UUID] = { "uuid", false },
	[FIELD_GUID] = { "guid", false },
	[FIELD_PUB_DATE] = { "pubDate", false },
	[FIELD_DIGEST] = { "digest", true },
	[FIELD_ARCHITECTURE] = { "architecture", true },
	[FIELD_FIRMWARE] = { "firmware", true },
	[FIELD_DISK] = { "disk", true },
	[FIELD_MEMORY] = { "memory", true },
	[FIELD_LANDING] = { "landing", true },
	[FIELD_CMDLINE] = { "cmdline", true },
};

struct reader {
	xmlParserCtxtPtr xml;
	const struct feed_limits *limits;
	const struct feed_handler *handler;
	struct err *err; /* filled when `rc` is set */
	int rc;

	size_t depth; /* open elements */
	unsigned namespaces[DEPTH_MAX + 1], namespaces_open;
	char *rss_uri; /* the root's namespace; NULL: none, as it should be */
	bool in_channel, had_channel, in_item;
	uint64_t item_count;
	struct feed_draft channel, item;

	char **text; /* into a draft: the text being read; NULL: none is */
	size_t text_depth, text_len, text_room;
};

static void clear_draft(struct feed_draft *d)
{
	for (int i = 0; i < FIELD_COUNT; i++)
		free(d->texts[i]);
	free(d->url);
	free(d->type);
	free(d->length);
	*d = (struct feed_draft){ 0 };
}

/* `rc` was returned with r->err filled: no more callbacks come. */
static void give_up(struct reader *r, int rc)
{
	r->rc = rc;
	xmlStopParser(r->xml);
}

static void begin_text(struct reader *r, struct feed_draft *draft, int field)
{
	if (draft->texts[field]) {
		if (fields[field].ours)
			draft->doubled = fields[field].name;
		return;
	}
	draft->texts[field] = calloc(1, 1);
	if (!draft->texts[field]) {
		give_up(r, err_set(r->err, -ENOMEM, "feed: out of memory"));
		return;
	}
	r->text = &draft->texts[field];
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

/* Attributes come as five pointers each: name, prefix, namespace, value, end of the value. */
static char *take_attribute(const xmlChar **attributes, int count, const char *name)
{
	for (int i = 0; i < count; i++, attributes += 5) {
		if (!attributes[1] && strcmp((const char *)attributes[0], name) == 0)
			return strndup((const char *)attributes[3], (size_t)(attributes[4] - attributes[3]));
	}
	return NULL;
}

static void take_enclosure(struct feed_draft *item, const xmlChar **attributes, int count)
{
	if (item->enclosures++)
		return;
	item->url = take_attribute(attributes, count, "url");
	item->type = take_attribute(attributes, count, "type");
	item->length = take_attribute(attributes, count, "length");
}

static void start_item(struct reader *r)
{
	if (++r->item_count > r->limits->items_max) {
		give_up(r, err_set(r->err, -EFBIG, "feed has more than %" PRIu64 " items (feed_items_max)",
				   r->limits->items_max));
		return;
	}
	r->in_item = true;
}

static bool is_rss(const struct reader *r, const xmlChar *uri)
{
	return r->rss_uri && uri ? strcmp(r->rss_uri, (const char *)uri) == 0 : !r->rss_uri && !uri;
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

/* The two outermost elements must be <rss> and, within, <channel>. */
static void start_frame(struct reader *r, const char *name, const xmlChar *uri)
{
	if (r->depth == 1 && strcmp(name, "rss") != 0) {
		char shown[64];

		log_quote(shown, sizeof(shown), name);
		give_up(r, err_set(r->err, -EBADMSG, "this is no RSS feed: it begins with <%s>", shown));
	} else if (r->depth == 1 && uri) {
		r->rss_uri = strdup((const char *)uri);
	} else if (r->depth == 2 && is_rss(r, uri) && strcmp(name, "channel") == 0) {
		r->in_channel = r->had_channel = true;
	}
}

static void start_field(struct reader *r, struct feed_draft *draft, const char *name, const xmlChar *uri)
{
	bool rss = is_rss(r, uri), ours = uri && strcmp((const char *)uri, FEED_NAMESPACE) == 0;

	for (int i = 0; i < FIELD_COUNT; i++) {
		if ((fields[i].ours ? ours : rss) && strcmp(fields[i].name, name) == 0) {
			begin_text(r, draft, i);
			return;
		}
	}
}

static void on_start(void *ctx, const xmlChar *xml_name, const xmlChar *prefix, const xmlChar *uri, int namespace_count,
		     const xmlChar **namespaces, int attribute_count, int defaulted, const xmlChar **attributes)
{
	struct reader *r = ctx;
	const char *name = (const char *)xml_name;

	(void)prefix, (void)namespaces, (void)defaulted;
	if (r->rc)
		return;
	r->depth++;
	int rc = check_bounds(r, namespace_count, attribute_count);
	if (rc)
		give_up(r, rc);
	else if (r->depth <= 2)
		start_frame(r, name, uri);
	else if (r->depth == 3 && r->in_channel && is_rss(r, uri) && strcmp(name, "item") == 0)
		start_item(r);
	else if (r->depth == 3 && r->in_channel)
		start_field(r, &r->channel, name, uri);
	else if (r->depth == 4 && r->in_item && is_rss(r, uri) && strcmp(name, "enclosure") == 0)
		take_enclosure(&r->item, attributes, attribute_count);
	else if (r->depth == 4 && r->in_item)
		start_field(r, &r->item, name, uri);
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct reader *r = ctx;

	(void)name, (void)prefix, (void)uri;
	if (r->rc)
		return;
	if (r->text && r->depth == r->text_depth)
		r->text = NULL;
	if (r->in_item && r->depth == 3) {
		int rc = r->handler->on_item(r->handler->ctx, &r->item, r->err);

		clear_draft(&r->item);
		r->in_item = false;
		if (rc)
			give_up(r, rc);
	}
	if (r->depth == 2)
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

/*
 * What a document may be encoded in: by its first bytes, and by the name it gives itself. libxml2 would hand any other
 * name to the C library's converters, some of which have been exploited; these few are simple tables.
 */
static int check_encoding(const char *xml, size_t len, struct err *err)
{
	static const char *const known[] = { "utf-8",      "utf8",        "us-ascii",    "ascii",
					     "iso-8859-1", "iso-8859-15", "windows-1252" };
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	char declaration[256] = "", name[40] = "", shown[64];

	if (len >= 3 && memcmp(xml, byte_order_mark, 3) == 0) {
		xml += 3;
		len -= 3;
	}
	/* UTF-16 and its like have a zero byte, or a mark of their own, among the first two. */
	if (len < 2 || !memchr("< \t\r\n", xml[0], 5) || xml[1] == '\0')
		return err_set(err, -EBADMSG, "this is no XML in UTF-8 or another encoding that is accepted");
	if (len < 6 || strncmp(xml, "<?xml ", 6) != 0)
		return 0;
	const char *end = memmem(xml, len < sizeof(declaration) ? len : sizeof(declaration) - 1, "?>", 2);
	if (!end)
		return err_set(err, -EBADMSG, "feed: XML declaration is too long");
	memcpy(declaration, xml, (size_t)(end - xml));
	const char *at = strstr(declaration, "encoding");
	if (!at || sscanf(at, "encoding%*[ \t\r\n=\"']%39[^ \t\r\n\"']", name) != 1)
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcasecmp(name, known[i]) == 0)
			return 0;
	}
	return err_set(err, -ENOTSUP, "feed: encoding '%s' is not supported, use UTF-8",
		       log_quote(shown, sizeof(shown), name));
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

int feed_read(const char *xml, size_t len, const struct feed_limits *limits, const struct feed_handler *handler,
	      struct err *err)
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
	char most[UNITS_TEXT];

	if (len > limits->bytes_max)
		return err_set(err, -EFBIG, "feed is longer than %s (feed_bytes_max)",
			       units_bytes(most, limits->bytes_max));
	int rc = check_encoding(xml, len, err);
	if (rc)
		return rc;
	xmlInitParser();
	r.xml = xmlCreatePushParserCtxt(&sax, &r, NULL, 0, NULL);
	if (!r.xml)
		return err_set(err, -ENOMEM, "feed: out of memory");
	xmlCtxtUseOptions(r.xml, XML_PARSE_NONET);
	rc = parse_document(&r, xml, len);
	xmlFreeParserCtxt(r.xml);
	clear_draft(&r.channel);
	clear_draft(&r.item);
	free(r.rss_uri);
	return rc;
}
