/* SPDX-License-Identifier: GPL-2.0-or-later */
/* static_file: see static_file.h */
#include "static_file.h"

#include "cleanup.h"
#include "range.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ETAG_MAX 96

static const char *header(const struct request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->conn, MHD_HEADER_KIND, name);
}

/* If-None-Match: `*`, or a list that has our tag, weak or not. */
static bool is_cached(const char *list, const char *etag)
{
	if (!list)
		return false;
	if (strcmp(list, "*") == 0)
		return true;
	for (const char *p = list; *p;) {
		p += strspn(p, " \t,");
		if (strncmp(p, "W/", 2) == 0)
			p += 2;
		size_t len = strcspn(p, ",");

		while (len && (p[len - 1] == ' ' || p[len - 1] == '\t'))
			len--;
		if (len == strlen(etag) && strncmp(p, etag, len) == 0)
			return true;
		p += strcspn(p, ",");
	}
	return false;
}

static int open_regular(const char *path, struct stat *st, struct err *err)
{
	/* Without O_NONBLOCK a FIFO put there would stop the thread. */
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return err_set(err, -ENOENT, "there is no such file");
	if (fd < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (fstat(fd, st) < 0)
		return err_set(err, -errno, "stat '%s': %s", path, strerror(errno));
	if (!S_ISREG(st->st_mode))
		return err_set(err, -ENOENT, "there is no such file");
	return TAKE_FD(fd);
}

/* `len` bytes of `fd` from `first` on. The response owns `fd` afterwards. */
static struct MHD_Response *file_response(int *fd, uint64_t first, uint64_t len)
{
	struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(len, *fd, first);

	if (response)
		*fd = -1;
	return response;
}

int reply_file(struct request *rq, const struct static_file *file, struct err *err)
{
	const char *cache = file->immutable ? "public, max-age=31536000, immutable" : "no-cache";
	char etag[ETAG_MAX], content_range[80];
	struct stat st;
	CLEANUP(close_fd) int fd = open_regular(file->path, &st, err);

	if (fd < 0)
		return fd;
	uint64_t file_bytes = (uint64_t)st.st_size;

	if (file->tag)
		snprintf(etag, sizeof(etag), "\"%s\"", file->tag);
	else
		snprintf(etag, sizeof(etag), "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"", file_bytes,
			 (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec);

	struct range range = range_parse(header(rq, "Range"), file_bytes);
	const char *if_range = header(rq, "If-Range");
	struct MHD_Response *response;
	unsigned status;

	if (if_range && strcmp(if_range, etag) != 0)
		range.kind = RANGE_WHOLE;
	if (is_cached(header(rq, "If-None-Match"), etag)) {
		status = MHD_HTTP_NOT_MODIFIED;
		response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
	} else if (range.kind == RANGE_UNSATISFIABLE) {
		status = MHD_HTTP_RANGE_NOT_SATISFIABLE;
		response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
		snprintf(content_range, sizeof(content_range), "bytes */%" PRIu64, file_bytes);
	} else if (range.kind == RANGE_PART) {
		status = MHD_HTTP_PARTIAL_CONTENT;
		response = file_response(&fd, range.first, range.last - range.first + 1);
		snprintf(content_range, sizeof(content_range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, range.first,
			 range.last, file_bytes);
	} else {
		status = MHD_HTTP_OK;
		response = file_response(&fd, 0, file_bytes);
	}
	int rc = reply_response(rq, status, response, file->type, cache, err);

	if (rc < 0)
		return rc;
	MHD_add_response_header(response, "ETag", etag);
	MHD_add_response_header(response, "Accept-Ranges", "bytes");
	if (status == MHD_HTTP_PARTIAL_CONTENT || status == MHD_HTTP_RANGE_NOT_SATISFIABLE)
		MHD_add_response_header(response, "Content-Range", content_range);
	return 0;
}
