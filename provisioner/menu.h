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

/* The landing that a menu asks for where nobody chose one. */
#define MENU_LANDING_ITEM "as-the-item-says"

/* The machine as iPXE described itself. */
struct menu_machine {
	char mac[STORE_MAC_CHARS]; /* lower case, colons; empty if it did not say */
	const char *arch;          /* x86_64, aarch64, i386 (a processor without 64 bits: no item fits) */
	const char *firmware;      /* bios, uefi */
	bool installed;     /* an image was written to it before: the menu's default is the local disk, whatever the
			   configuration says */
	bool several_disks; /* and it may be on another disk than the first */
	bool is_node;       /* and that was a guest: in place of the local disk the environment starts those */
	bool may_choose_landing; /* otherwise than an item says; not where machines take what is signed only */
};

/* What follows a good write, as plans and signed metadata have it (landing_name.h). `assigned`: what an assignment says, NULL:
 * nothing. */
const char *menu_landing(const struct store_item *item, const char *assigned);

/* Whether the item's disks are a guest's, and the machine stays to run it. */
bool menu_is_guest(const struct store_item *item, const char *assigned);

/* Whether the machine is of the kind that the item is for. A guest has firmware, and perhaps an architecture, of its own. */
bool menu_item_fits(const struct store_item *item, const struct menu_machine *machine);

/* What a machine that fits may do with an item. */
enum menu_offer {
	MENU_WRITE = 1, /* to its disks, and boot them */
	MENU_START = 2, /* by iPXE, as it is */
	MENU_FETCH = 4, /* have it made ready, then whichever it turns out to be */
	MENU_GUEST = 8, /* to files on one of its disks, and run it as a guest */
};

/* A set of enum menu_offer; 0: nothing. `may_fetch`: whether its feed lets machines have items made ready. */
unsigned menu_item_offers(const struct store_item *item, const struct menu_machine *machine, bool may_fetch);

/*
 * Whether iPXE can give a kernel this command line as it is: printable ASCII, nothing that it would expand, no blanks
 * that it would make fewer. NULL: none.
 */
bool menu_can_pass(const char *cmdline);

/* Each returns the script (caller frees), or NULL when out of memory. `content` is NULL while nothing serves the item. */
char *menu_entry_script(const struct config *config); /* /boot.ipxe */
/* Of `items` those that have no version may be fetched. */
char *menu_script(const struct config *config, const struct store_item_list *items, const struct menu_machine *machine);
char *menu_details_script(const struct config *config, const struct store_item *item,
			  const struct store_content *content, const struct menu_machine *machine, bool may_fetch);

/* How an item is started. */
struct menu_start {
	const char *why;    /* for people */
	const char *target; /* rules for a disk; NULL: none */
	const char *ticket; /* of this boot (boot_ticket.h); NULL: none */
	bool to_disk;       /* an ISO image is written, not started */
	bool is_node;       /* no item: the guests that the machine has */
};

/* Without questions. */
char *menu_boot_script(const struct config *config, const struct store_item *item, const struct store_content *content,
		       const struct menu_machine *machine, const struct menu_start *start);
char *menu_local_script(const struct menu_machine *machine); /* boot from the local disk */
/* Boot the environment, which starts the guests that the machine has. `ticket`: of this boot, NULL: none. */
char *menu_guests_script(const struct config *config, const struct menu_machine *machine, const char *ticket);
/* `message` is shown, then /v1/script is asked again after 10 s; or, for `item` (an id, may be NULL), /v1/start soon. */
char *menu_wait_script(const struct config *config, const struct menu_machine *machine, const char *message,
		       const char *item);

/*
 * Foreign text for a place in a script: printable ASCII on one line, at most `columns` of it (longer text ends in
 * "..."), and nothing in it that iPXE acts on. Accents are dropped and other characters become `?`, because iPXE's BIOS
 * console shows bytes in code page 437. Caller frees; NULL when out of memory.
 */
char *menu_quote(const char *text, size_t columns);

#endif
