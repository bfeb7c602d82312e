/* SPDX-License-Identifier: GPL-2.0-or-later */
/* range: the Range request header -> which bytes of a file to send. Source: RFC 9110, section 14. */
#ifndef VMCAST_RANGE_H
#define VMCAST_RANGE_H

#include <stdint.h>

enum range_kind {
	RANGE_WHOLE,        /* none asked for, or none that we serve: 200 and all of it, as the RFC allows */
	RANGE_PART,         /* 206 */
	RANGE_UNSATISFIABLE /* 416: well-formed and outside of the file */
};

/* Both ends count from 0; `last` is included. */
struct range {
	enum range_kind kind;
	uint64_t first;
	uint64_t last;
};

/* `header` is the field's value or NULL. A list of several ranges is answered with the whole: nobody we serve asks for
 * one. */
struct range range_parse(const char *header, uint64_t file_bytes);

#endif
