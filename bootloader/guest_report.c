/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_report: see guest_report.h */
#include "guest_report.h"

#include "cleanup.h"
#include "json.h"
#include "utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define REPORT_VERSION 1
#define AGAIN_MAX_S    60u

/* Of one console in one report, and of all: the service takes a MiB, and a byte may take six in JSON. */
#define CONSOLE_PART (32u << 10)
#define CONSOLES_ALL (128u << 10)

/* A character that is cut off at the end waits for its rest, which comes with the next report; of anything else that is no UTF-8,
 * and of NUL, a '?' is shown. Returns how many bytes of `data` are in *out. */
static size_t to_text(json_t **out, const char *data, size_t len)
{
	CLEANUP(free_str) char *text = malloc(len + 1);
	CLEANUP(free_str) char *copy = malloc(len + 1);
	size_t at = 0, made = 0;
	uint32_t code;

	*out = NULL;
	if (!text || !copy)
		return 0;
	memcpy(copy, data, len);
	copy[len] = '\0';
	while (at < len) {
		size_t step = copy[at] ? utf8_decode(&code, copy + at) : 0;

		if (!step && (copy[at] & 0x80) && len - at < 4 && at)
			break;
		if (step)
			memcpy(text + made, copy + at, step);
		else
			text[made] = '?';
		made += step ? step : 1;
		at += step ? step : 1;
	}
	*out = json_stringn(text, made);
	return at;
}

static json_t *guest_json(const struct guest *guest)
{
	const struct guest_spec *spec = &guest->record.spec;

	return json_pack("{s:s, s:s, s:I, s:s, s:o, s:o, s:I, s:I}", "id", guest->record.id, "name", spec->name,
			 "version", (json_int_t)guest->record.version, "state", guest_state_name(guest->state), "text",
			 json_text(guest->text[0] ? guest->text : NULL), "accel",
			 json_text(!guest->pid     ? NULL
				   : guest->is_kvm ? "kvm"
						   : "tcg"),
			 "cpus", (json_int_t)spec->cpus, "memory_bytes", (json_int_t)spec->memory_bytes);
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* `*room`: how much of consoles the report can still have. What has no room comes with the next. */
static void add_console(json_t *list, const struct guest *guest, uint64_t *end, size_t *room)
{
	size_t len = min_size(min_size(guest->console_len, CONSOLE_PART), *room);
	json_t *data = NULL;

	*room -= len;
	*end = guest->console_end - guest->console_len;
	if (!len)
		return;
	*end += to_text(&data, guest->console, len);
	json_array_append_new(list, json_pack("{s:s, s:o}", "id", guest->record.id, "data", data));
}

char *guest_report_text(struct guest_reporter *reporter, const struct guest *guests, size_t count, uint64_t *ends)
{
	size_t room = CONSOLES_ALL;
	json_t *macs = json_array(), *list = json_array(), *console = json_array();
	CLEANUP(json_free)
	json_t *report = json_pack("{s:i, s:I, s:o, s:o, s:o}", "version", REPORT_VERSION, "seq",
				   (json_int_t)++reporter->seq, "macs", macs, "guests", list, "console", console);

	for (size_t i = 0; i < reporter->machine->mac_count; i++)
		json_array_append_new(macs, json_string(reporter->machine->macs[i]));
	for (size_t i = 0; i < count; i++) {
		json_array_append_new(list, guest_json(&guests[i]));
		add_console(console, &guests[i], &ends[i], &room);
	}
	if (reporter->ticket && reporter->ticket[0])
		json_object_set_new(report, "ticket", json_string(reporter->ticket));
	if (reporter->key) {
		json_object_set(report, "machine_key", machine_key_public(reporter->key));
		json_object_set_new(report, "key_kept", json_string(machine_key_kept(reporter->key)));
	}
	return json_dumps(report, JSON_COMPACT);
}

void guest_report_sent(struct guest *guests, size_t count, const uint64_t *ends)
{
	for (size_t i = 0; i < count; i++) {
		struct guest *guest = &guests[i];
		uint64_t begin = guest->console_end - guest->console_len;
		size_t gone = ends[i] > begin ? (size_t)(ends[i] - begin) : 0;

		memmove(guest->console, guest->console + gone, guest->console_len - gone);
		guest->console_len -= gone;
	}
}

static struct guest_order *order_of(struct guest_answer *answer, const char *id)
{
	for (size_t i = 0; i < answer->count; i++)
		if (strcmp(answer->orders[i].id, id) == 0)
			return &answer->orders[i];
	if (answer->count == GUESTS_MAX)
		return NULL;
	strcpy(answer->orders[answer->count].id, id);
	return &answer->orders[answer->count++];
}

/* `*out`: of the guest that an entry is for. */
static int entry_order(struct guest_order **out, struct guest_answer *answer, const json_t *entry, struct err *err)
{
	const char *id;
	int rc = json_need_string(&id, entry, "id", GUEST_ID - 1, err);

	if (rc)
		return rc;
	*out = order_of(answer, id);
	return *out ? 0 : err_set(err, -EPROTO, "more than %d guests", GUESTS_MAX);
}

static int parse_guest(struct guest_answer *answer, const json_t *entry, struct err *err)
{
	struct guest_order *order;
	const char *wanted = NULL;
	int rc = entry_order(&order, answer, entry, err);

	if (!rc)
		rc = json_want_string(&wanted, entry, "wanted", 16, err);
	if (rc || !wanted)
		return rc;
	order->has_wanted = true;
	order->is_wanted = strcmp(wanted, "running") == 0;
	return order->is_wanted || strcmp(wanted, "stopped") == 0
		       ? 0
		       : err_set(err, -EPROTO, "field \"wanted\": '%s' is none of running and stopped", wanted);
}

static int parse_console(struct guest_answer *answer, const json_t *entry, struct err *err)
{
	struct guest_order *order;
	const char *data;
	int rc = entry_order(&order, answer, entry, err);

	if (!rc)
		rc = json_need_string(&data, entry, "data", GUEST_ORDER_TYPED, err);
	if (rc || order->typed)
		return rc;
	order->typed_len = strlen(data);
	order->typed = strdup(data);
	return order->typed ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int parse_list(struct guest_answer *answer, const json_t *root, const char *field,
		      int (*parse)(struct guest_answer *answer, const json_t *entry, struct err *err), struct err *err)
{
	const json_t *list = json_object_get(root, field), *entry;
	size_t nr;

	if (list && !json_is_null(list) && !json_is_array(list))
		return err_set(err, -EPROTO, "field \"%s\": a list is needed", field);
	json_array_foreach(list, nr, entry)
	{
		if (parse(answer, entry, err) < 0)
			return err_wrap(err, "field \"%s\": entry %zu", field, nr);
	}
	return 0;
}

int guest_answer_parse(struct guest_answer *out, const char *text, size_t len, struct err *err)
{
	CLEANUP(guest_answer_done) struct guest_answer answer = { 0 };
	CLEANUP(json_free) json_t *root = NULL;
	uint64_t version, again_s = 2;
	int rc = json_parse_object(&root, text, len, err);

	if (rc || (rc = json_need_u64(&version, root, "version", UINT32_MAX, err)) < 0)
		return rc;
	if (version != REPORT_VERSION)
		return err_set(err, -ENOTSUP, "version %" PRIu64 ", this client knows %d", version, REPORT_VERSION);
	if ((rc = json_want_u64(&again_s, root, "again_s", UINT32_MAX, err)) < 0 ||
	    (rc = parse_list(&answer, root, "guests", parse_guest, err)) < 0 ||
	    (rc = parse_list(&answer, root, "console", parse_console, err)) < 0)
		return rc;
	answer.again_s = again_s < 1 ? 1 : again_s > AGAIN_MAX_S ? AGAIN_MAX_S : (unsigned)again_s;
	*out = answer;
	answer = (struct guest_answer){ 0 };
	return 0;
}

void guest_answer_done(struct guest_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		free(answer->orders[i].typed);
	*answer = (struct guest_answer){ 0 };
}
