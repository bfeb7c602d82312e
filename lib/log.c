/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log: see log.h */
#include "log.h"

#include "utf8.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Priorities of syslog(3), as sd-daemon(3) writes them in front of a line. */
enum { PRIORITY_ERROR = 3, PRIORITY_WARNING = 4, PRIORITY_INFO = 6, PRIORITY_DEBUG = 7 };

static void write_line(int priority, const char *fmt, va_list ap)
{
	char line[2048], prefix[40];

	if (getenv("JOURNAL_STREAM")) {
		snprintf(prefix, sizeof(prefix), "<%d>", priority);
	} else {
		time_t now = time(NULL);
		struct tm utc;

		strftime(prefix, sizeof(prefix), "%Y-%m-%dT%H:%M:%SZ ", gmtime_r(&now, &utc));
	}
	vsnprintf(line, sizeof(line), fmt, ap);
	/* One call, so that lines of several threads do not mix. */
	fprintf(stderr, "%s%s%s\n", prefix,
		priority == PRIORITY_ERROR     ? "error: "
		: priority == PRIORITY_WARNING ? "warning: "
					       : "",
		line);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(PRIORITY_INFO, fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(PRIORITY_WARNING, fmt, ap);
	va_end(ap);
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(PRIORITY_ERROR, fmt, ap);
	va_end(ap);
}

bool log_debug_enabled(const char *module)
{
	const char *wanted = getenv("VMCAST_DEBUG");
	size_t len = strlen(module);

	for (const char *at = wanted; at && *at;) {
		size_t word = strcspn(at, ",");

		if ((word == len && strncmp(at, module, len) == 0) || (word == 3 && strncmp(at, "all", 3) == 0))
			return true;
		at += word + (at[word] == ',');
	}
	return false;
}

void log_debug(const char *module, const char *fmt, ...)
{
	char labelled[512];
	va_list ap;

	if (!log_debug_enabled(module))
		return;
	snprintf(labelled, sizeof(labelled), "%s: %s", module, fmt);
	va_start(ap, fmt);
	write_line(PRIORITY_DEBUG, labelled, ap);
	va_end(ap);
}

/* Control codes, line separators, and the bidirectional marks that can make a line read as another. */
static bool is_unsafe(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

const char *log_quote(char *out, size_t room, const char *text)
{
	const char *at = text;
	size_t used = 0;

	if (room < 8)
		return room ? (out[0] = '\0', out) : out;
	while (*at) {
		char piece[20];
		uint32_t code;
		size_t len = utf8_decode(&code, at), piece_len = 0;

		if (len && !is_unsafe(code)) {
			if (code == '"' || code == '\\')
				piece[piece_len++] = '\\';
			memcpy(piece + piece_len, at, len);
			piece_len += len;
		} else {
			len = len ? len : 1;
			for (size_t i = 0; i < len; i++)
				piece_len += (size_t)snprintf(piece + piece_len, sizeof(piece) - piece_len, "\\x%02X",
							      (unsigned char)at[i]);
		}
		if (used + piece_len + 4 > room) {
			memcpy(out + used, "...", 4);
			return out;
		}
		memcpy(out + used, piece, piece_len);
		used += piece_len;
		at += len;
	}
	out[used] = '\0';
	return out;
}
