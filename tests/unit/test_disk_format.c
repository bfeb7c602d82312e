/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which disk images are taken and which are refused, with the field and its value: images as qemu-img makes them (F27),
 * of which one field is changed. Checksums are made right again, as whoever lies would.
 */
#include "disk_format.h"

#include "bytes.h"
#include "cleanup.h"
#include "disk_seal.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DISK_BYTES (8u << 20)

static char folder[] = "/tmp/vmcast-format.XXXXXX";

/* The image that `command` makes of $out, in memory: a descriptor. -1: it fails. */
static int make_image(const char *command)
{
	char line[512], path[64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/image", folder);
	snprintf(line, sizeof(line), "rm -f %s; out=%s; { %s; } >/dev/null 2>&1", path, path, command);
	if (system(line))
		return -1;
	CLEANUP(close_fd) int from = open(path, O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("image", MFD_CLOEXEC);
	if (from < 0 || fstat(from, &st) || ftruncate(fd, st.st_size))
		return -1;
	for (off_t at = 0; (at = lseek(from, at, SEEK_DATA)) >= 0;) {
		uint8_t buf[65536];
		ssize_t got = pread(from, buf, sizeof(buf), at);

		if (got <= 0 || pwrite(fd, buf, (size_t)got, at) != got)
			return -1;
		at += got;
	}
	return fd;
}

static uint64_t bytes_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint64_t)st.st_size;
}

/* Bochs has no tool that makes one without asking questions. */
static int make_bochs(void)
{
	uint8_t raw[512 + 4 * 128] = "Bochs Virtual HD Image";
	int fd = memfd_create("image", MFD_CLOEXEC);

	memcpy(raw + 32, "Redolog", 7);
	memcpy(raw + 48, "Growing", 7);
	put_le32(raw + 64, 0x00020000);
	put_le32(raw + 68, 512);
	put_le32(raw + 72, 128);
	put_le32(raw + 76, 512);
	put_le32(raw + 80, 65536);
	put_le64(raw + 88, DISK_BYTES);
	memset(raw + 512, 0xff, 4 * 128);
	if (pwrite(fd, raw, sizeof(raw), 0) != sizeof(raw))
		return -1;
	return fd;
}

static int check(struct disk_format *out, const char *driver, int fd, struct err *err)
{
	return disk_format_check(out, driver, fd, 0, bytes_of(fd), err);
}

struct change {
	int64_t off; /* negative: from the end */
	unsigned width;
	bool big_endian;
	uint64_t value;
	int code; /* 0: it is taken */
	const char *says;
};

static void put(int fd, const struct change *c)
{
	uint64_t at = c->off < 0 ? bytes_of(fd) - (uint64_t)-c->off : (uint64_t)c->off;
	uint8_t raw[8];

	for (unsigned i = 0; i < c->width; i++)
		raw[c->big_endian ? c->width - 1 - i : i] = (uint8_t)(c->value >> (8 * i));
	if (pwrite(fd, raw, c->width, (off_t)at) != (ssize_t)c->width)
		abort();
}

static int copy_of(int from)
{
	size_t len = (size_t)bytes_of(from);
	int fd = memfd_create("copy", MFD_CLOEXEC);
	void *bytes = mmap(NULL, len, PROT_READ, MAP_SHARED, from, 0);

	if (bytes == MAP_FAILED || write(fd, bytes, len) != (ssize_t)len)
		abort();
	munmap(bytes, len);
	return fd;
}

/* One field of one image is another number. */
static void test_changes(const char *driver, int image, const struct change *changes)
{
	struct disk_format format;
	struct err err;

	is_int(check(&format, driver, image, &err), 0, driver);
	is_int(format.disk_bytes, DISK_BYTES, "the size of its disk");
	is_int(disk_format_check(&format, driver, image, 0, 40, &err), -EBADMSG, "its beginning alone is none");
	for (const struct change *c = changes; c->says; c++) {
		CLEANUP(close_fd) int fd = copy_of(image);

		err.text[0] = '\0';
		put(fd, c);
		disk_seal(fd);
		int rc = check(&format, driver, fd, &err);
		ok(rc == c->code && strstr(err.text, c->says), "%s, %" PRIi64 "=%" PRIu64 ": %d %s", driver, c->off,
		   c->value, rc, err.text);
	}
}

/* clang-format off */
static const struct change qcow[] = {
	{ 8, 8, true, 512, -ENOTSUP, "backing_file_offset is 512" },
	{ 24, 8, true, 0, -EBADMSG, "0 bytes" },
	{ 24, 8, true, DISK_BYTES + 1, -ENOTSUP, "not a multiple of 512" },
	{ 24, 8, true, UINT64_MAX, -EBADMSG, "L1 table" },
	{ 32, 1, true, 8, -EBADMSG, "cluster_bits is 8" },
	{ 32, 1, true, 200, -EBADMSG, "cluster_bits is 200" },
	{ 33, 1, true, 14, -EBADMSG, "l2_bits is 14" },
	{ 36, 4, true, 1, -ENOTSUP, "crypt_method is 1" },
	{ 40, 8, true, UINT64_MAX, -EBADMSG, "L1 table" },
	{ 0 },
};

static const struct change qcow2[] = {
	{ 4, 4, true, 4, -ENOTSUP, "version 4" },
	{ 8, 8, true, 0x1000, -ENOTSUP, "backing_file_offset is 4096" },
	{ 20, 4, true, 8, -EBADMSG, "cluster_bits is 8" },
	{ 20, 4, true, 22, -EBADMSG, "cluster_bits is 22" },
	{ 20, 4, true, UINT32_MAX, -EBADMSG, "cluster_bits is 4294967295" },
	{ 24, 8, true, 0, -EBADMSG, "0 bytes" },
	{ 24, 8, true, DISK_BYTES + 256, -ENOTSUP, "not a multiple of 512" },
	{ 24, 8, true, 1ull << 40, -EBADMSG, "l1_size is 1" },
	{ 32, 4, true, 2, -ENOTSUP, "crypt_method is 2" },
	{ 36, 4, true, 0, -EBADMSG, "l1_size is 0" },
	{ 36, 4, true, 0x10000000, -ENOTSUP, "its L1 table has 2147483648 bytes" },
	{ 36, 4, true, 100, -EBADMSG, "its L1 table, 800 bytes" },
	{ 40, 8, true, 12345, -EBADMSG, "its L1 table lies at 12345" },
	{ 40, 8, true, 1ull << 60, -EBADMSG, "outside of the file" },
	{ 48, 8, true, 0, -EBADMSG, "its refcount table lies at 0" },
	{ 56, 4, true, 0, -EBADMSG, "refcount_table_clusters is 0" },
	{ 56, 4, true, UINT32_MAX, -ENOTSUP, "its refcount table has" },
	{ 60, 4, true, UINT32_MAX, -ENOTSUP, "nb_snapshots is 4294967295" },
	{ 60, 4, true, 1, -EBADMSG, "its snapshot table lies at 0" },
	{ 72, 8, true, 1, -ENOTSUP, "dirty" },
	{ 72, 8, true, 2, -EBADMSG, "marked corrupt" },
	{ 72, 8, true, 4, -ENOTSUP, "data is in another file" },
	{ 72, 8, true, 1ull << 40, -ENOTSUP, "0x10000000000" },
	{ 72, 8, true, 8, -ENOTSUP, "compression_type is 0" },
	{ 80, 8, true, 1, 0, "" },
	{ 88, 8, true, UINT64_MAX, 0, "" },
	{ 96, 4, true, 7, -EBADMSG, "refcount_order is 7" },
	{ 100, 4, true, 96, -EBADMSG, "header_length is 96" },
	{ 100, 4, true, 1u << 30, -EBADMSG, "header_length is 1073741824" },
	{ 104, 1, true, 2, -ENOTSUP, "compression_type is 2" },
	{ 112, 4, true, 0x44415441, -ENOTSUP, "names a data file" },
	{ 112, 4, true, 0x0537be77, -ENOTSUP, "encryption" },
	{ 116, 4, true, UINT32_MAX, -EBADMSG, "has 4294967295 bytes" },
	{ 0 },
};

static const struct change qed[] = {
	{ 4, 4, false, 0, -EBADMSG, "cluster_size is 0" },
	{ 4, 4, false, 65537, -EBADMSG, "cluster_size is 65537" },
	{ 4, 4, false, 1u << 27, -EBADMSG, "cluster_size is 134217728" },
	{ 8, 4, false, 3, -EBADMSG, "table_size is 3" },
	{ 8, 4, false, 32, -EBADMSG, "table_size is 32" },
	{ 12, 4, false, 0, -EBADMSG, "header_size 0" },
	{ 12, 4, false, UINT32_MAX, -EBADMSG, "header_size 4294967295" },
	{ 16, 8, false, 1, -ENOTSUP, "backing file" },
	{ 16, 8, false, 2, -ENOTSUP, "not closed cleanly" },
	{ 16, 8, false, 1 << 20, -ENOTSUP, "0x100000" },
	{ 40, 8, false, 7, -EBADMSG, "l1_table_offset is 7" },
	{ 40, 8, false, 1ull << 40, -EBADMSG, "L1 table" },
	{ 48, 8, false, 0, -EBADMSG, "0 bytes" },
	{ 48, 8, false, UINT64_MAX - 511, -EBADMSG, "image_size is" },
	{ 0 },
};

static const struct change vmdk[] = {
	{ 4, 4, false, 4, -ENOTSUP, "version 4" },
	{ 12, 8, false, 0, -EBADMSG, "capacity is 0" },
	{ 12, 8, false, UINT64_MAX, -EBADMSG, "capacity is" },
	{ 12, 8, false, 1ull << 45, -EBADMSG, "grain directory" },
	{ 20, 8, false, 0, -EBADMSG, "grainSize is 0" },
	{ 20, 8, false, 1ull << 40, -EBADMSG, "grainSize is" },
	{ 28, 8, false, 0, -ENOTSUP, "one file of a disk of several" },
	{ 28, 8, false, 2, -ENOTSUP, "at sector 2" },
	{ 36, 8, false, UINT64_MAX, -ENOTSUP, "its descriptor has" },
	{ 44, 4, false, 0, -EBADMSG, "numGTEsPerGT is 0" },
	{ 44, 4, false, 513, -EBADMSG, "numGTEsPerGT is 513" },
	{ 56, 8, false, UINT64_MAX, -EBADMSG, "does not end in a footer" },
	{ 56, 8, false, UINT64_MAX - 1, -EBADMSG, "gdOffset" },
	{ 56, 8, false, 1ull << 40, -EBADMSG, "grain directory" },
	{ 72, 1, false, 1, -ENOTSUP, "uncleanShutdown" },
	{ 10, 1, false, 3, -ENOTSUP, "compressAlgorithm is 0" },
	{ 512, 1, false, 'x', -EBADMSG, "no descriptor where it must be" },
	{ 513, 1, false, 0, -EBADMSG, "followed by something else" },
	{ 0 },
};

static const struct change vhd_dynamic[] = {
	{ 12, 4, true, 0x20000, -ENOTSUP, "version 0x00020000" },
	{ 16, 8, true, 1ull << 50, -EBADMSG, "tell different disks" },
	{ 48, 8, true, 1ull << 50, -EBADMSG, "tell different disks" },
	{ 60, 4, true, 2, -EBADMSG, "type in the copy of its footer is 2" },
	{ 60, 4, true, 4, -ENOTSUP, "differencing" },
	{ 84, 1, true, 1, -ENOTSUP, "saved state" },
	{ -452, 4, true, 4, -ENOTSUP, "differencing" },
	{ -452, 4, true, 2, -EBADMSG, "type in its footer is 2" },
	{ -464, 8, true, 1ull << 50, -EBADMSG, "tell different disks" },
	{ -512, 1, true, 'C', -EBADMSG, "its footer is not where it must be" },
	{ 512, 1, true, 'x', -EBADMSG, "no dynamic header" },
	{ 512 + 16, 8, true, 1ull << 50, -EBADMSG, "block map" },
	{ 512 + 28, 4, true, 1, -EBADMSG, "does not fit into 1 blocks" },
	{ 512 + 32, 4, true, 3 << 20, -EBADMSG, "blocks have 3145728 bytes" },
	{ 512 + 576, 4, true, 0x57326b75, -ENOTSUP, "parent locator" },
	{ 1536, 4, true, 0x10000000, -EBADMSG, "a block, " },
	{ 0 },
};

static const struct change vhd_fixed[] = {
	{ -464, 8, true, 1ull << 50, -EBADMSG, "is said to have" },
	{ -452, 4, true, 3, -EBADMSG, "a footer that is only at the end" },
	{ -452, 4, true, 4, -ENOTSUP, "differencing" },
	{ 0 },
};

static const struct change vdi[] = {
	{ 68, 4, false, 0x20000, -ENOTSUP, "version 2.0" },
	{ 76, 4, false, 4, -ENOTSUP, "type is 4" },
	{ 340, 4, false, 100, -EBADMSG, "offBlocks is 100" },
	{ 344, 4, false, 512, -EBADMSG, "offData 512" },
	{ 344, 4, false, 0xfffffe00, -EBADMSG, "its data" },
	{ 360, 4, false, 4096, -ENOTSUP, "cbSector is 4096" },
	{ 368, 8, false, 0, -EBADMSG, "0 bytes" },
	{ 368, 8, false, 1ull << 60, -EBADMSG, "does not fit" },
	{ 376, 4, false, 4096, -ENOTSUP, "cbBlock 4096" },
	{ 380, 4, false, 512, -ENOTSUP, "cbBlockExtra 512" },
	{ 384, 4, false, UINT32_MAX, -EBADMSG, "offData" },
	{ 388, 4, false, 9, -EBADMSG, "allocated" },
	{ 388, 4, false, 8, -EBADMSG, "its data" },
	{ 424, 1, false, 1, -ENOTSUP, "parent" },
	{ 512, 4, false, 0xfffffffe, 0, "" }, /* zeros */
	{ 512 + 28, 4, false, 0, -EBADMSG, "a block, 1048576 bytes at " },
	{ 512 + 28, 4, false, 0xfffffffd, -EBADMSG, "a block, 1048576 bytes at " },
	{ 440, 1, false, 1, -ENOTSUP, "parent" },
	{ 0 },
};

static const struct change parallels[] = {
	{ 16, 4, false, 3, -ENOTSUP, "version 3" },
	{ 28, 4, false, 0, -EBADMSG, "blocks have 0 sectors" },
	{ 28, 4, false, UINT32_MAX, -EBADMSG, "blocks have" },
	{ 32, 4, false, 1, -EBADMSG, "does not fit into 1 blocks" },
	{ 32, 4, false, UINT32_MAX, -EBADMSG, "inside of its map" },
	{ 36, 8, false, 0, -EBADMSG, "0 bytes" },
	{ 44, 4, false, 0x746f6e59, -ENOTSUP, "not closed cleanly" },
	{ 0 },
};

static const struct change bochs[] = {
	{ 32, 1, false, 'X', -ENOTSUP, "no growing disk" },
	{ 48, 1, false, 'U', -ENOTSUP, "no growing disk" },
	{ 64, 4, false, 3, -ENOTSUP, "version 0x00000003" },
	{ 68, 4, false, 0, -EBADMSG, "header has 0 bytes" },
	{ 72, 4, false, UINT32_MAX, -EBADMSG, "4294967295 entries" },
	{ 72, 4, false, 1, -EBADMSG, "does not fit into 1 extents" },
	{ 72, 4, false, 129, -EBADMSG, "catalog" },
	{ 76, 4, false, 15, -EBADMSG, "bitmaps 15" },
	{ 80, 4, false, 0, -EBADMSG, "extents have 0 bytes" },
	{ 80, 4, false, 1 << 24, -EBADMSG, "extents have" },
	{ 88, 8, false, UINT64_MAX, -EBADMSG, "does not fit" },
	{ 512, 4, false, 1, -EBADMSG, "an extent" },
	{ 0 },
};

/* qemu-img puts the metadata of a VHDX of this size at 3 MiB, its values 64 KiB further. */
#define METADATA (3 << 20)
static const struct change vhdx[] = {
	{ 65536, 4, false, 0, 0, "" }, /* the second header will do */
	{ 131072 + 66, 2, false, 2, -ENOTSUP, "version 2" },
	{ 131072 + 68, 4, false, 123, -EBADMSG, "its log has 123 bytes" },
	{ 131072 + 72, 8, false, 1ull << 40, -EBADMSG, "its log" },
	{ 196608, 4, false, 0, -EBADMSG, "region table is not intact" },
	{ 196608 + 8, 4, false, UINT32_MAX, -EBADMSG, "region table is not intact" },
	{ 196608 + 8, 4, false, 1, -EBADMSG, "has no" },
	{ 196608 + 16, 1, false, 0, -EBADMSG, "has no block map" },
	{ 196608 + 16 + 16, 8, false, 1ull << 40, -EBADMSG, "outside of the file" },
	{ 196608 + 16 + 16, 8, false, UINT64_MAX << 20, -EBADMSG, "outside of the file" },
	{ 196608 + 16 + 16, 8, false, 12345, -EBADMSG, "neither may be any number" },
	{ 196608 + 16 + 24, 4, false, 0, -EBADMSG, "neither may be any number" },
	{ METADATA, 1, false, 'x', -EBADMSG, "its metadata is not intact" },
	{ METADATA + 10, 2, false, 2, -EBADMSG, "lacks an item" },
	{ METADATA + 32, 1, false, 0, -ENOTSUP, "item that is not known" },
	{ METADATA + 32 + 16, 4, false, UINT32_MAX, -EBADMSG, "an item of its metadata has" },
	{ METADATA + 65536, 4, false, 3, -EBADMSG, "blocks have 3 bytes" },
	{ METADATA + 65536 + 4, 4, false, 2, -ENOTSUP, "differencing" },
	{ METADATA + 65536 + 8, 8, false, 0, -EBADMSG, "0 bytes" },
	{ METADATA + 65536 + 8, 8, false, 1ull << 46, -EBADMSG, "too short" },
	{ METADATA + 65536 + 8, 8, false, UINT64_MAX - 511, -EBADMSG, "the size of its disk" },
	{ 0 },
};
/* clang-format on */

static const struct {
	const char *driver, *options;
	const struct change *changes;
} images[] = {
	{ "qcow", "", qcow },
	{ "qcow2", "", qcow2 },
	{ "qed", "", qed },
	{ "vmdk", "", vmdk },
	{ "vpc", "-o force_size=on", vhd_dynamic },
	{ "vpc", "-o subformat=fixed,force_size=on", vhd_fixed },
	{ "vhdx", "", vhdx },
	{ "vdi", "", vdi },
	{ "parallels", "", parallels },
};

static void test_images(void)
{
	char command[256];

	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		snprintf(command, sizeof(command), "qemu-img create -f %s %s $out %u", images[i].driver,
			 images[i].options, DISK_BYTES);
		CLEANUP(close_fd) int fd = make_image(command);
		ok(fd >= 0, "qemu-img makes %s %s", images[i].driver, images[i].options);
		if (fd >= 0)
			test_changes(images[i].driver, fd, images[i].changes);
	}
	CLEANUP(close_fd) int fd = make_bochs();
	test_changes("bochs", fd, bochs);
}

/* As QEMU writes a shorter CID over a longer one: the text, a NUL, and what was there before. %s: what becomes of that. */
#define SHORTER_CID                                                                                                    \
	"qemu-img create -f vmdk $out 8M; perl -e 'open my $f, \"+<:raw\", $ARGV[0]; seek $f, 512, 0; read $f, my "    \
	"$t, 10240;"                                                                                                   \
	" my $u = substr($t, 0, index($t, \"\\0\")); $u =~ s/CID=[0-9a-f]+/CID=1/; substr($t, 0, 1 + length $u) = $u " \
	". \"\\0\";"                                                                                                   \
	" %s seek $f, 512, 0; print $f $t' $out"

static void what_qemu_leaves_of_a_longer_cid_is_nothing(void)
{
	static const struct {
		const char *change, *name;
		int code;
	} cases[] = {
		{ "", "the end of the text before", 0 },
		{ "substr($t, 1 + length $u, 1) = \"x\";", "a character that was not its", -EBADMSG },
		{ "substr($t, 100 + length $u, 1) = \"x\";", "one further on", -EBADMSG },
	};
	struct disk_format format;
	char command[512];
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(command, sizeof(command), SHORTER_CID, cases[i].change);
		CLEANUP(close_fd) int fd = make_image(command);
		is_int(check(&format, "vmdk", fd, &err), cases[i].code, cases[i].name);
	}
}

/* What qemu-img itself makes that leads to other files, or is not all. */
static void test_refused(void)
{
	static const struct {
		const char *driver, *command;
		int code;
		const char *says;
	} cases[] = {
		{ "qcow2", "qemu-img create -f raw $out.b 8M; qemu-img create -f qcow2 -F raw -b $out.b $out", -ENOTSUP,
		  "backing file" },
		{ "qcow2", "qemu-img create -f qcow2 -o data_file=$out.d $out 8M", -ENOTSUP, "in another file" },
		{ "qcow2", "qemu-img create -f qcow2 -o data_file=$out.d,data_file_raw=on $out 8M", -ENOTSUP,
		  "in another file" },
		{ "qcow2",
		  /* It measures how fast it is, and gives up where others keep it from that. */
		  "for try in 1 2 3 4 5 6 7 8 9; do qemu-img create --object secret,id=s,data=x -f qcow2 "
		  "-o encrypt.format=luks,encrypt.iter-time=10,encrypt.key-secret=s $out 8M && break; done",
		  -ENOTSUP, "crypt_method is 2" },
		{ "qcow", "qemu-img create -f raw $out.b 8M; qemu-img create -f qcow -b $out.b -F raw $out", -ENOTSUP,
		  "backing file" },
		{ "qed", "qemu-img create -f raw $out.b 8M; qemu-img create -f qed -b $out.b -F raw $out", -ENOTSUP,
		  "backing file" },
		{ "vmdk", "qemu-img create -f vmdk $out.b 8M; qemu-img create -f vmdk -b $out.b -F vmdk $out", -ENOTSUP,
		  "parent" },
		{ "vmdk", "qemu-img create -f vmdk -o subformat=monolithicFlat $out 8M", -EBADMSG,
		  "a VMDK descriptor" },
		{ "vmdk", "printf '# Disk DescriptorFile\\nversion=1\\nRW 1 FLAT \"/etc/shadow\" 0\\n' >$out", -EBADMSG,
		  "a VMDK descriptor" },
		{ "vmdk",
		  "qemu-img create -f vmdk $out 8M; printf 'parentCID=12345678' | "
		  "dd of=$out bs=1 seek=2000 conv=notrunc",
		  -EBADMSG, "followed by something else" },
		{ "vmdk", "qemu-img create -f vmdk $out 8M; sed -i 's/parentCID=ffffffff/parentCID=12345678/' $out",
		  -ENOTSUP, "parentCID=12345678" },
		{ "vmdk", "qemu-img create -f vmdk $out 8M; sed -i 's/ SPARSE \"/ VMFS   \"/' $out", -ENOTSUP,
		  "extent of type VMFS" },
		{ "vmdk", "qemu-img create -f vmdk $out 8M; sed -i 's/monolithicSparse/monolithicSpar5e/' $out",
		  -ENOTSUP, "not a disk of one file" },
		{ "raw", "qemu-img create -f qcow2 $out 8M", -EBADMSG, "was said to be in the format raw" },
		{ "vmdk", "qemu-img create -f qcow2 $out 8M", -EBADMSG, "was said to be in the format vmdk" },
		{ "qcow2", "truncate -s 1M $out", -EBADMSG, "it is a raw disk" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(close_fd) int fd = make_image(cases[i].command);
		struct disk_format format;
		struct err err = { 0 };
		int rc = fd < 0 ? -1 : check(&format, cases[i].driver, fd, &err);

		ok(rc == cases[i].code && strstr(err.text, cases[i].says), "%s: %d %s", cases[i].command, rc, err.text);
	}
}

static void test_notes(void)
{
	struct disk_format format;
	struct err err;

	CLEANUP(close_fd) int snapshot = make_image("qemu-img create -f qcow2 $out 8M; qemu-img snapshot -c a $out");
	is_int(check(&format, NULL, snapshot, &err), 0, "an internal snapshot is no reason to refuse");
	is_str(format.notes[0], "1 internal snapshot is ignored; the disk is as it is now", "but said");
	CLEANUP(close_fd) int geometry = make_image("qemu-img create -f vpc $out 9437696");
	is_int(check(&format, "vpc", geometry, &err), 0, "a VHD whose geometry is another disk than its size");
	is_int(format.disk_bytes, 9469952, "has its geometry's");
	ok(disk_format_is_known("vhdx") && !disk_format_is_known("raw") && !disk_format_is_known("nbd"),
	   "drivers that lead elsewhere are not known");
}

int main(void)
{
	char command[64];

	if (!mkdtemp(folder))
		return 2;
	test_images();
	test_refused();
	what_qemu_leaves_of_a_longer_cid_is_nothing();
	test_notes();
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) ? 2 : done_testing();
}
