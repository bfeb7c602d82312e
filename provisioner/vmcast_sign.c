/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_sign: `vmcast sign`: one key's signature for a file of metadata, on the machine where the key is. */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "json.h"
#include "json_diff.h"
#include "key_site.h"
#include "log.h"
#include "passphrase.h"
#include "signing_key.h"
#include "text_file.h"
#include "tuf_writer.h"

#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <string.h>
#include <sys/prctl.h>

const struct command commands_sign[] = {
	{ "sign", NULL, "FILE --key KEY", 1, 1, 0, NULL, "add a signature to root or targets metadata",
	  "Says what differs from the version before, then asks for the passphrase, and signs. FILE is root or targets "
	  "metadata,\n"
	  "such as DIR/staged/2.root.json of a repository that `vmcast key rotate` has left it in, or a copy of that "
	  "folder.\n"
	  "\n"
	  "  --key KEY               the private key's file\n"
	  "  --repository DIR        what FILE is to follow; default: the folder above FILE's\n"
	  "  --passphrase-file FILE  its first line is the key's passphrase; without it the terminal is asked\n" },
	{ NULL, NULL, NULL, 0, 0, 0, NULL, NULL, NULL },
};

struct request {
	struct cli *cli;
	const char *file, *key, *repository, *passphrase_file;
	bool help;
};

/* What is to be signed, and what it is compared with. */
struct subject {
	char dir[PATH_MAX];
	struct key_site site;
	struct tuf_metadata *md;
	const struct tuf_metadata *before;
	struct tuf_metadata *staged_root; /* beside targets: the root that will be there with them; NULL: none */
	json_t *changes;                  /* lines */
};

static void subject_done(struct subject *s)
{
	key_site_done(&s->site);
	tuf_metadata_free(&s->md);
	tuf_metadata_free(&s->staged_root);
	json_decref(s->changes);
}

/* FILE is in DIR/staged. */
static int find_repository(char out[static PATH_MAX], const struct request *rq, struct err *err)
{
	char copy[PATH_MAX];

	if (rq->repository)
		return snprintf(out, PATH_MAX, "%s", rq->repository) < PATH_MAX
			       ? 0
			       : err_set(err, -ENAMETOOLONG, "'%s': path is too long", rq->repository);
	if (snprintf(copy, sizeof(copy), "%s", rq->file) >= (int)sizeof(copy))
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", rq->file);
	return key_site_path(out, dirname(copy), "..", err);
}

static int load_file(struct tuf_metadata **out, const char *path, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(json_free) json_t *document = NULL;
	size_t len;
	int rc = text_file_read(&text, &len, path, KEY_SITE_METADATA_MAX, err);

	if (!rc && (rc = json_parse_object(&document, text, len, err)) < 0)
		return err_wrap(err, "'%s'", path);
	if (rc)
		return rc;
	bool is_root = strcmp(row_text(json_object_get(document, "signed"), "_type"), "root") == 0;
	rc = tuf_metadata_parse(out, is_root ? TUF_ROOT : TUF_TARGETS, text, len, err);
	return rc ? err_wrap(err, "'%s'", path) : 0;
}

/* Targets whose keys change come together with the root that says so. */
static int load_staged_root(struct subject *s, const struct request *rq, struct err *err)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", rq->file);
	const char *folder = dirname(copy);
	int64_t version = s->site.root->version + 1;
	if (s->md->type == TUF_ROOT || key_site_newest(folder, "root") != version)
		return 0;
	return key_site_load(&s->staged_root, folder, ".", TUF_ROOT, version, err);
}

static int load_subject(struct subject *s, const struct request *rq, struct err *err)
{
	int rc = load_file(&s->md, rq->file, err);

	if (!rc)
		rc = find_repository(s->dir, rq, err);
	if (!rc && (rc = key_site_open(&s->site, s->dir, err)) < 0)
		return err_wrap(err, "what '%s' is to follow (--repository DIR)", rq->file);
	if (rc)
		return rc;
	s->before = s->md->type == TUF_ROOT ? s->site.root : s->site.targets;
	if (s->md->version != s->before->version + 1)
		return err_set(err, -EINVAL,
			       "'%s': version %" PRId64 " of %s cannot follow version %" PRId64 ", which is the newest",
			       rq->file, s->md->version, tuf_type_name(s->md->type), s->before->version);
	if ((rc = load_staged_root(s, rq, err)) < 0)
		return rc;
	if (!(s->changes = json_array()))
		return err_set(err, -ENOMEM, "out of memory");
	return json_diff(s->changes, s->before->fields, s->md->fields, err);
}

/* Before anything is signed, and where standard output is for programs on standard error. */
static void tell_subject(const struct subject *s, const struct request *rq)
{
	FILE *to = rq->cli->json ? stderr : stdout;
	const json_t *line;
	char safe[4096];
	size_t nr;

	fprintf(to, "%s version %" PRId64 ", until %s; what changes:\n", tuf_type_name(s->md->type), s->md->version,
		log_quote(safe, sizeof(safe), row_text(s->md->fields, "expires")));
	json_array_foreach(s->changes, nr, line)
	{
		fprintf(to, "  %s\n", log_quote(safe, sizeof(safe), json_string_value(line)));
	}
	fflush(to);
}

static bool role_has(const struct tuf_metadata *root, enum tuf_type type, const char *id)
{
	const json_t *role = json_object_get(json_object_get(root->fields, "roles"), tuf_type_name(type)), *keyid;
	size_t nr;

	json_array_foreach(json_object_get(role, "keyids"), nr,
			   keyid) if (strcmp(json_string_value(keyid), id) == 0) return true;
	return false;
}

/* A root is signed by the keys of the one before and by its own. */
static bool counts(const struct subject *s, const char *id)
{
	if (s->md->type == TUF_ROOT)
		return role_has(s->site.root, TUF_ROOT, id) || role_has(s->md, TUF_ROOT, id);
	return role_has(s->staged_root ? s->staged_root : s->site.root, TUF_TARGETS, id);
}

static int load_key(struct signing_key **out, const struct request *rq, struct err *err)
{
	CLEANUP(passphrase_free) char *passphrase = NULL;
	int rc = signing_key_load(out, rq->key, NULL, err);

	if (rc != -ENOKEY)
		return rc;
	rc = passphrase_read(&passphrase, rq->passphrase_file, false, err);
	return rc ? rc : signing_key_load(out, rq->key, passphrase, err);
}

static int sign(const struct subject *s, const struct request *rq, const struct signing_key *key, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	size_t len;

	if (!counts(s, signing_key_id(key)))
		return err_set(err, -EINVAL,
			       "'%s': key %.16s is none of those of %s: its signature would count for nobody", rq->key,
			       signing_key_id(key), tuf_type_name(s->md->type));
	int rc = signing_key_sign(s->md->document, key, err);
	if (!rc)
		rc = tuf_envelope_text(&text, &len, s->md->document, err);
	return rc ? rc : text_file_replace(rq->file, text, len, err);
}

/* 0, or why it does not hold yet. */
static int check_thresholds(const struct subject *s, struct err *why)
{
	if (s->md->type != TUF_ROOT)
		return tuf_metadata_verify_by_root(s->md, s->staged_root ? s->staged_root : s->site.root, why);
	if (tuf_metadata_verify_by_root(s->md, s->site.root, why))
		return err_wrap(why, "by the keys of version %" PRId64, s->site.root->version);
	return tuf_metadata_verify_by_root(s->md, s->md, why) ? err_wrap(why, "by its own keys") : 0;
}

static int tell_result(const struct subject *s, const struct request *rq, const struct signing_key *key,
		       struct err *err)
{
	struct err why = { 0 };
	int lacks = check_thresholds(s, &why);

	if (rq->cli->json) {
		CLEANUP(json_free)
		json_t *all =
			json_pack("{s:s, s:I, s:O, s:O, s:s, s:b, s:o}", "role", tuf_type_name(s->md->type), "version",
				  (json_int_t)s->md->version, "expires", json_object_get(s->md->fields, "expires"),
				  "changes", s->changes, "keyid", signing_key_id(key), "complete", !lacks, "waits_for",
				  json_text(lacks ? why.text : NULL));

		return all ? print_json(all, err) : err_set(err, -ENOMEM, "out of memory");
	}
	print_fact("signed by", signing_key_id(key));
	if (lacks)
		print_fact("waits for", why.text);
	else
		printf("Enough have signed: vmcast key publish --repository DIR puts it in place.\n");
	return 0;
}

static int run(struct request *rq, struct err *err)
{
	CLEANUP(subject_done) struct subject s = { .md = NULL };
	CLEANUP(signing_key_free) struct signing_key *key = NULL;
	int rc = load_subject(&s, rq, err);

	if (rc)
		return rc;
	tell_subject(&s, rq);
	rc = load_key(&key, rq, err);
	if (!rc)
		rc = sign(&s, rq, key, err);
	return rc ? rc : tell_result(&s, rq, key, err);
}

int sign_run(struct cli *cli, int argc, char **argv, struct err *err)
{
	enum { KEY = 256, REPOSITORY, PASSPHRASE_FILE, JSON, SOCKET };
	static const struct option options[] = {
		{ "key", required_argument, NULL, KEY },
		{ "repository", required_argument, NULL, REPOSITORY },
		{ "passphrase-file", required_argument, NULL, PASSPHRASE_FILE },
		{ "json", no_argument, NULL, JSON },
		{ "socket", required_argument, NULL, SOCKET },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct request rq = { .cli = cli };
	int opt;

	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (opt == KEY)
			rq.key = optarg;
		else if (opt == REPOSITORY)
			rq.repository = optarg;
		else if (opt == PASSPHRASE_FILE)
			rq.passphrase_file = optarg;
		else if (opt == JSON)
			cli->json = true;
		else if (opt == 'h')
			return 1;
		else if (opt != SOCKET)
			return err_set(err, -EINVAL, "see vmcast sign --help");
	}
	if (argc - optind != 2 || !rq.key)
		return err_set(err, -EINVAL, "sign: which FILE, and with which key? (--key KEY; vmcast sign --help)");
	rq.file = argv[optind + 1];
	/* A core would hold the key. */
	prctl(PR_SET_DUMPABLE, 0);
	int rc = run(&rq, err);
	prctl(PR_SET_DUMPABLE, 1);
	return rc;
}
