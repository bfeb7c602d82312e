/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_disk: see unpack_disk.h */
#include "unpack_disk.h"

#include "bytes.h"
#include "cleanup.h"
#include "codec.h"
#include "disk_format.h"
#include "log.h"
#include "unpack_hdd.h"
#include "unpack_table.h"
#include "unpack_vmdk.h"
#include "unpack_xml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COPY_BYTES (1u << 20)
#define SHOWN      200
#define SECTOR     512u

static const char *quote(char out[static SHOWN], const char *text)
{
	return log_quote(out, SHOWN, text);
}

/* Where compressed bytes come from. */
struct input {
	struct work *work;
	const struct blob *blob;
	uint64_t off;
};

static ssize_t read_input(void *ctx, uint8_t *buf, size_t room, struct err *err)
{
	struct input *in = ctx;
	ssize_t got = blob_read(in->work, in->blob, buf, room, in->off, err);

	if (got > 0)
		in->off += (uint64_t)got;
	return got;
}

static int copy_out(struct scratch_file *f, struct codec *codec, struct err *err)
{
	CLEANUP(free_mem) uint8_t *buf = malloc(COPY_BYTES);

	if (!buf)
		return err_set(err, -ENOMEM, "out of memory");
	for (;;) {
		ssize_t len = codec_read(codec, buf, COPY_BYTES, err);

		if (len <= 0)
			return (int)len;
		int rc = scratch_write(f, buf, (size_t)len, err);
		if (rc)
			return rc;
	}
}

int unpack_peel(struct blob *out, struct work *w, const struct blob *in, const struct sniff_format *codec,
		struct err *err)
{
	CLEANUP(codec_close) struct codec *c = NULL;
	CLEANUP(scratch_cancel) struct scratch_file f = { .fd = -1 };
	struct input input = { w, in, 0 };
	struct codec_input source = { read_input, &input };

	if (!codec->codec)
		return err_set(err, -ENOTSUP, "it is %s, which is not supported", codec->name);
	int rc = codec_open(&c, codec->codec, &source, err);
	if (!rc)
		rc = scratch_create(&f, w, work_file_bytes_max(w), err);
	if (!rc)
		rc = copy_out(&f, c, err);
	return rc ? rc : scratch_finish(out, &f, err);
}

int unpack_look(const struct sniff_format **out, struct work *w, const struct blob *blob, struct err *err)
{
	int fd, rc = work_fd(&fd, w, blob, err);

	return rc ? rc : sniff_file(out, fd, blob->off, blob->bytes, err);
}

static int start_disk(struct unpacked_disk **out, struct unpacking *u, const struct disk_wish *wish, struct err *err)
{
	int rc = report_add_disk(out, u->report, wish->name, err);

	if (rc)
		return rc;
	(*out)->boot = wish->boot;
	(*out)->bus = wish->bus ? strdup(wish->bus) : NULL;
	return 0;
}

static int check_disk_bytes(struct unpacking *u, const char *name, uint64_t bytes, struct err *err)
{
	char quoted[SHOWN];

	if (bytes <= u->work->disk_bytes_max)
		return 0;
	return err_set(err, -EFBIG, "disk '%s' has %" PRIu64 " bytes, disk_bytes_max is %" PRIu64, quote(quoted, name),
		       bytes, u->work->disk_bytes_max);
}

/* What a description says of the size must fit what the image is: it may say more, which is then zeros, if not `exact`. */
static int settle_bytes(uint64_t *out, struct unpacking *u, const struct disk_wish *wish, uint64_t image_bytes,
			struct err *err)
{
	char quoted[SHOWN];
	uint64_t want = wish->capacity_bytes;

	*out = 0;
	if (want && (want < image_bytes || (wish->exact && want != image_bytes)))
		return err_set(err, -EBADMSG, "disk '%s' has %" PRIu64 " bytes, its description says %" PRIu64,
			       quote(quoted, wish->name), image_bytes, want);
	if (want % SECTOR)
		return err_set(err, -EBADMSG, "disk '%s': a capacity of %" PRIu64 " bytes", quote(quoted, wish->name),
			       want);
	if (want > image_bytes) {
		*out = want;
		report_note(u->report, err,
			    "disk '%s' has %" PRIu64 " bytes; its description says %" PRIu64 ", zeros follow",
			    quote(quoted, wish->name), image_bytes, want);
	}
	return check_disk_bytes(u, wish->name, *out ? *out : image_bytes, err);
}

/* What QEMU's driver is going to make of it, and whether it may. */
static int check_image(uint64_t *disk_bytes, struct unpacking *u, const struct sniff_format *looks,
		       const struct blob *blob, struct err *err)
{
	struct disk_format format;
	int fd, rc = work_fd(&fd, u->work, blob, err);

	*disk_bytes = (blob->bytes + SECTOR - 1) / SECTOR * SECTOR;
	if (rc || looks->kind == SNIFF_RAW)
		return rc;
	rc = disk_format_check(&format, looks->driver, fd, blob->off, blob->bytes, err);
	if (!rc)
		*disk_bytes = format.disk_bytes;
	return rc;
}

int unpack_disk_image(struct unpacking *u, const struct disk_wish *wish, const struct blob *blob, struct err *err)
{
	const struct sniff_format *looks;
	struct unpacked_part part = { .file_off = blob->off, .file_bytes = blob->bytes };
	struct unpacked_disk *disk;
	uint64_t image_bytes, disk_bytes;
	char quoted[SHOWN];

	int rc = unpack_look(&looks, u->work, blob, err);
	if (rc)
		return rc;
	if (looks->kind != SNIFF_RAW && looks->kind != SNIFF_DISK)
		return err_set(err, -ENOTSUP, "disk '%s' is %s, no disk image", quote(quoted, wish->name), looks->name);
	if (blob->bytes == 0)
		return err_set(err, -EBADMSG, "disk '%s' has 0 bytes", quote(quoted, wish->name));
	if (check_image(&image_bytes, u, looks, blob, err))
		return err_wrap(err, "disk '%s'", quote(quoted, wish->name));
	rc = settle_bytes(&disk_bytes, u, wish, image_bytes, err);
	if (!rc)
		rc = start_disk(&disk, u, wish, err);
	if (rc)
		return rc;
	disk->disk_bytes = disk_bytes;
	memcpy(part.file, blob->file, sizeof(part.file));
	snprintf(part.format, sizeof(part.format), "%s", looks->driver);
	return report_add_part(disk, &part, err);
}

int unpack_disk_empty(struct unpacking *u, const struct disk_wish *wish, struct err *err)
{
	struct unpacked_disk *disk;
	char quoted[SHOWN];

	if (!wish->capacity_bytes || wish->capacity_bytes % SECTOR)
		return err_set(err, -EBADMSG, "empty disk '%s' has a capacity of %" PRIu64 " bytes",
			       quote(quoted, wish->name), wish->capacity_bytes);
	int rc = check_disk_bytes(u, wish->name, wish->capacity_bytes, err);
	if (!rc)
		rc = start_disk(&disk, u, wish, err);
	if (!rc)
		disk->disk_bytes = wish->capacity_bytes;
	return rc;
}

int unpack_disk_check_name(const char *name, bool peeled, const struct sniff_format *looks, struct err *err)
{
	const struct sniff_format *declared = NULL;
	const char *dot = strrchr(name, '.');
	char quoted[SHOWN];
	CLEANUP(free_str) char *inner = peeled && dot ? strndup(name, (size_t)(dot - name)) : strdup(name);

	if (!inner)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = sniff_declared(&declared, NULL, inner, err);
	if (rc || !declared || declared == looks || (declared->kind != SNIFF_DISK && declared->kind != SNIFF_RAW))
		return rc;
	return err_set(err, -EBADMSG, "member '%s' is called %s, its bytes are %s", quote(quoted, name), declared->name,
		       looks->name);
}

/* A member that is compressed: what is in it, and no more than once. */
static int peel_member(struct blob *out, struct unpacking *u, struct unpack_archive *a, struct archive_member *m,
		       unsigned depth, struct err *err)
{
	const struct sniff_format *looks;
	char quoted[SHOWN];

	if (m->looks->kind != SNIFF_CODEC) {
		*out = m->blob;
		return 0;
	}
	if (depth > UNPACK_DEPTH_MAX)
		return err_set(err, -ENOTSUP,
			       "member '%s' is %s: containers in containers in containers are not opened",
			       quote(quoted, m->name), m->looks->name);
	if (unpack_peel(out, u->work, &m->blob, m->looks, err))
		return err_wrap(err, "member '%s'", quote(quoted, m->name));
	archive_drop(a, m);
	int rc = unpack_look(&looks, u->work, out, err);
	if (!rc && looks->kind == SNIFF_CODEC)
		return err_set(err, -ENOTSUP, "member '%s' is %s inside %s (compressed twice)", quote(quoted, m->name),
			       looks->name, m->looks->name);
	return rc;
}

int unpack_disk_member(struct unpacking *u, const struct disk_wish *wish, struct unpack_archive *a,
		       struct archive_member *member, unsigned depth, struct err *err)
{
	const struct sniff_format *looks;
	struct blob image;

	if (member->is_vmdk_text)
		return unpack_disk_vmdk(u, wish, a, member, err);
	member->wanted = member->used = true;
	int rc = archive_fetch(a, err);
	if (!rc)
		rc = peel_member(&image, u, a, member, depth, err);
	if (!rc)
		rc = unpack_look(&looks, u->work, &image, err);
	if (!rc)
		rc = unpack_disk_check_name(member->name, member->looks->kind == SNIFF_CODEC, looks, err);
	return rc ? rc : unpack_disk_image(u, wish, &image, err);
}

static int find_extent(struct archive_member **out, struct unpack_archive *a, const struct archive_member *descriptor,
		       const struct vmdk_extent *extent, struct err *err)
{
	char quoted[SHOWN], quoted_extent[SHOWN];

	*out = archive_find(a, extent->file, descriptor);
	if (!*out || *out == descriptor)
		return err_set(err, -EBADMSG, "'%s' has an extent '%s', which is no member beside it",
			       quote(quoted, descriptor->name), quote(quoted_extent, extent->file));
	return 0;
}

/* Mark all extents first, so that one pass through the archive gets them. */
static int fetch_extents(struct unpack_archive *a, const struct archive_member *descriptor, const struct vmdk *vmdk,
			 struct err *err)
{
	for (size_t i = 0; i < vmdk->extent_count; i++) {
		struct archive_member *m;

		if (vmdk->extents[i].kind == VMDK_ZERO)
			continue;
		int rc = find_extent(&m, a, descriptor, &vmdk->extents[i], err);
		if (rc)
			return rc;
		m->wanted = m->used = true;
	}
	return archive_fetch(a, err);
}

/* One table entry, of the file. */
static int read_entry(uint32_t *out, struct work *w, const struct blob *blob, uint64_t off, struct err *err)
{
	uint8_t raw[4];
	ssize_t got = blob_read(w, blob, raw, sizeof(raw), off, err);

	if (got < 0)
		return (int)got;
	if (got < (ssize_t)sizeof(raw))
		return err_set(err, -EBADMSG, "table entry at byte %" PRIu64 " lies outside of the file", off);
	*out = le32(raw);
	return 0;
}

static int find_grain(uint64_t *off, struct work *w, const struct blob *blob, const struct vmdk_sparse *s, uint64_t nr,
		      struct err *err)
{
	uint32_t entry;
	uint64_t entry_off = 0;
	int rc = read_entry(&entry, w, blob, vmdk_sparse_table_off(s, nr), err);

	*off = 0;
	if (!rc)
		rc = vmdk_sparse_entry_off(&entry_off, s, nr, entry, err);
	if (rc || !entry_off)
		return rc;
	rc = read_entry(&entry, w, blob, entry_off, err);
	return rc ? rc : vmdk_sparse_grain_off(off, s, nr, entry, err);
}

static int copy_grains(struct scratch_file *f, struct work *w, const struct blob *blob, const struct vmdk_sparse *s,
		       struct err *err)
{
	CLEANUP(free_mem) uint8_t *grain = malloc(s->grain_bytes);

	if (!grain)
		return err_set(err, -ENOMEM, "out of memory");
	for (uint64_t nr = 0; nr < s->grain_count; nr++) {
		uint64_t at = nr * s->grain_bytes, off;
		uint64_t len = s->disk_bytes - at < s->grain_bytes ? s->disk_bytes - at : s->grain_bytes;
		int rc = find_grain(&off, w, blob, s, nr, err);

		if (!rc && off) {
			ssize_t got = blob_read(w, blob, grain, len, off, err);

			rc = got < 0 ? (int)got : scratch_seek(f, at, err);
			if (!rc)
				rc = scratch_write(f, grain, len, err);
		}
		if (rc)
			return rc;
	}
	return scratch_seek(f, s->disk_bytes, err);
}

/* A sparse extent is made flat: no driver opens one alone. */
static int flatten(struct blob *out, struct work *w, const struct blob *blob, uint64_t disk_bytes, struct err *err)
{
	CLEANUP(scratch_cancel) struct scratch_file f = { .fd = -1 };
	uint8_t header[VMDK_HEADER_BYTES] = { 0 };
	struct vmdk_sparse sparse;
	ssize_t got = blob_read(w, blob, header, sizeof(header), 0, err);

	if (got < 0)
		return (int)got;
	int rc = vmdk_sparse_init(&sparse, header, blob->bytes, err);
	if (rc)
		return rc;
	if (sparse.disk_bytes != disk_bytes)
		return err_set(err, -EBADMSG, "capacity is %" PRIu64 " bytes, the descriptor says %" PRIu64,
			       sparse.disk_bytes, disk_bytes);
	rc = scratch_create(&f, w, disk_bytes, err);
	if (!rc)
		rc = copy_grains(&f, w, blob, &sparse, err);
	return rc ? rc : scratch_finish(out, &f, err);
}

static int add_extent(struct unpacking *u, struct unpacked_disk *disk, uint64_t disk_off, struct unpack_archive *a,
		      struct archive_member *m, const struct vmdk_extent *extent, struct err *err)
{
	struct unpacked_part part = { .format = "raw", .disk_off = disk_off, .disk_bytes = extent->disk_bytes };
	struct blob blob = m->blob;
	char quoted[SHOWN];

	if (extent->kind == VMDK_SPARSE) {
		if (flatten(&blob, u->work, &m->blob, extent->disk_bytes, err))
			return err_wrap(err, "extent '%s'", quote(quoted, m->name));
		archive_drop(a, m);
	} else if (extent->file_off > blob.bytes || extent->disk_bytes > blob.bytes - extent->file_off) {
		return err_set(err, -EBADMSG,
			       "extent '%s' has %" PRIu64 " bytes, the descriptor wants %" PRIu64 " from byte %" PRIu64,
			       quote(quoted, m->name), blob.bytes, extent->disk_bytes, extent->file_off);
	}
	memcpy(part.file, blob.file, sizeof(part.file));
	part.file_off = blob.off + (extent->kind == VMDK_FLAT ? extent->file_off : 0);
	part.file_bytes = extent->disk_bytes;
	return report_add_part(disk, &part, err);
}

static int add_extents(struct unpacking *u, struct unpacked_disk *disk, struct unpack_archive *a,
		       const struct archive_member *descriptor, const struct vmdk *vmdk, struct err *err)
{
	uint64_t off = 0;

	for (size_t i = 0; i < vmdk->extent_count; i++) {
		const struct vmdk_extent *extent = &vmdk->extents[i];
		struct archive_member *m = NULL;
		int rc = 0;

		if (extent->kind != VMDK_ZERO) {
			rc = find_extent(&m, a, descriptor, extent, err);
			if (!rc)
				rc = add_extent(u, disk, off, a, m, extent, err);
		}
		if (rc)
			return rc;
		off += extent->disk_bytes;
	}
	return 0;
}

int unpack_disk_vmdk(struct unpacking *u, const struct disk_wish *wish, struct unpack_archive *a,
		     struct archive_member *descriptor, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(vmdk_free) struct vmdk *vmdk = NULL;
	struct unpacked_disk *disk;
	uint64_t disk_bytes;
	char quoted[SHOWN];
	int rc = archive_load(&text, a, descriptor, VMDK_DESCRIPTOR_BYTES_MAX, err);

	descriptor->used = true;
	if (!rc)
		rc = vmdk_parse(&vmdk, quote(quoted, descriptor->name), text, descriptor->bytes, err);
	if (!rc)
		rc = settle_bytes(&disk_bytes, u, wish, vmdk->disk_bytes, err);
	if (!rc)
		rc = fetch_extents(a, descriptor, vmdk, err);
	if (!rc)
		rc = start_disk(&disk, u, wish, err);
	if (rc)
		return rc;
	disk->disk_bytes = disk_bytes ? disk_bytes : vmdk->disk_bytes;
	return add_extents(u, disk, a, descriptor, vmdk, err);
}

int unpack_disk_hdd(struct unpacking *u, const struct disk_wish *wish, struct unpack_archive *a,
		    struct archive_member *descriptor, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(hdd_done) struct hdd hdd = { 0 };
	char quoted[SHOWN], quoted_file[SHOWN];
	int rc = archive_load(&text, a, descriptor, UNPACK_XML_BYTES_MAX, err);

	descriptor->used = true;
	if (!rc)
		rc = hdd_parse(&hdd, quote(quoted, descriptor->name), text, descriptor->bytes, err);
	if (rc)
		return rc;
	struct archive_member *m = archive_find(a, hdd.file, descriptor);
	if (!m || m == descriptor)
		return err_set(err, -EBADMSG, "'%s' has an image '%s', which is no member beside it",
			       quote(quoted, descriptor->name), quote(quoted_file, hdd.file));
	const char *driver = m->looks->driver ? m->looks->driver : "";
	if (strcmp(driver, hdd.plain ? "raw" : "parallels") != 0)
		return err_set(err, -EBADMSG, "'%s' calls '%s' %s, its bytes are %s", quote(quoted, descriptor->name),
			       quote(quoted_file, hdd.file), hdd.plain ? "plain" : "a Parallels image", m->looks->name);
	/* Parallels always writes all of a disk's size: an image that has less of it was cut off. */
	struct disk_wish sized = *wish;
	sized.capacity_bytes = hdd.disk_bytes;
	sized.exact = hdd.disk_bytes != 0;
	m->wanted = m->used = true;
	rc = archive_fetch(a, err);
	return rc ? rc : unpack_disk_image(u, &sized, &m->blob, err);
}

/* The first bytes of a partition's image say whether it is swap. */
static int measure(struct table_partition *out, struct unpacking *u, const struct blob *image, struct err *err)
{
	uint8_t head[4096];
	ssize_t len = blob_read(u->work, image, head, sizeof(head), 0, err);

	if (len < 0)
		return (int)len;
	*out = (struct table_partition){ .bytes = image->bytes, .swap = table_is_swap(head, (size_t)len) };
	return 0;
}

static int save(struct blob *out, struct unpacking *u, const uint8_t *bytes, struct err *err)
{
	CLEANUP(scratch_cancel) struct scratch_file f = { .fd = -1 };
	int rc = scratch_create(&f, u->work, TABLE_MARGIN_BYTES, err);

	if (!rc)
		rc = scratch_write(&f, bytes, TABLE_MARGIN_BYTES, err);
	return rc ? rc : scratch_finish(out, &f, err);
}

static int add_region(struct unpacked_disk *disk, const struct blob *blob, uint64_t disk_off, uint64_t disk_bytes,
		      struct err *err)
{
	struct unpacked_part part = { .format = "raw",
				      .file_off = blob->off,
				      .file_bytes = blob->bytes,
				      .disk_off = disk_off,
				      .disk_bytes = disk_bytes };

	memcpy(part.file, blob->file, sizeof(part.file));
	return report_add_part(disk, &part, err);
}

int unpack_disk_partitions(struct unpacking *u, const struct disk_wish *wish, const struct blob *images, size_t count,
			   struct err *err)
{
	CLEANUP(free_mem) uint8_t *margins = calloc(2, TABLE_MARGIN_BYTES);
	struct table_partition partitions[TABLE_PARTITIONS_MAX];
	struct unpacked_disk *disk;
	struct blob head, tail;
	uint64_t disk_bytes;
	size_t root = 0;
	int rc = 0;

	if (!margins)
		return err_set(err, -ENOMEM, "out of memory");
	if (count > TABLE_PARTITIONS_MAX)
		return err_set(err, -EFBIG, "more than %d partitions", TABLE_PARTITIONS_MAX);
	for (size_t i = 0; i < count && !rc; i++)
		rc = measure(&partitions[i], u, &images[i], err);
	if (rc)
		return rc;
	while (root + 1 < count && partitions[root].swap)
		root++;
	partitions[root].active = true;
	rc = table_make(&disk_bytes, margins, margins + TABLE_MARGIN_BYTES, partitions, count, err);
	if (!rc)
		rc = check_disk_bytes(u, wish->name, disk_bytes, err);
	if (!rc)
		rc = save(&head, u, margins, err);
	if (!rc)
		rc = save(&tail, u, margins + TABLE_MARGIN_BYTES, err);
	if (!rc)
		rc = start_disk(&disk, u, wish, err);
	if (rc)
		return rc;
	disk->disk_bytes = disk_bytes;
	rc = add_region(disk, &head, 0, TABLE_MARGIN_BYTES, err);
	for (size_t i = 0; i < count && !rc; i++)
		rc = add_region(disk, &images[i], partitions[i].disk_off, partitions[i].bytes, err);
	return rc ? rc : add_region(disk, &tail, disk_bytes - TABLE_MARGIN_BYTES, TABLE_MARGIN_BYTES, err);
}
