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
 * 2. What a delta makes of the old content, if one is offered (remote_delta.h); a stash of it lies where zeros will be. Then
 *    every chunk between the ends that is not there already (scan.h), checked (pipeline.h), in about the disk's order,
 *    and flushed now and then, so that a cache that is lost takes little with it.
 *    A blank disk. The next run finds the chunks that are right, wherever they are, and fetches the others.
 * 3. The ends without their labels (LABEL_BYTES, BACKUP_BYTES); flush, which is the body's, too; read back.
 *    A blank disk: no boot sector, no partition table, no descriptor.
 * 4. The labels, but for the boot sectors (BOOT_BYTES); flush; read back.
 *    A disk that nothing boots. Firmware that overlooks the missing MBR and takes the backup GPT finds a whole image.
 * 5. The boot sectors; flush; read back.
 *    The same, or the bootable image.
 *
 * A seed's volume is written with step 3, the partition table that names it, and the backup GPT, which then moves to the end of
 * the disk, with step 4 (seed_partition.h). A power cut leaves a volume that nothing names.
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
#include "labels.h"
#include "pipeline.h"
#include "scan.h"
#include "seed_partition.h"
#include "seed_volume.h"
#include "zero_runs.h"

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

/* By one of these a disk would still be recognised. */
#define BTRFS_COPY_BYTES 4096u

/* The body is flushed when so much of it, and this share of all that was written, is not yet: what a power cut can take
 * then is at most so much. */
#define FLUSH_BYTES (2u << 20)
#define FLUSH_SHARE 32u

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
	struct remote_delta *delta;
	struct held ends[2];   /* their bytes are the writer's, which all disks use in turn */
	struct held labels[2]; /* the outer parts of the ends, kept to the last */
	const uint8_t *seed;   /* NULL: none */
	uint32_t sector_bytes; /* for its partition */
	struct seed_partition *seed_place;
	uint64_t written, flushed; /* bytes of the body, by this run */
	struct write_stats stats;
	struct digest read_back;
	struct zero_runs zeros;
};

struct writer {
	struct disk_write *disks;
	size_t count;
	struct progress *progress;
	enum zeros_policy zeros;
	struct todo *todo;
	struct scan *scan;
	struct pipeline *pipeline;
	uint8_t *buffer; /* END_BYTES */
	uint8_t *ends[2];
};

static void writer_done(struct writer *w)
{
	for (size_t i = 0; w->disks && i < w->count; i++) {
		for (size_t j = 0; j < 2; j++)
			free(w->disks[i].labels[j].bytes);
		free(w->disks[i].seed_place);
	}
	free(w->disks);
	scan_free(&w->scan);
	pipeline_free(&w->pipeline);
	todo_free(&w->todo);
	free(w->buffer);
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
	d->zeros.policy = w->zeros;
	d->dev = disk->dev;
	d->index = disk->index;
	d->header = index_get_header(disk->index);
	d->source = &disk->source;
	d->delta = disk->delta;
	digest_init(&d->read_back);
	cut_ends(d->ends, d->header->disk_bytes, END_BYTES, END_BYTES);
	cut_ends(d->labels, d->header->disk_bytes, LABEL_BYTES, BACKUP_BYTES);
	for (size_t i = 0; i < 2; i++)
		d->ends[i].bytes = w->ends[i];
	d->labels[0].bytes = device_buffer(LABEL_BYTES);
	d->labels[1].bytes = device_buffer(BACKUP_BYTES);
	d->seed = disk->seed;
	d->sector_bytes = disk->sector_bytes;
	d->seed_place = d->seed ? calloc(1, sizeof(*d->seed_place)) : NULL;
	return d->labels[0].bytes && d->labels[1].bytes && (!d->seed || d->seed_place)
		       ? 0
		       : err_set(err, -ENOMEM, "write: out of memory");
}

/* What goes on beside this thread: fetching, checking, looking, placing. */
static int start_parts(struct writer *w, const struct write_options *o, struct err *err)
{
	struct pipeline_options pipeline = { .progress = o->progress, .stop = o->stop };
	uint64_t chunk_count_max = 0;

	for (size_t i = 0; i < o->count; i++) {
		const struct index_header *h = index_get_header(o->disks[i].index);

		chunk_count_max = max_u64(chunk_count_max, h->chunk_count);
		pipeline.chunk_bytes_max = (uint32_t)max_u64(pipeline.chunk_bytes_max, h->chunk_bytes);
	}
	w->todo = todo_new(chunk_count_max, o->stop);
	if (!w->todo)
		return err_set(err, -ENOMEM, "write: out of memory");
	int rc = pipeline_new(&w->pipeline, &pipeline, err);
	return rc ? rc : scan_new(&w->scan, pipeline.chunk_bytes_max, o->progress, err);
}

/* Everything that takes memory happens here, before any disk is touched. */
static int writer_init(struct writer *w, const struct write_options *o, struct err *err)
{
	*w = (struct writer){
		.disks = calloc(o->count, sizeof(*w->disks)),
		.count = o->count,
		.progress = o->progress,
		.zeros = o->zeros,
		.buffer = device_buffer(END_BYTES),
		.ends = { device_buffer(END_BYTES), device_buffer(END_BYTES) },
	};
	if (!w->disks || !w->buffer || !w->ends[0] || !w->ends[1])
		return err_set(err, -ENOMEM, "write: out of memory");
	for (size_t i = 0; i < o->count; i++)
		if (disk_init(&w->disks[i], &o->disks[i], w, err) != 0)
			return err->code;
	return start_parts(w, o, err);
}

struct range {
	uint64_t off;
	uint64_t len;
};

/* Really written, not discarded or deallocated: for these few bytes there is no reason to trust anything but a write.
 */
static int blank_range(struct writer *w, const struct disk_write *d, const struct range *r, struct err *err)
{
	memset(w->buffer, 0, (size_t)r->len);
	return device_write(d->dev, w->buffer, (size_t)r->len, r->off, err);
}

static int check_blank(struct writer *w, const struct disk_write *d, const struct range *r, struct err *err)
{
	int rc = device_read(d->dev, w->buffer, (size_t)r->len, r->off, err);

	if (rc)
		return rc;
	if (bytes_are_zero(w->buffer, (size_t)r->len))
		return 0;
	return err_set(err, -EIO, "disk %s: byte %" PRIu64 " and what follows do not read back as the zeros written",
		       d->dev->name, r->off);
}

static int blank(struct writer *w, const struct disk_write *d, struct err *err)
{
	struct range ranges[3 + LABELS_BTRFS_COPIES];
	uint64_t disk_bytes = d->dev->bytes, end_bytes = min_u64(END_BYTES, disk_bytes);
	size_t count = 0;

	ranges[count++] = (struct range){ 0, end_bytes };
	ranges[count++] = (struct range){ disk_bytes - end_bytes, end_bytes };
	if (d->ends[1].len)
		ranges[count++] = (struct range){ d->ends[1].off, d->ends[1].len };
	for (size_t i = 0; i < LABELS_BTRFS_COPIES; i++) {
		uint64_t copy = labels_btrfs_copies[i];

		if (copy >= d->header->disk_bytes && copy + BTRFS_COPY_BYTES <= disk_bytes)
			ranges[count++] = (struct range){ copy, BTRFS_COPY_BYTES };
	}
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

/* A cache that is lost with the power must not take more with it than the next run can fetch in no time. */
static int flush_sometimes(struct disk_write *d, uint64_t len, struct err *err)
{
	d->written += len;
	uint64_t open = d->written - d->flushed;
	if (open < FLUSH_BYTES || open < d->written / FLUSH_SHARE)
		return 0;
	d->flushed = d->written;
	return device_flush(d->dev, err);
}

/*
 * Checked bytes go to their place: the ends to memory, the rest to the disk. Called by the pipeline in its own thread,
 * while this one waits.
 */
static int place(void *ctx, const uint8_t *bytes, uint64_t len, uint64_t off, struct err *err)
{
	struct disk_write *d = ctx;
	uint64_t from = max_u64(off, d->ends[0].len), to = min_u64(off + len, d->ends[1].off);

	hold_back(&d->ends[0], bytes, off, len);
	hold_back(&d->ends[1], bytes, off, len);
	if (from >= to)
		return 0;
	if (!bytes)
		return zero_runs_place(&d->zeros, d->dev, from, to, err);
	int rc = device_write(d->dev, bytes + (from - off), (size_t)(to - from), from, err);
	return rc ? rc : flush_sometimes(d, to - from, err);
}

/* How many chunks the image's first end is in. */
static uint64_t count_head_chunks(const struct disk_write *d)
{
	return (d->ends[0].len - 1) / d->header->chunk_bytes + 1;
}

/* The chunks between the ends: those that reach into these are always fetched. */
static void find_body(uint64_t *first, uint64_t *end, const struct disk_write *d)
{
	*first = count_head_chunks(d);
	*end = max_u64(d->ends[1].off / d->header->chunk_bytes, *first);
}

/* Before anything else is written: then the disk still holds what chunks can be made of. */
static int use_delta(struct disk_write *d, struct err *err)
{
	struct delta_target target = { .dev = d->dev, .index = d->index };

	find_body(&target.first, &target.end, d);
	return remote_delta_apply(d->delta, &target, err);
}

/* Which chunks are there already is found out while others are fetched. */
static void begin_scan(struct writer *w, const struct disk_write *d)
{
	struct scan_range range = { .dev = d->dev, .index = d->index, .todo = w->todo };

	find_body(&range.first, &range.end, d);
	scan_begin(w->scan, &range);
}

/* The chunks that the first end is in, and no others: what the partition table says must be known before anything is left
 * as it is. */
static int fetch_head(struct writer *w, struct disk_write *d, struct err *err)
{
	todo_begin(w->todo, count_head_chunks(d));
	todo_decided(w->todo, count_head_chunks(d));
	int rc = d->source->fetch(d->source->ctx, w->todo, w->pipeline, err);

	pipeline_drain(w->pipeline);
	if (!rc)
		d->zeros.knows_labels =
			labels_read(&d->zeros.labels, d->ends[0].bytes, d->ends[0].len, d->header->disk_bytes);
	return rc;
}

static int write_body(struct writer *w, struct disk_write *d, struct err *err)
{
	struct pipeline_target target = { .header = d->header, .todo = w->todo, .place = place, .ctx = d };

	/* A delta's stash lies where the image has zeros, which only one policy makes of it again. */
	bool head_first = w->zeros != ZEROS_ZERO;

	pipeline_begin(w->pipeline, &target);
	int rc = head_first ? fetch_head(w, d, err) : use_delta(d, err);
	if (rc)
		return rc;
	todo_begin(w->todo, d->header->chunk_count);
	if (head_first)
		todo_done(w->todo, 0, count_head_chunks(d));
	begin_scan(w, d);
	rc = d->source->fetch(d->source->ctx, w->todo, w->pipeline, err);
	/* Whatever the source did: nothing may be read or written after this. */
	uint64_t found = scan_finish(w->scan);
	pipeline_drain(w->pipeline);
	d->stats.fetched_bytes = pipeline_fetched_bytes(w->pipeline) + remote_delta_fetched_bytes(d->delta);
	/* The image's last chunk, which may be shorter, is not looked for: it reaches into an end. */
	d->stats.found_bytes = found * d->header->chunk_bytes;
	assert(rc || todo_left(w->todo) == 0);
	if (!rc && found)
		progress_mark(w->progress, "resume", "%" PRIu64 " of %" PRIu64 " chunks were already on the disk",
			      found, d->header->chunk_count);
	return rc;
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
static int write_held(struct disk_write *d, const struct held held[static 2], uint64_t from, uint64_t to,
		      struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < 2 && !rc; i++) {
		struct range r;

		if (!part_of(&r, &held[i], from, to))
			continue;
		rc = device_write(d->dev, held[i].bytes + (r.off - held[i].off), (size_t)r.len, r.off, err);
		d->stats.written_bytes += r.len;
	}
	return rc;
}

/* Compare from..to-1 on the disk with what is held. */
static int check_held(struct writer *w, struct disk_write *d, const struct held held[static 2], uint64_t from,
		      uint64_t to, struct err *err)
{
	for (size_t i = 0; i < 2; i++) {
		struct range r;

		if (!part_of(&r, &held[i], from, to))
			continue;
		int rc = device_read(d->dev, w->buffer, (size_t)r.len, r.off, err);
		if (rc)
			return rc;
		digest_add(&d->read_back, w->buffer, (size_t)r.len);
		d->stats.read_back_bytes += r.len;
		if (memcmp(w->buffer, held[i].bytes + (r.off - held[i].off), (size_t)r.len) != 0)
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

/* The image's own backup GPT is where none belongs any more. */
static void drop_backup(const struct disk_write *d)
{
	const struct held *tail = &d->labels[1];

	if (tail->len >= d->sector_bytes && memcmp(tail->bytes + tail->len - d->sector_bytes, "EFI PART", 8) == 0)
		memset(tail->bytes + tail->len - d->sector_bytes, 0, d->sector_bytes);
}

/* Into the labels, once they are kept. */
static int place_seed(struct disk_write *d, struct err *err)
{
	const struct seed_partition_disk disk = { .image_bytes = d->header->disk_bytes,
						  .disk_bytes = d->dev->bytes,
						  .sector_bytes = d->sector_bytes,
						  .need_bytes = SEED_VOLUME_BYTES };

	if (!d->seed)
		return 0;
	static_assert(SEED_PARTITION_HEAD == LABEL_BYTES, "the labels are the head");
	int rc = seed_partition_add(d->seed_place, d->labels[0].bytes, &disk, err);
	if (!rc && d->seed_place->backup_bytes)
		drop_backup(d);
	return rc;
}

static int check_bytes(struct writer *w, const struct disk_write *d, const uint8_t *bytes, size_t len, uint64_t off,
		       struct err *err)
{
	int rc = device_read(d->dev, w->buffer, len, off, err);

	if (!rc && memcmp(w->buffer, bytes, len) != 0)
		rc = err_set(err, -EIO, "disk %s: byte %" PRIu64 " and what follows do not read back as written",
			     d->dev->name, off);
	return rc;
}

static int write_seed(const struct disk_write *d, struct err *err)
{
	return d->seed ? device_write(d->dev, d->seed, SEED_VOLUME_BYTES, d->seed_place->off, err) : 0;
}

static int check_seed(struct writer *w, const struct disk_write *d, struct err *err)
{
	static_assert(SEED_VOLUME_BYTES <= END_BYTES, "the buffer's size");
	return d->seed ? check_bytes(w, d, d->seed, SEED_VOLUME_BYTES, d->seed_place->off, err) : 0;
}

static int write_backup(const struct disk_write *d, struct err *err)
{
	const struct seed_partition *place = d->seed_place;

	return d->seed && place->backup_bytes
		       ? device_write(d->dev, place->backup, place->backup_bytes, place->backup_off, err)
		       : 0;
}

static int check_backup(struct writer *w, const struct disk_write *d, struct err *err)
{
	const struct seed_partition *place = d->seed_place;

	return d->seed && place->backup_bytes
		       ? check_bytes(w, d, place->backup, place->backup_bytes, place->backup_off, err)
		       : 0;
}

/* Step 3. */
static int write_ends(struct writer *w, struct disk_write *d, struct err *err)
{
	uint64_t from = d->labels[0].len, to = d->labels[1].off;

	keep_labels(d);
	int rc = place_seed(d, err);
	if (!rc)
		rc = write_held(d, d->ends, from, to, err);
	if (!rc)
		rc = write_seed(d, err);
	if (!rc)
		rc = device_flush(d->dev, err);
	if (!rc)
		rc = check_held(w, d, d->ends, from, to, err);
	return rc ? rc : check_seed(w, d, err);
}

/* Step 4. */
static int write_labels(struct writer *w, struct disk_write *d, struct err *err)
{
	int rc = write_held(d, d->labels, BOOT_BYTES, d->header->disk_bytes, err);

	if (!rc)
		rc = write_backup(d, err);
	if (!rc)
		rc = device_flush(d->dev, err);
	if (!rc)
		rc = check_held(w, d, d->labels, BOOT_BYTES, d->header->disk_bytes, err);
	return rc ? rc : check_backup(w, d, err);
}

/* Step 5. */
static int write_boot(struct writer *w, struct disk_write *d, struct err *err)
{
	int rc = write_held(d, d->labels, 0, BOOT_BYTES, err);

	if (!rc)
		rc = device_flush(d->dev, err);
	return rc ? rc : check_held(w, d, d->labels, 0, BOOT_BYTES, err);
}

/* Its place is known once the labels are. */
static int blank_seed(struct writer *w, const struct disk_write *d, struct err *err)
{
	struct range r = { d->seed_place->off, SEED_VOLUME_BYTES };

	return r.off ? blank_range(w, d, &r, err) : 0;
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
		if (!rc && d->seed) {
			/* With its backup GPT; what it is about is not to be left either. */
			struct range r = { d->dev->bytes - END_BYTES, END_BYTES };

			rc = blank_range(w, d, &r, &ignored);
			if (!rc)
				rc = blank_seed(w, d, &ignored);
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
	int rc = write_body(w, d, err);
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

static void tell_stats(const struct write_disk *out, struct disk_write *d)
{
	if (!out->stats)
		return;
	d->stats.written_bytes += d->written;
	digest_final(&d->read_back, d->stats.read_back_digest);
	*out->stats = d->stats;
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
	for (size_t i = 0; options->left_bytes && i < w.count; i++)
		*options->left_bytes += w.disks[i].zeros.left_bytes;
	for (size_t i = 0; i < w.count; i++)
		tell_stats(&options->disks[i], &w.disks[i]);
	return 0;
}
