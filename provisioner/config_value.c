/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config_value: see config_value.h */
#include "config_value.h"

#include "cleanup.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* What RFC 3986 lets stand in a URL, without the comma and the quotes, which dnsmasq.conf and iPXE scripts would take
 * amiss. */
#define URL_CHARACTERS LETTERS_AND_DIGITS "-._~:/?#[]@!&()*+;=%"

static bool consists_of(const char *value, const char *allowed)
{
	return value[strspn(value, allowed)] == '\0';
}

int config_value_check_text(const char *value, struct err *err)
{
	for (const char *at = value; *at; at++)
		if (iscntrl((unsigned char)*at))
			return err_set(err, -EINVAL, "has a control character; write plain text");
	return 0;
}

int config_value_check_path(const char *value, struct err *err)
{
	if (value[0] != '/')
		return err_set(err, -EINVAL, "not an absolute path; begin it with '/'");
	return config_value_check_text(value, err);
}

int config_value_check_file_name(const char *value, struct err *err)
{
	if (!consists_of(value, LETTERS_AND_DIGITS "-._") || value[0] == '.')
		return err_set(err, -EINVAL, "not a file name; write letters, digits, '-', '.' and '_', and no folder");
	return 0;
}

int config_value_check_socket(const char *value, struct err *err)
{
	if (strlen(value) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(err, -EINVAL, "too long for a socket; at most %zu bytes",
			       sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	return config_value_check_path(value, err);
}

int config_value_check_name(const char *value, struct err *err)
{
	if (!consists_of(value, LETTERS_AND_DIGITS "-._") || strlen(value) >= 32)
		return err_set(err, -EINVAL, "not a name; write at most 31 letters, digits, '-', '.' and '_'");
	return 0;
}

/* Whether `value` is SCHEME://HOST with something for HOST, and only characters of a URL. */
static bool is_url(const char *value, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncmp(value, scheme, len) == 0 && strncmp(value + len, "://", 3) == 0 &&
	       value[len + 3 + strcspn(value + len + 3, "/?#")] != '?' && strcspn(value + len + 3, "/?#") > 0 &&
	       consists_of(value, URL_CHARACTERS);
}

int config_value_check_base_url(const char *value, struct err *err)
{
	/* Paths are appended to it, and it goes through iPXE's and the kernel's command lines. */
	if ((!is_url(value, "http") && !is_url(value, "https")) || strpbrk(value, "?#&;()*@"))
		return err_set(err, -EINVAL, "not a base URL; write http://HOST:PORT or http://HOST:PORT/PATH");
	return 0;
}

int config_value_check_https_url(const char *value, struct err *err)
{
	if (!is_url(value, "https") || config_value_check_base_url(value, err) < 0)
		return err_set(err, -EINVAL, "not a base URL for HTTPS; write https://HOST:PORT");
	return 0;
}

void config_value_url_host(char *out, size_t room, const char *url)
{
	const char *host = strstr(url, "://") + 3;
	bool bracketed = host[0] == '[';

	host += bracketed;
	snprintf(out, room, "%.*s", (int)strcspn(host, bracketed ? "]" : ":/"), host);
}

int config_value_check_feed_url(const char *value, struct err *err)
{
	bool is_file = strncmp(value, "file:///", 8) == 0 && consists_of(value, URL_CHARACTERS ",");

	if (!is_file && !is_url(value, "http") && !is_url(value, "https"))
		return err_set(err, -EINVAL, "not a feed's URL; write http://..., https://... or file:///...");
	/* It is shown and logged. */
	if (!is_file && memchr(strstr(value, "://") + 3, '@', strcspn(strstr(value, "://") + 3, "/?#")))
		return err_set(err, -EINVAL,
			       "name and password do not belong into a URL; see auth= and the secrets file");
	return 0;
}

int config_value_check_host(const char *value, struct err *err)
{
	if (!consists_of(value, LETTERS_AND_DIGITS "-._:") || strlen(value) > 253)
		return err_set(err, -EINVAL, "not a host; write a host name or an address, without scheme and port");
	return 0;
}

int config_value_check_address(const char *value, struct err *err)
{
	struct in_addr address;

	if (inet_pton(AF_INET, value, &address) != 1)
		return err_set(err, -EINVAL, "not an IPv4 address; write one such as 192.0.2.1");
	return 0;
}

int config_value_parse_range(uint32_t *start, uint32_t *end, const char *value, struct err *err)
{
	CLEANUP(free_str) char *first = strndup(value, strcspn(value, ","));
	struct in_addr from, to;

	if (!first)
		return err_set(err, -ENOMEM, "out of memory");
	const char *second = value + strlen(first);
	if (*second != ',' || inet_pton(AF_INET, first, &from) != 1 || inet_pton(AF_INET, second + 1, &to) != 1)
		return err_set(err, -EINVAL, "not a range; write START,END such as 192.0.2.100,192.0.2.199");
	if (ntohl(from.s_addr) > ntohl(to.s_addr))
		return err_set(err, -EINVAL, "the range ends before it starts");
	*start = ntohl(from.s_addr);
	*end = ntohl(to.s_addr);
	return 0;
}

int config_value_check_range(const char *value, struct err *err)
{
	uint32_t start, end;

	return config_value_parse_range(&start, &end, value, err);
}

/* Whether iPXE would end the command at this word of `len` bytes. */
static bool ends_command(const char *word, size_t len)
{
	return word[0] == '#' || (len == 1 && word[0] == ';');
}

int config_value_check_kernel_args(const char *value, struct err *err)
{
	for (const char *at = value; *at; at++)
		if (*at < ' ' || *at > '~')
			return err_set(err, -EINVAL, "the kernel command line takes printable ASCII only");
	/* What iPXE would expand, or take for the end of the command. */
	if (strstr(value, "${") || strstr(value, "&&") || strstr(value, "||"))
		return err_set(err, -EINVAL, "iPXE would act on '${', '&&' and '||'; leave them out");
	for (const char *word = value + strspn(value, " "); *word; word += strspn(word, " ")) {
		size_t len = strcspn(word, " ");

		if (ends_command(word, len) || (word[len - 1] == '\\' && !word[len]))
			return err_set(err, -EINVAL,
				       "iPXE would act on ';', a word that begins with '#', and a '\\' at the end; "
				       "leave them out");
		word += len;
	}
	return 0;
}

int config_value_parse_listen(char **host, uint16_t *port, const char *value, struct err *err)
{
	const char *colon = strrchr(value, ':');
	bool bracketed = value[0] == '[';
	struct in6_addr address;
	char *rest;

	if (!colon || colon == value || (bracketed && colon[-1] != ']'))
		return err_set(err, -EINVAL, "not ADDRESS:PORT; write one such as 0.0.0.0:8880 or [::]:8880");
	CLEANUP(free_str)
	char *name =
		bracketed ? strndup(value + 1, (size_t)(colon - value) - 2) : strndup(value, (size_t)(colon - value));
	if (!name)
		return err_set(err, -ENOMEM, "out of memory");
	if (inet_pton(bracketed ? AF_INET6 : AF_INET, name, &address) != 1)
		return err_set(err, -EINVAL,
			       "'%s' is not a numeric address; write one such as 0.0.0.0:8880 or [::]:8880", name);
	unsigned long number = isdigit((unsigned char)colon[1]) ? strtoul(colon + 1, &rest, 10) : 0;
	if (number < 1 || number > UINT16_MAX || *rest)
		return err_set(err, -EINVAL, "'%s' is not a port; write 1..65535", colon + 1);
	*host = TAKE(name);
	*port = (uint16_t)number;
	return 0;
}

int config_value_check_listen(const char *value, struct err *err)
{
	CLEANUP(free_str) char *host = NULL;
	uint16_t port;

	return config_value_parse_listen(&host, &port, value, err);
}
