/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_xvm: xvm.xml, the description in an .xvm archive, -> the machine. The format was a draft that each tool wrote in
 * its own way, so elements are looked for by any of the names that mean the same, in either case, as element or
 * attribute; what is said about bytes is checked where the bytes are.
 */
#ifndef VMCAST_UNPACK_XVM_H
#define VMCAST_UNPACK_XVM_H

#include "err.h"
#include "unpack_vm.h"

/*
 * `what` names the file in errors. Of the machine's disks each `file` is the image of a partition or of a whole disk, which
 * its bytes decide, and `name` is the device. There may be none: then the images of the archive are all there is to say.
 * Caller frees with vm_free.
 */
int xvm_parse(struct vm **out, const char *what, const char *text, size_t len, struct err *err);

#endif
