/* SPDX-License-Identifier: GPL-2.0-or-later */
/* module: loads a module of the boot environment's kernel. */
#ifndef VMCAST_MODULE_H
#define VMCAST_MODULE_H

/* By modprobe(8). Best effort: that it is missing shows where it is used. */
void module_load(const char *name);

#endif
