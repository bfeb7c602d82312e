/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_policy: from where a feed may make this service fetch. A feed is hostile input: without this, its enclosures could read
 * the service's own files, and reach whatever the service's network position lets it reach (metadata services, management
 * networks, its own API).
 *
 * http and https: every public address; addresses of private networks and of this machine only where they are those of the
 * feed's own host or of one in `allow_host`; link-local, multicast and unspecified ones only where they are of one in
 * `allow_host`. What is judged is the address that is connected to, so redirects and a DNS that changes its answer are judged,
 * too. file: only from a feed that is itself a file, and only below that feed's own folder.
 *
 * Behind a proxy it is the proxy that looks names up and connects: then only addresses that stand in a URL can be judged.
 */
#ifndef VMCAST_SOURCE_POLICY_H
#define VMCAST_SOURCE_POLICY_H

#include "config.h"
#include "err.h"
#include "feed_options.h"
#include "http.h"

#include <stdbool.h>

struct source_policy;

/*
 * `feed_url` is a full URL, as the operator wrote it; `allow_hosts` are names or addresses (numeric IPv6 with or without
 * brackets). Names are looked up now; one that cannot be looked up allows nothing. Caller frees with source_policy_free.
 */
int source_policy_new(struct source_policy **out, const char *feed_url, const struct string_list *allow_hosts,
		      struct err *err);

/*
 * The same for a feed as its options have it: what they allow and forbid beside the configuration, and its credentials
 * and proxy. -EACCES, -ENOENT, -EINVAL: a secret that they name cannot be had.
 */
int source_policy_of_feed(struct source_policy **out, const struct config *config, const char *feed_url,
			  const struct feed_options *options, struct err *err);
void source_policy_free(struct source_policy **policy);

/* Whether `url` is of a scheme that the feed may name: -EACCES says why not. Its address is judged when it is connected to. */
int source_policy_check_url(const struct source_policy *policy, const char *url, struct err *err);

/*
 * The part of http_options that makes an http client obey: schemes (https stays https across redirects), addresses,
 * redirects, credentials for the feed's own origin, proxy. What it points to is the policy's.
 */
void source_policy_apply(const struct source_policy *policy, const char *url, struct http_options *options);

/* Whether `url` is a file's, to be opened with source_policy_open_file. */
bool source_policy_is_file(const char *url);

/* The path of a file: URL, decoded. -EINVAL: that is no URL. Caller frees with free. */
int source_policy_file_path(char **out, const char *url, struct err *err);

/*
 * Open the file of a file: URL that source_policy_check_url let pass; a regular file at or below the feed's folder, whatever
 * links say. Caller closes `*fd`.
 */
int source_policy_open_file(const struct source_policy *policy, int *fd, const char *url, struct err *err);

#endif
