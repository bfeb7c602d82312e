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
#define BLOCK     (1u << 20)
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
	struct todo *todo;
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

/* A pipeline that leads to `at`. */
static struct pipeline *begin(struct place *at)
{
	*at = (struct place){
		.header = { .disk_bytes = (uint64_t)CHUNK * CHUNKS, .chunk_bytes = CHUNK, .chunk_count = CHUNKS },
		.stall_nr = NONE,
		.fail_nr = NONE,
		.todo = todo_new(CHUNKS, NULL),
	};
	struct pipeline_options options = { .chunk_bytes_max = CHUNK, .stop = &at->stop };
	struct pipeline_target target = { .header = &at->header, .todo = at->todo, .place = place, .ctx = at };
	struct pipeline *p = NULL;
	struct err err;

	if (pipeline_new(&p, &options, &err) != 0)
		abort();
	todo_begin(at->todo, CHUNKS);
	pipeline_begin(p, &target);
	return p;
}

static void end(struct pipeline *p, struct place *at)
{
	pipeline_free(&p);
	todo_free(&at->todo);
}

/* Chunk `nr`, or another one in its place, into `*slot` or another one. */
static int hand_over(struct pipeline *p, struct pipeline_slot **slot, struct place *at, uint64_t nr, bool is_wrong,
		     struct err *err)
{
	struct pipeline_origin origin = { .from = 5 };
	uint8_t chunk[CHUNK], packed[CHUNK + 1024];
	struct index_entry entry = { .kind = CHUNK_DATA };

	fill(chunk, nr);
	digest_of(entry.digest, chunk, CHUNK);
	if (is_wrong)
		chunk[77] ^= 1;
	entry.frame_bytes = (uint32_t)frame_pack(packer, packed, sizeof(packed), chunk, CHUNK, err);
	uint8_t *frame = *slot ? pipeline_frame(*slot, nr, &entry) : NULL;
	if (!frame) {
		pipeline_submit(p, slot);
		int rc = pipeline_room(p, slot, nr, &origin, err);
		if (rc)
			return rc;
		frame = pipeline_frame(*slot, nr, &entry);
	}
	memcpy(frame, packed, entry.frame_bytes);
	pipeline_frame_done(*slot);
	atomic_fetch_add(&at->handed, 1);
	return 0;
}

/* Chunks `first`..`end`-1, of which one or two are wrong, until there is no more room. Returns the first that had none. */
static uint64_t hand_over_many(struct pipeline *p, struct place *at, uint64_t first, uint64_t end_nr,
			       const uint64_t wrong[static 2], struct err *err)
{
	struct pipeline_slot *slot = NULL;
	uint64_t nr = first;

	while (nr < end_nr && hand_over(p, &slot, at, nr, nr == wrong[0] || nr == wrong[1], err) == 0)
		nr++;
	pipeline_submit(p, &slot);
	return nr;
}

static const uint64_t none_wrong[2] = { NONE, NONE };

/* Each byte from chunk `first` to `end_nr`-1 once. */
static bool is_covered(const struct place *at, uint64_t first, uint64_t end_nr)
{
	uint64_t sum = 0;

	for (uint64_t nr = first; nr < end_nr; nr++)
		if (!todo_is_done(at->todo, nr))
			return false;
	for (size_t i = 0; i < at->count; i++)
		sum += at->calls[i].len;
	return sum == (end_nr - first) * CHUNK && todo_left(at->todo) == CHUNKS - (end_nr - first);
}

static void test_all(struct place *at)
{
	struct pipeline *p = begin(at);
	struct err err;

	ok(pipeline_callers_max(p) >= 2, "several callers may have a slot each");
	is_int(hand_over_many(p, at, 3, MANY, none_wrong, &err), MANY, "more chunks than there are slots are taken");
	pipeline_drain(p);
	ok(is_covered(at, 3, MANY) && !at->is_wrong, "each is placed once, with its bytes, and done");
	bool whole = true;
	for (size_t i = 0; i < at->count; i++)
		whole &= at->calls[i].len == (at->calls[i].off == 3 * CHUNK             ? 13u * CHUNK
					      : at->calls[i].off + BLOCK > MANY * CHUNK ? MANY * CHUNK % BLOCK
											: BLOCK);
	ok(whole, "up to a whole MiB at once");
	pipeline_drain(p);
	ok(at->count == (MANY * CHUNK - 1) / BLOCK + 1, "nothing more is on its way");
	end(p, at);
}

static void test_zeros(struct place *at)
{
	struct pipeline *p = begin(at);
	struct pipeline_slot *slot = NULL;
	struct err err;

	is_int(pipeline_zeros(p, 0, CHUNKS - 1, 20, &err), 0, "64 GiB of zeros are taken");
	hand_over(p, &slot, at, CHUNKS - 1, false, &err);
	pipeline_submit(p, &slot);
	pipeline_drain(p);
	ok(is_covered(at, 0, CHUNKS) && at->count == 2, "and placed at once");
	ok(at->calls[0].is_zeros || at->calls[1].is_zeros, "as zeros");
	is_int(todo_left(at->todo), 0, "nothing is left to be done");
	end(p, at);
}

static void test_wrong(struct place *at)
{
	const uint64_t wrong[2] = { 45, 42 };
	struct pipeline *p = begin(at);
	struct todo_span span;
	struct err err;

	todo_decided(at->todo, CHUNKS);
	todo_take(at->todo, &span, CHUNKS, &err);
	is_int(hand_over_many(p, at, 40, MANY, wrong, &err), MANY, "two wrong chunks do not keep the others");
	pipeline_drain(p);
	ok(!at->is_wrong && !todo_is_done(at->todo, 42) && !todo_is_done(at->todo, 45) && todo_is_done(at->todo, 43),
	   "nothing but them is placed");
	for (unsigned i = 0; i < 2; i++) {
		ok(todo_take(at->todo, &span, 1, &err) == 1 && (span.first == 42 || span.first == 45) &&
			   span.end == span.first + 1 && span.tries == 1 && span.from == 5,
		   "each is to be done again, and it is known where it came from");
		ok(strcmp(span.wrong.text, "its bytes do not have the digest that the index says") == 0,
		   "and what was wrong: %s", span.wrong.text);
		hand_over_many(p, at, span.first, span.end, none_wrong, &err);
	}
	pipeline_drain(p);
	ok(is_covered(at, 40, MANY) && !at->is_wrong, "then right, they are placed as well");
	end(p, at);
}

static void test_disk_error(struct place *at)
{
	struct pipeline *p = begin(at);
	struct err err;

	at->stall_nr = at->fail_nr = 16;
	ok(hand_over_many(p, at, 0, MANY, none_wrong, &err) < MANY, "a disk that fails ends the receiving");
	is_int(err.code, -EIO, "with its error");
	pipeline_drain(p);
	is_int(todo_failed(at->todo, &err), -EIO, "which is that of everything");
	ok(strstr(err.text, "disk test: write at byte 1048576"), "and says where: %s", err.text);
	ok(!todo_is_done(at->todo, 16) && at->calls[at->count - 1].off == BLOCK, "nothing is placed after it");
	end(p, at);
}

static void test_stop(struct place *at)
{
	struct pipeline *p = begin(at);
	struct err err;

	at->stall_nr = 0;
	at->stop_then = true;
	ok(hand_over_many(p, at, 0, MANY, none_wrong, &err) < MANY, "stopped while there is no more room");
	is_int(err.code, -ECANCELED, "receiving ends");
	pipeline_drain(p);
	is_int(todo_failed(at->todo, &err), -ECANCELED, "and so does the rest");
	ok(at->count == 1, "behind what was being placed");
	end(p, at);
}

static void test_left(struct place *at)
{
	struct pipeline *p = begin(at);
	struct pipeline_slot *slot = NULL;
	struct err err;

	pipeline_room(p, &slot, 7, &(struct pipeline_origin){ 0 }, &err);
	pipeline_submit(p, &slot);
	ok(!slot, "a slot without a frame is handed back");
	hand_over(p, &slot, at, 7, false, &err);
	struct index_entry entry = { .frame_bytes = 1 };
	ok(!pipeline_frame(slot, 9, &entry) && !pipeline_frame(slot, 7, &entry) && pipeline_frame(slot, 8, &entry),
	   "a chunk that does not continue what is in a slot does not go into it");
	pipeline_submit(p, &slot);
	pipeline_drain(p);
	hand_over_many(p, at, 16, 26, none_wrong, &err);
	end(p, at);
	ok(at->count <= 2, "chunks that nobody waited for do not keep it from its end");
}

int main(void)
{
	struct place *at = malloc(sizeof(*at));
	struct err err;

	frame_packer_new(&packer, 1, &err);
	test_all(at);
	test_zeros(at);
	test_wrong(at);
	test_disk_error(at);
	test_stop(at);
	test_left(at);
	frame_packer_free(&packer);
	free(at);
	return done_testing();
}
