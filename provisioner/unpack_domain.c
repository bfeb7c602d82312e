/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_domain: see unpack_domain.h */
#include "unpack_domain.h"

#include "cleanup.h"
#include "log.h"
#include "unpack_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 160

/* Scaled integers of libvirt: "b", "KB" = 1000, "k" and "KiB" = 1024, and so on. 0: none of these. */
static uint64_t unit_bytes(const char *unit)
{
	static const char letters[] = "KMGTP";
	const char *letter = unit[0] ? strchr(letters, unit[0] == 'k' ? 'K' : unit[0]) : NULL;
	uint64_t bytes = 1;

	if (strcmp(unit, "b") == 0 || strcmp(unit, "bytes") == 0)
		return 1;
	if (!letter)
		return 0;
	uint64_t base = strcmp(unit + 1, "B") == 0 ? 1000 : !unit[1] || strcmp(unit + 1, "iB") == 0 ? 1024 : 0;
	for (const char *l = letters; l <= letter; l++)
		bytes *= base;
	return bytes;
}

static int read_memory(struct vm *vm, const xmlNode *domain, struct err *err)
{
	const xmlNode *node = unpack_xml_child(domain, "memory");
	CLEANUP(free_str) char *text = unpack_xml_text(node);
	CLEANUP(free_str) char *unit = unpack_xml_attr(node, "unit");
	char quoted[SHOWN];
	uint64_t one = unit ? unit_bytes(unit) : 1024;

	if (!one)
		return err_set(err, -ENOTSUP, "memory has the unit '%s'", log_quote(quoted, sizeof(quoted), unit));
	int rc = unpack_xml_u64(&vm->memory_bytes, "memory", text, (uint64_t)INT64_MAX / one, err);
	vm->memory_bytes *= one;
	return rc;
}

/* <os firmware='efi'>, <loader type='pflash'>, or a loader that is called like OVMF's. */
static const char *read_firmware(const xmlNode *os)
{
	CLEANUP(free_str) char *firmware = unpack_xml_attr(os, "firmware");
	const xmlNode *loader = unpack_xml_child(os, "loader");
	CLEANUP(free_str) char *type = unpack_xml_attr(loader, "type");
	CLEANUP(free_str) char *path = unpack_xml_text(loader);

	if (firmware)
		return strcmp(firmware, "efi") == 0 ? "uefi" : strcmp(firmware, "bios") == 0 ? "bios" : NULL;
	if ((type && strcmp(type, "pflash") == 0) || (path && (strstr(path, "OVMF") || strstr(path, "efi"))))
		return "uefi";
	return NULL;
}

/* What names the bytes of a disk: a file, or something of the publisher's host that no archive can hold. */
static int read_source(char **out, const xmlNode *disk, const char *name, struct err *err)
{
	static const char *const elsewhere[] = { "dev", "dir", "name", "volume", "path", "protocol", "pool" };
	const xmlNode *source = unpack_xml_child(disk, "source");
	CLEANUP(free_str) char *type = unpack_xml_attr(disk, "type");
	CLEANUP(free_str) char *file = unpack_xml_attr(source, "file");
	bool is_file = !type || strcmp(type, "file") == 0;
	char quoted[SHOWN];

	if (file && is_file) {
		*out = TAKE(file);
		return 0;
	}
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
		CLEANUP(free_str) char *value = unpack_xml_attr(source, elsewhere[i]);

		if (value)
			return err_set(err, -ENOTSUP, "disk %s is %s='%s' of the publisher's host, no file", name,
				       elsewhere[i], log_quote(quoted, sizeof(quoted), value));
	}
	if (!is_file)
		return err_set(err, -ENOTSUP, "disk %s is of type '%s', no file", name,
			       log_quote(quoted, sizeof(quoted), type));
	return err_set(err, -EBADMSG, "disk %s has no source", name);
}

/* <backingStore> that is not empty: what the archive has of the disk is not all of it. */
static int check_whole(const xmlNode *disk, const char *name, struct err *err)
{
	static const char *const values[] = { "file", "dev", "dir", "name", "volume" };
	const xmlNode *backing = unpack_xml_child(disk, "backingStore");
	CLEANUP(free_str) char *value = NULL;
	char quoted[SHOWN];

	if (!backing || (!backing->properties && !unpack_xml_child(backing, NULL)))
		return 0;
	for (size_t i = 0; !value && i < sizeof(values) / sizeof(values[0]); i++)
		value = unpack_xml_attr(unpack_xml_child(backing, "source"), values[i]);
	if (!value)
		value = unpack_xml_attr(backing, "type");
	return err_set(err, -ENOTSUP, "disk %s is the difference to another one, backingStore '%s'", name,
		       log_quote(quoted, sizeof(quoted), value ? value : ""));
}

static const char *bus_of(const char *said, const char *name)
{
	if (said)
		return vm_bus(said);
	return strncmp(name, "vd", 2) == 0    ? "virtio"
	       : strncmp(name, "xvd", 3) == 0 ? "xen"
	       : strncmp(name, "hd", 2) == 0  ? "ide"
	       : strncmp(name, "sd", 2) == 0  ? "scsi"
					      : NULL;
}

static int read_disk(struct vm *vm, const xmlNode *node, struct err *err)
{
	const xmlNode *target = unpack_xml_child(node, "target");
	CLEANUP(free_str) char *device = unpack_xml_attr(node, "device");
	CLEANUP(free_str) char *name = unpack_xml_attr(target, "dev");
	CLEANUP(free_str) char *bus = unpack_xml_attr(target, "bus");
	CLEANUP(free_str) char *order = unpack_xml_attr(unpack_xml_child(node, "boot"), "order");
	CLEANUP(free_str) char *file = NULL;
	struct vm_disk *disk;
	char quoted[SHOWN];

	if (device && (strcmp(device, "cdrom") == 0 || strcmp(device, "floppy") == 0)) {
		vm->ignored_count++;
		return 0;
	}
	log_quote(quoted, sizeof(quoted), name ? name : "");
	int rc = read_source(&file, node, quoted, err);
	if (!rc)
		rc = check_whole(node, quoted, err);
	if (!rc)
		rc = vm_add_disk(&disk, vm, err);
	if (rc)
		return rc;
	disk->bus = bus_of(bus, name ? name : "");
	disk->name = TAKE(name);
	disk->file = TAKE(file);
	disk->boot = order && strcmp(order, "1") == 0;
	return 0;
}

static int read_nic(struct vm *vm, const xmlNode *node, struct err *err)
{
	const xmlNode *source = unpack_xml_child(node, "source");
	struct vm_nic *nic;
	int rc = vm_add_nic(&nic, vm, err);

	if (rc)
		return rc;
	nic->line = unpack_xml_line(node);
	nic->mac = unpack_xml_attr(unpack_xml_child(node, "mac"), "address");
	nic->model = unpack_xml_attr(unpack_xml_child(node, "model"), "type");
	nic->network = unpack_xml_attr(source, "network");
	if (!nic->network)
		nic->network = unpack_xml_attr(source, "bridge");
	return 0;
}

static int read_devices(struct vm *vm, const xmlNode *domain, struct err *err)
{
	const xmlNode *devices = unpack_xml_child(domain, "devices");
	int rc = 0;

	for (xmlNode *n = unpack_xml_child(devices, "disk"); n && !rc; n = unpack_xml_next(n, "disk"))
		rc = read_disk(vm, n, err);
	for (xmlNode *n = unpack_xml_child(devices, "interface"); n && !rc; n = unpack_xml_next(n, "interface"))
		rc = read_nic(vm, n, err);
	return rc;
}

static int read_domain(struct vm *vm, const xmlNode *domain, struct err *err)
{
	const xmlNode *os = unpack_xml_child(domain, "os");
	CLEANUP(free_str) char *cpus = unpack_xml_child_text(domain, "vcpu");

	vm->name = unpack_xml_child_text(domain, "name");
	vm->os = unpack_xml_child_text(domain, "title");
	vm->firmware = read_firmware(os);
	vm->cpus_line = unpack_xml_line(unpack_xml_child(domain, "vcpu"));
	vm->memory_line = unpack_xml_line(unpack_xml_child(domain, "memory"));
	vm->firmware_line = vm->firmware ? unpack_xml_line(os) : 0;
	vm->arch = unpack_xml_attr(unpack_xml_child(os, "type"), "arch");
	vm->machine = unpack_xml_attr(unpack_xml_child(os, "type"), "machine");
	vm->machine_line = unpack_xml_line(unpack_xml_child(os, "type"));
	vm->says_nics = true;
	vm->kernel = unpack_xml_child_text(os, "kernel");
	vm->initrd = unpack_xml_child_text(os, "initrd");
	vm->cmdline = unpack_xml_child_text(os, "cmdline");
	int rc = unpack_xml_u64(&vm->cpus, "vcpu", cpus, VM_CPUS_MAX, err);
	if (!rc)
		rc = read_memory(vm, domain, err);
	return rc ? rc : read_devices(vm, domain, err);
}

/* One disk is booted from: what the description calls first, else the first. */
static void choose_boot(struct vm *vm)
{
	size_t first = 0;

	while (first < vm->disk_count && !vm->disks[first].boot)
		first++;
	for (size_t i = 0; i < vm->disk_count; i++)
		vm->disks[i].boot = i == (first < vm->disk_count ? first : 0);
}

int domain_parse(struct vm **out, const char *what, const char *text, size_t len, struct err *err)
{
	CLEANUP(unpack_xml_free) xmlDoc *doc = NULL;
	CLEANUP(vm_free) struct vm *vm = vm_new();

	if (!vm)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = unpack_xml_parse(&doc, what, text, len, err);
	if (rc)
		return rc;
	const xmlNode *domain = unpack_xml_top(doc, "domain");
	if (!domain)
		return err_set(err, -EBADMSG, "%s: its root is no <domain>", what);
	rc = read_domain(vm, domain, err);
	if (rc)
		rc = err_wrap(err, "%s", what);
	rc = unpack_xml_check(doc, rc, what, err);
	if (rc)
		return rc;
	choose_boot(vm);
	if (!(vm->document = strdup(what)))
		return err_set(err, -ENOMEM, "out of memory");
	*out = TAKE(vm);
	return 0;
}
