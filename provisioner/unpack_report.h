/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_report: what vmcast-unpack found <-> the one line of JSON in which it tells. The writer runs in the sandbox; the
 * reader takes nothing of it on trust (unpack.h says what it promises).
 */
#ifndef VMCAST_UNPACK_REPORT_H
#define VMCAST_UNPACK_REPORT_H

#include "unpack.h"

#define REPORT_BYTES_MAX      (4u << 20)
#define REPORT_SIGNATURES_MAX 4
#define REPORT_NOTES_MAX      64

/* A detached OpenPGP signature, to be checked by whoever has the keys. */
struct report_signature {
	char *name;             /* of what is signed, as the archive calls it */
	char file[8];           /* what is signed, in the scratch folder */
	char signature_file[8]; /* the signature itself */
};

struct report {
	struct unpacked *unpacked;
	struct report_signature signatures[REPORT_SIGNATURES_MAX];
	size_t signature_count;
};

/* Caller frees with report_free. */
struct report *report_new(void);
void report_free(struct report **r);

/* Building: `*out` is owned by the report and stays where it is until the next disk or part of that disk is added. */
int report_add_disk(struct unpacked_disk **out, struct report *r, const char *name, struct err *err);
int report_add_part(struct unpacked_disk *disk, const struct unpacked_part *part, struct err *err);
int report_note(struct report *r, struct err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Caller frees. NULL: out of memory. */
char *report_write(const struct report *r);
char *report_write_error(const struct err *failure);

/*
 * `file_bytes(ctx, name)`: how long a scratch file is ("": the enclosure), or a negative value if there is none. The
 * failure that vmcast-unpack reports is returned as it was there; -EPROTO: this is no report.
 */
int report_read(struct report **out, const char *text, size_t len, int64_t (*file_bytes)(void *ctx, const char *name),
		void *ctx, struct err *err);

#endif
