/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvram_seed: 32 random bytes that a machine keeps in a UEFI variable (efi_variable.h).
 *
 * Its value: a byte with the version of this form, 1; the seed; and the first 8 bytes of the seed's SHA-256, since a value that was
 * damaged would only be another key.
 */
#ifndef VMCAST_NVRAM_SEED_H
#define VMCAST_NVRAM_SEED_H

#include "err.h"

#include <stdint.h>

#define NVRAM_SEED_BYTES 32

/*
 * The seed that is kept in `folder`; one is made, and read again, if there is none or it is damaged. Fails if the variables
 * cannot be read or written (-ENOENT: there are none), or the firmware does not give back what it was given (-EBADMSG); then
 * nothing of ours is left there.
 */
int nvram_seed(uint8_t out[static NVRAM_SEED_BYTES], const char *folder, struct err *err);

#endif
