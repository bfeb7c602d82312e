/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_entry: see boot_entry.h */
#include "boot_entry.h"

#include <errno.h>
#include <string.h>

int boot_entry_set_arguments(struct boot_entry *out, const char *text, size_t len, struct err *err)
{
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t' || text[len - 1] == '\n' || text[len - 1] == '\0'))
		len--;
	if (len >= sizeof(out->arguments))
		return err_set(err, -E2BIG, "kernel arguments of %zu bytes", len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return err_set(err, -EBADMSG, "a control character in the kernel's arguments");
	memcpy(out->arguments, text, len);
	out->arguments[len] = '\0';
	return 0;
}

int boot_entry_add_initrd(struct boot_entry *out, const struct boot_file *file, struct err *err)
{
	if (out->initrd_count == BOOT_INITRDS_MAX)
		return err_set(err, -E2BIG, "more than %u initial RAM disks", BOOT_INITRDS_MAX);
	if (boot_file_look(file) != BOOT_FILE_FULL)
		return err_set(err, -EBADMSG, "there is no file '%s'", file->path);
	out->initrds[out->initrd_count++] = *file;
	return 0;
}

/* systemd-boot reads entries of the specification, and nothing of GRUB's. */
static bool has_systemd_boot(const struct boot_volumes *volumes)
{
	static const char *const paths[] = { "/EFI/systemd", "/loader/loader.conf" };
	struct err ignored = { 0 };
	struct boot_file file;

	for (size_t i = 0; i < volumes->count; i++)
		for (size_t j = 0; j < sizeof(paths) / sizeof(paths[0]); j++)
			if (boot_file_set(&file, &volumes->list[i], false, paths[j], &ignored) == 0 &&
			    boot_file_look(&file) != BOOT_FILE_NONE)
				return true;
	return false;
}

int boot_entry_find(struct boot_entry *out, const struct boot_volumes *volumes, bool is_efi, struct err *err)
{
	int rc = -ENOENT;

	if (has_systemd_boot(volumes))
		rc = boot_entry_bls(out, volumes, err);
	if (rc == -ENOENT)
		rc = boot_entry_grub(out, volumes, is_efi, err);
	if (rc == -ENOENT)
		rc = boot_entry_bls(out, volumes, err);
	if (rc == -ENOENT)
		return err_set(err, -ENOENT, "no grub.cfg, boot loader entry or unified kernel image on the disk");
	return rc;
}
