/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remote_image: see remote_image.h */
#include "remote_image.h"

#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* So many bytes that nobody needs are cheaper to receive than another request is to wait for. */
#define GAP_BYTES (64u << 10)

struct remote_image {
	struct http *http;
	const struct plan_image *image;
	struct index *index;
	struct retry retry;
	uint64_t frames_end; /* offset behind the last frame */
	char etag[DIGEST_HEX + 2];

	/* A fetch under way. */
	const struct chunk_sink *sink;
	uint64_t nr; /* the next chunk to be handed over */
	uint64_t end;

	/* A request of it under way. */
	uint64_t stop_nr;         /* it ends before this chunk */
	struct index_entry entry; /* of `nr` */
	uint8_t *frame;           /* where its frame goes, the sink's; NULL: nowhere, it is zeros */
	size_t have;              /* bytes of the frame that came */
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

static int begin_frame(struct remote_image *r, struct err *err)
{
	int rc = index_get_entry(r->index, &r->entry, r->nr, err);

	r->have = 0;
	r->frame = NULL;
	if (!rc && r->entry.kind == CHUNK_DATA)
		rc = r->sink->room(r->sink->ctx, &r->frame, r->nr, &r->entry, err);
	return rc;
}

static int end_frame(struct remote_image *r, struct err *err)
{
	int rc = 0;

	if (r->frame)
		r->sink->take(r->sink->ctx);
	else
		rc = r->sink->take_zeros(r->sink->ctx, r->nr, &r->entry, err);
	if (rc)
		return rc;
	r->nr++;
	return r->nr < r->stop_nr ? begin_frame(r, err) : 0;
}

/* More than the range that was asked for never gets here: body_bytes_max stops it. */
static int take_body(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct remote_image *r = ctx;

	while (len) {
		size_t part = r->entry.frame_bytes - r->have;

		if (part > len)
			part = len;
		if (r->frame)
			memcpy(r->frame + r->have, data, part);
		r->have += part;
		data += part;
		len -= part;
		if (r->have == r->entry.frame_bytes) {
			int rc = end_frame(r, err);

			if (rc)
				return rc;
		}
	}
	return 0;
}

/* One GET for the frames up to offset `stop_off`, where that of `stop_nr` begins. */
static int fetch_once(struct remote_image *r, unsigned *retry_after_s, uint64_t stop_off, struct err *err)
{
	struct http_response rs = { 0 };
	int rc = begin_frame(r, err);

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
	rc = http_perform(r->http, &rq, &rs, err);
	*retry_after_s = rs.retry_after_s;
	if (!rc)
		rc = service_check_status(&rs, rq.url, err);
	if (!rc && r->nr < r->stop_nr)
		rc = err_set(err, -ECONNRESET, "ended after %" PRIu64 " of %" PRIu64 " bytes", rs.body_bytes,
			     rq.range_bytes);
	return rc;
}

/* The zeros at `nr`, if there are any: what they are is known without a look. */
static int pass_zeros(struct remote_image *r, uint64_t end, struct err *err)
{
	while (r->nr < end) {
		int rc = index_get_entry(r->index, &r->entry, r->nr, err);

		if (rc || r->entry.kind != CHUNK_ZERO)
			return rc;
		rc = r->sink->take_zeros(r->sink->ctx, r->nr, &r->entry, err);
		if (rc)
			return rc;
		r->nr++;
	}
	return 0;
}

/* What one request from `nr` on, a data chunk, may cover: it ends with a data chunk, and before zeros that are too many
 * to fetch for nothing. */
static int find_stop(uint64_t *stop_off, struct remote_image *r, uint64_t end, struct err *err)
{
	for (uint64_t nr = r->nr; nr < end; nr++) {
		struct index_entry entry;
		int rc = index_get_entry(r->index, &entry, nr, err);

		if (rc)
			return rc;
		if (entry.kind == CHUNK_ZERO)
			continue;
		if (nr > r->nr && entry.frame_off - *stop_off >= GAP_BYTES)
			break;
		r->stop_nr = nr + 1;
		*stop_off = entry.frame_off + entry.frame_bytes;
	}
	return 0;
}

/* Of chunks whose entries are in one page of the index, so that looking ahead and then receiving reads it once. */
static int fetch_some(struct remote_image *r, unsigned *retry_after_s, struct err *err)
{
	uint64_t end = (r->nr / INDEX_PAGE_ENTRIES + 1) * INDEX_PAGE_ENTRIES, stop_off = 0;

	if (end > r->end)
		end = r->end;
	int rc = pass_zeros(r, end, err);
	if (rc || r->nr == end)
		return rc;
	rc = find_stop(&stop_off, r, end, err);
	return rc ? rc : fetch_once(r, retry_after_s, stop_off, err);
}

/* As much as goes without a failure. */
static int fetch_on(struct remote_image *r, unsigned *retry_after_s, struct err *err)
{
	struct err failed = { 0 };
	int rc = 0;

	*retry_after_s = 0;
	while (!rc && r->nr < r->end)
		rc = fetch_some(r, retry_after_s, err);
	/* What was received may have failed since, which is why there was no more room, or came before what else did. */
	if (r->sink->settle(r->sink->ctx, &r->nr, &failed) != 0)
		*err = failed;
	else if (!rc)
		return 0;
	return err->code;
}

static int fetch(void *ctx, uint64_t first, uint64_t end, const struct chunk_sink *sink, struct err *err)
{
	struct remote_image *r = ctx;

	r->sink = sink;
	r->nr = first;
	r->end = end;
	while (r->nr < r->end) {
		uint64_t before = r->nr;
		unsigned retry_after_s;
		int rc = fetch_on(r, &retry_after_s, err);

		/* Only what was verified: a chunk that always comes wrong always comes. */
		if (r->nr > before)
			retry_reset(&r->retry);
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

	if (!r)
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
