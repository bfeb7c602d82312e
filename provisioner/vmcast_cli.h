/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmcast_cli: what the parts of the operator's command share: the commands themselves, asking the service, and printing.
 * One table per noun (vmcast_feed.c, vmcast_item.c, ...) holds its commands; usage and help are printed from them.
 */
#ifndef VMCAST_CLI_H
#define VMCAST_CLI_H

#include "err.h"
#include "mac.h"
#include "target_rule.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;

/* Options of the command line. `only` fields are set where the command takes them. */
struct cli {
	const char *socket;
	const char *server;     /* --server: https://HOST:PORT; NULL: the socket */
	const char *ca;         /* --ca */
	const char *token_file; /* --token-file; NULL: the environment's VMCAST_TOKEN */
	char *token;            /* of one of the two, once it was read; owned, wiped at the end */
	const char *role;       /* --role */
	const char *expires;    /* --expires */
	bool json;
	bool wait;
	bool dry_run;
	bool colour;                           /* standard output is a terminal that may be coloured */
	bool progress;                         /* standard error is a terminal: one line that changes */
	const char *targets[TARGET_RULES_MAX]; /* --target, once for each disk */
	size_t target_count;
	const char *landing;  /* --landing, NULL: not given */
	bool grow;            /* --grow */
	const char *seed;     /* --seed, NULL: not given */
	const char *hostname; /* --hostname, NULL: not given */
	const char *feed;     /* --feed, NULL: not given */
	bool with_options;    /* --with-options */
	struct http *http;
};

/* Which options a command takes beside --json, --socket and --help. */
enum {
	TAKES_WAIT = 1,
	TAKES_TARGET = 2,
	TAKES_FEED = 4,
	TAKES_WITH_OPTIONS = 8,
	TAKES_DRY_RUN = 64,
	TAKES_TOKEN = 128
};

/* What a command returns that did what it should and found something wrong with its subject. */
#define CLI_FOUND_FAULTS (-EUCLEAN)

struct command {
	const char *noun;
	const char *verb; /* NULL: the noun alone */
	const char *args; /* for the usage line */
	int args_min, args_max;
	unsigned takes;
	int (*run)(struct cli *cli, char **args, struct err *err); /* `args` ends with NULL */
	const char *help;                                          /* one line */
	const char *more; /* paragraphs for --help of this command, NULL: none */
};

/* Each ends with an entry whose noun is NULL. */
extern const struct command commands_feed[], commands_item[], commands_machine[], commands_publish[], commands_store[],
	commands_status[], commands_key[], commands_sign[], commands_receipt[], commands_token[], commands_seed[],
	commands_guest[];

/* Commands that ask no service read their command line themselves: 0, 1 for help, or an error. */
int publish_run(struct cli *cli, int argc, char **argv, struct err *err);
int key_run(struct cli *cli, int argc, char **argv, struct err *err);
int sign_run(struct cli *cli, int argc, char **argv, struct err *err);

/* `vmcast key ca ...` (vmcast_ca.c), in the same way. */
int key_ca_run(struct cli *cli, int argc, char **argv, struct err *err);

/* A whole number from 1 to `max` (vmcast_option.c). -EINVAL: it is none; `option` names it without its dashes. */
int option_number(unsigned *out, const char *value, const char *option, unsigned max, struct err *err);

/* `vmcast feed check` (vmcast_check.c). */
int feed_check(struct cli *cli, char **args, struct err *err);

/*
 * Ask the service (vmcast_api.c). `body` is taken (NULL: none); `out` may be NULL; caller frees with json_decref.
 * -ECONNREFUSED: the service cannot be reached. -ENOENT, -EINVAL, ... as the service answered; what http.h says if it
 * does not answer.
 */
int api_call(struct cli *cli, const char *method, const char *path, json_t *body, json_t **out, struct err *err);

/* Close the connection, forget the token. */
void api_end(struct cli *cli);

/*
 * A feed or item named by the beginning of its id, its exact title, or (feeds) its URL: `*out` is its row of the API.
 * -ENOENT if none has that name, -EINVAL if several have. Caller frees with json_decref.
 */
int api_find_feed(struct cli *cli, json_t **out, const char *name, struct err *err);
int api_find_item(struct cli *cli, json_t **out, const char *name, struct err *err);
/* A guest, by the beginning of its id (its node's address and its item) or its name. */
int api_find_guest(struct cli *cli, json_t **out, const char *name, struct err *err);

/* Fields of a row (vmcast_print.c). A missing string is "", a missing number 0. Borrowed. */
const char *row_text(const json_t *row, const char *key);
uint64_t row_number(const json_t *row, const char *key);
bool row_flag(const json_t *row, const char *key);

/* A table for people: columns as wide as their widest cell. */
struct table;
struct table *table_new(const char *const *headings, size_t columns);
/* The next cell, from left to right; foreign text is made safe here. */
void table_add(struct table *t, const char *text);
/* Print to standard output and free. */
void table_print(struct table *t, const struct cli *cli);

/* "name:   value", foreign text made safe; nothing for an empty value. */
void print_fact(const char *name, const char *text);

/* The whole document, for programs. */
int print_json(const json_t *json, struct err *err);

/* What is long under way: on a terminal one line that changes, otherwise a line whenever `phase` is another one. */
struct progress {
	char phase[64];
	bool shown;
};
void progress_show(struct progress *p, const struct cli *cli, const char *phase, uint64_t done, uint64_t total);
void progress_end(struct progress *p, const struct cli *cli);

/* Texts in the caller's storage, for use in an argument list. */
#define PRINT_TEXT 64
const char *print_bytes(char out[static PRINT_TEXT], uint64_t bytes); /* "" for 0 */
const char *print_time(char out[static PRINT_TEXT], uint64_t time);   /* local time, "never" for 0 */
const char *print_date(char out[static PRINT_TEXT], uint64_t time);   /* "" for 0 */
const char *print_percent(char out[static PRINT_TEXT], uint64_t done, uint64_t total);

#endif
