/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "progress.h"
#include "tap.h"

#include <unistd.h>

#define GIB (1ull << 30)

static void test_resume(void)
{
	struct progress *p = progress_new(NULL, false);
	struct progress_state state;

	progress_set_total(p, 2 * GIB);
	progress_skip(p, GIB);
	usleep(1100000);
	progress_add(p, 1000000);
	progress_get(p, &state);
	is_int(state.bytes_done, GIB + 1000000, "what was on the disk already is done");
	ok(state.bytes_per_s > 0 && state.bytes_per_s < 1000000, "but says nothing about the rate: %" PRIu64,
	   state.bytes_per_s);
	progress_set_phase(p, PHASE_COMMIT);
	progress_get(p, &state);
	ok(state.bytes_per_s > 0 && state.bytes_per_s < 1000000, "nor about the mean rate: %" PRIu64,
	   state.bytes_per_s);
	progress_free(&p);
}

static void test_none(void)
{
	struct progress_state state = { .bytes_done = 1 };

	progress_set_phase(NULL, PHASE_WRITE);
	progress_set_total(NULL, 1);
	progress_add(NULL, 1);
	progress_skip(NULL, 1);
	progress_get(NULL, &state);
	is_int(state.bytes_done, 0, "without a progress there is none");
}

int main(void)
{
	test_resume();
	test_none();
	return done_testing();
}
