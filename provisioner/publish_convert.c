/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish_convert: see publish_convert.h */
#include "publish_convert.h"

#include "convert_content.h"

/* As the service's own defaults (config.c): what subscribers get is what they would have made. */
#define CHUNK_BYTES       (1u << 20)
#define LEVEL             3
#define DISK_BYTES_MAX    (2ull << 40)
#define SCRATCH_BYTES_MAX (1ull << 40)

int publish_convert(struct store_content *out, int fd, const struct publish_convert_options *options, struct err *err)
{
	const struct convert_content_options convert = {
		.file = {
			.image = { .chunk_bytes = CHUNK_BYTES, .level = LEVEL, .disk_bytes_max = DISK_BYTES_MAX },
			.watch = *options->watch,
		},
		.work = options->work,
		.unpack_program = options->unpack_program,
		.scratch_bytes_max = SCRATCH_BYTES_MAX,
	};

	return convert_content(out, fd, &convert, err);
}
