/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "labels.h"
#include "partition_table.h"
#include "tap.h"

#define HEAD_BYTES (1u << 20)
#define MIB        (1ull << 20)
#define GIB        (1ull << 30)

static uint8_t head[HEAD_BYTES];
static struct labels labels;

static bool read_head(uint64_t disk_bytes)
{
	return labels_read(&labels, head, HEAD_BYTES, disk_bytes);
}

/* Whether labels are looked for in the MiB at `mib`. */
static bool at(uint64_t mib)
{
	return labels_are_in(&labels, mib * MIB, (mib + 1) * MIB);
}

static void test_no_table(void)
{
	memset(head, 0, sizeof(head));
	ok(read_head(512 * GIB), "a disk without a table");
	ok(at(0) && at(512 * 1024 - 1), "... has its own beginning and end");
	ok(at(64) && at(256 * 1024), "... and places of btrfs");
	ok(!at(1) && !at(63) && !at(65) && !at(256 * 1024 - 1) && !at(512 * 1024 - 2), "... and nothing else");
}

static void test_gpt(uint32_t sector_bytes)
{
	uint64_t mib = MIB / sector_bytes;

	memset(head, 0, sizeof(head));
	put_gpt(head, sector_bytes, 128);
	put_gpt_entry(head, sector_bytes, 0, mib, 100 * mib - 1);
	put_gpt_entry(head, sector_bytes, 127, 100 * mib, 200 * mib - 1);
	ok(read_head(300 * MIB), "a GPT in sectors of %u", sector_bytes);
	ok(at(1) && at(99) && !at(2) && !at(98), "... the first partition's beginning and end");
	ok(at(100) && at(199) && !at(101) && !at(198) && !at(200), "... the last one's");
	ok(at(65) && at(164), "... and places of btrfs in both");
}

static void test_mbr(void)
{
	memset(head, 0, sizeof(head));
	put_mbr_entry(head, 0, 0x83, 63, 20480);
	put_mbr_entry(head, 1, 0x82, 40960, 20480);
	put_mbr_entry(head, 3, 0x0f, 102400, 20480);
	ok(read_head(GIB), "an MBR");
	ok(at(0) && at(1) && !at(2), "... a partition that begins within a MiB");
	ok(at(9) && at(10) && !at(8) && !at(11), "... and ends so");
	ok(at(20) && at(29) && !at(21) && !at(30), "... the next one");
	for (uint64_t mib = 50; mib < 60; mib++)
		if (!at(mib))
			ok(false, "... all of an extended one: not %d MiB", (int)mib);
	ok(!at(49) && !at(60), "... and no more than that");
	ok(at(160) && at(239) && !at(161), "... and what it would mean on a disk with sectors of 4096");
}

static void test_odd(void)
{
	memset(head, 0, sizeof(head));
	put_gpt(head, 512, 128);
	put_gpt_entry(head, 512, 0, 2048, 4096);
	put_gpt_entry(head, 512, 1, 5000, 4000);
	put_gpt_entry(head, 512, 2, UINT64_MAX, UINT64_MAX);
	put_gpt_entry(head, 512, 3, 0, UINT64_MAX);
	put_gpt_entry(head, 512, 4, 1ull << 55, (1ull << 55) + 9);
	ok(read_head(100 * MIB), "partitions that end before they begin, or lie beyond the disk,");
	is_int((int64_t)labels.count, 3, "... are none; one that ends beyond it ends there");
	put_gpt(head, 512, 1025);
	ok(!read_head(100 * MIB), "a table that is too long cannot be followed");
	put_gpt(head, 512, 128);
	put_le64(head + 512 + 72, 2047);
	ok(!read_head(100 * MIB), "nor one that begins in the head's last sectors");
	put_le64(head + 512 + 72, UINT64_MAX / 512 + 2);
	ok(!read_head(100 * MIB), "nor one far away, modulo 2^64 near");
	put_gpt(head, 512, 128);
	put_le32(head + 512 + 84, 64);
	ok(!read_head(100 * MIB), "nor one with entries that are too short");
	put_gpt(head, 512, 256);
	for (size_t i = 0; i < 256; i++)
		put_gpt_entry(head, 512, i, 2048, 4096);
	ok(!read_head(100 * MIB), "nor one with more partitions than can be remembered");
	ok(labels_read(&labels, head, 600, 600), "a disk of 600 bytes");
	ok(labels_are_in(&labels, 0, 600), "... is all labels");
}

int main(void)
{
	test_no_table();
	test_gpt(512);
	test_gpt(4096);
	test_mbr();
	test_odd();
	return done_testing();
}
