/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_console: the serial consoles of guests, between their nodes, which ask for both, and operators: what they said last, and
 * what is typed until the node comes for it. In memory only: what stands on a console is nobody's to keep. Any thread may ask.
 * `now_ms`: of a clock that only goes forward, never 0.
 */
#ifndef VMCAST_GUEST_CONSOLE_H
#define VMCAST_GUEST_CONSOLE_H

#include "err.h"
#include "store.h"

#define GUEST_CONSOLE_BYTES  (64u << 10) /* kept of each */
#define GUEST_CONSOLE_TYPED  4096u       /* that wait for the node, of each */
#define GUEST_CONSOLES_MAX   256         /* the one that nobody used for longest is forgotten */
#define GUEST_CONSOLE_OPEN_S 10          /* an operator who has not read for so long has gone */

struct guest_consoles;

/* NULL: out of memory. */
struct guest_consoles *guest_consoles_new(void);
void guest_consoles_free(struct guest_consoles **consoles);

/* A guest has said this, which is UTF-8. */
int guest_console_say(struct guest_consoles *consoles, const char *mac, const char *item_id, const char *text,
		      uint64_t now_ms, struct err *err);

/* A part of a console. Offsets count the bytes that it said since the service was started. */
struct guest_console_part {
	uint64_t begin, end;
	char *text; /* UTF-8; caller frees */
};

/* What it said from offset `from` on, or of what is kept: an offset before that, or that there is not, begins at the first. */
int guest_console_read(struct guest_console_part *out, struct guest_consoles *consoles, const char *mac,
		       const char *item_id, uint64_t from, uint64_t now_ms, struct err *err);

/* -EAGAIN: the node has not come for so much that was typed before. */
int guest_console_type(struct guest_consoles *consoles, const char *mac, const char *item_id, const char *text,
		       uint64_t now_ms, struct err *err);

/* What was typed, for the node, once. NULL: nothing. Caller frees. */
char *guest_console_take(struct guest_consoles *consoles, const char *mac, const char *item_id);

/* Whether an operator looks at any console of this node. */
bool guest_console_is_open(struct guest_consoles *consoles, const char *mac, uint64_t now_ms);

#endif
