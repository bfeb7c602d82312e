/* SPDX-License-Identifier: GPL-2.0-or-later */
/* login: which operator sends a request, and what he may do: by the credentials of a unix socket, or by a bearer token. */
#ifndef VMCAST_LOGIN_H
#define VMCAST_LOGIN_H

#include "err.h"
#include "failed_logins.h"
#include "store_token.h"

#define LOGIN_WHO_CHARS 160

struct login {
	enum role role;
	char who[LOGIN_WHO_CHARS]; /* for the log */
};

/* Whoever may open the socket at all may do everything. `fd` is the connection. */
void login_by_socket(struct login *out, int fd);

/*
 * `authorization` is the header's value, NULL if it was not sent. -EACCES: no token, a wrong one, or one that has expired.
 * -EAGAIN: the peer has failed too often, and must wait for `*wait_s`. A failure is counted and logged here.
 */
int login_by_token(struct login *out, unsigned *wait_s, struct failed_logins *failed, struct store *store,
		   const struct sockaddr *peer, const char *authorization, struct err *err);

#endif
