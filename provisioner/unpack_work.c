/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_work: see unpack_work.h */
#include "unpack_work.h"

#include "bytes.h"
#include "cleanup.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Holes are made of whole blocks of this size, at multiples of it. */
#define HOLE_BYTES 4096u
#define TELL_BYTES (4u << 20)

int work_init(struct work *w, struct err *err)
{
	struct stat st;

	w->open_fd = -1;
	if (fstat(STDIN_FILENO, &st))
		return err_set(err, -errno, "enclosure: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "standard input must be the enclosure, a file");
	w->enclosure_bytes = (uint64_t)st.st_size;
	return 0;
}

void work_done(struct work *w)
{
	if (w->open_fd >= 0)
		close(w->open_fd);
	w->open_fd = -1;
}

int work_fd(int *out, struct work *w, const struct blob *blob, struct err *err)
{
	if (!blob->file[0]) {
		*out = STDIN_FILENO;
		return 0;
	}
	if (w->open_fd < 0 || strcmp(w->open_name, blob->file) != 0) {
		work_done(w);
		w->open_fd = open(blob->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (w->open_fd < 0)
			return err_set(err, -errno, "scratch file %s: %s", blob->file, strerror(errno));
		memcpy(w->open_name, blob->file, WORK_NAME);
	}
	*out = w->open_fd;
	return 0;
}

/* Some of it may be read twice, once to look at it: then the end comes a little early. */
static void tell_progress(struct work *w, size_t len)
{
	w->read_bytes += len;
	if (w->progress_fd < 0 || w->read_bytes - w->told_bytes < TELL_BYTES)
		return;
	w->told_bytes = w->read_bytes;
	/* Nobody may listen any more: then we are told to end, too. */
	if (dprintf(w->progress_fd, "{\"done_bytes\":%" PRIu64 "}\n", w->told_bytes) < 0)
		w->progress_fd = -1;
}

ssize_t blob_read(struct work *w, const struct blob *blob, void *buf, size_t len, uint64_t off, struct err *err)
{
	size_t done = 0;
	int fd, rc = work_fd(&fd, w, blob, err);

	if (rc)
		return rc;
	if (off >= blob->bytes)
		return 0;
	if (len > blob->bytes - off)
		len = blob->bytes - off;
	while (done < len) {
		ssize_t got = pread(fd, (char *)buf + done, len - done, (off_t)(blob->off + off + done));

		if (got < 0)
			return err_set(err, -errno, "read: %s", strerror(errno));
		if (got == 0)
			return err_set(err, -EBADMSG, "truncated: it ends at byte %" PRIu64, blob->off + off + done);
		done += (size_t)got;
	}
	if (!blob->file[0])
		tell_progress(w, done);
	return (ssize_t)done;
}

int blob_load(char **text, struct work *w, const struct blob *blob, size_t max, struct err *err)
{
	if (blob->bytes > max)
		return err_set(err, -EFBIG, "it has %" PRIu64 " bytes, at most %zu are read", blob->bytes, max);
	CLEANUP(free_str) char *out = malloc(blob->bytes + 1);
	if (!out)
		return err_set(err, -ENOMEM, "out of memory");
	ssize_t got = blob_read(w, blob, out, blob->bytes, 0, err);
	if (got < 0)
		return (int)got;
	out[got] = '\0';
	*text = TAKE(out);
	return 0;
}

/* Its name stays: the sandbox takes none away, so that what is in the scratch folder can be counted. */
static void empty_file(const char *name)
{
	CLEANUP(close_fd) int fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);

	(void)fd; /* room that could not be given back goes on counting */
}

void blob_drop(struct work *w, const struct blob *blob)
{
	if (!blob->file[0])
		return;
	if (w->open_fd >= 0 && strcmp(w->open_name, blob->file) == 0)
		work_done(w);
	empty_file(blob->file);
}

int scratch_create(struct scratch_file *f, struct work *w, uint64_t bytes_max, struct err *err)
{
	*f = (struct scratch_file){ .work = w, .bytes_max = bytes_max };
	snprintf(f->name, sizeof(f->name), "%u", w->file_count++ % 10000000);
	f->fd = open(f->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	return f->fd < 0 ? err_set(err, -errno, "scratch file %s: %s", f->name, strerror(errno)) : 0;
}

static int write_block(struct scratch_file *f, const uint8_t *data, size_t len, struct err *err)
{
	struct work *w = f->work;
	char most[UNITS_TEXT];

	if (w->scratch_bytes + len > w->scratch_bytes_max)
		return err_set(err, -EFBIG, "unpacking takes more than %s of room (scratch_bytes_max)",
			       units_bytes(most, w->scratch_bytes_max));
	while (len) {
		ssize_t put = pwrite(f->fd, data, len, (off_t)f->off);

		if (put < 0)
			return err_set(err, -errno, "write: %s", strerror(errno));
		data += put;
		len -= (size_t)put;
		f->off += (uint64_t)put;
		w->scratch_bytes += (uint64_t)put;
	}
	return 0;
}

static int check_length(const struct scratch_file *f, uint64_t end, struct err *err)
{
	char most[UNITS_TEXT];

	if (end >= f->off && end <= f->bytes_max)
		return 0;
	return err_set(err, -EFBIG, "it is larger than %s", units_bytes(most, f->bytes_max));
}

/* How many bytes from the start of `data` are of one kind, all data or all holes. */
static size_t run_length(const uint8_t *data, size_t len, uint64_t off, bool *zero)
{
	size_t done = 0;

	while (done < len) {
		size_t step = HOLE_BYTES - (size_t)((off + done) % HOLE_BYTES);
		if (step > len - done)
			step = len - done;
		bool is_zero = bytes_are_zero(data + done, step);

		if (done && is_zero != *zero)
			break;
		*zero = is_zero;
		done += step;
	}
	return done;
}

int scratch_write(struct scratch_file *f, const void *data, size_t len, struct err *err)
{
	const uint8_t *at = data;
	int rc = check_length(f, f->off + len, err);

	while (!rc && len) {
		bool zero = false;
		size_t run = run_length(at, len, f->off, &zero);

		if (zero)
			f->off += run;
		else
			rc = write_block(f, at, run, err);
		at += run;
		len -= run;
	}
	return rc;
}

int scratch_seek(struct scratch_file *f, uint64_t off, struct err *err)
{
	int rc = check_length(f, off, err);

	if (!rc)
		f->off = off;
	return rc;
}

int scratch_finish(struct blob *out, struct scratch_file *f, struct err *err)
{
	int rc = ftruncate(f->fd, (off_t)f->off) ? -errno : 0;

	if (close(TAKE_FD(f->fd)) && !rc)
		rc = -errno;
	if (rc)
		return err_set(err, rc, "scratch file %s: %s", f->name, strerror(-rc));
	*out = (struct blob){ .off = 0, .bytes = f->off };
	memcpy(out->file, f->name, WORK_NAME);
	return 0;
}

void scratch_cancel(struct scratch_file *f)
{
	if (f->fd < 0 || !f->work)
		return;
	close(TAKE_FD(f->fd));
	empty_file(f->name);
}

uint64_t work_file_bytes_max(const struct work *w)
{
	return w->disk_bytes_max + w->disk_bytes_max / 16 + (64u << 20);
}
