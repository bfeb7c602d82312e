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

/* Of include/uapi/linux/major.h and Documentation/admin-guide/devices.txt. */
static const struct {
	const char *name;
	unsigned major, minor;
} devices[] = {
	{ "null", 1, 3 },
	{ "zero", 1, 5 },
	{ "urandom", 1, 9 },
};

static int own_mounts(const char **step)
{
	*step = "mounts of its own";
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return -errno;
	return 0;
}

void guest_jail_path(char out[static GUEST_JAIL_PATH], const char *arch, const char *file)
{
	snprintf(out, GUEST_JAIL_PATH, GUEST_JAIL_ROOT "/%s%s%s", arch, file ? "/" : "", file ? file : "");
}

static int enter_root(const char *root, const char **step)
{
	*step = "chroot";
	return chroot(root) == 0 && chdir("/") == 0 ? 0 : -errno;
}

static int make_device(const char *dir, const char *name, dev_t dev, mode_t mode, uid_t uid)
{
	char path[GUEST_JAIL_PATH + 16];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return mknod(path, S_IFCHR, dev) == 0 && chmod(path, mode) == 0 && chown(path, uid, uid) == 0 ? 0 : -errno;
}

static int make_devices(const struct guest_jail *jail, const char **step)
{
	char dir[GUEST_JAIL_PATH];
	struct stat kvm;
	int rc = 0;

	*step = "its /dev";
	guest_jail_path(dir, jail->arch, "dev");
	if (mount("dev", dir, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") != 0)
		return -errno;
	for (size_t i = 0; !rc && i < sizeof(devices) / sizeof(devices[0]); i++)
		rc = make_device(dir, devices[i].name, makedev(devices[i].major, devices[i].minor), 0666, 0);
	if (rc || !jail->kvm)
		return rc;
	return stat("/dev/kvm", &kvm) == 0 ? make_device(dir, "kvm", kvm.st_rdev, 0600, jail->uid) : -errno;
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
	char root[GUEST_JAIL_PATH], dir[GUEST_JAIL_PATH];
	int rc = own_mounts(step);

	if (!rc)
		rc = make_devices(jail, step);
	if (rc)
		return rc;
	*step = "its folder";
	guest_jail_path(root, jail->arch, NULL);
	guest_jail_path(dir, jail->arch, "guest");
	if (mount(jail->dir, dir, NULL, MS_BIND, NULL) != 0)
		return -errno;
	*step = "namespaces of its own";
	if (unshare(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0)
		return -errno;
	rc = enter_root(root, step);
	return rc ? rc : drop_privileges(jail, step);
}

/* A pack that is mounted; all have the tools. */
static const char *any_pack(void)
{
	static const char *const arches[] = { "x86_64", "aarch64" };
	char path[GUEST_JAIL_PATH];

	for (size_t i = 0; i < sizeof(arches) / sizeof(arches[0]); i++) {
		guest_jail_path(path, arches[i], "usr/sbin");
		if (access(path, F_OK) == 0)
			return arches[i];
	}
	return arches[0];
}

/* Everything of the machine's that tools look at. */
static int enter_as_tool(void)
{
	static const char *const dirs[] = { "dev", "sys", "proc" };
	const char *step, *arch = any_pack();
	char from[16], to[GUEST_JAIL_PATH];
	int rc = own_mounts(&step);

	for (size_t i = 0; !rc && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(from, sizeof(from), "/%s", dirs[i]);
		guest_jail_path(to, arch, dirs[i]);
		rc = mount(from, to, NULL, MS_BIND, NULL) == 0 ? 0 : -errno;
	}
	guest_jail_path(to, arch, NULL);
	return rc ? rc : enter_root(to, &step);
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
