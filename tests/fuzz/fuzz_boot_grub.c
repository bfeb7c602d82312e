/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as grub.cfg, on a disk with a kernel, entries for blscfg and grubenv; it may name itself. */
#include "boot_entry.h"
#include "fuzz_boot_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct boot_entry entry;
	static struct boot_file file;
	static int fd = -1;
	struct err err = { 0 };

	if (fd < 0) {
		fd = fuzz_disk("grub.cfg");
		assert(boot_file_set(&file, &volumes.list[0], false, "/grub.cfg", &err) == 0);
	}
	fuzz_write(fd, data, len);
	int rc = boot_entry_grub_config(&entry, &volumes, &file, true, &err);
	assert(rc == 0 || (rc == err.code && err.text[0]));
	if (rc != 0)
		return 0;
	assert(entry.kernel.volume && boot_file_look(&entry.kernel) == BOOT_FILE_FULL);
	assert(entry.initrd_count <= BOOT_INITRDS_MAX);
	fuzz_check_text(entry.arguments);
	fuzz_check_text(entry.title);
	fuzz_check_text(entry.from);
	return 0;
}
