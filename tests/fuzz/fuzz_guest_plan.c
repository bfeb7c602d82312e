/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any JSON as what a description says of its machine, as a sandboxed unpacker told it: a node's client takes every guest that is
 * made of it, and a refusal says why.
 */
#include "guest_plan.h"

#include "cleanup.h"
#include "guest_spec.h"
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The first byte: how many disks, on which buses, and what the feed says. */
static void choose(struct store_content *content, struct store_item *item, uint8_t choice)
{
	static const char *const buses[] = { "virtio", "xen", "scsi", "sata", "ide", "nvme", "usb", NULL };
	const struct store_image image = { 0 };
	struct err err;

	for (unsigned i = 0; i <= (choice & 3); i++) {
		const char *bus = buses[(choice >> 2 & 7) % (sizeof(buses) / sizeof(buses[0]))];

		content_add_disk(content, &image, NULL, bus ? strdup(bus) : NULL, &err);
	}
	item->needs.arch = choice & 0x40 ? "aarch64" : NULL;
	item->needs.firmware = choice & 0x80 ? "uefi" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	CLEANUP(store_content_free) struct store_content content = { 0 };
	CLEANUP(json_free) json_t *guest = NULL;
	struct store_item item = { .id = "0123456789abcdef", .announced = { .title = "fuzz" } };
	struct guest_spec spec;
	struct err err = { 0 };

	if (!len)
		return 0;
	choose(&content, &item, data[0]);
	content.machine = strndup((const char *)data + 1, len - 1);
	int rc = guest_plan_make(&guest, &item, &content, &err);
	if (rc ? rc != -EALREADY || !err.text[0] : guest_spec_parse(&spec, guest, &err) != 0)
		abort();
	return 0;
}
