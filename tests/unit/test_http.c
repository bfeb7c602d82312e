/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an HTTP client makes of servers that are slow, of connections that end, and of addresses it may not use. */
#include "http.h"

#include "backoff.h"
#include "canned_server.h"
#include "cleanup.h"
#include "tap.h"

#include <errno.h>

static int get(const char *url, const struct http_options *options, struct err *err)
{
	const struct http_request rq = { .url = url, .body_bytes_max = UINT64_MAX };
	CLEANUP(http_close) struct http *http = NULL;
	struct http_response rs;

	int rc = http_open(&http, options, err);
	return rc ? rc : http_perform(http, &rq, &rs, err);
}

/* Every body counts against the whole request's time: that of an error page, too. */
static void a_request_ends_in_its_time(void)
{
	static const struct {
		const char *head, *label;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\n\r\n", "a document that drips" },
		{ "HTTP/1.1 404 Not Found\r\n\r\n", "an error page that drips" },
		{ "HTTP/1.1 200 OK\r\nX-Drips: ", "a head that drips" },
	};
	const struct http_options options = { .total_s = 1 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct canned_answer answer = { .bytes = cases[i].head, .drips = 300, .drip_ms = 100 };
		struct canned_server server = canned_start(&answer, 1);
		uint64_t begin_ms = clock_ms();
		struct err err = { 0 };

		is_int(get(server.url, &options, &err), -ETIMEDOUT, cases[i].label);
		ok(strstr(err.text, "not complete after 1 s") != NULL, "says so: %s", err.text);
		ok(clock_ms() - begin_ms < 20000, "in time");
		canned_stop(&server);
	}
}

static void a_server_that_drips_is_given_up(void)
{
	const struct http_options options = { .slow_bytes_per_s = 100, .slow_s = 1 };
	const struct canned_answer slow = { .bytes = "HTTP/1.1 200 OK\r\n\r\n", .drips = 50, .drip_ms = 100 };
	const struct canned_answer fast = { .bytes = "HTTP/1.1 200 OK\r\n\r\n", .drips = 500, .drip_ms = 5 };
	struct canned_server server = canned_start(&slow, 1);
	struct err err = { 0 };

	is_int(get(server.url, &options, &err), -ETIMEDOUT, "10 bytes a second are too slow where 100 are wanted");
	ok(strstr(err.text, "fewer than 100 bytes/s for 1 s") != NULL, "says so: %s", err.text);
	canned_stop(&server);
	server = canned_start(&fast, 1);
	is_int(get(server.url, &options, &err), 0, "some 200 are not");
	canned_stop(&server);
}

static bool only_ipv4(void *ctx, const struct sockaddr *to)
{
	(void)ctx;
	return to->sa_family == AF_INET;
}

static bool none(void *ctx, const struct sockaddr *to)
{
	(void)ctx, (void)to;
	return false;
}

/* libcurl gives "localhost" both its addresses. */
static void one_refused_address_of_two_decides_nothing(void)
{
	const struct canned_answer reset = { 0 };
	struct canned_server server = canned_start(&reset, 1);
	struct http_options options = { .may_connect = only_ipv4 };
	struct err err = { 0 };
	char url[64];

	snprintf(url, sizeof(url), "http://localhost%s", strrchr(server.url, ':'));
	is_int(get(url, &options, &err), -ECONNRESET, "the allowed address resets the connection: that may pass");
	canned_stop(&server);
	is_int(get(url, &options, &err), -ECONNREFUSED, "nobody listens on the allowed one: that may pass");
	options.may_connect = none;
	is_int(get(url, &options, &err), -EACCES, "no address is allowed: that will not");
	ok(strstr(err.text, "is not allowed") != NULL, "says so: %s", err.text);
}

static void an_address_that_is_not_listened_on(void)
{
	const struct http_options missing = { .unix_socket = "/nonexistent/api.sock" };
	struct err err = { 0 };

	is_int(get("http://vmcastd/", &missing, &err), -ECONNREFUSED, "a socket that is not there");
	ok(strstr(err.text, "No such file") != NULL, "says so: %s", err.text);
}

int main(void)
{
	a_request_ends_in_its_time();
	a_server_that_drips_is_given_up();
	one_refused_address_of_two_decides_nothing();
	an_address_that_is_not_listened_on();
	return done_testing();
}
