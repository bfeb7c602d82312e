/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_format: see disk_format.h */
#include "disk_format_impl.h"

#include "sniff.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Larger than any disk there is, and far from where arithmetic on 64 bits gets interesting. */
#define DISK_BYTES_MAX (1ull << 60)

static const struct {
	const char *driver;
	int (*check)(struct disk_format *out, const struct image_file *f, struct err *err);
} formats[] = {
	{ "qcow", disk_format_check_qcow },   { "qcow2", disk_format_check_qcow2 },
	{ "qed", disk_format_check_qed },     { "vmdk", disk_format_check_vmdk },
	{ "vpc", disk_format_check_vpc },     { "vhdx", disk_format_check_vhdx },
	{ "vdi", disk_format_check_vdi },     { "parallels", disk_format_check_parallels },
	{ "bochs", disk_format_check_bochs },
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

int image_holds(const struct image_file *f, uint64_t at, uint64_t len, const char *what, struct err *err)
{
	if (at <= f->bytes && len <= f->bytes - at)
		return 0;
	return err_set(err, -EBADMSG, "%s, %" PRIu64 " bytes at %" PRIu64 ", lies outside of the file of %" PRIu64,
		       what, len, at, f->bytes);
}

int image_read(const struct image_file *f, uint8_t *buf, size_t len, uint64_t at, const char *what, struct err *err)
{
	int rc = image_holds(f, at, len, what, err);

	if (rc)
		return rc;
	ssize_t got = pread(f->fd, buf, len, (off_t)(f->off + at));
	if (got < 0)
		return err_set(err, -errno, "read %s: %s", what, strerror(errno));
	if ((size_t)got != len)
		return err_set(err, -EBADMSG, "%s: the file ends in it", what);
	return 0;
}

void disk_format_note(struct disk_format *out, const char *fmt, ...)
{
	va_list ap;

	if (out->note_count == DISK_FORMAT_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(out->notes[out->note_count++], sizeof(out->notes[0]), fmt, ap);
	va_end(ap);
}

bool disk_format_is_known(const char *driver)
{
	for (size_t i = 0; i < FORMATS; i++) {
		if (strcmp(formats[i].driver, driver) == 0)
			return true;
	}
	return false;
}

static int check_disk_bytes(uint64_t disk_bytes, struct err *err)
{
	if (disk_bytes == 0 || disk_bytes > DISK_BYTES_MAX)
		return err_set(err, -EBADMSG, "the size of its disk is %" PRIu64 " bytes", disk_bytes);
	if (disk_bytes % 512)
		return err_set(err, -ENOTSUP, "the size of its disk, %" PRIu64 " bytes, is not a multiple of 512",
			       disk_bytes);
	return 0;
}

/* By the bytes; then `driver`, if the caller expects one, must be the same. */
static int recognise(struct disk_format *out, const char *driver, const struct image_file *f, struct err *err)
{
	const struct sniff_format *format;
	int rc = sniff_file(&format, f->fd, f->off, f->bytes, err);

	if (rc)
		return rc;
	if (format->kind != SNIFF_DISK)
		return err_set(err, driver ? -EBADMSG : -ENOTSUP, "it is %s, not the image of a disk%s%s", format->name,
			       driver ? " in the format " : "", driver ? driver : "");
	if (driver && strcmp(driver, format->driver) != 0)
		return err_set(err, -EBADMSG, "it is %s, and was said to be in the format %s", format->name, driver);
	*out = (struct disk_format){ .driver = format->driver, .name = format->name };
	return 0;
}

int disk_format_check(struct disk_format *out, const char *driver, int fd, uint64_t file_off, uint64_t file_bytes,
		      struct err *err)
{
	const struct image_file f = { fd, file_off, file_bytes };
	struct disk_format found;
	int rc = recognise(&found, driver, &f, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < FORMATS; i++) {
		if (strcmp(formats[i].driver, found.driver) == 0)
			rc = formats[i].check(&found, &f, err);
	}
	if (!rc)
		rc = check_disk_bytes(found.disk_bytes, err);
	if (rc)
		return err_wrap(err, "%s", found.name);
	*out = found;
	return 0;
}
