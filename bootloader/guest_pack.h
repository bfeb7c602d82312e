/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_pack: the hypervisor pack, a squashfs with QEMU, firmware and the few tools that a node needs. It is fetched when it is
 * wanted, checked against the plan's digest, and kept on the node's own disk under that digest.
 */
#ifndef VMCAST_GUEST_PACK_H
#define VMCAST_GUEST_PACK_H

#include "boot_plan.h"
#include "progress.h"
#include "service.h"

/* Into the file `path`, which is not there while this fails: retries as everything from the service. -EBADMSG: not its digest. */
int guest_pack_fetch(const char *path, const struct plan_pack *pack, const struct service *service,
		     struct progress *progress, struct err *err);

/* The file has this digest and length. -EBADMSG: it has not; -ENOENT. */
int guest_pack_check(const char *path, const struct plan_pack *pack, struct err *err);

/* At guest_jail_path(arch), read-only. Where one is mounted already, nothing is done. */
int guest_pack_mount(const char *path, const char *arch, struct err *err);
int guest_pack_unmount(const char *arch, struct err *err);

#endif
