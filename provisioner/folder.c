/* SPDX-License-Identifier: GPL-2.0-or-later */
/* folder: see folder.h */
#include "folder.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fts(FTS **fts)
{
	if (*fts)
		fts_close(*fts);
}

/* Call `visit` with everything below `path`, and with itself: files first, each folder after what is in it. */
static int walk(const char *path, int (*visit)(void *ctx, const FTSENT *entry, struct err *err), void *ctx,
		struct err *err)
{
	char *paths[] = { (char *)path, NULL };
	CLEANUP(close_fts) FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	const FTSENT *entry;

	if (!fts)
		return err_set(err, -errno, "'%s': %s", path, strerror(errno));
	while ((errno = 0, entry = fts_read(fts))) {
		bool failed = entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS;

		/* Somebody else removes things as well: also a folder between the look at it and into it. */
		if ((failed && entry->fts_errno == ENOENT) || entry->fts_info == FTS_D)
			continue;
		if (failed)
			return err_set(err, -entry->fts_errno, "'%s': %s", entry->fts_path, strerror(entry->fts_errno));
		int rc = visit(ctx, entry, err);
		if (rc)
			return rc;
	}
	return errno ? err_set(err, -errno, "'%s': %s", path, strerror(errno)) : 0;
}

static int remove_entry(void *ctx, const FTSENT *entry, struct err *err)
{
	(void)ctx;
	if (remove(entry->fts_accpath) && errno != ENOENT)
		return err_set(err, -errno, "remove '%s': %s", entry->fts_path, strerror(errno));
	return 0;
}

int folder_remove(const char *path, struct err *err)
{
	return walk(path, remove_entry, NULL, err);
}

struct sum {
	uint64_t bytes;
	const char *without; /* folder of the top that does not count, NULL: none */
};

/* Whether it is in the folder `name` of the top. */
static bool is_below(const FTSENT *entry, const char *name)
{
	while (entry->fts_level > 1)
		entry = entry->fts_parent;
	return entry->fts_level == 1 && strcmp(entry->fts_name, name) == 0;
}

static int add_bytes(void *ctx, const FTSENT *entry, struct err *err)
{
	struct sum *sum = ctx;

	(void)err;
	if (entry->fts_info == FTS_F && !(sum->without && is_below(entry, sum->without)))
		sum->bytes += (uint64_t)entry->fts_statp->st_size;
	return 0;
}

int folder_bytes_without(const char *path, const char *name, uint64_t *out, struct err *err)
{
	struct sum sum = { .without = name };
	int rc = walk(path, add_bytes, &sum, err);

	*out = sum.bytes;
	return rc;
}

int folder_bytes(const char *path, uint64_t *out, struct err *err)
{
	return folder_bytes_without(path, NULL, out, err);
}

int folder_sync(const char *path, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd))
		return err_set(err, -errno, "flush folder '%s': %s", path, strerror(errno));
	return 0;
}
