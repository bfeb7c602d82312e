/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dnsmasq: DHCP or proxy-DHCP, and TFTP, by a dnsmasq of our own: configured from vmcastd.conf, run as a child, its output in
 * our log, started again when it dies, never outliving us. DNS is off.
 *
 * Who is told what: firmware that boots from the network gets the iPXE binary for its architecture (RFC 4578, option 93), over
 * TFTP or, for UEFI HTTP boot, as a URL; iPXE itself (option 175 or its user class) gets the URL of the entry script.
 */
#ifndef VMCAST_DNSMASQ_H
#define VMCAST_DNSMASQ_H

#include "config.h"
#include "err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>

struct dnsmasq;

/* The IPv4 network that dnsmasq answers on. */
struct dnsmasq_network {
	struct in_addr address; /* ours */
	struct in_addr netmask;
};

/* Whether this configuration wants a dnsmasq at all: for DHCP, or for TFTP alone (dhcp = off with a dhcp_interface). */
bool dnsmasq_wanted(const struct config *config);

/* One that does not run yet. `config` is borrowed until dnsmasq_free, which stops it. */
int dnsmasq_new(struct dnsmasq **out, const struct config *config, struct err *err);
void dnsmasq_free(struct dnsmasq **d);

/*
 * Look the interface up, write dnsmasq.conf and the TFTP folder into run_dir, start dnsmasq and keep it running. What cannot
 * work (no such interface, a range outside its network, no dnsmasq) is told here; a dnsmasq that dies is logged and started
 * again, after 1 s, 2 s ... 30 s.
 */
int dnsmasq_start(struct dnsmasq *d, struct err *err);

/* End dnsmasq, with SIGKILL if it takes longer than 5 s, and wait for it. */
void dnsmasq_stop(struct dnsmasq *d);

enum dnsmasq_state { DNSMASQ_OFF, DNSMASQ_RUNNING, DNSMASQ_RESTARTING };

/* What it does now; `why` it ended when it last did, with the last line that it wrote, empty if it never did. Any thread may
 * call. */
#define DNSMASQ_WHY 768 /* as an error's text */
enum dnsmasq_state dnsmasq_state(struct dnsmasq *d, char why[static DNSMASQ_WHY]);

/* The text of dnsmasq.conf (dnsmasq_conf.c). -EINVAL: a value that has no place in that file, or a range outside of `network`. */
int dnsmasq_write_conf(FILE *to, const struct config *config, const struct dnsmasq_network *network, struct err *err);

/* What a site that keeps its own DHCP server adds to it: for dnsmasq and for ISC dhcpd. */
void dnsmasq_print_site(FILE *to, const struct config *config);

/* Name of the `nr`-th iPXE binary that machines are given, and for which of them; NULL after the last. */
const char *dnsmasq_boot_file(size_t nr, const char **machines);

#endif
