/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sandbox_impl: what the sandbox*.c share. Nobody else includes it. */
#ifndef VMCAST_SANDBOX_IMPL_H
#define VMCAST_SANDBOX_IMPL_H

#include "err.h"
#include "sandbox.h"

#include <linux/filter.h>
#include <sys/types.h>

/*
 * Whether this program was built with the address sanitizer, and so the programs of ours that it starts. It maps
 * terabytes that it never touches and reads /proc/self/maps.
 */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_HAS_ASAN 1
#endif
#endif
#ifndef SANDBOX_HAS_ASAN
#define SANDBOX_HAS_ASAN 0
#endif

/* What is kept of standard error. */
#define SANDBOX_STDERR_BYTES 16384u

struct sandbox {
	pid_t pid;
	int pidfd;
	int stderr_fd;
	int launcher_fd; /* the connection to the launcher whose child it is; -1: it is ours */
	uint64_t cpu_s;
	bool reaped;
	bool lost;       /* its status: somebody else has taken it, or the launcher is gone */
	int status;      /* of waitpid, once reaped */
	uint64_t used_s; /* processor time, once reaped */
};

/* One that has nothing yet. Caller closes with sandbox_close. */
struct sandbox *sandbox_new(const struct sandbox_options *options);

/* sandbox_start by a child of our own, and by the launcher at the other end of a unix socket (sandbox_client.c). */
int sandbox_start_child(struct sandbox **out, const struct sandbox_options *options, struct err *err);
int sandbox_start_remote(struct sandbox **out, const char *launcher, const struct sandbox_options *options,
			 struct err *err);

/* Wait for its end, and fill in what is known once it is reaped. */
void sandbox_reap(struct sandbox *s);
void sandbox_reap_remote(struct sandbox *s);

/* Have the launcher end it, if there is one, and wait for that. */
void sandbox_hang_up(struct sandbox *s);

/* What went wrong in the child, sent to its parent through status_fd. */
struct sandbox_failure {
	int code;      /* negative errno value */
	char step[64]; /* "mount '/disk'" */
};

/* All that the child needs, made before it exists: between clone and execve it may neither allocate nor lock. */
struct sandbox_room {
	const struct sandbox_options *options;
	bool user_namespace; /* with one of its own; without is for root where there can be none (in a chroot) */
	char uid_map[32], gid_map[32]; /* lines for /proc/self/uid_map and gid_map */
	struct sock_fprog filter;      /* system calls */
	int landlock_abi;              /* 0: the kernel has no Landlock */
	int *trees;                    /* per bind: a detached mount, made and used by the child */
	int stderr_fd, status_fd;
};

/* Lead to execve, or send a struct sandbox_failure and exit. In the child, in its new namespaces. */
__attribute__((noreturn)) void sandbox_enter(struct sandbox_room *room);

/* The list of system calls as a program for the kernel. Caller frees out->filter. */
int sandbox_filter_make(struct sock_fprog *out, struct err *err);

#endif
