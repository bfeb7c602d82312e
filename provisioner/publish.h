/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish: disk images -> a folder that any web server can serve as a VMcast feed:
 *
 *   feed.xml                        replaced as one step, after all that it names is on the disk
 *   metadata/, <digest>.feed.xml    what followers of its publisher's keys go by, where there is a key (publish_sign.h)
 *   files/<digest>-<name>           an image in its publisher's form, or packed for other readers (publish_package.h)
 *   images/<id>/index, image.zst    its disks in the form that machines are given: subscribers need not convert
 *
 * Other bytes have other names, so that who reads the feed of before finds what it promised until its item is replaced.
 * One program at a time works on a folder.
 */
#ifndef VMCAST_PUBLISH_H
#define VMCAST_PUBLISH_H

#include "content.h"
#include "err.h"
#include "publish_feed.h"
#include "publish_sign.h"
#include "watch.h"

#include <stdbool.h>
#include <stdint.h>

enum publish_package { PUBLISH_AS_IT_IS, PUBLISH_XVM2, PUBLISH_OVA };

struct publish_options {
	const char *folder; /* made if it is not there */
	struct publish_channel channel;
	bool original, deployable;    /* which forms; at least one */
	enum publish_package package; /* what the original form is */
	const char *unpack_program;   /* path of vmcast-unpack */
	const char *arch, *firmware;  /* of every image; NULL: not told */
	uint64_t memory_bytes;        /* what its machine needs; 0: not told */
	unsigned cpus;
	const char
		*key; /* the publisher's repository, whose online key signs (publish_sign.h); NULL: nothing is signed */
	unsigned key_days;  /* for how long */
	struct watch watch; /* phases: "converting", "verifying", "packing", "copying", "digesting" */
};

struct publish_image {
	const char *path;
	const char *title;
	const char *description, *link; /* NULL: by default */
	const char *uuid;               /* NULL: made from the title */
};

/* What was published. Texts are owned; publish_result_free. */
struct publish_result {
	char *uuid;
	bool replaced; /* an item of this uuid */
	char *file;    /* the enclosure, below the folder */
	char *type;    /* its media type */
	uint64_t length;
	uint8_t digest[DIGEST_BYTES];
	uint64_t disk_bytes;          /* of the boot disk, 0: not looked at */
	bool original_only;           /* it is no disk but a kernel, say: it has no deployable form */
	struct store_content content; /* no disks: the deployable form was not asked for */
};
void publish_result_free(struct publish_result *result);

struct publish;

/*
 * Begin: make the folder if need be, lock it, read its feed. -EBUSY: another program works on it. Errors of
 * publish_feed_open. `options` is borrowed until publish_close, which removes what is half done.
 */
int publish_open(struct publish **out, const struct publish_options *options, struct err *err);
void publish_close(struct publish **p);

/* Add one image, or put it in place of the item with its uuid. When this returns 0 it can be downloaded. */
int publish_add(struct publish *p, struct publish_result *out, const struct publish_image *image, struct err *err);
/* Take an item away, and the files that only it named. -ENOENT: there is none. */
int publish_remove(struct publish *p, const char *uuid, struct err *err);

/* Sign the feed as it is, again or for the first time. Adding and removing do so by themselves, where there is a key. */
int publish_renew(struct publish *p, struct err *err);

/* What was signed last; all 0: nothing yet. */
struct publish_signed publish_signed(const struct publish *p);

/* Whether the feed's URLs are absolute, as readers other than vmcast need them. */
bool publish_is_absolute(const struct publish *p);

#endif
