/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A raw disk, plain or compressed, becomes an image from which every reader gets the same disk back; anything else is refused. */
#include "convert.h"

#include "bytes.h"
#include "cleanup.h"
#include "convert_content.h"
#include "folder.h"
#include "frame.h"
#include "image_writer.h"
#include "index.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define CHUNK     (64u << 10)
#define PATH_ROOM 512

static char top[PATH_ROOM], folder[PATH_ROOM], images[PATH_ROOM];

struct disk {
	uint8_t *bytes;
	size_t len;
};

static struct disk new_disk(size_t len)
{
	struct disk d = { calloc(1, len + 1), len };

	return d;
}

/* Bytes that do not compress, different for each place. */
static void fill(struct disk *d, size_t off, size_t len)
{
	uint32_t state = (uint32_t)off + 1;

	for (size_t i = 0; i < len; i++) {
		state = state * 1664525u + 1013904223u;
		d->bytes[off + i] = (uint8_t)(state >> 24);
	}
}

static int file_of(const void *bytes, size_t len)
{
	FILE *file = tmpfile();
	int fd;

	fwrite(bytes, 1, len, file);
	fflush(file);
	fd = dup(fileno(file));
	fclose(file);
	return fd;
}

static size_t gzip_of(uint8_t *out, size_t room, const void *bytes, size_t len)
{
	z_stream z = { .next_in = (Bytef *)bytes, .avail_in = (uInt)len, .next_out = out, .avail_out = (uInt)room };

	deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	deflate(&z, Z_FINISH);
	size_t done = z.total_out;
	deflateEnd(&z);
	return done;
}

static struct convert_options defaults(void)
{
	return (struct convert_options){ .image = { .folder = folder, .chunk_bytes = CHUNK, .level = 3 } };
}

static int convert_bytes(struct store_image *out, const void *bytes, size_t len, const struct convert_options *options,
			 struct err *err)
{
	struct err ignored;

	*err = (struct err){ 0 };
	image_remove(folder, &ignored);
	mkdir(folder, 0755);
	int fd = file_of(bytes, len);
	int rc = convert_file(out, fd, options, err);
	close(fd);
	return rc;
}

static uint8_t *read_all(const char *name, size_t *len)
{
	char path[PATH_ROOM + 20];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "r");
	fstat(fileno(file), &st);
	uint8_t *bytes = malloc((size_t)st.st_size + 1);
	*len = fread(bytes, 1, (size_t)st.st_size, file);
	fclose(file);
	return bytes;
}

struct document {
	const uint8_t *bytes;
	size_t len;
};

static int read_document(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	const struct document *d = ctx;

	if (off + len > d->len)
		return err_set(err, -EIO, "beyond the end");
	memcpy(buf, d->bytes + off, len);
	return 0;
}

/* Every chunk as the client sees it: by the index, each frame by itself, digests compared. Returns how many are data. */
static uint64_t check_chunks(struct index *ix, const uint8_t *image, const struct disk *want, size_t *wrong)
{
	const struct index_header *h = index_get_header(ix);
	uint8_t *raw = malloc(h->chunk_bytes), digest[DIGEST_BYTES];
	struct frame_opener *opener = NULL;
	uint64_t data = 0;
	struct err err;

	frame_opener_new(&opener, h->chunk_bytes, &err);
	for (uint64_t nr = 0; nr < h->chunk_count; nr++) {
		struct index_entry e;
		uint32_t len = index_chunk_bytes(h, nr);
		const uint8_t *at = want->bytes + nr * h->chunk_bytes;

		bool good = index_get_entry(ix, &e, nr, &err) == 0 &&
			    frame_open(opener, raw, len, image + e.frame_off, e.frame_bytes, &err) == 0;
		digest_of(digest, raw, len);
		bool zero = at[0] == 0 && memcmp(at, at + 1, len - 1) == 0;
		*wrong += !good || !digest_equal(digest, e.digest) || memcmp(raw, at, len) != 0 ||
			  zero != (e.kind == CHUNK_ZERO);
		data += e.kind == CHUNK_DATA;
	}
	frame_opener_free(&opener);
	free(raw);
	return data;
}

/* The seek table at the end, entry by entry against the index. */
static bool seek_table_agrees(struct index *ix, const uint8_t *image, size_t image_len)
{
	const struct index_header *h = index_get_header(ix);
	size_t table = 8 + (size_t)h->chunk_count * 8 + 9;
	const uint8_t *at = image + image_len - table;
	struct err err;

	bool good = le32(at) == 0x184d2a5e && le32(at + 4) == table - 8 && le32(image + image_len - 4) == 0x8f92eab1 &&
		    image[image_len - 5] == 0 && le32(image + image_len - 9) == h->chunk_count;
	for (uint64_t nr = 0; good && nr < h->chunk_count; nr++) {
		struct index_entry e;

		good = index_get_entry(ix, &e, nr, &err) == 0 && le32(at + 8 + nr * 8) == e.frame_bytes &&
		       le32(at + 12 + nr * 8) == index_chunk_bytes(h, nr);
	}
	return good;
}

static bool plain_zstd_agrees(const uint8_t *image, size_t image_len, const struct disk *want)
{
	uint8_t *raw = malloc(want->len + 1);
	size_t len = ZSTD_decompress(raw, want->len + 1, image, image_len);
	bool same = len == want->len && memcmp(raw, want->bytes, len) == 0;

	free(raw);
	return same;
}

static void check_image(const struct store_image *made, const struct disk *want, uint64_t data_chunks, const char *what)
{
	size_t image_len, index_len, wrong = 0;
	uint8_t *image = read_all("image.zst", &image_len), *index = read_all("index", &index_len);
	uint8_t id[DIGEST_BYTES];
	char hex[DIGEST_HEX];
	struct document doc = { index, index_len };
	struct index_source source = { read_document, &doc, index_len };
	struct index *ix = NULL;
	struct err err = { 0 };

	digest_of(id, index, index_len);
	digest_hex(hex, id);
	is_str(made->id, hex, what);
	is_int(made->index_bytes, index_len, "its index has the length that is told");
	is_int(made->image_bytes, image_len, "its image has the length that is told");
	is_int(made->disk_bytes, want->len, "it is of the disk's size");
	if (!ok(index_open(&ix, &source, id, &err) == 0, "its index can be read %s", err.text))
		return;
	is_int(check_chunks(ix, image, want, &wrong), data_chunks, "so many chunks hold data");
	is_int(wrong, 0, "each chunk is what it was, and known to be zero where it is");
	is_int(index_get_header(ix)->image_bytes, image_len, "and the image's length");
	ok(seek_table_agrees(ix, image, image_len), "its seek table agrees with the index");
	ok(plain_zstd_agrees(image, image_len, want), "plain zstd gives the disk");
	index_close(&ix);
	free(image);
	free(index);
}

/* Sizes around a chunk's border, with data here and there. */
static void test_sizes(void)
{
	static const size_t sizes[] = { 512, CHUNK - 512, CHUNK, CHUNK + 512, 20 * CHUNK, 40 * CHUNK - 512 };
	struct convert_options options = defaults();
	struct store_image made;
	char what[80];
	struct err err;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct disk d = new_disk(sizes[i]);
		uint64_t chunks = (sizes[i] - 1) / CHUNK + 1;

		snprintf(what, sizeof(what), "%zu bytes, the last one set", sizes[i]);
		d.bytes[d.len - 1] = 1;
		is_int(convert_bytes(&made, d.bytes, d.len, &options, &err), 0, "converts");
		check_image(&made, &d, 1, what);
		snprintf(what, sizeof(what), "%zu bytes of data", sizes[i]);
		fill(&d, 0, d.len);
		is_int(convert_bytes(&made, d.bytes, d.len, &options, &err), 0, "converts");
		check_image(&made, &d, chunks, what);
		free(d.bytes);
	}
}

static void test_zero_disk(void)
{
	struct convert_options options = defaults();
	struct disk d = new_disk(3 * CHUNK + 1024);
	struct store_image made;
	struct err err;

	is_int(convert_bytes(&made, d.bytes, d.len, &options, &err), 0, "a disk of zeros converts");
	check_image(&made, &d, 0, "a disk of zeros");
	free(d.bytes);
}

/* Long enough for the last chunk's buffer to have been used before. */
static void test_padding(void)
{
	struct convert_options options = defaults();
	struct disk d = new_disk(20 * CHUNK + 512), odd = { d.bytes, 20 * CHUNK + 1 };
	struct store_image made;
	struct err err;

	fill(&d, 0, odd.len);
	is_int(convert_bytes(&made, odd.bytes, odd.len, &options, &err), 0,
	       "a size that is no multiple of 512 converts");
	check_image(&made, &d, 21, "the last sector is filled up with zeros");
	free(d.bytes);
}

static void test_sector_sizes(void)
{
	static const struct {
		size_t off;
		uint64_t my_lba;
		uint32_t want;
	} cases[] = { { 512, 1, 512 }, { 4096, 1, 4096 }, { 512, 2, 0 }, { 1024, 1, 0 } };
	struct convert_options options = defaults();
	struct store_image made;
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct disk d = new_disk(2 * CHUNK);

		memcpy(d.bytes + cases[i].off, "EFI PART", 8);
		put_le64(d.bytes + cases[i].off + 24, cases[i].my_lba);
		is_int(convert_bytes(&made, d.bytes, d.len, &options, &err), 0, "a disk with a GPT converts");
		is_int(made.sector_bytes, cases[i].want, "the sector size of its GPT is found");
		free(d.bytes);
	}
}

static void test_same_image_however_packed(void)
{
	struct convert_options options = defaults();
	struct disk d = new_disk(5 * CHUNK);
	size_t room = 6 * CHUNK;
	uint8_t *packed = malloc(room);
	struct store_image plain, gzipped, zstded;
	struct err err;

	fill(&d, CHUNK, 2 * CHUNK);
	convert_bytes(&plain, d.bytes, d.len, &options, &err);
	size_t len = gzip_of(packed, room, d.bytes, d.len);
	is_int(convert_bytes(&gzipped, packed, len, &options, &err), 0, "a gzipped disk converts");
	is_str(gzipped.id, plain.id, "to the image of the plain one");
	len = ZSTD_compress(packed, room, d.bytes, d.len, 1);
	is_int(convert_bytes(&zstded, packed, len, &options, &err), 0, "a disk in zstd converts");
	is_str(zstded.id, plain.id, "to the image of the plain one");
	free(packed);
	free(d.bytes);
}

static void refuses(const void *bytes, size_t len, const struct convert_options *options, int code, const char *said,
		    const char *what)
{
	struct store_image made;
	struct err err;

	is_int(convert_bytes(&made, bytes, len, options, &err), code, what);
	ok(strstr(err.text, said), "the reason has '%s': %s", said, err.text);
}

static void test_refusals(void)
{
	struct convert_options options = defaults();
	struct disk d = new_disk(2 * CHUNK);
	size_t room = 4 * CHUNK;
	uint8_t *packed = malloc(room), *twice = malloc(room), digest[DIGEST_BYTES];
	size_t len = gzip_of(packed, room, d.bytes, d.len), twice_len = gzip_of(twice, room, packed, len);

	refuses("", 0, &options, -EBADMSG, "0 bytes", "an empty file");
	refuses(packed, gzip_of(packed, room, "", 0), &options, -EBADMSG, "0 bytes", "nothing inside gzip");
	refuses(twice, twice_len, &options, -ENOTSUP, "gzip inside gzip", "a disk compressed twice");
	len = gzip_of(packed, room, d.bytes, d.len);
	refuses(packed, len - 1, &options, -EBADMSG, "truncated", "a truncated file");
	memcpy(d.bytes, "QFI\xfb", 4);
	refuses(d.bytes, d.len, &options, -ENOTSUP, "qcow2", "a qcow2 image");
	refuses(packed, gzip_of(packed, room, d.bytes, d.len), &options, -ENOTSUP, "qcow2 image inside gzip",
		"a qcow2 image inside gzip");
	memset(d.bytes, 0, 4);
	memcpy(d.bytes + d.len - 512, "conectix", 8);
	refuses(d.bytes, d.len, &options, -ENOTSUP, "VHD", "a fixed VHD");
	refuses(packed, gzip_of(packed, room, d.bytes, d.len), &options, -ENOTSUP, "VHD", "a fixed VHD inside gzip");
	memset(d.bytes + d.len - 512, 0, 8);
	len = gzip_of(packed, room, d.bytes, d.len);

	struct err err;
	sniff_declared(&options.declared, "application/x-xz", "http://h/d", &err);
	refuses(packed, len, &options, -EBADMSG, "calls it xz, its bytes are gzip", "gzip that was declared to be xz");
	sniff_declared(&options.declared, NULL, "http://h/d.raw", &err);
	refuses(packed, len, &options, -EBADMSG, "calls it a raw disk", "gzip that was declared to be a raw disk");
	options.declared = NULL;

	options.length = len + 1;
	refuses(packed, len, &options, -EBADMSG, "the feed says", "another length than the feed's");
	options.length = len;
	memset(digest, 7, sizeof(digest));
	options.digest = digest;
	refuses(packed, len, &options, -EBADMSG, "SHA-256", "another digest than the feed's");
	fill(&d, 0, d.len);
	len = options.length = gzip_of(packed, room, d.bytes, d.len);
	digest_of(digest, packed, len);
	packed[len / 2] ^= 0x10;
	refuses(packed, len, &options, -EBADMSG, "SHA-256",
		"bytes that changed on the way: not the publisher is to blame");
	free(packed);
	free(twice);
	free(d.bytes);
}

/* F24: a few kilobytes that unpack to more than is allowed. */
static void test_bomb(void)
{
	struct convert_options options = defaults();
	struct disk d = new_disk(64 * CHUNK);
	uint8_t *packed = malloc(2 * CHUNK);
	struct store_image made;
	struct err err;

	size_t len = gzip_of(packed, 2 * CHUNK, d.bytes, d.len);
	options.image.disk_bytes_max = d.len;
	is_int(convert_bytes(&made, packed, len, &options, &err), 0, "a disk as large as the limit converts");
	options.image.disk_bytes_max = d.len - 512;
	refuses(packed, len, &options, -EFBIG, "disk_bytes_max", "one sector more is refused");
	options.image.disk_bytes_max = 2 * CHUNK;
	refuses(packed, len, &options, -EFBIG, "disk_bytes_max", "a bomb is refused");
	free(packed);
	free(d.bytes);
}

static int count_call(void *ctx, const char *phase, uint64_t done, uint64_t total, struct err *err)
{
	uint64_t *last = ctx;

	(void)phase;
	(void)err;
	*last = done <= total ? done : UINT64_MAX;
	return 0;
}

static void test_stop_and_progress(void)
{
	struct convert_options options = defaults();
	struct disk d = new_disk(30 * CHUNK);
	atomic_bool stop = false;
	struct store_image made;
	uint64_t last = 0;
	struct err err;

	options.watch = (struct watch){ .stop = &stop, .progress = count_call, .ctx = &last };
	is_int(convert_bytes(&made, d.bytes, d.len, &options, &err), 0, "converts");
	is_int(last, d.len, "progress ends with all bytes read");
	stop = true;
	is_int(convert_bytes(&made, d.bytes, d.len, &options, &err), -ECANCELED, "a stop ends it");
	free(d.bytes);
}

static bool exists(const char *parent, const char *name)
{
	char path[2 * PATH_ROOM];

	snprintf(path, sizeof(path), "%s/%s", parent, name);
	return access(path, F_OK) == 0;
}

static void test_publish(void)
{
	struct convert_options options = defaults();
	struct disk d = new_disk(2 * CHUNK);
	char path[2 * PATH_ROOM];
	struct store_image made;
	struct err err;

	convert_bytes(&made, d.bytes, d.len, &options, &err);
	is_int(image_publish(images, folder, &made, &err), 0, "an image is published");
	ok(exists(images, made.id) && access(folder, F_OK) != 0, "it lies under its id and nowhere else");
	convert_bytes(&made, d.bytes, d.len, &options, &err);
	is_int(image_publish(images, folder, &made, &err), 0, "the same image is published again");
	ok(exists(images, made.id) && access(folder, F_OK) != 0, "and the second copy is gone");
	snprintf(path, sizeof(path), "%s/%s/image.zst", images, made.id);
	ok(truncate(path, 10) == 0, "something damages it");
	convert_bytes(&made, d.bytes, d.len, &options, &err);
	is_int(image_publish(images, folder, &made, &err), 0, "then publishing it again replaces it");
	struct stat st;
	ok(stat(path, &st) == 0 && (uint64_t)st.st_size == made.image_bytes && access(folder, F_OK) != 0,
	   "by the whole one");
	ok(unlink(path) == 0, "a removal was interrupted");
	convert_bytes(&made, d.bytes, d.len, &options, &err);
	is_int(image_publish(images, folder, &made, &err), 0, "what it left is in nobody's way");
	ok(stat(path, &st) == 0, "and replaced, too");
	snprintf(path, sizeof(path), "%s/%s", images, made.id);
	is_int(image_remove(path, &err), 0, "an image can be removed");
	is_int(image_remove(path, &err), 0, "and what is not there, too");
	free(d.bytes);
}

static void put_file(const char *path, const char *bytes)
{
	CLEANUP(close_file) FILE *file = fopen(path, "w");

	if (!file || fputs(bytes, file) < 0)
		abort();
}

/* A file that is kept as it is, such as an ISO. */
static void test_publish_file(void)
{
	struct store_content content = { .kind = ITEM_ISO, .file = { .bytes = 4 } };
	char from[2 * PATH_ROOM], to[2 * PATH_ROOM], path[3 * PATH_ROOM];
	struct stat st;
	struct err err;

	memset(content.file.id, 'f', sizeof(content.file.id) - 1);
	snprintf(from, sizeof(from), "%s/file", top);
	snprintf(to, sizeof(to), "%s/%s", images, content.file.id);
	for (const char *rest = "cut"; rest; rest = rest[0] ? "" : NULL) {
		snprintf(path, sizeof(path), "%s/file", from);
		if (mkdir(from, 0755) || mkdir(to, 0755))
			abort();
		put_file(path, "file");
		snprintf(path, sizeof(path), "%s/%s", to, rest[0] ? "file" : "other");
		put_file(path, rest);
		is_int(content_publish(images, top, &content, &err), 0, "a file is published where a rest of it lies");
		snprintf(path, sizeof(path), "%s/file", to);
		ok(stat(path, &st) == 0 && st.st_size == 4 && access(from, F_OK) != 0, "and replaces that");
		folder_remove(to, &err);
		folder_remove(from, &err);
	}
}

int main(void)
{
	struct err err;

	snprintf(top, sizeof(top), "%s/vmcast-test.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(top))
		return 1;
	snprintf(folder, sizeof(folder), "%.400s/new", top);
	snprintf(images, sizeof(images), "%.400s/images", top);
	mkdir(images, 0755);
	test_sizes();
	test_zero_disk();
	test_padding();
	test_sector_sizes();
	test_same_image_however_packed();
	test_refusals();
	test_bomb();
	test_stop_and_progress();
	test_publish();
	test_publish_file();
	image_remove(folder, &err);
	rmdir(images);
	rmdir(top);
	return done_testing();
}
