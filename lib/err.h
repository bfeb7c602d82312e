/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err: the one error idiom of vmcast.
 *
 * A function that can fail returns 0 (or a count) or a negative errno value, and in the second case has filled `*err`.
 * Set where the fault is detected, wrap where there is something new to say, print once in main() or per request.
 *
 *   -EBADMSG corrupt          -ENOTSUP valid but not handled     -EACCES not trusted, not allowed
 *   -ENOSPC  target too small -EPROTO  the peer misbehaves       -ENOENT not there
 *   -EINVAL  the user's input -EAGAIN  the peer asks to wait     others: what the kernel said
 */
#ifndef VMCAST_ERR_H
#define VMCAST_ERR_H

struct err {
	int code;       /* negative errno value, 0 while nothing went wrong */
	char text[768]; /* one line, no newline; context first, cause last */
};

/* Fill `*err` and return `code` (a negative errno value), so that callers can write `return err_set(...)`. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put "context: " in front of what `*err` already says and return its code. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
