/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish_feed: see publish_feed.h. The document is kept as libxml2's tree, so that what we do not know stays in it. */
#include "publish_feed.h"

#include "cleanup.h"
#include "feed.h"
#include "feed_text.h"
#include "folder.h"
#include "log.h"
#include "version.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define FEED_NAME "feed.xml"
/* What tells our documents from others. */
#define GENERATOR "vmcast publish"
/* The folder, where nobody said which page is about the images. */
#define NO_LINK        "./"
#define ATOM_NAMESPACE "http://www.w3.org/2005/Atom"
#define PATH_ROOM      4096

struct publish_feed {
	char folder[PATH_ROOM];
	xmlDocPtr doc;
	xmlNodePtr channel;
	xmlNsPtr vmcast, atom;
	char *base; /* ends in a slash; "" none */
	/* What removed items named: paths below the folder. */
	char **doomed;
	size_t doomed_count;
};

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "feed: out of memory");
}

static const char *text_of(const xmlChar *text)
{
	return (const char *)text;
}

static void free_xml(xmlChar **text)
{
	xmlFree(*text);
}

/* The first child of this name; `ns` NULL: of no namespace. */
static xmlNodePtr find_child(xmlNodePtr parent, const char *ns, const char *name)
{
	for (xmlNodePtr node = xmlFirstElementChild(parent); node; node = xmlNextElementSibling(node)) {
		bool same_ns = ns ? node->ns && strcmp(text_of(node->ns->href), ns) == 0 : !node->ns;

		if (same_ns && strcmp(text_of(node->name), name) == 0)
			return node;
	}
	return NULL;
}

static bool is_item(const xmlNode *node)
{
	return node->type == XML_ELEMENT_NODE && !node->ns && strcmp(text_of(node->name), "item") == 0;
}

/* Caller frees with xmlFree; NULL: there is no such child. */
static xmlChar *child_text(xmlNodePtr parent, const char *name)
{
	xmlNodePtr node = find_child(parent, NULL, name);

	return node ? xmlNodeGetContent(node) : NULL;
}

static xmlNodePtr add_text(xmlNodePtr parent, xmlNsPtr ns, const char *name, const char *text)
{
	xmlNodePtr node = xmlNewTextChild(parent, NULL, BAD_CAST name, BAD_CAST text);

	if (node)
		xmlSetNs(node, ns);
	return node;
}

static void set_text(xmlNodePtr parent, const char *name, const char *text)
{
	xmlNodePtr node = find_child(parent, NULL, name);

	if (!node) {
		add_text(parent, NULL, name, text);
		return;
	}
	xmlNodeSetContent(node, NULL);
	xmlNodeAddContent(node, BAD_CAST text);
}

static void set_number(xmlNodePtr node, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	xmlNewProp(node, BAD_CAST name, BAD_CAST text);
}

static const char *rfc822(char out[static 40], int64_t when)
{
	time_t t = (time_t)when;
	struct tm utc;

	gmtime_r(&t, &utc);
	/* Day and month names are English whatever the locale: the program does not call setlocale. */
	strftime(out, 40, "%a, %d %b %Y %H:%M:%S +0000", &utc);
	return out;
}

/* RFC 9562: version 4 is random, version 8 is made by a rule of one's own. */
static void format_uuid(char out[static PUBLISH_UUID_CHARS], const uint8_t bytes[static 16], unsigned version)
{
	uint8_t u[16];

	memcpy(u, bytes, sizeof(u));
	u[6] = (uint8_t)((u[6] & 0x0f) | version << 4);
	u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
	snprintf(out, PUBLISH_UUID_CHARS, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
		 u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

static int begin_document(struct publish_feed *f, struct err *err)
{
	uint8_t random[16];
	char uuid[PUBLISH_UUID_CHARS];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_set(err, -errno, "random bytes: %s", strerror(errno));
	format_uuid(uuid, random, 4);
	f->doc = xmlNewDoc(BAD_CAST "1.0");
	xmlNodePtr rss = f->doc ? xmlNewNode(NULL, BAD_CAST "rss") : NULL;
	if (!rss)
		return out_of_memory(err);
	xmlDocSetRootElement(f->doc, rss);
	xmlNewProp(rss, BAD_CAST "version", BAD_CAST "2.0");
	f->channel = xmlNewChild(rss, NULL, BAD_CAST "channel", NULL);
	if (!f->channel)
		return out_of_memory(err);
	add_text(f->channel, NULL, "title", "VMcast images");
	add_text(f->channel, NULL, "link", NO_LINK);
	add_text(f->channel, NULL, "description", "Virtual machine images");
	add_text(f->channel, NULL, "language", "en");
	add_text(f->channel, NULL, "uuid", uuid);
	add_text(f->channel, NULL, "generator", GENERATOR " " VMCAST_VERSION);
	return 0;
}

static int not_ours(const struct publish_feed *f, const char *why, struct err *err)
{
	return err_set(err, -EEXIST, "'%s/" FEED_NAME "' was not written by vmcast publish (%s) and is left alone",
		       f->folder, why);
}

static int read_document(struct publish_feed *f, int fd, struct err *err)
{
	CLEANUP(free_xml) xmlChar *generator = NULL;

	f->doc = xmlReadFd(fd, FEED_NAME, NULL,
			   XML_PARSE_NONET | XML_PARSE_NOBLANKS | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!f->doc) {
		const xmlError *fault = xmlGetLastError();
		const char *why = fault && fault->message ? fault->message : "no XML";

		return err_set(err, -EBADMSG, "'%s/" FEED_NAME "' cannot be read: line %d: %.*s", f->folder,
			       fault ? fault->line : 0, (int)strcspn(why, "\n"), why);
	}
	xmlNodePtr rss = xmlDocGetRootElement(f->doc);
	if (f->doc->intSubset || !rss || rss->ns || strcmp(text_of(rss->name), "rss") != 0)
		return not_ours(f, "it is no plain RSS document", err);
	f->channel = find_child(rss, NULL, "channel");
	if (f->channel)
		generator = child_text(f->channel, "generator");
	if (!generator || strncmp(text_of(generator), GENERATOR, strlen(GENERATOR)) != 0)
		return not_ours(f, "its <generator> is another", err);
	return 0;
}

static int load_document(struct publish_feed *f, struct err *err)
{
	char path[PATH_ROOM + sizeof(FEED_NAME)];

	snprintf(path, sizeof(path), "%s/" FEED_NAME, f->folder);
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	int rc = fd < 0 ? begin_document(f, err) : read_document(f, fd, err);
	if (rc)
		return rc;
	xmlNodePtr rss = xmlDocGetRootElement(f->doc);
	f->vmcast = xmlSearchNsByHref(f->doc, rss, BAD_CAST FEED_NAMESPACE);
	if (!f->vmcast)
		f->vmcast = xmlNewNs(rss, BAD_CAST FEED_NAMESPACE, BAD_CAST "vmcast");
	f->atom = xmlSearchNsByHref(f->doc, rss, BAD_CAST ATOM_NAMESPACE);
	if (!f->atom)
		f->atom = xmlNewNs(rss, BAD_CAST ATOM_NAMESPACE, BAD_CAST "atom");
	return f->vmcast && f->atom ? 0 : out_of_memory(err);
}

/* What the channel says of itself is the base URL and the document's name. */
static int find_base(struct publish_feed *f, struct err *err)
{
	xmlNodePtr self = find_child(f->channel, ATOM_NAMESPACE, "link");
	CLEANUP(free_xml) xmlChar *href = self ? xmlGetNoNsProp(self, BAD_CAST "href") : NULL;
	size_t len = href ? strlen(text_of(href)) : 0, name_len = strlen(FEED_NAME);

	if (len > name_len && strcmp(text_of(href) + len - name_len, FEED_NAME) == 0)
		f->base = strndup(text_of(href), len - name_len);
	else
		f->base = strdup("");
	return f->base ? 0 : out_of_memory(err);
}

/* A path below the folder as the URL in the document. Caller frees; NULL: out of memory. */
static char *url_of(const struct publish_feed *f, const char *path)
{
	char *url = NULL;

	return asprintf(&url, "%s%s", f->base, path) < 0 ? NULL : url;
}

static bool is_hex_name(const char *name, size_t len)
{
	return strspn(name, "0123456789abcdef") == len;
}

/* Whether a path is one that we gave a file: only such files are ever removed. */
static bool is_our_path(const char *path)
{
	if (strncmp(path, "files/", 6) == 0)
		return path[6] && path[6] != '.' && !strchr(path + 6, '/');
	if (strncmp(path, "images/", 7) != 0 || !is_hex_name(path + 7, DIGEST_HEX - 1))
		return false;
	path += 7 + DIGEST_HEX - 1;
	return strcmp(path, "/index") == 0 || strcmp(path, "/image.zst") == 0;
}

/* The path below the folder that a URL of ours names, in `url`; NULL: it is somewhere else. */
static const char *path_of(const struct publish_feed *f, const char *url)
{
	size_t len = strlen(f->base);

	return strncmp(url, f->base, len) == 0 && is_our_path(url + len) ? url + len : NULL;
}

/* Call `visit` for each attribute of an item that names a file. */
static int each_url(struct publish_feed *f, xmlNodePtr item,
		    int (*visit)(struct publish_feed *f, xmlNodePtr node, const char *name, void *ctx), void *ctx)
{
	static const struct {
		const char *ns, *element, *attribute;
	} places[] = { { NULL, "enclosure", "url" },
		       { FEED_NAMESPACE, "image", "index" },
		       { FEED_NAMESPACE, "image", "image" } };

	for (xmlNodePtr node = xmlFirstElementChild(item); node; node = xmlNextElementSibling(node)) {
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			const char *ns = node->ns ? text_of(node->ns->href) : NULL;
			bool same_ns = ns && places[i].ns ? strcmp(ns, places[i].ns) == 0 : ns == places[i].ns;
			int rc = same_ns && strcmp(text_of(node->name), places[i].element) == 0
					 ? visit(f, node, places[i].attribute, ctx)
					 : 0;

			if (rc)
				return rc;
		}
	}
	return 0;
}

/* `ctx`: the base URL that takes the place of the one so far. */
static int rebase_url(struct publish_feed *f, xmlNodePtr node, const char *name, void *ctx)
{
	CLEANUP(free_xml) xmlChar *old = xmlGetNoNsProp(node, BAD_CAST name);
	CLEANUP(free_str) char *url = NULL;
	const char *path = old ? path_of(f, text_of(old)) : NULL;

	if (!path)
		return 0;
	if (asprintf(&url, "%s%s", (const char *)ctx, path) < 0) {
		url = NULL;
		return -ENOMEM;
	}
	return xmlSetProp(node, BAD_CAST name, BAD_CAST url) ? 0 : -ENOMEM;
}

/* A page that nobody named is the folder itself. */
static void rebase_link(const struct publish_feed *f, xmlNodePtr parent, const char *base)
{
	CLEANUP(free_xml) xmlChar *link = child_text(parent, "link");

	if (link && (strcmp(text_of(link), NO_LINK) == 0 || strcmp(text_of(link), f->base) == 0))
		set_text(parent, "link", base);
}

static int set_base(struct publish_feed *f, const char *url, struct err *err)
{
	CLEANUP(free_str) char *base = NULL;
	CLEANUP(free_str) char *self = NULL;
	size_t len = strlen(url);

	if ((strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0) ||
	    strpbrk(url, " \\\"<>?#") || !feed_text_is_plain(url))
		return err_set(err, -EINVAL, "base URL '%s': not a plain http or https URL", url);
	if (asprintf(&base, "%s%s", url, len && url[len - 1] == '/' ? "" : "/") < 0 ||
	    asprintf(&self, "%s" FEED_NAME, base) < 0)
		return out_of_memory(err);
	rebase_link(f, f->channel, base);
	for (xmlNodePtr node = xmlFirstElementChild(f->channel); node; node = xmlNextElementSibling(node)) {
		if (!is_item(node))
			continue;
		rebase_link(f, node, base);
		if (each_url(f, node, rebase_url, base))
			return out_of_memory(err);
	}
	free(f->base);
	f->base = TAKE(base);
	xmlNodePtr link = find_child(f->channel, ATOM_NAMESPACE, "link");
	if (!link) {
		/* Behind the RSS link, in front of the items. */
		link = xmlNewDocNode(f->doc, f->atom, BAD_CAST "link", NULL);
		xmlNodePtr before = find_child(f->channel, NULL, "link");
		if (!link)
			return out_of_memory(err);
		if (before)
			xmlAddNextSibling(before, link);
		else
			xmlAddChild(f->channel, link);
	}
	xmlSetProp(link, BAD_CAST "href", BAD_CAST self);
	xmlSetProp(link, BAD_CAST "rel", BAD_CAST "self");
	xmlSetProp(link, BAD_CAST "type", BAD_CAST "application/rss+xml");
	return 0;
}

static int check_text(const char *text, const char *what, struct err *err)
{
	char shown[120];

	if (!text || feed_text_is_plain(text))
		return 0;
	return err_set(err, -EINVAL, "%s '%s': not plain UTF-8 text", what, log_quote(shown, sizeof(shown), text));
}

static int take_channel(struct publish_feed *f, const struct publish_channel *channel, struct err *err)
{
	const struct {
		const char *name, *text;
	} texts[] = { { "title", channel->title },
		      { "link", channel->link },
		      { "description", channel->description },
		      { "language", channel->language } };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (check_text(texts[i].text, texts[i].name, err))
			return err->code;
		if (texts[i].text)
			set_text(f->channel, texts[i].name, texts[i].text);
	}
	return channel->base_url ? set_base(f, channel->base_url, err) : 0;
}

int publish_feed_open(struct publish_feed **out, const char *folder, const struct publish_channel *channel,
		      struct err *err)
{
	CLEANUP(publish_feed_close) struct publish_feed *f = calloc(1, sizeof(*f));

	if (!f)
		return out_of_memory(err);
	if (snprintf(f->folder, sizeof(f->folder), "%s", folder) >= (int)sizeof(f->folder))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", folder);
	int rc = load_document(f, err);
	if (!rc)
		rc = find_base(f, err);
	if (!rc)
		rc = take_channel(f, channel, err);
	if (rc)
		return rc;
	*out = TAKE(f);
	return 0;
}

void publish_feed_close(struct publish_feed **feed)
{
	struct publish_feed *f = *feed;

	if (!f)
		return;
	for (size_t i = 0; i < f->doomed_count; i++)
		free(f->doomed[i]);
	free(f->doomed);
	free(f->base);
	xmlFreeDoc(f->doc);
	free(f);
	*feed = NULL;
}

const char *publish_feed_base(const struct publish_feed *feed)
{
	return feed->base;
}

void publish_feed_uuid(const struct publish_feed *feed, char out[static PUBLISH_UUID_CHARS], const char *title)
{
	CLEANUP(free_xml) xmlChar *channel = child_text(feed->channel, "uuid");
	uint8_t found[DIGEST_BYTES];
	struct digest d;

	digest_init(&d);
	if (channel)
		digest_add(&d, channel, strlen(text_of(channel)) + 1);
	digest_add(&d, title, strlen(title));
	digest_final(&d, found);
	format_uuid(out, found, 8);
}

static xmlNodePtr first_item(const struct publish_feed *f)
{
	xmlNodePtr node = xmlFirstElementChild(f->channel);

	while (node && !is_item(node))
		node = xmlNextElementSibling(node);
	return node;
}

static xmlNodePtr find_item(const struct publish_feed *f, const char *uuid)
{
	for (xmlNodePtr node = first_item(f); node; node = xmlNextElementSibling(node)) {
		CLEANUP(free_xml) xmlChar *found = is_item(node) ? child_text(node, "uuid") : NULL;

		if (found && strcmp(text_of(found), uuid) == 0)
			return node;
	}
	return NULL;
}

static int doom_url(struct publish_feed *f, xmlNodePtr node, const char *name, void *ctx)
{
	CLEANUP(free_xml) xmlChar *url = xmlGetNoNsProp(node, BAD_CAST name);
	const char *path = url ? path_of(f, text_of(url)) : NULL;

	(void)ctx;
	if (!path)
		return 0;
	char **doomed = realloc(f->doomed, (f->doomed_count + 1) * sizeof(*doomed));
	if (!doomed)
		return -ENOMEM;
	f->doomed = doomed;
	f->doomed[f->doomed_count] = strdup(path);
	return f->doomed[f->doomed_count] ? (f->doomed_count++, 0) : -ENOMEM;
}

int publish_feed_remove(struct publish_feed *feed, const char *uuid, struct err *err)
{
	xmlNodePtr item = find_item(feed, uuid);
	char shown[120];

	if (!item)
		return err_set(err, -ENOENT, "'%s/" FEED_NAME "' has no item '%s'", feed->folder,
			       log_quote(shown, sizeof(shown), uuid));
	if (each_url(feed, item, doom_url, NULL))
		return out_of_memory(err);
	xmlUnlinkNode(item);
	xmlFreeNode(item);
	return 0;
}

static int check_texts(const struct publish_item *item, struct err *err)
{
	int rc = check_text(item->title, "title", err);

	if (!rc)
		rc = check_text(item->description, "description", err);
	if (!rc)
		rc = check_text(item->link, "link", err);
	return rc ? rc : check_text(item->uuid, "uuid", err);
}

static int add_enclosure(struct publish_feed *f, xmlNodePtr item, const struct publish_item *from, struct err *err)
{
	CLEANUP(free_str) char *url = url_of(f, from->file);
	xmlNodePtr node = xmlNewChild(item, NULL, BAD_CAST "enclosure", NULL);
	char digest[DIGEST_HEX], text[DIGEST_HEX + 8];

	if (!url || !node)
		return out_of_memory(err);
	xmlNewProp(node, BAD_CAST "url", BAD_CAST url);
	set_number(node, "length", from->length);
	xmlNewProp(node, BAD_CAST "type", BAD_CAST from->type);
	digest_hex(digest, from->digest);
	snprintf(text, sizeof(text), "sha256:%s", digest);
	add_text(item, f->vmcast, "digest", text);
	return 0;
}

/* A feed may say no other; what a machine's own description calls it may be anything. */
static bool is_bus(const char *bus)
{
	static const char *const known[] = { "virtio", "scsi", "ide", "sata", "nvme", "xen" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(bus, known[i]) == 0)
			return true;
	return false;
}

static int add_disk(struct publish_feed *f, xmlNodePtr item, const struct content_disk *disk, struct err *err)
{
	char index[DIGEST_HEX + 32], image[DIGEST_HEX + 32];

	snprintf(index, sizeof(index), "images/%s/index", disk->image.id);
	snprintf(image, sizeof(image), "images/%s/image.zst", disk->image.id);
	CLEANUP(free_str) char *index_url = url_of(f, index);
	CLEANUP(free_str) char *image_url = url_of(f, image);
	xmlNodePtr node = xmlNewChild(item, f->vmcast, BAD_CAST "image", NULL);
	if (!index_url || !image_url || !node)
		return out_of_memory(err);
	xmlNewProp(node, BAD_CAST "index", BAD_CAST index_url);
	xmlNewProp(node, BAD_CAST "image", BAD_CAST image_url);
	xmlNewProp(node, BAD_CAST "id", BAD_CAST disk->image.id);
	set_number(node, "index_bytes", disk->image.index_bytes);
	set_number(node, "image_bytes", disk->image.image_bytes);
	set_number(node, "disk_bytes", disk->image.disk_bytes);
	if (disk->name)
		xmlNewProp(node, BAD_CAST "name", BAD_CAST disk->name);
	if (disk->bus && is_bus(disk->bus))
		xmlNewProp(node, BAD_CAST "bus", BAD_CAST disk->bus);
	return 0;
}

/* What the oldest readers need comes first. */
static int fill_item(struct publish_feed *f, xmlNodePtr item, const struct publish_item *from, struct err *err)
{
	CLEANUP(free_xml) xmlChar *channel_link = child_text(f->channel, "link");
	char date[40], number[24];

	add_text(item, NULL, "title", from->title);
	add_text(item, NULL, "link", from->link ? from->link : channel_link ? text_of(channel_link) : NO_LINK);
	add_text(item, NULL, "description", from->description);
	add_text(item, NULL, "uuid", from->uuid);
	xmlNodePtr guid = add_text(item, NULL, "guid", from->uuid);
	if (guid)
		xmlNewProp(guid, BAD_CAST "isPermaLink", BAD_CAST "false");
	add_text(item, NULL, "pubDate", rfc822(date, from->published));
	int rc = add_enclosure(f, item, from, err);
	if (rc)
		return rc;
	if (from->arch)
		add_text(item, f->vmcast, "architecture", from->arch);
	if (from->firmware)
		add_text(item, f->vmcast, "firmware", from->firmware);
	snprintf(number, sizeof(number), "%" PRIu64, from->disk_bytes);
	if (from->disk_bytes)
		add_text(item, f->vmcast, "disk", number);
	snprintf(number, sizeof(number), "%" PRIu64, from->memory_bytes);
	if (from->memory_bytes)
		add_text(item, f->vmcast, "memory", number);
	for (size_t i = 0; !rc && i < from->disk_count; i++)
		rc = add_disk(f, item, &from->disks[i], err);
	return rc;
}

int publish_feed_put(struct publish_feed *feed, const struct publish_item *item, struct err *err)
{
	bool replaced = find_item(feed, item->uuid);
	int rc = check_texts(item, err);

	if (rc)
		return rc;
	xmlNodePtr node = xmlNewDocNode(feed->doc, NULL, BAD_CAST "item", NULL);
	if (!node)
		return out_of_memory(err);
	if (replaced)
		rc = publish_feed_remove(feed, item->uuid, err);
	xmlNodePtr first = first_item(feed);
	if (first)
		xmlAddPrevSibling(first, node);
	else
		xmlAddChild(feed->channel, node);
	if (!rc)
		rc = fill_item(feed, node, item, err);
	return rc ? rc : replaced;
}

static int write_document(const struct publish_feed *f, const char *path, struct err *err)
{
	CLEANUP(free_xml) xmlChar *text = NULL;
	int len = 0;

	xmlDocDumpFormatMemoryEnc(f->doc, &text, &len, "UTF-8", 1);
	if (!text)
		return out_of_memory(err);
	CLEANUP(close_file) FILE *file = fopen(path, "we");
	if (!file)
		return err_set(err, -errno, "create '%s': %s", path, strerror(errno));
	if (fwrite(text, 1, (size_t)len, file) != (size_t)len || fflush(file) || fsync(fileno(file)))
		return err_set(err, -errno, "write '%s': %s", path, strerror(errno));
	return 0;
}

int publish_feed_save(struct publish_feed *feed, struct err *err)
{
	char path[PATH_ROOM + sizeof(FEED_NAME)], fresh[PATH_ROOM + 32];

	snprintf(path, sizeof(path), "%s/" FEED_NAME, feed->folder);
	snprintf(fresh, sizeof(fresh), "%s/." FEED_NAME ".new", feed->folder);
	int rc = write_document(feed, fresh, err);
	if (rc)
		return rc;
	if (rename(fresh, path))
		return err_set(err, -errno, "replace '%s': %s", path, strerror(errno));
	return folder_sync(feed->folder, err);
}

/* `ctx`: a path; 1 if the attribute names it. */
static int names_path(struct publish_feed *f, xmlNodePtr node, const char *name, void *ctx)
{
	CLEANUP(free_xml) xmlChar *url = xmlGetNoNsProp(node, BAD_CAST name);
	const char *path = url ? path_of(f, text_of(url)) : NULL;

	return path && strcmp(path, ctx) == 0;
}

static bool is_named(struct publish_feed *f, char *path)
{
	for (xmlNodePtr node = first_item(f); node; node = xmlNextElementSibling(node))
		if (is_item(node) && each_url(f, node, names_path, path))
			return true;
	return false;
}

void publish_feed_sweep(struct publish_feed *feed)
{
	char path[PATH_ROOM + 128];

	for (size_t i = 0; i < feed->doomed_count; i++) {
		if (is_named(feed, feed->doomed[i]))
			continue;
		snprintf(path, sizeof(path), "%s/%s", feed->folder, feed->doomed[i]);
		unlink(path);
		/* An image's folder goes with the last of its two files. */
		*strrchr(path, '/') = '\0';
		if (strncmp(feed->doomed[i], "images/", 7) == 0)
			rmdir(path);
	}
}
