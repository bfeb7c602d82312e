/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http: an HTTP client on libcurl for fetching what may be hostile.
 *
 * Every response is bounded, every stall ends, schemes are an allow-list that holds across redirects, a body that is
 * shorter or longer than announced is an error, and URLs lose their password and query before they are shown.
 */
#ifndef VMCAST_HTTP_H
#define VMCAST_HTTP_H

#include "err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sockaddr;

struct http_options {
	const char *schemes;     /* allowed, also after redirects; "http,https" if NULL */
	const char *unix_socket; /* connect here instead of to the URL's host; NULL: no */
	const char *user_agent;  /* NULL: "vmcast/VERSION" */
	unsigned connect_s;      /* seconds for name look-up and connect; 0: 15 */
	unsigned stall_s;        /* give up when no byte has come for so many seconds; 0: 30 */
	unsigned total_s;        /* give up a request that is not complete after so many seconds; 0: no limit */
	/* Give up when a window of slow_s seconds (0: 60) has brought fewer than this many bytes a second on average:
	 * a server that drips is no better than one that stalls. 0: however slow. */
	unsigned slow_bytes_per_s;
	unsigned slow_s;
	unsigned redirects_max;  /* 0: none are followed; requests with a body or a method of their own never are */
	const atomic_bool *stop; /* when it becomes true a running request ends with -ECANCELED; NULL: never */
	/* Whether to connect to this address (asked for each, after the name look-up: a changing DNS cannot get round
	 * it). NULL: yes. */
	bool (*may_connect)(void *ctx, const struct sockaddr *to);
	/* Whether to ask for this URL, asked again for each redirect: 0, or why not. NULL: yes. */
	int (*may_ask)(void *ctx, const char *url, struct err *err);
	void *policy; /* `ctx` of both */
	/* What follows is for the origin (scheme, host, port) of this URL only: wherever else a URL or a redirect leads,
	 * it goes without. NULL: nowhere. */
	const char *credentials_url;
	const char *basic;       /* "USER:PASSWORD" */
	const char *token;       /* Authorization: Bearer */
	const char *certificate; /* client certificate and its key, files in PEM */
	const char *certificate_key;
	const char *ca_file;     /* PEM: who must have certified an https server; NULL: whom the system trusts */
	const char *proxy;       /* URL; NULL: none, whatever the environment says */
	const char *proxy_basic; /* "USER:PASSWORD" */
};

struct http_response {
	int status;             /* of the last response, after redirects; 0 if none came (file: 200) */
	bool has_length;        /* Content-Length was sent */
	bool has_range;         /* Content-Range was sent and well-formed */
	uint64_t length;        /* Content-Length */
	uint64_t range_off;     /* Content-Range: first byte */
	uint64_t range_end;     /* Content-Range: last byte, inclusive */
	uint64_t range_total;   /* Content-Range: length of the whole, 0 if "*" */
	uint64_t body_bytes;    /* received */
	unsigned retry_after_s; /* Retry-After in seconds (a date is taken relative to now), 0 if not sent; at most 3600
				 */
	char etag[128];         /* as sent, with quotes; empty if not sent or too long */
	char last_modified[64];
	char date[64];
	char error_body[2048]; /* the beginning of the body of a response that is neither 200 nor 206 nor 204 */
};

struct http_request {
	const char *method; /* NULL: GET, or POST if there is a body */
	const char *url;
	const char *if_none_match; /* ETag as it was sent, or NULL */
	const char *if_modified_since;
	const char *if_range;  /* strong ETag, or NULL */
	const char *bearer;    /* Authorization: Bearer, or NULL */
	const char *signature; /* Vmcast-Signature (signed_request.h), or NULL */
	const char *json;      /* request body, or NULL */
	bool ranged;           /* ask for range_off..; range_bytes 0: to the end */
	uint64_t range_off;
	uint64_t range_bytes;
	uint64_t body_bytes_max; /* a longer body is -EFBIG; 0: no body is wanted */
	/* Called once, before the first body byte of a 200 or 206 response (and for an empty one). A failure ends the
	 * request. NULL: no. */
	int (*on_head)(void *ctx, const struct http_response *rs, struct err *err);
	/* Called for body bytes of 200 and 206 responses only. A failure ends the request and is what http_perform
	 * returns. */
	int (*on_body)(void *ctx, const uint8_t *data, size_t len, struct err *err);
	void *ctx;
};

struct http;

/* Options are copied (their strings and pointers are borrowed until http_close). One client is used by one thread at a
 * time. */
int http_open(struct http **out, const struct http_options *options, struct err *err);
void http_close(struct http **h);

/*
 * Perform one request. 0: a complete response of any status is in `*rs`; callers look at `rs->status`, or let
 * http_check_status do so. A ranged request that got 206 has had its Content-Range compared with what was asked
 * (-EPROTO). -ETIMEDOUT stalled, too slow or slow to connect, -ECONNRESET cut or shorter than announced, -ECONNREFUSED,
 * -EHOSTUNREACH (name or address), -EPROTO not HTTP or too many redirects, -EACCES certificate, scheme or address not
 * allowed, -EINVAL URL, -EFBIG longer than body_bytes_max, -ECANCELED; or what a callback returned.
 */
int http_perform(struct http *h, const struct http_request *rq, struct http_response *rs, struct err *err);

/* Where the last response came from, after redirects. Borrowed until the next request. */
const char *http_final_url(const struct http *h);

/* Where the last request's URL is for good: as far as redirects that say so (301, 308) led from it without another one
 * between; NULL: where it was. Borrowed until the next request. */
const char *http_moved_url(const struct http *h);

/*
 * Whether ETag and Last-Modified tell this version from the next. A file that changed in the very second of the answer
 * may change once more in it, and many servers make both of time and length alone (RFC 9110, 8.8.2.2).
 */
bool http_has_validators(const struct http_response *rs);

/*
 * 0 for 200, 204 and 206. Else an error that names the URL and status: -ENOENT 404 and 410, -EACCES 401 and 403,
 * -EAGAIN 408, 425, 429 and 5xx (wait rs->retry_after_s if it says), -EPROTO others.
 */
int http_check_status(const struct http_response *rs, const char *url, struct err *err);

/* Whether the same request may succeed later (network errors and -EAGAIN) or not (everything else). */
bool http_is_transient(int code);

/* A whole small document into memory: `*out` is NUL-terminated, caller frees; `*len` without the NUL. At most `max`
 * bytes. */
int http_get_text(struct http *h, const char *url, size_t max, char **out, size_t *len, struct err *err);

/* `url` without user, password, query and fragment, for logs; always terminated, cut to `room`. */
void http_url_for_log(char *out, size_t room, const char *url);

/* Resolve `ref` (a full URL or a path) against `base` (RFC 3986). Caller frees `*out`. -EINVAL if either is no URL. */
int http_url_join(char **out, const char *base, const char *ref, struct err *err);

#endif
