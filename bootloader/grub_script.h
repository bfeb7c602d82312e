/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * grub_script: GRUB's command language as boot loader configurations use it: words, quotes, variables, if, functions,
 * blocks (GNU GRUB manual 2.12, chapter 6.2, "Writing full configuration files directly"). Loops are refused, so that only
 * calls can repeat anything; their depth, and the bytes looked at or made in a whole run, are bounded.
 *
 * The language itself is here: set, unset, assignments, test and [, true, false, !, return, functions. All else is asked for.
 */
#ifndef VMCAST_GRUB_SCRIPT_H
#define VMCAST_GRUB_SCRIPT_H

#include "boot_volume.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>

#define GRUB_WORDS_MAX     512u
#define GRUB_WORD_MAX      (32u << 10)
#define GRUB_VARIABLES_MAX 512u
#define GRUB_DEPTH_MAX     32u
#define GRUB_WORK_MAX      (16u << 20) /* bytes read or made; Ubuntu's grub.cfg takes some 20 KiB */

/* What a command says of itself. Negative errno values end the run with *err filled. */
enum grub_status { GRUB_TRUE = 0, GRUB_FALSE = 1, GRUB_STOP = 2 /* nothing after it is run */ };

/* A stretch of a source that is run later: of a function, a menu entry. Borrowed from the script. */
struct grub_block {
	const struct grub_source *source; /* NULL: none */
	const char *text;
	size_t len;
	unsigned line;
};

struct grub_command {
	char **words; /* the command's name first */
	size_t count; /* at least 1 */
	struct grub_block block;
};

struct grub_script;

struct grub_script_ops {
	int (*command)(void *ctx, const struct grub_command *command, struct err *err);
	enum boot_file_kind (*look)(void *ctx, const char *path);
};

/* NULL: out of memory. `ops` is borrowed. */
struct grub_script *grub_script_new(const struct grub_script_ops *ops, void *ctx);
void grub_script_free(struct grub_script *script);

/*
 * Run `len` bytes; takes ownership of `text` in any case, and keeps it until the script is freed. `name` is for messages. Returns an
 * enum grub_status or a negative errno value: -EBADMSG no such language, -ENOTSUP not handled, -E2BIG beyond a limit.
 */
int grub_script_run(struct grub_script *script, const char *name, char *text, size_t len, struct err *err);
int grub_script_run_block(struct grub_script *script, const struct grub_block *block, struct err *err);

/* Where the command that is being run stands: "FILE:LINE". */
const char *grub_script_where(const struct grub_script *script, char *out, size_t room);

/* A variable's value, "" if it has none; valid until the next one is set. */
const char *grub_script_get(const struct grub_script *script, const char *name);
int grub_script_set(struct grub_script *script, const char *name, const char *value, struct err *err);

/* A number of bytes that reading something else will take counts as well. */
int grub_script_spend(struct grub_script *script, size_t bytes, struct err *err);

#endif
