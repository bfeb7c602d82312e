/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the report of vmcast-unpack: what is made of it keeps the promises of unpack.h. */
#include "unpack_report.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES 100000

static int64_t file_bytes(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "9") == 0 ? -1 : FILE_BYTES;
}

static void check_disk(const struct unpacked_disk *d)
{
	uint64_t end = 0;

	assert(d->name[0]);
	for (size_t i = 0; i < d->part_count; i++) {
		const struct unpacked_part *p = &d->parts[i];

		assert(p->file_bytes && p->file_off + p->file_bytes <= FILE_BYTES);
		assert(p->disk_off >= end && strspn(p->file, "0123456789") == strlen(p->file));
		assert(p->disk_bytes || d->part_count == 1);
		end = p->disk_off + p->disk_bytes;
	}
	assert(!d->disk_bytes || end <= d->disk_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct report *report = NULL;
	struct err err;

	if (report_read(&report, (const char *)data, len, file_bytes, NULL, &err)) {
		assert(err.code < 0);
		return 0;
	}
	const struct unpacked *u = report->unpacked;
	assert(u->form && (u->kind != ITEM_DISK || u->disk_count));
	assert(u->kind == ITEM_DISK || u->file);
	for (size_t i = 0; i < u->disk_count; i++)
		check_disk(&u->disks[i]);
	char *again = report_write(report);
	assert(again);
	free(again);
	report_free(&report);
	return 0;
}
