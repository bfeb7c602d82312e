/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sandbox_client: sandboxes by a launcher, the side of vmcastd: see sandbox.h and sandbox_message.h */
#include "sandbox_impl.h"

#include "cleanup.h"
#include "json.h"
#include "sandbox_message.h"
#include "sandbox_request.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* For the service manager to start a launcher, and for that to build a room; a stop of ours has 30 s (vmcastd.service). */
#define ANSWER_MS 20000

static int connect_to(const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -EINVAL, "the path is too long");
	memcpy(address.sun_path, path, strlen(path));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return err_set(err, -errno, "connect: %s", strerror(errno));
	return TAKE_FD(fd);
}

/* Whether the group has `bits` (of a group) already, by being the file's own or as everybody. */
static bool is_shared(const struct stat *st, mode_t bits, gid_t group)
{
	const mode_t needed = st->st_gid == group ? bits : bits >> 3;

	return (st->st_mode & needed) == needed;
}

/*
 * What is ours can then be used by the group, in the way that `bits` say. The last part of the path may be the work of a
 * sandbox: a link there must not lead us to another file. `*ours`: it belongs to us.
 */
static int share_file(bool *ours, const char *path, mode_t bits, gid_t group, struct err *err)
{
	struct stat st;
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*ours = false;
	/* What we cannot read, or is not there, is for the launcher to tell. */
	if (fd < 0)
		return 0;
	if (fstat(fd, &st))
		return err_set(err, -errno, "stat '%s': %s", path, strerror(errno));
	*ours = st.st_uid == geteuid() && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
	if (!*ours || is_shared(&st, bits, group))
		return 0;
	if (fchown(fd, (uid_t)-1, group) || fchmod(fd, (st.st_mode & 0777) | bits))
		return err_set(err, -errno, "give '%s' to group %u: %s", path, (unsigned)group, strerror(errno));
	return 0;
}

/* The folders that lead to it, from the last one up, as far as they are ours. */
static int share_way(const char *path, gid_t group, struct err *err)
{
	char folder[PATH_MAX];
	bool ours = true;
	char *end;

	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
		return err_set(err, -ENAMETOOLONG, "the path is too long");
	while (ours && (end = strrchr(folder, '/')) && end > folder) {
		*end = '\0';
		if (share_file(&ours, folder, S_IXGRP, group, err))
			return err->code;
	}
	return 0;
}

static int share(const struct sandbox_bind *bind, gid_t group, struct err *err)
{
	struct stat st;
	bool ours;

	if (lstat(bind->path, &st))
		return 0;
	mode_t bits = S_IRGRP | (bind->writable ? S_IWGRP : 0) | (S_ISDIR(st.st_mode) ? S_IXGRP : 0);
	int rc = share_file(&ours, bind->path, bits, group, err);
	return rc || !ours ? rc : share_way(bind->path, group, err);
}

/* Our own group has what it has. */
static int share_binds(const struct sandbox_options *o, const json_t *hello, struct err *err)
{
	uint64_t group;

	if (json_need_u64(&group, hello, "group", UINT32_MAX - 1, err))
		return err->code;
	for (size_t i = 0; i < o->bind_count; i++)
		if (share(&o->binds[i], (gid_t)group, err))
			return err->code;
	return 0;
}

static int send_request(int fd, const struct sandbox_options *options, struct err *err)
{
	int fds[SANDBOX_REQUEST_FDS];
	size_t fd_count;
	json_t *json;

	if (sandbox_request_write(&json, fds, &fd_count, options, err))
		return err->code;
	return sandbox_message_send(fd, json, fds, fd_count, err);
}

/* It runs, or why it does not: `*why` is then as if it were our own child. */
static int read_answer(struct sandbox *s, struct sandbox_message *answer, struct err *err)
{
	uint64_t pid, code = 0;
	const char *text = "";

	if (json_want_u64(&code, answer->json, "error", 4095, err) ||
	    json_want_string(&text, answer->json, "text", SANDBOX_MESSAGE_BYTES, err))
		return err->code;
	if (code)
		return err_set(err, -(int)code, "%s", text);
	if (json_need_u64(&pid, answer->json, "pid", INT_MAX, err))
		return err->code;
	if (answer->fd_count != 2 || !pid)
		return err_set(err, -EPROTO, "the answer of the launcher of sandboxes has no pidfd");
	s->pid = (pid_t)pid;
	s->pidfd = TAKE_FD(answer->fds[0]);
	s->stderr_fd = TAKE_FD(answer->fds[1]);
	return 0;
}

static int ask(struct sandbox_message *answer, struct sandbox *s, const char *launcher,
	       const struct sandbox_options *options, struct err *err)
{
	CLEANUP(sandbox_message_done) struct sandbox_message hello = { 0 };

	s->launcher_fd = connect_to(launcher, err);
	if (s->launcher_fd < 0 || sandbox_message_receive(&hello, s->launcher_fd, ANSWER_MS, err) ||
	    share_binds(options, hello.json, err) || send_request(s->launcher_fd, options, err) ||
	    sandbox_message_receive(answer, s->launcher_fd, ANSWER_MS, err)) {
		/* A service manager will have it again; nothing is wrong with what was to be opened. */
		err->code = -EAGAIN;
		return err_wrap(err, "launcher of sandboxes '%s'", launcher);
	}
	return 0;
}

int sandbox_start_remote(struct sandbox **out, const char *launcher, const struct sandbox_options *options,
			 struct err *err)
{
	CLEANUP(sandbox_close) struct sandbox *s = sandbox_new(options);
	CLEANUP(sandbox_message_done) struct sandbox_message answer = { 0 };

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = ask(&answer, s, launcher, options, err);
	if (!rc)
		rc = read_answer(s, &answer, err);
	if (!rc)
		*out = TAKE(s);
	return rc;
}

void sandbox_reap_remote(struct sandbox *s)
{
	CLEANUP(sandbox_message_done) struct sandbox_message end = { 0 };
	uint64_t status;
	struct err ignored;

	s->lost = sandbox_message_receive(&end, s->launcher_fd, -1, &ignored) ||
		  json_need_u64(&status, end.json, "status", INT_MAX, &ignored) ||
		  json_need_u64(&s->used_s, end.json, "used_s", INT64_MAX, &ignored);
	s->status = s->lost ? 0 : (int)status;
	s->reaped = true;
}

void sandbox_hang_up(struct sandbox *s)
{
	struct pollfd end = { .fd = s->pidfd, .events = POLLIN };

	if (s->launcher_fd < 0)
		return;
	close_fd(&s->launcher_fd);
	while (s->pidfd >= 0 && poll(&end, 1, -1) < 0 && errno == EINTR)
		;
}
