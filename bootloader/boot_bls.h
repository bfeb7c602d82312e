/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_bls: entries of the Boot Loader Specification (UAPI.1): loader/entries/NAME.conf (type #1) and EFI/Linux/NAME.efi (type
 * #2, unified kernel images), what they say of themselves and in which order a menu has them.
 */
#ifndef VMCAST_BOOT_BLS_H
#define VMCAST_BOOT_BLS_H

#include "boot_uki.h"
#include "boot_volume.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>

#define BLS_TEXT_MAX    (64u << 10) /* of one entry */
#define BLS_INITRDS_MAX 16u
#define BLS_OPTIONS_MAX 16u /* lines of them */

struct bls_entry {
	struct boot_file file;
	char id[256];  /* its file's name, without the counter of tries and the suffix */
	bool is_bad;   /* it has been tried as often as it may, and did not come up */
	bool is_image; /* type #2 */
	struct boot_uki image;
	char *text; /* owned; what follows points into it; NULL: not said */
	const char *title;
	const char *version;
	const char *machine_id;
	const char *sort_key;
	const char *kernel;
	const char *efi;
	const char *devicetree;
	const char *architecture;
	const char *initrds[BLS_INITRDS_MAX];
	size_t initrd_count;
	const char *options[BLS_OPTIONS_MAX];
	size_t option_count;
};

/* All that is in a directory; one that is not there has none. Entries are added to what `list` has. */
struct bls_list {
	struct bls_entry *entries;
	size_t count;
};
int bls_list_add(struct bls_list *list, const struct boot_file *dir, bool are_images, struct err *err);
void bls_list_free(struct bls_list *list);

/* Decode one file's text, which is changed. -E2BIG: too many lines of a kind; -EBADMSG: a NUL byte. The message names the line. */
int bls_parse(struct bls_entry *entry, char *text, size_t len, struct err *err);

/* For qsort(3): what is started by default comes first. systemd-boot's order, and that of GRUB's blscfg (by file name). */
int bls_compare(const void *a, const void *b);
int bls_compare_names(const void *a, const void *b);

/* Whether `text` is what `pattern` says: * stands for any characters, ? for one. Takes at most len x len steps. */
bool bls_matches(const char *pattern, const char *text);

#endif
