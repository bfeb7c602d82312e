/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_net: a guest's network cards on the site's network: macvtap devices in bridge mode on the card that the node booted from
 * (Documentation of iproute2, ip-link(8), "MACVLAN and MACVTAP Type Support"). The node's own address stays where it is; node and
 * guest do not reach each other, guests and everybody else do.
 */
#ifndef VMCAST_GUEST_NET_H
#define VMCAST_GUEST_NET_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

/* The network card with this address, "eth0". -ENODEV. */
int guest_net_card(char out[static 32], const char *mac, struct err *err);

/* Returns a descriptor of the tap for QEMU. `slot`, `nic`: tell it from all others of this node. What an earlier run left is gone. */
int guest_net_open(const char *card, unsigned slot, size_t nic, const uint8_t mac[static 6], struct err *err);

/* Best effort: the device goes. */
void guest_net_close(unsigned slot, size_t nic);

#endif
