/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * script_check: reads a generated iPXE script as iPXE does (menu.h says how) and tells whether foreign text could do more
 * there than be shown. For the menu's unit test and its fuzzer.
 */
#ifndef VMCAST_SCRIPT_CHECK_H
#define VMCAST_SCRIPT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool begins_with_any(const char *text, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (strncmp(text, *prefixes, strlen(*prefixes)) == 0)
			return true;
	return false;
}

/* Commands that show text end where their line does: no token of it may be taken for the end of the command. */
static inline bool has_terminator(const char *line, const char *end)
{
	for (const char *p = line; p < end;) {
		while (p < end && *p == ' ')
			p++;
		size_t len = 0;

		while (p + len < end && p[len] != ' ')
			len++;
		if (len && (*p == '#' || (len == 2 && (strncmp(p, "&&", 2) == 0 || strncmp(p, "||", 2) == 0)) ||
			    (len == 1 && *p == ';')))
			return true;
		p += len;
	}
	return false;
}

/* NULL, or what is wrong with the script. */
static inline const char *script_fault(const char *script)
{
	static const char *const commands[] = { "set ",  "menu -- ",  "item -- ", "item --gap", "choose ",
						"goto ", "imgfree\n", "kernel ",  "initrd ",    "boot ",
						"echo ", "exit ",     "sleep ",   "chain ",     "sanboot ",
						"iseq ", ":",         "#!ipxe\n", NULL },
				 *const texts[] = { "menu -- ", "item -- ", "item --gap", "echo ", NULL },
				 *const settings[] = { "}",        "s}",    "space:string}", "server}",
						       "machine}", "item}", "pick}",         "back}",
						       "netX/mac", "arch}", "platform}",     "buildarch}",
						       "landing}", NULL };
	static const char kernel[] = "kernel --name kernel ", otherwise[] = " || goto failed";
	const char *line = script;

	if (strncmp(script, "#!ipxe\n", 7) != 0)
		return "does not begin as a script";
	for (const char *p = script; *p; p++) {
		if (*p != '\n' && (*p < ' ' || *p > '~'))
			return "a byte that is not printable ASCII";
		if (p[0] == '$' && p[1] == '{' && !begins_with_any(p + 2, settings))
			return "an expansion of something that is not ours";
		if (*p != '\n')
			continue;
		if (!begins_with_any(line, commands))
			return "a line that begins with no command of ours";
		if (p > script && p[-1] == '\\')
			return "a line that goes on in the next";
		if (begins_with_any(line, texts) && has_terminator(line, p))
			return "a text that ends its command";
		if (strncmp(line, kernel, sizeof(kernel) - 1) == 0 &&
		    (p - line < (long)sizeof(otherwise) || has_terminator(line, p - (sizeof(otherwise) - 1)) ||
		     strncmp(p - (sizeof(otherwise) - 1), otherwise, sizeof(otherwise) - 1) != 0))
			return "a kernel's command line that ends its command";
		line = p + 1;
	}
	return *line ? "a last line that does not end" : NULL;
}

#endif
