/* SPDX-License-Identifier: GPL-2.0-or-later */
/* grub_menu: the entries that a grub.cfg makes, and which of them starts by itself (GNU GRUB manual 2.12, 6.1.1 and 16.1). */
#ifndef VMCAST_GRUB_MENU_H
#define VMCAST_GRUB_MENU_H

#include "err.h"
#include "grub_script.h"

#include <stdbool.h>
#include <stddef.h>

#define GRUB_ITEMS_MAX 2048u

struct grub_item {
	char *title; /* owned */
	char *id;    /* owned */
	bool is_submenu;
	bool is_open;           /* needs no password where others do */
	struct grub_block body; /* without a source: `text` is it */
	char *text;             /* owned */
	char *text_name;        /* owned */
};

struct grub_menu {
	struct grub_item *items;
	size_t count;
};

/* From the words of a menuentry or submenu command. -E2BIG: too many of them. */
int grub_menu_add(struct grub_menu *menu, const struct grub_command *command, struct err *err);

/* One whose commands are not in the configuration. `id`, `title` and `text` are copied. */
int grub_menu_add_text(struct grub_menu *menu, const char *id, const char *title, const char *text, const char *name,
		       struct err *err);

/*
 * The entry that `wanted` names by number, id or title, or the first one if none is named so. Behind a '>' follows what is wanted in
 * the submenu: *rest points to that, or to "". NULL: an empty menu.
 */
const struct grub_item *grub_menu_choose(const struct grub_menu *menu, const char *wanted, const char **rest);

void grub_menu_free(struct grub_menu *menu);

#endif
