/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OVF descriptors as VMware and VirtualBox write them are read; what contradicts itself is refused by name. */
#include "unpack_ovf.h"

#include "cleanup.h"
#include "tap.h"

#include <errno.h>

#define NAMESPACES                                                                                                     \
	"xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" "       \
	"xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData\" "          \
	"xmlns:vmw=\"http://www.vmware.com/schema/ovf\""
#define FILES                                                                                                          \
	"<References><File ovf:href=\"a.vmdk\" ovf:id=\"f1\" ovf:size=\"42\"/><File ovf:href=\"b.vmdk\" "              \
	"ovf:id=\"f2\"/></References>"
#define DISKS                                                                                                          \
	"<DiskSection><Disk ovf:capacity=\"16\" ovf:capacityAllocationUnits=\"byte * 2^30\" ovf:diskId=\"d1\" "        \
	"ovf:fileRef=\"f1\"/><Disk ovf:capacity=\"512\" ovf:diskId=\"d2\" ovf:fileRef=\"f2\"/></DiskSection>"
#define ITEM(id, type, more)                                                                                           \
	"<Item><rasd:InstanceID>" id "</rasd:InstanceID><rasd:ResourceType>" type "</rasd:ResourceType>" more "</"     \
	"Item>"
#define DISK_ITEM(id, disk, parent, address)                                                                           \
	ITEM(id, "17",                                                                                                 \
	     "<rasd:HostResource>" disk "</rasd:HostResource><rasd:Parent>" parent                                     \
	     "</rasd:Parent><rasd:AddressOnParent>" address "</rasd:AddressOnParent>")
#define CONTROLLERS ITEM("3", "6", "<rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>") ITEM("4", "5", "")
#define SYSTEM(items)                                                                                                  \
	"<VirtualSystem ovf:id=\"vm\"><VirtualHardwareSection>" items "</VirtualHardwareSection></VirtualSystem>"
#define OVF(body) "<Envelope " NAMESPACES ">" body "</Envelope>"

static struct ovf *parse(const char *text, struct err *err)
{
	struct ovf *ovf = NULL;

	*err = (struct err){ 0 };
	ovf_parse(&ovf, "box.ovf", text, strlen(text), err);
	return ovf;
}

static void test_vmware(void)
{
	struct err err;
	CLEANUP(ovf_free)
	struct ovf *ovf = parse(
		OVF(FILES DISKS
		    "<VirtualSystem ovf:id=\"web\"><Name>web server</Name><OperatingSystemSection ovf:id=\"96\" "
		    "vmw:osType=\"debian10_64Guest\"/><VirtualHardwareSection>" ITEM(
			    "1", "3", "<rasd:VirtualQuantity>4</rasd:VirtualQuantity>")
			    ITEM("2", "4",
				 "<rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:VirtualQuantity>2048"
				 "</rasd:VirtualQuantity>") CONTROLLERS DISK_ITEM("7", "ovf:/disk/d1", "3", "0")
				    ITEM("8", "15", "")
					    ITEM("9", "10",
						 "<rasd:ResourceSubType>VmxNet3</"
						 "rasd:ResourceSubType><rasd:Connection>VM "
						 "Network</rasd:Connection><rasd:Address>00:50:56:00:00:01</"
						 "rasd:Address>") "<vmw:Config ovf:required=\"false\" "
								  "vmw:key=\"firmware\" "
								  "vmw:value=\"efi\"/></VirtualHardwareSection></"
								  "VirtualSystem>"),
		&err);

	if (!ok(ovf, "what VMware writes is read (%s)", err.text))
		return;
	is_str(ovf->vm->name, "web server", "its name");
	is_str(ovf->vm->os, "debian10_64Guest", "its system");
	is_str(ovf->vm->firmware, "uefi", "its firmware");
	is_int(ovf->vm->cpus, 4, "its processors");
	is_int(ovf->vm->memory_bytes, 2048ll << 20, "its memory");
	is_int(ovf->vm->disk_count, 1, "the disk that the hardware has");
	is_int(ovf->unused_count, 1, "and that it does not have");
	is_str(ovf->vm->disks[0].file, "a.vmdk", "comes from this file");
	is_str(ovf->vm->disks[0].bus, "scsi", "is on this bus");
	is_int(ovf->vm->disks[0].capacity_bytes, 16ll << 30, "has this size");
	ok(ovf->vm->disks[0].boot, "is booted from");
	is_int(ovf->vm->ignored_count, 1, "a CD drive is counted, no more");
	is_str(ovf->vm->nics[0].model, "VmxNet3", "its interface");
	is_str(ovf->vm->nics[0].mac, "00:50:56:00:00:01", "with this address");
	is_int(ovf->files[0].bytes, 42, "what a file's length must be");
}

static void test_order(void)
{
	struct err err;
	CLEANUP(ovf_free)
	struct ovf *ovf = parse(OVF(FILES DISKS SYSTEM(CONTROLLERS DISK_ITEM("8", "/disk/d1", "4", "0")
							       DISK_ITEM("9", "/disk/d2", "3", "5"))),
				&err);

	ok(ovf && ovf->vm->disk_count == 2 && strcmp(ovf->vm->disks[0].name, "d2") == 0,
	   "disks are in the order of their controllers");
	ok(ovf && ovf->vm->disks[0].boot && !ovf->vm->disks[1].boot, "the first of them is booted from");
	ovf_free(&ovf);
	ovf = parse(OVF(FILES DISKS SYSTEM("")), &err);
	ok(ovf && ovf->vm->disk_count == 2 && strcmp(ovf->vm->disks[0].name, "d1") == 0,
	   "without hardware in that of the disk section");
	ovf_free(&ovf);
	ovf = parse(OVF(FILES "<DiskSection><Disk ovf:capacity=\"1\" ovf:capacityAllocationUnits=\"GigaBytes\" "
			      "ovf:diskId=\"d\"/></DiskSection>" SYSTEM("")),
		    &err);
	ok(ovf && !ovf->vm->disks[0].file && ovf->vm->disks[0].capacity_bytes == 1 << 30, "an empty disk has no file");
}

/* The bus of a disk whose controller is this, by its ResourceType and ResourceSubType. */
static void test_buses(void)
{
	static const struct {
		const char *controller, *bus, *unknown;
	} cases[] = {
		{ ITEM("3", "20", "<rasd:ResourceSubType>AHCI</rasd:ResourceSubType>"), "sata", NULL },
		{ ITEM("3", "20", "<rasd:ResourceSubType>VirtioSCSI</rasd:ResourceSubType>"), "scsi", NULL },
		{ ITEM("3", "20", "<rasd:ResourceSubType>NVMe</rasd:ResourceSubType>"), "nvme", NULL },
		{ ITEM("3", "20", ""), "sata", NULL },
		{ ITEM("3", "20", "<rasd:ResourceSubType>floptical</rasd:ResourceSubType>"), NULL, "floptical" },
		{ ITEM("3", "5", "<rasd:ResourceSubType>floptical</rasd:ResourceSubType>"), "ide", NULL },
		{ ITEM("3", "6", "<rasd:ResourceSubType>floptical</rasd:ResourceSubType>"), "scsi", NULL },
		{ ITEM("3", "23", "<rasd:ResourceSubType>floptical</rasd:ResourceSubType>"), "usb", NULL },
		{ ITEM("3", "1", "<rasd:ResourceSubType>floptical</rasd:ResourceSubType>"), NULL, "floptical" },
		{ ITEM("3", "1", ""), NULL, NULL },
		{ "", NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[4096];
		struct err err;

		snprintf(text, sizeof(text), OVF(FILES DISKS SYSTEM("%s" DISK_ITEM("7", "/disk/d1", "3", "0"))),
			 cases[i].controller);
		CLEANUP(ovf_free) struct ovf *ovf = parse(text, &err);
		if (!ok(ovf, "a controller is read: '%s' (%s)", cases[i].controller, err.text))
			continue;
		is_str(ovf->vm->disks[0].bus, cases[i].bus, "its bus");
		is_str(ovf->unknown_controller, cases[i].unknown, "its kind, if that is not known");
	}
}

/* A text of 1024 bytes is read as it is, one more is refused: a name that was cut would be another one. */
static void test_long_texts(void)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ OVF("<References><File ovf:id=\"f1\" ovf:href=\"%s\"/></References>"
		      "<DiskSection><Disk ovf:capacity=\"1\" ovf:diskId=\"d\" "
		      "ovf:fileRef=\"f1\"/></DiskSection>" SYSTEM("")),
		  "box.ovf: 'href' has a text of more than 1024 bytes" },
		{ OVF(FILES DISKS "<VirtualSystem><Name>%s</Name></VirtualSystem>"),
		  "box.ovf: 'Name' has a text of more than 1024 bytes" },
		{ OVF(FILES DISKS SYSTEM(ITEM("1", "17", "<rasd:HostResource>%s</rasd:HostResource>"))),
		  "box.ovf: 'HostResource' has a text of more than 1024 bytes" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t len = 1024; len <= 1025; len++) {
			char text[8192], name[1026];
			struct err err;

			memset(name, 'x', len);
			name[len] = '\0';
			snprintf(text, sizeof(text), cases[i].text, name);
			CLEANUP(ovf_free) struct ovf *ovf = parse(text, &err);
			ok(len > 1024 ? !ovf && err.code == -EFBIG && strcmp(err.text, cases[i].said) == 0
				      : !strstr(err.text, "has a text of"),
			   "%zu bytes of text (%.80s)", len, err.text);
		}
	}
	char text[8192], eula[4096] = "";
	struct err err;
	memset(eula, 'x', sizeof(eula) - 1);
	snprintf(text, sizeof(text), OVF(FILES DISKS "<EulaSection><License>%s</License></EulaSection>" SYSTEM("")),
		 eula);
	CLEANUP(ovf_free) struct ovf *ovf = parse(text, &err);
	ok(ovf, "what is not looked at may be long (%s)", err.text);
}

/* UTF-16 with its byte order mark: little-endian, then big-endian. Longer than what the parser is given at once. */
static void test_utf16(void)
{
	static char ascii[40000], wide[2 * sizeof(ascii) + 2];

	snprintf(ascii, sizeof(ascii), "<?xml version=\"1.0\" encoding=\"UTF-16\"?><!-- %30000s -->%s", "",
		 OVF(FILES DISKS SYSTEM("")));
	for (size_t big = 0; big < 2; big++) {
		struct err err = { 0 };
		CLEANUP(ovf_free) struct ovf *ovf = NULL;
		size_t len = strlen(ascii);

		memset(wide, 0, sizeof(wide));
		memcpy(wide, big ? "\xfe\xff" : "\xff\xfe", 2);
		for (size_t i = 0; i < len; i++)
			wide[2 + 2 * i + big] = ascii[i];
		ovf_parse(&ovf, "box.ovf", wide, 2 + 2 * len, &err);
		ok(ovf && strcmp(ovf->vm->disks[1].file, "b.vmdk") == 0, "UTF-16 is read (%s)", err.text);
		ovf_free(&ovf);
		ok(ovf_parse(&ovf, "box.ovf", wide, 1 + 2 * len, &err) < 0, "half a character at its end is not (%s)",
		   err.text);
		ok(ovf_parse(&ovf, "box.ovf", wide, 4 + 2 * len, &err) < 0, "nor a NUL behind it (%s)", err.text);
		ovf_free(&ovf);
		memset(wide + 2 + 2 * 20000, 0, 2);
		ok(ovf_parse(&ovf, "box.ovf", wide, 2 + 2 * len, &err) < 0, "nor one in it (%s)", err.text);
		ovf_free(&ovf);
	}
	struct err err = { 0 };
	struct ovf *ovf = NULL;
	ok(ovf_parse(&ovf, "box.ovf", "<Envelope\0/>", 12, &err) < 0 && strstr(err.text, "NUL"),
	   "a NUL in UTF-8 is not (%s)", err.text);
}

static void test_refused(void)
{
	static const struct {
		const char *name, *text, *said;
		int code;
	} cases[] = {
		{ "no OVF", "<Envelop/>", "no <Envelope>", -EBADMSG },
		{ "not well-formed", "<Envelope>", "box.ovf line", -EBADMSG },
		{ "a DTD", "<!DOCTYPE Envelope [<!ENTITY a \"b\">]><Envelope>&a;</Envelope>", "DTD", -ENOTSUP },
		{ "no machine", OVF(FILES DISKS), "describes no machine", -EBADMSG },
		{ "two machines", OVF(FILES DISKS SYSTEM("") SYSTEM("")), "more than one machine", -ENOTSUP },
		{ "no disk", OVF(FILES SYSTEM("")), "no disk", -ENOTSUP },
		{ "a file without a name", OVF("<References><File ovf:id=\"f\"/></References>"), "without id or href",
		  -EBADMSG },
		{ "a file in chunks",
		  OVF("<References><File ovf:id=\"f\" ovf:href=\"h\" ovf:chunkSize=\"5\"/></References>"),
		  "chunks of 5", -ENOTSUP },
		{ "a disk of no file",
		  OVF(FILES
		      "<DiskSection><Disk ovf:capacity=\"1\" ovf:diskId=\"d\" ovf:fileRef=\"f9\"/></DiskSection>"),
		  "fileRef 'f9'", -EBADMSG },
		{ "a disk without id", OVF(FILES "<DiskSection><Disk ovf:capacity=\"1\"/></DiskSection>"),
		  "without diskId", -EBADMSG },
		{ "two disks of one name",
		  OVF("<DiskSection><Disk ovf:capacity=\"1\" ovf:diskId=\"d\"/><Disk ovf:capacity=\"1\" "
		      "ovf:diskId=\"d\"/></DiskSection>"),
		  "two disks are called 'd'", -EBADMSG },
		{ "a disk with a parent",
		  OVF("<DiskSection><Disk ovf:capacity=\"1\" ovf:diskId=\"d\" ovf:parentRef=\"p\"/></DiskSection>"),
		  "parentRef 'p'", -ENOTSUP },
		{ "a capacity to be chosen",
		  OVF("<DiskSection><Disk ovf:capacity=\"${size}\" ovf:diskId=\"d\"/></DiskSection>"), "'${size}'",
		  -ENOTSUP },
		{ "a capacity that is none",
		  OVF("<DiskSection><Disk ovf:capacity=\"many\" ovf:diskId=\"d\"/></DiskSection>"), "'many'",
		  -EBADMSG },
		{ "an unknown unit",
		  OVF("<DiskSection><Disk ovf:capacity=\"1\" ovf:capacityAllocationUnits=\"furlong\" "
		      "ovf:diskId=\"d\"/></DiskSection>"),
		  "unit 'furlong'", -ENOTSUP },
		{ "a capacity that overflows",
		  OVF("<DiskSection><Disk ovf:capacity=\"18446744073709551615\" ovf:capacityAllocationUnits=\"byte * "
		      "2^30\" "
		      "ovf:diskId=\"d\"/></DiskSection>"),
		  "no whole number", -EBADMSG },
		{ "hardware with an unknown disk", OVF(FILES DISKS SYSTEM(DISK_ITEM("1", "/disk/d7", "3", "0"))),
		  "'/disk/d7', which is none", -EBADMSG },
		{ "a disk in the machine twice",
		  OVF(FILES DISKS SYSTEM(DISK_ITEM("1", "/disk/d1", "3", "0") DISK_ITEM("2", "/disk/d1", "3", "1"))),
		  "is in the machine twice", -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err;
		CLEANUP(ovf_free) struct ovf *ovf = parse(cases[i].text, &err);

		ok(!ovf && err.code == cases[i].code && strstr(err.text, cases[i].said), "refused: %s (%s)",
		   cases[i].name, err.text);
	}
}

int main(void)
{
	test_vmware();
	test_order();
	test_buses();
	test_long_texts();
	test_utf16();
	test_refused();
	return done_testing();
}
