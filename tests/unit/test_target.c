/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tap.h"
#include "target.h"

#include <errno.h>

#define GIB (1ull << 30)

static struct disk virtio(const char *name, const char *serial, uint64_t bytes)
{
	struct disk disk = { .id = { .bytes = bytes, .sector_bytes = 512, .bus = "virtio" } };

	snprintf(disk.id.name, sizeof(disk.id.name), "%s", name);
	snprintf(disk.id.serial, sizeof(disk.id.serial), "%s", serial);
	snprintf(disk.path, sizeof(disk.path), "/dev/%s", name);
	return disk;
}

static struct disk used(const char *name, enum disk_use use, const char *why)
{
	struct disk disk = virtio(name, "", 8 * GIB);

	disk.use = use;
	snprintf(disk.why, sizeof(disk.why), "%s", why);
	return disk;
}

static void choose(struct disk *disks, size_t count, const char *rule, const char *want_name, int want_rc,
		   const char *want_text, const char *name)
{
	struct disk_list list = { .disks = disks, .count = count };
	struct target_need need = { .disk_bytes = 4 * GIB, .sector_bytes = 512, .rule = rule };
	const struct disk *chosen = NULL;
	struct err err = { 0 };
	int rc = target_choose(&chosen, &list, &need, &err);

	ok(rc == want_rc && (rc == 0) == (chosen != NULL) && (!chosen || strcmp(chosen->id.name, want_name) == 0) &&
		   (!want_text || strstr(err.text, want_text)),
	   "%s", name);
	if (want_text)
		printf("# %s\n", err.text);
}

static void test_choice(void)
{
	struct disk one[] = { virtio("vda", "A", 8 * GIB) };
	struct disk two[] = { virtio("vda", "A", 8 * GIB), virtio("vdb", "B", 8 * GIB) };
	struct disk twins[] = { virtio("vda", "", 8 * GIB), virtio("vdb", "", 8 * GIB) };
	struct disk small[] = { virtio("vda", "A", 4 * GIB - 512), virtio("vdb", "B", 8 * GIB) };
	struct disk busy[] = { used("vda", DISK_REFUSED, "vda1 is mounted at /"), virtio("vdb", "B", 8 * GIB) };
	struct disk none[] = { used("vda", DISK_REFUSED, "vda1 is mounted at /"),
			       used("sdb", DISK_UNUSUAL, "removable medium") };
	struct disk exact[] = { virtio("vda", "A", 4 * GIB) };

	choose(one, 1, NULL, "vda", 0, NULL, "the only disk is taken");
	choose(exact, 1, NULL, "vda", 0, NULL, "a disk of exactly the image's size is large enough");
	choose(two, 2, NULL, NULL, -ENOTUNIQ, "vda; vdb", "two disks and no rule are refused, and listed");
	choose(two, 2, "serial=B", "vdb", 0, NULL, "the rule decides between two");
	choose(two, 2, "bus=virtio", NULL, -ENOTUNIQ, "vda; vdb", "a rule that two disks meet is refused");
	choose(two, 2, "serial=C", NULL, -ENODEV, "vda: does not match serial=C; vdb: does not match serial=C",
	       "a rule that no disk meets is refused, with the reason for each");
	choose(twins, 2, "serial=", NULL, -ENODEV, NULL,
	       "two disks without serials are not told apart by an empty one");
	choose(twins, 2, "bus=virtio,bytes=8G", NULL, -ENOTUNIQ, NULL, "identical disks are refused");
	choose(small, 1, NULL, NULL, -ENOSPC, "vda: too small",
	       "the only disk is refused when it is one sector too small");
	choose(small, 2, NULL, NULL, -ENOTUNIQ, "vda; vdb", "a disk is not taken because the other one is too small");
	choose(small, 2, "serial=A", NULL, -ENOSPC, "vda: too small",
	       "a disk that is too small is refused when the rule names it");
	choose(busy, 2, NULL, "vdb", 0, NULL, "a disk in use is no candidate");
	choose(busy, 2, "name=vda", NULL, -ENODEV, "vda: vda1 is mounted at /",
	       "a rule that names a disk in use says why not");
	choose(none, 2, "name=sdb", "sdb", 0, NULL, "a removable medium can be named by a rule");
	choose(none, 2, NULL, NULL, -ENODEV, "vda: vda1 is mounted at /; sdb: removable medium",
	       "when none can be taken each one's reason is given");
	choose(NULL, 0, NULL, NULL, -ENODEV, "this machine has none", "no disks at all are said to be none");
}

/* Twenty disks whose reasons do not all fit. */
static void test_many(void)
{
	static const char end[] = "; ...";
	struct disk disks[20];
	struct disk_list list = { .disks = disks, .count = 20 };
	struct target_need need = { .disk_bytes = 4 * GIB };
	const struct disk *chosen = NULL;
	char rule[500] = "serial=";
	struct err err = { 0 };

	for (size_t i = 0; i < list.count; i++) {
		disks[i] = used("sda", DISK_REFUSED, "sdx1 is mounted at /somewhere/that/is/rather/far/away");
		disks[i].id.name[2] = (char)('a' + i);
	}
	target_choose(&chosen, &list, &need, &err);
	size_t len = strlen(err.text);
	ok(len > 300 && strcmp(err.text + len - strlen(end), end) == 0,
	   "a list of reasons that is too long ends in '...'");
	ok(strstr(err.text, "away; ..."), "after a whole reason");
	memset(rule + strlen(rule), 'x', sizeof(rule) - strlen(rule) - 1);
	need.rule = rule;
	target_choose(&chosen, &list, &need, &err);
	len = strlen(err.text);
	ok(strstr(err.text, "xxx...': sda: does not match serial=xxx") &&
		   strcmp(err.text + len - strlen(end), end) == 0,
	   "so does a rule that is too long to be shown");
	printf("# %s\n", err.text);
}

static void choose_two(struct disk *disks, size_t count, const char *rule_0, const char *rule_1, int want_rc,
		       const char *want_text, const char *name)
{
	struct disk_list list = { .disks = disks, .count = count };
	struct target_need needs[] = {
		{ .name = "system", .disk_bytes = 4 * GIB, .sector_bytes = 512, .rule = rule_0 },
		{ .name = "", .disk_bytes = 6 * GIB, .rule = rule_1 },
	};
	const struct disk *chosen[2] = { NULL, NULL };
	struct err err = { 0 };
	int rc = target_choose_all(chosen, &list, needs, 2, &err);

	ok(rc == want_rc && (rc || (chosen[0] == &disks[1] && chosen[1] == &disks[0])) &&
		   (!want_text || strstr(err.text, want_text)),
	   "%s", name);
	printf("# %d %s\n", rc, err.text);
}

static void test_several(void)
{
	struct disk two[] = { virtio("vda", "A", 8 * GIB), virtio("vdb", "B", 8 * GIB) };
	struct disk small[] = { virtio("vda", "A", 5 * GIB), virtio("vdb", "B", 8 * GIB) };
	struct disk busy[] = { used("vda", DISK_REFUSED, "vda1 is mounted at /"), virtio("vdb", "B", 8 * GIB) };

	choose_two(two, 2, "serial=B", "serial=A", 0, NULL, "each disk of the item goes to the one its rule names");
	choose_two(
		two, 2, "serial=A", "serial=A", -ENOTUNIQ,
		"disk vda is named twice: by the rule 'serial=A' for disk 1 of the item and by the rule 'serial=A' for "
		"disk 2",
		"two never go to the same");
	choose_two(
		two, 2, NULL, NULL, -ENOTUNIQ,
		"the item has 2 disks (1: 4.0 GiB, system; 2: 6.0 GiB), and no rules say which of this machine's (vda: "
		"8.0 GiB, serial=A; vdb: 8.0 GiB, serial=B) get them",
		"without rules all are listed");
	choose_two(two, 2, "serial=B", NULL, -ENOTUNIQ, "no rules say", "one rule is not enough");
	choose_two(busy, 2, NULL, NULL, -ENOTUNIQ, "vda: 8.0 GiB, vda1 is mounted at /; vdb",
		   "the list says which cannot be taken");
	choose_two(two, 2, "serial=B", "serial=C", -ENODEV, "disk 2 of the item: no disk can be taken by the rule",
		   "a rule that no disk meets is refused for its disk");
	choose_two(two, 2, "bus=virtio", "serial=A", -ENOTUNIQ, "disk 1 of the item: 2 disks match",
		   "a rule that two disks meet is, too");
	choose_two(small, 2, "serial=B", "serial=A", -ENOSPC, "disk 2 of the item: disk /dev/vda: too small",
		   "the second disk's size counts as the first's");
	choose_two(busy, 2, "serial=B", "name=vda", -ENODEV, "vda1 is mounted", "and so does its use");
}

static void test_sectors(void)
{
	struct disk disk = virtio("vda", "A", 8 * GIB);
	struct target_need need = { .disk_bytes = 4 * GIB, .sector_bytes = 512 };
	struct err err = { 0 };

	disk.id.sector_bytes = 4096;
	is_int(target_check(&disk, &need, &err), -ENOTSUP, "a GPT for 512-byte sectors is refused on a disk with 4096");
	need.sector_bytes = 4096;
	is_int(target_check(&disk, &need, &err), 0, "and taken where they agree");
	need.sector_bytes = 0;
	is_int(target_check(&disk, &need, &err), 0, "without a GPT any sector size will do");
	disk.id.sector_bytes = 0;
	need.sector_bytes = 512;
	is_int(target_check(&disk, &need, &err), 0, "a file has no sectors");
}

static void test_named(void)
{
	struct target_need need = { .disk_bytes = 4 * GIB };
	struct disk unusual = used("loop0", DISK_UNUSUAL, "loop device");
	struct disk busy = used("vda", DISK_REFUSED, "vda2 is used as swap");
	struct err err = { 0 };

	is_int(target_check(&unusual, &need, &err), 0, "an unusual disk may be named by its path");
	is_int(target_check(&busy, &need, &err), -EBUSY, "one in use may not");
	is_str(err.text, "disk /dev/vda: vda2 is used as swap", "and the reason is given");
}

int main(void)
{
	test_choice();
	test_many();
	test_several();
	test_sectors();
	test_named();
	return done_testing();
}
