/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sniff: see sniff.h. Magic numbers are from each format's own specification. */
#include "sniff.h"

#include "bytes.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define TYPE_MAX 128

enum {
	RAW,
	GZIP,
	XZ,
	ZSTD,
	BZIP2,
	QCOW,
	QCOW2,
	VMDK,
	VMDK_TEXT,
	VHD,
	VHDX,
	VDI,
	QED,
	PARALLELS,
	BOCHS,
	TAR,
	ZIP,
	SEVEN_ZIP,
	RAR,
	LZ4,
	LZIP,
	LZOP,
	LZMA,
	SPARSE,
	HTML,
	ISO,
	BZIMAGE,
	ELF,
};

/* clang-format off */
static const struct sniff_format formats[] = {
	[RAW] = { "a raw disk", SNIFF_RAW, &codec_none, "raw", " application/x-raw-disk-image ", " raw " },
	[GZIP] = { "gzip", SNIFF_CODEC, &codec_gzip, NULL,
		   " application/gzip application/x-gzip application/x-gunzip ", " gz gzip " },
	[XZ] = { "xz", SNIFF_CODEC, &codec_xz, NULL, " application/xz application/x-xz ", " xz " },
	[ZSTD] = { "zstd", SNIFF_CODEC, &codec_zstd, NULL, " application/zstd application/x-zstd ", " zst zstd " },
	[BZIP2] = { "bzip2", SNIFF_CODEC, &codec_bzip2, NULL,
		    " application/bzip2 application/x-bzip2 application/x-bzip ", " bz2 bzip2 " },
	[QCOW] = { "a qcow image (version 1)", SNIFF_DISK, NULL, "qcow", "", "" },
	/* ".qcow" and "application/x-qemu-disk" promise nothing: both versions have been called so. */
	[QCOW2] = { "a qcow2 image", SNIFF_DISK, NULL, "qcow2", " application/x-qcow2 ", " qcow2 " },
	[VMDK] = { "a VMDK image", SNIFF_DISK, NULL, "vmdk", " application/x-vmdk application/x-vmdk-disk ", " vmdk " },
	[VMDK_TEXT] = { "a VMDK descriptor", SNIFF_OTHER, NULL, NULL, "", "" },
	[VHD] = { "a VHD image", SNIFF_DISK, NULL, "vpc", " application/x-vhd application/x-vhd-disk ", " vhd vpc " },
	[VHDX] = { "a VHDX image", SNIFF_DISK, NULL, "vhdx", " application/x-vhdx application/x-vhdx-disk ", " vhdx " },
	[VDI] = { "a VDI image", SNIFF_DISK, NULL, "vdi", " application/x-virtualbox-vdi application/x-vdi-disk ", " vdi " },
	[QED] = { "a QED image", SNIFF_DISK, NULL, "qed", " application/x-qed-disk ", " qed " },
	[PARALLELS] = { "a Parallels image", SNIFF_DISK, NULL, "parallels", "", " hdd hds " },
	[BOCHS] = { "a Bochs image", SNIFF_DISK, NULL, "bochs", "", " bochs " },
	[TAR] = { "a tar archive", SNIFF_ARCHIVE, NULL, NULL,
		  " application/x-tar application/enomalism2-xvm2 application/enomalism2-xvm application/ovf ",
		  " tar ova xvm xvm2 xva " },
	[ZIP] = { "a zip archive", SNIFF_ARCHIVE, NULL, NULL, " application/zip application/x-zip-compressed ", " zip " },
	[SEVEN_ZIP] = { "a 7-Zip archive", SNIFF_ARCHIVE, NULL, NULL, " application/x-7z-compressed ", " 7z " },
	[RAR] = { "a RAR archive", SNIFF_ARCHIVE, NULL, NULL, " application/vnd.rar ", " rar " },
	[LZ4] = { "lz4", SNIFF_CODEC, &codec_lz4, NULL, " application/x-lz4 ", " lz4 " },
	[LZIP] = { "lzip", SNIFF_CODEC, NULL, NULL, " application/lzip application/x-lzip ", " lz " },
	[LZOP] = { "lzop", SNIFF_CODEC, NULL, NULL, " application/x-lzop ", " lzo " },
	[LZMA] = { "lzma", SNIFF_CODEC, &codec_lzma, NULL, " application/x-lzma ", " lzma " },
	[SPARSE] = { "an Android sparse image", SNIFF_OTHER, NULL, NULL, "", " simg " },
	[HTML] = { "an HTML or XML page", SNIFF_OTHER, NULL, NULL, " text/html application/xhtml+xml ", " html htm xml " },
	/* ".iso" promises nothing: hybrid images, which are raw disks, have that name, too. */
	[ISO] = { "an ISO 9660 file system", SNIFF_ISO, NULL, NULL, "", "" },
	[BZIMAGE] = { "a Linux kernel (bzImage)", SNIFF_KERNEL, NULL, NULL, "", "" },
	[ELF] = { "an ELF program", SNIFF_KERNEL, NULL, NULL, "", " elf " },
};
/* clang-format on */

/* In the order they are looked for. */
static const struct magic {
	int format;
	size_t off;
	const char *bytes;
	size_t len;
} magics[] = {
	{ GZIP, 0, "\x1f\x8b\x08", 3 },
	{ XZ, 0, "\xfd\x37zXZ\0", 6 },
	{ QCOW, 0, "QFI\xfb\0\0\0\1", 8 },
	{ QCOW2, 0, "QFI\xfb", 4 },
	{ QED, 0, "QED\0", 4 },
	{ VMDK, 0, "KDMV", 4 },
	{ VMDK, 0, "COWD", 4 },
	{ VMDK_TEXT, 0, "# Disk DescriptorFile", 21 },
	{ VHD, 0, "conectix", 8 },
	{ VHDX, 0, "vhdxfile", 8 },
	{ VDI, 64, "\x7f\x10\xda\xbe", 4 },
	{ PARALLELS, 0, "WithoutFreeSpace", 16 },
	{ PARALLELS, 0, "WithouFreSpacExt", 16 },
	{ BOCHS, 0, "Bochs Virtual HD Image", 22 },
	{ ZIP, 0, "PK\3\4", 4 },
	{ SEVEN_ZIP, 0, "7z\xbc\xaf\x27\x1c", 6 },
	{ RAR, 0, "Rar!\x1a\7", 6 },
	{ LZ4, 0, "\x04\x22\x4d\x18", 4 },
	{ LZIP, 0, "LZIP\1", 5 },
	{ LZOP, 0, "\x89LZO\0\r\n\x1a\n", 9 },
	{ LZMA, 0, "\x5d\0\0", 3 },
	{ SPARSE, 0, "\x3a\xff\x26\xed", 4 },
	{ ELF, 0, "\x7f\x45LF", 4 },
};

/* What ends the first sector of anything a BIOS can boot from, and of every partition table that is not empty. */
static bool has_boot_signature(const uint8_t *head, size_t len)
{
	return len >= 512 && head[510] == 0x55 && head[511] == 0xaa;
}

/*
 * A tar header carries a checksum of its own, compared here: "ustar" alone may stand anywhere in a boot loader's code,
 * and archives older than POSIX have no magic at all. Source: POSIX.1-2017 pax, ustar interchange format.
 */
static bool is_tar(const uint8_t *head, size_t len)
{
	unsigned want = 0, sum = 8 * ' ';

	if (len < 512 || head[0] == '\0')
		return false;
	for (size_t i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? 0 : head[i];
	for (size_t i = 148; i < 156 && head[i] != '\0'; i++) {
		if (head[i] == ' ')
			continue;
		if (head[i] < '0' || head[i] > '7')
			return false;
		want = want * 8 + (head[i] - '0');
	}
	return sum == want;
}

/* An error or login page that a server sent with status 200. */
static bool is_html(const uint8_t *head, size_t len)
{
	static const char *const starts[] = { "<!doctype", "<html", "<head", "<?xml" };
	size_t at = 0;

	while (at < len && isspace(head[at]))
		at++;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t want = strlen(starts[i]);

		if (len - at >= want && strncasecmp((const char *)head + at, starts[i], want) == 0)
			return true;
	}
	return false;
}

/*
 * An ISO 9660 file system that is no disk. Hybrid images are made to be written to disks as they are, and a disk may
 * hold the remains of one in the gap before its first partition: both have a boot signature, and are raw disks.
 */
static bool is_iso(const uint8_t *head, size_t len)
{
	return len >= 32769 + 5 && memcmp(head + 32769, "CD001", 5) == 0 && !has_boot_signature(head, len);
}

/* Source: the kernel's Documentation/arch/x86/boot.rst; a header before version 2.0 has no magic. */
static bool is_bzimage(const uint8_t *head, size_t len)
{
	return len >= 520 && has_boot_signature(head, len) && memcmp(head + 514, "HdrS", 4) == 0 && head[519] >= 2;
}

const struct sniff_format *sniff_head(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		const struct magic *m = &magics[i];

		if (len >= m->off + m->len && memcmp(head + m->off, m->bytes, m->len) == 0)
			return &formats[m->format];
	}
	if (codec_zstd.begins(head, len))
		return &formats[ZSTD];
	if (codec_bzip2.begins(head, len))
		return &formats[BZIP2];
	if (is_tar(head, len))
		return &formats[TAR];
	if (is_html(head, len))
		return &formats[HTML];
	if (is_iso(head, len))
		return &formats[ISO];
	if (is_bzimage(head, len))
		return &formats[BZIMAGE];
	return &formats[RAW];
}

static bool has_vhd_footer(const uint8_t *tail, size_t len)
{
	/* 511: the footer of the first versions of Virtual PC is one byte short. */
	for (size_t footer = 511; footer <= 512; footer++) {
		if (len >= footer && memcmp(tail + len - footer, "conectix", 8) == 0)
			return true;
	}
	return false;
}

int sniff_tail(const uint8_t *tail, size_t len, struct err *err)
{
	if (has_vhd_footer(tail, len))
		return err_set(err, -ENOTSUP, "it is a VHD image (of fixed size), which is not supported yet");
	return 0;
}

static int read_at(uint8_t *buf, size_t len, int fd, uint64_t off, struct err *err)
{
	ssize_t got = pread(fd, buf, len, (off_t)off);

	if (got < 0)
		return err_set(err, -errno, "read: %s", strerror(errno));
	if ((size_t)got < len)
		return err_set(err, -EBADMSG, "the file ends at byte %" PRIu64, off + (uint64_t)got);
	return 0;
}

int sniff_file(const struct sniff_format **out, int fd, uint64_t off, uint64_t bytes, struct err *err)
{
	uint8_t head[SNIFF_HEAD_BYTES], tail[SNIFF_TAIL_BYTES];
	size_t head_len = bytes < sizeof(head) ? (size_t)bytes : sizeof(head);
	size_t tail_len = bytes < sizeof(tail) ? (size_t)bytes : sizeof(tail);
	int rc = read_at(head, head_len, fd, off, err);

	if (!rc)
		rc = read_at(tail, tail_len, fd, off + bytes - tail_len, err);
	if (rc)
		return rc;
	const struct sniff_format *format = sniff_head(head, head_len);
	*out = format->kind == SNIFF_RAW && has_vhd_footer(tail, tail_len) ? &formats[VHD] : format;
	return 0;
}

/* The format whose list, " one two ", has `word`. */
static const struct sniff_format *find_promise(bool by_type, const char *word)
{
	char spaced[TYPE_MAX + 3];

	if (!word[0] || strlen(word) > TYPE_MAX || strchr(word, ' '))
		return NULL;
	snprintf(spaced, sizeof(spaced), " %s ", word);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcasestr(by_type ? formats[i].types : formats[i].suffixes, spaced))
			return &formats[i];
	}
	return NULL;
}

/* The ending of the file name in a URL: what follows the last dot of the last part of its path. */
static void url_suffix(char out[static TYPE_MAX], const char *url)
{
	const char *authority = strstr(url, "://");
	const char *path = authority ? strchr(authority + 3, '/') : url;
	size_t len = path ? strcspn(path, "?#") : 0;
	const char *slash = len ? memrchr(path, '/', len) : NULL;
	const char *name = slash ? slash + 1 : path;
	const char *dot = len ? memrchr(name, '.', len - (size_t)(name - path)) : NULL;
	size_t suffix_len = dot ? len - (size_t)(dot + 1 - path) : 0;

	if (suffix_len >= TYPE_MAX)
		suffix_len = 0;
	if (suffix_len)
		memcpy(out, dot + 1, suffix_len);
	out[suffix_len] = '\0';
}

int sniff_declared(const struct sniff_format **out, const char *type, const char *url, struct err *err)
{
	char suffix[TYPE_MAX];

	url_suffix(suffix, url);
	const struct sniff_format *by_type = type ? find_promise(true, type) : NULL;
	const struct sniff_format *by_name = find_promise(false, suffix);

	if (by_type && by_name && by_type != by_name)
		return err_set(err, -EBADMSG, "its type '%s' promises %s, its name '.%s' promises %s", type,
			       by_type->name, suffix, by_name->name);
	*out = by_type ? by_type : by_name;
	return 0;
}
