/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmcast-sandbox: starts one sandbox for vmcastd, as a user of its own: vmcast-sandbox@.service, one process for each
 * connection to vmcast-sandbox.socket, which is its standard input. vmcastd(8), SANDBOX, has the picture.
 */
#include "log.h"
#include "sandbox_launcher.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAULT = 1, EXIT_USAGE = 2 };

static bool is_connection(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

int main(int argc, char **argv)
{
	struct err err;

	(void)argv;
	if (argc > 1 || !is_connection(STDIN_FILENO)) {
		fputs("Usage: vmcast-sandbox\nStarts one sandbox for vmcastd, which is at the other end of its "
		      "standard input: "
		      "vmcast-sandbox.socket\nstarts it. See vmcastd(8).\n",
		      stderr);
		return EXIT_USAGE;
	}
	/* Whoever starts us may ignore it; then nobody could tell how the sandbox ended. */
	signal(SIGCHLD, SIG_DFL);
	/* vmcastd is of our group, and reads what was unpacked. */
	umask(027);
	if (sandbox_launcher_serve(STDIN_FILENO, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAULT;
	}
	return EXIT_OK;
}
