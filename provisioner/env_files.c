/* SPDX-License-Identifier: GPL-2.0-or-later */
/* env_files: see env_files.h */
#include "env_files.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

const char *env_file_name(enum env_file file)
{
	static const char *const names[ENV_FILES] = {
		[ENV_KERNEL] = "vmlinuz",
		[ENV_INITRAMFS] = "initramfs",
		[ENV_INITRAMFS_VIRTIO] = "initramfs-virtio",
		[ENV_HYPERVISOR] = "hypervisor-x86_64.squashfs",
		[ENV_HYPERVISOR_ARM64] = "hypervisor-aarch64.squashfs",
	};

	return names[file];
}

void env_files_init(struct env_files *files)
{
	*files = (struct env_files){ 0 };
	pthread_mutex_init(&files->lock, NULL);
}

static int digest_file(char hex[static DIGEST_HEX], int fd, const char *path, struct err *err)
{
	uint8_t bytes[DIGEST_BYTES];
	struct digest digest;
	char block[65536];
	ssize_t got;

	digest_init(&digest);
	while ((got = read(fd, block, sizeof(block))) > 0)
		digest_add(&digest, block, (size_t)got);
	if (got < 0)
		return err_set(err, -errno, "read '%s': %s", path, strerror(errno));
	digest_final(&digest, bytes);
	digest_hex(hex, bytes);
	return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int read_digest(char hex[static DIGEST_HEX], struct env_files *files, enum env_file file, int fd,
		       const struct stat *st, const char *path, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&files->lock);
	if (!is_same_file(st, &files->seen[file]))
		rc = digest_file(files->digests[file], fd, path, err);
	if (!rc) {
		files->seen[file] = *st;
		strcpy(hex, files->digests[file]);
	}
	pthread_mutex_unlock(&files->lock);
	return rc;
}

int env_file_digest(uint64_t *bytes, char hex[static DIGEST_HEX], struct env_files *files, enum env_file file,
		    const char *dir, struct err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", dir, env_file_name(file)) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", dir);
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st))
		return err_set(err, errno == ENOTDIR ? -ENOENT : -errno, "open '%s': %s", path, strerror(errno));
	*bytes = (uint64_t)st.st_size;
	return read_digest(hex, files, file, fd, &st, path, err);
}
