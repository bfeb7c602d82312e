/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * feed_options: how one feed is treated, as its operator writes it behind the URL, `KEY=VALUE ...` -> struct
 * feed_options, and back. The same text stands on the `feed =` line of vmcastd.conf, after `vmcast feed add URL` and
 * `vmcast feed set FEED`, in the API, and in the store.
 *
 *   ingest=all | newest[:N] | demand | manual     which items are made ready ahead of time
 *   title=GLOB                                    only of items with such a title (fnmatch(3), any case)
 *   keep=N                                        versions of an item that are kept
 *   allow_host=HOST,HOST                          hosts on internal addresses that the feed may name
 *   only_host=HOST,HOST                           besides the feed's own host nothing else is fetched from
 *   scheme=https                                  no plain HTTP
 *   disk_bytes_max=SIZE feed_bytes_max=SIZE       instead of the configuration's, where smaller or larger
 *   auth=NAME certificate=NAME                    of the secrets file, for the feed's own host
 *   proxy=URL proxy_auth=NAME
 *   root=FILE                                     only what its publisher signed (feed_trust.h); TUF root metadata
 *   policy=signed | gpg | digest | none           what every item must prove at least (proof.h); without it `signed` where
 *                                                 there is a root, else `digest`
 *
 * A value with spaces stands in double quotes. An empty one takes back what was set before.
 */
#ifndef VMCAST_FEED_OPTIONS_H
#define VMCAST_FEED_OPTIONS_H

#include "config.h"
#include "err.h"
#include "proof.h"

#include <stdbool.h>
#include <stdint.h>

#define FEED_OPTIONS_MAX 2048u /* bytes of the text */

/* Numbers in the database. */
enum feed_ingest {
	FEED_INGEST_DEFAULT, /* as `ingest` in the configuration says */
	FEED_INGEST_ALL,     /* every item as soon as it is announced */
	FEED_INGEST_NEWEST,  /* the newest ones; the others when a machine or an operator asks */
	FEED_INGEST_DEMAND,  /* when a machine's menu choice or an operator asks */
	FEED_INGEST_MANUAL,  /* only when an operator asks: machines are not offered what is not ready */
};

struct feed_options {
	enum feed_ingest ingest;
	uint64_t newest; /* FEED_INGEST_NEWEST: how many, at least 1 */
	char *title;     /* NULL: any */
	uint64_t keep;   /* 0: as the service keeps by default */
	struct string_list allow_hosts;
	struct string_list only_hosts; /* empty: no such restriction */
	bool https_only;
	uint64_t disk_bytes_max;               /* 0: the configuration's */
	uint64_t feed_bytes_max;               /* 0: the configuration's */
	char *auth, *certificate, *proxy_auth; /* names in the secrets file */
	char *proxy;
	char *root; /* path; NULL: the feed is not signed */
	bool has_policy;
	enum proof policy; /* if it has one */
};

/*
 * Change `options` (zeroed, or of an earlier call) as `text` says; NULL and "" change nothing. -EINVAL names the key, the
 * value and what would be right; `options` may then be changed in part. Caller frees with feed_options_done.
 */
int feed_options_parse(struct feed_options *options, const char *text, struct err *err);
void feed_options_done(struct feed_options *options);

/* -EINVAL: what the options ask for together cannot be had. */
int feed_options_check(const struct feed_options *options, struct err *err);

/* The least that an item must prove before it is ingested. */
enum proof feed_options_proof(const struct feed_options *options);

/* The canonical text: every key that is set, in the order above; "" for none. Caller frees. */
int feed_options_text(char **out, const struct feed_options *options, struct err *err);

/* "URL KEY=VALUE ..." of the configuration -> both, the options canonical. Caller frees. -EINVAL as above. */
int feed_options_split_line(char **url, char **text, const char *line, struct err *err);

/* Whether an item of this title is one that `ingest` speaks of. */
bool feed_options_match_title(const struct feed_options *options, const char *title);

/* Whether a machine that chooses an item that is not ready may have it made, where the configuration says `fallback`. */
bool feed_options_on_demand(const struct feed_options *options, enum ingest_mode fallback);

#endif
