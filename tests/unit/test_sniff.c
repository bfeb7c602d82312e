/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bytes are is found by the bytes; what they were called must agree (F26). */
#include "sniff.h"

#include "tap.h"

#include <errno.h>
#include <stdlib.h>

static uint8_t head[SNIFF_HEAD_BYTES];

static const char *name_of(size_t off, const char *bytes, size_t len)
{
	memset(head, 0, sizeof(head));
	memcpy(head + off, bytes, len);
	return sniff_head(head, sizeof(head))->name;
}

static void test_magics(void)
{
	static const struct {
		const char *name;
		size_t off;
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "gzip", 0, "\x1f\x8b\x08\0", 4 },
		{ "xz", 0, "\xfd\x37zXZ\0", 6 },
		{ "zstd", 0, "\x28\xb5\x2f\xfd", 4 },
		{ "zstd", 0, "\x5a\x2a\x4d\x18", 4 },
		{ "bzip2", 0, "BZh91AY&SY", 10 },
		{ "a qcow2 image", 0, "QFI\xfb\0\0\0\3", 8 },
		{ "a QED image", 0, "QED\0", 4 },
		{ "a VMDK image", 0, "KDMV\1\0\0\0", 8 },
		{ "a VMDK image", 0, "COWD", 4 },
		{ "a qcow image (version 1)", 0, "QFI\xfb\0\0\0\1", 8 },
		{ "an ELF program", 0, "\x7f\x45LF\2\1\1", 7 },
		{ "a VMDK descriptor", 0, "# Disk DescriptorFile\nversion=1\n", 32 },
		{ "a VHD image", 0, "conectix", 8 },
		{ "a VHDX image", 0, "vhdxfile", 8 },
		{ "a VDI image", 64, "\x7f\x10\xda\xbe", 4 },
		{ "a Parallels image", 0, "WithoutFreeSpace", 16 },
		{ "a Parallels image", 0, "WithouFreSpacExt", 16 },
		{ "a Bochs image", 0, "Bochs Virtual HD Image", 22 },
		{ "a zip archive", 0, "PK\3\4", 4 },
		{ "a 7-Zip archive", 0, "7z\xbc\xaf\x27\x1c", 6 },
		{ "a RAR archive", 0, "Rar!\x1a\7\1\0", 8 },
		{ "lz4", 0, "\x04\x22\x4d\x18", 4 },
		{ "lzip", 0, "LZIP\1", 5 },
		{ "lzop", 0, "\x89LZO\0\r\n\x1a\n", 9 },
		{ "an HTML or XML page", 0, "\n <!DOCTYPE html><title>Log in</title>", 38 },
		{ "an HTML or XML page", 0, "<HTML>", 6 },
		{ "an ISO 9660 file system", 32769, "CD001", 5 },
		/* almost, and yet disks */
		{ "a raw disk", 0, "", 0 },
		{ "a raw disk", 0, "BZh9", 4 },
		{ "a raw disk", 1, "QFI\xfb", 4 },
		{ "a raw disk", 257, "ustar", 5 },
		{ "a raw disk", 0, "<b", 2 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_str(name_of(cases[i].off, cases[i].bytes, cases[i].len), cases[i].name, cases[i].name);
}

/* A tar header as tar writes it: a name, a size, and the sum of all its bytes in octal. */
static void put_tar(const char *magic)
{
	unsigned sum = 0;

	memset(head, 0, sizeof(head));
	memcpy(head, "/disk.img", 9);
	memcpy(head + 257, magic, strlen(magic));
	memset(head + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += head[i];
	snprintf((char *)head + 148, 8, "%06o", sum);
}

static void test_tar(void)
{
	put_tar("ustar");
	is_str(sniff_head(head, sizeof(head))->name, "a tar archive", "a tar archive with magic");
	put_tar("");
	is_str(sniff_head(head, sizeof(head))->name, "a tar archive", "and one from before there was a magic");
	head[0] ^= 1;
	is_str(sniff_head(head, sizeof(head))->name, "a raw disk", "with a wrong sum it is none");
}

static void test_iso(void)
{
	memset(head, 0, sizeof(head));
	memcpy(head + 32769, "CD001", 5);
	head[510] = 0x55;
	head[511] = 0xaa;
	is_str(sniff_head(head, sizeof(head))->name, "a raw disk", "a hybrid ISO image is made to be a disk");
}

static void test_short(void)
{
	static const char everything[] = "QFI\xfb";
	size_t wrong = 0;

	for (size_t len = 0; len < 4; len++)
		wrong += sniff_head((const uint8_t *)everything, len)->codec != &codec_none;
	is_int(wrong, 0, "a magic that is not all there is none");
	for (size_t len = 0; len < sizeof(head); len += 17) {
		uint8_t *copy = malloc(len + 1); /* its end is watched by the sanitizer */

		memset(copy, ' ', len);
		wrong += sniff_head(copy, len)->codec != &codec_none;
		free(copy);
	}
	is_int(wrong, 0, "any length can be looked at");
}

static void test_tail(void)
{
	uint8_t tail[512] = { 0 };
	struct err err;

	is_int(sniff_tail(tail, sizeof(tail), &err), 0, "a disk may end in zeros");
	memcpy(tail, "conectix", 8);
	is_int(sniff_tail(tail, sizeof(tail), &err), -ENOTSUP, "the footer of a fixed VHD is seen");
	memset(tail, 0, 8);
	memcpy(tail + 1, "conectix", 8);
	is_int(sniff_tail(tail, sizeof(tail), &err), -ENOTSUP, "one of 511 bytes, too");
	is_int(sniff_tail(tail, 300, &err), 0, "less than a sector holds none");
}

static void test_declared(void)
{
	static const struct {
		const char *type, *url;
		const char *name; /* NULL: nothing is promised; "": a contradiction */
	} cases[] = {
		{ NULL, "http://h/disk", NULL },
		{ NULL, "http://h/disk.img", NULL },
		{ "application/octet-stream", "http://h/disk.bin", NULL },
		{ NULL, "http://h/disk.img.gz", "gzip" },
		{ NULL, "http://h/disk.GZ", "gzip" },
		{ NULL, "http://h/disk.xz?token=a.gz#b.bz2", "xz" },
		{ NULL, "http://host.gz/disk", NULL },
		{ NULL, "http://host.gz", NULL },
		{ NULL, "http://h/d.gz/disk", NULL },
		{ "application/gzip", "http://h/disk", "gzip" },
		{ "application/x-gzip", "http://h/disk.img.gz", "gzip" },
		{ "application/zstd", "http://h/disk.raw.zst", "zstd" },
		{ "application/x-bzip2", "http://h/d.bz2", "bzip2" },
		{ "application/octet-stream", "http://h/d.qcow2", "a qcow2 image" },
		{ "application/enomalism2-xvm2", "http://h/d.xvm2", "a tar archive" },
		{ NULL, "http://h/d.raw", "a raw disk" },
		{ "application/gzip", "http://h/d.xz", "" },
		{ "application/x-xz", "http://h/d.raw", "" },
		{ "application", "http://h/d", NULL },
		{ " ", "http://h/d.", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sniff_format *format = NULL;
		struct err err;
		int rc = sniff_declared(&format, cases[i].type, cases[i].url, &err);

		if (cases[i].name && !cases[i].name[0])
			is_int(rc, -EBADMSG, cases[i].url);
		else
			is_str(rc ? err.text : format ? format->name : NULL, cases[i].name, cases[i].url);
	}
}

int main(void)
{
	test_magics();
	test_tar();
	test_iso();
	test_short();
	test_tail();
	test_declared();
	return done_testing();
}
