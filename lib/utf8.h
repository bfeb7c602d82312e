/* SPDX-License-Identifier: GPL-2.0-or-later */
/* utf8: foreign text one character at a time (RFC 3629). */
#ifndef VMCAST_UTF8_H
#define VMCAST_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT 0xfffdu

/*
 * Length in bytes of the character that `text` (not empty) begins with, and its code point. 0 where no character begins:
 * overlong forms, surrogates, beyond U+10FFFF, cut off. `*code` then is UTF8_REPLACEMENT; step over one byte.
 */
size_t utf8_decode(uint32_t *code, const char *text);

#endif
