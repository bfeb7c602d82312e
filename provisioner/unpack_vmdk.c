/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_vmdk: see unpack_vmdk.h */
#include "unpack_vmdk.h"

#include "bytes.h"
#include "cleanup.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECTOR        512u
#define LINE_MAX_LEN  1024
#define SHOWN         160
#define DISK_MAX      (1ull << 50)
#define FLAG_ZERO     4u /* grain table entry 1 means zeros */
#define FLAG_COMPRESS (1u << 16)
#define FLAG_MARKERS  (1u << 17)

struct reader {
	struct vmdk *vmdk;
	const char *what;
	unsigned line;
	bool has_version;
};

static int fault(const struct reader *r, int code, const char *problem, const char *text, struct err *err)
{
	char quoted[SHOWN];

	return err_set(err, code, "%s line %u: %s '%s'", r->what, r->line, problem,
		       log_quote(quoted, sizeof(quoted), text));
}

/* The next word of a line, cut off in place; NULL at its end. A quoted one may hold spaces. */
static char *next_word(char **at)
{
	char *start = *at + strspn(*at, " \t");
	bool quoted = *start == '"';

	if (!*start)
		return NULL;
	start += quoted;
	size_t len = strcspn(start, quoted ? "\"" : " \t");
	*at = start + len + (start[len] != '\0');
	start[len] = '\0';
	return start;
}

static bool read_number(uint64_t *out, const char *word)
{
	char *end;

	if (!word || !isdigit((unsigned char)*word))
		return false;
	errno = 0;
	*out = strtoull(word, &end, 10);
	return !*end && errno == 0 && *out <= DISK_MAX / SECTOR;
}

static int kind_of(enum vmdk_extent_kind *out, const struct reader *r, const char *word, struct err *err)
{
	if (word && (strcmp(word, "FLAT") == 0 || strcmp(word, "VMFS") == 0))
		*out = VMDK_FLAT;
	else if (word && strcmp(word, "SPARSE") == 0)
		*out = VMDK_SPARSE;
	else if (word && strcmp(word, "ZERO") == 0)
		*out = VMDK_ZERO;
	else
		return fault(r, -ENOTSUP, "extent of the kind", word ? word : "", err);
	return 0;
}

/* Only the name of a file beside the descriptor is taken: nothing that leads anywhere. */
static int check_name(const struct reader *r, const char *name, struct err *err)
{
	if (!name || !*name)
		return fault(r, -EBADMSG, "extent names no file", "", err);
	if (strchr(name, '/') || strchr(name, '\\') || strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
		return fault(r, -ENOTSUP, "extent names a file elsewhere,", name, err);
	return 0;
}

static int add_extent(struct reader *r, const struct vmdk_extent *extent, struct err *err)
{
	struct vmdk *v = r->vmdk;

	if (v->extent_count == VMDK_EXTENTS_MAX)
		return err_set(err, -EFBIG, "%s: more than %d extents", r->what, VMDK_EXTENTS_MAX);
	if (extent->disk_bytes == 0 || v->disk_bytes + extent->disk_bytes > DISK_MAX)
		return err_set(err, -EBADMSG, "%s line %u: an extent of %" PRIu64 " bytes", r->what, r->line,
			       extent->disk_bytes);
	struct vmdk_extent *more = realloc(v->extents, (v->extent_count + 1) * sizeof(*more));
	if (!more)
		return err_set(err, -ENOMEM, "out of memory");
	v->extents = more;
	v->disk_bytes += extent->disk_bytes;
	v->extents[v->extent_count++] = *extent;
	return 0;
}

/* RW 4192256 SPARSE "disk-s001.vmdk"; RW 8388608 FLAT "disk-flat.vmdk" 0; RW 63 ZERO */
static int read_extent(struct reader *r, const char *access, char *rest, struct err *err)
{
	const char *sectors = next_word(&rest), *kind = next_word(&rest), *name = next_word(&rest);
	const char *off = next_word(&rest), *more = next_word(&rest);
	struct vmdk_extent extent = { .kind = VMDK_ZERO };

	if (strcmp(access, "NOACCESS") == 0)
		return fault(r, -ENOTSUP, "extent with access", access, err);
	if (!read_number(&extent.disk_bytes, sectors))
		return fault(r, -EBADMSG, "extent's number of sectors is", sectors ? sectors : "", err);
	extent.disk_bytes *= SECTOR;
	int rc = kind_of(&extent.kind, r, kind, err);
	if (rc)
		return rc;
	if (extent.kind == VMDK_ZERO)
		return name ? fault(r, -EBADMSG, "extent of zeros has a name,", name, err)
			    : add_extent(r, &extent, err);
	rc = check_name(r, name, err);
	if (rc)
		return rc;
	if (off && (!read_number(&extent.file_off, off) || extent.kind != VMDK_FLAT || more))
		return fault(r, -EBADMSG, "extent's offset is", off, err);
	extent.file_off *= SECTOR;
	extent.file = strdup(name);
	rc = extent.file ? add_extent(r, &extent, err) : err_set(err, -ENOMEM, "out of memory");
	if (rc)
		free(extent.file);
	return rc;
}

static int read_setting(struct reader *r, const char *key, const char *value, struct err *err)
{
	if (strcasecmp(key, "version") == 0) {
		r->has_version = true;
		return strlen(value) == 1 && strchr("123", *value) ? 0 : fault(r, -ENOTSUP, "version", value, err);
	}
	if (strcasecmp(key, "parentCID") == 0) {
		return strcasecmp(value, "ffffffff") == 0
			       ? 0
			       : fault(r, -ENOTSUP, "it is the difference to another disk, parentCID", value, err);
	}
	if (strcasecmp(key, "parentFileNameHint") == 0)
		return fault(r, -ENOTSUP, "it is the difference to another disk,", value, err);
	if (strcasecmp(key, "encryptionKeys") == 0 || strcasecmp(key, "encryption") == 0)
		return fault(r, -ENOTSUP, "it is encrypted,", key, err);
	if (strcasecmp(key, "createType") == 0)
		snprintf(r->vmdk->create_type, sizeof(r->vmdk->create_type), "%s", value);
	return 0;
}

static int read_line(struct reader *r, char *line, struct err *err)
{
	char *rest = line, *word = next_word(&rest);

	if (!word || *word == '#')
		return 0;
	if (strcmp(word, "RW") == 0 || strcmp(word, "RDONLY") == 0 || strcmp(word, "NOACCESS") == 0)
		return read_extent(r, word, rest, err);
	/* Put back what next_word cut off: `key = "value"` has its sign anywhere. */
	if (rest > word + strlen(word))
		word[strlen(word)] = ' ';
	char *equals = strchr(word, '=');
	if (!equals)
		return fault(r, -EBADMSG, "this is neither a setting nor an extent:", word, err);
	*equals = '\0';
	for (char *end = equals; end > word && isspace((unsigned char)end[-1]);)
		*--end = '\0';
	char *value_at = equals + 1;
	const char *value = next_word(&value_at);
	return read_setting(r, word, value ? value : "", err);
}

static int read_lines(struct reader *r, const char *text, size_t len, struct err *err)
{
	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_len = end ? (size_t)(end - text) - at : len - at;
		char line[LINE_MAX_LEN];

		r->line++;
		if (line_len >= sizeof(line))
			return err_set(err, -EFBIG, "%s line %u is longer than %d bytes", r->what, r->line,
				       LINE_MAX_LEN);
		memcpy(line, text + at, line_len);
		while (line_len && isspace((unsigned char)line[line_len - 1]))
			line_len--;
		line[line_len] = '\0';
		int rc = read_line(r, line, err);
		if (rc)
			return rc;
		at = end ? (size_t)(end - text) + 1 : len;
	}
	return 0;
}

int vmdk_parse(struct vmdk **out, const char *what, const char *text, size_t len, struct err *err)
{
	CLEANUP(vmdk_free) struct vmdk *vmdk = calloc(1, sizeof(*vmdk));
	struct reader r = { .vmdk = vmdk, .what = what };

	if (!vmdk)
		return err_set(err, -ENOMEM, "out of memory");
	if (len > VMDK_DESCRIPTOR_BYTES_MAX)
		return err_set(err, -EFBIG, "%s: %zu bytes of VMDK descriptor, at most %u", what, len,
			       VMDK_DESCRIPTOR_BYTES_MAX);
	/* It is a C string to those who write it. Once in some hundred images QEMU leaves a byte of its first draft behind the
	 * end, when the second has a shorter CID. */
	const char *nul = memchr(text, '\0', len);
	int rc = read_lines(&r, text, nul ? (size_t)(nul - text) : len, err);
	if (rc)
		return rc;
	if (!r.has_version || !vmdk->extent_count)
		return err_set(err, -EBADMSG, "%s: a VMDK descriptor without %s", what,
			       r.has_version ? "extents" : "version");
	*out = TAKE(vmdk);
	return 0;
}

void vmdk_free(struct vmdk **vmdk)
{
	struct vmdk *v = *vmdk;

	if (!v)
		return;
	for (size_t i = 0; i < v->extent_count; i++)
		free(v->extents[i].file);
	free(v->extents);
	free(v);
	*vmdk = NULL;
}

static int check_header(const uint8_t *header, struct err *err)
{
	uint32_t version = le32(header + 4), flags = le32(header + 8);
	uint16_t compression = le16(header + 77);

	if (memcmp(header, "KDMV", 4) != 0)
		return err_set(err, -EBADMSG, "it is no hosted sparse extent, its magic is %08x", le32(header));
	if (version < 1 || version > 3)
		return err_set(err, -ENOTSUP, "version %u of sparse extents", version);
	if (flags & (FLAG_COMPRESS | FLAG_MARKERS) || compression)
		return err_set(err, -ENOTSUP, "flags %#x, compression %u: compressed grains in an extent of its own",
			       flags, compression);
	return 0;
}

int vmdk_sparse_init(struct vmdk_sparse *out, const uint8_t *header, uint64_t file_bytes, struct err *err)
{
	int rc = check_header(header, err);

	if (rc)
		return rc;
	uint64_t capacity = le64(header + 12), grain = le64(header + 20), directory = le64(header + 56);
	uint32_t entries = le32(header + 44);
	/* The specification's bounds: more than 4 KiB, a power of two. 64 MiB is beyond what anybody writes. */
	if (grain < 8 || grain > (64u << 20) / SECTOR || (grain & (grain - 1)))
		return err_set(err, -EBADMSG, "grainSize is %" PRIu64 " sectors", grain);
	if (capacity == 0 || capacity > DISK_MAX / SECTOR)
		return err_set(err, -EBADMSG, "capacity is %" PRIu64 " sectors", capacity);
	if (entries == 0 || entries > 1u << 20)
		return err_set(err, -EBADMSG, "numGTEsPerGT is %u", entries);
	*out = (struct vmdk_sparse){
		.disk_bytes = capacity * SECTOR,
		.grain_bytes = grain * SECTOR,
		.grain_count = (capacity + grain - 1) / grain,
		.table_entries = entries,
		.has_zero_grains = le32(header + 8) & FLAG_ZERO,
		.file_bytes = file_bytes,
	};
	uint64_t directory_bytes = (out->grain_count + entries - 1) / entries * 4;
	if (directory == 0 || directory > file_bytes / SECTOR || directory_bytes > file_bytes - directory * SECTOR)
		return err_set(err, -EBADMSG, "gdOffset is sector %" PRIu64 ", the file has %" PRIu64 " bytes",
			       directory, file_bytes);
	out->directory_off = directory * SECTOR;
	return 0;
}

uint64_t vmdk_sparse_table_off(const struct vmdk_sparse *s, uint64_t nr)
{
	return s->directory_off + nr / s->table_entries * 4;
}

int vmdk_sparse_entry_off(uint64_t *out, const struct vmdk_sparse *s, uint64_t nr, uint32_t directory_entry,
			  struct err *err)
{
	uint64_t off = (uint64_t)directory_entry * SECTOR + nr % s->table_entries * 4;

	if (directory_entry && off + 4 > s->file_bytes)
		return err_set(err, -EBADMSG, "grain table at sector %u lies outside of the file", directory_entry);
	*out = directory_entry ? off : 0;
	return 0;
}

int vmdk_sparse_grain_off(uint64_t *out, const struct vmdk_sparse *s, uint64_t nr, uint32_t table_entry,
			  struct err *err)
{
	uint64_t off = (uint64_t)table_entry * SECTOR, want = s->grain_bytes;

	if (nr == s->grain_count - 1)
		want = s->disk_bytes - nr * s->grain_bytes;
	*out = 0;
	if (table_entry == 0 || (table_entry == 1 && s->has_zero_grains))
		return 0;
	if (off > s->file_bytes || want > s->file_bytes - off)
		return err_set(err, -EBADMSG, "grain %" PRIu64 " at sector %u lies outside of the file", nr,
			       table_entry);
	*out = off;
	return 0;
}
