/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_mount: see boot_mount.h */
#include "boot_mount.h"

#include "boot_superblock.h"
#include "cleanup.h"
#include "log.h"
#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARTITIONS_MAX 128u

/* What keeps a file system from playing its journal, which would write. */
static const struct {
	const char *kind;
	const char *key;
	const char *value; /* NULL: a flag */
} quiet[] = {
	{ "ext4", "noload", NULL },
	{ "xfs", "norecovery", NULL },
	{ "xfs", "nouuid", NULL }, /* the same image may be on two disks */
	{ "btrfs", "rescue", "nologreplay" },
};

static int set_option(int context, const char *key, const char *value)
{
	return value ? fsconfig(context, FSCONFIG_SET_STRING, key, value, 0)
		     : fsconfig(context, FSCONFIG_SET_FLAG, key, NULL, 0);
}

/* Returns a descriptor of its topmost directory. `subvolume`: NULL for the default one. */
static int mount_detached(const char *path, const char *kind, const char *subvolume, struct err *err)
{
	CLEANUP(close_fd) int context = fsopen(kind, FSOPEN_CLOEXEC);

	if (context < 0)
		return err_set(err, -errno, "%s: %s", kind,
			       errno == ENODEV ? "this kernel has no such file system" : strerror(errno));
	int rc = set_option(context, "source", path);
	if (rc == 0)
		rc = set_option(context, "ro", NULL);
	for (size_t i = 0; rc == 0 && i < sizeof(quiet) / sizeof(quiet[0]); i++)
		if (strcmp(quiet[i].kind, kind) == 0)
			rc = set_option(context, quiet[i].key, quiet[i].value);
	if (rc == 0 && subvolume)
		rc = set_option(context, "subvolid", subvolume);
	if (rc == 0)
		rc = fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (rc != 0)
		return err_set(err, -errno, "mount %s (%s): %s", path, kind, strerror(errno));
	int fd = fsmount(context, FSMOUNT_CLOEXEC,
			 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? err_set(err, -errno, "mount %s (%s): %s", path, kind, strerror(errno)) : fd;
}

static int read_superblock(struct boot_superblock *out, const char *path, struct err *err)
{
	uint8_t head[BOOT_SUPERBLOCK_BYTES];
	size_t len = 0;
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	while (len < sizeof(head)) {
		ssize_t got = pread(fd, head + len, sizeof(head) - len, (off_t)len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_set(err, -errno, "read '%s': %s", path, strerror(errno));
		if (got == 0)
			break;
		len += (size_t)got;
	}
	boot_superblock_parse(out, head, len);
	return 0;
}

/* A second descriptor only if another subvolume than the topmost one is the default. */
static int open_default(struct boot_volume *volume, const char *path, struct err *err)
{
	struct stat top, other;

	volume->default_fd = volume->root_fd;
	if (strcmp(volume->kind, "btrfs") != 0)
		return 0;
	CLEANUP(close_fd) int fd = mount_detached(path, volume->kind, NULL, err);
	if (fd < 0)
		return fd;
	if (fstat(volume->root_fd, &top) == 0 && fstat(fd, &other) == 0 && top.st_dev != other.st_dev)
		volume->default_fd = TAKE_FD(fd);
	return 0;
}

static void volume_close(struct boot_volume *volume)
{
	if (volume->default_fd >= 0 && volume->default_fd != volume->root_fd)
		close(volume->default_fd);
	if (volume->root_fd >= 0)
		close(volume->root_fd);
}

int boot_volume_mount(struct boot_volumes *volumes, const char *path, unsigned disk, unsigned number, struct err *err)
{
	struct boot_volume volume = { .disk = disk, .number = number, .root_fd = -1, .default_fd = -1 };
	struct boot_superblock sb;
	int rc = read_superblock(&sb, path, err);

	if (rc != 0)
		return rc;
	if (!sb.is_mountable)
		return err_set(err, -ENOTSUP, "%s: %s is not handled", path, sb.kind ? sb.kind : "what it holds");
	if (volumes->count == BOOT_VOLUMES_MAX)
		return err_set(err, -E2BIG, "more than %u file systems", BOOT_VOLUMES_MAX);
	strcpy(volume.kind, sb.kind);
	strcpy(volume.uuid, sb.uuid);
	strcpy(volume.label, sb.label);
	volume.root_fd = mount_detached(path, sb.kind, strcmp(sb.kind, "btrfs") == 0 ? "5" : NULL, err);
	if (volume.root_fd < 0)
		return volume.root_fd;
	rc = open_default(&volume, path, err);
	if (rc != 0) {
		volume_close(&volume);
		return rc;
	}
	volumes->list[volumes->count++] = volume;
	return 0;
}

/* The device of partition `number` of a disk: 0 if there is none. */
static bool find_partition(char *out, size_t room, const char *disk, unsigned number)
{
	/* A name that ends in a digit gets a 'p' before the number. */
	char last = disk[strlen(disk) - 1];
	const char *p = last >= '0' && last <= '9' ? "p" : "";

	if (sysfs_number("/sys/class/block/%s/%s%s%u/partition", disk, disk, p, number) != number)
		return false;
	snprintf(out, room, "/dev/%s%s%u", disk, p, number);
	return true;
}

static void open_disk(struct boot_volumes *out, const char *name, unsigned disk, struct err *why)
{
	char path[SYSFS_PATH];
	bool has_partitions = false;

	for (unsigned number = 1; number <= PARTITIONS_MAX; number++) {
		struct err err = { 0 };

		if (!find_partition(path, sizeof(path), name, number))
			continue;
		has_partitions = true;
		if (boot_volume_mount(out, path, disk, number, &err) == 0)
			continue;
		log_debug("landing", "%s", err.text);
		/* Of several reasons the one that says most: what is known, and not handled. */
		if (!why->code || err.code != -ENOTSUP || strstr(why->text, "what it holds"))
			*why = err;
	}
	if (!has_partitions) {
		snprintf(path, sizeof(path), "/dev/%s", name);
		boot_volume_mount(out, path, disk, 0, why);
	}
}

int boot_volumes_open(struct boot_volumes *out, const char *const *names, size_t count, struct err *err)
{
	struct err why = { 0 };

	*out = (struct boot_volumes){ 0 };
	for (size_t i = 0; i < count; i++)
		open_disk(out, names[i], (unsigned)i, &why);
	if (!out->count)
		return err_set(err, -ENOENT, "no file system that can be read: %s",
			       why.code ? why.text : "no partition");
	return 0;
}

void boot_volumes_close(struct boot_volumes *volumes)
{
	while (volumes->count)
		volume_close(&volumes->list[--volumes->count]);
}
