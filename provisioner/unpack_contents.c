/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_contents: see unpack_contents.h */
#include "unpack_contents.h"

#include "bytes.h"
#include "cleanup.h"
#include "log.h"
#include "unpack_forms.h"
#include "unpack_kernel.h"
#include "unpack_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_BYTES (1u << 20)
#define SHOWN      200
#define ISO_VOLUME 32768u /* the primary volume descriptor, ECMA-119 8.4 */
#define ISO_BLOCK  2048u
#define ISO_BLOCKS 80u /* volume space size, little-endian first */
#define INITRD_MAX (1ull << 30)

/* What stands around the bytes: a gzip, a zip archive. */
struct place {
	unsigned depth;     /* of archives around it */
	struct blob kept;   /* the bytes as they came, compressed or not */
	const char *around; /* " in gzip", "" */
};

static const char *quote(char out[static SHOWN], const char *text)
{
	return log_quote(out, SHOWN, text);
}

static int describe(struct unpacking *u, const struct place *place, const char *what, struct err *err)
{
	return unpack_forms_name(u, err, "%s%s", what, place->around);
}

/* A blob as a whole file, which is what is kept: the enclosure, a scratch file, or a copy. Caller frees. */
static int own_file(char **out, struct unpacking *u, const struct blob *blob, struct err *err)
{
	CLEANUP(scratch_cancel) struct scratch_file f = { .fd = -1 };
	CLEANUP(free_mem) uint8_t *buf = malloc(COPY_BYTES);
	struct blob copy = *blob;
	bool whole = blob->off == 0 && (blob->file[0] || blob->bytes == u->work->enclosure_bytes);
	int rc = 0;

	if (!buf)
		return err_set(err, -ENOMEM, "out of memory");
	if (!whole)
		rc = scratch_create(&f, u->work, blob->bytes, err);
	for (uint64_t off = 0; !rc && !whole && off < blob->bytes;) {
		ssize_t got = blob_read(u->work, blob, buf, COPY_BYTES, off, err);

		rc = got < 0 ? (int)got : scratch_write(&f, buf, (size_t)got, err);
		off += got > 0 ? (uint64_t)got : 0;
	}
	if (!rc && !whole)
		rc = scratch_finish(&copy, &f, err);
	if (rc)
		return rc;
	*out = strdup(copy.file);
	return *out ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int add_rootfs(struct unpacking *u, const struct place *place, struct err *err)
{
	u->report->unpacked->kind = ITEM_ROOTFS;
	int rc = own_file(&u->report->unpacked->file, u, &place->kept, err);
	return rc ? rc : describe(u, place, "a root file system", err);
}

struct kernel_view {
	struct work *work;
	const struct blob *blob;
};

static ssize_t read_kernel(void *ctx, void *buf, size_t len, uint64_t off, struct err *err)
{
	const struct kernel_view *view = ctx;

	return blob_read(view->work, view->blob, buf, len, off, err);
}

static int add_kernel(struct unpacking *u, const struct place *place, const struct blob *blob,
		      const struct sniff_format *looks, struct err *err)
{
	const char *name = looks->name;
	struct kernel_view view = { u->work, blob };
	const struct kernel_source source = { read_kernel, &view };
	uint8_t magic[4];
	ssize_t len = blob_read(u->work, blob, magic, sizeof(magic), 0, err);
	int rc = len < 0 ? (int)len : 0;

	if (!rc && memcmp(magic, "\x7f\x45LF", 4) == 0)
		rc = kernel_check(&name, &source, err);
	if (rc)
		return rc;
	u->report->unpacked->kind = ITEM_KERNEL;
	rc = own_file(&u->report->unpacked->file, u, blob, err);
	return rc ? rc : describe(u, place, name, err);
}

/*
 * An ISO 9660 file system, perhaps with a partition table, which makes it a disk, too. A disk may hold the remains of
 * an ISO before its first partition, so the volume must fill the file; what isohybrid appends is no more than that again
 * by half.
 */
static bool is_iso(bool *hybrid, const uint8_t *head, size_t len, uint64_t bytes)
{
	if (len < ISO_VOLUME + ISO_BLOCKS + 4 || memcmp(head + ISO_VOLUME, "\1CD001", 6) != 0)
		return false;
	uint64_t volume_bytes = (uint64_t)le32(head + ISO_VOLUME + ISO_BLOCKS) * ISO_BLOCK;
	*hybrid = table_find(head, len) != TABLE_NONE;
	return !*hybrid || volume_bytes + volume_bytes / 2 >= bytes;
}

static int add_iso(struct unpacking *u, const struct place *place, const struct blob *blob, bool hybrid,
		   struct err *err)
{
	const struct disk_wish wish = { .name = "iso" };

	u->report->unpacked->kind = ITEM_ISO;
	int rc = own_file(&u->report->unpacked->file, u, blob, err);
	if (!rc && hybrid)
		rc = unpack_disk_image(u, &wish, blob, err);
	return rc ? rc : describe(u, place, hybrid ? "a hybrid ISO 9660 image" : "an ISO 9660 image", err);
}

static int find_contents(struct unpacking *u, const struct blob *blob, unsigned depth, struct err *err);

/* Something that is no container. */
static int add_leaf(struct unpacking *u, const struct place *place, const struct blob *blob,
		    const struct sniff_format *looks, struct err *err)
{
	const struct disk_wish wish = { .name = "disk", .boot = true };
	CLEANUP(free_mem) uint8_t *head = malloc(SNIFF_HEAD_BYTES);
	bool hybrid;

	if (!head)
		return err_set(err, -ENOMEM, "out of memory");
	ssize_t len = blob_read(u->work, blob, head, SNIFF_HEAD_BYTES, 0, err);
	if (len < 0)
		return (int)len;
	if (looks->kind == SNIFF_KERNEL)
		return add_kernel(u, place, blob, looks, err);
	if ((looks->kind == SNIFF_RAW || looks->kind == SNIFF_ISO) && is_iso(&hybrid, head, (size_t)len, blob->bytes))
		return add_iso(u, place, blob, hybrid, err);
	if (looks->kind != SNIFF_RAW && looks->kind != SNIFF_DISK)
		return err_set(err, -ENOTSUP, "it is %s%s, nothing a machine boots from", looks->name, place->around);
	int rc = unpack_disk_image(u, &wish, blob, err);
	return rc ? rc : describe(u, place, looks->name, err);
}

/* Members that may be what the archive is for. */
struct choice {
	struct archive_member *kernel, *packed, *image; /* the last of each sort */
	size_t kernels, packs, images;
};

static void choose(struct choice *c, struct unpack_archive *a)
{
	for (size_t i = 0; i < a->member_count; i++) {
		struct archive_member *m = &a->members[i];

		if (m->looks->kind == SNIFF_KERNEL) {
			c->kernel = m;
			c->kernels++;
		} else if (m->looks->kind == SNIFF_CODEC || m->looks->kind == SNIFF_ARCHIVE) {
			c->packed = m;
			c->packs++;
		} else if (m->is_disk || m->looks->kind == SNIFF_ISO) {
			c->image = m;
			c->images++;
		}
	}
}

/* A kernel with its initrd, which is compressed. */
static int add_kernel_set(struct unpacking *u, const struct place *place, struct unpack_archive *a,
			  const struct choice *c, struct err *err)
{
	c->kernel->wanted = true;
	if (c->packed)
		c->packed->wanted = true;
	int rc = archive_fetch(a, err);
	if (!rc)
		rc = add_kernel(u, place, &c->kernel->blob, c->kernel->looks, err);
	if (rc || !c->packed)
		return rc;
	if (c->packed->bytes > INITRD_MAX)
		return err_set(err, -EFBIG, "an initrd of %" PRIu64 " bytes", c->packed->bytes);
	return own_file(&u->report->unpacked->initrd, u, &c->packed->blob, err);
}

static int complain(struct unpack_archive *a, const struct choice *c, struct err *err)
{
	const struct archive_member *last = c->image ? c->image : c->packed ? c->packed : c->kernel;
	size_t count = c->images + c->packs + c->kernels;
	char quoted[SHOWN];

	if (count == 0)
		return err_set(err, -ENOTSUP, "%s archive: none of its %zu files is a disk image, a kernel or an ISO",
			       a->kind, a->member_count);
	return err_set(
		err, -ENOTSUP,
		"%s archive: %zu of its files could be the disk, '%s' is one, and there is no description of the "
		"machine",
		a->kind, count, quote(quoted, last->name));
}

/* Without a description there must be one thing. A file alone is a disk if it is nothing else. */
static int add_loose(struct unpacking *u, const struct place *place, struct unpack_archive *a, struct err *err)
{
	struct choice c = { .kernels = 0 };
	const struct sniff_format *looks;
	char quoted[SHOWN];

	choose(&c, a);
	if (c.kernels == 1 && c.images == 0 && c.packs <= 1)
		return add_kernel_set(u, place, a, &c, err);
	if (c.kernels + c.images + c.packs == 0 && a->member_count == 1 && a->members[0].bytes % 512 == 0) {
		c.image = &a->members[0];
		c.images = 1;
	}
	if (c.kernels || c.images + c.packs != 1)
		return complain(a, &c, err);
	struct archive_member *m = c.image ? c.image : c.packed;
	m->wanted = true;
	int rc = archive_fetch(a, err);
	if (!rc)
		rc = unpack_look(&looks, u->work, &m->blob, err); /* by its end, too: a fixed VHD is one by that */
	if (!rc && c.image)
		rc = unpack_disk_check_name(m->name, false, looks, err);
	if (!rc)
		rc = find_contents(u, &m->blob, place->depth + 1, err);
	if (rc)
		return err_wrap(err, "member '%s'", quote(quoted, m->name));
	CLEANUP(free_str) char *inner = strdup(u->report->unpacked->form ? u->report->unpacked->form : "");
	return unpack_forms_name(u, err, "%s in a %s archive%s", inner ? inner : "", a->kind, place->around);
}

static int add_archive(struct unpacking *u, const struct place *place, const struct blob *blob, struct err *err)
{
	CLEANUP(archive_close) struct unpack_archive *a = NULL;
	struct archive_member *description;
	unpack_form *form;
	int rc = archive_open(&a, u->work, blob, err);

	if (rc)
		return rc;
	if (a->is_rootfs)
		return a->has_absolute ? err_set(err, -EBADMSG, "tar archive: names of members begin with '/'")
				       : add_rootfs(u, place, err);
	rc = unpack_forms_find(&form, &description, a, err);
	if (rc)
		return rc;
	if (!form)
		return add_loose(u, place, a, err);
	rc = form(u, a, description, place->depth + 1, err);
	if (rc || !place->around[0])
		return rc;
	CLEANUP(free_str) char *inner = strdup(u->report->unpacked->form);
	return unpack_forms_name(u, err, "%s%s", inner ? inner : "", place->around);
}

/* `depth`: how many archives are around `blob`. */
static int find_contents(struct unpacking *u, const struct blob *blob, unsigned depth, struct err *err)
{
	struct place place = { .depth = depth, .kept = *blob, .around = "" };
	const struct sniff_format *looks, *outer;
	struct blob inner = *blob;
	char around[40];
	int rc = unpack_look(&looks, u->work, blob, err);

	if (rc)
		return rc;
	if ((looks->kind == SNIFF_CODEC || looks->kind == SNIFF_ARCHIVE) && depth > UNPACK_DEPTH_MAX)
		return err_set(err, -ENOTSUP, "it is %s: containers in containers in containers are not opened",
			       looks->name);
	if (looks->kind == SNIFF_CODEC) {
		outer = looks;
		rc = unpack_peel(&inner, u->work, blob, outer, err);
		if (!rc)
			rc = unpack_look(&looks, u->work, &inner, err);
		if (rc)
			return rc;
		if (looks->kind == SNIFF_CODEC)
			return err_set(err, -ENOTSUP, "it is %s inside %s, which is not supported (compressed twice)",
				       looks->name, outer->name);
		snprintf(around, sizeof(around), " in %s", outer->name);
		place.around = around;
	}
	return looks->kind == SNIFF_ARCHIVE ? add_archive(u, &place, &inner, err)
					    : add_leaf(u, &place, &inner, looks, err);
}

int unpack_contents(struct report **out, struct work *w, struct err *err)
{
	CLEANUP(report_free) struct report *report = report_new();
	struct unpacking u = { w, report };
	const struct blob enclosure = { .bytes = w->enclosure_bytes };

	if (!report)
		return err_set(err, -ENOMEM, "out of memory");
	if (!w->enclosure_bytes)
		return err_set(err, -EBADMSG, "there is no data: 0 bytes");
	int rc = find_contents(&u, &enclosure, 0, err);
	if (!rc)
		*out = TAKE(report);
	return rc;
}
