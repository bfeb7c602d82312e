/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frame.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK 65536

int main(void)
{
	struct frame_packer *packer = NULL;
	struct frame_opener *opener = NULL;
	struct err err = { 0 };
	size_t room = frame_bound(CHUNK);
	uint8_t *chunk = malloc(CHUNK), *back = malloc(CHUNK), *frame = malloc(2 * room);

	for (size_t i = 0; i < CHUNK; i++)
		chunk[i] = (uint8_t)(i * i >> 7);
	is_int(frame_packer_new(&packer, 3, &err), 0, "a packer");
	is_int(frame_opener_new(&opener, CHUNK, &err), 0, "an opener");

	ssize_t len = frame_pack(packer, frame, room, chunk, CHUNK, &err);
	ok(len > 0, "a chunk packs");
	is_int(frame_open(opener, back, CHUNK, frame, (size_t)len, &err), 0, "and opens");
	ok(memcmp(chunk, back, CHUNK) == 0, "to the same bytes");

	is_int(frame_open(opener, back, CHUNK - 1, frame, (size_t)len, &err), -EBADMSG,
	       "more bytes than wanted are refused");
	is_int(frame_open(opener, back, CHUNK, frame, (size_t)len - 1, &err), -EBADMSG, "a cut frame is refused");
	memcpy(frame + len, frame, (size_t)len);
	is_int(frame_open(opener, back, CHUNK, frame, (size_t)len * 2, &err), -EBADMSG, "two frames are refused");
	is_int(frame_open(opener, back, CHUNK + 1, frame, (size_t)len, &err), -EINVAL,
	       "a chunk above the limit is refused");

	len = frame_pack(packer, frame, room, chunk, CHUNK / 2, &err);
	is_int(frame_open(opener, back, CHUNK, frame, (size_t)len, &err), -EBADMSG,
	       "fewer bytes than wanted are refused");

	frame_packer_free(&packer);
	frame_opener_free(&opener);
	frame_packer_free(&packer); /* NULL now, and fine */
	free(chunk);
	free(back);
	free(frame);
	return done_testing();
}
