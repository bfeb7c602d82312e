/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_format_vmdk: the header of a VMDK sparse extent with the descriptor of a disk of one file in it:
 * monolithicSparse and streamOptimized. Little-endian. Source: VMware, Virtual Disk Format 5.0.
 */
#include "disk_format_impl.h"

#include "cleanup.h"

#include <stdlib.h>

#define HEADER_BYTES 512
/* In place of where the grain directory is: the header at the end says it. */
#define AT_END UINT64_MAX
/* Footer: a marker, a copy of the header, a marker of the end. */
#define FOOTER_BYTES  1536
#define MARKER_FOOTER 3u
/* As long as what VMware, VirtualBox and QEMU write, which QEMU reads. */
#define CID_CHARS            8 /* at most, hexadecimal */
#define DESCRIPTOR_BYTES_MAX 10240u

#define FLAG_COMPRESSED (1u << 16)

struct header {
	uint32_t version, flags;
	uint64_t capacity;                          /* sectors, like all that follow */
	uint64_t grain, descriptor_off, descriptor; /* sizes and offsets in sectors */
	uint32_t grains_per_table;
	uint64_t directory_off;
	bool unclean;
	uint16_t compression;
};

static int decode(struct header *h, const uint8_t raw[static HEADER_BYTES], struct err *err)
{
	*h = (struct header){ .version = le32(raw + 4),
			      .flags = le32(raw + 8),
			      .capacity = le64(raw + 12),
			      .grain = le64(raw + 20),
			      .descriptor_off = le64(raw + 28),
			      .descriptor = le64(raw + 36),
			      .grains_per_table = le32(raw + 44),
			      .directory_off = le64(raw + 56),
			      .unclean = raw[72] != 0,
			      .compression = le16(raw + 77) };
	if (memcmp(raw, "COWD", 4) == 0)
		return err_set(err, -ENOTSUP, "it is a snapshot of ESX (COWD), and only what stands alone is taken");
	if (memcmp(raw, "KDMV", 4) != 0)
		return err_set(err, -EBADMSG, "the copy of its header at its end is none");
	if (h->version < 1 || h->version > 3)
		return err_set(err, -ENOTSUP, "it is of version %" PRIu32 ", and 1 to 3 are known", h->version);
	/* QEMU takes a header without a size for the place of a descriptor that names other files. */
	if (h->capacity == 0 || h->capacity > UINT64_MAX / 1024)
		return err_set(err, -EBADMSG, "capacity is %" PRIu64 " sectors", h->capacity);
	if (!is_power_of_2(h->grain) || h->grain < 8 || h->grain > 0x20000)
		return err_set(err, -EBADMSG, "grainSize is %" PRIu64 " sectors", h->grain);
	if (h->grains_per_table == 0 || h->grains_per_table > 512)
		return err_set(err, -EBADMSG, "numGTEsPerGT is %" PRIu32, h->grains_per_table);
	if ((h->flags & FLAG_COMPRESSED) && h->compression != 1)
		return err_set(err, -ENOTSUP, "compressAlgorithm is %u, and 1 (deflate) is known", h->compression);
	if (h->unclean)
		return err_set(err, -ENOTSUP, "it was not closed cleanly (uncleanShutdown)");
	return 0;
}

/* The footer of a stream: a marker before it says what it is. */
static int read_footer(struct header *h, const struct image_file *f, struct err *err)
{
	uint8_t raw[FOOTER_BYTES];

	if (f->bytes < HEADER_BYTES + FOOTER_BYTES)
		return err_set(err, -EBADMSG, "it ends before its footer");
	int rc = image_read(f, raw, sizeof(raw), f->bytes - FOOTER_BYTES, "its footer", err);
	if (rc)
		return rc;
	if (le32(raw + 8) != 0 || le32(raw + 12) != MARKER_FOOTER || !bytes_are_zero(raw + 1024, 16))
		return err_set(err, -EBADMSG, "it does not end in a footer: it is truncated, or something follows it");
	return decode(h, raw + 512, err);
}

static int check_directory(const struct header *h, const struct image_file *f, struct err *err)
{
	const uint64_t tables = divide_up(h->capacity, h->grain * h->grains_per_table);

	if (h->directory_off > UINT64_MAX / 512)
		return err_set(err, -EBADMSG, "gdOffset is %" PRIu64, h->directory_off);
	return image_holds(f, h->directory_off * 512, tables * 4, "its grain directory", err);
}

/* One line of the descriptor that is a key and a value, or "RW 8192 SPARSE "name"", an extent. */
static int check_line(const char *line, unsigned *extents, struct err *err)
{
	unsigned long long sectors;
	char type[32];

	if (strncasecmp(line, "parentCID", 9) == 0 && !strcasestr(line, "ffffffff"))
		return err_set(err, -ENOTSUP,
			       "its descriptor has a parent (%.60s), and only what stands alone is taken", line);
	if (strncasecmp(line, "createType", 10) == 0 && !strcasestr(line, "monolithicSparse") &&
	    !strcasestr(line, "streamOptimized"))
		return err_set(err, -ENOTSUP, "its descriptor says %.60s, which is not a disk of one file", line);
	if (sscanf(line, "%*[A-Z] %llu %31s", &sectors, type) != 2)
		return 0;
	if (strcmp(type, "SPARSE") != 0)
		return err_set(err, -ENOTSUP, "its descriptor names an extent of type %s", type);
	++*extents;
	return 0;
}

static int check_text(char *text, struct err *err)
{
	unsigned extents = 0;
	char *place = NULL;
	int rc = 0;

	if (strncasecmp(text, "# Disk DescriptorFile", 21) != 0)
		return err_set(err, -EBADMSG, "it has no descriptor where it must be");
	if (strcasestr(text, "parentFileNameHint"))
		return err_set(err, -ENOTSUP,
			       "its descriptor has a parent (parentFileNameHint), and only what stands alone is taken");
	for (char *line = strtok_r(text, "\r\n", &place); line && !rc; line = strtok_r(NULL, "\r\n", &place))
		rc = check_line(line + strspn(line, " \t"), &extents, err);
	if (!rc && extents != 1)
		return err_set(err, -ENOTSUP, "its descriptor names %u extents, and it is one file", extents);
	return rc;
}

/*
 * Zeros, or the end of an earlier text that was a few characters longer: QEMU writes its CID anew without leading zeros, and the
 * text with one NUL. Nobody who stops at that sees it.
 */
static bool is_followed_by_nothing(const char *text, size_t len)
{
	size_t end = strlen(text);
	size_t left = end < len ? strnlen(text + end + 1, len - end - 1) : 0;

	if (left >= CID_CHARS || left > end || memcmp(text + end + 1, text + end - left, left) != 0)
		return false;
	return end == len || bytes_are_zero((const uint8_t *)text + end + 1 + left, len - end - 1 - left);
}

/* The only extent it may name is this file, whatever the name is: QEMU does not look at that. */
static int check_descriptor(const struct header *h, const struct image_file *f, struct err *err)
{
	if (h->descriptor_off == 0)
		return err_set(err, -ENOTSUP, "it has no descriptor: it is one file of a disk of several");
	/* QEMU looks for it in sector 1, whatever the header says. */
	if (h->descriptor_off != 1 || h->descriptor == 0 || h->descriptor > DESCRIPTOR_BYTES_MAX / 512)
		return err_set(err, -ENOTSUP, "its descriptor has %" PRIu64 " sectors at sector %" PRIu64,
			       h->descriptor, h->descriptor_off);
	const size_t len = (size_t)h->descriptor * 512;
	CLEANUP(free_str) char *text = calloc(1, len + 1);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = image_read(f, (uint8_t *)text, len, h->descriptor_off * 512, "its descriptor", err);
	if (!rc && !is_followed_by_nothing(text, len))
		return err_set(err, -EBADMSG, "its descriptor is followed by something else");
	return rc ? rc : check_text(text, err);
}

int disk_format_check_vmdk(struct disk_format *out, const struct image_file *f, struct err *err)
{
	uint8_t raw[HEADER_BYTES];
	struct header h, foot;
	int rc = image_read(f, raw, sizeof(raw), 0, "its header", err);

	if (!rc)
		rc = decode(&h, raw, err);
	if (!rc)
		rc = check_descriptor(&h, f, err);
	if (rc)
		return rc;
	if (h.directory_off == AT_END) {
		rc = read_footer(&foot, f, err);
		if (!rc && (foot.capacity != h.capacity || foot.grain != h.grain || foot.directory_off == AT_END))
			rc = err_set(err, -EBADMSG, "its header and its footer tell different disks");
		if (!rc)
			h = foot;
	}
	if (!rc)
		rc = check_directory(&h, f, err);
	out->disk_bytes = rc ? 0 : h.capacity * 512;
	return rc;
}
