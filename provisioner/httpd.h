/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * httpd: the service's HTTP servers (libmicrohttpd): one for machines on the network, one for operators on a unix
 * socket, and, if `api_listen` is set, one for operators on the network: TLS only, and nothing without a token. Machines
 * and operators have a table of routes each, so that what is not in the machines' table cannot be asked for there.
 */
#ifndef VMCAST_HTTPD_H
#define VMCAST_HTTPD_H

#include "config.h"
#include "dnsmasq.h"
#include "err.h"
#include "store.h"
#include "tuf_repository.h"
#include "worker.h"

struct httpd;

/*
 * Listen and serve, on threads of its own. `config`, `store`, `worker`, `dnsmasq` and `trust` are borrowed until httpd_stop. The unix
 * socket is made with mode 0660 and the configured group; one that is left of a dead service is replaced, one with a
 * living service behind it is -EADDRINUSE.
 */
int httpd_start(struct httpd **out, const struct config *config, struct store *store, struct worker *worker,
		struct dnsmasq *dnsmasq, struct tuf_repository *trust, struct err *err);

/* Use what `vmcast key ca issue` left since. */
void httpd_reload(struct httpd *h);

/* Accept nothing more, let answers under way finish for a few seconds, close everything, remove the unix socket. */
void httpd_stop(struct httpd **h);

#endif
