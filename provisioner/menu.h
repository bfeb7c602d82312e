/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * menu: catalog + machine -> iPXE script text. Pure: no clock, no files, no store; golden-tested. Nothing foreign reaches a
 * script unquoted: titles lose what iPXE would expand or split (F21), ids and URLs are checked to be of the form we make.
 */
#ifndef VMCAST_MENU_H
#define VMCAST_MENU_H

#include "config.h"
#include "store.h"

#include <stddef.h>

/* The machine as iPXE described itself. */
struct menu_machine {
	char mac[STORE_MAC_CHARS]; /* lower case, colons; empty if it did not say */
	const char *arch;     /* x86_64, aarch64, i386 (a BIOS iPXE says i386; it fits x86_64 items) */
	const char *firmware; /* bios, uefi */
};

/* Each returns the script (caller frees), or NULL when out of memory. */
char *menu_entry_script(const struct config *config);                    /* /boot.ipxe */
char *menu_script(const struct config *config, const struct store_item_list *items, const struct menu_machine *machine);
char *menu_details_script(const struct config *config, const struct store_item *item, const struct menu_machine *machine);
char *menu_boot_script(const struct config *config, const struct store_item *item, const struct menu_machine *machine,
		       const char *target); /* unattended: an assigned item */
char *menu_local_script(const struct menu_machine *machine);             /* boot from the local disk */
char *menu_error_script(const char *message);                            /* shown, then back to the firmware after a key or 30 s */

#endif
