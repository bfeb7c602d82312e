/* SPDX-License-Identifier: GPL-2.0-or-later */
/* notify: see notify.h */
#include "notify.h"

#include "cleanup.h"
#include "log.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

void notify_manager(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (!path || strlen(path) >= sizeof(to.sun_path))
		return;
	CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(to.sun_path, path, strlen(path));
	/* "@NAME" is in the abstract namespace, which a NUL byte stands for. */
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len) < 0)
		log_warn("notify: cannot tell the service manager '%s': %s, ignoring", state, strerror(errno));
}
