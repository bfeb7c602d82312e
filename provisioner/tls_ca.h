/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_ca: the keys of a site's own TLS that are kept offline, `vmcast key ca`. A folder of the CA has ca.pem, which clients
 * are given, and ca-key.pem. A service's folder, STATE_DIR/tls, has the issuer that the CA certified: issuer.pem and
 * issuer-key.pem.
 */
#ifndef VMCAST_TLS_CA_H
#define VMCAST_TLS_CA_H

#include "config.h"
#include "err.h"

#include <stdint.h>

/* Nothing is overwritten: -EEXIST. The folder is made if it is not there. */
int tls_ca_create(const char *dir, const char *passphrase, const char *common_name, int64_t now, int64_t expires,
		  struct err *err);

/* An issuer for these names, in place of one that was there. -EINVAL: the CA ends before it would. */
int tls_ca_issue(const char *dir, const char *ca_dir, const char *passphrase, const struct string_list *names,
		 int64_t now, int64_t expires, struct err *err);

#endif
