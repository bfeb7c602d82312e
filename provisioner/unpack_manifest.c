/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_manifest: see unpack_manifest.h. The lines: DSP0243 2.1.1 section 5.1, and what sha1sum(1) writes. */
#include "unpack_manifest.h"

#include "cleanup.h"
#include "log.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_LEN 2048
#define SHOWN        160

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool is_digest_length(size_t bytes)
{
	return bytes == SHA1_DIGEST_SIZE || bytes == SHA256_DIGEST_SIZE || bytes == SHA512_DIGEST_SIZE;
}

/* `text` is hex digits from here to its end, or to the first that is none. Returns the bytes, 0: no digest. */
static size_t read_hex(uint8_t out[static MANIFEST_DIGEST_MAX], const char *text)
{
	size_t len = 0;

	while (len < MANIFEST_DIGEST_MAX && hex_digit(text[2 * len]) >= 0 && hex_digit(text[2 * len + 1]) >= 0) {
		out[len] = (uint8_t)(hex_digit(text[2 * len]) << 4 | hex_digit(text[2 * len + 1]));
		len++;
	}
	return is_digest_length(len) && hex_digit(text[2 * len]) < 0 ? len : 0;
}

static size_t bytes_of(const char *algorithm, size_t len)
{
	static const struct {
		const char *name;
		size_t bytes;
	} known[] = {
		{ "SHA1", SHA1_DIGEST_SIZE },      { "SHA-1", SHA1_DIGEST_SIZE },    { "SHA256", SHA256_DIGEST_SIZE },
		{ "SHA-256", SHA256_DIGEST_SIZE }, { "SHA512", SHA512_DIGEST_SIZE }, { "SHA-512", SHA512_DIGEST_SIZE },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) == len && strncasecmp(known[i].name, algorithm, len) == 0)
			return known[i].bytes;
	}
	return 0;
}

/* SHA256(name)= hex. The name may hold brackets, so its end is looked for from behind. */
static bool read_named(struct manifest_entry *out, char *line)
{
	char *open = strchr(line, '('), *equals = strrchr(line, '=');

	if (!open || !equals || equals < open)
		return false;
	size_t algorithm_len = (size_t)(open - line);
	while (algorithm_len && line[algorithm_len - 1] == ' ')
		algorithm_len--;
	char *close = equals;
	while (close > open && *close != ')')
		close--;
	if (close == open || strspn(close + 1, " ") != (size_t)(equals - close - 1))
		return false;
	const char *hex = equals + 1 + strspn(equals + 1, " ");
	out->digest_bytes = read_hex(out->digest, hex);
	if (!out->digest_bytes || hex[2 * out->digest_bytes] || out->digest_bytes != bytes_of(line, algorithm_len))
		return false;
	*close = '\0';
	out->file = open + 1;
	return true;
}

/* "hex  name", "hex *name"; some scripts wrote "name hex". */
static bool read_summed(struct manifest_entry *out, char *line)
{
	out->digest_bytes = read_hex(out->digest, line);
	char *rest = line + 2 * out->digest_bytes;
	if (out->digest_bytes) {
		rest += strspn(rest, " \t");
		out->file = rest + (*rest == '*');
		return true;
	}
	char *space = strrchr(line, ' ');
	char *tab = strrchr(line, '\t');
	if (!space || (tab && tab > space))
		space = tab;
	if (!space)
		return false;
	out->digest_bytes = read_hex(out->digest, space + 1);
	if (!out->digest_bytes || space[1 + 2 * out->digest_bytes])
		return false;
	while (space > line && isspace((unsigned char)space[-1]))
		space--;
	if (space > line && space[-1] == '=')
		return false; /* the other way of writing it, with something wrong */
	*space = '\0';
	out->file = line;
	return true;
}

static int add_entry(struct manifest *m, const struct manifest_entry *entry, struct err *err)
{
	/* "./part.gz", as of find(1): members are called without it, too. */
	const char *file = entry->file + (strncmp(entry->file, "./", 2) == 0 ? 2 : 0);
	char quoted[SHOWN];

	if (!*file)
		return err_set(err, -EBADMSG, "a digest of no file");
	if (manifest_find(m, file))
		return err_set(err, -EBADMSG, "'%s' comes twice", log_quote(quoted, sizeof(quoted), file));
	if (m->entry_count == MANIFEST_ENTRIES_MAX)
		return err_set(err, -EFBIG, "more than %d digests", MANIFEST_ENTRIES_MAX);
	struct manifest_entry *more = realloc(m->entries, (m->entry_count + 1) * sizeof(*more));
	if (!more)
		return err_set(err, -ENOMEM, "out of memory");
	m->entries = more;
	m->entries[m->entry_count] = *entry;
	m->entries[m->entry_count].file = strdup(file);
	if (!m->entries[m->entry_count].file)
		return err_set(err, -ENOMEM, "out of memory");
	m->entry_count++;
	return 0;
}

static int read_line(struct manifest *m, char *line, unsigned nr, struct err *err)
{
	struct manifest_entry entry = { .digest_bytes = 0 };
	char quoted[SHOWN];

	if (!*line || *line == '#')
		return 0;
	CLEANUP(free_str) char *copy = strdup(line);
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	if (!read_named(&entry, line) && !read_summed(&entry, line))
		return err_set(err, -EBADMSG, "line %u is no digest of a file: '%s'", nr,
			       log_quote(quoted, sizeof(quoted), copy));
	return add_entry(m, &entry, err);
}

static int read_lines(struct manifest *m, const char *text, size_t len, struct err *err)
{
	unsigned nr = 0;

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_len = end ? (size_t)(end - text) - at : len - at;
		char line[LINE_MAX_LEN];

		nr++;
		if (line_len >= sizeof(line) || memchr(text + at, '\0', line_len))
			return err_set(err, -EBADMSG, "line %u is longer than %d bytes, or has NUL bytes", nr,
				       LINE_MAX_LEN);
		memcpy(line, text + at, line_len);
		while (line_len && isspace((unsigned char)line[line_len - 1]))
			line_len--;
		line[line_len] = '\0';
		int rc = read_line(m, line, nr, err);
		if (rc)
			return rc;
		at = end ? (size_t)(end - text) + 1 : len;
	}
	return m->entry_count ? 0 : err_set(err, -EBADMSG, "it holds no digest");
}

int manifest_parse(struct manifest **out, const char *what, const char *text, size_t len, struct err *err)
{
	CLEANUP(manifest_free) struct manifest *m = calloc(1, sizeof(*m));

	if (!m)
		return err_set(err, -ENOMEM, "out of memory");
	if (len > MANIFEST_BYTES_MAX)
		return err_set(err, -EFBIG, "%s: %zu bytes of digests, at most %u", what, len, MANIFEST_BYTES_MAX);
	if (read_lines(m, text, len, err))
		return err_wrap(err, "%s", what);
	*out = TAKE(m);
	return 0;
}

void manifest_free(struct manifest **m)
{
	for (size_t i = 0; *m && i < (*m)->entry_count; i++)
		free((*m)->entries[i].file);
	if (*m)
		free((*m)->entries);
	free(TAKE(*m));
}

const struct manifest_entry *manifest_find(const struct manifest *m, const char *file)
{
	for (size_t i = 0; i < m->entry_count; i++) {
		if (strcmp(m->entries[i].file, file) == 0)
			return &m->entries[i];
	}
	return NULL;
}

struct hasher {
	size_t digest_bytes;
	union {
		struct sha1_ctx sha1;
		struct sha256_ctx sha256;
		struct sha512_ctx sha512;
	};
};

int hasher_open(struct hasher **out, size_t digest_bytes, struct err *err)
{
	struct hasher *h = calloc(1, sizeof(*h));

	assert(is_digest_length(digest_bytes));
	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	h->digest_bytes = digest_bytes;
	if (digest_bytes == SHA1_DIGEST_SIZE)
		sha1_init(&h->sha1);
	else if (digest_bytes == SHA256_DIGEST_SIZE)
		sha256_init(&h->sha256);
	else
		sha512_init(&h->sha512);
	*out = h;
	return 0;
}

void hasher_add(struct hasher *h, const void *data, size_t len)
{
	if (h->digest_bytes == SHA1_DIGEST_SIZE)
		sha1_update(&h->sha1, len, data);
	else if (h->digest_bytes == SHA256_DIGEST_SIZE)
		sha256_update(&h->sha256, len, data);
	else
		sha512_update(&h->sha512, len, data);
}

void hasher_final(struct hasher *h, uint8_t out[static MANIFEST_DIGEST_MAX])
{
	if (h->digest_bytes == SHA1_DIGEST_SIZE)
		sha1_digest(&h->sha1, h->digest_bytes, out);
	else if (h->digest_bytes == SHA256_DIGEST_SIZE)
		sha256_digest(&h->sha256, h->digest_bytes, out);
	else
		sha512_digest(&h->sha512, h->digest_bytes, out);
}

void hasher_close(struct hasher **h)
{
	free(TAKE(*h));
}
