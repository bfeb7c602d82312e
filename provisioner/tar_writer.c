/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tar_writer: see tar_writer.h */
#include "tar_writer.h"

#include "cleanup.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What eleven octal digits hold. */
#define OCTAL_MAX ((1ull << 33) - 1)

struct tar_writer {
	char *path;
	FILE *file;
	char name[TAR_NAME_MAX + 1]; /* of the member in hand, empty: none */
	uint64_t off;                /* of its header */
	uint64_t bytes;              /* of its content so far */
	int64_t now;
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

static void put_octal(uint8_t *field, int digits, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%0*" PRIo64, digits, value);
	memcpy(field, text, (size_t)digits);
}

static void put_size(uint8_t field[static 12], uint64_t bytes)
{
	if (bytes <= OCTAL_MAX) {
		put_octal(field, 11, bytes);
		return;
	}
	field[0] = 0x80;
	for (int i = 11; i > 3; i--, bytes >>= 8)
		field[i] = (uint8_t)bytes;
}

void tar_header_pack(uint8_t raw[static TAR_BLOCK_BYTES], const char *name, uint64_t bytes, int64_t when)
{
	unsigned sum = 0;

	assert(name[0] && strlen(name) <= TAR_NAME_MAX);
	memset(raw, 0, TAR_BLOCK_BYTES);
	memcpy(raw, name, strlen(name));
	put_octal(raw + 100, 7, 0644);
	put_octal(raw + 108, 7, 0); /* owner and group: root */
	put_octal(raw + 116, 7, 0);
	put_size(raw + 124, bytes);
	put_octal(raw + 136, 11, (uint64_t)when);
	memset(raw + 148, ' ', 8); /* what the checksum counts for itself */
	raw[156] = '0';
	memcpy(raw + 257, "ustar", 6);
	memcpy(raw + 263, "00", 2);
	for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
		sum += raw[i];
	put_octal(raw + 148, 6, sum);
	raw[154] = '\0';
}

static int write_header(struct tar_writer *w, struct err *err)
{
	uint8_t raw[TAR_BLOCK_BYTES];

	tar_header_pack(raw, w->name, w->bytes, w->now);
	return fwrite(raw, 1, sizeof(raw), w->file) == sizeof(raw) ? 0 : fail(w, err);
}

/* Fill its last block, and its header now that its length is known. */
static int end_member(struct tar_writer *w, struct err *err)
{
	static const char zeros[TAR_BLOCK_BYTES];
	size_t pad = (TAR_BLOCK_BYTES - w->bytes % TAR_BLOCK_BYTES) % TAR_BLOCK_BYTES;

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
	assert(name[0] && strlen(name) <= TAR_NAME_MAX);
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
	static const char end[2 * TAR_BLOCK_BYTES];
	int rc = end_member(w, err);

	if (rc)
		return rc;
	if (fwrite(end, 1, sizeof(end), w->file) != sizeof(end) || fflush(w->file) || fsync(fileno(w->file)))
		return fail(w, err);
	return 0;
}
