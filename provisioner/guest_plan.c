/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_plan: see guest_plan.h */
#include "guest_plan.h"

#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "mac.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a node's QEMU is given; more is refused. */
#define DISKS_MAX    16
#define NICS_MAX     8
#define CPUS_MAX     255u
#define MEMORY_MAX   (1ull << 43) /* 8 TiB: more than QEMU's machines can have */
#define NAME_MAX_LEN 63

/* Of a description that says nothing. */
#define MEMORY_DEFAULT (1ull << 30)

/* The description's words -> QEMU's devices. The first of each pair is compared without regard to case. */
static const char *const nic_models[][2] = {
	{ "virtio", "virtio" },		{ "virtio-net", "virtio" }, { "virtio-net-pci", "virtio" },
	{ "netfront", "virtio" },	{ "e1000", "e1000" },	    { "e1000e", "e1000e" },
	{ "e1000-82545em", "e1000" },	{ "82540EM", "e1000" },	    { "82545EM", "e1000" },
	{ "rtl8139", "rtl8139" },	{ "vmxnet3", "vmxnet3" },
};

static const char *const buses[][2] = {
	{ "virtio", "virtio" }, { "xen", "virtio" }, { "scsi", "scsi" }, { "sata", "sata" },
	{ "ide", "ide" },	{ "nvme", "nvme" },  { "usb", "usb" },
};

static const char *find_word(const char *const (*words)[2], size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(words[i][0], word) == 0)
			return words[i][1];
	return NULL;
}

static int refuse(const struct store_item *item, const char *field, const char *value, const char *why, struct err *err)
{
	char quoted[160];

	return err_set(err, -EALREADY, "item %s as a guest: %s '%s': %s", item->id, field,
		       log_quote(quoted, sizeof(quoted), value), why);
}

static const char *text_of(const json_t *machine, const char *key)
{
	return json_string_value(json_object_get(machine, key));
}

static uint64_t number_of(const json_t *machine, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(machine, key));

	return number > 0 ? (uint64_t)number : 0;
}

/* It names folders, processes and lines on a console. */
static void clean_name(char out[static NAME_MAX_LEN + 1], const char *said, const char *id)
{
	size_t len = 0;

	for (; said && *said && len < NAME_MAX_LEN; said++) {
		if (isalnum((unsigned char)*said) || (len && strchr("._-", *said)))
			out[len++] = *said;
		else if (len && out[len - 1] != '-')
			out[len++] = '-';
	}
	while (len && strchr("._-", out[len - 1]))
		len--;
	out[len] = '\0';
	if (!len)
		snprintf(out, NAME_MAX_LEN + 1, "%s", id);
}

static int add_disks(json_t *guest, const struct store_item *item, const struct store_content *content, struct err *err)
{
	json_t *list = json_array();
	char count[24];

	json_object_set_new(guest, "disks", list);
	snprintf(count, sizeof(count), "%zu", content->disk_count);
	if (content->disk_count > DISKS_MAX)
		return refuse(item, "disks", count, "a guest has 16 at most", err);
	for (size_t i = 0; i < content->disk_count; i++) {
		const char *said = content->disks[i].bus ? content->disks[i].bus : "virtio";
		const char *bus = find_word(buses, sizeof(buses) / sizeof(buses[0]), said);

		if (!bus)
			return refuse(item, "bus of a disk", said, "there is no such bus here", err);
		json_array_append_new(list, json_pack("{s:s}", "bus", bus));
	}
	return 0;
}

/* NULL where it is no address of one machine: the node then makes one. */
static json_t *mac_json(const char *said)
{
	char mac[MAC_CHARS];
	unsigned first;

	if (!said || mac_parse(mac, said) < 0 || sscanf(mac, "%2x", &first) != 1 || first & 1 ||
	    strcmp(mac, "00:00:00:00:00:00") == 0)
		return json_null();
	return json_string(mac);
}

static int add_nic(json_t *list, const struct store_item *item, const json_t *nic, struct err *err)
{
	const char *said = text_of(nic, "model");
	const char *model = said && said[0] ? find_word(nic_models, sizeof(nic_models) / sizeof(nic_models[0]), said)
					    : "virtio";

	if (!model)
		return refuse(item, "model of a network card", said,
			      "a node has virtio, e1000, e1000e, rtl8139 and vmxnet3", err);
	json_array_append_new(list, json_pack("{s:s, s:o}", "model", model, "mac", mac_json(text_of(nic, "mac"))));
	return 0;
}

/* A machine that is not described has one; one that is described without any has none. */
static int add_nics(json_t *guest, const struct store_item *item, const json_t *machine, struct err *err)
{
	const json_t *nics = json_object_get(machine, "nics"), *nic;
	json_t *list = json_array();
	char count[24];
	size_t nr;

	json_object_set_new(guest, "nics", list);
	if (!machine || !text_of(machine, "document")) {
		json_array_append_new(list, json_pack("{s:s, s:n}", "model", "virtio", "mac"));
		return 0;
	}
	snprintf(count, sizeof(count), "%zu", json_array_size(nics));
	if (json_array_size(nics) > NICS_MAX)
		return refuse(item, "network cards", count, "a guest has 8 at most", err);
	json_array_foreach(nics, nr, nic)
	{
		if (add_nic(list, item, nic, err) < 0)
			return err->code;
	}
	return 0;
}

/* "description.xml:7"; null where the description does not say it. */
static json_t *said_at(const json_t *machine, const char *line_key)
{
	const char *document = text_of(machine, "document");
	uint64_t line = number_of(machine, line_key);

	return document && line ? json_sprintf("%s:%" PRIu64, document, line) : json_null();
}

static int add_sizes(json_t *guest, const struct store_item *item, const json_t *machine, struct err *err)
{
	uint64_t cpus = number_of(machine, "cpus"), memory = number_of(machine, "memory_bytes");
	char value[24];

	if (!cpus)
		cpus = 1;
	if (!memory)
		memory = MEMORY_DEFAULT;
	if (memory < item->needs.memory_bytes_min)
		memory = item->needs.memory_bytes_min;
	snprintf(value, sizeof(value), "%" PRIu64, cpus);
	if (cpus > CPUS_MAX)
		return refuse(item, "processors", value, "a guest has 255 at most", err);
	snprintf(value, sizeof(value), "%" PRIu64, memory);
	if (memory > MEMORY_MAX)
		return refuse(item, "bytes of memory", value, "no node has so much", err);
	json_object_set_new(guest, "cpus", json_integer((json_int_t)cpus));
	json_object_set_new(guest, "memory_bytes", json_integer((json_int_t)memory));
	return 0;
}

static int add_kind(json_t *guest, const struct store_item *item, const json_t *machine, struct err *err)
{
	const char *firmware = text_of(machine, "firmware");
	const char *arch = item->needs.arch ? item->needs.arch : "x86_64";
	const char *said = text_of(machine, "name");
	char name[NAME_MAX_LEN + 1];

	if (!firmware)
		firmware = item->needs.firmware ? item->needs.firmware : "bios";
	if (strcmp(arch, "x86_64") != 0)
		return refuse(item, "architecture", arch, "guests of this version are x86_64", err);
	clean_name(name, said ? said : item->announced.title, item->id);
	json_object_set_new(guest, "name", json_string(name));
	json_object_set_new(guest, "arch", json_string(arch));
	json_object_set_new(guest, "machine", json_string("q35"));
	json_object_set_new(guest, "firmware", json_string(firmware));
	json_object_set_new(guest, "restart", json_string("on-failure"));
	json_object_set_new(guest, "said_by",
			    json_pack("{s:o, s:o, s:o}", "cpus", said_at(machine, "cpus_line"), "memory_bytes",
				      said_at(machine, "memory_line"), "firmware", said_at(machine, "firmware_line")));
	return 0;
}

int guest_plan_make(json_t **out, const struct store_item *item, const struct store_content *content, struct err *err)
{
	CLEANUP(json_free) json_t *machine = content->machine ? json_loads(content->machine, 0, NULL) : NULL;
	CLEANUP(json_free) json_t *guest = json_object();
	int rc = add_kind(guest, item, machine, err);

	if (rc == 0)
		rc = add_sizes(guest, item, machine, err);
	if (rc == 0)
		rc = add_disks(guest, item, content, err);
	if (rc == 0)
		rc = add_nics(guest, item, machine, err);
	if (rc == 0)
		*out = TAKE(guest);
	return rc;
}
