/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_ovf: an OVF descriptor -> the machine, and which file each of its disks comes from. OVF 1.0 to 2.1 (DMTF
 * DSP0243) as VMware, VirtualBox and others write it, and VMware's 0.9 drafts as far as they agree with it.
 */
#ifndef VMCAST_UNPACK_OVF_H
#define VMCAST_UNPACK_OVF_H

#include "err.h"
#include "unpack_vm.h"

#include <stddef.h>

#define OVF_FILES_MAX 256

struct ovf_file {
	char *id, *href;
	uint64_t bytes; /* what the descriptor says it has; 0: nothing */
};

struct ovf {
	struct vm *vm; /* its disks' `file` is a href; disks that the hardware does not use are not in it */
	struct ovf_file files[OVF_FILES_MAX];
	size_t file_count;
	size_t unused_count;      /* disks that no hardware uses */
	char *unknown_controller; /* the kind of a disk's controller that says nothing of its bus; NULL: there is none */
};

/* `what` names the file in errors. Caller frees with ovf_free. -EBADMSG contradicts itself; -ENOTSUP more than one machine,
 * a disk that is the difference to another one, a file cut into chunks. */
int ovf_parse(struct ovf **out, const char *what, const char *text, size_t len, struct err *err);
void ovf_free(struct ovf **ovf);

#endif
