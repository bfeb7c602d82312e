/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A loop device's medium is its file, which can be changed behind the back of the page cache of the device. */
#include "cleanup.h"
#include "device_fd.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FILE_BYTES (1u << 20)
#define ODD_BYTES  (FILE_BYTES - 3 * 512)

static char file_path[] = "/tmp/vmcast-test-device-XXXXXX";
static char loop_path[32];

/* A loop device on a new file; false if this host has none to give. */
static bool attach(int *loop_fd)
{
	CLEANUP(close_fd) int file = mkstemp(file_path);
	CLEANUP(close_fd) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int nr = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);

	if (file < 0 || ftruncate(file, ODD_BYTES) != 0)
		abort();
	snprintf(loop_path, sizeof(loop_path), "/dev/loop%d", nr);
	*loop_fd = nr < 0 ? -1 : open(loop_path, O_RDWR | O_CLOEXEC);
	struct loop_config config = { .fd = (uint32_t)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	return *loop_fd >= 0 && ioctl(*loop_fd, LOOP_CONFIGURE, &config) == 0;
}

static void damage(uint64_t off)
{
	CLEANUP(close_fd) int file = open(file_path, O_WRONLY | O_CLOEXEC);

	if (pwrite(file, "X", 1, (off_t)off) != 1)
		abort();
}

/* Writes `len` bytes at `off` of a device, damages the first on the medium, and looks whether reading them shows it. */
static void read_back(struct device *dev, uint64_t off, size_t len, const char *name)
{
	CLEANUP(free_mem) uint8_t *bytes = device_buffer(FILE_BYTES);
	struct err err = { 0 };

	memset(bytes, 'a', len);
	is_int(device_write(dev, bytes, len, off, &err), 0, name);
	is_int(device_flush(dev, &err), 0, "... is flushed");
	damage(off);
	is_int(device_read(dev, bytes, len, off, &err), 0, "... is read back");
	ok(bytes[0] == 'X', "... from the medium");
}

static void test_medium(void)
{
	CLEANUP(close_fd) int loop_fd = -1;
	struct disk disk = { 0 };
	struct device *dev = NULL;
	struct err err = { 0 };

	if (!attach(&loop_fd)) {
		ok(true, "what is on the medium # SKIP no loop devices");
		return;
	}
	int rc = device_fd_identify(&disk, loop_path, 0, &err);
	if (!rc)
		rc = device_fd_open(&dev, &disk, &err);
	is_int(rc, 0, "a disk whose size is not whole pages is opened");
	if (rc) {
		printf("# %s\n", err.text);
		return;
	}
	read_back(dev, 0, 4096, "a page");
	read_back(dev, ODD_BYTES - 512, 512, "the last sector");
	read_back(dev, 8192 + 512, 4096, "a piece that begins and ends within a page");
	read_back(dev, 16384 + 100, 50, "a piece of a sector");
	device_close(&dev);
}

/* F40: another disk of the same size comes under the name of the one that was chosen. */
static void test_swapped(void)
{
	struct disk chosen = { 0 }, now = { 0 };
	struct device *dev = NULL;
	struct err err = { 0 };
	int loop_fd = -1;

	if (!attach(&loop_fd) || device_fd_identify(&chosen, loop_path, 0, &err) != 0) {
		ok(true, "a disk that was swapped # SKIP no loop devices");
		return;
	}
	/* Detached when its last user closes it, then attached anew: the kernel counts that as another disk. */
	close(loop_fd);
	CLEANUP(close_fd) int again_fd = open(loop_path, O_RDWR | O_CLOEXEC);
	CLEANUP(close_fd) int file = open(file_path, O_RDWR | O_CLOEXEC);
	struct loop_config config = { .fd = (uint32_t)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	if (ioctl(again_fd, LOOP_CONFIGURE, &config) != 0) {
		ok(true, "a disk that was swapped # SKIP somebody else took the loop device");
		return;
	}
	is_int(device_fd_open(&dev, &chosen, &err), -ESTALE, "a disk that was swapped since it was chosen is refused");
	ok(strstr(err.text, "its kernel disk sequence number was") != NULL, "saying how it is known: %s", err.text);
	ok(!dev, "and not opened");
	is_int(device_fd_identify(&now, loop_path, 0, &err), 0, "chosen anew");
	is_int(device_fd_open(&dev, &now, &err), 0, "it is taken");
	device_close(&dev);
}

/*
 * F35. That sysfs tells is test_disk.c's; here what stands behind it: the device itself is asked once it is open, and the
 * kernel has the last word.
 */
static void test_read_only(void)
{
	CLEANUP(close_fd) int loop_fd = -1;
	struct disk chosen = { 0 };
	struct device *dev = NULL;
	struct err err = { 0 };
	int read_only = 1;

	if (!attach(&loop_fd) || device_fd_identify(&chosen, loop_path, 0, &err) != 0) {
		ok(true, "a read-only disk # SKIP no loop devices");
		return;
	}
	ioctl(loop_fd, BLKROSET, &read_only);
	is_int(device_fd_open(&dev, &chosen, &err), -EROFS, "a disk that became read-only since it was chosen");
	ok(strstr(err.text, "read-only") != NULL, "is refused as such: %s", err.text);
	read_only = 0;
	ioctl(loop_fd, BLKROSET, &read_only);
	is_int(device_fd_open(&dev, &chosen, &err), 0, "one that no longer is, is taken");
	read_only = 1;
	ioctl(loop_fd, BLKROSET, &read_only);
	CLEANUP(free_mem) uint8_t *bytes = device_buffer(FILE_BYTES);
	memset(bytes, 'a', 4096);
	is_int(device_write(dev, bytes, 4096, 0, &err), -EIO, "and if it becomes so again, writing fails");
	ok(strstr(err.text, "write at byte 0") != NULL, "with what the kernel says: %s", err.text);
	device_close(&dev);
	/* The mark would stay for whoever gets this loop device next. */
	read_only = 0;
	ioctl(loop_fd, BLKROSET, &read_only);
}

int main(void)
{
	static void (*const tests[])(void) = { test_medium, test_swapped, test_read_only };

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		strcpy(file_path, "/tmp/vmcast-test-device-XXXXXX");
		tests[i]();
		unlink(file_path);
	}
	return done_testing();
}
