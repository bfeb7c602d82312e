/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * connections: which connections are open, and an end for those that send a request a byte at a time. libmicrohttpd's
 * own timeout starts anew with each byte; this one is for the whole request.
 */
#ifndef VMCAST_CONNECTIONS_H
#define VMCAST_CONNECTIONS_H

#include "err.h"

#include <stdint.h>

struct connections;
struct connection;

/* Starts the thread that ends overdue connections. Caller ends it with connections_stop, after the last connection is
 * closed. */
int connections_start(struct connections **out, struct err *err);
void connections_stop(struct connections **c);

/* A connection on `fd`, which stays the caller's; its first request must be complete after `patience_s`. NULL when out
 * of memory. */
struct connection *connection_opened(struct connections *c, int fd, uint64_t patience_s);
/* Before `fd` is closed: afterwards the number belongs to somebody else. */
void connection_closed(struct connections *c, struct connection *conn);

/* The request is complete: the answer may take its time. */
void connection_answering(struct connections *c, struct connection *conn);
/* The answer is out: the next request must be complete after `patience_s`. */
void connection_waiting(struct connections *c, struct connection *conn, uint64_t patience_s);

/* Wait until no answer is under way, but at most `grace_s`. Returns how many still are. */
unsigned connections_drain(struct connections *c, unsigned grace_s);

#endif
