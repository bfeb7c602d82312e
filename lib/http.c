/* SPDX-License-Identifier: GPL-2.0-or-later */
/* http: see http.h */
#include "http.h"

#include "backoff.h"
#include "cleanup.h"
#include "log.h"
#include "signed_request.h"
#include "version.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#define ROUNDING_MS       50
#define HEADER_LINE_MAX   8192 /* a longer field is not looked at */
#define RETRY_AFTER_MAX_S 3600u

struct http {
	struct http_options options;
	CURL *curl;
	char *url;   /* of the request, or of its last redirect */
	char *moved; /* where it is for good, NULL: where it was */
};

/* One request while it runs. */
struct exchange {
	struct http *http;
	const struct http_request *rq;
	struct http_response *rs;
	struct err *err;
	int rc;                        /* what a callback failed with, 0 if none did */
	bool head_done;                /* on_head has been called */
	char denied[INET6_ADDRSTRLEN]; /* the address that may_connect refused last; empty: none */
	bool tried;                    /* another one it did allow: then that one's fate is the outcome */
	size_t error_bytes;            /* in rs->error_body */
	char *location;                /* where a redirect leads to */
	uint64_t begin_ms;             /* of the first of the redirects */
	uint64_t window_ms;            /* when the window of slow_bytes_per_s began */
	curl_off_t window_bytes;       /* received until then */
	bool slow;                     /* ended for slow_bytes_per_s */
};

void http_url_for_log(char *out, size_t room, const char *url)
{
	const char *authority = strstr(url, "://");
	const char *begin = authority ? authority + 3 : url;
	size_t len = strcspn(begin, "?#");
	size_t host_len = strcspn(begin, "/?#");
	const char *at = memrchr(begin, '@', host_len);
	char plain[1024];

	if (at) {
		len -= (size_t)(at + 1 - begin);
	} else {
		at = begin - 1;
	}
	snprintf(plain, sizeof(plain), "%.*s%.*s", (int)(begin - url), url, (int)len, at + 1);
	log_quote(out, room, plain);
}

/* The value of a header field if `line` is that field, else NULL. */
static const char *field_value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	line += len + 1;
	return line + strspn(line, " \t");
}

static void keep_field(char *out, size_t room, const char *value)
{
	/* A validator cut short would be another validator: too long counts as not sent. */
	if (strlen(value) < room)
		strcpy(out, value);
}

static void parse_content_range(struct http_response *rs, const char *value)
{
	uint64_t first, last;
	char total[24];

	if (sscanf(value, "bytes %" SCNu64 "-%" SCNu64 "/%23[0-9*]", &first, &last, total) != 3 || last < first)
		return;
	rs->has_range = true;
	rs->range_off = first;
	rs->range_end = last;
	rs->range_total = total[0] == '*' ? 0 : strtoull(total, NULL, 10);
}

static void parse_retry_after(struct http_response *rs, const char *value)
{
	time_t at = curl_getdate(value, NULL);
	int64_t seconds = at >= 0 ? (int64_t)at - (int64_t)time(NULL) : strtoll(value, NULL, 10);

	if (seconds < 0)
		seconds = 0;
	rs->retry_after_s = seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (unsigned)seconds;
}

/* A new status line: an earlier response (a redirect, 100) does not count, nor how we got it. */
static void start_response(struct exchange *ex)
{
	*ex->rs = (struct http_response){ 0 };
	free(TAKE(ex->location));
	ex->denied[0] = '\0';
	ex->tried = false;
	ex->head_done = false;
	ex->error_bytes = 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *ex = ctx;
	struct http_response *rs = ex->rs;
	size_t len = size * count;
	char line[HEADER_LINE_MAX];
	const char *value;

	if (len >= sizeof(line))
		return len;
	memcpy(line, data, len);
	line[len] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	if (strncmp(line, "HTTP/", 5) == 0)
		start_response(ex);
	else if ((value = field_value(line, "Content-Length")))
		rs->has_length = sscanf(value, "%" SCNu64, &rs->length) == 1;
	else if ((value = field_value(line, "Content-Range")))
		parse_content_range(rs, value);
	else if ((value = field_value(line, "Retry-After")))
		parse_retry_after(rs, value);
	else if ((value = field_value(line, "ETag")))
		keep_field(rs->etag, sizeof(rs->etag), value);
	else if ((value = field_value(line, "Last-Modified")))
		keep_field(rs->last_modified, sizeof(rs->last_modified), value);
	else if ((value = field_value(line, "Date")))
		keep_field(rs->date, sizeof(rs->date), value);
	else if ((value = field_value(line, "Location")) && !ex->location)
		ex->location = strdup(value);
	return len;
}

/* A 206 must be the very range that was asked for; it may only end early where the whole ends. */
static int check_range(const struct exchange *ex)
{
	const struct http_request *rq = ex->rq;
	const struct http_response *rs = ex->rs;
	char shown[512];

	http_url_for_log(shown, sizeof(shown), rq->url);
	if (!rq->ranged)
		return err_set(ex->err, -EPROTO, "'%s': server sent a part (206), the whole was asked for", shown);
	if (!rs->has_range)
		return err_set(ex->err, -EPROTO, "'%s': server sent a part without a valid Content-Range", shown);
	uint64_t want_end = rq->range_bytes ? rq->range_off + rq->range_bytes - 1 : UINT64_MAX;
	bool short_end = rs->range_total && rs->range_end + 1 == rs->range_total && rs->range_end < want_end;

	if (rs->range_off != rq->range_off || (rq->range_bytes && rs->range_end != want_end && !short_end))
		return err_set(ex->err, -EPROTO,
			       "'%s': bytes %" PRIu64 "-%" PRIu64 " came, bytes from %" PRIu64 " were asked for", shown,
			       rs->range_off, rs->range_end, rq->range_off);
	return 0;
}

static int finish_head(struct exchange *ex)
{
	long status = 0;

	ex->head_done = true;
	curl_easy_getinfo(ex->http->curl, CURLINFO_RESPONSE_CODE, &status);
	ex->rs->status = status ? (int)status : 200; /* file: has none */
	if (ex->rs->status == 206) {
		int rc = check_range(ex);

		if (rc)
			return rc;
	}
	bool good = ex->rs->status == 200 || ex->rs->status == 206;
	return good && ex->rq->on_head ? ex->rq->on_head(ex->rq->ctx, ex->rs, ex->err) : 0;
}

static void keep_error_body(struct exchange *ex, const char *data, size_t len)
{
	size_t room = sizeof(ex->rs->error_body) - 1 - ex->error_bytes;

	if (len > room)
		len = room;
	memcpy(ex->rs->error_body + ex->error_bytes, data, len);
	ex->error_bytes += len;
	ex->rs->error_body[ex->error_bytes] = '\0';
}

static int take_body(struct exchange *ex, const char *data, size_t len)
{
	char shown[512];

	if (!ex->head_done) {
		int rc = finish_head(ex);

		if (rc)
			return rc;
	}
	ex->rs->body_bytes += len;
	if (ex->rs->status != 200 && ex->rs->status != 206) {
		keep_error_body(ex, data, len);
		/* Nobody needs a megabyte of error page. */
		return ex->rs->body_bytes <= (1u << 20) ? 0 : err_set(ex->err, -EFBIG, "error page is too long");
	}
	if (ex->rs->body_bytes > ex->rq->body_bytes_max) {
		http_url_for_log(shown, sizeof(shown), ex->rq->url);
		return err_set(ex->err, -EFBIG, "'%s' is longer than %" PRIu64 " bytes", shown, ex->rq->body_bytes_max);
	}
	return ex->rq->on_body ? ex->rq->on_body(ex->rq->ctx, (const uint8_t *)data, len, ex->err) : 0;
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *ex = ctx;

	ex->rc = take_body(ex, data, size * count);
	return ex->rc ? CURL_WRITEFUNC_ERROR : size * count;
}

/* At the end of each window: whether it brought too little. libcurl's own limit is taken by stall_s. */
static bool is_slow(struct exchange *ex, curl_off_t received)
{
	const struct http_options *options = &ex->http->options;
	uint64_t now = clock_ms();

	if (now - ex->window_ms < options->slow_s * 1000ull)
		return false;
	bool slow = (uint64_t)(received - ex->window_bytes) < (uint64_t)options->slow_bytes_per_s * options->slow_s;
	ex->window_ms = now;
	ex->window_bytes = received;
	return slow;
}

/* Called at least once a second, and whenever something came. Anything but 0 ends the request. */
static int on_tick(void *ctx, curl_off_t dl_total, curl_off_t dl_now, curl_off_t ul_total, curl_off_t ul_now)
{
	struct exchange *ex = ctx;
	const struct http_options *options = &ex->http->options;

	(void)dl_total, (void)ul_total, (void)ul_now;
	if (options->stop && atomic_load(options->stop))
		return 1;
	ex->slow = is_slow(ex, dl_now);
	return ex->slow;
}

static void show_address(char out[static INET6_ADDRSTRLEN], const struct sockaddr *sa)
{
	const void *bytes = sa->sa_family == AF_INET6
				    ? (const void *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr
				    : (const void *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;

	if (!inet_ntop(sa->sa_family, bytes, out, INET6_ADDRSTRLEN))
		strcpy(out, "?");
}

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct exchange *ex = ctx;
	const struct http_options *options = &ex->http->options;

	(void)purpose;
	if (options->may_connect && !options->may_connect(options->policy, &to->addr)) {
		show_address(ex->denied, &to->addr);
		return CURL_SOCKET_BAD;
	}
	ex->tried = true;
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

int http_open(struct http **out, const struct http_options *options, struct err *err)
{
	CLEANUP(http_close) struct http *h = calloc(1, sizeof(*h));

	if (h)
		h->curl = curl_easy_init();
	if (!h || !h->curl)
		return err_set(err, -ENOMEM, "HTTP client: out of memory");
	h->options = *options;
	if (!h->options.schemes)
		h->options.schemes = "http,https";
	if (!h->options.user_agent)
		h->options.user_agent = "vmcast/" VMCAST_VERSION;
	if (!h->options.connect_s)
		h->options.connect_s = 15;
	if (!h->options.stall_s)
		h->options.stall_s = 30;
	if (!h->options.slow_s)
		h->options.slow_s = 60;
	*out = TAKE(h);
	return 0;
}

void http_close(struct http **h)
{
	if (!*h)
		return;
	curl_easy_cleanup((*h)->curl);
	free((*h)->url);
	free((*h)->moved);
	free(*h);
	*h = NULL;
}

/* What is left of total_s for this redirect, at least 1 ms; 0: no limit. */
static long left_ms(const struct exchange *ex)
{
	uint64_t total_ms = ex->http->options.total_s * 1000ull, gone_ms = clock_ms() - ex->begin_ms;

	return !total_ms ? 0 : total_ms > gone_ms ? (long)(total_ms - gone_ms) : 1;
}

static void set_limits(struct exchange *ex)
{
	const struct http_options *options = &ex->http->options;
	CURL *curl = ex->http->curl;

	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, options->schemes);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)options->connect_s);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, left_ms(ex));
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)options->stall_s);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* The environment does not decide whom we ask. */
	curl_easy_setopt(curl, CURLOPT_PROXY, options->proxy ? options->proxy : "");
	curl_easy_setopt(curl, CURLOPT_NOPROXY, options->proxy ? "" : "*");
	curl_easy_setopt(curl, CURLOPT_PROXYUSERPWD, options->proxy_basic);
	curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (options->ca_file) {
		curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca_file);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, options->unix_socket);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, options->user_agent);
	curl_easy_setopt(curl, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, ex);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_tick);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, ex);
}

static void free_list(struct curl_slist **list)
{
	curl_slist_free_all(*list);
}

/* Add "name: value" if there is a value. On failure the list is freed and NULL. */
static int add_field(struct curl_slist **list, const char *name, const char *value)
{
	CLEANUP(free_str) char *line = NULL;

	if (!value)
		return 0;
	if (strpbrk(value, "\r\n"))
		return -EINVAL;
	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	struct curl_slist *longer = curl_slist_append(*list, line);
	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static int add_bearer(struct curl_slist **list, const char *token)
{
	CLEANUP(free_str) char *value = NULL;

	if (!token)
		return 0;
	if (asprintf(&value, "Bearer %s", token) < 0) {
		value = NULL;
		return -ENOMEM;
	}
	return add_field(list, "Authorization", value);
}

static void free_url(CURLU **u)
{
	curl_url_cleanup(*u);
}

static CURLU *parse_url(const char *url)
{
	CURLU *u = curl_url();

	if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
		return u;
	curl_url_cleanup(u);
	return NULL;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	char *in_a = NULL, *in_b = NULL;
	bool same = curl_url_get(a, part, &in_a, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		    curl_url_get(b, part, &in_b, CURLU_DEFAULT_PORT) == CURLUE_OK && strcasecmp(in_a, in_b) == 0;

	curl_free(in_a);
	curl_free(in_b);
	return same;
}

/* The same scheme, host and port (RFC 6454, section 4). */
static bool same_origin(const char *a, const char *b)
{
	CLEANUP(free_url) CURLU *in_a = parse_url(a);
	CLEANUP(free_url) CURLU *in_b = parse_url(b);

	return in_a && in_b && same_part(in_a, in_b, CURLUPART_SCHEME) && same_part(in_a, in_b, CURLUPART_HOST) &&
	       same_part(in_a, in_b, CURLUPART_PORT);
}

static bool may_have_credentials(const struct http *h)
{
	return h->options.credentials_url && same_origin(h->url, h->options.credentials_url);
}

static int add_fields(struct curl_slist **list, const struct http *h, const struct http_request *rq, struct err *err)
{
	int rc = add_field(list, "If-None-Match", rq->if_none_match);
	if (!rc)
		rc = add_field(list, "If-Modified-Since", rq->if_modified_since);
	if (!rc)
		rc = add_field(list, "If-Range", rq->if_range);
	if (!rc && rq->bearer && same_origin(h->url, rq->url))
		rc = add_bearer(list, rq->bearer);
	else if (!rc && may_have_credentials(h))
		rc = add_bearer(list, h->options.token);
	if (!rc)
		rc = add_field(list, SIGNED_REQUEST_FIELD, rq->signature);
	if (!rc)
		rc = add_field(list, "Content-Type", rq->json ? "application/json" : NULL);
	return rc ? err_set(err, rc, "request header: %s", strerror(-rc)) : 0;
}

static void set_credentials(const struct http *h)
{
	if (!may_have_credentials(h))
		return;
	curl_easy_setopt(h->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	curl_easy_setopt(h->curl, CURLOPT_USERPWD, h->options.basic);
	curl_easy_setopt(h->curl, CURLOPT_SSLCERT, h->options.certificate);
	curl_easy_setopt(h->curl, CURLOPT_SSLKEY, h->options.certificate_key);
}

static void set_request(struct exchange *ex, struct curl_slist *fields, char range[static 64])
{
	const struct http_request *rq = ex->rq;
	CURL *curl = ex->http->curl;

	curl_easy_setopt(curl, CURLOPT_URL, ex->http->url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, ex);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, ex);
	if (rq->json)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, rq->json);
	if (rq->method)
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, rq->method);
	if (!rq->ranged)
		return;
	if (rq->range_bytes)
		snprintf(range, 64, "%" PRIu64 "-%" PRIu64, rq->range_off, rq->range_off + rq->range_bytes - 1);
	else
		snprintf(range, 64, "%" PRIu64 "-", rq->range_off);
	curl_easy_setopt(curl, CURLOPT_RANGE, range);
}

/* libcurl's codes by what the caller can do about them; source: libcurl-errors(3). */
static int errno_of(CURLcode code)
{
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_SSL_CONNECT_ERROR:
		return -ECONNRESET;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return -EACCES;
	case CURLE_URL_MALFORMAT:
		return -EINVAL;
	case CURLE_ABORTED_BY_CALLBACK:
		return -ECANCELED;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_FILE_COULDNT_READ_FILE:
		return -ENOENT;
	default:
		return -EPROTO;
	}
}

/* The first line of foreign text: what ends it, or follows, says nothing more to somebody who reads a log. */
static void quote_line(char *out, size_t room, const char *text)
{
	char line[512];

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\r\n"), text);
	log_quote(out, room, line);
}

/* What a request that failed failed with. `os_error`: of the connection, 0 if there is none. */
static int judge(struct exchange *ex, CURLcode code, const char *detail, long os_error)
{
	const struct http_options *options = &ex->http->options;
	char shown[512], cause[CURL_ERROR_SIZE * 2];
	int rc = errno_of(code);

	if (ex->rc)
		return ex->rc;
	http_url_for_log(shown, sizeof(shown), ex->rq->url);
	if (ex->slow)
		return err_set(ex->err, -ETIMEDOUT, "'%s': fewer than %u bytes/s for %u s", shown,
			       options->slow_bytes_per_s, options->slow_s);
	if (rc == -ECANCELED)
		return err_set(ex->err, rc, "'%s': interrupted", shown);
	if (ex->denied[0] && !ex->tried)
		return err_set(ex->err, -EACCES, "'%s': its address %s is not allowed", shown, ex->denied);
	quote_line(cause, sizeof(cause), detail[0] ? detail : curl_easy_strerror(code));
	/* libcurl rounds its clock otherwise than we do ours. */
	uint64_t took_ms = clock_ms() - ex->begin_ms + ROUNDING_MS;
	if (rc == -ETIMEDOUT && options->total_s && took_ms >= options->total_s * 1000ull)
		return err_set(ex->err, rc, "'%s': not complete after %u s: %s", shown, options->total_s, cause);
	if (rc == -ETIMEDOUT)
		return err_set(ex->err, rc, "'%s': no answer or no progress for %u s: %s", shown, options->stall_s,
			       cause);
	if (rc == -ECONNRESET && ex->rs->has_length)
		return err_set(ex->err, rc, "'%s': cut off after %" PRIu64 " of %" PRIu64 " bytes: %s", shown,
			       ex->rs->body_bytes, ex->rs->length, cause);
	if (rc == -ECONNREFUSED && os_error)
		return err_set(ex->err, rc, "'%s': %s: %s", shown, cause, strerror((int)os_error));
	return err_set(ex->err, rc, "'%s': %s", shown, cause);
}

static int perform(struct exchange *ex, struct curl_slist *fields)
{
	const struct http_request *rq = ex->rq;
	char detail[CURL_ERROR_SIZE] = "", range[64], shown[512];
	CURL *curl = ex->http->curl;
	long os_error = 0;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
	set_limits(ex);
	set_request(ex, fields, range);
	set_credentials(ex->http);
	ex->window_ms = clock_ms();
	ex->window_bytes = 0;
	CURLcode code = curl_easy_perform(curl);
	if (code == CURLE_OK && !ex->head_done)
		ex->rc = finish_head(ex);
	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
	/* The connection stays; what pointed to this function's storage does not. */
	curl_easy_reset(curl);
	http_url_for_log(shown, sizeof(shown), ex->http->url);
	log_debug("http", "%s %s: %s, status %d, %" PRIu64 " bytes", rq->method ? rq->method : "GET", shown,
		  curl_easy_strerror(code), ex->rs->status, ex->rs->body_bytes);
	return code == CURLE_OK && !ex->rc ? 0 : judge(ex, code, detail, os_error);
}

/* One request, without its redirects. */
static int ask(struct exchange *ex)
{
	CLEANUP(free_list) struct curl_slist *fields = NULL;
	struct http *h = ex->http;

	start_response(ex);
	int rc = h->options.may_ask ? h->options.may_ask(h->options.policy, h->url, ex->err) : 0;
	if (!rc)
		rc = add_fields(&fields, h, ex->rq, ex->err);
	return rc ? rc : perform(ex, fields);
}

static bool is_redirect(const struct exchange *ex)
{
	int status = ex->rs->status;

	return ex->location && !ex->rq->method && !ex->rq->json &&
	       (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

/*
 * The URL of the next request. Followed by us and not by libcurl, so that what is for one host is given to no other, and
 * what is for good is told from what is for now.
 */
static int follow(struct exchange *ex, bool *for_good)
{
	struct http *h = ex->http;
	char *joined;

	int rc = http_url_join(&joined, h->url, ex->location, ex->err);
	if (rc)
		return err_wrap(ex->err, "redirect");
	free(h->url);
	h->url = joined;
	*for_good = *for_good && (ex->rs->status == 301 || ex->rs->status == 308);
	if (!*for_good)
		return 0;
	free(h->moved);
	h->moved = strdup(joined);
	return h->moved ? 0 : err_set(ex->err, -ENOMEM, "out of memory");
}

static int perform_all(struct exchange *ex)
{
	char shown[512];
	bool for_good = true;
	unsigned left = ex->http->options.redirects_max;

	int rc = ask(ex);
	while (!rc && ex->http->options.redirects_max && is_redirect(ex)) {
		if (!left--) {
			http_url_for_log(shown, sizeof(shown), ex->rq->url);
			return err_set(ex->err, -EPROTO, "'%s': more than %u redirects", shown,
				       ex->http->options.redirects_max);
		}
		rc = follow(ex, &for_good);
		if (!rc)
			rc = ask(ex);
	}
	return rc;
}

int http_perform(struct http *h, const struct http_request *rq, struct http_response *rs, struct err *err)
{
	struct exchange ex = { .http = h, .rq = rq, .rs = rs, .err = err, .begin_ms = clock_ms() };

	free(TAKE(h->moved));
	free(h->url);
	h->url = strdup(rq->url);
	if (!h->url)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = perform_all(&ex);
	free(ex.location);
	return rc;
}

const char *http_final_url(const struct http *h)
{
	return h->url;
}

const char *http_moved_url(const struct http *h)
{
	return h->moved;
}

bool http_has_validators(const struct http_response *rs)
{
	time_t changed = curl_getdate(rs->last_modified, NULL);
	time_t sent = curl_getdate(rs->date, NULL);

	return changed < 0 || changed < (sent < 0 ? time(NULL) : sent);
}

/* Pages of error are made for browsers: nobody reads them in a log. */
static bool is_markup(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '<';
}

int http_check_status(const struct http_response *rs, const char *url, struct err *err)
{
	char shown[512], said[256];
	int code;

	switch (rs->status) {
	case 200:
	case 204:
	case 206:
		return 0;
	case 404:
	case 410:
		code = -ENOENT;
		break;
	case 401:
	case 403:
		code = -EACCES;
		break;
	case 408:
	case 425:
	case 429:
		code = -EAGAIN;
		break;
	default:
		code = rs->status >= 500 ? -EAGAIN : -EPROTO;
	}
	http_url_for_log(shown, sizeof(shown), url);
	quote_line(said, sizeof(said), is_markup(rs->error_body) ? "" : rs->error_body);
	return err_set(err, code, "'%s': HTTP status %d%s%s", shown, rs->status, said[0] ? ": " : "", said);
}

bool http_is_transient(int code)
{
	return code == -ETIMEDOUT || code == -ECONNRESET || code == -ECONNREFUSED || code == -EHOSTUNREACH ||
	       code == -EAGAIN;
}

struct text {
	char *bytes;
	size_t len;
	size_t room;
};

static int grow_text(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct text *t = ctx;

	if (t->len + len + 1 > t->room) {
		size_t room = (t->len + len + 1) * 2;
		char *bytes = realloc(t->bytes, room);

		if (!bytes)
			return err_set(err, -ENOMEM, "out of memory");
		t->bytes = bytes;
		t->room = room;
	}
	memcpy(t->bytes + t->len, data, len);
	t->len += len;
	t->bytes[t->len] = '\0';
	return 0;
}

int http_get_text(struct http *h, const char *url, size_t max, char **out, size_t *len, struct err *err)
{
	struct text text = { 0 };
	struct http_request rq = { .url = url, .body_bytes_max = max, .on_body = grow_text, .ctx = &text };
	struct http_response rs;
	int rc = http_perform(h, &rq, &rs, err);

	if (!rc)
		rc = http_check_status(&rs, url, err);
	if (!rc)
		rc = grow_text(&text, (const uint8_t *)"", 0, err); /* an empty body is a string, too */
	if (rc) {
		free(text.bytes);
		return rc;
	}
	*out = text.bytes;
	*len = text.len;
	return 0;
}

int http_url_join(char **out, const char *base, const char *ref, struct err *err)
{
	CLEANUP(free_url) CURLU *u = curl_url();
	char *joined = NULL;

	if (!u)
		return err_set(err, -ENOMEM, "out of memory");
	CURLUcode rc = curl_url_set(u, CURLUPART_URL, base, CURLU_NON_SUPPORT_SCHEME);
	if (rc == CURLUE_OK)
		rc = curl_url_set(u, CURLUPART_URL, ref, CURLU_NON_SUPPORT_SCHEME);
	if (rc == CURLUE_OK)
		rc = curl_url_get(u, CURLUPART_URL, &joined, 0);
	if (rc != CURLUE_OK) {
		char shown[512];

		http_url_for_log(shown, sizeof(shown), ref);
		return err_set(err, -EINVAL, "'%s' is not a URL (code %d of CURLUcode)", shown, (int)rc);
	}
	*out = strdup(joined);
	curl_free(joined);
	return *out ? 0 : err_set(err, -ENOMEM, "out of memory");
}
