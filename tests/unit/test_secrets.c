/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secrets are found by name, in a file that only its owner may read; what is in it shows in no error. */
#include "secrets.h"

#include "cleanup.h"
#include "tap.h"
#include "tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct err err;

#define FILE_TEXT                                                                                                      \
	"# comment\n"                                                                                                  \
	"\n"                                                                                                           \
	"images basic reader:pass word: and more \r\n"                                                                 \
	"  token\tbearer   abc.def\n"                                                                                  \
	"empty basic user:\n"                                                                                          \
	"card certificate /etc/c.pem /etc/k.pem"

static void secrets_are_found(void)
{
	static const struct {
		const char *name;
		int rc;
		enum secret_kind kind;
		const char *value, *key;
	} cases[] = {
		{ "images", 0, SECRET_BASIC, "reader:pass word: and more ", NULL },
		{ "token", 0, SECRET_BEARER, "abc.def", NULL },
		{ "empty", 0, SECRET_BASIC, "user:", NULL },
		{ "card", 0, SECRET_CERTIFICATE, "/etc/c.pem", "/etc/k.pem" },
		{ "image", -ENOENT, 0, NULL, NULL },
		{ "#", -ENOENT, 0, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(secret_done) struct secret secret = { 0 };

		is_int(secret_parse(&secret, FILE_TEXT, strlen(FILE_TEXT), cases[i].name, &err), cases[i].rc,
		       cases[i].name);
		is_int(secret.kind, cases[i].kind, "its kind");
		is_str(secret.value, cases[i].value, "its value");
		is_str(secret.key, cases[i].key, "its key");
	}
}

static void mistakes_are_told_without_the_secret(void)
{
	static const char *const cases[] = {
		"a basic geheim",
		"a bearer geheim geheim",
		"a bearer",
		"a",
		"a geheim",
		"geheim/ basic u:p",
		"a certificate geheim.pem /k",
		"a certificate /c.pem",
		"a certificate /c /k geheim",
		"a basic u:ge\x01heim",
		"x basic u:geheim\nx basic u:geheim",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(secret_done) struct secret secret = { 0 };

		is_int(secret_parse(&secret, cases[i], strlen(cases[i]), "x", &err), -EINVAL, "a mistake is refused");
		ok(strstr(err.text, "line ") && !strstr(err.text, "geheim"), "with the line and no more: %s", err.text);
		ok(!secret.value, "and nothing is given out");
	}
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

static void only_the_owner_may_read_the_file(void)
{
	static const struct {
		mode_t mode;
		int rc;
		const char *what;
	} cases[] = { { 0600, 0, "its owner's" },
		      { 0400, 0, "its owner's to read" },
		      { 0640, -EACCES, "its group's to read" },
		      { 0604, -EACCES, "everybody's to read" },
		      { 0620, -EACCES, "its group's to write" } };
	char path[256], key[256], text[600];

	make_root();

	snprintf(path, sizeof(path), "%s/secrets", root);
	snprintf(key, sizeof(key), "%s/key", root);
	snprintf(text, sizeof(text), "a basic u:p\nc certificate %s %s\n", key, key);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(secret_done) struct secret secret = { 0 };

		write_file(path, text, cases[i].mode);
		is_int(secret_find(&secret, path, "a", &err), cases[i].rc, cases[i].what);
		unlink(path);
	}
	write_file(path, text, 0600);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(secret_done) struct secret secret = { 0 };

		write_file(key, "key", cases[i].mode);
		is_int(secret_find(&secret, path, "c", &err), cases[i].rc, "the same for a key");
		unlink(key);
	}
	CLEANUP(secret_done) struct secret secret = { 0 };
	is_int(secret_find(&secret, path, "c", &err), -ENOENT, "a key that is not there");
	is_int(secret_find(&secret, NULL, "a", &err), -ENOENT, "no file");
	is_int(secret_find(&secret, root, "a", &err), -EACCES, "a folder");
	unlink(path);
	rmdir(root);
}

int main(void)
{
	secrets_are_found();
	mistakes_are_told_without_the_secret();
	only_the_owner_may_read_the_file();
	return done_testing();
}
