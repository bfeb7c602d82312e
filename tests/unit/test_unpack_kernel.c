/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF files that a boot loader takes are kernels, others are programs. */
#include "unpack_kernel.h"

#include "bytes.h"
#include "tap.h"

#include <errno.h>

#define LEN 16384

static uint8_t elf[LEN];
static size_t elf_len = LEN;

static ssize_t read_elf(void *ctx, void *buf, size_t len, uint64_t off, struct err *err)
{
	size_t there = off < elf_len ? elf_len - (size_t)off : 0;

	(void)ctx, (void)err;
	memcpy(buf, elf + (there ? off : 0), len < there ? len : there);
	return (ssize_t)(len < there ? len : there);
}

static void make_elf(void)
{
	memset(elf, 0, sizeof(elf));
	memcpy(elf, "\x7f\x45LF\2\1\1", 7);
	elf_len = LEN;
}

static const char *kernel_name(struct err *err)
{
	const struct kernel_source source = { read_elf, NULL };
	const char *name = NULL;

	*err = (struct err){ 0 };
	kernel_check(&name, &source, err);
	return err->code ? NULL : name;
}

/* One note segment of 20 bytes at `off`. */
static void add_note(uint64_t off)
{
	put_le64(elf + 32, 64);
	elf[54] = 56;
	elf[56] = 1;
	put_le32(elf + 64, 4);
	put_le64(elf + 64 + 8, off);
	put_le64(elf + 64 + 32, 20);
	if (off + 20 > LEN)
		return;
	put_le32(elf + off, 4);
	put_le32(elf + off + 4, 4);
	put_le32(elf + off + 8, 18);
	memcpy(elf + off + 12, "Xen", 4);
}

int main(void)
{
	struct err err;

	make_elf();
	ok(!kernel_name(&err) && err.code == -ENOTSUP, "a program is refused (%s)", err.text);
	put_le32(elf + 8192 - 12, 0x1badb002);
	put_le32(elf + 8192 - 8, 3);
	put_le32(elf + 8192 - 4, -(0x1badb002u + 3));
	is_str(kernel_name(&err), "an ELF kernel (Multiboot)", "Multiboot, at the end of where it may be");
	elf[8192 - 4] ^= 1;
	ok(!kernel_name(&err), "a checksum that is wrong");
	make_elf();
	put_le32(elf + 64, 0xe85250d6);
	put_le32(elf + 72, 24);
	put_le32(elf + 76, -(0xe85250d6u + 24));
	is_str(kernel_name(&err), "an ELF kernel (Multiboot2)", "Multiboot2");
	make_elf();
	add_note(9000);
	is_str(kernel_name(&err), "an ELF kernel (PVH)", "PVH");
	elf[9008]++;
	ok(!kernel_name(&err), "another note of Xen's");
	make_elf();
	add_note(1ull << 62);
	ok(!kernel_name(&err), "a note outside of the file");
	put_le64(elf + 32, UINT64_MAX);
	ok(!kernel_name(&err) && err.code == -EBADMSG, "program headers outside of the file");
	make_elf();
	elf[5] = 2;
	ok(!kernel_name(&err) && err.code == -ENOTSUP, "another byte order");
	elf_len = 63;
	ok(!kernel_name(&err) && err.code == -EBADMSG, "a file that ends in its header");
	return done_testing();
}
