/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames through real threads to a place that takes notes, stalls, or fails. */
#include "frame.h"
#include "pipeline.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK     65536u
#define CHUNKS    (1u << 20) /* 64 GiB */
#define CALLS_MAX 1024u
#define NONE      UINT64_MAX
#define FULL_MS   30u /* nothing has been handed over for so long: there is no more room */
#define ZEROS_MAX (256u << 20)
#define MANY      200u /* chunks, more than there are slots */

struct call {
	uint64_t off;
	uint64_t len;
	bool is_zeros;
};

/* What `place` is told to do, and what it saw. */
struct place {
	struct index_header header;
	struct call calls[CALLS_MAX];
	size_t count;
	bool is_wrong; /* bytes were placed that are not those of the image */
	uint64_t stall_nr, fail_nr;
	bool stop_then; /* when it has stalled: `stop` becomes true */
	atomic_bool stop;
	atomic_size_t handed; /* chunks that got room */
};

static struct frame_packer *packer;

static void fill(uint8_t chunk[static CHUNK], uint64_t nr)
{
	uint32_t x = (uint32_t)nr * 2654435761u + 1;

	for (size_t i = 0; i < CHUNK; i++) {
		x = x * 1664525u + 1013904223u;
		chunk[i] = (uint8_t)(x >> 24) & 15; /* compresses to half */
	}
}

/* Until the one who hands over waits for room, too. */
static void wait_full(struct place *at)
{
	size_t before;

	do {
		before = atomic_load(&at->handed);
		usleep(FULL_MS * 1000);
	} while (before == 0 || atomic_load(&at->handed) != before);
}

static int place(void *ctx, const uint8_t *bytes, uint64_t len, uint64_t off, struct err *err)
{
	struct place *at = ctx;
	uint8_t want[CHUNK];
	uint64_t nr = off / CHUNK;

	if (at->count < CALLS_MAX)
		at->calls[at->count++] = (struct call){ .off = off, .len = len, .is_zeros = !bytes };
	for (uint64_t done = 0; bytes && done < len; done += CHUNK) {
		fill(want, nr + done / CHUNK);
		at->is_wrong |= memcmp(bytes + done, want, CHUNK) != 0;
	}
	if (nr == at->stall_nr)
		wait_full(at);
	if (nr == at->stall_nr && at->stop_then)
		atomic_store(&at->stop, true);
	return nr == at->fail_nr ? err_set(err, -EIO, "disk test: write at byte %llu", (unsigned long long)off) : 0;
}

static void place_init(struct place *at)
{
	*at = (struct place){
		.header = { .disk_bytes = (uint64_t)CHUNK * CHUNKS, .chunk_bytes = CHUNK, .chunk_count = CHUNKS },
		.stall_nr = NONE,
		.fail_nr = NONE,
	};
}

static struct pipeline *new_pipeline(struct place *at)
{
	struct pipeline_options options = { .chunk_bytes_max = CHUNK, .stop = &at->stop };
	struct pipeline *p = NULL;
	struct err err;

	if (pipeline_new(&p, &options, &err) != 0)
		abort();
	return p;
}

static struct chunk_sink begin(struct pipeline *p, struct place *at)
{
	struct pipeline_target target = { .header = &at->header, .place = place, .ctx = at };

	return pipeline_begin(p, &target);
}

/* Chunk `nr`, or another one in its place. */
static int hand_over(const struct chunk_sink *sink, struct place *at, uint64_t nr, bool is_wrong, struct err *err)
{
	uint8_t chunk[CHUNK], packed[CHUNK + 1024];
	struct index_entry entry = { .kind = CHUNK_DATA };
	uint8_t *frame;

	fill(chunk, nr);
	digest_of(entry.digest, chunk, CHUNK);
	if (is_wrong)
		chunk[77] ^= 1;
	entry.frame_bytes = (uint32_t)frame_pack(packer, packed, sizeof(packed), chunk, CHUNK, err);
	int rc = sink->room(sink->ctx, &frame, nr, &entry, err);
	if (rc)
		return rc;
	memcpy(frame, packed, entry.frame_bytes);
	sink->take(sink->ctx);
	atomic_fetch_add(&at->handed, 1);
	return 0;
}

static int hand_over_zeros(const struct chunk_sink *sink, uint64_t first, uint64_t count)
{
	struct index_entry entry = { .kind = CHUNK_ZERO, .frame_bytes = 20 };
	struct err err;
	int rc = 0;

	for (uint64_t nr = first; nr < first + count && !rc; nr++)
		rc = sink->take_zeros(sink->ctx, nr, &entry, &err);
	return rc;
}

/* Chunks `first`..`end`-1, of which one or two are wrong, until that is noticed. Returns the first that had no room. */
static uint64_t hand_over_many(const struct chunk_sink *sink, struct place *at, uint64_t first, uint64_t end,
			       const uint64_t wrong[static 2], struct err *err)
{
	uint64_t nr = first;

	while (nr < end && hand_over(sink, at, nr, nr == wrong[0] || nr == wrong[1], err) == 0)
		nr++;
	return nr;
}

static const uint64_t none_wrong[2] = { NONE, NONE };

static bool is_ascending(const struct place *at, uint64_t first, uint64_t end)
{
	uint64_t off = first * CHUNK;
	bool good = true;

	for (size_t i = 0; i < at->count; i++) {
		good &= at->calls[i].off == off;
		off += at->calls[i].len;
	}
	return good && off == end * CHUNK;
}

static void test_order(struct place *at)
{
	place_init(at);
	struct pipeline *p = new_pipeline(at);
	struct chunk_sink sink = begin(p, at);
	struct err err;
	uint64_t nr = NONE;

	is_int(hand_over_many(&sink, at, 3, MANY, none_wrong, &err), MANY,
	       "more chunks than there are slots are taken");
	is_int(sink.settle(sink.ctx, &nr, &err), 0, "and settled");
	ok(is_ascending(at, 3, MANY) && !at->is_wrong, "each is placed once, in order, with its bytes");
	ok(at->calls[0].len == 13 * CHUNK && at->calls[1].len == 16 * CHUNK, "up to a whole MiB at once");
	is_int(sink.settle(sink.ctx, &nr, &err), 0, "nothing more is to be settled");
	ok(nr == NONE, "and no chunk failed");
	pipeline_free(&p);
}

static void test_zeros(struct place *at)
{
	place_init(at);
	struct pipeline *p = new_pipeline(at);
	struct chunk_sink sink = begin(p, at);
	struct err err;
	uint64_t nr;

	hand_over(&sink, at, 0, false, &err);
	hand_over_zeros(&sink, 1, 10);
	hand_over(&sink, at, 11, false, &err);
	is_int(sink.settle(sink.ctx, &nr, &err), 0, "zeros between data");
	ok(at->count == 3 && at->calls[1].is_zeros && at->calls[1].off == CHUNK && at->calls[1].len == 10 * CHUNK,
	   "neighbouring zero chunks are placed at once");
	hand_over_zeros(&sink, 12, CHUNKS - 13);
	hand_over(&sink, at, CHUNKS - 1, false, &err);
	is_int(sink.settle(sink.ctx, &nr, &err), 0, "64 GiB of zeros, and data behind them");
	uint64_t longest = 0;
	for (size_t i = 0; i < at->count; i++)
		longest = at->calls[i].len > longest ? at->calls[i].len : longest;
	ok(longest == ZEROS_MAX, "but not more than 256 MiB of them");
	ok(is_ascending(at, 0, CHUNKS) && !at->is_wrong, "everything is placed once, in order");
	hand_over_zeros(&sink, 0, 5);
	is_int(sink.settle(sink.ctx, &nr, &err), 0, "zeros at the end");
	ok(at->calls[at->count - 1].len == 5 * CHUNK, "are placed when all is settled");
	pipeline_free(&p);
}

static void test_wrong(struct place *at)
{
	const uint64_t wrong[2] = { 45, 42 };

	place_init(at);
	struct pipeline *p = new_pipeline(at);
	struct chunk_sink sink = begin(p, at);
	struct err err;
	uint64_t nr = NONE;

	/* It is noticed when those behind it are there already. */
	at->stall_nr = 40;
	uint64_t end = hand_over_many(&sink, at, 40, MANY, wrong, &err);
	ok(end > 46 && end < MANY, "two wrong chunks are noticed while others are on their way");
	is_int(err.code, -EBADMSG, "there is no more room then");
	is_int(sink.settle(sink.ctx, &nr, &err), -EBADMSG, "and nothing of it succeeds");
	is_int(nr, 42, "the first of the wrong ones is the one that failed");
	ok(strcmp(err.text, "its bytes do not have the digest that the index says") == 0, "it says why: %s", err.text);
	ok(is_ascending(at, 40, 42), "nothing from it on has been placed");
	is_int(hand_over_many(&sink, at, 42, MANY, none_wrong, &err), MANY, "from there on once more, right");
	is_int(sink.settle(sink.ctx, &nr, &err), 0, "that succeeds");
	ok(is_ascending(at, 40, MANY) && !at->is_wrong, "and everything has been placed once, in order");
	pipeline_free(&p);
}

static void test_disk_error(struct place *at)
{
	place_init(at);
	struct pipeline *p = new_pipeline(at);
	struct chunk_sink sink = begin(p, at);
	struct err err;
	uint64_t nr = NONE;

	at->stall_nr = at->fail_nr = 16;
	ok(hand_over_many(&sink, at, 0, MANY, none_wrong, &err) < MANY, "a disk that fails ends the receiving");
	is_int(err.code, -EIO, "with its error");
	is_int(sink.settle(sink.ctx, &nr, &err), -EIO, "which is what settling says, too");
	ok(nr == 16 && strstr(err.text, "disk test: write at byte 1048576"), "of the right chunk: %s", err.text);
	ok(is_ascending(at, 0, 32), "nothing behind that request has been placed");
	pipeline_free(&p);
}

static void test_stop(struct place *at)
{
	place_init(at);
	struct pipeline *p = new_pipeline(at);
	struct chunk_sink sink = begin(p, at);
	struct err err;
	uint64_t nr = NONE;

	at->stall_nr = 0;
	at->stop_then = true;
	ok(hand_over_many(&sink, at, 0, MANY, none_wrong, &err) < MANY, "stopped while there is no more room");
	is_int(err.code, -ECANCELED, "receiving ends");
	is_int(sink.settle(sink.ctx, &nr, &err), -ECANCELED, "and so does the rest");
	ok(nr == 16 && is_ascending(at, 0, 16), "behind what was being placed");
	pipeline_free(&p);
}

static void test_left(struct place *at)
{
	place_init(at);
	struct pipeline *p = new_pipeline(at);
	struct chunk_sink sink = begin(p, at);
	struct err err;

	hand_over_many(&sink, at, 0, 10, none_wrong, &err);
	hand_over_zeros(&sink, 10, 1);
	pipeline_free(&p);
	ok(p == NULL && at->count <= 10, "chunks that nobody settled do not keep it from its end");
	pipeline_free(&p);
}

int main(void)
{
	struct place *at = malloc(sizeof(*at));
	struct err err;

	frame_packer_new(&packer, 1, &err);
	test_order(at);
	test_zeros(at);
	test_wrong(at);
	test_disk_error(at);
	test_stop(at);
	test_left(at);
	frame_packer_free(&packer);
	free(at);
	return done_testing();
}
