/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sysfs: see sysfs.h */
#include "sysfs.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ssize_t read_file(void *out, size_t room, const char *path_fmt, va_list ap)
{
	char path[SYSFS_PATH];

	if (vsnprintf(path, sizeof(path), path_fmt, ap) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t len = read(fd, out, room);
	return len < 0 ? -errno : len;
}

ssize_t sysfs_bytes(uint8_t *out, size_t room, const char *path_fmt, ...)
{
	va_list ap;

	va_start(ap, path_fmt);
	ssize_t len = read_file(out, room, path_fmt, ap);
	va_end(ap);
	return len;
}

void sysfs_clean(char *text)
{
	char *begin = text + strspn(text, " \t");
	size_t len = strcspn(begin, "\n");

	while (len && (begin[len - 1] == ' ' || begin[len - 1] == '\t'))
		len--;
	memmove(text, begin, len);
	text[len] = '\0';
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '_';
}

int sysfs_text(char *out, size_t room, const char *path_fmt, ...)
{
	va_list ap;

	va_start(ap, path_fmt);
	ssize_t len = read_file(out, room - 1, path_fmt, ap);
	va_end(ap);
	out[len > 0 ? len : 0] = '\0';
	sysfs_clean(out);
	return len < 0 ? (int)len : 0;
}

uint64_t sysfs_number(const char *path_fmt, ...)
{
	char text[32] = "";
	va_list ap;

	va_start(ap, path_fmt);
	ssize_t len = read_file(text, sizeof(text) - 1, path_fmt, ap);
	va_end(ap);
	return len > 0 ? strtoull(text, NULL, 10) : 0;
}

void sysfs_close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
