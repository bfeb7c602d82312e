/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dnsmasq: see dnsmasq.h; its process and its folder. */
#include "dnsmasq.h"

#include "backoff.h"
#include "cleanup.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEADY_MS 60000 /* one that ran for so long is started again without a wait */
#define TERM_MS   5000  /* from SIGTERM to SIGKILL */
#define LINE_ROOM 1024

/*
 * What dnsmasq may do: bind ports 67, 69 and 4011, bind to an interface, send to machines that do not know their address yet.
 * setpriv(1) also has the kernel end it when the thread that started it ends, which is when vmcastd does, however it dies.
 */
#define CAPABILITIES "-all,+net_admin,+net_raw,+net_bind_service"

struct dnsmasq {
	const struct config *config;
	char *conf_path;
	int stop_fd; /* eventfd: readable once it shall stop */
	bool runs;
	pthread_t supervisor;
	pthread_mutex_t lock; /* of what follows */
	enum dnsmasq_state state;
	char why[DNSMASQ_WHY];
};

/* One run of the program. */
struct child {
	pid_t pid;
	int output_fd; /* what it writes to standard error */
	size_t len;    /* of the line that has begun */
	char line[LINE_ROOM];
	char last_line[DNSMASQ_WHY / 2]; /* fit to be shown */
};

static int find_network(struct dnsmasq_network *out, const char *interface, struct err *err)
{
	struct ifaddrs *all;
	bool exists = false, found = false;

	if (getifaddrs(&all) < 0)
		return err_set(err, -errno, "list network addresses: %s", strerror(errno));
	for (struct ifaddrs *at = all; at && !found; at = at->ifa_next) {
		if (strcmp(at->ifa_name, interface) != 0)
			continue;
		exists = true;
		if (!at->ifa_addr || !at->ifa_netmask || at->ifa_addr->sa_family != AF_INET)
			continue;
		out->address = ((struct sockaddr_in *)at->ifa_addr)->sin_addr;
		out->netmask = ((struct sockaddr_in *)at->ifa_netmask)->sin_addr;
		found = true;
	}
	freeifaddrs(all);
	if (!found)
		return err_set(err, -ENODEV, "dhcp_interface = '%s': %s", interface,
			       exists ? "has no IPv4 address; give it one" : "there is no such interface");
	return 0;
}

static int make_path(char **out, const char *folder, const char *name, struct err *err)
{
	if (asprintf(out, "%s/%s", folder, name) >= 0)
		return 0;
	*out = NULL;
	return err_set(err, -ENOMEM, "out of memory");
}

/* Links to the boot files and to nothing else: a TFTP server gives everything it can read to anybody. */
static int link_boot_files(const struct config *config, struct err *err)
{
	CLEANUP(free_str) char *folder = NULL;
	const char *name, *machines;

	if (make_path(&folder, config->run_dir, "tftp", err) < 0)
		return err->code;
	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make folder '%s': %s", folder, strerror(errno));
	for (size_t nr = 0; (name = dnsmasq_boot_file(nr, &machines)); nr++) {
		CLEANUP(free_str) char *target = NULL, *link = NULL;

		if (make_path(&target, config_firmware_dir(config, name), name, err) < 0 ||
		    make_path(&link, folder, name, err) < 0)
			return err->code;
		if (access(target, R_OK) < 0)
			log_warn("dnsmasq: '%s': %s, so %s machines cannot boot from the network", target,
				 strerror(errno), machines);
		if ((unlink(link) < 0 && errno != ENOENT) || symlink(target, link) < 0)
			return err_set(err, -errno, "link '%s': %s", link, strerror(errno));
	}
	return 0;
}

static int write_conf_file(const char *path, const struct config *config, const struct dnsmasq_network *network,
			   struct err *err)
{
	CLEANUP(close_file) FILE *file = fopen(path, "we");

	if (!file)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (dnsmasq_write_conf(file, config, network, err) < 0)
		return err->code;
	if (log_debug_enabled("dnsmasq"))
		fputs("log-dhcp\n", file);
	if (fflush(file) != 0)
		return err_set(err, -errno, "write '%s': %s", path, strerror(errno));
	return 0;
}

/* posix_spawn's two objects, with what every child here gets. */
static int spawn_argv(pid_t *pid, char *const argv[], int output_fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;

	/* vmcastd blocks the signals it waits for; a child that inherited that could not be asked to stop. */
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, output_fd, 1);
	posix_spawn_file_actions_adddup2(&actions, output_fd, 2);
	int code = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return -code;
}

static int start_child(struct child *child, const struct dnsmasq *d, struct err *err)
{
	char *conf_file, *program = d->config->dnsmasq;
	int fds[2];

	if (asprintf(&conf_file, "--conf-file=%s", d->conf_path) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	/* Who is not root has only the capabilities that were given to it, and cannot give any of them up for good. */
	char *const as_root[] = { "setpriv",
				  "--pdeathsig=KILL",
				  "--no-new-privs",
				  "--bounding-set=" CAPABILITIES,
				  "--inh-caps=" CAPABILITIES,
				  program,
				  "--keep-in-foreground",
				  conf_file,
				  NULL };
	char *const as_user[] = { "setpriv", "--pdeathsig=KILL",     "--no-new-privs",
				  program,   "--keep-in-foreground", conf_file,
				  NULL };
	int rc = 0;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		rc = err_set(err, -errno, "pipe: %s", strerror(errno));
	} else {
		rc = spawn_argv(&child->pid, geteuid() == 0 ? as_root : as_user, fds[1]);
		close(fds[1]);
		child->output_fd = fds[0];
		child->len = 0;
		child->last_line[0] = '\0';
		if (rc < 0) {
			close(fds[0]);
			err_set(err, rc, "start setpriv: %s", strerror(-rc));
		}
	}
	free(conf_file);
	return rc;
}

/* "dnsmasq-dhcp[123]: DHCPACK(br0) ..." -> our line. What machines send about themselves is in it. */
static void log_line(struct child *child, const char *line)
{
	const char *message = strstr(line, "]: ");
	char shown[LINE_ROOM];

	if (strncmp(line, "dnsmasq", 7) != 0 || !message)
		message = line;
	else
		message += 3;
	if (!*message)
		return;
	log_info("dnsmasq: %s", log_quote(shown, sizeof(shown), message));
	log_quote(child->last_line, sizeof(child->last_line), message);
}

/* Log what it wrote, line by line. False at the end of its output, which is when it is gone. */
static bool read_output(struct child *child)
{
	ssize_t got = read(child->output_fd, child->line + child->len, sizeof(child->line) - 1 - child->len);
	char *end, *from = child->line;

	if (got < 0 && errno == EINTR)
		return true;
	if (got <= 0)
		return false;
	child->len += (size_t)got;
	child->line[child->len] = '\0';
	while ((end = memchr(from, '\n', child->len - (size_t)(from - child->line)))) {
		*end = '\0';
		log_line(child, from);
		from = end + 1;
	}
	child->len -= (size_t)(from - child->line);
	memmove(child->line, from, child->len);
	if (child->len == sizeof(child->line) - 1)
		child->len = 0; /* no line of dnsmasq's is that long: drop it */
	return true;
}

/* Follow the child to its end; if it shall stop before, end it. Returns its wait status. */
static int follow(struct child *child, int stop_fd)
{
	struct pollfd fds[] = { { .fd = child->output_fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
	int timeout_ms = -1, status;

	for (;;) {
		int ready = poll(fds, 2, timeout_ms);

		if (ready == 0)
			kill(child->pid, SIGKILL);
		if (ready > 0 && fds[1].revents) {
			kill(child->pid, SIGTERM);
			fds[1].fd = -1;
			timeout_ms = TERM_MS;
		}
		if (ready > 0 && fds[0].revents && !read_output(child))
			break;
	}
	close(child->output_fd);
	while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static bool shall_stop(const struct dnsmasq *d, int wait_ms)
{
	struct pollfd stop = { .fd = d->stop_fd, .events = POLLIN };

	return poll(&stop, 1, wait_ms) > 0;
}

static void set_state(struct dnsmasq *d, enum dnsmasq_state state, const char *why)
{
	pthread_mutex_lock(&d->lock);
	d->state = state;
	if (why)
		snprintf(d->why, sizeof(d->why), "%s", why);
	pthread_mutex_unlock(&d->lock);
}

static void say_why(struct err *err, const struct child *child, int status)
{
	bool killed = WIFSIGNALED(status);

	err_set(err, -EIO, "ended %s %d%s%s", killed ? "by signal" : "with status",
		killed ? WTERMSIG(status) : WEXITSTATUS(status), child->last_line[0] ? ": " : "", child->last_line);
}

static void *supervise(void *ctx)
{
	struct dnsmasq *d = ctx;
	struct backoff backoff;
	struct child child;
	struct err err;

	backoff_init(&backoff, UINT32_MAX);
	for (;;) {
		uint64_t started_ms = clock_ms();

		if (start_child(&child, d, &err) == 0) {
			set_state(d, DNSMASQ_RUNNING, NULL);
			int status = follow(&child, d->stop_fd);

			if (shall_stop(d, 0))
				return NULL;
			say_why(&err, &child, status);
		}
		set_state(d, DNSMASQ_RESTARTING, err.text);
		if (clock_ms() - started_ms >= STEADY_MS)
			backoff_reset(&backoff);
		int64_t wait_ms = backoff_next_ms(&backoff, 0);
		log_error("dnsmasq: %s, starting it again in %d s", err.text, (int)((wait_ms + 500) / 1000));
		if (shall_stop(d, (int)wait_ms))
			return NULL;
	}
}

int dnsmasq_new(struct dnsmasq **out, const struct config *config, struct err *err)
{
	struct dnsmasq *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(err, -ENOMEM, "out of memory");
	d->config = config;
	d->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (d->stop_fd < 0) {
		free(d);
		return err_set(err, -errno, "eventfd: %s", strerror(errno));
	}
	pthread_mutex_init(&d->lock, NULL);
	*out = d;
	return 0;
}

int dnsmasq_start(struct dnsmasq *d, struct err *err)
{
	const struct config *config = d->config;
	struct dnsmasq_network network;

	if (access(config->dnsmasq, X_OK) < 0)
		return err_set(err, -errno, "dnsmasq = '%s': %s; Debian's package is dnsmasq-base", config->dnsmasq,
			       strerror(errno));
	if (find_network(&network, config->dhcp_interface, err) < 0 ||
	    make_path(&d->conf_path, config->run_dir, "dnsmasq.conf", err) < 0 || link_boot_files(config, err) < 0 ||
	    write_conf_file(d->conf_path, config, &network, err) < 0)
		return err->code;
	int code = pthread_create(&d->supervisor, NULL, supervise, d);
	if (code)
		return err_set(err, -code, "start a thread: %s", strerror(code));
	d->runs = true;
	return 0;
}

void dnsmasq_stop(struct dnsmasq *d)
{
	if (!d->runs)
		return;
	if (eventfd_write(d->stop_fd, 1) < 0)
		abort(); /* nothing but a bug can make the counter overflow */
	pthread_join(d->supervisor, NULL);
	d->runs = false;
	set_state(d, DNSMASQ_OFF, NULL);
}

enum dnsmasq_state dnsmasq_state(struct dnsmasq *d, char why[static DNSMASQ_WHY])
{
	pthread_mutex_lock(&d->lock);
	enum dnsmasq_state state = d->state;
	memcpy(why, d->why, DNSMASQ_WHY);
	pthread_mutex_unlock(&d->lock);
	return state;
}

void dnsmasq_free(struct dnsmasq **dnsmasq)
{
	struct dnsmasq *d = *dnsmasq;

	if (!d)
		return;
	dnsmasq_stop(d);
	close_fd(&d->stop_fd);
	pthread_mutex_destroy(&d->lock);
	free(d->conf_path);
	free(d);
	*dnsmasq = NULL;
}
