/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_cgroup: see guest_cgroup.h */
#include "guest_cgroup.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define ROOT "/sys/fs/cgroup"

/* QEMU itself, beside its guest's memory: its code, what it translates of the guest's (guest_argv.c bounds that), and its buffers. */
#define QEMU_BYTES (256ull << 20)

/* A thread for each processor and for each disk request under way. */
#define TASKS_MAX "256"

static int write_text(const char *dir, const char *name, const char *text, struct err *err)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_set(err, -EIO, "write '%s': %s", path, strerror(errno));
	return 0;
}

int guest_cgroup_begin(struct err *err)
{
	if (access(ROOT "/cgroup.controllers", F_OK) != 0 &&
	    mount("cgroup2", ROOT, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
		return err_set(err, -EIO, "mount cgroup2 at '" ROOT "': %s", strerror(errno));
	return write_text(ROOT, "cgroup.subtree_control", "+memory +pids", err);
}

static void dir_of(char *out, size_t room, const char *id)
{
	snprintf(out, room, ROOT "/guest-%s", id);
}

int guest_cgroup_open(const char *id, uint64_t memory_bytes, struct err *err)
{
	char dir[128], path[160], bytes[24];

	dir_of(dir, sizeof(dir), id);
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return err_set(err, -EIO, "mkdir '%s': %s", dir, strerror(errno));
	snprintf(bytes, sizeof(bytes), "%" PRIu64, (uint64_t)(memory_bytes + QEMU_BYTES));
	int rc = write_text(dir, "memory.max", bytes, err);
	if (!rc)
		rc = write_text(dir, "pids.max", TASKS_MAX, err);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? err_set(err, -EIO, "open '%s': %s", path, strerror(errno)) : fd;
}

void guest_cgroup_close(const char *id)
{
	char dir[128];

	dir_of(dir, sizeof(dir), id);
	rmdir(dir);
}
