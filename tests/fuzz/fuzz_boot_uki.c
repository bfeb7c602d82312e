/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a unified kernel image. */
#include "boot_entry.h"
#include "boot_uki.h"
#include "fuzz_boot_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_part(const struct boot_file *file, size_t len)
{
	assert(file->bytes && file->off <= len && file->bytes <= len - file->off);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct boot_entry entry;
	static int fd = -1;
	struct err err = { 0 };

	if (fd < 0) {
		char path[PATH_MAX];

		fd = fuzz_disk("EFI/Linux/x.efi");
		snprintf(path, sizeof(path), "%s/root/loader/entries/x-2.conf", root);
		remove(path);
		snprintf(path, sizeof(path), "%s/root/loader/entries/x-10.conf", root);
		remove(path);
	}
	fuzz_write(fd, data, len);
	int rc = boot_entry_bls(&entry, &volumes, &err);
	assert(rc == 0 || (rc == err.code && err.text[0]));
	if (rc != 0)
		return 0;
	check_part(&entry.kernel, len);
	for (size_t i = 0; i < entry.initrd_count; i++)
		check_part(&entry.initrds[i], len);
	fuzz_check_text(entry.arguments);
	fuzz_check_text(entry.title);
	return 0;
}
