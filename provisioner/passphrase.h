/* SPDX-License-Identifier: GPL-2.0-or-later */
/* passphrase: of a private key, from a file or a terminal. It stands in no argument, no log, and is wiped after use. */
#ifndef VMCAST_PASSPHRASE_H
#define VMCAST_PASSPHRASE_H

#include "err.h"

#include <stdbool.h>

/* The first line of `file`; NULL: asked on the terminal, without echo, twice if `is_new`. -EACCES: others than its owner
 * may read the file. -EINVAL: it is empty, too long, or not the same twice; -ENXIO: there is no terminal. Caller frees with
 * passphrase_free. */
int passphrase_read(char **out, const char *file, bool is_new, struct err *err);

/* Wipes as well. */
void passphrase_free(char **passphrase);

#endif
