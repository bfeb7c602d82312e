/* SPDX-License-Identifier: GPL-2.0-or-later */
/* grub_script: see grub_script.h */
#include "grub_script.h"

#include "cleanup.h"
#include "sysfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 128u
#define COMMAND_WORK   64u /* what a command costs besides its bytes */

struct grub_source {
	struct grub_source *next;
	char *text;
	char name[BOOT_PATH_MAX];
};

struct variable {
	char *name;
	char *value;
};

struct function {
	struct function *next;
	char *name;
	struct grub_block block;
};

struct words {
	char *list[GRUB_WORDS_MAX];
	size_t count;
};

struct grub_script {
	const struct grub_script_ops *ops;
	void *ctx;
	struct grub_source *sources;
	struct function *functions;
	struct variable variables[GRUB_VARIABLES_MAX];
	size_t variable_count;
	const struct grub_command *call; /* of the function that runs; NULL: none */
	size_t work;
	unsigned depth;
	int status; /* of the last command: $? */
	const struct grub_source *source;
	unsigned line;
	bool is_returning;
	bool is_placed; /* the error already says where */
};

/* Where in a source we are. */
struct reader {
	struct grub_script *script;
	const struct grub_source *source;
	const char *at;
	const char *end;
	unsigned line;
};

/* A word being put together. */
struct builder {
	char *text;
	size_t len;
	size_t room;
	bool is_word; /* even if it is empty: it was quoted */
};

enum word_kind { WORD_NONE, WORD_TEXT, WORD_OPEN, WORD_CLOSE };

struct raw {
	enum word_kind kind;
	const char *text;
	size_t len;
};

static void words_done(struct words **words)
{
	while (*words && (*words)->count)
		free((*words)->list[--(*words)->count]);
	free(*words);
}

static void builder_done(struct builder *b)
{
	free(b->text);
}

struct grub_script *grub_script_new(const struct grub_script_ops *ops, void *ctx)
{
	struct grub_script *script = calloc(1, sizeof(*script));

	if (script) {
		script->ops = ops;
		script->ctx = ctx;
	}
	return script;
}

void grub_script_free(struct grub_script *script)
{
	if (!script)
		return;
	while (script->variable_count) {
		struct variable *last = &script->variables[--script->variable_count];

		free(last->name);
		free(last->value);
	}
	while (script->functions) {
		struct function *next = script->functions->next;

		free(script->functions->name);
		free(script->functions);
		script->functions = next;
	}
	while (script->sources) {
		struct grub_source *next = script->sources->next;

		free(script->sources->text);
		free(script->sources);
		script->sources = next;
	}
	free(script);
}

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

int grub_script_spend(struct grub_script *script, size_t bytes, struct err *err)
{
	if (bytes > GRUB_WORK_MAX - script->work)
		return err_set(err, -E2BIG, "it takes more than %u bytes to follow", GRUB_WORK_MAX);
	script->work += bytes;
	return 0;
}

const char *grub_script_where(const struct grub_script *script, char *out, size_t room)
{
	snprintf(out, room, "%s:%u", script->source ? script->source->name : "", script->line);
	return out;
}

/* ---------------------------------------------------------------- variables */

static struct variable *find_variable(const struct grub_script *script, const char *name, size_t len)
{
	for (size_t i = 0; i < script->variable_count; i++) {
		const struct variable *v = &script->variables[i];

		if (strncmp(v->name, name, len) == 0 && v->name[len] == '\0')
			return (struct variable *)v;
	}
	return NULL;
}

const char *grub_script_get(const struct grub_script *script, const char *name)
{
	const struct variable *v = find_variable(script, name, strlen(name));

	return v ? v->value : "";
}

static int set_variable(struct grub_script *script, const char *name, size_t len, const char *value, struct err *err)
{
	struct variable *v = find_variable(script, name, len);

	if (len == 0 || len > NAME_MAX_BYTES)
		return err_set(err, -EBADMSG, "a variable's name has 1 to %u bytes", NAME_MAX_BYTES);
	CLEANUP(free_str) char *copy = strdup(value);
	if (!copy)
		return out_of_memory(err);
	if (!v) {
		if (script->variable_count == GRUB_VARIABLES_MAX)
			return err_set(err, -E2BIG, "more than %u variables", GRUB_VARIABLES_MAX);
		v = &script->variables[script->variable_count];
		v->name = strndup(name, len);
		if (!v->name)
			return out_of_memory(err);
		script->variable_count++;
	} else {
		free(v->value);
	}
	v->value = TAKE(copy);
	return 0;
}

int grub_script_set(struct grub_script *script, const char *name, const char *value, struct err *err)
{
	return set_variable(script, name, strlen(name), value, err);
}

static void unset_variable(struct grub_script *script, const char *name)
{
	struct variable *v = find_variable(script, name, strlen(name));

	if (!v)
		return;
	free(v->name);
	free(v->value);
	*v = script->variables[--script->variable_count];
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* ---------------------------------------------------------------- words */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Between words: blanks, a line that goes on in the next one, a comment. */
static void skip_blanks(struct reader *r)
{
	while (r->at < r->end) {
		if (is_blank(*r->at)) {
			r->at++;
		} else if (*r->at == '\\' && r->end - r->at > 1 && r->at[1] == '\n') {
			r->at += 2;
			r->line++;
		} else if (*r->at == '#') {
			const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));

			r->at = newline ? newline : r->end;
		} else {
			return;
		}
	}
}

static void skip_separators(struct reader *r)
{
	for (skip_blanks(r); r->at < r->end && (*r->at == '\n' || *r->at == ';'); skip_blanks(r)) {
		if (*r->at == '\n')
			r->line++;
		r->at++;
	}
}

/* To behind the quote that ends what the one at `at` begins; NULL: none does. */
static const char *skip_quoted(struct reader *r)
{
	char quote = *r->at;

	for (const char *at = r->at + 1; at < r->end; at++) {
		if (*at == '\n')
			r->line++;
		if (*at == quote)
			return at + 1;
		if (quote == '"' && *at == '\\' && at + 1 < r->end && *++at == '\n')
			r->line++;
	}
	return NULL;
}

/* One byte or quotation of a word further. */
static int skip_part(struct reader *r, struct err *err)
{
	if (*r->at == '\'' || *r->at == '"') {
		unsigned line = r->line;
		const char *after = skip_quoted(r);

		if (!after) {
			r->script->line = line;
			return err_set(err, -EBADMSG, "a quotation that does not end");
		}
		r->at = after;
	} else if (*r->at == '\\' && r->end - r->at > 1) {
		if (r->at[1] == '\n')
			r->line++;
		r->at += 2;
	} else if (*r->at == '$' && r->end - r->at > 1 && r->at[1] == '{') {
		const char *close = memchr(r->at, '}', (size_t)(r->end - r->at));

		if (!close || memchr(r->at, '\n', (size_t)(close - r->at)))
			return err_set(err, -EBADMSG, "'${' without a '}'");
		r->at = close + 1;
	} else {
		r->at++;
	}
	return 0;
}

static bool ends_word(char c)
{
	return is_blank(c) || c == '\n' || c == ';' || c == '{' || c == '}' || c == '|' || c == '&' || c == '<' ||
	       c == '>';
}

/* WORD_NONE: the command ends here. */
static int read_raw(struct raw *out, struct reader *r, struct err *err)
{
	*out = (struct raw){ WORD_NONE, NULL, 0 };
	skip_blanks(r);
	if (r->at == r->end || *r->at == '\n' || *r->at == ';')
		return 0;
	out->text = r->at;
	if (*r->at == '{' || *r->at == '}') {
		out->kind = *r->at++ == '{' ? WORD_OPEN : WORD_CLOSE;
		out->len = 1;
		return 0;
	}
	if (ends_word(*r->at))
		return err_set(err, -EBADMSG, "'%c' is not expected", *r->at);
	while (r->at < r->end && !ends_word(*r->at)) {
		int rc = skip_part(r, err);

		if (rc != 0)
			return rc;
	}
	*out = (struct raw){ WORD_TEXT, out->text, (size_t)(r->at - out->text) };
	return 0;
}

static int append(struct builder *b, const char *text, size_t len, struct err *err)
{
	if (len >= GRUB_WORD_MAX - b->len)
		return err_set(err, -E2BIG, "a word of more than %u bytes", GRUB_WORD_MAX);
	if (b->len + len + 1 > b->room) {
		size_t room = 2 * (b->len + len + 1);
		char *bigger = realloc(b->text, room);

		if (!bigger)
			return out_of_memory(err);
		b->text = bigger;
		b->room = room;
	}
	memcpy(b->text + b->len, text, len);
	b->len += len;
	b->text[b->len] = '\0';
	return 0;
}

static int finish_word(struct words *words, struct builder *b, struct err *err)
{
	if (b->len == 0 && !b->is_word)
		return 0;
	if (words->count == GRUB_WORDS_MAX)
		return err_set(err, -E2BIG, "a command of more than %u words", GRUB_WORDS_MAX);
	char *word = strndup(b->len ? b->text : "", b->len);
	if (!word)
		return out_of_memory(err);
	words->list[words->count++] = word;
	b->len = 0;
	b->is_word = false;
	return 0;
}

/* Unquoted, a value's blanks end words. */
static int append_split(struct words *words, struct builder *b, const char *value, struct err *err)
{
	int rc = 0;

	while (rc == 0 && *value) {
		size_t len = strcspn(value, " \t\n\r");

		rc = append(b, value, len, err);
		value += len;
		if (rc == 0 && *value) {
			rc = finish_word(words, b, err);
			value += strspn(value, " \t\n\r");
		}
	}
	return rc;
}

/* $1 is the function's first argument; beyond the last one there is nothing. */
static const char *argument(const struct grub_script *script, const char *name, size_t len)
{
	size_t nr = 0;

	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return NULL;
		nr = nr * 10 + (size_t)(name[i] - '0');
		if (nr >= GRUB_WORDS_MAX)
			return "";
	}
	return script->call && nr < script->call->count ? script->call->words[nr] : "";
}

static const char *value_of(const struct grub_script *script, const char *name, size_t len)
{
	if (len == 1 && *name == '?')
		return script->status ? "1" : "0";
	const char *value = argument(script, name, len);
	if (value)
		return value;
	const struct variable *v = find_variable(script, name, len);
	return v ? v->value : "";
}

/* The variable's name at `at`, which stands behind a '$', and what comes after it. False: the '$' is just that. */
static bool variable_name(const char **name, size_t *len, const char **after, const char *at, const char *end)
{
	if (at < end && *at == '{') {
		const char *close = memchr(at, '}', (size_t)(end - at));

		if (!close)
			return false;
		*name = at + 1;
		*len = (size_t)(close - at - 1);
		*after = close + 1;
		return *len > 0;
	}
	*name = at;
	if (at < end && (*at == '?' || (*at >= '0' && *at <= '9')))
		at++;
	else
		while (at < end && is_name_byte(*at))
			at++;
	*len = (size_t)(at - *name);
	*after = at;
	return *len > 0;
}

/* The '$' at *at. */
static int append_variable(struct grub_script *script, struct words *words, struct builder *b, const char **at,
			   const char *end, bool is_quoted, struct err *err)
{
	const char *name, *after;
	size_t len;

	if (!variable_name(&name, &len, &after, *at + 1, end)) {
		/* $"text" is text to be translated. */
		bool is_translated = !is_quoted && *at + 1 < end && (*at)[1] == '"';

		(*at)++;
		return is_translated ? 0 : append(b, "$", 1, err);
	}
	const char *value = value_of(script, name, len);
	int rc = grub_script_spend(script, strlen(value), err);
	*at = after;
	if (rc != 0)
		return rc;
	return is_quoted ? append(b, value, strlen(value), err) : append_split(words, b, value, err);
}

/* What stands between double quotes, from behind the first one; *at ends behind the last one. */
static int append_double(struct grub_script *script, struct words *words, struct builder *b, const char **at,
			 const char *end, struct err *err)
{
	int rc = 0;

	while (rc == 0 && *at < end && **at != '"') {
		if (**at == '$') {
			rc = append_variable(script, words, b, at, end, true, err);
			continue;
		}
		if (**at == '\\' && *at + 1 < end && strchr("\"$\\\n", (*at)[1])) {
			++*at;
			if (**at == '\n') {
				++*at;
				continue;
			}
		}
		rc = append(b, (*at)++, 1, err);
	}
	++*at;
	return rc;
}

static int append_single(struct builder *b, const char **at, const char *end, struct err *err)
{
	const char *close = memchr(*at, '\'', (size_t)(end - *at));
	size_t len = (size_t)((close ? close : end) - *at);
	int rc = append(b, *at, len, err);

	*at += len + 1;
	return rc;
}

/* What a word as it is written says: none, one or several. */
static int expand(struct grub_script *script, struct words *words, const struct raw *raw, struct err *err)
{
	CLEANUP(builder_done) struct builder b = { 0 };
	const char *at = raw->text, *end = at + raw->len;
	int rc = 0;

	while (rc == 0 && at < end) {
		if (*at == '\'' || *at == '"') {
			b.is_word = true;
			rc = *at++ == '\'' ? append_single(&b, &at, end, err)
					   : append_double(script, words, &b, &at, end, err);
		} else if (*at == '$') {
			rc = append_variable(script, words, &b, &at, end, false, err);
		} else {
			if (*at == '\\' && at + 1 < end && *++at == '\n') {
				at++;
				continue;
			}
			rc = append(&b, at++, 1, err);
		}
	}
	return rc == 0 ? finish_word(words, &b, err) : rc;
}

/* ---------------------------------------------------------------- test and [ */

struct test {
	struct grub_script *script;
	char **words;
	size_t count;
	size_t at;
	unsigned depth;
	bool is_bad;
};

static bool test_or(struct test *t);

static bool compare(const char *op, const char *a, const char *b, bool *is_known)
{
	static const struct {
		const char *op;
		bool is_number;
		bool less, equal, more;
	} ops[] = {
		{ "=", false, false, true, false }, { "==", false, false, true, false },
		{ "!=", false, true, false, true }, { "-eq", true, false, true, false },
		{ "-ne", true, true, false, true }, { "-lt", true, true, false, false },
		{ "-le", true, true, true, false }, { "-gt", true, false, false, true },
		{ "-ge", true, false, true, true },
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (strcmp(op, ops[i].op) != 0)
			continue;
		long long x = strtoll(a, NULL, 10), y = strtoll(b, NULL, 10);
		int order = ops[i].is_number ? (x > y) - (x < y) : strcmp(a, b);

		*is_known = true;
		return order < 0 ? ops[i].less : order == 0 ? ops[i].equal : ops[i].more;
	}
	*is_known = false;
	return false;
}

static bool test_file(struct grub_script *script, char op, const char *path)
{
	enum boot_file_kind kind = script->ops->look(script->ctx, path);

	switch (op) {
	case 'd':
		return kind == BOOT_FILE_DIR;
	case 'f':
		return kind == BOOT_FILE_FULL || kind == BOOT_FILE_EMPTY;
	case 's':
		return kind == BOOT_FILE_FULL;
	default:
		return kind != BOOT_FILE_NONE;
	}
}

static bool test_one(struct test *t)
{
	size_t left = t->count - t->at;
	char **w = t->words + t->at;
	bool is_known = false;

	if (left == 0) {
		t->is_bad = true;
		return false;
	}
	if (left >= 3) {
		bool result = compare(w[1], w[0], w[2], &is_known);

		if (is_known) {
			t->at += 3;
			return result;
		}
	}
	if (left >= 2 && w[0][0] == '-' && w[0][1] && !w[0][2] && strchr("nzdefs", w[0][1])) {
		t->at += 2;
		if (w[0][1] == 'n' || w[0][1] == 'z')
			return (w[1][0] == '\0') == (w[0][1] == 'z');
		return test_file(t->script, w[0][1], w[1]);
	}
	t->at++;
	return w[0][0] != '\0';
}

static bool test_not(struct test *t)
{
	bool negated = false;

	/* A lone "!" is text like any other. */
	for (; t->count - t->at > 1 && strcmp(t->words[t->at], "!") == 0; t->at++)
		negated = !negated;
	if (t->count - t->at < 2 || strcmp(t->words[t->at], "(") != 0)
		return test_one(t) != negated;
	t->at++;
	bool result = test_or(t);
	if (t->at == t->count || strcmp(t->words[t->at++], ")") != 0)
		t->is_bad = true;
	return result != negated;
}

static bool test_and(struct test *t)
{
	bool result = test_not(t);

	while (!t->is_bad && t->at < t->count && strcmp(t->words[t->at], "-a") == 0) {
		t->at++;
		result = test_not(t) && result;
	}
	return result;
}

static bool test_or(struct test *t)
{
	if (++t->depth > GRUB_DEPTH_MAX) {
		t->is_bad = true;
		return false;
	}
	bool result = test_and(t);
	while (!t->is_bad && t->at < t->count && strcmp(t->words[t->at], "-o") == 0) {
		t->at++;
		result = test_and(t) || result;
	}
	t->depth--;
	return result;
}

static int run_test(struct grub_script *script, char **words, size_t count, struct err *err)
{
	struct test t = { .script = script, .words = words + 1, .count = count - 1 };

	if (strcmp(words[0], "[") == 0) {
		if (count < 2 || strcmp(words[count - 1], "]") != 0)
			return err_set(err, -EBADMSG, "'[' without a ']'");
		t.count--;
	}
	if (t.count == 0)
		return GRUB_FALSE;
	bool result = test_or(&t);
	if (t.is_bad || t.at != t.count)
		return err_set(err, -EBADMSG, "a test that makes no sense");
	return result ? GRUB_TRUE : GRUB_FALSE;
}

/* ---------------------------------------------------------------- commands */

static int run_reader(struct reader *r, bool is_active, struct raw *keyword, struct err *err);

static bool is_word(const struct raw *raw, const char *text)
{
	return raw->kind == WORD_TEXT && raw->len == strlen(text) && memcmp(raw->text, text, raw->len) == 0;
}

static struct function *find_function(const struct grub_script *script, const char *name)
{
	for (struct function *f = script->functions; f; f = f->next)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static int call(struct grub_script *script, const struct function *function, const struct grub_command *command,
		struct err *err)
{
	const struct grub_command *outer = script->call;

	script->call = command;
	int rc = grub_script_run_block(script, &function->block, err);
	script->call = outer;
	script->is_returning = false;
	return rc;
}

static int run_set(struct grub_script *script, const char *assignment, struct err *err)
{
	const char *equals = strchr(assignment, '=');

	/* Without one GRUB shows what there is. */
	if (!equals)
		return GRUB_TRUE;
	int rc = set_variable(script, assignment, (size_t)(equals - assignment), equals + 1, err);
	return rc < 0 ? rc : GRUB_TRUE;
}

static int run_return(struct grub_script *script, const struct grub_command *command)
{
	script->is_returning = true;
	if (command->count < 2)
		return script->status;
	return strcmp(command->words[1], "0") == 0 ? GRUB_TRUE : GRUB_FALSE;
}

static int run_words(struct grub_script *script, const struct grub_command *command, struct err *err)
{
	const char *name = command->words[0];

	if (strcmp(name, "set") == 0)
		return command->count > 1 ? run_set(script, command->words[1], err) : GRUB_TRUE;
	if (strcmp(name, "unset") == 0) {
		for (size_t i = 1; i < command->count; i++)
			unset_variable(script, command->words[i]);
		return GRUB_TRUE;
	}
	if (strcmp(name, "[") == 0 || strcmp(name, "test") == 0)
		return run_test(script, command->words, command->count, err);
	if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0)
		return name[0] == 't' ? GRUB_TRUE : GRUB_FALSE;
	if (strcmp(name, "return") == 0)
		return run_return(script, command);
	const struct function *function = find_function(script, name);
	if (function)
		return call(script, function, command, err);
	if (strchr(name, '=') && is_name_byte(name[0]))
		return run_set(script, name, err);
	return script->ops->command(script->ctx, command, err);
}

/* Any number of "!" before a command turn what it says. */
static int run_negated(struct grub_script *script, const struct words *words, const struct grub_block *block,
		       struct err *err)
{
	size_t first = 0;

	while (first + 1 < words->count && strcmp(words->list[first], "!") == 0)
		first++;
	struct grub_command command = { (char **)words->list + first, words->count - first, *block };
	int rc = run_words(script, &command, err);
	if (first % 2 == 0 || (rc != GRUB_TRUE && rc != GRUB_FALSE))
		return rc;
	return rc == GRUB_TRUE ? GRUB_FALSE : GRUB_TRUE;
}

/* From behind its '{' to behind its '}'. */
static int read_block(struct grub_block *out, struct reader *r, struct err *err)
{
	struct raw end;
	struct grub_block block = { .source = r->source, .text = r->at, .line = r->line };
	int rc = run_reader(r, false, &end, err);

	if (rc < 0)
		return rc;
	if (end.kind != WORD_CLOSE) {
		r->script->line = block.line;
		return err_set(err, -EBADMSG, "'{' without a '}'");
	}
	block.len = (size_t)(end.text - block.text);
	*out = block;
	return 0;
}

/* The rest of a command whose first word is `first`. */
static int run_command(struct reader *r, bool is_active, const struct raw *first, struct err *err)
{
	struct grub_script *script = r->script;
	CLEANUP(words_done) struct words *words = calloc(1, sizeof(*words));
	struct grub_block block = { 0 };
	struct raw raw = *first;
	unsigned line = r->line;
	int rc = 0;

	if (!words)
		return out_of_memory(err);
	if (first->kind == WORD_OPEN)
		return err_set(err, -EBADMSG, "'{' is not expected");
	while (rc == 0 && raw.kind != WORD_NONE) {
		if (raw.kind == WORD_CLOSE) {
			r->at = raw.text; /* ends the block that this is the last command of */
			break;
		}
		if (raw.kind == WORD_OPEN) {
			rc = read_block(&block, r, err);
			break;
		}
		if (is_active)
			rc = expand(script, words, &raw, err);
		if (rc == 0)
			rc = read_raw(&raw, r, err);
	}
	if (rc < 0 || !is_active || words->count == 0)
		return rc;
	script->source = r->source;
	script->line = line;
	rc = grub_script_spend(script, COMMAND_WORK, err);
	return rc == 0 ? run_negated(script, words, &block, err) : rc;
}

static int expect(struct reader *r, const struct raw *keyword, const char *want, unsigned line, struct err *err)
{
	if (is_word(keyword, want))
		return 0;
	r->script->line = line;
	return err_set(err, -EBADMSG, "'if' without a '%s'", want);
}

/* From behind "if". What is not taken is only read. */
static int run_if(struct reader *r, bool is_active, struct err *err)
{
	bool is_taken = false;
	unsigned line = r->line;
	int result = GRUB_TRUE;

	for (;;) {
		struct raw keyword;
		bool is_tried = is_active && !is_taken;
		int rc = run_reader(r, is_tried, &keyword, err);

		if (rc < 0 || rc == GRUB_STOP || (is_tried && r->script->is_returning))
			return rc;
		if (expect(r, &keyword, "then", line, err) != 0)
			return err->code;
		bool is_true = is_tried && rc == GRUB_TRUE;
		rc = run_reader(r, is_true, &keyword, err);
		if (rc < 0 || rc == GRUB_STOP || (is_true && r->script->is_returning))
			return rc;
		if (is_true)
			result = rc;
		is_taken = is_taken || is_true;
		if (is_word(&keyword, "elif"))
			continue;
		if (is_word(&keyword, "else")) {
			bool is_else = is_active && !is_taken;

			rc = run_reader(r, is_else, &keyword, err);
			if (rc < 0 || rc == GRUB_STOP || (is_else && r->script->is_returning))
				return rc;
			if (is_else)
				result = rc;
		}
		return expect(r, &keyword, "fi", line, err) != 0 ? err->code : result;
	}
}

static int define(struct grub_script *script, const struct raw *name, const struct grub_block *block, struct err *err)
{
	CLEANUP(free_str) char *copy = strndup(name->text, name->len);

	if (!copy)
		return out_of_memory(err);
	struct function *function = find_function(script, copy);
	if (!function) {
		function = calloc(1, sizeof(*function));
		if (!function)
			return out_of_memory(err);
		function->name = TAKE(copy);
		function->next = script->functions;
		script->functions = function;
	}
	function->block = *block;
	return GRUB_TRUE;
}

static int run_function(struct reader *r, bool is_active, struct err *err)
{
	struct raw name, open;
	struct grub_block block;
	int rc = read_raw(&name, r, err);

	if (rc == 0) {
		skip_separators(r);
		rc = read_raw(&open, r, err);
	}
	if (rc == 0 && (name.kind != WORD_TEXT || open.kind != WORD_OPEN))
		rc = err_set(err, -EBADMSG, "'function' without a name and a '{'");
	if (rc == 0)
		rc = read_block(&block, r, err);
	return rc == 0 && is_active ? define(r->script, &name, &block, err) : rc;
}

/* A loop that would be run is refused; one that is only read has to end. */
static int skip_loop(struct reader *r, bool is_active, const struct raw *loop, struct err *err)
{
	struct raw keyword;

	if (is_active)
		return err_set(err, -ENOTSUP, "'%.*s': loops are not followed", (int)loop->len, loop->text);
	int rc = run_reader(r, false, &keyword, err);
	if (rc == 0 && is_word(&keyword, "do"))
		rc = run_reader(r, false, &keyword, err);
	if (rc == 0 && !is_word(&keyword, "done"))
		rc = err_set(err, -EBADMSG, "'%.*s' without a 'done'", (int)loop->len, loop->text);
	return rc;
}

static int run_statement(struct reader *r, bool is_active, const struct raw *first, struct err *err)
{
	if (is_word(first, "if"))
		return run_if(r, is_active, err);
	if (is_word(first, "function"))
		return run_function(r, is_active, err);
	if (is_word(first, "while") || is_word(first, "until") || is_word(first, "for"))
		return skip_loop(r, is_active, first, err);
	return run_command(r, is_active, first, err);
}

static bool ends_list(const struct raw *raw)
{
	static const char *const words[] = { "then", "else", "elif", "fi", "do", "done" };

	if (raw->kind == WORD_CLOSE || raw->kind == WORD_NONE)
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is_word(raw, words[i]))
			return true;
	return false;
}

static int run_statements(struct reader *r, bool is_active, struct raw *keyword, struct err *err)
{
	int status = GRUB_TRUE;

	for (;;) {
		skip_separators(r);
		r->script->source = r->source;
		r->script->line = r->line;
		int rc = read_raw(keyword, r, err);
		if (rc < 0)
			return rc;
		if (ends_list(keyword))
			return status;
		rc = run_statement(r, is_active, keyword, err);
		if (rc < 0 || rc == GRUB_STOP)
			return rc;
		if (!is_active)
			continue;
		status = r->script->status = rc;
		if (r->script->is_returning)
			return status;
	}
}

/* Up to a keyword that this list does not begin with, or the end (WORD_NONE). */
static int run_reader(struct reader *r, bool is_active, struct raw *keyword, struct err *err)
{
	if (r->script->depth == GRUB_DEPTH_MAX)
		return err_set(err, -E2BIG, "nested more than %u deep", GRUB_DEPTH_MAX);
	r->script->depth++;
	int rc = run_statements(r, is_active, keyword, err);
	r->script->depth--;
	return rc;
}

/* Once, where it is known best. */
static int place_error(struct grub_script *script, struct err *err)
{
	if (script->is_placed)
		return err->code;
	script->is_placed = true;
	return err_wrap(err, "%s:%u", script->source->name, script->line);
}

int grub_script_run_block(struct grub_script *script, const struct grub_block *block, struct err *err)
{
	struct reader r = {
		.script = script,
		.source = block->source,
		.at = block->text,
		.end = block->text + block->len,
		.line = block->line,
	};
	const struct grub_source *outer = script->source;
	unsigned line = script->line;
	struct raw end = { 0 };
	int rc = grub_script_spend(script, block->len + COMMAND_WORK, err);

	if (rc == 0)
		rc = run_reader(&r, true, &end, err);
	if (rc >= 0 && rc != GRUB_STOP && !script->is_returning && end.kind != WORD_NONE) {
		script->line = r.line;
		rc = err_set(err, -EBADMSG, "'%.*s' is not expected", (int)end.len, end.text);
	}
	if (rc < 0) {
		/* What is called too deep has not read anything yet. */
		script->source = script->source ? script->source : block->source;
		return place_error(script, err);
	}
	script->source = outer;
	script->line = line;
	return rc;
}

int grub_script_run(struct grub_script *script, const char *name, char *text, size_t len, struct err *err)
{
	CLEANUP(free_str) char *owned = text;
	struct grub_source *source = calloc(1, sizeof(*source));

	if (!source)
		return out_of_memory(err);
	snprintf(source->name, sizeof(source->name), "%s", name);
	sysfs_clean(source->name);
	source->text = TAKE(owned);
	source->next = script->sources;
	script->sources = source;
	/* From here on text ends where its bytes do. */
	if (memchr(source->text, '\0', len))
		return err_set(err, -EBADMSG, "'%s' has a NUL byte in it", source->name);
	struct grub_block whole = { source, source->text, len, 1 };
	int rc = grub_script_run_block(script, &whole, err);
	/* As in a function, "return" ends the file. */
	script->is_returning = false;
	return rc;
}
