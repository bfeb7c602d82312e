/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish_package: deployable images -> one file for readers that want a machine and its disks together:
 *
 *   .xvm2  tar: description.xml (a libvirt domain), each disk as NAME.raw.gz, MANIFEST (SHA-256 of each, as sha256sum says it)
 *   .ova   tar: NAME.ovf (OVF 1.1), NAME.mf (SHA-256 of each), each disk as a stream-optimized VMDK, made by qemu-img
 *
 * What goes in are images that we made ourselves, each chunk compared with its index once more: no file of somebody else is
 * ever given to qemu-img.
 */
#ifndef VMCAST_PUBLISH_PACKAGE_H
#define VMCAST_PUBLISH_PACKAGE_H

#include "content.h"
#include "err.h"
#include "watch.h"

#include <stdint.h>

struct publish_package_options {
	const struct store_content *content; /* its disks lie in `<work>/image.0`, image.1, ... */
	const char *work;                    /* for temporary files, too */
	const char *path;                    /* the package; is not there yet */
	const char *title;
	const char *arch, *firmware; /* as a feed says them; NULL: x86_64; BIOS */
	uint64_t memory_bytes;       /* 0: 1 GiB */
	unsigned cpus;               /* 0: 1 */
	const struct watch *watch;
};

#define PUBLISH_NAME_ROOM 56
/* A title as files and machines may be called: letters, digits, dots and dashes. */
void publish_package_name(char out[static PUBLISH_NAME_ROOM], const char *title);

/* The package is flushed. */
int publish_package_xvm2(const struct publish_package_options *options, struct err *err);
int publish_package_ova(const struct publish_package_options *options, struct err *err);

#endif
