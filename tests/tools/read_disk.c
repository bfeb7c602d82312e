/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * read_disk: the bytes of the disk in an image file to standard output, by disk_reader; for tests of that alone.
 * usage: read_disk FORMAT FILE [OFFSET BYTES]
 */
#include "disk_reader.h"

#include "cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define PIECE_BYTES (1u << 20)

static int copy(struct disk_reader *r, struct err *err)
{
	static uint8_t buf[PIECE_BYTES];
	uint64_t hole_bytes = 0;
	ssize_t got;
	bool zero;

	while ((got = disk_reader_read(r, buf, sizeof(buf), &zero, err)) > 0) {
		hole_bytes += zero ? (uint64_t)got : 0;
		if (fwrite(buf, (size_t)got, 1, stdout) != 1)
			return err_set(err, -EIO, "write");
	}
	fprintf(stderr, "bytes=%" PRIu64 " holes=%" PRIu64 "\n", disk_reader_bytes(r), hole_bytes);
	return (int)got;
}

int main(int argc, char **argv)
{
	struct disk_reader_options options = { 0 };
	struct disk_reader *r = NULL;
	struct rusage usage;
	struct err err;
	const char *note;

	if (argc != 3 && argc != 5) {
		fprintf(stderr, "usage: read_disk FORMAT FILE [OFFSET BYTES]\n");
		return 2;
	}
	options.format = argv[1];
	options.path = argv[2];
	options.file_off = argc == 5 ? strtoull(argv[3], NULL, 10) : 0;
	options.file_bytes = argc == 5 ? strtoull(argv[4], NULL, 10) : 0;
	options.disk_bytes_max = 1ull << 40;
	int rc = disk_reader_open(&r, &options, &err);
	for (size_t nr = 0; !rc && (note = disk_reader_note(r, nr)); nr++)
		fprintf(stderr, "note: %s\n", note);
	if (!rc)
		rc = copy(r, &err);
	disk_reader_close(&r);
	if (rc)
		fprintf(stderr, "error %d: %s\n", err.code, err.text);
	getrusage(RUSAGE_CHILDREN, &usage);
	fprintf(stderr, "qemu_kib=%ld\n", usage.ru_maxrss);
	return rc != 0;
}
