/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot_bls.h"
#include "boot_entry.h"
#include "boot_tree.h"
#include "boot_version.h"
#include "bytes.h"
#include "tap.h"

#include <errno.h>

static struct boot_entry entry;
static struct err err;

static int find(void)
{
	err = (struct err){ 0 };
	memset(&entry, 0, sizeof(entry));
	return boot_entry_find(&entry, &volumes, true, &err);
}

static void begin_esp(void)
{
	begin_disk();
	add_volume("esp", 1, "vfat", "AAAA-BBBB", NULL);
	add_volume("root", 2, "ext4", "aaaa", NULL);
	put("esp/k", "kernel");
	put("esp/i", "initrd");
}

static void test_order(void)
{
	begin_esp();
	put("esp/loader/entries/arch-6.9.conf",
	    "title Arch\nversion 6.9\nlinux /k\ninitrd /i\noptions root=UUID=x old\n");
	put("esp/loader/entries/arch-6.10.conf", "# comment\ntitle\tArch Linux  \nversion 6.10\nlinux   /k\ninitrd "
						 "/i\ninitrd /i\noptions root=UUID=x\noptions  rw  \n"
						 "unknown key\n");
	is_int(find(), 0, "entries of the specification are read");
	is_str(entry.from, "/loader/entries/arch-6.10.conf", "... the newest version is started");
	is_str(entry.arguments, "root=UUID=x rw", "... lines of options are joined");
	is_int(entry.initrd_count, 2, "... all initrds are used");
	is_str(entry.title, "Arch Linux", "... its title");
	put("esp/loader/loader.conf", "timeout 3\ndefault arch-6.9*\n");
	is_int(find(), 0, "a default is known");
	is_str(entry.from, "/loader/entries/arch-6.9.conf", "... and honoured");
	put("esp/loader/loader.conf", "default gone*\n");
	is_int(find(), 0, "a default that is gone");
	is_str(entry.from, "/loader/entries/arch-6.10.conf", "... leaves the first one");
	put("esp/loader/entries/zzz.conf", "title B\nsort-key bbb\nversion 1\nlinux /k\n");
	put("esp/loader/entries/aaa.conf", "title A\nsort-key bbb\nversion 2\nlinux /k\n");
	is_int(find(), 0, "entries with sort keys");
	is_str(entry.from, "/loader/entries/aaa.conf", "... come first, the newest of a key before others");
	put("esp/loader/entries/new+0-3.conf", "title A\nsort-key aaa\nversion 3\nlinux /k\n");
	is_int(find(), 0, "an entry that was tried in vain");
	is_str(entry.from, "/loader/entries/aaa.conf", "... comes last");
	put("esp/loader/entries/new+1-2.conf", "title A\nsort-key aaa\nversion 3\nlinux /k\n");
	is_int(find(), 0, "one with a try left");
	is_str(entry.from, "/loader/entries/new+1-2.conf", "... does not");
	put("esp/loader/entries/arm.conf", "sort-key a\nversion 9\narchitecture riscv64\nlinux /k\n");
	is_int(find(), 0, "one for other processors");
	is_str(entry.from, "/loader/entries/new+1-2.conf", "... does not count");
}

static void refused(const char *text, int code, const char *says, const char *name)
{
	begin_esp();
	put("esp/loader/entries/x.conf", text);
	is_int(find(), code, name);
	ok(strstr(err.text, says) != NULL, "... says '%s'", says);
	if (!strstr(err.text, says))
		printf("# said '%s'\n", err.text);
}

static void test_refusals(void)
{
	char many[4096] = "linux /k\n";

	for (size_t i = 0; i < 17; i++)
		strcat(many, "initrd /i\n");
	refused(many, -E2BIG, "/loader/entries/x.conf:18: more than 16", "too many initrds");
	refused("linux /none\n", -EBADMSG, "/loader/entries/x.conf: there is no file '/none'", "no such kernel");
	refused("linux /k\ninitrd /none\n", -EBADMSG, "there is no file '/none'", "no such initrd");
	refused("title x\nefi /shell.efi\n", -ENOTSUP, "/loader/entries/x.conf: it starts an EFI program",
		"an EFI program");
	refused("title x\n", -ENOTSUP, "names no kernel", "no kernel");
	refused("linux /k\noptions $kernelopts\n", -ENOTSUP, "only GRUB knows", "GRUB's variables");
	refused("linux /k\noptions a\033b\n", -EBADMSG, "control character", "an escape sequence");
	refused("linux /k\ndevicetree /x.dtb\n", -ENOTSUP, "device tree", "a device tree");
	refused("linux /../../root/k\n", -EBADMSG, "there is no file", "a path that leads out");
	begin_esp();
	CLEANUP(free_str) char *line = malloc((64u << 20) + 1);
	if (!line)
		abort();
	memset(line, 'x', 64u << 20);
	line[64u << 20] = '\0';
	put("esp/loader/entries/x.conf", line);
	is_int(find(), -E2BIG, "a line of 64 MiB");
}

static void test_boot_directory(void)
{
	begin_disk();
	add_volume("root", 1, "ext4", "aaaa", NULL);
	put("root/boot/loader/entries/x.conf", "linux /vmlinuz\n");
	put("root/boot/vmlinuz", "kernel");
	is_int(find(), 0, "entries below /boot of the root file system");
	is_str(entry.kernel.path, "/boot/vmlinuz", "... name paths as seen from there");
	put("root/boot/grub/grub.cfg", "linux /boot/other\nboot\n");
	put("root/boot/other", "kernel");
	is_int(find(), 0, "with a grub.cfg");
	is_str(entry.kernel.path, "/boot/other", "... that one counts");
	put("root/loader/loader.conf", "timeout 1\n");
	is_int(find(), 0, "with systemd-boot");
	is_str(entry.kernel.path, "/boot/vmlinuz", "... it does not");
}

/* ---------------------------------------------------------------- unified kernel images */

#define PE_OFF 128u

static uint8_t image[8192];
static size_t sections;

static void begin_image(void)
{
	memset(image, 0, sizeof(image));
	memcpy(image, "MZ", 2);
	put_le32(image + 0x3c, PE_OFF);
	memcpy(image + PE_OFF, "PE\0\0", 4);
	image[PE_OFF + 4] = 0x64;
	image[PE_OFF + 5] = 0x86;
	sections = 0;
}

static void add_section(const char *name, uint32_t off, const char *content, uint32_t memory_bytes, uint32_t file_bytes)
{
	uint8_t *header = image + PE_OFF + 24 + 40 * sections++;

	image[PE_OFF + 6] = (uint8_t)sections;
	strncpy((char *)header, name, 8);
	put_le32(header + 8, memory_bytes);
	put_le32(header + 16, file_bytes);
	put_le32(header + 20, off);
	if (off < sizeof(image))
		strcpy((char *)image + off, content);
}

static void put_image(const char *path, size_t bytes)
{
	char full[PATH_MAX];

	put(path, "");
	snprintf(full, sizeof(full), "%s/%s", root, path);
	CLEANUP(close_file) FILE *file = fopen(full, "w");
	if (!file || fwrite(image, 1, bytes, file) != bytes)
		abort();
}

static void make_image(void)
{
	begin_image();
	add_section(".osrel", 2048, "ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian 13\"\n", 60, 512);
	add_section(".cmdline", 2560, "root=UUID=x quiet\n", 18, 512);
	add_section(".linux", 4096, "kernel", 6, 512);
	add_section(".initrd", 5120, "initrd", 6, 512);
}

static void test_image(void)
{
	begin_esp();
	make_image();
	put_image("esp/EFI/Linux/debian.efi", sizeof(image));
	is_int(find(), 0, "a unified kernel image");
	is_int(entry.kernel.off, 4096, "... its kernel begins in the file there");
	is_int(entry.kernel.bytes, 6, "... and has as many bytes as it has in memory");
	is_int(entry.initrds[0].off, 5120, "... its initrd");
	is_str(entry.arguments, "root=UUID=x quiet", "... its arguments");
	is_str(entry.title, "Debian 13", "... its title");
	add_section(".profile", 6144, "ID=one", 6, 512);
	add_section(".cmdline", 6656, "one", 3, 512);
	add_section(".profile", 6144, "ID=two", 6, 512);
	add_section(".cmdline", 6700, "two", 3, 512);
	put_image("esp/EFI/Linux/debian.efi", sizeof(image));
	is_int(find(), 0, "one with profiles");
	is_str(entry.arguments, "one", "... the first one's arguments count");
}

static void image_refused(size_t bytes, int code, const char *says, const char *name)
{
	begin_esp();
	put_image("esp/EFI/Linux/x.efi", bytes);
	is_int(find(), code, name);
	ok(strstr(err.text, says) != NULL, "... says '%s'", says);
	if (!strstr(err.text, says))
		printf("# said '%s'\n", err.text);
}

static void test_image_refusals(void)
{
	static const char none[] = "no grub.cfg, boot loader entry";

	make_image();
	image_refused(3000, -EBADMSG, "'/EFI/Linux/x.efi': section '.linux' ends behind the end", "an image cut off");
	image_refused(180, -EBADMSG, "ends within its headers", "one cut off in its headers");
	image_refused(10, -EBADMSG, "ends within its headers", "one of 10 bytes");
	put_le32(image + 0x3c, UINT32_MAX);
	image_refused(sizeof(image), -EBADMSG, "ends within its headers", "headers at 4 GiB");
	make_image();
	add_section(".initrd", 5120, "initrd", 6, 512);
	image_refused(sizeof(image), -EBADMSG, "two sections '.initrd'", "a section twice");
	begin_image();
	add_section(".linux", 0xfffff000u, "", 0x1800, 0x1800);
	image_refused(sizeof(image), -EBADMSG, "ends behind the end", "a section whose end has more than 32 bits");
	begin_image();
	image_refused(sizeof(image), -ENOENT, none, "an EFI program without a kernel");
	make_image();
	image[PE_OFF + 4] = 0x4c;
	image_refused(sizeof(image), -ENOENT, none, "an image for other processors");
	make_image();
	image[PE_OFF + 6] = 200;
	image_refused(sizeof(image), -EBADMSG, "200 sections", "200 sections");
	make_image();
	image[PE_OFF] = 'X';
	image_refused(sizeof(image), -EBADMSG, "no EFI program", "no EFI program");
}

static void test_versions(void)
{
	/* The ascending list of UAPI.10. */
	static const char *const versions[] = {
		"122.1",   "123~rc1-1", "123",     "123-a",   "123-a.1", "123-1",
		"123-1.1", "123^post1", "123.a-1", "123.1-1", "123a-1",  "124-1",
	};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		for (size_t j = 0; j < sizeof(versions) / sizeof(versions[0]); j++) {
			int order = boot_version_compare(versions[i], versions[j]);

			if ((order > 0) - (order < 0) != (i > j) - (i < j))
				ok(false, "%s beside %s: %d", versions[i], versions[j], order);
		}
	is_int(boot_version_compare("6.0010", "6.10"), 0, "leading zeros do not count");
	ok(boot_version_compare("9", "99999999999999999999999999") < 0, "numbers have any length");
}

static void test_patterns(void)
{
	char many[512], text[256];

	ok(bls_matches("arch-*.conf", "arch-6.conf") && bls_matches("a?c", "abc") && bls_matches("*", ""),
	   "patterns match");
	ok(!bls_matches("arch-*.conf", "arch-6.efi") && !bls_matches("a?c", "ac"), "... and do not");
	for (size_t i = 0; i < 255; i++)
		memcpy(many + 2 * i, "*a", 2);
	strcpy(many + 508, "b");
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ok(!bls_matches(many, text), "one of many stars ends");
}

int main(void)
{
	make_root();
	test_versions();
	test_patterns();
	test_order();
	test_refusals();
	test_boot_directory();
	test_image();
	test_image_refusals();
	begin_disk();
	remove_root();
	return done_testing();
}
