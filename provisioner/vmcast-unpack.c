/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmcast-unpack: opens one enclosure, and nothing else. vmcastd runs it in a sandbox (unpack.c):
 *
 *   vmcast-unpack FOLDER SCRATCH-BYTES-MAX DISK-BYTES-MAX <enclosure >report
 *
 * Files that are needed are written to the folder, with numbers for names. On standard output come lines of JSON: how
 * far it has come ({"done_bytes": N}), and at last the report (unpack_report.h), also of a failure.
 */
#include "cleanup.h"
#include "unpack_contents.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_number(uint64_t *out, const char *text)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

int main(int argc, char **argv)
{
	struct work work = { .open_fd = -1, .progress_fd = STDOUT_FILENO };
	CLEANUP(report_free) struct report *report = NULL;
	struct err err = { 0 };

	/* Names in archives are UTF-8, if anything: libarchive converts them to the character set of the locale. */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (argc != 4 || !read_number(&work.scratch_bytes_max, argv[2]) ||
	    !read_number(&work.disk_bytes_max, argv[3])) {
		fprintf(stderr, "usage: vmcast-unpack FOLDER SCRATCH-BYTES-MAX DISK-BYTES-MAX <ENCLOSURE >REPORT\n");
		return 2;
	}
	int rc = chdir(argv[1]) ? err_set(&err, -errno, "folder '%s': %s", argv[1], strerror(errno))
				: work_init(&work, &err);
	if (!rc)
		rc = unpack_contents(&report, &work, &err);
	work_done(&work);
	CLEANUP(free_str) char *line = rc ? report_write_error(&err) : report_write(report);
	if (!line || printf("%s\n", line) < 0 || fflush(stdout)) {
		fprintf(stderr, "vmcast-unpack: the report cannot be written\n");
		return 1;
	}
	return 0;
}
