/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcastd: the service. main() is the list of its steps; vmcastd(8) describes it. */
#include "cleanup.h"
#include "config.h"
#include "dnsmasq.h"
#include "httpd.h"
#include "log.h"
#include "notify.h"
#include "privileges.h"
#include "store.h"
#include "tuf_repository.h"
#include "version.h"
#include "worker.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define DEFAULT_CONFIG "/etc/vmcast/vmcastd.conf"

enum { EXIT_OK = 0, EXIT_FAULT = 1, EXIT_USAGE = 2 };

enum action { ACTION_SERVE, ACTION_CHECK_CONFIG, ACTION_PRINT_DHCP, ACTION_HELP_CONFIG, ACTION_HELP, ACTION_VERSION };

static const struct command_line_option {
	const char *name;
	const char *argument; /* NULL: takes none */
	enum action action;   /* of one that takes none */
	const char *help;
} command_line_options[] = {
	{ "config", "FILE", 0, "read FILE instead of " DEFAULT_CONFIG },
	{ "check-config", NULL, ACTION_CHECK_CONFIG, "say whether the configuration is right, or all that is wrong" },
	{ "print-dhcp", NULL, ACTION_PRINT_DHCP, "print what a DHCP server of the site's own needs" },
	{ "help-config", NULL, ACTION_HELP_CONFIG, "print every key of the configuration with range and default" },
	{ "help", NULL, ACTION_HELP, "print this" },
	{ "version", NULL, ACTION_VERSION, "print the version" },
};

#define OPTION_COUNT (sizeof(command_line_options) / sizeof(command_line_options[0]))

static void print_usage(FILE *to)
{
	fputs("Usage: vmcastd [OPTION]...\nServes VMcast images to machines that boot from the network.\n\n", to);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct command_line_option *option = &command_line_options[i];
		char shown[40];

		snprintf(shown, sizeof(shown), "--%s%s%s", option->name, option->argument ? " " : "",
			 option->argument ? option->argument : "");
		fprintf(to, "  %-16s %s\n", shown, option->help);
	}
	fputs("\nSIGHUP refreshes all feeds now; SIGTERM and SIGINT stop. Exit status: 0 stopped when asked to; 1 "
	      "could not\n"
	      "start or go on; 2 command line or configuration wrong. See vmcastd(8), vmcastd.conf(5).\n",
	      to);
}

static int parse_command_line(enum action *action, const char **config_path, int argc, char **argv)
{
	struct option options[OPTION_COUNT + 1] = { 0 };
	int nr, code;

	for (size_t i = 0; i < OPTION_COUNT; i++)
		options[i] = (struct option){ .name = command_line_options[i].name,
					      .has_arg = command_line_options[i].argument ? required_argument
											  : no_argument };
	*action = ACTION_SERVE;
	*config_path = DEFAULT_CONFIG;
	while ((code = getopt_long(argc, argv, "", options, &nr)) == 0) {
		if (options[nr].has_arg)
			*config_path = optarg;
		else
			*action = command_line_options[nr].action;
	}
	if (code != -1)
		return -EINVAL;
	if (optind < argc) {
		fprintf(stderr, "vmcastd: unexpected argument '%s'\n", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

static int check_config(const char *path)
{
	CLEANUP(config_free) struct config *config = NULL;
	struct err err;

	if (config_check(&config, path, stderr, &err) < 0) {
		if (err.code != -EINVAL)
			fprintf(stderr, "vmcastd: %s\n", err.text); /* could not be read at all */
		return EXIT_USAGE;
	}
	printf("%s: ok: %zu feed%s, machines at %s, state in %s\n", path, config->feeds.count,
	       config->feeds.count == 1 ? "" : "s", config->url, config->state_dir);
	return EXIT_OK;
}

/* Connections are what takes descriptors: each one a socket, and an image while it is sent. */
static void raise_descriptor_limit(const struct config *config)
{
	rlim_t wanted = 2 * config->connections_max + 256;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	if (limit.rlim_max < wanted)
		log_warn("only %llu of %llu file descriptors are allowed: connections_max cannot be reached, ignoring",
			 (unsigned long long)limit.rlim_max, (unsigned long long)wanted);
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("raise the limit of file descriptors: %s, ignoring", strerror(errno));
}

/* The socket in it is for the group, so others must get this far; its own mode keeps them out. */
static int make_run_dir(const char *path, struct err *err)
{
	if (mkdir(path, 0755) < 0) {
		if (errno == EEXIST)
			return 0;
		return err_set(err, -errno, "make run_dir '%s': %s", path, strerror(errno));
	}
	if (chmod(path, 0755) < 0)
		return err_set(err, -errno, "run_dir '%s': %s", path, strerror(errno));
	return 0;
}

/* Blocked in every thread, taken one by one in serve_until_stopped. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void serve_until_stopped(const sigset_t *set, struct worker *worker, struct tuf_repository *trust,
				struct httpd *httpd)
{
	int signal_number;

	while (sigwait(set, &signal_number) == 0 && signal_number == SIGHUP) {
		log_info("refreshing all feeds (SIGHUP)");
		worker_wake_refresh(worker, NULL);
		tuf_repository_reload(trust);
		httpd_reload(httpd);
	}
	log_info("stopping (%s)", strsignal(signal_number));
	/* A second one need not be graceful. */
	pthread_sigmask(SIG_UNBLOCK, set, NULL);
	notify_manager("STOPPING=1");
}

static int serve(const struct config *config, struct err *err)
{
	CLEANUP(store_close) struct store *store = NULL;
	CLEANUP(worker_stop) struct worker *worker = NULL;
	CLEANUP(tuf_repository_stop) struct tuf_repository *trust = NULL;
	CLEANUP(dnsmasq_free) struct dnsmasq *dnsmasq = NULL;
	CLEANUP(httpd_stop) struct httpd *httpd = NULL;
	sigset_t signals;

	umask(077);
	raise_descriptor_limit(config);
	block_signals(&signals);
	if (privileges_drop(config, err) < 0 || make_run_dir(config->run_dir, err) < 0 ||
	    store_open(&store, config->state_dir, err) < 0 ||
	    store_feed_configure(store, config->feeds.items, config->feeds.count, err) < 0 ||
	    tuf_repository_start(&trust, config, store, err) < 0 || worker_start(&worker, config, store, err) < 0 ||
	    dnsmasq_new(&dnsmasq, config, err) < 0 ||
	    httpd_start(&httpd, config, store, worker, dnsmasq, trust, err) < 0)
		return err->code;
	/* Last: machines are told of us once there is somebody to answer. */
	if (dnsmasq_wanted(config) && dnsmasq_start(dnsmasq, err) < 0)
		return err->code;
	log_info("vmcastd %s serves machines at %s", VMCAST_VERSION, config->url);
	notify_manager("READY=1");
	serve_until_stopped(&signals, worker, trust, httpd);
	/* First: no machine is told of us any more. */
	dnsmasq_stop(dnsmasq);
	return 0;
}

int main(int argc, char **argv)
{
	CLEANUP(config_free) struct config *config = NULL;
	const char *config_path;
	enum action action;
	struct err err;

	/* Whoever starts us may ignore it; then nobody could tell how a program of ours ended. */
	signal(SIGCHLD, SIG_DFL);
	if (parse_command_line(&action, &config_path, argc, argv) < 0) {
		fputs("Try 'vmcastd --help'.\n", stderr);
		return EXIT_USAGE;
	}
	if (action == ACTION_HELP)
		return print_usage(stdout), EXIT_OK;
	if (action == ACTION_VERSION)
		return puts("vmcastd " VMCAST_VERSION), EXIT_OK;
	if (action == ACTION_HELP_CONFIG)
		return config_print_help(stdout), EXIT_OK;
	if (action == ACTION_CHECK_CONFIG)
		return check_config(config_path);
	if (config_load(&config, config_path, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_USAGE;
	}
	if (action == ACTION_PRINT_DHCP)
		return dnsmasq_print_site(stdout, config), EXIT_OK;
	if (serve(config, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAULT;
	}
	log_info("stopped");
	return EXIT_OK;
}
