/* SPDX-License-Identifier: GPL-2.0-or-later */
/* grub_menu: see grub_menu.h */
#include "grub_menu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* NULL: out of memory, or too many. */
static struct grub_item *new_item(struct grub_menu *menu, struct err *err)
{
	if (menu->count == GRUB_ITEMS_MAX) {
		err_set(err, -E2BIG, "more than %u menu entries", GRUB_ITEMS_MAX);
		return NULL;
	}
	struct grub_item *more = realloc(menu->items, (menu->count + 1) * sizeof(*more));
	if (!more) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	menu->items = more;
	more[menu->count] = (struct grub_item){ 0 };
	return &more[menu->count++];
}

static int set_text(char **out, const char *text, struct err *err)
{
	free(*out);
	*out = strdup(text);
	return *out ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* Whether it is an option that is followed by its value, which is skipped but for --id. */
static bool takes_value(const char *word)
{
	static const char *const options[] = { "--class", "--users", "--hotkey", "--source", "--id" };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(word, options[i]) == 0)
			return true;
	return false;
}

int grub_menu_add(struct grub_menu *menu, const struct grub_command *command, struct err *err)
{
	struct grub_item *item = new_item(menu, err);
	int rc = item ? 0 : err->code;

	if (rc == 0)
		item->is_submenu = strcmp(command->words[0], "submenu") == 0;
	for (size_t i = 1; rc == 0 && i < command->count; i++) {
		const char *word = command->words[i];

		if (strcmp(word, "--unrestricted") == 0)
			item->is_open = true;
		else if (strncmp(word, "--id=", 5) == 0)
			rc = set_text(&item->id, word + 5, err);
		else if (takes_value(word) && ++i < command->count)
			rc = strcmp(word, "--id") == 0 ? set_text(&item->id, command->words[i], err) : 0;
		else if (word[0] != '-' && !item->title)
			rc = set_text(&item->title, word, err);
	}
	if (rc != 0)
		return rc;
	if (!item->title || !command->block.source)
		return err_set(err, -EBADMSG, "'%s' without a title and a '{'", command->words[0]);
	item->body = command->block;
	return 0;
}

int grub_menu_add_text(struct grub_menu *menu, const char *id, const char *title, const char *text, const char *name,
		       struct err *err)
{
	struct grub_item *item = new_item(menu, err);
	int rc = item ? 0 : err->code;

	if (rc == 0)
		rc = set_text(&item->id, id, err);
	if (rc == 0)
		rc = set_text(&item->title, title, err);
	if (rc == 0)
		rc = set_text(&item->text, text, err);
	return rc == 0 ? set_text(&item->text_name, name, err) : rc;
}

/* `wanted` up to a single '>'; ">>" is a '>' of the title. Returns what comes behind it. */
static const char *split(char *out, size_t room, const char *wanted)
{
	size_t len = 0;

	for (; *wanted; wanted++) {
		if (*wanted == '>' && *++wanted != '>')
			break;
		if (len + 1 < room)
			out[len++] = *wanted;
	}
	out[len] = '\0';
	return wanted;
}

const struct grub_item *grub_menu_choose(const struct grub_menu *menu, const char *wanted, const char **rest)
{
	char name[GRUB_WORD_MAX];

	*rest = split(name, sizeof(name), wanted);
	if (!menu->count)
		return NULL;
	char *end;
	unsigned long nr = strtoul(name, &end, 10);
	bool is_number = name[0] >= '0' && name[0] <= '9' && *end == '\0';
	if (is_number && nr < menu->count)
		return &menu->items[nr];
	for (size_t i = 0; !is_number && i < menu->count; i++) {
		const struct grub_item *item = &menu->items[i];

		if (strcmp(item->title, name) == 0 || (item->id && strcmp(item->id, name) == 0))
			return item;
	}
	*rest = "";
	return &menu->items[0];
}

void grub_menu_free(struct grub_menu *menu)
{
	while (menu->count) {
		struct grub_item *item = &menu->items[--menu->count];

		free(item->title);
		free(item->id);
		free(item->text);
		free(item->text_name);
	}
	free(menu->items);
	menu->items = NULL;
}
