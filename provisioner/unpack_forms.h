/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_forms: archives with a description of the machine -> its disks and what is to be said of them. */
#ifndef VMCAST_UNPACK_FORMS_H
#define VMCAST_UNPACK_FORMS_H

#include "unpack_disk.h"
#include "unpack_vm.h"

/* What unpack_forms_find returns: reads one form. `depth`: of containers around what the members are. */
typedef int unpack_form(struct unpacking *u, struct unpack_archive *a, struct archive_member *description,
			unsigned depth, struct err *err);

/* The form of an archive by its members, and which of them describes it. `*form` NULL: none is described. */
int unpack_forms_find(unpack_form **form, struct archive_member **description, struct unpack_archive *a,
		      struct err *err);

/* What the report says of the machine, and of what is left out of it. */
int unpack_forms_machine(struct unpacking *u, const struct vm *vm, struct err *err);

/* "an OVA of 2 disks", for people. */
int unpack_forms_name(struct unpacking *u, struct err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
