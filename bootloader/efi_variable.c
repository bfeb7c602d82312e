/* SPDX-License-Identifier: GPL-2.0-or-later */
/* efi_variable: see efi_variable.h */
#include "efi_variable.h"

#include "bytes.h"
#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sodium/utils.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Non-volatile, and there for boot services and systems (UEFI 2.10, 8.2.1). A variable that a running system cannot see would
 * be of no use to this program. */
#define ATTRIBUTES      0x7u
#define ATTRIBUTE_BYTES 4u

static int make_path(char path[static PATH_MAX], const char *folder, const char *name, struct err *err)
{
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		return err_set(err, -ENAMETOOLONG, "the folder's name is too long");
	return 0;
}

int efi_variable_read(uint8_t *out, size_t *len, const char *folder, const char *name, struct err *err)
{
	/* One more than there may be. */
	uint8_t bytes[ATTRIBUTE_BYTES + EFI_VARIABLE_MAX + 1];
	char path[PATH_MAX];
	int rc = make_path(path, folder, name, err);

	if (rc)
		return rc;
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_set(err, -errno, "read: %s", strerror(errno));
	ssize_t got = read(fd, bytes, sizeof(bytes));
	if (got < 0)
		rc = err_set(err, -errno, "read: %s", strerror(errno));
	/* What was created and never written is no variable. */
	else if ((size_t)got < ATTRIBUTE_BYTES)
		rc = err_set(err, -ENOENT, "it is empty");
	else if ((size_t)got - ATTRIBUTE_BYTES > *len || (size_t)got == sizeof(bytes))
		rc = err_set(err, -EFBIG, "it has more than %zu bytes", *len);
	if (!rc) {
		*len = (size_t)got - ATTRIBUTE_BYTES;
		memcpy(out, bytes + ATTRIBUTE_BYTES, *len);
	}
	sodium_memzero(bytes, sizeof(bytes));
	return rc;
}

/* efivarfs makes variables that it does not know immutable. */
static void make_mutable(const char *path)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int flags;

	if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_IMMUTABLE_FL) {
		flags &= ~FS_IMMUTABLE_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

void efi_variable_remove(const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct err ignored;

	if (make_path(path, folder, name, &ignored) < 0)
		return;
	make_mutable(path);
	unlink(path);
}

static int put(const char *path, const uint8_t *bytes, size_t len, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set(err, -errno, "create: %s", strerror(errno));
	/* One call is one SetVariable(). */
	ssize_t written = write(fd, bytes, len);
	int code = written < 0 ? errno : EIO;
	return written == (ssize_t)len ? 0 : err_set(err, -code, "write: %s", strerror(code));
}

int efi_variable_write(const char *folder, const char *name, const uint8_t *value, size_t len, struct err *err)
{
	uint8_t bytes[ATTRIBUTE_BYTES + EFI_VARIABLE_MAX];
	size_t there = EFI_VARIABLE_MAX;
	char path[PATH_MAX];
	int rc = make_path(path, folder, name, err);

	if (!rc && len > EFI_VARIABLE_MAX)
		rc = err_set(err, -EFBIG, "%zu bytes are too many for a variable", len);
	if (rc)
		return rc;
	put_le32(bytes, ATTRIBUTES);
	memcpy(bytes + ATTRIBUTE_BYTES, value, len);
	make_mutable(path);
	rc = put(path, bytes, ATTRIBUTE_BYTES + len, err);
	if (!rc)
		rc = efi_variable_read(bytes, &there, folder, name, err);
	if (!rc && (there != len || memcmp(bytes, value, len) != 0))
		rc = err_set(err, -EBADMSG, "it does not read back as written");
	sodium_memzero(bytes, sizeof(bytes));
	return rc;
}
