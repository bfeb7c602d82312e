/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * read_disk: the bytes of the disk in an image file to OUT, by disk_reader; for tests of that alone. Holes stay holes.
 * usage: read_disk FORMAT FILE OUT [OFFSET BYTES]
 *        read_disk --unchecked FORMAT FILE    what QEMU does in its sandbox with what our own checks would refuse
 */
#include "disk_reader.h"

#include "bytes.h"
#include "cleanup.h"
#include "qemu_nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PIECE_BYTES    (1u << 20)
#define DISK_BYTES_MAX (16ull << 30)

static int copy(struct disk_reader *r, const char *path, struct err *err)
{
	static uint8_t buf[PIECE_BYTES];
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	uint64_t off = 0, hole_bytes = 0;
	ssize_t got;
	bool zero;

	while ((got = disk_reader_read(r, buf, sizeof(buf), &zero, err)) > 0) {
		if (zero && !bytes_are_zero(buf, (size_t)got))
			return err_set(err, -EPROTO, "what was said to be zero is not");
		if (zero)
			hole_bytes += (uint64_t)got;
		else if (pwrite(fd, buf, (size_t)got, (off_t)off) != got)
			return err_set(err, -EIO, "write");
		off += (uint64_t)got;
	}
	if (!got && ftruncate(fd, (off_t)off))
		return err_set(err, -EIO, "truncate");
	fprintf(stderr, "bytes=%" PRIu64 " holes=%" PRIu64 "\n", disk_reader_bytes(r), hole_bytes);
	return (int)got;
}

/* Whatever comes of it; what QEMU says goes to standard error. */
static int start_unchecked(const char *format, const char *path)
{
	struct qemu_image image = { .path = path, .driver = format, .disk_bytes = 1 };
	struct qemu_nbd *qemu = NULL;
	struct err err = { 0 };
	char answer[18];

	if (stat(path, &image.file))
		return 2;
	image.file_bytes = (uint64_t)image.file.st_size;
	if (qemu_check(&image, NULL, &err))
		fprintf(stderr, "%s\n", err.text);
	CLEANUP(close_fd) int fd = -1;
	if (qemu_nbd_open(&qemu, &fd, &image, &err))
		return 2;
	/* The server's greeting; none if it could not open the image. */
	ssize_t got = read(fd, answer, sizeof(answer));
	err_set(&err, -EPROTO, got == sizeof(answer) ? "QEMU takes it" : "QEMU refuses it");
	close(TAKE_FD(fd));
	qemu_nbd_explain(qemu, &err);
	fprintf(stderr, "%s: %s\n", got == sizeof(answer) ? "taken" : "refused", err.text);
	qemu_nbd_close(&qemu);
	return 0;
}

int main(int argc, char **argv)
{
	struct disk_reader_options options = { 0 };
	struct disk_reader *r = NULL;
	struct rusage usage;
	struct err err;
	const char *note;

	if (argc == 4 && strcmp(argv[1], "--unchecked") == 0)
		return start_unchecked(argv[2], argv[3]);
	if (argc != 4 && argc != 6) {
		fprintf(stderr, "usage: read_disk FORMAT FILE OUT [OFFSET BYTES]\n");
		return 2;
	}
	options.format = argv[1];
	options.path = argv[2];
	options.fd = open(argv[2], O_RDONLY | O_CLOEXEC);
	if (options.fd < 0) {
		fprintf(stderr, "open '%s': %s\n", argv[2], strerror(errno));
		return 1;
	}
	options.file_off = argc == 6 ? strtoull(argv[4], NULL, 10) : 0;
	options.file_bytes = argc == 6 ? strtoull(argv[5], NULL, 10) : 0;
	options.disk_bytes_max = DISK_BYTES_MAX;
	int rc = disk_reader_open(&r, &options, &err);
	for (size_t nr = 0; !rc && (note = disk_reader_note(r, nr)); nr++)
		fprintf(stderr, "note: %s\n", note);
	if (!rc)
		rc = copy(r, argv[3], &err);
	disk_reader_close(&r);
	if (rc)
		fprintf(stderr, "error %d: %s\n", err.code, err.text);
	getrusage(RUSAGE_CHILDREN, &usage);
	fprintf(stderr, "qemu_kib=%ld", usage.ru_maxrss);
	getrusage(RUSAGE_SELF, &usage);
	fprintf(stderr, " own_kib=%ld\n", usage.ru_maxrss);
	return rc != 0;
}
