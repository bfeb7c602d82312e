/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_plan: see guest_plan.h */
#include "guest_plan.h"

#include "cleanup.h"
#include "json.h"
#include "log.h"
#include "mac.h"
#include "units.h"

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
#define MEMORY_MIN   (1ull << 20)
#define MEMORY_MAX   (1ull << 43) /* more than QEMU's machines can have */
#define NAME_MAX_LEN 63

/* Of a description that says nothing. */
#define MEMORY_DEFAULT (1ull << 30)

#define TEXT_MAX 160

struct word {
	const char *said, *means;
};

/* The words of descriptions -> QEMU's devices. Compared without regard to case. */
static const struct word nic_models[] = {
	{ "virtio", "virtio" },
	{ "virtio-net", "virtio" },
	{ "virtio-net-pci", "virtio" },
	{ "virtio-transitional", "virtio" },
	{ "virtio-non-transitional", "virtio" },
	{ "netfront", "virtio" },
	{ "e1000", "e1000" },
	{ "82540EM", "e1000" },
	{ "82545EM", "e1000" },
	{ "e1000-82545em", "e1000" },
	{ "e1000e", "e1000e" },
	{ "rtl8139", "rtl8139" },
	{ "vmxnet3", "vmxnet3" },
	{ NULL, NULL },
};

/* As content.h has them. */
static const struct word buses[] = {
	{ "virtio", "virtio" }, { "xen", "virtio" }, { "scsi", "scsi" }, { "sata", "sata" },
	{ "ide", "ide" },       { "nvme", "nvme" },  { "usb", "usb" },   { NULL, NULL },
};

static const struct word firmwares[] = { { "bios", "bios" }, { "uefi", "uefi" }, { NULL, NULL } };

static const struct word archs[] = {
	{ "x86_64", "x86_64" },   { "amd64", "x86_64" },  { "i686", "x86_64" }, { "i386", "x86_64" },
	{ "aarch64", "aarch64" }, { "arm64", "aarch64" }, { NULL, NULL },
};

/* By how they begin: behind it is the version of QEMU, whose newest stands for all. Xen's machines have QEMU's devices. */
static const struct word x86_machines[] = {
	{ "pc-q35", "q35" }, { "q35", "q35" }, { "pc", "pc" }, { "xenfv", "pc" }, { "xenpv", "q35" }, { NULL, NULL },
};
static const struct word arm_machines[] = { { "virt", "virt" }, { NULL, NULL } };

static const char *find_word(const struct word *words, const char *said)
{
	for (; words->said; words++)
		if (strcasecmp(words->said, said) == 0)
			return words->means;
	return NULL;
}

/* One that `said` begins with, and in which it ends or goes on with its version. */
static const char *find_beginning(const struct word *words, const char *said)
{
	for (; words->said; words++) {
		size_t len = strlen(words->said);

		if (strncasecmp(words->said, said, len) == 0 && (!said[len] || said[len] == '-'))
			return words->means;
	}
	return NULL;
}

/* What is made, and what of. */
struct making {
	json_t *guest;
	const struct store_item *item;
	const struct store_content *content;
	json_t *machine; /* what the description says; NULL: there is none */
	struct err *err;
};

static const char *text_of(const json_t *machine, const char *key)
{
	return json_string_value(json_object_get(machine, key));
}

static uint64_t number_of(const json_t *machine, const char *key)
{
	json_int_t number = json_integer_value(json_object_get(machine, key));

	return number > 0 ? (uint64_t)number : 0;
}

static void put(const struct making *m, const char *key, json_t *value)
{
	json_object_set_new(m->guest, key, value);
}

/* "description.xml:7"; empty where the description does not say it. `in`: what has the line. */
static const char *said_at(char out[static TEXT_MAX], const struct making *m, const json_t *in, const char *line_key)
{
	const char *document = text_of(m->machine, "document");
	uint64_t line = number_of(in, line_key);

	out[0] = '\0';
	if (document && line)
		snprintf(out, TEXT_MAX, "%.100s:%" PRIu64, document, line);
	return out;
}

/* `at`: where it is said, may be empty. */
static int refuse(const struct making *m, const char *field, const char *value, const char *at, const char *why)
{
	char quoted[TEXT_MAX];

	return err_set(m->err, -EALREADY, "item %s as a guest: %s '%s'%s%s%s: %s", m->item->id, field,
		       log_quote(quoted, sizeof(quoted), value), at[0] ? " (" : "", at, at[0] ? ")" : "", why);
}

static int refuse_count(const struct making *m, const char *field, uint64_t count, const char *at, const char *why)
{
	char value[24];

	snprintf(value, sizeof(value), "%" PRIu64, count);
	return refuse(m, field, value, at, why);
}

static int refuse_memory(const struct making *m, uint64_t bytes, const char *at, const char *why)
{
	char size[UNITS_TEXT];

	return refuse(m, "memory", units_bytes(size, bytes), at, why);
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

static int add_name(struct making *m)
{
	const char *said = text_of(m->machine, "name");
	char name[NAME_MAX_LEN + 1];

	clean_name(name, said ? said : m->item->announced.title, m->item->id);
	put(m, "name", json_string(name));
	put(m, "restart", json_string("on-failure"));
	return 0;
}

/* What machines are given the item goes by is the feed's word, and so is what it is run on. */
static int read_arch(const char **out, const struct making *m)
{
	const char *said = text_of(m->machine, "arch"), *arch = said ? find_word(archs, said) : NULL;
	char at[TEXT_MAX];

	*out = m->item->needs.arch ? m->item->needs.arch : arch ? arch : "x86_64";
	said_at(at, m, m->machine, "machine_line");
	if (said && !arch)
		return refuse(m, "architecture", said, at, "a guest's is x86_64 or aarch64");
	if (arch && strcmp(arch, *out) != 0)
		return refuse(m, "architecture", said, at, "its feed says another one");
	return 0;
}

static int read_type(const char **out, const struct making *m, bool is_arm)
{
	const char *said = text_of(m->machine, "machine");
	char at[TEXT_MAX];

	*out = is_arm ? "virt" : "q35";
	if (!said)
		return 0;
	*out = find_beginning(is_arm ? arm_machines : x86_machines, said);
	if (*out)
		return 0;
	return refuse(m, "machine type", said, said_at(at, m, m->machine, "machine_line"),
		      is_arm ? "of its architecture there is virt" : "a guest's is q35 or pc");
}

static int read_firmware(const char **out, const struct making *m, bool is_arm)
{
	const char *said = text_of(m->machine, "firmware");
	char at[TEXT_MAX];

	if (!said)
		said = m->item->needs.firmware;
	*out = said ? find_word(firmwares, said) : is_arm ? "uefi" : "bios";
	if (!*out)
		return refuse(m, "firmware", said, said_at(at, m, m->machine, "firmware_line"),
			      "a guest's is bios or uefi");
	if (is_arm && strcmp(*out, "uefi") != 0)
		return refuse(m, "firmware", *out, said_at(at, m, m->machine, "firmware_line"),
			      "of its architecture there is uefi");
	return 0;
}

static int add_kind(struct making *m)
{
	const char *arch, *type, *firmware;
	int rc = read_arch(&arch, m);
	bool is_arm = !rc && strcmp(arch, "aarch64") == 0;

	if (!rc)
		rc = read_type(&type, m, is_arm);
	if (!rc)
		rc = read_firmware(&firmware, m, is_arm);
	if (rc)
		return rc;
	put(m, "arch", json_string(arch));
	put(m, "machine", json_string(type));
	put(m, "firmware", json_string(firmware));
	return 0;
}

static int add_cpus(struct making *m)
{
	uint64_t cpus = number_of(m->machine, "cpus");
	char at[TEXT_MAX];

	if (cpus > CPUS_MAX)
		return refuse_count(m, "processors", cpus, said_at(at, m, m->machine, "cpus_line"),
				    "a guest has 255 at most");
	put(m, "cpus", json_integer(cpus ? (json_int_t)cpus : 1));
	return 0;
}

/* What the publisher wants at least goes before what a description happens to have. */
static int add_memory(struct making *m)
{
	uint64_t bytes = number_of(m->machine, "memory_bytes");
	char at[TEXT_MAX];

	said_at(at, m, m->machine, bytes ? "memory_line" : "");
	if (!bytes)
		bytes = MEMORY_DEFAULT;
	if (bytes < m->item->needs.memory_bytes_min) {
		bytes = m->item->needs.memory_bytes_min;
		at[0] = '\0';
	}
	if (bytes < MEMORY_MIN)
		return refuse_memory(m, bytes, at, "a guest has a MiB at least");
	if (bytes > MEMORY_MAX)
		return refuse_memory(m, bytes, at, "no node has so much");
	put(m, "memory_bytes", json_integer((json_int_t)bytes));
	return 0;
}

static int add_disks(struct making *m)
{
	json_t *list = json_array();

	put(m, "disks", list);
	if (m->content->disk_count > DISKS_MAX)
		return refuse_count(m, "disks", m->content->disk_count, "", "a guest has 16 at most");
	for (size_t i = 0; i < m->content->disk_count; i++) {
		const char *said = m->content->disks[i].bus, *bus = said ? find_word(buses, said) : "virtio";

		if (!bus)
			return refuse(m, "bus of a disk", said, "", "a node has no such bus");
		json_array_append_new(list, json_pack("{s:s}", "bus", bus));
	}
	return 0;
}

static bool has_mac(const json_t *nics, const char *mac)
{
	const json_t *nic;
	size_t nr;

	json_array_foreach(nics, nr, nic)
	{
		const char *other = text_of(nic, "mac");

		if (other && strcmp(other, mac) == 0)
			return true;
	}
	return false;
}

/* NULL where it is no address of one card (a group's: IEEE 802, the I/G bit), or another card has it: the node then makes one. */
static json_t *mac_json(const char *said, const json_t *nics)
{
	char mac[MAC_CHARS];
	unsigned first;

	if (!said || mac_parse(mac, said) < 0 || sscanf(mac, "%2x", &first) != 1 || first & 1 ||
	    strcmp(mac, "00:00:00:00:00:00") == 0 || has_mac(nics, mac))
		return json_null();
	return json_string(mac);
}

static int add_nic(const struct making *m, json_t *list, const json_t *nic)
{
	const char *said = text_of(nic, "model");
	const char *model = said && said[0] ? find_word(nic_models, said) : "virtio";
	char at[TEXT_MAX];

	if (!model)
		return refuse(m, "model of a network card", said, said_at(at, m, nic, "line"),
			      "a guest's is virtio, e1000, e1000e, rtl8139 or vmxnet3");
	json_array_append_new(list,
			      json_pack("{s:s, s:o}", "model", model, "mac", mac_json(text_of(nic, "mac"), list)));
	return 0;
}

/* A machine of whose cards nothing is said has one. */
static int add_nics(struct making *m)
{
	const json_t *nics = json_object_get(m->machine, "nics"), *nic;
	json_t *list = json_array();
	char at[TEXT_MAX];
	size_t nr;

	put(m, "nics", list);
	if (!nics)
		json_array_append_new(list, json_pack("{s:s, s:n}", "model", "virtio", "mac"));
	if (json_array_size(nics) > NICS_MAX)
		return refuse_count(m, "network cards", json_array_size(nics),
				    said_at(at, m, json_array_get(nics, NICS_MAX), "line"), "a guest has 8 at most");
	json_array_foreach(nics, nr, nic)
	{
		if (add_nic(m, list, nic) < 0)
			return m->err->code;
	}
	return 0;
}

static json_t *said_json(const struct making *m, const char *line_key)
{
	char at[TEXT_MAX];

	return json_text(said_at(at, m, m->machine, line_key)[0] ? at : NULL);
}

static int add_said_by(struct making *m)
{
	put(m, "said_by",
	    json_pack("{s:o, s:o, s:o}", "cpus", said_json(m, "cpus_line"), "memory_bytes", said_json(m, "memory_line"),
		      "firmware", said_json(m, "firmware_line")));
	return 0;
}

int guest_plan_make(json_t **out, const struct store_item *item, const struct store_content *content, struct err *err)
{
	static int (*const steps[])(struct making * m) = { add_name,  add_kind, add_cpus,   add_memory,
							   add_disks, add_nics, add_said_by };
	CLEANUP(json_free) json_t *machine = content->machine ? json_loads(content->machine, 0, NULL) : NULL;
	CLEANUP(json_free) json_t *guest = json_object();
	struct making making = { guest, item, content, machine, err };

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i](&making) < 0)
			return err->code;
	*out = TAKE(guest);
	return 0;
}
