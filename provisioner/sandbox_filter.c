/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sandbox_filter: the system calls that a sandboxed program may make -> a seccomp program. */
#include "sandbox_impl.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What qemu-nbd and libarchive were seen to need, and what their libraries fall back to elsewhere. Everything else
 * fails with EPERM, which libraries take for "not permitted here" and do without: no socket, no ioctl, no ptrace, no
 * mount, no bpf, no io_uring, no keys, no signals to others; and no unlink, rename or mkdir, so that all it has on a disk
 * is where whoever counts it looks. The names are the kernel's; one that this machine's architecture does not have is
 * left out.
 */
static const int allowed[] = {
	/* files that are open, and files that can be seen */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(stat), SCMP_SYS(fstat),
	SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(statfs),
	SCMP_SYS(fstatfs), SCMP_SYS(fcntl), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(fadvise64), SCMP_SYS(getcwd), SCMP_SYS(chdir), SCMP_SYS(umask), SCMP_SYS(dup),
	SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(pipe2),
	/* memory */
	SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise), SCMP_SYS(brk),
	/* threads and itself */
	SCMP_SYS(execve), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq), SCMP_SYS(set_tid_address), SCMP_SYS(arch_prctl), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(membarrier), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(getppid),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getrlimit),
	SCMP_SYS(prlimit64), SCMP_SYS(getrusage), SCMP_SYS(uname), SCMP_SYS(sysinfo), SCMP_SYS(getrandom),
	/* signals to itself: as process 1 of its own it sees nobody else */
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigsuspend),
	SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack), SCMP_SYS(signalfd4), SCMP_SYS(tgkill),
	SCMP_SYS(restart_syscall),
	/* time and waiting */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(timer_create), SCMP_SYS(timer_settime), SCMP_SYS(timer_delete),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select),
	SCMP_SYS(pselect6), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2),
	/* the socket it was given: it cannot make one */
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(shutdown)
};

/* A thread of the same process, in the same namespaces. */
#define THREAD_MASK                                                                                                    \
	(CLONE_THREAD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |      \
	 CLONE_NEWCGROUP)

/* A file without a name. */
#define UNNAMED_MASK (O_TMPFILE & ~O_DIRECTORY)

/* Returns 0 or a negative errno value, as libseccomp does. */
static int add_rules(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp new_thread = { 0, SCMP_CMP_MASKED_EQ, THREAD_MASK, CLONE_THREAD };
	const struct scmp_arg_cmp set_name = { 0, SCMP_CMP_EQ, PR_SET_NAME, 0 };
	const struct scmp_arg_cmp open_named = { 1, SCMP_CMP_MASKED_EQ, UNNAMED_MASK, 0 };
	const struct scmp_arg_cmp openat_named = { 2, SCMP_CMP_MASKED_EQ, UNNAMED_MASK, 0 };
	/* glibc tries clone3, whose flags a filter cannot see, and takes clone where the kernel does not know it. */
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (!rc)
		rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, &new_thread);
	if (!rc)
		rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, &set_name);
	if (!rc)
		rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, &open_named);
	if (!rc)
		rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, &openat_named);
	for (size_t i = 0; !rc && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
	return rc;
}

/* libseccomp writes the program to a descriptor. */
static int export_program(struct sock_fprog *out, scmp_filter_ctx ctx)
{
	CLEANUP(close_fd) int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -errno;
	int rc = seccomp_export_bpf(ctx, fd);
	if (rc)
		return rc;
	if (fstat(fd, &st))
		return -errno;
	CLEANUP(free_mem) struct sock_filter *filter = malloc((size_t)st.st_size);
	if (!filter)
		return -ENOMEM;
	if (pread(fd, filter, (size_t)st.st_size, 0) != st.st_size)
		return -EIO;
	out->len = (unsigned short)((size_t)st.st_size / sizeof(*filter));
	out->filter = TAKE(filter);
	return 0;
}

int sandbox_filter_make(struct sock_fprog *out, struct err *err)
{
	/* A call of another architecture's table (32 bits) kills: libseccomp's default. */
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = ctx ? 0 : -ENOMEM;

	if (!rc)
		rc = add_rules(ctx);
	if (!rc)
		rc = export_program(out, ctx);
	seccomp_release(ctx);
	return rc ? err_set(err, rc, "make the list of system calls: %s", strerror(-rc)) : 0;
}
