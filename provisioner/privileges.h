/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * privileges: a service that was started as root becomes the configured user, for good, before it opens anything: no
 * capability is left but those for dnsmasq, if that is to run, and for a port below 1024. Where a service manager starts it
 * as that user (vmcastd.service), with those that any configuration may need, it lets go of the others.
 */
#ifndef VMCAST_PRIVILEGES_H
#define VMCAST_PRIVILEGES_H

#include "config.h"
#include "err.h"

/* Before any thread is started. Folders of the configuration that are not there are made, and are the user's. Who is not root
 * stays who he is; with `user = root`, or where there is no such user and none was asked for, it stays root, which is
 * logged. -ENOENT: there is no such user. */
int privileges_drop(const struct config *config, struct err *err);

#endif
