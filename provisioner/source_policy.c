/* SPDX-License-Identifier: GPL-2.0-or-later */
/* source_policy: see source_policy.h */
#include "source_policy.h"

#include "cleanup.h"
#include "log.h"
#include "secrets.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REDIRECTS_MAX 10u

/* How far an address is from the Internet at large, and so how much is needed to be allowed to connect to it. */
enum reach {
	REACH_PUBLIC,
	REACH_PRIVATE, /* other machines of the site, and this machine */
	REACH_NEVER,   /* link-local, multicast, reserved: only for hosts the operator names */
};

/* Every address as IPv6, IPv4 ones mapped (RFC 4291, section 2.5.5.2), in network byte order. */
struct address {
	uint8_t bytes[16];
};

struct address_list {
	struct address *items;
	size_t count;
};

struct source_policy {
	bool feed_is_file;
	char *folder;                /* of a feed that is a file */
	struct address_list own;     /* of the feed's host */
	struct address_list allowed; /* of allow_host */
	/* Of a feed with options. */
	char *feed_url;
	struct string_list only_hosts;
	bool https_only;
	struct secret auth, certificate, proxy_auth; /* without a value: none */
	char *proxy;
};

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* False for what is no IP address at all. */
static bool address_of(struct address *out, const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET) {
		memcpy(out->bytes, mapped_prefix, 12);
		memcpy(out->bytes + 12, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4);
		return true;
	}
	if (sa->sa_family != AF_INET6)
		return false;
	memcpy(out->bytes, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16);
	return true;
}

struct range {
	uint8_t prefix[16];
	uint8_t bits;
	enum reach reach;
};

static bool in_range(const struct range *range, const uint8_t *bytes)
{
	size_t whole = range->bits / 8, rest = range->bits % 8;

	return memcmp(range->prefix, bytes, whole) == 0 &&
	       (!rest || ((range->prefix[whole] ^ bytes[whole]) >> (8 - rest)) == 0);
}

/* IANA's registries of special-purpose addresses (RFC 6890 and its updates). */
static enum reach reach_of_v4(const uint8_t *bytes)
{
	static const struct range ranges[] = {
		{ { 0 }, 8, REACH_NEVER }, /* this network; 0.0.0.0 reaches this machine */
		{ { 10 }, 8, REACH_PRIVATE },
		{ { 100, 64 }, 10, REACH_PRIVATE }, /* carriers' networks */
		{ { 127 }, 8, REACH_PRIVATE },
		{ { 169, 254 }, 16, REACH_NEVER }, /* link-local: metadata services */
		{ { 172, 16 }, 12, REACH_PRIVATE },
		{ { 192, 0, 0 }, 24, REACH_PRIVATE }, /* protocol assignments */
		{ { 192, 168 }, 16, REACH_PRIVATE },
		{ { 198, 18 }, 15, REACH_PRIVATE }, /* benchmarks */
		{ { 224 }, 3, REACH_NEVER },        /* multicast, reserved, broadcast */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (in_range(&ranges[i], bytes))
			return ranges[i].reach;
	}
	return REACH_PUBLIC;
}

static enum reach reach_of(const struct address *a)
{
	static const struct range ranges[] = {
		{ { 0xfc }, 7, REACH_PRIVATE },        /* unique local */
		{ { 0xfe, 0x80 }, 10, REACH_NEVER },   /* link-local */
		{ { 0xfe, 0xc0 }, 10, REACH_PRIVATE }, /* site-local, the old name of unique local */
		{ { 0xff }, 8, REACH_NEVER },          /* multicast */
	};
	/* Addresses that stand for an IPv4 one: mapped, compatible, translated (RFC 6052), 6to4. Its bytes follow the prefix. */
	static const struct range carriers[] = {
		{ { [10] = 0xff, [11] = 0xff }, 96, REACH_PUBLIC },
		{ { 0, 0x64, 0xff, 0x9b }, 96, REACH_PUBLIC },
		{ { 0x20, 0x02 }, 16, REACH_PUBLIC },
	};
	static const struct address loopback = { { [15] = 1 } };

	if (memcmp(a, &loopback, sizeof(*a)) == 0)
		return REACH_PRIVATE;
	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		if (in_range(&carriers[i], a->bytes))
			return reach_of_v4(a->bytes + carriers[i].bits / 8);
	}
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (in_range(&ranges[i], a->bytes))
			return ranges[i].reach;
	}
	/* Unspecified, and the rest of ::/8 that is not in use. */
	return a->bytes[0] == 0 ? REACH_NEVER : REACH_PUBLIC;
}

static bool is_listed(const struct address_list *list, const struct address *a)
{
	for (size_t i = 0; i < list->count; i++) {
		if (memcmp(&list->items[i], a, sizeof(*a)) == 0)
			return true;
	}
	return false;
}

static bool may_connect(void *ctx, const struct sockaddr *to)
{
	const struct source_policy *p = ctx;
	struct address a;

	if (!address_of(&a, to))
		return false;
	enum reach reach = reach_of(&a);
	return reach == REACH_PUBLIC || is_listed(&p->allowed, &a) ||
	       (reach == REACH_PRIVATE && is_listed(&p->own, &a));
}

static void free_addrinfo(struct addrinfo **info)
{
	if (*info)
		freeaddrinfo(*info);
}

/* Add all addresses of `host`. A name that cannot be looked up adds none: fetching from it will say so. */
static int add_addresses(struct address_list *list, const char *host, struct err *err)
{
	CLEANUP(free_addrinfo) struct addrinfo *found = NULL;
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	char bare[256];
	size_t len = strlen(host);

	if (len > 2 && len < sizeof(bare) && host[0] == '[' && host[len - 1] == ']') {
		memcpy(bare, host + 1, len - 2);
		bare[len - 2] = '\0';
		host = bare;
	}
	/* Always this machine, whatever resolvers and files say (RFC 6761, section 6.3); libcurl takes it so, too. */
	if (strcasecmp(host, "localhost") == 0) {
		int failed = add_addresses(list, "127.0.0.1", err);

		return failed ? failed : add_addresses(list, "::1", err);
	}
	int rc = getaddrinfo(host, NULL, &hints, &found);
	if (rc) {
		log_debug("policy", "look up '%s': %s", host, gai_strerror(rc));
		return 0;
	}
	for (const struct addrinfo *at = found; at; at = at->ai_next) {
		struct address a;

		if (!address_of(&a, at->ai_addr) || is_listed(list, &a))
			continue;
		struct address *items = realloc(list->items, (list->count + 1) * sizeof(*items));
		if (!items)
			return err_set(err, -ENOMEM, "out of memory");
		list->items = items;
		list->items[list->count++] = a;
	}
	return 0;
}

static void free_url(CURLU **u)
{
	curl_url_cleanup(*u);
}

/* One part of a URL. Caller frees with curl_free. */
static int url_part(char **out, const char *url, CURLUPart part, unsigned flags, struct err *err)
{
	CLEANUP(free_url) CURLU *u = curl_url();
	char shown[512];

	if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
	    curl_url_get(u, part, out, flags) == CURLUE_OK)
		return 0;
	http_url_for_log(shown, sizeof(shown), url);
	return err_set(err, -EINVAL, "'%s' is not a URL", shown);
}

static void free_part(char **part)
{
	curl_free(*part);
}

bool source_policy_is_file(const char *url)
{
	return strncasecmp(url, "file:", 5) == 0;
}

int source_policy_file_path(char **out, const char *url, struct err *err)
{
	CLEANUP(free_part) char *part = NULL;
	int rc = url_part(&part, url, CURLUPART_PATH, CURLU_URLDECODE, err);

	if (rc)
		return rc;
	*out = strdup(part);
	return *out ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int source_policy_new(struct source_policy **out, const char *feed_url, const struct string_list *allow_hosts,
		      struct err *err)
{
	CLEANUP(source_policy_free) struct source_policy *p = calloc(1, sizeof(*p));
	CLEANUP(free_part) char *part = NULL;
	int rc;

	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	p->feed_url = strdup(feed_url);
	if (!p->feed_url)
		return err_set(err, -ENOMEM, "out of memory");
	p->feed_is_file = source_policy_is_file(feed_url);
	if (p->feed_is_file) {
		rc = source_policy_file_path(&p->folder, feed_url, err);
		if (rc)
			return rc;
		/* The folder with its final slash, so that a feed in / works, too. */
		strrchr(p->folder, '/')[1] = '\0';
	} else {
		rc = url_part(&part, feed_url, CURLUPART_HOST, 0, err);
		if (!rc)
			rc = add_addresses(&p->own, part, err);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < allow_hosts->count; i++) {
		rc = add_addresses(&p->allowed, allow_hosts->items[i], err);
		if (rc)
			return rc;
	}
	*out = TAKE(p);
	return 0;
}

void source_policy_free(struct source_policy **policy)
{
	struct source_policy *p = *policy;

	if (!p)
		return;
	free(p->folder);
	free(p->own.items);
	free(p->allowed.items);
	free(p->feed_url);
	free(p->proxy);
	string_list_free(&p->only_hosts);
	secret_done(&p->auth);
	secret_done(&p->certificate);
	secret_done(&p->proxy_auth);
	free(p);
	*policy = NULL;
}

static int find_secret(struct secret *out, const char *path, const char *name, bool certificate, struct err *err)
{
	if (!name)
		return 0;
	int rc = secret_find(out, path, name, err);
	if (!rc && (out->kind == SECRET_CERTIFICATE) != certificate)
		rc = err_set(err, -EINVAL, "secret '%s' is %s certificate", name, certificate ? "no" : "a");
	return rc;
}

static int take_options(struct source_policy *p, const struct feed_options *options, const char *secrets,
			struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < options->allow_hosts.count; i++)
		rc = add_addresses(&p->allowed, options->allow_hosts.items[i], err);
	for (size_t i = 0; !rc && i < options->only_hosts.count; i++)
		rc = string_list_add(&p->only_hosts, options->only_hosts.items[i], err);
	if (!rc)
		rc = find_secret(&p->auth, secrets, options->auth, false, err);
	if (!rc)
		rc = find_secret(&p->certificate, secrets, options->certificate, true, err);
	if (!rc)
		rc = find_secret(&p->proxy_auth, secrets, options->proxy_auth, false, err);
	if (!rc && p->proxy_auth.value && p->proxy_auth.kind != SECRET_BASIC)
		rc = err_set(err, -EINVAL, "secret '%s' is not basic, which is what proxies take", options->proxy_auth);
	if (!rc && options->proxy && !(p->proxy = strdup(options->proxy)))
		rc = err_set(err, -ENOMEM, "out of memory");
	p->https_only = options->https_only;
	return rc;
}

int source_policy_of_feed(struct source_policy **out, const struct config *config, const char *feed_url,
			  const struct feed_options *options, struct err *err)
{
	CLEANUP(source_policy_free) struct source_policy *p = NULL;
	int rc = source_policy_new(&p, feed_url, &config->allow_hosts, err);

	if (!rc)
		rc = take_options(p, options, config->secrets, err);
	if (!rc)
		*out = TAKE(p);
	return rc;
}

/* The addresses of `host` that stand in the URL itself: a name is the proxy's to look up. */
static int check_literal(const struct source_policy *p, const char *host, const char *shown, struct err *err)
{
	CLEANUP(free_addrinfo) struct addrinfo *found = NULL;
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST };
	char bare[256];
	size_t brackets = host[0] == '[';

	snprintf(bare, sizeof(bare), "%.*s", (int)(strlen(host) - 2 * brackets), host + brackets);
	const char *address = strcasecmp(bare, "localhost") == 0 ? "127.0.0.1" : bare;
	if (getaddrinfo(address, NULL, &hints, &found) || may_connect((void *)p, found->ai_addr))
		return 0;
	return err_set(err, -EACCES, "'%s': its address %s is not allowed", shown, address);
}

static int check_host(const struct source_policy *p, const char *url, const char *shown, struct err *err)
{
	CLEANUP(free_part) char *host = NULL;
	CLEANUP(free_part) char *own = NULL;
	int rc = url_part(&host, url, CURLUPART_HOST, 0, err);

	if (!rc && p->proxy)
		rc = check_literal(p, host, shown, err);
	if (rc || !p->only_hosts.count)
		return rc;
	for (size_t i = 0; i < p->only_hosts.count; i++)
		if (strcasecmp(p->only_hosts.items[i], host) == 0)
			return 0;
	rc = url_part(&own, p->feed_url, CURLUPART_HOST, 0, err);
	if (!rc && strcasecmp(own, host) == 0)
		return 0;
	return err_set(err, -EACCES, "'%s': its host is neither the feed's own nor in only_host", shown);
}

int source_policy_check_url(const struct source_policy *p, const char *url, struct err *err)
{
	CLEANUP(free_part) char *scheme = NULL;
	char shown[512], shown_scheme[64];
	int rc = url_part(&scheme, url, CURLUPART_SCHEME, 0, err);

	if (rc)
		return rc;
	http_url_for_log(shown, sizeof(shown), url);
	if (strcmp(scheme, "http") == 0 && p->https_only)
		return err_set(err, -EACCES, "'%s': scheme 'http' is not allowed, the feed's options say https", shown);
	if (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0)
		return check_host(p, url, shown, err);
	if (strcmp(scheme, "file") != 0)
		return err_set(err, -EACCES, "'%s': scheme '%s' is not allowed, only http and https", shown,
			       log_quote(shown_scheme, sizeof(shown_scheme), scheme));
	if (!p->feed_is_file)
		return err_set(err, -EACCES, "'%s': a feed that is no file itself may not name files", shown);
	return 0;
}

static int may_ask(void *ctx, const char *url, struct err *err)
{
	return source_policy_check_url(ctx, url, err);
}

void source_policy_apply(const struct source_policy *p, const char *url, struct http_options *options)
{
	options->schemes = p->https_only || strncasecmp(url, "https:", 6) == 0 ? "https" : "http,https";
	options->redirects_max = REDIRECTS_MAX;
	options->may_ask = may_ask;
	options->policy = (void *)p;
	options->credentials_url = p->feed_url;
	if (p->auth.value && p->auth.kind == SECRET_BASIC)
		options->basic = p->auth.value;
	else
		options->token = p->auth.value;
	options->certificate = p->certificate.value;
	options->certificate_key = p->certificate.key;
	options->proxy = p->proxy;
	options->proxy_basic = p->proxy_auth.value;
	/* Where a proxy stands is the operator's choice; to where it connects is not seen here. */
	if (!p->proxy)
		options->may_connect = may_connect;
}

/* RESOLVE_BENEATH: the kernel refuses every way out of the folder, "..", absolute links and all, while it walks the path. */
static int open_beneath(const char *folder, const char *path)
{
	CLEANUP(close_fd) int folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* O_NONBLOCK: a FIFO in the folder must not hold the service up. */
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	if (folder_fd < 0)
		return -errno;
	long fd = syscall(SYS_openat2, folder_fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

int source_policy_open_file(const struct source_policy *p, int *fd, const char *url, struct err *err)
{
	CLEANUP(free_str) char *path = NULL;
	char shown[512];
	struct stat st;
	int rc = source_policy_file_path(&path, url, err);

	if (rc)
		return rc;
	http_url_for_log(shown, sizeof(shown), url);
	size_t folder_len = strlen(p->folder);
	if (strncmp(path, p->folder, folder_len) != 0)
		return err_set(err, -EACCES, "'%s' is not in the feed's own folder", shown);
	CLEANUP(close_fd) int opened = open_beneath(p->folder, path + folder_len);
	if (opened == -EXDEV)
		return err_set(err, -EACCES, "'%s' leads out of the feed's own folder", shown);
	if (opened < 0)
		return err_set(err, opened, "open '%s': %s", shown, strerror(-opened));
	if (fstat(opened, &st) || !S_ISREG(st.st_mode))
		return err_set(err, -EACCES, "'%s' is not a regular file", shown);
	*fd = TAKE_FD(opened);
	return 0;
}
