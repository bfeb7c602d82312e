/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_source_nbd: the bytes of a disk from QEMU. Requests form a queue: what the caller reads is at its head, and at
 * its tail the next ones are made before they are wanted. Source of the protocol: NBD, doc/proto.md.
 */
#include "disk_reader_impl.h"

#include "backoff.h"
#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <stdlib.h>
#include <string.h>

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

struct nbd_source {
	uint64_t disk_bytes;
	const atomic_bool *stop;
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

/* What QEMU said about it, or how it ended, is the better cause. */
static int fail_nbd(struct nbd_source *s, int code, const char *what, struct err *err)
{
	err_set(err, code, "%s", what);
	return qemu_nbd_explain(s->qemu, err);
}

/* Go on with whatever goes to QEMU or comes from it. The caller waits for something since s->waiting_ms. */
static int turn(struct nbd_source *s, struct err *err)
{
	if (s->stop && atomic_load(s->stop))
		return err_set(err, -ECANCELED, "stopped");
	if (nbd_poll(s->nbd, SLICE_MS) < 0)
		return fail_nbd(s, -EPROTO, nbd_get_error(), err);
	if (clock_ms() - s->waiting_ms > STALL_MS)
		return fail_nbd(s, -ETIMEDOUT, "QEMU does not answer", err);
	return 0;
}

static int await(struct nbd_source *s, const bool *done, struct err *err)
{
	int rc = 0;

	s->waiting_ms = clock_ms();
	while (!rc && !*done)
		rc = turn(s, err);
	return rc;
}

static int on_extents(void *ctx, const char *metacontext, uint64_t off, uint32_t *entries, size_t len, int *error)
{
	struct nbd_source *s = ctx;

	(void)metacontext;
	(void)error;
	if (off != s->asked_off)
		return 0;
	/* What does not fit is asked for again. */
	s->extent_count = 0;
	for (size_t i = 0; i + 1 < len && s->extent_count < EXTENTS; i += 2)
		s->extents[s->extent_count++] =
			(struct extent){ entries[i], (entries[i + 1] & LIBNBD_STATE_ZERO) != 0 };
	return 0;
}

static int on_status(void *ctx, int *error)
{
	struct nbd_source *s = ctx;

	s->status_error = *error;
	s->status_done = true;
	return 1;
}

/* Ask what the disk's next part consists of. */
static int ask_extents(struct nbd_source *s, struct err *err)
{
	const uint64_t left = s->disk_bytes - s->asked_off;
	nbd_extent_callback extents = { .callback = on_extents, .user_data = s };
	nbd_completion_callback completion = { .callback = on_status, .user_data = s };

	s->status_done = false;
	s->extent = s->extent_count = 0;
	if (nbd_aio_block_status(s->nbd, left < STATUS_BYTES ? left : STATUS_BYTES, s->asked_off, extents, completion,
				 0) < 0)
		return fail_nbd(s, -EPROTO, nbd_get_error(), err);
	int rc = await(s, &s->status_done, err);
	if (rc)
		return rc;
	if (s->status_error)
		return err_set(err, -EBADMSG, "the map of the disk at byte %" PRIu64 " cannot be read: %s",
			       s->asked_off, strerror(s->status_error));
	if (!s->extent_count || !s->extents[0].bytes)
		return err_set(err, -EPROTO, "QEMU does not say what is at byte %" PRIu64, s->asked_off);
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
static int ask_piece(struct nbd_source *s, struct err *err)
{
	const unsigned nr = (s->head + s->queued) % AHEAD;
	struct piece *piece = &s->queue[nr];
	int rc = s->extent == s->extent_count ? ask_extents(s, err) : 0;

	if (rc)
		return rc;
	struct extent *extent = &s->extents[s->extent];
	uint64_t left = s->disk_bytes - s->asked_off, bytes = extent->bytes < left ? extent->bytes : left;
	if (!extent->hole && bytes > REQUEST_BYTES)
		bytes = REQUEST_BYTES;
	*piece = (struct piece){ .bytes = bytes, .hole = extent->hole, .done = extent->hole };
	piece->buf = s->buffers + (size_t)nr * REQUEST_BYTES;
	nbd_completion_callback completion = { .callback = on_read, .user_data = piece };
	if (!piece->hole && nbd_aio_pread(s->nbd, piece->buf, (size_t)bytes, s->asked_off, completion, 0) < 0)
		return fail_nbd(s, -EPROTO, nbd_get_error(), err);
	extent->bytes -= bytes;
	if (!extent->bytes || bytes == left)
		s->extent++;
	s->asked_off += bytes;
	s->queued++;
	return 0;
}

static int fill_queue(struct nbd_source *s, struct err *err)
{
	int rc = 0;

	while (!rc && s->queued < AHEAD && s->asked_off < s->disk_bytes)
		rc = ask_piece(s, err);
	return rc;
}

/* The head of the queue, complete. */
static int next_piece(struct nbd_source *s, uint64_t off, struct err *err)
{
	struct piece *piece = &s->queue[s->head];
	int rc = fill_queue(s, err);

	if (!rc)
		rc = await(s, &piece->done, err);
	if (!rc && piece->error)
		rc = err_set(err, -EBADMSG, "the disk at byte %" PRIu64 " cannot be read: %s", off,
			     strerror(piece->error));
	return rc;
}

static int read_nbd(void *source, uint8_t *buf, uint64_t off, size_t len, bool *zero, struct err *err)
{
	struct nbd_source *s = source;

	*zero = true;
	for (size_t done = 0; done < len;) {
		int rc = next_piece(s, off + done, err);

		if (rc)
			return rc;
		const struct piece *piece = &s->queue[s->head];
		uint64_t left = piece->bytes - s->head_used;
		size_t bytes = left < len - done ? (size_t)left : len - done;
		if (piece->hole)
			memset(buf + done, 0, bytes);
		else
			memcpy(buf + done, piece->buf + s->head_used, bytes);
		*zero = *zero && piece->hole;
		done += bytes;
		s->head_used += bytes;
		if (s->head_used == piece->bytes) {
			s->head = (s->head + 1) % AHEAD;
			s->queued--;
			s->head_used = 0;
		}
	}
	return 0;
}

/* Handshake: nothing but the size and the map of holes is of interest. */
static int connect_nbd(struct nbd_source *s, int socket, struct err *err)
{
	int rc = 0;

	s->nbd = nbd_create();
	/* It owns the socket once it was called. */
	if (!s->nbd || nbd_add_meta_context(s->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0 ||
	    nbd_aio_connect_socket(s->nbd, socket) < 0)
		return fail_nbd(s, -EPROTO, nbd_get_error(), err);
	s->waiting_ms = clock_ms();
	while (!rc && nbd_aio_is_ready(s->nbd) <= 0)
		rc = turn(s, err);
	if (rc)
		return rc;
	int64_t bytes = nbd_get_size(s->nbd);
	if (bytes < 0 || (uint64_t)bytes != s->disk_bytes)
		return err_set(err, -EPROTO, "QEMU says that the disk has %" PRIi64 " bytes, its header says %" PRIu64,
			       bytes, s->disk_bytes);
	if (nbd_can_meta_context(s->nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) <= 0)
		return err_set(err, -EPROTO, "QEMU does not say where holes are");
	return 0;
}

static void close_nbd(void *source)
{
	struct nbd_source *s = source;

	if (!s)
		return;
	nbd_close(s->nbd); /* before the buffers of its requests */
	qemu_nbd_close(&s->qemu);
	free(s->buffers);
	free(s);
}

const struct disk_source_ops disk_source_nbd = { read_nbd, close_nbd };

int disk_source_nbd_open(void **out, const struct qemu_image *image, const atomic_bool *stop, struct err *err)
{
	struct nbd_source *s = calloc(1, sizeof(*s));
	int socket = -1;

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->disk_bytes = image->disk_bytes;
	s->stop = stop;
	s->buffers = malloc((size_t)AHEAD * REQUEST_BYTES);
	int rc = s->buffers ? 0 : err_set(err, -ENOMEM, "out of memory");
	if (!rc)
		rc = qemu_check(image, stop, err);
	if (!rc)
		rc = qemu_nbd_open(&s->qemu, &socket, image, err);
	if (!rc)
		rc = connect_nbd(s, socket, err);
	if (rc)
		close_nbd(s);
	else
		*out = s;
	return rc;
}
