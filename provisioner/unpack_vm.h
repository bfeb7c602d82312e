/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_vm: a virtual machine as its description says it is. OVF, libvirt's domain XML, xvm.xml and XenServer's ova.xml
 * are each read into this one struct, and nothing reads them but for it.
 */
#ifndef VMCAST_UNPACK_VM_H
#define VMCAST_UNPACK_VM_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VM_DISKS_MAX 64
#define VM_NICS_MAX  64
#define VM_CPUS_MAX  4096
/* Of one text; names of files are bounded by the archive. */
#define VM_TEXT_MAX 1024

struct vm_disk {
	char *file;              /* as the description names it; NULL: an empty disk of capacity_bytes */
	char *name;              /* as the machine calls it: "vda", "xvda", a disk id; NULL: not said */
	const char *bus;         /* static: "virtio", "scsi", "ide", "sata", "nvme", "xen", "usb"; NULL: not said */
	uint64_t capacity_bytes; /* 0: not said */
	bool boot;
};

struct vm_nic {
	char *mac, *model, *network; /* each NULL: not said */
	uint64_t line;               /* of the document that describes it; 0: not known */
};

struct vm {
	char *name;
	uint64_t cpus, memory_bytes; /* 0: not said */
	const char *firmware;        /* static: "bios", "uefi"; NULL: not said */
	char *arch, *machine;        /* as QEMU calls them: "x86_64", "pc-q35-7.2"; NULL: not said */
	char *document;              /* the description's name, and where it says these; NULL and 0: not known */
	uint64_t cpus_line, memory_line, firmware_line, machine_line;
	char *os;
	char *kernel, *initrd; /* names of files, as the description writes them */
	char *cmdline;
	struct vm_disk disks[VM_DISKS_MAX]; /* in the machine's order */
	size_t disk_count;
	struct vm_nic nics[VM_NICS_MAX];
	size_t nic_count;
	bool says_nics;       /* one that is not among them is none of the machine */
	size_t ignored_count; /* CD and floppy drives, disks that are none of the archive's */
};

/* Caller frees with vm_free. */
struct vm *vm_new(void);
void vm_free(struct vm **vm);

/* The next disk or interface to fill, owned by `vm`. -EFBIG if there are too many. */
int vm_add_disk(struct vm_disk **out, struct vm *vm, struct err *err);
int vm_add_nic(struct vm_nic **out, struct vm *vm, struct err *err);

/* The bus a description's word means, in our words; NULL if it is none we know. Static. */
const char *vm_bus(const char *word);

/* What `struct unpacked` says of a machine; caller frees with json_decref. NULL: out of memory. */
json_t *vm_json(const struct vm *vm);

#endif
