/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_jail: see guest_jail.h */
#include "guest_jail.h"

#include "cleanup.h"
#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#define GUEST_DIR GUEST_JAIL_ROOT "/guest"
#define DEV_DIR   GUEST_JAIL_ROOT "/dev"

/* Of include/uapi/linux/major.h and Documentation/admin-guide/devices.txt. */
static const struct {
	const char *path;
	unsigned major, minor;
} devices[] = {
	{ DEV_DIR "/null", 1, 3 },
	{ DEV_DIR "/zero", 1, 5 },
	{ DEV_DIR "/urandom", 1, 9 },
};

static int own_mounts(const char **step)
{
	*step = "mounts of its own";
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return -errno;
	return 0;
}

static int enter_root(const char **step)
{
	*step = "chroot " GUEST_JAIL_ROOT;
	return chroot(GUEST_JAIL_ROOT) == 0 && chdir("/") == 0 ? 0 : -errno;
}

static int make_kvm(const struct guest_jail *jail)
{
	struct stat st;

	if (!jail->kvm)
		return 0;
	if (stat("/dev/kvm", &st) != 0 || mknod(DEV_DIR "/kvm", S_IFCHR | 0600, st.st_rdev) != 0 ||
	    chown(DEV_DIR "/kvm", jail->uid, jail->uid) != 0)
		return -errno;
	return 0;
}

static int make_devices(const struct guest_jail *jail, const char **step)
{
	*step = "its /dev";
	if (mount("dev", DEV_DIR, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") != 0)
		return -errno;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		if (mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)) != 0 ||
		    chmod(devices[i].path, 0666) != 0)
			return -errno;
	return make_kvm(jail);
}

static int drop_privileges(const struct guest_jail *jail, const char **step)
{
	static const struct rlimit none = { 0, 0 };

	*step = "dropping privileges";
	if (setrlimit(RLIMIT_CORE, &none) != 0 || setgroups(0, NULL) != 0 ||
	    setresgid(jail->uid, jail->uid, jail->uid) != 0 || setresuid(jail->uid, jail->uid, jail->uid) != 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	/* The kernel forgets it when the user changes, so last. A guest does not outlive who watches it. */
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 ? 0 : -errno;
}

int guest_jail_enter(const struct guest_jail *jail, const char **step)
{
	int rc = own_mounts(step);

	if (!rc)
		rc = make_devices(jail, step);
	if (rc)
		return rc;
	*step = "its folder";
	if (mount(jail->dir, GUEST_DIR, NULL, MS_BIND, NULL) != 0)
		return -errno;
	*step = "namespaces of its own";
	if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0)
		return -errno;
	rc = enter_root(step);
	return rc ? rc : drop_privileges(jail, step);
}

/* Everything of the machine's that tools look at. */
static int enter_as_tool(void)
{
	static const char *const dirs[] = { "/dev", "/sys", "/proc" };
	const char *step;
	char to[64];
	int rc = own_mounts(&step);

	for (size_t i = 0; !rc && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(to, sizeof(to), GUEST_JAIL_ROOT "%s", dirs[i]);
		rc = mount(dirs[i], to, NULL, MS_BIND, NULL) == 0 ? 0 : -errno;
	}
	return rc ? rc : enter_root(&step);
}

static void run_tool(const char *const *argv, int input, int output)
{
	int rc = dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ? -errno : enter_as_tool();

	if (!rc) {
		execv(argv[0], (char *const *)(uintptr_t)argv);
		rc = -errno;
	}
	dprintf(2, "%s\n", strerror(-rc));
	_exit(127);
}

/* A file without a name that holds `text`. */
static int text_fd(const char *text)
{
	CLEANUP(close_fd) int fd = memfd_create("vmcast", MFD_CLOEXEC);
	size_t len = text ? strlen(text) : 0;

	if (fd < 0 || write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)
		return -1;
	return TAKE_FD(fd);
}

static void last_line(char *out, size_t room, int fd)
{
	char text[4096];
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from = end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0;
	ssize_t got = pread(fd, text, sizeof(text) - 1, from);

	text[got > 0 ? got : 0] = '\0';
	size_t len = strlen(text);
	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		text[--len] = '\0';
	const char *line = strrchr(text, '\n');
	snprintf(out, room, "%s", line ? line + 1 : text);
	sysfs_clean(out);
}

int guest_jail_tool(const char *const *argv, const char *input, struct err *err)
{
	CLEANUP(close_fd) int in = text_fd(input);
	CLEANUP(close_fd) int out = text_fd(NULL);
	char said[256];
	int status;

	if (in < 0 || out < 0)
		return err_set(err, -ENOMEM, "%s: %s", argv[0], strerror(errno));
	pid_t pid = fork();
	if (pid < 0)
		return err_set(err, -ENOMEM, "%s: fork: %s", argv[0], strerror(errno));
	if (pid == 0)
		run_tool(argv, in, out);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	last_line(said, sizeof(said), out);
	return err_set(err, -EIO, "%s ended with %s %d: %s", argv[0], WIFEXITED(status) ? "status" : "signal",
		       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), said);
}
