/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * write: see write.h
 *
 * All that makes a disk bootable, or recognisable as anything, lies in its first and last MiB: boot sector, GPT and its
 * backup, boot code behind the MBR, ISO 9660 descriptors, superblocks and labels of LVM, RAID, ZFS. So these two "ends"
 * of the image are held back in memory until everything between them is safe.
 *
 * 1. Both ends of the disk, and the image's own last MiB, become zeros; flush; read back.
 *    A power cut leaves the old system or pieces of its ends: nothing else was touched yet. Afterwards a blank disk.
 * 2. Every chunk between the ends, checked, in order.
 *    A blank disk. The next run finds the chunks that are right and goes on behind them.
 * 3. The ends without their labels (LABEL_BYTES, BACKUP_BYTES); flush, which is the body's, too.
 *    A blank disk: no boot sector, no partition table, no descriptor.
 * 4. The labels, but for the boot sectors (BOOT_BYTES); flush; read back.
 *    A disk that nothing boots. Firmware that overlooks the missing MBR and takes the backup GPT finds a whole image.
 * 5. The boot sectors; flush; read back.
 *    The same, or the bootable image.
 *
 * A failure in steps 3 to 5 blanks both ends again: what cannot be read back must not boot.
 */
#include "write.h"

#include "bytes.h"
#include "cleanup.h"
#include "frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define END_BYTES (1u << 20)

/* MBR, and the primary GPT header in the second sector, of 512 or 4096 bytes (UEFI 2.10, 5.3.1). */
#define BOOT_BYTES 8192u

/* From the start: GPT entries, boot code embedded behind an MBR, ISO 9660 descriptors at 32 KiB (ECMA-119, 6.2.1). */
#define LABEL_BYTES 65536u

/* At the end: the backup GPT header fills the last sector. */
#define BACKUP_BYTES 4096u

/* btrfs keeps copies of its superblock here, by which a disk would still be recognised. The first one is at 64 KiB. */
static const uint64_t btrfs_copies[] = { 64ull << 20, 256ull << 30 };
#define BTRFS_COPY_BYTES 4096u

/* One end of the image, held back. */
struct end {
	uint64_t off;
	size_t len; /* 0: the image is so short that the first end is all of it */
	uint8_t *bytes;
};

struct writer {
	struct device *dev;
	struct index *index;
	const struct index_header *header;
	const struct chunk_source *source;
	struct progress *progress;
	const atomic_bool *stop;
	struct frame_opener *opener;
	uint8_t *chunk; /* room for the largest, and for END_BYTES */
	struct end head;
	struct end tail;
};

static void writer_done(struct writer *w)
{
	frame_opener_free(&w->opener);
	free(w->chunk);
	free(w->head.bytes);
	free(w->tail.bytes);
}

/* Everything that takes memory happens here, before the disk is touched. */
static int writer_init(struct writer *w, const struct write_options *o, struct err *err)
{
	const struct index_header *h = index_get_header(o->index);
	size_t room = h->chunk_bytes > END_BYTES ? h->chunk_bytes : END_BYTES;

	*w = (struct writer){
		.dev = o->dev,
		.index = o->index,
		.header = h,
		.source = o->source,
		.progress = o->progress,
		.stop = o->stop,
		.chunk = device_buffer(room),
		.head.bytes = device_buffer(END_BYTES),
		.tail.bytes = device_buffer(END_BYTES),
	};
	if (!w->chunk || !w->head.bytes || !w->tail.bytes)
		return err_set(err, -ENOMEM, "write: out of memory");
	w->head.len = h->disk_bytes < END_BYTES ? (size_t)h->disk_bytes : END_BYTES;
	uint64_t rest = h->disk_bytes - w->head.len;
	w->tail.len = rest < END_BYTES ? (size_t)rest : END_BYTES;
	w->tail.off = h->disk_bytes - w->tail.len;
	return frame_opener_new(&w->opener, h->chunk_bytes, err);
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct range {
	uint64_t off;
	uint64_t len;
};

/* Really written, not discarded or deallocated: for these few bytes there is no reason to trust anything but a write.
 */
static int blank_range(struct writer *w, const struct range *r, struct err *err)
{
	memset(w->chunk, 0, (size_t)r->len);
	return device_write(w->dev, w->chunk, (size_t)r->len, r->off, err);
}

static int blank_end(struct writer *w, const struct end *end, struct err *err)
{
	struct range r = { end->off, end->len };

	return r.len ? blank_range(w, &r, err) : 0;
}

static int check_blank(struct writer *w, const struct range *r, struct err *err)
{
	int rc = device_read(w->dev, w->chunk, (size_t)r->len, r->off, err);

	if (rc)
		return rc;
	if (bytes_are_zero(w->chunk, (size_t)r->len))
		return 0;
	return err_set(err, -EIO, "disk %s: byte %" PRIu64 " and what follows do not read back as the zeros written",
		       w->dev->name, r->off);
}

static int blank(struct writer *w, struct err *err)
{
	struct range ranges[3 + sizeof(btrfs_copies) / sizeof(btrfs_copies[0])];
	uint64_t disk_bytes = w->dev->bytes, end_bytes = min_u64(END_BYTES, disk_bytes);
	size_t count = 0;

	ranges[count++] = (struct range){ 0, end_bytes };
	ranges[count++] = (struct range){ disk_bytes - end_bytes, end_bytes };
	if (w->tail.len)
		ranges[count++] = (struct range){ w->tail.off, w->tail.len };
	for (size_t i = 0; i < sizeof(btrfs_copies) / sizeof(btrfs_copies[0]); i++)
		if (btrfs_copies[i] >= w->header->disk_bytes && btrfs_copies[i] + BTRFS_COPY_BYTES <= disk_bytes)
			ranges[count++] = (struct range){ btrfs_copies[i], BTRFS_COPY_BYTES };
	int rc = 0;
	for (size_t i = 0; i < count && !rc; i++)
		rc = blank_range(w, &ranges[i], err);
	if (!rc)
		rc = device_flush(w->dev, err);
	for (size_t i = 0; i < count && !rc; i++)
		rc = check_blank(w, &ranges[i], err);
	return rc ? err_wrap(err, "make the disk unbootable first") : 0;
}

/* Keep what of a chunk at `off` belongs to an end. `chunk` is NULL for zeros. */
static void hold_back(struct end *end, const uint8_t *chunk, uint64_t off, uint32_t len)
{
	uint64_t from = max_u64(off, end->off), to = min_u64(off + len, end->off + end->len);

	if (from >= to)
		return;
	if (chunk)
		memcpy(end->bytes + (from - end->off), chunk + (from - off), (size_t)(to - from));
	else
		memset(end->bytes + (from - end->off), 0, (size_t)(to - from));
}

/* A checked chunk goes to its place: the ends to memory, the rest to the disk. */
static int place(struct writer *w, const uint8_t *chunk, uint64_t off, uint32_t len, struct err *err)
{
	uint64_t from = max_u64(off, w->head.len), to = min_u64(off + len, w->tail.off);

	hold_back(&w->head, chunk, off, len);
	hold_back(&w->tail, chunk, off, len);
	if (from >= to)
		return 0;
	if (!chunk)
		return device_zero(w->dev, to - from, from, err);
	return device_write(w->dev, chunk + (from - off), (size_t)(to - from), from, err);
}

static bool has_digest(const uint8_t *chunk, uint32_t len, const struct index_entry *entry)
{
	uint8_t digest[DIGEST_BYTES];

	digest_of(digest, chunk, len);
	return digest_equal(digest, entry->digest);
}

/* The one way by which bytes of an image get to the disk: not before they have been compared with the index. */
static int take_chunk(void *ctx, uint64_t nr, const struct index_entry *entry, const uint8_t *frame, struct err *err)
{
	struct writer *w = ctx;
	uint32_t len = index_chunk_bytes(w->header, nr);
	const uint8_t *chunk = NULL; /* a zero chunk: the index says what it is, its frame is not even looked at */

	if (w->stop && atomic_load(w->stop))
		return err_set(err, -ECANCELED, "interrupted");
	if (entry->kind == CHUNK_DATA) {
		int rc = frame_open(w->opener, w->chunk, len, frame, entry->frame_bytes, err);

		if (rc)
			return rc;
		if (!has_digest(w->chunk, len, entry))
			return err_set(err, -EBADMSG, "its bytes do not have the digest that the index says");
		chunk = w->chunk;
	}
	int rc = place(w, chunk, nr * w->header->chunk_bytes, len, err);
	if (!rc)
		progress_add(w->progress, entry->frame_bytes);
	return rc;
}

/* Whether the disk already holds chunk `nr`. A disk that cannot be read here is left to the write to fail or to heal. */
static bool is_there(struct writer *w, uint64_t nr, const struct index_entry *entry)
{
	uint32_t len = index_chunk_bytes(w->header, nr);
	struct err ignored = { 0 };

	return device_read(w->dev, w->chunk, len, nr * w->header->chunk_bytes, &ignored) == 0 &&
	       has_digest(w->chunk, len, entry);
}

/* How much of the image an interrupted run has left on the disk, behind the head. */
struct resume {
	uint64_t nr;    /* the first chunk that must be fetched */
	uint64_t bytes; /* of the frames that need not be */
};

/*
 * Chunks are written in order, so on a disk that nobody began to write this ends at the first look. Zeros on an empty disk
 * are not a sign of anything: only when a chunk with data is found do the ones before it count.
 */
static int find_resume(struct resume *out, struct writer *w, uint64_t first, struct err *err)
{
	uint64_t end = w->tail.off / w->header->chunk_bytes; /* chunks that reach into the tail are always fetched */
	struct index_entry entry;
	uint64_t bytes = 0;
	struct err ignored;

	*out = (struct resume){ .nr = first };
	for (uint64_t nr = first; nr < end; nr++) {
		if (w->stop && atomic_load(w->stop))
			return err_set(err, -ECANCELED, "interrupted");
		/* An index that cannot be read just now is left to the fetch, which tries again. */
		if (index_get_entry(w->index, &entry, nr, &ignored) != 0 || !is_there(w, nr, &entry))
			break;
		bytes += entry.frame_bytes;
		if (entry.kind == CHUNK_DATA)
			*out = (struct resume){ .nr = nr + 1, .bytes = bytes };
	}
	return 0;
}

static int write_body(struct writer *w, struct err *err)
{
	struct chunk_sink sink = { .take = take_chunk, .ctx = w };
	const struct chunk_source *source = w->source;
	uint64_t head_chunks = (w->head.len - 1) / w->header->chunk_bytes + 1;
	uint64_t chunk_count = w->header->chunk_count;
	struct resume resume;
	int rc = find_resume(&resume, w, head_chunks, err);

	if (rc)
		return rc;
	if (resume.nr == head_chunks) {
		rc = source->fetch(source->ctx, 0, chunk_count, &sink, err);
	} else {
		progress_mark(w->progress, "resume", "%" PRIu64 " of %" PRIu64 " chunks are already on the disk",
			      resume.nr - head_chunks, chunk_count);
		rc = source->fetch(source->ctx, 0, head_chunks, &sink, err);
		progress_skip(w->progress, resume.bytes);
		if (!rc)
			rc = source->fetch(source->ctx, resume.nr, chunk_count, &sink, err);
	}
	return rc;
}

/* The part of `end` that lies in from..to-1 of the disk; false if there is none. */
static bool part_of(struct range *out, const struct end *end, uint64_t from, uint64_t to)
{
	from = max_u64(from, end->off);
	to = min_u64(to, end->off + end->len);
	*out = (struct range){ from, from < to ? to - from : 0 };
	return out->len > 0;
}

/* Write what was held back of from..to-1. */
static int write_held(struct writer *w, uint64_t from, uint64_t to, struct err *err)
{
	const struct end *const ends[] = { &w->head, &w->tail };
	int rc = 0;

	for (size_t i = 0; i < 2 && !rc; i++) {
		struct range r;

		if (part_of(&r, ends[i], from, to))
			rc = device_write(w->dev, ends[i]->bytes + (r.off - ends[i]->off), (size_t)r.len, r.off, err);
	}
	return rc;
}

/* Compare from..to-1 on the disk with what was held back. */
static int check_held(struct writer *w, uint64_t from, uint64_t to, struct err *err)
{
	const struct end *const ends[] = { &w->head, &w->tail };

	for (size_t i = 0; i < 2; i++) {
		struct range r;

		if (!part_of(&r, ends[i], from, to))
			continue;
		int rc = device_read(w->dev, w->chunk, (size_t)r.len, r.off, err);
		if (rc)
			return rc;
		if (memcmp(w->chunk, ends[i]->bytes + (r.off - ends[i]->off), (size_t)r.len) != 0)
			return err_set(err, -EIO,
				       "disk %s: byte %" PRIu64 " and what follows do not read back as written",
				       w->dev->name, r.off);
	}
	return 0;
}

/* Nobody knows what of the ends arrived. */
static void blank_again(struct writer *w, struct err *err)
{
	struct err ignored = { 0 };
	int rc = blank_end(w, &w->head, &ignored);

	if (!rc)
		rc = blank_end(w, &w->tail, &ignored);
	if (!rc)
		rc = device_flush(w->dev, &ignored);
	if (rc)
		err_wrap(err, "THE DISK MAY BE BOOTABLE, it could not be blanked again");
}

static int write_labels(struct writer *w, struct err *err)
{
	uint64_t end = w->header->disk_bytes;
	uint64_t backup = max_u64(end - min_u64(end, BACKUP_BYTES), BOOT_BYTES);
	int rc = write_held(w, LABEL_BYTES, backup, err);

	if (!rc)
		rc = device_flush(w->dev, err);
	if (!rc)
		rc = write_held(w, BOOT_BYTES, LABEL_BYTES, err);
	if (!rc)
		rc = write_held(w, backup, end, err);
	if (!rc)
		rc = device_flush(w->dev, err);
	return rc ? rc : check_held(w, BOOT_BYTES, end, err);
}

static int write_boot(struct writer *w, struct err *err)
{
	int rc = write_held(w, 0, BOOT_BYTES, err);

	if (!rc)
		rc = device_flush(w->dev, err);
	return rc ? rc : check_held(w, 0, BOOT_BYTES, err);
}

static int commit(struct writer *w, struct err *err)
{
	int rc = write_labels(w, err);

	if (!rc)
		rc = write_boot(w, err);
	if (rc)
		blank_again(w, err);
	return rc;
}

int write_image(const struct write_options *options, struct err *err)
{
	CLEANUP(writer_done) struct writer w = { 0 };
	int rc = writer_init(&w, options, err);

	if (!rc)
		rc = blank(&w, err);
	if (!rc)
		rc = write_body(&w, err);
	if (rc)
		return rc;
	progress_mark(w.progress, "last byte", "everything is written but what makes it bootable");
	progress_set_phase(w.progress, PHASE_COMMIT);
	rc = commit(&w, err);
	if (rc)
		return rc;
	progress_mark(w.progress, "commit", "flushed, read back, bootable");
	return 0;
}
