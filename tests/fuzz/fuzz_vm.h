/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_vm: what every parser of a machine's description promises of the machine. */
#ifndef VMCAST_FUZZ_VM_H
#define VMCAST_FUZZ_VM_H

#include "unpack_vm.h"

#include <assert.h>
#include <string.h>

static inline void check_text(const char *text)
{
	assert(!text || strlen(text) <= VM_TEXT_MAX);
}

/* `boots`: one of the disks, if there are any, is the one to boot from. */
static inline void check_vm(const struct vm *vm, bool boots)
{
	size_t boot_count = 0;

	assert(vm->disk_count <= VM_DISKS_MAX && vm->nic_count <= VM_NICS_MAX && vm->cpus <= VM_CPUS_MAX);
	assert(vm->memory_bytes <= INT64_MAX);
	check_text(vm->name);
	check_text(vm->kernel);
	for (size_t i = 0; i < vm->disk_count; i++) {
		check_text(vm->disks[i].file);
		check_text(vm->disks[i].name);
		assert(vm->disks[i].capacity_bytes <= INT64_MAX);
		boot_count += vm->disks[i].boot;
	}
	assert(!boots || boot_count == (vm->disk_count > 0));
	json_t *machine = vm_json(vm);
	assert(machine);
	json_decref(machine);
}

#endif
