/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service_url: the only URLs that this program fetches. */
#ifndef VMCAST_SERVICE_URL_H
#define VMCAST_SERVICE_URL_H

#include "err.h"

/* `ref` (a path or full URL) against the service's base URL `server`. -EINVAL: no URL, or neither http nor https. Caller frees. */
int service_url(char **out, const char *server, const char *ref, struct err *err);

#endif
