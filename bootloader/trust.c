/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trust: see trust.h
 *
 * Nothing is kept from one boot to the next, so an old state of the site is only refused once it has expired: a day for
 * the timestamp. What the service signs is described in docs/explanation/threat-model.md.
 */
#include "trust.h"

#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "service_url.h"
#include "text_file.h"
#include "tuf.h"
#include "tuf_store.h"
#include "version.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#define SMALL_BYTES_MAX  4096  /* of policy.json and of an assignment: about 100 */
#define SLOW_BYTES_PER_S 1000u /* metadata that comes more slowly is a server that holds the machine up */
#define TIME_TEXT        32

/* The metadata on its way. */
struct follow {
	const struct trust_question *q;
	char dir[PATH_MAX - NAME_MAX]; /* of this run alone; empty: not made yet */
	struct http *http;
	struct tuf_options options;
	struct tuf *tuf;
	char landing[PLAN_LANDING]; /* of the machine's assignment; empty: as the item says */
};

static void remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

static void follow_done(struct follow *f)
{
	tuf_close(&f->tuf);
	http_close(&f->http);
	if (f->dir[0])
		remove_dir(f->dir);
}

/* What cannot be read cannot be trusted, whatever keeps it from being read. */
static int read_file(char **text, size_t *len, const char *path, size_t max, struct err *err)
{
	int rc = text_file_read(text, len, path, max, err);

	return rc && rc != -ENOMEM ? (err->code = -EACCES) : rc;
}

/* In memory where there is no disk to trust yet: /run is a tmpfs in the boot environment. */
static int make_dir(struct follow *f, struct err *err)
{
	const char *base = getenv("TMPDIR");
	int len = snprintf(f->dir, sizeof(f->dir), "%s/vmcast-trust.XXXXXX",
			   base                        ? base
			   : access("/run", W_OK) == 0 ? "/run"
						       : "/tmp");

	if (len < (int)sizeof(f->dir) && mkdtemp(f->dir))
		return 0;
	f->dir[0] = '\0';
	return err_set(err, -EACCES, "no folder for the site's metadata can be made in TMPDIR, /run or /tmp: %s",
		       strerror(errno));
}

/* The root that is trusted becomes that of a folder that knows nothing else. */
static int begin(struct follow *f, const char *root, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	size_t len;
	int rc = read_file(&text, &len, root, TUF_ROOT_BYTES_MAX, err);

	if (!rc)
		rc = make_dir(f, err);
	if (!rc)
		rc = tuf_store_save(f->dir, "root", text, len, err);
	f->options.dir = f->dir;
	return rc;
}

static int connect_http(struct follow *f, struct err *err)
{
	const struct service *service = f->q->service;
	struct http_options options;
	int rc = service_options(&options, service, err);

	if (rc)
		return rc;
	options.slow_bytes_per_s = SLOW_BYTES_PER_S;
	options.slow_s = service->stall_s;
	rc = http_open(&f->http, &options, err);
	f->options.http = f->http;
	return rc;
}

static const char *time_text(char out[static TIME_TEXT], int64_t seconds)
{
	time_t when = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&when, &tm) || !strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(out, TIME_TEXT, "%" PRId64 " s", seconds);
	return out;
}

int trust_choose_time(int64_t *out, int64_t clock_s, const char *date, struct err *err)
{
	char clock[TIME_TEXT], built[TIME_TEXT], quoted[80];
	struct tm tm = { 0 };

	if (clock_s >= VMCAST_MADE_S) {
		*out = clock_s;
		return 0;
	}
	/* IMF-fixdate, the one form that is sent (RFC 9110, 5.6.7). */
	const char *end = strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	int64_t date_s = end && !*end ? (int64_t)timegm(&tm) : 0;
	if (date_s < VMCAST_MADE_S)
		return err_set(
			err, -EACCES,
			"the machine's clock says %s and the service's Date header '%s', and this client was made on "
			"%s: whether signatures have expired cannot be known; set the machine's clock",
			time_text(clock, clock_s), log_quote(quoted, sizeof(quoted), date),
			time_text(built, VMCAST_MADE_S));
	*out = date_s;
	return 0;
}

static int drop_body(void *ctx, const uint8_t *data, size_t len, struct err *err)
{
	(void)ctx, (void)data, (void)len, (void)err;
	return 0;
}

/* Once, so that all that expires is compared with one moment. */
static int read_clock(struct follow *f, struct progress *progress, struct err *err)
{
	CLEANUP(free_str) char *url = NULL;
	struct http_response rs = { 0 };
	char clock[TIME_TEXT], date[TIME_TEXT];
	int64_t clock_s = time(NULL);
	int rc = 0;

	if (f->options.now)
		return 0;
	if (clock_s < VMCAST_MADE_S) {
		if ((rc = service_url(&url, f->options.metadata_url, "timestamp.json", err)) < 0)
			return rc;
		const struct http_request rq = { .url = url,
						 .body_bytes_max = TUF_ROOT_BYTES_MAX,
						 .on_body = drop_body };
		if ((rc = http_perform(f->http, &rq, &rs, err)) < 0)
			return rc;
	}
	if ((rc = trust_choose_time(&f->options.now, clock_s, rs.date, err)) < 0)
		return rc;
	if (f->options.now != clock_s)
		progress_mark(progress, "clock",
			      "the machine's says %s, before this client was made; the service's counts: %s",
			      time_text(clock, clock_s), time_text(date, f->options.now));
	return 0;
}

/* What the plan, or the command line, says of a field that is signed. */
static int refuse(const char *field, const char *is_signed, const char *who, const char *says, struct err *err)
{
	char a[160], b[160];

	return err_set(
		err, -EACCES,
		"field \"%s\": signed is '%s', %s says '%s'; the service's host knows which is right: vmcast item "
		"list, vmcast machine show MAC",
		field, log_quote(a, sizeof(a), is_signed), who, log_quote(b, sizeof(b), says));
}

static int same(const char *field, const char *is_signed, const char *planned, struct err *err)
{
	return strcmp(is_signed, planned) == 0 ? 0 : refuse(field, is_signed, "the plan", planned, err);
}

static int same_number(const char *field, uint64_t is_signed, uint64_t planned, struct err *err)
{
	char a[24], b[24];

	snprintf(a, sizeof(a), "%" PRIu64, is_signed);
	snprintf(b, sizeof(b), "%" PRIu64, planned);
	return same(field, a, b, err);
}

static int custom_text(const json_t *custom, const char *field, const char *planned, struct err *err)
{
	const char *text;
	int rc = json_need_string(&text, custom, field, SMALL_BYTES_MAX, err);

	return rc ? rc : same(field, text, planned, err);
}

static int custom_number(const json_t *custom, const char *field, uint64_t planned, struct err *err)
{
	uint64_t number;
	int rc = json_need_u64(&number, custom, field, INT64_MAX, err);

	return rc ? rc : same_number(field, number, planned, err);
}

static int check_landing(const struct follow *f, const json_t *custom, struct err *err)
{
	const struct boot_plan *plan = f->q->plan;

	if (f->q->landing && strcmp(f->q->landing, plan->landing) != 0)
		return refuse("landing", plan->landing, "the kernel's command line", f->q->landing, err);
	return f->landing[0] ? same("landing", f->landing, plan->landing, err)
			     : custom_text(custom, "landing", plan->landing, err);
}

/* The signed specification counts; that the plan has the same is how it comes to be used. */
static int check_guest(struct follow *f, const json_t *custom, struct err *err)
{
	const struct boot_plan *plan = f->q->plan;
	char is_signed[DIGEST_HEX] = "", planned[DIGEST_HEX];
	struct tuf_fileinfo info;

	if (!plan->guest)
		return 0;
	if (!json_equal(json_object_get(custom, "guest"), plan->guest))
		return err_set(err, -EACCES, "field \"guest\": the plan's machine is not the one that is signed");
	char path[64];

	snprintf(path, sizeof(path), "env/hypervisor-%.16s.squashfs",
		 json_string_value(json_object_get(plan->guest, "arch")) ?: "");
	int rc = tuf_find(&info, f->tuf, path, err);
	if (!rc)
		rc = same_number("pack.bytes", info.length, plan->pack.bytes, err);
	if (!rc && info.has_sha256)
		digest_hex(is_signed, info.sha256);
	snprintf(planned, sizeof(planned), "%s", plan->pack.id);
	return rc ? err_wrap(err, "hypervisor pack") : same("pack.sha256", is_signed, planned, err);
}

static int check_custom(const struct follow *f, size_t nr, const json_t *custom, struct err *err)
{
	const struct trust_question *q = f->q;
	const struct boot_plan *plan = q->plan;
	const struct plan_image *image = &plan->disks[nr].image;
	int rc = custom_text(custom, "kind", "disk", err);

	if (rc || (rc = custom_text(custom, "item", q->item, err)) < 0 ||
	    (rc = custom_number(custom, "disk", nr, err)) < 0 ||
	    (rc = custom_number(custom, "disks", plan->disk_count, err)) < 0 ||
	    (rc = custom_text(custom, "image", image->id, err)) < 0 ||
	    (rc = custom_number(custom, "disk_bytes", image->disk_bytes, err)) < 0 ||
	    (rc = custom_text(custom, "zeros", zeros_policy_names[plan->zeros], err)) < 0)
		return rc;
	if (q->is_machine && q->zeros != plan->zeros)
		return refuse("zeros", zeros_policy_names[plan->zeros], "the kernel's command line",
			      zeros_policy_names[q->zeros], err);
	return check_landing(f, custom, err);
}

static int check_index(const struct plan_image *image, const struct tuf_fileinfo *info, struct err *err)
{
	char is_signed[DIGEST_HEX], planned[DIGEST_HEX];
	int rc = same_number("index_bytes", info->length, image->index_bytes, err);

	if (rc)
		return rc;
	if (!info->has_sha256)
		return err_set(err, -EACCES, "no SHA-256 of the index is signed");
	digest_hex(is_signed, info->sha256);
	digest_hex(planned, image->index_digest);
	return same("index_digest", is_signed, planned, err);
}

static int check_disk(struct follow *f, size_t nr, struct err *err)
{
	char path[CMDLINE_VALUE + 32];
	struct tuf_fileinfo info;

	snprintf(path, sizeof(path), "items/%s/%zu/index", f->q->item, nr);
	int rc = tuf_find(&info, f->tuf, path, err);
	if (!rc)
		rc = check_index(&f->q->plan->disks[nr].image, &info, err);
	if (!rc)
		rc = check_custom(f, nr, json_object_get(info.custom, "vmcast"), err);
	if (!rc && nr == 0)
		rc = check_guest(f, json_object_get(info.custom, "vmcast"), err);
	return rc;
}

static int check_disks(struct follow *f, struct err *err)
{
	const char *item = f->q->item;

	/* It becomes part of a path. */
	if (strlen(item) != 16 || strspn(item, "0123456789abcdef") != 16)
		return err_set(err, -EACCES, "the item that was asked for is not named by 16 hex digits");
	for (size_t i = 0; i < f->q->plan->disk_count; i++)
		if (check_disk(f, i, err) < 0)
			return err_wrap(err, "item %s, disk %zu", item, i + 1);
	return 0;
}

/* A small file that the site has signed. -ENOENT: it has not. */
static int load_small(json_t **out, struct follow *f, const char *path, struct err *err)
{
	char file[PATH_MAX];
	CLEANUP(free_str) char *text = NULL;
	struct tuf_fileinfo info;
	uint64_t version;
	size_t len;
	int rc = tuf_find(&info, f->tuf, path, err);

	if (rc)
		return rc;
	if (info.length > SMALL_BYTES_MAX)
		return err_set(err, -EACCES, "'%s' has %" PRIu64 " bytes, at most %d", path, info.length,
			       SMALL_BYTES_MAX);
	snprintf(file, sizeof(file), "%s/target", f->dir);
	rc = tuf_download(f->tuf, path, &info, file, err);
	/* A file that is withheld is not one that was never signed. */
	if (rc == -ENOENT)
		rc = err->code = -EACCES;
	if (!rc)
		rc = read_file(&text, &len, file, SMALL_BYTES_MAX, err);
	if (!rc)
		rc = json_parse_object(out, text, len, err);
	if (!rc)
		rc = json_need_u64(&version, *out, "version", UINT32_MAX, err);
	if (!rc && version != 1)
		rc = err_set(err, -ENOTSUP, "version %" PRIu64 ", this client knows 1", version);
	return rc ? err_wrap(err, "'%s'", path) : 0;
}

/* Each disk's rule is the signed one. `rules` has as many as the item has disks; NULL: none is signed for any. */
static int check_plan_rules(const struct boot_plan *plan, const char *const *rules, struct err *err)
{
	for (size_t i = 0; i < plan->disk_count; i++)
		if (same("target", rules ? rules[i] : "", plan->disks[i].target, err) < 0)
			return err->code;
	return 0;
}

static int check_cmdline_rules(const struct trust_question *q, const char *const *rules, struct err *err)
{
	CLEANUP(free_str) char *text = q->rules ? strdup(q->rules) : NULL;
	const char *given[PLAN_DISKS_MAX];

	if (!q->rules)
		return 0;
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	size_t count = target_rule_split(given, PLAN_DISKS_MAX, text);
	for (size_t i = 0; i < q->plan->disk_count; i++) {
		const char *is_signed = rules ? rules[i] : "";

		if (count != q->plan->disk_count || strcmp(is_signed, given[i]) != 0)
			return refuse("target", is_signed, "the kernel's command line", q->rules, err);
	}
	return 0;
}

static int check_rules(const struct trust_question *q, const char *is_signed, struct err *err)
{
	CLEANUP(free_str) char *text = strdup(is_signed ? is_signed : "");
	const char *rules[PLAN_DISKS_MAX];
	const char *const *wanted = is_signed ? rules : NULL;

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	size_t count = target_rule_split(rules, PLAN_DISKS_MAX, text);
	if (is_signed && count != q->plan->disk_count)
		return err_set(err, -EACCES, "field \"target\": %zu rules are signed, the plan is for %zu disks", count,
			       q->plan->disk_count);
	int rc = check_plan_rules(q->plan, wanted, err);
	return rc ? rc : check_cmdline_rules(q, wanted, err);
}

/* "NAME DIGEST" of what is signed, and of what is planned; empty: none. */
static int check_seed(const struct trust_question *q, const json_t *assignment, struct err *err)
{
	const json_t *seed = json_object_get(assignment, "seed");
	char is_signed[160] = "", planned[160] = "";
	const char *name = "", *digest = "";
	int rc = 0;

	if (json_is_object(seed) && ((rc = json_need_string(&name, seed, "name", 64, err)) < 0 ||
				     (rc = json_want_string(&digest, seed, "digest", 80, err)) < 0))
		return err_wrap(err, "field \"seed\"");
	if (name[0])
		snprintf(is_signed, sizeof(is_signed), "%s %s", name, digest);
	if (q->plan->seed.name[0])
		snprintf(planned, sizeof(planned), "%s sha256:%s", q->plan->seed.name, q->plan->seed.digest);
	return same("seed", is_signed, planned, err);
}

/* `assignment` NULL: there is none, and nothing grows. */
static int check_grow(const struct trust_question *q, const json_t *assignment, struct err *err)
{
	static const char *const words[] = { "false", "true" };
	bool is_signed = false;
	int rc = json_want_bool(&is_signed, assignment, "grow", err);

	return rc ? rc : same("grow", words[is_signed], words[q->plan->grow], err);
}

/* 1: the machine with this address is assigned an item, and it is this one. */
static int check_assignment(struct follow *f, const char *mac, struct err *err)
{
	CLEANUP(json_free) json_t *assignment = NULL;
	char path[64], name[MAC_TEXT];
	const char *item, *target = NULL, *landing = NULL;

	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = mac[i] == ':' ? '-' : (char)tolower((unsigned char)mac[i]);
	snprintf(path, sizeof(path), "machines/%s.json", name);
	int rc = load_small(&assignment, f, path, err);
	if (rc == -ENOENT)
		return 0;
	if (!rc)
		rc = json_need_string(&item, assignment, "item", SMALL_BYTES_MAX, err);
	if (!rc)
		rc = json_want_string(&target, assignment, "target", SMALL_BYTES_MAX, err);
	if (!rc)
		rc = json_want_string(&landing, assignment, "landing", sizeof(f->landing) - 1, err);
	if (!rc)
		snprintf(f->landing, sizeof(f->landing), "%s", landing ? landing : "");
	if (!rc && strcmp(item, f->q->item) != 0)
		rc = refuse("item", item, f->q->is_assigned_only ? "the plan" : "the kernel's command line", f->q->item,
			    err);
	if (!rc)
		rc = check_rules(f->q, target, err);
	if (!rc)
		rc = check_seed(f->q, assignment, err);
	if (!rc)
		rc = check_grow(f->q, assignment, err);
	return rc ? err_wrap(err, "machine %s", mac) : 1;
}

/* Whether this machine may have this item on the disks that these rules choose. */
static int check_machine(struct follow *f, struct err *err)
{
	CLEANUP(json_free) json_t *policy = NULL;
	const char *unassigned;
	struct machine machine;
	int rc = load_small(&policy, f, "policy.json", err);
	bool is_assigned = false;

	if (!rc)
		rc = json_need_string(&unassigned, policy, "unassigned", 16, err);
	if (rc)
		return rc;
	/* The kernel's word for its cards, not the command line's, which came over the network. */
	machine_read(&machine, "");
	for (size_t i = 0; i < machine.mac_count; i++) {
		rc = check_assignment(f, machine.macs[i], err);
		if (rc < 0)
			return rc;
		is_assigned |= rc > 0;
	}
	if (is_assigned)
		return 0;
	if (f->q->is_assigned_only)
		return err_set(err, -EACCES,
			       "no item is assigned to this machine (%s), and nothing else names one; assign one: "
			       "vmcast machine "
			       "assign %s %s",
			       machine.mac_count ? machine.macs[0] : "which has no network card",
			       machine.mac_count ? machine.macs[0] : "MAC", f->q->item);
	if (strcmp(unassigned, "menu") != 0)
		return err_set(
			err, -EACCES,
			"no item is assigned to this machine (%s), and the site's policy for that is '%s'; assign one: "
			"vmcast machine assign %s %s",
			machine.mac_count ? machine.macs[0] : "which has no network card", unassigned,
			machine.mac_count ? machine.macs[0] : "MAC", f->q->item);
	rc = check_rules(f->q, NULL, err);
	if (!rc)
		rc = check_seed(f->q, NULL, err);
	if (!rc)
		rc = check_grow(f->q, NULL, err);
	return rc ? err_wrap(err, "no item is assigned to this machine") : 0;
}

/* What `dir` holds as the metadata of `role`: it was verified before it was put there. */
static int read_signed(json_t **out, const char *dir, const char *role, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(json_free) json_t *envelope = NULL;
	size_t len;
	int rc = tuf_store_load(&text, &len, dir, role, TUF_ROOT_BYTES_MAX, err);

	if (!rc)
		rc = json_parse_object(&envelope, text, len, err);
	if (!rc)
		*out = json_incref(json_object_get(envelope, "signed"));
	return rc;
}

static const char *text_of(const json_t *obj, const char *key)
{
	const char *text = json_string_value(json_object_get(obj, key));

	return text ? text : "?";
}

/* The first of its keys by the first digits of its id, as `vmcast key list` shows it. */
static int describe_root(char *out, size_t room, const char *dir, struct err *err)
{
	CLEANUP(json_free) json_t *root = NULL;
	int rc = read_signed(&root, dir, "root", err);

	if (rc)
		return rc;
	const json_t *keyids = json_object_get(json_object_get(json_object_get(root, "roles"), "root"), "keyids");
	const char *keyid = json_string_value(json_array_get(keyids, 0));
	snprintf(out, room, "site root %.16s, version %" JSON_INTEGER_FORMAT ", valid until %.20s", keyid ? keyid : "?",
		 json_integer_value(json_object_get(root, "version")), text_of(root, "expires"));
	return 0;
}

static int mark_trust(const struct follow *f, struct progress *progress, struct err *err)
{
	CLEANUP(json_free) json_t *timestamp = NULL;
	char root[TRUST_ROOT_TEXT];
	int rc = describe_root(root, sizeof(root), f->dir, err);

	if (!rc)
		rc = read_signed(&timestamp, f->dir, "timestamp", err);
	if (!rc)
		progress_mark(progress, "trust", "signed by %s; this state until %.20s", root,
			      text_of(timestamp, "expires"));
	return rc;
}

static int follow(struct follow *f, struct progress *progress, struct err *err)
{
	int rc = read_clock(f, progress, err);

	tuf_close(&f->tuf);
	if (!rc)
		rc = tuf_open(&f->tuf, &f->options, err);
	if (!rc)
		rc = tuf_refresh(f->tuf, err);
	if (!rc && f->q->is_machine)
		rc = check_machine(f, err);
	return rc ? rc : check_disks(f, err);
}

static int check(const struct trust_question *q, struct progress *progress, struct err *err)
{
	CLEANUP(follow_done) struct follow f = { .q = q };
	struct retry retry;
	int rc;

	if (!q->plan->metadata_url)
		return err_set(err, -EACCES,
			       "the service's plan has no signed metadata, and only what the site's root has signed is "
			       "written "
			       "here; on the service's host: vmcast key init");
	f.options.metadata_url = q->plan->metadata_url;
	f.options.targets_url = q->plan->targets_url;
	if ((rc = begin(&f, q->root, err)) < 0 || (rc = connect_http(&f, err)) < 0)
		return rc;
	retry_init(&retry, q->service->retry_s, q->service->stop);
	while ((rc = follow(&f, progress, err)) < 0)
		if ((rc = retry_wait(&retry, 0, err)) < 0)
			return rc;
	return mark_trust(&f, progress, err);
}

int trust_check(const struct trust_question *question, struct progress *progress, struct err *err)
{
	int rc = check(question, progress, err);

	if (!rc)
		return 0;
	/* What cannot be proven is refused, whatever kept it from being proven. */
	if (!http_is_transient(rc) && rc != -ENOMEM && rc != -ECANCELED)
		err->code = -EACCES;
	return err_wrap(err, "not trusted, nothing is written");
}

int trust_describe_root(char out[static TRUST_ROOT_TEXT], const char *file, struct err *err)
{
	CLEANUP(follow_done) struct follow f = { 0 };
	int rc = begin(&f, file, err);

	if (!rc)
		rc = tuf_open(&f.tuf, &f.options, err);
	return rc ? rc : describe_root(out, TRUST_ROOT_TEXT, f.dir, err);
}
