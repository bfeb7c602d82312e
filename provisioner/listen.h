/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listen: sockets that a server accepts connections on. */
#ifndef VMCAST_LISTEN_H
#define VMCAST_LISTEN_H

#include "err.h"

#include <stdint.h>

/* A listening TCP socket on a numeric address. */
int listen_tcp(const char *host, uint16_t port, struct err *err);

/*
 * A listening unix socket, mode 0660, of `group` (if there is no such group: of root alone, with a warning). A socket
 * file that nobody listens behind is replaced; if somebody does, or the path is something else: -EADDRINUSE.
 */
int listen_unix(const char *path, const char *group, struct err *err);

#endif
