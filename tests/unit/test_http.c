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

#define OK_ANSWER         "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define TO(status, where) "HTTP/1.1 " status " Moved\r\nContent-Length: 0\r\nLocation: " where "\r\n\r\n"

/* Where a request ends, and what of its way was for good. */
static void redirects_are_followed_and_told_apart(void)
{
	static const struct {
		const char *answers[4];
		unsigned redirects_max;
		int rc, status;
		const char *final, *moved, *label;
	} cases[] = {
		{ { TO("301", "/b"), TO("308", "c"), OK_ANSWER }, 5, 0, 200, "c", "c", "all for good" },
		{ { TO("301", "/b"), TO("302", "/c"), TO("301", "/d"), OK_ANSWER },
		  5,
		  0,
		  200,
		  "d",
		  "b",
		  "for good, as far as that goes" },
		{ { TO("307", "/b"), TO("301", "/c"), OK_ANSWER }, 5, 0, 200, "c", NULL, "for now" },
		{ { TO("303", "/b?x=1#part"), OK_ANSWER }, 5, 0, 200, "b?x=1", NULL, "with a query" },
		{ { TO("302", "/b") }, 3, -EPROTO, 302, NULL, NULL, "in a circle" },
		{ { TO("302", "/b") }, 0, 0, 302, "", NULL, "where none are followed" },
		{ { "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n" }, 5, 0, 302, "", NULL, "to nowhere" },
		{ { TO("302", "file:///etc/passwd") }, 5, -EACCES, 0, NULL, NULL, "to a file" },
		{ { TO("301", "http://[") }, 5, -EINVAL, 301, NULL, NULL, "to no URL" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct canned_answer answers[4] = { 0 };
		size_t count = 0;

		for (; count < 4 && cases[i].answers[count]; count++)
			answers[count].bytes = cases[i].answers[count];
		struct canned_server server = canned_start(answers, count);
		const struct http_options options = { .redirects_max = cases[i].redirects_max };
		const struct http_request rq = { .url = server.url };
		CLEANUP(http_close) struct http *http = NULL;
		struct http_response rs;
		struct err err = { 0 };
		char wanted[100];

		http_open(&http, &options, &err);
		is_int(http_perform(http, &rq, &rs, &err), cases[i].rc, cases[i].label);
		is_int(rs.status, cases[i].status, "its status");
		snprintf(wanted, sizeof(wanted), "%s%s", server.url, cases[i].final ? cases[i].final : "");
		if (cases[i].final)
			ok(strncmp(http_final_url(http), wanted, strlen(wanted)) == 0, "it ends at %s",
			   http_final_url(http));
		snprintf(wanted, sizeof(wanted), "%s%s", server.url, cases[i].moved ? cases[i].moved : "");
		if (!cases[i].rc)
			is_str(http_moved_url(http), cases[i].moved ? wanted : NULL, "and is there for good");
		canned_stop(&server);
	}
}

static int ask_with(struct http_options *options, const char *url, const char *bearer)
{
	const struct http_request rq = { .url = url, .bearer = bearer };
	CLEANUP(http_close) struct http *http = NULL;
	struct http_response rs;
	struct err err = { 0 };

	options->redirects_max = 5;
	http_open(&http, options, &err);
	int rc = http_perform(http, &rq, &rs, &err);
	return rc ? rc : rs.status;
}

/* A server that wants credentials and sends on to another one, which must not see them. */
static void credentials_stay_with_their_host(void)
{
	const struct canned_answer innocent = { .bytes = OK_ANSWER,
						.unless = "Authorization:",
						.otherwise = "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n" };
	struct canned_server other = canned_start(&innocent, 1);
	char sends_on[200];

	snprintf(sends_on, sizeof(sends_on), TO("302", "%s"), other.url);
	const char *const wanted[] = { "Authorization: Basic dTpw\r\n", "Authorization: Bearer token\r\n" };
	for (size_t i = 0; i < 2; i++) {
		const struct canned_answer strict = { .bytes = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
						      .unless = wanted[i],
						      .otherwise = sends_on };
		struct canned_server server = canned_start(&strict, 1);
		struct http_options options = { .credentials_url = server.url,
						.basic = i ? NULL : "u:p",
						.token = i ? "token" : NULL };

		is_int(ask_with(&options, server.url, NULL), 200, "its own server sees them, another one does not");
		is_int(ask_with(&options, other.url, NULL), 200, "nor when it is asked at once");
		options.credentials_url = other.url;
		is_int(ask_with(&options, server.url, NULL), 401, "those of another server are not shown to this one");
		if (i)
			is_int(ask_with(&(struct http_options){ 0 }, server.url, "token"), 200,
			       "nor does the request's own token go on");
		canned_stop(&server);
	}
	canned_stop(&other);
}

static int not_b(void *ctx, const char *url, struct err *err)
{
	(void)ctx;
	return strstr(url, "/b") ? err_set(err, -EACCES, "not there") : 0;
}

static void every_redirect_is_asked_about(void)
{
	const struct canned_answer answers[] = { { .bytes = TO("302", "/a") }, { .bytes = TO("302", "/b") } };
	struct canned_server server = canned_start(answers, 2);
	struct http_options options = { .may_ask = not_b };

	is_int(ask_with(&options, server.url, NULL), -EACCES, "a redirect that is not allowed is not followed");
	canned_stop(&server);
}

/* What a server says besides its status goes into a log: one line of it, and none of what is for browsers. */
static void refusals(void)
{
	static const struct {
		const char *body, *said, *label;
	} cases[] = {
		{ "", "'http://h/x': HTTP status 503", "nothing" },
		{ "try later\r\nrequest 17\n", "'http://h/x': HTTP status 503: try later", "two lines" },
		{ "\r\n<html>\r\n<title>503</title>", "'http://h/x': HTTP status 503", "a page" },
		{ "a\033[31m", "'http://h/x': HTTP status 503: a\\x1B[31m", "a colour" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_response rs = { .status = 503 };
		struct err err = { 0 };

		snprintf(rs.error_body, sizeof(rs.error_body), "%s", cases[i].body);
		is_int(http_check_status(&rs, "http://h/x", &err), -EAGAIN, cases[i].label);
		is_str(err.text, cases[i].said, "says what is for people");
	}
}

int main(void)
{
	a_request_ends_in_its_time();
	a_server_that_drips_is_given_up();
	one_refused_address_of_two_decides_nothing();
	an_address_that_is_not_listened_on();
	redirects_are_followed_and_told_apart();
	credentials_stay_with_their_host();
	every_redirect_is_asked_about();
	refusals();
	return done_testing();
}
