/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as what firmware has of boot entries: a byte with the length, then the value, of BootOrder, BootCurrent, and of entries 0, 1... */
#include "efi_boot.h"

#include "bytes.h"

#include <assert.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GUID "-8be4df61-93ca-11d2-aa0d-00e098032b8c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char folder[] = "/dev/shm/vmcast-fuzz-efi.XXXXXX";

static void clean(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

static void clean_up(void)
{
	clean();
	rmdir(folder);
}

static void put(const char *name, const uint8_t *bytes, size_t len)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s" GUID, folder, name);
	FILE *file = fopen(path, "w");
	fwrite("\7\0\0", 1, 4, file);
	fwrite(bytes, 1, len, file);
	fclose(file);
}

static void put_all(const uint8_t *data, size_t len)
{
	char name[32];

	for (int nr = 0; len && nr < 8; nr++) {
		size_t bytes = data[0] < len - 1 ? data[0] : len - 1;

		if (nr < 2)
			snprintf(name, sizeof(name), "%s", nr ? "BootCurrent" : "BootOrder");
		else
			snprintf(name, sizeof(name), "Boot%04X", nr - 2);
		put(name, data + 1, bytes);
		data += 1 + bytes;
		len -= 1 + bytes;
	}
}

/* How often a number is in a variable of numbers. */
static unsigned count_in(const char *name, unsigned number)
{
	uint8_t bytes[8192];
	char path[128];
	unsigned count = 0;

	snprintf(path, sizeof(path), "%s/%s" GUID, folder, name);
	FILE *file = fopen(path, "r");
	size_t len = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
	for (size_t i = 4; i + 1 < len; i += 2)
		count += le16(bytes + i) == number;
	if (file)
		fclose(file);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct efi_boot_partition esp = { 2, 4096, 20480, { 0xaa, 0xbb } };
	static bool is_made;
	struct err err = { 0 };
	unsigned number;
	char what[200];

	if (!is_made) {
		assert(mkdtemp(folder));
		atexit(clean_up);
		is_made = true;
	}
	clean();
	put_all(data, len);
	if (efi_boot_next(what, sizeof(what), folder, &esp, &err) == 0) {
		assert(sscanf(what, "Boot%4X", &number) == 1);
		assert(count_in("BootNext", number) == 1 && count_in("BootOrder", number) <= 1);
	}
	return 0;
}
