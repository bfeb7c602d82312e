/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack: see unpack.h */
#include "unpack.h"

#include "backoff.h"
#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "sandbox.h"
#include "unpack_report.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSIDE_SCRATCH "/scratch"
#define INSIDE_KEYRING "/keyring"
#define GPGV           "/usr/bin/gpgv"
/* Of address space: a decoder may take CODEC_MEMORY_MAX; dictionaries of 7-Zip archives have no other limit. */
#define MEMORY_BYTES (1ull << 30)
/* Of processor time: xz unpacks some 50 MiB/s, so this is beyond disks of a few TiB. */
#define CPU_S ((uint64_t)24 * 60 * 60)
/* A file for each disk of an XVA, and a few. */
#define FDS      (UNPACK_DISKS_MAX + 32u)
#define POLL_MS  200
#define GPGV_MAX 65536
#define STALL_MS 600000u
#define LOOK_MS  1000u
/* Members of archives become files, at most 65536 of them, and few files are made of others. */
#define FILES_MAX  (66u << 10)
#define ROOM_BYTES (32u << 20)
#define GPGV_MS    600000u /* its processor time has a bound, its sleep has this one */

/* What comes through the pipe: lines. Only the last one is kept, which is the report. */
struct listener {
	int fd;
	uint64_t total_bytes;
	const struct unpack_options *options;
	char *line;
	size_t len, room;
	bool complete; /* the line is, and it is no progress */
	const struct sandbox *sandbox;
	int folder;       /* the scratch folder */
	uint64_t look_ms; /* when to look next */
	/* The last sign of life: when, and what it was. */
	uint64_t life_ms, life_bytes, life_cpu_ms;
};

static void done_listening(struct listener *l)
{
	free(l->line);
}

static int check_stop(const struct unpack_options *options, struct err *err)
{
	if (options->stop && atomic_load(options->stop))
		return err_set(err, -ECANCELED, "stopped");
	return 0;
}

/* A line of progress is an object with this one field; anything else is the report, which must be the last line. */
static int take_line(struct listener *l, struct err *err)
{
	CLEANUP(json_free) json_t *root = NULL;
	uint64_t done = 0;

	if (l->len > 64 || strncmp(l->line, "{\"done_bytes\"", 13) != 0) {
		l->complete = true;
		return 0;
	}
	int rc = json_parse_object(&root, l->line, l->len, err);
	if (!rc)
		rc = json_need_u64(&done, root, "done_bytes", INT64_MAX, err);
	if (rc)
		return err_wrap(err, "vmcast-unpack");
	l->len = 0;
	l->life_ms = clock_ms();
	if (!l->options->progress)
		return 0;
	return l->options->progress(l->options->ctx, done < l->total_bytes ? done : l->total_bytes, l->total_bytes,
				    err);
}

static int take_byte(struct listener *l, char c, struct err *err)
{
	if (l->complete)
		return err_set(err, -EPROTO, "vmcast-unpack: something follows its report");
	if (c == '\n') {
		l->line[l->len] = '\0';
		return take_line(l, err);
	}
	if (l->len + 1 == REPORT_BYTES_MAX)
		return err_set(err, -EFBIG, "vmcast-unpack: its report is longer than %u bytes", REPORT_BYTES_MAX);
	if (l->len + 2 > l->room) {
		size_t room = l->room ? 2 * l->room : 4096;
		char *more = realloc(l->line, room);

		if (!more)
			return err_set(err, -ENOMEM, "out of memory");
		l->line = more;
		l->room = room;
	}
	l->line[l->len++] = c;
	return 0;
}

/* vmcast-unpack keeps to these bounds by itself, unless it was taken over. `*bytes`: a number that grows with files. */
static int check_room(uint64_t *bytes, const struct listener *l, struct err *err)
{
	const uint64_t max = l->options->scratch_bytes_max;
	uint64_t taken = 0;
	unsigned files = 0;
	struct stat st;
	CLEANUP(close_fd) int fd = openat(l->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return err_set(err, -errno, "open '%s': %s", l->options->scratch, strerror(errno));
	(void)TAKE_FD(fd);
	*bytes = 0;
	for (const struct dirent *at; files <= FILES_MAX && (at = readdir(dir));) {
		if (strcmp(at->d_name, ".") == 0 || strcmp(at->d_name, "..") == 0 ||
		    fstatat(dirfd(dir), at->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		files++;
		taken += (uint64_t)st.st_blocks * 512;
		*bytes += (uint64_t)st.st_size + (uint64_t)st.st_blocks;
	}
	closedir(dir);
	if (files > FILES_MAX)
		return err_set(err, -EFBIG, "vmcast-unpack has made more than %u files", FILES_MAX);
	/* XFS allocates up to twice what is written to a file that grows, and every file ends with a block. */
	if (taken / 2 > max && taken / 2 - max > ROOM_BYTES)
		return err_set(err, -ENOSPC,
			       "vmcast-unpack has written %" PRIu64 " bytes, scratch_bytes_max is %" PRIu64, taken,
			       max);
	return 0;
}

/* Now and then, whether it says anything or not. Reading what it has unpacked it neither says nor writes something. */
static int look_after(struct listener *l, struct err *err)
{
	const uint64_t now_ms = clock_ms(), stall_ms = l->options->stall_ms ? l->options->stall_ms : STALL_MS;
	uint64_t bytes = 0;

	if (now_ms < l->look_ms)
		return 0;
	l->look_ms = now_ms + LOOK_MS;
	int rc = check_room(&bytes, l, err);
	if (rc)
		return rc;
	uint64_t cpu_ms = sandbox_cpu_ms(l->sandbox);
	if (!l->life_ms || bytes != l->life_bytes || cpu_ms >= l->life_cpu_ms + 1000) {
		l->life_ms = now_ms;
		l->life_bytes = bytes;
		l->life_cpu_ms = cpu_ms;
	}
	if (now_ms - l->life_ms > stall_ms)
		return err_set(err, -ETIMEDOUT, "vmcast-unpack does nothing any more");
	return 0;
}

/* Until it has ended, which it does once it has closed its end of the pipe. */
static int await_end(struct listener *l, struct err *err)
{
	struct pollfd wait = { .fd = sandbox_fd(l->sandbox), .events = POLLIN };
	int rc = 0;

	while (!rc && poll(&wait, 1, POLL_MS) <= 0) {
		rc = check_stop(l->options, err);
		if (!rc)
			rc = look_after(l, err);
	}
	return rc;
}

/* Until the other end is closed. */
static int listen_all(struct listener *l, struct err *err)
{
	struct pollfd wait = { .fd = l->fd, .events = POLLIN };
	char buf[4096];
	ssize_t got = 1;
	int rc = 0;

	while (!rc && got) {
		rc = check_stop(l->options, err);
		if (!rc)
			rc = look_after(l, err);
		if (rc)
			return rc;
		int ready = poll(&wait, 1, POLL_MS);
		if (ready < 0 && errno != EINTR)
			return err_set(err, -errno, "poll: %s", strerror(errno));
		if (ready <= 0)
			continue;
		got = read(l->fd, buf, sizeof(buf));
		if (got < 0)
			return err_set(err, -errno, "read from vmcast-unpack: %s", strerror(errno));
		for (ssize_t i = 0; i < got && !rc; i++)
			rc = l->room || buf[i] != '\n' ? take_byte(l, buf[i], err)
						       : err_set(err, -EPROTO, "vmcast-unpack: an empty line");
	}
	return rc;
}

/* It cannot name a file that it does not see, but it could have made a link or a folder. */
static int64_t file_bytes(void *ctx, const char *name)
{
	const int *fds = ctx; /* the enclosure, the scratch folder */
	struct stat st;

	if (name[0] ? fstatat(fds[1], name, &st, AT_SYMLINK_NOFOLLOW) : fstat(fds[0], &st))
		return -1;
	return S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
}

static int run_unpack(struct listener *l, int fd, int pipe_end, const struct unpack_options *options, struct err *err)
{
	CLEANUP(sandbox_close) struct sandbox *sandbox = NULL;
	char scratch_max[24], disk_max[24];
	char *const argv[] = { "vmcast-unpack", INSIDE_SCRATCH, scratch_max, disk_max, NULL };
	const struct sandbox_bind bind = { .path = options->scratch, .inside = INSIDE_SCRATCH, .writable = true };
	const struct sandbox_options how = {
		.program = options->program,
		.argv = argv,
		.binds = &bind,
		.bind_count = 1,
		.stdin_fd = fd,
		.stdout_fd = pipe_end,
		.pass_fd = -1,
		.memory_bytes = MEMORY_BYTES,
		/* As work_file_bytes_max has it, which says so in better words. */
		.file_bytes = options->disk_bytes_max + options->disk_bytes_max / 8 + (128u << 20),
		.cpu_s = CPU_S,
		.fds = FDS,
	};

	snprintf(scratch_max, sizeof(scratch_max), "%" PRIu64, options->scratch_bytes_max);
	snprintf(disk_max, sizeof(disk_max), "%" PRIu64, options->disk_bytes_max);
	int rc = sandbox_start(&sandbox, &how, err);
	close(pipe_end); /* the sandbox has it now: the pipe ends when it does */
	l->sandbox = sandbox;
	if (!rc)
		rc = listen_all(l, err);
	if (!rc)
		rc = await_end(l, err);
	if (!rc)
		rc = sandbox_wait(sandbox, err);
	if (!rc && !l->complete)
		return err_set(err, -EPROTO, "vmcast-unpack ended without a report");
	return rc;
}

/* Until there is something to read from it, or it has ended. */
static int await_gpgv(int fd, uint64_t until_ms, const struct unpack_options *options, struct err *err)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	int rc = 0, ready = 0;

	while (!rc && ready <= 0) {
		rc = check_stop(options, err);
		if (!rc && clock_ms() > until_ms)
			rc = err_set(err, -ETIMEDOUT, "gpgv does not come to an end");
		if (!rc && (ready = poll(&wait, 1, POLL_MS)) < 0 && errno != EINTR)
			rc = err_set(err, -errno, "poll: %s", strerror(errno));
	}
	return rc;
}

/*
 * What gpgv says on its status descriptor about one signature: who made it (what follows GOODSIG), and what is wrong
 * with it. An expired key or signature is none of gpgv's concern, by its exit status.
 */
static int read_status(char *signer, char *problem, size_t room, int fd, uint64_t until_ms,
		       const struct unpack_options *options, struct err *err)
{
	static const char *const bad[] = { "BADSIG ", "ERRSIG ", "EXPSIG ", "EXPKEYSIG ", "REVKEYSIG ", "NO_PUBKEY " };
	CLEANUP(free_str) char *said = calloc(1, GPGV_MAX + 1);
	size_t len = 0;

	if (!said)
		return err_set(err, -ENOMEM, "out of memory");
	for (ssize_t got = 1; got > 0; len += (size_t)got) {
		/* What stands behind the bound could be what is wrong; unread, it would have gpgv wait for ever. */
		if (len == GPGV_MAX)
			return err_set(err, -EFBIG, "gpgv says more than %d bytes about it", GPGV_MAX);
		if (await_gpgv(fd, until_ms, options, err))
			return err->code;
		got = read(fd, said + len, GPGV_MAX - len);
		if (got < 0)
			return err_set(err, -errno, "read from gpgv: %s", strerror(errno));
	}
	signer[0] = problem[0] = '\0';
	for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n")) {
		if (strncmp(line, "[GNUPG:] GOODSIG ", 17) == 0)
			log_quote(signer, room, line + 17);
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			if (strncmp(line, "[GNUPG:] ", 9) == 0 && strncmp(line + 9, bad[i], strlen(bad[i])) == 0)
				log_quote(problem, room, line + 9);
		}
	}
	return 0;
}

/* Good is a signature that gpgv calls so, and ends well about: all in the file are, and by keys of the keyring. */
static int run_gpgv(char signer[static 256], const struct report_signature *s, const struct unpack_options *options,
		    struct err *err)
{
	CLEANUP(sandbox_close) struct sandbox *sandbox = NULL;
	CLEANUP(close_fd) int from = -1;
	CLEANUP(close_fd) int to = -1;
	char file[32], signature[32], problem[256];
	char *const argv[] = { "gpgv",      "--homedir",    INSIDE_SCRATCH, "--status-fd", "1",
			       "--keyring", INSIDE_KEYRING, signature,      file,          NULL };
	const struct sandbox_bind binds[] = { { .path = options->scratch, .inside = INSIDE_SCRATCH },
					      { .path = options->keyring, .inside = INSIDE_KEYRING } };
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return err_set(err, -errno, "pipe: %s", strerror(errno));
	from = ends[0];
	to = ends[1];
	snprintf(file, sizeof(file), INSIDE_SCRATCH "/%s", s->file);
	snprintf(signature, sizeof(signature), INSIDE_SCRATCH "/%s", s->signature_file);
	const struct sandbox_options how = { .program = GPGV,
					     .argv = argv,
					     .binds = binds,
					     .bind_count = 2,
					     .stdin_fd = -1,
					     .stdout_fd = to,
					     .pass_fd = -1,
					     .memory_bytes = MEMORY_BYTES,
					     .file_bytes = 0,
					     .cpu_s = 60,
					     .fds = FDS };
	const uint64_t until_ms = clock_ms() + GPGV_MS;
	int rc = sandbox_start(&sandbox, &how, err);
	close(TAKE_FD(to));
	if (!rc)
		rc = read_status(signer, problem, sizeof(problem), from, until_ms, options, err);
	if (!rc && problem[0])
		return err_set(err, -EACCES, "it does not hold: %s", problem);
	if (!rc)
		rc = await_gpgv(sandbox_fd(sandbox), until_ms, options, err);
	if (!rc)
		rc = sandbox_wait(sandbox, err);
	return rc || signer[0] ? rc : err_set(err, -EACCES, "gpgv does not call it good");
}

/* With a keyring every signature must be good; without, the operator is told that nobody looked. */
static int check_signatures(struct report *report, const struct unpack_options *options, struct err *err)
{
	for (size_t i = 0; i < report->signature_count; i++) {
		const struct report_signature *s = &report->signatures[i];
		char signer[256], name[64];
		int rc;

		log_quote(name, sizeof(name), s->name);
		if (!options->keyring) {
			rc = report_note(report, err, "signature of '%s': not checked, there is no keyring", name);
		} else {
			rc = run_gpgv(signer, s, options, err);
			if (rc == -ECANCELED)
				return rc;
			if (rc == -EIO)
				err->code = -EACCES;
			if (rc)
				return err_wrap(err, "signature of '%s'", name);
			rc = report_note(report, err, "signature of '%s': good, by %s", name, signer);
			if (strcmp(s->name, "manifest.txt") == 0)
				report->unpacked->gpg_signed = true;
		}
		if (rc)
			return rc;
	}
	if (options->keyring && !report->signature_count)
		return report_note(report, err, "it carries no signature that could be checked");
	return 0;
}

int unpack_enclosure(struct unpacked **out, int fd, const struct unpack_options *options, struct err *err)
{
	CLEANUP(report_free) struct report *report = NULL;
	CLEANUP(close_fd) int folder = open(options->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(done_listening) struct listener l = { .fd = -1, .options = options };
	CLEANUP(close_fd) int from = -1;
	int ends[2];
	struct stat st;

	if (folder < 0)
		return err_set(err, -errno, "open '%s': %s", options->scratch, strerror(errno));
	if (fstat(fd, &st) || pipe2(ends, O_CLOEXEC))
		return err_set(err, -errno, "%s", strerror(errno));
	from = l.fd = ends[0];
	l.folder = folder;
	l.total_bytes = (uint64_t)st.st_size;
	int rc = run_unpack(&l, fd, ends[1], options, err);
	if (rc)
		return rc;
	int files[] = { fd, folder };
	rc = report_read(&report, l.line, l.len, file_bytes, files, err);
	if (!rc)
		rc = check_signatures(report, options, err);
	if (!rc)
		*out = TAKE(report->unpacked);
	return rc;
}
