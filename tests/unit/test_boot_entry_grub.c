/* SPDX-License-Identifier: GPL-2.0-or-later */
/* debian.cfg is what grub-mkconfig wrote in the system of qemu/image, the others follow their distribution's documentation. */
#include "boot_entry.h"
#include "boot_tree.h"
#include "tap.h"

#include <errno.h>

#define DATA "tests/data/boot/"

static struct boot_entry entry;
static struct err err;

static int find(void)
{
	err = (struct err){ 0 };
	memset(&entry, 0, sizeof(entry));
	return boot_entry_find(&entry, &volumes, true, &err);
}

static void is_entry(const char *kernel, const char *initrd, const char *arguments, const char *name)
{
	is_str(entry.kernel.path, kernel, name);
	is_str(entry.initrd_count == 1 ? entry.initrds[0].path : "", initrd, "... its initrd");
	is_str(entry.arguments, arguments, "... its arguments");
}

/* One file system with that for a configuration, and a kernel. */
static int find_with(const char *config)
{
	begin_disk();
	add_volume("root", 1, "ext4", "aaaa", NULL);
	put("root/boot/grub/grub.cfg", config);
	put("root/k", "kernel");
	put("root/i", "initrd");
	return find();
}

static void refused(const char *config, int code, const char *says, const char *name)
{
	is_int(find_with(config), code, name);
	ok(strstr(err.text, says) != NULL, "... says '%s'", says);
	if (!strstr(err.text, says))
		printf("# said '%s'\n", err.text);
}

static void test_debian(void)
{
	begin_disk();
	add_volume("esp", 2, "vfat", "AAAA-BBBB", NULL);
	const struct boot_volume *system = add_volume("root", 3, "ext4", "76d6ca57-0012-4000-8000-00000000ef53", NULL);
	put_copy("root/boot/grub/grub.cfg", DATA "debian.cfg");
	put("root/boot/vmlinuz-6.1.0-56-cloud-amd64", "kernel");
	put("root/boot/initrd.img-6.1.0-56-cloud-amd64", "initrd");
	put("root/boot/vmlinuz-6.1.0-9-cloud-amd64", "kernel");
	put("root/boot/initrd.img-6.1.0-9-cloud-amd64", "initrd");
	is_int(find(), 0, "Debian's grub.cfg is understood");
	is_entry("/boot/vmlinuz-6.1.0-56-cloud-amd64", "/boot/initrd.img-6.1.0-56-cloud-amd64", "root=/dev/vda3 ro",
		 "Debian: the first entry's kernel");
	ok(entry.kernel.volume == system && entry.initrds[0].volume == system, "... on the partition with that UUID");
	is_str(entry.from, "/boot/grub/grub.cfg:119", "... and says where that stands");
	is_str(entry.title, "GNU/Linux", "... and what it is called");
	put("root/boot/grub/grubenv", "# GRUB Environment Block\nnext_entry=1>5\n####");
	is_int(find(), 0, "Debian with grub-reboot is understood");
	is_entry("/boot/vmlinuz-6.1.0-9-cloud-amd64", "/boot/initrd.img-6.1.0-9-cloud-amd64",
		 "root=/dev/vda3 ro single", "Debian: an entry of a submenu by numbers");
	put("esp/EFI/debian/grub.cfg", "search.fs_uuid 76d6ca57-0012-4000-8000-00000000ef53 root\n"
				       "set prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n");
	is_int(find(), 0, "Debian's stub on the EFI system partition leads there, too");
	is_str(entry.kernel.path, "/boot/vmlinuz-6.1.0-9-cloud-amd64", "... and its prefix finds grubenv");
}

static void test_ubuntu(void)
{
	begin_disk();
	add_volume("esp", 1, "vfat", "AAAA-BBBB", NULL);
	add_volume("boot", 2, "ext4", "1b4db7eb-4057-5ddf-91e0-36dec72071f5", NULL);
	add_volume("root", 3, "ext4", "22222222-0000-4000-8000-000000000000", NULL);
	put_copy("boot/grub/grub.cfg", DATA "ubuntu.cfg");
	put("boot/vmlinuz-6.8.0-60-generic", "kernel");
	put("boot/initrd.img-6.8.0-60-generic", "initrd");
	put("boot/vmlinuz-6.8.0-50-generic", "kernel");
	put("boot/initrd.img-6.8.0-50-generic", "initrd");
	is_int(find(), 0, "Ubuntu's grub.cfg on a partition for /boot is understood");
	is_entry("/vmlinuz-6.8.0-60-generic", "/initrd.img-6.8.0-60-generic",
		 "root=UUID=22222222-0000-4000-8000-000000000000 ro quiet splash vt.handoff=7",
		 "Ubuntu: functions with arguments set variables");
	put("boot/grub/grubenv", "# GRUB Environment Block\nsaved_entry=Advanced options for Ubuntu>Ubuntu, with Linux "
				 "6.8.0-50-generic\n###");
	is_int(find(), 0, "Ubuntu with grub-set-default is understood");
	is_str(entry.kernel.path, "/vmlinuz-6.8.0-50-generic", "Ubuntu: the saved entry by its titles");
	put("boot/grub/grubenv",
	    "# GRUB Environment Block\nsaved_entry=gnulinux-advanced-1b4db7eb-4057-5ddf-91e0-36dec72071f5>"
	    "gnulinux-6.8.0-50-generic-advanced\nrecordfail=1\n###");
	is_int(find(), 0, "Ubuntu after a boot that failed is understood");
	is_entry("/vmlinuz-6.8.0-50-generic", "/initrd.img-6.8.0-50-generic",
		 "root=UUID=22222222-0000-4000-8000-000000000000 ro quiet splash", "Ubuntu: by ids, and in text mode");
	put("boot/grub/grubenv", "# GRUB Environment Block\nsaved_entry=gone with a kernel\n###");
	is_int(find(), 0, "Ubuntu whose saved entry is gone is understood");
	is_str(entry.kernel.path, "/vmlinuz-6.8.0-60-generic", "... and starts the first one, as GRUB does");
}

static void put_fedora_entry(const char *version, const char *options)
{
	char path[256], text[1024];

	snprintf(path, sizeof(path), "boot/loader/entries/4f0a-%s.conf", version);
	snprintf(text, sizeof(text),
		 "title Fedora Linux (%s) 42\nversion %s\nlinux /vmlinuz-%s\ninitrd /initramfs-%s.img $tuned_initrd\n"
		 "options %s\ngrub_users $grub_users\ngrub_arg --unrestricted\ngrub_class fedora\n",
		 version, version, version, version, options);
	put(path, text);
	snprintf(path, sizeof(path), "boot/vmlinuz-%s", version);
	put(path, "kernel");
	snprintf(path, sizeof(path), "boot/initramfs-%s.img", version);
	put(path, "initrd");
}

static void test_fedora(void)
{
	begin_disk();
	add_volume("esp", 1, "vfat", "AAAA-BBBB", NULL);
	add_volume("boot", 2, "xfs", "1b4db7eb-4057-5ddf-91e0-36dec72071f5", NULL);
	put("esp/EFI/fedora/grub.cfg",
	    "search --no-floppy --root-dev-only --fs-uuid --set=dev 1b4db7eb-4057-5ddf-91e0-36dec72071f5\n"
	    "set prefix=($dev)/grub2\nexport $prefix\nconfigfile $prefix/grub.cfg\n");
	put_copy("boot/grub2/grub.cfg", DATA "fedora.cfg");
	/* GRUB does not look at sort keys. */
	put_fedora_entry("6.9.12-200.fc42.x86_64", "root=UUID=3333 ro old\nsort-key a");
	put_fedora_entry("6.15.3-200.fc42.x86_64", "root=UUID=3333 ro $tuned_params quiet");
	put_fedora_entry("6.15.10-200.fc42.x86_64", "$kernelopts");
	is_int(find(), 0, "Fedora's grub.cfg with blscfg is understood");
	is_entry("/vmlinuz-6.15.10-200.fc42.x86_64", "/initramfs-6.15.10-200.fc42.x86_64.img",
		 "root=UUID=33333333-0000-4000-8000-000000000000 ro rhgb quiet",
		 "Fedora: the newest entry, with $kernelopts");
	is_str(entry.from, "/loader/entries/4f0a-6.15.10-200.fc42.x86_64.conf:1", "... and says where that stands");
	put("boot/grub2/grubenv", "# GRUB Environment Block\nsaved_entry=4f0a-6.15.3-200.fc42.x86_64\n"
				  "tuned_params=isolcpus=1 nohz=on\ntuned_initrd=/i2\nboot_success=1\n##");
	put("boot/i2", "more");
	is_int(find(), 0, "Fedora with a saved entry and tuned is understood");
	is_str(entry.kernel.path, "/vmlinuz-6.15.3-200.fc42.x86_64", "Fedora: the saved entry by its id");
	is_str(entry.arguments, "root=UUID=3333 ro isolcpus=1 nohz=on quiet", "... with tuned's arguments");
}

static void test_opensuse(void)
{
	begin_disk();
	add_volume("esp", 1, "vfat", "AAAA-BBBB", NULL);
	add_volume("btrfs", 2, "btrfs", "44444444-0000-4000-8000-000000000000", "btrfs/@/.snapshots/1/snapshot");
	put("esp/EFI/opensuse/grub.cfg", "set btrfs_relative_path=\"yes\"\nsearch --fs-uuid --set=root "
					 "44444444-0000-4000-8000-000000000000\nset prefix=(${root})/boot/grub2\n"
					 "source \"${prefix}/grub.cfg\"\n");
	put_copy("btrfs/@/.snapshots/1/snapshot/boot/grub2/grub.cfg", DATA "opensuse.cfg");
	put("btrfs/@/.snapshots/1/snapshot/boot/vmlinuz-6.15.8-1-default", "kernel");
	put("btrfs/@/.snapshots/1/snapshot/boot/initrd-6.15.8-1-default", "initrd");
	put("btrfs/boot/vmlinuz-6.15.8-1-default", "not this one");
	is_int(find(), -ENOTSUP, "openSUSE's grub.cfg uses load_video, which a file that is not there would define");
	put("btrfs/@/.snapshots/1/snapshot/boot/grub2/grubenv", "# GRUB Environment Block\nextra_cmdline=\n##");
	put("btrfs/@/.snapshots/1/snapshot/.snapshots/grub-snapshot.cfg", "function load_video { true; }\n");
	is_int(find(), 0, "openSUSE's grub.cfg, sourced by the stub, is understood");
	is_entry("/boot/vmlinuz-6.15.8-1-default", "/boot/initrd-6.15.8-1-default",
		 "root=UUID=44444444-0000-4000-8000-000000000000 splash=silent mitigations=auto quiet security=selinux",
		 "openSUSE: the entry");
	ok(entry.kernel.in_default, "... in the default subvolume");
	put("esp/EFI/opensuse/grub.cfg", "");
	is_int(find(), 0, "openSUSE without a stub (BIOS) is understood");
	ok(entry.kernel.in_default, "... in the default subvolume");
}

static void test_top_level(void)
{
	is_int(find_with("if [ \"$grub_platform\" = pc ]; then\n  serial --unit=0\nfi\necho \"x\"\n"
			 "linux /k root=LABEL=x \"a b\" c\\ d 'quo\"te'\ninitrd /i\nboot\nmoonwalk\n"),
	       0, "commands without a menu, up to 'boot'");
	is_entry("/k", "/i", "root=LABEL=x \"a b\" \"c d\" quo\\\"te",
		 "... words with blanks are quoted for the kernel");
}

static void test_links(void)
{
	begin_disk();
	add_volume("root", 1, "ext4", "aaaa", NULL);
	put("secret", "outside");
	put("root/boot/grub/grub.cfg", "linux /vmlinuz\nboot\n");
	put_link("root/vmlinuz", "/boot/../../../k");
	is_int(find(), -EBADMSG, "a link to something that is not there");
	put("root/k", "kernel");
	is_int(find(), 0, "an absolute link is resolved in its file system, and '..' ends at its root");
	put("root/boot/grub/grub.cfg", "linux /../secret\nboot\n");
	is_int(find(), -EBADMSG, "'..' does not lead out of it");
	put("root/boot/grub/grub.cfg", "linux /out\nboot\n");
	put_link("root/out", "../secret");
	is_int(find(), -EBADMSG, "nor does a link");
	put("root/boot/grub/grub.cfg", "linux /boot\nboot\n");
	is_int(find(), -EBADMSG, "a directory is no kernel");
}

static void test_search(void)
{
	begin_disk();
	add_volume("a", 1, "ext4", "aaaa", NULL);
	struct boot_volume *second = add_volume("b", 5, "ext4", "bbbb", NULL);
	strcpy(second->label, "the label");
	put("b/marker", "x");
	put("b/k", "kernel");
	static const struct {
		const char *search;
		int want;
	} cases[] = {
		{ "search --set=root --label 'the label'", 0 },
		{ "search -l --set=root 'the label'", 0 },
		{ "search --no-floppy --file /marker", 0 },
		{ "search.fs_label 'the label' root", 0 },
		{ "search.file /marker root", 0 },
		{ "search.fs_uuid BBBB", 0 },
		{ "set root=hd0,msdos5", 0 },
		{ "set root=(hd0,5)", 0 },
		{ "search --fs-uuid --hint hd0,1 --set=x bbbb; set root=$x", 0 },
		{ "search --label nothing", -EBADMSG },
		{ "set root=hd1,gpt5", -ENOTSUP },
		{ "set root=lvm/vg-root", -ENOTSUP },
		{ "set root=hd0,gpt", -ENOTSUP },
		{ "set root=hd,1", -ENOTSUP },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char config[512];

		snprintf(config, sizeof(config), "%s\nlinux /k\nboot\n", cases[i].search);
		put("a/boot/grub/grub.cfg", config);
		is_int(find(), cases[i].want, cases[i].search);
		if (cases[i].want == 0)
			ok(entry.kernel.volume == second, "... finds that file system");
	}
}

static void test_refusals(void)
{
	refused("linux /k\nwhile true; do true; done\n", -ENOTSUP, "/boot/grub/grub.cfg:2: 'while': loops", "a loop");
	refused("configfile $prefix/grub.cfg\n", -E2BIG, "grub.cfg:1: more than 8 files", "a file that names itself");
	refused("source /boot/grub/grub.cfg\n", -E2BIG, "grub.cfg:1: more than 8 files", "... or sources itself");
	refused("function a { a; }\na\n", -E2BIG, "grub.cfg:1: nested more than 32", "a function that calls itself");
	refused("function a { true; }\nfunction b { a;a;a;a;a;a;a;a; }\nfunction c { b;b;b;b;b;b;b;b; }\n"
		"function d { c;c;c;c;c;c;c;c; }\nfunction e { d;d;d;d;d;d;d;d; }\nfunction f { e;e;e;e;e;e;e;e; }\n"
		"function g { f;f;f;f;f;f;f;f; }\ng;g;g;g;g;g;g;g\n",
		-E2BIG, "more than 16777216 bytes to follow", "functions that multiply");
	refused("set a=0123456789012345678901234567890123456789\nset a=$a$a$a$a$a$a$a$a\nset a=$a$a$a$a$a$a$a$a\n"
		"set a=$a$a$a$a$a$a$a$a\nset a=$a$a$a$a$a$a$a$a\n",
		-E2BIG, "grub.cfg:5: a word of more than 32768", "a variable that doubles");
	refused("\n\nmenuentry 'x' {\n  chainloader /EFI/x.efi\n}\n", -ENOTSUP, "grub.cfg:4: 'chainloader'", "Windows");
	refused("moonwalk\nlinux /k\nboot\n", -ENOTSUP, "grub.cfg:1: command 'moonwalk'",
		"a command that is not known");
	refused("menuentry 'x' {\n  linux /none\n}\n", -EBADMSG, "grub.cfg:2: there is no file '/none'",
		"no such kernel");
	refused("menuentry 'x' {\n linux /k\n initrd /i /none\n}\n", -EBADMSG, "grub.cfg:3: there is no",
		"no such initrd");
	refused("menuentry 'x' {\n echo\n}\n", -ENOTSUP, "menu entry 'x' loads no Linux", "an entry without a kernel");
	refused("set superusers=root\nmenuentry 'x' {\n linux /k\n}\n", -ENOTSUP, "asks for a password", "a password");
	refused("submenu 'x' {\n}\n", -ENOTSUP, "an empty submenu", "a submenu without entries");
	refused("echo 'abc\n", -EBADMSG, "grub.cfg:1: a quotation that does not end", "a quotation without an end");
	refused("if true; then\n linux /k\n", -EBADMSG, "grub.cfg:1: 'if' without a 'fi'", "an if without an end");
	refused("menuentry 'x' {\n linux /k\n", -EBADMSG, "grub.cfg:1: '{' without a '}'", "an entry without an end");
	refused("linux /k 'a\001b'\nboot\n", -EBADMSG, "grub.cfg:1: a control character", "arguments not to be shown");
	refused("set timeout=1\n", -ENOENT, "no grub.cfg, boot loader entry", "a configuration that boots nothing");
	is_int(find_with("set superusers=root\nmenuentry 'x' --unrestricted {\n linux /k\n}\n"), 0,
	       "a password for others");
}

static void test_size(void)
{
	CLEANUP(free_str) char *line = malloc((64u << 20) + 1);

	if (!line)
		abort();
	memset(line, 'x', 64u << 20);
	line[64u << 20] = '\0';
	refused(line, -E2BIG, "'/boot/grub/grub.cfg' has more than 4194304 bytes", "a line of 64 MiB");
	line[3u << 20] = '\0';
	refused(line, -E2BIG, "grub.cfg:1: a word of more than 32768 bytes", "a line of 3 MiB");
	begin_disk();
	add_volume("root", 1, "ext4", "aaaa", NULL);
	is_int(find(), -ENOENT, "an empty disk");
}

int main(void)
{
	make_root();
	test_debian();
	test_ubuntu();
	test_fedora();
	test_opensuse();
	test_top_level();
	test_links();
	test_search();
	test_refusals();
	test_size();
	begin_disk();
	remove_root();
	return done_testing();
}
