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
 * 2. Every chunk between the ends, checked, in order (pipeline.h: in a thread of its own; this one waits for its end).
 *    A blank disk. The next run finds the chunks that are right and goes on behind them.
 * 3. The ends without their labels (LABEL_BYTES, BACKUP_BYTES); flush, which is the body's, too; read back.
 *    A blank disk: no boot sector, no partition table, no descriptor.
 * 4. The labels, but for the boot sectors (BOOT_BYTES); flush; read back.
 *    A disk that nothing boots. Firmware that overlooks the missing MBR and takes the backup GPT finds a whole image.
 * 5. The boot sectors; flush; read back.
 *    The same, or the bootable image.
 *
 * Of several disks all go through step 1 before the first goes on, then each through steps 2 and 3, then all through 4,
 * and all through 5; in each of them the disk that the machine boots from is the last. So nothing boots from any disk
 * before everything but boot sectors is on all of them, and nothing from the boot disk before all others are finished.
 *
 * A failure in steps 3 to 5 blanks the ends of all disks again: what cannot be read back must not boot.
 */
#include "write.h"

#include "bytes.h"
#include "cleanup.h"
#include "pipeline.h"

#include <assert.h>
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

/* A piece of an image that is held back: one of its ends, or of these what is written last. */
struct held {
	uint64_t off;
	size_t len; /* 0: the image is so short that the piece before it is all there is */
	uint8_t *bytes;
};

/* One disk on its way. */
struct disk_write {
	struct device *dev;
	struct index *index;
	const struct index_header *header;
	const struct chunk_source *source;
	struct held ends[2];   /* their bytes are the writer's, which all disks use in turn */
	struct held labels[2]; /* the outer parts of the ends, kept to the last */
	uint64_t next_off;     /* what comes next belongs here: everything before has been placed, or was there */
};

struct writer {
	struct disk_write *disks;
	size_t count;
	struct progress *progress;
	const atomic_bool *stop;
	struct pipeline *pipeline;
	uint8_t *chunk; /* room for the largest, and for END_BYTES */
	uint8_t *ends[2];
	struct disk_write *at; /* the disk whose body is being written */
};

static void writer_done(struct writer *w)
{
	for (size_t i = 0; w->disks && i < w->count; i++)
		for (size_t j = 0; j < 2; j++)
			free(w->disks[i].labels[j].bytes);
	free(w->disks);
	pipeline_free(&w->pipeline);
	free(w->chunk);
	free(w->ends[0]);
	free(w->ends[1]);
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The first `head` bytes of an image, and of what is left the last `tail`. */
static void cut_ends(struct held out[static 2], uint64_t disk_bytes, size_t head, size_t tail)
{
	out[0].off = 0;
	out[0].len = (size_t)min_u64(head, disk_bytes);
	out[1].len = (size_t)min_u64(tail, disk_bytes - out[0].len);
	out[1].off = disk_bytes - out[1].len;
}

static int disk_init(struct disk_write *d, const struct write_disk *disk, const struct writer *w, struct err *err)
{
	d->dev = disk->dev;
	d->index = disk->index;
	d->header = index_get_header(disk->index);
	d->source = &disk->source;
	cut_ends(d->ends, d->header->disk_bytes, END_BYTES, END_BYTES);
	cut_ends(d->labels, d->header->disk_bytes, LABEL_BYTES, BACKUP_BYTES);
	for (size_t i = 0; i < 2; i++)
		d->ends[i].bytes = w->ends[i];
	d->labels[0].bytes = device_buffer(LABEL_BYTES);
	d->labels[1].bytes = device_buffer(BACKUP_BYTES);
	return d->labels[0].bytes && d->labels[1].bytes ? 0 : err_set(err, -ENOMEM, "write: out of memory");
}

/* Everything that takes memory happens here, before any disk is touched. */
static int writer_init(struct writer *w, const struct write_options *o, struct err *err)
{
	struct pipeline_options pipeline = { .progress = o->progress, .stop = o->stop };
	size_t room;

	for (size_t i = 0; i < o->count; i++)
		pipeline.chunk_bytes_max =
			(uint32_t)max_u64(pipeline.chunk_bytes_max, index_get_header(o->disks[i].index)->chunk_bytes);
	room = (size_t)max_u64(pipeline.chunk_bytes_max, END_BYTES);
	*w = (struct writer){
		.disks = calloc(o->count, sizeof(*w->disks)),
		.count = o->count,
		.progress = o->progress,
		.stop = o->stop,
		.chunk = device_buffer(room),
		.ends = { device_buffer(END_BYTES), device_buffer(END_BYTES) },
	};
	if (!w->disks || !w->chunk || !w->ends[0] || !w->ends[1])
		return err_set(err, -ENOMEM, "write: out of memory");
	for (size_t i = 0; i < o->count; i++)
		if (disk_init(&w->disks[i], &o->disks[i], w, err) != 0)
			return err->code;
	return pipeline_new(&w->pipeline, &pipeline, err);
}

struct range {
	uint64_t off;
	uint64_t len;
};

/* Really written, not discarded or deallocated: for these few bytes there is no reason to trust anything but a write.
 */
static int blank_range(struct writer *w, const struct disk_write *d, const struct range *r, struct err *err)
{
	memset(w->chunk, 0, (size_t)r->len);
	return device_write(d->dev, w->chunk, (size_t)r->len, r->off, err);
}

static int check_blank(struct writer *w, const struct disk_write *d, const struct range *r, struct err *err)
{
	int rc = device_read(d->dev, w->chunk, (size_t)r->len, r->off, err);

	if (rc)
		return rc;
	if (bytes_are_zero(w->chunk, (size_t)r->len))
		return 0;
	return err_set(err, -EIO, "disk %s: byte %" PRIu64 " and what follows do not read back as the zeros written",
		       d->dev->name, r->off);
}

static int blank(struct writer *w, const struct disk_write *d, struct err *err)
{
	struct range ranges[3 + sizeof(btrfs_copies) / sizeof(btrfs_copies[0])];
	uint64_t disk_bytes = d->dev->bytes, end_bytes = min_u64(END_BYTES, disk_bytes);
	size_t count = 0;

	ranges[count++] = (struct range){ 0, end_bytes };
	ranges[count++] = (struct range){ disk_bytes - end_bytes, end_bytes };
	if (d->ends[1].len)
		ranges[count++] = (struct range){ d->ends[1].off, d->ends[1].len };
	for (size_t i = 0; i < sizeof(btrfs_copies) / sizeof(btrfs_copies[0]); i++)
		if (btrfs_copies[i] >= d->header->disk_bytes && btrfs_copies[i] + BTRFS_COPY_BYTES <= disk_bytes)
			ranges[count++] = (struct range){ btrfs_copies[i], BTRFS_COPY_BYTES };
	int rc = 0;
	for (size_t i = 0; i < count && !rc; i++)
		rc = blank_range(w, d, &ranges[i], err);
	if (!rc)
		rc = device_flush(d->dev, err);
	for (size_t i = 0; i < count && !rc; i++)
		rc = check_blank(w, d, &ranges[i], err);
	return rc ? err_wrap(err, "make the disk unbootable first") : 0;
}

/* Keep what of the bytes at `off` belongs to an end. `bytes` is NULL for zeros. */
static void hold_back(struct held *end, const uint8_t *bytes, uint64_t off, uint64_t len)
{
	uint64_t from = max_u64(off, end->off), to = min_u64(off + len, end->off + end->len);

	if (from >= to)
		return;
	if (bytes)
		memcpy(end->bytes + (from - end->off), bytes + (from - off), (size_t)(to - from));
	else
		memset(end->bytes + (from - end->off), 0, (size_t)(to - from));
}

/*
 * Checked bytes go to their place: the ends to memory, the rest to the disk. Called by the pipeline in its own thread,
 * while this one waits.
 */
static int place(void *ctx, const uint8_t *bytes, uint64_t len, uint64_t off, struct err *err)
{
	struct disk_write *d = ctx;
	uint64_t from = max_u64(off, d->ends[0].len), to = min_u64(off + len, d->ends[1].off);
	int rc = 0;

	assert(off == d->next_off);
	hold_back(&d->ends[0], bytes, off, len);
	hold_back(&d->ends[1], bytes, off, len);
	if (from < to)
		rc = bytes ? device_write(d->dev, bytes + (from - off), (size_t)(to - from), from, err)
			   : device_zero(d->dev, to - from, from, err);
	if (!rc)
		d->next_off = off + len;
	return rc;
}

/* Whether the disk already holds chunk `nr`. A disk that cannot be read here is left to the write to fail or to heal. */
static bool is_there(struct writer *w, uint64_t nr, const struct index_entry *entry)
{
	uint32_t len = index_chunk_bytes(w->at->header, nr);
	struct err ignored = { 0 };

	return device_read(w->at->dev, w->chunk, len, nr * w->at->header->chunk_bytes, &ignored) == 0 &&
	       digest_is_of(entry->digest, w->chunk, len);
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
	/* Chunks that reach into the tail are always fetched. */
	uint64_t end = w->at->ends[1].off / w->at->header->chunk_bytes;
	struct index_entry entry;
	uint64_t bytes = 0;
	struct err ignored;

	*out = (struct resume){ .nr = first };
	for (uint64_t nr = first; nr < end; nr++) {
		if (w->stop && atomic_load(w->stop))
			return err_set(err, -ECANCELED, "interrupted");
		/* An index that cannot be read just now is left to the fetch, which tries again. */
		if (index_get_entry(w->at->index, &entry, nr, &ignored) != 0 || !is_there(w, nr, &entry))
			break;
		bytes += entry.frame_bytes;
		if (entry.kind == CHUNK_DATA)
			*out = (struct resume){ .nr = nr + 1, .bytes = bytes };
	}
	return 0;
}

/* Returns when everything is in its place, or nothing of it is on its way any more. */
static int fetch(struct disk_write *d, uint64_t first, uint64_t end, const struct chunk_sink *sink, struct err *err)
{
	struct err failed = { 0 };
	uint64_t nr;

	d->next_off = first * d->header->chunk_bytes;
	int rc = d->source->fetch(d->source->ctx, first, end, sink, err);
	/* Whatever the source did: nothing may be written after this. */
	if (sink->settle(sink->ctx, &nr, &failed) != 0 && !rc) {
		*err = failed;
		rc = err->code;
	}
	assert(rc || d->next_off == min_u64(end * d->header->chunk_bytes, d->header->disk_bytes));
	return rc;
}

static int write_body(struct writer *w, struct err *err)
{
	struct disk_write *d = w->at;
	struct pipeline_target target = { .header = d->header, .place = place, .ctx = d };
	struct chunk_sink sink = pipeline_begin(w->pipeline, &target);
	uint64_t head_chunks = (d->ends[0].len - 1) / d->header->chunk_bytes + 1;
	uint64_t chunk_count = d->header->chunk_count;
	struct resume resume;
	int rc = find_resume(&resume, w, head_chunks, err);

	if (rc)
		return rc;
	if (resume.nr == head_chunks)
		return fetch(d, 0, chunk_count, &sink, err);
	progress_mark(w->progress, "resume", "%" PRIu64 " of %" PRIu64 " chunks are already on the disk",
		      resume.nr - head_chunks, chunk_count);
	rc = fetch(d, 0, head_chunks, &sink, err);
	if (rc)
		return rc;
	progress_skip(w->progress, resume.bytes);
	return fetch(d, resume.nr, chunk_count, &sink, err);
}

/* The part of `held` that lies in from..to-1 of the disk; false if there is none. */
static bool part_of(struct range *out, const struct held *held, uint64_t from, uint64_t to)
{
	from = max_u64(from, held->off);
	to = min_u64(to, held->off + held->len);
	*out = (struct range){ from, from < to ? to - from : 0 };
	return out->len > 0;
}

/* Write what is held of from..to-1. */
static int write_held(const struct disk_write *d, const struct held held[static 2], uint64_t from, uint64_t to,
		      struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < 2 && !rc; i++) {
		struct range r;

		if (part_of(&r, &held[i], from, to))
			rc = device_write(d->dev, held[i].bytes + (r.off - held[i].off), (size_t)r.len, r.off, err);
	}
	return rc;
}

/* Compare from..to-1 on the disk with what is held. */
static int check_held(struct writer *w, const struct disk_write *d, const struct held held[static 2], uint64_t from,
		      uint64_t to, struct err *err)
{
	for (size_t i = 0; i < 2; i++) {
		struct range r;

		if (!part_of(&r, &held[i], from, to))
			continue;
		int rc = device_read(d->dev, w->chunk, (size_t)r.len, r.off, err);
		if (rc)
			return rc;
		if (memcmp(w->chunk, held[i].bytes + (r.off - held[i].off), (size_t)r.len) != 0)
			return err_set(err, -EIO,
				       "disk %s: byte %" PRIu64 " and what follows do not read back as written",
				       d->dev->name, r.off);
	}
	return 0;
}

/* Keep the labels, since the next disk's ends come to where these ones are. */
static void keep_labels(struct disk_write *d)
{
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < 2; j++) {
			struct range r;

			if (part_of(&r, &d->ends[j], d->labels[i].off, d->labels[i].off + d->labels[i].len))
				memcpy(d->labels[i].bytes + (r.off - d->labels[i].off),
				       d->ends[j].bytes + (r.off - d->ends[j].off), (size_t)r.len);
		}
}

/* Step 3. */
static int write_ends(struct writer *w, struct disk_write *d, struct err *err)
{
	uint64_t from = d->labels[0].len, to = d->labels[1].off;
	int rc = write_held(d, d->ends, from, to, err);

	if (!rc)
		rc = device_flush(d->dev, err);
	if (!rc)
		rc = check_held(w, d, d->ends, from, to, err);
	keep_labels(d);
	return rc;
}

/* Step 4. */
static int write_labels(struct writer *w, struct disk_write *d, struct err *err)
{
	int rc = write_held(d, d->labels, BOOT_BYTES, d->header->disk_bytes, err);

	if (!rc)
		rc = device_flush(d->dev, err);
	return rc ? rc : check_held(w, d, d->labels, BOOT_BYTES, d->header->disk_bytes, err);
}

/* Step 5. */
static int write_boot(struct writer *w, struct disk_write *d, struct err *err)
{
	int rc = write_held(d, d->labels, 0, BOOT_BYTES, err);

	if (!rc)
		rc = device_flush(d->dev, err);
	return rc ? rc : check_held(w, d, d->labels, 0, BOOT_BYTES, err);
}

/* Nobody knows what of the ends arrived. */
static void blank_again(struct writer *w, struct err *err)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct disk_write *d = &w->disks[i];
		struct err ignored = { 0 };
		int rc = 0;

		for (size_t j = 0; j < 2 && !rc; j++) {
			struct range r = { d->ends[j].off, d->ends[j].len };

			rc = r.len ? blank_range(w, d, &r, &ignored) : 0;
		}
		if (!rc)
			rc = device_flush(d->dev, &ignored);
		if (rc)
			err_wrap(err, "DISK %s MAY BE BOOTABLE, it could not be blanked again", d->dev->name);
	}
}

/* A step of all disks, the boot disk's last. */
static int each_disk(struct writer *w, int (*step)(struct writer *w, struct disk_write *d, struct err *err),
		     struct err *err)
{
	int rc = 0;

	for (size_t i = w->count; i-- > 0 && !rc;)
		rc = step(w, &w->disks[i], err);
	return rc;
}

static int write_content(struct writer *w, struct disk_write *d, struct err *err)
{
	w->at = d;
	int rc = write_body(w, err);
	if (rc)
		return w->count > 1 ? err_wrap(err, "for disk %s", d->dev->name) : rc;
	rc = write_ends(w, d, err);
	if (rc)
		blank_again(w, err);
	return rc;
}

static int commit(struct writer *w, struct err *err)
{
	int rc = each_disk(w, write_labels, err);

	if (!rc)
		rc = each_disk(w, write_boot, err);
	if (rc)
		blank_again(w, err);
	return rc;
}

/* Step 1. From the disk where it fails on, nothing says that the old system is gone. */
static int blank_all(struct writer *w, struct err *err)
{
	size_t i = 0;
	int rc = 0;

	while (i < w->count && !(rc = blank(w, &w->disks[i], err)))
		i++;
	for (; rc && w->count > 1 && i < w->count; i++)
		err_wrap(err, "DISK %s MAY BE BOOTABLE, it was not blanked", w->disks[i].dev->name);
	return rc;
}

int write_images(const struct write_options *options, struct err *err)
{
	CLEANUP(writer_done) struct writer w = { 0 };
	int rc = writer_init(&w, options, err);

	if (!rc)
		rc = blank_all(&w, err);
	if (!rc)
		rc = each_disk(&w, write_content, err);
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
