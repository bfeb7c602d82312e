/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * write_log: what a machine asked of its disk, as QEMU's blklogwrites recorded it, and the disk as a power cut would have
 * left it. The format is that of Linux's dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst).
 *
 * usage: write_log list LOG                     one line for each entry: NR write|zero|discard|flush OFFSET BYTES
 *        write_log apply LOG DISK FROM TO       entries FROM..TO-1 to the file DISK, all of them, in order
 *        write_log lose LOG DISK FROM TO SEED   the same by a cache that lost some of them: each arrives whole, or in
 *                                               some of its sectors, or not at all. A seed decides how many of each
 */
#include "bytes.h"
#include "cleanup.h"
#include "err.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_MAGIC    0x6a736677736872ull
#define LOG_VERSION  1
#define SUPER_BYTES  28 /* magic, version, count of entries, 64 bits each; sector size, 32 bits */
#define ENTRY_BYTES  32 /* sector, count of sectors, flags, length of data that is no sectors; 64 bits each */
#define FLAG_FLUSH   1u
#define FLAG_DISCARD 4u
#define FLAG_MARK    8u
#define SECTOR_BYTES 512u
#define PIECE_BYTES  (1u << 20)

struct write_log {
	int fd;
	const char *path;
	uint64_t entry_count;
	uint32_t sector_bytes; /* the log's unit; not what a disk may tear a write into */
};

struct entry {
	uint64_t disk_off;
	uint64_t bytes;
	uint64_t flags;
	uint64_t log_off; /* of its bytes */
};

/* How the cache loses what it was not asked to flush; NULL where one is expected: it loses nothing. */
struct loss {
	unsigned short state[3];
	double whole; /* share of writes that arrive whole */
	double torn;  /* share of which some sectors arrive */
};

static int read_all(const struct write_log *log, void *out, size_t len, uint64_t off, struct err *err)
{
	ssize_t got = pread(log->fd, out, len, (off_t)off);

	if (got < 0)
		return err_set(err, -errno, "read '%s': %s", log->path, strerror(errno));
	if ((size_t)got != len)
		return err_set(err, -EBADMSG, "'%s' ends at byte %" PRIu64, log->path, off + (uint64_t)got);
	return 0;
}

static int log_open(struct write_log *log, const char *path, struct err *err)
{
	uint8_t raw[SUPER_BYTES];

	log->path = path;
	log->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (log->fd < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	int rc = read_all(log, raw, sizeof(raw), 0, err);
	if (rc)
		return rc;
	log->entry_count = le64(raw + 16);
	log->sector_bytes = le32(raw + 24);
	if (le64(raw) != LOG_MAGIC || le64(raw + 8) != LOG_VERSION || log->sector_bytes < SECTOR_BYTES ||
	    log->sector_bytes > 4096)
		return err_set(err, -EBADMSG, "'%s' is not a log of writes", path);
	return 0;
}

/* The entry at `*log_off`, which moves behind it. */
static int next_entry(const struct write_log *log, struct entry *out, uint64_t *log_off, struct err *err)
{
	uint8_t raw[ENTRY_BYTES];
	int rc = read_all(log, raw, sizeof(raw), *log_off, err);

	if (rc)
		return rc;
	*out = (struct entry){
		.disk_off = le64(raw) * log->sector_bytes,
		.bytes = le64(raw + 8) * log->sector_bytes,
		.flags = le64(raw + 16),
		.log_off = *log_off + log->sector_bytes,
	};
	*log_off = out->log_off + (out->flags & (FLAG_DISCARD | FLAG_MARK) ? 0 : out->bytes);
	return 0;
}

/* An entry may hold gigabytes of zeros. */
static int is_zero(const struct write_log *log, const struct entry *e, bool *out, struct err *err)
{
	static uint8_t piece[PIECE_BYTES];

	*out = true;
	for (uint64_t at = 0; at < e->bytes && *out;) {
		size_t len = e->bytes - at < sizeof(piece) ? (size_t)(e->bytes - at) : sizeof(piece);
		int rc = read_all(log, piece, len, e->log_off + at, err);

		if (rc)
			return rc;
		*out = bytes_are_zero(piece, len);
		at += len;
	}
	return 0;
}

static int list(const struct write_log *log, struct err *err)
{
	uint64_t log_off = log->sector_bytes;

	for (uint64_t nr = 0; nr < log->entry_count; nr++) {
		struct entry e;
		bool zero = false;
		int rc = next_entry(log, &e, &log_off, err);

		if (!rc && !(e.flags & FLAG_DISCARD))
			rc = is_zero(log, &e, &zero, err);
		if (rc)
			return rc;
		/* With a flush, bytes are written after it (log-writes.rst); QEMU has it in an entry of its own. */
		if (e.flags & FLAG_FLUSH)
			printf("%" PRIu64 " flush 0 0\n", nr);
		if (e.bytes)
			printf("%" PRIu64 " %s %" PRIu64 " %" PRIu64 "\n", nr,
			       e.flags & FLAG_DISCARD ? "discard"
			       : zero                 ? "zero"
						      : "write",
			       e.disk_off, e.bytes);
	}
	return 0;
}

static bool chance(struct loss *loss, double share)
{
	return erand48(loss->state) < share;
}

/* Zeros become a hole: most of a disk is zeros, and what is made here is copied and compared again and again. */
static int put(int disk, const uint8_t *bytes, size_t len, uint64_t off, struct err *err)
{
	if (bytes_are_zero(bytes, len) &&
	    fallocate(disk, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) == 0)
		return 0;
	if (pwrite(disk, bytes, len, (off_t)off) == (ssize_t)len)
		return 0;
	return err_set(err, -EIO, "write to the disk: %s", strerror(errno));
}

/* Every sector, or some of them. */
static int put_piece(int disk, const uint8_t *bytes, size_t len, uint64_t off, struct loss *torn, struct err *err)
{
	int rc = 0;

	if (!torn)
		return put(disk, bytes, len, off, err);
	for (size_t at = 0; at < len && !rc; at += SECTOR_BYTES)
		if (chance(torn, 0.5))
			rc = put(disk, bytes + at, SECTOR_BYTES, off + at, err);
	return rc;
}

static int apply_entry(const struct write_log *log, const struct entry *e, int disk, struct loss *loss, struct err *err)
{
	static uint8_t piece[PIECE_BYTES];
	struct loss *torn = NULL;

	/* What a discarded sector holds is anybody's guess, so also what it held. */
	if (e->flags & (FLAG_DISCARD | FLAG_MARK))
		return 0;
	if (loss && !chance(loss, loss->whole)) {
		if (!chance(loss, loss->torn))
			return 0;
		torn = loss;
	}
	for (uint64_t at = 0; at < e->bytes;) {
		size_t len = e->bytes - at < sizeof(piece) ? (size_t)(e->bytes - at) : sizeof(piece);
		int rc = read_all(log, piece, len, e->log_off + at, err);

		if (!rc)
			rc = put_piece(disk, piece, len, e->disk_off + at, torn, err);
		if (rc)
			return rc;
		at += len;
	}
	return 0;
}

static int apply(const struct write_log *log, const char *path, uint64_t from, uint64_t to, struct loss *loss,
		 struct err *err)
{
	CLEANUP(close_fd) int disk = open(path, O_WRONLY | O_CLOEXEC);
	uint64_t log_off = log->sector_bytes;
	int rc = 0;

	if (disk < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (to > log->entry_count)
		return err_set(err, -EINVAL, "'%s' has only %" PRIu64 " entries", log->path, log->entry_count);
	for (uint64_t nr = 0; nr < to && !rc; nr++) {
		struct entry e;

		rc = next_entry(log, &e, &log_off, err);
		if (!rc && nr >= from)
			rc = apply_entry(log, &e, disk, loss, err);
	}
	return rc;
}

static struct loss loss_of(uint32_t seed)
{
	struct loss loss = { .state = { 0x330e, (unsigned short)seed, (unsigned short)(seed >> 16) } };

	erand48(loss.state); /* seeds that are neighbours give a first number that hardly differs */
	loss.whole = erand48(loss.state);
	loss.torn = erand48(loss.state);
	return loss;
}

int main(int argc, char **argv)
{
	struct write_log log = { .fd = -1 };
	struct err err = { 0 };
	int rc = -1;

	if (argc == 3 && strcmp(argv[1], "list") == 0) {
		rc = log_open(&log, argv[2], &err);
		rc = rc ? rc : list(&log, &err);
	} else if ((argc == 6 && strcmp(argv[1], "apply") == 0) || (argc == 7 && strcmp(argv[1], "lose") == 0)) {
		struct loss loss = loss_of(argc == 7 ? (uint32_t)strtoul(argv[6], NULL, 10) : 0);

		rc = log_open(&log, argv[2], &err);
		rc = rc ? rc
			: apply(&log, argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10),
				argc == 7 ? &loss : NULL, &err);
	} else {
		fprintf(stderr, "usage: write_log list LOG | apply LOG DISK FROM TO | lose LOG DISK FROM TO SEED\n");
		return 2;
	}
	if (rc)
		fprintf(stderr, "write_log: %s\n", err.text);
	if (log.fd >= 0)
		close(log.fd);
	return rc != 0;
}
