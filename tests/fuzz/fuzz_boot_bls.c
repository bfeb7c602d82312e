/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an entry of the Boot Loader Specification, and as loader.conf. */
#include "boot_bls.h"
#include "boot_entry.h"
#include "boot_version.h"
#include "fuzz_boot_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int sign(int value)
{
	return (value > 0) - (value < 0);
}

/* Any two halves are ordered one way. */
static void check_versions(const uint8_t *data, size_t len)
{
	char a[128], b[128];
	size_t half = len / 2 < sizeof(a) - 1 ? len / 2 : sizeof(a) - 1;

	snprintf(a, sizeof(a), "%.*s", (int)half, (const char *)data);
	snprintf(b, sizeof(b), "%.*s", (int)half, (const char *)data + half);
	assert(sign(boot_version_compare(a, b)) == -sign(boot_version_compare(b, a)));
	assert(boot_version_compare(a, a) == 0);
	bls_matches(a, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct boot_entry entry;
	static int fd = -1, loader = -1;
	struct err err = { 0 };

	if (fd < 0) {
		fd = fuzz_disk("loader/entries/y.conf");
		put("root/loader/loader.conf", "");
		char path[PATH_MAX];
		snprintf(path, sizeof(path), "%s/root/loader/loader.conf", root);
		loader = open(path, O_RDWR | O_CLOEXEC);
		assert(loader >= 0);
	}
	check_versions(data, len);
	fuzz_write(fd, data, len);
	fuzz_write(loader, data, len);
	int rc = boot_entry_bls(&entry, &volumes, &err);
	assert(rc == 0 || (rc == err.code && err.text[0]));
	if (rc != 0)
		return 0;
	assert(entry.kernel.volume && entry.initrd_count <= BOOT_INITRDS_MAX);
	fuzz_check_text(entry.arguments);
	fuzz_check_text(entry.title);
	return 0;
}
