/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opml: see opml.h */
#include "opml.h"

#include "cleanup.h"
#include "feed.h"
#include "log.h"

#include <errno.h>
#include <libxml/xmlreader.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void opml_free(struct opml **opml)
{
	struct opml *o = *opml;

	if (!o)
		return;
	for (size_t i = 0; i < o->count; i++) {
		free(o->feeds[i].url);
		free(o->feeds[i].title);
		free(o->feeds[i].options);
	}
	free(o->feeds);
	free(o);
	*opml = NULL;
}

/* Whoever writes OPML spells xmlUrl in several ways. NULL: there is none, or an empty one. Caller frees. */
static char *attribute(xmlTextReaderPtr reader, const char *name, const char *space)
{
	char *found = NULL;

	while (xmlTextReaderMoveToNextAttribute(reader) == 1) {
		const char *uri = (const char *)xmlTextReaderConstNamespaceUri(reader);
		const char *value = (const char *)xmlTextReaderConstValue(reader);

		if (strcasecmp((const char *)xmlTextReaderConstLocalName(reader), name) == 0 && value && *value &&
		    strcmp(uri ? uri : "", space) == 0 && !found)
			found = strdup(value);
	}
	xmlTextReaderMoveToElement(reader);
	return found;
}

static int take_outline(struct opml *o, xmlTextReaderPtr reader, struct err *err)
{
	CLEANUP(free_str) char *url = attribute(reader, "xmlUrl", "");

	if (!url)
		return 0; /* a folder */
	if (o->count == OPML_FEEDS_MAX)
		return err_set(err, -EFBIG, "more than %u feeds", OPML_FEEDS_MAX);
	struct opml_feed *grown = reallocarray(o->feeds, o->count + 1, sizeof(*grown));
	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	o->feeds = grown;
	char *title = attribute(reader, "text", "");
	grown[o->count++] = (struct opml_feed){ .line = (int)xmlGetLineNo(xmlTextReaderCurrentNode(reader)),
						.url = TAKE(url),
						.title = title ? title : attribute(reader, "title", ""),
						.options = attribute(reader, "options", FEED_NAMESPACE) };
	return 0;
}

static int take_node(struct opml *o, xmlTextReaderPtr reader, struct err *err)
{
	int type = xmlTextReaderNodeType(reader);

	if (type == XML_READER_TYPE_DOCUMENT_TYPE)
		return err_set(err, -EBADMSG, "it has a DOCTYPE: DTDs and entities are not accepted");
	if (type != XML_READER_TYPE_ELEMENT)
		return 0;
	const char *name = (const char *)xmlTextReaderConstLocalName(reader);
	if (xmlTextReaderDepth(reader) == 0 && strcmp(name, "opml") != 0)
		return err_set(err, -EBADMSG, "it is no OPML: it begins with another element");
	return strcmp(name, "outline") == 0 ? take_outline(o, reader, err) : 0;
}

struct fault {
	struct err *err;
	bool set;
};

/* Only the first counts: those after it are its consequences. */
static void on_error(void *ctx, xmlErrorPtr error)
{
	struct fault *fault = ctx;
	char shown[256];

	if (fault->set || error->level < XML_ERR_ERROR)
		return;
	fault->set = true;
	err_set(fault->err, -EBADMSG, "it is not well-formed XML: line %d: %s", error->line,
		log_quote(shown, sizeof(shown), error->message ? error->message : "unknown error"));
}

static void free_reader(xmlTextReaderPtr *reader)
{
	xmlFreeTextReader(*reader);
}

int opml_parse(struct opml **out, const char *xml, size_t len, struct err *err)
{
	CLEANUP(opml_free) struct opml *o = calloc(1, sizeof(*o));
	struct fault fault = { .err = err };
	int more, rc = 0;

	if (!o)
		return err_set(err, -ENOMEM, "out of memory");
	if (len > OPML_BYTES_MAX)
		return err_set(err, -EFBIG, "longer than %u MiB", OPML_BYTES_MAX >> 20);
	CLEANUP(free_reader)
	xmlTextReaderPtr reader = xmlReaderForMemory(xml, (int)len, NULL, NULL, XML_PARSE_NONET);
	if (!reader)
		return err_set(err, -ENOMEM, "out of memory");
	xmlTextReaderSetStructuredErrorHandler(reader, on_error, &fault);
	while (!rc && (more = xmlTextReaderRead(reader)) == 1)
		rc = take_node(o, reader, err);
	if (!rc && fault.set)
		rc = err->code;
	if (!rc && more < 0)
		rc = err_set(err, -EBADMSG, "it is not well-formed XML");
	if (!rc)
		*out = TAKE(o);
	return rc;
}

/* As an attribute's value in double quotes. */
static void write_value(FILE *to, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", to);
			break;
		case '<':
			fputs("&lt;", to);
			break;
		case '>':
			fputs("&gt;", to);
			break;
		case '"':
			fputs("&quot;", to);
			break;
		default:
			/* What XML cannot hold is nothing that a title needs. */
			fputc((unsigned char)*text < ' ' ? ' ' : *text, to);
		}
	}
}

static void write_attribute(FILE *to, const char *name, const char *value)
{
	fprintf(to, " %s=\"", name);
	write_value(to, value);
	fputc('"', to);
}

int opml_write(FILE *to, const struct opml_feed *feeds, size_t count, struct err *err)
{
	fprintf(to,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<opml version=\"2.0\" xmlns:vmcast=\"%s\">\n"
		"\t<head><title>VMcast subscriptions</title></head>\n"
		"\t<body>\n",
		FEED_NAMESPACE);
	for (size_t i = 0; i < count; i++) {
		fputs("\t\t<outline type=\"rss\"", to);
		write_attribute(to, "text", feeds[i].title ? feeds[i].title : feeds[i].url);
		write_attribute(to, "xmlUrl", feeds[i].url);
		if (feeds[i].options && *feeds[i].options)
			write_attribute(to, "vmcast:options", feeds[i].options);
		fputs("/>\n", to);
	}
	fputs("\t</body>\n</opml>\n", to);
	return ferror(to) ? err_set(err, -EIO, "write: %s", strerror(errno)) : 0;
}
