/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_console: see guest_console.h */
#include "guest_console.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct console {
	char mac[STORE_MAC_CHARS];
	char item_id[STORE_ID_CHARS];
	char *said; /* GUEST_CONSOLE_BYTES, of which the first `len` are the last that it said */
	size_t len;
	uint64_t end; /* offset behind them */
	char typed[GUEST_CONSOLE_TYPED + 1];
	uint64_t used_ms; /* 0: the place is free */
	uint64_t read_ms; /* 0: never */
};

struct guest_consoles {
	pthread_mutex_t lock;
	struct console rows[GUEST_CONSOLES_MAX];
};

struct guest_consoles *guest_consoles_new(void)
{
	struct guest_consoles *c = calloc(1, sizeof(*c));

	if (c)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

void guest_consoles_free(struct guest_consoles **consoles)
{
	struct guest_consoles *c = *consoles;

	if (!c)
		return;
	for (size_t i = 0; i < GUEST_CONSOLES_MAX; i++)
		free(c->rows[i].said);
	pthread_mutex_destroy(&c->lock);
	free(c);
	*consoles = NULL;
}

static struct console *find(struct guest_consoles *c, const char *mac, const char *item_id)
{
	for (struct console *row = c->rows; row < c->rows + GUEST_CONSOLES_MAX; row++)
		if (row->used_ms && strcmp(row->mac, mac) == 0 && strcmp(row->item_id, item_id) == 0)
			return row;
	return NULL;
}

/* NULL: out of memory. */
static struct console *find_or_make(struct guest_consoles *c, const char *mac, const char *item_id, uint64_t now_ms)
{
	struct console *row = find(c, mac, item_id);

	if (!row) {
		row = c->rows;
		for (struct console *other = c->rows; other < c->rows + GUEST_CONSOLES_MAX; other++)
			if (other->used_ms < row->used_ms)
				row = other;
		char *said = row->said ? row->said : malloc(GUEST_CONSOLE_BYTES);

		if (!said)
			return NULL;
		*row = (struct console){ .said = said };
		snprintf(row->mac, sizeof(row->mac), "%s", mac);
		snprintf(row->item_id, sizeof(row->item_id), "%s", item_id);
	}
	row->used_ms = now_ms;
	return row;
}

static bool is_continued(const char *text, size_t at, size_t len)
{
	return at < len && ((unsigned char)text[at] & 0xc0) == 0x80;
}

static void add(struct console *row, const char *text, size_t len)
{
	size_t skipped = len > GUEST_CONSOLE_BYTES ? len - GUEST_CONSOLE_BYTES : 0;

	size_t added = len - skipped;
	/* What is kept has no gap. */
	size_t gone = skipped                                  ? row->len
		      : row->len + added > GUEST_CONSOLE_BYTES ? row->len + added - GUEST_CONSOLE_BYTES
							       : 0;
	memmove(row->said, row->said + gone, row->len - gone);
	memcpy(row->said + row->len - gone, text + skipped, added);
	row->len += added - gone;
	row->end += len;
}

int guest_console_say(struct guest_consoles *consoles, const char *mac, const char *item_id, const char *text,
		      uint64_t now_ms, struct err *err)
{
	pthread_mutex_lock(&consoles->lock);
	struct console *row = find_or_make(consoles, mac, item_id, now_ms);
	if (row)
		add(row, text, strlen(text));
	pthread_mutex_unlock(&consoles->lock);
	return row ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* A character of which only the end is kept, or asked for, is left out. */
static char *read_from(struct console *row, uint64_t *begin, uint64_t from)
{
	uint64_t first = row->end - row->len;
	size_t at = from >= first && from <= row->end ? (size_t)(from - first) : 0;

	while (is_continued(row->said, at, row->len))
		at++;
	*begin = first + at;
	return strndup(row->said + at, row->len - at);
}

int guest_console_read(struct guest_console_part *out, struct guest_consoles *consoles, const char *mac,
		       const char *item_id, uint64_t from, uint64_t now_ms, struct err *err)
{
	*out = (struct guest_console_part){ 0 };
	pthread_mutex_lock(&consoles->lock);
	struct console *row = find_or_make(consoles, mac, item_id, now_ms);
	if (row) {
		row->read_ms = now_ms;
		out->text = read_from(row, &out->begin, from);
		out->end = row->end;
	}
	pthread_mutex_unlock(&consoles->lock);
	return out->text ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int guest_console_type(struct guest_consoles *consoles, const char *mac, const char *item_id, const char *text,
		       uint64_t now_ms, struct err *err)
{
	bool fits = false;

	pthread_mutex_lock(&consoles->lock);
	struct console *row = find_or_make(consoles, mac, item_id, now_ms);
	if (row && (fits = strlen(row->typed) + strlen(text) <= GUEST_CONSOLE_TYPED))
		strcat(row->typed, text);
	pthread_mutex_unlock(&consoles->lock);
	if (!row)
		return err_set(err, -ENOMEM, "out of memory");
	return fits ? 0
		    : err_set(err, -EAGAIN, "node %s has not come for the %u bytes that were typed before", mac,
			      GUEST_CONSOLE_TYPED);
}

char *guest_console_take(struct guest_consoles *consoles, const char *mac, const char *item_id)
{
	char *typed = NULL;

	pthread_mutex_lock(&consoles->lock);
	struct console *row = find(consoles, mac, item_id);
	if (row && row->typed[0] && (typed = strdup(row->typed)))
		row->typed[0] = '\0';
	pthread_mutex_unlock(&consoles->lock);
	return typed;
}

bool guest_console_is_open(struct guest_consoles *consoles, const char *mac, uint64_t now_ms)
{
	bool is_open = false;

	pthread_mutex_lock(&consoles->lock);
	for (const struct console *row = consoles->rows; row < consoles->rows + GUEST_CONSOLES_MAX; row++)
		is_open |= row->used_ms && row->read_ms && strcmp(row->mac, mac) == 0 &&
			   now_ms - row->read_ms < GUEST_CONSOLE_OPEN_S * 1000ull;
	pthread_mutex_unlock(&consoles->lock);
	return is_open;
}
