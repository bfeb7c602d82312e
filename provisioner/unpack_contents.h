/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_contents: the enclosure -> the report of what is in it. Which form it has is decided by what its members are, by
 * their bytes; a description among them says which is what, and must fit them.
 */
#ifndef VMCAST_UNPACK_CONTENTS_H
#define VMCAST_UNPACK_CONTENTS_H

#include "unpack_report.h"
#include "unpack_work.h"

/* Caller frees with report_free. */
int unpack_contents(struct report **out, struct work *w, struct err *err);

#endif
