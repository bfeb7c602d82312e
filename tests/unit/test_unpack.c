/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever the program that unpacks does, the parent keeps its promises. This very program stands in for it: the enclosure
 * says what it is to do before it tells what stands behind.
 */
#include "unpack.h"

#include "cleanup.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK                                                                                                           \
	"{\"kind\":\"disk\",\"form\":\"f\",\"disks\":[{\"name\":\"d\",\"boot\":true,\"disk_bytes\":0,\"parts\":[{"     \
	"\"file\":\"%s\","                                                                                             \
	"\"format\":\"raw\",\"file_off\":0,\"file_bytes\":5,\"disk_off\":0,\"disk_bytes\":0}]}],\"notes\":[],"         \
	"\"signatures\":[]}\n"

static char self[PATH_MAX], folder[] = "/tmp/vmcast-test-unpack.XXXXXX";
static struct unpack_options options = { .scratch_bytes_max = 1 << 20, .disk_bytes_max = 1 << 20 };

/* Of a file, by a key that nobody has: RFC 4880, 5.2.3. */
static const char signature[] = "\xc2\x1d\4\0\1\10\0\6\5\2\x60\0\0\0\0\012\11\020ABCDEFGH\0\0\0\1";

static int put_file(const char *name, const char *bytes, size_t len, int times)
{
	CLEANUP(close_fd) int fd = open(name, O_WRONLY | O_CREAT, 0600);

	for (int i = 0; i < times; i++)
		if (write(fd, bytes, len) != (ssize_t)len)
			return -1;
	return 0;
}

/* Say the same again, after doing what the first letter asks for. */
static int stand_in(const char *scratch)
{
	static char text[65536];
	ssize_t len = read(STDIN_FILENO, text, sizeof(text));

	if (chdir(scratch) || len < 1)
		return 9;
	if (text[0] == 'f') {
		CLEANUP(close_fd) int fd = open("0", O_WRONLY | O_CREAT, 0600);

		if (write(fd, "bytes", 5) != 5)
			return 9;
	}
	if (text[0] == 'g' && (put_file("0", "bytes", 5, 1) || put_file("1", signature, sizeof(signature), 3000)))
		return 9;
	if (text[0] == 'l' && symlink("/etc/passwd", "0"))
		return 8; /* not even that is allowed */
	if (text[0] == 'm')
		mkdir("0", 0700);
	if (text[0] == 'x')
		return 3;
	ssize_t put = write(STDOUT_FILENO, text + 1, (size_t)len - 1);
	if (text[0] == 'c' && close(STDOUT_FILENO))
		return 9;
	if (text[0] == 'd' && put_file("0", text, sizeof(text), 1600))
		return 9;
	for (int i = 0; text[0] == 'i' && i <= 66 << 10; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%d", i);
		put_file(name, "", 0, 0);
	}
	while (strchr("cdis", text[0]))
		sleep(1000);
	return put < 0;
}

static unsigned told;
static uint64_t told_bytes;

static int on_progress(void *ctx, uint64_t done, uint64_t total, struct err *err)
{
	told++;
	told_bytes = done <= total ? done : 0;
	return ctx ? err_set(err, -ETIME, "enough") : 0;
}

/* The stand-in with this enclosure. */
static int run(struct unpacked **out, const char *enclosure, struct err *err)
{
	char path[64], command[256];
	snprintf(path, sizeof(path), "%s/enclosure", folder);
	CLEANUP(close_fd) int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (write(fd, enclosure, strlen(enclosure)) < 0 || lseek(fd, 0, SEEK_SET))
		abort();
	snprintf(path, sizeof(path), "%s/scratch", folder);
	snprintf(command, sizeof(command), "rm -rf %s && mkdir %s", path, path);
	if (system(command))
		abort();
	options.scratch = path;
	options.program = self;
	told = 0;
	*err = (struct err){ 0 };
	*out = NULL;
	return unpack_enclosure(out, fd, &options, err);
}

static void test_good(void)
{
	CLEANUP(unpacked_free) struct unpacked *u = NULL;
	char text[1024];
	struct err err;

	snprintf(text, sizeof(text), "f{\"done_bytes\":3}\n{\"done_bytes\":99999999}\n" DISK, "0");
	is_int(run(&u, text, &err), 0, "a report is taken");
	is_str(err.text, "", "without a word");
	is_int(told, 2, "and how far it had come");
	ok(told_bytes == strlen(text), "never farther than the end");
	is_str(u ? u->disks[0].parts[0].file : NULL, "0", "its disk is the file that it wrote");
}

static void test_lies(void)
{
	static const struct {
		const char *name, *enclosure, *said;
		int code;
	} cases[] = {
		{ "a file that it did not write", "n" DISK, "no file of ours", -EPROTO },
		{ "a folder", "m" DISK, "no file of ours", -EPROTO },
		{ "no report", "n", "without a report", -EPROTO },
		{ "half a report", "n{\"kind\":", "without a report", -EPROTO },
		{ "no JSON", "nhello\n", "report of vmcast-unpack", -EPROTO },
		{ "an empty line", "n\n", "empty line", -EPROTO },
		{ "something behind it", "f" DISK "more\n", "something follows", -EPROTO },
		{ "progress that is none", "n{\"done_bytes\":-1}\n", "done_bytes", -EPROTO },
		{ "an end with a bad status", "x" DISK, "status 3", -EIO },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[1024];
		struct err err;
		CLEANUP(unpacked_free) struct unpacked *u = NULL;

		snprintf(text, sizeof(text), cases[i].enclosure, "0"); /* the name in DISK */
		int rc = run(&u, text, &err);
		ok(rc == cases[i].code && !u && strstr(err.text, cases[i].said), "refused: %s (%s)", cases[i].name,
		   err.text);
	}
	struct unpacked *u;
	struct err err;
	ok(run(&u, "l" DISK, &err) < 0 && !u, "refused: a link (%s)", err.text);
}

static void test_stop(void)
{
	atomic_bool stop = true;
	struct unpacked *u;
	struct err err;

	options.stop = &stop;
	is_int(run(&u, "s", &err), -ECANCELED, "a program that does not end is stopped when we are");
	options.stop = NULL;
	options.ctx = &stop;
	is_int(run(&u, "s{\"done_bytes\":1}\n", &err), -ETIME, "and when who hears of its progress has enough");
	options.ctx = NULL;
}

#define SIGNED                                                                                                         \
	"g{\"kind\":\"disk\",\"form\":\"f\",\"disks\":[{\"name\":\"d\",\"boot\":true,\"disk_bytes\":0,\"parts\":[{"    \
	"\"file\":\"0\",\"format\":\"raw\",\"file_off\":0,\"file_bytes\":5,\"disk_off\":0,\"disk_bytes\":0}]}],"       \
	"\"notes\":[],\"signatures\":[{\"name\":\"d.sig\",\"file\":\"0\",\"signature\":\"1\"}]}\n"

static void test_endless_signature(void)
{
	struct unpacked *u;
	struct err err;

	if (access("/usr/bin/gpgv", X_OK)) {
		ok(true, "# SKIP there is no gpgv");
		return;
	}
	char path[64];
	snprintf(path, sizeof(path), "%s/keyring", folder);
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		abort();
	options.keyring = path;
	alarm(60);
	int rc = run(&u, SIGNED, &err);
	alarm(0);
	ok(rc == -EFBIG, "more than is read of what is said about a signature is a refusal (%d %s)", rc, err.text);
	options.keyring = NULL;
}

static void test_bounds_kept_for_it(void)
{
	static const struct {
		const char *name, *enclosure, *said;
		uint64_t stall_ms;
		int code;
	} cases[] = {
		{ "the disk filled in silence", "d", "scratch_bytes_max", 0, -ENOSPC },
		{ "files without end", "i", "more than 67584 files", 0, -EFBIG },
		{ "sleep", "s", "does nothing", 1500, -ETIMEDOUT },
		{ "sleep after the report", "c{}\n", "does nothing", 1500, -ETIMEDOUT },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct unpacked *u;
		struct err err;

		options.stall_ms = cases[i].stall_ms;
		alarm(100);
		int rc = run(&u, cases[i].enclosure, &err);
		alarm(0);
		ok(rc == cases[i].code && strstr(err.text, cases[i].said), "ended: %s (%d %s)", cases[i].name, rc,
		   err.text);
	}
	options.stall_ms = 0;
}

int main(int argc, char **argv)
{
	struct unpacked *u;
	struct err err;
	char command[128];

	if (argc == 4 && strcmp(argv[0], "vmcast-unpack") == 0)
		return stand_in(argv[1]);
	options.progress = on_progress;
	if (!realpath("/proc/self/exe", self) || !mkdtemp(folder))
		return 2;
	if (run(&u, "n", &err) == -EPERM) {
		printf("1..0 # SKIP %s\n", err.text);
		return 0;
	}
	test_good();
	test_lies();
	test_stop();
	test_endless_signature();
	test_bounds_kept_for_it();
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? 2 : done_testing();
}
