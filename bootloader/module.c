/* SPDX-License-Identifier: GPL-2.0-or-later */
/* module: see module.h */
#include "module.h"

#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

void module_load(const char *name)
{
	char *const argv[] = { "modprobe", "-q", (char *)(uintptr_t)name, NULL };
	char *const env[] = { "PATH=/bin", NULL };
	pid_t pid;

	if (posix_spawn(&pid, "/bin/modprobe", NULL, NULL, argv, env) == 0)
		waitpid(pid, NULL, 0);
}
