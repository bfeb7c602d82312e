/* SPDX-License-Identifier: GPL-2.0-or-later */
/* remote_delta: see remote_delta.h */
#include "remote_delta.h"

#include "bytes.h"
#include "cleanup.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Of the records, what is known at one time: more than the longest one. */
#define WINDOW_BYTES   (64u << 10)
#define WINDOW_RECORDS (WINDOW_BYTES / DELTA_RECORD_BYTES)

static_assert(DELTA_RECORD_BYTES_MAX <= WINDOW_BYTES, "a window has one whole record at least");

/* A record of the window. */
struct known {
	struct delta_step step;
	uint64_t payload_off; /* in the file */
	bool is_needed;
};

struct remote_delta {
	const struct plan_image *image;
	struct progress *progress;
	struct http *http;
	struct retry retry;
	struct delta_apply *apply;
	struct delta_target target;
	uint8_t *payload; /* room for the longest */

	/* The delta that is tried. */
	const struct plan_delta *delta;
	struct delta_header header;
	uint64_t made, failed; /* records */
	bool is_disk_failed;   /* what ended it is the disk's, not the network's */
	uint64_t fetched_bytes;
	uint64_t all_bytes; /* of all deltas that were tried */

	/* The window. */
	uint8_t *bytes;
	struct known *known;
	size_t known_count;

	/* A request under way: for the buffer, or for payloads. */
	uint8_t *to;
	size_t at, end;    /* of the window's records */
	size_t have, want; /* bytes of the buffer, or of the payload of `at` */
};

int remote_delta_open(struct remote_delta **out, const struct index_header *h, const struct plan_image *image,
		      const struct service *service, struct progress *progress, struct err *err)
{
	*out = NULL;
	if (!image->delta_count)
		return 0;
	CLEANUP(remote_delta_close) struct remote_delta *r = calloc(1, sizeof(*r));
	if (!r)
		return err_set(err, -ENOMEM, "delta: out of memory");
	r->image = image;
	r->progress = progress;
	r->payload = malloc(index_frame_bytes_max(h->chunk_bytes));
	r->bytes = malloc(WINDOW_BYTES);
	r->known = calloc(WINDOW_RECORDS, sizeof(*r->known));
	if (!r->payload || !r->bytes || !r->known)
		return err_set(err, -ENOMEM, "delta: out of memory");
	retry_init(&r->retry, service->retry_s, service->stop);
	int rc = service_connect(&r->http, service, err);
	if (!rc)
		rc = delta_apply_new(&r->apply, h, err);
	if (rc)
		return rc;
	*out = TAKE(r);
	return 0;
}

void remote_delta_close(struct remote_delta **r)
{
	if (!*r)
		return;
	http_close(&(*r)->http);
	delta_apply_free(&(*r)->apply);
	free((*r)->payload);
	free((*r)->bytes);
	free((*r)->known);
	free(*r);
	*r = NULL;
}

static int check_head(void *ctx, const struct http_response *rs, struct err *err)
{
	const struct remote_delta *r = ctx;

	if (rs->status != 206)
		return err_set(err, -EPROTO, "status %d has no part of the file", rs->status);
	if (rs->range_total && rs->range_total != r->delta->bytes)
		return err_set(err, -EPROTO, "the file has %" PRIu64 " bytes, not %" PRIu64, rs->range_total,
			       r->delta->bytes);
	return 0;
}

/* Part of the file to `on_body`, which has got all of it when this returns 0. Tried again as often as there is hope. */
static int fetch(struct remote_delta *r, uint64_t off, uint64_t bytes,
		 int (*on_body)(void *ctx, const uint8_t *data, size_t len, struct err *err), struct err *err)
{
	struct http_request rq = {
		.url = r->delta->url,
		.ranged = true,
		.range_off = off,
		.range_bytes = bytes,
		.body_bytes_max = bytes,
		.on_head = check_head,
		.on_body = on_body,
		.ctx = r,
	};
	struct http_response rs = { 0 };
	int rc = http_perform(r->http, &rq, &rs, err);

	r->fetched_bytes += rs.body_bytes;
	r->all_bytes += rs.body_bytes;
	if (!rc)
		rc = service_check_status(&rs, rq.url, err);
	if (!rc && rs.body_bytes < bytes)
		rc = err_set(err, -ECONNRESET, "ended after %" PRIu64 " of %" PRIu64 " bytes", rs.body_bytes, bytes);
	if (!rc)
		retry_reset(&r->retry);
	else if (!r->is_disk_failed && retry_wait(&r->retry, rs.retry_after_s, err) == 0)
		return -EAGAIN;
	return rc;
}

static int take_bytes(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct remote_delta *r = ctx;

	(void)err;
	memcpy(r->to + r->have, data, len);
	r->have += len;
	return 0;
}

static int fetch_bytes(struct remote_delta *r, uint8_t *to, size_t bytes, uint64_t off, struct err *err)
{
	int rc;

	r->to = to;
	do {
		r->have = 0;
		rc = fetch(r, off, bytes, take_bytes, err);
	} while (rc == -EAGAIN);
	return rc;
}

static int fetch_header(struct remote_delta *r, struct err *err)
{
	uint8_t raw[DELTA_HEADER_BYTES];
	struct delta_header *h = &r->header;
	int rc = fetch_bytes(r, raw, sizeof(raw), 0, err);

	if (!rc)
		rc = delta_header_parse(h, raw, err);
	if (rc)
		return rc;
	if (!digest_equal(h->new_id, r->image->index_digest) ||
	    h->chunk_bytes != index_get_header(r->target.index)->chunk_bytes)
		return err_set(err, -EBADMSG, "it leads to another image");
	if (h->records_off + h->records_bytes != r->delta->bytes)
		return err_set(err, -EBADMSG, "it has %" PRIu64 " bytes, its header says %" PRIu64, r->delta->bytes,
			       h->records_off + h->records_bytes);
	return 0;
}

/* What of the window's bytes is whole records: `*used` of `bytes`. `*payload_off` is the next one's. */
static int parse_window(struct remote_delta *r, uint64_t *payload_off, size_t *used, size_t bytes, struct err *err)
{
	const struct index_header *h = index_get_header(r->target.index);
	size_t at = 0;

	r->known_count = 0;
	while (bytes - at >= DELTA_RECORD_BYTES) {
		struct known *known = &r->known[r->known_count];
		struct delta_record *record = &known->step.record;
		int rc = delta_record_parse(record, r->bytes + at, h, err);

		if (rc)
			return rc;
		if ((bytes - at - DELTA_RECORD_BYTES) / DELTA_RANGE_BYTES < record->range_count)
			break;
		if (record->payload_bytes > r->header.records_off - *payload_off)
			return err_set(err, -EBADMSG, "payloads run into the records");
		known->step.ranges = r->bytes + at + DELTA_RECORD_BYTES;
		known->step.payload = r->payload;
		known->payload_off = *payload_off;
		*payload_off += record->payload_bytes;
		at += DELTA_RECORD_BYTES + (size_t)record->range_count * DELTA_RANGE_BYTES;
		r->known_count++;
	}
	*used = at;
	return at ? 0 : err_set(err, -EBADMSG, "the last record is cut off");
}

/* Stashes are of no use where all chunks that they are fetched with are done. */
static void find_needed(struct remote_delta *r)
{
	bool has_chunk = false, any = false;

	for (size_t i = 0; i < r->known_count; i++) {
		struct known *known = &r->known[i];
		bool is_chunk = known->step.record.kind == DELTA_CHUNK;

		known->is_needed = !is_chunk || !delta_apply_is_done(r->apply, &known->step.record);
		has_chunk |= is_chunk;
		any |= is_chunk && known->is_needed;
	}
	for (size_t i = 0; i < r->known_count && has_chunk && !any; i++)
		r->known[i].is_needed = false;
}

static int end_payload(struct remote_delta *r, struct err *err)
{
	const struct known *known = &r->known[r->at++];
	struct err why = { 0 };

	r->have = 0;
	if (!known->is_needed)
		return 0;
	int rc = delta_apply_step(r->apply, &known->step, &why, err);
	if (rc < 0) {
		r->is_disk_failed = true;
		return rc;
	}
	r->made += rc > 0;
	r->failed += rc == 0;
	if (rc == 0)
		log_debug("delta", "%s %" PRIu64 ": %s", known->step.record.kind == DELTA_STASH ? "stash" : "chunk",
			  known->step.record.nr, why.text);
	/* -ENODATA comes from nowhere else. */
	if (!r->made && r->failed == REMOTE_DELTA_TRIES)
		return err_set(err, -ENODATA, "the disk holds something else");
	return 0;
}

static int take_payloads(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct remote_delta *r = ctx;

	while (len) {
		size_t part = r->known[r->at].step.record.payload_bytes - r->have;

		if (part > len)
			part = len;
		memcpy(r->payload + r->have, data, part);
		r->have += part;
		data += part;
		len -= part;
		if (r->have == r->known[r->at].step.record.payload_bytes) {
			int rc = end_payload(r, err);

			if (rc)
				return rc;
		}
	}
	return 0;
}

/* The payloads from `at` on that one request is to bring: up to a gap of what is not needed. */
static uint64_t find_end(struct remote_delta *r)
{
	uint64_t end_off = 0;

	for (size_t i = r->at; i < r->known_count; i++) {
		const struct known *known = &r->known[i];

		if (!known->is_needed)
			continue;
		if (end_off && known->payload_off - end_off >= SERVICE_GAP_BYTES)
			break;
		r->end = i + 1;
		end_off = known->payload_off + known->step.record.payload_bytes;
	}
	return end_off;
}

static int carry_out_window(struct remote_delta *r, struct err *err)
{
	int rc = 0;

	find_needed(r);
	r->at = 0;
	while (!rc || rc == -EAGAIN) {
		while (r->at < r->known_count && !r->known[r->at].is_needed)
			r->at++;
		if (r->at == r->known_count)
			return 0;
		uint64_t off = r->known[r->at].payload_off, end_off = find_end(r);

		r->have = 0;
		rc = fetch(r, off, end_off - off, take_payloads, err);
	}
	return rc;
}

static int carry_out(struct remote_delta *r, struct err *err)
{
	uint64_t off, end, payload_off = DELTA_HEADER_BYTES;
	int rc = fetch_header(r, err);

	off = r->header.records_off;
	end = off + r->header.records_bytes;
	while (!rc && off < end) {
		size_t bytes = end - off < WINDOW_BYTES ? (size_t)(end - off) : WINDOW_BYTES, used = 0;

		rc = fetch_bytes(r, r->bytes, bytes, off, err);
		if (!rc)
			rc = parse_window(r, &payload_off, &used, bytes, err);
		if (!rc)
			rc = carry_out_window(r, err);
		off += used;
	}
	return rc;
}

static void tell(const struct remote_delta *r)
{
	if (r->made)
		progress_mark(r->progress, "delta",
			      "%" PRIu64 " of %" PRIu64 " pieces made of what was on the disk, for %" PRIu64 " bytes",
			      r->made, r->header.record_count, r->fetched_bytes);
}

static int try(struct remote_delta *r, const struct plan_delta *delta, struct err *err)
{
	struct err failed;

	r->delta = delta;
	r->header = (struct delta_header){ 0 };
	r->made = r->failed = r->fetched_bytes = 0;
	int rc = carry_out(r, err);
	if (!r->is_disk_failed && delta_apply_end(r->apply, &failed) != 0) {
		r->is_disk_failed = true;
		*err = failed;
		rc = err->code;
	}
	tell(r);
	if (r->is_disk_failed || rc == -ECANCELED)
		return rc;
	if (rc && rc != -ENODATA)
		log_warn("delta from %.16s...: %s, ignoring", delta->from, err->text);
	return 0;
}

int remote_delta_apply(struct remote_delta *r, const struct delta_target *target, struct err *err)
{
	int rc = 0;

	if (!r)
		return 0;
	r->target = *target;
	delta_apply_begin(r->apply, target);
	r->is_disk_failed = false;
	for (size_t i = 0; i < r->image->delta_count && !rc; i++) {
		rc = try(r, &r->image->deltas[i], err);
		/* This is what the disk held. */
		if (r->made)
			break;
	}
	return rc;
}

uint64_t remote_delta_fetched_bytes(const struct remote_delta *r)
{
	return r ? r->all_bytes : 0;
}
