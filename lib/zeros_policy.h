/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zeros_policy: what happens on a disk to areas that its image has as zeros. Only the first one is right for every image:
 * an index cannot tell zeros that are content from space that nobody uses.
 */
#ifndef VMCAST_ZEROS_POLICY_H
#define VMCAST_ZEROS_POLICY_H

enum zeros_policy {
	ZEROS_ZERO,    /* they are zeros on the disk, too */
	ZEROS_DISCARD, /* they are discarded: what they read as then is the disk's business */
	ZEROS_KEEP,    /* what was there stays there */
};

/* In the order of the enum, NULL-terminated. */
extern const char *const zeros_policy_names[];

/* -EINVAL, with `*out` untouched: there is none of this name. */
int zeros_policy_parse(enum zeros_policy *out, const char *name);

#endif
