/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time passes only while settle_disks sleeps; disks show up at the times a case says. */
#include "settle.h"
#include "tap.h"
#include "tree.h"

#include <errno.h>

#define VDA "pci0000:00/0000:00:02.0/virtio1/block/vda"
#define SDA "pci0000:00/0000:00:05.0/host2/target2:0:0/2:0:0:0/block/sda"
#define SDB "pci0000:00/0000:00:14.0/usb1/1-1/host3/target3:0:0/3:0:0:0/block/sdb"

enum hardware { ATA = 1, SAS = 2, USB = 4, MMC = 8, SAS_AT_WORK = 16 };

struct machine_time {
	uint64_t now_ms;
	uint64_t disk_ms; /* when the second disk shows up; 0: never */
	uint64_t flap_ms; /* the second disk changes every so often; 0: it does not */
	uint64_t stop_ms; /* when somebody presses Ctrl-C; 0: nobody does */
};

static void link_to(const char *target, const char *path)
{
	char full[PATH_MAX + sizeof(root) + 1];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	make_dirs(full);
	if (symlink(target, full) != 0)
		abort();
}

static void put_hardware(unsigned has)
{
	put_disk(VDA, "254:0\n", "16777216\n", NULL, 0);
	if (has & ATA) {
		put("sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/scsi_host/host0/state", "running\n");
		link_to("../../devices/pci0000:00/0000:00:1f.2/ata1/host0/scsi_host/host0",
			"sys/class/scsi_host/host0");
	}
	if (has & (SAS | SAS_AT_WORK)) {
		put("sys/devices/pci0000:00/0000:00:05.0/host2/scsi_host/host2/state",
		    has & SAS_AT_WORK ? "recovery\n" : "running\n");
		link_to("../../devices/pci0000:00/0000:00:05.0/host2/scsi_host/host2", "sys/class/scsi_host/host2");
	}
	if (has & USB)
		put("sys/bus/usb/devices/usb1/speed", "480\n");
	if (has & MMC)
		put("sys/class/mmc_host/mmc0/uevent", "");
}

static uint64_t now_ms(void *ctx)
{
	return ((struct machine_time *)ctx)->now_ms;
}

static int sleep_ms(void *ctx, uint64_t ms, struct err *err)
{
	struct machine_time *t = ctx;
	uint64_t before_ms = t->now_ms;

	t->now_ms += ms;
	if (t->stop_ms && t->now_ms >= t->stop_ms)
		return err_set(err, -ECANCELED, "interrupted");
	if (before_ms < t->disk_ms && t->disk_ms <= t->now_ms)
		put_disk(SDB, "8:16\n", "2048\n", NULL, 0);
	if (t->flap_ms && before_ms / t->flap_ms != t->now_ms / t->flap_ms) {
		char nr[32];

		snprintf(nr, sizeof(nr), "%llu\n", (unsigned long long)t->now_ms);
		put("sys/devices/" VDA "/diskseq", nr);
	}
	return 0;
}

/* One run on a machine that has `has`; `took_ms` and how many disks there were at the end. */
static int settle(unsigned has, bool has_rule, struct machine_time *t, size_t *count, struct err *err)
{
	CLEANUP(disk_list_free) struct disk_list list = { 0 };
	struct settle_world world = { .root = root, .now_ms = now_ms, .sleep_ms = sleep_ms, .ctx = t };

	make_root();
	put_hardware(has);
	if (disk_list_read(&list, root, err) != 0)
		abort();
	int rc = settle_disks(&list, has_rule, &world, err);
	*count = list.count;
	remove_root();
	strcpy(root + sizeof(root) - 1 - 6, "XXXXXX");
	return rc;
}

static void test_times(void)
{
	static const struct {
		const char *name;
		unsigned has;
		bool has_rule;
		struct machine_time t;
		size_t disks;
		uint64_t from_ms, to_ms; /* when it must be over */
	} cases[] = {
		{ "virtio and NVMe only: a second", 0, false, { .now_ms = 6000 }, 1, 7000, 8000 },
		{ "ATA, too, is there when its driver is", ATA, false, { .now_ms = 6000 }, 1, 7000, 8000 },
		{ "SAS and a rule: five seconds", ATA | SAS, true, { .now_ms = 6000 }, 1, 11000, 12000 },
		{ "SAS and no rule: not before the machine is up for 15 s",
		  SAS,
		  false,
		  { .now_ms = 6000 },
		  1,
		  15000,
		  16000 },
		{ "USB: the same", USB, false, { .now_ms = 6000 }, 1, 15000, 16000 },
		{ "MMC: the same", MMC, false, { .now_ms = 6000 }, 1, 15000, 16000 },
		{ "a machine that is up for long: five seconds", SAS, false, { .now_ms = 90000 }, 1, 95000, 96000 },
		{ "a disk that comes late is seen", USB, true, { .now_ms = 6000, .disk_ms = 10000 }, 2, 15000, 16000 },
		{ "a disk that comes late and has no rule to tell it from the first is seen",
		  USB,
		  false,
		  { .now_ms = 6000, .disk_ms = 14000 },
		  2,
		  19000,
		  20000 },
		{ "a disk that comes while only quick ones are known is seen",
		  0,
		  false,
		  { .now_ms = 6000, .disk_ms = 6400 },
		  2,
		  7400,
		  8400 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct machine_time t = cases[i].t;
		struct err err = { 0 };
		size_t count;

		is_int(settle(cases[i].has, cases[i].has_rule, &t, &count, &err), 0, cases[i].name);
		ok(count == cases[i].disks && t.now_ms >= cases[i].from_ms && t.now_ms <= cases[i].to_ms,
		   "... with %zu disks at %llu ms", count, (unsigned long long)t.now_ms);
	}
}

static void test_refusals(void)
{
	struct machine_time flapping = { .now_ms = 6000, .flap_ms = 2000 };
	struct machine_time waiting = { .now_ms = 6000 };
	struct machine_time stopped = { .now_ms = 6000, .stop_ms = 8000 };
	struct err err = { 0 };
	size_t count;

	is_int(settle(SAS, true, &flapping, &count, &err), -EBUSY, "a list that keeps changing is refused");
	ok(strstr(err.text, "vda: its kernel disk sequence number"), "and what changes is named: %s", err.text);
	is_int(settle(SAS_AT_WORK, false, &waiting, &count, &err), -EBUSY,
	       "without a rule a SCSI controller that never gets ready is waited for, and then refused");
	ok(strstr(err.text, "SCSI controller"), "and named: %s", err.text);
	is_int(settle(SAS, false, &stopped, &count, &err), -ECANCELED, "who does not want to wait can stop it");
	ok(stopped.now_ms < 9000, "at once");
}

int main(void)
{
	test_times();
	test_refusals();
	return done_testing();
}
