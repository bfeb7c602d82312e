/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_work: what vmcast-unpack works with: the enclosure, files in the scratch folder (the current one), the bounds on
 * both, and how far it has come.
 */
#ifndef VMCAST_UNPACK_WORK_H
#define VMCAST_UNPACK_WORK_H

#include "err.h"
#include "unpack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WORK_NAME 8

struct work {
	uint64_t enclosure_bytes;
	uint64_t scratch_bytes_max, disk_bytes_max;
	uint64_t scratch_bytes;          /* written so far, holes not counted */
	unsigned file_count;             /* names given so far */
	uint64_t read_bytes, told_bytes; /* of the enclosure: what was read of it, what was last said of that */
	int progress_fd;                 /* -1: nobody wants to know */
	char open_name[WORK_NAME];       /* the scratch file that was read last */
	int open_fd;                     /* -1: none */
};

/* A stretch of a file. */
struct blob {
	char file[WORK_NAME]; /* "": the enclosure */
	uint64_t off, bytes;
};

/* Descriptor 0 is the enclosure. */
int work_init(struct work *w, struct err *err);
void work_done(struct work *w);

/* The file that a blob lies in; borrowed until the next call. */
int work_fd(int *out, struct work *w, const struct blob *blob, struct err *err);

/* Up to `len` bytes of a blob from `off` of it; less only at its end. -EBADMSG if the file is shorter than that. */
ssize_t blob_read(struct work *w, const struct blob *blob, void *buf, size_t len, uint64_t off, struct err *err);

/* All of a blob that has at most `max` bytes, with a NUL behind it. Caller frees. */
int blob_load(char **text, struct work *w, const struct blob *blob, size_t max, struct err *err);

/* Give back the room of a scratch file that is not needed any more; the enclosure stays. */
void blob_drop(struct work *w, const struct blob *blob);

/* A new file in the scratch folder. Zeros become holes. */
struct scratch_file {
	struct work *work;
	int fd;
	char name[WORK_NAME];
	uint64_t off, bytes_max;
};

/* `bytes_max`: no more than this is written (-EFBIG). Ends with scratch_finish or scratch_cancel. */
int scratch_create(struct scratch_file *f, struct work *w, uint64_t bytes_max, struct err *err);
int scratch_write(struct scratch_file *f, const void *data, size_t len, struct err *err);
/* Go to `off`, forwards: what lies between is a hole. */
int scratch_seek(struct scratch_file *f, uint64_t off, struct err *err);
int scratch_finish(struct blob *out, struct scratch_file *f, struct err *err);
/* What was not finished goes; nothing to do after scratch_finish. For CLEANUP. */
void scratch_cancel(struct scratch_file *f);

/* How long a disk image of a disk of disk_bytes_max may be: tables of formats come on top. */
uint64_t work_file_bytes_max(const struct work *w);

#endif
