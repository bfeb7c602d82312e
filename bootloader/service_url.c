/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service_url: see service_url.h */
#include "service_url.h"

#include "cleanup.h"
#include "http.h"

#include <errno.h>
#include <strings.h>

bool service_url_is_https(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0;
}

int service_url_mirror(char **out, const char *server, const char *ref, struct err *err)
{
	CLEANUP(free_str) char *url = NULL;

	if (http_url_join(&url, server, ref, err) != 0)
		return err_set(err, -EINVAL, "'%s' is not a URL", server);
	if (strncasecmp(url, "http://", 7) != 0 && !service_url_is_https(url))
		return err_set(err, -EINVAL, "'%s': only http and https are fetched", url);
	*out = TAKE(url);
	return 0;
}

int service_url(char **out, const char *server, const char *ref, struct err *err)
{
	CLEANUP(free_str) char *url = NULL;
	int rc = service_url_mirror(&url, server, ref, err);

	if (rc)
		return rc;
	if (service_url_is_https(server) && !service_url_is_https(url))
		return err_set(err, -EACCES, "'%s' is not https, and '%s' is", url, server);
	*out = TAKE(url);
	return 0;
}
