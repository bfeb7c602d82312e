/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_xml: see unpack_xml.h. libxml2's push parser builds the tree; what may not be is caught before it is in it. */
#include "unpack_xml.h"

#include "cleanup.h"
#include "log.h"
#include "unpack_vm.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ova.xml, a tree of XML-RPC values, is 19 levels deep; nothing else comes near. */
#define DEPTH_MAX    64u
#define ELEMENTS_MAX 200000u
/* libxml2 compares each attribute of a tag with each other, and looks through all namespaces in scope for each name. */
#define ATTRIBUTES_MAX 64
#define NAMESPACES_MAX 256u
#define NAMES_MAX      8192
#define PIECE_BYTES    (16u << 10)
/* In characters: where the root of a document in UTF-16 has to begin to be known. */
#define WIDE_PROLOG_MAX 4096

struct reader {
	xmlParserCtxt *xml;
	const char *what;
	struct err *err; /* filled when `rc` is set */
	int rc;
	unsigned depth, elements, namespaces;
};

/* `rc` was returned with r->err filled. Nothing may be done after this in a callback: the parser is on its way out. */
static void give_up(struct reader *r, int rc)
{
	if (!r->rc)
		r->rc = rc;
	xmlStopParser(r->xml);
}

static int check_bounds(struct reader *r, int namespaces, int attributes)
{
	r->namespaces += (unsigned)namespaces;
	if (++r->depth > DEPTH_MAX)
		return err_set(r->err, -EFBIG, "%s: elements are more than %u deep", r->what, DEPTH_MAX);
	if (++r->elements > ELEMENTS_MAX)
		return err_set(r->err, -EFBIG, "%s: more than %u elements", r->what, ELEMENTS_MAX);
	if (attributes > ATTRIBUTES_MAX)
		return err_set(r->err, -EFBIG, "%s: an element has more than %d attributes", r->what, ATTRIBUTES_MAX);
	if (r->namespaces > NAMESPACES_MAX)
		return err_set(r->err, -EFBIG, "%s: more than %u namespaces", r->what, NAMESPACES_MAX);
	return 0;
}

static struct reader *reader_of(void *ctx)
{
	return ((xmlParserCtxt *)ctx)->_private;
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int namespace_count,
		     const xmlChar **namespaces, int attribute_count, int defaulted, const xmlChar **attributes)
{
	struct reader *r = reader_of(ctx);
	int rc = r->rc ? r->rc : check_bounds(r, namespace_count, attribute_count);

	if (rc)
		give_up(r, rc);
	else
		xmlSAX2StartElementNs(ctx, name, prefix, uri, namespace_count, namespaces, attribute_count, defaulted,
				      attributes);
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
	struct reader *r = reader_of(ctx);

	if (r->rc)
		return;
	r->depth--;
	xmlSAX2EndElementNs(ctx, name, prefix, uri);
}

/* Called when the parser meets a DOCTYPE, before it reads what the DTD declares. */
static void on_doctype(void *ctx, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	struct reader *r = reader_of(ctx);

	(void)name, (void)external, (void)system;
	give_up(r, err_set(r->err, -ENOTSUP, "%s: a DTD is not allowed", r->what));
}

/* The five of XML itself; there are no others without a DTD. */
static xmlEntityPtr on_entity(void *ctx, const xmlChar *name)
{
	(void)ctx;
	return xmlGetPredefinedEntity(name);
}

static void on_error(void *ctx, xmlErrorPtr error)
{
	struct reader *r = reader_of(ctx);
	char shown[200];

	if (r->rc || error->level < XML_ERR_ERROR)
		return;
	size_t len = error->message ? strcspn(error->message, "\n") : 0;
	CLEANUP(free_str) char *line = strndup(error->message ? error->message : "", len);
	give_up(r, err_set(r->err, -EBADMSG, "%s line %d: %s", r->what, error->line,
			   log_quote(shown, sizeof(shown), line ? line : "not well-formed")));
}

/* The byte order mark of UTF-16 that a text begins with (XML 1.0, appendix F): 'l'ittle or 'b'ig endian, 0: none. */
static char wide_order(const char *text, size_t len)
{
	if (len >= 2 && memcmp(text, "\xff\xfe", 2) == 0)
		return 'l';
	return len >= 2 && memcmp(text, "\xfe\xff", 2) == 0 ? 'b' : 0;
}

/* Of bytes that the encoding does not have libxml2 (2.9) tells no handler, and the document may count as well-formed. */
static void parse_piece(struct reader *r, const char *text, size_t len, bool last)
{
	int code = xmlParseChunk(r->xml, text, (int)len, last);

	if (!r->rc && code == XML_ERR_INVALID_ENCODING)
		give_up(r, err_set(r->err, -EBADMSG, "%s: bytes that are no characters of its encoding", r->what));
}

static int parse_pieces(struct reader *r, const char *text, size_t len)
{
	for (size_t at = 0; at < len && !r->rc; at += PIECE_BYTES) {
		parse_piece(r, text + at, len - at < PIECE_BYTES ? len - at : PIECE_BYTES, false);
		if (!r->rc && xmlDictSize(r->xml->dict) > NAMES_MAX)
			return err_set(r->err, -EFBIG, "%s: more than %d different names", r->what, NAMES_MAX);
	}
	if (!r->rc)
		parse_piece(r, text, 0, true);
	if (r->rc)
		return r->rc;
	return r->xml->wellFormed && r->xml->myDoc ? 0
						   : err_set(r->err, -EBADMSG, "%s is not well-formed XML", r->what);
}

int unpack_xml_parse(xmlDoc **out, const char *what, const char *text, size_t len, struct err *err)
{
	struct reader r = { .what = what, .err = err };

	if (len > UNPACK_XML_BYTES_MAX)
		return err_set(err, -EFBIG, "%s: %zu bytes of XML, at most %u", what, len, UNPACK_XML_BYTES_MAX);
	if (!wide_order(text, len) && memchr(text, '\0', len))
		return err_set(err, -EBADMSG, "%s: a NUL byte, XML in UTF-8 has none", what);
	xmlInitParser();
	r.xml = xmlCreatePushParserCtxt(NULL, NULL, NULL, 0, NULL);
	if (!r.xml)
		return err_set(err, -ENOMEM, "%s: out of memory", what);
	xmlCtxtUseOptions(r.xml, XML_PARSE_NONET | XML_PARSE_NOCDATA);
	r.xml->_private = &r;
	r.xml->sax->startElementNs = on_start;
	r.xml->sax->endElementNs = on_end;
	r.xml->sax->internalSubset = on_doctype;
	r.xml->sax->getEntity = on_entity;
	r.xml->sax->serror = on_error;
	int rc = parse_pieces(&r, text, len);
	xmlDoc *doc = TAKE(r.xml->myDoc);
	xmlFreeParserCtxt(r.xml);
	if (rc) {
		xmlFreeDoc(doc);
		return rc;
	}
	*out = doc;
	return 0;
}

void unpack_xml_free(xmlDoc **doc)
{
	xmlFreeDoc(TAKE(*doc));
}

/* Behind white space, the declaration, instructions and comments. */
static const char *skip_prolog(const char *at, const char *end)
{
	if (end - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
		at += 3;
	for (;;) {
		while (at < end && isspace((unsigned char)*at))
			at++;
		bool comment = end - at >= 4 && memcmp(at, "<!--", 4) == 0;
		if (!comment && !(end - at >= 2 && memcmp(at, "<?", 2) == 0))
			return at;
		const char *close = memmem(at + 2, (size_t)(end - at - 2), comment ? "-->" : "?>", comment ? 3 : 2);
		if (!close)
			return end;
		at = close + (comment ? 3 : 2);
	}
}

/* UTF-16 behind its mark, of which names are ASCII: each character's lower byte, '?' for what is none. */
static size_t narrow(char *out, size_t room, const char *text, size_t len, bool big_endian)
{
	size_t used = 0;

	for (size_t at = 2; at + 2 <= len && used < room; at += 2)
		out[used++] = text[at + !big_endian] ? '?' : text[at + big_endian];
	return used;
}

void unpack_xml_root(char *out, size_t room, const char *text, size_t len)
{
	char ascii[WIDE_PROLOG_MAX], order = wide_order(text, len);

	if (order) {
		len = narrow(ascii, sizeof(ascii), text, len, order == 'b');
		text = ascii;
	}
	const char *end = text + len, *at = skip_prolog(text, end);
	size_t used = 0;

	out[0] = '\0';
	if (at == end || *at++ != '<')
		return;
	/* It names the root, too. That the parser is going to refuse it is no reason to call this anything else. */
	if (end - at > 9 && memcmp(at, "!DOCTYPE ", 9) == 0)
		at += 9;
	for (; at < end && used + 1 < room && (isalnum((unsigned char)*at) || strchr("_-.:", *at)); at++) {
		if (*at == ':')
			used = 0;
		else
			out[used++] = *at;
	}
	out[used] = '\0';
}

static bool is_called(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && (!name || strcmp((const char *)node->name, name) == 0);
}

xmlNode *unpack_xml_top(xmlDoc *doc, const char *name)
{
	xmlNode *root = xmlDocGetRootElement(doc);

	return root && is_called(root, name) ? root : NULL;
}

static xmlNode *first_called(xmlNode *node, const char *name)
{
	while (node && !is_called(node, name))
		node = node->next;
	return node;
}

xmlNode *unpack_xml_child(const xmlNode *parent, const char *name)
{
	return parent ? first_called(parent->children, name) : NULL;
}

xmlNode *unpack_xml_next(const xmlNode *node, const char *name)
{
	return first_called(node->next, name);
}

xmlNode *unpack_xml_find(xmlNode *top, xmlNode *at, const char *name)
{
	if (!top)
		return NULL;
	xmlNode *node = at ? at : top;
	for (;;) {
		xmlNode *next = node->type == XML_ELEMENT_NODE ? node->children : NULL;

		while (!next && node != top) {
			next = node->next;
			if (!next)
				node = node->parent;
		}
		if (!next)
			return NULL;
		node = next;
		if (is_called(node, name))
			return node;
	}
}

/* A copy without the white space around it, NULL if nothing is left. Takes ownership. `name`: whose text it is. */
static char *trim(xmlChar *text, xmlDoc *doc, const xmlChar *name)
{
	const char *start = (const char *)text;

	if (!text)
		return NULL;
	while (isspace((unsigned char)*start))
		start++;
	size_t len = strlen(start);
	while (len && isspace((unsigned char)start[len - 1]))
		len--;
	if (len > VM_TEXT_MAX && !doc->_private)
		doc->_private = (void *)name;
	char *copy = len && len <= VM_TEXT_MAX ? strndup(start, len) : NULL;
	xmlFree(text);
	return copy;
}

char *unpack_xml_text(const xmlNode *node)
{
	return node ? trim(xmlNodeGetContent(node), node->doc, node->name) : NULL;
}

char *unpack_xml_attr(const xmlNode *node, const char *name)
{
	for (const xmlAttr *a = node ? node->properties : NULL; a; a = a->next) {
		if (strcmp((const char *)a->name, name) == 0)
			return trim(xmlNodeListGetString(node->doc, a->children, 1), node->doc, a->name);
	}
	return NULL;
}

char *unpack_xml_child_text(const xmlNode *parent, const char *name)
{
	return unpack_xml_text(unpack_xml_child(parent, name));
}

int unpack_xml_check(const xmlDoc *doc, int rc, const char *what, struct err *err)
{
	char shown[200];

	if (!doc->_private)
		return rc;
	return err_set(err, -EFBIG, "%s: '%s' has a text of more than %d bytes", what,
		       log_quote(shown, sizeof(shown), doc->_private), VM_TEXT_MAX);
}

uint64_t unpack_xml_line(const xmlNode *node)
{
	long line = node ? xmlGetLineNo(node) : 0;

	return line > 0 ? (uint64_t)line : 0;
}

int unpack_xml_u64(uint64_t *out, const char *what, const char *text, uint64_t max, struct err *err)
{
	char shown[64];
	uint64_t value = 0;

	if (!text)
		return 0;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9' || value > (max - (uint64_t)(*c - '0')) / 10)
			return err_set(err, -EBADMSG, "%s: '%s' is no whole number from 0 to %" PRIu64, what,
				       log_quote(shown, sizeof(shown), text), max);
		value = value * 10 + (uint64_t)(*c - '0');
	}
	if (!*text)
		return err_set(err, -EBADMSG, "%s: a number is missing", what);
	*out = value;
	return 0;
}
