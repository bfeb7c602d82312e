/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device_fd: see device_fd.h */
#include "device_fd.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct device_fd {
	struct device dev; /* first: the ops get a pointer to it */
	int fd;
	int direct_fd; /* the same with O_DIRECT: neither CPU nor page cache is spent on copies; -1: it has none */
	bool is_block;
	uint32_t align; /* what O_DIRECT wants memory, offset and length to be whole multiples of */
};

static struct device_fd *of(struct device *dev)
{
	return (struct device_fd *)dev;
}

static int fail(const struct device_fd *d, const char *what, uint64_t off, struct err *err)
{
	return err_set(err, -EIO, "disk %s: %s at byte %" PRIu64 ": %s", d->dev.name, what, off, strerror(errno));
}

/*
 * O_DIRECT wants whole sectors. The last piece of an image may not be one on a disk with 4 KiB sectors, so it goes the other
 * way; the kernel keeps both coherent.
 */
static int fd_for(const struct device_fd *d, const void *data, size_t len, uint64_t off)
{
	bool aligned = (((uintptr_t)data | len | off) & (d->align - 1)) == 0;

	return d->direct_fd >= 0 && aligned ? d->direct_fd : d->fd;
}

static int fd_write(struct device *dev, const uint8_t *data, size_t len, uint64_t off, struct err *err)
{
	struct device_fd *d = of(dev);

	while (len) {
		ssize_t n = pwrite(fd_for(d, data, len, off), data, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(d, "write", off, err);
		data += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

/*
 * Without O_DIRECT, dropping the (clean, just flushed) pages is what makes the medium answer. The kernel drops whole
 * pages only, so a range that ends inside one is made longer.
 */
static void drop_pages(const struct device_fd *d, size_t len, uint64_t off)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t from = off / page * page, to = (off + len + page - 1) / page * page;

	posix_fadvise(d->fd, (off_t)from, (off_t)(to - from), POSIX_FADV_DONTNEED);
}

static int fd_read(struct device *dev, uint8_t *out, size_t len, uint64_t off, struct err *err)
{
	struct device_fd *d = of(dev);

	drop_pages(d, len, off);
	while (len) {
		ssize_t n = pread(fd_for(d, out, len, off), out, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENXIO; /* shorter than it was when it was opened */
		if (n <= 0)
			return fail(d, "read", off, err);
		out += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

/*
 * Zeros by contract, unlike a discard. 1 GiB of old data in a file on ext4, and in a loop device on it (s): punching a hole
 * 0.37 and 0.40, a range of zeros (which BLKZEROOUT is there) 0.30 and 0.33, and where the file system is mounted to
 * discard, 1.7 and 0.3; writing 1.3. So a disk gets the latter. A file gets the hole: it shall not take room for zeros.
 */
static bool fd_zero(struct device *dev, uint64_t len, uint64_t off)
{
	struct device_fd *d = of(dev);
	uint64_t range[2] = { off, len };

	if (d->is_block)
		return ioctl(d->fd, BLKZEROOUT, range) == 0;
	return fallocate(d->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) == 0;
}

/* The most that a file can do about it is to give room back. */
static bool fd_discard(struct device *dev, uint64_t len, uint64_t off)
{
	struct device_fd *d = of(dev);
	uint64_t range[2] = { off, len };

	return d->is_block ? ioctl(d->fd, BLKDISCARD, range) == 0 : fd_zero(dev, len, off);
}

static int fd_flush(struct device *dev, struct err *err)
{
	struct device_fd *d = of(dev);

	return fsync(d->fd) == 0 ? 0 : fail(d, "flush", 0, err);
}

static void fd_rescan(struct device *dev)
{
	struct device_fd *d = of(dev);

	if (d->is_block)
		ioctl(d->fd, BLKRRPART);
}

static void fd_close(struct device *dev)
{
	struct device_fd *d = of(dev);

	/* Whatever matters was flushed and read back before; there is nothing left that close could lose. */
	close_fd(&d->direct_fd);
	close_fd(&d->fd);
	free(d);
}

static const struct device_ops fd_ops = {
	.write = fd_write,
	.zero = fd_zero,
	.discard = fd_discard,
	.read = fd_read,
	.flush = fd_flush,
	.rescan = fd_rescan,
	.close = fd_close,
};

static void describe_file(struct disk *out, const char *path, uint64_t bytes)
{
	const char *slash = strrchr(path, '/');

	snprintf(out->id.name, sizeof(out->id.name), "%.31s", slash ? slash + 1 : path);
	snprintf(out->path, sizeof(out->path), "%s", path);
	out->id.bytes = bytes;
}

/* The disk behind a block device number, as it is now. */
static int find_disk(struct disk *out, dev_t dev, const char *path, struct err *err)
{
	CLEANUP(disk_list_free) struct disk_list list = { 0 };
	int rc = disk_list_read(&list, "", err);

	if (rc)
		return rc;
	const struct disk *disk = disk_list_find(&list, dev);
	if (!disk)
		return err_set(err, -ENOTSUP, "'%s' is a partition or an empty drive: a whole disk is needed", path);
	*out = *disk;
	snprintf(out->path, sizeof(out->path), "%s", path);
	return 0;
}

int device_fd_identify(struct disk *out, const char *path, uint64_t new_bytes, struct err *err)
{
	struct disk disk = { 0 };
	struct stat st;

	if (strlen(path) >= sizeof(disk.path))
		return err_set(err, -ENAMETOOLONG, "'%s': the path is too long", path);
	if (stat(path, &st) != 0) {
		if (errno != ENOENT)
			return err_set(err, -errno, "'%s': %s", path, strerror(errno));
		/* A misspelt device must not quietly become a file in memory. */
		if (strncmp(path, "/dev/", 5) == 0)
			return err_set(err, -ENODEV, "'%s': no such disk", path);
		describe_file(&disk, path, new_bytes);
	} else if (S_ISREG(st.st_mode)) {
		describe_file(&disk, path, (uint64_t)st.st_size);
	} else if (S_ISBLK(st.st_mode)) {
		int rc = find_disk(&disk, st.st_rdev, path, err);

		if (rc)
			return rc;
	} else {
		return err_set(err, -ENOTSUP, "'%s' is neither a disk nor a regular file", path);
	}
	*out = disk;
	return 0;
}

/* Without O_CREAT, with O_EXCL: for a block device that means "nobody else in the kernel uses it" (open(2)). */
static int open_existing(const struct disk *disk, struct err *err)
{
	int fd = open(disk->path, O_RDWR | O_CLOEXEC | O_EXCL | O_NOCTTY);

	if (fd >= 0)
		return fd;
	if (errno == EBUSY)
		return err_set(err, -EBUSY, "disk %s is in use (mounted, swap, or part of something bigger)",
			       disk->path);
	return err_set(err, -errno, "disk %s: %s", disk->path, strerror(errno));
}

/* The name of a new file is only on the disk when its folder is. */
static int flush_folder(const char *path)
{
	CLEANUP(free_str) char *folder = strdup(path);

	if (!folder)
		return -ENOMEM;
	CLEANUP(close_fd) int fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* EINVAL: a file system that has no such thing. */
	return fsync(fd) == 0 || errno == EINVAL ? 0 : -errno;
}

static int create_file(const struct disk *disk, struct err *err)
{
	CLEANUP(close_fd) int fd = open(disk->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);

	if (fd < 0)
		return err_set(err, -errno, "create '%s': %s", disk->path, strerror(errno));
	int code = ftruncate(fd, (off_t)disk->id.bytes) == 0 ? flush_folder(disk->path) : -errno;
	if (code) {
		unlink(disk->path);
		return err_set(err, code, "create '%s' with %" PRIu64 " bytes: %s", disk->path, disk->id.bytes,
			       strerror(-code));
	}
	return TAKE_FD(fd);
}

/* A regular file has no O_EXCL; a write lock on all of it also fails where QEMU runs a machine from it. */
static int lock_file(int fd, const struct disk *disk, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return err_set(err, -EBUSY, "file '%s' is in use by another program", disk->path);
}

static int check_block(int fd, const struct stat *st, const struct disk *chosen, struct err *err)
{
	struct disk now;
	char why[300];
	uint64_t bytes;
	int read_only = 0;

	if (ioctl(fd, BLKROGET, &read_only) == 0 && read_only)
		return err_set(err, -EROFS, "disk %s: read-only", chosen->path);
	int rc = find_disk(&now, st->st_rdev, chosen->path, err);
	if (rc)
		return rc;
	if (!disk_is_same(chosen, &now, why, sizeof(why)))
		return err_set(err, -ESTALE, "disk %s is not the one that was chosen: %s", chosen->path, why);
	if (now.use == DISK_REFUSED)
		return err_set(err, -EBUSY, "disk %s: %s", chosen->path, now.why);
	if (ioctl(fd, BLKGETSIZE64, &bytes) != 0 || bytes != chosen->id.bytes)
		return err_set(err, -ESTALE, "disk %s: its size changed", chosen->path);
	return 0;
}

static int check_file(int fd, const struct stat *st, const struct disk *chosen, struct err *err)
{
	if ((uint64_t)st->st_size != chosen->id.bytes)
		return err_set(err, -ESTALE, "file '%s': its size changed", chosen->path);
	return lock_file(fd, chosen, err);
}

static int check_again(struct device_fd *d, const struct disk *chosen, struct err *err)
{
	struct stat st;

	if (fstat(d->fd, &st) != 0)
		return err_set(err, -errno, "disk %s: %s", chosen->path, strerror(errno));
	d->is_block = S_ISBLK(st.st_mode);
	if (d->is_block != (chosen->dev[0] != '\0') || !(d->is_block || S_ISREG(st.st_mode)))
		return err_set(err, -ESTALE, "'%s' is not what it was when it was chosen", chosen->path);
	return d->is_block ? check_block(d->fd, &st, chosen, err) : check_file(d->fd, &st, chosen, err);
}

/* A disk's logical sector; a file's is its file system's business, and no page is too small for it. */
static uint32_t direct_align(const struct device_fd *d)
{
	int sector_bytes;

	if (d->is_block && ioctl(d->fd, BLKSSZGET, &sector_bytes) == 0 && sector_bytes > 0)
		return (uint32_t)sector_bytes;
	return DEVICE_ALIGN;
}

/* Opened again, since a flag of one descriptor is that of all threads, through its own name: a path may lead elsewhere by
 * now. -1: not with this file system. */
static int open_direct(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_DIRECT | O_CLOEXEC | O_NOCTTY);
}

static void close_device_fd(struct device_fd **d)
{
	if (*d)
		fd_close(&(*d)->dev);
}

int device_fd_open(struct device **out, const struct disk *disk, struct err *err)
{
	CLEANUP(close_device_fd) struct device_fd *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(err, -ENOMEM, "disk %s: out of memory", disk->path);
	d->dev.ops = &fd_ops;
	d->dev.bytes = disk->id.bytes;
	snprintf(d->dev.name, sizeof(d->dev.name), "%s", disk->id.name);
	d->fd = d->direct_fd = -1;
	bool is_new = !disk->dev[0] && access(disk->path, F_OK) != 0;
	int rc = is_new ? create_file(disk, err) : open_existing(disk, err);
	if (rc < 0)
		return rc;
	d->fd = rc;
	rc = check_again(d, disk, err);
	if (rc)
		return rc;
	d->align = direct_align(d);
	d->direct_fd = open_direct(d->fd);
	*out = &TAKE(d)->dev;
	return 0;
}
