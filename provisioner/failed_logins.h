/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * failed_logins: how often each peer has shown a wrong token, and how long it has to wait then. 256 random bits cannot be
 * guessed; what this bounds is the work and the lines of log that a peer can cause. A fixed number of peers is remembered.
 */
#ifndef VMCAST_FAILED_LOGINS_H
#define VMCAST_FAILED_LOGINS_H

#include <stdint.h>
#include <sys/socket.h>

#define FAILED_LOGINS_MAX      10   /* of one peer, from the first of them on for */
#define FAILED_LOGINS_WINDOW_S 60   /* so long */
#define FAILED_LOGINS_PEERS    1024 /* that are remembered; then the one that began first is forgotten */

struct failed_logins;

/* NULL when out of memory. Any thread may call any function. Times are those of clock_ms. */
struct failed_logins *failed_logins_new(void);
void failed_logins_free(struct failed_logins **f);

/* An IPv4 address is a peer, and a /64 of IPv6, which is what one host gets. Returns how many there were in this window. */
unsigned failed_logins_add(struct failed_logins *f, const struct sockaddr *peer, uint64_t now_ms);

/* Seconds until the peer may try again, 0: it may. */
unsigned failed_logins_wait_s(struct failed_logins *f, const struct sockaddr *peer, uint64_t now_ms);

#endif
