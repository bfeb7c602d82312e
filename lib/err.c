/* SPDX-License-Identifier: GPL-2.0-or-later */
/* err: see err.h */
#include "err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The first `len` bytes of `text`, less a UTF-8 character that begins there and does not end. */
static size_t whole_characters(const char *text, size_t len)
{
	size_t lead = len;

	while (lead && len - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
		lead--;
	if (!lead)
		return len;
	unsigned char first = (unsigned char)text[lead - 1];
	size_t need = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;

	return len - (lead - 1) < need ? lead - 1 : len;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	assert(code < 0);
	err->code = code;
	va_start(ap, fmt);
	int len = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (len >= (int)sizeof(err->text))
		err->text[whole_characters(err->text, sizeof(err->text) - 1)] = '\0';
	return code;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char cause[sizeof(err->text)];
	va_list ap;

	assert(err->code < 0);
	memcpy(cause, err->text, sizeof(cause));
	va_start(ap, fmt);
	int len = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	/* A context that fills the whole line leaves no room for the cause, which matters more: it may take three
	 * quarters. */
	size_t used = len < 0 ? 0 : (size_t)len;
	if (used > sizeof(err->text) / 4)
		used = whole_characters(err->text, sizeof(err->text) / 4);
	size_t room = sizeof(err->text) - used - 3; /* for ": " and the NUL */
	if (strlen(cause) > room)
		cause[whole_characters(cause, room)] = '\0';
	snprintf(err->text + used, room + 3, ": %s", cause);
	return err->code;
}
