/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_entry_bls: which of a disk's boot loader entries systemd-boot would start (UAPI.1; loader.conf(5)). */
#include "boot_bls.h"
#include "boot_entry.h"
#include "cleanup.h"
#include "sysfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add_from(struct bls_list *list, const struct boot_volume *volume, const char *path, bool are_images,
		    struct err *err)
{
	struct boot_file dir;
	int rc = boot_file_set(&dir, volume, false, path, err);

	if (rc == 0)
		rc = bls_list_add(list, &dir, are_images, err);
	/* Where the root file system has /boot in it. */
	if (rc == 0 && volume->default_fd != volume->root_fd) {
		dir.in_default = true;
		rc = bls_list_add(list, &dir, are_images, err);
	}
	return rc;
}

static int read_all(struct bls_list *list, const struct boot_volumes *volumes, struct err *err)
{
	static const struct {
		const char *path;
		bool are_images;
	} dirs[] = { { "/loader/entries", false }, { "/EFI/Linux", true }, { "/boot/loader/entries", false } };
	int rc = 0;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		/* What lies on a file system of its own is what the firmware's boot loader can read. */
		if (i == 2 && list->count)
			break;
		for (size_t j = 0; rc == 0 && j < volumes->count; j++)
			rc = add_from(list, &volumes->list[j], dirs[i].path, dirs[i].are_images, err);
	}
	return rc;
}

/* The last "default" of loader.conf counts. */
static void parse_loader(char *out, size_t room, char *text)
{
	for (char *save, *line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		line += strspn(line, " \t");
		if (strncmp(line, "default", 7) != 0 || !strchr(" \t", line[7]) || !line[7])
			continue;
		const char *value = line + 7 + strspn(line + 7, " \t");
		size_t len = strcspn(value, " \t");

		if (len < room) {
			memcpy(out, value, len);
			out[len] = '\0';
		}
	}
}

static int read_default(char *out, size_t room, const struct boot_volumes *volumes, struct err *err)
{
	out[0] = '\0';
	for (size_t i = 0; i < volumes->count; i++) {
		struct boot_file file;
		size_t len;

		if (boot_file_set(&file, &volumes->list[i], false, "/loader/loader.conf", err) != 0)
			return err->code;
		if (boot_file_look(&file) != BOOT_FILE_FULL)
			continue;
		CLEANUP(free_str) char *text = NULL;
		int rc = boot_file_read(&text, &len, &file, BLS_TEXT_MAX, err);
		if (rc == 0)
			parse_loader(out, room, text);
		return rc;
	}
	return 0;
}

/* A pattern is for the name with its suffix; some are written without. */
static bool is_default(const char *pattern, const struct bls_entry *entry)
{
	char name[sizeof(entry->id) + 8];

	snprintf(name, sizeof(name), "%s%s", entry->id, entry->is_image ? ".efi" : ".conf");
	return bls_matches(pattern, name) || bls_matches(pattern, entry->id);
}

/* Paths are those of the entry's own file system; where /boot is only a directory, they may be written as seen from there. */
static int find_file(struct boot_file *out, const struct bls_entry *entry, const char *path, struct err *err)
{
	char below[2 * BOOT_PATH_MAX];

	if (strchr(path, '$'))
		return err_set(err, -ENOTSUP, "'%s' has a variable that only GRUB knows", path);
	int rc = boot_file_set(out, entry->file.volume, entry->file.in_default, path, err);
	if (rc != 0 || boot_file_look(out) == BOOT_FILE_FULL)
		return rc;
	if (strncmp(entry->file.path, "/boot/", 6) != 0)
		return err_set(err, -EBADMSG, "there is no file '%s'", out->path);
	snprintf(below, sizeof(below), "/boot%s", out->path);
	rc = boot_file_set(out, entry->file.volume, entry->file.in_default, below, err);
	if (rc == 0 && boot_file_look(out) != BOOT_FILE_FULL)
		return err_set(err, -EBADMSG, "there is no file '%s'", path);
	return rc;
}

static int join_options(struct boot_entry *out, const struct bls_entry *entry, struct err *err)
{
	char text[BOOT_ARGUMENTS_MAX] = "";
	size_t len = 0;

	for (size_t i = 0; i < entry->option_count; i++) {
		int more = snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "", entry->options[i]);

		if ((size_t)more >= sizeof(text) - len)
			return err_set(err, -E2BIG, "kernel arguments of more than %zu bytes", sizeof(text) - 1);
		len += (size_t)more;
	}
	if (strchr(text, '$'))
		return err_set(err, -ENOTSUP, "the arguments have a variable that only GRUB knows");
	return boot_entry_set_arguments(out, text, len, err);
}

static int take_text(struct boot_entry *out, const struct bls_entry *entry, struct err *err)
{
	struct boot_file initrd;

	if (!entry->kernel)
		return err_set(err, -ENOTSUP, "%s", entry->efi ? "it starts an EFI program" : "it names no kernel");
	if (entry->devicetree)
		return err_set(err, -ENOTSUP, "it has a device tree of its own");
	int rc = find_file(&out->kernel, entry, entry->kernel, err);
	for (size_t i = 0; rc == 0 && i < entry->initrd_count; i++) {
		rc = find_file(&initrd, entry, entry->initrds[i], err);
		if (rc == 0)
			rc = boot_entry_add_initrd(out, &initrd, err);
	}
	return rc == 0 ? join_options(out, entry, err) : rc;
}

static int add_part(struct boot_entry *out, const struct bls_entry *entry, const struct boot_uki_part *part,
		    struct err *err)
{
	struct boot_file file = entry->file;

	file.off = part->off;
	file.bytes = part->bytes;
	return part->bytes ? boot_entry_add_initrd(out, &file, err) : 0;
}

static int take_image(struct boot_entry *out, const struct bls_entry *entry, struct err *err)
{
	const struct boot_uki *image = &entry->image;
	CLEANUP(free_str) char *text = NULL;
	uint64_t bytes;
	size_t len;

	if (image->devicetree.bytes)
		return err_set(err, -ENOTSUP, "it has a device tree of its own");
	out->kernel = entry->file;
	out->kernel.off = image->kernel.off;
	out->kernel.bytes = image->kernel.bytes;
	int rc = add_part(out, entry, &image->microcode, err);
	if (rc == 0)
		rc = add_part(out, entry, &image->initrd, err);
	if (rc != 0 || !image->arguments.bytes)
		return rc;
	CLEANUP(close_fd) int fd = boot_file_open(&bytes, &entry->file, err);
	if (fd < 0)
		return fd;
	rc = boot_uki_text(&text, &len, fd, &image->arguments, BOOT_ARGUMENTS_MAX, err);
	return rc == 0 ? boot_entry_set_arguments(out, text, len, err) : rc;
}

static int take(struct boot_entry *out, const struct bls_entry *entry, struct err *err)
{
	struct boot_entry found = { 0 };
	int rc = entry->is_image ? take_image(&found, entry, err) : take_text(&found, entry, err);

	if (rc != 0)
		return err_wrap(err, "%s", entry->file.path);
	snprintf(found.title, sizeof(found.title), "%s", entry->title ? entry->title : entry->id);
	snprintf(found.from, sizeof(found.from), "%s", entry->file.path);
	sysfs_clean(found.title);
	sysfs_clean(found.from);
	*out = found;
	return 0;
}

int boot_entry_bls(struct boot_entry *out, const struct boot_volumes *volumes, struct err *err)
{
	CLEANUP(bls_list_free) struct bls_list list = { 0 };
	char pattern[256];
	int rc = read_all(&list, volumes, err);

	if (rc == 0)
		rc = read_default(pattern, sizeof(pattern), volumes, err);
	if (rc != 0)
		return rc;
	if (!list.count)
		return err_set(err, -ENOENT, "no boot loader entry");
	qsort(list.entries, list.count, sizeof(list.entries[0]), bls_compare);
	size_t nr = 0;
	while (pattern[0] && nr < list.count && !is_default(pattern, &list.entries[nr]))
		nr++;
	return take(out, &list.entries[pattern[0] && nr < list.count ? nr : 0], err);
}
