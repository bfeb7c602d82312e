/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Templates become a machine's seed; what the client makes of it; the box in between. */
#include "cleanup.h"
#include "sealed.h"
#include "seed.h"
#include "tap.h"
#include "tree.h"

#include "json.h"

#include <errno.h>

static const uint8_t secret[STORE_SECRET_BYTES] = { 1 };
static const struct seed_machine web = {
	.mac = "52:54:00:12:34:56",
	.hostname = "web-1",
	.assignment = 0xfedcba9876543210,
	.item_id = "0123456789abcdef",
	.item_title = "a\"]\nruncmd: [$(reboot)] \xc3\xa4",
	.item_uuid = "u-1",
};

static struct err err;

/* Of the seed "web" for this machine: the text of a file, or of the whole document for NULL. */
static const char *render(const struct seed_machine *machine, const uint8_t *key, const char *file)
{
	static char text[4096];
	CLEANUP(seed_document_done) struct seed_document document = { 0 };
	CLEANUP(seed_free) struct seed seed = { 0 };
	CLEANUP(json_free) json_t *json = NULL;

	err = (struct err){ 0 };
	if (seed_load(&seed, root, "web", &err) != 0 || seed_render(&document, &seed, machine, key, &err) != 0)
		return err.text;
	json_parse_object(&json, document.text, document.len, &err);
	const char *value = json_string_value(json_object_get(json_object_get(json, "files"), file ? file : ""));
	snprintf(text, sizeof(text), "%s", file ? value ? value : "(none)" : document.text);
	return text;
}

static void test_fields(void)
{
	struct seed_machine machine = web;

	put("web/user-data", "{{hostname}} {{mac}} {{ mac-digits }} {{item.id}} {{item.uuid}} {{braces}} x }}");
	is_str(render(&web, secret, "user-data"), "web-1 52:54:00:12:34:56 525400123456 0123456789abcdef u-1 {{ x }}",
	       "each field stands for what it says");
	is_str(render(&web, secret, "meta-data"),
	       "instance-id: vmcast-525400123456-fedcba9876543210\nlocal-hostname: web-1\n",
	       "meta-data is made where there is none");
	is_str(render(&web, secret, "network-config"), "(none)", "network-config is not");
	machine.hostname = NULL;
	put("web/user-data", "{{hostname}}");
	is_str(render(&machine, secret, "user-data"), "machine-525400123456", "a machine without a name has one");
	put("web/user-data", "{{item.title}}");
	is_str(render(&web, secret, "user-data"), "a___runcmd_ ___reboot__ __",
	       "what a feed says is nothing to YAML or a shell");
	put("web/user-data", "{{{mac}}");
	ok(strstr(render(&web, secret, "user-data"), "no field '{mac'") != NULL, "three braces are no two: %s",
	   err.text);
}

static void test_digest(void)
{
	static const uint8_t other[STORE_SECRET_BYTES] = { 2 };
	struct seed_machine again = web;
	char first[4096];

	put("web/user-data", "x");
	snprintf(first, sizeof(first), "%s", render(&web, secret, NULL));
	is_str(render(&web, secret, NULL), first, "the same is the same");
	ok(strcmp(render(&web, other, NULL), first) != 0, "another secret makes another document of it");
	again.assignment++;
	ok(strcmp(render(&again, secret, NULL), first) != 0, "so does another assignment");
}

static void test_names(void)
{
	is_int(seed_check_name("web-1_a.B", &err), 0, "a name");
	is_int(seed_check_name("", &err), -EINVAL, "none");
	is_int(seed_check_name("..", &err), -EINVAL, "a way out");
	is_int(seed_check_name("a/b", &err), -EINVAL, "a path");
	is_int(seed_check_name("0123456789012345678901234567890123456789012345678901234567890123x", &err), -EINVAL,
	       "one too long");
	is_int(seed_check_hostname("web-1", &err), 0, "a host name");
	is_int(seed_check_hostname("-web", &err), -EINVAL, "one that begins with a dash");
	is_int(seed_check_hostname("web\n", &err), -EINVAL, "one with a line feed");
	is_int(seed_check_hostname("a.b", &err), -EINVAL, "more than a label");
}

static void test_sealed(void)
{
	struct sealed_key ours, theirs;
	uint8_t *box = NULL;
	char *text = NULL;
	size_t len;

	is_int(sealed_key_new(&ours, &err) | sealed_key_new(&theirs, &err), 0, "two keys");
	is_int(sealed_seal(&box, ours.public_key, "abc", 3, &err), 0, "three bytes are sealed for the first");
	is_int(sealed_open(&text, &len, &ours, box, 3 + SEALED_MORE_BYTES, &err), 0, "who opens them");
	is_str(text, "abc", "as they were");
	free(text);
	is_int(sealed_open(&text, &len, &theirs, box, 3 + SEALED_MORE_BYTES, &err), -EACCES, "the second does not");
	is_int(sealed_open(&text, &len, &ours, box, 2 + SEALED_MORE_BYTES, &err), -EACCES, "nor who lacks a byte");
	is_int(sealed_open(&text, &len, &ours, box, SEALED_MORE_BYTES - 1, &err), -EACCES, "nor who lacks most");
	for (size_t i = 0, opened = 0; i < 3 + SEALED_MORE_BYTES; i++) {
		box[i] ^= 0x10;
		opened += sealed_open(&text, &len, &ours, box, 3 + SEALED_MORE_BYTES, &err) == 0;
		box[i] ^= 0x10;
		if (i == 2 + SEALED_MORE_BYTES)
			ok(opened == 0, "nor who has one byte of them wrong");
	}
	free(box);
	sealed_key_done(&ours);
	ok(ours.secret_key[0] == 0 && ours.secret_key[31] == 0, "a key that is done is wiped");
}

int main(void)
{
	make_root();
	put("web/user-data", "x");
	char dir[PATH_MAX];
	snprintf(dir, sizeof(dir), "%s/web", root);
	chmod(dir, 0700);
	test_fields();
	test_digest();
	test_names();
	test_sealed();
	remove_root();
	return done_testing();
}
