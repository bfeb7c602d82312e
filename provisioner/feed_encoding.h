/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_encoding: an XML document in any encoding that feeds have -> UTF-8 (XML 1.0, appendix F). */
#ifndef VMCAST_FEED_ENCODING_H
#define VMCAST_FEED_ENCODING_H

#include "err.h"

#include <stddef.h>

/*
 * `*out` is NULL where the document is UTF-8 already (or plain ASCII); else caller frees it, `*out_len` bytes, whose XML
 * declaration still names the old encoding. -EBADMSG: no XML, or bytes that the encoding does not have; -ENOTSUP: an
 * encoding that is not accepted.
 */
int feed_encoding_convert(char **out, size_t *out_len, const char *xml, size_t len, struct err *err);

#endif
