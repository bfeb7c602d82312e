/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * efi_variable: variables of UEFI firmware, through Linux's efivarfs: a file each, called NAME-GUID, that holds the attributes, 4
 * bytes, and the value. Values are wiped from this program's memory.
 *
 * Source: UEFI 2.10, 8.2; Linux, Documentation/filesystems/efivarfs.rst.
 */
#ifndef VMCAST_EFI_VARIABLE_H
#define VMCAST_EFI_VARIABLE_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

/* Longer values are refused. */
#define EFI_VARIABLE_MAX 4096

/* `*len`: the room in `out`, then the value's bytes. -ENOENT: there is none; -EFBIG: it is longer. */
int efi_variable_read(uint8_t *out, size_t *len, const char *folder, const char *name, struct err *err);

/*
 * A variable that is kept without power and that systems see. It is replaced in one call, and read again: -EBADMSG: the firmware does
 * not give back what it was given.
 */
int efi_variable_write(const char *folder, const char *name, const uint8_t *value, size_t len, struct err *err);

/* Whether or not it is there. */
void efi_variable_remove(const char *folder, const char *name);

#endif
