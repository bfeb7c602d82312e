/* SPDX-License-Identifier: GPL-2.0-or-later */
/* failed_logins: see failed_logins.h */
#include "failed_logins.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_MS (FAILED_LOGINS_WINDOW_S * 1000ull)

/* The first bytes of an IPv6 address; IPv4 as ::ffff:0:0/96 would all be one /64, so its address stands there. */
struct peer {
	sa_family_t family;
	uint8_t bytes[8];
};

struct failures {
	struct peer peer;
	uint64_t begin_ms;
	unsigned count; /* 0: the place is free */
};

struct failed_logins {
	pthread_mutex_t lock;
	struct failures peers[FAILED_LOGINS_PEERS];
};

struct failed_logins *failed_logins_new(void)
{
	struct failed_logins *f = calloc(1, sizeof(*f));

	if (f)
		pthread_mutex_init(&f->lock, NULL);
	return f;
}

void failed_logins_free(struct failed_logins **f)
{
	if (!*f)
		return;
	pthread_mutex_destroy(&(*f)->lock);
	free(*f);
	*f = NULL;
}

static struct peer peer_of(const struct sockaddr *sa)
{
	struct peer peer = { .family = sa->sa_family };

	if (sa->sa_family == AF_INET6) {
		const struct in6_addr *address = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;

		memcpy(peer.bytes, IN6_IS_ADDR_V4MAPPED(address) ? &address->s6_addr[8] : address->s6_addr,
		       sizeof(peer.bytes));
	} else if (sa->sa_family == AF_INET) {
		memcpy(peer.bytes, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
	}
	return peer;
}

static struct failures *find(struct failed_logins *f, const struct peer *peer, uint64_t now_ms)
{
	for (size_t i = 0; i < FAILED_LOGINS_PEERS; i++) {
		struct failures *at = &f->peers[i];

		if (at->count && at->peer.family == peer->family && now_ms - at->begin_ms < WINDOW_MS &&
		    memcmp(at->peer.bytes, peer->bytes, sizeof(peer->bytes)) == 0)
			return at;
	}
	return NULL;
}

/* A free place, or else that of the window that began first. */
static struct failures *make_room(struct failed_logins *f)
{
	struct failures *oldest = &f->peers[0];

	for (size_t i = 0; i < FAILED_LOGINS_PEERS && oldest->count; i++)
		if (!f->peers[i].count || f->peers[i].begin_ms < oldest->begin_ms)
			oldest = &f->peers[i];
	return oldest;
}

unsigned failed_logins_add(struct failed_logins *f, const struct sockaddr *sa, uint64_t now_ms)
{
	const struct peer peer = peer_of(sa);

	pthread_mutex_lock(&f->lock);
	struct failures *at = find(f, &peer, now_ms);

	if (!at) {
		at = make_room(f);
		*at = (struct failures){ .peer = peer, .begin_ms = now_ms };
	}
	unsigned count = ++at->count;

	pthread_mutex_unlock(&f->lock);
	return count;
}

unsigned failed_logins_wait_s(struct failed_logins *f, const struct sockaddr *sa, uint64_t now_ms)
{
	const struct peer peer = peer_of(sa);
	unsigned wait_s = 0;

	pthread_mutex_lock(&f->lock);
	const struct failures *at = find(f, &peer, now_ms);

	if (at && at->count >= FAILED_LOGINS_MAX)
		wait_s = (unsigned)((at->begin_ms + WINDOW_MS - now_ms + 999) / 1000);
	pthread_mutex_unlock(&f->lock);
	return wait_s;
}
