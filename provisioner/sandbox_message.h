/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_message: a JSON object and descriptors, through a unix socket of messages (SOCK_SEQPACKET).
 *
 * Between vmcastd and the launcher of sandboxes (vmcast-sandbox), one connection for one sandbox:
 *
 *   launcher  {"group": GID}               whose files it can reach
 *   vmcastd   sandbox_request.h            with the program's descriptors
 *   launcher  {"pid": PID}                 with a pidfd, and the file that standard error is
 *         or  {"error": CODE, "text": WHY} and the end of the connection
 *   launcher  {"status": N, "used_s": N}   once it has ended: waitpid's status, processor time
 *
 * The end of the connection ends the sandbox.
 */
#ifndef VMCAST_SANDBOX_MESSAGE_H
#define VMCAST_SANDBOX_MESSAGE_H

#include "err.h"

#include <jansson.h>
#include <stddef.h>

/* Of the JSON; a socket's buffer has room for several. */
#define SANDBOX_MESSAGE_BYTES 65536u
#define SANDBOX_MESSAGE_FDS   4

struct sandbox_message {
	json_t *json;
	int fds[SANDBOX_MESSAGE_FDS]; /* close-on-exec; -1: taken */
	size_t fd_count;
};

/* Takes `json` (NULL: memory is short). -E2BIG: longer than SANDBOX_MESSAGE_BYTES. */
int sandbox_message_send(int socket, json_t *json, const int *fds, size_t fd_count, struct err *err);

/* Wait up to timeout_ms (-1: for ever) for one. Caller frees with sandbox_message_done, also after a failure, of what was
 * all zeros before. -ECONNRESET: there is none, and the connection has ended; -ETIMEDOUT; -EPROTO no such message. */
int sandbox_message_receive(struct sandbox_message *out, int socket, int timeout_ms, struct err *err);
void sandbox_message_done(struct sandbox_message *m);

#endif
