/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sandbox: see sandbox.h; the parent's side. */
#include "sandbox_impl.h"

#include "cleanup.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The id that the program has inside. */
#define INSIDE_ID 65534u

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

static void room_done(struct sandbox_room *room)
{
	free(room->filter.filter);
	free(room->trees);
}

/*
 * Standard error is a file in memory that cannot grow: nobody has to read it while the program runs, and the
 * program cannot fill anything with it.
 */
static int make_stderr(struct err *err)
{
	CLEANUP(close_fd) int fd = memfd_create("stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, SANDBOX_STDERR_BYTES) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return err_set(err, -errno, "make a file for standard error: %s", strerror(errno));
	return TAKE_FD(fd);
}

static int prepare(struct sandbox_room *room, const struct sandbox_options *options, struct err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	room->options = options;
	room->landlock_abi = abi > 0 ? (int)abi : 0;
	snprintf(room->uid_map, sizeof(room->uid_map), "%u %u 1", INSIDE_ID, (unsigned)geteuid());
	snprintf(room->gid_map, sizeof(room->gid_map), "%u %u 1", INSIDE_ID, (unsigned)getegid());
	room->trees = calloc(options->bind_count + 1, sizeof(*room->trees));
	if (!room->trees)
		return err_set(err, -ENOMEM, "out of memory");
	return sandbox_filter_make(&room->filter, err);
}

/* clone as fork: a copy of the calling thread. */
static pid_t clone_room(struct sandbox_room *room, unsigned long flags, int *pidfd)
{
	room->user_namespace = flags & CLONE_NEWUSER;
	pid_t pid = (pid_t)syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD, NULL, pidfd, NULL, 0);

	if (pid == 0)
		sandbox_enter(room);
	return pid;
}

/* No handler of ours may run in the child. */
static pid_t clone_quietly(struct sandbox_room *room, int *pidfd, struct err *err)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid_t pid = clone_room(room, NAMESPACES | CLONE_NEWUSER, pidfd);
	int code = errno;
	/* In a chroot nobody can have a user namespace, and root does not need one. */
	if (pid < 0)
		pid = clone_room(room, NAMESPACES, pidfd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return err_set(
			err, code == ENOSPC || code == EINVAL ? -EPERM : -code,
			"this host does not permit user namespaces, without which nothing foreign is opened (%s): "
			"set sysctl user.max_user_namespaces above 0 and kernel.unprivileged_userns_clone = 1, "
			"and do not run it as an ordinary user in a chroot",
			strerror(code));
	return pid;
}

/* Until it executes the program, or tells why it cannot. */
static int await_exec(int status_fd, const struct sandbox_options *options, struct err *err)
{
	struct sandbox_failure failure;
	ssize_t got;

	do
		got = read(status_fd, &failure, sizeof(failure));
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return 0;
	if (got != sizeof(failure))
		return err_set(err, -EIO, "sandbox for '%s': its start was interrupted", options->program);
	failure.step[sizeof(failure.step) - 1] = '\0';
	return err_set(err, failure.code, "sandbox for '%s': %s: %s", options->program, failure.step,
		       strerror(-failure.code));
}

static int start(struct sandbox *s, struct sandbox_room *room, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, "pipe: %s", strerror(errno));
	CLEANUP(close_fd) int status_fd = fds[0];
	room->stderr_fd = s->stderr_fd;
	room->status_fd = fds[1];
	s->pid = clone_quietly(room, &s->pidfd, err);
	close(fds[1]);
	return s->pid < 0 ? (int)s->pid : await_exec(status_fd, room->options, err);
}

struct sandbox *sandbox_new(const struct sandbox_options *options)
{
	struct sandbox *s = calloc(1, sizeof(*s));

	if (s) {
		s->pid = s->pidfd = s->stderr_fd = s->launcher_fd = -1;
		s->cpu_s = options->cpu_s;
	}
	return s;
}

int sandbox_start_child(struct sandbox **out, const struct sandbox_options *options, struct err *err)
{
	CLEANUP(room_done) struct sandbox_room room = { 0 };
	CLEANUP(sandbox_close) struct sandbox *s = sandbox_new(options);

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->stderr_fd = make_stderr(err);
	int rc = s->stderr_fd < 0 ? s->stderr_fd : prepare(&room, options, err);
	if (!rc)
		rc = start(s, &room, err);
	if (!rc)
		*out = TAKE(s);
	return rc;
}

int sandbox_start(struct sandbox **out, const struct sandbox_options *options, struct err *err)
{
	const char *launcher = getenv(SANDBOX_LAUNCHER);

	return launcher ? sandbox_start_remote(out, launcher, options, err) : sandbox_start_child(out, options, err);
}

int sandbox_fd(const struct sandbox *s)
{
	return s->pidfd;
}

uint64_t sandbox_cpu_ms(const struct sandbox *s)
{
	struct timespec used;
	clockid_t clock;

	if (s->reaped || clock_getcpuclockid(s->pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

static void reap_child(struct sandbox *s)
{
	struct rusage usage = { 0 };

	while (!s->reaped) {
		/* Nobody else waits for our child: a signal can come between, and a kernel that is told to ignore SIGCHLD. */
		pid_t got = wait4(s->pid, &s->status, 0, &usage);
		s->lost = got < 0 && errno != EINTR;
		s->reaped = got == s->pid || s->lost;
	}
	s->used_s = (uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec;
}

void sandbox_reap(struct sandbox *s)
{
	if (s->reaped)
		return;
	if (s->launcher_fd >= 0)
		sandbox_reap_remote(s);
	else
		reap_child(s);
}

const char *sandbox_said(const struct sandbox *s, char out[static SANDBOX_SAID_ROOM])
{
	char text[SANDBOX_STDERR_BYTES + 1];
	ssize_t got = pread(s->stderr_fd, text, SANDBOX_STDERR_BYTES, 0);
	size_t len = got > 0 ? strnlen(text, (size_t)got) : 0;

	while (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	for (char *line = text; (line = strchr(line, '\n'));)
		*line = ';';
	/* The cause is what was said last. */
	return log_quote(out, SANDBOX_SAID_ROOM, len < SANDBOX_SAID_ROOM ? text : text + len - SANDBOX_SAID_ROOM + 1);
}

int sandbox_wait(struct sandbox *s, struct err *err)
{
	char said[SANDBOX_SAID_ROOM];

	sandbox_reap(s);
	if (s->lost && s->launcher_fd >= 0)
		return err_set(err, -EAGAIN, "how it ended is not known: the launcher of sandboxes is gone");
	if (s->lost)
		return err_set(err, -EIO, "how it ended is not known; is SIGCHLD ignored?");
	if (WIFEXITED(s->status) && WEXITSTATUS(s->status) == 0)
		return 0;
	sandbox_said(s, said);
	bool killed = WIFSIGNALED(s->status);
	if (killed && s->used_s + 1 >= s->cpu_s)
		return err_set(err, -EIO, "it used all of its %" PRIu64 " s of processor time%s%s", s->cpu_s,
			       said[0] ? ": " : "", said);
	return err_set(err, -EIO, "it ended %s %d%s%s", killed ? "by signal" : "with status",
		       killed ? WTERMSIG(s->status) : WEXITSTATUS(s->status), said[0] ? ": " : "", said);
}

int sandbox_exit_status(const struct sandbox *s)
{
	return !s->lost && WIFEXITED(s->status) ? WEXITSTATUS(s->status) : -1;
}

void sandbox_close(struct sandbox **sandbox)
{
	struct sandbox *s = *sandbox;

	if (!s)
		return;
	if (s->launcher_fd < 0 && s->pid > 0 && !s->reaped) {
		kill(s->pid, SIGKILL);
		reap_child(s);
	}
	sandbox_hang_up(s);
	close_fd(&s->pidfd);
	close_fd(&s->stderr_fd);
	free(s);
	*sandbox = NULL;
}
