/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_value: whether the text of one configuration value is of the form its key needs. Values end up in
 * dnsmasq.conf, in iPXE scripts and on kernel command lines, so each check is an allow-list of what those places take
 * as it stands.
 *
 * Each returns 0, or -EINVAL with `err` saying what the value is not, and what to write instead.
 */
#ifndef VMCAST_CONFIG_VALUE_H
#define VMCAST_CONFIG_VALUE_H

#include "err.h"

#include <netinet/in.h>
#include <stdint.h>

int config_value_check_text(const char *value, struct err *err);      /* one line without control bytes */
int config_value_check_path(const char *value, struct err *err);      /* absolute */
int config_value_check_file_name(const char *value, struct err *err); /* without a folder */
int config_value_check_socket(const char *value, struct err *err);    /* absolute, fits a sockaddr_un */
int config_value_check_name(const char *value, struct err *err);      /* of a group or a network interface */
int config_value_check_base_url(const char *value, struct err *err);
int config_value_check_https_url(const char *value, struct err *err);
int config_value_check_feed_url(const char *value, struct err *err);
int config_value_check_host(const char *value, struct err *err);
int config_value_check_address(const char *value, struct err *err); /* IPv4 */
int config_value_check_range(const char *value, struct err *err);   /* "START,END", IPv4 */
int config_value_check_kernel_args(const char *value, struct err *err);

int config_value_check_listen(const char *value, struct err *err); /* as the next one parses it */

/* "192.0.2.1:8880", "[2001:db8::1]:8880" -> the address (caller frees) and the port. */
int config_value_parse_listen(char **host, uint16_t *port, const char *value, struct err *err);

/* "START,END" -> both, in host byte order, START <= END. */
int config_value_parse_range(uint32_t *start, uint32_t *end, const char *value, struct err *err);

/* The host in a base URL, an IPv6 address without its brackets; cut to `room`. */
void config_value_url_host(char *out, size_t room, const char *url);

#endif
