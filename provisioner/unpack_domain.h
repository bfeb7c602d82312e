/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_domain: libvirt's domain XML, the description in an .xvm2 archive, -> the machine. Source: libvirt's "Domain XML
 * format"; memory without a unit is in KiB, as it was before there were units.
 */
#ifndef VMCAST_UNPACK_DOMAIN_H
#define VMCAST_UNPACK_DOMAIN_H

#include "err.h"
#include "unpack_vm.h"

/* `what` names the file in errors. A disk's `file` is its path on the publisher's host. Caller frees with vm_free. */
int domain_parse(struct vm **out, const char *what, const char *text, size_t len, struct err *err);

#endif
