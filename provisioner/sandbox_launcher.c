/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sandbox_launcher: see sandbox_launcher.h */
#include "sandbox_launcher.h"

#include "cleanup.h"
#include "sandbox_impl.h"
#include "sandbox_message.h"
#include "sandbox_request.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Whoever connects asks at once. */
#define REQUEST_MS 60000

static int receive_request(struct sandbox_message *message, struct sandbox_request **request, int socket,
			   struct err *err)
{
	json_t *hello = json_pack("{s:I}", "group", (json_int_t)getegid());
	int rc = sandbox_message_send(socket, hello, NULL, 0, err);

	if (!rc)
		rc = sandbox_message_receive(message, socket, REQUEST_MS, err);
	return rc ? rc : sandbox_request_read(request, message->json, message->fds, message->fd_count, err);
}

static int answer(int socket, const struct sandbox *s, const struct err *why, struct err *err)
{
	if (s) {
		const int fds[] = { s->pidfd, s->stderr_fd };

		return sandbox_message_send(socket, json_pack("{s:i}", "pid", (int)s->pid), fds, 2, err);
	}
	return sandbox_message_send(socket, json_pack("{s:i, s:s}", "error", -why->code, "text", why->text), NULL, 0,
				    err);
}

/* To its end, or to that of the connection: nothing else is sent by the other side any more. */
static int follow(int socket, struct sandbox *s, struct err *err)
{
	struct pollfd wait[] = { { .fd = s->pidfd, .events = POLLIN }, { .fd = socket, .events = POLLIN } };

	while (!wait[0].revents && !wait[1].revents)
		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			return err_set(err, -errno, "poll: %s", strerror(errno));
	if (!wait[0].revents)
		return 0;
	sandbox_reap(s);
	if (s->lost)
		return err_set(err, -ECHILD, "how the sandbox ended is not known; is SIGCHLD ignored?");
	return sandbox_message_send(socket,
				    json_pack("{s:i, s:I}", "status", s->status, "used_s", (json_int_t)s->used_s), NULL,
				    0, err);
}

int sandbox_launcher_serve(int socket, struct err *err)
{
	CLEANUP(sandbox_close) struct sandbox *s = NULL;
	CLEANUP(sandbox_message_done) struct sandbox_message message = { 0 };
	CLEANUP(sandbox_request_free) struct sandbox_request *request = NULL;
	struct err why;

	int rc = receive_request(&message, &request, socket, err);
	if (rc) {
		/* Another version may be at the other end. */
		answer(socket, NULL, err, &why);
		return rc;
	}
	sandbox_start_child(&s, &request->options, &why);
	/* The program has its own: a pipe must not stay open by ours. */
	for (size_t i = 0; i < message.fd_count; i++)
		close_fd(&message.fds[i]), message.fds[i] = -1;
	rc = answer(socket, s, &why, err);
	return rc || !s ? rc : follow(socket, s, err);
}
