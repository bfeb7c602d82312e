/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codec: see codec.h */
#include "codec.h"

#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES (256u << 10)

struct codec {
	const struct codec_ops *ops;
	struct codec_input input;
	void *state;
	size_t pos, len; /* what is left of `buf` */
	uint64_t taken;  /* input bytes the codec has consumed, for messages */
	bool between;    /* no member is open */
	bool input_ended;
	uint8_t buf[INPUT_BYTES];
};

int codec_open(struct codec **out, const struct codec_ops *ops, const struct codec_input *input, struct err *err)
{
	CLEANUP(codec_close) struct codec *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, -ENOMEM, "%s: out of memory", ops->name);
	c->ops = ops;
	c->input = *input;
	c->between = true;
	int rc = ops->open(&c->state, err);
	if (rc)
		return rc;
	*out = TAKE(c);
	return 0;
}

void codec_close(struct codec **c)
{
	if (!*c)
		return;
	if ((*c)->state)
		(*c)->ops->close((*c)->state);
	free(*c);
	*c = NULL;
}

/* Have at least `want` bytes in the buffer, unless the input ends before. */
static int fill(struct codec *c, size_t want, struct err *err)
{
	if (c->len - c->pos >= want || c->input_ended)
		return 0;
	memmove(c->buf, c->buf + c->pos, c->len - c->pos);
	c->len -= c->pos;
	c->pos = 0;
	while (c->len < want && !c->input_ended) {
		ssize_t got = c->input.read(c->input.ctx, c->buf + c->len, sizeof(c->buf) - c->len, err);

		if (got < 0)
			return (int)got;
		c->input_ended = got == 0;
		c->len += (size_t)got;
	}
	return 0;
}

/* Between two members: whether another begins (1), or the input ends as it should (0). */
static int next_member(struct codec *c, struct err *err)
{
	int rc = fill(c, CODEC_MAGIC_MAX, err);

	if (rc)
		return rc;
	size_t left = c->len - c->pos;
	if (!left)
		return c->taken ? 0 : err_set(err, -EBADMSG, "there is no data: 0 bytes");
	if (!c->ops->begins(c->buf + c->pos, left))
		return err_set(err, -EBADMSG,
			       c->taken ? "%s data is followed by something else, from byte %" PRIu64 " on"
					: "no %s data at byte %" PRIu64,
			       c->ops->name, c->taken);
	c->between = false;
	return 1;
}

static int step(struct codec *c, struct codec_step *io, struct err *err)
{
	int rc = fill(c, 1, err);

	if (rc)
		return rc;
	io->in = c->buf + c->pos;
	io->in_len = c->len - c->pos;
	size_t in_before = io->in_len, room_before = io->room;
	rc = c->ops->step(c->state, io, err);
	c->pos += in_before - io->in_len;
	c->taken += in_before - io->in_len;
	if (rc < 0)
		return err_wrap(err, "%s data, near byte %" PRIu64, c->ops->name, c->taken);
	c->between = rc == CODEC_BETWEEN;
	if (c->between || io->in_len != in_before || io->room != room_before)
		return 0;
	if (c->input_ended)
		return err_set(err, -EBADMSG, "%s data is truncated: it ends after %" PRIu64 " bytes", c->ops->name,
			       c->taken);
	return err_set(err, -EBADMSG, "%s data, near byte %" PRIu64 ": decoder makes no progress", c->ops->name,
		       c->taken);
}

ssize_t codec_read(struct codec *c, uint8_t *buf, size_t room, struct err *err)
{
	struct codec_step io = { .out = buf, .room = room };

	while (io.room) {
		int rc = c->between ? next_member(c, err) : 1;

		if (rc == 0)
			break;
		if (rc > 0)
			rc = step(c, &io, err);
		if (rc)
			return rc;
	}
	return (ssize_t)(room - io.room);
}
