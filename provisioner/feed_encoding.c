/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_encoding: see feed_encoding.h */
#include "feed_encoding.h"

#include "cleanup.h"
#include "log.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a document begins with that says its encoding without words. The longer marks come first. */
static const struct {
	const char *bytes;
	size_t len, skip; /* skip: it is a mark, not a part of the document */
	const char *encoding;
} beginnings[] = {
	{ "\xff\xfe\0\0", 4, 4, "UTF-32LE" }, { "\0\0\xfe\xff", 4, 4, "UTF-32BE" }, { "<\0\0\0", 4, 0, "UTF-32LE" },
	{ "\0\0\0<", 4, 0, "UTF-32BE" },      { "\xff\xfe", 2, 2, "UTF-16LE" },     { "\xfe\xff", 2, 2, "UTF-16BE" },
	{ "<\0", 2, 0, "UTF-16LE" },          { "\0<", 2, 0, "UTF-16BE" },          { "\xef\xbb\xbf", 3, 3, "UTF-8" },
};

/*
 * What may be declared: the encodings that documents of the web have, under the names that they have there. The C
 * library knows many more, some of which have been exploited; these are tables, none keeps a state between characters
 * (so no ISO-2022, no UTF-7).
 */
static const char *const declarable[] = {
	"US-ASCII",     "ASCII",        "UTF-8",        "UTF8",         "ISO-8859-1",   "ISO-8859-2",   "ISO-8859-3",
	"ISO-8859-4",   "ISO-8859-5",   "ISO-8859-6",   "ISO-8859-7",   "ISO-8859-8",   "ISO-8859-9",   "ISO-8859-10",
	"ISO-8859-11",  "ISO-8859-13",  "ISO-8859-14",  "ISO-8859-15",  "ISO-8859-16",  "LATIN1",       "LATIN2",
	"windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256",
	"windows-1257", "windows-1258", "CP1250",       "CP1251",       "CP1252",       "CP1253",       "CP1254",
	"CP1255",       "CP1256",       "CP1257",       "CP1258",       "windows-874",  "TIS-620",      "KOI8-R",
	"KOI8-U",       "IBM866",       "CP866",        "IBM437",       "IBM850",       "CP437",        "CP850",
	"macintosh",    "Shift_JIS",    "SJIS",         "Windows-31J",  "CP932",        "EUC-JP",       "EUC-KR",
	"CP949",        "GB2312",       "GBK",          "GB18030",      "CP936",        "Big5",         "Big5-HKSCS",
};

/* Names of the web that the C library calls otherwise. */
static const char *const other_names[][2] = { { "windows-874", "CP874" }, { "Windows-31J", "CP932" } };

static const char *library_name(const char *name)
{
	for (size_t i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++)
		if (strcasecmp(other_names[i][0], name) == 0)
			return other_names[i][1];
	return name;
}

static int check_declared(const char *name, struct err *err)
{
	char shown[64];

	for (size_t i = 0; i < sizeof(declarable) / sizeof(declarable[0]); i++)
		if (strcasecmp(name, declarable[i]) == 0)
			return 0;
	return err_set(err, -ENOTSUP, "feed: encoding '%s' is not supported, use UTF-8",
		       log_quote(shown, sizeof(shown), name));
}

/* The encoding that the XML declaration names: "UTF-8" if it names none. `xml` begins with bytes of ASCII. */
static int read_declaration(char name[static 40], const char *xml, size_t len, struct err *err)
{
	char declaration[256] = "";

	strcpy(name, "UTF-8");
	if (len < 6 || strncmp(xml, "<?xml ", 6) != 0)
		return 0;
	const char *end = memmem(xml, len < sizeof(declaration) ? len : sizeof(declaration) - 1, "?>", 2);
	if (!end)
		return err_set(err, -EBADMSG, "feed: XML declaration is too long");
	memcpy(declaration, xml, (size_t)(end - xml));
	const char *at = strstr(declaration, "encoding");
	if (at)
		sscanf(at, "encoding%*[ \t\r\n=\"']%39[^ \t\r\n\"']", name);
	return check_declared(name, err);
}

static void close_iconv(iconv_t *converter)
{
	if (*converter != (iconv_t)-1)
		iconv_close(*converter);
}

/* No encoding has a character that is longer in UTF-8 by more than this. */
#define GROWTH_MAX 4

static int convert(char **out, size_t *out_len, const char *encoding, const char *xml, size_t len, struct err *err)
{
	CLEANUP(close_iconv) iconv_t converter = iconv_open("UTF-8", library_name(encoding));
	size_t in_left = len, out_left = len * GROWTH_MAX + 1;
	char *in = (char *)xml;

	if (converter == (iconv_t)-1)
		return err_set(err, -ENOTSUP, "feed: this system cannot read encoding '%s'", encoding);
	CLEANUP(free_str) char *utf8 = malloc(out_left);
	char *to = utf8;
	if (!utf8)
		return err_set(err, -ENOMEM, "feed: out of memory");
	if (iconv(converter, &in, &in_left, &to, &out_left) == (size_t)-1)
		return err_set(err, -EBADMSG, "feed: byte %zu is not %s, the encoding it is declared to be in",
			       len - in_left, encoding);
	*out_len = (size_t)(to - utf8);
	char *fitting = realloc(utf8, *out_len + 1);
	*out = fitting ? fitting : utf8;
	utf8 = NULL;
	return 0;
}

int feed_encoding_convert(char **out, size_t *out_len, const char *xml, size_t len, struct err *err)
{
	char encoding[40] = "";

	*out = NULL;
	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]) && !encoding[0]; i++) {
		if (len < beginnings[i].len || memcmp(xml, beginnings[i].bytes, beginnings[i].len) != 0)
			continue;
		snprintf(encoding, sizeof(encoding), "%s", beginnings[i].encoding);
		xml += beginnings[i].skip;
		len -= beginnings[i].skip;
	}
	if (strncmp(encoding, "UTF-16", 6) == 0 || strncmp(encoding, "UTF-32", 6) == 0)
		return convert(out, out_len, encoding, xml, len, err);
	if (len < 2 || !memchr("< \t\r\n", xml[0], 5))
		return err_set(err, -EBADMSG, "this is no XML");
	/* A mark of UTF-8 beats the declaration, which must still be one that we know. */
	bool marked = encoding[0];
	int rc = read_declaration(encoding, xml, len, err);
	if (rc || marked || strncasecmp(encoding, "UTF", 3) == 0 || strcasestr(encoding, "ASCII"))
		return rc;
	return convert(out, out_len, encoding, xml, len, err);
}
