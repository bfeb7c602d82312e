/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service_url: the only URLs that this program fetches. A service that is reached over https is reached over https alone: nothing
 * that it, or somebody in between, says leads back to http.
 */
#ifndef VMCAST_SERVICE_URL_H
#define VMCAST_SERVICE_URL_H

#include "err.h"

#include <stdbool.h>

bool service_url_is_https(const char *url);

/* `ref` (a path or full URL) against the service's base URL `server`. -EINVAL: no URL, or neither http nor https. -EACCES: http, and `server` is
 * https. Caller frees. */
int service_url(char **out, const char *server, const char *ref, struct err *err);

/* The same for a mirror: a copy of what digests decide on, with nothing in the request that is anybody's secret, may come over http. */
int service_url_mirror(char **out, const char *server, const char *ref, struct err *err);

#endif
