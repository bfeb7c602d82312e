/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox: one program that reads hostile bytes, in a room of its own.
 *
 * What it sees is a small root of its own with the program, /usr/lib (read-only) and the given binds. It has no
 * network, no processes to look at, no capabilities, no way to make another process, a short list of system calls,
 * and limits on memory, time, files and what it writes; where the kernel has Landlock, that says the same once more.
 * docs/explanation/threat-model.md has the list.
 *
 * The process is a child of ours, or, where the environment has SANDBOX_LAUNCHER, of the launcher that answers on that
 * socket (vmcast-sandbox), which may be another user: then what is bound is first given to that user's group, as far as
 * it belongs to us, with the folders that lead there.
 *
 * It never runs with fewer walls than that. A host that permits none (neither root nor user namespaces) is an error.
 */
#ifndef VMCAST_SANDBOX_H
#define VMCAST_SANDBOX_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Environment: path of a unix socket (SOCK_SEQPACKET). */
#define SANDBOX_LAUNCHER "VMCAST_SANDBOX"

/* A file or folder of the host that the program sees. */
struct sandbox_bind {
	const char *path;   /* on the host; symbolic links in its last part are refused */
	const char *inside; /* "/disk": directly below the root */
	bool writable;
	/* If inode is not 0: `path` must still be this very file, which the caller has looked into. */
	dev_t device;
	ino_t inode;
};

struct sandbox_options {
	const char *program; /* on the host, an absolute path; argv[0] is what the program sees as its name */
	char *const *argv;
	char *const *env; /* all of its environment, NULL: empty. It is process 1 of its own. */
	const struct sandbox_bind *binds;
	size_t bind_count;
	int stdin_fd, stdout_fd; /* -1: nothing to read, nowhere to write; borrowed until sandbox_start returns */
	int pass_fd;             /* becomes descriptor 3; -1: none; borrowed the same way */
	uint64_t
		memory_bytes; /* of address space; not applied where the address sanitizer is built in, which needs it all */
	uint64_t file_bytes; /* the longest file it may write */
	uint64_t cpu_s;      /* of processor time */
	unsigned fds;        /* how many descriptors it may have open */
};

struct sandbox;

/*
 * Start the program. It is killed when the calling thread ends (by a launcher: the process), whatever ends it. Caller
 * closes with sandbox_close.
 * -EPERM: this host does not permit what the walls are made of; the error says what to set. -ESTALE: a bind is
 * another file than the caller looked into. -EAGAIN: the launcher does not answer.
 */
int sandbox_start(struct sandbox **out, const struct sandbox_options *options, struct err *err);

/* A descriptor that is readable once the program has ended; borrowed until sandbox_close. */
int sandbox_fd(const struct sandbox *s);

/*
 * Wait for its end: 0 for exit status 0; else -EIO with how it ended and what it said on standard error. SIGCHLD must
 * not be ignored: then nobody knows how it ended, which is -EIO, too. -EAGAIN: the launcher is gone, and it with it.
 */
int sandbox_wait(struct sandbox *s, struct err *err);

/* How much processor time it has had, while it runs; 0: not known. */
uint64_t sandbox_cpu_ms(const struct sandbox *s);

/* After sandbox_wait: its exit status, -1 if a signal ended it or nobody knows. */
int sandbox_exit_status(const struct sandbox *s);

/*
 * What the program has said on standard error so far (the beginning of it, bounded), as text that fits into a line of
 * a log; "" for nothing. `out` is also what this returns.
 */
#define SANDBOX_SAID_ROOM 512
const char *sandbox_said(const struct sandbox *s, char out[static SANDBOX_SAID_ROOM]);

/* Kill it if it still runs, and reap it. NULL is fine. */
void sandbox_close(struct sandbox **s);

#endif
