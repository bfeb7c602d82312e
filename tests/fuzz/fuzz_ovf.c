/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an OVF descriptor. */
#include "unpack_ovf.h"

#include "fuzz_vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ovf *ovf = NULL;
	struct err err;

	if (ovf_parse(&ovf, "fuzz", (const char *)data, len, &err))
		return 0;
	check_vm(ovf->vm, true);
	assert(ovf->vm->disk_count);
	/* A disk comes from one of the files, or is empty. */
	for (size_t i = 0; i < ovf->vm->disk_count; i++) {
		const char *file = ovf->vm->disks[i].file;
		bool found = !file;

		for (size_t f = 0; f < ovf->file_count && !found; f++)
			found = strcmp(ovf->files[f].href, file) == 0;
		assert(found);
	}
	ovf_free(&ovf);
	return 0;
}
