/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_text: see feed_text.h */
#include "feed_text.h"

#include "utf8.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The text as far as it is made. White space is kept back until something follows it. */
struct writer {
	char *out;
	size_t len, max;
	enum feed_text_kind kind;
	char pending; /* '\0', ' ' or '\n' */
	bool full;
};

/* The first character of `text` (not empty) and its length. Ill-formed bytes are replaced one at a time. */
static size_t decode(uint32_t *code, const char *text)
{
	size_t len = utf8_decode(code, text);

	return len ? len : 1;
}

static size_t encode(char out[static 4], uint32_t code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (size_t i = len - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	out[0] = (char)((0xf00u >> len & 0xf0u) | code);
	return len;
}

/*
 * Controls, noncharacters, marks that reorder or hide what stands beside them (bidirectional embeddings, overrides,
 * isolates and marks; zero-width spaces; tags). Joiners stay: several scripts need them.
 */
static bool is_unwanted(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xad || code == 0x61c || code == 0x180e ||
	       code == 0x200b || code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
	       (code >= 0x2060 && code <= 0x206f) || (code >= 0xfdd0 && code <= 0xfdef) || code == 0xfeff ||
	       (code >= 0xfff9 && code <= 0xfffb) || (code & 0xfffe) == 0xfffe ||
	       (code >= 0xe0000 && code <= 0xe0fff) || code > 0x10ffff || (code >= 0xd800 && code < 0xe000);
}

static bool is_space(uint32_t code)
{
	return code == ' ' || code == '\t' || code == '\r' || code == 0xa0 || code == 0x1680 ||
	       (code >= 0x2000 && code <= 0x200a) || code == 0x202f || code == 0x205f || code == 0x3000;
}

static bool is_line_end(uint32_t code)
{
	return code == '\n' || code == '\v' || code == '\f' || code == 0x85 || code == 0x2028 || code == 0x2029;
}

static void add(struct writer *w, uint32_t code)
{
	char bytes[4];

	if (is_line_end(code)) {
		w->pending = w->kind == FEED_TEXT_BLOCK ? '\n' : w->pending ? w->pending : ' ';
		return;
	}
	if (is_space(code)) {
		if (!w->pending)
			w->pending = ' ';
		return;
	}
	if (w->full || is_unwanted(code))
		return;
	size_t len = encode(bytes, code), gap = w->pending && w->len ? 1 : 0;

	if (w->len + gap + len > w->max) {
		w->full = true;
		return;
	}
	if (gap)
		w->out[w->len++] = w->pending;
	w->pending = '\0';
	memcpy(w->out + w->len, bytes, len);
	w->len += len;
}

/* Whether `s`, behind a '<' or "</", is this element's name and not only begins like it. */
static bool is_element(const char *s, const char *name)
{
	size_t len = strlen(name);

	return strncasecmp(s, name, len) == 0 && !isalnum((unsigned char)s[len]);
}

static bool makes_line_end(const char *s)
{
	static const char *const names[] = { "br", "p",  "div", "li", "ul", "ol", "tr", "table", "pre", "blockquote",
					     "hr", "h1", "h2",  "h3", "h4", "h5", "h6", "dt",    "dd" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (is_element(s, names[i]))
			return true;
	}
	return false;
}

/* The first '>' outside quotes, or NULL. */
static const char *tag_end(const char *s)
{
	char quote = '\0';

	for (; *s; s++) {
		if (quote)
			quote = *s == quote ? '\0' : quote;
		else if (*s == '"' || *s == '\'')
			quote = *s;
		else if (*s == '>')
			return s;
	}
	return NULL;
}

/* What follows the element that begins at `s` ("<script"), content and all; the end of the text if it is never closed.
 */
static const char *skip_element(const char *s, const char *name)
{
	for (s++; (s = strchr(s, '<')); s++) {
		if (s[1] == '/' && is_element(s + 2, name)) {
			const char *end = strchr(s, '>');

			return end ? end + 1 : s + strlen(s);
		}
	}
	return "";
}

/*
 * At a '<': the byte after the tag, or NULL if this is no tag but a less-than sign ("a < b"). `*no_end` remembers that
 * no tag that has begun by now ends any more, so that a text of nothing but "<a" is not searched to its end for each of
 * them.
 */
static const char *take_tag(struct writer *w, const char *s, bool *no_end)
{
	const char *name = s[1] == '/' ? s + 2 : s + 1;

	if (strncmp(s, "<!--", 4) == 0) {
		const char *end = strstr(s + 4, "-->");

		return end ? end + 3 : "";
	}
	if (is_element(name, "script") || is_element(name, "style"))
		return skip_element(s, is_element(name, "script") ? "script" : "style");
	if (!isalpha((unsigned char)name[0]) && name[0] != '!' && name[0] != '?')
		return NULL;
	const char *end = *no_end ? NULL : tag_end(s);
	if (!end) {
		*no_end = true;
		return NULL;
	}
	if (makes_line_end(name))
		add(w, '\n');
	return end + 1;
}

/* At a '&': one character reference of HTML and the byte after it, or NULL if this is none. */
static const char *take_reference(uint32_t *code, const char *s)
{
	static const struct {
		const char *name;
		uint32_t code;
	} known[] = { { "amp;", '&' },   { "lt;", '<' },       { "gt;", '>' },       { "quot;", '"' },
		      { "apos;", '\'' }, { "nbsp;", 0xa0 },    { "ndash;", 0x2013 }, { "mdash;", 0x2014 },
		      { "copy;", 0xa9 }, { "hellip;", 0x2026 } };
	char *end;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strncmp(s + 1, known[i].name, strlen(known[i].name)) == 0) {
			*code = known[i].code;
			return s + 1 + strlen(known[i].name);
		}
	}
	if (s[1] != '#')
		return NULL;
	bool hex = s[2] == 'x' || s[2] == 'X';
	const char *digits = s + 2 + hex;
	if (hex ? !isxdigit((unsigned char)*digits) : !isdigit((unsigned char)*digits))
		return NULL;
	unsigned long value = strtoul(digits, &end, hex ? 16 : 10);
	*code = value <= 0x10ffff ? (uint32_t)value : UTF8_REPLACEMENT;
	return *end == ';' ? end + 1 : end;
}

char *feed_text_plain(const char *raw, enum feed_text_kind kind, size_t max, bool *cut)
{
	struct writer w = { .max = max, .kind = kind };
	bool no_end = false;

	w.out = malloc(max + 1);
	if (!w.out)
		return NULL;
	while (*raw && !w.full) {
		const char *next = *raw == '<' ? take_tag(&w, raw, &no_end) : NULL;
		uint32_t code;

		if (next) {
			raw = next;
			continue;
		}
		next = *raw == '&' ? take_reference(&code, raw) : NULL;
		raw = next ? next : raw + decode(&code, raw);
		add(&w, code);
	}
	w.out[w.len] = '\0';
	*cut = w.full;
	char *fitting = realloc(w.out, w.len + 1);
	return fitting ? fitting : w.out;
}

bool feed_text_is_plain(const char *text)
{
	while (*text) {
		uint32_t code;

		text += decode(&code, text);
		if (code == UTF8_REPLACEMENT || is_line_end(code) || is_unwanted(code))
			return false;
	}
	return true;
}
