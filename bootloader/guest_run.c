/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_run: see guest_run.h */
#include "guest_run.h"

#include "cleanup.h"
#include "guest_argv.h"
#include "guest_cgroup.h"
#include "guest_jail.h"
#include "guest_net.h"
#include "json.h"
#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* One user for each guest, far from those of a system. */
#define FIRST_UID 60000u

/* How long a guest may take to power off. */
#define GRACE_MS (60u * 1000)

/* A line that nothing is added to for so long is shown without its end. */
#define LINE_MS 500

/* One that ran so long did well: the next failure is its first. */
#define GOOD_MS (60u * 1000)

const char *guest_state_name(enum guest_state state)
{
	static const char *const names[] = { "defined", "running", "stopped", "failed" };

	return names[state];
}

static void set_state(struct guest *guest, enum guest_state state, const char *text)
{
	guest->state = state;
	snprintf(guest->text, sizeof(guest->text), "%s", text);
	printf("vmcast: guest %s: %s%s%s\n", guest->record.spec.name, guest_state_name(state), text[0] ? ": " : "",
	       text);
}

int guest_init(struct guest *guest, const struct guest_record *record, unsigned slot, struct err *err)
{
	*guest = (struct guest){
		.record = *record,
		.slot = slot,
		.is_wanted = !record->is_stopped,
		.state = record->is_stopped ? GUEST_STOPPED : GUEST_DEFINED,
		.qmp_fd = -1,
		.serial_fd = -1,
		.stderr_fd = -1,
		.console = malloc(GUEST_CONSOLE_BYTES),
	};
	backoff_init(&guest->backoff, UINT_MAX);
	return guest->console ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static void close_fds(struct guest *guest)
{
	close_fd(&guest->qmp_fd);
	close_fd(&guest->serial_fd);
	close_fd(&guest->stderr_fd);
	guest->qmp_fd = guest->serial_fd = guest->stderr_fd = -1;
}

void guest_done(struct guest *guest)
{
	close_fds(guest);
	free(guest->console);
	guest->console = NULL;
}

/* ---------------------------------------------------------------- its process */

/* The ends that QEMU inherits. */
struct ends {
	int qmp, serial, error, procs;
	int taps[GUEST_NICS_MAX];
	size_t tap_count;
};

static void ends_close(struct ends *ends)
{
	close_fd(&ends->qmp);
	close_fd(&ends->serial);
	close_fd(&ends->error);
	close_fd(&ends->procs);
	for (size_t i = 0; i < ends->tap_count; i++)
		close_fd(&ends->taps[i]);
}

static void close_taps(const struct guest *guest)
{
	for (size_t i = 0; i < guest->record.spec.nic_count; i++)
		guest_net_close(guest->slot, i);
}

/* `*ours`: does not block, and is not inherited. */
static int make_pair(int *ours, int *theirs, struct err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return err_set(err, -EIO, "socketpair: %s", strerror(errno));
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	*ours = pair[0];
	*theirs = pair[1];
	return 0;
}

static int open_ends(struct ends *ends, struct guest *guest, const struct guest_host *host, struct guest_argv_run *run,
		     struct err *err)
{
	int rc = make_pair(&guest->qmp_fd, &ends->qmp, err);

	if (!rc)
		rc = make_pair(&guest->serial_fd, &ends->serial, err);
	if (!rc)
		rc = make_pair(&guest->stderr_fd, &ends->error, err);
	for (size_t i = 0; !rc && i < guest->record.spec.nic_count; i++) {
		guest_nic_mac(run->macs[i], &guest->record.spec, i, host->mac, guest->record.id);
		int fd = guest_net_open(host->card, guest->slot, i, run->macs[i], err);
		if (fd < 0)
			return fd;
		ends->taps[ends->tap_count++] = run->tap_fds[i] = fd;
	}
	if (!rc)
		rc = ends->procs = guest_cgroup_open(guest->record.id, guest->record.spec.memory_bytes, err);
	run->qmp_fd = ends->qmp;
	run->serial_fd = ends->serial;
	return rc < 0 ? rc : 0;
}

/* Its files are its user's. */
static int give_files(const struct guest *guest, struct err *err)
{
	static const char *const others[] = { "vars.fd", "seed.img" };
	uid_t uid = FIRST_UID + guest->slot;
	char path[GUEST_PATH], name[32];

	for (size_t i = 0; i < guest->record.spec.disk_count; i++) {
		snprintf(name, sizeof(name), "disk-%zu.raw", i);
		guest_store_path(path, guest->record.id, name);
		if (lchown(path, uid, uid) != 0 || chmod(path, 0600) != 0)
			return err_set(err, -EIO, "'%s': %s", path, strerror(errno));
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		guest_store_path(path, guest->record.id, others[i]);
		if (lchown(path, uid, uid) != 0 && errno != ENOENT)
			return err_set(err, -EIO, "'%s': %s", path, strerror(errno));
	}
	guest_store_path(path, guest->record.id, NULL);
	return lchown(path, uid, uid) == 0 ? 0 : err_set(err, -EIO, "'%s': %s", path, strerror(errno));
}

static int keep_open(int fd)
{
	return fcntl(fd, F_SETFD, 0);
}

/* In the child. What fails is QEMU's complaint. */
static void run_qemu(const struct ends *ends, const struct guest *guest, char *const *argv)
{
	char dir[GUEST_PATH];
	const char *step = "its cgroup";
	int null = open("/dev/null", O_RDWR), rc = 0;

	guest_store_path(dir, guest->record.id, NULL);
	const struct guest_jail jail = {
		.arch = guest->record.spec.arch, .dir = dir, .uid = FIRST_UID + guest->slot, .kvm = guest->is_kvm
	};
	if (write(ends->procs, "0", 1) != 1 || dup2(null, 0) < 0 || dup2(ends->error, 1) < 0 ||
	    dup2(ends->error, 2) < 0 || keep_open(ends->qmp) != 0 || keep_open(ends->serial) != 0)
		rc = -errno;
	for (size_t i = 0; i < ends->tap_count; i++)
		keep_open(ends->taps[i]);
	if (!rc)
		rc = guest_jail_enter(&jail, &step);
	if (!rc) {
		step = argv[0];
		execv(argv[0], argv);
		rc = -errno;
	}
	dprintf(2, "%s: %s\n", step, strerror(-rc));
	_exit(127);
}

static int spawn(struct guest *guest, const struct guest_host *host, struct err *err)
{
	CLEANUP(ends_close) struct ends ends = { -1, -1, -1, -1, { 0 }, 0 };
	CLEANUP(guest_argv_free) struct guest_argv argv = { 0 };
	struct guest_argv_run run = {
		.spec = &guest->record.spec,
		.id = guest->record.id,
		.kvm = guest->is_kvm,
		.has_seed = guest->record.has_seed,
	};
	int rc = give_files(guest, err);

	if (!rc)
		rc = open_ends(&ends, guest, host, &run, err);
	if (!rc)
		rc = guest_argv_make(&argv, &run, err);
	if (rc)
		return rc;
	pid_t pid = fork();
	if (pid < 0)
		return err_set(err, -ENOMEM, "fork: %s", strerror(errno));
	if (pid == 0)
		run_qemu(&ends, guest, argv.args);
	guest->pid = pid;
	return 0;
}

static void begin(struct guest *guest)
{
	guest->is_told = guest->has_paniced = false;
	guest->kill_ms = guest->start_ms = 0;
	guest->qmp_len = 0;
	guest->complaint[0] = '\0';
	guest->began_ms = clock_ms();
}

int guest_start(struct guest *guest, const struct guest_host *host, struct err *err)
{
	static const char hello[] = "{\"execute\":\"qmp_capabilities\"}\n";

	begin(guest);
	guest->is_kvm = host->has_kvm && !guest->kvm_failed && strcmp(guest->record.spec.arch, "x86_64") == 0;
	int rc = spawn(guest, host, err);
	if (rc) {
		close_fds(guest);
		close_taps(guest);
		set_state(guest, GUEST_FAILED, err->text);
		return rc;
	}
	/* QEMU reads it when it is there: events come only after it (QMP: capabilities negotiation). */
	if (write(guest->qmp_fd, hello, sizeof(hello) - 1) < 0)
		snprintf(guest->complaint, sizeof(guest->complaint), "QMP: %s", strerror(errno));
	set_state(guest, GUEST_RUNNING, guest->is_kvm ? "by KVM" : "by TCG, without KVM");
	return 0;
}

void guest_stop(struct guest *guest, uint64_t now_ms)
{
	static const char power_down[] = "{\"execute\":\"system_powerdown\"}\n";

	guest->start_ms = 0;
	if (!guest->pid || guest->is_told)
		return;
	guest->is_told = true;
	guest->kill_ms = now_ms + GRACE_MS;
	if (write(guest->qmp_fd, power_down, sizeof(power_down) - 1) < 0)
		guest->kill_ms = now_ms;
}

/* ---------------------------------------------------------------- what it says */

/* "event" of one message. */
static void take_message(struct guest *guest, const char *text, size_t len)
{
	CLEANUP(json_free) json_t *message = NULL;
	struct err ignored;
	const char *event;

	if (json_parse_object(&message, text, len, &ignored) != 0 ||
	    json_need_string(&event, message, "event", 64, &ignored) != 0)
		return;
	if (strcmp(event, "GUEST_PANICKED") == 0)
		guest->has_paniced = true;
}

void guest_on_qmp(struct guest *guest)
{
	ssize_t got = read(guest->qmp_fd, guest->qmp + guest->qmp_len, sizeof(guest->qmp) - guest->qmp_len);
	char *end;

	if (got <= 0) {
		if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			close_fd(&guest->qmp_fd);
			guest->qmp_fd = -1;
		}
		return;
	}
	guest->qmp_len += (size_t)got;
	while ((end = memchr(guest->qmp, '\n', guest->qmp_len))) {
		size_t len = (size_t)(end - guest->qmp);

		take_message(guest, guest->qmp, len);
		guest->qmp_len -= len + 1;
		memmove(guest->qmp, end + 1, guest->qmp_len);
	}
	/* None that matters is so long. */
	if (guest->qmp_len == sizeof(guest->qmp))
		guest->qmp_len = 0;
}

static void show_line(struct guest *guest)
{
	guest->line[guest->line_len] = '\0';
	sysfs_clean(guest->line);
	if (guest->line[0])
		printf("%s| %s\n", guest->record.spec.name, guest->line);
	guest->line_len = 0;
}

/* Colours and the like are left out (ECMA-48: ESC and one character; ESC '[', parameters, and one that ends it). */
static bool is_shown(struct guest *guest, char c)
{
	if (guest->escape == '[') {
		guest->escape = c >= '@' && c <= '~' ? '\0' : '[';
		return false;
	}
	if (guest->escape) {
		guest->escape = c == '[' ? '[' : '\0';
		return false;
	}
	guest->escape = c == '\033' ? c : '\0';
	return !guest->escape && c != '\n' && c != '\r' && c != '\0';
}

/* Foreign text on the node's console: by lines, with nothing in them that a terminal obeys. */
static void show(struct guest *guest, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n' || guest->line_len == sizeof(guest->line) - 1)
			show_line(guest);
		if (is_shown(guest, data[i]))
			guest->line[guest->line_len++] = data[i];
	}
	guest->line_ms = guest->line_len ? clock_ms() + LINE_MS : 0;
}

static void keep(struct guest *guest, const char *data, size_t len)
{
	size_t over =
		guest->console_len + len > GUEST_CONSOLE_BYTES ? guest->console_len + len - GUEST_CONSOLE_BYTES : 0;

	memmove(guest->console, guest->console + over, guest->console_len - over);
	guest->console_len -= over;
	memcpy(guest->console + guest->console_len, data, len);
	guest->console_len += len;
	guest->console_end += len;
}

void guest_on_serial(struct guest *guest)
{
	char data[4096];
	ssize_t got = read(guest->serial_fd, data, sizeof(data));

	if (got > 0) {
		show(guest, data, (size_t)got);
		keep(guest, data, (size_t)got);
	} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		close_fd(&guest->serial_fd);
		guest->serial_fd = -1;
	}
}

static void take_complaint(struct guest *guest, char *line)
{
	/* QEMU then stops the machine, and waits for a debugger. */
	if (strstr(line, "KVM internal error")) {
		guest->kvm_failed = true;
		kill(guest->pid, SIGKILL);
	}
	sysfs_clean(line);
	if (!line[0])
		return;
	/* The first is the cause, as a rule. */
	if (!guest->complaint[0])
		strcpy(guest->complaint, line);
	printf("vmcast: guest %s: %s\n", guest->record.spec.name, line);
}

void guest_on_stderr(struct guest *guest)
{
	char data[GUEST_COMPLAINT], *rest = data, *line;
	ssize_t got = read(guest->stderr_fd, data, sizeof(data) - 1);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
		close_fd(&guest->stderr_fd);
		guest->stderr_fd = -1;
	}
	if (got <= 0)
		return;
	data[got] = '\0';
	while ((line = strsep(&rest, "\n")))
		take_complaint(guest, line);
}

void guest_type(struct guest *guest, const char *text, size_t len)
{
	/* What does not fit is lost, as on a serial line without flow control. */
	if (guest->serial_fd >= 0 && write(guest->serial_fd, text, len) < 0)
		guest->complaint[0] = '\0';
}

/* ---------------------------------------------------------------- its end */

static bool has_failed(const struct guest *guest, int status)
{
	return guest->has_paniced || !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void describe_end(char *out, size_t room, const struct guest *guest, int status)
{
	if (guest->has_paniced)
		snprintf(out, room, "its kernel panicked");
	else if (WIFSIGNALED(status))
		snprintf(out, room, "QEMU was ended by signal %d%s%s", WTERMSIG(status),
			 guest->complaint[0] ? ": " : "", guest->complaint);
	else if (WEXITSTATUS(status))
		snprintf(out, room, "QEMU ended with status %d%s%s", WEXITSTATUS(status),
			 guest->complaint[0] ? ": " : "", guest->complaint);
	else
		snprintf(out, room, "it has powered off");
}

static bool starts_again(const struct guest *guest, bool is_failure)
{
	switch (guest->record.spec.restart) {
	case GUEST_RESTART_ALWAYS:
		return true;
	case GUEST_RESTART_ON_FAILURE:
		return is_failure;
	default:
		return false;
	}
}

static void plan_start(struct guest *guest, uint64_t now_ms)
{
	if (now_ms - guest->began_ms >= GOOD_MS)
		backoff_reset(&guest->backoff);
	int64_t wait_ms = backoff_next_ms(&guest->backoff, 0);
	guest->start_ms = now_ms + (wait_ms > 0 ? (uint64_t)wait_ms : 0);
}

/* What it said last. Each reads until the other end, which is closed, and closes ours. */
static void drain(struct guest *guest, const int *fd, void (*take)(struct guest *guest))
{
	for (int i = 0; *fd >= 0 && i < 256; i++)
		take(guest);
}

void guest_on_exit(struct guest *guest, int status, uint64_t now_ms)
{
	char why[GUEST_TEXT];
	bool was_told = guest->is_told, is_failure;

	drain(guest, &guest->qmp_fd, guest_on_qmp);
	drain(guest, &guest->stderr_fd, guest_on_stderr);
	drain(guest, &guest->serial_fd, guest_on_serial);
	show_line(guest);
	guest->pid = 0;
	close_fds(guest);
	close_taps(guest);
	guest_cgroup_close(guest->record.id);

	is_failure = has_failed(guest, status) && !was_told;
	describe_end(why, sizeof(why), guest, status);
	set_state(guest, is_failure ? GUEST_FAILED : GUEST_STOPPED, was_told ? "as it was told" : why);
	if (guest->is_wanted && (was_told || (guest->kvm_failed && guest->is_kvm) || starts_again(guest, is_failure)))
		plan_start(guest, now_ms);
}

/* The sooner of `next` (-1: never) and a time on the clock (0: none), in milliseconds from now. */
static int64_t sooner(int64_t next, uint64_t when_ms, uint64_t now_ms)
{
	int64_t in_ms = when_ms > now_ms ? (int64_t)(when_ms - now_ms) : 0;

	return when_ms && (next < 0 || in_ms < next) ? in_ms : next;
}

int64_t guest_on_time(struct guest *guest, const struct guest_host *host, uint64_t now_ms)
{
	struct err err;

	if (guest->pid && guest->kill_ms && now_ms >= guest->kill_ms) {
		kill(guest->pid, SIGKILL);
		guest->kill_ms = 0;
	}
	if (!guest->pid && guest->start_ms && now_ms >= guest->start_ms && guest_start(guest, host, &err) != 0 &&
	    guest->record.spec.restart != GUEST_RESTART_NEVER)
		plan_start(guest, now_ms);
	if (guest->line_ms && now_ms >= guest->line_ms) {
		show_line(guest);
		guest->line_ms = 0;
	}
	return sooner(sooner(-1, guest->pid ? guest->kill_ms : guest->start_ms, now_ms), guest->line_ms, now_ms);
}
