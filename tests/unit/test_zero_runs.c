/* SPDX-License-Identifier: GPL-2.0-or-later */
/* F28, F37: a run of zeros on a disk full of 0xA5, with each policy, on disks that zero and discard well, badly or not. */
#include "device_memory.h"
#include "partition_table.h"
#include "tap.h"
#include "zero_runs.h"

#define MIB        (1u << 20)
#define DISK_BYTES (48u * MIB)
#define FROM       (3u * MIB + 65536u) /* of the run, behind data of the first partition */
#define TO         (40u * MIB + 512u)
#define OLD        0xa5

/* Of the run, but for the end of the first partition and the beginning of the second. */
#define LEFT (TO - FROM - 2 * MIB)

static uint8_t medium[DISK_BYTES], head[MIB];

/* The second partition, which is empty, begins in the middle of the run. */
static void put_table(void)
{
	memset(head, 0, sizeof(head));
	put_gpt(head, 512, 128);
	put_gpt_entry(head, 512, 0, 2048, 20 * 2048 - 1);
	put_gpt_entry(head, 512, 1, 20 * 2048, 46 * 2048 - 1);
}

/* What each MiB of the disk is: `.` zeros, `o` old, `j` junk, `?` something of several. */
static const char *show(char out[static DISK_BYTES / MIB + 1])
{
	for (size_t i = 0; i < DISK_BYTES / MIB; i++) {
		const uint8_t *bytes = medium + i * MIB;
		bool same = memcmp(bytes, bytes + 1, MIB - 1) == 0;

		out[i] = !same ? '?' : bytes[0] == 0 ? '.' : bytes[0] == OLD ? 'o' : 'j';
	}
	out[DISK_BYTES / MIB] = '\0';
	return out;
}

struct kind {
	bool zero_refused, discard_refused, zeros_fade;
	size_t honest_zeros;
};

/* The run, as the policy and the kind of disk have it. */
static void place(struct zero_runs *z, const struct kind *kind, char out[static DISK_BYTES / MIB + 1])
{
	struct err err = { 0 };

	memset(medium, OLD, sizeof(medium));
	struct device_memory *m = device_memory_new(medium, sizeof(medium));
	struct device *dev = &m->dev;
	m->zero_refused = kind->zero_refused;
	m->discard_refused = kind->discard_refused;
	m->zeros_fade = kind->zeros_fade;
	m->honest_zeros = kind->honest_zeros;
	int rc = zero_runs_place(z, dev, FROM, TO, &err);
	if (!rc)
		rc = device_flush(dev, &err);
	if (rc)
		printf("# %s\n", err.text);
	device_close(&dev);
	show(out);
}

/* On a disk of every kind the labels' places are zeros, and with `zero` all of it. */
static void test_kinds(void)
{
	/*                           0         1         2         3         4      */
	static const char zeroed[] = "ooo?....................................?ooooooo",
			  kept[] = "ooooooooooooooooooo..ooooooooooooooooooooooooooo",
			  junk[] = "ooo?jjjjjjjjjjjjjjj..jjjjjjjjjjjjjjjjjjj?ooooooo";
	static const struct {
		struct kind kind;
		const char *discarded;
		const char *name;
	} cases[] = {
		{ { .honest_zeros = SIZE_MAX }, junk, "an honest disk" },
		{ { .honest_zeros = SIZE_MAX, .zero_refused = true }, junk, "a disk that cannot zero" },
		{ { .honest_zeros = 0 }, junk, "a disk that lies about zeros" },
		{ { .honest_zeros = 1 }, junk, "a disk that begins to lie" },
		{ { .honest_zeros = SIZE_MAX, .zeros_fade = true }, junk, "a disk whose zeros are junk once flushed" },
		{ { .honest_zeros = SIZE_MAX, .discard_refused = true }, zeroed, "a disk that cannot discard" },
		{ { .honest_zeros = 0, .discard_refused = true }, zeroed, "... and lies about zeros" },
	};
	char got[DISK_BYTES / MIB + 1];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct zero_runs z = { .policy = ZEROS_ZERO, .knows_labels = true };
		bool known = labels_read(&z.labels, head, sizeof(head), DISK_BYTES);

		ok(known, "%s", cases[i].name);
		place(&z, &cases[i].kind, got);
		is_str(got, zeroed, "... with zero");
		is_int((int64_t)z.left_bytes, 0, "... nothing is left");
		z.policy = ZEROS_KEEP;
		place(&z, &cases[i].kind, got);
		is_str(got, kept, "... with keep");
		is_int((int64_t)z.left_bytes, LEFT, "... so much is left");
		z.left_bytes = 0;
		z.policy = ZEROS_DISCARD;
		place(&z, &cases[i].kind, got);
		is_str(got, cases[i].discarded, "... with discard");
		is_int((int64_t)z.left_bytes, cases[i].discarded == junk ? LEFT : 0, "... so much is discarded");
	}
}

static void test_unknown(void)
{
	struct zero_runs z = { .policy = ZEROS_KEEP };
	struct kind honest = { .honest_zeros = SIZE_MAX };
	char got[DISK_BYTES / MIB + 1];

	place(&z, &honest, got);
	is_str(got, "ooo?....................................?ooooooo",
	       "while nobody knows where labels may be nothing is kept");
}

int main(void)
{
	put_table();
	test_kinds();
	test_unknown();
	return done_testing();
}
