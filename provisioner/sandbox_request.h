/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_request: what the launcher of sandboxes is asked for, struct sandbox_options, as JSON:
 *
 *   {"program": PATH, "argv": [...], "env": [...] | null, "binds": [{"path", "inside", "writable", "device", "inode"}],
 *    "stdin": BOOL, "stdout": BOOL, "pass": BOOL, "memory_bytes", "file_bytes", "cpu_s", "fds"}
 *
 * The three booleans say which descriptors come with it, in this order.
 */
#ifndef VMCAST_SANDBOX_REQUEST_H
#define VMCAST_SANDBOX_REQUEST_H

#include "err.h"
#include "sandbox.h"

#include <jansson.h>

#define SANDBOX_REQUEST_FDS 3

/* Caller frees with json_decref. `fds` are those that go with it, borrowed from the options. */
int sandbox_request_write(json_t **out, int fds[static SANDBOX_REQUEST_FDS], size_t *fd_count,
			  const struct sandbox_options *options, struct err *err);

struct sandbox_request {
	struct sandbox_options options; /* strings are borrowed from the JSON, descriptors from `fds` */
	char **argv, **env;
	struct sandbox_bind *binds;
};

/* Caller frees with sandbox_request_free. -EPROTO: a field is missing or not what it must be, or a descriptor is. */
int sandbox_request_read(struct sandbox_request **out, const json_t *json, const int *fds, size_t fd_count,
			 struct err *err);
void sandbox_request_free(struct sandbox_request **r);

#endif
