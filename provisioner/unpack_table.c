/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_table: see unpack_table.h */
#include "unpack_table.h"

#include "bytes.h"
#include "digest.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#define MBR_ENTRIES     446
#define MBR_PARTITIONS  4u
#define GPT_ENTRIES     128u
#define GPT_ENTRY_BYTES 128u
#define GPT_HEADER      92u
#define GPT_TABLE_LBAS  (GPT_ENTRIES * GPT_ENTRY_BYTES / TABLE_SECTOR)

#define TYPE_LINUX      0x83
#define TYPE_SWAP       0x82
#define TYPE_PROTECTIVE 0xee

/* 0FC63DAF-8483-4772-8E79-3D69D8477DE4 and 0657FD6D-A4AB-43C4-84E5-0933C84B4F4F as they are stored. */
static const uint8_t guid_linux[16] = { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
					0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 };
static const uint8_t guid_swap[16] = { 0x6d, 0xfd, 0x57, 0x06, 0xab, 0xa4, 0xc4, 0x43,
				       0x84, 0xe5, 0x09, 0x33, 0xc8, 0x4b, 0x4f, 0x4f };

enum table_kind table_find(const uint8_t *head, size_t len)
{
	unsigned used = 0;

	if (len < 1024 || head[510] != 0x55 || head[511] != 0xaa)
		return TABLE_NONE;
	for (size_t sector = 512; sector <= 4096 && sector + 8 <= len; sector *= 8) {
		if (memcmp(head + sector, "EFI PART", 8) == 0)
			return TABLE_GPT;
	}
	for (unsigned i = 0; i < MBR_PARTITIONS; i++) {
		const uint8_t *entry = head + MBR_ENTRIES + 16 * i;
		bool empty = entry[4] == 0 && le32(entry + 12) == 0;

		if (entry[0] & 0x7f || (!empty && (entry[4] == 0 || le32(entry + 12) == 0)))
			return TABLE_NONE; /* code or text of a boot sector */
		used += !empty;
	}
	return used ? TABLE_MBR : TABLE_NONE;
}

static bool has(const uint8_t *head, size_t len, size_t off, const char *bytes)
{
	size_t want = strlen(bytes);

	return off + want <= len && memcmp(head + off, bytes, want) == 0;
}

bool table_is_swap(const uint8_t *head, size_t len)
{
	return has(head, len, 4086, "SWAPSPACE2") || has(head, len, 4086, "SWAP-SPACE");
}

bool table_looks_like_disk(const uint8_t *head, size_t len)
{
	if (table_find(head, len) != TABLE_NONE || table_is_swap(head, len))
		return true;
	if (len >= 512 && head[510] == 0x55 && head[511] == 0xaa)
		return true; /* a boot sector: FAT, NTFS, or a boot loader without partitions */
	return has(head, len, 1024 + 56, "\x53\xef") || has(head, len, 0, "XFSB") || has(head, len, 512, "LABELONE");
}

static uint64_t round_up(uint64_t bytes, uint64_t to)
{
	return (bytes + to - 1) / to * to;
}

static uint64_t lay_out(struct table_partition *partitions, size_t count)
{
	uint64_t off = TABLE_MARGIN_BYTES;

	for (size_t i = 0; i < count; i++) {
		partitions[i].disk_off = off;
		partitions[i].disk_bytes = round_up(partitions[i].bytes, TABLE_SECTOR);
		off = round_up(off + partitions[i].disk_bytes, TABLE_MARGIN_BYTES);
	}
	return off + TABLE_MARGIN_BYTES;
}

/* CHS values are not used by anything that boots from LBA; these say "beyond what CHS can". */
static void put_entry(uint8_t *entry, bool active, uint8_t type, uint64_t off, uint64_t bytes)
{
	entry[0] = active ? 0x80 : 0;
	memcpy(entry + 1, "\xfe\xff\xff", 3);
	entry[4] = type;
	memcpy(entry + 5, "\xfe\xff\xff", 3);
	put_le32(entry + 8, (uint32_t)(off / TABLE_SECTOR));
	put_le32(entry + 12, (uint32_t)(bytes / TABLE_SECTOR));
}

static void make_mbr(uint8_t *head, const struct table_partition *partitions, size_t count)
{
	uint8_t digest[DIGEST_BYTES];

	for (size_t i = 0; i < count; i++) {
		const struct table_partition *p = &partitions[i];

		put_entry(head + MBR_ENTRIES + 16 * i, p->active, p->swap ? TYPE_SWAP : TYPE_LINUX, p->disk_off,
			  p->disk_bytes);
	}
	/* The disk signature, by which Linux names partitions: PARTUUID. */
	digest_of(digest, head + MBR_ENTRIES, 64);
	memcpy(head + 440, digest, 4);
	head[510] = 0x55;
	head[511] = 0xaa;
}

/* Version 8 of RFC 9562: what is in it is ours to say. */
static void make_guid(uint8_t out[static 16], const uint8_t *table, size_t len, uint8_t nr)
{
	struct digest d;
	uint8_t digest[DIGEST_BYTES];

	digest_init(&d);
	digest_add(&d, table, len);
	digest_add(&d, &nr, 1);
	digest_final(&d, digest);
	memcpy(out, digest, 16);
	out[7] = (uint8_t)((out[7] & 0x0f) | 0x80);
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

static void put_header(uint8_t *header, uint64_t at, uint64_t other, uint64_t table_at, uint64_t last,
		       const uint8_t *table, const uint8_t disk_guid[static 16])
{
	memcpy(header, "EFI PART", 8);
	put_le32(header + 8, 0x00010000);
	put_le32(header + 12, GPT_HEADER);
	put_le64(header + 24, at);
	put_le64(header + 32, other);
	put_le64(header + 40, 2 + GPT_TABLE_LBAS);
	put_le64(header + 48, last);
	memcpy(header + 56, disk_guid, 16);
	put_le64(header + 72, table_at);
	put_le32(header + 80, GPT_ENTRIES);
	put_le32(header + 84, GPT_ENTRY_BYTES);
	put_le32(header + 88, (uint32_t)crc32(0, table, GPT_ENTRIES * GPT_ENTRY_BYTES));
	put_le32(header + 16, (uint32_t)crc32(0, header, GPT_HEADER));
}

static void make_gpt(uint8_t *head, uint8_t *tail, uint64_t disk_bytes, const struct table_partition *partitions,
		     size_t count)
{
	uint64_t sectors = disk_bytes / TABLE_SECTOR, last = sectors - 2 - GPT_TABLE_LBAS;
	uint8_t *table = head + 2 * TABLE_SECTOR, guid[16];
	const size_t table_bytes = GPT_ENTRIES * GPT_ENTRY_BYTES;

	for (size_t i = 0; i < count; i++) {
		const struct table_partition *p = &partitions[i];
		uint8_t *entry = table + i * GPT_ENTRY_BYTES;

		memcpy(entry, p->swap ? guid_swap : guid_linux, 16);
		put_le64(entry + 32, p->disk_off / TABLE_SECTOR);
		put_le64(entry + 40, (p->disk_off + p->disk_bytes) / TABLE_SECTOR - 1);
		entry[48] = p->active ? 4 : 0; /* attribute 2: legacy BIOS bootable */
	}
	for (size_t i = 0; i < count; i++) {
		make_guid(guid, table, count * GPT_ENTRY_BYTES, (uint8_t)(i + 1));
		memcpy(table + i * GPT_ENTRY_BYTES + 16, guid, 16);
	}
	make_guid(guid, table, table_bytes, 0);
	uint64_t protective = sectors - 1 > UINT32_MAX ? UINT32_MAX : sectors - 1;
	put_entry(head + MBR_ENTRIES, false, TYPE_PROTECTIVE, TABLE_SECTOR, protective * TABLE_SECTOR);
	head[510] = 0x55;
	head[511] = 0xaa;
	put_header(head + TABLE_SECTOR, 1, sectors - 1, 2, last, table, guid);
	memcpy(tail + TABLE_MARGIN_BYTES - (GPT_TABLE_LBAS + 1) * TABLE_SECTOR, table, table_bytes);
	put_header(tail + TABLE_MARGIN_BYTES - TABLE_SECTOR, sectors - 1, 1, sectors - 1 - GPT_TABLE_LBAS, last, table,
		   guid);
}

int table_make(uint64_t *disk_bytes, uint8_t *head, uint8_t *tail, struct table_partition *partitions, size_t count,
	       struct err *err)
{
	uint64_t total = 0;

	if (count == 0 || count > TABLE_PARTITIONS_MAX)
		return err_set(err, -EFBIG, "%zu partitions, from 1 to %d are supported", count, TABLE_PARTITIONS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (partitions[i].bytes == 0 || partitions[i].bytes > 1ull << 50)
			return err_set(err, -EFBIG, "a partition of %" PRIu64 " bytes", partitions[i].bytes);
		total += partitions[i].bytes + TABLE_MARGIN_BYTES;
	}
	*disk_bytes = lay_out(partitions, count);
	memset(head, 0, TABLE_MARGIN_BYTES);
	memset(tail, 0, TABLE_MARGIN_BYTES);
	/* 2 TiB: the 32-bit sector numbers of an MBR. */
	if (count <= MBR_PARTITIONS && total < (2ull << 40))
		make_mbr(head, partitions, count);
	else
		make_gpt(head, tail, *disk_bytes, partitions, count);
	return 0;
}
