/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt's domain XML, old and new, and xvm.xml in its dialects are read into the same machine. */
#include "unpack_domain.h"

#include "cleanup.h"
#include "tap.h"
#include "unpack_xvm.h"

#include <errno.h>

static struct vm *parse(const char *text, struct err *err)
{
	struct vm *vm = NULL;

	*err = (struct err){ 0 };
	domain_parse(&vm, "description.xml", text, strlen(text), err);
	return vm;
}

static void test_domain(void)
{
	struct err err;
	CLEANUP(vm_free)
	struct vm *vm = parse(
		"<domain type='kvm'><name> web\n</name><memory unit='GiB'>2</memory><vcpu placement='static'>3</vcpu>"
		"<os firmware='efi'><kernel>/boot/k</kernel><initrd>/boot/i</initrd><cmdline>ro quiet</cmdline></os>"
		"<devices><disk type='file' device='floppy'><target dev='fda'/></disk>"
		"<disk type='file'><source file='/d/one.img'/><target dev='sda' bus='sata'/></disk>"
		"<disk type='file' device='disk'><source file='/d/two.img'/><target dev='xvda'/><boot "
		"order='1'/></disk>"
		"<interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/>"
		"<model type='e1000e'/></interface></devices></domain>",
		&err);

	if (!ok(vm, "a domain is read (%s)", err.text))
		return;
	is_str(vm->name, "web", "its name, without white space");
	is_int(vm->memory_bytes, 2ll << 30, "its memory, in the unit it says");
	is_int(vm->cpus, 3, "its processors");
	is_str(vm->firmware, "uefi", "its firmware");
	is_str(vm->kernel, "/boot/k", "its kernel");
	is_str(vm->cmdline, "ro quiet", "and that one's command line");
	is_int(vm->disk_count, 2, "its disks, not the floppy");
	is_str(vm->disks[0].bus, "sata", "the bus that is said");
	is_str(vm->disks[1].bus, "xen", "the bus that follows from the name");
	ok(!vm->disks[0].boot && vm->disks[1].boot, "the disk that is booted from");
	is_str(vm->nics[0].network, "default", "its network");
}

static void test_units(void)
{
	static const struct {
		const char *text;
		int64_t bytes; /* -1: refused */
	} cases[] = {
		{ "<memory>262144</memory>", 256 << 20 },
		{ "<memory unit='b'>4096</memory>", 4096 },
		{ "<memory unit='KB'>5</memory>", 5000 },
		{ "<memory unit='k'>5</memory>", 5120 },
		{ "<memory unit='M'>5</memory>", 5 << 20 },
		{ "<memory unit='MiB'>5</memory>", 5 << 20 },
		{ "<memory unit='TiB'>1</memory>", 1ll << 40 },
		{ "<memory unit='TiB'>99999999</memory>", -1 },
		{ "<memory unit='MiBs'>5</memory>", -1 },
		{ "<memory unit='X'>5</memory>", -1 },
		{ "<memory>-5</memory>", -1 },
		{ "<memory/>", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[200];
		struct err err;

		snprintf(text, sizeof(text), "<domain>%s</domain>", cases[i].text);
		CLEANUP(vm_free) struct vm *vm = parse(text, &err);
		ok(vm ? (int64_t)vm->memory_bytes == cases[i].bytes : cases[i].bytes == -1, "%s", cases[i].text);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *disk, *said;
	} disks[] = {
		{ "<disk type='block'><source dev='/dev/sda'/>", "disk vda is dev='/dev/sda' of the publisher's host" },
		{ "<disk type='dir'><source dir='/d'/>", "disk vda is dir='/d' of the publisher's host" },
		{ "<disk type='network'><source protocol='nbd' name='x'/>", "disk vda is name='x' of the" },
		{ "<disk type='network'><source protocol='nbd'/>", "disk vda is protocol='nbd' of the" },
		{ "<disk type='volume'><source pool='p' volume='v'/>", "disk vda is volume='v' of the" },
		{ "<disk type='vhostuser'><source type='unix' path='/s'/>", "disk vda is path='/s' of the" },
		{ "<disk type='nvme'><source type='pci'/>", "disk vda is of type 'nvme', no file" },
		{ "<disk type='block'><source file='/x.img'/>", "disk vda is of type 'block', no file" },
		{ "<disk type='network'><source file='/x.img'/>", "disk vda is of type 'network', no file" },
		{ "<disk type='block' device='lun'><source dev='/dev/sda'/>", "disk vda is dev='/dev/sda' of the" },
		{ "<disk>", "disk vda has no source" },
		{ "<disk type='file'><source/>", "disk vda has no source" },
		{ "<disk type='file'><source file='/x.img'/><backingStore type='file'><format type='qcow2'/>"
		  "<source file='/base.img'/><backingStore/></backingStore>",
		  "disk vda is the difference to another one, backingStore '/base.img'" },
		{ "<disk type='file'><source file='/x.img'/><backingStore type='network'>"
		  "<source protocol='nbd' name='base'/></backingStore>",
		  "disk vda is the difference to another one, backingStore 'base'" },
		{ "<disk type='file'><source file='/x.img'/><backingStore type='nvme'/>",
		  "disk vda is the difference to another one, backingStore 'nvme'" },
	};
	struct err err;

	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		char text[400];

		snprintf(text, sizeof(text), "<domain><devices>%s<target dev='vda'/></disk></devices></domain>",
			 disks[i].disk);
		CLEANUP(vm_free) struct vm *vm = parse(text, &err);
		ok(!vm && strstr(err.text, disks[i].said), "refused: %s (%s)", disks[i].disk, err.text);
	}
	CLEANUP(vm_free)
	struct vm *vm = parse("<domain><devices><disk type='file'><source file='/x.img'/><backingStore/></disk>"
			      "</devices></domain>",
			      &err);
	ok(vm && vm->disk_count == 1, "an empty backingStore says that there is none (%s)", err.text);
	ok(!parse("<domains/>", &err) && err.code == -EBADMSG, "refused: another root");
	ok(!parse("<domain><vcpu>5000</vcpu></domain>", &err), "refused: more processors than there are");
}

/* A command line that was cut is another one. */
static void test_long_text(void)
{
	char text[2000], cmdline[1026] = "";
	struct err err;

	memset(cmdline, 'x', sizeof(cmdline) - 1);
	snprintf(text, sizeof(text), "<domain><os><cmdline>%s</cmdline></os></domain>", cmdline);
	ok(!parse(text, &err) && strcmp(err.text, "description.xml: 'cmdline' has a text of more than 1024 bytes") == 0,
	   "a long command line is refused (%.80s)", err.text);
	struct vm *vm = NULL;
	snprintf(text, sizeof(text), "<xvm><extra>%s</extra></xvm>", cmdline);
	ok(xvm_parse(&vm, "xvm.xml", text, strlen(text), &err) == -EFBIG &&
		   strcmp(err.text, "xvm.xml: 'extra' has a text of more than 1024 bytes") == 0,
	   "that of an xvm.xml, too (%.80s)", err.text);
}

static void test_xvm(void)
{
	static const struct {
		const char *name, *text;
	} cases[] = {
		{ "attributes",
		  "<xvm><name>n</name><memory>64</memory><vcpus>2</vcpus><disks><disk device='sda1' file='a.gz'/>"
		  "<disk device='sda2' file='b.gz'/></disks></xvm>" },
		{ "elements",
		  "<XVM><Label>n</Label><Memory unit='MB'>64</Memory><CPUs>2</CPUs><partition><source>a.gz</source>"
		  "<target>sda1</target></partition><partition><source>b.gz</source></partition></XVM>" },
		{ "text", "<machine><title>n</title><ram>65536 "
			  "K</ram><cpu>2</cpu><image>a.gz</image><image>b.gz</image></machine>" },
		{ "libvirt", "<domain><name>n</name><memory>65536</memory><vcpu>2</vcpu><devices><disk><source "
			     "file='a.gz'/></disk>"
			     "<disk><source file='b.gz'/></disk></devices></domain>" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(vm_free) struct vm *vm = NULL;
		struct err err = { 0 };

		xvm_parse(&vm, "xvm.xml", cases[i].text, strlen(cases[i].text), &err);
		if (!ok(vm, "xvm.xml with %s is read (%s)", cases[i].name, err.text))
			continue;
		is_str(vm->name, "n", "its name");
		is_int(vm->memory_bytes, 64 << 20, "its memory");
		is_int(vm->cpus, 2, "its processors");
		ok(vm->disk_count == 2 && strcmp(vm->disks[0].file, "a.gz") == 0 &&
			   strcmp(vm->disks[1].file, "b.gz") == 0,
		   "its images");
	}
}

int main(void)
{
	test_domain();
	test_units();
	test_refused();
	test_long_text();
	test_xvm();
	return done_testing();
}
