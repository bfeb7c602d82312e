/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_ovf: see unpack_ovf.h. Section numbers are those of DSP0243 2.1.1. */
#include "unpack_ovf.h"

#include "cleanup.h"
#include "log.h"
#include "unpack_xml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ITEMS_MAX 512
#define SHOWN     160

/* CIM_ResourceAllocationSettingData.ResourceType, CIM schema 2.22. */
enum {
	RESOURCE_CPU = 3,
	RESOURCE_MEMORY = 4,
	RESOURCE_IDE = 5,
	RESOURCE_SCSI = 6,
	RESOURCE_ETHERNET = 10,
	RESOURCE_FLOPPY = 14,
	RESOURCE_CD = 15,
	RESOURCE_DVD = 16,
	RESOURCE_DISK = 17,
	RESOURCE_OTHER_STORAGE = 20,
	RESOURCE_USB = 23,
	RESOURCE_LOGICAL_DISK = 31,
};

/* One line of the hardware list, with what is needed of it. */
struct item {
	const xmlNode *node;
	uint64_t type;
	char *id, *parent, *subtype;
	uint64_t address; /* AddressOnParent */
};

/* What the disk section says. */
struct disk {
	char *id, *file_ref;
	uint64_t capacity_bytes;
	bool used;
};

struct reader {
	struct ovf *ovf;
	const char *what;
	struct item items[ITEMS_MAX];
	size_t item_count;
	struct disk disks[VM_DISKS_MAX];
	size_t disk_count;
};

static void done_reading(struct reader **reader)
{
	struct reader *r = *reader;

	for (size_t i = 0; r && i < r->item_count; i++) {
		free(r->items[i].id);
		free(r->items[i].parent);
		free(r->items[i].subtype);
	}
	for (size_t i = 0; r && i < r->disk_count; i++) {
		free(r->disks[i].id);
		free(r->disks[i].file_ref);
	}
	free(r);
}

static const char *shown(char out[static SHOWN], const char *text)
{
	return log_quote(out, SHOWN, text ? text : "");
}

/* "byte * 2^30", the programmatic units of annex C; and what writers of drafts put there. 0 if it is none of these. */
static uint64_t unit_bytes(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} old[] = {
		{ "byte", 1 },
		{ "bytes", 1 },
		{ "kilobytes", 1ull << 10 },
		{ "kb", 1ull << 10 },
		{ "megabytes", 1ull << 20 },
		{ "mb", 1ull << 20 },
		{ "gigabytes", 1ull << 30 },
		{ "gb", 1ull << 30 },
	};
	unsigned power, base;
	char end;

	if (sscanf(unit, "byte * %u ^ %u %c", &base, &power, &end) == 2 ||
	    sscanf(unit, "byte*%u^%u%c", &base, &power, &end) == 2) {
		uint64_t bytes = 1;

		if ((base != 2 && base != 10) || power > (base == 2 ? 50 : 15))
			return 0;
		while (power--)
			bytes *= base;
		return bytes;
	}
	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		if (strcasecmp(unit, old[i].name) == 0)
			return old[i].bytes;
	}
	return 0;
}

/* A number with a unit. */
static int read_bytes(uint64_t *out, struct reader *r, const char *field, const char *number, const char *unit,
		      struct err *err)
{
	char what[SHOWN], quoted[SHOWN];
	uint64_t value, one = unit_bytes(unit);

	snprintf(what, sizeof(what), "%s: %s", r->what, field);
	if (!one)
		return err_set(err, -ENOTSUP, "%s has the unit '%s'", what, shown(quoted, unit));
	if (!number)
		return err_set(err, -EBADMSG, "%s is missing", what);
	if (strncmp(number, "${", 2) == 0)
		return err_set(err, -ENOTSUP, "%s is left to be chosen: '%s'", what, shown(quoted, number));
	int rc = unpack_xml_u64(&value, what, number, (uint64_t)INT64_MAX / one, err);
	if (rc)
		return rc;
	*out = value * one;
	return 0;
}

/* References, section 7. */
static int read_files(struct reader *r, const xmlNode *envelope, struct err *err)
{
	const xmlNode *references = unpack_xml_child(envelope, "References");

	for (xmlNode *n = unpack_xml_child(references, "File"); n; n = unpack_xml_next(n, "File")) {
		CLEANUP(free_str) char *id = unpack_xml_attr(n, "id");
		CLEANUP(free_str) char *href = unpack_xml_attr(n, "href");
		CLEANUP(free_str) char *size = unpack_xml_attr(n, "size");
		CLEANUP(free_str) char *chunk = unpack_xml_attr(n, "chunkSize");
		char quoted[SHOWN];

		if (!id || !href)
			return err_set(err, -EBADMSG, "%s: a file without id or href", r->what);
		if (chunk)
			return err_set(err, -ENOTSUP, "%s: file '%s' is cut into chunks of %s bytes", r->what,
				       shown(quoted, href), chunk);
		if (r->ovf->file_count == OVF_FILES_MAX)
			return err_set(err, -EFBIG, "%s: more than %d files", r->what, OVF_FILES_MAX);
		struct ovf_file *file = &r->ovf->files[r->ovf->file_count++];
		file->id = TAKE(id);
		file->href = TAKE(href);
		int rc = unpack_xml_u64(&file->bytes, "ovf:size", size, INT64_MAX, err);
		if (rc)
			return err_wrap(err, "%s: file '%s'", r->what, shown(quoted, file->href));
	}
	return 0;
}

static const struct ovf_file *find_file(const struct ovf *ovf, const char *id)
{
	for (size_t i = 0; i < ovf->file_count; i++) {
		if (strcmp(ovf->files[i].id, id) == 0)
			return &ovf->files[i];
	}
	return NULL;
}

static struct disk *find_disk(struct reader *r, const char *id)
{
	for (size_t i = 0; i < r->disk_count; i++) {
		if (strcmp(r->disks[i].id, id) == 0)
			return &r->disks[i];
	}
	return NULL;
}

static int check_disk(struct reader *r, const struct disk *disk, const char *parent, struct err *err)
{
	char id[SHOWN], quoted[SHOWN];

	if (!disk->id)
		return err_set(err, -EBADMSG, "%s: a disk without diskId", r->what);
	if (find_disk(r, disk->id) != disk)
		return err_set(err, -EBADMSG, "%s: two disks are called '%s'", r->what, shown(id, disk->id));
	if (parent)
		return err_set(err, -ENOTSUP, "%s: disk '%s' is the difference to another one, parentRef '%s'", r->what,
			       shown(id, disk->id), shown(quoted, parent));
	if (disk->file_ref && !find_file(r->ovf, disk->file_ref))
		return err_set(err, -EBADMSG, "%s: disk '%s' has fileRef '%s', which is none of its files", r->what,
			       shown(id, disk->id), shown(quoted, disk->file_ref));
	return 0;
}

/* DiskSection, section 9.1 (in drafts: a Section of type ovf:DiskSection_Type). */
static int read_disks(struct reader *r, xmlNode *envelope, struct err *err)
{
	const xmlNode *section = unpack_xml_find(envelope, NULL, "DiskSection");

	for (xmlNode *n = unpack_xml_child(section, "Disk"); n; n = unpack_xml_next(n, "Disk")) {
		CLEANUP(free_str) char *capacity = unpack_xml_attr(n, "capacity");
		CLEANUP(free_str) char *unit = unpack_xml_attr(n, "capacityAllocationUnits");
		CLEANUP(free_str) char *parent = unpack_xml_attr(n, "parentRef");

		if (r->disk_count == VM_DISKS_MAX)
			return err_set(err, -EFBIG, "%s: more than %d disks", r->what, VM_DISKS_MAX);
		struct disk *disk = &r->disks[r->disk_count++];
		disk->id = unpack_xml_attr(n, "diskId");
		disk->file_ref = unpack_xml_attr(n, "fileRef");
		if (!disk->id) {
			r->disk_count--;
			free(disk->file_ref);
			return err_set(err, -EBADMSG, "%s: a disk without diskId", r->what);
		}
		int rc = check_disk(r, disk, parent, err);
		if (!rc)
			rc = read_bytes(&disk->capacity_bytes, r, "a disk's capacity", capacity, unit ? unit : "byte",
					err);
		if (rc)
			return rc;
	}
	return 0;
}

/* The address is a number where it matters; SATA of some writers has letters, which sort as 0. */
static uint64_t address_of(const xmlNode *node)
{
	CLEANUP(free_str) char *text = unpack_xml_child_text(node, "AddressOnParent");

	return text ? strtoull(text, NULL, 10) : 0;
}

/* VirtualHardwareSection, section 8. OVF 2 has elements of their own for storage and interfaces. */
static int read_items(struct reader *r, const xmlNode *hardware, struct err *err)
{
	for (xmlNode *n = unpack_xml_child(hardware, NULL); n; n = unpack_xml_next(n, NULL)) {
		CLEANUP(free_str) char *type = unpack_xml_child_text(n, "ResourceType");
		const char *name = (const char *)n->name;

		if (!type || (strcmp(name, "Item") != 0 && strcmp(name, "StorageItem") != 0 &&
			      strcmp(name, "EthernetPortItem") != 0))
			continue;
		if (r->item_count == ITEMS_MAX)
			return err_set(err, -EFBIG, "%s: more than %d pieces of hardware", r->what, ITEMS_MAX);
		struct item *item = &r->items[r->item_count++];
		item->node = n;
		item->id = unpack_xml_child_text(n, "InstanceID");
		if (!item->id)
			item->id = unpack_xml_child_text(n, "InstanceId");
		item->parent = unpack_xml_child_text(n, "Parent");
		item->subtype = unpack_xml_child_text(n, "ResourceSubType");
		item->address = address_of(n);
		int rc = unpack_xml_u64(&item->type, "ResourceType", type, UINT32_MAX, err);
		if (rc)
			return err_wrap(err, "%s", r->what);
	}
	return 0;
}

/* Where the controller stands in the list: that is the machine's order of controllers. */
static size_t controller_of(const struct reader *r, const struct item *item)
{
	for (size_t i = 0; item->parent && i < r->item_count; i++) {
		if (r->items[i].id && strcmp(r->items[i].id, item->parent) == 0)
			return i;
	}
	return r->item_count;
}

static const char *bus_of_controller(const struct item *controller)
{
	const char *bus = vm_bus(controller->subtype);

	if (bus)
		return bus;
	switch (controller->type) {
	case RESOURCE_IDE:
		return "ide";
	case RESOURCE_SCSI:
		return "scsi";
	case RESOURCE_OTHER_STORAGE: /* there is no number for SATA; a subtype that is none we know is another thing */
		return controller->subtype ? NULL : "sata";
	case RESOURCE_USB:
		return "usb";
	default:
		return NULL;
	}
}

static int read_bus(const char **bus, struct reader *r, const struct item *item, struct err *err)
{
	size_t nr = controller_of(r, item);
	const char *kind = nr < r->item_count ? r->items[nr].subtype : NULL;

	*bus = nr < r->item_count ? bus_of_controller(&r->items[nr]) : NULL;
	if (*bus || !kind || r->ovf->unknown_controller)
		return 0;
	r->ovf->unknown_controller = strdup(kind);
	return r->ovf->unknown_controller ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* "ovf:/disk/vmdisk1", "/disk/vmdisk1"; "ovf:/file/file1" is a disk without an entry of its own. */
static const char *behind(const char *resource, const char *kind)
{
	const char *path = strncmp(resource, "ovf:", 4) == 0 ? resource + 4 : resource;
	size_t len = strlen(kind);

	return strncmp(path, kind, len) == 0 ? path + len : NULL;
}

static int take_disk(struct reader *r, const struct item *item, struct disk *disk, struct err *err)
{
	struct vm_disk *out;
	int rc = vm_add_disk(&out, r->ovf->vm, err);

	if (!rc && item)
		rc = read_bus(&out->bus, r, item, err);
	if (rc)
		return rc;
	const struct ovf_file *file = disk->file_ref ? find_file(r->ovf, disk->file_ref) : NULL;
	disk->used = true;
	out->name = strdup(disk->id);
	out->file = file ? strdup(file->href) : NULL;
	out->capacity_bytes = disk->capacity_bytes;
	return out->name && (out->file || !file) ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int read_disk_item(struct reader *r, const struct item *item, struct err *err)
{
	CLEANUP(free_str) char *resource = unpack_xml_child_text(item->node, "HostResource");
	char quoted[SHOWN];
	const char *id = resource ? behind(resource, "/disk/") : NULL;
	struct disk *disk = id ? find_disk(r, id) : NULL;

	if (!disk)
		return err_set(err, -EBADMSG, "%s: a hard disk has HostResource '%s', which is none of its disks",
			       r->what, shown(quoted, resource));
	if (disk->used)
		return err_set(err, -EBADMSG, "%s: disk '%s' is in the machine twice", r->what, shown(quoted, id));
	return take_disk(r, item, disk, err);
}

static bool is_disk(const struct item *item)
{
	return item->type == RESOURCE_DISK || item->type == RESOURCE_LOGICAL_DISK;
}

/* The disk that comes next behind `last` by controller and address, NULL: no more. Equal ones: as listed. */
static const struct item *next_disk(const struct reader *r, const struct item *last)
{
	const struct item *best = NULL;

	for (const struct item *item = r->items; item < r->items + r->item_count; item++) {
		if (!is_disk(item))
			continue;
		size_t at = controller_of(r, item), last_at = last ? controller_of(r, last) : 0;
		bool behind_last = !last || at > last_at || (at == last_at && item->address > last->address) ||
				   (at == last_at && item->address == last->address && item > last);
		size_t best_at = best ? controller_of(r, best) : 0;
		bool before_best = !best || at < best_at || (at == best_at && item->address < best->address);

		if (behind_last && before_best)
			best = item;
	}
	return best;
}

static int read_hardware_disks(struct reader *r, struct err *err)
{
	for (const struct item *item = next_disk(r, NULL); item; item = next_disk(r, item)) {
		int rc = read_disk_item(r, item, err);

		if (rc)
			return rc;
	}
	for (size_t i = 0; i < r->item_count; i++) {
		uint64_t type = r->items[i].type;

		r->ovf->vm->ignored_count += type == RESOURCE_FLOPPY || type == RESOURCE_CD || type == RESOURCE_DVD;
	}
	return 0;
}

static int read_nic(struct reader *r, const struct item *item, struct err *err)
{
	struct vm_nic *nic;
	int rc = vm_add_nic(&nic, r->ovf->vm, err);

	if (rc)
		return rc;
	nic->line = unpack_xml_line(item->node);
	nic->mac = unpack_xml_child_text(item->node, "Address");
	nic->model = strdup(item->subtype ? item->subtype : "");
	nic->network = unpack_xml_child_text(item->node, "Connection");
	return 0;
}

static int read_numbers(struct reader *r, const struct item *item, struct err *err)
{
	CLEANUP(free_str) char *quantity = unpack_xml_child_text(item->node, "VirtualQuantity");
	CLEANUP(free_str) char *unit = unpack_xml_child_text(item->node, "AllocationUnits");
	struct vm *vm = r->ovf->vm;

	if (item->type == RESOURCE_CPU)
		vm->cpus_line = unpack_xml_line(item->node);
	if (item->type == RESOURCE_MEMORY)
		vm->memory_line = unpack_xml_line(item->node);
	if (item->type == RESOURCE_CPU && unpack_xml_u64(&vm->cpus, "processors", quantity, VM_CPUS_MAX, err))
		return err_wrap(err, "%s", r->what);
	if (item->type == RESOURCE_MEMORY)
		return read_bytes(&vm->memory_bytes, r, "memory", quantity, unit ? unit : "MegaBytes", err);
	return 0;
}

static int read_hardware(struct reader *r, struct err *err)
{
	int rc = read_hardware_disks(r, err);

	for (size_t i = 0; !rc && i < r->item_count; i++) {
		const struct item *item = &r->items[i];

		if (item->type == RESOURCE_ETHERNET)
			rc = read_nic(r, item, err);
		else
			rc = read_numbers(r, item, err);
	}
	return rc;
}

/* VMware: <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>; VirtualBox: <Firmware type="EFI"/>. */
static const char *read_firmware(uint64_t *line, xmlNode *system)
{
	for (xmlNode *n = unpack_xml_find(system, NULL, NULL); n; n = unpack_xml_find(system, n, NULL)) {
		bool config = strcmp((const char *)n->name, "Config") == 0;
		bool element = strcmp((const char *)n->name, "Firmware") == 0;

		if (!config && !element)
			continue;
		CLEANUP(free_str) char *key = config ? unpack_xml_attr(n, "key") : NULL;
		if (config && (!key || strcmp(key, "firmware") != 0))
			continue;
		CLEANUP(free_str) char *value = unpack_xml_attr(n, config ? "value" : "type");
		if (!value)
			continue;
		*line = unpack_xml_line(n);
		return strncasecmp(value, "efi", 3) == 0 ? "uefi" : strcasecmp(value, "bios") == 0 ? "bios" : NULL;
	}
	return NULL;
}

static void read_names(struct vm *vm, xmlNode *system)
{
	const xmlNode *os = unpack_xml_child(system, "OperatingSystemSection");

	vm->name = unpack_xml_child_text(system, "Name");
	if (!vm->name)
		vm->name = unpack_xml_attr(system, "id");
	vm->os = unpack_xml_child_text(os, "Description");
	if (!vm->os)
		vm->os = unpack_xml_attr(os, "osType");
	vm->firmware = read_firmware(&vm->firmware_line, system);
}

static int read_system(struct reader *r, xmlNode *envelope, struct err *err)
{
	xmlNode *system = unpack_xml_find(envelope, NULL, "VirtualSystem");

	if (!system) /* VMware's drafts: <Content ovf:id= xsi:type="ovf:VirtualSystem_Type"> */
		system = unpack_xml_child(envelope, "Content");
	if (!system)
		return err_set(err, -EBADMSG, "%s: it describes no machine", r->what);
	if (unpack_xml_find(envelope, system, "VirtualSystem"))
		return err_set(err, -ENOTSUP, "%s: it describes more than one machine", r->what);
	read_names(r->ovf->vm, system);
	/* Without hardware nothing is said of it. */
	r->ovf->vm->says_nics = unpack_xml_child(system, "VirtualHardwareSection") != NULL;
	int rc = read_items(r, unpack_xml_child(system, "VirtualHardwareSection"), err);
	return rc ? rc : read_hardware(r, err);
}

/* Without hardware the disks are those of the disk section, in its order. */
static int count_unused(struct reader *r, struct err *err)
{
	bool hardware = r->item_count > 0;

	for (size_t i = 0; i < r->disk_count; i++) {
		if (r->disks[i].used)
			continue;
		int rc = hardware ? 0 : take_disk(r, NULL, &r->disks[i], err);
		if (rc)
			return rc;
		r->ovf->unused_count += hardware;
	}
	if (!r->ovf->vm->disk_count)
		return err_set(err, -ENOTSUP, "%s: the machine has no disk", r->what);
	r->ovf->vm->disks[0].boot = true;
	return 0;
}

int ovf_parse(struct ovf **out, const char *what, const char *text, size_t len, struct err *err)
{
	CLEANUP(unpack_xml_free) xmlDoc *doc = NULL;
	CLEANUP(ovf_free) struct ovf *ovf = calloc(1, sizeof(*ovf));
	CLEANUP(done_reading) struct reader *r = calloc(1, sizeof(*r));

	if (!ovf || !r || !(ovf->vm = vm_new()))
		return err_set(err, -ENOMEM, "out of memory");
	r->ovf = ovf;
	r->what = what;
	int rc = unpack_xml_parse(&doc, what, text, len, err);
	if (rc)
		return rc;
	xmlNode *envelope = unpack_xml_top(doc, "Envelope");
	if (!envelope)
		return err_set(err, -EBADMSG, "%s: its root is no <Envelope>", what);
	rc = read_files(r, envelope, err);
	if (!rc)
		rc = read_disks(r, envelope, err);
	if (!rc)
		rc = read_system(r, envelope, err);
	if (!rc)
		rc = count_unused(r, err);
	rc = unpack_xml_check(doc, rc, what, err);
	if (!rc && !(ovf->vm->document = strdup(what)))
		rc = err_set(err, -ENOMEM, "out of memory");
	if (!rc)
		*out = TAKE(ovf);
	return rc;
}

void ovf_free(struct ovf **ovf)
{
	struct ovf *o = *ovf;

	if (!o)
		return;
	for (size_t i = 0; i < o->file_count; i++) {
		free(o->files[i].id);
		free(o->files[i].href);
	}
	vm_free(&o->vm);
	free(o->unknown_controller);
	free(o);
	*ovf = NULL;
}
