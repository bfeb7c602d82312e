/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of writes: an image in memory, a disk in memory full of 0xA5, and a failure or power cut at every operation.
 */
#include "bytes.h"
#include "device_memory.h"
#include "frame.h"
#include "partition_table.h"
#include "seed_volume.h"
#include "tap.h"
#include "write.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK       65536u
#define IMAGE_BYTES ((4u << 20) + 512u) /* the last chunk is short */
#define DISK_BYTES  (IMAGE_BYTES + (2u << 20))
#define CHUNKS      ((IMAGE_BYTES - 1) / CHUNK + 1)
#define MIB         (1u << 20)
#define BOOT_BYTES  8192u  /* MBR and primary GPT header */
#define LABEL_BYTES 65536u /* and GPT entries, boot code, ISO 9660 descriptors */
#define BACKUP      4096u  /* backup GPT header */
#define SECTOR      512u
#define OLD         0xa5
#define WRONG       25u /* the chunk that comes wrong */

/* An image: what it is, and the frames and index a service would have made of it. */
struct image {
	uint8_t raw[IMAGE_BYTES];
	uint8_t index_bytes[INDEX_HEADER_BYTES + CHUNKS * INDEX_ENTRY_BYTES];
	uint8_t *frames[CHUNKS];
	struct index *index;
	uint64_t corrupt; /* this chunk comes with `wrong`; UINT64_MAX: none */
	uint8_t *wrong;   /* a good frame of other bytes, as long as the right one */
	uint64_t taken;   /* frames handed out */
};

/* Of what is written by write_to; NULL: none. */
static const uint8_t *seed_volume;
static const struct write_fit *fit;

static struct image image = { .corrupt = UINT64_MAX };
static struct image other = { .corrupt = UINT64_MAX }; /* of the same item's second disk */

static int read_index(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	const struct image *im = ctx;

	(void)err;
	memcpy(buf, im->index_bytes + off, len);
	return 0;
}

static int hand_over(struct image *im, uint64_t nr, const struct todo_span *span, struct pipeline *pipeline,
		     struct err *err)
{
	struct pipeline_origin origin = { .tries = span->tries };
	struct pipeline_slot *slot;
	struct index_entry entry;
	int rc = index_get_entry(im->index, &entry, nr, err);

	if (!rc && entry.kind == CHUNK_ZERO)
		return pipeline_zeros(pipeline, nr, nr + 1, entry.frame_bytes, err);
	if (!rc)
		rc = pipeline_room(pipeline, &slot, nr, &origin, err);
	if (rc)
		return rc;
	memcpy(pipeline_frame(slot, nr, &entry), nr == im->corrupt ? im->wrong : im->frames[nr], entry.frame_bytes);
	pipeline_frame_done(slot);
	pipeline_submit(pipeline, &slot);
	return 0;
}

static int fetch(void *ctx, struct todo *todo, struct pipeline *pipeline, struct err *err)
{
	struct image *im = ctx;
	struct todo_span span;
	int rc;

	while ((rc = todo_take(todo, &span, 8, err)) > 0)
		for (uint64_t nr = span.first; nr < span.end; nr++)
			if (!todo_is_done(todo, nr) && hand_over(im, nr, &span, pipeline, err) == 0)
				im->taken++;
	return rc;
}

/* Random data with a hole right behind the head, which makes zero chunks. */
static void fill(uint8_t *raw, uint32_t x)
{
	for (size_t i = 0; i < IMAGE_BYTES; i++) {
		x = x * 1664525u + 1013904223u;
		raw[i] = i / CHUNK >= 16 && i / CHUNK < 22 ? 0 : (uint8_t)(x >> 24);
	}
	memset(raw + 446, 0, 64);
	put_mbr_entry(raw, 0, 0x83, 64, 1024);
}

/* Random bytes do not compress, so another chunk makes a frame of the same length: only the digest tells. */
static void make_wrong(struct image *im, struct frame_packer *packer)
{
	uint8_t chunk[CHUNK];
	struct err err = { 0 };

	memcpy(chunk, im->raw + WRONG * CHUNK, CHUNK);
	chunk[1000] ^= 1;
	im->wrong = malloc(frame_bound(CHUNK));
	frame_pack(packer, im->wrong, frame_bound(CHUNK), chunk, CHUNK, &err);
}

static void make_image(struct image *im, uint32_t seed)
{
	struct index_header h = {
		.disk_bytes = IMAGE_BYTES, .chunk_count = CHUNKS, .chunk_bytes = CHUNK, .image_bytes = 0
	};
	struct frame_packer *packer = NULL;
	uint8_t digest[DIGEST_BYTES];
	struct err err = { 0 };

	fill(im->raw, seed);
	frame_packer_new(&packer, 1, &err);
	for (uint64_t nr = 0; nr < CHUNKS; nr++) {
		const uint8_t *chunk = im->raw + nr * CHUNK;
		uint32_t len = index_chunk_bytes(&h, nr);
		struct index_entry e = { .frame_off = h.image_bytes,
					 .kind = chunk[0] || chunk[1] ? CHUNK_DATA : CHUNK_ZERO };

		im->frames[nr] = malloc(frame_bound(CHUNK));
		e.frame_bytes = (uint32_t)frame_pack(packer, im->frames[nr], frame_bound(CHUNK), chunk, len, &err);
		digest_of(e.digest, chunk, len);
		index_entry_pack(im->index_bytes + INDEX_HEADER_BYTES + nr * INDEX_ENTRY_BYTES, &e);
		h.image_bytes += e.frame_bytes;
		h.data_chunks += e.kind == CHUNK_DATA;
	}
	make_wrong(im, packer);
	frame_packer_free(&packer);
	index_header_pack(im->index_bytes, &h);
	digest_of(digest, im->index_bytes, sizeof(im->index_bytes));
	struct index_source source = { .read_at = read_index, .ctx = im, .bytes = sizeof(im->index_bytes) };
	is_int(index_open(&im->index, &source, digest, &err), 0, "the test's image is made");
}

static int write_to(struct device_memory *m, struct err *err)
{
	struct write_disk disk = {
		.dev = &m->dev, .index = image.index, .source = { .fetch = fetch, .ctx = &image }, .fit = fit
	};
	struct write_options options = { .disks = &disk, .count = 1 };

	*err = (struct err){ 0 };
	image.taken = 0;
	return write_images(&options, err);
}

static int write_two(struct device_memory *boot, struct device_memory *data, struct err *err)
{
	struct write_disk disks[] = {
		{ .dev = &boot->dev, .index = image.index, .source = { .fetch = fetch, .ctx = &image } },
		{ .dev = &data->dev, .index = other.index, .source = { .fetch = fetch, .ctx = &other } },
	};
	struct write_options options = { .disks = disks, .count = 2 };

	*err = (struct err){ 0 };
	return write_images(&options, err);
}

static void close_memory(struct device_memory *m)
{
	struct device *dev = &m->dev;

	device_close(&dev);
}

static bool all(const uint8_t *bytes, uint8_t value, size_t len)
{
	return len == 0 || (bytes[0] == value && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* Nothing was changed but the places that are blanked first: the old system may still be there, and is not half new. */
static bool is_untouched(const uint8_t *disk)
{
	return all(disk + MIB, OLD, IMAGE_BYTES - 2 * MIB) &&
	       all(disk + IMAGE_BYTES, OLD, DISK_BYTES - IMAGE_BYTES - MIB);
}

static bool has_part(const uint8_t *disk, const struct image *im, size_t from, size_t to)
{
	return memcmp(disk + from, im->raw + from, to - from) == 0;
}

static bool is_whole(const uint8_t *disk)
{
	return has_part(disk, &image, 0, IMAGE_BYTES);
}

/* No boot sector, partition table, descriptor or superblock: nothing on earth boots from it. */
static bool is_blank(const uint8_t *disk)
{
	return all(disk, 0, LABEL_BYTES) && all(disk + IMAGE_BYTES - BACKUP, 0, BACKUP) &&
	       all(disk + DISK_BYTES - BACKUP, 0, BACKUP);
}

/* What a power cut may leave: the old system, a blank disk, or labels with everything that they lead to. */
static bool is_safe_for(const uint8_t *disk, const struct image *im)
{
	if (is_untouched(disk) || is_blank(disk))
		return true;
	size_t from = all(disk, 0, BOOT_BYTES) ? LABEL_BYTES : BOOT_BYTES;
	size_t to = IMAGE_BYTES - (all(disk, 0, BOOT_BYTES) ? BACKUP : 0);

	return has_part(disk, im, from, to);
}

static bool is_safe(const uint8_t *disk)
{
	return is_safe_for(disk, &image);
}

static bool has_labels(const uint8_t *disk)
{
	return !is_untouched(disk) && !is_blank(disk);
}

static bool has_boot(const uint8_t *disk)
{
	return has_labels(disk) && !all(disk, 0, BOOT_BYTES);
}

/*
 * The same for two disks of one item: nothing is written before both are unbootable; labels come when both have the
 * rest, boot sectors when both have labels, and those of the boot disk when the other one is whole.
 */
static bool are_safe(const uint8_t *boot, const uint8_t *data)
{
	if (!is_safe_for(boot, &image) || !is_safe_for(data, &other))
		return false;
	if ((!is_untouched(boot) || !is_untouched(data)) && (boot[0] == OLD || data[0] == OLD))
		return false;
	if ((has_labels(boot) || has_labels(data)) && (!has_part(boot, &image, LABEL_BYTES, IMAGE_BYTES - BACKUP) ||
						       !has_part(data, &other, LABEL_BYTES, IMAGE_BYTES - BACKUP)))
		return false;
	if ((has_boot(boot) || has_boot(data)) &&
	    (!has_part(boot, &image, BOOT_BYTES, IMAGE_BYTES) || !has_part(data, &other, BOOT_BYTES, IMAGE_BYTES)))
		return false;
	return !has_boot(boot) || has_part(data, &other, 0, IMAGE_BYTES);
}

static struct device_memory *new_disk(uint8_t *medium)
{
	memset(medium, OLD, DISK_BYTES);
	return device_memory_new(medium, DISK_BYTES);
}

static void test_order(uint8_t *medium)
{
	struct device_memory *m = new_disk(medium);
	struct err err;

	is_int(write_to(m, &err), 0, "an image is written to a larger disk full of 0xA5");
	ok(is_whole(medium), "and everything is on the medium, zeros included");
	ok(all(medium + IMAGE_BYTES, OLD, DISK_BYTES - IMAGE_BYTES - MIB), "the disk behind the image is left alone");
	ok(all(medium + DISK_BYTES - MIB, 0, MIB), "but for its last MiB, where an old backup GPT may be");
	size_t flush = 0, last_write = 0;
	for (size_t i = 0; i < m->log_count; i++) {
		if (m->log[i].op == OP_FLUSH && !flush)
			flush = i;
		if (m->log[i].op == OP_WRITE || m->log[i].op == OP_ZERO)
			last_write = i;
	}
	bool ends_only = true, zeroed = false;
	for (size_t i = 0; i < m->log_count; i++) {
		uint64_t off = m->log[i].off, end = off + m->log[i].len;

		if (i < flush)
			ends_only &= end <= MIB || off >= IMAGE_BYTES - MIB;
		zeroed |= m->log[i].op == OP_ZERO;
	}
	ok(flush && ends_only, "before the first flush only the ends are written");
	ok(m->log[last_write].off == 0 && m->log[last_write].len == BOOT_BYTES, "the boot sectors are the last write");
	ok(m->log[last_write - 1].op == OP_READ || m->log[last_write - 1].op == OP_FLUSH,
	   "before which everything was flushed and read back");
	ok(m->log[last_write + 1].op == OP_FLUSH && m->log[last_write + 2].op == OP_READ,
	   "after which they are flushed and read back");
	ok(zeroed, "zero chunks are zeroed, not written");
	close_memory(m);
}

static void test_corrupt(uint8_t *medium)
{
	struct device_memory *m = new_disk(medium);
	struct err err;
	bool written = false;

	image.corrupt = WRONG;
	is_int(write_to(m, &err), -EBADMSG, "a chunk without its digest is refused");
	image.corrupt = UINT64_MAX;
	for (size_t i = 0; i < m->log_count; i++)
		written |= m->log[i].op == OP_WRITE && m->log[i].off <= WRONG * CHUNK &&
			   m->log[i].off + m->log[i].len > WRONG * CHUNK;
	ok(!written, "and not a byte of it was written");
	ok(is_blank(m->cache), "and the disk is unbootable");
	close_memory(m);
}

/* What the medium holds after a cut: of everything since the last flush, each sector may have arrived or not. */
static void lose_power(struct device_memory *m, unsigned seed)
{
	size_t begin = 0;

	srand(seed);
	for (size_t i = 0; i < m->log_count && m->log[i].at < m->fail_at; i++)
		if (m->log[i].op == OP_FLUSH)
			begin = i + 1;
	for (size_t i = begin; i < m->log_count && m->log[i].at <= m->fail_at; i++) {
		if (m->log[i].op != OP_WRITE && m->log[i].op != OP_ZERO)
			continue;
		for (uint64_t off = m->log[i].off; off < m->log[i].off + m->log[i].len; off += SECTOR)
			if (seed == 1 || (seed > 1 && rand() % 2))
				memcpy(m->medium + off, m->cache + off, SECTOR);
	}
}

static size_t count_operations(uint8_t *medium)
{
	struct device_memory *m = new_disk(medium);
	struct err err;

	write_to(m, &err);
	size_t count = m->log_count;
	close_memory(m);
	return count;
}

/* Seeds: 0 nothing of the cache arrives, 1 all of it, others a part. */
static void test_power_cuts(uint8_t *medium, size_t count)
{
	unsigned unsafe = 0, silent = 0, not_resumed = 0;

	for (size_t at = 0; at < count; at++) {
		for (unsigned seed = 0; seed < 4; seed++) {
			struct device_memory *m = new_disk(medium);
			struct err err;

			m->fail_at = at;
			m->fail_for_ever = true;
			int rc = write_to(m, &err);
			silent += rc != -EIO && *m->clock > at;
			lose_power(m, seed);
			close_memory(m);
			if (!is_safe(medium) && unsafe++ == 0)
				printf("# first unsafe: operation %zu, seed %u\n", at, seed);
			m = device_memory_new(medium, DISK_BYTES);
			not_resumed += write_to(m, &err) != 0 || !is_whole(medium);
			close_memory(m);
		}
	}
	ok(unsafe == 0, "a power cut at any of %zu operations never leaves half an image that boots", count);
	ok(silent == 0, "and never counts as success");
	ok(not_resumed == 0, "and the next run ends with the whole image");
}

/* Where table_fit puts it: the last whole MiB of the disk. */
#define SEED_OFF ((DISK_BYTES / MIB - 1) * MIB)

static bool has_seed(const uint8_t *disk)
{
	return memcmp(disk + SEED_OFF, seed_volume, SEED_VOLUME_BYTES) == 0;
}

/* Whether the table, which is in the boot sector, names it. */
static bool names_seed(const uint8_t *disk)
{
	return disk[446 + 16 + 4] == 0x01 && le32(disk + 446 + 16 + 8) == SEED_OFF / SECTOR;
}

/* The image but for the table's entry, and the seed. */
static bool is_whole_with_seed(const uint8_t *disk)
{
	return has_part(disk, &image, 0, 446 + 16) && names_seed(disk) &&
	       has_part(disk, &image, 446 + 32, IMAGE_BYTES) && has_seed(disk);
}

static void test_seed(uint8_t *medium)
{
	const struct seed_file file = { "user-data", "#cloud-config\n", 14 };
	unsigned unsafe = 0, not_resumed = 0, left = 0;
	uint8_t *volume = NULL;
	struct err err = { 0 };

	seed_volume_make(&volume, &file, 1, SECTOR, &err);
	seed_volume = volume;
	fit = &(struct write_fit){ .sector_bytes = SECTOR, .seed = volume };
	struct device_memory *m = new_disk(medium);
	is_int(write_to(m, &err), 0, "an image with a seed is written");
	ok(is_whole_with_seed(medium), "and is on the medium, with a partition more");
	size_t count = m->log_count;
	close_memory(m);
	for (size_t at = 0; at < count; at++) {
		for (unsigned seed = 0; seed < 3; seed++) {
			m = new_disk(medium);
			m->fail_at = at;
			m->fail_for_ever = true;
			write_to(m, &err);
			lose_power(m, seed);
			close_memory(m);
			if (names_seed(medium) && !is_whole_with_seed(medium) && unsafe++ == 0)
				printf("# first unsafe: operation %zu, seed %u\n", at, seed);
			m = device_memory_new(medium, DISK_BYTES);
			not_resumed += write_to(m, &err) != 0 || !is_whole_with_seed(medium);
			close_memory(m);
		}
		m = new_disk(medium);
		m->fail_at = at;
		if (write_to(m, &err) != 0)
			left += memcmp(m->cache + SEED_OFF, seed_volume, SECTOR) == 0;
		close_memory(m);
	}
	ok(unsafe == 0, "a power cut at any of %zu operations never leaves a table that names half a seed", count);
	ok(not_resumed == 0, "and the next run ends with the whole image and the seed");
	ok(left == 0, "and a disk that fails once has nothing of it");
	seed_volume = NULL;
	fit = NULL;
	free(volume);
}

/* Two disks on one power supply, which fails at operation `at`. */
struct pair {
	struct device_memory *boot, *data;
};

static struct pair new_pair(uint8_t *boot, uint8_t *data, size_t at)
{
	struct pair p = { device_memory_new(boot, DISK_BYTES), device_memory_new(data, DISK_BYTES) };

	p.data->clock = p.boot->clock;
	p.boot->fail_at = p.data->fail_at = at;
	p.boot->fail_for_ever = p.data->fail_for_ever = at != SIZE_MAX;
	return p;
}

static void close_pair(const struct pair *p)
{
	close_memory(p->data);
	close_memory(p->boot);
}

static bool cut_two(uint8_t *boot, uint8_t *data, size_t at, unsigned seed)
{
	struct err err;

	memset(boot, OLD, DISK_BYTES);
	memset(data, OLD, DISK_BYTES);
	struct pair p = new_pair(boot, data, at);
	int rc = write_two(p.boot, p.data, &err);
	/* How many operations there are depends on which thread is faster: this run may have had none at that time. */
	bool is_told = rc == -EIO || *p.boot->clock <= at;
	lose_power(p.boot, seed);
	lose_power(p.data, seed);
	close_pair(&p);
	return is_told && are_safe(boot, data);
}

static bool resume_two(uint8_t *boot, uint8_t *data)
{
	struct pair p = new_pair(boot, data, SIZE_MAX);
	struct err err;
	int rc = write_two(p.boot, p.data, &err);

	close_pair(&p);
	return rc == 0 && is_whole(boot) && has_part(data, &other, 0, IMAGE_BYTES);
}

/* One operation of one disk fails: what was there already of both must not boot. */
static bool fail_two(uint8_t *boot, uint8_t *data, size_t at)
{
	struct err err;

	memset(boot, OLD, DISK_BYTES);
	memset(data, OLD, DISK_BYTES);
	struct pair p = new_pair(boot, data, at);
	p.boot->fail_for_ever = p.data->fail_for_ever = false;
	int rc = write_two(p.boot, p.data, &err);
	bool is_right = rc == 0 || ((is_untouched(p.boot->cache) || is_blank(p.boot->cache)) &&
				    (is_untouched(p.data->cache) || is_blank(p.data->cache)));
	close_pair(&p);
	return is_right;
}

static void test_two_disks(uint8_t *boot, uint8_t *data)
{
	unsigned unsafe = 0, not_resumed = 0, bootable = 0;
	struct err err;

	memset(boot, OLD, DISK_BYTES);
	memset(data, OLD, DISK_BYTES);
	struct pair p = new_pair(boot, data, SIZE_MAX);
	is_int(write_two(p.boot, p.data, &err), 0, "an item of two disks is written");
	ok(is_whole(boot) && has_part(data, &other, 0, IMAGE_BYTES), "each with its own image");
	size_t count = *p.boot->clock;
	close_pair(&p);
	for (size_t at = 0; at < count; at++) {
		for (unsigned seed = 0; seed < 3; seed++)
			if (!cut_two(boot, data, at, seed) && unsafe++ == 0)
				printf("# first unsafe: operation %zu, seed %u\n", at, seed);
		not_resumed += !resume_two(boot, data);
		bootable += !fail_two(boot, data, at);
	}
	ok(unsafe == 0,
	   "a power cut at any of %zu operations on two disks leaves nothing that boots before all is there", count);
	ok(not_resumed == 0, "and the next run ends with both");
	ok(bootable == 0, "a failure of any single operation leaves both unbootable");
	memset(boot, OLD, DISK_BYTES);
	memset(data, OLD, DISK_BYTES);
	p = new_pair(boot, data, 0);
	p.boot->fail_for_ever = p.data->fail_for_ever = false;
	memcpy(p.boot->dev.name, "first", sizeof("first"));
	memcpy(p.data->dev.name, "second", sizeof("second"));
	is_int(write_two(p.boot, p.data, &err), -EIO, "the first disk cannot be blanked");
	ok(strstr(err.text, "DISK first MAY BE BOOTABLE") && strstr(err.text, "DISK second MAY BE BOOTABLE"),
	   "both may still boot, and it says so: %s", err.text);
	close_pair(&p);
	other.corrupt = WRONG;
	memset(boot, OLD, DISK_BYTES);
	memset(data, OLD, DISK_BYTES);
	p = new_pair(boot, data, SIZE_MAX);
	is_int(write_two(p.boot, p.data, &err), -EBADMSG, "a chunk of one without its digest ends both");
	other.corrupt = UINT64_MAX;
	ok(is_blank(p.boot->cache) && is_blank(p.data->cache), "unbootable");
	close_pair(&p);
}

static void test_disk_failures(uint8_t *medium, size_t count)
{
	unsigned bootable = 0, wrong = 0;

	for (size_t at = 0; at < count; at++) {
		struct device_memory *m = new_disk(medium);
		struct err err;

		m->fail_at = at;
		int rc = write_to(m, &err);
		/* A read may fail while looking for an interrupted run: that is nobody's loss. */
		wrong += rc == 0 ? !is_whole(medium) : rc != -EIO || !err.text[0];
		if (rc && !is_untouched(m->cache) && !is_blank(m->cache) && bootable++ == 0)
			printf("# first bootable: operation %zu\n", at);
		close_memory(m);
	}
	ok(wrong == 0, "a failure of any single operation is reported as -EIO");
	ok(bootable == 0, "and leaves the disk unbootable");
}

/* Chunks between the ends that the disk holds. */
static uint64_t count_there(const uint8_t *disk)
{
	uint64_t count = 0;

	for (size_t nr = MIB / CHUNK; nr < (IMAGE_BYTES - MIB) / CHUNK; nr++)
		count += has_part(disk, &image, nr * CHUNK, (nr + 1) * CHUNK);
	return count;
}

static void test_resume(uint8_t *medium)
{
	struct device_memory *m = new_disk(medium);
	struct err err;

	image.corrupt = 40;
	write_to(m, &err);
	device_flush(&m->dev, &err);
	uint64_t there = count_there(medium);
	image.corrupt = UINT64_MAX;
	is_int(write_to(m, &err), 0, "a run after one that stopped at chunk 40 succeeds");
	ok(there > 20 && image.taken == CHUNKS - there, "and fetches what is missing, and the ends");
	ok(is_whole(medium), "and the disk is right");
	memset(m->cache + 30 * CHUNK, OLD, 1);
	m->log_count = 0;
	is_int(write_to(m, &err), 0, "an image over itself, of which one byte changed");
	ok(image.taken == CHUNKS - count_there(m->cache) + 1, "takes that chunk, and the ends: %llu",
	   (unsigned long long)image.taken);
	uint64_t written = 0;
	for (size_t i = 0; i < m->log_count; i++)
		if (m->log[i].op == OP_WRITE && m->log[i].off >= MIB &&
		    m->log[i].off + m->log[i].len <= (IMAGE_BYTES - MIB) / CHUNK * CHUNK)
			written += m->log[i].len;
	ok(written == CHUNK, "and nothing else between the ends is written");
	close_memory(m);
	memset(medium, 0, DISK_BYTES);
	m = device_memory_new(medium, DISK_BYTES);
	is_int(write_to(m, &err), 0, "an empty disk is written");
	ok(image.taken == CHUNKS - 6, "its zeros are there already");
	close_memory(m);
}

/* Images around the sizes of the ends. */
static void test_exact_fit(uint8_t *medium)
{
	memset(medium, OLD, DISK_BYTES);
	struct device_memory *m = device_memory_new(medium, IMAGE_BYTES);
	struct err err;

	is_int(write_to(m, &err), 0, "a disk of exactly the image's size is written");
	ok(is_whole(medium), "and right");
	close_memory(m);
}

static void free_image(struct image *im)
{
	index_close(&im->index);
	for (size_t i = 0; i < CHUNKS; i++)
		free(im->frames[i]);
	free(im->wrong);
}

int main(void)
{
	uint8_t *medium = malloc(DISK_BYTES), *second = malloc(DISK_BYTES);

	make_image(&image, 12345);
	make_image(&other, 54321);
	size_t count = count_operations(medium);
	test_order(medium);
	test_corrupt(medium);
	test_resume(medium);
	test_exact_fit(medium);
	test_disk_failures(medium, count);
	test_power_cuts(medium, count);
	test_two_disks(medium, second);
	test_seed(medium);
	free_image(&image);
	free_image(&other);
	free(medium);
	free(second);
	return done_testing();
}
