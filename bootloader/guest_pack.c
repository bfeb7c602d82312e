/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_pack: see guest_pack.h */
#include "guest_pack.h"

#include "cleanup.h"
#include "guest_jail.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define NAME_ROOM 600

/* The pack on its way into a file. */
struct download {
	int fd;
	struct digest digest;
	uint64_t bytes;
};

/* A retry begins anew. */
static int begin(void *ctx, const struct http_response *rs, struct err *err)
{
	struct download *d = ctx;

	(void)rs;
	d->bytes = 0;
	digest_init(&d->digest);
	if (ftruncate(d->fd, 0) != 0 || lseek(d->fd, 0, SEEK_SET) != 0)
		return err_set(err, -EIO, "hypervisor pack: %s", strerror(errno));
	return 0;
}

static int take(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct download *d = ctx;

	digest_add(&d->digest, data, len);
	d->bytes += len;
	while (len) {
		ssize_t n = write(d->fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, errno == ENOSPC ? -ENOMEM : -EIO, "hypervisor pack: %s", strerror(errno));
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int compare(struct digest *digest, uint64_t bytes, const struct plan_pack *pack, struct err *err)
{
	uint8_t is[DIGEST_BYTES];
	char hex[DIGEST_HEX];

	digest_final(digest, is);
	digest_hex(hex, is);
	if (bytes != pack->bytes || strcmp(hex, pack->id) != 0)
		return err_set(err, -EBADMSG,
			       "hypervisor pack: %" PRIu64 " bytes with SHA-256 %s, not %" PRIu64 " with %s", bytes,
			       hex, pack->bytes, pack->id);
	return 0;
}

static int fetch_once(struct download *d, unsigned *retry_after_s, struct http *http, const struct plan_pack *pack,
		      struct err *err)
{
	const struct http_request rq = {
		.url = pack->url,
		.body_bytes_max = pack->bytes,
		.on_head = begin,
		.on_body = take,
		.ctx = d,
	};
	struct http_response rs = { 0 };
	int rc = http_perform(http, &rq, &rs, err);

	*retry_after_s = rs.retry_after_s;
	if (!rc)
		rc = service_check_status(&rs, pack->url, err);
	return rc ? rc : compare(&d->digest, d->bytes, pack, err);
}

static int fetch(int fd, const struct plan_pack *pack, const struct service *service, struct err *err)
{
	CLEANUP(http_close) struct http *http = NULL;
	struct download download = { .fd = fd };
	unsigned retry_after_s = 0;
	struct retry retry;
	int rc = service_connect(&http, service, err);

	if (rc)
		return rc;
	retry_init(&retry, service->retry_s, service->stop);
	while ((rc = fetch_once(&download, &retry_after_s, http, pack, err)) < 0)
		if ((rc = retry_wait(&retry, retry_after_s, err)) < 0)
			return rc;
	return fsync(fd) == 0 ? 0 : err_set(err, -EIO, "hypervisor pack: %s", strerror(errno));
}

int guest_pack_fetch(const char *path, const struct plan_pack *pack, const struct service *service,
		     struct progress *progress, struct err *err)
{
	char part[NAME_ROOM], size[UNITS_TEXT];

	if (guest_pack_check(path, pack, err) == 0)
		return 0;
	*err = (struct err){ 0 };
	snprintf(part, sizeof(part), "%s.part", path);
	CLEANUP(close_fd) int fd = open(part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(err, -EIO, "create '%s': %s", part, strerror(errno));
	int rc = fetch(fd, pack, service, err);
	if (!rc && rename(part, path) != 0)
		rc = err_set(err, -EIO, "rename '%s': %s", part, strerror(errno));
	if (rc)
		unlink(part);
	else
		progress_mark(progress, "hypervisor", "pack of %s, SHA-256 %.16s", units_bytes(size, pack->bytes),
			      pack->id);
	return rc;
}

int guest_pack_check(const char *path, const struct plan_pack *pack, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct digest digest;
	uint64_t bytes = 0;
	char block[65536];
	ssize_t got;

	if (fd < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	digest_init(&digest);
	while ((got = read(fd, block, sizeof(block))) > 0) {
		digest_add(&digest, block, (size_t)got);
		bytes += (uint64_t)got;
	}
	if (got < 0)
		return err_set(err, -EIO, "read '%s': %s", path, strerror(errno));
	return compare(&digest, bytes, pack, err);
}

static int open_loop(char *name, size_t room, struct err *err)
{
	CLEANUP(close_fd) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int nr = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);

	if (nr < 0)
		return err_set(err, -EIO, "no loop device: %s", strerror(errno));
	snprintf(name, room, "/dev/loop%d", nr);
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_set(err, -EIO, "open '%s': %s", name, strerror(errno)) : fd;
}

static bool is_mounted(const char *dir)
{
	struct stat here, above;

	return stat(dir, &here) == 0 && stat(GUEST_JAIL_ROOT, &above) == 0 && here.st_dev != above.st_dev;
}

static int make_dir(const char *path, struct err *err)
{
	return mkdir(path, 0755) == 0 || errno == EEXIST ? 0
							 : err_set(err, -EIO, "mkdir '%s': %s", path, strerror(errno));
}

int guest_pack_mount(const char *path, const char *arch, struct err *err)
{
	struct loop_config config = { .info = { .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR } };
	char name[32], dir[GUEST_JAIL_PATH];

	guest_jail_path(dir, arch, NULL);
	if (is_mounted(dir))
		return 0;
	if (make_dir(GUEST_JAIL_ROOT, err) < 0 || make_dir(dir, err) < 0)
		return err->code;
	CLEANUP(close_fd) int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0)
		return err_set(err, -EIO, "open '%s': %s", path, strerror(errno));
	CLEANUP(close_fd) int loop = open_loop(name, sizeof(name), err);
	if (loop < 0)
		return loop;
	config.fd = (uint32_t)file;
	if (ioctl(loop, LOOP_CONFIGURE, &config) != 0)
		return err_set(err, -EIO, "'%s' on %s: %s", path, name, strerror(errno));
	if (mount(name, dir, "squashfs", MS_RDONLY | MS_NOSUID, NULL) != 0)
		return err_set(err, -EIO, "mount '%s' as squashfs: %s", path, strerror(errno));
	return 0;
}

int guest_pack_unmount(const char *arch, struct err *err)
{
	char dir[GUEST_JAIL_PATH];

	guest_jail_path(dir, arch, NULL);
	if (is_mounted(dir) && umount(dir) != 0)
		return err_set(err, -EIO, "unmount '%s': %s", dir, strerror(errno));
	return 0;
}
