/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metadata made of these parts is what our own client reads. */
#include "tuf_writer.h"

#include "cleanup.h"
#include "json.h"
#include "signing_key.h"
#include "tap.h"
#include "tree.h"
#include "tuf_delegation.h"
#include "tuf_metadata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_2100 4102444800

static struct err err;

/* Signed, as a file, and read by the client. */
static struct tuf_metadata *read_back(json_t *fields, enum tuf_type type, const struct signing_key *key)
{
	CLEANUP(json_free) json_t *envelope = tuf_envelope_new(fields);
	CLEANUP(free_str) char *text = NULL;
	struct tuf_metadata *md = NULL;
	size_t len;

	is_int(signing_key_sign(envelope, key, &err), 0, tuf_type_name(type));
	is_int(tuf_envelope_text(&text, &len, envelope, &err), 0, "has a text");
	is_int(tuf_metadata_parse(&md, type, text, len, &err), 0, "that the client reads");
	return md;
}

static void versions_and_ends_are_kept(const struct signing_key *key)
{
	json_t *fields = tuf_signed_new(TUF_TARGETS, 7, YEAR_2100);

	is_int(tuf_signed_renew(fields, 8, YEAR_2100 + 3600, &err), 0, "renewed");
	CLEANUP(tuf_metadata_free) struct tuf_metadata *md = read_back(fields, TUF_TARGETS, key);
	is_int(md->version, 8, "its version");
	is_int(md->expires, YEAR_2100 + 3600, "its end");
}

static void a_role_is_its_keys(const struct signing_key *key)
{
	json_t *delegations = tuf_delegations_new(),
	       *role = tuf_delegation_new("items", (const char *const[]){ "items/*", NULL });
	json_t *fields = tuf_signed_new(TUF_TARGETS, 1, YEAR_2100);

	is_int(tuf_role_add_key(delegations, role, key, &err), 0, "a key for a delegation");
	json_array_append_new(json_object_get(delegations, "roles"), role);
	json_object_set_new(fields, "delegations", delegations);
	CLEANUP(tuf_metadata_free) struct tuf_metadata *targets = read_back(fields, TUF_TARGETS, key);
	const json_t *read = json_object_get(targets->fields, "delegations");
	const json_t *items = json_array_get(json_object_get(read, "roles"), 0);
	ok(tuf_delegation_covers(items, "items/1"), "it covers its path");
	ok(!tuf_delegation_covers(items, "machines/1"), "and no other");
	ok(tuf_delegation_is_terminating(items), "and is the last word on it");
	CLEANUP(tuf_metadata_free)
	struct tuf_metadata *md = read_back(tuf_signed_new(TUF_TARGETS, 1, YEAR_2100), TUF_TARGETS, key);
	is_int(tuf_metadata_verify(md, json_object_get(read, "keys"), items, "items", &err), 0, "the key signs for it");
}

static void what_is_said_of_a_file_is_read(const struct signing_key *key)
{
	uint8_t digest[DIGEST_BYTES];
	struct tuf_fileinfo info;

	digest_of(digest, "text", 4);
	json_t *fields = tuf_signed_new(TUF_TARGETS, 1, YEAR_2100);
	json_object_set_new(json_object_get(fields, "targets"), "a/b",
			    tuf_target_new(4, digest, json_pack("{s:i}", "disk", 1)));
	json_object_set_new(json_object_get(fields, "targets"), "c", tuf_target_new(5, digest, NULL));
	CLEANUP(tuf_metadata_free) struct tuf_metadata *targets = read_back(fields, TUF_TARGETS, key);
	is_int(tuf_metadata_target(&info, targets, "a/b"), 1, "a target");
	is_int(info.length, 4, "its length");
	ok(info.has_sha256 && digest_equal(info.sha256, digest), "its digest");
	is_int(json_integer_value(json_object_get(info.custom, "disk")), 1, "what else is said");
	is_int(tuf_metadata_target(&info, targets, "c"), 1, "a target");
	ok(!info.custom, "of which nothing else is said");

	fields = tuf_signed_new(TUF_TIMESTAMP, 1, YEAR_2100);
	json_object_set_new(json_object_get(fields, "meta"), "snapshot.json", tuf_meta_new(3, "text", 4));
	CLEANUP(tuf_metadata_free) struct tuf_metadata *timestamp = read_back(fields, TUF_TIMESTAMP, key);
	is_int(tuf_metadata_meta(&info, timestamp, "snapshot"), 1, "other metadata");
	is_int(info.version, 3, "its version");
	ok(info.has_length && info.length == 4 && info.has_sha256 && digest_equal(info.sha256, digest), "its bytes");
}

int main(void)
{
	CLEANUP(signing_key_free) struct signing_key *key = NULL;
	char path[512];

	make_root();
	snprintf(path, sizeof(path), "%s/key", root);
	is_int(signing_key_create(&key, path, NULL, &err), 0, "a key");
	versions_and_ends_are_kept(key);
	a_role_is_its_keys(key);
	what_is_said_of_a_file_is_read(key);
	remove_root();
	return done_testing();
}
