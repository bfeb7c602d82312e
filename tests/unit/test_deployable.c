/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image that a publisher made deployable is taken over when every byte of it is what its index says, and only then. */
#include "deployable.h"

#include "image_writer.h"
#include "index.h"
#include "tap.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>

#define CHUNK      (64u << 10)
#define DISK_BYTES (5 * CHUNK + 1000)
#define ROOM       (PATH_MAX + 64)

/* What the publisher serves: data, zeros, data, zeros, data, and a short chunk of data. */
static uint8_t index_bytes[4096], image_bytes[1 << 20];
static size_t index_len, image_len;
static struct store_image published;

static const char *in_root(char out[static ROOM], const char *name)
{
	snprintf(out, ROOM, "%s/%s", root, name);
	return out;
}

static size_t read_file(uint8_t *out, size_t room, const char *name)
{
	char path[ROOM];
	CLEANUP(close_file) FILE *file = fopen(in_root(path, name), "r");

	return file ? fread(out, 1, room, file) : 0;
}

static void write_file(const char *name, const uint8_t *bytes, size_t len)
{
	char path[ROOM];
	CLEANUP(close_file) FILE *file = fopen(in_root(path, name), "w");

	if (!file || fwrite(bytes, 1, len, file) != len)
		abort();
}

/* `told`: which chunks are zeros is told, while their buffers hold something else. */
static int write_image(struct store_image *out, const char *folder, bool told)
{
	CLEANUP(image_writer_close) struct image_writer *w = NULL;
	const struct image_options options = { .folder = folder, .chunk_bytes = CHUNK, .level = 3 };
	struct err err = { 0 };
	uint32_t state = 1;
	int rc = 0;

	mkdir(folder, 0755);
	image_writer_open(&w, &options, &err);
	for (size_t nr = 0, left = DISK_BYTES; left && !rc; nr++) {
		size_t len = left < CHUNK ? left : CHUNK;
		bool zeros = nr == 1 || nr == 3;
		uint8_t *buf;

		image_writer_next(w, &buf, &err);
		for (size_t i = 0; i < len; i++) {
			state = state * 1664525u + 1013904223u;
			buf[i] = zeros && !told ? 0 : (uint8_t)(state >> 24);
		}
		rc = zeros && told ? image_writer_put_zeros(w, len, &err) : image_writer_put(w, len, &err);
		left -= len;
	}
	return rc ? rc : image_writer_finish(w, out, &err);
}

static void make_published(void)
{
	struct store_image told;
	struct err ignored;
	char folder[ROOM];

	is_int(write_image(&published, in_root(folder, "feed"), false), 0, "an image is made");
	index_len = read_file(index_bytes, sizeof(index_bytes), "feed/index");
	image_len = read_file(image_bytes, sizeof(image_bytes), "feed/image.zst");
	is_int(write_image(&told, in_root(folder, "told"), true), 0, "and one whose holes are told");
	is_str(told.id, published.id, "they are one image");
	image_remove(folder, &ignored);
}

/* Put the published files back as they were. */
static void restore(void)
{
	write_file("feed/index", index_bytes, index_len);
	write_file("feed/image.zst", image_bytes, image_len);
}

static int verify_as(struct store_image *out, const uint8_t id[static DIGEST_BYTES], struct err *err)
{
	char path[ROOM];
	const struct watch watch = { .stop = NULL };
	const struct deployable_files files = { open(in_root(path, "feed/index"), O_RDONLY),
						open(in_root(path, "feed/image.zst"), O_RDONLY), id };
	int rc = deployable_verify(out, &files, &watch, err);

	close(files.index_fd);
	close(files.image_fd);
	return rc;
}

static int verify(struct store_image *out, struct err *err)
{
	uint8_t id[DIGEST_BYTES];

	digest_parse(id, published.id);
	return verify_as(out, id, err);
}

static void a_good_one_is_described(void)
{
	struct err err = { 0 };
	struct store_image found;

	is_int(verify(&found, &err), 0, "what image_writer made is right");
	is_str(found.id, published.id, "it has the same id");
	is_int(found.disk_bytes, published.disk_bytes, "and disk");
	is_int(found.image_bytes, published.image_bytes, "and image");
	is_int(found.index_bytes, published.index_bytes, "and index");
}

static void no_byte_may_differ(void)
{
	struct store_image found = { .id = "untouched" };
	unsigned passed = 0, wrong_code = 0;

	/* Every byte of the seek table, and some of the rest. */
	for (size_t off = 0, table = image_len - 100; off < image_len; off += off + 977 < table ? 977 : 1) {
		struct err err = { 0 };

		image_bytes[off] ^= 0x10;
		write_file("feed/image.zst", image_bytes, image_len);
		image_bytes[off] ^= 0x10;
		int rc = verify(&found, &err);
		passed += rc == 0;
		wrong_code += rc != -EBADMSG;
	}
	is_int(passed, 0, "an image with one other bit is refused, wherever that is");
	is_int(wrong_code, 0, "as corrupt");
	restore();
	for (size_t off = 0; off < index_len; off++) {
		struct err err = { 0 };

		index_bytes[off] ^= 0x10;
		write_file("feed/index", index_bytes, index_len);
		index_bytes[off] ^= 0x10;
		passed += verify(&found, &err) == 0;
	}
	is_int(passed, 0, "an index with one other bit is refused, wherever that is");
	is_str(found.id, "untouched", "and nothing is said of it");
	restore();
}

static void no_length_may_differ(void)
{
	struct store_image found;
	struct err err = { 0 };

	write_file("feed/image.zst", image_bytes, image_len - 1);
	is_int(verify(&found, &err), -EBADMSG, "an image cut by one byte is refused");
	write_file("feed/image.zst", image_bytes, image_len + 1);
	is_int(verify(&found, &err), -EBADMSG, "an image longer by one byte is refused");
	restore();
}

/* A publisher's own index may lie as well: each case changes it and gives it the id that it then has. */
static void an_index_that_lies_is_refused(void)
{
	static const struct {
		const char *what, *says;
		size_t off;
		uint8_t was, is;
	} cases[] = {
		{ "data that is called zeros", "calls it zeros", INDEX_HEADER_BYTES, CHUNK_DATA, CHUNK_ZERO },
		{ "a digest of another chunk", "not those of its digest", INDEX_HEADER_BYTES + 16, 0, 0 },
		{ "a digest of other zeros", "not those of its digest", INDEX_HEADER_BYTES + INDEX_ENTRY_BYTES + 16, 0,
		  0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t lying[sizeof(index_bytes)], id[DIGEST_BYTES];
		struct store_image found;
		struct err err = { 0 };

		memcpy(lying, index_bytes, index_len);
		if (cases[i].was != cases[i].is) {
			lying[cases[i].off] = cases[i].is;
			lying[48]--; /* data_chunks */
		} else {
			lying[cases[i].off] ^= 1;
		}
		write_file("feed/index", lying, index_len);
		digest_of(id, lying, index_len);
		is_int(verify_as(&found, id, &err), -EBADMSG, cases[i].what);
		ok(strstr(err.text, cases[i].says), "the reason is told: %s", err.text);
	}
	restore();
}

struct setting {
	uint8_t id[DIGEST_BYTES];
	char url[3][ROOM], part[ROOM], folder[ROOM];
	struct source_policy *policy;
	struct deployable_options options;
};

static void begin(struct setting *s)
{
	static const struct string_list no_hosts;
	struct err err = { 0 };

	digest_parse(s->id, published.id);
	snprintf(s->url[0], ROOM, "file://%s/feed/feed.xml", root);
	snprintf(s->url[1], ROOM, "file://%s/feed/index", root);
	snprintf(s->url[2], ROOM, "file://%s/feed/image.zst", root);
	in_root(s->part, "0123456789abcdef.0");
	in_root(s->folder, "made");
	mkdir(s->folder, 0755);
	if (source_policy_new(&s->policy, s->url[0], &no_hosts, &err))
		abort();
	s->options = (struct deployable_options){
		.index_url = s->url[1],
		.image_url = s->url[2],
		.id = s->id,
		.index_bytes = index_len,
		.image_bytes = image_len,
		.disk_bytes = published.disk_bytes,
		.part = s->part,
		.folder = s->folder,
		.policy = s->policy,
		.disk_bytes_max = 1 << 20,
	};
}

static void end(struct setting *s)
{
	struct err ignored;

	source_policy_free(&s->policy);
	deployable_discard(s->part);
	image_remove(s->folder, &ignored);
}

static bool is_there(const char *name)
{
	char path[ROOM];

	return access(in_root(path, name), F_OK) == 0;
}

static void a_good_one_is_taken_over(void)
{
	CLEANUP(end) struct setting s;
	static uint8_t bytes[sizeof(image_bytes)];
	struct store_image found;
	struct err err = { 0 };
	char images[ROOM], path[ROOM];

	begin(&s);
	is_int(deployable_fetch(&found, &s.options, &err), 0, "what a publisher made deployable is fetched");
	is_str(found.id, published.id, "it is the image that was announced");
	ok(!is_there("0123456789abcdef.0.index") && !is_there("0123456789abcdef.0.image"), "no download is left");
	ok(read_file(bytes, sizeof(bytes), "made/image.zst") == image_len && memcmp(bytes, image_bytes, image_len) == 0,
	   "its bytes are the publisher's");
	mkdir(in_root(images, "images"), 0755);
	is_int(image_publish(images, s.folder, &found, &err), 0, "it can be offered like any other");
	snprintf(path, sizeof(path), "images/%s/index", found.id);
	ok(is_there(path), "under its id");
}

static void what_is_announced_must_be_so(void)
{
	static const struct {
		const char *what;
		int64_t index_more, image_more, disk_more;
		int code;
	} cases[] = {
		{ "an index of another length", 1, 0, 0, -EBADMSG },
		{ "an image of another length", 0, -1, 0, -EBADMSG },
		{ "a disk of another size", 0, 0, 512, -EBADMSG },
		{ "a disk that is too large", 0, 0, 1 << 20, -EFBIG },
		{ "an index that no disk can have", 1ll << 50, 0, 0, -EBADMSG },
		{ "an image that no disk can have", 0, 1ll << 50, 0, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(end) struct setting s;
		struct store_image found;
		struct err err = { 0 };

		begin(&s);
		s.options.index_bytes += (uint64_t)cases[i].index_more;
		s.options.image_bytes += (uint64_t)cases[i].image_more;
		s.options.disk_bytes += (uint64_t)cases[i].disk_more;
		is_int(deployable_fetch(&found, &s.options, &err), cases[i].code, cases[i].what);
		ok(!is_there("made/index") && !is_there("made/image.zst"), "nothing is made of it: %s", err.text);
	}
}

static void wrong_bytes_are_refused(void)
{
	CLEANUP(end) struct setting s;
	struct store_image found;
	struct err err = { 0 };

	begin(&s);
	image_bytes[100] ^= 1;
	write_file("feed/image.zst", image_bytes, image_len);
	image_bytes[100] ^= 1;
	is_int(deployable_fetch(&found, &s.options, &err), -EBADMSG, "an image with a wrong chunk is refused");
	ok(strstr(err.text, "chunk 0"), "which one is told: %s", err.text);
	ok(!is_there("made/index") && !is_there("made/image.zst"), "nothing is made of it");
	restore();
}

static void a_feed_names_its_own_files_only(void)
{
	CLEANUP(end) struct setting s;
	struct store_image found;
	struct err err = { 0 };

	begin(&s);
	put("secret", "x");
	snprintf(s.url[1], ROOM, "file://%s/secret", root);
	s.options.index_bytes = 1;
	is_int(deployable_fetch(&found, &s.options, &err), -EACCES, "a file beside the feed's folder is not opened");
}

static void it_can_be_stopped(void)
{
	CLEANUP(end) struct setting s;
	atomic_bool stop = true;
	struct store_image found;
	struct err err = { 0 };

	begin(&s);
	s.options.watch.stop = &stop;
	is_int(deployable_fetch(&found, &s.options, &err), -ECANCELED, "a fetch can be stopped");
}

int main(void)
{
	make_root();
	make_published();
	a_good_one_is_described();
	no_byte_may_differ();
	no_length_may_differ();
	an_index_that_lies_is_refused();
	a_good_one_is_taken_over();
	what_is_announced_must_be_so();
	wrong_bytes_are_refused();
	a_feed_names_its_own_files_only();
	it_can_be_stopped();
	remove_root();
	return done_testing();
}
