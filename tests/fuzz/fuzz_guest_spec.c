/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as "guest" of a plan: what is taken is read back from its JSON, and gives QEMU no argument but known ones. */
#include "cleanup.h"
#include "guest_argv.h"
#include "json.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* What they are, or begin with where a number, a controller or an address of ours follows. */
static const char *const known[] = {
	"/usr/bin/qemu-system-x86_64",
	"/usr/bin/qemu-system-aarch64",
	"-name",
	"guest=abc123",
	"-uuid",
	"-no-user-config",
	"-nodefaults",
	"-display",
	"none",
	"-sandbox",
	"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	"-msg",
	"timestamp=off",
	"-action",
	"panic=exit-failure",
	"-machine",
	"q35,graphics=off,sata=off,dump-guest-core=off",
	"q35,graphics=off,sata=off,dump-guest-core=off,pflash0=code,pflash1=vars",
	"pc,graphics=off,dump-guest-core=off",
	"pc,graphics=off,dump-guest-core=off,pflash0=code,pflash1=vars",
	"virt,gic-version=max,dump-guest-core=off,pflash0=code,pflash1=vars",
	"-accel",
	"kvm",
	"tcg,tb-size=128",
	"-cpu",
	"host",
	"max",
	"max,pauth-impdef=on,lpa2=off",
	"-smp",
	"-m",
	"-blockdev",
	"driver=file,node-name=code,filename=/usr/share/OVMF/OVMF_CODE_4M.fd,read-only=on",
	"driver=file,node-name=code,filename=/usr/share/AAVMF/AAVMF_CODE.fd,read-only=on",
	"driver=file,node-name=vars,filename=/guest/vars.fd",
	"driver=file,node-name=seed,filename=/guest/seed.img,read-only=on",
	"-chardev",
	"socket,id=qmp,fd=7",
	"socket,id=serial,fd=8",
	"-mon",
	"chardev=qmp,mode=control",
	"-serial",
	"chardev:serial",
	"-netdev",
	"-device",
	"virtio-scsi-pci,id=hba",
	"virtio-blk-pci,drive=seed",
	"virtio-rng-pci,rng=rng",
	"pvpanic",
	"pvpanic-pci",
	"-object",
	"rng-builtin,id=rng",
};

/* With '#' for one or more hex digits. */
static const char *const patterns[] = {
	"#-#-#-#-#",
	"#",
	"#M",
	"driver=file,node-name=disk#,filename=/guest/disk-#.raw,cache.direct=on,aio=threads,discard=unmap",
	"virtio-blk-pci,drive=disk#,bootindex=#",
	"scsi-hd,bus=hba.0,scsi-id=#,drive=disk#,bootindex=#",
	"ich9-ahci,id=sata#",
	"ide-hd,bus=sata#.#,drive=disk#,bootindex=#",
	"ide-hd,bus=ide.#,unit=#,drive=disk#,bootindex=#",
	"nvme,serial=disk-#,drive=disk#,bootindex=#",
	"qemu-xhci,id=usb#,p2=15,p3=15",
	"usb-storage,bus=usb#.0,port=#,drive=disk#,bootindex=#",
	"tap,id=net#,fd=#",
	"virtio-net-pci,netdev=net#,mac=#:#:#:#:#:#,romfile=",
	"e1000,netdev=net#,mac=#:#:#:#:#:#,romfile=",
	"e1000e,netdev=net#,mac=#:#:#:#:#:#,romfile=",
	"rtl8139,netdev=net#,mac=#:#:#:#:#:#,romfile=",
	"vmxnet3,netdev=net#,mac=#:#:#:#:#:#,romfile=",
};

static bool matches(const char *arg, const char *pattern)
{
	for (; *pattern; pattern++) {
		size_t len = *pattern == '#' ? strspn(arg, "0123456789abcdef") : *arg == *pattern;

		if (!len)
			return false;
		arg += len;
	}
	return !*arg;
}

static bool is_known(const char *arg)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(arg, known[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (matches(arg, patterns[i]))
			return true;
	return false;
}

static void check_argv(const struct guest_spec *spec, bool other)
{
	struct guest_argv_run run = {
		.spec = spec, .id = "abc123", .kvm = other, .has_seed = other, .qmp_fd = 7, .serial_fd = 8
	};
	struct guest_argv argv;
	struct err err = { 0 };

	for (size_t i = 0; i < spec->nic_count; i++)
		guest_nic_mac(run.macs[i], spec, i, "node", run.id);
	int rc = guest_argv_make(&argv, &run, &err);
	assert(rc == 0);
	for (size_t i = 0; i < argv.count; i++)
		assert(is_known(argv.args[i]));
	guest_argv_free(&argv);
}

static void check_json(const struct guest_spec *spec)
{
	CLEANUP(json_free) json_t *json = guest_spec_json(spec);
	struct guest_spec again;
	struct err err = { 0 };
	int rc = guest_spec_parse(&again, json, &err);

	assert(rc == 0 && memcmp(spec, &again, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(json_free) json_t *json = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
	const struct guest_room room = { 2, 1ull << 30 };
	struct guest_spec spec;
	struct err err = { 0 };

	if (guest_spec_parse(&spec, json, &err) != 0) {
		assert(err.code == -EPROTO || err.code == -ENOTSUP);
		return 0;
	}
	assert(spec.disk_count >= 1 && spec.disk_count <= GUEST_DISKS_MAX && spec.nic_count <= GUEST_NICS_MAX);
	check_json(&spec);
	check_argv(&spec, false);
	check_argv(&spec, true);
	int rc = guest_spec_check(&spec, &room, &err);
	assert((rc == 0) == (spec.cpus <= room.cpus && spec.memory_bytes <= room.memory_bytes));
	return 0;
}
