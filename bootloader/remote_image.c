/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remote_image: see remote_image.h */
#include "remote_image.h"

#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct remote_image {
	struct http *http;
	const struct plan_image *image;
	struct index *index;
	struct retry retry;
	uint64_t frames_end; /* offset behind the last frame */
	char etag[DIGEST_HEX + 2];
	uint8_t *frame; /* the one being received; room for the longest */

	/* A fetch under way. */
	const struct chunk_sink *sink;
	uint64_t nr; /* the next chunk to be taken */
	uint64_t end;
	struct index_entry entry; /* of `nr` */
	size_t have;              /* bytes in `frame` */
	bool progress;            /* a chunk was taken since the last failure */
};

static int check_head(void *ctx, const struct http_response *rs, struct err *err)
{
	const struct remote_image *r = ctx;

	if (rs->status != 206)
		return err_set(err, -EPROTO, "the server sends no parts of files (status %d)", rs->status);
	if (rs->range_total && rs->range_total != r->image->image_bytes)
		return err_set(err, -EPROTO, "the server's file has %" PRIu64 " bytes, the image %" PRIu64,
			       rs->range_total, r->image->image_bytes);
	if (rs->etag[0] && strcmp(rs->etag, r->etag) != 0)
		return err_set(err, -EPROTO, "the server's file is another one (ETag %s)", rs->etag);
	return 0;
}

static int take_frame(struct remote_image *r, struct err *err)
{
	int rc = r->sink->take(r->sink->ctx, r->nr, &r->entry, r->frame, err);

	if (rc)
		return rc;
	r->progress = true;
	r->have = 0;
	r->nr++;
	return r->nr < r->end ? index_get_entry(r->index, &r->entry, r->nr, err) : 0;
}

/* More than the range that was asked for never gets here: body_bytes_max stops it. */
static int take_body(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct remote_image *r = ctx;

	while (len) {
		size_t part = r->entry.frame_bytes - r->have;

		if (part > len)
			part = len;
		memcpy(r->frame + r->have, data, part);
		r->have += part;
		data += part;
		len -= part;
		if (r->have == r->entry.frame_bytes) {
			int rc = take_frame(r, err);

			if (rc)
				return rc;
		}
	}
	return 0;
}

/* One GET for everything that is still wanted, up to offset `stop_off`. */
static int fetch_once(struct remote_image *r, unsigned *retry_after_s, uint64_t stop_off, struct err *err)
{
	struct http_response rs = { 0 };
	int rc = index_get_entry(r->index, &r->entry, r->nr, err);

	*retry_after_s = 0;
	if (rc)
		return rc;
	struct http_request rq = {
		.url = r->image->image_url,
		.ranged = true,
		.range_off = r->entry.frame_off,
		.range_bytes = stop_off - r->entry.frame_off,
		.body_bytes_max = stop_off - r->entry.frame_off,
		.on_head = check_head,
		.on_body = take_body,
		.ctx = r,
	};
	r->have = 0;
	rc = http_perform(r->http, &rq, &rs, err);
	*retry_after_s = rs.retry_after_s;
	if (!rc)
		rc = service_check_status(&rs, rq.url, err);
	if (!rc && r->nr < r->end)
		rc = err_set(err, -ECONNRESET, "ended after %" PRIu64 " of %" PRIu64 " bytes", rs.body_bytes,
			     rq.range_bytes);
	return rc;
}

static int find_stop(uint64_t *stop_off, struct remote_image *r, struct err *err)
{
	struct index_entry next;

	*stop_off = r->frames_end;
	if (r->end == index_get_header(r->index)->chunk_count)
		return 0;
	int rc = index_get_entry(r->index, &next, r->end, err);
	if (!rc)
		*stop_off = next.frame_off;
	return rc;
}

static int fetch_some(struct remote_image *r, unsigned *retry_after_s, struct err *err)
{
	uint64_t stop_off;
	int rc = find_stop(&stop_off, r, err);

	return rc ? rc : fetch_once(r, retry_after_s, stop_off, err);
}

static int fetch(void *ctx, uint64_t first, uint64_t end, const struct chunk_sink *sink, struct err *err)
{
	struct remote_image *r = ctx;

	r->sink = sink;
	r->nr = first;
	r->end = end;
	while (r->nr < r->end) {
		unsigned retry_after_s = 0;
		int rc = fetch_some(r, &retry_after_s, err);

		if (r->progress)
			retry_reset(&r->retry);
		r->progress = false;
		if (rc) {
			err_wrap(err, "image: chunk %" PRIu64, r->nr);
			rc = retry_wait(&r->retry, retry_after_s, err);
		}
		if (rc)
			return rc;
	}
	return 0;
}

/* Called right after the index was opened, when its last page is still at hand. */
static int find_frames_end(struct remote_image *r, struct err *err)
{
	struct index_entry last;
	int rc = index_get_entry(r->index, &last, index_get_header(r->index)->chunk_count - 1, err);

	if (!rc)
		r->frames_end = last.frame_off + last.frame_bytes;
	return rc;
}

int remote_image_open(struct remote_image **out, struct index *index, const struct plan_image *image,
		      const struct service *service, struct err *err)
{
	CLEANUP(remote_image_close) struct remote_image *r = calloc(1, sizeof(*r));

	if (r)
		r->frame = malloc(index_frame_bytes_max(index_get_header(index)->chunk_bytes));
	if (!r || !r->frame)
		return err_set(err, -ENOMEM, "image: out of memory");
	r->index = index;
	r->image = image;
	snprintf(r->etag, sizeof(r->etag), "\"%s\"", image->id);
	retry_init(&r->retry, service->retry_s, service->stop);
	int rc = service_connect(&r->http, service, err);
	if (!rc)
		rc = find_frames_end(r, err);
	if (rc)
		return rc;
	*out = TAKE(r);
	return 0;
}

void remote_image_close(struct remote_image **r)
{
	if (!*r)
		return;
	http_close(&(*r)->http);
	free((*r)->frame);
	free(*r);
	*r = NULL;
}

uint64_t remote_image_bytes(const struct remote_image *r)
{
	return r->frames_end;
}

struct chunk_source remote_image_source(struct remote_image *r)
{
	return (struct chunk_source){ .fetch = fetch, .ctx = r };
}
