/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu_nbd: see qemu_nbd.h */
#include "qemu_nbd.h"

#include "backoff.h"
#include "cleanup.h"
#include "disk_reader.h"
#include "sandbox.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define QEMU_NBD "/usr/bin/qemu-nbd"
#define QEMU_IMG "/usr/bin/qemu-img"

/* What `qemu-img check` exits with. */
enum {
	CHECK_CORRUPT = 2,
	CHECK_LEAKS = 3, /* space that nothing uses: no harm */
	CHECK_NONE = 63, /* the format has no check */
};

/* Processor time for a start, and for 20 MiB of disk per second; clusters in zstd were measured at 300 MiB. */
#define CPU_S_LEAST     600
#define CPU_BYTES_PER_S (20u << 20)
#define GOODBYE_MS      10000 /* for a server whose connection broke to come to its end, and say why */
#define SLICE_MS        500   /* how often a stop is looked for */
#define CHECK_MS        3600000u /* for a check, which takes seconds; its processor time has a bound, its sleep has this one */

struct qemu_nbd {
	struct sandbox *sandbox;
};

/*
 * The image as QEMU's block layer is told it. The cache of qcow2's tables is for reading in order; with small clusters
 * it would be 32 MiB by itself. An image that ends before its file does is followed by the padding of an archive: the
 * layer that cuts it out counts in sectors.
 */
static int describe(char **out, const struct qemu_image *image, struct err *err)
{
	const uint64_t rest = (uint64_t)image->file.st_size - image->file_off;
	const uint64_t padded = (image->file_bytes + 511) / 512 * 512;
	char cut[64] = "", own[64] = "";

	if (strcmp(image->driver, "qcow2") == 0)
		snprintf(own, sizeof(own), "\"l2-cache-size\":4194304,");
	else if (image->size_calc)
		snprintf(own, sizeof(own), "\"force_size_calc\":\"%s\",", image->size_calc);
	if (padded < rest)
		snprintf(cut, sizeof(cut), "\"size\":%" PRIu64 ",", padded);
	if (asprintf(out,
		     "json:{\"driver\":\"%s\",%s\"backing\":null,\"file\":{\"driver\":\"raw\",\"offset\":%" PRIu64
		     ",%s\"file\":{\"driver\":\"file\",\"filename\":\"/disk\",\"locking\":\"off\"}}}",
		     image->driver, own, image->file_off, cut) >= 0)
		return 0;
	*out = NULL;
	return err_set(err, -ENOMEM, "out of memory");
}

static int start(struct sandbox **out, const struct qemu_image *image, const char *program, char *const *argv,
		 char *const *env, int pass_fd, struct err *err)
{
	const struct sandbox_bind disk = {
		.path = image->path, .inside = "/disk", .device = image->file.st_dev, .inode = image->file.st_ino
	};
	const struct sandbox_options options = { .program = program,
						 .argv = argv,
						 .env = env,
						 .binds = &disk,
						 .bind_count = 1,
						 .stdin_fd = -1,
						 .stdout_fd = -1,
						 .pass_fd = pass_fd,
						 .memory_bytes = DISK_READER_QEMU_BYTES,
						 .file_bytes = 0,
						 .cpu_s = CPU_S_LEAST + image->disk_bytes / CPU_BYTES_PER_S,
						 .fds = 64 };
	int rc = sandbox_start(out, &options, err);

	/* A publisher who changes his folder just now, or who wants to have something else read. */
	if (rc == -ESTALE || (rc == -ENOENT && access(image->path, F_OK)))
		return err_set(err, -EAGAIN, "'%s' is another file than the one that was checked", image->path);
	return rc == -ENOENT ? err_wrap(err, "Debian's package is qemu-utils") : rc;
}

/* QEMU calls the image by all that describe() told it, which says nothing to people. */
static void shorten(struct err *err)
{
	char *from, *to;

	while ((from = strstr(err->text, " 'json:{")) && (to = strstr(from, "}'")))
		memmove(from, to + 2, strlen(to + 2) + 1);
}

/* Until it ends. */
static int await_end(const struct sandbox *s, const atomic_bool *stop, struct err *err)
{
	struct pollfd end = { .fd = sandbox_fd(s), .events = POLLIN };
	const uint64_t since_ms = clock_ms();

	while (poll(&end, 1, SLICE_MS) <= 0) {
		if (stop && atomic_load(stop))
			return err_set(err, -ECANCELED, "stopped");
		if (clock_ms() - since_ms > CHECK_MS)
			return err_set(err, -ETIMEDOUT, "qemu-img check does not come to an end");
	}
	return 0;
}

int qemu_check(const struct qemu_image *image, const atomic_bool *stop, struct err *err)
{
	static char *const env[] = { "LC_ALL=C", "MALLOC_ARENA_MAX=2", NULL };
	CLEANUP(sandbox_close) struct sandbox *s = NULL;
	CLEANUP(free_str) char *description = NULL;
	int rc = describe(&description, image, err);

	if (rc)
		return rc;
	char *const argv[] = { "qemu-img", "check", "-q", description, NULL };
	rc = start(&s, image, QEMU_IMG, argv, env, -1, err);
	if (!rc)
		rc = await_end(s, stop, err);
	if (rc || sandbox_wait(s, err) == 0)
		return rc;
	shorten(err);
	switch (sandbox_exit_status(s)) {
	case CHECK_LEAKS:
	case CHECK_NONE:
		return 0;
	case CHECK_CORRUPT:
		err->code = -EBADMSG;
		return err_wrap(err, "qemu-img check found it corrupt");
	case -1:
		/* A host that is short of memory or time; that says nothing about the image. */
		err->code = -EAGAIN;
		return err_wrap(err, "qemu-img check did not come to its end");
	default:
		err->code = -EBADMSG;
		return err_wrap(err, "qemu-img check cannot read it");
	}
}

/*
 * A listening socket and a connection to it, which is the only one there will ever be: nobody else can reach the name,
 * which is gone before anybody listens.
 */
static int make_sockets(int *listener, int *client, struct err *err)
{
	char folder[] = "/tmp/vmcast-nbd.XXXXXX";
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	CLEANUP(close_fd) int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CLEANUP(close_fd) int c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l < 0 || c < 0)
		return err_set(err, -errno, "socket: %s", strerror(errno));
	if (!mkdtemp(folder))
		return err_set(err, -errno, "make a folder in /tmp: %s", strerror(errno));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/nbd", folder);
	const struct sockaddr *name = (const struct sockaddr *)&address;
	int rc = bind(l, name, sizeof(address)) || listen(l, 1) || connect(c, name, sizeof(address)) ? -errno : 0;
	unlink(address.sun_path);
	rmdir(folder);
	if (rc)
		return err_set(err, rc, "make a socket: %s", strerror(-rc));
	*listener = TAKE_FD(l);
	*client = TAKE_FD(c);
	return 0;
}

int qemu_nbd_open(struct qemu_nbd **out, int *socket, const struct qemu_image *image, struct err *err)
{
	/* systemd's socket activation, which wants to know whom it is for: process 1 of the sandbox. */
	static char *const env[] = { "LISTEN_PID=1", "LISTEN_FDS=1", "LC_ALL=C", "MALLOC_ARENA_MAX=2", NULL };
	CLEANUP(close_fd) int listener = -1;
	CLEANUP(close_fd) int client = -1;
	CLEANUP(free_str) char *description = NULL;
	CLEANUP(qemu_nbd_close) struct qemu_nbd *q = calloc(1, sizeof(*q));

	if (!q)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = describe(&description, image, err);
	if (!rc)
		rc = make_sockets(&listener, &client, err);
	if (rc)
		return rc;
	char *const argv[] = { "qemu-nbd", "--read-only", "--shared=1", description, NULL };
	rc = start(&q->sandbox, image, QEMU_NBD, argv, env, listener, err);
	if (rc)
		return rc;
	*socket = TAKE_FD(client);
	*out = TAKE(q);
	return 0;
}

int qemu_nbd_explain(struct qemu_nbd *q, struct err *err)
{
	struct pollfd end = { .fd = sandbox_fd(q->sandbox), .events = POLLIN };
	char said[SANDBOX_SAID_ROOM];
	struct err ended;

	if (poll(&end, 1, GOODBYE_MS) > 0 && sandbox_wait(q->sandbox, &ended)) {
		/* A status is QEMU's own word about the image; a signal is a crash, or a limit. */
		shorten(&ended);
		bool is_word = sandbox_exit_status(q->sandbox) > 0;
		return err_set(err, is_word ? -EBADMSG : -EIO, "QEMU cannot read it: %s", ended.text);
	}
	if (sandbox_said(q->sandbox, said)[0])
		err_wrap(err, "%s", said);
	return err->code;
}

void qemu_nbd_close(struct qemu_nbd **qemu)
{
	struct qemu_nbd *q = *qemu;

	if (!q)
		return;
	sandbox_close(&q->sandbox);
	free(q);
	*qemu = NULL;
}
