/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables that sfdisk and fdisk made, made to fit a larger disk with a seed on it, as these see them. */
#include "bytes.h"
#include "cleanup.h"
#include "table_fit.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define MIB 1048576ull

static char path[] = "/tmp/vmcast-test-table-XXXXXX";
static uint8_t head[TABLE_FIT_HEAD];
static struct table_fit_change place;
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

static int fit(const struct table_fit_disk *disk)
{
	err = (struct err){ 0 };
	return table_fit(&place, head, disk, &err);
}

static int add(uint64_t disk_bytes)
{
	return fit(&(struct table_fit_disk){ 64 * MIB, disk_bytes, 512, MIB, false });
}

static int move(uint64_t disk_bytes, uint32_t sector_bytes)
{
	return fit(&(struct table_fit_disk){ 64 * MIB, disk_bytes, sector_bytes, 0, false });
}

static int grow(uint64_t disk_bytes)
{
	return fit(&(struct table_fit_disk){ 64 * MIB, disk_bytes, 512, 0, true });
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
	ok(place.seed_off == 78 * MIB, "... the seed is in the last MiB before the backup");
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
	ok(place.seed_off == 66 * MIB && !place.backup_bytes, "... the seed is in the last MiB");
	put_disk(67 * MIB);
	ok(strstr(says("sfdisk -d %s | grep %.0s'2 :'"), "start=      135168, size=        2048, type=1") != NULL,
	   "... its entry is the first free one");
	ok(strstr(says("sfdisk -d %s | grep %.0s'1 :'"), "bootable") != NULL, "... the others are what they were");
}

static void test_moved(void)
{
	static uint8_t before[TABLE_FIT_HEAD];

	make_table("label: gpt\\nstart=2048, size=20480, type=linux\\n");
	memcpy(before, head, sizeof(head));
	is_int(move(64 * MIB, 512), 0, "a GPT on a disk of the image's size");
	ok(!place.backup_bytes && memcmp(head, before, sizeof(head)) == 0, "... is what it was");
	is_int(move(64 * MIB + 8192, 512), -ENOTSUP, "on one that is larger by less than a backup");
	ok(memcmp(head, before, sizeof(head)) == 0, "... too");
	is_int(move(100 * MIB, 512), 0, "on one of 100 MiB");
	ok(place.backup_off + place.backup_bytes == 100 * MIB && !place.seed_off && !place.grown_bytes,
	   "... its backup is at the end");
	put_disk(100 * MIB);
	ok(strstr(says("sfdisk --verify %s 2>&1"), "No errors detected.") != NULL, "... sfdisk finds nothing wrong");
	ok(strstr(says("sgdisk -v %s 2>&1"), "No problems found. ") != NULL, "... nor sgdisk: %s",
	   says("sgdisk -v %s 2>&1"));
	ok(strstr(says("sfdisk -d %s 2>&1"), "size=       20480") != NULL, "... the partition is what it was");
	is_int(move(100 * MIB, 4096), -ENOTSUP, "on one whose sectors have 4096 bytes");
	ok(strstr(err.text, "no GPT for the disk's sectors of 4096 bytes") != NULL, "... it stays: %s", err.text);

	make_table("label: dos\\nsize=2048\\n");
	memcpy(before, head, sizeof(head));
	is_int(move(100 * MIB, 512), 0, "an MBR");
	ok(!place.backup_bytes && memcmp(head, before, sizeof(head)) == 0, "... is what it was");
	memset(head, 0, sizeof(head));
	is_int(move(100 * MIB, 512), 0, "no table, and nothing to do");
}

static void test_sectors_of_4096(void)
{
	says("truncate -s 0 %s && truncate -s 64M %s");
	says("printf 'g\\nn\\n\\n\\n+8M\\nw\\n' | fdisk -b 4096 %s 2>&1");
	CLEANUP(close_fd) int fd = open(path, O_RDONLY);
	if (pread(fd, head, sizeof(head), 0) != sizeof(head))
		abort();
	is_int(move(100 * MIB, 4096), 0, "a GPT for sectors of 4096 bytes");
	put_disk(100 * MIB);
	const char *list = says("fdisk -b 4096 -l %s 2>&1");
	ok(strstr(list, "25600 sectors") != NULL && strstr(list, "corrupt") == NULL &&
		   strstr(list, "not on the end") == NULL && strstr(list, "mismatch") == NULL,
	   "... fdisk finds nothing wrong: %s", list);
}

static void test_grown(void)
{
	make_table("label: gpt\\n1: start=2048, size=2048, type=linux\\n2: start=40960, size=2048, type=linux\\n"
		   "3: start=20480, size=2048, type=linux\\n");
	is_int(grow(100 * MIB), 0, "a GPT whose last partition is to grow");
	ok(place.grown_bytes == 79 * MIB, "... it has what is left");
	put_disk(100 * MIB);
	ok(strstr(says("sgdisk -v %s 2>&1"), "No problems found") != NULL, "... sgdisk finds nothing wrong");
	ok(strstr(says("sfdisk -d %s | grep '2 : '"), "start=       40960, size=      161792") != NULL,
	   "... the one that is last on the disk");
	ok(strstr(says("sfdisk -d %s | grep '3 : '"), "start=       20480, size=        2048") != NULL,
	   "... not another");
	is_int(fit(&(struct table_fit_disk){ 64 * MIB, 200 * MIB, 512, MIB, true }), 0, "with a seed");
	ok(place.seed_off == 198 * MIB && place.grown_bytes == 178 * MIB, "... it ends before the seed");
	put_disk(200 * MIB);
	ok(strstr(says("sgdisk -v %s 2>&1"), "No problems found") != NULL, "... sgdisk finds nothing wrong");

	make_table("label: dos\\nstart=2048, size=20480\\nstart=40960, size=2048\\n");
	is_int(grow(100 * MIB), 0, "an MBR whose last partition is to grow");
	put_disk(100 * MIB);
	ok(strstr(says("sfdisk -d %s | grep '2 : '"), "start=       40960, size=      163840") != NULL, "... does");
	make_table("label: dos\\nstart=2048, size=2048\\nstart=40960, size=20480, type=5\\n");
	is_int(grow(100 * MIB), 0, "an MBR whose last partition is an extended one");
	ok(!place.grown_bytes, "... it does not grow");
	memset(head, 0, sizeof(head));
	is_int(grow(100 * MIB), -ENOTSUP, "no table, and something is to grow");
}

static void test_refused(void)
{
	uint8_t before[TABLE_FIT_HEAD];

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
	is_int(fit(&(struct table_fit_disk){ TABLE_FIT_HEAD - 512, 80 * MIB, 512, MIB, false }), -ENOTSUP,
	       "an image that is shorter than a table");
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
	test_moved();
	test_sectors_of_4096();
	test_grown();
	test_refused();
	unlink(path);
	return done_testing();
}
