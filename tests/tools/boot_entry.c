/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would be started by kexec from file systems on devices: boot_entry DEVICE:PARTITION...
 * Prints the file systems, and the entry or why there is none. Exit status 0: there is one.
 */
#include "boot_entry.h"
#include "boot_mount.h"
#include "cleanup.h"

#include <stdio.h>
#include <string.h>

static void print_file(const char *what, const struct boot_file *file)
{
	uint64_t bytes = 0;
	struct err err = { 0 };
	CLEANUP(close_fd) int fd = boot_file_open(&bytes, file, &err);

	if (fd < 0)
		bytes = 0;
	printf("%s: %s on partition %u%s, %llu bytes at %llu\n", what, file->path, file->volume->number,
	       file->in_default ? ", default subvolume" : "", (unsigned long long)(file->bytes ? file->bytes : bytes),
	       (unsigned long long)file->off);
}

static void print_entry(const struct boot_entry *entry)
{
	printf("entry: \"%s\" of %s\n", entry->title, entry->from);
	print_file("kernel", &entry->kernel);
	for (size_t i = 0; i < entry->initrd_count; i++)
		print_file("initrd", &entry->initrds[i]);
	printf("arguments: %s\n", entry->arguments);
}

int main(int argc, char **argv)
{
	CLEANUP(boot_volumes_close) struct boot_volumes volumes = { 0 };
	static struct boot_entry entry;
	struct err err = { 0 };

	for (int i = 1; i < argc; i++) {
		char *colon = strrchr(argv[i], ':');

		if (!colon)
			return 2;
		*colon = '\0';
		if (boot_volume_mount(&volumes, argv[i], 0, (unsigned)strtoul(colon + 1, NULL, 10), &err) != 0)
			printf("no file system: %s\n", err.text);
	}
	for (size_t i = 0; i < volumes.count; i++)
		printf("%u: %s uuid=%s label=%s\n", volumes.list[i].number, volumes.list[i].kind, volumes.list[i].uuid,
		       volumes.list[i].label);
	err = (struct err){ 0 };
	if (boot_entry_find(&entry, &volumes, false, &err) != 0) {
		printf("none: %s\n", err.text);
		return 1;
	}
	print_entry(&entry);
	return 0;
}
