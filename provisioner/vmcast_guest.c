/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_guest: `vmcast guest ...` */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "json.h"
#include "utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* The escape character of telnet and of libvirt's console: Ctrl and ]. */
#define LEAVE_KEY 0x1d
#define LOOK_MS   500 /* a node comes once a second while somebody looks */

/* "running", or "failed: why". */
static void describe_state(char *out, size_t room, const json_t *row)
{
	const char *text = row_text(row, "text");

	snprintf(out, room, "%s%s%s", row_text(row, "state"), text[0] ? ": " : "", text);
}

static int guest_list(struct cli *cli, char **args, struct err *err)
{
	static const char *const headings[] = { "ID", "NAME", "CPUS", "MEMORY", "ACCEL", "WANTED", "SEEN", "STATE" };
	CLEANUP(json_free) json_t *json = NULL;
	char text[PRINT_TEXT], state[256];
	size_t nr;
	json_t *row;
	int rc = api_call(cli, "GET", "/v1/guests", NULL, &json, err);

	(void)args;
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(json, err);
	struct table *t = table_new(headings, sizeof(headings) / sizeof(headings[0]));

	json_array_foreach(json_object_get(json, "guests"), nr, row)
	{
		table_add(t, row_text(row, "id"));
		table_add(t, row_text(row, "name"));
		snprintf(text, sizeof(text), "%" PRIu64, row_number(row, "cpus"));
		table_add(t, text);
		table_add(t, print_bytes(text, row_number(row, "memory_bytes")));
		table_add(t, row_text(row, "accel"));
		table_add(t, row_text(row, "wanted"));
		table_add(t, print_time(text, row_number(row, "seen_at")));
		describe_state(state, sizeof(state), row);
		table_add(t, state);
	}
	table_print(t, cli);
	return 0;
}

/* Call the service for one guest that a person named. */
static int guest_call(struct cli *cli, const char *method, const char *id, const char *suffix, json_t *body,
		      json_t **out, struct err *err)
{
	char path[128];

	snprintf(path, sizeof(path), "/v1/guests/%s%s", id, suffix);
	return api_call(cli, method, path, body, out, err);
}

static int want(struct cli *cli, const char *name, const char *wanted, struct err *err)
{
	CLEANUP(json_free) json_t *found = NULL;
	CLEANUP(json_free) json_t *row = NULL;
	char state[256];
	int rc = api_find_guest(cli, &found, name, err);

	if (!rc)
		rc = guest_call(cli, "PUT", row_text(found, "id"), "/wanted", json_pack("{s:s}", "wanted", wanted),
				&row, err);
	if (rc < 0 || cli->json)
		return rc < 0 ? rc : print_json(row, err);
	describe_state(state, sizeof(state), row);
	print_fact("id", row_text(row, "id"));
	print_fact("name", row_text(row, "name"));
	print_fact("wanted", row_text(row, "wanted"));
	print_fact("state", state);
	return 0;
}

static int guest_start(struct cli *cli, char **args, struct err *err)
{
	return want(cli, args[0], "running", err);
}

static int guest_stop(struct cli *cli, char **args, struct err *err)
{
	return want(cli, args[0], "stopped", err);
}

/* A console that is looked at. */
struct session {
	struct cli *cli;
	const char *id;
	uint64_t from;   /* offset of what was not shown yet */
	char input[512]; /* read, and not sent */
	size_t input_len;
	bool has_ended; /* the input */
};

static int show_new(struct session *s, struct err *err)
{
	CLEANUP(json_free) json_t *part = NULL;
	char suffix[64];

	snprintf(suffix, sizeof(suffix), "/console?from=%" PRIu64, s->from);
	int rc = guest_call(s->cli, "GET", s->id, suffix, NULL, &part, err);
	if (rc < 0)
		return rc;
	s->from = row_number(part, "next");
	fputs(row_text(part, "data"), stdout);
	return fflush(stdout) == 0 ? 0 : err_set(err, -EIO, "write to standard output: %s", strerror(errno));
}

/* What is no character is left out; one that is cut off waits for its rest, which comes with the next bytes. */
static size_t take_characters(char *out, struct session *s)
{
	size_t at = 0, len = 0;
	uint32_t code;

	s->input[s->input_len] = '\0';
	while (at < s->input_len) {
		size_t step = s->input[at] ? utf8_decode(&code, s->input + at) : 0;

		if (!step && s->input[at] & 0x80 && s->input_len - at < 4 && !s->has_ended)
			break;
		memcpy(out + len, s->input + at, step);
		len += step;
		at += step ? step : 1;
	}
	out[len] = '\0';
	s->input_len -= at;
	memmove(s->input, s->input + at, s->input_len);
	return len;
}

static int send_input(struct session *s, struct err *err)
{
	char text[sizeof(s->input)];

	if (!take_characters(text, s))
		return 0;
	return guest_call(s->cli, "POST", s->id, "/console", json_pack("{s:s}", "data", text), NULL, err);
}

/* Everything up to the key that leaves is for the guest. */
static int read_input(struct session *s, struct err *err)
{
	ssize_t got = read(STDIN_FILENO, s->input + s->input_len, sizeof(s->input) - 1 - s->input_len);

	if (got < 0)
		return err_set(err, -errno, "read standard input: %s", strerror(errno));
	const char *leave = memchr(s->input + s->input_len, LEAVE_KEY, (size_t)got);
	s->has_ended = got == 0 || leave;
	s->input_len += leave ? (size_t)(leave - (s->input + s->input_len)) : (size_t)got;
	return send_input(s, err);
}

static int watch(struct session *s, struct err *err)
{
	int rc = show_new(s, err);

	while (!rc && !s->has_ended) {
		struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

		if (poll(&input, 1, LOOK_MS) > 0)
			rc = read_input(s, err);
		if (!rc)
			rc = show_new(s, err);
	}
	return rc;
}

static int guest_console(struct cli *cli, char **args, struct err *err)
{
	CLEANUP(json_free) json_t *found = NULL;
	struct termios before, raw;
	int rc = api_find_guest(cli, &found, args[0], err);

	if (rc < 0)
		return rc;
	struct session session = { .cli = cli, .id = row_text(found, "id") };
	bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	if (is_terminal) {
		fprintf(stderr, "console of %s; Ctrl-] leaves\r\n", row_text(found, "name"));
		raw = before;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	}
	rc = watch(&session, err);
	if (is_terminal) {
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
		fputc('\n', stderr);
	}
	return rc;
}

#define GUEST_HELP                                                                                                     \
	"GUEST is its name, or the beginning of its id, which is the address of its node and the id of its item.\n"

const struct command commands_guest[] = {
	{ "guest", "list", "", 0, 0, 0, guest_list, "guests on their nodes, as these told last",
	  "A guest is what `vmcast machine assign MAC ITEM --landing guest` makes. A node tells of its guests every "
	  "two "
	  "seconds.\n" },
	{ "guest", "start", "GUEST", 1, 1, 0, guest_start, "let a guest run", GUEST_HELP },
	{ "guest", "stop", "GUEST", 1, 1, 0, guest_stop, "let a guest shut down, until it is started again",
	  "Its node asks it to by ACPI, and remembers.\n\n" GUEST_HELP },
	{ "guest", "console", "GUEST", 1, 1, 0, guest_console, "look at a guest's serial console, and type on it",
	  "Ctrl-] leaves. What the guest said last is shown first. Where standard input is no terminal, it is typed, "
	  "and "
	  "the\n"
	  "command ends with it.\n"
	  "\n" GUEST_HELP },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};
