/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_reader: see disk_reader.h; which bytes of which file, and who reads them. */
#include "disk_reader_impl.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct disk_reader {
	uint64_t disk_bytes;
	uint64_t read_off; /* of the disk, up to where the caller has it */
	struct disk_format format;
	const struct disk_source_ops *ops;
	void *source;
};

static int check_size(uint64_t disk_bytes, const struct disk_reader_options *options, struct err *err)
{
	if (!options->disk_bytes_max || disk_bytes <= options->disk_bytes_max)
		return 0;
	return err_set(err, -EFBIG, "its disk has %" PRIu64 " bytes, and disk_bytes_max is %" PRIu64, disk_bytes,
		       options->disk_bytes_max);
}

/* Where the image lies in its file. */
static int find_image(struct qemu_image *image, int fd, const struct disk_reader_options *options, struct err *err)
{
	if (fd < 0 || fstat(fd, &image->file))
		return err_set(err, -errno, "'%s': %s", options->path, strerror(errno));
	const uint64_t have = (uint64_t)image->file.st_size;
	if (options->file_off > have || options->file_bytes > have - options->file_off)
		return err_set(err, -EBADMSG,
			       "an image of %" PRIu64 " bytes at %" PRIu64 " lies outside of its file of %" PRIu64,
			       options->file_bytes, options->file_off, have);
	image->path = options->path;
	image->file_off = options->file_off;
	image->file_bytes = options->file_bytes ? options->file_bytes : have - options->file_off;
	return 0;
}

/* Who reads it: ourselves, what lies in the file as it is; QEMU everything else. */
static int open_source(struct disk_reader *r, int fd, const struct qemu_image *image,
		       const struct disk_reader_options *options, struct err *err)
{
	if (!image->driver || r->format.map.off) {
		r->ops = &disk_source_file;
		return disk_source_file_open(&r->source, fd, image, image->driver ? &r->format : NULL, err);
	}
	close(fd);
	r->ops = &disk_source_nbd;
	return disk_source_nbd_open(&r->source, image, options->stop, err);
}

int disk_reader_open(struct disk_reader **out, const struct disk_reader_options *options, struct err *err)
{
	CLEANUP(disk_reader_close) struct disk_reader *r = calloc(1, sizeof(*r));
	CLEANUP(close_fd) int fd = fcntl(options->fd, F_DUPFD_CLOEXEC, 0);
	struct qemu_image image = { 0 };

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = find_image(&image, fd, options, err);
	if (rc)
		return rc;
	image.disk_bytes = image.file_bytes;
	r->format.name = "a raw disk";
	if (strcmp(options->format, "raw") != 0) {
		rc = disk_format_check(&r->format, options->format, fd, image.file_off, image.file_bytes, err);
		if (rc)
			return rc;
		image.driver = r->format.driver;
		image.disk_bytes = r->format.disk_bytes;
		image.size_calc = r->format.size_calc;
	}
	r->disk_bytes = image.disk_bytes;
	rc = check_size(r->disk_bytes, options, err);
	if (!rc)
		rc = open_source(r, TAKE_FD(fd), &image, options, err);
	if (rc)
		return err_wrap(err, "%s", r->format.name);
	*out = TAKE(r);
	return 0;
}

void disk_reader_close(struct disk_reader **reader)
{
	struct disk_reader *r = *reader;

	if (!r)
		return;
	if (r->ops)
		r->ops->close(r->source);
	free(r);
	*reader = NULL;
}

uint64_t disk_reader_bytes(const struct disk_reader *r)
{
	return r->disk_bytes;
}

const char *disk_reader_note(const struct disk_reader *r, size_t nr)
{
	return nr < r->format.note_count ? r->format.notes[nr] : NULL;
}

ssize_t disk_reader_read(struct disk_reader *r, uint8_t *buf, size_t len, bool *zero, struct err *err)
{
	const uint64_t left = r->disk_bytes - r->read_off;
	const size_t bytes = left < len ? (size_t)left : len;

	if (r->ops->read(r->source, buf, r->read_off, bytes, zero, err))
		return err_wrap(err, "%s", r->format.name);
	r->read_off += bytes;
	return (ssize_t)bytes;
}
