/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * canned_server: a web server of a process of its own that says what real ones only say when they are broken. It answers
 * one request per connection, each with the next of its answers, and keeps to the last.
 */
#ifndef VMCAST_CANNED_SERVER_H
#define VMCAST_CANNED_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct canned_answer {
	const char *unless; /* when the request has this in its head, `otherwise` is sent; NULL: never */
	const char *otherwise;
	const char *bytes; /* head and body; NULL: the connection is reset */
	unsigned drips;    /* then so many bytes more, one at a time */
	unsigned drip_ms;
};

struct canned_server {
	pid_t pid;
	char url[64];
};

static inline void canned_send(int conn, const char *bytes)
{
	if (send(conn, bytes, strlen(bytes), MSG_NOSIGNAL) < 0)
		_exit(1);
}

static inline void canned_answer(int conn, const struct canned_answer *answer)
{
	const struct linger reset = { .l_onoff = 1 };
	char head[8192];
	size_t len = 0;
	ssize_t got;

	do {
		got = recv(conn, head + len, sizeof(head) - 1 - len, 0);
		len += got > 0 ? (size_t)got : 0;
		head[len] = '\0';
	} while (got > 0 && !strstr(head, "\r\n\r\n"));
	if (answer->bytes)
		canned_send(conn, answer->unless && strstr(head, answer->unless) ? answer->otherwise : answer->bytes);
	else
		setsockopt(conn, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	for (unsigned i = 0; i < answer->drips && send(conn, "x", 1, MSG_NOSIGNAL) == 1; i++)
		usleep(answer->drip_ms * 1000);
	close(conn);
}

static inline struct canned_server canned_start(const struct canned_answer *answers, size_t count)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct canned_server server = { 0 };
	socklen_t len = sizeof(at);

	if (bind(fd, (struct sockaddr *)(void *)&at, len) || listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)(void *)&at, &len))
		abort();
	snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%u/", ntohs(at.sin_port));
	fflush(stdout);
	server.pid = fork();
	if (server.pid) {
		close(fd);
		return server;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t nr = 0;; nr += nr + 1 < count) {
		int conn = accept(fd, NULL, NULL);

		if (conn >= 0)
			canned_answer(conn, &answers[nr]);
	}
}

static inline void canned_stop(struct canned_server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
}

#endif
