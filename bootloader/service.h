/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service: the exchanges with vmcastd that are not bulk data, and how its answers are judged. */
#ifndef VMCAST_SERVICE_H
#define VMCAST_SERVICE_H

#include "boot_plan.h"
#include "http.h"
#include "progress.h"
#include "retry.h"

/* So many bytes that nobody needs are cheaper to receive than another request is to wait for. */
#define SERVICE_GAP_BYTES (64u << 10)

/* How to reach the service; strings and pointers are borrowed for as long as it is used. */
struct service {
	const char *server; /* base URL */
	const char *
		ca; /* PEM file: `server` must be https, and have a certificate of this CA; NULL: whom the system trusts */
	unsigned stall_s;        /* a connection on which nothing comes for so long is given up */
	unsigned retry_s;        /* how long errors that may pass are retried */
	const atomic_bool *stop; /* the user wants out */
	struct machine_key *key; /* signs what is posted; NULL: nothing does */
};

/* How the service is asked. No redirects are followed, since it never sends any; one over https is asked over nothing else. -EACCES:
 * there is a CA, and the service is not https. */
int service_options(struct http_options *out, const struct service *service, struct err *err);

/* An HTTP client for the service. Caller closes with http_close. */
int service_connect(struct http **out, const struct service *service, struct err *err);

/* One for an image, which may be on mirrors over http. Caller closes with http_close. */
int service_connect_mirrors(struct http **out, const struct service *service, struct err *err);

/* http_check_status, but for a refusal (401, 403), which is -EPROTO: -EACCES is kept for bytes that cannot be trusted.
 */
int service_check_status(const struct http_response *rs, const char *url, struct err *err);

/* http_perform of a request with a body, with the signature of the machine's key. -ENOKEY: the key does not sign. */
int service_post(struct http *http, const struct service *service, const struct http_request *rq,
		 struct http_response *rs, struct err *err);

/*
 * Send `request` (boot_plan_request) and read the plan, with retries. While the service makes the image ready, that is
 * shown and waited for, however long it takes. -EPROTO: the
 * service refuses this machine, or its answer is no plan. Caller frees with boot_plan_free.
 */
int service_get_plan(struct boot_plan *out, const struct service *service, const char *request,
		     struct progress *progress, struct err *err);

#endif
