/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk's boot entry is written, comes next, and stands behind the network's; whatever else firmware has stays. In a folder of plain
 * files; real firmware: netboot-uefi-e1000e-proxy-menu-choice-written.t */
#include "efi_boot.h"

#include "bytes.h"
#include "tap.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUID "-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static char folder[] = "/tmp/vmcast-test-efi.XXXXXX";
static struct err err;
static char what[200];

static const struct efi_boot_partition esp = { 2, 4096, 20480, { 0xaa, 0xbb } };
static const struct efi_boot_partition other = { 1, 2048, 20480, { 0xcc } };

static char *path_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s" GUID, folder, name);
	return path;
}

static void put(const char *name, const void *value, size_t len)
{
	FILE *file = fopen(path_of(name), "w");

	fwrite("\7\0\0\0", 1, 4, file);
	fwrite(value, 1, len, file);
	fclose(file);
}

/* As hex, two bytes together: "0001 0000"; empty: it is not there. */
static const char *numbers(const char *name)
{
	static char out[200];
	uint8_t bytes[64];
	FILE *file = fopen(path_of(name), "r");
	size_t len = file ? fread(bytes, 1, sizeof(bytes), file) : 0, at = 0;

	out[0] = '\0';
	for (size_t i = 4; i + 1 < len; i += 2)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%04x", at ? " " : "", le16(bytes + i));
	if (file)
		fclose(file);
	return out;
}

static bool exists(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static int next(const struct efi_boot_partition *partition)
{
	err = (struct err){ 0 };
	return efi_boot_next(what, sizeof(what), folder, partition, &err);
}

static void clean(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

/* A disk, the network, and some other's entry. */
static void make_firmware(void)
{
	clean();
	put("Boot0000", "\1\0\0\0\4\0d\0i\0s\0k\0\0\0\x7f\xff\4\0", 20);
	put("Boot0001", "\1\0\0\0\4\0n\0e\0t\0\0\0\x7f\xff\4\0", 18);
	put("BootOrder", "\1\0\0\0", 4);
	put("BootCurrent", "\1\0", 2);
}

static void test_entry(void)
{
	uint8_t option[300];

	make_firmware();
	is_int(next(&esp), 0, "an entry is made");
	is_str(what, "Boot0002 \"vmcast disk\" is next", "with the first number that is free");
	is_str(numbers("BootNext"), "0002", "it comes next");
	is_str(numbers("BootOrder"), "0001 0002 0000", "and behind the network, by which the machine was booted");
	FILE *file = fopen(path_of("Boot0002"), "r");
	size_t len = fread(option, 1, sizeof(option), file);
	fclose(file);
	const uint8_t *path = option + 4 + 6 + 24;
	is_int(len, 4 + 6 + 24 + 42 + 48 + 4, "its bytes: attributes, head, description, partition, file, end");
	ok(le32(option) == 7 && le32(option + 4) == 1, "it is kept, seen and active");
	is_int(le16(option + 8), 42 + 48 + 4, "the length of its path");
	ok(path[0] == 4 && path[1] == 1 && le32(path + 4) == 2 && le64(path + 8) == 4096 && le64(path + 16) == 20480,
	   "the partition");
	ok(path[24] == 0xaa && path[25] == 0xbb && path[40] == 2 && path[41] == 2, "by its id, in a GPT");
	ok(path[42] == 4 && path[43] == 4 && memcmp(path + 46, "\\\0E\0F\0I\0\\\0B\0O\0O\0T\0\\\0", 20) == 0,
	   "the loader");
	ok(memcmp(path + 42 + 48, "\x7f\xff\4\0", 4) == 0, "the end");
}

static void test_again(void)
{
	struct stat before, after;

	stat(path_of("Boot0002"), &before);
	unlink(path_of("BootNext"));
	is_int(next(&esp), 0, "the same disk again");
	is_str(numbers("BootNext"), "0002", "has the entry that it had");
	is_str(numbers("BootOrder"), "0001 0002 0000", "in the same place");
	stat(path_of("Boot0002"), &after);
	ok(before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec,
	   "which was not written again");
	is_int(next(&other), 0, "another disk");
	is_str(what, "Boot0003 \"vmcast disk\" is next, those of earlier runs are removed", "has another entry");
	ok(!exists("Boot0002") && exists("Boot0000") && exists("Boot0001"), "in place of the first, and of no other");
	is_str(numbers("BootOrder"), "0001 0003 0000", "also in the order");
}

static void test_orders(void)
{
	make_firmware();
	put("BootCurrent", "\5\0", 2);
	is_int(next(&esp), 0, "booted by what is not in the order");
	is_str(numbers("BootOrder"), "0001 0000 0002", "it is the last");
	make_firmware();
	unlink(path_of("BootOrder"));
	is_int(next(&esp), 0, "no order");
	ok(!exists("BootOrder"), "none is made: the network would not be in it");
	is_str(numbers("BootNext"), "0002", "it still comes next");
	make_firmware();
	put("BootOrder", "\1\0\2\0\2\0\2\0\1\0\0\0", 12);
	is_int(next(&esp), 0, "an order with a number twice, and one thrice that was free");
	is_str(numbers("BootOrder"), "0001 0002 0001 0000", "has ours once");
}

static void test_hostile(void)
{
	char large[5000];

	memset(large, 'x', sizeof(large));
	make_firmware();
	put("Boot0002", "\1\0\0\0", 3);
	put("Boot0003", large, sizeof(large));
	put("Boot00zz", "x", 1);
	put("Boot0004", "", 0);
	put("BootOrder", "\1", 1);
	put("BootCurrent", large, sizeof(large));
	is_int(next(&esp), 0, "entries that are none");
	is_str(numbers("BootNext"), "0005", "keep their numbers");
	ok(exists("Boot0002") && exists("Boot0003") && exists("Boot0004"), "and stay");
	clean();
	rmdir(folder);
	is_int(next(&esp), -ENOENT, "no variables");
}

static void test_full(void)
{
	make_firmware();
	mkdir(path_of("BootNext"), 0700);
	is_int(next(&esp), -EISDIR, "firmware that does not take what comes next");
	ok(strstr(err.text, "UEFI variable BootNext: ") != NULL, "is told: %s", err.text);
	rmdir(path_of("BootNext"));
	make_firmware();
	is_int(symlink("/dev/full", path_of("Boot0002")), 0, "a link in place of a variable");
	is_int(next(&esp), 0, "is not written through");
	is_str(numbers("BootNext"), "0003", "its number is taken");
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	test_entry();
	test_again();
	test_orders();
	test_full();
	test_hostile();
	return done_testing();
}
