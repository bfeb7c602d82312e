/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * landing_kexec: starts the kernel of the disk that was just written, without the firmware. What it is comes from boot_entry;
 * the kernel decides whether it is one (kexec_file_load(2), Documentation/admin-guide/LSM and kernel_lockdown(7)).
 */
#include "backoff.h"
#include "boot_entry.h"
#include "boot_mount.h"
#include "cleanup.h"
#include "landing.h"
#include "meminfo.h"
#include "sysfs.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LAST_WORDS_MS 1000u

/* What the running kernel and this program need meanwhile. */
#define SPARE_BYTES (32ull << 20)

/* The kernel reads an initial RAM disk by four bytes. */
#define INITRD_ALIGN 4u

#define COPY_BYTES (64u << 20)

static int part_bytes(uint64_t *out, const struct boot_file *file, struct err *err)
{
	CLEANUP(close_fd) int fd = boot_file_open(out, file, err);

	if (fd >= 0 && file->bytes)
		*out = file->bytes;
	return fd < 0 ? fd : 0;
}

/* The kernel reads the files into memory and copies them from there: all is in memory twice, and what we join three times. */
static int check_memory(const struct boot_entry *entry, struct err *err)
{
	char need[UNITS_TEXT], there[UNITS_TEXT];
	uint64_t bytes, sum = 0, available = meminfo_available_bytes();
	int rc = part_bytes(&sum, &entry->kernel, err);

	for (size_t i = 0; rc == 0 && i < entry->initrd_count; i++) {
		rc = part_bytes(&bytes, &entry->initrds[i], err);
		/* Sizes of files fit in 63 bits; a sum that does not is too much anyway. */
		sum = rc == 0 && sum < UINT64_MAX / 4 ? sum + bytes : sum;
	}
	if (rc != 0)
		return rc;
	if (available < SPARE_BYTES || sum > (available - SPARE_BYTES) / 3)
		return err_set(err, -ENOMEM, "too little memory: kernel and initial RAM disks of %s, %s are free",
			       units_bytes(need, sum), units_bytes(there, available));
	return 0;
}

static int copy_part(int to, const struct boot_file *file, struct err *err)
{
	uint64_t bytes;
	CLEANUP(close_fd) int fd = boot_file_open(&bytes, file, err);

	if (fd < 0)
		return fd;
	off_t off = (off_t)file->off;
	uint64_t left = file->bytes ? file->bytes : bytes;
	while (left) {
		ssize_t got = sendfile(to, fd, &off, left < COPY_BYTES ? (size_t)left : COPY_BYTES);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(err, got < 0 ? -errno : -EBADMSG, "read '%s': %s", file->path,
				       got < 0 ? strerror(errno) : "it is too short");
		left -= (uint64_t)got;
	}
	return 0;
}

static int pad(int fd, struct err *err)
{
	off_t end = lseek(fd, 0, SEEK_CUR);
	off_t padded = (end + INITRD_ALIGN - 1) / INITRD_ALIGN * INITRD_ALIGN;

	if (end < 0 || ftruncate(fd, padded) != 0 || lseek(fd, padded, SEEK_SET) < 0)
		return err_set(err, -errno, "join initial RAM disks: %s", strerror(errno));
	return 0;
}

/* One descriptor for all of them: the file itself where it can be. */
static int open_parts(const struct boot_file *files, size_t count, struct err *err)
{
	uint64_t bytes;
	int rc = 0;

	if (count == 1 && !files[0].bytes)
		return boot_file_open(&bytes, &files[0], err);
	CLEANUP(close_fd) int fd = memfd_create("vmcast-kexec", MFD_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "memory for the kernel: %s", strerror(errno));
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = copy_part(fd, &files[i], err);
		if (rc == 0 && i + 1 < count)
			rc = pad(fd, err);
	}
	return rc == 0 ? TAKE_FD(fd) : rc;
}

static const char *refusal_text(int error)
{
	switch (error) {
	case EPERM:
		return "not permitted (kernel lockdown, or kexec is disabled)";
	case ENOKEY:
	case EKEYREJECTED:
		return "it is not signed by a key that this kernel trusts";
	case ENOEXEC:
		return "it is no kernel that this one can start";
	case ENOSYS:
		return "this kernel has no kexec_file_load";
	default:
		return strerror(error);
	}
}

static int load(const struct boot_entry *entry, struct err *err)
{
	int rc = check_memory(entry, err);

	if (rc != 0)
		return rc;
	CLEANUP(close_fd) int kernel = open_parts(&entry->kernel, 1, err);
	if (kernel < 0)
		return kernel;
	CLEANUP(close_fd) int initrd = entry->initrd_count ? open_parts(entry->initrds, entry->initrd_count, err) : -1;
	if (entry->initrd_count && initrd < 0)
		return initrd;
	unsigned long flags = entry->initrd_count ? 0 : KEXEC_FILE_NO_INITRAMFS;
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(entry->arguments) + 1, entry->arguments, flags) != 0)
		return err_set(err, -errno, "kernel '%s': %s", entry->kernel.path, refusal_text(errno));
	return 0;
}

static int prepare(char *what, size_t room, const char *const *disks, size_t count, struct err *err)
{
	CLEANUP(boot_volumes_close) struct boot_volumes volumes = { 0 };
	CLEANUP(free_mem) struct boot_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = boot_volumes_open(&volumes, disks, count, err);
	if (rc == 0)
		rc = boot_entry_find(entry, &volumes, access("/sys/firmware/efi", F_OK) == 0, err);
	if (rc == 0)
		rc = load(entry, err);
	if (rc == 0)
		snprintf(what, room, "%s by %s, arguments: %s", entry->kernel.path, entry->from, entry->arguments);
	sysfs_clean(rc == 0 ? what : err->text);
	return rc;
}

static int go(const atomic_bool *stop, struct err *err)
{
	sync();
	/* Serial lines are slow: let the last words out. */
	if (clock_sleep_ms(LAST_WORDS_MS, stop, err) != 0)
		return err_wrap(err, "the disk is good, but its kernel is not started");
	reboot(RB_KEXEC);
	/* What was loaded is not there any more: the firmware can do it. */
	return landing_reboot.go(stop, err);
}

const struct landing landing_kexec = { "kexec", prepare, go };
