/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The arguments of QEMU for a guest, one a line: guest_argv SPEC.json ID QMP-FD SERIAL-FD [TAP-FD...]
 * With a seed if it is called with SEED=1, under KVM with KVM=1.
 */
#include "guest_argv.h"
#include "cleanup.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && strcmp(value, "1") == 0;
}

static int print(const struct guest_spec *spec, char **words, int count, struct err *err)
{
	struct guest_argv_run run = { .spec = spec, .id = words[0], .kvm = is_set("KVM"), .has_seed = is_set("SEED") };
	struct guest_argv argv;

	run.qmp_fd = atoi(words[1]);
	run.serial_fd = atoi(words[2]);
	for (int i = 0; i < count - 3 && i < GUEST_NICS_MAX; i++)
		run.tap_fds[i] = atoi(words[3 + i]);
	for (size_t i = 0; i < spec->nic_count; i++)
		guest_nic_mac(run.macs[i], spec, i, "node", run.id);
	int rc = guest_argv_make(&argv, &run, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < argv.count; i++)
		printf("%s\n", argv.args[i]);
	guest_argv_free(&argv);
	return 0;
}

int main(int argc, char **argv)
{
	CLEANUP(json_free) json_t *json = argc >= 5 ? json_load_file(argv[1], JSON_REJECT_DUPLICATES, NULL) : NULL;
	struct guest_spec spec;
	struct err err = { 0 };

	if (!json)
		return 2;
	if (guest_spec_parse(&spec, json, &err) != 0 || print(&spec, argv + 2, argc - 2, &err) != 0) {
		printf("error: %s\n", err.text);
		return 1;
	}
	return 0;
}
