/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A key that was made or loaded signs what our own client accepts, and keeps its secret to its owner. */
#include "signing_key.h"

#include "cleanup.h"
#include "json.h"
#include "tap.h"
#include "tree.h"
#include "tuf_metadata.h"
#include "tuf_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define YEAR_2100 4102444800

static struct err err;

static const char *path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

/* A root whose every role is this key's, not signed yet. */
static json_t *root_of(const struct signing_key *key)
{
	json_t *fields = tuf_signed_new(TUF_ROOT, 1, YEAR_2100);
	json_t *role;
	const char *name;

	json_object_foreach(json_object_get(fields, "roles"), name, role) tuf_role_add_key(fields, role, key, &err);
	return tuf_envelope_new(fields);
}

/* What the client says of an envelope, as a root that vouches for itself. */
static int check_root(const json_t *envelope)
{
	CLEANUP(tuf_metadata_free) struct tuf_metadata *md = NULL;
	CLEANUP(free_str) char *text = NULL;
	size_t len;
	int rc = tuf_envelope_text(&text, &len, envelope, &err);

	if (!rc)
		rc = tuf_metadata_parse(&md, TUF_ROOT, text, len, &err);
	return rc ? rc : tuf_metadata_verify_by_root(md, md, &err);
}

static void what_it_signs_is_accepted(void)
{
	CLEANUP(signing_key_free) struct signing_key *made = NULL, *loaded = NULL, *other = NULL;

	is_int(signing_key_create(&made, path_of("key"), "pass phrase", &err), 0, "a key is made");
	CLEANUP(json_free) json_t *envelope = root_of(made);
	is_int(check_root(envelope), -EACCES, "what nobody signed is refused");
	is_int(signing_key_sign(envelope, made, &err), 0, "it signs");
	is_int(check_root(envelope), 0, "and that is accepted");
	is_int(signing_key_load(&loaded, path_of("key"), "pass phrase", &err), 0, "it is loaded");
	is_str(signing_key_id(loaded), signing_key_id(made), "as the same key");
	is_int(signing_key_sign(envelope, loaded, &err), 0, "it signs again");
	is_int(json_array_size(json_object_get(envelope, "signatures")), 1, "in place of its signature before");
	is_int(check_root(envelope), 0, "and that is accepted");
	json_object_set_new(json_object_get(envelope, "signed"), "version", json_integer(2));
	is_int(check_root(envelope), -EACCES, "not once something else is signed");
	is_int(signing_key_create(&other, path_of("other"), NULL, &err), 0, "another key, without a passphrase");
	ok(strcmp(signing_key_id(other), signing_key_id(made)) != 0, "is another");
	is_int(signing_key_sign(envelope, other, &err), 0, "it signs as well");
	is_int(json_array_size(json_object_get(envelope, "signatures")), 2, "beside the other");
	is_int(check_root(envelope), -EACCES, "which makes nothing of this root's");
}

static void a_file_keeps_its_secret(void)
{
	CLEANUP(signing_key_free) struct signing_key *key = NULL, *again = NULL;
	struct stat st = { 0 };

	umask(0);
	is_int(signing_key_create(&key, path_of("secret"), "pass phrase", &err), 0, "a key is made");
	is_int(stat(path_of("secret"), &st) ? 0 : st.st_mode & 07777, 0600, "for its owner's eyes, whatever the umask");
	is_int(signing_key_create(&again, path_of("secret"), NULL, &err), -EEXIST, "no other is made in its place");
	is_int(signing_key_load(&again, path_of("secret"), NULL, &err), -ENOKEY, "without its passphrase it says so");
	is_int(signing_key_load(&again, path_of("secret"), "pass phrases", &err), -EKEYREJECTED, "a wrong one is told");
	ok(!strstr(err.text, "pass phrases"), "without the passphrase: %s", err.text);
	chmod(path_of("secret"), 0640);
	is_int(signing_key_load(&again, path_of("secret"), "pass phrase", &err), -EACCES,
	       "one that others may read is refused");
	chmod(path_of("secret"), 0600);
	is_int(truncate(path_of("secret"), 100), 0, "one that was cut");
	is_int(signing_key_load(&again, path_of("secret"), "pass phrase", &err), -EBADMSG, "is no key");
	is_int(signing_key_load(&again, path_of("nothing"), NULL, &err), -ENOENT, "nor is nothing");
	ok(!again, "and nothing is given out");
}

int main(void)
{
	umask(0077);
	make_root();
	what_it_signs_is_accepted();
	a_file_keeps_its_secret();
	remove_root();
	return done_testing();
}
