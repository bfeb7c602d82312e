/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_xva: see unpack_xva.h. Names of fields are those of the XenServer management API. */
#include "unpack_xva.h"

#include "cleanup.h"
#include "log.h"
#include "unpack_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 160

/* A disk and where it stands in the machine. */
struct slot {
	uint64_t device;
	bool bootable;
	const xmlNode *vdi;
};

struct reader {
	struct vm *vm;
	const xmlNode *objects; /* <data> that holds the objects as <value><struct> */
	struct slot slots[VM_DISKS_MAX];
	size_t slot_count;
};

/* A field of a <struct>: its <value>. */
static const xmlNode *field(const xmlNode *record, const char *name)
{
	for (const xmlNode *m = unpack_xml_child(record, "member"); m; m = unpack_xml_next(m, "member")) {
		CLEANUP(free_str) char *called = unpack_xml_child_text(m, "name");

		if (called && strcmp(called, name) == 0)
			return unpack_xml_child(m, "value");
	}
	return NULL;
}

static const xmlNode *struct_of(const xmlNode *value)
{
	return unpack_xml_child(value, "struct");
}

/* Caller frees. NULL where it is missing or empty. */
static char *text_field(const xmlNode *record, const char *name)
{
	return unpack_xml_text(field(record, name));
}

static bool is_said(const xmlNode *record, const char *name)
{
	CLEANUP(free_str) char *text = text_field(record, name);

	return text && strcmp(text, "1") == 0;
}

/* The next object of a class after `last` (NULL: the first). */
static const xmlNode *next_object(const struct reader *r, const xmlNode *last, const char *class)
{
	const xmlNode *value = last ? unpack_xml_next(last, "value") : unpack_xml_child(r->objects, "value");

	for (; value; value = unpack_xml_next(value, "value")) {
		CLEANUP(free_str) char *found = text_field(struct_of(value), "class");

		if (found && strcmp(found, class) == 0)
			return value;
	}
	return NULL;
}

static const xmlNode *snapshot_of(const xmlNode *object)
{
	return struct_of(field(struct_of(object), "snapshot"));
}

static const xmlNode *object_of_id(const struct reader *r, const char *class, const char *id)
{
	for (const xmlNode *o = next_object(r, NULL, class); o; o = next_object(r, o, class)) {
		CLEANUP(free_str) char *found = text_field(struct_of(o), "id");

		if (found && strcmp(found, id) == 0)
			return o;
	}
	return NULL;
}

/* One VBD. Empty drives and CDs are left out. */
static int read_vbd(struct reader *r, const xmlNode *vbd, struct err *err)
{
	CLEANUP(free_str) char *type = text_field(vbd, "type");
	CLEANUP(free_str) char *ref = text_field(vbd, "VDI");
	CLEANUP(free_str) char *device = text_field(vbd, "userdevice");
	char quoted[SHOWN];

	if ((type && strcmp(type, "Disk") != 0) || !ref || strcmp(ref, "OpaqueRef:NULL") == 0 ||
	    is_said(vbd, "empty")) {
		r->vm->ignored_count++;
		return 0;
	}
	const xmlNode *vdi = object_of_id(r, "VDI", ref);
	if (!vdi)
		return err_set(err, -EBADMSG, "a VBD has the VDI '%s', which is not described",
			       log_quote(quoted, sizeof(quoted), ref));
	for (size_t i = 0; i < r->slot_count; i++) {
		if (r->slots[i].vdi == vdi)
			return err_set(err, -ENOTSUP, "VDI '%s' is in the machine twice",
				       log_quote(quoted, sizeof(quoted), ref));
	}
	if (r->slot_count == VM_DISKS_MAX)
		return err_set(err, -EFBIG, "the machine has more than %d disks", VM_DISKS_MAX);
	struct slot *slot = &r->slots[r->slot_count++];
	*slot = (struct slot){ .vdi = vdi, .bootable = is_said(vbd, "bootable") };
	return unpack_xml_u64(&slot->device, "userdevice", device, UINT32_MAX, err);
}

static int by_device(const void *a, const void *b)
{
	const struct slot *left = a, *right = b;

	return (left->device > right->device) - (left->device < right->device);
}

static int take_disk(struct reader *r, const struct slot *slot, struct err *err)
{
	CLEANUP(free_str) char *size = text_field(snapshot_of(slot->vdi), "virtual_size");
	struct vm_disk *disk;
	int rc = vm_add_disk(&disk, r->vm, err);

	if (rc)
		return rc;
	disk->file = text_field(struct_of(slot->vdi), "id");
	disk->name = text_field(snapshot_of(slot->vdi), "name_label");
	disk->bus = "xen";
	if (!size)
		return err_set(err, -EBADMSG, "a VDI has no virtual_size");
	return unpack_xml_u64(&disk->capacity_bytes, "virtual_size", size, INT64_MAX, err);
}

/* Booted from is the first disk that is said to be bootable, else the first. */
static int read_disks(struct reader *r, struct err *err)
{
	size_t boot = 0;

	for (const xmlNode *o = next_object(r, NULL, "VBD"); o; o = next_object(r, o, "VBD")) {
		int rc = read_vbd(r, snapshot_of(o), err);

		if (rc)
			return rc;
	}
	if (!r->slot_count)
		return err_set(err, -ENOTSUP, "the machine has no disk");
	qsort(r->slots, r->slot_count, sizeof(r->slots[0]), by_device);
	while (boot < r->slot_count && !r->slots[boot].bootable)
		boot++;
	for (size_t i = 0; i < r->slot_count; i++) {
		int rc = take_disk(r, &r->slots[i], err);

		if (rc)
			return rc;
		r->vm->disks[i].boot = i == (boot < r->slot_count ? boot : 0);
	}
	return 0;
}

static int read_nics(struct reader *r, struct err *err)
{
	for (const xmlNode *o = next_object(r, NULL, "VIF"); o; o = next_object(r, o, "VIF")) {
		struct vm_nic *nic;
		int rc = vm_add_nic(&nic, r->vm, err);

		if (rc)
			return rc;
		nic->mac = text_field(snapshot_of(o), "MAC");
		nic->line = unpack_xml_line(o);
	}
	return 0;
}

static int read_machine(struct reader *r, const xmlNode *object, struct err *err)
{
	const xmlNode *record = snapshot_of(object);
	const xmlNode *boot_params = struct_of(field(record, "HVM_boot_params"));
	CLEANUP(free_str) char *memory = text_field(record, "memory_static_max");
	CLEANUP(free_str) char *cpus = text_field(record, "VCPUs_max");
	CLEANUP(free_str) char *firmware = text_field(boot_params, "firmware");

	r->vm->name = text_field(record, "name_label");
	r->vm->cmdline = text_field(record, "PV_args");
	if (firmware)
		r->vm->firmware = strcmp(firmware, "uefi") == 0 ? "uefi" : "bios";
	r->vm->firmware_line = unpack_xml_line(field(boot_params, "firmware"));
	r->vm->cpus_line = unpack_xml_line(field(record, "VCPUs_max"));
	r->vm->memory_line = unpack_xml_line(field(record, "memory_static_max"));
	r->vm->says_nics = true;
	int rc = unpack_xml_u64(&r->vm->memory_bytes, "memory_static_max", memory, INT64_MAX, err);
	return rc ? rc : unpack_xml_u64(&r->vm->cpus, "VCPUs_max", cpus, VM_CPUS_MAX, err);
}

static int read_objects(struct reader *r, xmlDoc *doc, struct err *err)
{
	const xmlNode *top = struct_of(unpack_xml_top(doc, "value"));

	r->objects = unpack_xml_child(unpack_xml_child(field(top, "objects"), "array"), "data");
	const xmlNode *machine = next_object(r, NULL, "VM");
	if (!machine)
		return err_set(err, -ENOTSUP, "it describes no machine");
	if (next_object(r, machine, "VM"))
		return err_set(err, -ENOTSUP, "it describes more than one machine");
	int rc = read_machine(r, machine, err);
	if (!rc)
		rc = read_disks(r, err);
	return rc ? rc : read_nics(r, err);
}

int xva_parse(struct vm **out, const char *what, const char *text, size_t len, struct err *err)
{
	CLEANUP(unpack_xml_free) xmlDoc *doc = NULL;
	CLEANUP(vm_free) struct vm *vm = vm_new();
	CLEANUP(free_mem) struct reader *r = calloc(1, sizeof(*r));

	if (!vm || !r)
		return err_set(err, -ENOMEM, "out of memory");
	r->vm = vm;
	int rc = unpack_xml_parse(&doc, what, text, len, err);
	if (rc)
		return rc;
	rc = read_objects(r, doc, err);
	if (rc)
		rc = err_wrap(err, "%s", what);
	rc = unpack_xml_check(doc, rc, what, err);
	if (rc)
		return rc;
	if (!(vm->document = strdup(what)))
		return err_set(err, -ENOMEM, "out of memory");
	*out = TAKE(vm);
	return 0;
}
