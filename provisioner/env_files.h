/* SPDX-License-Identifier: GPL-2.0-or-later */
/* env_files: the files of env_dir that machines fetch, by name, with their digests, which are read again only when a file looks
 * changed. Any thread may ask. */
#ifndef VMCAST_ENV_FILES_H
#define VMCAST_ENV_FILES_H

#include "digest.h"
#include "err.h"

#include <pthread.h>
#include <sys/stat.h>

enum env_file { ENV_KERNEL, ENV_INITRAMFS, ENV_INITRAMFS_VIRTIO, ENV_HYPERVISOR, ENV_HYPERVISOR_ARM64, ENV_FILES };

/* "vmlinuz" ...; static. */
const char *env_file_name(enum env_file file);

struct env_files {
	pthread_mutex_t lock;
	struct stat seen[ENV_FILES];
	char digests[ENV_FILES][DIGEST_HEX];
};

void env_files_init(struct env_files *files);

/* Length, and SHA-256 in hex. -ENOENT: it is not in `dir`. */
int env_file_digest(uint64_t *bytes, char hex[static DIGEST_HEX], struct env_files *files, enum env_file file,
		    const char *dir, struct err *err);

#endif
