/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_volume: see boot_volume.h */
#include "boot_volume.h"

#include "cleanup.h"
#include "sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int boot_file_set(struct boot_file *out, const struct boot_volume *volume, bool in_default, const char *path,
		  struct err *err)
{
	struct boot_file file = { .volume = volume, .in_default = in_default };
	size_t begin = 0;

	if (path[0] != '/')
		file.path[begin++] = '/';
	if (strlen(path) + begin >= sizeof(file.path))
		return err_set(err, -EBADMSG, "a path of more than %zu bytes", sizeof(file.path) - 1);
	strcpy(file.path + begin, path);
	for (const char *at = file.path; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return err_set(err, -EBADMSG, "a path with a control character");
	*out = file;
	return 0;
}

/* Returns a descriptor, or a negative errno value. */
static int open_in(const struct boot_file *file, uint64_t flags)
{
	struct open_how how = {
		.flags = O_CLOEXEC | flags,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	int root = file->in_default ? file->volume->default_fd : file->volume->root_fd;
	int fd = (int)syscall(SYS_openat2, root, file->path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

int boot_file_open(uint64_t *bytes, const struct boot_file *file, struct err *err)
{
	/* What is no file, told by fstat(2), must not make open(2) wait. */
	CLEANUP(close_fd) int fd = open_in(file, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_set(err, fd, "open '%s': %s", file->path, strerror(-fd));
	if (fstat(fd, &st) != 0)
		return err_set(err, -errno, "read '%s': %s", file->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EBADMSG, "'%s' is no file", file->path);
	*bytes = (uint64_t)st.st_size;
	return TAKE_FD(fd);
}

enum boot_file_kind boot_file_look(const struct boot_file *file)
{
	CLEANUP(close_fd) int fd = open_in(file, O_PATH);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return BOOT_FILE_NONE;
	if (S_ISDIR(st.st_mode))
		return BOOT_FILE_DIR;
	if (!S_ISREG(st.st_mode))
		return BOOT_FILE_NONE;
	return st.st_size ? BOOT_FILE_FULL : BOOT_FILE_EMPTY;
}

int boot_file_read(char **text, size_t *len, const struct boot_file *file, size_t max, struct err *err)
{
	uint64_t bytes = 0;
	CLEANUP(close_fd) int fd = boot_file_open(&bytes, file, err);

	if (fd < 0)
		return fd;
	if (bytes > max)
		return err_set(err, -E2BIG, "'%s' has more than %zu bytes", file->path, max);
	CLEANUP(free_str) char *buffer = malloc((size_t)bytes + 1);
	if (!buffer)
		return err_set(err, -ENOMEM, "out of memory");
	size_t done = 0;
	while (done < bytes) {
		ssize_t got = read(fd, buffer + done, (size_t)bytes - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(err, got < 0 ? -errno : -EBADMSG, "read '%s': %s", file->path,
				       got < 0 ? strerror(errno) : "it is shorter than its size");
		done += (size_t)got;
	}
	buffer[done] = '\0';
	*len = done;
	*text = TAKE(buffer);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = strlen(suffix);

	return len > tail && strcasecmp(name + len - tail, suffix) == 0;
}

static int read_names(struct boot_names *out, DIR *dir, const char *suffix, struct err *err)
{
	const struct dirent *entry;

	while ((errno = 0, entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !ends_in(entry->d_name, suffix))
			continue;
		if (out->count == BOOT_NAMES_MAX)
			return err_set(err, -E2BIG, "more than %u files", BOOT_NAMES_MAX);
		out->names[out->count] = strdup(entry->d_name);
		if (!out->names[out->count])
			return err_set(err, -ENOMEM, "out of memory");
		out->count++;
	}
	return errno ? err_set(err, -errno, "%s", strerror(errno)) : 0;
}

int boot_file_list(struct boot_names *out, const struct boot_file *dir, const char *suffix, struct err *err)
{
	*out = (struct boot_names){ 0 };
	CLEANUP(close_fd) int fd = open_in(dir, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return err_set(err, fd == -ENOTDIR ? -ENOENT : fd, "open '%s': %s", dir->path, strerror(-fd));
	CLEANUP(sysfs_close_dir) DIR *stream = fdopendir(fd);
	if (!stream)
		return err_set(err, -errno, "open '%s': %s", dir->path, strerror(errno));
	fd = -1;
	int rc = read_names(out, stream, suffix, err);
	if (rc != 0) {
		boot_names_free(out);
		return err_wrap(err, "read '%s'", dir->path);
	}
	qsort(out->names, out->count, sizeof(out->names[0]), compare_names);
	return 0;
}

void boot_names_free(struct boot_names *names)
{
	while (names->count)
		free(names->names[--names->count]);
}
