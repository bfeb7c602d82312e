/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_key: `vmcast key ...`: the keys that all of a site's machines trust. Asks no service. */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "folder.h"
#include "json.h"
#include "key_change.h"
#include "key_site.h"
#include "keyring.h"
#include "passphrase.h"
#include "signing_key.h"
#include "text_file.h"
#include "tuf_store.h"
#include "tuf_writer.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY_SECONDS  86400
#define SOON_SECONDS (30 * DAY_SECONDS)
#define DAYS_MAX     3650

/* Options that not all commands take. */
enum { GIVEN_KEYS = 1, GIVEN_COUNTS = 2, GIVEN_DAYS = 4, GIVEN_WHICH = 8, GIVEN_OUTPUT = 16, GIVEN_FEED = 32 };

struct request {
	struct cli *cli;
	const char *keys, *repository, *passphrase_file, *output, *replace;
	unsigned root_keys, root_threshold, days;
	bool all, is_feed, help;
	unsigned given; /* options, as GIVEN_ */
	int64_t now;
};

#define KEYS_OPTIONS                                                                                                   \
	"  --keys KEYDIR           the folder of the offline keys, on a medium of its own\n"                           \
	"  --repository DIR        the folder of the metadata; a service's is STATE_DIR/trust\n"                       \
	"  --passphrase-file FILE  its first line is the keys' passphrase; without it the terminal is asked\n"         \
	"  --days N                how long what is signed now may be used (default 365)\n"

const struct command commands_key[] = {
	{ "key", "init", "--keys KEYDIR --repository DIR", 0, 0, 0, NULL,
	  "make the keys and the first metadata of a site",
	  "Makes root-1.pem and targets.pem in KEYDIR, encrypted; in DIR the service's key online.pem, and the "
	  "metadata "
	  "that says\n"
	  "which key may sign for what. Nothing is overwritten.\n"
	  "\n" KEYS_OPTIONS "  --root-keys N           how many root keys are made (default 1)\n"
	  "  --root-threshold M      how many of them must sign (default 1)\n"
	  "  --feed                  the keys of a publisher, for `vmcast publish --key DIR`, instead of a site's\n" },
	{ "key", "list", "--repository DIR", 0, 0, 0, NULL, "roles, their keys, and until when they hold",
	  "Exit status 5 if a role has expired.\n" },
	{ "key", "rotate", "ROLE --keys KEYDIR --repository DIR", 1, 1, 0, NULL, "put new keys in place of old ones",
	  "ROLE: root, targets, or online, the service's. The next root names the new keys, and the keys of both roots "
	  "sign it: machines that know any older root "
	  "follow. "
	  "What\n"
	  "lacks signatures still is left in DIR/staged: `vmcast sign` adds them, `vmcast key publish` puts it in "
	  "place.\n"
	  "\n" KEYS_OPTIONS "  --replace KEYID         root: the key that goes; the beginning of its id\n"
	  "  --all                   root: all keys go; --root-keys and --root-threshold say how many come\n" },
	{ "key", "renew", "ROLE --keys KEYDIR --repository DIR", 1, 1, 0, NULL, "the same keys, for longer",
	  "ROLE: root or targets. The next version of its metadata differs in its end alone.\n"
	  "\n" KEYS_OPTIONS },
	{ "key", "publish", "--repository DIR", 0, 0, 0, NULL, "put what is staged in place, once enough have signed",
	  NULL },
	{ "key", "export", "--repository DIR [-o FILE]", 0, 0, 0, NULL, "the newest root, for a boot environment",
	  "All roots from version 1 are checked. Without -o it goes to standard output.\n" },
	{ "key", "ca", "init|issue --ca CADIR ...", 0, 0, 0, NULL,
	  "the site's own CA for HTTPS, and the service's issuer",
	  "vmcast key ca init --ca CADIR [--name NAME] [--days N] [--passphrase-file FILE]\n"
	  "  Makes CADIR/ca.pem, which operators are given, and ca-key.pem, encrypted, which is kept offline. It "
	  "holds for N\n"
	  "  days (default 3650).\n"
	  "vmcast key ca issue --ca CADIR --tls DIR --name NAME ... [--days N] [--passphrase-file FILE]\n"
	  "  Makes in DIR, a service's STATE_DIR/tls, a key that may certify servers of these DNS names and addresses "
	  "and no\n"
	  "  others, for N days (default 365). The service makes and renews its own certificate with it; SIGHUP has "
	  "it read\n"
	  "  a new one.\n" },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};

enum option_id {
	OPTION_KEYS = 256,
	OPTION_REPOSITORY,
	OPTION_PASSPHRASE_FILE,
	OPTION_ROOT_KEYS,
	OPTION_ROOT_THRESHOLD,
	OPTION_DAYS,
	OPTION_REPLACE,
	OPTION_ALL,
	OPTION_FEED,
	OPTION_JSON,
	OPTION_SOCKET,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "keys", required_argument, NULL, OPTION_KEYS },
	{ "repository", required_argument, NULL, OPTION_REPOSITORY },
	{ "passphrase-file", required_argument, NULL, OPTION_PASSPHRASE_FILE },
	{ "root-keys", required_argument, NULL, OPTION_ROOT_KEYS },
	{ "root-threshold", required_argument, NULL, OPTION_ROOT_THRESHOLD },
	{ "days", required_argument, NULL, OPTION_DAYS },
	{ "replace", required_argument, NULL, OPTION_REPLACE },
	{ "all", no_argument, NULL, OPTION_ALL },
	{ "feed", no_argument, NULL, OPTION_FEED },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_option(struct request *rq, int id, const char *value, struct err *err)
{
	switch (id) {
	case OPTION_KEYS:
		rq->given |= GIVEN_KEYS;
		rq->keys = value;
		return 0;
	case OPTION_REPOSITORY:
		rq->repository = value;
		return 0;
	case OPTION_PASSPHRASE_FILE:
		rq->given |= GIVEN_KEYS;
		rq->passphrase_file = value;
		return 0;
	case OPTION_ROOT_KEYS:
		rq->given |= GIVEN_COUNTS;
		return option_number(&rq->root_keys, value, "root-keys", KEYRING_KEYS_MAX / 2, err);
	case OPTION_ROOT_THRESHOLD:
		rq->given |= GIVEN_COUNTS;
		return option_number(&rq->root_threshold, value, "root-threshold", KEYRING_KEYS_MAX / 2, err);
	case OPTION_DAYS:
		rq->given |= GIVEN_DAYS;
		return option_number(&rq->days, value, "days", DAYS_MAX, err);
	case OPTION_REPLACE:
		rq->given |= GIVEN_WHICH;
		rq->replace = value;
		return 0;
	case OPTION_ALL:
		rq->given |= GIVEN_WHICH;
		rq->all = true;
		return 0;
	case OPTION_FEED:
		rq->given |= GIVEN_FEED;
		rq->is_feed = true;
		return 0;
	case 'o':
		rq->given |= GIVEN_OUTPUT;
		rq->output = value;
		return 0;
	case OPTION_JSON:
		rq->cli->json = true;
		return 0;
	case 'h':
	case OPTION_HELP:
		rq->help = true;
		return 0;
	case OPTION_SOCKET:
		return 0;
	default:
		return err_set(err, -EINVAL, "see vmcast key --help");
	}
}

static int64_t end_of(const struct request *rq)
{
	return rq->now + (int64_t)rq->days * DAY_SECONDS;
}

static struct key_plan plan_of(const struct request *rq)
{
	return (struct key_plan){ rq->root_keys, rq->root_threshold, end_of(rq), rq->is_feed };
}

/* ok, soon, expired */
static const char *state_of(int64_t expires, int64_t now, bool offline)
{
	if (expires <= now)
		return "expired";
	return offline && expires - now < SOON_SECONDS ? "soon" : "ok";
}

/* The folders and files that init makes, so that nothing of them is left when it fails. */
struct making {
	char metadata[PATH_MAX], online[PATH_MAX];
	bool made_keys, made_repository, made_metadata, made_online, made_files;
};

static void undo(const struct request *rq, const struct making *m, struct keyring *ring)
{
	struct err ignored;

	keyring_undo(ring);
	if (m->made_files && m->made_metadata)
		folder_remove(m->metadata, &ignored);
	if (m->made_metadata)
		rmdir(m->metadata);
	if (m->made_online)
		unlink(m->online);
	if (m->made_repository)
		rmdir(rq->repository);
	if (m->made_keys)
		rmdir(rq->keys);
}

static int make_folder(bool *made, const char *path, mode_t mode, struct err *err)
{
	*made = mkdir(path, mode) == 0;
	return *made || errno == EEXIST ? 0 : err_set(err, -errno, "make '%s': %s", path, strerror(errno));
}

/* Who owns the folder that it is in owns it: root makes what a service uses. */
static int give_to_owner_of_parent(const char *path, struct err *err)
{
	char parent[PATH_MAX];
	int rc = key_site_path(parent, path, "..", err);

	return rc ? rc : key_site_give(parent, path, err);
}

static int make_folders(struct making *m, const struct request *rq, struct err *err)
{
	int rc = key_site_path(m->metadata, rq->repository, "metadata", err);

	if (rc || (rc = key_site_path(m->online, rq->repository, "online.pem", err)) ||
	    (rc = make_folder(&m->made_keys, rq->keys, 0700, err)) ||
	    (rc = make_folder(&m->made_repository, rq->repository, 0755, err)))
		return rc;
	if (m->made_repository && (rc = give_to_owner_of_parent(rq->repository, err)) < 0)
		return rc;
	m->made_metadata = mkdir(m->metadata, 0755) == 0;
	if (!m->made_metadata)
		return err_set(err, -errno, "make '%s': %s", m->metadata, strerror(errno));
	return key_site_give(rq->repository, m->metadata, err);
}

static int save(const struct making *m, const char *repository, const char *name, const json_t *envelope,
		struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	char path[PATH_MAX + 32];
	size_t len;
	int rc = tuf_envelope_text(&text, &len, envelope, err);

	snprintf(path, sizeof(path), "%s/%s.json", m->metadata, name);
	if (rc || (rc = tuf_store_save(m->metadata, name, text, len, err)))
		return rc;
	if (chmod(path, 0644))
		return err_set(err, -errno, "mode of '%s': %s", path, strerror(errno));
	return key_site_give(repository, path, err);
}

static int make_site(struct making *m, struct keyring *ring, const struct request *rq, struct err *err)
{
	CLEANUP(signing_key_free) struct signing_key *online = NULL;
	CLEANUP(key_change_done) struct key_change change = { .root = NULL };
	const struct key_plan plan = plan_of(rq);
	const struct key_site none = { .dir = rq->repository };
	int rc = signing_key_create(&online, m->online, NULL, err);

	if (rc)
		return rc;
	m->made_online = true;
	if ((rc = key_site_give(rq->repository, m->online, err)) ||
	    (rc = key_change_first(&change, ring, online, &plan, err)) ||
	    (rc = key_change_sign(&change, &none, ring, err)) || (rc = keyring_flush(ring, err)))
		return rc;
	m->made_files = true;
	/* The root last: where there is one, there is a site. */
	rc = save(m, rq->repository, "1.targets", change.targets, err);
	if (!rc)
		rc = save(m, rq->repository, "1.root", change.root, err);
	return rc ? rc : folder_sync(rq->repository, err);
}

/* The keys of a ring from one on, for programs. */
static json_t *key_rows(const struct keyring *ring, size_t from)
{
	json_t *rows = json_array();

	for (size_t i = from; i < ring->count; i++)
		json_array_append_new(rows, json_pack("{s:s, s:s}", "file", ring->keys[i].path, "keyid",
						      signing_key_id(ring->keys[i].key)));
	return rows;
}

static void print_keys(const char *what, const struct keyring *ring, size_t from)
{
	for (size_t i = from; i < ring->count; i++)
		printf("%-14s %s %.16s\n", what, ring->keys[i].path, signing_key_id(ring->keys[i].key));
}

static int tell_init(const struct request *rq, const struct keyring *ring, struct err *err)
{
	if (rq->cli->json) {
		CLEANUP(json_free)
		json_t *all = json_pack("{s:s, s:i, s:o}", "repository", rq->repository, "root_version", 1, "keys",
					key_rows(ring, 0));

		return all ? print_json(all, err) : err_set(err, -ENOMEM, "out of memory");
	}
	print_keys("key", ring, 0);
	printf("%-14s %s/online.pem\n", rq->is_feed ? "signing key" : "service's key", rq->repository);
	printf("%-14s %s/metadata/1.root.json\n", "root", rq->repository);
	printf("Take %s away, and keep it and its passphrase apart. %s trust what those keys sign.\n", rq->keys,
	       rq->is_feed ? "Subscribers" : "Machines");
	return 0;
}

static int key_init(struct request *rq, const char *ignored, struct err *err)
{
	CLEANUP(passphrase_free) char *passphrase = NULL;
	CLEANUP(keyring_done) struct keyring ring = { .count = 0 };
	struct making m = { .made_keys = false };

	(void)ignored;
	if (rq->root_threshold > rq->root_keys)
		return err_set(err, -EINVAL, "--root-threshold %u is more than the %u root keys", rq->root_threshold,
			       rq->root_keys);
	if (access(rq->repository, F_OK) == 0) {
		char metadata[PATH_MAX];
		int rc = key_site_path(metadata, rq->repository, "metadata", err);

		if (rc)
			return rc;
		if (access(metadata, F_OK) == 0)
			return err_set(err, -EEXIST, "repository '%s': it is one already", rq->repository);
	}
	int rc = passphrase_read(&passphrase, rq->passphrase_file, true, err);
	if (!rc)
		rc = make_folders(&m, rq, err);
	if (!rc)
		rc = keyring_open_empty(&ring, rq->keys, passphrase, err);
	if (!rc)
		rc = make_site(&m, &ring, rq, err);
	if (rc) {
		undo(rq, &m, &ring);
		return rc;
	}
	return tell_init(rq, &ring, err);
}

/* What the client would load for a role that the service signs; NULL: nothing yet. Caller frees with json_decref. */
static json_t *load_role(const struct request *rq, const char *role)
{
	CLEANUP(free_str) char *text = NULL;
	char folder[PATH_MAX], name[300];
	struct err ignored;
	json_t *document = NULL;
	size_t len;

	if (key_site_path(folder, rq->repository, "metadata", &ignored))
		return NULL;
	int64_t version = key_site_newest(folder, role);
	if (version)
		snprintf(name, sizeof(name), "%" PRId64 ".%s", version, role);
	else
		snprintf(name, sizeof(name), "%s", role);
	if (tuf_store_load(&text, &len, folder, name, 16u << 20, &ignored) == 0)
		json_parse_object(&document, text, len, &ignored);
	return document;
}

static int64_t time_of(const char *text)
{
	struct tm tm = { 0 };

	return strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) ? timegm(&tm) : 0;
}

/* One row of the list: `role` says who may sign, `fields` (NULL: not there yet) what was signed. */
static int add_role(json_t *rows, const struct request *rq, const char *name, const json_t *role, const json_t *fields,
		    struct err *err)
{
	const char *expires = row_text(fields, "expires");
	bool offline = strcmp(name, "root") == 0 || strcmp(name, "targets") == 0;
	json_t *row =
		json_pack("{s:s, s:O, s:I, s:I, s:s, s:s}", "role", name, "keyids", json_object_get(role, "keyids"),
			  "threshold", json_integer_value(json_object_get(role, "threshold")), "version",
			  json_integer_value(json_object_get(fields, "version")), "expires", expires, "state",
			  *expires ? state_of(time_of(expires), rq->now, offline) : "none");

	return json_array_append_new(rows, row) ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int add_service_role(json_t *rows, const struct request *rq, const char *name, const json_t *role,
			    struct err *err)
{
	CLEANUP(json_free) json_t *document = load_role(rq, name);

	return add_role(rows, rq, name, role, json_object_get(document, "signed"), err);
}

static int collect_roles(json_t *rows, const struct request *rq, const struct key_site *site, struct err *err)
{
	const json_t *roles = json_object_get(site->root->fields, "roles");
	const json_t *delegations = json_object_get(site->targets->fields, "delegations"), *role;
	size_t nr;
	int rc = add_role(rows, rq, "root", json_object_get(roles, "root"), site->root->fields, err);

	if (!rc)
		rc = add_role(rows, rq, "targets", json_object_get(roles, "targets"), site->targets->fields, err);
	if (!rc)
		rc = add_service_role(rows, rq, "snapshot", json_object_get(roles, "snapshot"), err);
	if (!rc)
		rc = add_service_role(rows, rq, "timestamp", json_object_get(roles, "timestamp"), err);
	json_array_foreach(json_object_get(delegations, "roles"), nr, role)
	{
		if (!rc)
			rc = add_service_role(rows, rq, row_text(role, "name"), role, err);
	}
	return rc;
}

static const char *keys_text(char *out, size_t room, const json_t *keyids)
{
	const json_t *keyid;
	size_t nr, len = 0;

	out[0] = '\0';
	json_array_foreach(keyids, nr, keyid)
	{
		if (len < room)
			len += (size_t)snprintf(out + len, room - len, "%s%.12s", nr ? " " : "",
						json_string_value(keyid));
	}
	return out;
}

static void print_roles(const struct request *rq, const json_t *rows)
{
	static const char *const headings[] = { "ROLE", "VERSION", "SIGN", "KEYS", "EXPIRES", "STATE" };
	struct table *t = table_new(headings, 6);
	const json_t *row;
	char text[400];
	size_t nr;

	json_array_foreach(rows, nr, row)
	{
		table_add(t, row_text(row, "role"));
		snprintf(text, sizeof(text), "%" PRIu64, row_number(row, "version"));
		table_add(t, row_number(row, "version") ? text : "-");
		snprintf(text, sizeof(text), "%" PRIu64 " of %zu", row_number(row, "threshold"),
			 json_array_size(json_object_get(row, "keyids")));
		table_add(t, text);
		table_add(t, keys_text(text, sizeof(text), json_object_get(row, "keyids")));
		table_add(t, row_text(row, "expires"));
		int64_t left = time_of(row_text(row, "expires")) - rq->now;
		snprintf(text, sizeof(text), "expires in %" PRId64 " days", left / DAY_SECONDS);
		const char *state = row_text(row, "state");
		table_add(t, strcmp(state, "soon") == 0      ? text
			     : strcmp(state, "expired") == 0 ? "EXPIRED"
			     : strcmp(state, "none") == 0    ? "not signed yet"
							     : state);
	}
	table_print(t, rq->cli);
}

static bool has_staged(const char *repository)
{
	char staged[PATH_MAX];
	struct err ignored;

	return key_site_path(staged, repository, "staged", &ignored) == 0 && access(staged, F_OK) == 0;
}

static int key_list(struct request *rq, const char *ignored, struct err *err)
{
	CLEANUP(key_site_done) struct key_site site = { .dir = NULL };
	CLEANUP(json_free) json_t *all = json_pack("{s:[], s:b}", "roles", "staged", has_staged(rq->repository));
	json_t *rows = json_object_get(all, "roles");
	const json_t *row;
	size_t nr;
	int rc = key_site_open(&site, rq->repository, err);

	(void)ignored;
	if (!rc && (rc = tuf_metadata_verify_by_root(site.targets, site.root, err)) < 0)
		return err_wrap(err, "repository '%s'", rq->repository);
	if (rc || (rc = collect_roles(rows, rq, &site, err)))
		return rc;
	if (rq->cli->json)
		rc = print_json(all, err);
	else
		print_roles(rq, rows);
	if (!rq->cli->json && has_staged(rq->repository))
		printf("A change is staged in %s/staged: vmcast sign, then vmcast key publish\n", rq->repository);
	json_array_foreach(rows, nr, row)
	{
		if (!rc && strcmp(row_text(row, "state"), "expired") == 0)
			rc = err_set(err, CLI_FOUND_FAULTS, "%s has expired at %s", row_text(row, "role"),
				     row_text(row, "expires"));
	}
	return rc;
}

/* What a change is, by its name on the command line. */
static int prepare(struct key_change *out, const struct request *rq, const char *role, const struct key_site *site,
		   struct keyring *ring, struct err *err)
{
	const struct key_plan plan = plan_of(rq);

	if (strcmp(role, "targets") == 0)
		return key_change_targets(out, site, ring, plan.expires, err);
	if (strcmp(role, "root") == 0)
		return rq->all ? key_change_roots(out, site, ring, &plan, err)
			       : key_change_one_root(out, site, ring, rq->replace, plan.expires, err);
	CLEANUP(signing_key_free) struct signing_key *online = NULL;
	char path[PATH_MAX];
	int rc = key_site_path(path, site->dir, "staged/online.pem", err);
	if (!rc)
		rc = signing_key_create(&online, path, NULL, err);
	if (!rc)
		rc = key_site_give(site->dir, path, err);
	return rc ? rc : key_change_online(out, site, online, plan.expires, err);
}

static int prepare_renewal(struct key_change *out, const struct request *rq, const char *role,
			   const struct key_site *site, struct keyring *ring, struct err *err)
{
	(void)ring;
	return key_change_renew(out, site, strcmp(role, "root") == 0 ? TUF_ROOT : TUF_TARGETS, end_of(rq), err);
}

typedef int prepare_fn(struct key_change *out, const struct request *rq, const char *role, const struct key_site *site,
		       struct keyring *ring, struct err *err);

static int stage(const struct request *rq, const char *role, const struct key_site *site, struct keyring *ring,
		 prepare_fn *prepare_it, struct err *err)
{
	CLEANUP(key_change_done) struct key_change change = { .root = NULL };
	int rc = key_site_begin(site, err);

	if (rc)
		return rc;
	if ((rc = prepare_it(&change, rq, role, site, ring, err)) == 0 &&
	    (rc = key_change_sign(&change, site, ring, err)) == 0 && (rc = keyring_flush(ring, err)) == 0)
		rc = key_site_stage(site, &change, err);
	if (rc) {
		keyring_undo(ring);
		key_site_discard(site->dir);
	}
	return rc;
}

/* `waits_for` NULL: it is published. */
static int tell_change(const struct request *rq, const struct keyring *ring, const char *waits_for, struct err *err)
{
	if (rq->cli->json) {
		CLEANUP(json_free)
		json_t *all = json_pack("{s:b, s:o, s:o}", "published", !waits_for, "waits_for", json_text(waits_for),
					"keys", key_rows(ring, ring->made_from));

		return all ? print_json(all, err) : err_set(err, -ENOMEM, "out of memory");
	}
	print_keys("new key", ring, ring->made_from);
	if (waits_for)
		printf("%-14s %s/staged: %s\n", "staged", rq->repository, waits_for);
	else
		printf("%-14s %s/metadata\n", "published", rq->repository);
	return 0;
}

static int change(struct request *rq, const char *role, prepare_fn *prepare_it, struct err *err)
{
	CLEANUP(passphrase_free) char *passphrase = NULL;
	CLEANUP(keyring_done) struct keyring ring = { .count = 0 };
	CLEANUP(key_site_done) struct key_site site = { .dir = NULL };
	struct err why = { 0 };
	int rc = key_site_open(&site, rq->repository, err);

	if (!rc)
		rc = passphrase_read(&passphrase, rq->passphrase_file, false, err);
	if (!rc)
		rc = keyring_open(&ring, rq->keys, passphrase, err);
	if (!rc)
		rc = stage(rq, role, &site, &ring, prepare_it, err);
	if (rc)
		return rc;
	/* What lacks signatures waits for them; that is no failure. */
	rc = key_site_publish(&site, &why);
	if (rc && rc != -EACCES) {
		*err = why;
		return rc;
	}
	return tell_change(rq, &ring, rc ? why.text : NULL, err);
}

static int key_rotate(struct request *rq, const char *role, struct err *err)
{
	if (strcmp(role, "root") != 0 && strcmp(role, "targets") != 0 && strcmp(role, "online") != 0)
		return err_set(err, -EINVAL, "rotate '%s': write root, targets or online", role);
	if (rq->given & GIVEN_COUNTS && !rq->all)
		return err_set(err, -EINVAL, "--root-keys and --root-threshold: with root --all");
	if ((rq->all || rq->replace) && strcmp(role, "root") != 0)
		return err_set(err, -EINVAL, "--all and --replace are for root");
	if (rq->all && rq->replace)
		return err_set(err, -EINVAL, "--all and --replace: choose one");
	if (rq->root_threshold > rq->root_keys)
		return err_set(err, -EINVAL, "--root-threshold %u is more than the %u root keys", rq->root_threshold,
			       rq->root_keys);
	return change(rq, role, prepare, err);
}

static int key_renew(struct request *rq, const char *role, struct err *err)
{
	if (strcmp(role, "root") != 0 && strcmp(role, "targets") != 0)
		return err_set(err, -EINVAL, "renew '%s': write root or targets", role);
	return change(rq, role, prepare_renewal, err);
}

static int key_publish(struct request *rq, const char *ignored, struct err *err)
{
	CLEANUP(key_site_done) struct key_site site = { .dir = NULL };
	int rc = key_site_open(&site, rq->repository, err);

	(void)ignored;
	if (!rc)
		rc = key_site_publish(&site, err);
	if (!rc)
		printf("%-14s %s/metadata\n", "published", rq->repository);
	return rc;
}

static int key_export(struct request *rq, const char *ignored, struct err *err)
{
	CLEANUP(key_site_done) struct key_site site = { .dir = NULL };
	struct err expired;
	int rc = key_site_open(&site, rq->repository, err);

	(void)ignored;
	if (rc)
		return rc;
	if (tuf_metadata_check_expiry(site.root, "root", rq->now, &expired))
		fprintf(stderr, "vmcast: %s: machines refuse it (vmcast key renew root)\n", expired.text);
	if (rq->output)
		return text_file_replace(rq->output, site.root->text, site.root->bytes, err);
	fwrite(site.root->text, 1, site.root->bytes, stdout);
	return 0;
}

static const struct verb {
	const char *name;
	bool wants_role;
	unsigned takes;
	int (*run)(struct request *rq, const char *role, struct err *err);
} verbs[] = {
	{ "init", false, GIVEN_KEYS | GIVEN_COUNTS | GIVEN_DAYS | GIVEN_FEED, key_init },
	{ "list", false, 0, key_list },
	{ "rotate", true, GIVEN_KEYS | GIVEN_COUNTS | GIVEN_DAYS | GIVEN_WHICH, key_rotate },
	{ "renew", true, GIVEN_KEYS | GIVEN_DAYS, key_renew },
	{ "publish", false, 0, key_publish },
	{ "export", false, GIVEN_OUTPUT, key_export },
};

static int run_verb(struct request *rq, char **words, int count, struct err *err)
{
	for (size_t i = 0; count > 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		const struct verb *v = &verbs[i];

		if (strcmp(words[0], v->name) != 0)
			continue;
		if (rq->given & ~v->takes)
			return err_set(err, -EINVAL,
				       "key %s: one of these options is not for it (vmcast key %s --help)", v->name,
				       v->name);
		if (count != 1 + v->wants_role || !rq->repository || (v->takes & GIVEN_KEYS && !rq->keys))
			return err_set(err, -EINVAL, "key %s: something is missing, or too much (vmcast key %s --help)",
				       v->name, v->name);
		return v->run(rq, words[1], err);
	}
	return err_set(err, -EINVAL, "key: there is no command '%s' (vmcast key --help)", count > 0 ? words[0] : "");
}

static bool is_ca(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "key") == 0)
			return strcmp(argv[i + 1], "ca") == 0;
	return false;
}

int key_run(struct cli *cli, int argc, char **argv, struct err *err)
{
	if (is_ca(argc, argv))
		return key_ca_run(cli, argc, argv, err);

	struct request rq = { .cli = cli, .root_keys = 1, .root_threshold = 1, .days = 365, .now = time(NULL) };
	int opt, rc = 0;

	while (!rc && (opt = getopt_long(argc, argv, "ho:", long_options, NULL)) != -1)
		rc = take_option(&rq, opt, optarg, err);
	if (rc)
		return rc;
	if (rq.help)
		return 1;
	/* A core would hold the keys. */
	prctl(PR_SET_DUMPABLE, 0);
	rc = run_verb(&rq, argv + optind + 1, argc - optind - 1, err);
	prctl(PR_SET_DUMPABLE, 1);
	return rc;
}
