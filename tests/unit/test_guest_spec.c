/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_spec: what is a guest and what is none, and what a node can give. */
#include "cleanup.h"
#include "guest_spec.h"
#include "json.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

#define GIB (1ull << 30)

/* All fields, each with a value that is good. */
static json_t *good(void)
{
	return json_loads(
		"{\"name\": \"debian-12\", \"arch\": \"x86_64\", \"machine\": \"q35\", \"firmware\": \"uefi\", "
		"\"cpus\": 2, \"memory_bytes\": 4294967296, "
		"\"disks\": [{\"bus\": \"virtio\"}, {\"bus\": \"nvme\"}], "
		"\"nics\": [{\"model\": \"e1000\", \"mac\": \"52:54:00:AB:cd:01\"}, "
		"{\"model\": \"virtio\", \"mac\": null}], \"restart\": \"on-failure\", "
		"\"said_by\": {\"cpus\": \"description.xml:7\", \"memory_bytes\": \"description.xml:5\", "
		"\"firmware\": null, \"disks\": \"description.xml:9\"}, "
		"\"pack\": {\"url\": \"/env/hypervisor-x86_64.squashfs\"}}",
		0, NULL);
}

/* That one, with other values of the fields in `json`. */
static int parse_changed(struct guest_spec *out, const char *json, struct err *err)
{
	CLEANUP(json_free) json_t *spec = good();
	CLEANUP(json_free) json_t *change = json_loads(json, 0, NULL);

	*err = (struct err){ 0 };
	if (!spec || json_object_update(spec, change) != 0)
		abort();
	return guest_spec_parse(out, spec, err);
}

static void test_good(void)
{
	struct guest_spec spec;
	struct err err;

	is_int(parse_changed(&spec, "{}", &err), 0, "a guest");
	is_str(spec.name, "debian-12", "has a name");
	is_str(spec.arch, "x86_64", "an architecture");
	is_str(spec.machine, "q35", "a machine type");
	is_int(spec.firmware, GUEST_UEFI, "firmware");
	is_int(spec.cpus, 2, "CPUs");
	is_int(spec.memory_bytes, 4 * GIB, "memory");
	is_int(spec.disk_count, 2, "two disks");
	is_str(spec.buses[0], "virtio", "the first on virtio");
	is_str(spec.buses[1], "nvme", "the second on NVMe");
	is_int(spec.nic_count, 2, "two NICs");
	is_str(spec.nics[0].model, "e1000", "the first an e1000");
	ok(spec.nics[0].has_mac && memcmp(spec.nics[0].mac, "\x52\x54\x00\xab\xcd\x01", 6) == 0, "with its address");
	is_str(spec.nics[1].model, "virtio", "the second of virtio");
	ok(!spec.nics[1].has_mac, "without one");
	is_int(spec.restart, GUEST_RESTART_ON_FAILURE, "a policy");
	is_str(spec.said_by.cpus, "description.xml:7", "where its CPUs are said");
	is_str(spec.said_by.memory_bytes, "description.xml:5", "and its memory");
	is_str(spec.said_by.firmware, "", "its firmware is nowhere");
}

static void test_variants(void)
{
	static const char *const cases[] = {
		"{\"machine\": \"pc\", \"firmware\": \"bios\", \"disks\": [{\"bus\": \"ide\"}, {\"bus\": \"ide\"}, "
		"{\"bus\": \"ide\"}, {\"bus\": \"ide\"}]}",
		"{\"arch\": \"aarch64\", \"machine\": \"virt\"}",
		"{\"nics\": []}",
		"{\"nics\": [{\"model\": \"vmxnet3\"}, {\"model\": \"rtl8139\"}, {\"model\": \"e1000e\"}]}",
		"{\"disks\": [{\"bus\": \"scsi\"}, {\"bus\": \"sata\"}, {\"bus\": \"usb\"}]}",
		"{\"disks\": [{\"bus\": \"ide\"}, {\"bus\": \"ide\"}, {\"bus\": \"ide\"}, {\"bus\": \"ide\"}, "
		"{\"bus\": \"ide\"}]}",
		"{\"restart\": \"never\", \"cpus\": 255, \"memory_bytes\": 1048576}",
		"{\"restart\": \"always\", \"memory_bytes\": 9223372036854775807}",
		"{\"said_by\": null}",
		"{\"said_by\": {}}",
		"{\"said_by\": {\"cpus\": \" \\u001b[2J x\\u00e4 \", \"memory_bytes\": \"a\\nb\", \"firmware\": \" "
		"\"}}",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guest_spec spec, again;
		struct err err;

		memset(&again, 0xff, sizeof(again));
		if (!ok(parse_changed(&spec, cases[i], &err) == 0, "%s is taken", cases[i])) {
			printf("# %s\n", err.text);
			continue;
		}
		CLEANUP(json_free) json_t *json = guest_spec_json(&spec);
		ok(guest_spec_parse(&again, json, &err) == 0 && memcmp(&spec, &again, sizeof(spec)) == 0,
		   "and read back from its JSON, it is the same");
	}
}

static void test_said_by(void)
{
	struct guest_spec spec;
	struct err err;

	parse_changed(&spec, "{\"said_by\": {\"cpus\": \" \\u001b[2J \\u00e4 \"}}", &err);
	is_str(spec.said_by.cpus, "_[2J __", "what goes to a console is clean");
	CLEANUP(json_free)
	json_t *change = json_pack("{s:{s:o}}", "said_by", "memory_bytes", json_sprintf("%0500d", 7));
	CLEANUP(free_str) char *text = json_dumps(change, 0);
	is_int(parse_changed(&spec, text, &err), 0, "long text is cut off");
	is_int(strlen(spec.said_by.memory_bytes), GUEST_SAID - 1, "where it ends");
}

static const char *const faults[][2] = {
	{ "{\"name\": null}", "field \"guest\": field \"name\" is missing" },
	{ "{\"name\": 7}", "field \"guest\": field \"name\": a string is needed" },
	{ "{\"name\": \"\"}", "field \"guest\": field \"name\": '': letters, digits, '.', '_' and '-' are needed" },
	{ "{\"name\": \"x,file=/etc/shadow\"}",
	  "field \"guest\": field \"name\": 'x,file=/etc/shadow': letters, digits, '.', '_' and '-' are needed" },
	{ "{\"name\": \"$(reboot)\"}",
	  "field \"guest\": field \"name\": '$(reboot)': letters, digits, '.', '_' and '-' are needed" },
	{ "{\"name\": \"a\\nb\"}",
	  "field \"guest\": field \"name\": 'a\\x0Ab': letters, digits, '.', '_' and '-' are needed" },
	{ "{\"arch\": null}", "field \"guest\": field \"arch\" is missing" },
	{ "{\"arch\": 64}", "field \"guest\": field \"arch\": a string is needed" },
	{ "{\"arch\": \"riscv64\"}", "field \"guest\": field \"arch\": 'riscv64' is not known" },
	{ "{\"arch\": \"../x86_64\"}", "field \"guest\": field \"arch\": '../x86_64' is not known" },
	{ "{\"machine\": null}", "field \"guest\": field \"machine\" is missing" },
	{ "{\"machine\": []}", "field \"guest\": field \"machine\": a string is needed" },
	{ "{\"machine\": \"virt\"}", "field \"guest\": field \"machine\": 'virt' is not known" },
	{ "{\"machine\": \"q35,dumpdtb=/x\"}", "field \"guest\": field \"machine\": 'q35,dumpdtb=/x' is not known" },
	{ "{\"machine\": \"q35\", \"arch\": \"aarch64\"}", "field \"guest\": field \"machine\": 'q35' is not known" },
	{ "{\"firmware\": null}", "field \"guest\": field \"firmware\" is missing" },
	{ "{\"firmware\": true}", "field \"guest\": field \"firmware\": a string is needed" },
	{ "{\"firmware\": \"/etc/shadow\"}", "field \"guest\": field \"firmware\": '/etc/shadow' is not known" },
	{ "{\"cpus\": null}", "field \"guest\": field \"cpus\" is missing" },
	{ "{\"cpus\": 0}", "field \"guest\": field \"cpus\": 0: a guest has one at least" },
	{ "{\"cpus\": -1}", "field \"guest\": field \"cpus\": a whole number from 0 is needed" },
	{ "{\"cpus\": 1.5}", "field \"guest\": field \"cpus\": a whole number from 0 is needed" },
	{ "{\"cpus\": \"2\"}", "field \"guest\": field \"cpus\": a whole number from 0 is needed" },
	{ "{\"cpus\": 4294967297}", "field \"guest\": field \"cpus\": 4294967297 is too large, at most 4294967295" },
	{ "{\"memory_bytes\": null}", "field \"guest\": field \"memory_bytes\" is missing" },
	{ "{\"memory_bytes\": \"1G\"}", "field \"guest\": field \"memory_bytes\": a whole number from 0 is needed" },
	{ "{\"memory_bytes\": 1048575}",
	  "field \"guest\": field \"memory_bytes\": 1048575: a guest has a MiB at least" },
	{ "{\"disks\": null}", "field \"guest\": field \"disks\": a list is needed" },
	{ "{\"disks\": {\"bus\": \"virtio\"}}", "field \"guest\": field \"disks\": a list is needed" },
	{ "{\"disks\": []}", "field \"guest\": field \"disks\": 0 of them; a guest has 1 to 16" },
	{ "{\"disks\": [7]}", "field \"guest\": disk 1: field \"bus\" is missing" },
	{ "{\"disks\": [{\"bus\": 7}]}", "field \"guest\": disk 1: field \"bus\": a string is needed" },
	{ "{\"disks\": [{\"bus\": \"virtio\"}, {\"bus\": \"virtio,file=/etc/shadow\"}]}",
	  "field \"guest\": disk 2: field \"bus\": 'virtio,file=/etc/shadow' is not known" },
	{ "{\"nics\": null}", "field \"guest\": field \"nics\": a list is needed" },
	{ "{\"nics\": \"virtio\"}", "field \"guest\": field \"nics\": a list is needed" },
	{ "{\"nics\": [[]]}", "field \"guest\": NIC 1: field \"model\" is missing" },
	{ "{\"nics\": [{\"model\": false}]}", "field \"guest\": NIC 1: field \"model\": a string is needed" },
	{ "{\"nics\": [{\"model\": \"virtio,script=/bin/sh\"}]}",
	  "field \"guest\": NIC 1: field \"model\": 'virtio,script=/bin/sh' is not known" },
	{ "{\"nics\": [{\"model\": \"virtio\", \"mac\": 7}]}",
	  "field \"guest\": NIC 1: field \"mac\": a string is needed" },
	{ "{\"nics\": [{\"model\": \"virtio\", \"mac\": \"52:54:00:12:34:56,x\"}]}",
	  "field \"guest\": NIC 1: field \"mac\": '52:54:00:12:34:56,x' is not an address of one machine" },
	{ "{\"nics\": [{\"model\": \"virtio\", \"mac\": \"52:54:0:12:34:567\"}]}",
	  "field \"guest\": NIC 1: field \"mac\": '52:54:0:12:34:567' is not an address of one machine" },
	{ "{\"nics\": [{\"model\": \"virtio\", \"mac\": \"01:54:00:12:34:56\"}]}",
	  "field \"guest\": NIC 1: field \"mac\": '01:54:00:12:34:56' is not an address of one machine" },
	{ "{\"nics\": [{\"model\": \"virtio\", \"mac\": \"00:00:00:00:00:00\"}]}",
	  "field \"guest\": NIC 1: field \"mac\": '00:00:00:00:00:00' is not an address of one machine" },
	{ "{\"nics\": [{\"model\": \"virtio\", \"mac\": \"52:54:00:12:34:56\"}, "
	  "{\"model\": \"e1000\", \"mac\": \"52:54:00:12:34:56\"}]}",
	  "field \"guest\": NIC 2: field \"mac\": the same as of NIC 1" },
	{ "{\"restart\": null}", "field \"guest\": field \"restart\" is missing" },
	{ "{\"restart\": 1}", "field \"guest\": field \"restart\": a string is needed" },
	{ "{\"restart\": \"sometimes\"}", "field \"guest\": field \"restart\": 'sometimes' is not known" },
	{ "{\"said_by\": \"x\"}", "field \"guest\": field \"said_by\": an object is needed" },
	{ "{\"said_by\": {\"cpus\": 7}}", "field \"guest\": field \"said_by\": field \"cpus\": a string is needed" },
	{ "{\"said_by\": {\"memory_bytes\": []}}",
	  "field \"guest\": field \"said_by\": field \"memory_bytes\": a string is needed" },
	{ "{\"said_by\": {\"firmware\": {}}}",
	  "field \"guest\": field \"said_by\": field \"firmware\": a string is needed" },
};

static void test_faults(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct guest_spec spec = { .cpus = 7 };
		struct err err;

		is_int(parse_changed(&spec, faults[i][0], &err), -EPROTO, faults[i][0]);
		is_str(err.text, faults[i][1], "the field and the value are named");
		ok(spec.cpus == 7, "and nothing is given");
	}
}

static void test_no_object(void)
{
	CLEANUP(json_free) json_t *list = json_array();
	struct guest_spec spec;
	struct err err = { 0 };

	is_int(guest_spec_parse(&spec, list, &err), -EPROTO, "a list is no guest");
	is_str(err.text, "field \"guest\": an object is needed", "which is said");
	is_int(guest_spec_parse(&spec, NULL, &err), -EPROTO, "nor is nothing");
}

/* As many as somebody may send. */
static int parse_many(const char *key, const char *field, const char *value, int count, struct err *err)
{
	CLEANUP(json_free) json_t *spec = good();
	json_t *list = json_array();
	struct guest_spec out;

	for (int i = 0; i < count; i++)
		json_array_append_new(list, json_pack("{s:s}", field, value));
	json_object_set_new(spec, key, list);
	*err = (struct err){ 0 };
	return guest_spec_parse(&out, spec, err);
}

static void test_many(void)
{
	struct err err;

	is_int(parse_many("disks", "bus", "virtio", 16, &err), 0, "16 disks are taken");
	is_int(parse_many("disks", "bus", "virtio", 17, &err), -EPROTO, "17 are not");
	is_int(parse_many("disks", "bus", "virtio", 10000, &err), -EPROTO, "nor are 10,000");
	is_str(err.text, "field \"guest\": field \"disks\": 10000 of them; a guest has 1 to 16", "which is said");
	is_int(parse_many("nics", "model", "virtio", 8, &err), 0, "8 NICs are taken");
	is_int(parse_many("nics", "model", "virtio", 9, &err), -EPROTO, "9 are not");
}

static void test_no_such_machine(void)
{
	static const char *const cases[][2] = {
		{ "{\"arch\": \"aarch64\", \"machine\": \"virt\", \"firmware\": \"bios\", "
		  "\"said_by\": {\"firmware\": \"box.ovf: firmware\"}}",
		  "the guest needs BIOS firmware (box.ovf: firmware), an aarch64 machine has UEFI only" },
		{ "{\"cpus\": 256}", "the guest needs 256 CPUs (description.xml:7), a machine has at most 255" },
		{ "{\"machine\": \"pc\", \"disks\": [{\"bus\": \"ide\"}, {\"bus\": \"ide\"}, {\"bus\": \"ide\"}, "
		  "{\"bus\": \"ide\"}, {\"bus\": \"ide\"}]}",
		  "the guest has 5 disks on its bus \"ide\", a \"pc\" has room for 4" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guest_spec spec;
		struct err err;

		is_int(parse_changed(&spec, cases[i][0], &err), -ENOTSUP, "no machine is like that");
		is_str(err.text, cases[i][1], "which is said");
	}
}

/* A guest of 2 CPUs and 4 GiB. */
static int check(unsigned cpus, uint64_t memory_bytes, const char *change, struct err *err)
{
	struct guest_room room = { cpus, memory_bytes };
	struct guest_spec spec;

	if (parse_changed(&spec, change, err) != 0)
		abort();
	return guest_spec_check(&spec, &room, err);
}

static void test_room(void)
{
	struct err err;

	is_int(check(2, 4 * GIB, "{}", &err), 0, "all that a node has is enough");
	is_int(check(1, 4 * GIB, "{}", &err), -ENOTSUP, "a CPU less is not");
	is_str(err.text, "the guest needs 2 CPUs (description.xml:7), this node has 1", "which is said");
	is_int(check(2, 2040109466, "{}", &err), -ENOSPC, "half of the memory is not");
	is_str(err.text, "the guest needs 4.0 GiB of memory (description.xml:5), this node has 1.9 GiB to give",
	       "with where it is asked for");
	is_int(check(2, 4 * GIB, "{\"memory_bytes\": 1125899906842624, \"said_by\": null}", &err), -ENOSPC,
	       "a PiB is not there");
	is_str(err.text, "the guest needs 1.0 PiB of memory, this node has 4.0 GiB to give",
	       "of a guest of which nobody says it");
	is_int(check(2, 4 * GIB - 1, "{\"said_by\": {}}", &err), -ENOSPC, "nor is memory with a byte less");
	is_str(err.text, "the guest needs 4294967296 B of memory, this node has 4294967295 B to give",
	       "which is said in bytes");
}

static void test_macs(void)
{
	uint8_t first[6], other[6];
	struct guest_spec spec;
	struct err err;

	parse_changed(&spec,
		      "{\"nics\": [{\"model\": \"virtio\"}, {\"model\": \"virtio\"}, "
		      "{\"model\": \"virtio\", \"mac\": \"02:00:00:00:00:07\"}]}",
		      &err);
	guest_nic_mac(first, &spec, 0, "52:54:00:00:00:01", "item1");
	/* printf '%s\0%s\0\0' 52:54:00:00:00:01 item1 | sha256sum */
	ok(memcmp(first, "\x52\x54\x00\xd1\xc6\x15", 6) == 0, "an address is made of a hash");
	guest_nic_mac(other, &spec, 0, "52:54:00:00:00:01", "item1");
	ok(memcmp(first, other, 6) == 0, "the next time it is the same");
	guest_nic_mac(other, &spec, 1, "52:54:00:00:00:01", "item1");
	ok(memcmp(first, other, 6) != 0, "the guest's second NIC has another");
	guest_nic_mac(other, &spec, 0, "52:54:00:00:00:02", "item1");
	ok(memcmp(first, other, 6) != 0, "the same guest on another node, too");
	guest_nic_mac(other, &spec, 0, "52:54:00:00:00:01", "item2");
	ok(memcmp(first, other, 6) != 0, "and another guest");
	guest_nic_mac(first, &spec, 0, "a", "bc");
	guest_nic_mac(other, &spec, 0, "ab", "c");
	ok(memcmp(first, other, 6) != 0, "where one name ends and the next begins counts");
	guest_nic_mac(other, &spec, 2, "52:54:00:00:00:01", "item1");
	ok(memcmp(other, "\x02\0\0\0\0\x07", 6) == 0, "one that the description names is taken");
}

int main(void)
{
	test_good();
	test_variants();
	test_said_by();
	test_faults();
	test_no_object();
	test_many();
	test_no_such_machine();
	test_room();
	test_macs();
	return done_testing();
}
