/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_spec: see guest_spec.h */
#include "guest_spec.h"

#include "bytes.h"
#include "digest.h"
#include "json.h"
#include "log.h"
#include "sysfs.h"
#include "units.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB (1ull << 20)

/* What the machine types of QEMU 7.2 can have without an IOMMU (x86), which is enough for the others. */
#define CPUS_MAX 255u

/* Of PIIX3, the one controller of a "pc". */
#define PC_IDE_DISKS 4u

#define WORD_MAX 64u /* longest value of a field that is one of a list: more is only cut off in the message */

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static const char *const arches[] = { "x86_64", "aarch64", NULL };
static const char *const x86_machines[] = { "q35", "pc", NULL };
static const char *const arm_machines[] = { "virt", NULL };
static const char *const firmwares[] = { [GUEST_BIOS] = "bios", [GUEST_UEFI] = "uefi", NULL };
static const char *const buses[] = { "virtio", "scsi", "sata", "ide", "nvme", "usb", NULL };
static const char *const models[] = { "virtio", "e1000", "e1000e", "rtl8139", "vmxnet3", NULL };
static const char *const restarts[] = { [GUEST_RESTART_NEVER] = "never",
					[GUEST_RESTART_ON_FAILURE] = "on-failure",
					[GUEST_RESTART_ALWAYS] = "always",
					NULL };

/* Which of `words` (NULL at the end) the field is. */
static int need_one_of(size_t *out, const json_t *json, const char *key, const char *const *words, struct err *err)
{
	char quoted[WORD_MAX * 4 + 1];
	const char *value;
	int rc = json_need_string(&value, json, key, WORD_MAX, err);

	if (rc)
		return rc;
	for (size_t i = 0; words[i]; i++) {
		if (strcmp(words[i], value) == 0) {
			*out = i;
			return 0;
		}
	}
	return err_set(err, -EPROTO, "field \"%s\": '%s' is not known", key, log_quote(quoted, sizeof(quoted), value));
}

/* The word itself; each of a list fits. */
static int need_word(char out[static 16], const json_t *json, const char *key, const char *const *words,
		     struct err *err)
{
	size_t nr;
	int rc = need_one_of(&nr, json, key, words, err);

	if (!rc)
		strcpy(out, words[nr]);
	return rc;
}

static int parse_name(struct guest_spec *spec, const json_t *json, struct err *err)
{
	char quoted[GUEST_NAME * 4];
	const char *name;
	int rc = json_need_string(&name, json, "name", sizeof(spec->name) - 1, err);

	if (rc)
		return rc;
	if (!name[0] || name[strspn(name, NAME_CHARACTERS)])
		return err_set(err, -EPROTO, "field \"name\": '%s': letters, digits, '.', '_' and '-' are needed",
			       log_quote(quoted, sizeof(quoted), name));
	strcpy(spec->name, name);
	return 0;
}

static int parse_machine(struct guest_spec *spec, const json_t *json, struct err *err)
{
	size_t firmware;
	int rc = need_word(spec->arch, json, "arch", arches, err);

	if (!rc)
		rc = need_word(spec->machine, json, "machine",
			       strcmp(spec->arch, "aarch64") == 0 ? arm_machines : x86_machines, err);
	if (!rc)
		rc = need_one_of(&firmware, json, "firmware", firmwares, err);
	if (!rc)
		spec->firmware = (enum guest_firmware)firmware;
	return rc;
}

static int parse_sizes(struct guest_spec *spec, const json_t *json, struct err *err)
{
	uint64_t cpus;
	int rc = json_need_u64(&cpus, json, "cpus", UINT32_MAX, err);

	if (!rc && !cpus)
		rc = err_set(err, -EPROTO, "field \"cpus\": 0: a guest has one at least");
	if (!rc)
		rc = json_need_u64(&spec->memory_bytes, json, "memory_bytes", INT64_MAX, err);
	if (!rc && spec->memory_bytes < MIB)
		rc = err_set(err, -EPROTO, "field \"memory_bytes\": %" PRIu64 ": a guest has a MiB at least",
			     spec->memory_bytes);
	if (!rc)
		spec->cpus = (unsigned)cpus;
	return rc;
}

static int need_list(const json_t **out, const json_t *json, const char *key, size_t min, size_t max, struct err *err)
{
	const json_t *list = json_object_get(json, key);

	if (!json_is_array(list))
		return err_set(err, -EPROTO, "field \"%s\": a list is needed", key);
	if (json_array_size(list) < min || json_array_size(list) > max)
		return err_set(err, -EPROTO, "field \"%s\": %zu of them; a guest has %zu to %zu", key,
			       json_array_size(list), min, max);
	*out = list;
	return 0;
}

static int parse_disks(struct guest_spec *spec, const json_t *json, struct err *err)
{
	const json_t *list, *disk;
	size_t nr;
	int rc = need_list(&list, json, "disks", 1, GUEST_DISKS_MAX, err);

	if (rc)
		return rc;
	json_array_foreach(list, nr, disk)
	{
		if (need_word(spec->buses[nr], disk, "bus", buses, err) != 0)
			return err_wrap(err, "disk %zu", nr + 1);
		spec->disk_count++;
	}
	return 0;
}

/* That of one machine: not zero, and not of a group (IEEE 802, the I/G bit). */
static bool parse_mac(uint8_t out[static 6], const char *text)
{
	uint8_t mac[6];
	int end = 0;

	if (strspn(text, "0123456789abcdefABCDEF:") != 17 ||
	    sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5],
		   &end) != 6 ||
	    end != 17 || text[end] || mac[0] & 1 || bytes_are_zero(mac, sizeof(mac)))
		return false;
	memcpy(out, mac, 6);
	return true;
}

static int parse_nic(struct guest_nic *nic, const json_t *json, struct err *err)
{
	char quoted[WORD_MAX * 4 + 1];
	const char *mac = NULL;
	int rc = need_word(nic->model, json, "model", models, err);

	if (!rc)
		rc = json_want_string(&mac, json, "mac", WORD_MAX, err);
	if (rc || !mac)
		return rc;
	if (!parse_mac(nic->mac, mac))
		return err_set(err, -EPROTO, "field \"mac\": '%s' is not an address of one machine",
			       log_quote(quoted, sizeof(quoted), mac));
	nic->has_mac = true;
	return 0;
}

/* Two cannot share the node's card with one address. */
static int check_mac_is_new(const struct guest_spec *spec, const struct guest_nic *nic, struct err *err)
{
	for (size_t i = 0; i < spec->nic_count; i++)
		if (nic->has_mac && spec->nics[i].has_mac && memcmp(nic->mac, spec->nics[i].mac, sizeof(nic->mac)) == 0)
			return err_set(err, -EPROTO, "field \"mac\": the same as of NIC %zu", i + 1);
	return 0;
}

static int parse_nics(struct guest_spec *spec, const json_t *json, struct err *err)
{
	const json_t *list, *nic;
	size_t nr;
	int rc = need_list(&list, json, "nics", 0, GUEST_NICS_MAX, err);

	if (rc)
		return rc;
	json_array_foreach(list, nr, nic)
	{
		rc = parse_nic(&spec->nics[nr], nic, err);
		if (!rc)
			rc = check_mac_is_new(spec, &spec->nics[nr], err);
		if (rc)
			return err_wrap(err, "NIC %zu", nr + 1);
		spec->nic_count++;
	}
	return 0;
}

static int parse_restart(struct guest_spec *spec, const json_t *json, struct err *err)
{
	size_t nr;
	int rc = need_one_of(&nr, json, "restart", restarts, err);

	if (!rc)
		spec->restart = (enum guest_restart)nr;
	return rc;
}

static int want_said(char out[static GUEST_SAID], const json_t *said, const char *key, struct err *err)
{
	const char *text = "";
	int rc = json_want_string(&text, said, key, SIZE_MAX, err);

	if (rc)
		return rc;
	snprintf(out, GUEST_SAID, "%s", text);
	sysfs_clean(out);
	/* Cleaning moves text to the front. */
	memset(out + strlen(out), 0, GUEST_SAID - strlen(out));
	return 0;
}

/* Left out by a service that does not know. */
static int parse_said_by(struct guest_spec *spec, const json_t *json, struct err *err)
{
	const json_t *said = json_object_get(json, "said_by");

	if (!said || json_is_null(said))
		return 0;
	if (!json_is_object(said))
		return err_set(err, -EPROTO, "field \"said_by\": an object is needed");
	int rc = want_said(spec->said_by.cpus, said, "cpus", err);
	if (!rc)
		rc = want_said(spec->said_by.memory_bytes, said, "memory_bytes", err);
	if (!rc)
		rc = want_said(spec->said_by.firmware, said, "firmware", err);
	return rc ? err_wrap(err, "field \"said_by\"") : 0;
}

#define SAID_TEXT (GUEST_SAID + 4)

/* " (description.xml:5)", or nothing. Returns `out`. */
static const char *said_text(char out[static SAID_TEXT], const char *said)
{
	snprintf(out, SAID_TEXT, "%s%s%s", said[0] ? " (" : "", said, said[0] ? ")" : "");
	return out;
}

static size_t count_bus(const struct guest_spec *spec, const char *bus)
{
	size_t count = 0;

	for (size_t i = 0; i < spec->disk_count; i++)
		count += strcmp(spec->buses[i], bus) == 0;
	return count;
}

/* Whether there is such a machine at all. */
static int check_machine(const struct guest_spec *spec, struct err *err)
{
	char said[SAID_TEXT];

	if (strcmp(spec->arch, "aarch64") == 0 && spec->firmware != GUEST_UEFI)
		return err_set(err, -ENOTSUP, "the guest needs BIOS firmware%s, an aarch64 machine has UEFI only",
			       said_text(said, spec->said_by.firmware));
	if (spec->cpus > CPUS_MAX)
		return err_set(err, -ENOTSUP, "the guest needs %u CPUs%s, a machine has at most %u", spec->cpus,
			       said_text(said, spec->said_by.cpus), CPUS_MAX);
	if (strcmp(spec->machine, "pc") == 0 && count_bus(spec, "ide") > PC_IDE_DISKS)
		return err_set(err, -ENOTSUP, "the guest has %zu disks on its bus \"ide\", a \"pc\" has room for %u",
			       count_bus(spec, "ide"), PC_IDE_DISKS);
	return 0;
}

static int parse_spec(struct guest_spec *spec, const json_t *json, struct err *err)
{
	int rc = json_is_object(json) ? parse_name(spec, json, err) : err_set(err, -EPROTO, "an object is needed");

	if (!rc)
		rc = parse_machine(spec, json, err);
	if (!rc)
		rc = parse_sizes(spec, json, err);
	if (!rc)
		rc = parse_disks(spec, json, err);
	if (!rc)
		rc = parse_nics(spec, json, err);
	if (!rc)
		rc = parse_restart(spec, json, err);
	if (!rc)
		rc = parse_said_by(spec, json, err);
	return rc ? rc : check_machine(spec, err);
}

int guest_spec_parse(struct guest_spec *out, const json_t *json, struct err *err)
{
	struct guest_spec spec;

	memset(&spec, 0, sizeof(spec));
	if (parse_spec(&spec, json, err) != 0)
		return err->code == -EPROTO ? err_wrap(err, "field \"guest\"") : err->code;
	memcpy(out, &spec, sizeof(spec));
	return 0;
}

static json_t *text_or_null(const char *text)
{
	return json_text(text[0] ? text : NULL);
}

static json_t *disks_json(const struct guest_spec *spec)
{
	json_t *disks = json_array();

	for (size_t i = 0; i < spec->disk_count; i++)
		json_array_append_new(disks, json_pack("{s:s}", "bus", spec->buses[i]));
	return disks;
}

static json_t *nic_json(const struct guest_nic *nic)
{
	const uint8_t *mac = nic->mac;

	return json_pack("{s:s, s:o}", "model", nic->model, "mac",
			 nic->has_mac ? json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
						     mac[4], mac[5])
				      : json_null());
}

static json_t *nics_json(const struct guest_spec *spec)
{
	json_t *nics = json_array();

	for (size_t i = 0; i < spec->nic_count; i++)
		json_array_append_new(nics, nic_json(&spec->nics[i]));
	return nics;
}

json_t *guest_spec_json(const struct guest_spec *spec)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:s, s:{s:o, s:o, s:o}}", "name", spec->name, "arch",
			 spec->arch, "machine", spec->machine, "firmware", firmwares[spec->firmware], "cpus",
			 (json_int_t)spec->cpus, "memory_bytes", (json_int_t)spec->memory_bytes, "disks",
			 disks_json(spec), "nics", nics_json(spec), "restart", restarts[spec->restart], "said_by",
			 "cpus", text_or_null(spec->said_by.cpus), "memory_bytes",
			 text_or_null(spec->said_by.memory_bytes), "firmware", text_or_null(spec->said_by.firmware));
}

static int refuse_memory(const struct guest_spec *spec, const struct guest_room *room, struct err *err)
{
	char said[SAID_TEXT], needed[UNITS_TEXT], free_text[UNITS_TEXT];

	units_bytes(needed, spec->memory_bytes);
	units_bytes(free_text, room->memory_bytes);
	/* "needs 2.0 GiB, has 2.0 GiB" would be no answer. */
	if (strcmp(needed, free_text) == 0) {
		snprintf(needed, sizeof(needed), "%" PRIu64 " B", spec->memory_bytes);
		snprintf(free_text, sizeof(free_text), "%" PRIu64 " B", room->memory_bytes);
	}
	return err_set(err, -ENOSPC, "the guest needs %s of memory%s, this node has %s to give", needed,
		       said_text(said, spec->said_by.memory_bytes), free_text);
}

int guest_spec_check(const struct guest_spec *spec, const struct guest_room *room, struct err *err)
{
	char said[SAID_TEXT];

	if (spec->cpus > room->cpus)
		return err_set(err, -ENOTSUP, "the guest needs %u CPUs%s, this node has %u", spec->cpus,
			       said_text(said, spec->said_by.cpus), room->cpus);
	return spec->memory_bytes > room->memory_bytes ? refuse_memory(spec, room, err) : 0;
}

void guest_nic_mac(uint8_t out[static 6], const struct guest_spec *spec, size_t nic, const char *node, const char *id)
{
	static const uint8_t qemu[] = { 0x52, 0x54, 0x00 };
	const uint8_t number = (uint8_t)nic;
	uint8_t hash[DIGEST_BYTES];
	struct digest digest;

	assert(nic < spec->nic_count);
	if (spec->nics[nic].has_mac) {
		memcpy(out, spec->nics[nic].mac, 6);
		return;
	}
	/* Each text with its end, so that no two pairs of them are the same bytes. */
	digest_init(&digest);
	digest_add(&digest, node, strlen(node) + 1);
	digest_add(&digest, id, strlen(id) + 1);
	digest_add(&digest, &number, 1);
	digest_final(&digest, hash);
	memcpy(out, qemu, sizeof(qemu));
	memcpy(out + sizeof(qemu), hash, 3);
}
