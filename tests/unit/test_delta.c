/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maker and applier together: whatever the two images and wherever the power goes. */
#include "bytes.h"
#include "cleanup.h"
#include "delta.h"
#include "delta_apply.h"
#include "delta_maker.h"
#include "device_memory.h"
#include "folder.h"
#include "image_reader.h"
#include "image_writer.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK      65536u
#define CHUNKS     96u
#define DISK_BYTES (CHUNKS * CHUNK)
#define FIRST      16u /* behind the first MiB */
#define END        (CHUNKS - 16u)

static char folder[64] = "/tmp/vmcast-delta.XXXXXX";
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

static void noise(uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)draw(256);
}

struct image {
	uint8_t raw[DISK_BYTES];
	char path[128];
	struct store_image made;
};

static struct image old, new;

static void make_image(struct image *im, const char *name)
{
	CLEANUP(image_writer_close) struct image_writer *w = NULL;
	struct err err = { 0 };
	uint8_t *buf;

	snprintf(im->path, sizeof(im->path), "%s/%s", folder, name);
	folder_remove(im->path, &err);
	mkdir(im->path, 0755);
	struct image_options options = { .folder = im->path, .chunk_bytes = CHUNK, .level = 1 };
	int rc = image_writer_open(&w, &options, &err);
	for (size_t nr = 0; !rc && nr < CHUNKS; nr++) {
		rc = image_writer_next(w, &buf, &err);
		if (rc)
			break;
		memcpy(buf, im->raw + nr * CHUNK, CHUNK);
		rc = image_writer_put(w, CHUNK, &err);
	}
	if (!rc)
		rc = image_writer_finish(w, &im->made, &err);
	if (rc)
		printf("# %s\n", err.text);
}

/* A delta in memory. */
struct text {
	uint8_t *bytes;
	size_t len;
};

static bool make_delta(struct text *out, struct delta_made *made)
{
	char path[128];
	struct delta_options options = { .old_folder = old.path,
					 .old_id = old.made.id,
					 .new_folder = new.path,
					 .new_id = new.made.id,
					 .path = path,
					 .bytes_max = UINT64_MAX };
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/delta", folder);
	if (delta_make(made, &options, &err)) {
		printf("# %s\n", err.text);
		return false;
	}
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	out->len = made->bytes;
	out->bytes = malloc(out->len);
	return fread(out->bytes, 1, out->len, file) == out->len;
}

static int read_index(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	const struct text *text = ctx;

	(void)err;
	memcpy(buf, text->bytes + off, len);
	return 0;
}

struct outcome {
	unsigned made, failed;
	int rc;
};

/* All records of a delta, as far as they can be read. */
static struct outcome apply(struct device *dev, struct index *index, const struct text *delta)
{
	const struct index_header *h = index_get_header(index);
	struct delta_target target = { .dev = dev, .index = index, .first = FIRST, .end = END };
	CLEANUP(delta_apply_free) struct delta_apply *a = NULL;
	struct outcome outcome = { 0 };
	struct delta_header header;
	struct err err = { 0 }, why = { 0 };
	uint64_t at, payload = DELTA_HEADER_BYTES;

	if (delta_header_parse(&header, delta->bytes, &err) || header.records_off > delta->len ||
	    delta_apply_new(&a, h, &err))
		return outcome;
	delta_apply_begin(a, &target);
	at = header.records_off;
	for (uint64_t i = 0; i < header.record_count && outcome.rc >= 0; i++) {
		struct delta_step step;

		if (delta->len - at < DELTA_RECORD_BYTES ||
		    delta_record_parse(&step.record, delta->bytes + at, h, &err))
			break;
		step.ranges = delta->bytes + at + DELTA_RECORD_BYTES;
		step.payload = delta->bytes + payload;
		at += DELTA_RECORD_BYTES + step.record.range_count * (uint64_t)DELTA_RANGE_BYTES;
		payload += step.record.payload_bytes;
		if (at > delta->len || payload > header.records_off)
			break;
		if (delta_apply_is_done(a, &step.record))
			continue;
		outcome.rc = delta_apply_step(a, &step, &why, &err);
		outcome.made += outcome.rc > 0;
		outcome.failed += outcome.rc == 0;
	}
	if (outcome.rc >= 0)
		outcome.rc = delta_apply_end(a, &err);
	return outcome;
}

/* Whether every chunk of data between the ends is the new image's. */
static bool is_new(const uint8_t *disk)
{
	for (size_t nr = FIRST; nr < END; nr++) {
		const uint8_t *want = new.raw + nr *CHUNK;

		if (!bytes_are_zero(want, CHUNK) && memcmp(disk + nr * CHUNK, want, CHUNK) != 0)
			return false;
	}
	return true;
}

static void set_old(uint8_t *disk)
{
	memcpy(disk, old.raw, DISK_BYTES);
	memset(disk, 0, 1 << 20);
	memset(disk + DISK_BYTES - (1 << 20), 0, 1 << 20);
}

/* Data with a gap of zeros, of which the new one has another half. */
static void draw_old(void)
{
	noise(old.raw, DISK_BYTES);
	memset(old.raw + 40u * CHUNK, 0, 24u * CHUNK);
	memcpy(new.raw, old.raw, DISK_BYTES);
}

static void edited(void)
{
	for (int i = 0; i < 20; i++)
		new.raw[draw(DISK_BYTES)] ^= 1;
}

static uint8_t *draw_block(uint8_t *raw)
{
	return raw + FIRST * CHUNK + (size_t)draw((END - FIRST) * CHUNK / 4096) * 4096;
}

static void blocks_shuffled(void)
{
	for (int i = 0; i < 400; i++)
		memcpy(draw_block(new.raw), draw_block(old.raw), 4096);
}

static void places_swapped(void)
{
	memcpy(new.raw + 20u * CHUNK, old.raw + 70u * CHUNK, 10u * CHUNK);
	memcpy(new.raw + 70u * CHUNK, old.raw + 20u * CHUNK, 10u * CHUNK);
	memset(new.raw + 32u * CHUNK, 0, 4u * CHUNK);
}

static void shifted(void)
{
	memcpy(new.raw + 17u * CHUNK + 8192, old.raw + 17u * CHUNK, 20u * CHUNK);
}

static void shifted_on_a_full_disk(void)
{
	noise(old.raw, DISK_BYTES);
	memcpy(new.raw, old.raw, DISK_BYTES);
	memcpy(new.raw + 17u * CHUNK + 8192, old.raw + 17u * CHUNK, 40u * CHUNK);
}

static void all_new(void)
{
	noise(new.raw + (1 << 20), DISK_BYTES - (2 << 20));
}

static void no_room_for_a_stash(void)
{
	noise(old.raw, DISK_BYTES);
	for (size_t i = 0; i < DISK_BYTES; i += 4096)
		memcpy(new.raw + i, old.raw + (DISK_BYTES - 4096 - i), 4096);
}

/* Of the writes since the last flush any may have reached the medium. */
static void cut_power(struct device_memory *m)
{
	for (size_t nr = 0; nr < CHUNKS; nr++)
		if (draw(2))
			memcpy(m->medium + nr * CHUNK, m->cache + nr * CHUNK, CHUNK);
}

/* The worst of runs that are cut off after each of their operations: records that could not be carried out afterwards. */
static unsigned survive_cuts(struct index *index, const struct text *delta, bool *right)
{
	CLEANUP(free_mem) uint8_t *medium = malloc(DISK_BYTES);
	unsigned worst = 0;
	bool is_cut = true;

	*right = true;
	for (size_t at = 1; is_cut; at += 1 + at / 4) {
		set_old(medium);
		struct device_memory *m = device_memory_new(medium, DISK_BYTES);
		struct device *dev = &m->dev;

		m->fail_at = at;
		m->fail_for_ever = true;
		is_cut = apply(dev, index, delta).rc < 0;
		cut_power(m);
		device_close(&dev);
		m = device_memory_new(medium, DISK_BYTES);
		dev = &m->dev;
		struct outcome outcome = apply(dev, index, delta);
		worst = outcome.failed > worst ? outcome.failed : worst;
		*right = *right && outcome.rc == 0 && is_new(m->cache);
		device_close(&dev);
	}
	return worst;
}

/* Bytes of a delta changed at random: nothing but what the image says is ever written. */
static bool survives_lies(struct index *index, const struct text *delta)
{
	CLEANUP(free_mem) uint8_t *medium = malloc(DISK_BYTES);
	CLEANUP(free_mem) uint8_t *copy = malloc(delta->len);
	struct text lie = { copy, delta->len };
	struct delta_header header;
	struct err err;
	bool right = true;

	delta_header_parse(&header, delta->bytes, &err);
	for (int i = 0; i < 60; i++) {
		memcpy(copy, delta->bytes, delta->len);
		for (int j = 0; j < 4; j++) {
			size_t records = delta->len - header.records_off;
			size_t off = records && i % 2 ? header.records_off + draw((uint32_t)records)
						      : draw((uint32_t)delta->len);

			copy[off] = (uint8_t)draw(256);
		}
		set_old(medium);
		struct device_memory *m = device_memory_new(medium, DISK_BYTES);
		struct device *dev = &m->dev;

		apply(dev, index, &lie);
		for (size_t nr = 0; nr < CHUNKS; nr++) {
			const uint8_t *is = m->cache + nr * CHUNK, *want = new.raw + nr *CHUNK;
			bool in_end = nr < FIRST || nr >= END;

			right = right && (in_end ? bytes_are_zero(is, CHUNK)
						 : bytes_are_zero(want, CHUNK) || memcmp(is, want, CHUNK) == 0 ||
							   memcmp(is, old.raw + nr * CHUNK, CHUNK) == 0);
		}
		device_close(&dev);
	}
	return right;
}

static void goes_from_old_to_new(const char *name, void (*change)(void), uint64_t bytes_max)
{
	CLEANUP(free_mem) uint8_t *medium = malloc(DISK_BYTES);
	struct delta_made made = { 0 };
	struct text delta = { 0 }, document = { 0 };
	uint8_t id[DIGEST_BYTES];
	struct index *index = NULL;
	struct err err = { 0 };
	char path[160];
	bool right;

	seed = 7;
	draw_old();
	change();
	make_image(&old, "old");
	make_image(&new, "new");
	if (!ok(make_delta(&delta, &made), "%s: a delta is made", name))
		return;
	printf("# %" PRIu64 " bytes, %" PRIu64 " chunks, %" PRIu64 " stashed, %" PRIu64 " rounds\n", made.bytes,
	       made.chunks, made.stashed_bytes, made.rounds);
	ok(made.bytes <= bytes_max, "%s: at most %" PRIu64 " bytes", name, bytes_max);
	snprintf(path, sizeof(path), "%s/index", new.path);
	document.len = new.made.index_bytes;
	document.bytes = malloc(document.len);
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	if (fread(document.bytes, 1, document.len, file) != document.len)
		return;
	digest_parse(id, new.made.id);
	struct index_source source = { .read_at = read_index, .ctx = &document, .bytes = document.len };
	is_int(index_open(&index, &source, id, &err), 0, "the index opens");

	set_old(medium);
	struct device_memory *m = device_memory_new(medium, DISK_BYTES);
	struct device *dev = &m->dev;
	struct outcome outcome = apply(dev, index, &delta);
	ok(outcome.rc == 0 && outcome.failed == 0, "%s: every record can be carried out", name);
	ok(is_new(m->cache), "%s: to the new image", name);
	ok(memcmp(m->cache, medium, DISK_BYTES) == 0, "%s: and all of it is flushed", name);
	outcome = apply(dev, index, &delta);
	is_int(outcome.failed, 0, "a second time nothing is left to do");
	device_close(&dev);
	is_int(survive_cuts(index, &delta, &right), 0,
	       "whatever a power cut takes, nothing is lost that is still needed");
	ok(right, "%s: the next run completes it", name);
	ok(survives_lies(index, &delta), "%s: a delta that lies writes nothing wrong", name);

	memset(medium, 0xa5, DISK_BYTES);
	m = device_memory_new(medium, DISK_BYTES);
	dev = &m->dev;
	outcome = apply(dev, index, &delta);
	ok(outcome.rc == 0 && memchr(m->cache, 0xa5, 16) == m->cache, "%s: a disk of something else is no failure",
	   name);
	device_close(&dev);
	index_close(&index);
	free(delta.bytes);
	free(document.bytes);
}

static void a_limit_is_kept(void)
{
	char path[128];
	struct delta_options options = { .old_folder = old.path,
					 .old_id = old.made.id,
					 .new_folder = new.path,
					 .new_id = new.made.id,
					 .path = path,
					 .bytes_max = 1000 };
	struct delta_made made;
	atomic_bool stop = true;
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/delta", folder);
	is_int(delta_make(&made, &options, &err), -EFBIG, "a delta that is longer than it may be is none");
	options.watch.stop = &stop;
	is_int(delta_make(&made, &options, &err), -ECANCELED, "the work can be stopped");
	options.new_id = old.made.id;
	options.watch.stop = NULL;
	is_int(delta_make(&made, &options, &err), -EACCES, "an index of another name is refused");
}

int main(void)
{
	struct err ignored;

	if (!mkdtemp(folder))
		return 1;
	goes_from_old_to_new("a few bytes changed", edited, 64 << 10);
	goes_from_old_to_new("blocks copied about", blocks_shuffled, 160 << 10);
	goes_from_old_to_new("two places swapped", places_swapped, 8 << 10);
	goes_from_old_to_new("content moved by two blocks", shifted, 16 << 10);
	goes_from_old_to_new("content moved on a full disk", shifted_on_a_full_disk, 16 << 10);
	goes_from_old_to_new("all new", all_new, DISK_BYTES + (64 << 10));
	goes_from_old_to_new("turned round on a full disk", no_room_for_a_stash, DISK_BYTES);
	a_limit_is_kept();
	folder_remove(folder, &ignored);
	return done_testing();
}
