/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes_guest: see routes_guest.h */
#include "routes_guest.h"

#include "cleanup.h"
#include "guest_console.h"
#include "identity.h"
#include "json.h"
#include "log.h"
#include "mac.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPORT_VERSION 1
#define NAME_BYTES_MAX 63
#define TEXT_BYTES_MAX 1024
#define AGAIN_S        2    /* how often a node reports */
#define AGAIN_OPEN_S   1    /* while somebody looks at a console */
#define REFUSED_S      "60" /* one who is refused asks no sooner; each time is a line in the log */

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* One of `words`, which end with NULL; NULL for none if it may be left out. */
static int copy_word(char **out, const json_t *json, const char *key, const char *const *words, bool may_lack,
		     struct err *err)
{
	const char *word = NULL;
	int rc = json_want_string(&word, json, key, TEXT_BYTES_MAX, err);

	if (rc < 0 || (!word && may_lack))
		return rc;
	for (; word && *words; words++)
		if (strcmp(word, *words) == 0)
			return (*out = strdup(word)) ? 0 : err_set(err, -ENOMEM, "out of memory");
	return err_set(err, -EINVAL, "field \"%s\": '%.40s' is not known", key, word ? word : "");
}

static int copy_name(char **out, const json_t *json, struct err *err)
{
	const char *name;
	int rc = json_need_string(&name, json, "name", NAME_BYTES_MAX, err);

	if (rc < 0)
		return rc;
	if (!name[0] || name[strspn(name, NAME_CHARACTERS)])
		return err_set(err, -EINVAL, "field \"name\": letters, digits, '.', '_' and '-' are needed");
	return (*out = strdup(name)) ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int copy_id(char out[static STORE_ID_CHARS], const json_t *json, struct err *err)
{
	const char *id;
	int rc = json_need_string(&id, json, "id", STORE_ID_CHARS - 1, err);

	if (rc < 0)
		return rc;
	if (strlen(id) != STORE_ID_CHARS - 1 || strspn(id, "0123456789abcdef") != STORE_ID_CHARS - 1)
		return err_set(err, -EINVAL, "field \"id\": '%s' is no item id (16 hex digits)", id);
	memcpy(out, id, STORE_ID_CHARS);
	return 0;
}

static int parse_guest(struct store_guest *out, const json_t *json, struct err *err)
{
	static const char *const states[] = { "defined", "running", "stopped", "failed", NULL };
	static const char *const accels[] = { "kvm", "tcg", NULL };
	const char *text = NULL;
	int rc;

	if ((rc = copy_id(out->item_id, json, err)) < 0 || (rc = copy_name(&out->name, json, err)) < 0 ||
	    (rc = copy_word(&out->state, json, "state", states, false, err)) < 0 ||
	    (rc = copy_word(&out->accel, json, "accel", accels, true, err)) < 0 ||
	    (rc = json_want_string(&text, json, "text", TEXT_BYTES_MAX, err)) < 0 ||
	    (rc = json_want_u64(&out->version, json, "version", INT64_MAX, err)) < 0 ||
	    (rc = json_want_u64(&out->cpus, json, "cpus", INT64_MAX, err)) < 0 ||
	    (rc = json_want_u64(&out->memory_bytes, json, "memory_bytes", INT64_MAX, err)) < 0)
		return rc;
	if (text && text[0] && !(out->text = strdup(text)))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static struct store_guest *find_guest(const struct store_guest_list *guests, const char *id)
{
	for (size_t i = 0; i < guests->count; i++)
		if (strcmp(guests->rows[i].item_id, id) == 0)
			return &guests->rows[i];
	return NULL;
}

static int need_list(const json_t **out, const json_t *json, const char *key, struct err *err)
{
	*out = json_object_get(json, key);
	if (json_is_array(*out) && json_array_size(*out) <= STORE_NODE_GUESTS)
		return 0;
	return err_set(err, -EINVAL, "field \"%s\": a list of at most %d is needed", key, STORE_NODE_GUESTS);
}

/* On failure what was read is still counted, for the caller to free. */
static int parse_guests(struct store_guest_list *out, const json_t *json, struct err *err)
{
	const json_t *list, *entry;
	size_t nr;
	int rc = need_list(&list, json, "guests", err);

	if (rc < 0)
		return rc;
	out->rows = calloc(json_array_size(list) + 1, sizeof(*out->rows));
	if (!out->rows)
		return err_set(err, -ENOMEM, "out of memory");
	json_array_foreach(list, nr, entry)
	{
		rc = parse_guest(&out->rows[out->count++], entry, err);
		if (!rc && find_guest(out, out->rows[nr].item_id) != &out->rows[nr])
			rc = err_set(err, -EINVAL, "field \"id\": '%s' is there twice", out->rows[nr].item_id);
		if (rc < 0)
			return err_wrap(err, "field \"guests\": entry %zu", nr);
	}
	return 0;
}

static int check_version(const json_t *json, struct err *err)
{
	uint64_t version;
	int rc = json_need_u64(&version, json, "version", 1000, err);

	if (rc < 0 || version == REPORT_VERSION)
		return rc;
	return err_set(err, -EINVAL, "field \"version\": %" PRIu64 " is not spoken here, only %d", version,
		       REPORT_VERSION);
}

/* What a node sends, checked but for who sends it. */
struct node_report {
	struct store_macs macs;
	struct store_guest_list guests;
	const json_t *console;
};

static void done_with_report(struct node_report *report)
{
	store_guest_list_free(&report->guests);
}

static int check_console(const struct node_report *report, struct err *err)
{
	const json_t *entry;
	size_t nr;

	json_array_foreach(report->console, nr, entry)
	{
		char id[STORE_ID_CHARS];
		const char *data;

		if (copy_id(id, entry, err) < 0 ||
		    json_need_string(&data, entry, "data", ROUTES_GUEST_BODY_MAX, err) < 0)
			return err_wrap(err, "field \"console\": entry %zu", nr);
		if (!find_guest(&report->guests, id))
			return err_set(err, -EINVAL, "field \"console\": entry %zu: '%s' is none of the guests", nr,
				       id);
	}
	return 0;
}

static int parse_report(struct node_report *out, const json_t *json, struct err *err)
{
	int rc;

	if ((rc = check_version(json, err)) < 0 || (rc = identity_read_macs(&out->macs, json, err)) < 0 ||
	    (rc = parse_guests(&out->guests, json, err)) < 0 ||
	    (rc = need_list(&out->console, json, "console", err)) < 0)
		return rc;
	return out->macs.count ? check_console(out, err)
			       : err_set(err, -EINVAL, "field \"macs\": a node has one at least");
}

static int keep_consoles(const struct server *server, const char *mac, const json_t *console, struct err *err)
{
	const json_t *entry;
	size_t nr;

	json_array_foreach(console, nr, entry)
	{
		int rc = guest_console_say(server->consoles, mac, json_string_value(json_object_get(entry, "id")),
					   json_string_value(json_object_get(entry, "data")), now_ms(), err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* What nobody said is left out: the node knows what it does then. */
static json_t *answer_json(const struct server *server, const char *mac, const struct store_guest_list *kept)
{
	json_t *guests = json_array(), *console = json_array();

	for (size_t i = 0; i < kept->count; i++) {
		const struct store_guest *guest = &kept->rows[i];
		CLEANUP(free_str) char *typed = guest_console_take(server->consoles, mac, guest->item_id);

		if (guest->wanted)
			json_array_append_new(guests,
					      json_pack("{s:s, s:s}", "id", guest->item_id, "wanted", guest->wanted));
		if (typed)
			json_array_append_new(console, json_pack("{s:s, s:s}", "id", guest->item_id, "data", typed));
	}
	return json_pack("{s:i, s:o, s:o, s:i}", "version", REPORT_VERSION, "guests", guests, "console", console,
			 "again_s", guest_console_is_open(server->consoles, mac, now_ms()) ? AGAIN_OPEN_S : AGAIN_S);
}

/* What changed since the last report. */
static void log_changes(const char *mac, const struct store_guest_list *before, const struct store_guest_list *after)
{
	for (size_t i = 0; i < after->count; i++) {
		const struct store_guest *now = &after->rows[i], *then = find_guest(before, now->item_id);
		char quoted[256];

		if (then && strcmp(then->state, now->state) == 0)
			continue;
		log_quote(quoted, sizeof(quoted), now->text ? now->text : "");
		log_info("node %s: guest %s (item %s) is %s%s%s", mac, now->name, now->item_id, now->state,
			 quoted[0] ? ": " : "", quoted);
	}
}

static int reply_refused(struct request *rq, const struct err *err)
{
	reply_error(rq, err);
	if (rq->response)
		MHD_add_response_header(rq->response, "Retry-After", REFUSED_S);
	return 0;
}

int routes_guest_report(struct request *rq, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	CLEANUP(done_with_report) struct node_report report = { 0 };
	CLEANUP(identity_done) struct identity who = { 0 };
	CLEANUP(store_guest_list_free) struct store_guest_list before = { 0 }, after = { 0 };
	struct store *store = rq->server->store;
	int rc;

	if ((rc = request_json(&json, rq, err)) < 0 || (rc = parse_report(&report, json, err)) < 0)
		return rc;
	rc = identity_admit_node(&who, rq, json, &report.guests, &report.macs, err);
	if (rc < 0)
		return rc == -EACCES || rc == -EALREADY ? reply_refused(rq, err) : rc;
	const char *mac = who.claim.mac;

	if ((rc = store_guest_list(store, mac, &before, err)) < 0 ||
	    (rc = store_guest_report(store, mac, &report.guests, err)) < 0 ||
	    (rc = store_guest_list(store, mac, &after, err)) < 0 ||
	    (rc = keep_consoles(rq->server, mac, report.console, err)) < 0)
		return rc;
	log_changes(mac, &before, &after);
	return reply_json(rq, MHD_HTTP_OK, answer_json(rq->server, mac, &after), err);
}

static json_t *guest_json(const struct store_guest *guest)
{
	const char *m = guest->mac;
	json_t *id =
		json_sprintf("%.2s%.2s%.2s%.2s%.2s%.2s-%s", m, m + 3, m + 6, m + 9, m + 12, m + 15, guest->item_id);

	return json_pack("{s:o, s:s, s:s, s:o, s:I, s:o, s:o, s:o, s:I, s:I, s:o, s:I}", "id", id, "node", m, "item",
			 guest->item_id, "name", json_text(guest->name), "version", (json_int_t)guest->version, "state",
			 json_text(guest->state), "text", json_text(guest->text), "accel", json_text(guest->accel),
			 "cpus", (json_int_t)guest->cpus, "memory_bytes", (json_int_t)guest->memory_bytes, "wanted",
			 json_text(guest->wanted), "seen_at", (json_int_t)guest->seen_at);
}

int routes_guest_list(struct request *rq, struct err *err)
{
	CLEANUP(store_guest_list_free) struct store_guest_list guests = { 0 };
	const char *node = request_query(rq, "node");
	char mac[MAC_CHARS];

	if (node && mac_parse(mac, node) < 0)
		return err_set(err, -EINVAL, "argument \"node\": '%.40s' is no MAC address", node);
	int rc = store_guest_list(rq->server->store, node ? mac : NULL, &guests, err);
	if (rc < 0)
		return rc;
	json_t *rows = json_array();

	for (size_t i = 0; i < guests.count; i++)
		json_array_append_new(rows, guest_json(&guests.rows[i]));
	return reply_json(rq, MHD_HTTP_OK, json_pack("{s:o}", "guests", rows), err);
}

/* Of the path, whose form was checked. */
static int get_guest(struct store_guest *out, const struct request *rq, struct err *err)
{
	char digits[REQUEST_GUEST_MAC + 1], mac[MAC_CHARS];

	snprintf(digits, sizeof(digits), "%.*s", REQUEST_GUEST_MAC, rq->param);
	if (mac_parse(mac, digits) < 0)
		return err_set(err, -ENOENT, "there is no guest '%s'", rq->param);
	return store_guest_get(rq->server->store, mac, rq->param + REQUEST_GUEST_MAC + 1, out, err);
}

int routes_guest_get(struct request *rq, struct err *err)
{
	CLEANUP(store_guest_free) struct store_guest guest = { 0 };
	int rc = get_guest(&guest, rq, err);

	return rc < 0 ? rc : reply_json(rq, MHD_HTTP_OK, guest_json(&guest), err);
}

int routes_guest_want(struct request *rq, struct err *err)
{
	static const char *const words[] = { "running", "stopped", NULL };
	CLEANUP(json_free) json_t *json = NULL;
	CLEANUP(free_str) char *wanted = NULL;
	CLEANUP(store_guest_free) struct store_guest guest = { 0 };
	int rc;

	if ((rc = request_json(&json, rq, err)) < 0 ||
	    (rc = copy_word(&wanted, json, "wanted", words, false, err)) < 0 || (rc = get_guest(&guest, rq, err)) < 0 ||
	    (rc = store_guest_want(rq->server->store, guest.mac, guest.item_id, wanted, err)) < 0)
		return rc;
	log_info("node %s: guest %s (item %s) is wanted %s", guest.mac, guest.name, guest.item_id, wanted);
	return routes_guest_get(rq, err);
}

int routes_guest_read(struct request *rq, struct err *err)
{
	CLEANUP(store_guest_free) struct store_guest guest = { 0 };
	const char *from = request_query(rq, "from");
	struct guest_console_part part;
	uint64_t offset = from ? strtoull(from, NULL, 10) : 0;

	if (from && (!from[0] || from[strspn(from, "0123456789")]))
		return err_set(err, -EINVAL, "argument \"from\": '%.40s' is no offset", from);
	int rc = get_guest(&guest, rq, err);
	if (!rc)
		rc = guest_console_read(&part, rq->server->consoles, guest.mac, guest.item_id, offset, now_ms(), err);
	if (rc < 0)
		return rc;
	CLEANUP(free_str) char *text = part.text;
	return reply_json(rq, MHD_HTTP_OK,
			  json_pack("{s:I, s:I, s:o}", "from", (json_int_t)part.begin, "next", (json_int_t)part.end,
				    "data", json_text(text)),
			  err);
}

int routes_guest_type(struct request *rq, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	CLEANUP(store_guest_free) struct store_guest guest = { 0 };
	const char *data;
	int rc;

	if ((rc = request_json(&json, rq, err)) < 0 ||
	    (rc = json_need_string(&data, json, "data", GUEST_CONSOLE_TYPED, err)) < 0 ||
	    (rc = get_guest(&guest, rq, err)) < 0 ||
	    (rc = guest_console_type(rq->server->consoles, guest.mac, guest.item_id, data, now_ms(), err)) < 0)
		return rc;
	return reply_empty(rq, MHD_HTTP_NO_CONTENT, err);
}
