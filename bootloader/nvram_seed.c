/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nvram_seed: see nvram_seed.h */
#include "nvram_seed.h"

#include "bytes.h"
#include "cleanup.h"
#include "digest.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sodium/utils.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

/* Made for this and used for nothing else. */
#define VARIABLE "VmcastMachineKey-f1250607-e0a6-4695-b84a-4dcb804ffa79"

/* Non-volatile, and there for boot services and systems (UEFI 2.10, 8.2.1). A variable that a running system cannot see would
 * be of no use to this program. */
#define ATTRIBUTES 0x7u

#define FORM        1
#define CHECK_BYTES 8
#define VALUE_BYTES (1 + NVRAM_SEED_BYTES + CHECK_BYTES)
#define FILE_BYTES  (4 + VALUE_BYTES)

static void encode(uint8_t out[static FILE_BYTES], const uint8_t seed[static NVRAM_SEED_BYTES])
{
	uint8_t digest[DIGEST_BYTES];

	put_le32(out, ATTRIBUTES);
	out[4] = FORM;
	memcpy(out + 5, seed, NVRAM_SEED_BYTES);
	digest_of(digest, seed, NVRAM_SEED_BYTES);
	memcpy(out + 5 + NVRAM_SEED_BYTES, digest, CHECK_BYTES);
}

/* -ENOENT: there is none, -EBADMSG: it holds something else. */
static int read_seed(uint8_t out[static NVRAM_SEED_BYTES], const char *path, struct err *err)
{
	/* One more than there may be. */
	uint8_t bytes[FILE_BYTES + 1], wanted[FILE_BYTES];
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_set(err, -errno, "read: %s", strerror(errno));
	ssize_t got = read(fd, bytes, sizeof(bytes));
	if (got < 0)
		return err_set(err, -errno, "read: %s", strerror(errno));
	/* What was created and never written is no variable. */
	if (got == 0)
		return err_set(err, -ENOENT, "it is empty");
	int rc = -EBADMSG;
	if (got == FILE_BYTES) {
		encode(wanted, bytes + 5);
		rc = memcmp(bytes, wanted, FILE_BYTES) == 0 ? 0 : -EBADMSG;
		sodium_memzero(wanted, sizeof(wanted));
	}
	if (!rc)
		memcpy(out, bytes + 5, NVRAM_SEED_BYTES);
	sodium_memzero(bytes, sizeof(bytes));
	return rc ? err_set(err, rc, "its %zd bytes are no key", got) : 0;
}

/* efivarfs makes variables that it does not know immutable. */
static void remove_variable(const char *path)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int flags;

	if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_IMMUTABLE_FL) {
		flags &= ~FS_IMMUTABLE_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	unlink(path);
}

static int write_seed(const char *path, const uint8_t seed[static NVRAM_SEED_BYTES], struct err *err)
{
	uint8_t bytes[FILE_BYTES];
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set(err, -errno, "create: %s", strerror(errno));
	encode(bytes, seed);
	/* One call is one SetVariable(). */
	ssize_t written = write(fd, bytes, sizeof(bytes));
	int code = written < 0 ? errno : EIO;
	sodium_memzero(bytes, sizeof(bytes));
	return written == sizeof(bytes) ? 0 : err_set(err, -code, "write: %s", strerror(code));
}

static int write_and_check(uint8_t out[static NVRAM_SEED_BYTES], const char *path, struct err *err)
{
	uint8_t seed[NVRAM_SEED_BYTES];

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return err_set(err, -errno, "random bytes: %s", strerror(errno));
	int rc = write_seed(path, seed, err);
	if (!rc)
		rc = read_seed(out, path, err);
	if (!rc && memcmp(out, seed, sizeof(seed)) != 0)
		rc = err_set(err, -EBADMSG, "it does not read back as written");
	sodium_memzero(seed, sizeof(seed));
	if (rc)
		remove_variable(path);
	return rc;
}

int nvram_seed(uint8_t out[static NVRAM_SEED_BYTES], const char *folder, struct err *err)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/" VARIABLE, folder) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the folder's name is too long");
	if (access(folder, F_OK) != 0)
		return err_set(err, -errno, "%s", errno == ENOENT ? "none" : strerror(errno));
	int rc = read_seed(out, path, err);
	if (rc == -EBADMSG)
		log_warn("UEFI variable " VARIABLE ": %s, replaced", err->text);
	if (rc != -EBADMSG && rc != -ENOENT)
		return rc;
	remove_variable(path);
	return write_and_check(out, path, err);
}
