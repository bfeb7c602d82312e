/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine's key is the same as long as where it is kept gives it back, and else another, with the reason. */
#include "machine_key.h"

#include "cleanup.h"
#include "digest.h"
#include "tap.h"
#include "tuf_key.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/vmcast-test-key.XXXXXX";
static struct err err;

/* Opens, checks and closes: what it was. */
struct seen {
	char id[DIGEST_HEX], kept[16], why[MACHINE_KEY_WHY];
};

static struct seen look(const struct machine_key_places *places)
{
	CLEANUP(machine_key_close) struct machine_key *key = NULL;
	CLEANUP(free_str) char *signature = NULL;
	struct seen seen = { .id = "" };

	is_int(machine_key_open(&key, seen.why, places, &err), 0, "a key");
	is_int(machine_key_sign(&signature, key, "text", 4, &err), 0, "signs");
	is_int(tuf_key_verify(machine_key_public(key), signature, "text", 4, &err), 0, "what is its own");
	ok(tuf_key_verify(machine_key_public(key), signature, "next", 4, &err) < 0, "and of nothing else");
	snprintf(seen.id, sizeof(seen.id), "%s", machine_key_id(key));
	snprintf(seen.kept, sizeof(seen.kept), "%s", machine_key_kept(key));
	return seen;
}

static char *variable(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/VmcastMachineKey-f1250607-e0a6-4695-b84a-4dcb804ffa79", folder);
	return path;
}

static void keys_of_one_boot_differ(void)
{
	const struct machine_key_places nowhere = { NULL, NULL };
	struct seen first = look(&nowhere), second = look(&nowhere);

	is_str(first.kept, "memory", "kept in memory");
	ok(strcmp(first.id, second.id) != 0, "each time another one");
}

static void variables_are_kept(void)
{
	const struct machine_key_places places = { NULL, folder };
	struct seen first = look(&places), second = look(&places);
	struct stat st;

	is_str(first.kept, "nvram", "kept in a variable");
	is_str(second.id, first.id, "the same the next time");
	ok(stat(variable(), &st) == 0 && (st.st_mode & 0777) == 0600, "which nobody else reads");
	is_int(truncate(variable(), 20), 0, "the variable is damaged");
	struct seen third = look(&places);
	ok(strcmp(third.kept, "nvram") == 0 && strcmp(third.id, first.id) != 0, "another one takes its place");
	is_str(look(&places).id, third.id, "and stays");
}

static void what_cannot_be_used_is_told(void)
{
	char missing[128];

	snprintf(missing, sizeof(missing), "%s/missing", folder);
	const struct machine_key_places places = { missing, missing };
	struct seen seen = look(&places);
	is_str(seen.kept, "memory", "neither a TPM nor variables");
	is_str(seen.why, "TPM: none; UEFI variable: none", "is told");
	/* A folder is no device, and a file is no folder of variables. */
	const struct machine_key_places wrong = { folder, variable() };
	seen = look(&wrong);
	ok(strcmp(seen.kept, "memory") == 0 && strstr(seen.why, "TPM: ") && strstr(seen.why, "UEFI variable: "),
	   "what is something else is told, too");
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	keys_of_one_boot_differ();
	variables_are_kept();
	what_cannot_be_used_is_told();
	unlink(variable());
	rmdir(folder);
	return done_testing();
}
