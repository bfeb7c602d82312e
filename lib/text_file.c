/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text_file: see text_file.h */
#include "text_file.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int text_file_read(char **text, size_t *len, const char *path, size_t max, struct err *err)
{
	CLEANUP(close_file) FILE *file = fopen(path, "re");
	CLEANUP(free_str) char *bytes = malloc(max + 2);

	if (!file)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (!bytes)
		return err_set(err, -ENOMEM, "out of memory");
	*len = fread(bytes, 1, max + 1, file);
	if (ferror(file))
		return err_set(err, -EIO, "read '%s': %s", path, strerror(errno));
	if (*len > max)
		return err_set(err, -EFBIG, "'%s': longer than %zu bytes", path, max);
	bytes[*len] = '\0';
	*text = TAKE(bytes);
	return 0;
}

static int write_whole(const char *path, const char *text, size_t len, struct err *err)
{
	CLEANUP(close_file) FILE *file = fopen(path, "we");

	if (!file)
		return err_set(err, -errno, "create '%s': %s", path, strerror(errno));
	if (fwrite(text, 1, len, file) != len || fflush(file) || fsync(fileno(file)) || fclose(TAKE(file)))
		return err_set(err, -errno, "write '%s': %s", path, strerror(errno));
	return 0;
}

/* The folder that `path` is in: what was moved or removed there is so after a power cut. */
static int sync_folder_of(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	CLEANUP(free_str) char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");

	if (!dir)
		return err_set(err, -ENOMEM, "out of memory");
	CLEANUP(close_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		return err_set(err, -errno, "sync '%s': %s", dir, strerror(errno));
	return 0;
}

int text_file_replace(const char *path, const char *text, size_t len, struct err *err)
{
	CLEANUP(free_str) char *part = NULL;

	if (asprintf(&part, "%s.part", path) < 0) {
		part = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	int rc = write_whole(part, text, len, err);
	if (!rc && rename(part, path))
		rc = err_set(err, -errno, "replace '%s': %s", path, strerror(errno));
	if (!rc)
		return sync_folder_of(path, err);
	unlink(part);
	return rc;
}

int text_file_remove(const char *path, struct err *err)
{
	if (unlink(path) && errno != ENOENT)
		return err_set(err, -errno, "remove '%s': %s", path, strerror(errno));
	return sync_folder_of(path, err);
}
