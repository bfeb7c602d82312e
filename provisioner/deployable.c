/* SPDX-License-Identifier: GPL-2.0-or-later */
/* deployable: see deployable.h */
#include "deployable.h"

#include "bytes.h"
#include "cleanup.h"
#include "download.h"
#include "folder.h"
#include "frame.h"
#include "index.h"
#include "seek_table.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM  4096
#define COPY_BYTES (1u << 20)

static int read_at(int fd, void *buf, size_t len, uint64_t off, const char *what, struct err *err)
{
	for (uint8_t *to = buf; len;) {
		ssize_t got = pread(fd, to, len, (off_t)off);

		if (got < 0)
			return err_set(err, -errno, "read the %s: %s", what, strerror(errno));
		if (got == 0)
			return err_set(err, -EBADMSG, "the %s ends at byte %" PRIu64, what, off);
		to += got;
		off += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

static int read_index(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	const int *fd = ctx;

	return read_at(*fd, buf, len, off, "index", err);
}

static int file_bytes(uint64_t *bytes, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_set(err, -errno, "%s", strerror(errno));
	*bytes = (uint64_t)st.st_size;
	return 0;
}

/* `*fd` is borrowed until index_close. */
static int open_index(struct index **out, int *fd, const uint8_t *id, struct err *err)
{
	struct index_source source = { .read_at = read_index, .ctx = fd };
	int rc = file_bytes(&source.bytes, *fd, err);

	return rc ? rc : index_open(out, &source, id, err);
}

struct check {
	int image_fd;
	struct index *index;
	const struct index_header *header; /* the index's */
	struct frame_opener *opener;
	uint8_t *frame, *raw;              /* room for the longest frame, and for a chunk */
	uint8_t zero_digest[DIGEST_BYTES]; /* of a whole chunk of zeros */
	uint64_t table_off;                /* where the next piece of the seek table lies */
};

static void end_check(struct check *c)
{
	index_close(&c->index);
	frame_opener_free(&c->opener);
	free(c->frame);
	free(c->raw);
}

/* A piece of the seek table must be what it has to be: plain zstd and other readers of the image go by it. */
static int check_table(struct check *c, const uint8_t *wanted, size_t len, struct err *err)
{
	uint8_t found[SEEK_FOOTER_BYTES];
	int rc = read_at(c->image_fd, found, len, c->table_off, "image", err);

	if (rc)
		return rc;
	if (memcmp(found, wanted, len) != 0)
		return err_set(err, -EBADMSG, "the image's seek table is wrong at byte %" PRIu64, c->table_off);
	c->table_off += len;
	return 0;
}

/* Where the frames end, the seek table begins, and with it the file ends. */
static int begin_check(struct check *c, struct err *err)
{
	const struct index_header *h = c->header;
	uint8_t head[SEEK_HEAD_BYTES];
	struct index_entry last;
	uint64_t bytes;
	int rc = file_bytes(&bytes, c->image_fd, err);

	if (!rc && bytes != h->image_bytes)
		rc = err_set(err, -EBADMSG, "the image has %" PRIu64 " bytes, its index says %" PRIu64, bytes,
			     h->image_bytes);
	if (!rc)
		rc = index_get_entry(c->index, &last, h->chunk_count - 1, err);
	if (rc)
		return rc;
	c->table_off = last.frame_off + last.frame_bytes;
	if (h->image_bytes - c->table_off != seek_table_bytes(h->chunk_count))
		return err_set(err, -EBADMSG,
			       "the image has %" PRIu64 " bytes behind its last frame, a seek table has %" PRIu64,
			       h->image_bytes - c->table_off, seek_table_bytes(h->chunk_count));
	seek_head_pack(head, h->chunk_count);
	return check_table(c, head, sizeof(head), err);
}

static int allocate(struct check *c, struct err *err)
{
	uint32_t chunk_bytes = c->header->chunk_bytes;

	c->frame = malloc(index_frame_bytes_max(chunk_bytes));
	c->raw = calloc(1, chunk_bytes);
	if (!c->frame || !c->raw)
		return err_set(err, -ENOMEM, "chunk of %" PRIu32 " bytes: out of memory", chunk_bytes);
	digest_of(c->zero_digest, c->raw, chunk_bytes);
	return frame_opener_new(&c->opener, chunk_bytes, err);
}

static int check_raw(const struct check *c, const struct index_entry *entry, size_t len, struct err *err)
{
	uint8_t found[DIGEST_BYTES];
	bool zero = bytes_are_zero(c->raw, len);

	if (entry->kind == CHUNK_ZERO && !zero)
		return err_set(err, -EBADMSG, "the index calls it zeros, and it is not");
	if (zero && len == c->header->chunk_bytes)
		memcpy(found, c->zero_digest, DIGEST_BYTES);
	else
		digest_of(found, c->raw, len);
	return digest_equal(found, entry->digest) ? 0 : err_set(err, -EBADMSG, "its bytes are not those of its digest");
}

static int check_chunk(struct check *c, uint64_t nr, struct err *err)
{
	uint32_t len = index_chunk_bytes(c->header, nr);
	uint8_t seek[SEEK_ENTRY_BYTES];
	struct index_entry entry;
	int rc = index_get_entry(c->index, &entry, nr, err);

	if (!rc)
		rc = read_at(c->image_fd, c->frame, entry.frame_bytes, entry.frame_off, "image", err);
	if (!rc)
		rc = frame_open(c->opener, c->raw, len, c->frame, entry.frame_bytes, err);
	if (!rc)
		rc = check_raw(c, &entry, len, err);
	if (rc)
		return err_wrap(err, "chunk %" PRIu64, nr);
	seek_entry_pack(seek, entry.frame_bytes, len);
	return check_table(c, seek, sizeof(seek), err);
}

static int end_of_check(struct check *c, struct err *err)
{
	uint8_t footer[SEEK_FOOTER_BYTES];

	seek_footer_pack(footer, c->header->chunk_count);
	return check_table(c, footer, sizeof(footer), err);
}

static int check_all(struct store_image *out, const struct deployable_files *files, const struct deployable_sink *sink,
		     const struct watch *watch, struct err *err)
{
	CLEANUP(end_check) struct check c = { .image_fd = files->image_fd };
	int index_fd = files->index_fd;
	int rc = open_index(&c.index, &index_fd, files->id, err);

	if (rc)
		return rc;
	c.header = index_get_header(c.index);
	rc = begin_check(&c, err);
	if (!rc)
		rc = allocate(&c, err);
	for (uint64_t nr = 0; !rc && nr < c.header->chunk_count; nr++) {
		rc = watch_look(watch, "verify", nr * c.header->chunk_bytes, c.header->disk_bytes, err);
		if (!rc)
			rc = check_chunk(&c, nr, err);
		if (!rc && sink)
			rc = sink->take(sink->ctx, c.raw, index_chunk_bytes(c.header, nr), err);
	}
	if (!rc)
		rc = end_of_check(&c, err);
	if (rc)
		return rc;
	*out = (struct store_image){ .disk_bytes = c.header->disk_bytes,
				     .image_bytes = c.header->image_bytes,
				     .index_bytes = index_document_bytes(c.header),
				     .sector_bytes = c.header->sector_bytes };
	digest_hex(out->id, files->id);
	return 0;
}

int deployable_verify(struct store_image *out, const struct deployable_files *files, const struct watch *watch,
		      struct err *err)
{
	return check_all(out, files, NULL, watch, err);
}

int deployable_read(const struct deployable_files *files, const struct deployable_sink *sink, const struct watch *watch,
		    struct err *err)
{
	struct store_image image;

	return check_all(&image, files, sink, watch, err);
}

struct fetch {
	const struct deployable_options *options;
	char index_path[PATH_ROOM], image_path[PATH_ROOM]; /* the downloads */
	struct deployable_files files;
};

static void end_fetch(struct fetch *f)
{
	close_fd(&f->files.index_fd);
	close_fd(&f->files.image_fd);
}

static int make_path(char out[static PATH_ROOM], const char *begin, const char *end, struct err *err)
{
	return snprintf(out, PATH_ROOM, "%s%s", begin, end) < PATH_ROOM
		       ? 0
		       : err_set(err, -ENAMETOOLONG, "'%s': path is too long", begin);
}

/* No image is larger: what a feed announces beyond that is not worth the room on our disk. */
static int check_announced(const struct deployable_options *o, struct err *err)
{
	char disk[UNITS_TEXT], limit[UNITS_TEXT];

	if (o->disk_bytes > o->disk_bytes_max)
		return err_set(err, -EFBIG, "disk of %s is larger than %s (disk_bytes_max)",
			       units_bytes(disk, o->disk_bytes), units_bytes(limit, o->disk_bytes_max));
	const uint64_t chunks = o->disk_bytes / INDEX_CHUNK_BYTES_MIN + 1;
	if (o->index_bytes > INDEX_HEADER_BYTES + chunks * INDEX_ENTRY_BYTES ||
	    o->image_bytes > chunks * index_frame_bytes_max(INDEX_CHUNK_BYTES_MIN) + seek_table_bytes(chunks))
		return err_set(err, -EBADMSG,
			       "no disk of %s has an index of %" PRIu64 " bytes and an image of %" PRIu64 " bytes",
			       units_bytes(disk, o->disk_bytes), o->index_bytes, o->image_bytes);
	return 0;
}

static int download_progress(void *ctx, uint64_t done, uint64_t total, struct err *err)
{
	const struct watch *watch = ctx;

	return watch_look(watch, "download", done, total, err);
}

static int write_all(int fd, const uint8_t *data, size_t len, const char *path, struct err *err)
{
	while (len) {
		ssize_t put = write(fd, data, len);

		if (put < 0)
			return err_set(err, -errno, "write '%s': %s", path, strerror(errno));
		data += put;
		len -= (size_t)put;
	}
	return 0;
}

/* From a feed that is a file. A copy: what was verified must not change afterwards. */
static int copy_file(const struct deployable_options *o, const char *path, const char *url, uint64_t bytes,
		     struct err *err)
{
	CLEANUP(close_fd) int from = -1;
	CLEANUP(free_mem) uint8_t *buf = malloc(COPY_BYTES);
	uint64_t found, done = 0;
	int rc = buf ? source_policy_open_file(o->policy, &from, url, err) : err_set(err, -ENOMEM, "out of memory");

	if (!rc)
		rc = file_bytes(&found, from, err);
	if (!rc && found != bytes)
		rc = err_set(err, -EBADMSG, "the feed says %" PRIu64 " bytes, the file has %" PRIu64, bytes, found);
	if (rc)
		return rc;
	CLEANUP(close_fd) int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return err_set(err, -errno, "create '%s': %s", path, strerror(errno));
	while (!rc && done < bytes) {
		size_t len = bytes - done < COPY_BYTES ? (size_t)(bytes - done) : COPY_BYTES;

		rc = read_at(from, buf, len, done, "file", err);
		if (!rc)
			rc = write_all(to, buf, len, path, err);
		done += len;
		if (!rc)
			rc = watch_look(&o->watch, "download", done, bytes, err);
	}
	return rc;
}

/* Get one of the two files and open it. */
static int fetch_file(const struct deployable_options *o, int *fd, const char *path, const char *url, uint64_t bytes,
		      struct err *err)
{
	const struct download_options download = {
		.url = url,
		.path = path,
		.policy = o->policy,
		.length = bytes,
		.bytes_max = bytes,
		.patience_s = o->patience_s,
		.stop = o->watch.stop,
		.progress = download_progress,
		.ctx = (void *)&o->watch,
	};
	int rc = source_policy_check_url(o->policy, url, err);

	if (!rc)
		rc = source_policy_is_file(url) ? copy_file(o, path, url, bytes, err) : download_file(&download, err);
	if (rc)
		return rc;
	*fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return *fd < 0 ? err_set(err, -errno, "open '%s': %s", path, strerror(errno)) : 0;
}

/* The index is small: what is wrong with it is found before the image is fetched. */
static int fetch_index(struct fetch *f, struct err *err)
{
	const struct deployable_options *o = f->options;
	CLEANUP(index_close) struct index *index = NULL;
	int rc = fetch_file(o, &f->files.index_fd, f->index_path, o->index_url, o->index_bytes, err);

	if (!rc)
		rc = open_index(&index, &f->files.index_fd, o->id, err);
	if (rc)
		return rc;
	const struct index_header *h = index_get_header(index);
	if (h->disk_bytes != o->disk_bytes || h->image_bytes != o->image_bytes)
		return err_set(err, -EBADMSG,
			       "the feed says a disk of %" PRIu64 " and an image of %" PRIu64
			       " bytes, the index %" PRIu64 " and %" PRIu64,
			       o->disk_bytes, o->image_bytes, h->disk_bytes, h->image_bytes);
	return 0;
}

/* Readable like an image of our own making, and on the disk. */
static int move_file(const struct deployable_options *o, int fd, const char *path, const char *name, struct err *err)
{
	char to[PATH_ROOM];
	int rc = make_path(to, o->folder, name, err);

	if (rc)
		return rc;
	if (fchmod(fd, 0644) || fsync(fd) || rename(path, to))
		return err_set(err, -errno, "move '%s' to '%s': %s", path, to, strerror(errno));
	return 0;
}

static int move_files(struct fetch *f, struct err *err)
{
	const struct deployable_options *o = f->options;
	int rc = move_file(o, f->files.index_fd, f->index_path, "/index", err);

	if (!rc)
		rc = move_file(o, f->files.image_fd, f->image_path, "/image.zst", err);
	if (rc)
		return rc;
	rc = folder_sync(o->folder, err);
	if (rc)
		return rc;
	deployable_discard(o->part);
	return 0;
}

int deployable_fetch(struct store_image *out, const struct deployable_options *options, struct err *err)
{
	CLEANUP(end_fetch)
	struct fetch f = { .options = options, .files = { .index_fd = -1, .image_fd = -1, .id = options->id } };
	int rc = check_announced(options, err);

	if (!rc)
		rc = make_path(f.index_path, options->part, ".index", err);
	if (!rc)
		rc = make_path(f.image_path, options->part, ".image", err);
	if (!rc && (rc = fetch_index(&f, err)))
		return err_wrap(err, "index of the deployable form");
	if (!rc)
		rc = fetch_file(options, &f.files.image_fd, f.image_path, options->image_url, options->image_bytes,
				err);
	if (!rc)
		rc = deployable_verify(out, &f.files, &options->watch, err);
	if (rc)
		return err_wrap(err, "deployable form");
	return move_files(&f, err);
}

void deployable_discard(const char *part)
{
	static const char *const ends[] = { ".index", ".image" };
	char path[PATH_ROOM];
	struct err ignored;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (make_path(path, part, ends[i], &ignored) == 0)
			download_discard(path);
}
