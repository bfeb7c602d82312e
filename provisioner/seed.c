/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seed: see seed.h */
#include "seed.h"

#include "bytes.h"
#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "text_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <nettle/base16.h>
#include <nettle/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEED_VERSION  1
#define HOSTNAME_MAX  63
#define DOCUMENT_MAX  (2u << 20) /* the client takes 4 MiB */
#define VALUE_MAX     160
#define FIELD_MAX     40 /* of a template's, when it is shown */
#define HOST_LETTERS  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
#define PLAIN_LETTERS HOST_LETTERS "._"

const char *const seed_file_names[SEED_FILES] = { "meta-data", "user-data", "network-config" };

/* What cloud-init cannot do without, for a folder that has none of its own. */
static const char meta_data[] = "instance-id: {{instance-id}}\nlocal-hostname: {{hostname}}\n";

static void put_mac(char out[static VALUE_MAX], const struct seed_machine *m)
{
	snprintf(out, VALUE_MAX, "%s", m->mac);
}

/* Its digits alone. */
static void put_digits(char out[static VALUE_MAX], const struct seed_machine *m)
{
	for (const char *c = m->mac; *c; c++)
		if (*c != ':')
			*out++ = *c;
	*out = '\0';
}

static void put_hostname(char out[static VALUE_MAX], const struct seed_machine *m)
{
	char digits[VALUE_MAX];

	put_digits(digits, m);
	snprintf(out, VALUE_MAX, "%s%.63s", m->hostname ? "" : "machine-", m->hostname ? m->hostname : digits);
}

/* Stays the same until the machine is assigned something again: then cloud-init does its work again. */
static void put_instance_id(char out[static VALUE_MAX], const struct seed_machine *m)
{
	char digits[VALUE_MAX];

	put_digits(digits, m);
	snprintf(out, VALUE_MAX, "vmcast-%.12s-%016llx", digits, (unsigned long long)m->assignment);
}

/* What a feed says becomes part of what a machine does as root: nothing that means anything in YAML or to a shell. */
static void put_foreign(char out[static VALUE_MAX], const char *text)
{
	snprintf(out, VALUE_MAX, "%s", text ? text : "");
	for (char *c = out; *c; c++)
		if (!strchr(PLAIN_LETTERS " ", *c))
			*c = '_';
}

static void put_item_id(char out[static VALUE_MAX], const struct seed_machine *m)
{
	put_foreign(out, m->item_id);
}

static void put_item_title(char out[static VALUE_MAX], const struct seed_machine *m)
{
	put_foreign(out, m->item_title);
}

static void put_item_uuid(char out[static VALUE_MAX], const struct seed_machine *m)
{
	put_foreign(out, m->item_uuid);
}

/* For what has braces of its own. */
static void put_braces(char out[static VALUE_MAX], const struct seed_machine *m)
{
	(void)m;
	strcpy(out, "{{");
}

static const struct field {
	const char *name;
	void (*put)(char out[static VALUE_MAX], const struct seed_machine *m);
} fields[] = {
	{ "instance-id", put_instance_id }, { "hostname", put_hostname }, { "mac", put_mac },
	{ "mac-digits", put_digits },       { "item.id", put_item_id },   { "item.title", put_item_title },
	{ "item.uuid", put_item_uuid },     { "braces", put_braces },
};

#define FIELDS            (sizeof(fields) / sizeof(fields[0]))
#define FIELD_INSTANCE_ID 0

const char *seed_field_name(size_t nr)
{
	return nr < FIELDS ? fields[nr].name : NULL;
}

int seed_check_name(const char *name, struct err *err)
{
	if (!name[0] || name[0] == '.' || strlen(name) > SEED_NAME_MAX || name[strspn(name, PLAIN_LETTERS)])
		return err_set(err, -EINVAL,
			       "no name of a seed; write at most %d letters, digits, '-', '.' and '_', none first "
			       "that is '.'",
			       SEED_NAME_MAX);
	return 0;
}

int seed_check_hostname(const char *hostname, struct err *err)
{
	size_t len = strlen(hostname);

	if (!len || len > HOSTNAME_MAX || hostname[strspn(hostname, HOST_LETTERS)] || hostname[0] == '-' ||
	    hostname[len - 1] == '-')
		return err_set(err, -EINVAL,
			       "no host name; write at most %d letters, digits and '-', neither first nor last a '-'",
			       HOSTNAME_MAX);
	return 0;
}

static void known_fields(char *out, size_t room)
{
	size_t len = 0;

	for (size_t i = 0; i < FIELDS && len < room; i++)
		len += (size_t)snprintf(out + len, room - len, "%s%s", i ? ", " : "", fields[i].name);
}

static int line_of(const char *text, const char *at)
{
	int line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

/* The field that `at`, behind its braces, names. `*end`: behind the closing ones. */
static int find_field(size_t *out, const char **end, const char *text, const char *at, struct err *err)
{
	char name[FIELD_MAX + 1], quoted[4 * FIELD_MAX + 1], known[256];
	const char *close = strstr(at, "}}");
	size_t line_rest = strcspn(at, "\n");

	if (!close || (size_t)(close - at) > line_rest)
		return err_set(err, -EINVAL, "line %d: '{{' without '}}' behind it; '{{braces}}' stands for one",
			       line_of(text, at));
	*end = close + 2;
	at += strspn(at, " ");
	while (close > at && close[-1] == ' ')
		close--;
	snprintf(name, sizeof(name), "%.*s", (int)(close - at), at);
	for (*out = 0; *out < FIELDS; (*out)++)
		if (strcmp(name, fields[*out].name) == 0)
			return 0;
	known_fields(known, sizeof(known));
	return err_set(err, -EINVAL, "line %d: there is no field '%s'; there are %s", line_of(text, at),
		       log_quote(quoted, sizeof(quoted), name), known);
}

/* `to` NULL: only look. */
static int substitute(FILE *to, unsigned *used, const char *text, const struct seed_machine *machine, struct err *err)
{
	const char *rest = text, *at;
	char value[VALUE_MAX];

	*used = 0;
	while ((at = strstr(rest, "{{"))) {
		const char *end = NULL;
		size_t nr = FIELDS;
		int rc = find_field(&nr, &end, text, at + 2, err);

		if (rc < 0)
			return rc;
		*used |= 1u << nr;
		if (to) {
			fields[nr].put(value, machine);
			fwrite(rest, 1, (size_t)(at - rest), to);
			fputs(value, to);
		}
		rest = end;
	}
	if (to)
		fputs(rest, to);
	return 0;
}

static int path_of(char out[static PATH_MAX], const char *dir, const char *name, const char *file, struct err *err)
{
	int len = snprintf(out, PATH_MAX, "%s/%s%s%s", dir, name, file ? "/" : "", file ? file : "");

	return len < PATH_MAX ? 0 : err_set(err, -ENAMETOOLONG, "'%s': path is too long", dir);
}

/* What nobody else can enter, nobody else can read the files of. */
static int check_folder(const char *dir, const char *name, struct err *err)
{
	char path[PATH_MAX];
	struct stat st;

	if (path_of(path, dir, name, NULL, err) < 0)
		return err->code;
	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return err_set(err, -ENOENT, "there is no folder '%s'", path);
	if (st.st_mode & S_IRWXO)
		return err_set(err, -EINVAL, "others may look into it, and seeds have secrets: chmod o-rwx '%s'", path);
	return 0;
}

static int load_file(struct seed *out, const char *dir, enum seed_file_nr nr, struct err *err)
{
	char path[PATH_MAX];
	struct stat st;
	size_t len;
	int rc = path_of(path, dir, out->name, seed_file_names[nr], err);

	if (rc)
		return rc;
	if (stat(path, &st) != 0 && errno == ENOENT)
		return 0;
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "'%s' is no file", path);
	rc = text_file_read(&out->texts[nr], &len, path, SEED_FILE_BYTES_MAX, err);
	if (rc)
		return rc == -ENOMEM ? rc : (err->code = -EINVAL);
	if (strlen(out->texts[nr]) != len)
		return err_set(err, -EINVAL, "file '%s': has a NUL: it is no text", seed_file_names[nr]);
	rc = substitute(NULL, &out->fields[nr], out->texts[nr], NULL, err);
	return rc ? err_wrap(err, "file '%s'", seed_file_names[nr]) : 0;
}

static int load_files(struct seed *out, const char *dir, struct err *err)
{
	int rc = 0;

	for (int nr = 0; nr < SEED_FILES && !rc; nr++)
		rc = load_file(out, dir, nr, err);
	if (!rc && !out->texts[SEED_USER_DATA])
		rc = err_set(err, -EINVAL, "there is no file 'user-data'");
	if (!rc && !out->texts[SEED_META_DATA] && !(out->texts[SEED_META_DATA] = strdup(meta_data)))
		rc = err_set(err, -ENOMEM, "out of memory");
	if (!rc && strcmp(out->texts[SEED_META_DATA], meta_data) == 0)
		rc = substitute(NULL, &out->fields[SEED_META_DATA], meta_data, NULL, err);
	if (!rc && !(out->fields[SEED_META_DATA] & 1u << FIELD_INSTANCE_ID))
		rc = err_set(err, -EINVAL,
			     "file 'meta-data': has no {{instance-id}}, by which cloud-init knows that a machine was "
			     "imaged again; write 'instance-id: {{instance-id}}'");
	return rc;
}

int seed_load(struct seed *out, const char *dir, const char *name, struct err *err)
{
	CLEANUP(seed_free) struct seed seed = { 0 };
	char quoted[4 * SEED_NAME_MAX + 1];
	int rc = seed_check_name(name, err);

	if (!rc) {
		snprintf(seed.name, sizeof(seed.name), "%s", name);
		rc = check_folder(dir, name, err);
	}
	if (!rc)
		rc = load_files(&seed, dir, err);
	if (rc)
		return err_wrap(err, "seed '%s'", log_quote(quoted, sizeof(quoted), name));
	*out = seed;
	seed = (struct seed){ 0 };
	return 0;
}

static void wipe(char **text, size_t len)
{
	if (*text)
		explicit_bzero(*text, len);
	free(*text);
	*text = NULL;
}

void seed_free(struct seed *seed)
{
	for (int nr = 0; nr < SEED_FILES; nr++)
		wipe(&seed->texts[nr], seed->texts[nr] ? strlen(seed->texts[nr]) : 0);
	*seed = (struct seed){ 0 };
}

static void make_salt(char out[static DIGEST_HEX], const struct seed_machine *machine, const uint8_t *secret)
{
	static const char purpose[] = "vmcast seed salt 1";
	uint8_t assignment[8], salt[DIGEST_BYTES];
	struct hmac_sha256_ctx ctx;

	put_le64(assignment, machine->assignment);
	hmac_sha256_set_key(&ctx, STORE_SECRET_BYTES, secret);
	hmac_sha256_update(&ctx, sizeof(purpose), (const uint8_t *)purpose);
	hmac_sha256_update(&ctx, sizeof(assignment), assignment);
	hmac_sha256_update(&ctx, strlen(machine->mac), (const uint8_t *)machine->mac);
	hmac_sha256_digest(&ctx, sizeof(salt), salt);
	digest_hex(out, salt);
}

static int render_file(json_t *files, const struct seed *seed, int nr, const struct seed_machine *machine,
		       struct err *err)
{
	unsigned used;
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	if (!to)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = substitute(to, &used, seed->texts[nr], machine, err);
	if (fclose(to) != 0 && !rc)
		rc = err_set(err, -ENOMEM, "out of memory");
	if (!rc && len > SEED_FILE_BYTES_MAX)
		rc = err_set(err, -EINVAL, "becomes longer than %u bytes", SEED_FILE_BYTES_MAX);
	if (!rc && json_object_set_new(files, seed_file_names[nr], json_stringn(text, len)) != 0)
		rc = err_set(err, -EINVAL, "is not UTF-8");
	wipe(&text, len);
	return rc ? err_wrap(err, "file '%s'", seed_file_names[nr]) : 0;
}

static int render(struct seed_document *out, json_t *files, const char *salt, struct err *err)
{
	CLEANUP(json_free)
	json_t *document = json_pack("{s:i, s:s, s:O}", "version", SEED_VERSION, "salt", salt, "files", files);
	uint8_t digest[DIGEST_BYTES];

	out->text = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS);
	if (!out->text)
		return err_set(err, -ENOMEM, "out of memory");
	out->len = strlen(out->text);
	digest_of(digest, out->text, out->len);
	digest_hex(out->digest, digest);
	if (out->len <= DOCUMENT_MAX)
		return 0;
	seed_document_done(out);
	return err_set(err, -EINVAL, "its files take more than %u bytes together", DOCUMENT_MAX);
}

int seed_render(struct seed_document *out, const struct seed *seed, const struct seed_machine *machine,
		const uint8_t secret[static STORE_SECRET_BYTES], struct err *err)
{
	CLEANUP(json_free) json_t *files = json_object();
	char salt[DIGEST_HEX];
	int rc = 0;

	make_salt(salt, machine, secret);
	for (int nr = 0; nr < SEED_FILES && !rc; nr++)
		rc = seed->texts[nr] ? render_file(files, seed, nr, machine, err) : 0;
	if (!rc)
		rc = render(out, files, salt, err);
	return rc ? err_wrap(err, "seed '%s'", seed->name) : 0;
}

void seed_document_done(struct seed_document *document)
{
	wipe(&document->text, document->len);
	document->len = 0;
}

static int is_listed(const struct dirent *entry)
{
	struct err ignored;

	return seed_check_name(entry->d_name, &ignored) == 0;
}

int seed_list(struct string_list *out, const char *dir, struct err *err)
{
	struct dirent **entries;
	int count = scandir(dir, &entries, is_listed, alphasort), rc = 0;

	if (count < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "read folder '%s': %s", dir, strerror(errno));
	for (int i = 0; i < count; i++) {
		char path[PATH_MAX];
		struct stat st;

		if (!rc && path_of(path, dir, entries[i]->d_name, NULL, err) == 0 && stat(path, &st) == 0 &&
		    S_ISDIR(st.st_mode))
			rc = string_list_add(out, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static void add_stamp(struct digest *digest, const char *path)
{
	struct stat st = { 0 };

	if (stat(path, &st) != 0)
		return;
	const uint64_t seen[] = { st.st_ino,
				  st.st_dev,
				  st.st_mode,
				  (uint64_t)st.st_size,
				  (uint64_t)st.st_mtim.tv_sec,
				  (uint64_t)st.st_mtim.tv_nsec,
				  (uint64_t)st.st_ctim.tv_sec,
				  (uint64_t)st.st_ctim.tv_nsec };
	digest_add(digest, path, strlen(path));
	digest_add(digest, seen, sizeof(seen));
}

void seed_stamp(uint8_t out[static DIGEST_BYTES], const char *dir)
{
	CLEANUP(string_list_free) struct string_list names = { 0 };
	struct digest digest;
	struct err ignored;
	char path[PATH_MAX];

	digest_init(&digest);
	seed_list(&names, dir, &ignored);
	for (size_t i = 0; i < names.count; i++) {
		if (path_of(path, dir, names.items[i], NULL, &ignored) == 0)
			add_stamp(&digest, path);
		for (int nr = 0; nr < SEED_FILES; nr++)
			if (path_of(path, dir, names.items[i], seed_file_names[nr], &ignored) == 0)
				add_stamp(&digest, path);
	}
	digest_final(&digest, out);
}
