/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_plan: descriptions as publishers write them become machines that a node's client takes; what no node can be given is
 * refused with the item, the field, its value and the line.
 */
#include "guest_plan.h"

#include "cleanup.h"
#include "guest_spec.h"
#include "json.h"
#include "tap.h"
#include "unpack_domain.h"
#include "unpack_ovf.h"
#include "unpack_xva.h"
#include "unpack_xvm.h"

#include <errno.h>
#include <stdlib.h>

static struct store_item item = { .id = "0123456789abcdef", .announced = { .title = "Mail server" } };

/* The item's disks on these buses, separated by spaces; "-": not said. NULL: one disk, not said. */
static void set_disks(struct store_content *content, const char *buses)
{
	CLEANUP(free_str) char *text = strdup(buses ? buses : "-");
	const struct store_image image = { 0 };
	struct err err;
	char *rest = text;

	for (char *bus; (bus = strsep(&rest, " "));)
		content_add_disk(content, &image, NULL, strcmp(bus, "-") == 0 ? NULL : strdup(bus), &err);
}

/* What the machine's JSON, as it is stored, becomes; NULL: refused. Caller frees. */
static json_t *make_of(const char *machine, const char *buses, struct err *err)
{
	CLEANUP(store_content_free) struct store_content content = { .machine = machine ? strdup(machine) : NULL };
	json_t *guest = NULL;

	*err = (struct err){ 0 };
	set_disks(&content, buses);
	guest_plan_make(&guest, &item, &content, err);
	return guest;
}

static json_t *make_of_vm(struct vm *vm, const char *buses, struct err *err)
{
	CLEANUP(json_free) json_t *machine = vm ? vm_json(vm) : NULL;
	CLEANUP(free_str) char *text = machine ? json_dumps(machine, 0) : NULL;

	return text ? make_of(text, buses, err) : NULL;
}

static json_t *make_of_domain(const char *text, const char *buses, struct err *err)
{
	CLEANUP(vm_free) struct vm *vm = NULL;

	*err = (struct err){ 0 };
	domain_parse(&vm, "description.xml", text, strlen(text), err);
	return make_of_vm(vm, buses, err);
}

/* The client's own reader takes it, and says the same. */
static void is_guest(json_t *guest, const char *wanted, const struct err *err, const char *label)
{
	CLEANUP(free_str) char *text = guest ? json_dumps(guest, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	struct guest_spec spec;
	struct err why = { 0 };

	is_str(text ? text : err->text, wanted, label);
	if (!guest)
		return;
	ok(guest_spec_parse(&spec, guest, &why) == 0, "%s: the client takes it (%s)", label, why.text);
	CLEANUP(json_free) json_t *again = guest_spec_json(&spec);
	ok(json_equal(guest, again), "%s: and says the same", label);
	json_decref(guest);
}

#define NOT_SAID "\"said_by\":{\"cpus\":null,\"firmware\":null,\"memory_bytes\":null}}"

static void nothing_is_said(void)
{
	struct err err;

	is_guest(make_of(NULL, NULL, &err),
		 "{\"arch\":\"x86_64\",\"cpus\":1,\"disks\":[{\"bus\":\"virtio\"}],\"firmware\":\"bios\",\"machine\":"
		 "\"q35\","
		 "\"memory_bytes\":1073741824,\"name\":\"Mail-server\",\"nics\":[{\"mac\":null,\"model\":\"virtio\"}],"
		 "\"restart\":\"on-failure\"," NOT_SAID,
		 &err, "a plain image");
	item.needs = (struct store_needs){ .firmware = "uefi", .memory_bytes_min = 3ull << 30 };
	is_guest(make_of(NULL, NULL, &err),
		 "{\"arch\":\"x86_64\",\"cpus\":1,\"disks\":[{\"bus\":\"virtio\"}],\"firmware\":\"uefi\",\"machine\":"
		 "\"q35\","
		 "\"memory_bytes\":3221225472,\"name\":\"Mail-server\",\"nics\":[{\"mac\":null,\"model\":\"virtio\"}],"
		 "\"restart\":\"on-failure\"," NOT_SAID,
		 &err, "what its feed says");
	item.needs = (struct store_needs){ .arch = "aarch64" };
	is_guest(make_of(NULL, NULL, &err),
		 "{\"arch\":\"aarch64\",\"cpus\":1,\"disks\":[{\"bus\":\"virtio\"}],\"firmware\":\"uefi\",\"machine\":"
		 "\"virt\","
		 "\"memory_bytes\":1073741824,\"name\":\"Mail-server\",\"nics\":[{\"mac\":null,\"model\":\"virtio\"}],"
		 "\"restart\":\"on-failure\"," NOT_SAID,
		 &err, "another architecture");
	item.needs = (struct store_needs){ 0 };
}

static void libvirt_domains(void)
{
	struct err err;

	is_guest(make_of_domain(
			 "<domain type='kvm'>\n<name>web,file=/etc/shadow</name>\n<memory unit='GiB'>2</memory>\n"
			 "<vcpu>3</vcpu>\n<os firmware='efi'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>\n"
			 "<devices>\n<interface type='network'><mac address='52:54:00:AA:00:01'/><model type='e1000e'/>"
			 "</interface>\n<interface type='bridge'><mac address='52:54:00:aa:00:01'/><model "
			 "type='vmxnet3'/></interface>\n<interface type='user'><mac address='01:00:5e:00:00:01'/>"
			 "</interface></devices></domain>",
			 "scsi nvme xen", &err),
		 "{\"arch\":\"x86_64\",\"cpus\":3,\"disks\":[{\"bus\":\"scsi\"},{\"bus\":\"nvme\"},{\"bus\":\"virtio\"}"
		 "],"
		 "\"firmware\":\"uefi\",\"machine\":\"q35\",\"memory_bytes\":2147483648,\"name\":\"web-file-etc-"
		 "shadow\","
		 "\"nics\":[{\"mac\":\"52:54:00:aa:00:01\",\"model\":\"e1000e\"},{\"mac\":null,\"model\":\"vmxnet3\"},"
		 "{\"mac\":null,\"model\":\"virtio\"}],\"restart\":\"on-failure\",\"said_by\":{\"cpus\":\"description."
		 "xml:4\","
		 "\"firmware\":\"description.xml:5\",\"memory_bytes\":\"description.xml:3\"}}",
		 &err, "a domain, one address twice and one of a group");
	is_guest(
		make_of_domain("<domain><name>\n</name><os><type machine='pc-i440fx-2.1'>hvm</type></os></domain>",
			       "ide", &err),
		"{\"arch\":\"x86_64\",\"cpus\":1,\"disks\":[{\"bus\":\"ide\"}],\"firmware\":\"bios\",\"machine\":"
		"\"pc\","
		"\"memory_bytes\":1073741824,\"name\":\"Mail-server\",\"nics\":[],\"restart\":\"on-failure\"," NOT_SAID,
		&err, "an old domain without a card");
}

static const char ovf[] =
	"<Envelope>\n<References><File id='f' href='d.vmdk'/></References>\n"
	"<DiskSection><Disk diskId='v' fileRef='f' capacity='1' capacityAllocationUnits='byte * 2^30'/></DiskSection>\n"
	"<VirtualSystem id='appliance'>\n<VirtualHardwareSection>\n"
	"<Item><InstanceID>1</InstanceID><ResourceType>3</ResourceType><VirtualQuantity>2</VirtualQuantity></Item>\n"
	"<Item><InstanceID>2</InstanceID><ResourceType>4</ResourceType><VirtualQuantity>512</VirtualQuantity></Item>\n"
	"<Item><InstanceID>3</InstanceID><ResourceType>6</ResourceType><ResourceSubType>lsilogic</ResourceSubType></"
	"Item>\n"
	"<Item><InstanceID>4</InstanceID><ResourceType>17</ResourceType><Parent>3</Parent>"
	"<HostResource>ovf:/disk/v</HostResource></Item>\n"
	"<Item><InstanceID>5</InstanceID><ResourceType>10</ResourceType><ResourceSubType>VmxNet3</ResourceSubType></"
	"Item>\n"
	"<Config key='firmware' value='efi'/></VirtualHardwareSection></VirtualSystem></Envelope>";

#define MEMBER(name, value) "<member><name>" name "</name><value>" value "</value></member>"
#define OBJECT(class, id, fields)                                                                                      \
	"<value><struct>" MEMBER("class", class) MEMBER("id", id)                                                      \
		MEMBER("snapshot", "<struct>" fields "</struct>") "</struct></value>"

static const char xva[] = "<value><struct>" MEMBER(
	"objects",
	"<array><data>" OBJECT("VM", "Ref:0",
			       MEMBER("name_label", "xen") MEMBER("memory_static_max", "1073741824") "\n" MEMBER(
				       "VCPUs_max", "2") "\n" MEMBER("HVM_boot_params",
								     "<struct>" MEMBER("firmware", "uefi") "</struct>"))
		OBJECT("VBD", "Ref:1", MEMBER("userdevice", "0") MEMBER("type", "Disk") MEMBER("VDI", "Ref:8"))
			OBJECT("VDI", "Ref:8", MEMBER("name_label", "root") MEMBER("virtual_size", "1048576"))
				OBJECT("VIF", "Ref:4",
				       MEMBER("MAC", "00:16:3e:00:00:01")) "</data></array>") "</struct>"
											      "</value>";

static void others(void)
{
	CLEANUP(ovf_free) struct ovf *parsed = NULL;
	CLEANUP(vm_free) struct vm *vm = NULL;
	CLEANUP(vm_free) struct vm *xvm = NULL;
	static const char own[] = "<xvm><name>pv</name>\n<memory>256</memory>\n<vcpus>4</vcpus><disk file='a'/></xvm>";
	struct err err = { 0 };

	ovf_parse(&parsed, "a.ovf", ovf, sizeof(ovf) - 1, &err);
	is_guest(make_of_vm(parsed ? parsed->vm : NULL, parsed ? parsed->vm->disks[0].bus : NULL, &err),
		 "{\"arch\":\"x86_64\",\"cpus\":2,\"disks\":[{\"bus\":\"scsi\"}],\"firmware\":\"uefi\",\"machine\":"
		 "\"q35\","
		 "\"memory_bytes\":536870912,\"name\":\"appliance\",\"nics\":[{\"mac\":null,\"model\":\"vmxnet3\"}],"
		 "\"restart\":\"on-failure\",\"said_by\":{\"cpus\":\"a.ovf:6\",\"firmware\":\"a.ovf:11\","
		 "\"memory_bytes\":\"a.ovf:7\"}}",
		 &err, "OVF");
	xva_parse(&vm, "ova.xml", xva, sizeof(xva) - 1, &err);
	is_guest(make_of_vm(vm, "xen", &err),
		 "{\"arch\":\"x86_64\",\"cpus\":2,\"disks\":[{\"bus\":\"virtio\"}],\"firmware\":\"uefi\",\"machine\":"
		 "\"q35\","
		 "\"memory_bytes\":1073741824,\"name\":\"xen\",\"nics\":[{\"mac\":\"00:16:3e:00:00:01\",\"model\":"
		 "\"virtio\"}],"
		 "\"restart\":\"on-failure\",\"said_by\":{\"cpus\":\"ova.xml:2\",\"firmware\":\"ova.xml:3\","
		 "\"memory_bytes\":\"ova.xml:1\"}}",
		 &err, "XVA");
	xvm_parse(&xvm, "xvm.xml", own, sizeof(own) - 1, &err);
	is_guest(make_of_vm(xvm, NULL, &err),
		 "{\"arch\":\"x86_64\",\"cpus\":4,\"disks\":[{\"bus\":\"virtio\"}],\"firmware\":\"bios\",\"machine\":"
		 "\"q35\","
		 "\"memory_bytes\":268435456,\"name\":\"pv\",\"nics\":[{\"mac\":null,\"model\":\"virtio\"}],"
		 "\"restart\":\"on-failure\",\"said_by\":{\"cpus\":\"xvm.xml:3\",\"firmware\":null,"
		 "\"memory_bytes\":\"xvm.xml:2\"}}",
		 &err, "XVM, whose cards are not read");
}

static void refused(void)
{
	static const struct {
		const char *inside, *buses, *said;
	} cases[] = {
		{ "<devices>\n\n<interface><model type='ne2k_pci,file=/x'/></interface></devices>", NULL,
		  "model of a network card 'ne2k_pci,file=/x' (description.xml:3): a guest's is virtio, e1000, e1000e, "
		  "rtl8139 or "
		  "vmxnet3" },
		{ "<memory unit='PiB'>1</memory>", NULL, "memory '1.0 PiB' (description.xml:1): no node has so much" },
		{ "<memory unit='KiB'>4</memory>", NULL,
		  "memory '4.0 KiB' (description.xml:1): a guest has a MiB at least" },
		{ "\n<vcpu>256</vcpu>", NULL, "processors '256' (description.xml:2): a guest has 255 at most" },
		{ "", "- - - - - - - - - - - - - - - - -", "disks '17': a guest has 16 at most" },
		{ "<devices><interface/><interface/><interface/><interface/><interface/><interface/><interface/"
		  "><interface/>"
		  "<interface/></devices>",
		  NULL, "network cards '9' (description.xml:1): a guest has 8 at most" },
		{ "<os>\n<type machine='microvm'/></os>", NULL,
		  "machine type 'microvm' (description.xml:2): a guest's is q35 or pc" },
		{ "<os><type machine='pcx'/></os>", NULL,
		  "machine type 'pcx' (description.xml:1): a guest's is q35 or pc" },
		{ "<os><type arch='ppc64'/></os>", NULL,
		  "architecture 'ppc64' (description.xml:1): a guest's is x86_64 or aarch64" },
	};
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[600], wanted[400];

		snprintf(text, sizeof(text), "<domain>%s</domain>", cases[i].inside);
		snprintf(wanted, sizeof(wanted), "item %s as a guest: %s", item.id, cases[i].said);
		CLEANUP(json_free) json_t *guest = make_of_domain(text, cases[i].buses, &err);
		ok(!guest && err.code == -EALREADY, "refused: %s", cases[i].said);
		is_str(err.text, wanted, "  and it says why");
	}
	item.needs = (struct store_needs){ .arch = "aarch64", .firmware = "bios" };
	CLEANUP(json_free) json_t *bios = make_of(NULL, NULL, &err);
	ok(!bios, "aarch64 with BIOS is no guest");
	is_str(err.text, "item 0123456789abcdef as a guest: firmware 'bios': of its architecture there is uefi",
	       "refused: aarch64 with BIOS");
	item.needs = (struct store_needs){ 0 };
	CLEANUP(json_free) json_t *firmware = make_of("{\"firmware\":\"uefi2\"}", NULL, &err);
	ok(!firmware, "nor is what no unpacker says");
	is_str(err.text, "item 0123456789abcdef as a guest: firmware 'uefi2': a guest's is bios or uefi",
	       "refused: firmware that no unpacker says");
	item.needs = (struct store_needs){ .arch = "x86_64" };
	CLEANUP(json_free)
	json_t *other = make_of_domain("<domain><os><type arch='aarch64'/></os></domain>", NULL, &err);
	ok(!other, "nor what its feed says otherwise");
	is_str(err.text,
	       "item 0123456789abcdef as a guest: architecture 'aarch64' (description.xml:1): its feed says another "
	       "one",
	       "refused: another architecture than its feed's");
	item.needs = (struct store_needs){ 0 };
}

static void names(void)
{
	static const struct {
		const char *said, *name;
	} cases[] = {
		{ "web", "web" },
		{ "../../etc", "etc" },
		{ "-append x", "append-x" },
		{ "a;b|c$(d) \xc3\xa4", "a-b-c-d" },
		{ "\xe2\x82\xac", "0123456789abcdef" },
		{ "x.y_z-1.", "x.y_z-1" },
		{ "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		  "123456789012345678901234567890123456789012345678901234567890123" },
	};
	struct err err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(json_free) json_t *machine = json_pack("{s:s}", "name", cases[i].said);
		CLEANUP(free_str) char *text = json_dumps(machine, 0);
		CLEANUP(json_free) json_t *guest = make_of(text, NULL, &err);

		is_str(json_string_value(json_object_get(guest, "name")), cases[i].name, cases[i].said);
	}
}

int main(void)
{
	nothing_is_said();
	libvirt_domains();
	others();
	refused();
	names();
	return done_testing();
}
