/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_archive: a tar, zip or 7-Zip archive -> its members. Everything hostile about archives ends here: what may not be
 * in one is refused when it is opened, names lead nowhere, lengths are checked against what is really there.
 *
 * Members of an uncompressed tar are not copied: they are read where they lie.
 */
#ifndef VMCAST_UNPACK_ARCHIVE_H
#define VMCAST_UNPACK_ARCHIVE_H

#include "sniff.h"
#include "unpack_work.h"

#define ARCHIVE_MEMBERS_MAX 65536
#define ARCHIVE_NAME_MAX    1024

/* By its bytes, not its name. */
struct archive_member {
	char *name; /* no "./" or "/" in front, no "..", no empty parts */
	uint64_t bytes;
	const struct sniff_format *looks;
	char xml_root[32]; /* "Envelope", "domain"; "" if it is no XML */
	bool is_vmdk_text; /* a VMDK descriptor that is a file of its own */
	bool is_disk;      /* a disk image, or raw bytes with a partition table or a file system */
	bool wanted;       /* archive_fetch is to get it */
	bool ready;        /* `blob` is where it is */
	bool used;         /* for callers: it is part of something already */
	struct blob blob;
};

struct unpack_archive {
	struct work *work;
	struct blob blob;
	const char *kind; /* "tar", "zip", "7z" */
	struct archive_member *members;
	size_t member_count;
	bool is_rootfs;       /* the root of a file system; then there are no members here */
	bool is_xva;          /* the blocks of its disks are not among the members */
	bool has_absolute;    /* a name began with "/" */
	struct err fault;     /* what must not be in an archive of disks, e.g. a link; code 0: nothing */
	uint64_t total_bytes; /* of all members */
};

/*
 * One member after the other, in the archive's order. `data` reads what is next of the member being visited: up to
 * `room` bytes, and 0 at its end; what it leaves is skipped. A failure ends the walk.
 */
struct archive_walk {
	const char *name; /* normalised; borrowed during the call */
	uint64_t bytes;   /* as the archive says */
	size_t nr;        /* among the regular files, from 0 */
	void *state;
};

int archive_each(struct work *w, const struct blob *blob,
		 int (*visit)(void *ctx, struct archive_walk *at, struct err *err), void *ctx, struct err *err);
ssize_t archive_walk_read(struct archive_walk *at, void *buf, size_t room, struct err *err);

/* Caller closes with archive_close. -EBADMSG corrupt, lying, followed by something; -ENOTSUP encrypted, ...; -EFBIG. */
int archive_open(struct unpack_archive **out, struct work *w, const struct blob *blob, struct err *err);
void archive_close(struct unpack_archive **a);

/* NULL: none is called so. `folder_of`: a member in whose folder it must be; NULL: the name is the whole one. */
struct archive_member *archive_find(struct unpack_archive *a, const char *name, const struct archive_member *folder_of);

/* Get all members that are wanted, in one pass. */
int archive_fetch(struct unpack_archive *a, struct err *err);

/* A member that was fetched is not needed any more: its copy goes; what lies in the archive itself stays. */
void archive_drop(struct unpack_archive *a, struct archive_member *member);

/* A small member as text, with a NUL behind it. Caller frees. */
int archive_load(char **text, struct unpack_archive *a, struct archive_member *member, size_t max, struct err *err);

#endif
