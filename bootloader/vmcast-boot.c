/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmcast-boot: puts the item that the service plans for this machine on its disks. See vmcast-boot(8).
 *
 * Reading order: job.c (the steps), write.c (the order of writes), remote_image.c (the fetch), target.c and disk.c
 * (which disk), device_fd.c (how it is written).
 */
#include "backoff.h"
#include "cleanup.h"
#include "cmdline.h"
#include "disk.h"
#include "guest_node.h"
#include "job.h"
#include "json.h"
#include "machine_key.h"
#include "service_url.h"
#include "trust.h"
#include "units.h"
#include "version.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#define RUN_RETRY_S   600u
#define WRITE_RETRY_S 60u
#define TIMEOUT_MAX_S (24 * 3600u)

/* Between tries of a machine whose network is away. */
#define RUN_PAUSE_S     5u
#define RUN_PAUSE_MAX_S 60u

/* Put into the boot environment when it is built (bootloader/env/build). */
#define SITE_ROOT "/etc/vmcast/root.json"
#define SITE_CA   "/etc/vmcast/ca.pem"

struct options {
	const char *server;
	const char *item;
	const char *disks[PLAN_DISKS_MAX];
	size_t disk_count;
	const char *root;
	const char *ca;
	const char *cmdline; /* NULL: /proc/cmdline */
	unsigned stall_s;    /* 0: the HTTP client's default */
	unsigned retry_s;
	bool has_zeros; /* else the plan's policy counts */
	enum zeros_policy zeros;
	bool json;
	bool help;
};

static atomic_bool stop;

static void on_signal(int signo)
{
	(void)signo;
	atomic_store(&stop, true);
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int fail(enum exit_code code, const struct err *err)
{
	fprintf(stderr, "vmcast-boot: %s\n", err->text);
	return code;
}

static int out_of_memory(void)
{
	fputs("vmcast-boot: out of memory\n", stderr);
	return EXIT_OTHER;
}

static int read_cmdline(struct cmdline *out, const char *given, struct err *err)
{
	char text[4096];

	if (given)
		return cmdline_parse(out, given, err);
	CLEANUP(close_file) FILE *file = fopen("/proc/cmdline", "re");
	if (!file || !fgets(text, sizeof(text), file))
		return err_set(err, -EIO, "read '/proc/cmdline': %s", strerror(errno));
	return cmdline_parse(out, text, err);
}

/* Why nothing was chosen is easier to see with all disks on the console, whose operator cannot scroll back. */
static void show_disks(void)
{
	CLEANUP(disk_list_free) struct disk_list list = { 0 };
	struct err ignored = { 0 };

	if (disk_list_read(&list, "", &ignored) == 0)
		disk_list_print(stdout, &list);
}

/* The machine's life from here on. */
static int run_node(const struct service *service, const struct cmdline *cmdline, const struct machine *machine,
		    struct progress *progress)
{
	const struct guest_node_options node = {
		.service = service,
		.ticket = cmdline->ticket,
		.machine = machine,
		.progress = progress,
		.stop = &stop,
	};
	enum guest_node_end end;
	struct err err = { 0 };

	if (guest_node_run(&end, &node, &err) != 0)
		return fail(err.code == -EIO ? EXIT_DISK : err.code == -ENOENT ? EXIT_TARGET : EXIT_OTHER, &err);
	puts(end == GUEST_NODE_POWER_OFF ? "vmcast: the machine powers off" : "vmcast: the machine is reset");
	sync();
	sleep(1); /* serial lines are slow: let the last words out */
	reboot(end == GUEST_NODE_POWER_OFF ? RB_POWER_OFF : RB_AUTOBOOT);
	err_set(&err, -errno, "reboot: %s", strerror(errno));
	return fail(EXIT_OTHER, &err);
}

static int land(const struct landing *landing, struct progress *progress)
{
	struct err err = { 0 };

	progress_mark(progress, "landing", "%s", landing->name);
	landing->go(&stop, &err);
	return fail(EXIT_OTHER, &err);
}

/* There, but unreadable, is not the same as not there. */
static const char *given_or_there(const char *given, const char *path)
{
	if (given)
		return given;
	return access(path, F_OK) == 0 || errno != ENOENT ? path : NULL;
}

/* A host has no key of its own: what is written there is somebody's doing, and its TPM is none of our business. */
static const struct machine_key_places no_places = { NULL, NULL };
static const struct machine_key_places machine_places = { "/dev/tpmrm0", "/sys/firmware/efi/efivars" };

/* Which key this machine has, and of better places why they could not be used. */
static int open_key(struct machine_key **out, const struct machine_key_places *places, struct progress *progress,
		    struct err *err)
{
	char why[MACHINE_KEY_WHY];
	int rc = machine_key_open(out, why, places, err);

	if (!rc)
		progress_mark(progress, "key", "%.8s, in %s%s%s", machine_key_id(*out), machine_key_kept(*out),
			      why[0] ? "; " : "", why);
	return rc;
}

/* One try: the exit code that it ends in. The key is opened by the first. */
static int run_once(const struct options *o, const struct cmdline *cmdline, struct machine_key **key)
{
	CLEANUP(progress_free) struct progress *progress = progress_new(stdout, true);
	struct err err = { 0 };
	struct machine machine;
	struct job_result result;

	if (!progress)
		return out_of_memory();
	/* With a command line of its own this is a try on a running system. */
	if (!*key && open_key(key, o->cmdline ? &no_places : &machine_places, progress, &err) != 0)
		return fail(EXIT_OTHER, &err);
	machine_read(&machine, cmdline->boot_mac);
	struct service service = {
		.server = cmdline->server,
		.ca = given_or_there(o->ca, SITE_CA),
		.stall_s = o->stall_s,
		.retry_s = o->retry_s ? o->retry_s : RUN_RETRY_S,
		.stop = &stop,
		.key = *key,
	};
	if (cmdline->is_node)
		return run_node(&service, cmdline, &machine, progress);
	struct job_options job = {
		.service = &service,
		.item = cmdline->item[0] ? cmdline->item : NULL,
		.ticket = cmdline->ticket,
		.root = given_or_there(o->root, SITE_ROOT),
		.rules = cmdline->disk[0] ? cmdline->disk : NULL,
		.landing = cmdline->landing[0] ? cmdline->landing : NULL,
		.efivars = machine_places.efivars,
		.is_trial = o->cmdline != NULL,
		.zeros = cmdline->has_zeros ? &cmdline->zeros : NULL,
		.machine = &machine,
		.progress = progress,
	};
	if (job_run(&result, &job, &err) != 0) {
		if (result.exit == EXIT_TARGET)
			show_disks();
		return fail(result.exit, &err);
	}
	/* Which must not be rebooted. */
	if (o->cmdline)
		return EXIT_DONE;
	if (result.landing != &landing_guest)
		return land(result.landing, progress);
	progress_mark(progress, "landing", "%s", result.landing->name);
	return run_node(&service, cmdline, &machine, progress);
}

/*
 * In the boot environment again for a network that failed, without end, and for nothing else: a run begins with making the disk
 * unbootable. By this process, since the boot's ticket is good for one key, which may be in its memory only.
 */
static int command_run(const struct options *o)
{
	CLEANUP(machine_key_close) struct machine_key *key = NULL;
	unsigned pause_s = RUN_PAUSE_S;
	struct cmdline cmdline;
	struct err err = { 0 };
	int code;

	if (read_cmdline(&cmdline, o->cmdline, &err) != 0)
		return fail(EXIT_USAGE, &err);
	while ((code = run_once(o, &cmdline, &key)) == EXIT_NETWORK && !o->cmdline) {
		printf("vmcast: retrying in %u s\n", pause_s);
		if (clock_sleep_ms(pause_s * 1000, &stop, &err) != 0)
			break;
		pause_s = pause_s < RUN_PAUSE_MAX_S / 2 ? pause_s * 2 : RUN_PAUSE_MAX_S;
	}
	return code;
}

static int print_json(json_t *value)
{
	if (!value)
		return EXIT_OTHER;
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	json_decref(value);
	putchar('\n');
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_OTHER;
}

static void print_result(const struct job_result *result, const struct err *err, uint64_t took_ms)
{
	print_json(json_pack("{s:b, s:i, s:o, s:o, s:s, s:I, s:s, s:I, s:f}", "done", result->exit == EXIT_DONE, "exit",
			     (int)result->exit, "message", json_text(err->code ? err->text : NULL), "disk",
			     json_text(result->disk), "image", result->image_id, "disk_bytes",
			     (json_int_t)result->disk_bytes, "zeros", zeros_policy_names[result->zeros], "left_bytes",
			     (json_int_t)result->left_bytes, "seconds", (double)took_ms / 1000));
}

static int command_write(const struct options *o)
{
	CLEANUP(machine_key_close) struct machine_key *key = NULL;
	struct err err = { 0 };
	struct job_result result;

	if (!o->server || !o->item || !o->disk_count) {
		err_set(&err, -EINVAL, "write: --server, --item and --disk are needed");
		return fail(EXIT_USAGE, &err);
	}
	/* With --json standard output holds the result and nothing else. */
	CLEANUP(progress_free) struct progress *progress = progress_new(o->json ? stderr : stdout, false);
	if (!progress)
		return out_of_memory();
	if (open_key(&key, &no_places, progress, &err) != 0)
		return fail(EXIT_OTHER, &err);
	struct service service = {
		.server = o->server,
		.ca = o->ca,
		.stall_s = o->stall_s,
		.retry_s = o->retry_s ? o->retry_s : WRITE_RETRY_S,
		.stop = &stop,
		.key = key,
	};
	struct job_options job = {
		.service = &service,
		.item = o->item,
		.root = o->root,
		.disk_paths = o->disks,
		.disk_path_count = o->disk_count,
		.zeros = o->has_zeros ? &o->zeros : NULL,
		.progress = progress,
	};
	uint64_t begin_ms = clock_ms();

	job_run(&result, &job, &err);
	if (o->json)
		print_result(&result, &err, clock_ms() - begin_ms);
	return result.exit == EXIT_DONE ? EXIT_DONE : fail(result.exit, &err);
}

static int command_disks(const struct options *o)
{
	CLEANUP(disk_list_free) struct disk_list list = { 0 };
	struct err err = { 0 };

	if (disk_list_read(&list, "", &err) != 0)
		return fail(EXIT_OTHER, &err);
	if (!o->json) {
		disk_list_print(stdout, &list);
		return EXIT_DONE;
	}
	json_t *disks = json_array();
	for (size_t i = 0; i < list.count; i++)
		json_array_append_new(disks, disk_to_json(&list.disks[i]));
	return print_json(json_pack("{s:o}", "disks", disks));
}

static int command_root(const struct options *o)
{
	char text[TRUST_ROOT_TEXT];
	struct err err = { 0 };

	if (!o->root) {
		err_set(&err, -EINVAL, "root: --root is needed");
		return fail(EXIT_USAGE, &err);
	}
	if (trust_describe_root(text, o->root, &err) < 0)
		return fail(EXIT_NOT_TRUSTED, &err);
	puts(text);
	return EXIT_DONE;
}

enum command_bit { RUN = 1, WRITE = 2, DISKS = 4, ROOT = 8 };

static const struct command {
	const char *name;
	enum command_bit bit;
	int (*run)(const struct options *o);
	const char *help;
} commands[] = {
	{ "run", RUN, command_run, "in the boot environment: do what the kernel command line says, then reboot" },
	{ "write", WRITE, command_write, "on any host: write an item to a disk or file, or to several" },
	{ "disks", DISKS, command_disks, "list the disks of this machine, and why one cannot be a target" },
	{ "root", ROOT, command_root, "check a site's root metadata, and show what it is" },
};

static int set_text(const char **out, const char *value)
{
	*out = value;
	return value[0] ? 0 : -EINVAL;
}

static int set_seconds(unsigned *out, const char *value)
{
	uint64_t seconds;

	if (units_parse_seconds(&seconds, value) != 0 || seconds == 0 || seconds > TIMEOUT_MAX_S)
		return -EINVAL;
	*out = (unsigned)seconds;
	return 0;
}

/* Checked here, where it is the user's mistake, and not the service's. */
static int set_server(struct options *o, const char *value)
{
	CLEANUP(free_str) char *url = NULL;
	struct err ignored = { 0 };

	o->server = value;
	return service_url(&url, value, "/", &ignored);
}

static int set_item(struct options *o, const char *value)
{
	return set_text(&o->item, value);
}

static int set_disk(struct options *o, const char *value)
{
	if (o->disk_count == PLAN_DISKS_MAX)
		return -EINVAL;
	return set_text(&o->disks[o->disk_count++], value);
}

static int set_root(struct options *o, const char *value)
{
	return set_text(&o->root, value);
}

static int set_ca(struct options *o, const char *value)
{
	return set_text(&o->ca, value);
}

static int set_cmdline(struct options *o, const char *value)
{
	return set_text(&o->cmdline, value);
}

static int set_stall(struct options *o, const char *value)
{
	return set_seconds(&o->stall_s, value);
}

static int set_retry(struct options *o, const char *value)
{
	return set_seconds(&o->retry_s, value);
}

static int set_zeros(struct options *o, const char *value)
{
	o->has_zeros = true;
	return zeros_policy_parse(&o->zeros, value);
}

static int set_help(struct options *o, const char *value)
{
	(void)value;
	o->help = true;
	return 0;
}

static int set_json(struct options *o, const char *value)
{
	(void)value;
	o->json = true;
	return 0;
}

static const struct flag {
	const char *name;
	const char *value; /* its name in the help; NULL: takes none */
	unsigned commands; /* that know it */
	int (*set)(struct options *o, const char *value);
	const char *help;
} flags[] = {
	{ "server", "URL", WRITE, set_server, "the service, such as http://10.77.0.1:8880" },
	{ "item", "ID", WRITE, set_item, "the item to write" },
	{ "disk", "PATH", WRITE, set_disk,
	  "whole disk or regular file (created if there is none); once for each disk of the item" },
	{ "zeros", "POLICY", WRITE, set_zeros,
	  "what becomes of areas that are zeros: zero (default), discard, keep; see vmcast-boot(8) first" },
	{ "root", "FILE", RUN | WRITE | ROOT, set_root,
	  "do only what this site's keys have signed (run: " SITE_ROOT ", if it is there)" },
	{ "ca", "FILE", RUN | WRITE, set_ca,
	  "ask only over https, and only who has a certificate of this CA (run: " SITE_CA ", if it is there)" },
	{ "cmdline", "TEXT", RUN, set_cmdline, "instead of /proc/cmdline; does not reboot" },
	{ "stall-timeout", "S", RUN | WRITE, set_stall, "give a silent connection up after so long (30s)" },
	{ "retry-for", "S", RUN | WRITE, set_retry,
	  "try again for so long when the network fails (run 10m, write 60s)" },
	{ "json", NULL, WRITE | DISKS, set_json, "the result as JSON on standard output" },
	{ "help", NULL, RUN | WRITE | DISKS | ROOT, set_help, "this" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))
#define FLAGS    (sizeof(flags) / sizeof(flags[0]))

static void print_help(void)
{
	printf("Usage: vmcast-boot COMMAND [OPTION]...\n\nPuts a network boot image on a disk, verified, or not at "
	       "all.\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		printf("\n  %-26s %s\n", commands[i].name, commands[i].help);
		for (size_t j = 0; j < FLAGS; j++) {
			if (flags[j].commands & commands[i].bit)
				printf("    --%-15s %-6s %s\n", flags[j].name, flags[j].value ? flags[j].value : "",
				       flags[j].help);
		}
	}
	printf("\n  --version\n\n"
	       "Exit status: 0 done, 1 other, 2 usage, 3 network, 4 not trusted or corrupt, 5 target refused,\n"
	       "6 disk failed, 7 service refused, 8 written but not reported. See vmcast-boot(8).\n");
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* 0, or the exit code after having said what is wrong. */
static int parse_flags(struct options *out, const struct command *command, int argc, char **argv)
{
	struct option longs[FLAGS + 1] = { 0 };
	int nr;

	for (size_t i = 0; i < FLAGS; i++)
		longs[i] = (struct option){ .name = flags[i].name, .has_arg = flags[i].value != NULL, .val = (int)i };
	while ((nr = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (nr == '?')
			return EXIT_USAGE; /* getopt has said why */
		const struct flag *flag = &flags[nr];
		if (!(flag->commands & command->bit)) {
			fprintf(stderr, "vmcast-boot: %s knows no --%s\n", command->name, flag->name);
			return EXIT_USAGE;
		}
		if (flag->set(out, optarg) != 0) {
			fprintf(stderr, "vmcast-boot: --%s '%s' is not valid\n", flag->name, optarg);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "vmcast-boot: '%s' is not expected\n", argv[optind]);
		return EXIT_USAGE;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	const char *word = argc > 1 ? argv[1] : "";

	if (strcmp(word, "--help") == 0) {
		print_help();
		return EXIT_DONE;
	}
	if (strcmp(word, "--version") == 0) {
		puts("vmcast-boot " VMCAST_VERSION);
		return EXIT_DONE;
	}
	const struct command *command = find_command(word);
	if (!command) {
		fprintf(stderr, "vmcast-boot: a command is needed, one of run, write, disks, root; see --help\n");
		return EXIT_USAGE;
	}
	int rc = parse_flags(&options, command, argc - 1, argv + 1);
	if (rc)
		return rc;
	if (options.help) {
		print_help();
		return EXIT_DONE;
	}
	catch_signals();
	return command->run(&options);
}
