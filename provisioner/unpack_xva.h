/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_xva: ova.xml, the first member of XenServer's XVA archives, -> the machine. It is a dump of the host's database as
 * XML-RPC values: a struct with `objects`, each with `class`, `id` and `snapshot`, its fields. A VBD joins a disk image
 * (VDI) to the machine; the image's blocks are the members `<id of the VDI>/00000000` and so on.
 */
#ifndef VMCAST_UNPACK_XVA_H
#define VMCAST_UNPACK_XVA_H

#include "err.h"
#include "unpack_vm.h"

/*
 * A disk's `file` is the id of its VDI, which is the folder of its blocks, `capacity_bytes` the VDI's size. Caller frees
 * with vm_free. -ENOTSUP no machine or more than one, a template, a disk shared by two devices.
 */
int xva_parse(struct vm **out, const char *what, const char *text, size_t len, struct err *err);

#endif
