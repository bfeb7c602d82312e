/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * receipt_verify: what a machine signs when its disks are written: {"signed": {...}, "signatures": [{"keyid", "sig"}]}. Each names the
 * hash of the one before of the same machine, so that none can be altered, left out or put in another place unseen.
 * docs/reference/formats.md has the fields.
 */
#ifndef VMCAST_RECEIPT_VERIFY_H
#define VMCAST_RECEIPT_VERIFY_H

#include "digest.h"
#include "err.h"

#include <jansson.h>

/* Longer ones are refused. One of 16 disks has 9 KiB. */
#define RECEIPT_BYTES_MAX (32u << 10)

/* Whether it is one, and signed by the key that it names. -EBADMSG: it is none; -EACCES: not signed. */
int receipt_verify(const json_t *receipt, struct err *err);

/* SHA-256 of its canonical JSON: what the next one names. */
int receipt_hash(char out[static DIGEST_HEX], const json_t *receipt, struct err *err);

#endif
