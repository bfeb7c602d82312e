/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signed_request: what a machine signs when it asks the service for something: method, path and the digest of the body.
 * The header field `Vmcast-Signature: KEYID:SIGNATURE`, both hex, goes with the request (docs/reference/api.md).
 */
#ifndef VMCAST_SIGNED_REQUEST_H
#define VMCAST_SIGNED_REQUEST_H

#include <stddef.h>

#define SIGNED_REQUEST_FIELD "Vmcast-Signature"

/* `path` as it was asked for, such as "/v1/plan". Caller frees; NULL: out of memory. */
char *signed_request_text(const char *method, const char *path, const void *body, size_t body_bytes);

#endif
