/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_argv: see guest_argv.h */
#include "guest_argv.h"

#include "digest.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With a bound on what it keeps of translated code, in MiB: by default an eighth of the node's memory. */
#define TCG "tcg,tb-size=128"

#define ID_MAX 64u

/* A controller's own number of them. */
#define AHCI_PORTS 6u
#define XHCI_PORTS 15u

#define OVMF "/usr/share/OVMF/OVMF_CODE_4M.fd"

/*
 * graphics=off: SeaBIOS then writes to the serial console. sata=off: disks of a q35 are on controllers made here, as on all
 * machines. A virt's own interrupt controller has room for 8 CPUs. TCG gives all that it has, but of an ARM: pointer
 * authentication in the architecture's own cipher takes half of the time, and Linux before 5.12 does not start where there
 * is LPA2.
 */
static const struct machine_type {
	const char *arch, *name;
	const char *options; /* of -machine */
	const char *code;    /* the UEFI firmware */
	const char *tcg_cpu;
	const char *panic; /* the device that a guest's kernel tells of its panic */
} machines[] = {
	{ "x86_64", "q35", "q35,graphics=off,sata=off", OVMF, "max", "pvpanic" },
	{ "x86_64", "pc", "pc,graphics=off", OVMF, "max", "pvpanic" },
	{ "aarch64", "virt", "virt,gic-version=max", "/usr/share/AAVMF/AAVMF_CODE.fd", "max,pauth-impdef=on,lpa2=off",
	  "pvpanic-pci" },
};

struct maker {
	struct guest_argv argv;
	const struct guest_argv_run *run;
	const struct guest_spec *spec;
	const struct machine_type *machine;
	unsigned bus_disks[6]; /* of each of `buses`: so many disks are on it by now */
	bool failed;           /* out of memory */
};

__attribute__((format(printf, 2, 3))) static void add(struct maker *m, const char *fmt, ...)
{
	va_list ap;
	char *arg;

	assert(m->argv.count < GUEST_ARGV_MAX - 1);
	va_start(ap, fmt);
	if (vasprintf(&arg, fmt, ap) < 0)
		m->failed = true;
	else
		m->argv.args[m->argv.count++] = arg;
	va_end(ap);
}

/* An option and its value. */
#define add2(m, option, ...) (add(m, "%s", option), add(m, __VA_ARGS__))

static const struct machine_type *machine_of(const struct guest_spec *spec)
{
	for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
		if (strcmp(machines[i].arch, spec->arch) == 0 && strcmp(machines[i].name, spec->machine) == 0)
			return &machines[i];
	return NULL;
}

/* Where two nodes have the same guest they differ in its MACs; systems make their DHCP identity of this (machine-id(5)). */
static void add_identity(struct maker *m)
{
	uint8_t u[DIGEST_BYTES];
	struct digest digest;

	digest_init(&digest);
	digest_add(&digest, m->run->id, strlen(m->run->id) + 1);
	digest_add(&digest, m->run->macs, m->spec->nic_count * sizeof(m->run->macs[0]));
	digest_final(&digest, u);
	u[6] = (u[6] & 0x0f) | 0x80; /* version 8 of RFC 9562: made in a way of its own */
	u[8] = (u[8] & 0x3f) | 0x80;
	add2(m, "-name", "guest=%s", m->run->id);
	add2(m, "-uuid", "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3],
	     u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

/* Nothing that is not asked for, and nothing that QEMU does not need to run a guest. */
static void add_base(struct maker *m)
{
	add(m, "/usr/bin/qemu-system-%s", m->machine->arch);
	add_identity(m);
	add(m, "-no-user-config");
	add(m, "-nodefaults");
	add2(m, "-display", "none");
	add2(m, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	add2(m, "-msg", "timestamp=off");
	add2(m, "-action", "panic=exit-failure");
}

/* dump-guest-core=off: what a guest has in memory is in no core file. */
static void add_machine(struct maker *m)
{
	bool uefi = m->spec->firmware == GUEST_UEFI;

	add2(m, "-machine", "%s,dump-guest-core=off%s", m->machine->options, uefi ? ",pflash0=code,pflash1=vars" : "");
	add2(m, "-accel", "%s", m->run->kvm ? "kvm" : TCG);
	add2(m, "-cpu", "%s", m->run->kvm ? "host" : m->machine->tcg_cpu);
	add2(m, "-smp", "%u", m->spec->cpus);
	add2(m, "-m", "%" PRIu64 "M", m->spec->memory_bytes >> 20);
	if (!uefi)
		return;
	add2(m, "-blockdev", "driver=file,node-name=code,filename=%s,read-only=on", m->machine->code);
	add2(m, "-blockdev", "driver=file,node-name=vars,filename=/guest/vars.fd");
}

static void add_sockets(struct maker *m)
{
	add2(m, "-chardev", "socket,id=qmp,fd=%d", m->run->qmp_fd);
	add2(m, "-mon", "chardev=qmp,mode=control");
	add2(m, "-chardev", "socket,id=serial,fd=%d", m->run->serial_fd);
	add2(m, "-serial", "chardev:serial");
}

/* ---- disks. `nr`: counted from 0, of all; `on_bus`: of those of its bus. */

static void add_virtio(struct maker *m, size_t nr, unsigned on_bus)
{
	(void)on_bus;
	add2(m, "-device", "virtio-blk-pci,drive=disk%zu,bootindex=%zu", nr, nr);
}

static void add_scsi(struct maker *m, size_t nr, unsigned on_bus)
{
	/* Not "scsi": a usb-storage calls its own bus scsi.0. */
	if (!on_bus)
		add2(m, "-device", "virtio-scsi-pci,id=hba");
	add2(m, "-device", "scsi-hd,bus=hba.0,scsi-id=%u,drive=disk%zu,bootindex=%zu", on_bus, nr, nr);
}

static void add_sata(struct maker *m, size_t nr, unsigned on_bus)
{
	if (on_bus % AHCI_PORTS == 0)
		add2(m, "-device", "ich9-ahci,id=sata%u", on_bus / AHCI_PORTS);
	add2(m, "-device", "ide-hd,bus=sata%u.%u,drive=disk%zu,bootindex=%zu", on_bus / AHCI_PORTS, on_bus % AHCI_PORTS,
	     nr, nr);
}

/* PIIX3's own controller: two channels of two disks. */
static void add_ide(struct maker *m, size_t nr, unsigned on_bus)
{
	add2(m, "-device", "ide-hd,bus=ide.%u,unit=%u,drive=disk%zu,bootindex=%zu", on_bus / 2, on_bus % 2, nr, nr);
}

static void add_nvme(struct maker *m, size_t nr, unsigned on_bus)
{
	(void)on_bus;
	add2(m, "-device", "nvme,serial=disk-%zu,drive=disk%zu,bootindex=%zu", nr, nr, nr);
}

static void add_usb(struct maker *m, size_t nr, unsigned on_bus)
{
	if (on_bus % XHCI_PORTS == 0)
		add2(m, "-device", "qemu-xhci,id=usb%u,p2=%u,p3=%u", on_bus / XHCI_PORTS, XHCI_PORTS, XHCI_PORTS);
	add2(m, "-device", "usb-storage,bus=usb%u.0,port=%u,drive=disk%zu,bootindex=%zu", on_bus / XHCI_PORTS,
	     on_bus % XHCI_PORTS + 1, nr, nr);
}

static const struct {
	const char *name;
	void (*add)(struct maker *m, size_t nr, unsigned on_bus);
} buses[] = {
	{ "virtio", add_virtio }, { "scsi", add_scsi }, { "sata", add_sata },
	{ "ide", add_ide },       { "nvme", add_nvme }, { "usb", add_usb },
};

#define BUSES (sizeof(buses) / sizeof(buses[0]))
_Static_assert(sizeof(((struct maker *)0)->bus_disks) / sizeof(unsigned) == BUSES, "one counter for each bus");

/* Which of `buses` it is on. Negative errno value: none. */
static int bus_of(const struct guest_spec *spec, size_t disk, struct err *err)
{
	const char *name = spec->buses[disk];

	if (strcmp(name, "ide") == 0 && strcmp(spec->machine, "pc") != 0)
		name = "sata"; /* what has that name there */
	for (size_t i = 0; i < BUSES; i++)
		if (strcmp(buses[i].name, name) == 0)
			return (int)i;
	return err_set(err, -EINVAL, "disk %zu: no bus of a guest", disk + 1);
}

/* Not through the page cache, which is the guests' memory; holes stay holes. */
static int add_disks(struct maker *m, struct err *err)
{
	for (size_t nr = 0; nr < m->spec->disk_count; nr++) {
		int bus = bus_of(m->spec, nr, err);

		if (bus < 0)
			return bus;
		add2(m, "-blockdev",
		     "driver=file,node-name=disk%zu,filename=/guest/disk-%zu.raw,cache.direct=on,aio=threads,"
		     "discard=unmap",
		     nr, nr);
		buses[bus].add(m, nr, m->bus_disks[bus]++);
	}
	return 0;
}

static void add_seed(struct maker *m)
{
	if (!m->run->has_seed)
		return;
	add2(m, "-blockdev", "driver=file,node-name=seed,filename=/guest/seed.img,read-only=on");
	add2(m, "-device", "virtio-blk-pci,drive=seed");
}

static const char *nic_device(const char *model)
{
	static const struct {
		const char *model, *device;
	} nics[] = {
		{ "virtio", "virtio-net-pci" }, { "e1000", "e1000" },     { "e1000e", "e1000e" },
		{ "rtl8139", "rtl8139" },       { "vmxnet3", "vmxnet3" },
	};

	for (size_t i = 0; i < sizeof(nics) / sizeof(nics[0]); i++)
		if (strcmp(nics[i].model, model) == 0)
			return nics[i].device;
	return NULL;
}

/* No option ROM: a guest boots from its disk, never from the network. */
static int add_nics(struct maker *m, struct err *err)
{
	for (size_t nr = 0; nr < m->spec->nic_count; nr++) {
		const char *device = nic_device(m->spec->nics[nr].model);
		const uint8_t *mac = m->run->macs[nr];

		if (!device)
			return err_set(err, -EINVAL, "NIC %zu: no model of a guest", nr + 1);
		add2(m, "-netdev", "tap,id=net%zu,fd=%d", nr, m->run->tap_fds[nr]);
		add2(m, "-device", "%s,netdev=net%zu,mac=%02x:%02x:%02x:%02x:%02x:%02x,romfile=", device, nr, mac[0],
		     mac[1], mac[2], mac[3], mac[4], mac[5]);
	}
	return 0;
}

/* Random numbers for the first keys, and the device that its kernel tells of a panic. */
static void add_rest(struct maker *m)
{
	add2(m, "-object", "rng-builtin,id=rng");
	add2(m, "-device", "virtio-rng-pci,rng=rng");
	add2(m, "-device", "%s", m->machine->panic);
}

/*
 * All on the root bus, which has room for 30: 16 disks, or fewer controllers than disks, 8 NICs, the seed, random numbers and
 * pvpanic. NICs come first, so that their names in the guest do not change with its disks.
 */
static int add_all(struct maker *m, struct err *err)
{
	add_base(m);
	add_machine(m);
	add_sockets(m);
	int rc = add_nics(m, err);
	if (!rc)
		rc = add_disks(m, err);
	if (rc)
		return rc;
	add_seed(m);
	add_rest(m);
	return m->failed ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int check_id(const char *id, struct err *err)
{
	size_t len = strlen(id);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)id[i]))
			return err_set(err, -EINVAL, "a guest's id has letters and digits only");
	return len && len <= ID_MAX ? 0 : err_set(err, -EINVAL, "a guest's id has 1 to %u characters", ID_MAX);
}

int guest_argv_make(struct guest_argv *out, const struct guest_argv_run *run, struct err *err)
{
	struct maker m = { .run = run, .spec = run->spec, .machine = machine_of(run->spec) };
	int rc = check_id(run->id, err);

	if (!rc && !m.machine)
		rc = err_set(err, -EINVAL, "no machine of a guest");
	if (!rc)
		rc = add_all(&m, err);
	if (rc) {
		guest_argv_free(&m.argv);
		return rc;
	}
	*out = m.argv;
	return 0;
}

void guest_argv_free(struct guest_argv *argv)
{
	for (size_t i = 0; i < argv->count; i++)
		free(argv->args[i]);
	*argv = (struct guest_argv){ 0 };
}
