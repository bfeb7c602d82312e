/* SPDX-License-Identifier: GPL-2.0-or-later */
/* download: see download.h */
#include "download.h"

#include "backoff.h"
#include "cleanup.h"
#include "http.h"
#include "json.h"
#include "log.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PATH_ROOM     4096
#define STATE_SUFFIX  ".state"
#define BOOT_ID_CHARS 37

/* One download goes on at a time: what is slower than the slowest modem keeps all others waiting. */
#define SLOW_BYTES_PER_S 1024u
#define SLOW_S           60u
/* So much renews the patience: what a server sends that is just fast enough. */
#define PROGRESS_BYTES (SLOW_BYTES_PER_S * SLOW_S)

struct download {
	const struct download_options *options;
	int fd;
	char state_path[PATH_ROOM];
	uint64_t have;  /* bytes of the file that are there and good */
	uint64_t best;  /* how many there were when patience was renewed last: only much more than that is progress */
	uint64_t total; /* length of the whole, 0: not known */
	char etag[128]; /* strong; empty: none, it cannot be continued */
	bool changed;   /* the server has another file now: start anew */
	bool complete;
};

/* Tells one boot from another: after a power cut a file may be long and yet lack what had not reached the disk. */
static void read_boot_id(char out[static BOOT_ID_CHARS])
{
	CLEANUP(close_file) FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || fscanf(file, "%36s", out) != 1)
		out[0] = '\0';
}

/* A weak validator ("W/...") promises a file that means the same, not one with the same bytes (RFC 9110, section 8.8.1). */
static void keep_strong_etag(struct download *d, const char *etag)
{
	snprintf(d->etag, sizeof(d->etag), "%s", etag[0] == '"' ? etag : "");
}

/* No complete file is longer. */
static uint64_t longest(const struct download *d)
{
	return d->options->length ? d->options->length : d->options->bytes_max;
}

static void start_anew(struct download *d)
{
	d->have = d->total = 0;
	d->etag[0] = '\0';
}

/* What an earlier call left: used only if it is a part of the same file. */
static void load_state(struct download *d)
{
	CLEANUP(json_free) json_t *state = json_load_file(d->state_path, 0, NULL);
	const char *url = "", *etag = "", *boot = "";
	char boot_id[BOOT_ID_CHARS];
	uint64_t total = 0, durable = 0;
	struct err ignored;
	struct stat st;

	if (!json_is_object(state) || fstat(d->fd, &st) || json_need_string(&url, state, "url", SIZE_MAX, &ignored) ||
	    strcmp(url, d->options->url) != 0 ||
	    json_need_string(&etag, state, "etag", sizeof(d->etag) - 1, &ignored) ||
	    json_need_string(&boot, state, "boot", BOOT_ID_CHARS, &ignored) ||
	    json_need_u64(&total, state, "total", INT64_MAX, &ignored) ||
	    json_need_u64(&durable, state, "durable", INT64_MAX, &ignored))
		return;
	read_boot_id(boot_id);
	uint64_t size = (uint64_t)st.st_size;
	keep_strong_etag(d, etag);
	/* The feed may say another length by now. */
	if (!d->etag[0] || (total && size > total) || size > longest(d))
		return;
	d->total = total;
	d->have = boot_id[0] && strcmp(boot, boot_id) == 0 ? size : size < durable ? size : durable;
}

/* Best effort: without it the next call starts from the beginning. `durable`: what is there has been flushed. */
static void save_state(const struct download *d, bool durable)
{
	char boot_id[BOOT_ID_CHARS];

	read_boot_id(boot_id);
	CLEANUP(json_free)
	json_t *state = json_pack("{s:s, s:s, s:s, s:I, s:I}", "url", d->options->url, "etag", d->etag, "boot", boot_id,
				  "total", (json_int_t)d->total, "durable", (json_int_t)(durable ? d->have : 0));
	if (!state || json_dump_file(state, d->state_path, JSON_INDENT(1)))
		log_debug("download", "cannot write '%s'", d->state_path);
}

static int check_length(const struct download *d, uint64_t length, struct err *err)
{
	char size[UNITS_TEXT], most[UNITS_TEXT];

	if (d->options->length && length != d->options->length)
		return err_set(err, -EBADMSG, "the feed says %" PRIu64 " bytes, the server has %" PRIu64,
			       d->options->length, length);
	if (length > d->options->bytes_max)
		return err_set(err, -EFBIG, "it is %s long, the limit is %s (disk_bytes_max)",
			       units_bytes(size, length), units_bytes(most, d->options->bytes_max));
	return 0;
}

static int check_room(const struct download *d, struct err *err)
{
	char need_text[UNITS_TEXT], room_text[UNITS_TEXT];
	struct statvfs fs;

	if (fstatvfs(d->fd, &fs))
		return 0;
	uint64_t need = d->total > d->have ? d->total - d->have : 0;
	uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (need <= room)
		return 0;
	return err_set(err, -ENOSPC, "download needs %s more, '%s' has room for %s", units_bytes(need_text, need),
		       d->options->path, units_bytes(room_text, room));
}

/* The whole comes (200), or the rest of what we have (206; http.c has compared its beginning with what was asked for). */
static int on_head(void *ctx, const struct http_response *rs, struct err *err)
{
	struct download *d = ctx;

	if (rs->status == 206) {
		uint64_t total = rs->range_total;

		/* A part comes with the validator that the whole came with (RFC 9110, section 15.3.7); else it may be
		 * of another file. */
		if (strcmp(rs->etag, d->etag) != 0 || (d->total && total && total != d->total)) {
			d->changed = true;
			return err_set(err, -EAGAIN, "the server's file changed meanwhile");
		}
		d->total = total;
	} else {
		if (d->have)
			log_info("download '%s': starting from the beginning, the server sends the whole",
				 d->options->path);
		d->have = 0;
		d->total = rs->has_length ? rs->length : 0;
		keep_strong_etag(d, rs->etag);
	}
	int rc = d->total ? check_length(d, d->total, err) : 0;
	if (!rc)
		rc = check_room(d, err);
	if (rc)
		return rc;
	/* What lies behind `have` is of another file, or was never flushed. */
	if (ftruncate(d->fd, (off_t)d->have))
		return err_set(err, -errno, "truncate '%s': %s", d->options->path, strerror(errno));
	save_state(d, false);
	return 0;
}

static int on_body(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct download *d = ctx;
	uint64_t most = longest(d);

	if (d->have > most || len > most - d->have)
		return err_set(err, -EFBIG, "the server sends more than %" PRIu64 " bytes%s", most,
			       d->options->length ? ", the length in the feed" : " (disk_bytes_max)");
	while (len) {
		ssize_t put = pwrite(d->fd, data, len, (off_t)d->have);

		if (put < 0)
			return err_set(err, -errno, "write '%s': %s", d->options->path, strerror(errno));
		d->have += (uint64_t)put;
		data += put;
		len -= (size_t)put;
	}
	return d->options->progress ? d->options->progress(d->options->ctx, d->have, d->total, err) : 0;
}

/* A response of any status is in: what does it mean for us? */
static int judge(struct download *d, const struct http_response *rs, struct err *err)
{
	if (rs->status == 416) {
		d->changed = true;
		return err_set(err, -EAGAIN, "the server's file is shorter than what was received of it");
	}
	bool unchanged = rs->status == 304 && d->total && d->have == d->total;
	int rc = unchanged ? 0 : http_check_status(rs, d->options->url, err);
	if (rc)
		return rc;
	/* A server may send less of the rest than was asked for: then there is more to ask for. */
	if (d->total && d->have < d->total)
		return 0;
	/* Without a Content-Length, a connection that was cut looks like one that was done. */
	if (!d->total && d->have < d->options->length)
		return err_set(err, -ECONNRESET, "cut off after %" PRIu64 " of %" PRIu64 " bytes", d->have,
			       d->options->length);
	d->complete = true;
	return check_length(d, d->have, err);
}

/* One request. A complete file is only asked whether it is still the same. */
static int ask(struct download *d, struct http *http, unsigned *retry_after_s, struct err *err)
{
	bool full = d->total && d->have == d->total;
	struct http_request rq = {
		.url = d->options->url,
		.ranged = d->have && !full,
		.range_off = d->have,
		.if_range = d->have && !full ? d->etag : NULL,
		.if_none_match = full ? d->etag : NULL,
		.body_bytes_max = UINT64_MAX, /* on_body knows better */
		.on_head = on_head,
		.on_body = on_body,
		.ctx = d,
	};
	struct http_response rs = { 0 };
	int rc = http_perform(http, &rq, &rs, err);

	*retry_after_s = rs.retry_after_s;
	if (!rc)
		rc = judge(d, &rs, err);
	/* Whatever comes next, what there is now is worth keeping. */
	if (d->have)
		save_state(d, fdatasync(d->fd) == 0);
	if (d->changed || (rc && !d->etag[0]))
		start_anew(d);
	d->changed = false;
	return rc;
}

/* Ask until the file is complete, an error is final, or nothing more came for too long. */
static int ask_patiently(struct download *d, struct http *http, struct err *err)
{
	struct backoff backoff;

	backoff_init(&backoff, d->options->patience_s);
	while (!d->complete) {
		unsigned retry_after_s;
		int rc = ask(d, http, &retry_after_s, err);

		if (d->have >= d->best + PROGRESS_BYTES) {
			backoff_reset(&backoff);
			d->best = d->have;
		} else if (!rc && !d->complete) {
			rc = err_set(err, -EAGAIN, "the server sends next to nothing of what is missing");
		}
		if (!rc)
			continue;
		int64_t ms = http_is_transient(rc) ? backoff_next_ms(&backoff, retry_after_s) : -1;
		if (ms < 0)
			return rc;
		log_warn("download: %s, retrying in %" PRId64 " s", err->text, (ms + 999) / 1000);
		rc = clock_sleep_ms((uint64_t)ms, d->options->stop, err);
		if (rc)
			return rc;
	}
	return 0;
}

int download_file(const struct download_options *options, struct err *err)
{
	CLEANUP(http_close) struct http *http = NULL;
	struct http_options http_options = {
		.slow_bytes_per_s = SLOW_BYTES_PER_S,
		.slow_s = SLOW_S,
		.stop = options->stop,
	};
	struct download d = { .options = options };

	if (snprintf(d.state_path, sizeof(d.state_path), "%s" STATE_SUFFIX, options->path) >= (int)sizeof(d.state_path))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", options->path);
	CLEANUP(close_fd) int fd = open(options->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, -errno, "open '%s': %s", options->path, strerror(errno));
	d.fd = fd;
	load_state(&d);
	source_policy_apply(options->policy, options->url, &http_options);
	int rc = http_open(&http, &http_options, err);
	return rc ? rc : ask_patiently(&d, http, err);
}

void download_discard(const char *path)
{
	char state_path[PATH_ROOM];

	unlink(path);
	if (snprintf(state_path, sizeof(state_path), "%s" STATE_SUFFIX, path) < (int)sizeof(state_path))
		unlink(state_path);
}
