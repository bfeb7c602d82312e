/* SPDX-License-Identifier: GPL-2.0-or-later */
/* login: see login.h */
#include "login.h"

#include "backoff.h"
#include "log.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void login_by_socket(struct login *out, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	char room[1024], quoted[64];
	struct passwd user, *found = NULL;

	*out = (struct login){ .role = ROLE_ADMIN, .who = "somebody on the socket" };
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return;
	getpwuid_r(peer.uid, &user, room, sizeof(room), &found);
	snprintf(out->who, sizeof(out->who), "%s (uid %u, process %d)",
		 found ? log_quote(quoted, sizeof(quoted), found->pw_name) : "user", peer.uid, peer.pid);
}

/* RFC 6750, section 2.1. */
static const char *token_in(const char *authorization)
{
	static const char scheme[] = "Bearer ";

	if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	return authorization + sizeof(scheme) - 1;
}

static int find_token(struct store_token *out, struct store *store, const char *authorization, struct err *err)
{
	const char *token = token_in(authorization);

	if (!token)
		return err_set(err, -EACCES, "a token is needed (Authorization: Bearer TOKEN)");
	return store_token_find(out, store, token, err);
}

static void peer_address(char *out, size_t room, const struct sockaddr *peer)
{
	socklen_t len = peer->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

	if (getnameinfo(peer, len, out, (socklen_t)room, NULL, 0, NI_NUMERICHOST))
		snprintf(out, room, "?");
}

int login_by_token(struct login *out, unsigned *wait_s, struct failed_logins *failed, struct store *store,
		   const struct sockaddr *peer, const char *authorization, struct err *err)
{
	struct store_token token;
	char address[64];

	*wait_s = failed_logins_wait_s(failed, peer, clock_ms());
	if (*wait_s)
		return err_set(err, -EAGAIN, "too many wrong tokens from this address; wait %u s", *wait_s);
	int rc = find_token(&token, store, authorization, err);

	peer_address(address, sizeof(address), peer);
	if (rc == -EACCES || rc == -EKEYEXPIRED) {
		unsigned count = failed_logins_add(failed, peer, clock_ms());

		log_warn("http: operator at %s refused: %s%s", address, err->text,
			 count >= FAILED_LOGINS_MAX ? ", and is not listened to for a minute" : "");
		err->code = -EACCES;
	}
	if (rc < 0)
		return err->code;
	*out = (struct login){ .role = token.role };
	snprintf(out->who, sizeof(out->who), "token '%s' at %s", token.name, address);
	return 0;
}
