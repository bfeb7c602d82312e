/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tar_writer: see tar_writer.h */
#include "tar_writer.h"

#include "cleanup.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES 512u
#define NAME_ROOM   100
/* What eleven octal digits hold. */
#define OCTAL_MAX ((1ull << 33) - 1)

struct tar_writer {
	char *path;
	FILE *file;
	char name[NAME_ROOM]; /* of the member in hand, empty: none */
	uint64_t off;         /* of its header */
	uint64_t bytes;       /* of its content so far */
	time_t now;
};

static int fail(const struct tar_writer *w, struct err *err)
{
	return err_set(err, -errno, "write '%s': %s", w->path, strerror(errno));
}

int tar_writer_open(struct tar_writer **out, const char *path, struct err *err)
{
	CLEANUP(tar_writer_close) struct tar_writer *w = calloc(1, sizeof(*w));

	if (w)
		w->path = strdup(path);
	if (!w || !w->path)
		return err_set(err, -ENOMEM, "tar: out of memory");
	w->now = time(NULL);
	w->file = fopen(path, "wxe");
	if (!w->file)
		return err_set(err, -errno, "create '%s': %s", path, strerror(errno));
	*out = TAKE(w);
	return 0;
}

void tar_writer_close(struct tar_writer **w)
{
	if (!*w)
		return;
	close_file(&(*w)->file);
	free((*w)->path);
	free(*w);
	*w = NULL;
}

static void put_octal(char *field, int digits, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%0*" PRIo64, digits, value);
	memcpy(field, text, (size_t)digits);
}

static void put_size(char field[static 12], uint64_t bytes)
{
	if (bytes <= OCTAL_MAX) {
		put_octal(field, 11, bytes);
		return;
	}
	field[0] = (char)0x80;
	for (int i = 11; i > 3; i--, bytes >>= 8)
		field[i] = (char)(bytes & 0xff);
}

static int write_header(struct tar_writer *w, struct err *err)
{
	char h[BLOCK_BYTES] = { 0 };
	unsigned sum = 0;

	memcpy(h, w->name, strlen(w->name));
	put_octal(h + 100, 7, 0644);
	put_octal(h + 108, 7, 0);
	put_octal(h + 116, 7, 0);
	put_size(h + 124, w->bytes);
	put_octal(h + 136, 11, (uint64_t)w->now);
	memset(h + 148, ' ', 8); /* what the checksum counts for itself */
	h[156] = '0';
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	memcpy(h + 265, "root", 4);
	memcpy(h + 297, "root", 4);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	put_octal(h + 148, 6, sum);
	h[154] = '\0';
	return fwrite(h, 1, sizeof(h), w->file) == sizeof(h) ? 0 : fail(w, err);
}

/* Fill its last block, and its header now that its length is known. */
static int end_member(struct tar_writer *w, struct err *err)
{
	static const char zeros[BLOCK_BYTES];
	size_t pad = (BLOCK_BYTES - w->bytes % BLOCK_BYTES) % BLOCK_BYTES;

	if (!w->name[0])
		return 0;
	if (fwrite(zeros, 1, pad, w->file) != pad || fseeko(w->file, (off_t)w->off, SEEK_SET))
		return fail(w, err);
	int rc = write_header(w, err);
	if (rc)
		return rc;
	w->name[0] = '\0';
	return fseeko(w->file, 0, SEEK_END) ? fail(w, err) : 0;
}

int tar_writer_begin(struct tar_writer *w, const char *name, struct err *err)
{
	int rc = end_member(w, err);

	if (rc)
		return rc;
	assert(name[0] && strlen(name) < NAME_ROOM);
	strcpy(w->name, name);
	w->off = (uint64_t)ftello(w->file);
	w->bytes = 0;
	return write_header(w, err);
}

int tar_writer_add(struct tar_writer *w, const void *data, size_t len, struct err *err)
{
	if (fwrite(data, 1, len, w->file) != len)
		return fail(w, err);
	w->bytes += len;
	return 0;
}

int tar_writer_finish(struct tar_writer *w, struct err *err)
{
	static const char end[2 * BLOCK_BYTES];
	int rc = end_member(w, err);

	if (rc)
		return rc;
	if (fwrite(end, 1, sizeof(end), w->file) != sizeof(end) || fflush(w->file) || fsync(fileno(w->file)))
		return fail(w, err);
	return 0;
}
