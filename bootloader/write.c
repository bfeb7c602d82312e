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
 * Where the partition table is made to fit the disk (table_fit.h), the backup GPT, which is then at the end of the disk, is
 * one of the labels. A seed's volume is written with step 3: a power cut leaves a volume that nothing names.
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
#include "seed_volume.h"
#include "table_fit.h"
#include "units.h"
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
	struct held ends[2];             /* their bytes are the writer's, which all disks use in turn */
	struct held labels[2];           /* the outer parts of the ends, kept to the last */
	const struct write_fit *fit;     /* NULL: none */
	struct table_fit_change *change; /* where there is a fit */
	uint64_t written, flushed;       /* bytes of the body, by this run */
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
		free(w->disks[i].change);
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
	d->fit = disk->fit;
	d->change = d->fit ? calloc(1, sizeof(*d->change)) : NULL;
	return d->labels[0].bytes && d->labels[1].bytes && (!d->fit || d->change)
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
	uint32_t sector_bytes = d->fit->sector_bytes;

	if (tail->len >= sector_bytes && memcmp(tail->bytes + tail->len - sector_bytes, "EFI PART", 8) == 0)
		memset(tail->bytes + tail->len - sector_bytes, 0, sector_bytes);
}

static void mark_fit(const struct writer *w, const struct disk_write *d)
{
	char text[UNITS_TEXT];

	if (d->change->grown_bytes)
		progress_mark(w->progress, "table", "disk %s: the last partition has %s now", d->dev->name,
			      units_bytes(text, d->change->grown_bytes));
	else if (d->change->backup_bytes)
		progress_mark(w->progress, "table", "disk %s: the backup GPT is at the end of the disk", d->dev->name);
}

/* In the labels, once they are kept. A table that nobody understands is no reason not to write a disk, unless a seed needs it. */
static int fit_table(const struct writer *w, struct disk_write *d, struct err *err)
{
	struct err why = { 0 };

	if (!d->fit)
		return 0;
	const struct table_fit_disk disk = { .image_bytes = d->header->disk_bytes,
					     .disk_bytes = d->dev->bytes,
					     .sector_bytes = d->fit->sector_bytes,
					     .seed_bytes = d->fit->seed ? SEED_VOLUME_BYTES : 0,
					     .grow = d->fit->grow };
	static_assert(TABLE_FIT_HEAD == LABEL_BYTES, "the labels are the head");
	int rc = table_fit(d->change, d->labels[0].bytes, &disk, &why);
	if (!rc && d->change->backup_bytes)
		drop_backup(d);
	if (!rc)
		mark_fit(w, d);
	else if (d->fit->seed)
		*err = why;
	else
		progress_mark(w->progress, "table", "disk %s: the partition table stays as it is: %s", d->dev->name,
			      why.text);
	return d->fit->seed ? rc : 0;
}

/* What is neither the image's nor in memory but here. `len` 0: nothing. */
struct extra {
	const uint8_t *bytes;
	size_t len;
	uint64_t off;
};

static struct extra seed_of(const struct disk_write *d)
{
	return d->fit && d->fit->seed ? (struct extra){ d->fit->seed, SEED_VOLUME_BYTES, d->change->seed_off }
				      : (struct extra){ 0 };
}

static struct extra backup_of(const struct disk_write *d)
{
	return d->fit ? (struct extra){ d->change->backup, d->change->backup_bytes, d->change->backup_off }
		      : (struct extra){ 0 };
}

static int write_extra(const struct disk_write *d, struct extra extra, struct err *err)
{
	return extra.len ? device_write(d->dev, extra.bytes, extra.len, extra.off, err) : 0;
}

static int check_extra(struct writer *w, const struct disk_write *d, struct extra extra, struct err *err)
{
	int rc = extra.len ? device_read(d->dev, w->buffer, extra.len, extra.off, err) : 0;

	static_assert(SEED_VOLUME_BYTES <= END_BYTES && TABLE_FIT_BACKUP_MAX <= END_BYTES, "the buffer's size");
	if (!rc && extra.len && memcmp(w->buffer, extra.bytes, extra.len) != 0)
		rc = err_set(err, -EIO, "disk %s: byte %" PRIu64 " and what follows do not read back as written",
			     d->dev->name, extra.off);
	return rc;
}

/* Step 3. */
static int write_ends(struct writer *w, struct disk_write *d, struct err *err)
{
	uint64_t from = d->labels[0].len, to = d->labels[1].off;

	keep_labels(d);
	int rc = fit_table(w, d, err);
	if (!rc)
		rc = write_held(d, d->ends, from, to, err);
	if (!rc)
		rc = write_extra(d, seed_of(d), err);
	if (!rc)
		rc = device_flush(d->dev, err);
	if (!rc)
		rc = check_held(w, d, d->ends, from, to, err);
	return rc ? rc : check_extra(w, d, seed_of(d), err);
}

/* Step 4. */
static int write_labels(struct writer *w, struct disk_write *d, struct err *err)
{
	int rc = write_held(d, d->labels, BOOT_BYTES, d->header->disk_bytes, err);

	if (!rc)
		rc = write_extra(d, backup_of(d), err);
	if (!rc)
		rc = device_flush(d->dev, err);
	if (!rc)
		rc = check_held(w, d, d->labels, BOOT_BYTES, d->header->disk_bytes, err);
	return rc ? rc : check_extra(w, d, backup_of(d), err);
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
		for (size_t j = 0; j < 2 && !rc; j++) {
			struct extra extra = j ? seed_of(d) : backup_of(d);
			struct range r = { extra.off, extra.len };

			rc = r.off ? blank_range(w, d, &r, &ignored) : 0;
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
