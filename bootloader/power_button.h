/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * power_button: the machine's power button and Ctrl-Alt-Del, for a process that has something to end first. Without it the first
 * does nothing in the boot environment and the second is a reset.
 */
#ifndef VMCAST_POWER_BUTTON_H
#define VMCAST_POWER_BUTTON_H

#include <stdbool.h>

/*
 * Ctrl-Alt-Del becomes SIGINT for this process (cad_pid, Documentation/admin-guide/sysctl/kernel.rst). Returns a descriptor that
 * can be polled for the button; -1: the machine has none that Linux knows.
 */
int power_button_open(void);

/* Reads what is there to be read. */
bool power_button_is_pressed(int fd);

#endif
