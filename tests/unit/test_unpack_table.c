/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Partition tables that are made can be found again, and boot sectors that are no tables are told apart. */
#include "unpack_table.h"

#include "bytes.h"
#include "tap.h"

#include <errno.h>

#define MIB (1ull << 20)

static uint8_t head[TABLE_MARGIN_BYTES], tail[TABLE_MARGIN_BYTES], again[TABLE_MARGIN_BYTES];

static void test_mbr(void)
{
	struct table_partition p[2] = { { .bytes = 3 * MIB + 100, .active = true }, { .bytes = 512, .swap = true } };
	uint64_t disk_bytes;
	struct err err;

	is_int(table_make(&disk_bytes, head, tail, p, 2, &err), 0, "a table for two partitions");
	is_int(table_find(head, sizeof(head)), TABLE_MBR, "is an MBR");
	is_int(p[0].disk_off, MIB, "the first begins after a MiB");
	is_int(p[0].disk_bytes, 3 * MIB + 512, "and fills whole sectors");
	is_int(p[1].disk_off, 5 * MIB, "the second begins at a MiB");
	is_int(disk_bytes, 7 * MIB, "a MiB is left behind it");
	ok(head[446] == 0x80 && head[446 + 4] == 0x83 && le32(head + 446 + 8) == 2048, "active, Linux, sector 2048");
	ok(head[462] == 0 && head[462 + 4] == 0x82 && le32(head + 462 + 12) == 1, "swap, one sector");
	memcpy(again, head, sizeof(head));
	table_make(&disk_bytes, head, tail, p, 2, &err);
	ok(memcmp(again, head, sizeof(head)) == 0, "the same images make the same disk");
}

static void test_gpt(void)
{
	struct table_partition p[5] = {
		{ .bytes = MIB }, { .bytes = MIB }, { .bytes = MIB }, { .bytes = MIB }, { .bytes = MIB }
	};
	struct table_partition large = { .bytes = 3ull << 40 };
	uint64_t disk_bytes;
	struct err err;

	is_int(table_make(&disk_bytes, head, tail, p, 5, &err), 0, "a table for five partitions");
	is_int(table_find(head, sizeof(head)), TABLE_GPT, "is a GPT");
	ok(memcmp(tail + TABLE_MARGIN_BYTES - 512, "EFI PART", 8) == 0, "with a backup in the last sector");
	is_int(le64(head + 512 + 32), disk_bytes / 512 - 1, "where its header says");
	is_int(le64(head + 1024 + 4 * 128 + 32), p[4].disk_off / 512, "the fifth entry");
	is_int(table_make(&disk_bytes, head, tail, &large, 1, &err), 0, "a table for 3 TiB");
	is_int(table_find(head, sizeof(head)), TABLE_GPT, "is a GPT, too");
	is_int(le32(head + 446 + 12), UINT32_MAX, "whose protective MBR says all that it can");
	is_int(table_make(&disk_bytes, head, tail, p, 0, &err), -EFBIG, "no partition is no disk");
	p[0].bytes = 0;
	is_int(table_make(&disk_bytes, head, tail, p, 1, &err), -EFBIG, "nor is an empty one");
}

static void test_find(void)
{
	memset(head, 0, sizeof(head));
	is_int(table_find(head, sizeof(head)), TABLE_NONE, "zeros are no table");
	head[510] = 0x55;
	head[511] = 0xaa;
	is_int(table_find(head, sizeof(head)), TABLE_NONE, "an empty table is none");
	ok(table_looks_like_disk(head, sizeof(head)), "but a boot sector is a disk");
	memset(head + 446, 'x', 64);
	is_int(table_find(head, sizeof(head)), TABLE_NONE, "a boot sector's code is no table");
	memset(head, 0, sizeof(head));
	memcpy(head + 4086, "SWAPSPACE2", 10);
	ok(table_is_swap(head, 4096) && !table_is_swap(head, 4095), "swap is found at the end of its first page");
	memset(head, 0, sizeof(head));
	ok(!table_looks_like_disk(head, sizeof(head)), "zeros do not look like a disk");
	memcpy(head + 1080, "\x53\xef", 2);
	ok(table_looks_like_disk(head, sizeof(head)), "ext4 does");
	is_int(table_find(head, 100), TABLE_NONE, "a short file has no table");
}

int main(void)
{
	test_mbr();
	test_gpt();
	test_find();
	return done_testing();
}
