/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XenServer's ova.xml: a database in XML-RPC values becomes a machine and its disks in order. */
#include "unpack_xva.h"

#include "cleanup.h"
#include "tap.h"

#include <errno.h>

#define MEMBER(name, value) "<member><name>" name "</name><value>" value "</value></member>"
#define OBJECT(class, id, fields)                                                                                      \
	"<value><struct>" MEMBER("class", class) MEMBER("id", id)                                                      \
		MEMBER("snapshot", "<struct>" fields "</struct>") "</struct></value>"
#define OVA(objects)                                                                                                   \
	"<value><struct>" MEMBER("version", "<struct/>")                                                               \
		MEMBER("objects", "<array><data>" objects "</data></array>") "</struct></value>"
#define VBD(id, device, bootable, type, vdi)                                                                           \
	OBJECT("VBD", id,                                                                                              \
	       MEMBER("userdevice", device) MEMBER("bootable", "<boolean>" bootable "</boolean>") MEMBER("type", type) \
		       MEMBER("VDI", vdi) MEMBER("empty", "<boolean>0</boolean>"))
#define VDI(id, name, size) OBJECT("VDI", id, MEMBER("name_label", name) MEMBER("virtual_size", size))
#define VM                                                                                                             \
	OBJECT("VM", "Ref:0",                                                                                          \
	       MEMBER("name_label", "xen") MEMBER("memory_static_max", "1073741824") MEMBER("VCPUs_max", "2")          \
		       MEMBER("HVM_boot_params", "<struct>" MEMBER("firmware", "uefi") "</struct>"))

static struct vm *parse(const char *text, struct err *err)
{
	struct vm *vm = NULL;

	*err = (struct err){ 0 };
	xva_parse(&vm, "ova.xml", text, strlen(text), err);
	return vm;
}

static void test_machine(void)
{
	struct err err;
	CLEANUP(vm_free)
	struct vm *vm =
		parse(OVA(VDI("Ref:9", "data", "2097152") VM VBD("Ref:1", "1", "0", "Disk", "Ref:9")
				  VBD("Ref:2", "0", "1", "Disk", "Ref:8") VBD("Ref:3", "3", "0", "CD", "OpaqueRef:NULL")
					  VDI("Ref:8", "root", "1048576")
						  OBJECT("VIF", "Ref:4", MEMBER("MAC", "00:16:3e:00:00:01"))),
		      &err);

	if (!ok(vm, "ova.xml is read (%s)", err.text))
		return;
	is_str(vm->name, "xen", "its name");
	is_int(vm->memory_bytes, 1 << 30, "its memory");
	is_int(vm->cpus, 2, "its processors");
	is_str(vm->firmware, "uefi", "its firmware");
	is_int(vm->disk_count, 2, "its disks");
	is_str(vm->disks[0].file, "Ref:8", "in the order of their devices");
	is_str(vm->disks[0].name, "root", "with their names");
	is_int(vm->disks[1].capacity_bytes, 2097152, "and sizes");
	ok(vm->disks[0].boot && !vm->disks[1].boot, "one is booted from");
	is_int(vm->ignored_count, 1, "an empty CD drive is none of them");
	is_str(vm->nics[0].mac, "00:16:3e:00:00:01", "its interface");
}

static void test_refused(void)
{
	static const struct {
		const char *name, *text, *said;
	} cases[] = {
		{ "another root", "<values/>", "describes no machine" },
		{ "no machine", OVA(VDI("Ref:9", "data", "2097152")), "describes no machine" },
		{ "two machines", OVA(VM VM), "more than one machine" },
		{ "no disk", OVA(VM), "no disk" },
		{ "a disk that is not described", OVA(VM VBD("Ref:1", "0", "1", "Disk", "Ref:7")),
		  "'Ref:7', which is not described" },
		{ "one disk twice",
		  OVA(VM VDI("Ref:9", "d", "512") VBD("Ref:1", "0", "1", "Disk", "Ref:9")
			      VBD("Ref:2", "1", "0", "Disk", "Ref:9")),
		  "in the machine twice" },
		{ "a size that is none", OVA(VM VDI("Ref:9", "d", "big") VBD("Ref:1", "0", "1", "Disk", "Ref:9")),
		  "'big'" },
		{ "no size", OVA(VM VDI("Ref:9", "d", "") VBD("Ref:1", "0", "1", "Disk", "Ref:9")), "no virtual_size" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err;
		CLEANUP(vm_free) struct vm *vm = parse(cases[i].text, &err);

		ok(!vm && strstr(err.text, cases[i].said), "refused: %s (%s)", cases[i].name, err.text);
	}
}

int main(void)
{
	test_machine();
	test_refused();
	return done_testing();
}
