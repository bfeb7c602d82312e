/* SPDX-License-Identifier: GPL-2.0-or-later */
/* convert_content: see convert_content.h */
#include "convert_content.h"

#include "cleanup.h"
#include "disk_reader.h"
#include "folder.h"
#include "image_writer.h"
#include "sniff.h"
#include "unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct conversion {
	const struct convert_content_options *options;
	int fd;
	struct stat st;         /* of the enclosure, when the work began */
	char path[PATH_MAX];    /* its name, for QEMU alone: who publishes it may give it to another file */
	char scratch[PATH_MAX]; /* folder of what is unpacked */
};

static int path_in(char out[static PATH_MAX], const char *folder, const char *name, struct err *err)
{
	if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", folder);
	return 0;
}

static int make_folder(const char *path, struct err *err)
{
	return mkdir(path, 0755) ? err_set(err, -errno, "create '%s': %s", path, strerror(errno)) : 0;
}

/* `<work>/image.<nr>`, made. */
static int make_image_folder(char out[static PATH_MAX], const char *work, size_t nr, struct err *err)
{
	char name[32];

	snprintf(name, sizeof(name), "image.%zu", nr);
	int rc = path_in(out, work, name, err);
	return rc ? rc : make_folder(out, err);
}

struct position {
	int fd;
	off_t off;
};

static ssize_t read_on(void *ctx, uint8_t *buf, size_t room, struct err *err)
{
	struct position *in = ctx;
	ssize_t got = pread(in->fd, buf, room, in->off);

	if (got < 0)
		return err_set(err, -errno, "read: %s", strerror(errno));
	in->off += got;
	return got;
}

/* What comes first out of a compressed file. Of one that is corrupt, nothing. */
static size_t peek_inside(uint8_t *head, size_t room, int fd, const struct codec_ops *ops)
{
	CLEANUP(codec_close) struct codec *codec = NULL;
	struct position in = { fd, 0 };
	const struct codec_input input = { read_on, &in };
	struct err ignored;
	ssize_t len = codec_open(&codec, ops, &input, &ignored) ? 0 : codec_read(codec, head, room, &ignored);

	return len > 0 ? (size_t)len : 0;
}

/* An ISO 9660 volume descriptor. Hybrid images are raw disks by their first sector, and more than that. */
static bool has_iso(const uint8_t *head, size_t len)
{
	return len >= 32769 + 5 && memcmp(head + 32769, "CD001", 5) == 0;
}

/*
 * Whether one pass of convert_file does. A guess that is wrong, such as a compressed file that does not even begin well or
 * a disk with a footer that makes it something else, is found out there.
 */
static int check_is_stream(bool *is_stream, const struct sniff_format **found, const struct conversion *c,
			   struct err *err)
{
	const struct sniff_format *declared = c->options->file.declared;
	uint8_t head[SNIFF_HEAD_BYTES];
	int rc = sniff_file(found, c->fd, 0, (uint64_t)c->st.st_size, err);

	if (rc)
		return rc;
	if (declared && declared != *found)
		return err_set(err, -EBADMSG, "the feed calls it %s, its bytes are %s", declared->name, (*found)->name);
	if (!(*found)->codec)
		return 0;
	size_t len = peek_inside(head, sizeof(head), c->fd, (*found)->codec);
	*is_stream = sniff_head(head, len)->kind == SNIFF_RAW && !has_iso(head, len);
	return 0;
}

static int convert_stream(struct store_content *out, const struct conversion *c, const struct sniff_format *format,
			  struct err *err)
{
	struct convert_options file = c->options->file;
	struct store_image image;
	char folder[PATH_MAX];
	int rc = make_image_folder(folder, c->options->work, 0, err);

	file.image.folder = folder;
	if (!rc)
		rc = convert_file(&image, c->fd, &file, err);
	if (!rc)
		rc = content_add_disk(out, &image, NULL, NULL, err);
	if (!rc && asprintf(&out->form, "a raw disk%s%s", format->kind == SNIFF_RAW ? "" : " in ",
			    format->kind == SNIFF_RAW ? "" : format->name) < 0)
		rc = err_set(err, -ENOMEM, "out of memory");
	return rc;
}

/* One disk while its parts are put together. */
struct assembly {
	const struct conversion *c;
	const struct unpacked_disk *disk;
	size_t nr;                  /* part to come, or that is read */
	struct disk_reader *reader; /* of part `nr`, NULL: not open */
	uint64_t part_end;          /* of that part, on the disk */
	uint64_t off, disk_bytes;
	struct store_content *content;
};

static void assembly_done(struct assembly *a)
{
	disk_reader_close(&a->reader);
}

static int note_reader(struct assembly *a, struct err *err)
{
	const char *note;

	for (size_t i = 0; (note = disk_reader_note(a->reader, i)); i++)
		if (content_add_note(a->content, note, err))
			return err->code;
	return 0;
}

static int open_part(struct assembly *a, struct err *err)
{
	const struct unpacked_part *part = &a->disk->parts[a->nr];
	CLEANUP(close_fd) int fd = -1;
	char path[PATH_MAX];
	int rc = path_in(path, a->c->scratch, part->file, err);

	if (rc)
		return rc;
	if (part->file[0] && (fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	const struct disk_reader_options options = {
		.fd = part->file[0] ? fd : a->c->fd,
		.path = part->file[0] ? path : a->c->path,
		.format = part->format,
		.file_off = part->file_off,
		.file_bytes = part->file_bytes,
		.disk_bytes_max = a->c->options->file.image.disk_bytes_max,
		.stop = a->c->options->file.watch.stop,
	};
	rc = disk_reader_open(&a->reader, &options, err);
	if (rc)
		return rc;
	a->part_end = part->disk_off + (part->disk_bytes ? part->disk_bytes : disk_reader_bytes(a->reader));
	return note_reader(a, err);
}

static int read_part(struct assembly *a, uint8_t *buf, size_t len, bool *zero, struct err *err)
{
	ssize_t got = disk_reader_read(a->reader, buf, len, zero, err);

	if (got < 0)
		return (int)got;
	if ((size_t)got < len)
		return err_set(err, -EBADMSG, "part %zu of it ends at %" PRIu64 ", it must reach to %" PRIu64,
			       a->nr + 1, a->off + (uint64_t)got, a->part_end);
	a->off += len;
	if (a->off == a->part_end) {
		disk_reader_close(&a->reader);
		a->nr++;
	}
	return 0;
}

/* The next `len` bytes of the disk: from a part, or zeros between parts. `*zero`: they are known to be zeros. */
static int read_disk(struct assembly *a, uint8_t *buf, size_t len, bool *zero, struct err *err)
{
	const struct unpacked_disk *disk = a->disk;
	int rc = 0;

	*zero = true;
	while (!rc && len) {
		if (!a->reader && a->nr < disk->part_count && disk->parts[a->nr].disk_off == a->off)
			rc = open_part(a, err);
		uint64_t end = a->reader                  ? a->part_end
			       : a->nr < disk->part_count ? disk->parts[a->nr].disk_off
							  : a->disk_bytes;
		size_t now = end - a->off < len ? (size_t)(end - a->off) : len;

		if (!rc && a->reader) {
			bool part_zero;

			rc = read_part(a, buf, now, &part_zero, err);
			*zero = *zero && !rc && part_zero;
		} else if (!rc) {
			memset(buf, 0, now);
			a->off += now;
		}
		buf += now;
		len -= now;
	}
	return rc;
}

static int copy_disk(struct assembly *a, struct image_writer *w, struct err *err)
{
	const struct convert_options *file = &a->c->options->file;

	while (a->off < a->disk_bytes) {
		uint64_t left = a->disk_bytes - a->off;
		size_t len = left < file->image.chunk_bytes ? (size_t)left : file->image.chunk_bytes;
		uint8_t *buf;
		bool zero;
		int rc = image_writer_next(w, &buf, err);

		if (!rc)
			rc = read_disk(a, buf, len, &zero, err);
		if (!rc)
			rc = zero ? image_writer_put_zeros(w, len, err) : image_writer_put(w, len, err);
		if (!rc)
			rc = watch_look(&file->watch, "convert", a->off, a->disk_bytes, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int make_image(struct store_image *out, struct assembly *a, size_t nr, struct err *err)
{
	CLEANUP(image_writer_close) struct image_writer *w = NULL;
	struct image_options options = a->c->options->file.image;
	char folder[PATH_MAX];
	int rc = make_image_folder(folder, a->c->options->work, nr, err);

	options.folder = folder;
	if (!rc)
		rc = image_writer_open(&w, &options, err);
	/* Its only part says how long it is. */
	if (!rc && !a->disk->disk_bytes) {
		rc = open_part(a, err);
		a->disk_bytes = rc ? 0 : a->part_end;
		a->off = 0;
	}
	if (!rc)
		rc = copy_disk(a, w, err);
	return rc ? rc : image_writer_finish(w, out, err);
}

static int add_disk(struct store_content *out, const struct conversion *c, struct unpacked_disk *disk, struct err *err)
{
	CLEANUP(assembly_done)
	struct assembly a = { .c = c, .disk = disk, .disk_bytes = disk->disk_bytes, .content = out };
	struct store_image image;
	int rc = make_image(&image, &a, out->disk_count, err);

	if (rc)
		return err_wrap(err, "disk '%s'", disk->name);
	return content_add_disk(out, &image, TAKE(disk->name), TAKE(disk->bus), err);
}

/* The one that boots comes first; the others keep their order. */
static int add_disks(struct store_content *out, const struct conversion *c, struct unpacked *u, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < u->disk_count && !rc; i++)
		if (u->disks[i].boot)
			rc = add_disk(out, c, &u->disks[i], err);
	for (size_t i = 0; i < u->disk_count && !rc; i++)
		if (!u->disks[i].boot)
			rc = add_disk(out, c, &u->disks[i], err);
	return rc;
}

/* Copy, digest and flush; `to` is at its beginning. */
static int copy_file(struct content_file *out, int to, int from, const struct watch *watch, struct err *err)
{
	static const size_t room = 1 << 20;
	CLEANUP(free_mem) uint8_t *buf = malloc(room);
	uint8_t found[DIGEST_BYTES];
	struct digest d;
	ssize_t got;

	if (!buf)
		return err_set(err, -ENOMEM, "out of memory");
	out->bytes = 0;
	digest_init(&d);
	while ((got = pread(from, buf, room, (off_t)out->bytes)) > 0) {
		digest_add(&d, buf, (size_t)got);
		for (ssize_t put = 0, n; put < got; put += n)
			if ((n = write(to, buf + put, (size_t)(got - put))) < 0)
				return err_set(err, -errno, "write: %s", strerror(errno));
		out->bytes += (uint64_t)got;
		if (watch_look(watch, "convert", out->bytes, 0, err))
			return err->code;
	}
	if (got < 0 || fsync(to))
		return err_set(err, -errno, "copy: %s", strerror(errno));
	digest_final(&d, found);
	digest_hex(out->id, found);
	return 0;
}

/* Into `<work>/<name>/file`, for content_publish. */
static int keep_file(struct content_file *out, const struct conversion *c, const char *from, const char *name,
		     struct err *err)
{
	CLEANUP(close_fd) int from_fd = -1, to_fd = -1;
	char folder[PATH_MAX], path[PATH_MAX];
	int rc = path_in(folder, c->options->work, name, err);

	if (!rc)
		rc = make_folder(folder, err);
	if (!rc)
		rc = path_in(path, c->scratch, from, err);
	if (rc)
		return rc;
	from_fd = from[0] ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : dup(c->fd);
	if (from_fd < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	rc = path_in(path, folder, "file", err);
	if (rc)
		return rc;
	to_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (to_fd < 0)
		return err_set(err, -errno, "create '%s': %s", path, strerror(errno));
	rc = copy_file(out, to_fd, from_fd, &c->options->file.watch, err);
	return rc ? err_wrap(err, "'%s'", path) : 0;
}

static int add_files(struct store_content *out, const struct conversion *c, struct unpacked *u, struct err *err)
{
	int rc = u->file ? keep_file(&out->file, c, u->file, "file", err) : 0;

	if (!rc && u->initrd)
		rc = keep_file(&out->initrd, c, u->initrd, "initrd", err);
	return rc;
}

static int add_words(struct store_content *out, struct unpacked *u, struct err *err)
{
	out->kind = u->kind;
	out->gpg_signed = u->gpg_signed;
	out->form = TAKE(u->form);
	out->machine = TAKE(u->machine);
	out->cmdline = TAKE(u->cmdline);
	for (size_t i = 0; i < u->note_count; i++)
		if (content_add_note(out, u->notes[i], err))
			return err->code;
	return 0;
}

/* What was looked at first is what is read later: our own downloads do not change, a publisher's file may. */
static int check_unchanged(const struct conversion *c, struct err *err)
{
	struct stat now;

	if (fstat(c->fd, &now))
		return err_set(err, -errno, "%s", strerror(errno));
	if (now.st_size != c->st.st_size || now.st_mtim.tv_sec != c->st.st_mtim.tv_sec ||
	    now.st_mtim.tv_nsec != c->st.st_mtim.tv_nsec)
		return err_set(err, -EAGAIN, "the file changed while it was read");
	return 0;
}

static int tell_unpack(void *ctx, uint64_t done, uint64_t total, struct err *err)
{
	const struct conversion *c = ctx;

	return watch_look(&c->options->file.watch, "unpack", done, total, err);
}

static int unpack(struct unpacked **out, struct conversion *c, struct err *err)
{
	const struct unpack_options options = {
		.scratch = c->scratch,
		.program = c->options->unpack_program,
		.scratch_bytes_max = c->options->scratch_bytes_max,
		.disk_bytes_max = c->options->file.image.disk_bytes_max,
		.keyring = c->options->keyring,
		.stop = c->options->file.watch.stop,
		.progress = tell_unpack,
		.ctx = c,
	};
	char link[64];
	int rc = path_in(c->scratch, c->options->work, "scratch", err);

	if (!rc)
		rc = make_folder(c->scratch, err);
	if (rc)
		return rc;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", c->fd);
	ssize_t len = readlink(link, c->path, sizeof(c->path) - 1);
	if (len < 0)
		return err_set(err, -errno, "read the link '%s': %s", link, strerror(errno));
	c->path[len] = '\0';
	return unpack_enclosure(out, c->fd, &options, err);
}

static int convert_unpacked(struct store_content *out, struct conversion *c, struct err *err)
{
	CLEANUP(unpacked_free) struct unpacked *u = NULL;
	int rc = convert_check_origin(c->fd, &c->options->file, err);

	if (!rc)
		rc = unpack(&u, c, err);
	if (!rc)
		rc = add_words(out, u, err);
	if (!rc)
		rc = add_disks(out, c, u, err);
	if (!rc)
		rc = add_files(out, c, u, err);
	if (!rc)
		rc = check_unchanged(c, err);
	return rc ? rc : folder_remove(c->scratch, err);
}

static int convert(struct store_content *out, struct conversion *c, struct err *err)
{
	const struct sniff_format *found = NULL;
	bool is_stream = false;
	char folder[PATH_MAX];

	if (fstat(c->fd, &c->st))
		return err_set(err, -errno, "%s", strerror(errno));
	int rc = check_is_stream(&is_stream, &found, c, err);
	if (!rc && is_stream) {
		rc = convert_stream(out, c, found, err);
		/* Something that only its end tells. */
		if (rc != -ENOTSUP)
			return rc ? rc : check_unchanged(c, err);
		rc = path_in(folder, c->options->work, "image.0", err);
		if (!rc)
			rc = image_remove(folder, err);
	}
	return rc ? rc : convert_unpacked(out, c, err);
}

int convert_content(struct store_content *out, int fd, const struct convert_content_options *options, struct err *err)
{
	CLEANUP(store_content_free) struct store_content content = { .kind = ITEM_DISK };
	struct conversion c = { .options = options, .fd = fd };
	int rc = convert(&content, &c, err);

	if (rc)
		return rc;
	*out = content;
	content = (struct store_content){ 0 };
	return 0;
}

static int publish_file(const char *images, const char *work, const char *name, const struct content_file *file,
			struct err *err)
{
	char from[PATH_MAX], to[PATH_MAX], path[PATH_MAX];
	struct stat st;
	int rc = path_in(from, work, name, err);

	if (!rc)
		rc = path_in(to, images, file->id, err);
	if (!rc)
		rc = path_in(path, to, "file", err);
	if (rc || !file->id[0])
		return rc;
	if (stat(path, &st) == 0 && (uint64_t)st.st_size == file->bytes)
		return folder_remove(from, err);
	/* What a removal that was interrupted left would be in the way. */
	rc = folder_remove(to, err);
	return rc ? rc : image_move(images, from, to, err);
}

int content_publish(const char *images, const char *work, const struct store_content *content, struct err *err)
{
	char name[32], folder[PATH_MAX];
	int rc = 0;

	for (size_t i = 0; i < content->disk_count && !rc; i++) {
		snprintf(name, sizeof(name), "image.%zu", i);
		rc = path_in(folder, work, name, err);
		if (!rc)
			rc = image_publish(images, folder, &content->disks[i].image, err);
	}
	if (!rc)
		rc = publish_file(images, work, "file", &content->file, err);
	return rc ? rc : publish_file(images, work, "initrd", &content->initrd, err);
}
