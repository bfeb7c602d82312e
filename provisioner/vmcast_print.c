/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_print: answers for people. See vmcast_cli.h */
#include "vmcast_cli.h"

#include "log.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *row_text(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "";
}

uint64_t row_number(const json_t *row, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(row, key));
}

bool row_flag(const json_t *row, const char *key)
{
	return json_is_true(json_object_get(row, key));
}

const char *print_bytes(char out[static PRINT_TEXT], uint64_t bytes)
{
	char text[UNITS_TEXT];

	snprintf(out, PRINT_TEXT, "%s", bytes ? units_bytes(text, bytes) : "");
	return out;
}

static const char *format_time(char out[static PRINT_TEXT], uint64_t when, const char *format, const char *none)
{
	time_t t = (time_t)when;
	struct tm local;

	if (!when || !localtime_r(&t, &local) || !strftime(out, PRINT_TEXT, format, &local))
		snprintf(out, PRINT_TEXT, "%s", none);
	return out;
}

const char *print_time(char out[static PRINT_TEXT], uint64_t when)
{
	return format_time(out, when, "%Y-%m-%d %H:%M", "never");
}

const char *print_date(char out[static PRINT_TEXT], uint64_t when)
{
	return format_time(out, when, "%Y-%m-%d", "");
}

const char *print_percent(char out[static PRINT_TEXT], uint64_t done, uint64_t total)
{
	if (total)
		snprintf(out, PRINT_TEXT, "%.0f%%", 100.0 * (double)done / (double)total);
	else
		print_bytes(out, done);
	return out;
}

struct table {
	const char *const *headings;
	size_t columns;
	char **cells; /* row by row */
	size_t count;
};

/* Out of memory ends the program: it has nothing to save. */
static void *must(void *p)
{
	if (!p) {
		fputs("vmcast: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

struct table *table_new(const char *const *headings, size_t columns)
{
	struct table *t = must(calloc(1, sizeof(*t)));

	t->headings = headings;
	t->columns = columns;
	return t;
}

void table_add(struct table *t, const char *text)
{
	char safe[512];

	log_quote(safe, sizeof(safe), text);
	t->cells = must(realloc(t->cells, (t->count + 1) * sizeof(*t->cells)));
	t->cells[t->count++] = must(strdup(safe));
}

/* Columns on a terminal: one per character. Wide characters make a table uneven, not wrong. */
static int columns_of(const char *text)
{
	int columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

static const char *colour_of(const char *cell)
{
	static const struct {
		const char *word, *colour;
	} colours[] = { { "ready", "\x1b[32m" },   { "ok", "\x1b[32m" },        { "installed", "\x1b[32m" },
			{ "done", "\x1b[32m" },    { "running", "\x1b[32m" },   { "failed", "\x1b[31m" },
			{ "failing", "\x1b[31m" }, { "ingesting", "\x1b[33m" }, { "assigned", "\x1b[33m" } };

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strncmp(cell, colours[i].word, strlen(colours[i].word)) == 0)
			return colours[i].colour;
	return NULL;
}

static void print_row(const char *const *cells, const int *widths, size_t columns, bool coloured)
{
	for (size_t i = 0; i < columns; i++) {
		const char *colour = coloured ? colour_of(cells[i]) : NULL;
		int pad = i + 1 < columns ? widths[i] - columns_of(cells[i]) + 2 : 0;

		printf("%s%s%s%*s", colour ? colour : "", cells[i], colour ? "\x1b[0m" : "", pad, "");
	}
	putchar('\n');
}

void table_print(struct table *t, const struct cli *cli)
{
	int *widths = must(calloc(t->columns, sizeof(*widths)));

	for (size_t i = 0; i < t->columns; i++)
		widths[i] = columns_of(t->headings[i]);
	for (size_t i = 0; i < t->count; i++)
		if (columns_of(t->cells[i]) > widths[i % t->columns])
			widths[i % t->columns] = columns_of(t->cells[i]);
	print_row(t->headings, widths, t->columns, false);
	for (size_t i = 0; i + t->columns <= t->count; i += t->columns)
		print_row((const char *const *)t->cells + i, widths, t->columns, cli->colour);
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
	free(widths);
}

void print_fact(const char *name, const char *text)
{
	char safe[4096];

	if (text[0])
		printf("%-13s %s\n", name, log_quote(safe, sizeof(safe), text));
}

int print_json(const json_t *json, struct err *err)
{
	if (json_dumpf(json, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF)
		return err_set(err, -EIO, "write to standard output: %s", strerror(errno));
	return 0;
}

void progress_show(struct progress *p, const struct cli *cli, const char *phase, uint64_t done, uint64_t total)
{
	char done_text[PRINT_TEXT], total_text[PRINT_TEXT], percent[PRINT_TEXT];
	bool is_new = strcmp(p->phase, phase) != 0;

	snprintf(p->phase, sizeof(p->phase), "%s", phase);
	if (!cli->progress) {
		if (is_new)
			fprintf(stderr, "%s\n", phase);
		return;
	}
	fprintf(stderr, "\r\x1b[K%s", phase);
	if (total)
		fprintf(stderr, " %s of %s (%s)", print_bytes(done_text, done), print_bytes(total_text, total),
			print_percent(percent, done, total));
	else if (done)
		fprintf(stderr, " %s", print_bytes(done_text, done));
	p->shown = true;
}

void progress_end(struct progress *p, const struct cli *cli)
{
	if (p->shown && cli->progress)
		fputs("\r\x1b[K", stderr);
	p->shown = false;
}
