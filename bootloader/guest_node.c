/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_node: see guest_node.h
 *
 * Two threads: this one starts and watches, another talks to the service, which may take its time. What they share is `guests`,
 * under `lock`.
 */
#include "guest_node.h"

#include "cleanup.h"
#include "guest_cgroup.h"
#include "guest_jail.h"
#include "guest_kvm.h"
#include "guest_net.h"
#include "guest_pack.h"
#include "guest_report.h"
#include "guest_run.h"
#include "log.h"
#include "power_button.h"
#include "service_url.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

/* Disks of a node that boots show up for a while. */
#define STORE_WAIT_S 60u

/* Of an answer of the service: what is typed takes six bytes a character in JSON at most. */
#define ANSWER_MAX (1u << 20)

/* Reports are soon out of date. */
#define REPORT_STALL_S 10u
#define REPORT_PAUSE_S 5u

#define FDS_MAX (GUESTS_MAX * 3 + 2)

/* That guests can have. */
static const char *const arches[] = { "x86_64", "aarch64" };

struct node {
	const struct guest_node_options *options;
	struct guest guests[GUESTS_MAX];
	size_t count;
	struct guest_host host;
	char card[32];
	pthread_mutex_t lock;
	int wake;   /* eventfd: the service wants something */
	int button; /* -1: the node has none */
	bool is_ending;
	pthread_t reporter;
	bool has_reporter;
	atomic_bool quit; /* for the reporter */
};

/* ---------------------------------------------------------------- what is on the disk */

static int find_store(const struct guest_node_options *o, struct err *err)
{
	uint64_t end_ms = clock_ms() + STORE_WAIT_S * 1000;
	char partition[32], disk[32];
	int rc;

	while ((rc = guest_store_find(partition, disk, err)) == -ENOENT && clock_ms() < end_ms)
		if (clock_sleep_ms(500, o->stop, err) != 0)
			return err->code;
	return rc ? rc : guest_store_mount(partition, err);
}

/* As it was verified when it was put there: its name has its digest. */
static int mount_pack(const struct guest_node_options *o, const char *arch, struct err *err)
{
	struct plan_pack pack = { 0 };
	char path[GUEST_PATH];
	struct stat st;
	int rc = guest_store_find_pack(pack.id, arch, err);

	if (rc)
		return rc;
	guest_store_pack_path(path, arch, pack.id);
	pack.bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
	rc = guest_pack_check(path, &pack, err);
	if (!rc)
		rc = guest_pack_mount(path, arch, err);
	if (!rc)
		progress_mark(o->progress, "hypervisor", "pack %.16s for %s, from the node's disk", pack.id, arch);
	return rc;
}

static bool needs_pack(const struct node *node, const char *arch)
{
	for (size_t i = 0; i < node->count; i++)
		if (strcmp(node->guests[i].record.spec.arch, arch) == 0)
			return true;
	return false;
}

/* Of each that guests need. */
static int mount_packs(const struct node *node, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(arches) / sizeof(arches[0]); i++)
		if (needs_pack(node, arches[i]))
			rc = mount_pack(node->options, arches[i], err);
	return rc;
}

static int load_guests(struct node *node, struct err *err)
{
	CLEANUP(free_mem) struct guest_record *records = calloc(GUESTS_MAX, sizeof(*records));
	size_t count = 0;

	if (!records)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = guest_store_load(records, &count, err);
	for (size_t i = 0; !rc && i < count; i++) {
		rc = guest_init(&node->guests[i], &records[i], (unsigned)i, err);
		node->count += rc == 0;
		/* Due at once. */
		node->guests[i].start_ms = node->guests[i].is_wanted;
	}
	return rc || count ? rc : err_set(err, -ENOENT, "no guest is on this node's disk");
}

static void find_card(struct node *node)
{
	const struct machine *machine = node->options->machine;
	struct err err;

	node->host.card = node->card;
	node->host.mac = machine->mac_count ? machine->macs[0] : "";
	if (guest_net_card(node->card, node->host.mac, &err) != 0)
		log_warn("guests have no network: %s", err.text);
}

static void find_kvm(struct node *node)
{
	char why[256] = "they are of another architecture";

	node->host.has_kvm = needs_pack(node, "x86_64") && guest_kvm_works(why, sizeof(why));
	progress_mark(node->options->progress, "kvm", "%s%s",
		      node->host.has_kvm ? "works" : "guests run without: ", node->host.has_kvm ? "" : why);
}

/* ---------------------------------------------------------------- the service */

struct answer {
	char *text; /* ANSWER_MAX */
	size_t len;
};

/* There is room for body_bytes_max bytes. */
static int take_answer(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	struct answer *answer = ctx;

	(void)err;
	memcpy(answer->text + answer->len, data, len);
	answer->len += len;
	return 0;
}

static struct guest *find_guest(struct node *node, const char *id)
{
	for (size_t i = 0; i < node->count; i++)
		if (strcmp(node->guests[i].record.id, id) == 0)
			return &node->guests[i];
	return NULL;
}

/* It stays so when the node boots again. */
static void want(struct guest *guest, bool is_wanted)
{
	struct err err;

	if (guest->is_wanted == is_wanted)
		return;
	guest->is_wanted = is_wanted;
	guest->record.is_stopped = !is_wanted;
	if (guest_store_save(&guest->record, &err) != 0)
		log_warn("guest %s: that it is to be %s is forgotten with the next boot: %s", guest->record.spec.name,
			 is_wanted ? "running" : "stopped", err.text);
	if (!is_wanted)
		guest_stop(guest, clock_ms());
	else if (!guest->pid)
		guest->start_ms = 1;
	if (!is_wanted && !guest->pid)
		guest->state = GUEST_STOPPED;
}

static void obey(struct node *node, const struct guest_answer *answer)
{
	uint64_t one = 1;

	pthread_mutex_lock(&node->lock);
	for (size_t i = 0; i < answer->count && !node->is_ending; i++) {
		const struct guest_order *order = &answer->orders[i];
		struct guest *guest = find_guest(node, order->id);

		if (guest && order->has_wanted)
			want(guest, order->is_wanted);
		if (guest && order->typed)
			guest_type(guest, order->typed, order->typed_len);
	}
	pthread_mutex_unlock(&node->lock);
	if (write(node->wake, &one, sizeof(one)) < 0)
		log_debug("guest", "wake: %s", strerror(errno));
}

/* Returns the seconds until the next report. */
static unsigned report_once(struct node *node, struct guest_reporter *reporter, struct http *http,
			    const struct service *service, const char *url, struct answer *answer)
{
	CLEANUP(guest_answer_done) struct guest_answer orders = { 0 };
	struct http_response rs = { 0 };
	uint64_t ends[GUESTS_MAX];
	struct err err = { 0 };

	pthread_mutex_lock(&node->lock);
	CLEANUP(free_str) char *text = guest_report_text(reporter, node->guests, node->count, ends);
	pthread_mutex_unlock(&node->lock);
	if (!text)
		return REPORT_PAUSE_S;
	const struct http_request rq = {
		.url = url, .json = text, .body_bytes_max = ANSWER_MAX, .on_body = take_answer, .ctx = answer
	};
	answer->len = 0;
	int rc = service_post(http, service, &rq, &rs, &err);
	if (!rc)
		rc = service_check_status(&rs, url, &err);
	if (!rc)
		rc = guest_answer_parse(&orders, answer->text, answer->len, &err);
	if (rc) {
		log_debug("guest", "the service was not told: %s", err.text);
		return rs.retry_after_s ? rs.retry_after_s : REPORT_PAUSE_S;
	}
	pthread_mutex_lock(&node->lock);
	guest_report_sent(node->guests, node->count, ends);
	pthread_mutex_unlock(&node->lock);
	obey(node, &orders);
	return orders.again_s;
}

static void free_answer(struct answer *answer)
{
	free(answer->text);
}

static void *report(void *ctx)
{
	struct node *node = ctx;
	struct service service = *node->options->service;
	CLEANUP(free_answer) struct answer answer = { .text = malloc(ANSWER_MAX) };
	CLEANUP(http_close) struct http *http = NULL;
	CLEANUP(free_str) char *url = NULL;
	struct guest_reporter reporter = {
		.machine = node->options->machine,
		.ticket = node->options->ticket,
		.key = service.key,
		/* A node that is known by its key alone must not come to a number that was. */
		.seq = (uint64_t)time(NULL),
	};
	struct err err;

	service.stall_s = REPORT_STALL_S;
	service.stop = &node->quit;
	if (!answer.text || service_connect(&http, &service, &err) != 0 ||
	    service_url(&url, service.server, "/v1/guests", &err) != 0)
		return NULL;
	while (!atomic_load(&node->quit)) {
		unsigned pause_s = report_once(node, &reporter, http, &service, url, &answer);

		if (clock_sleep_ms(pause_s * 1000, &node->quit, &err) != 0)
			break;
	}
	/* How they ended. */
	service.stop = NULL;
	report_once(node, &reporter, http, &service, url, &answer);
	return NULL;
}

static void start_reporter(struct node *node)
{
	int rc = pthread_create(&node->reporter, NULL, report, node);

	node->has_reporter = rc == 0;
	if (rc)
		log_warn("the service is not told of the guests: thread: %s", strerror(rc));
}

static void stop_reporter(struct node *node)
{
	atomic_store(&node->quit, true);
	if (node->has_reporter)
		pthread_join(node->reporter, NULL);
	node->has_reporter = false;
}

/* ---------------------------------------------------------------- watching */

static const struct {
	size_t fd; /* offset in struct guest */
	void (*take)(struct guest *guest);
} sources[] = {
	{ offsetof(struct guest, qmp_fd), guest_on_qmp },
	{ offsetof(struct guest, serial_fd), guest_on_serial },
	{ offsetof(struct guest, stderr_fd), guest_on_stderr },
};

#define SOURCES (sizeof(sources) / sizeof(sources[0]))

static int fd_of(const struct guest *guest, size_t source)
{
	return *(const int *)((const char *)guest + sources[source].fd);
}

/* In the order that take_ready expects. */
static size_t list_fds(struct pollfd *fds, const struct node *node)
{
	size_t count = 0;

	fds[count++] = (struct pollfd){ .fd = node->wake, .events = POLLIN };
	fds[count++] = (struct pollfd){ .fd = node->button, .events = POLLIN };
	for (size_t i = 0; i < node->count; i++)
		for (size_t s = 0; s < SOURCES; s++)
			fds[count++] = (struct pollfd){ .fd = fd_of(&node->guests[i], s), .events = POLLIN };
	return count;
}

static void take_ready(struct node *node, const struct pollfd *fds)
{
	const struct pollfd *at = fds + 2;

	for (size_t i = 0; i < node->count; i++)
		for (size_t s = 0; s < SOURCES; s++, at++)
			if (at->fd >= 0 && at->revents && fd_of(&node->guests[i], s) == at->fd)
				sources[s].take(&node->guests[i]);
}

static void reap(struct node *node)
{
	for (size_t i = 0; i < node->count; i++) {
		struct guest *guest = &node->guests[i];
		int status;

		if (guest->pid && waitpid(guest->pid, &status, WNOHANG) == guest->pid)
			guest_on_exit(guest, status, clock_ms());
	}
}

/* Milliseconds until something is due: at most a second, in which a process may have ended. */
static int do_due(struct node *node)
{
	int64_t next_ms = 1000;

	for (size_t i = 0; i < node->count; i++) {
		int64_t due_ms = guest_on_time(&node->guests[i], &node->host, clock_ms());

		if (due_ms >= 0 && due_ms < next_ms)
			next_ms = due_ms;
	}
	return (int)next_ms;
}

static void begin_end(struct node *node, const char *why)
{
	node->is_ending = true;
	printf("vmcast: %s: the guests are told to power off\n", why);
	for (size_t i = 0; i < node->count; i++) {
		node->guests[i].is_wanted = false;
		guest_stop(&node->guests[i], clock_ms());
	}
}

static bool is_over(const struct node *node)
{
	for (size_t i = 0; i < node->count; i++)
		if (node->guests[i].pid)
			return false;
	return node->is_ending;
}

static void watch(enum guest_node_end *end, struct node *node)
{
	struct pollfd fds[FDS_MAX];
	uint64_t many;

	*end = GUEST_NODE_REBOOT;
	pthread_mutex_lock(&node->lock);
	while (!is_over(node)) {
		int wait_ms = do_due(node);
		size_t count = list_fds(fds, node);

		pthread_mutex_unlock(&node->lock);
		int ready = poll(fds, count, wait_ms);
		pthread_mutex_lock(&node->lock);
		if (ready > 0)
			take_ready(node, fds);
		if (fds[0].revents && read(node->wake, &many, sizeof(many)) < 0)
			log_debug("guest", "wake: %s", strerror(errno));
		reap(node);
		if (!node->is_ending && power_button_is_pressed(node->button)) {
			*end = GUEST_NODE_POWER_OFF;
			begin_end(node, "power button");
		}
		if (!node->is_ending && atomic_load(node->options->stop))
			begin_end(node, "told to end");
	}
	pthread_mutex_unlock(&node->lock);
}

static void node_done(struct node **at)
{
	struct node *node = *at;

	if (!node)
		return;
	stop_reporter(node);
	for (size_t i = 0; i < node->count; i++)
		guest_done(&node->guests[i]);
	close_fd(&node->wake);
	close_fd(&node->button);
	free(node);
}

static int get_ready(struct node *node, struct err *err)
{
	int rc = find_store(node->options, err);

	if (!rc)
		rc = load_guests(node, err);
	if (!rc)
		rc = mount_packs(node, err);
	if (!rc)
		rc = guest_cgroup_begin(err);
	if (rc)
		return rc;
	find_card(node);
	find_kvm(node);
	node->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	node->button = power_button_open();
	return 0;
}

int guest_node_run(enum guest_node_end *end, const struct guest_node_options *options, struct err *err)
{
	CLEANUP(node_done) struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return err_set(err, -ENOMEM, "out of memory");
	node->options = options;
	node->wake = node->button = -1;
	pthread_mutex_init(&node->lock, NULL);
	int rc = get_ready(node, err);
	if (rc)
		return rc;
	/* A guest's console shows line by line, also in the pipe that leads to all of the node's. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	progress_mark(options->progress, "guests", "%zu on this node", node->count);
	start_reporter(node);
	watch(end, node);
	stop_reporter(node);
	sync();
	for (size_t i = 0; i < sizeof(arches) / sizeof(arches[0]); i++)
		guest_pack_unmount(arches[i], err);
	if (umount(GUEST_STORE_DIR) != 0)
		log_warn("unmount '%s': %s", GUEST_STORE_DIR, strerror(errno));
	return 0;
}
