/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_vm: see unpack_vm.h */
#include "unpack_vm.h"

#include "json.h"
#include "log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct vm *vm_new(void)
{
	return calloc(1, sizeof(struct vm));
}

void vm_free(struct vm **vm)
{
	struct vm *v = *vm;

	if (!v)
		return;
	for (size_t i = 0; i < v->disk_count; i++) {
		free(v->disks[i].file);
		free(v->disks[i].name);
	}
	for (size_t i = 0; i < v->nic_count; i++) {
		free(v->nics[i].mac);
		free(v->nics[i].model);
		free(v->nics[i].network);
	}
	free(v->arch);
	free(v->machine);
	free(v->document);
	free(v->name);
	free(v->os);
	free(v->kernel);
	free(v->initrd);
	free(v->cmdline);
	free(v);
	*vm = NULL;
}

int vm_add_disk(struct vm_disk **out, struct vm *vm, struct err *err)
{
	if (vm->disk_count == VM_DISKS_MAX)
		return err_set(err, -EFBIG, "the machine has more than %d disks", VM_DISKS_MAX);
	*out = &vm->disks[vm->disk_count++];
	return 0;
}

int vm_add_nic(struct vm_nic **out, struct vm *vm, struct err *err)
{
	if (vm->nic_count == VM_NICS_MAX)
		return err_set(err, -EFBIG, "the machine has more than %d network interfaces", VM_NICS_MAX);
	*out = &vm->nics[vm->nic_count++];
	return 0;
}

const char *vm_bus(const char *word)
{
	static const char *const buses[][2] = {
		{ "virtio", "virtio" },    { "VirtIO", "virtio" },
		{ "scsi", "scsi" },        { "lsilogic", "scsi" },
		{ "buslogic", "scsi" },    { "lsilogicsas", "scsi" },
		{ "VirtualSCSI", "scsi" }, { "ide", "ide" },
		{ "piix3", "ide" },        { "piix4", "ide" },
		{ "ich6", "ide" },         { "sata", "sata" },
		{ "ahci", "sata" },        { "vmware.sata.ahci", "sata" },
		{ "nvme", "nvme" },        { "vmware.nvme.controller", "nvme" },
		{ "xen", "xen" },          { "usb", "usb" },
		{ "virtio-scsi", "scsi" }, { "VirtioSCSI", "scsi" },
	};

	for (size_t i = 0; word && i < sizeof(buses) / sizeof(buses[0]); i++) {
		if (strcasecmp(word, buses[i][0]) == 0)
			return buses[i][1];
	}
	return NULL;
}

static void put_text(json_t *object, const char *key, const char *text)
{
	char shown[VM_TEXT_MAX];

	if (text && *text)
		json_object_set_new(object, key, json_string(log_quote(shown, sizeof(shown), text)));
}

static void put_number(json_t *object, const char *key, uint64_t value)
{
	if (value)
		json_object_set_new(object, key, json_integer((json_int_t)value));
}

json_t *vm_json(const struct vm *vm)
{
	json_t *machine = json_object();

	put_text(machine, "name", vm->name);
	put_number(machine, "cpus", vm->cpus);
	put_number(machine, "memory_bytes", vm->memory_bytes);
	put_text(machine, "firmware", vm->firmware);
	put_text(machine, "os", vm->os);
	put_text(machine, "arch", vm->arch);
	put_text(machine, "machine", vm->machine);
	put_text(machine, "document", vm->document);
	put_number(machine, "cpus_line", vm->cpus_line);
	put_number(machine, "memory_line", vm->memory_line);
	put_number(machine, "firmware_line", vm->firmware_line);
	put_number(machine, "machine_line", vm->machine_line);
	if (!vm->nic_count && !vm->says_nics)
		return machine;
	json_t *nics = json_array();
	for (size_t i = 0; i < vm->nic_count; i++) {
		json_t *nic = json_object();

		put_text(nic, "mac", vm->nics[i].mac);
		put_text(nic, "model", vm->nics[i].model);
		put_text(nic, "network", vm->nics[i].network);
		put_number(nic, "line", vm->nics[i].line);
		json_array_append_new(nics, nic);
	}
	json_object_set_new(machine, "nics", nics);
	return machine;
}
