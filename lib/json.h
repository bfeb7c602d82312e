/* SPDX-License-Identifier: GPL-2.0-or-later */
/* json: reading JSON (jansson) from a peer, field by field, with errors that name the field. Strings are borrowed from
 * the object. */
#ifndef VMCAST_JSON_H
#define VMCAST_JSON_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Parse a whole document of `len` bytes that must be an object; duplicate keys refused. Caller frees with json_decref.
 */
int json_parse_object(json_t **out, const char *text, size_t len, struct err *err);

/* A required field. -EPROTO if it is missing or of another type. `max`: largest value, or longest string in bytes. */
int json_need_string(const char **out, const json_t *obj, const char *key, size_t max, struct err *err);
int json_need_u64(uint64_t *out, const json_t *obj, const char *key, uint64_t max, struct err *err);

/* An optional field: `*out` is left as it is when the field is missing or null. */
int json_want_string(const char **out, const json_t *obj, const char *key, size_t max, struct err *err);
int json_want_u64(uint64_t *out, const json_t *obj, const char *key, uint64_t max, struct err *err);
int json_want_bool(bool *out, const json_t *obj, const char *key, struct err *err);

/* A string, or null for NULL; text that is no valid UTF-8 as log_quote shows it, so that it is never lost. Caller frees
 * with json_decref. */
json_t *json_text(const char *text);

static inline void json_free(json_t **j)
{
	json_decref(*j);
}

#endif
