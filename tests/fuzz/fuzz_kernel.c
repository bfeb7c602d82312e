/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an ELF kernel. */
#include "unpack_kernel.h"

#include <assert.h>
#include <string.h>

struct view {
	const uint8_t *data;
	size_t len;
};

static ssize_t read_view(void *ctx, void *buf, size_t len, uint64_t off, struct err *err)
{
	const struct view *v = ctx;
	size_t there = off < v->len ? v->len - (size_t)off : 0;

	(void)err;
	memcpy(buf, v->data + (there ? off : 0), len < there ? len : there);
	return (ssize_t)(len < there ? len : there);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct view view = { data, len };
	const struct kernel_source source = { read_view, &view };
	const char *name = NULL;
	struct err err;

	if (kernel_check(&name, &source, &err) == 0)
		assert(name);
	return 0;
}
