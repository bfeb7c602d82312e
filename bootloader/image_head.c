/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image_head: see image_head.h */
#include "image_head.h"

#include "cleanup.h"

#include <errno.h>
#include <string.h>

struct head {
	uint8_t *out;
	size_t len;
};

static int place(void *ctx, const uint8_t *bytes, uint64_t len, uint64_t off, struct err *err)
{
	const struct head *head = ctx;

	(void)err;
	if (bytes && off < head->len)
		memcpy(head->out + off, bytes, len < head->len - off ? (size_t)len : head->len - (size_t)off);
	return 0;
}

int image_head_read(uint8_t *out, size_t len, struct index *index, const struct chunk_source *source,
		    const atomic_bool *stop, struct err *err)
{
	const struct index_header *header = index_get_header(index);
	uint64_t chunks = (len - 1) / header->chunk_bytes + 1;
	CLEANUP(todo_free) struct todo *todo = NULL;
	CLEANUP(pipeline_free) struct pipeline *pipeline = NULL;
	/* What is received here is received again with the image, and counted then. */
	struct pipeline_options options = { .chunk_bytes_max = header->chunk_bytes, .stop = stop };
	struct head head = { .out = out, .len = len };

	if (chunks > header->chunk_count)
		chunks = header->chunk_count;
	memset(out, 0, len);
	if (!(todo = todo_new(header->chunk_count, stop)))
		return err_set(err, -ENOMEM, "out of memory");
	int rc = pipeline_new(&pipeline, &options, err);
	if (rc)
		return rc;
	const struct pipeline_target target = { .header = header, .todo = todo, .place = place, .ctx = &head };
	pipeline_begin(pipeline, &target);
	todo_begin(todo, chunks);
	todo_decided(todo, chunks);
	rc = source->fetch(source->ctx, todo, pipeline, err);
	pipeline_drain(pipeline);
	return rc;
}
