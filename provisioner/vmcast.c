/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast: the operator's command. Most of it asks vmcastd through its unix socket. */
#include "vmcast_cli.h"

#include "version.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/vmcast/api.sock"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3, EXIT_NOT_FOUND = 4, EXIT_FAULTS = 5 };

static const struct command *const tables[] = { commands_feed,    commands_item,  commands_machine, commands_receipt,
						commands_publish, commands_store, commands_key,     commands_sign,
						commands_status,  commands_token, commands_seed,    commands_guest };

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static void print_usage_line(const struct command *c)
{
	char usage[80];

	snprintf(usage, sizeof(usage), "%s%s%s %s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "", c->args,
		 c->takes & TAKES_WAIT ? " [--wait]" : "",
		 c->takes & TAKES_TARGET ? " [--target RULE]... [OPTION]..." : "",
		 c->takes & TAKES_FEED           ? "[--feed FEED]"
		 : c->takes & TAKES_DRY_RUN      ? "[--dry-run]"
		 : c->takes & TAKES_TOKEN        ? "--role ROLE [--expires 30d]"
		 : c->takes & TAKES_WITH_OPTIONS ? " [--with-options]"
						 : "");
	printf("  vmcast %-44s %s\n", usage, c->help);
}

/* All commands, or those of one noun. */
static void print_help(const char *noun)
{
	printf("usage: vmcast [--json] [--socket PATH | --server URL --ca FILE] COMMAND\n\n");
	for (size_t i = 0; i < TABLES; i++)
		for (const struct command *c = tables[i]; c->noun; c++)
			if (!noun || strcmp(noun, c->noun) == 0)
				print_usage_line(c);
	printf("\n"
	       "  --json         print the service's answer as JSON (docs/reference/api.md)\n"
	       "  --socket PATH  the service's socket (default " DEFAULT_SOCKET ")\n"
	       "  --server URL   https://HOST:PORT of a service elsewhere, in place of the socket\n"
	       "  --ca FILE      with --server: the CA that must have certified it\n"
	       "  --token-file FILE\n"
	       "                 with --server: a file with the token, which nobody else may read; without it the "
	       "token "
	       "is that\n"
	       "                 of the environment variable VMCAST_TOKEN\n"
	       "  --help         this, or with a command more about that command\n"
	       "  --version\n"
	       "\n"
	       "FEED and ITEM: the beginning of an id, or an exact title.\n"
	       "Exit status: 0 done, 1 failed, 2 wrong usage, 3 the service cannot be reached, 4 no such feed, item or "
	       "machine,\n"
	       "5 done, and what was checked has faults.\n");
}

static void print_command_help(const struct command *c)
{
	printf("usage:\n");
	print_usage_line(c);
	if (c->more)
		printf("\n%s", c->more);
}

static bool is_noun(const char *word)
{
	for (size_t i = 0; i < TABLES; i++)
		for (const struct command *c = tables[i]; c->noun; c++)
			if (strcmp(word, c->noun) == 0)
				return true;
	return false;
}

static const struct command *find_command(char **words, int count)
{
	for (size_t i = 0; i < TABLES; i++)
		for (const struct command *c = tables[i]; c->noun; c++)
			if (count > 0 && strcmp(words[0], c->noun) == 0 &&
			    (!c->verb || (count > 1 && strcmp(words[1], c->verb) == 0)))
				return c;
	return NULL;
}

static int wrong_usage(const char *what, const char *word)
{
	fprintf(stderr, "vmcast: %s '%s'\nvmcast --help shows all commands\n", what, word);
	return EXIT_USAGE;
}

static int exit_status(int code)
{
	switch (code) {
	case -ECONNREFUSED:
		return EXIT_UNREACHABLE;
	case -ENOENT:
		return EXIT_NOT_FOUND;
	case -EINVAL:
		return EXIT_USAGE;
	case CLI_FOUND_FAULTS:
		return EXIT_FAULTS;
	default:
		return EXIT_FAILED;
	}
}

/* `rc` is what the command returned. */
static int end(int rc, struct err *err)
{
	if (rc == 0 && fflush(stdout) != 0)
		rc = err_set(err, -EIO, "write to standard output: %s", strerror(errno));
	if (rc == 0)
		return 0;
	fprintf(stderr, "vmcast: %s\n", err->text);
	return exit_status(rc);
}

static int run(struct cli *cli, const struct command *c, char **args)
{
	struct err err = { 0 };
	int rc = c->run(cli, args, &err);

	api_end(cli);
	return end(rc, &err);
}

/* Whether the first word that is no option is this one. */
static bool is_command(const char *word, int argc, char **argv)
{
	static const char *const with_value[] = { "--socket", "--server", "--ca", "--token-file" };

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-')
			return strcmp(argv[i], word) == 0;
		for (size_t k = 0; k < sizeof(with_value) / sizeof(with_value[0]); k++)
			if (strcmp(argv[i], with_value[k]) == 0) {
				i++;
				break;
			}
	}
	return false;
}

/* Commands that ask no service read their command line themselves. */
static const struct {
	const char *noun;
	int (*run)(struct cli *cli, int argc, char **argv, struct err *err);
} own[] = { { "publish", publish_run }, { "key", key_run }, { "sign", sign_run } };

#define OWN (sizeof(own) / sizeof(own[0]))

static int run_own(size_t nr, struct cli *cli, int argc, char **argv)
{
	struct err err = { 0 };
	int rc = own[nr].run(cli, argc, argv, &err);

	if (rc == 1) {
		const struct command *c = find_command(argv + optind, argc - optind);

		if (c)
			print_command_help(c);
		else
			print_help(own[nr].noun);
		rc = 0;
	}
	return end(rc, &err);
}

/* Options may stand anywhere. Returns -1 to go on, else the exit status. `*takes` is what the options given need. */
static int parse_options(struct cli *cli, unsigned *takes, bool *help, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },           { "socket", required_argument, NULL, 's' },
		{ "wait", no_argument, NULL, 'w' },           { "target", required_argument, NULL, 't' },
		{ "feed", required_argument, NULL, 'f' },     { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },        { "dry-run", no_argument, NULL, 'n' },
		{ "with-options", no_argument, NULL, 'o' },   { "server", required_argument, NULL, 'S' },
		{ "ca", required_argument, NULL, 'C' },       { "token-file", required_argument, NULL, 'T' },
		{ "token", optional_argument, NULL, 'K' },    { "role", required_argument, NULL, 'R' },
		{ "expires", required_argument, NULL, 'E' },  { "seed", required_argument, NULL, 'D' },
		{ "landing", required_argument, NULL, 'l' },  { "grow", no_argument, NULL, 'g' },
		{ "hostname", required_argument, NULL, 'H' }, { NULL, 0, NULL, 0 }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (opt) {
		case 'j':
			cli->json = true;
			break;
		case 's':
			cli->socket = optarg;
			break;
		case 'S':
			cli->server = optarg;
			break;
		case 'C':
			cli->ca = optarg;
			break;
		case 'T':
			cli->token_file = optarg;
			break;
		case 'K':
			/* Else it would be short for --token-file, and the token would be shown as a file's name. */
			fputs("vmcast: --token: everybody could see it in the list of processes; write --token-file "
			      "FILE\n",
			      stderr);
			return EXIT_USAGE;
		case 'R':
			cli->role = optarg;
			*takes |= TAKES_TOKEN;
			break;
		case 'E':
			cli->expires = optarg;
			*takes |= TAKES_TOKEN;
			break;
		case 'w':
			cli->wait = true;
			*takes |= TAKES_WAIT;
			break;
		case 't':
			if (cli->target_count == TARGET_RULES_MAX) {
				fprintf(stderr, "vmcast: --target: more than %d\n", TARGET_RULES_MAX);
				return EXIT_USAGE;
			}
			cli->targets[cli->target_count++] = optarg;
			*takes |= TAKES_TARGET;
			break;
		case 'l':
			cli->landing = optarg;
			*takes |= TAKES_TARGET;
			break;
		case 'g':
			cli->grow = true;
			*takes |= TAKES_TARGET;
			break;
		case 'D':
			cli->seed = optarg;
			*takes |= TAKES_TARGET;
			break;
		case 'H':
			cli->hostname = optarg;
			*takes |= TAKES_TARGET;
			break;
		case 'f':
			cli->feed = optarg;
			*takes |= TAKES_FEED;
			break;
		case 'o':
			cli->with_options = true;
			*takes |= TAKES_WITH_OPTIONS;
			break;
		case 'n':
			cli->dry_run = true;
			*takes |= TAKES_DRY_RUN;
			break;
		case 'h':
			*help = true;
			break;
		case 'V':
			printf("vmcast %s\n", VMCAST_VERSION);
			return 0;
		default:
			return EXIT_USAGE;
		}
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct cli cli = { .socket = DEFAULT_SOCKET, .progress = isatty(STDERR_FILENO) };
	unsigned takes = 0;
	bool help = false;

	/* Whoever starts us may ignore it; then nobody could tell how a program of ours ended. */
	signal(SIGCHLD, SIG_DFL);
	cli.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	for (size_t i = 0; i < OWN; i++)
		if (is_command(own[i].noun, argc, argv))
			return run_own(i, &cli, argc, argv);
	int done = parse_options(&cli, &takes, &help, argc, argv);

	if (done >= 0)
		return done;
	char **words = argv + optind;
	int count = argc - optind;
	const struct command *c = find_command(words, count);

	if (help || count == 0) {
		if (c)
			print_command_help(c);
		else
			print_help(count ? words[0] : NULL);
		return help ? 0 : EXIT_USAGE;
	}
	if (!is_noun(words[0]))
		return wrong_usage("there is no command", words[0]);
	if (!c) {
		print_help(words[0]);
		return EXIT_USAGE;
	}
	char **args = words + (c->verb ? 2 : 1);
	int arg_count = count - (c->verb ? 2 : 1);

	if (takes & ~c->takes)
		return wrong_usage("one of these options is not for", c->verb ? c->verb : c->noun);
	if (arg_count < c->args_min || arg_count > c->args_max) {
		print_command_help(c);
		return EXIT_USAGE;
	}
	return run(&cli, c, args);
}
