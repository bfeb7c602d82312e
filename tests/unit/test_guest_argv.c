/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_argv: QEMU's arguments for guests, word by word; nothing foreign gets into them. */
#include "guest_argv.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

#define FD_TAP 20 /* of the first NIC */

static const struct guest_spec small = {
	.name = "debian-12",
	.arch = "x86_64",
	.machine = "q35",
	.cpus = 2,
	.memory_bytes = (512ull << 20) + 1048575,
	.buses = { "virtio" },
	.disk_count = 1,
	.nics = { { .model = "virtio" } },
	.nic_count = 1,
};

static struct guest_argv_run run_of(const struct guest_spec *spec)
{
	struct guest_argv_run run = { .spec = spec, .id = "abc123", .qmp_fd = 7, .serial_fd = 8 };

	for (size_t i = 0; i < GUEST_NICS_MAX; i++) {
		memcpy(run.macs[i], "\x52\x54\x00\x12\x34", 5);
		run.macs[i][5] = (uint8_t)i;
		run.tap_fds[i] = FD_TAP + (int)i;
	}
	return run;
}

/* All of them, a space behind each: none has a space in it, which is looked at here. */
static void join(char *out, size_t room, const struct guest_argv *argv)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < argv->count; i++) {
		if (strchr(argv->args[i], ' '))
			abort();
		len += (size_t)snprintf(out + len, room - len, "%s ", argv->args[i]);
		if (len >= room)
			abort();
	}
}

static void is_argv(const struct guest_argv_run *run, const char *want, const char *name)
{
	struct guest_argv argv;
	struct err err = { 0 };
	char text[16384];

	if (!ok(guest_argv_make(&argv, run, &err) == 0, "%s has arguments", name)) {
		printf("# %s\n", err.text);
		return;
	}
	join(text, sizeof(text), &argv);
	is_str(text, want, name);
	ok(!argv.args[argv.count], "they end with NULL");
	guest_argv_free(&argv);
}

#define SANDBOX "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny "
#define BASE    "-no-user-config -nodefaults -display none " SANDBOX "-msg timestamp=off -action panic=exit-failure "
#define SOCKETS                                                                                                        \
	"-chardev socket,id=qmp,fd=7 -mon chardev=qmp,mode=control -chardev socket,id=serial,fd=8 -serial "            \
	"chardev:serial "
#define RANDOM "-object rng-builtin,id=rng -device virtio-rng-pci,rng=rng "

/* Disk `nr`, a digit. */
#define DISK(nr)                                                                                                       \
	"-blockdev driver=file,node-name=disk" nr ",filename=/guest/disk-" nr                                          \
	".raw,cache.direct=on,aio=threads,discard=unmap "
#define FLASH(code)                                                                                                    \
	"-blockdev driver=file,node-name=code,filename=/usr/share/" code ",read-only=on "                              \
	"-blockdev driver=file,node-name=vars,filename=/guest/vars.fd "

/* The UUID: SHA-256 of "abc123", a NUL and the MACs, with version 8 and the variant put in. */
static void test_small(void)
{
	struct guest_argv_run run = run_of(&small);

	is_argv(&run,
		"/usr/bin/qemu-system-x86_64 -name guest=abc123 -uuid 4a339f13-2bcb-8c38-8602-2489855f0396 " BASE
		"-machine q35,graphics=off,sata=off,dump-guest-core=off -accel tcg,tb-size=128 -cpu max -smp 2 -m "
		"512M " SOCKETS
		"-netdev tap,id=net0,fd=20 -device virtio-net-pci,netdev=net0,mac=52:54:00:12:34:00,romfile= " DISK(
			"0") "-device virtio-blk-pci,drive=disk0,bootindex=0 " RANDOM "-device pvpanic ",
		"a small guest");
}

static void test_uefi_kvm_seed(void)
{
	struct guest_spec spec = small;
	struct guest_argv_run run = run_of(&spec);

	spec.firmware = GUEST_UEFI;
	spec.nic_count = 0;
	run.kvm = true;
	run.has_seed = true;
	is_argv(&run,
		"/usr/bin/qemu-system-x86_64 -name guest=abc123 -uuid f85be404-49b1-8787-b6cb-2eac401f0679 " BASE
		"-machine q35,graphics=off,sata=off,dump-guest-core=off,pflash0=code,pflash1=vars -accel kvm "
		"-cpu host -smp 2 -m 512M " FLASH("OVMF/OVMF_CODE_4M.fd")
			SOCKETS DISK("0") "-device virtio-blk-pci,drive=disk0,bootindex=0 "
					  "-blockdev driver=file,node-name=seed,filename=/guest/seed.img,read-only=on "
					  "-device virtio-blk-pci,drive=seed " RANDOM "-device pvpanic ",
		"a UEFI guest under KVM with a seed");
}

static void test_arm(void)
{
	struct guest_spec spec = small;
	struct guest_argv_run run = run_of(&spec);

	strcpy(spec.arch, "aarch64");
	strcpy(spec.machine, "virt");
	strcpy(spec.buses[0], "ide");
	spec.firmware = GUEST_UEFI;
	is_argv(&run,
		"/usr/bin/qemu-system-aarch64 -name guest=abc123 -uuid 4a339f13-2bcb-8c38-8602-2489855f0396 " BASE
		"-machine virt,gic-version=max,dump-guest-core=off,pflash0=code,pflash1=vars -accel tcg,tb-size=128 "
		"-cpu max,pauth-impdef=on,lpa2=off -smp 2 -m 512M " FLASH("AAVMF/AAVMF_CODE.fd") SOCKETS
		"-netdev tap,id=net0,fd=20 -device virtio-net-pci,netdev=net0,mac=52:54:00:12:34:00,romfile= " DISK(
			"0") "-device ich9-ahci,id=sata0 -device ide-hd,bus=sata0.0,drive=disk0,bootindex=0 " RANDOM
			     "-device pvpanic-pci ",
		"an ARM guest");
}

static void test_pc_of_everything(void)
{
	static const char *const buses[] = { "virtio", "scsi", "sata", "ide", "nvme", "usb", "scsi", "ide", "ide" };
	static const char *const models[] = { "virtio", "e1000", "e1000e", "rtl8139", "vmxnet3" };
	struct guest_spec spec = small;
	struct guest_argv_run run = run_of(&spec);

	strcpy(spec.machine, "pc");
	spec.disk_count = sizeof(buses) / sizeof(buses[0]);
	for (size_t i = 0; i < spec.disk_count; i++)
		strcpy(spec.buses[i], buses[i]);
	spec.nic_count = sizeof(models) / sizeof(models[0]);
	for (size_t i = 0; i < spec.nic_count; i++)
		strcpy(spec.nics[i].model, models[i]);
	is_argv(&run,
		"/usr/bin/qemu-system-x86_64 -name guest=abc123 -uuid 8d03cfe0-0d90-8091-956e-f904a524eec2 " BASE
		"-machine pc,graphics=off,dump-guest-core=off -accel tcg,tb-size=128 -cpu max -smp 2 -m 512M " SOCKETS
		"-netdev tap,id=net0,fd=20 -device virtio-net-pci,netdev=net0,mac=52:54:00:12:34:00,romfile= "
		"-netdev tap,id=net1,fd=21 -device e1000,netdev=net1,mac=52:54:00:12:34:01,romfile= "
		"-netdev tap,id=net2,fd=22 -device e1000e,netdev=net2,mac=52:54:00:12:34:02,romfile= "
		"-netdev tap,id=net3,fd=23 -device rtl8139,netdev=net3,mac=52:54:00:12:34:03,romfile= "
		"-netdev tap,id=net4,fd=24 -device vmxnet3,netdev=net4,mac=52:54:00:12:34:04,romfile= " DISK(
			"0") "-device virtio-blk-pci,drive=disk0,bootindex=0 " DISK("1") "-device "
											 "virtio-scsi-pci,id=hba "
											 "-device "
											 "scsi-hd,bus=hba.0,scsi-id=0,"
											 "drive=disk1,bootindex="
											 "1 " DISK("2") "-device "
													"ich9-ahci,id="
													"sata0 -device "
													"ide-hd,bus="
													"sata0.0,drive="
													"disk2,"
													"bootindex="
													"2 " DISK("3") "-device ide-hd,bus=ide.0,unit=0,drive=disk3,bootindex=3 " DISK("4") "-device nvme,serial=disk-4,drive=disk4,bootindex=4 " DISK(
														"5") "-"
														     "d"
														     "e"
														     "v"
														     "i"
														     "c"
														     "e"
														     " "
														     "q"
														     "e"
														     "m"
														     "u"
														     "-"
														     "x"
														     "h"
														     "c"
														     "i"
														     ","
														     "i"
														     "d"
														     "="
														     "u"
														     "s"
														     "b"
														     "0"
														     ","
														     "p"
														     "2"
														     "="
														     "1"
														     "5"
														     ","
														     "p"
														     "3"
														     "="
														     "1"
														     "5"
														     " "
														     "-"
														     "d"
														     "e"
														     "v"
														     "i"
														     "c"
														     "e"
														     " "
														     "u"
														     "s"
														     "b"
														     "-"
														     "s"
														     "t"
														     "o"
														     "r"
														     "a"
														     "g"
														     "e"
														     ","
														     "b"
														     "u"
														     "s"
														     "="
														     "u"
														     "s"
														     "b"
														     "0"
														     "."
														     "0"
														     ","
														     "p"
														     "o"
														     "r"
														     "t"
														     "="
														     "1"
														     ","
														     "d"
														     "r"
														     "i"
														     "v"
														     "e"
														     "="
														     "d"
														     "i"
														     "s"
														     "k"
														     "5"
														     ","
														     "b"
														     "o"
														     "o"
														     "t"
														     "i"
														     "n"
														     "d"
														     "e"
														     "x"
														     "="
														     "5"
														     " " DISK("6") "-device scsi-hd,bus=hba.0,scsi-id=1,drive=disk6,bootindex=6 " DISK("7") "-device ide-hd,bus=ide.0,unit=1,drive=disk7,bootindex=7 " DISK(
															     "8") "-device ide-hd,bus=ide.1,unit=0,drive=disk8,bootindex=8 " RANDOM
																  "-device pvpanic ",
		"a guest with everything");
}

static bool has(const struct guest_argv *argv, const char *arg)
{
	for (size_t i = 0; i < argv->count; i++)
		if (strcmp(argv->args[i], arg) == 0)
			return true;
	return false;
}

/* 16 disks are more than one controller has room for. */
static void test_many_disks(void)
{
	static const struct {
		const char *bus, *last;
	} cases[] = {
		{ "virtio", "virtio-blk-pci,drive=disk15,bootindex=15" },
		{ "scsi", "scsi-hd,bus=hba.0,scsi-id=15,drive=disk15,bootindex=15" },
		{ "sata", "ide-hd,bus=sata2.3,drive=disk15,bootindex=15" },
		{ "ide", "ide-hd,bus=sata2.3,drive=disk15,bootindex=15" },
		{ "nvme", "nvme,serial=disk-15,drive=disk15,bootindex=15" },
		{ "usb", "usb-storage,bus=usb1.0,port=1,drive=disk15,bootindex=15" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guest_spec spec = small;
		struct guest_argv_run run = run_of(&spec);
		struct guest_argv argv;
		struct err err;

		spec.disk_count = GUEST_DISKS_MAX;
		for (size_t nr = 0; nr < spec.disk_count; nr++)
			strcpy(spec.buses[nr], cases[i].bus);
		if (ok(guest_argv_make(&argv, &run, &err) == 0, "16 disks on %s", cases[i].bus)) {
			ok(has(&argv, cases[i].last), "the last is where there is room: %s", cases[i].last);
			guest_argv_free(&argv);
		}
	}
}

/* What guest_spec_parse would not have let through. */
static void test_refused(void)
{
	struct guest_spec spec = small;
	struct guest_argv_run run = run_of(&spec);
	struct guest_argv argv;
	struct err err;

	strcpy(spec.buses[0], "virtio,x=/");
	is_int(guest_argv_make(&argv, &run, &err), -EINVAL, "a bus with an option in it is refused");
	strcpy(spec.buses[0], "");
	is_int(guest_argv_make(&argv, &run, &err), -EINVAL, "no bus, too");
	spec = small;
	strcpy(spec.nics[0].model, "e1000,x=/");
	is_int(guest_argv_make(&argv, &run, &err), -EINVAL, "a NIC with an option in it is refused");
	spec = small;
	strcpy(spec.machine, "q35,x=/");
	is_int(guest_argv_make(&argv, &run, &err), -EINVAL, "a machine with an option in it");
	spec = small;
	strcpy(spec.arch, "../x86_64");
	is_int(guest_argv_make(&argv, &run, &err), -EINVAL, "another architecture");
	spec = small;
	strcpy(spec.machine, "virt");
	is_int(guest_argv_make(&argv, &run, &err), -EINVAL, "a machine of another architecture");
	spec = small;
	run.id = "x,file=/etc/shadow";
	is_int(guest_argv_make(&argv, &run, &err), -EINVAL, "an id with an option in it is refused");
	run.id = "";
	is_int(guest_argv_make(&argv, &run, &err), -EINVAL, "an empty one");
	run.id = "00000000000000000000000000000000000000000000000000000000000000000";
	is_int(guest_argv_make(&argv, &run, &err), -EINVAL, "and one that is too long");
	run.id++;
	is_int(guest_argv_make(&argv, &run, &err), 0, "one of 64 is taken");
	guest_argv_free(&argv);
	ok(!argv.count && !argv.args[0], "and is freed");
}

static void test_name(void)
{
	struct guest_spec spec = small;
	struct guest_argv_run run = run_of(&spec);
	struct guest_argv argv;
	struct err err;
	char text[16384];

	strcpy(spec.name, "x,file=/etc/shadow");
	if (!ok(guest_argv_make(&argv, &run, &err) == 0, "a guest of any name has arguments"))
		return;
	join(text, sizeof(text), &argv);
	ok(!strstr(text, "shadow"), "and its name is in none of them");
	guest_argv_free(&argv);
}

int main(void)
{
	test_small();
	test_uefi_kvm_seed();
	test_arm();
	test_pc_of_everything();
	test_many_disks();
	test_refused();
	test_name();
	return done_testing();
}
