/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remote_index: see remote_index.h */
#include "remote_index.h"

#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct remote_index {
	struct http *http;
	const struct plan_image *image;
	struct retry retry; /* of reads while it is being opened */
	bool is_open;       /* and reads are not retried any more */
	struct index *index;
	uint8_t *out; /* where the piece under way goes */
	size_t have;  /* of it */
};

static int check_head(void *ctx, const struct http_response *rs, struct err *err)
{
	(void)ctx;
	return rs->status == 206
		       ? 0
		       : err_set(err, -EPROTO, "index: the server sends no parts of files (status %d)", rs->status);
}

static int take_body(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct remote_index *r = ctx;

	(void)err;
	memcpy(r->out + r->have, data, len);
	r->have += len;
	return 0;
}

static int read_once(struct remote_index *r, unsigned *retry_after_s, size_t len, uint64_t off, struct err *err)
{
	struct http_request rq = {
		.url = r->image->index_url,
		.ranged = true,
		.range_off = off,
		.range_bytes = len,
		.body_bytes_max = len,
		.on_head = check_head,
		.on_body = take_body,
		.ctx = r,
	};
	struct http_response rs = { 0 };

	r->have = 0;
	int rc = http_perform(r->http, &rq, &rs, err);
	*retry_after_s = rs.retry_after_s;
	if (!rc)
		rc = service_check_status(&rs, rq.url, err);
	if (!rc && r->have < len)
		rc = err_set(err, -ECONNRESET, "index: %zu bytes came, %zu were asked for", r->have, len);
	return rc;
}

static int read_at(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	struct remote_index *r = ctx;
	unsigned retry_after_s;
	int rc;

	r->out = buf;
	while ((rc = read_once(r, &retry_after_s, len, off, err)) != 0) {
		if (r->is_open)
			return rc;
		rc = retry_wait(&r->retry, retry_after_s, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* The digest makes the index right; what the plan says besides must agree with it, or somebody's books are wrong. */
static int check_plan(const struct plan_image *image, const struct index_header *h, struct err *err)
{
	if (h->disk_bytes != image->disk_bytes || h->image_bytes != image->image_bytes)
		return err_set(err, -EBADMSG,
			       "index: disk of %" PRIu64 " and image of %" PRIu64 " bytes, the plan says %" PRIu64
			       " and %" PRIu64,
			       h->disk_bytes, h->image_bytes, image->disk_bytes, image->image_bytes);
	return 0;
}

static int open_patiently(struct remote_index *r, const struct service *service, struct err *err)
{
	struct index_source source = { .read_at = read_at, .ctx = r, .bytes = r->image->index_bytes };
	struct retry content;
	int rc;

	retry_init(&r->retry, service->retry_s, service->stop);
	retry_init(&content, service->retry_s, service->stop);
	while ((rc = index_open(&r->index, &source, r->image->index_digest, err)) != 0) {
		/* What read_at gave up on was retried there already. */
		if (rc != -EACCES && rc != -EBADMSG)
			break;
		rc = retry_wait(&content, 0, err);
		if (rc)
			break;
		retry_reset(&r->retry);
	}
	r->is_open = true;
	return rc;
}

int remote_index_open(struct remote_index **out, const struct plan_image *image, const struct service *service,
		      struct err *err)
{
	CLEANUP(remote_index_close) struct remote_index *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, -ENOMEM, "index: out of memory");
	r->image = image;
	int rc = service_connect(&r->http, service, err);
	if (!rc)
		rc = open_patiently(r, service, err);
	if (!rc)
		rc = check_plan(image, index_get_header(r->index), err);
	if (rc)
		return rc;
	*out = TAKE(r);
	return 0;
}

void remote_index_close(struct remote_index **r)
{
	if (!*r)
		return;
	index_close(&(*r)->index);
	http_close(&(*r)->http);
	free(*r);
	*r = NULL;
}

struct index *remote_index_get(struct remote_index *r)
{
	return r->index;
}
