/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as what the launcher of sandboxes is asked for: what is made of it keeps the promises of sandbox_request.h. */
#include "json.h"
#include "sandbox_request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const int fds[SANDBOX_REQUEST_FDS] = { 100, 101, 102 };
	struct sandbox_request *request = NULL, *again = NULL;
	json_t *json = NULL, *written = NULL;
	int sent[SANDBOX_REQUEST_FDS];
	size_t sent_count;
	struct err err;

	/* The first byte: how many descriptors come with it. */
	if (!len || json_parse_object(&json, (const char *)data + 1, len - 1, &err))
		return 0;
	size_t fd_count = data[0] & SANDBOX_REQUEST_FDS;
	if (sandbox_request_read(&request, json, fds, fd_count, &err) == 0) {
		const struct sandbox_options *o = &request->options;

		assert(o->program[0] == '/' && o->argv[0]);
		for (size_t i = 0; i < o->bind_count; i++)
			assert(o->binds[i].path[0] == '/' && strrchr(o->binds[i].inside, '/') == o->binds[i].inside);
		assert(sandbox_request_write(&written, sent, &sent_count, o, &err) == 0 && sent_count == fd_count);
		assert(sandbox_request_read(&again, written, sent, sent_count, &err) == 0);
		assert(again->options.bind_count == o->bind_count && again->options.pass_fd == o->pass_fd);
		sandbox_request_free(&again);
		json_decref(written);
		sandbox_request_free(&request);
	} else {
		assert(err.code < 0);
	}
	json_decref(json);
	return 0;
}
