/* SPDX-License-Identifier: GPL-2.0-or-later */
/* err: see err.h */
#include "err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	assert(code < 0);
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
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
	if (len < 0 || (size_t)len > sizeof(err->text) / 4)
		len = sizeof(err->text) / 4;
	int room = (int)sizeof(err->text) - len - 3; /* for ": " and the NUL */
	snprintf(err->text + len, (size_t)room + 3, ": %.*s", room, cause);
	return err->code;
}
