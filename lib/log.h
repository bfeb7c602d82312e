/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log: one line per event to standard error, subject first. With sd-daemon priority prefixes ("<4>") where standard
 * error is the journal, with a UTC time otherwise. Library code only logs at debug level.
 *
 * VMCAST_DEBUG=feed,http turns the debug lines of these modules on; VMCAST_DEBUG=all those of every module.
 */
#ifndef VMCAST_LOG_H
#define VMCAST_LOG_H

#include <stdbool.h>
#include <stddef.h>

void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *module, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool log_debug_enabled(const char *module);

/*
 * Foreign text made safe for one line of a log or terminal: control bytes, invalid UTF-8 and bidirectional overrides
 * become \xNN, a quote or backslash gets a backslash, cut with "..." to `room`. Returns `out`, for use in an argument
 * list.
 */
const char *log_quote(char *out, size_t room, const char *text);

#endif
