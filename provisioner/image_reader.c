/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image_reader: see image_reader.h */
#include "image_reader.h"

#include "cleanup.h"
#include "frame.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct slot {
	uint8_t *raw;     /* NULL: not needed until now */
	uint64_t nr;      /* which chunk it holds */
	uint64_t used_at; /* 0: it holds none */
};

struct image_reader {
	int index_fd, image_fd;
	struct index *index;
	const struct index_header *header;
	struct frame_opener *opener;
	uint8_t *frame;
	uint8_t *zeros; /* a chunk of them */
	struct slot *slots;
	size_t slot_count;
	uint64_t clock;
};

static int read_at(int fd, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	while (len) {
		ssize_t got = pread(fd, buf, len, (off_t)off);

		if (got < 0)
			return err_set(err, -errno, "read: %s", strerror(errno));
		if (got == 0)
			return err_set(err, -EBADMSG, "the file ends at byte %" PRIu64, off);
		buf += got;
		off += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

static int read_index(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	return read_at(((const struct image_reader *)ctx)->index_fd, buf, len, off, err);
}

static int open_file(int *fd, const char *folder, const char *name, struct err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", folder);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? err_set(err, -errno, "open '%s': %s", path, strerror(errno)) : 0;
}

static int open_index(struct image_reader *r, const char *id, struct err *err)
{
	struct index_source source = { .read_at = read_index, .ctx = r };
	uint8_t digest[DIGEST_BYTES];
	struct stat st;

	if (digest_parse(digest, id))
		return err_set(err, -EINVAL, "'%.80s' is no image's name", id);
	if (fstat(r->index_fd, &st))
		return err_set(err, -errno, "index: %s", strerror(errno));
	source.bytes = (uint64_t)st.st_size;
	return index_open(&r->index, &source, digest, err);
}

static int allocate(struct image_reader *r, struct err *err)
{
	uint32_t chunk_bytes = r->header->chunk_bytes;

	r->slot_count = IMAGE_READER_BYTES / chunk_bytes;
	r->slots = calloc(r->slot_count, sizeof(*r->slots));
	r->frame = malloc(index_frame_bytes_max(chunk_bytes));
	r->zeros = calloc(1, chunk_bytes);
	if (!r->slots || !r->frame || !r->zeros)
		return err_set(err, -ENOMEM, "out of memory");
	return frame_opener_new(&r->opener, chunk_bytes, err);
}

int image_reader_open(struct image_reader **out, const char *folder, const char *id, struct err *err)
{
	CLEANUP(image_reader_close) struct image_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->index_fd = r->image_fd = -1;
	int rc = open_file(&r->index_fd, folder, "index", err);
	if (!rc)
		rc = open_file(&r->image_fd, folder, "image.zst", err);
	if (!rc)
		rc = open_index(r, id, err);
	if (rc)
		return err_wrap(err, "image %.16s...", id);
	r->header = index_get_header(r->index);
	rc = allocate(r, err);
	if (rc)
		return rc;
	*out = TAKE(r);
	return 0;
}

void image_reader_close(struct image_reader **reader)
{
	struct image_reader *r = *reader;

	if (!r)
		return;
	for (size_t i = 0; r->slots && i < r->slot_count; i++)
		free(r->slots[i].raw);
	free(r->slots);
	free(r->frame);
	free(r->zeros);
	frame_opener_free(&r->opener);
	index_close(&r->index);
	close_fd(&r->index_fd);
	close_fd(&r->image_fd);
	free(r);
	*reader = NULL;
}

const struct index_header *image_reader_header(const struct image_reader *r)
{
	return r->header;
}

int image_reader_entry(struct image_reader *r, struct index_entry *out, uint64_t nr, struct err *err)
{
	return index_get_entry(r->index, out, nr, err);
}

/* The slot that holds chunk `nr`, else the one that was not used for the longest time. */
static struct slot *find_slot(struct image_reader *r, uint64_t nr)
{
	struct slot *oldest = &r->slots[0];

	for (size_t i = 0; i < r->slot_count; i++) {
		struct slot *slot = &r->slots[i];

		if (slot->used_at && slot->nr == nr)
			return slot;
		if (slot->used_at < oldest->used_at)
			oldest = slot;
	}
	oldest->used_at = 0;
	return oldest;
}

static int load(struct image_reader *r, struct slot *slot, uint64_t nr, const struct index_entry *entry,
		struct err *err)
{
	uint32_t len = index_chunk_bytes(r->header, nr);

	if (!slot->raw)
		slot->raw = malloc(r->header->chunk_bytes);
	if (!slot->raw)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = read_at(r->image_fd, r->frame, entry->frame_bytes, entry->frame_off, err);
	if (!rc)
		rc = frame_open(r->opener, slot->raw, len, r->frame, entry->frame_bytes, err);
	if (!rc && !digest_is_of(entry->digest, slot->raw, len))
		rc = err_set(err, -EBADMSG, "its bytes are not those of its digest");
	if (!rc)
		slot->nr = nr;
	return rc;
}

int image_reader_chunk(struct image_reader *r, const uint8_t **out, uint64_t nr, struct err *err)
{
	struct index_entry entry;
	int rc = index_get_entry(r->index, &entry, nr, err);

	*out = r->zeros;
	if (rc || entry.kind == CHUNK_ZERO)
		return rc;
	struct slot *slot = find_slot(r, nr);
	if (!slot->used_at)
		rc = load(r, slot, nr, &entry, err);
	if (rc)
		return err_wrap(err, "chunk %" PRIu64, nr);
	slot->used_at = ++r->clock;
	*out = slot->raw;
	return 0;
}
