/* SPDX-License-Identifier: GPL-2.0-or-later */
/* notify: tells the service manager how we are (sd_notify(3)'s protocol: one datagram to $NOTIFY_SOCKET). */
#ifndef VMCAST_NOTIFY_H
#define VMCAST_NOTIFY_H

/* "READY=1", "STOPPING=1" ... Does nothing where no service manager asked for it. */
void notify_manager(const char *state);

#endif
