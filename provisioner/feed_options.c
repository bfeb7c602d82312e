/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_options: see feed_options.h. One table holds every key: how its value is read, and how it is written again. */
#include "feed_options.h"

#include "cleanup.h"
#include "config_value.h"
#include "log.h"
#include "units.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEWEST_MAX 10000u
#define KEEP_MAX   1000u
/* Those of the configuration's own limits. */
#define DISK_BYTES_MAX (1024ull << 40)
#define FEED_BYTES_MIN (64ull << 10)
#define FEED_BYTES_MAX (256ull << 20)

static const char *const ingest_words[] = { [FEED_INGEST_DEFAULT] = "",
					    [FEED_INGEST_ALL] = "all",
					    [FEED_INGEST_NEWEST] = "newest",
					    [FEED_INGEST_DEMAND] = "demand",
					    [FEED_INGEST_MANUAL] = "manual" };

#define INGEST_WORDS (sizeof(ingest_words) / sizeof(ingest_words[0]))

/* A number of at most `max`, at least 1, in digits. */
static int parse_count(uint64_t *out, const char *value, uint64_t max)
{
	if (!*value || value[strspn(value, "0123456789")] || units_parse_bytes(out, value) || !*out || *out > max)
		return -EINVAL;
	return 0;
}

static int read_ingest(struct feed_options *o, void *field, const char *value, struct err *err)
{
	size_t len = strcspn(value, ":");
	uint64_t newest = 1;

	(void)field;
	for (size_t i = 0; i < INGEST_WORDS; i++) {
		if (strlen(ingest_words[i]) != len || strncmp(ingest_words[i], value, len) != 0)
			continue;
		if (value[len] && (i != FEED_INGEST_NEWEST || parse_count(&newest, value + len + 1, NEWEST_MAX)))
			break;
		o->ingest = (enum feed_ingest)i;
		o->newest = i == FEED_INGEST_NEWEST ? newest : 0;
		return 0;
	}
	return err_set(err, -EINVAL, "write all, newest, newest:3, demand or manual");
}

static int write_ingest(FILE *to, const struct feed_options *o, const void *field)
{
	(void)field;
	if (o->ingest == FEED_INGEST_NEWEST && o->newest > 1)
		return fprintf(to, "newest:%" PRIu64, o->newest);
	return fputs(ingest_words[o->ingest], to);
}

static int read_text(struct feed_options *o, void *field, const char *value, struct err *err)
{
	char *copy = *value ? strdup(value) : NULL;

	(void)o;
	if (*value && !copy)
		return err_set(err, -ENOMEM, "out of memory");
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

static int write_text(FILE *to, const struct feed_options *o, const void *field)
{
	const char *text = *(char *const *)field;

	(void)o;
	return text ? fputs(text, to) : 0;
}

static int read_title(struct feed_options *o, void *field, const char *value, struct err *err)
{
	if (strlen(value) > 256 || strchr(value, '"') || config_value_check_text(value, err) < 0)
		return err_set(err, -EINVAL, "write a pattern of at most 256 bytes without quotes, such as 'Debian*'");
	return read_text(o, field, value, err);
}

static int read_name(struct feed_options *o, void *field, const char *value, struct err *err)
{
	int rc = config_value_check_name(value, err);

	return rc < 0 ? rc : read_text(o, field, value, err);
}

static int read_proxy(struct feed_options *o, void *field, const char *value, struct err *err)
{
	static const char *const schemes[] = { "http://", "https://", "socks5h://" };
	bool known = !*value;

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		known = known || (strncmp(value, schemes[i], strlen(schemes[i])) == 0 && value[strlen(schemes[i])]);
	/* A password here would show wherever the options do. */
	if (strchr(value, '@'))
		return err_set(err, -EINVAL, "name and password belong into the secrets file; name them by proxy_auth");
	if (!known || strpbrk(value, "\" \\") || config_value_check_text(value, err) < 0)
		return err_set(err, -EINVAL, "write http://HOST:PORT, https://HOST:PORT or socks5h://HOST:PORT");
	return read_text(o, field, value, err);
}

static int read_keep(struct feed_options *o, void *field, const char *value, struct err *err)
{
	(void)o;
	*(uint64_t *)field = 0;
	if (*value && parse_count(field, value, KEEP_MAX))
		return err_set(err, -EINVAL, "write a number of versions, 1..%u", KEEP_MAX);
	return 0;
}

static int write_number(FILE *to, const struct feed_options *o, const void *field)
{
	(void)o;
	return *(const uint64_t *)field ? fprintf(to, "%" PRIu64, *(const uint64_t *)field) : 0;
}

static int read_bytes(uint64_t *field, const char *value, uint64_t min, uint64_t max, struct err *err)
{
	uint64_t bytes = 0;

	if (*value && (units_parse_bytes(&bytes, value) || bytes < min || bytes > max))
		return err_set(err, -EINVAL, "write a size such as %s", max > FEED_BYTES_MAX ? "20G" : "1M");
	*field = bytes;
	return 0;
}

static int read_disk_bytes(struct feed_options *o, void *field, const char *value, struct err *err)
{
	(void)o;
	return read_bytes(field, value, 1u << 20, DISK_BYTES_MAX, err);
}

static int read_feed_bytes(struct feed_options *o, void *field, const char *value, struct err *err)
{
	(void)o;
	return read_bytes(field, value, FEED_BYTES_MIN, FEED_BYTES_MAX, err);
}

/* In the largest unit that it is a whole number of, as people write it. */
static int write_bytes(FILE *to, const struct feed_options *o, const void *field)
{
	uint64_t bytes = *(const uint64_t *)field;
	size_t unit = 0;

	(void)o;
	if (!bytes)
		return 0;
	while (unit < 4 && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	return fprintf(to, "%" PRIu64 "%.1s", bytes, &"\0KMGT"[unit]);
}

static int read_hosts(struct feed_options *o, void *field, const char *value, struct err *err)
{
	CLEANUP(string_list_free) struct string_list hosts = { 0 };
	CLEANUP(free_str) char *copy = strdup(value);
	char *rest = NULL;
	int rc = 0;

	(void)o;
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	for (char *host = strtok_r(copy, ",", &rest); host && !rc; host = strtok_r(NULL, ",", &rest)) {
		rc = config_value_check_host(host, err);
		if (!rc)
			rc = string_list_add(&hosts, host, err);
	}
	if (rc < 0)
		return rc;
	string_list_free(field);
	*(struct string_list *)field = hosts;
	hosts = (struct string_list){ 0 };
	return 0;
}

static int write_hosts(FILE *to, const struct feed_options *o, const void *field)
{
	const struct string_list *hosts = field;

	(void)o;
	for (size_t i = 0; i < hosts->count; i++)
		fprintf(to, "%s%s", i ? "," : "", hosts->items[i]);
	return 0;
}

static int read_scheme(struct feed_options *o, void *field, const char *value, struct err *err)
{
	(void)o;
	if (*value && strcmp(value, "https") != 0)
		return err_set(err, -EINVAL, "write https, or leave it out");
	*(bool *)field = *value;
	return 0;
}

static int write_scheme(FILE *to, const struct feed_options *o, const void *field)
{
	(void)o;
	return *(const bool *)field ? fputs("https", to) : 0;
}

static int read_root(struct feed_options *o, void *field, const char *value, struct err *err)
{
	if (*value && (*value != '/' || strchr(value, '"') || config_value_check_text(value, err) < 0))
		return err_set(err, -EINVAL,
			       "write the full path of the publisher's root metadata, such as "
			       "/etc/vmcast/publisher.root.json");
	return read_text(o, field, value, err);
}

static int read_policy(struct feed_options *o, void *field, const char *value, struct err *err)
{
	o->has_policy = *value;
	if (*value && !proof_parse(field, value))
		return err_set(err, -EINVAL, "write signed, gpg, digest or none");
	return 0;
}

static int write_policy(FILE *to, const struct feed_options *o, const void *field)
{
	return o->has_policy ? fputs(proof_name(*(const enum proof *)field), to) : 0;
}

#define FIELD(name) offsetof(struct feed_options, name)

/* A value that is not written is one that is not set. */
static const struct {
	const char *key;
	size_t field;
	int (*read)(struct feed_options *o, void *field, const char *value, struct err *err);
	int (*write)(FILE *to, const struct feed_options *o, const void *field);
} keys[] = {
	{ "ingest", FIELD(ingest), read_ingest, write_ingest },
	{ "title", FIELD(title), read_title, write_text },
	{ "keep", FIELD(keep), read_keep, write_number },
	{ "allow_host", FIELD(allow_hosts), read_hosts, write_hosts },
	{ "only_host", FIELD(only_hosts), read_hosts, write_hosts },
	{ "scheme", FIELD(https_only), read_scheme, write_scheme },
	{ "disk_bytes_max", FIELD(disk_bytes_max), read_disk_bytes, write_bytes },
	{ "feed_bytes_max", FIELD(feed_bytes_max), read_feed_bytes, write_bytes },
	{ "auth", FIELD(auth), read_name, write_text },
	{ "certificate", FIELD(certificate), read_name, write_text },
	{ "proxy", FIELD(proxy), read_proxy, write_text },
	{ "proxy_auth", FIELD(proxy_auth), read_name, write_text },
	{ "root", FIELD(root), read_root, write_text },
	{ "policy", FIELD(policy), read_policy, write_policy },
};

#define KEYS (sizeof(keys) / sizeof(keys[0]))

static int set_option(struct feed_options *o, const char *key, const char *value, struct err *err)
{
	char shown_key[64], shown_value[256];
	size_t nr = 0;

	log_quote(shown_key, sizeof(shown_key), key);
	log_quote(shown_value, sizeof(shown_value), value);
	while (nr < KEYS && strcmp(keys[nr].key, key) != 0)
		nr++;
	if (nr == KEYS)
		return err_set(err, -EINVAL, "there is no option '%s' of a feed; vmcast feed add --help lists them",
			       shown_key);
	if (keys[nr].read(o, (char *)o + keys[nr].field, value, err) == 0)
		return 0;
	/* A password, perhaps, in a proxy's URL: refusals are logged. */
	if (keys[nr].read == read_proxy && strchr(value, '@'))
		return err_wrap(err, "%s", shown_key);
	return err_wrap(err, "%s=%s", shown_key, shown_value);
}

/* The next `KEY=VALUE` or `KEY="VALUE"`, cut out of `*at` in place. 0: there is none; 1: there is one. */
static int next_option(char **key, char **value, char **at, struct err *err)
{
	char shown[64];
	char *p = *at + strspn(*at, " \t");

	if (!*p)
		return 0;
	*key = p;
	p += strcspn(p, "= \t");
	if (*p != '=')
		return err_set(err, -EINVAL, "'%s' is no option; write KEY=VALUE",
			       log_quote(shown, sizeof(shown), *key));
	*p++ = '\0';
	bool quoted = *p == '"';
	*value = p += quoted;
	p += quoted ? strcspn(p, "\"") : strcspn(p, " \t");
	if (quoted && (*p != '"' || !memchr(" \t", p[1], 3)))
		return err_set(err, -EINVAL, "%s: its value has a quote that does not end at the value's end",
			       log_quote(shown, sizeof(shown), *key));
	*at = *p ? p + 1 : p;
	*p = '\0';
	return 1;
}

int feed_options_parse(struct feed_options *options, const char *text, struct err *err)
{
	char *key = NULL, *value = NULL;
	int rc;

	if (!text)
		return 0;
	if (strlen(text) > FEED_OPTIONS_MAX)
		return err_set(err, -EINVAL, "a feed's options are longer than %u bytes", FEED_OPTIONS_MAX);
	CLEANUP(free_str) char *copy = strdup(text);
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	char *at = copy;
	while ((rc = next_option(&key, &value, &at, err)) > 0) {
		rc = set_option(options, key, value, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

void feed_options_done(struct feed_options *options)
{
	free(options->title);
	string_list_free(&options->allow_hosts);
	string_list_free(&options->only_hosts);
	free(options->auth);
	free(options->certificate);
	free(options->proxy_auth);
	free(options->proxy);
	free(options->root);
	*options = (struct feed_options){ 0 };
}

static int write_option(FILE *to, size_t nr, const struct feed_options *options)
{
	CLEANUP(free_str) char *value = NULL;
	size_t len = 0;

	FILE *one = open_memstream(&value, &len);
	if (!one)
		return -ENOMEM;
	keys[nr].write(one, options, (const char *)options + keys[nr].field);
	if (fclose(one) != 0)
		return -ENOMEM;
	const char *quote = len && strpbrk(value, " \t") ? "\"" : "";
	if (len)
		fprintf(to, "%s%s=%s%s%s", ftell(to) > 0 ? " " : "", keys[nr].key, quote, value, quote);
	return 0;
}

int feed_options_text(char **out, const struct feed_options *options, struct err *err)
{
	CLEANUP(free_str) char *all = NULL;
	size_t len = 0;
	int rc = 0;

	FILE *to = open_memstream(&all, &len);
	if (!to)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t nr = 0; nr < KEYS && !rc; nr++)
		rc = write_option(to, nr, options);
	if (fclose(to) != 0 || rc)
		return err_set(err, -ENOMEM, "out of memory");
	*out = TAKE(all);
	return 0;
}

int feed_options_check(const struct feed_options *options, struct err *err)
{
	if (options->has_policy && options->policy == PROOF_SIGNED && !options->root)
		return err_set(err, -EINVAL,
			       "policy=signed: there is no root=FILE, the root metadata of the publisher who signs");
	return 0;
}

enum proof feed_options_proof(const struct feed_options *options)
{
	if (options->has_policy)
		return options->policy;
	return options->root ? PROOF_SIGNED : PROOF_DIGEST;
}

int feed_options_split_line(char **url, char **text, const char *line, struct err *err)
{
	CLEANUP(feed_options_done) struct feed_options options = { 0 };
	size_t len = strcspn(line, " \t");
	CLEANUP(free_str) char *front = strndup(line, len);

	if (!front)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = config_value_check_feed_url(front, err);
	if (!rc)
		rc = feed_options_parse(&options, line + len, err);
	if (!rc)
		rc = feed_options_check(&options, err);
	if (!rc)
		rc = feed_options_text(text, &options, err);
	if (!rc)
		*url = TAKE(front);
	return rc;
}

bool feed_options_match_title(const struct feed_options *options, const char *title)
{
	return !options->title || fnmatch(options->title, title, FNM_CASEFOLD) == 0;
}

bool feed_options_on_demand(const struct feed_options *options, enum ingest_mode fallback)
{
	return options->ingest == FEED_INGEST_DEFAULT ? fallback != INGEST_MANUAL
						      : options->ingest != FEED_INGEST_MANUAL;
}
