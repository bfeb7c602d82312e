/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The seed's partition in tables that sfdisk made, as sfdisk sees it. */
#include "bytes.h"
#include "cleanup.h"
#include "seed_partition.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define MIB 1048576ull

static char path[] = "/tmp/vmcast-test-table-XXXXXX";
static uint8_t head[SEED_PARTITION_HEAD];
static struct seed_partition place;
static struct err err;

static const char *says(const char *format)
{
	static char out[65536];
	char command[512];

	snprintf(command, sizeof(command), format, path, path);
	FILE *from = popen(command, "r");
	size_t len = from ? fread(out, 1, sizeof(out) - 32, from) : 0;
	out[len] = '\0';
	int status = from ? pclose(from) : -1;
	if (status)
		snprintf(out + len, 32, "[status %d]", status);
	return out;
}

/* An image of 64 MiB with the table of this sfdisk script; its head is in `head`. */
static void make_table(const char *script)
{
	char command[512];

	snprintf(command, sizeof(command), "truncate -s 0 %s && truncate -s 64M %s && printf '%s' | sfdisk -q %s", path,
		 path, script, path);
	if (system(command) != 0)
		abort();
	CLEANUP(close_fd) int fd = open(path, O_RDONLY);
	if (pread(fd, head, sizeof(head), 0) != sizeof(head))
		abort();
}

static int add(uint64_t disk_bytes)
{
	const struct seed_partition_disk disk = { 64 * MIB, disk_bytes, 512, MIB };

	err = (struct err){ 0 };
	return seed_partition_add(&place, head, &disk, &err);
}

/* As the disk would be when it has been written. */
static void put_disk(uint64_t disk_bytes)
{
	CLEANUP(close_fd) int fd = open(path, O_RDWR);

	if (ftruncate(fd, (off_t)disk_bytes) != 0 || pwrite(fd, head, sizeof(head), 0) != sizeof(head) ||
	    pwrite(fd, place.backup, place.backup_bytes, (off_t)place.backup_off) != place.backup_bytes)
		abort();
}

static void test_gpt(void)
{
	make_table("label: gpt\\nstart=2048, size=20480, type=linux\\nsize=20480, type=uefi\\n");
	is_int(add(80 * MIB), 0, "a GPT of two partitions, on a disk of 80 MiB");
	ok(place.off == 78 * MIB, "... the seed is in the last MiB before the backup");
	ok(place.backup_off + place.backup_bytes == 80 * MIB, "... which is at the disk's end");
	put_disk(80 * MIB);
	ok(strstr(says("sfdisk --verify %s 2>&1"), "No errors detected.") != NULL, "... sfdisk finds nothing wrong");
	ok(strstr(says("sfdisk -d %s 2>&1"), "last-lba: 163806") != NULL, "... all of the disk may be used");
	const char *entry = strstr(says("sfdisk -d %s 2>&1"), "cidata");
	ok(entry != NULL, "... it has the name");
	ok(strstr(says("sfdisk -d %s | grep cidata"), "start=      159744, size=        2048, "
						      "type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7") != NULL,
	   "... place and type");
	ok(strstr(says("sfdisk -d %s | grep cidata"), "3 : ") != NULL, "... the number behind the others");
	ok(strstr(says("sfdisk --part-type %s 1; sfdisk --part-type %s 2"), "0FC63DAF") != NULL,
	   "... and the others are what they were");
	char dump[4096];
	snprintf(dump, sizeof(dump), "%.4095s", says("sfdisk -d %s"));
	says("dd if=/dev/zero of=%s bs=512 seek=1 count=33 conv=notrunc status=none");
	is_str(says("sfdisk -d %s 2>/dev/null"), dump, "... the backup alone says the same");
}

static void test_gpt_numbers(void)
{
	make_table("label: gpt\\n14: size=2048\\n1: size=2048\\n15: size=2048\\n");
	is_int(add(80 * MIB), 0, "a GPT whose entries are 1, 14 and 15");
	put_disk(80 * MIB);
	ok(strstr(says("sfdisk -d %s | grep cidata"), "16 : ") != NULL, "... the seed's is 16");
}

static void test_mbr(void)
{
	make_table("label: dos\\nstart=2048, size=20480, type=83, bootable\\n4: start=40960, size=2048, type=82\\n");
	is_int(add(67 * MIB), 0, "an MBR with two primary partitions");
	ok(place.off == 66 * MIB && !place.backup_bytes, "... the seed is in the last MiB");
	put_disk(67 * MIB);
	ok(strstr(says("sfdisk -d %s | grep %.0s'2 :'"), "start=      135168, size=        2048, type=1") != NULL,
	   "... its entry is the first free one");
	ok(strstr(says("sfdisk -d %s | grep %.0s'1 :'"), "bootable") != NULL, "... the others are what they were");
}

static void test_refused(void)
{
	uint8_t before[SEED_PARTITION_HEAD];

	make_table("label: gpt\\nstart=2048, size=20480\\n");
	memcpy(before, head, sizeof(head));
	is_int(add(64 * MIB), -ENOSPC, "a disk of the image's size has no room");
	ok(strstr(err.text, "the disk is 1.0 MiB (1065472 bytes) too small") != NULL, "... by so much: %s", err.text);
	is_int(add(65 * MIB), -ENOSPC, "nor one of a MiB more");
	ok(strstr(err.text, "(16896 bytes) too small") != NULL, "... by the backup: %s", err.text);
	is_int(add(65 * MIB + 16896), 0, "with that it has");
	memcpy(head, before, sizeof(head));
	head[512 + 16] ^= 1;
	is_int(add(80 * MIB), -ENOTSUP, "a wrong checksum of the header");
	memcpy(head, before, sizeof(head));
	head[1024 + 60] ^= 1;
	memcpy(before, head, sizeof(head));
	is_int(add(80 * MIB), -ENOTSUP, "a wrong checksum of the entries");
	ok(memcmp(head, before, sizeof(head)) == 0, "... what is refused is not changed");
	memset(head, 0, sizeof(head));
	is_int(add(80 * MIB), -ENOTSUP, "no table at all");
	const struct seed_partition_disk tiny = { SEED_PARTITION_HEAD - 512, 80 * MIB, 512, MIB };
	is_int(seed_partition_add(&place, head, &tiny, &err), -ENOTSUP, "an image that is shorter than a table");
	make_table("label: dos\\nsize=2048\\nsize=2048\\nsize=2048\\nsize=2048\\n");
	is_int(add(80 * MIB), -ENOSPC, "an MBR with four partitions");
	make_table("label: dos\\nsize=2048\\n");
	put_le32(head + 446 + 12, 159744 - 2048 + 100);
	is_int(add(79 * MIB), -ENOTSUP, "an MBR whose partition reaches to where the seed would be");
	is_int(add(80 * MIB), 0, "but not one whose partition ends before");
}

int main(void)
{
	int fd = mkstemp(path);

	if (fd < 0)
		abort();
	close(fd);
	setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
	setenv("LC_ALL", "C", 1);
	test_gpt();
	test_gpt_numbers();
	test_mbr();
	test_refused();
	unlink(path);
	return done_testing();
}
