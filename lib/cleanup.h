/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cleanup: owning locals that release what they own when they go out of scope.
 *
 *   CLEANUP(close_fd) int fd = open(...);
 *   CLEANUP(free_str) char *name = strdup(...);
 *   *out = TAKE(name);            hand on: `name` is NULL afterwards
 *   return TAKE_FD(fd);           the same for a descriptor, -1 afterwards
 */
#ifndef VMCAST_CLEANUP_H
#define VMCAST_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define TAKE(p)                                                                                                        \
	({                                                                                                             \
		__typeof__(p) taken_ = (p);                                                                            \
		(p) = NULL;                                                                                            \
		taken_;                                                                                                \
	})

#define TAKE_FD(fd)                                                                                                    \
	({                                                                                                             \
		int taken_ = (fd);                                                                                     \
		(fd) = -1;                                                                                             \
		taken_;                                                                                                \
	})

static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void free_str(char **p)
{
	free(*p);
}

static inline void free_mem(void *p)
{
	free(*(void **)p);
}

static inline void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static inline void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#endif
