/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox_walls: what the child does between clone and execve: its root, its limits, its rights. It is a copy of one
 * thread of a program with many, so another may have held any lock: only system calls here, no memory, no stdio.
 *
 * Sources: namespaces(7), user_namespaces(7), pivot_root(2), mount_setattr(2), capabilities(7), landlock(7),
 * seccomp(2).
 */
#include "sandbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the new root is attached on its way to "/": a folder that is there on every host that can have a sandbox. */
#define STAGE "/proc"
/* Threads. qemu-nbd was seen with 8; its pool never has more than 64. */
#define THREADS_MAX 128

#define PROGRAM "/program"

__attribute__((noreturn)) static void fail_because(const struct sandbox_room *room, int code, const char *step)
{
	struct sandbox_failure failure = { .code = code };
	size_t len = strnlen(step, sizeof(failure.step) - 1);

	memcpy(failure.step, step, len);
	/* Whoever does not read it sees an exit status. */
	ssize_t sent = write(room->status_fd, &failure, sizeof(failure));
	_exit(sent == sizeof(failure) ? 1 : 2);
}

__attribute__((noreturn)) static void fail(const struct sandbox_room *room, const char *step)
{
	fail_because(room, -errno, step);
}

/* The end of the parent's thread is ours, also if it came before we could ask for that. */
static void die_with_parent(const struct sandbox_room *room)
{
	struct pollfd status = { .fd = room->status_fd };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		fail(room, "prctl PR_SET_PDEATHSIG");
	if (poll(&status, 1, 0) < 0 || (status.revents & POLLERR))
		_exit(2);
}

/* -1: /dev/null. */
static int lift(const struct sandbox_room *room, int fd, int flags)
{
	int from = fd >= 0 ? fd : open("/dev/null", flags | O_CLOEXEC);
	int lifted = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, 16);

	if (lifted < 0)
		fail(room, "duplicate a descriptor");
	return lifted;
}

/* 0, 1, 2 and perhaps 3 are what was given; everything else is closed by execve. */
static void set_descriptors(struct sandbox_room *room)
{
	const struct sandbox_options *o = room->options;
	int given[4] = { lift(room, o->stdin_fd, O_RDONLY), lift(room, o->stdout_fd, O_WRONLY),
			 lift(room, room->stderr_fd, O_WRONLY), o->pass_fd < 0 ? -1 : lift(room, o->pass_fd, 0) };

	room->status_fd = lift(room, room->status_fd, 0);
	for (int i = 0; i < 4; i++) {
		if (given[i] >= 0 && dup2(given[i], i) < 0)
			fail(room, "dup2");
	}
	if (close_range(given[3] < 0 ? 3 : 4, ~0U, CLOSE_RANGE_CLOEXEC))
		fail(room, "close_range");
}

static void write_proc(const struct sandbox_room *room, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(room, path);
	close(fd);
}

static void set_ids(const struct sandbox_room *room)
{
	if (!room->user_namespace) {
		/* Not by the C library, whose lock another thread may have held when we were copied. */
		if (syscall(SYS_setgroups, 0, NULL))
			fail(room, "setgroups");
		return;
	}
	write_proc(room, "/proc/self/setgroups", "deny");
	write_proc(room, "/proc/self/uid_map", room->uid_map);
	write_proc(room, "/proc/self/gid_map", room->gid_map);
}

/*
 * Nothing we do to our copies of the mounts may reach the host's. False: we are in a chroot whose root is no mount
 * point, then that holds for the place where we attach ours, which is all that we change.
 */
static bool make_mounts_private(const struct sandbox_room *room)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return true;
	if (errno != EINVAL)
		fail(room, "make mounts private");
	if (mount(NULL, STAGE, NULL, MS_PRIVATE, NULL))
		fail(room, "make the mount " STAGE " private");
	return false;
}

static void set_attributes(const struct sandbox_room *room, int tree, uint64_t set, const char *step)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | set };

	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)))
		fail(room, step);
}

/* A copy of what is mounted at `path`, attached nowhere yet. -1: there is no such thing. */
static int copy_tree(const struct sandbox_room *room, const char *path, uint64_t attributes)
{
	int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);

	if (tree >= 0)
		set_attributes(room, tree, attributes, path);
	else if (errno != ENOENT)
		fail(room, path);
	return tree;
}

/* The file must be the one that the caller has looked into. */
static int copy_bind(const struct sandbox_room *room, const struct sandbox_bind *bind)
{
	struct stat st;
	int tree = copy_tree(room, bind->path, MOUNT_ATTR_NOEXEC | (bind->writable ? 0 : MOUNT_ATTR_RDONLY));

	if (tree < 0 || fstatat(tree, "", &st, AT_EMPTY_PATH))
		fail(room, bind->path);
	if (bind->inode && (st.st_ino != bind->inode || st.st_dev != bind->device))
		fail_because(room, -ESTALE, bind->path);
	return tree;
}

static int make_tmpfs(const struct sandbox_room *room)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", "256k", 0) ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fail(room, "make a tmpfs");
	int root = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (root < 0)
		fail(room, "mount a tmpfs");
	close(fs);
	return root;
}

/* Put a tree at `inside` ("/disk") of the root we stand in. */
static void attach(const struct sandbox_room *room, int tree, const char *inside)
{
	const char *name = inside + 1;
	struct stat st;

	if (fstatat(tree, "", &st, AT_EMPTY_PATH))
		fail(room, inside);
	if (S_ISDIR(st.st_mode) ? mkdir(name, 0755) : mknod(name, S_IFREG | 0444, 0))
		fail(room, inside);
	if (move_mount(tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH))
		fail(room, inside);
	close(tree);
}

/*
 * Libraries, where the loader looks for them: /usr/lib and what else there is of /lib, /lib64 and /usr/lib64. Where the
 * host has symbolic links (merged /usr), so have we.
 */
static const struct {
	const char *path, *link;
} libraries[] = {
	{ "/usr/lib", NULL },
	{ "/usr/lib64", NULL },
	{ "/lib", "usr/lib" },
	{ "/lib64", "usr/lib64" },
};
#define LIBRARIES (sizeof(libraries) / sizeof(libraries[0]))

static void copy_libraries(const struct sandbox_room *room, int trees[static LIBRARIES])
{
	struct stat st;

	for (size_t i = 0; i < LIBRARIES; i++) {
		bool is_folder = lstat(libraries[i].path, &st) == 0 && S_ISDIR(st.st_mode);

		trees[i] = is_folder ? copy_tree(room, libraries[i].path, MOUNT_ATTR_RDONLY) : -1;
	}
}

static void attach_libraries(const struct sandbox_room *room, const int trees[static LIBRARIES])
{
	if (mkdir("usr", 0755))
		fail(room, "/usr");
	for (size_t i = 0; i < LIBRARIES; i++) {
		if (trees[i] >= 0)
			attach(room, trees[i], libraries[i].path);
		else if (libraries[i].link && symlink(libraries[i].link, libraries[i].path + 1))
			fail(room, libraries[i].path);
	}
}

/* What the address sanitizer reads about its own process. */
static void attach_proc(const struct sandbox_room *room, int proc)
{
	if (mkdir("proc", 0755) || move_mount(proc, "", AT_FDCWD, "proc", MOVE_MOUNT_F_EMPTY_PATH))
		fail(room, "/proc");
	close(proc);
}

static int make_proc(const struct sandbox_room *room)
{
	int fs = fsopen("proc", FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fail(room, "make a proc file system");
	int proc = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (proc < 0)
		fail(room, "mount a proc file system");
	close(fs);
	return proc;
}

/* The old root is gone from our mounts afterwards; in a chroot it stays there, and no path leads to it. */
static void leave_old_root(const struct sandbox_room *room, bool pivot)
{
	if (pivot) {
		if (syscall(SYS_pivot_root, ".", "."))
			fail(room, "pivot_root");
		if (umount2(".", MNT_DETACH))
			fail(room, "detach the old root");
	} else if (chroot(".")) {
		fail(room, "chroot");
	}
	if (chdir("/"))
		fail(room, "chdir");
}

static void build_root(const struct sandbox_room *room)
{
	const struct sandbox_options *o = room->options;
	int library_trees[LIBRARIES];
	bool pivot = make_mounts_private(room);
	int root = make_tmpfs(room);
	int proc = SANDBOX_HAS_ASAN ? make_proc(room) : -1;
	int program = copy_tree(room, o->program, MOUNT_ATTR_RDONLY);

	if (program < 0)
		fail_because(room, -ENOENT, o->program);
	copy_libraries(room, library_trees);
	for (size_t i = 0; i < o->bind_count; i++)
		room->trees[i] = copy_bind(room, &o->binds[i]);
	if (move_mount(root, "", AT_FDCWD, STAGE, MOVE_MOUNT_F_EMPTY_PATH) || fchdir(root))
		fail(room, "attach the new root");
	attach(room, program, PROGRAM);
	attach_libraries(room, library_trees);
	for (size_t i = 0; i < o->bind_count; i++)
		attach(room, room->trees[i], o->binds[i].inside);
	if (proc >= 0)
		attach_proc(room, proc);
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	if (mount_setattr(root, "", AT_EMPTY_PATH, &read_only, sizeof(read_only)))
		fail(room, "make the new root read-only");
	leave_old_root(room, pivot);
}

static void limit(const struct sandbox_room *room, int what, uint64_t value, const char *step)
{
	struct rlimit old, new = { value, value };

	/* Whoever started us may have been given less. */
	if (getrlimit((__rlimit_resource_t)what, &old))
		fail(room, step);
	if (new.rlim_max > old.rlim_max)
		new.rlim_cur = new.rlim_max = old.rlim_max;
	if (setrlimit((__rlimit_resource_t)what, &new))
		fail(room, step);
}

static void set_limits(const struct sandbox_room *room)
{
	const struct sandbox_options *o = room->options;

	if (!SANDBOX_HAS_ASAN)
		limit(room, RLIMIT_AS, o->memory_bytes, "RLIMIT_AS");
	/* Standard error is a file, too. */
	limit(room, RLIMIT_FSIZE, o->file_bytes > SANDBOX_STDERR_BYTES ? o->file_bytes : SANDBOX_STDERR_BYTES,
	      "RLIMIT_FSIZE");
	limit(room, RLIMIT_CPU, o->cpu_s, "RLIMIT_CPU");
	limit(room, RLIMIT_NOFILE, o->fds, "RLIMIT_NOFILE");
	limit(room, RLIMIT_NPROC, THREADS_MAX, "RLIMIT_NPROC");
	limit(room, RLIMIT_CORE, 0, "RLIMIT_CORE");
	limit(room, RLIMIT_MEMLOCK, 0, "RLIMIT_MEMLOCK");
	limit(room, RLIMIT_MSGQUEUE, 0, "RLIMIT_MSGQUEUE");
}

/* Not even in its own user namespace, and not by executing anything. */
static void drop_capabilities(const struct sandbox_room *room)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };
	unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
			     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
			     SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) || prctl(PR_SET_SECUREBITS, bits, 0, 0, 0))
		fail(room, "set the secure bits");
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			fail(room, "drop a capability");
	}
	if (syscall(SYS_capset, &header, none))
		fail(room, "drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		fail(room, "prctl PR_SET_NO_NEW_PRIVS");
}

/*
 * Landlock's rights by the version of its interface that brought them, as far as this knows it; older headers do not
 * have them all.
 */
#define LANDLOCK_FS_V1       ((1ull << 13) - 1)
#define LANDLOCK_FS_REFER    (1ull << 13) /* 2 */
#define LANDLOCK_FS_TRUNCATE (1ull << 14) /* 3 */
#define LANDLOCK_NET_TCP     3ull         /* 4: bind, connect */
#define LANDLOCK_FS_IOCTL    (1ull << 15) /* 5 */
#define LANDLOCK_SCOPES      3ull         /* 6: abstract sockets, signals */

/* struct landlock_ruleset_attr of version 6. */
struct ruleset {
	uint64_t fs, net, scopes;
};

static size_t ruleset_for(struct ruleset *out, int abi)
{
	*out = (struct ruleset){ .fs = LANDLOCK_FS_V1 | (abi >= 2 ? LANDLOCK_FS_REFER : 0) |
				       (abi >= 3 ? LANDLOCK_FS_TRUNCATE : 0) | (abi >= 5 ? LANDLOCK_FS_IOCTL : 0),
				 .net = abi >= 4 ? LANDLOCK_NET_TCP : 0,
				 .scopes = abi >= 6 ? LANDLOCK_SCOPES : 0 };
	return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

/* `rights` below `path`, if there is such a thing. */
static void allow_path(const struct sandbox_room *room, int ruleset, const char *path, uint64_t rights)
{
	struct stat st;
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0 || fstat(fd, &st))
		fail(room, path);
	/* What only a folder can permit is an error on a file. */
	if (!S_ISDIR(st.st_mode))
		rights &= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
			  LANDLOCK_FS_TRUNCATE;
	struct landlock_path_beneath_attr rule = { .allowed_access = rights, .parent_fd = fd };
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
		fail(room, path);
	close(fd);
}

static void set_landlock(const struct sandbox_room *room)
{
	const struct sandbox_options *o = room->options;
	const uint64_t read = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	struct ruleset all;

	if (!room->landlock_abi)
		return;
	size_t size = ruleset_for(&all, room->landlock_abi);
	const uint64_t write = all.fs & (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
					 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_FS_TRUNCATE);
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
	if (ruleset < 0)
		fail(room, "landlock_create_ruleset");
	allow_path(room, ruleset, PROGRAM, read | LANDLOCK_ACCESS_FS_EXECUTE);
	for (size_t i = 0; i < LIBRARIES; i++)
		allow_path(room, ruleset, libraries[i].path, read | LANDLOCK_ACCESS_FS_EXECUTE);
	for (size_t i = 0; i < o->bind_count; i++)
		allow_path(room, ruleset, o->binds[i].inside, read | (o->binds[i].writable ? write : 0));
	if (SANDBOX_HAS_ASAN)
		allow_path(room, ruleset, "/proc", read);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0))
		fail(room, "landlock_restrict_self");
	close(ruleset);
}

/* vmcastd blocks the signals that it waits for, and ignores one. */
static void reset_signals(const struct sandbox_room *room)
{
	sigset_t none;

	sigemptyset(&none);
	if (signal(SIGPIPE, SIG_DFL) == SIG_ERR || sigprocmask(SIG_SETMASK, &none, NULL))
		fail(room, "reset signals");
}

void sandbox_enter(struct sandbox_room *room)
{
	/* The leak checker of the address sanitizer makes a process. */
	static char *const nothing[] = { SANDBOX_HAS_ASAN ? "ASAN_OPTIONS=detect_leaks=0" : NULL, NULL };
	const struct sandbox_options *o = room->options;

	die_with_parent(room);
	/* A Control-C at our terminal is for vmcastd, which then ends us in its own way. */
	if (setsid() < 0)
		fail(room, "setsid");
	set_descriptors(room);
	set_ids(room);
	build_root(room);
	set_limits(room);
	drop_capabilities(room);
	set_landlock(room);
	reset_signals(room);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &room->filter, 0, 0))
		fail(room, "load the list of system calls");
	execve(PROGRAM, o->argv, o->env ? o->env : nothing);
	fail(room, "execve");
}
