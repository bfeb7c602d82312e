/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the end of `qemu-img check` means. The sandbox is ours here: a program that ends as it is told. */
#include "qemu_nbd.h"

#include "sandbox.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct sandbox {
	int start, status; /* what comes of the start; the exit status, -1: a signal */
	int fd;
} next = { .fd = -1 };

int sandbox_start(struct sandbox **out, const struct sandbox_options *options, struct err *err)
{
	(void)options;
	*out = next.start ? NULL : &next;
	return next.start ? err_set(err, next.start, "it does not start") : 0;
}

int sandbox_fd(const struct sandbox *s)
{
	return s->fd;
}

int sandbox_wait(struct sandbox *s, struct err *err)
{
	return s->status ? err_set(err, -EIO, "it ended") : 0;
}

int sandbox_exit_status(const struct sandbox *s)
{
	return s->status;
}

const char *sandbox_said(const struct sandbox *s, char out[static SANDBOX_SAID_ROOM])
{
	(void)s;
	out[0] = '\0';
	return out;
}

void sandbox_close(struct sandbox **s)
{
	*s = NULL;
}

int main(void)
{
	static const struct {
		const char *name;
		int start, status, code;
	} cases[] = {
		{ "a good image passes", 0, 0, 0 },
		{ "a corrupt one is refused", 0, 2, -EBADMSG },
		{ "space that nothing uses is no harm", 0, 3, 0 },
		{ "a format without a check passes", 0, 63, 0 },
		{ "what it cannot read is refused", 0, 1, -EBADMSG },
		{ "a check that a signal ended says nothing about the image", 0, -1, -EAGAIN },
		{ "a file that is another by now is tried again", -ESTALE, 0, -EAGAIN },
		{ "a host that permits no sandbox is told", -EPERM, 0, -EPERM },
	};
	const struct qemu_image image = { .path = "/dev/null", .driver = "qcow2" };

	next.fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* always readable */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };

		next.start = cases[i].start;
		next.status = cases[i].status;
		is_int(qemu_check(&image, NULL, &err), cases[i].code, cases[i].name);
	}
	close(next.fd);
	return done_testing();
}
