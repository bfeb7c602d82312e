/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the description of a machine: xvm. */
#include "unpack_xvm.h"

#include "fuzz_vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct vm *vm = NULL;
	struct err err;

	if (xvm_parse(&vm, "fuzz", (const char *)data, len, &err))
		return 0;
	check_vm(vm, false);
	vm_free(&vm);
	return 0;
}
