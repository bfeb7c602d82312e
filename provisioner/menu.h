/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * menu: catalog + machine -> iPXE script text. Pure: no clock, no files, no store; golden-tested (tests/data/menu).
 *
 * Nothing foreign reaches a script unquoted: what iPXE would expand, split or take for a command is taken apart (F21),
 * and ids and addresses are of the form we make. Source: iPXE's script and command line syntax, as its exec and
 * settings code read it: a line is cut at white space, a token `&&`, `||`, `;` or one that begins with `#` ends the
 * command, then `${name}` is replaced in each token, again and again until none is left; a backslash at the end of a
 * line continues it.
 */
#ifndef VMCAST_MENU_H
#define VMCAST_MENU_H

#include "config.h"
#include "store.h"

#include <stdbool.h>
#include <stddef.h>

#define MENU_ITEMS_MAX    200 /* per channel; the newest are shown. An iPXE menu lives in a heap of half a megabyte */
#define MENU_CHANNELS_MAX 50

/* The machine as iPXE described itself. */
struct menu_machine {
	char mac[STORE_MAC_CHARS]; /* lower case, colons; empty if it did not say */
	const char *arch;          /* x86_64, aarch64, i386 (a processor without 64 bits: no item fits) */
	const char *firmware;      /* bios, uefi */
	bool installed;     /* an image was written to it before: the menu's default is the local disk, whatever the
			   configuration says */
	bool several_disks; /* and it may be on another disk than the first */
};

/* Whether the item is for a disk. This version lands in no other way. */
bool menu_lands_on_disk(const struct store_item *item);

/* Whether the item has an image for a disk and the machine can boot it. */
bool menu_item_fits(const struct store_item *item, const struct menu_machine *machine);

/* Each returns the script (caller frees), or NULL when out of memory. */
char *menu_entry_script(const struct config *config); /* /boot.ipxe */
char *menu_script(const struct config *config, const struct store_item_list *items, const struct menu_machine *machine);
char *menu_details_script(const struct config *config, const struct store_item *item,
			  const struct menu_machine *machine);
char *menu_boot_script(const struct config *config, const struct store_item *item, const struct menu_machine *machine,
		       const char *target);                  /* unattended: an assigned item */
char *menu_local_script(const struct menu_machine *machine); /* boot from the local disk */
char *menu_wait_script(const struct config *config, const struct menu_machine *machine,
		       const char *message); /* shown, then asked again after 10 s */

/*
 * Foreign text for a place in a script: printable ASCII on one line, at most `columns` of it (longer text ends in
 * "..."), and nothing in it that iPXE acts on. Accents are dropped and other characters become `?`, because iPXE's BIOS
 * console shows bytes in code page 437. Caller frees; NULL when out of memory.
 */
char *menu_quote(const char *text, size_t columns);

#endif
