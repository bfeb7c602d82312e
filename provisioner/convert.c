/* SPDX-License-Identifier: GPL-2.0-or-later */
/* convert: see convert.h */
#include "convert.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file as it is read: every byte goes into the digest, if there is one to compare with. */
struct input {
	int fd;
	uint64_t off;
	bool has_digest;
	struct digest digest;
};

/* The last bytes of the raw disk so far. */
struct tail {
	uint8_t bytes[SNIFF_TAIL_BYTES];
	size_t len;
};

static ssize_t read_input(void *ctx, uint8_t *buf, size_t room, struct err *err)
{
	struct input *in = ctx;
	ssize_t got = pread(in->fd, buf, room, (off_t)in->off);

	if (got < 0)
		return err_set(err, -errno, "read: %s", strerror(errno));
	if (in->has_digest)
		digest_add(&in->digest, buf, (size_t)got);
	in->off += (uint64_t)got;
	return got;
}

static int check_origin(struct input *in, const struct convert_options *options, struct err *err)
{
	uint8_t found[DIGEST_BYTES];
	char want_hex[DIGEST_HEX], found_hex[DIGEST_HEX];

	if (options->length && in->off != options->length)
		return err_set(err, -EBADMSG, "it has %" PRIu64 " bytes, the feed says %" PRIu64, in->off,
			       options->length);
	if (!options->digest)
		return 0;
	digest_final(&in->digest, found);
	if (digest_equal(found, options->digest))
		return 0;
	digest_hex(want_hex, options->digest);
	digest_hex(found_hex, found);
	return err_set(err, -EBADMSG, "its SHA-256 is %s, the feed says %s", found_hex, want_hex);
}

/* Bytes that could not be unpacked are perhaps not the publisher's at all: that is then the cause to name. */
static int blame_origin(struct input *in, const struct convert_options *options, struct err *err)
{
	struct err origin = { 0 };
	uint8_t buf[16384];
	ssize_t got;

	while ((got = read_input(in, buf, sizeof(buf), &origin)) > 0)
		;
	if (got == 0 && check_origin(in, options, &origin)) {
		*err = origin;
		return origin.code;
	}
	return err->code;
}

static int find_format(const struct sniff_format **out, int fd, const struct sniff_format *declared, struct err *err)
{
	uint8_t head[SNIFF_HEAD_BYTES];
	ssize_t len = pread(fd, head, sizeof(head), 0);

	if (len < 0)
		return err_set(err, -errno, "read: %s", strerror(errno));
	const struct sniff_format *found = sniff_head(head, (size_t)len);
	if (declared && declared != found)
		return err_set(err, -EBADMSG, "the feed calls it %s, its bytes are %s", declared->name, found->name);
	if (!found->codec)
		return err_set(err, -ENOTSUP, "it is %s, which is not supported yet", found->name);
	*out = found;
	return 0;
}

/* What came out of a compressed file must be a disk, by its beginning. */
static int check_inside(const struct sniff_format *outer, const uint8_t *raw, size_t len, struct err *err)
{
	const struct sniff_format *inner = sniff_head(raw, len);

	if (inner->kind == SNIFF_RAW)
		return 0;
	return err_set(err, -ENOTSUP, "it is %s inside %s, which is not supported%s", inner->name, outer->name,
		       inner->codec ? " (compressed twice)" : " yet");
}

static void keep_tail(struct tail *tail, const uint8_t *raw, size_t len)
{
	size_t fresh = len < sizeof(tail->bytes) ? len : sizeof(tail->bytes);
	size_t old = tail->len < sizeof(tail->bytes) - fresh ? tail->len : sizeof(tail->bytes) - fresh;

	memmove(tail->bytes, tail->bytes + tail->len - old, old);
	memcpy(tail->bytes + old, raw + len - fresh, fresh);
	tail->len = old + fresh;
}

/* From the first chunk to the last. */
static int copy_disk(struct image_writer *w, struct codec *codec, const struct sniff_format *format,
		     const struct input *in, uint64_t total_bytes, const struct convert_options *options,
		     struct err *err)
{
	struct tail tail = { .len = 0 };
	bool first = true;

	for (;;) {
		uint8_t *buf;
		int rc = image_writer_next(w, &buf, err);
		ssize_t len = rc ? rc : codec_read(codec, buf, options->image.chunk_bytes, err);

		if (len < 0)
			return (int)len;
		rc = first ? check_inside(format, buf, (size_t)len, err) : 0;
		first = false;
		keep_tail(&tail, buf, (size_t)len);
		if (!rc)
			rc = image_writer_put(w, (size_t)len, err);
		if (rc)
			return rc;
		rc = watch_look(&options->watch, "convert", in->off, total_bytes, err);
		if (rc)
			return rc;
		if ((size_t)len < options->image.chunk_bytes)
			return sniff_tail(tail.bytes, tail.len, err);
	}
}

int convert_file(struct store_image *out, int fd, const struct convert_options *options, struct err *err)
{
	CLEANUP(image_writer_close) struct image_writer *w = NULL;
	CLEANUP(codec_close) struct codec *codec = NULL;
	const struct sniff_format *format;
	struct input in = { .fd = fd, .has_digest = options->digest };
	struct codec_input source = { read_input, &in };
	struct stat st;

	if (fstat(fd, &st))
		return err_set(err, -errno, "%s", strerror(errno));
	digest_init(&in.digest);
	int rc = find_format(&format, fd, options->declared, err);
	if (!rc)
		rc = image_writer_open(&w, &options->image, err);
	if (!rc)
		rc = codec_open(&codec, format->codec, &source, err);
	if (!rc)
		rc = copy_disk(w, codec, format, &in, (uint64_t)st.st_size, options, err);
	if (rc == -EBADMSG)
		return blame_origin(&in, options, err);
	if (!rc)
		rc = check_origin(&in, options, err);
	return rc ? rc : image_writer_finish(w, out, err);
}

int convert_check_origin(int fd, const struct convert_options *options, struct err *err)
{
	static const size_t room = 1 << 20;
	struct input in = { .fd = fd, .has_digest = options->digest };
	CLEANUP(free_mem) uint8_t *buf = malloc(room);
	struct stat st;
	ssize_t got;

	if (!buf)
		return err_set(err, -ENOMEM, "out of memory");
	if (fstat(fd, &st))
		return err_set(err, -errno, "%s", strerror(errno));
	digest_init(&in.digest);
	if (!options->digest)
		in.off = (uint64_t)st.st_size;
	else
		while ((got = read_input(&in, buf, room, err)) != 0)
			if (got < 0 || watch_look(&options->watch, "check", in.off, (uint64_t)st.st_size, err))
				return err->code;
	return check_origin(&in, options, err);
}
