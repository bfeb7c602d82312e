/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_reader: see disk_reader.h. Requests to QEMU form a queue: what the caller reads is at its head, and at its tail
 * the next ones are made before they are wanted. Source of the protocol: NBD, doc/proto.md.
 */
#include "disk_reader.h"

#include "backoff.h"
#include "cleanup.h"
#include "disk_format.h"
#include "qemu_nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libnbd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AHEAD         4u         /* requests at a time */
#define REQUEST_BYTES (1u << 20) /* of one */
#define STATUS_BYTES  (1u << 28) /* of disk whose holes are asked for at a time */
#define EXTENTS       1024u      /* that are remembered of the answer */
#define STALL_MS      120000u    /* without an answer; a busy machine is slow, a dead one silent */
#define SLICE_MS      500        /* how often a stop is looked for */

/* A piece of the disk, in the queue: bytes that were asked for, or a hole. */
struct piece {
	uint64_t bytes;
	bool hole, done;
	int error; /* positive errno value, once done */
	uint8_t *buf;
};

struct extent {
	uint64_t bytes;
	bool hole;
};

struct disk_reader {
	uint64_t disk_bytes;
	const atomic_bool *stop;
	struct disk_format format;
	uint64_t read_off; /* of the disk, up to where the caller has it */

	int fd; /* of a raw file, else -1 */
	uint64_t file_off;
	uint64_t data_off; /* of the disk: no data lies between read_off and this */

	struct qemu_nbd *qemu;
	struct nbd_handle *nbd;
	uint64_t waiting_ms; /* since when for the answer that is waited for */
	uint64_t asked_off;  /* of the disk, up to where pieces are in the queue */
	struct piece queue[AHEAD];
	unsigned head, queued;
	uint64_t head_used; /* bytes of the head that the caller has */
	uint8_t *buffers;   /* AHEAD x REQUEST_BYTES */
	struct extent extents[EXTENTS];
	unsigned extent, extent_count;
	bool status_done;
	int status_error;
};

/* ---- a raw file */

/* Find the next data if it is not known. File systems without holes say that all is data. */
static int find_data(struct disk_reader *r, struct err *err)
{
	if (r->data_off > r->read_off)
		return 0;
	off_t at = lseek(r->fd, (off_t)(r->file_off + r->read_off), SEEK_DATA);
	if (at < 0 && errno != ENXIO)
		return err_set(err, -errno, "look for data: %s", strerror(errno));
	r->data_off = at < 0 ? r->disk_bytes : (uint64_t)at - r->file_off;
	return 0;
}

static int read_raw(struct disk_reader *r, uint8_t *buf, size_t len, bool *zero, struct err *err)
{
	int rc = find_data(r, err);

	if (rc)
		return rc;
	*zero = r->data_off >= r->read_off + len;
	if (*zero) {
		memset(buf, 0, len);
		return 0;
	}
	for (size_t done = 0; done < len;) {
		ssize_t got = pread(r->fd, buf + done, len - done, (off_t)(r->file_off + r->read_off + done));

		if (got < 0)
			return err_set(err, -errno, "read: %s", strerror(errno));
		if (got == 0)
			return err_set(err, -EBADMSG, "the file became shorter while it was read");
		done += (size_t)got;
	}
	return 0;
}

/* ---- QEMU */

/* What QEMU said about it, or how it ended, is the better cause. */
static int fail_nbd(struct disk_reader *r, int code, const char *what, struct err *err)
{
	err_set(err, code, "%s", what);
	return qemu_nbd_explain(r->qemu, err);
}

/* Go on with whatever goes to QEMU or comes from it. The caller waits for something since r->waiting_ms. */
static int turn(struct disk_reader *r, struct err *err)
{
	if (r->stop && atomic_load(r->stop))
		return err_set(err, -ECANCELED, "stopped");
	if (nbd_poll(r->nbd, SLICE_MS) < 0)
		return fail_nbd(r, -EPROTO, nbd_get_error(), err);
	if (clock_ms() - r->waiting_ms > STALL_MS)
		return fail_nbd(r, -ETIMEDOUT, "QEMU does not answer", err);
	return 0;
}

static int await(struct disk_reader *r, const bool *done, struct err *err)
{
	int rc = 0;

	r->waiting_ms = clock_ms();
	while (!rc && !*done)
		rc = turn(r, err);
	return rc;
}

static int on_extents(void *ctx, const char *metacontext, uint64_t off, uint32_t *entries, size_t len, int *error)
{
	struct disk_reader *r = ctx;

	(void)metacontext;
	(void)error;
	if (off != r->asked_off)
		return 0;
	/* What does not fit is asked for again. */
	r->extent_count = 0;
	for (size_t i = 0; i + 1 < len && r->extent_count < EXTENTS; i += 2)
		r->extents[r->extent_count++] =
			(struct extent){ entries[i], (entries[i + 1] & LIBNBD_STATE_ZERO) != 0 };
	return 0;
}

static int on_status(void *ctx, int *error)
{
	struct disk_reader *r = ctx;

	r->status_error = *error;
	r->status_done = true;
	return 1;
}

/* Ask what the disk's next part consists of. */
static int ask_extents(struct disk_reader *r, struct err *err)
{
	const uint64_t left = r->disk_bytes - r->asked_off;
	nbd_extent_callback extents = { .callback = on_extents, .user_data = r };
	nbd_completion_callback completion = { .callback = on_status, .user_data = r };

	r->status_done = false;
	r->extent = r->extent_count = 0;
	if (nbd_aio_block_status(r->nbd, left < STATUS_BYTES ? left : STATUS_BYTES, r->asked_off, extents, completion,
				 0) < 0)
		return fail_nbd(r, -EPROTO, nbd_get_error(), err);
	int rc = await(r, &r->status_done, err);
	if (rc)
		return rc;
	if (r->status_error)
		return err_set(err, -EBADMSG, "the map of the disk at byte %" PRIu64 " cannot be read: %s",
			       r->asked_off, strerror(r->status_error));
	if (!r->extent_count || !r->extents[0].bytes)
		return err_set(err, -EPROTO, "QEMU does not say what is at byte %" PRIu64, r->asked_off);
	return 0;
}

static int on_read(void *ctx, int *error)
{
	struct piece *piece = ctx;

	piece->error = *error;
	piece->done = true;
	return 1;
}

/* Put the next piece of the disk into the queue, and ask for it if it is no hole. */
static int ask_piece(struct disk_reader *r, struct err *err)
{
	const unsigned nr = (r->head + r->queued) % AHEAD;
	struct piece *piece = &r->queue[nr];
	int rc = r->extent == r->extent_count ? ask_extents(r, err) : 0;

	if (rc)
		return rc;
	struct extent *extent = &r->extents[r->extent];
	uint64_t left = r->disk_bytes - r->asked_off, bytes = extent->bytes < left ? extent->bytes : left;
	if (!extent->hole && bytes > REQUEST_BYTES)
		bytes = REQUEST_BYTES;
	*piece = (struct piece){ .bytes = bytes, .hole = extent->hole, .done = extent->hole };
	piece->buf = r->buffers + (size_t)nr * REQUEST_BYTES;
	nbd_completion_callback completion = { .callback = on_read, .user_data = piece };
	if (!piece->hole && nbd_aio_pread(r->nbd, piece->buf, (size_t)bytes, r->asked_off, completion, 0) < 0)
		return fail_nbd(r, -EPROTO, nbd_get_error(), err);
	extent->bytes -= bytes;
	if (!extent->bytes || bytes == left)
		r->extent++;
	r->asked_off += bytes;
	r->queued++;
	return 0;
}

static int fill_queue(struct disk_reader *r, struct err *err)
{
	int rc = 0;

	while (!rc && r->queued < AHEAD && r->asked_off < r->disk_bytes)
		rc = ask_piece(r, err);
	return rc;
}

/* The head of the queue, complete. */
static int next_piece(struct disk_reader *r, struct err *err)
{
	struct piece *piece = &r->queue[r->head];
	int rc = fill_queue(r, err);

	if (!rc)
		rc = await(r, &piece->done, err);
	if (!rc && piece->error)
		rc = err_set(err, -EBADMSG, "the disk at byte %" PRIu64 " cannot be read: %s", r->read_off,
			     strerror(piece->error));
	return rc;
}

static int read_nbd(struct disk_reader *r, uint8_t *buf, size_t len, bool *zero, struct err *err)
{
	*zero = true;
	for (size_t done = 0; done < len;) {
		int rc = next_piece(r, err);

		if (rc)
			return rc;
		const struct piece *piece = &r->queue[r->head];
		uint64_t left = piece->bytes - r->head_used;
		size_t bytes = left < len - done ? (size_t)left : len - done;
		if (piece->hole)
			memset(buf + done, 0, bytes);
		else
			memcpy(buf + done, piece->buf + r->head_used, bytes);
		*zero = *zero && piece->hole;
		done += bytes;
		r->head_used += bytes;
		if (r->head_used == piece->bytes) {
			r->head = (r->head + 1) % AHEAD;
			r->queued--;
			r->head_used = 0;
		}
	}
	return 0;
}

/* Handshake: nothing but the size and the map of holes is of interest. */
static int connect_nbd(struct disk_reader *r, int socket, struct err *err)
{
	int rc = 0;

	r->nbd = nbd_create();
	/* It owns the socket once it was called. */
	if (!r->nbd || nbd_add_meta_context(r->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
	    nbd_aio_connect_socket(r->nbd, socket) < 0)
		return fail_nbd(r, -EPROTO, nbd_get_error(), err);
	r->waiting_ms = clock_ms();
	while (!rc && nbd_aio_is_ready(r->nbd) <= 0)
		rc = turn(r, err);
	if (rc)
		return rc;
	int64_t bytes = nbd_get_size(r->nbd);
	if (bytes < 0 || (uint64_t)bytes != r->disk_bytes)
		return err_set(err, -EPROTO, "QEMU says that the disk has %" PRIi64 " bytes, its header says %" PRIu64,
			       bytes, r->disk_bytes);
	if (nbd_can_meta_context(r->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) <= 0)
		return err_set(err, -EPROTO, "QEMU does not say where holes are");
	return 0;
}

/* ---- both */

static int open_image(struct disk_reader *r, const struct qemu_image *image, struct err *err)
{
	int socket = -1;

	r->buffers = malloc((size_t)AHEAD * REQUEST_BYTES);
	if (!r->buffers)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = qemu_check(image, r->stop, err);
	if (!rc)
		rc = qemu_nbd_open(&r->qemu, &socket, image, err);
	return rc ? rc : connect_nbd(r, socket, err);
}

static int check_size(uint64_t disk_bytes, const struct disk_reader_options *options, struct err *err)
{
	if (!options->disk_bytes_max || disk_bytes <= options->disk_bytes_max)
		return 0;
	return err_set(err, -EFBIG, "its disk has %" PRIu64 " bytes, and disk_bytes_max is %" PRIu64, disk_bytes,
		       options->disk_bytes_max);
}

/* Where the image lies in its file. */
static int find_image(struct qemu_image *image, int fd, const struct disk_reader_options *options, struct err *err)
{
	if (fd < 0 || fstat(fd, &image->file))
		return err_set(err, -errno, "open '%s': %s", options->path, strerror(errno));
	const uint64_t have = (uint64_t)image->file.st_size;
	if (options->file_off > have || options->file_bytes > have - options->file_off)
		return err_set(err, -EBADMSG,
			       "an image of %" PRIu64 " bytes at %" PRIu64 " lies outside of its file of %" PRIu64,
			       options->file_bytes, options->file_off, have);
	image->path = options->path;
	image->file_off = options->file_off;
	image->file_bytes = options->file_bytes ? options->file_bytes : have - options->file_off;
	return 0;
}

int disk_reader_open(struct disk_reader **out, const struct disk_reader_options *options, struct err *err)
{
	CLEANUP(disk_reader_close) struct disk_reader *r = calloc(1, sizeof(*r));
	struct qemu_image image;

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->stop = options->stop;
	r->fd = open(options->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc = find_image(&image, r->fd, options, err);
	if (rc)
		return rc;
	const bool is_raw = strcmp(options->format, "raw") == 0;
	r->file_off = image.file_off;
	r->disk_bytes = image.file_bytes;
	if (!is_raw) {
		rc = disk_format_check(&r->format, options->format, r->fd, image.file_off, image.file_bytes, err);
		if (rc)
			return rc;
		image.driver = r->format.driver;
		r->disk_bytes = image.disk_bytes = r->format.disk_bytes;
	}
	rc = check_size(r->disk_bytes, options, err);
	if (!rc && !is_raw)
		rc = open_image(r, &image, err);
	if (rc)
		return is_raw ? rc : err_wrap(err, "%s", r->format.name);
	*out = TAKE(r);
	return 0;
}

void disk_reader_close(struct disk_reader **reader)
{
	struct disk_reader *r = *reader;

	if (!r)
		return;
	nbd_close(r->nbd); /* before the buffers of its requests */
	qemu_nbd_close(&r->qemu);
	close_fd(&r->fd);
	free(r->buffers);
	free(r);
	*reader = NULL;
}

uint64_t disk_reader_bytes(const struct disk_reader *r)
{
	return r->disk_bytes;
}

const char *disk_reader_note(const struct disk_reader *r, size_t nr)
{
	return nr < r->format.note_count ? r->format.notes[nr] : NULL;
}

ssize_t disk_reader_read(struct disk_reader *r, uint8_t *buf, size_t len, bool *zero, struct err *err)
{
	const uint64_t left = r->disk_bytes - r->read_off;
	size_t bytes = left < len ? (size_t)left : len;
	int rc = r->nbd ? read_nbd(r, buf, bytes, zero, err) : read_raw(r, buf, bytes, zero, err);

	if (rc)
		return r->nbd ? err_wrap(err, "%s", r->format.name) : rc;
	r->read_off += bytes;
	return (ssize_t)bytes;
}
