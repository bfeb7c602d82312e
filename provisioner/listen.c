/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listen: see listen.h */
#include "listen.h"

#include "cleanup.h"
#include "log.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The kernel takes its own limit (net.core.somaxconn) if that is lower. Two hundred machines may come at once. */
#define BACKLOG 4096

int listen_tcp(const char *host, uint16_t port, struct err *err)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	int rc = getaddrinfo(host, service, &hints, &found);

	if (rc)
		return err_set(err, -EINVAL, "listen on %s port %u: %s", host, port, gai_strerror(rc));
	CLEANUP(close_fd) int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;

	rc = 0;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		rc = err_set(err, -errno, "listen on %s port %u: %s", host, port, strerror(errno));
	freeaddrinfo(found);
	return rc ? rc : TAKE_FD(fd);
}

/* Make room for the socket file: remove one that a dead service left. */
static int remove_stale(const char *path, const struct sockaddr_un *addr, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "stat '%s': %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EADDRINUSE, "'%s' is there and is no socket", path);
	CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set(err, -errno, "socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno != ECONNREFUSED)
		return err_set(err, -EADDRINUSE, "'%s': another service listens there", path);
	if (unlink(path) < 0)
		return err_set(err, -errno, "remove '%s': %s", path, strerror(errno));
	return 0;
}

/* Numeric id of `name`, or that of nobody new (-1, which chown leaves as it is) with a warning. */
static gid_t find_group(const char *name)
{
	const struct group *found = name && name[0] ? getgrnam(name) : NULL;

	if (!found)
		log_warn("http: there is no group '%s': only root may use the operator's socket", name ? name : "");
	return found ? found->gr_gid : (gid_t)-1;
}

int listen_unix(const char *path, const char *group, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set(err, -errno, "socket: %s", strerror(errno));
	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "socket '%s': the path is longer than %zu bytes", path,
			       sizeof(addr.sun_path) - 1);
	strcpy(addr.sun_path, path);
	int rc = remove_stale(path, &addr, err);

	if (rc < 0)
		return rc;
	/* The file gets the mode of the socket's inode, so that at no moment anybody else can connect. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_set(err, -errno, "listen on '%s': %s", path, strerror(errno));
	if (chown(path, (uid_t)-1, find_group(group)) < 0 || chmod(path, 0660) < 0 || listen(fd, BACKLOG) < 0)
		return err_set(err, -errno, "listen on '%s': %s", path, strerror(errno));
	return TAKE_FD(fd);
}
