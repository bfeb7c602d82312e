/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config: vmcastd's configuration file, `key = value` lines. One table in config.c holds every key with its unit, range,
 * default and one line of help; the parser, `vmcastd --help-config` and the check that the man page names every key use it.
 */
#ifndef VMCAST_CONFIG_H
#define VMCAST_CONFIG_H

#include "err.h"
#include "zeros_policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum dhcp_mode { DHCP_OFF, DHCP_OWN, DHCP_PROXY };
enum ingest_mode { INGEST_AUTO, INGEST_DEMAND, INGEST_MANUAL };
enum unassigned_policy { UNASSIGNED_MENU, UNASSIGNED_REFUSE };
/* What a machine shows before it gets a plan: nothing; its boot's ticket; that, and a key of its own that outlives the boot. */
enum identity_policy { IDENTITY_NONE, IDENTITY_TICKET, IDENTITY_KEY };
enum menu_default { MENU_DEFAULT_LOCAL, MENU_DEFAULT_FIRST };

/* "menu", "refuse", NULL: as in configuration and signed policy. */
extern const char *const unassigned_policy_names[];

/* A growing list of strings, NULL-terminated once it has any. */
struct string_list {
	char **items;
	size_t count;
};

/* Append a copy. -EINVAL: it is there already; -ENOMEM. */
int string_list_add(struct string_list *list, const char *value, struct err *err);
void string_list_free(struct string_list *list);

struct config {
	char *listen_host; /* numeric address the machines' HTTP server binds */
	uint16_t listen_port;
	char *url;          /* base URL for machines, without a final slash; never NULL after config_load */
	char *socket;       /* operator API */
	char *group;        /* may use the socket, beside root; ignored with a warning if there is no such group */
	char *user;         /* whom a service that root starts becomes, NULL: vmcast, if there is such a user */
	char *api_listen;   /* ADDRESS:PORT of the operators' HTTPS server, NULL: there is none */
	char *https_listen; /* ADDRESS:PORT of the machines' HTTPS server, NULL: there is none */
	char *https_url; /* base URL for the boot environment in place of `url`, without a final slash; NULL: `url` */
	char *state_dir;
	char *run_dir;
	char *env_dir;
	char *firmware_dir;
	char *secure_boot_dir; /* of signed files for x86-64 UEFI; NULL: there are none */
	char *initramfs;       /* file in env_dir */
	char *kernel_args;
	struct string_list mirrors; /* base URLs, without a slash at the end */
	struct string_list feeds;   /* "URL OPTIONS" (feed_options.h) */
	char *secrets;              /* file of secrets.h, NULL: none */
	char *seeds_dir;            /* of folders of templates (seed.h) */
	struct string_list allow_hosts;
	uint64_t refresh_s;
	enum ingest_mode ingest;
	uint64_t feed_bytes_max;
	uint64_t feed_items_max;
	uint64_t disk_bytes_max;
	uint64_t scratch_bytes_max;
	uint64_t store_bytes_max; /* 0: no limit */
	char *unpack;             /* path of vmcast-unpack */
	char *keyring;            /* GnuPG keyring for signed archives, NULL: signatures are not checked */
	uint64_t chunk_bytes;
	uint64_t compression_level;
	uint64_t deltas; /* from how many other versions of an item */
	char *menu_title;
	uint64_t menu_timeout_s; /* 0: wait for ever */
	enum menu_default menu_default;
	enum unassigned_policy unassigned;
	enum identity_policy identity;
	char *target; /* default target rule, NULL: none */
	enum zeros_policy zeros;
	uint64_t connections_max;
	uint64_t connections_per_address_max;
	uint64_t header_bytes_max;
	uint64_t header_timeout_s;
	uint64_t idle_timeout_s;
	enum dhcp_mode dhcp;
	char *dhcp_interface;
	char *dhcp_range;  /* own: "START,END"; proxy: ignored, the interface's network is served */
	char *dhcp_router; /* NULL: none is announced */
	uint64_t dhcp_lease_s;
	char *dnsmasq;
};

/* Read `path`; every fault names file, line, key, value and what would be right. Caller frees with config_free. */
int config_load(struct config **out, const char *path, struct err *err);

/* In secure_boot_dir: kernel, initramfs and command line in one signed file. */
#define CONFIG_UNIFIED_KERNEL "vmcast.efi"

/* Where the iPXE binary `name` is served from: a signed one goes before. */
const char *config_firmware_dir(const struct config *config, const char *name);
void config_free(struct config **config);

/* The same for `vmcastd --check-config`: every fault is written to `faults`, one line each; `err` has the first. */
int config_check(struct config **out, const char *path, FILE *faults, struct err *err);

/* Print every key with unit, range, default and help, as comments of a configuration file that would work. */
void config_print_help(FILE *to);

/* Name of key `nr` in the order of the help, NULL after the last. For the test that compares the man page with the table. */
const char *config_key_name(size_t nr);

#endif
