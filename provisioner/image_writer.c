/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image_writer: see image_writer.h */
#include "image_writer.h"

#include "bytes.h"
#include "chunker.h"
#include "cleanup.h"
#include "digest.h"
#include "folder.h"
#include "index.h"
#include "seek_table.h"
#include "units.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_NAME "image.zst"
#define INDEX_NAME "index"
/* So much is given to the disk at once, while more is being made: then there is little to wait for at the end. */
#define FLUSH_BYTES (8u << 20)
#define PATH_ROOM   4096

struct output {
	FILE *file;
	char path[PATH_ROOM];
};

struct image_writer {
	char folder[PATH_ROOM];
	uint64_t disk_bytes_max;
	struct chunker *chunker;
	struct output image, index;
	uint8_t *filling; /* the chunk that image_writer_next has given out */
	bool last_seen;   /* a short chunk came: nothing may follow it */
	uint64_t put_bytes;
	uint64_t flushed_bytes; /* of the image: the kernel has been asked to write them */
	struct index_header header;
};

static int open_output(struct output *o, const char *folder, const char *name, struct err *err)
{
	if (snprintf(o->path, sizeof(o->path), "%s/%s", folder, name) >= (int)sizeof(o->path))
		return err_set(err, -ENAMETOOLONG, "'%s/%s': path is too long", folder, name);
	o->file = fopen(o->path, "wx+e");
	return o->file ? 0 : err_set(err, -errno, "create '%s': %s", o->path, strerror(errno));
}

static int write_output(struct output *o, const void *data, size_t len, struct err *err)
{
	return fwrite(data, 1, len, o->file) == len ? 0
						    : err_set(err, -errno, "write '%s': %s", o->path, strerror(errno));
}

static int read_output(struct output *o, void *data, size_t len, struct err *err)
{
	if (fread(data, 1, len, o->file) == len)
		return 0;
	return err_set(err, -EIO, "read '%s' back: %s", o->path, feof(o->file) ? "it is too short" : strerror(errno));
}

static int seek_output(struct output *o, uint64_t off, struct err *err)
{
	return fseeko(o->file, (off_t)off, SEEK_SET) == 0 ? 0
							  : err_set(err, -errno, "'%s': %s", o->path, strerror(errno));
}

/* On the disk when this returns 0: what the system could not write is reported here at the latest. */
static int sync_output(struct output *o, struct err *err)
{
	if (fflush(o->file) || fsync(fileno(o->file)))
		return err_set(err, -errno, "write '%s': %s", o->path, strerror(errno));
	return 0;
}

int image_writer_open(struct image_writer **out, const struct image_options *options, struct err *err)
{
	CLEANUP(image_writer_close) struct image_writer *w = calloc(1, sizeof(*w));
	static const uint8_t no_header[INDEX_HEADER_BYTES];

	if (!w)
		return err_set(err, -ENOMEM, "image: out of memory");
	/* What an index can describe is a limit, too. */
	uint64_t most = (uint64_t)INDEX_CHUNKS_MAX * options->chunk_bytes;
	w->disk_bytes_max = options->disk_bytes_max && options->disk_bytes_max < most ? options->disk_bytes_max : most;
	w->header.chunk_bytes = options->chunk_bytes;
	if (snprintf(w->folder, sizeof(w->folder), "%s", options->folder) >= (int)sizeof(w->folder))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", options->folder);
	int rc = chunker_new(&w->chunker, options->chunk_bytes, options->level, err);
	if (!rc)
		rc = open_output(&w->image, options->folder, IMAGE_NAME, err);
	if (!rc)
		rc = open_output(&w->index, options->folder, INDEX_NAME, err);
	/* The header's sums are known at the end only: its place is kept. */
	if (!rc)
		rc = write_output(&w->index, no_header, sizeof(no_header), err);
	if (rc)
		return rc;
	*out = TAKE(w);
	return 0;
}

void image_writer_close(struct image_writer **w)
{
	if (!*w)
		return;
	chunker_free(&(*w)->chunker);
	close_file(&(*w)->image.file);
	close_file(&(*w)->index.file);
	free(*w);
	*w = NULL;
}

/* UEFI 2.10, section 5.3.2: the GPT header lies in logical block 1 and says so in MyLBA. */
static uint32_t gpt_sector_bytes(const uint8_t *raw, size_t len)
{
	static const uint32_t sizes[] = { 512, 4096 };

	for (size_t i = 0; i < 2; i++) {
		const uint8_t *gpt = raw + sizes[i];

		if (len >= sizes[i] + 92 && memcmp(gpt, "EFI PART", 8) == 0 && le64(gpt + 24) == 1)
			return sizes[i];
	}
	return 0;
}

/* Only begins: what could not be written is found out by sync_output. */
static void begin_flush(struct image_writer *w)
{
	if (w->header.image_bytes - w->flushed_bytes < FLUSH_BYTES)
		return;
	sync_file_range(fileno(w->image.file), (off_t)w->flushed_bytes, FLUSH_BYTES, SYNC_FILE_RANGE_WRITE);
	w->flushed_bytes += FLUSH_BYTES;
}

/* One finished chunk goes to both files and into the sums. */
static int store_chunk(struct image_writer *w, const struct chunk *chunk, struct err *err)
{
	struct index_entry entry = {
		.frame_off = w->header.image_bytes,
		.frame_bytes = (uint32_t)chunk->frame_bytes,
		.kind = chunk->kind,
	};
	uint8_t raw[INDEX_ENTRY_BYTES];

	memcpy(entry.digest, chunk->digest, DIGEST_BYTES);
	index_entry_pack(raw, &entry);
	int rc = write_output(&w->image, chunk->frame, chunk->frame_bytes, err);
	if (!rc)
		rc = write_output(&w->index, raw, sizeof(raw), err);
	if (rc)
		return rc;
	if (w->header.chunk_count == 0 && chunk->kind == CHUNK_DATA)
		w->header.sector_bytes = gpt_sector_bytes(chunk->raw, chunk->raw_bytes);
	w->header.chunk_count++;
	w->header.data_chunks += chunk->kind == CHUNK_DATA;
	w->header.image_bytes += chunk->frame_bytes;
	begin_flush(w);
	w->header.disk_bytes += chunk->raw_bytes;
	return 0;
}

/* 1 after storing the oldest chunk under way, 0 if there is none. */
static int store_oldest(struct image_writer *w, struct err *err)
{
	const struct chunk *chunk;
	int rc = chunker_take(w->chunker, &chunk, err);

	if (rc <= 0)
		return rc;
	rc = store_chunk(w, chunk, err);
	chunker_release(w->chunker);
	return rc ? rc : 1;
}

int image_writer_next(struct image_writer *w, uint8_t **buf, struct err *err)
{
	while (!(w->filling = chunker_buffer(w->chunker))) {
		int rc = store_oldest(w, err);

		if (rc < 0)
			return rc;
	}
	*buf = w->filling;
	return 0;
}

/* The buffer given out is a chunk with `len` bytes of the disk: how long it is with the rest of its last sector, since a
 * disk has whole ones only. */
static int take_filled(struct image_writer *w, size_t *padded, size_t len, struct err *err)
{
	char limit[UNITS_TEXT];

	assert(w->filling && !w->last_seen && len <= w->header.chunk_bytes);
	*padded = (len + 511) / 512 * 512;
	if (w->put_bytes + *padded > w->disk_bytes_max)
		return err_set(err, -EFBIG, "disk is larger than %s (disk_bytes_max)",
			       units_bytes(limit, w->disk_bytes_max));
	memset(w->filling + len, 0, *padded - len);
	w->last_seen = len < w->header.chunk_bytes;
	w->put_bytes += *padded;
	w->filling = NULL;
	return 0;
}

int image_writer_put(struct image_writer *w, size_t len, struct err *err)
{
	size_t padded;
	int rc = len ? take_filled(w, &padded, len, err) : 0;

	if (!rc && len)
		chunker_submit(w->chunker, padded);
	return rc;
}

int image_writer_put_zeros(struct image_writer *w, size_t len, struct err *err)
{
	size_t padded;

	if (len < w->header.chunk_bytes) {
		memset(w->filling, 0, len);
		return image_writer_put(w, len, err);
	}
	int rc = take_filled(w, &padded, len, err);
	if (!rc)
		chunker_submit_zeros(w->chunker);
	return rc;
}

/* The lengths of the frames are taken from the index, so that they need no memory. */
static int write_seek_table(struct image_writer *w, struct err *err)
{
	const struct index_header *h = &w->header;
	uint8_t entry[INDEX_ENTRY_BYTES], seek[SEEK_FOOTER_BYTES];
	int rc = seek_output(&w->index, INDEX_HEADER_BYTES, err);

	seek_head_pack(seek, h->chunk_count);
	if (!rc)
		rc = write_output(&w->image, seek, SEEK_HEAD_BYTES, err);
	for (uint64_t nr = 0; !rc && nr < h->chunk_count; nr++) {
		rc = read_output(&w->index, entry, sizeof(entry), err);
		if (rc)
			break;
		seek_entry_pack(seek, le32(entry + 4), index_chunk_bytes(h, nr));
		rc = write_output(&w->image, seek, SEEK_ENTRY_BYTES, err);
	}
	if (rc)
		return rc;
	seek_footer_pack(seek, h->chunk_count);
	rc = write_output(&w->image, seek, SEEK_FOOTER_BYTES, err);
	w->header.image_bytes += seek_table_bytes(h->chunk_count);
	return rc;
}

static int write_header(struct image_writer *w, struct err *err)
{
	uint8_t raw[INDEX_HEADER_BYTES];
	struct index_header checked;

	index_header_pack(raw, &w->header);
	int rc = index_header_parse(&checked, raw, err);
	assert(rc == 0);
	rc = seek_output(&w->index, 0, err);
	return rc ? rc : write_output(&w->index, raw, sizeof(raw), err);
}

/* An image's name: the digest of its index as it lies in the file. */
static int name_image(struct image_writer *w, char id[static STORE_IMAGE_CHARS], struct err *err)
{
	uint64_t left = index_document_bytes(&w->header);
	uint8_t buf[16384], found[DIGEST_BYTES];
	struct digest d;
	int rc = seek_output(&w->index, 0, err);

	digest_init(&d);
	while (!rc && left) {
		size_t len = left < sizeof(buf) ? (size_t)left : sizeof(buf);

		rc = read_output(&w->index, buf, len, err);
		if (!rc)
			digest_add(&d, buf, len);
		left -= len;
	}
	digest_final(&d, found);
	digest_hex(id, found);
	return rc;
}

int image_writer_finish(struct image_writer *w, struct store_image *out, struct err *err)
{
	struct store_image image = { 0 };
	int rc;

	while ((rc = store_oldest(w, err)) > 0)
		;
	if (rc)
		return rc;
	if (!w->header.chunk_count)
		return err_set(err, -EBADMSG, "there is no disk in it: 0 bytes");
	rc = write_seek_table(w, err);
	if (!rc)
		rc = write_header(w, err);
	if (!rc)
		rc = name_image(w, image.id, err);
	if (!rc)
		rc = sync_output(&w->image, err);
	if (!rc)
		rc = sync_output(&w->index, err);
	if (!rc)
		rc = folder_sync(w->folder, err);
	if (rc)
		return rc;
	image.disk_bytes = w->header.disk_bytes;
	image.image_bytes = w->header.image_bytes;
	image.index_bytes = index_document_bytes(&w->header);
	image.sector_bytes = w->header.sector_bytes;
	*out = image;
	return 0;
}

/* Whether the file `folder`/`name` has `bytes`. */
static bool has_bytes(const char *folder, const char *name, uint64_t bytes)
{
	char path[PATH_ROOM];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path) && stat(path, &st) == 0 &&
	       (uint64_t)st.st_size == bytes;
}

int image_move(const char *images, const char *folder, const char *to, struct err *err)
{
	if (rename(folder, to))
		return err_set(err, -errno, "move '%s' to '%s': %s", folder, to, strerror(errno));
	return folder_sync(images, err);
}

int image_publish(const char *images, const char *folder, const struct store_image *image, struct err *err)
{
	char path[PATH_ROOM];

	if (snprintf(path, sizeof(path), "%s/%s", images, image->id) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", images);
	int rc = image_move(images, folder, path, err);
	if (rc != -EEXIST && rc != -ENOTEMPTY)
		return rc;
	if (has_bytes(path, IMAGE_NAME, image->image_bytes) && has_bytes(path, INDEX_NAME, image->index_bytes))
		return image_remove(folder, err);
	/* What a removal that was interrupted left: ours is whole. */
	rc = folder_remove(path, err);
	return rc ? rc : image_move(images, folder, path, err);
}

int image_remove(const char *folder, struct err *err)
{
	static const char *const names[] = { IMAGE_NAME, INDEX_NAME };
	char path[PATH_ROOM];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (snprintf(path, sizeof(path), "%s/%s", folder, names[i]) >= (int)sizeof(path))
			return err_set(err, -ENAMETOOLONG, "'%s': path is too long", folder);
		if (unlink(path) && errno != ENOENT)
			return err_set(err, -errno, "remove '%s': %s", path, strerror(errno));
	}
	if (rmdir(folder) && errno != ENOENT)
		return err_set(err, -errno, "remove '%s': %s", folder, strerror(errno));
	return 0;
}
