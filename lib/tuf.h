/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuf: a client of a TUF repository: from a trusted root to the length and hashes of a file, or to its bytes.
 *
 * Whoever owns the network, or the server, or a key below a role's threshold, can make an update fail. He can have no file
 * accepted that the roles' keys did not sign for, none that is older than one seen before, and none whose time is over.
 *
 * Source: the TUF specification 1.0.x, section 5, "detailed client workflow"; the numbers in tuf.c are its sections.
 */
#ifndef VMCAST_TUF_H
#define VMCAST_TUF_H

#include "err.h"
#include "tuf_fileinfo.h"

/* A file that is longer is refused. The specification leaves these to the client; they are python-tuf's: ten times what the largest
 * public repositories have. */
#define TUF_ROOT_BYTES_MAX     512000u
#define TUF_SNAPSHOT_BYTES_MAX 2000000u
#define TUF_TARGETS_BYTES_MAX  5000000u

struct http;
struct tuf;

struct tuf_options {
	const char *dir;          /* of trusted metadata (tuf_store.h), with root.json in it */
	const char *metadata_url; /* of the folder */
	const char *targets_url;  /* of the folder; NULL: nothing is downloaded */
	struct http *http;
	int64_t now; /* seconds since 1970: all that expires is compared with this one moment */
};

/* Options are borrowed until tuf_close. Reads the trusted root; asks nobody. -EBADMSG or -EACCES: it is none. */
int tuf_open(struct tuf **out, const struct tuf_options *options, struct err *err);
void tuf_close(struct tuf **t);

/*
 * Follow the roles from the trusted root to the targets metadata. What passed its checks is kept in `dir`, also when what
 * comes after it fails. -EACCES: not signed by enough keys, older than before, expired, or not what another role said;
 * -EBADMSG: no metadata; -EFBIG: longer than may be; what http_perform returns.
 */
int tuf_refresh(struct tuf *t, struct err *err);

/* After tuf_refresh: what is signed for the target `path`, through delegations as well. -ENOENT: nothing. `out->custom` is
 * borrowed until the next tuf_find, tuf_refresh or tuf_close. */
int tuf_find(struct tuf_fileinfo *out, struct tuf *t, const char *path, struct err *err);

/* The bytes of a target to `file`, once they are there and right: 0. A file that is right already is left as it is, and
 * nobody is asked; another one stays as it is after a failure. */
int tuf_download(struct tuf *t, const char *path, const struct tuf_fileinfo *info, const char *file, struct err *err);

#endif
