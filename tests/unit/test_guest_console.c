/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_console: what a guest said last, whole characters of it; what is typed reaches its node once; nobody fills the memory. */
#include "guest_console.h"

#include "cleanup.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

#define MAC  "52:54:00:12:34:56"
#define ITEM "0123456789abcdef"

static struct err err;

static void is_part(struct guest_consoles *c, const char *item, uint64_t from, uint64_t begin, uint64_t end,
		    const char *text, const char *label)
{
	struct guest_console_part part;

	guest_console_read(&part, c, MAC, item, from, 1000, &err);
	is_int((int64_t)part.begin, (int64_t)begin, label);
	is_int((int64_t)part.end, (int64_t)end, "  to the end");
	is_str(part.text, text, "  what it said");
	free(part.text);
}

static void what_is_said(void)
{
	CLEANUP(guest_consoles_free) struct guest_consoles *c = guest_consoles_new();
	CLEANUP(free_str) char *much = malloc(GUEST_CONSOLE_BYTES + 2);
	struct guest_console_part part;

	is_part(c, ITEM, 0, 0, 0, "", "a guest that said nothing");
	guest_console_say(c, MAC, ITEM, "login: ", 1000, &err);
	guest_console_say(c, MAC, "fedcba9876543210", "another", 1000, &err);
	guest_console_say(c, "52:54:00:00:00:01", ITEM, "another node's", 1000, &err);
	guest_console_say(c, MAC, ITEM, "root\n", 1000, &err);
	is_part(c, ITEM, 0, 0, 12, "login: root\n", "from the beginning");
	is_part(c, ITEM, 7, 7, 12, "root\n", "from an offset");
	is_part(c, ITEM, 12, 12, 12, "", "from its end");
	is_part(c, ITEM, 13, 0, 12, "login: root\n", "from an offset that there is not, as after a restart");
	is_part(c, ITEM, UINT64_MAX, 0, 12, "login: root\n", "from the last offset that there is");

	/* An e with an accent is two bytes: the first kept byte would be its second. */
	memset(much, 'x', GUEST_CONSOLE_BYTES + 1);
	memcpy(much, "\xc3\xa9", 2);
	much[GUEST_CONSOLE_BYTES + 1] = '\0';
	guest_console_say(c, MAC, ITEM, much, 1000, &err);
	guest_console_read(&part, c, MAC, ITEM, 0, 1000, &err);
	is_int((int64_t)(part.end - part.begin), GUEST_CONSOLE_BYTES - 1, "more than is kept: no half character is");
	is_int((int64_t)strlen(part.text), GUEST_CONSOLE_BYTES - 1, "  as long as that");
	free(part.text);
	guest_console_say(c, MAC, ITEM, "ab\xc3\xa9", 1000, &err);
	guest_console_read(&part, c, MAC, ITEM, 0, 1000, &err);
	is_str(part.text + strlen(part.text) - 5, "xab\xc3\xa9", "what is new is at its end");
	is_int((int64_t)part.end, 12 + GUEST_CONSOLE_BYTES + 1 + 4, "  and offsets go on");
	is_part(c, ITEM, part.end - 1, part.end, part.end, "", "  within a character: behind it");
	free(part.text);
}

static void what_is_typed(void)
{
	CLEANUP(guest_consoles_free) struct guest_consoles *c = guest_consoles_new();
	char much[GUEST_CONSOLE_TYPED + 1];

	ok(!guest_console_take(c, MAC, ITEM), "nothing was typed");
	is_int(guest_console_type(c, MAC, ITEM, "ls", 1000, &err), 0, "typed");
	is_int(guest_console_type(c, MAC, ITEM, "\r", 1000, &err), 0, "typed more");
	CLEANUP(free_str) char *taken = guest_console_take(c, MAC, ITEM);
	is_str(taken, "ls\r", "its node gets it");
	ok(!guest_console_take(c, MAC, ITEM), "once");
	memset(much, 'y', GUEST_CONSOLE_TYPED);
	much[GUEST_CONSOLE_TYPED] = '\0';
	is_int(guest_console_type(c, MAC, ITEM, much, 1000, &err), 0, "as much as waits");
	is_int(guest_console_type(c, MAC, ITEM, "z", 1000, &err), -EAGAIN, "and no more");
	CLEANUP(free_str) char *all = guest_console_take(c, MAC, ITEM);
	is_str(all, much, "which its node gets");
}

static void who_looks(void)
{
	CLEANUP(guest_consoles_free) struct guest_consoles *c = guest_consoles_new();

	guest_console_say(c, MAC, ITEM, "x", 1, &err);
	ok(!guest_console_is_open(c, MAC, 1), "nobody looks");
	is_part(c, ITEM, 0, 0, 1, "x", "somebody looks");
	ok(guest_console_is_open(c, MAC, 1000 + GUEST_CONSOLE_OPEN_S * 1000 - 1), "which holds for a while");
	ok(!guest_console_is_open(c, MAC, 1000 + GUEST_CONSOLE_OPEN_S * 1000), "and no longer");
	ok(!guest_console_is_open(c, "52:54:00:00:00:01", 1000), "nor for another node");
}

static void many(void)
{
	CLEANUP(guest_consoles_free) struct guest_consoles *c = guest_consoles_new();
	char item[STORE_ID_CHARS];
	struct guest_console_part part;

	for (unsigned i = 0; i < GUEST_CONSOLES_MAX + 1; i++) {
		snprintf(item, sizeof(item), "%016x", i);
		guest_console_say(c, MAC, item, item, 1 + i, &err);
	}
	guest_console_read(&part, c, MAC, "0000000000000001", 0, 2000, &err);
	is_str(part.text, "0000000000000001", "of more than there is room for the others are kept");
	free(part.text);
	guest_console_read(&part, c, MAC, "0000000000000000", 0, 2000, &err);
	is_str(part.text, "", "and that which nobody used for longest is not");
	free(part.text);
}

int main(void)
{
	what_is_said();
	what_is_typed();
	who_looks();
	many();
	return done_testing();
}
