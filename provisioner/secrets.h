/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secrets: the file that `secrets =` names -> one secret, by its name. A line is one of
 *
 *   NAME basic USER:PASSWORD        the rest of the line, spaces and all
 *   NAME bearer TOKEN
 *   NAME certificate FILE KEYFILE   absolute paths of PEM files
 *
 * or empty, or begins with "#". The file is read anew for each use, so that it can be changed at any time; what is in it
 * stands in no error and no log.
 */
#ifndef VMCAST_SECRETS_H
#define VMCAST_SECRETS_H

#include "err.h"

#include <stddef.h>

enum secret_kind { SECRET_BASIC, SECRET_BEARER, SECRET_CERTIFICATE };

struct secret {
	enum secret_kind kind;
	char *value; /* USER:PASSWORD, token, or the certificate's file */
	char *key;   /* SECRET_CERTIFICATE: the key's file */
};

/*
 * Look `name` up in the file at `path` (NULL: none is configured). -ENOENT: it has no such secret; -EACCES: others than
 * its owner could read it, or the key that it names; -EINVAL: which line is wrong. Caller frees with secret_done.
 */
int secret_find(struct secret *out, const char *path, const char *name, struct err *err);

/* The same in a text in memory of `len` bytes. Keys are not looked at. */
int secret_parse(struct secret *out, const char *text, size_t len, const char *name, struct err *err);

/* Frees and wipes. */
void secret_done(struct secret *secret);

#endif
