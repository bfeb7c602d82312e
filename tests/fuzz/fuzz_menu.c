/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fuzz_menu: whatever a feed's texts are, no script does more with them than show them. Input: texts, separated by NUL. */
#include "menu.h"

#include "../unit/script_check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(char *script)
{
	const char *fault = script ? script_fault(script) : "no script";

	if (fault) {
		fprintf(stderr, "%s:\n%s\n", fault, script ? script : "");
		abort();
	}
	free(script);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct menu_machine machine = { .mac = "52:54:00:12:34:56", .arch = "x86_64", .firmware = "bios" };
	struct config config = { .url = "http://10.77.0.1:8880", .initramfs = "initramfs", .menu_timeout_s = 30 };
	char *texts[5], *copy = malloc(size + 1), *p = copy;

	memcpy(copy, data, size);
	copy[size] = '\0';
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		texts[i] = p;
		p = p < copy + size ? p + strlen(p) + 1 : copy + size;
		p = p > copy + size ? copy + size : p;
	}
	struct store_item item = {
		.id = "0123456789abcdef",
		.feed_id = "0123456789abcdef",
		.feed_title = texts[0],
		.announced = { .title = texts[1], .description = texts[2], .link = texts[3], .published = 1 },
		.image_id = "f",
		.version = 1,
		.present = true
	};
	struct content_disk disk = { .name = texts[0] };
	struct store_content content = {
		.form = texts[2], .cmdline = texts[3], .disks = &disk, .disk_count = 1, .file.id = "f", .initrd.id = "f"
	};
	const struct store_item_list items = { .rows = &item, .count = 1 };

	config.menu_title = texts[4];
	check(menu_script(&config, &items, &machine));
	check(menu_details_script(&config, &item, &content, &machine, true));
	check(menu_boot_script(&config, &item, &content, &machine,
			       &(struct menu_start){ .why = "starting", .target = texts[0] }));
	check(menu_wait_script(&config, &machine, texts[1], NULL));
	/* What cannot be passed on is never written into a script: routes_machine.c asks first. */
	content.kind = ITEM_KERNEL;
	if (menu_can_pass(content.cmdline))
		check(menu_boot_script(&config, &item, &content, &machine, &(struct menu_start){ .why = "starting" }));
	item.version = 0;
	check(menu_script(&config, &items, &machine));
	check(menu_details_script(&config, &item, NULL, &machine, true));
	item.state = ITEM_FAILED;
	item.error = texts[2];
	check(menu_details_script(&config, &item, NULL, &machine, true));
	free(copy);
	return 0;
}
