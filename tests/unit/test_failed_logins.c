/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "failed_logins.h"

#include "tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const struct sockaddr *v4(uint32_t address)
{
	static struct sockaddr_in sa;

	sa = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };
	return (const struct sockaddr *)&sa;
}

static const struct sockaddr *v6(const char *text)
{
	static struct sockaddr_in6 sa;

	sa = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
	inet_pton(AF_INET6, text, &sa.sin6_addr);
	return (const struct sockaddr *)&sa;
}

static void a_peer_has_so_many_tries_in_a_window(void)
{
	struct failed_logins *f = failed_logins_new();
	const uint64_t begin = 5000;

	for (unsigned i = 1; i < FAILED_LOGINS_MAX; i++)
		failed_logins_add(f, v4(1), begin);
	is_int(failed_logins_wait_s(f, v4(1), begin), 0, "one less than the most may go on");
	is_int(failed_logins_add(f, v4(1), begin + 1000), FAILED_LOGINS_MAX, "they are counted");
	is_int(failed_logins_wait_s(f, v4(1), begin + 1000), FAILED_LOGINS_WINDOW_S - 1, "then it waits for the rest");
	is_int(failed_logins_wait_s(f, v4(2), begin + 1000), 0, "another peer does not");
	is_int(failed_logins_wait_s(f, v4(1), begin + FAILED_LOGINS_WINDOW_S * 1000 - 1), 1, "to the window's end");
	is_int(failed_logins_wait_s(f, v4(1), begin + FAILED_LOGINS_WINDOW_S * 1000), 0, "and no longer");
	is_int(failed_logins_add(f, v4(1), begin + FAILED_LOGINS_WINDOW_S * 1000), 1, "the next window counts anew");
	failed_logins_free(&f);
}

static void a_network_of_ipv6_is_one_peer(void)
{
	struct failed_logins *f = failed_logins_new();

	for (unsigned i = 0; i < FAILED_LOGINS_MAX; i++)
		failed_logins_add(f, v6("2001:db8::1"), 1);
	ok(failed_logins_wait_s(f, v6("2001:db8::ffff:2"), 1) > 0, "an address of the same /64 waits as well");
	is_int(failed_logins_wait_s(f, v6("2001:db8:0:1::1"), 1), 0, "one of the next does not");
	for (unsigned i = 0; i < FAILED_LOGINS_MAX; i++)
		failed_logins_add(f, v6("::ffff:192.0.2.1"), 1);
	ok(failed_logins_wait_s(f, v6("::ffff:192.0.2.1"), 1) > 0, "IPv4 on a socket of IPv6 counts");
	is_int(failed_logins_wait_s(f, v6("::ffff:192.0.2.2"), 1), 0, "each address for itself");
	failed_logins_free(&f);
}

static void the_oldest_is_forgotten_when_there_are_too_many(void)
{
	struct failed_logins *f = failed_logins_new();
	unsigned remembered = 0;

	for (uint32_t peer = 0; peer < 3 * FAILED_LOGINS_PEERS; peer++)
		for (unsigned i = 0; i < FAILED_LOGINS_MAX; i++)
			failed_logins_add(f, v4(peer), 1 + peer);
	for (uint32_t peer = 0; peer < 3 * FAILED_LOGINS_PEERS; peer++)
		remembered += failed_logins_wait_s(f, v4(peer), 3 * FAILED_LOGINS_PEERS) > 0;
	is_int(remembered, FAILED_LOGINS_PEERS, "as many peers as there is room for");
	ok(failed_logins_wait_s(f, v4(2 * FAILED_LOGINS_PEERS), 3 * FAILED_LOGINS_PEERS) > 0, "the newest of them");
	failed_logins_free(&f);
}

int main(void)
{
	a_peer_has_so_many_tries_in_a_window();
	a_network_of_ipv6_is_one_peer();
	the_oldest_is_forgotten_when_there_are_too_many();
	return done_testing();
}
