/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sandbox_message: see sandbox_message.h; unix(7), cmsg(3) */
#include "sandbox_message.h"

#include "cleanup.h"
#include "json.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

union control {
	char bytes[CMSG_SPACE(SANDBOX_MESSAGE_FDS * sizeof(int))];
	struct cmsghdr align;
};

int sandbox_message_send(int socket, json_t *taken, const int *fds, size_t fd_count, struct err *err)
{
	CLEANUP(json_free) json_t *json = taken;
	CLEANUP(free_str) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	union control control = { 0 };

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	struct iovec part = { .iov_base = text, .iov_len = strlen(text) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	if (part.iov_len > SANDBOX_MESSAGE_BYTES)
		return err_set(err, -E2BIG, "a message of %zu bytes, at most %u", part.iov_len, SANDBOX_MESSAGE_BYTES);
	if (fd_count) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
	}
	ssize_t sent;
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? err_set(err, -errno, "send: %s", strerror(errno)) : 0;
}

static int await(int socket, int timeout_ms, struct err *err)
{
	struct pollfd wait = { .fd = socket, .events = POLLIN };
	int ready;

	do
		ready = poll(&wait, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return err_set(err, -ETIMEDOUT, "no answer for %d s", timeout_ms / 1000);
	return ready < 0 ? err_set(err, -errno, "poll: %s", strerror(errno)) : 0;
}

/* They are ours from here on, whatever else is wrong with the message. */
static void take_fds(struct sandbox_message *out, struct msghdr *message)
{
	for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
			continue;
		/* No more than the buffer has room for: the kernel drops what does not fit. */
		out->fd_count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(out->fds, CMSG_DATA(at), out->fd_count * sizeof(int));
	}
}

int sandbox_message_receive(struct sandbox_message *out, int socket, int timeout_ms, struct err *err)
{
	CLEANUP(free_str) char *text = malloc(SANDBOX_MESSAGE_BYTES);
	union control control = { 0 };
	struct iovec part = { .iov_base = text, .iov_len = SANDBOX_MESSAGE_BYTES };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	if (await(socket, timeout_ms, err))
		return err->code;
	ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got < 0)
		return err_set(err, -errno, "receive: %s", strerror(errno));
	take_fds(out, &message);
	if (got == 0)
		return err_set(err, -ECONNRESET, "the connection has ended");
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return err_set(err, -EPROTO, "a message that is too long, or has too many descriptors");
	return json_parse_object(&out->json, text, (size_t)got, err);
}

void sandbox_message_done(struct sandbox_message *m)
{
	for (size_t i = 0; i < m->fd_count; i++)
		close_fd(&m->fds[i]);
	json_decref(m->json);
}
