/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settle: see settle.h
 *
 * How long is decided by what the machine has. Loading the driver of a virtio, NVMe or ATA controller returns when its
 * disks are there: virtio_blk adds its disk in its probe, nvme and libata scan in asynchronous calls, for which the
 * kernel waits at the end of a module's initialisation. There, two looks one second apart will do. Behind USB, MMC and
 * other SCSI controllers (SAS expanders, Fibre Channel) disks are found by work that nobody waits for, seconds after the
 * driver is there: 5 s cover a USB bridge's start (usb-storage alone waits 1 s before it looks), and 15 s since the
 * machine's start the spin-up of a SAS shelf. Who wrote a rule knows which disk is meant: then only the first counts.
 */
#include "settle.h"

#include "cleanup.h"
#include "sysfs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS        500u
#define QUICK_MS       1000u
#define SLOW_MS        5000u
#define SINCE_START_MS 15000u
#define GIVE_UP_MS     60000u

/* Whether `is` holds for an entry of a directory below `root`. */
static bool any_entry(const char *root, const char *dir, bool (*is)(const char *path, const char *name))
{
	char path[SYSFS_PATH], entry_path[SYSFS_PATH + NAME_MAX + 2];
	const struct dirent *entry;

	snprintf(path, sizeof(path), "%s/sys/%s", root, dir);
	CLEANUP(sysfs_close_dir) DIR *entries = opendir(path);
	while (entries && (entry = readdir(entries))) {
		snprintf(entry_path, sizeof(entry_path), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.' && is(entry_path, entry->d_name))
			return true;
	}
	return false;
}

static bool is_any(const char *path, const char *name)
{
	(void)path, (void)name;
	return true;
}

/* "usb1", and not "1-1" or "usbhid": the root hub, one for each controller. */
static bool is_usb_controller(const char *path, const char *name)
{
	(void)path;
	return strncmp(name, "usb", 3) == 0;
}

static bool is_scsi_but_not_ata(const char *path, const char *name)
{
	char link[SYSFS_PATH];
	ssize_t len = readlink(path, link, sizeof(link) - 1);

	(void)name;
	link[len > 0 ? len : 0] = '\0';
	return !strstr(link, "/ata");
}

/* Not "running": being set up, or in recovery, after which it looks for its disks again. */
static bool is_scsi_at_work(const char *path, const char *name)
{
	char state[32];

	(void)name;
	return sysfs_text(state, sizeof(state), "%s/state", path) == 0 && strcmp(state, "running") != 0;
}

/* Whether disks may still come that loading a driver has not waited for. */
static bool may_come_late(const char *root)
{
	return any_entry(root, "bus/usb/devices", is_usb_controller) || any_entry(root, "class/mmc_host", is_any) ||
	       any_entry(root, "class/scsi_host", is_scsi_but_not_ata);
}

static bool is_same_list(const struct disk_list *a, const struct disk_list *b, char *why, size_t room)
{
	if (a->count != b->count) {
		snprintf(why, room, "there were %zu disks and are %zu", a->count, b->count);
		return false;
	}
	for (size_t i = 0; i < a->count; i++) {
		char what[300];

		if (!disk_is_same(&a->disks[i], &b->disks[i], what, sizeof(what))) {
			snprintf(why, room, "%s: %s", b->disks[i].id.name, what);
			return false;
		}
	}
	return true;
}

static bool is_settled(const struct settle_world *world, bool has_rule, uint64_t same_ms, uint64_t now_ms)
{
	if (!may_come_late(world->root))
		return same_ms >= QUICK_MS;
	if (same_ms < SLOW_MS)
		return false;
	return has_rule || (now_ms >= SINCE_START_MS && !any_entry(world->root, "class/scsi_host", is_scsi_at_work));
}

int settle_disks(struct disk_list *list, bool has_rule, const struct settle_world *world, struct err *err)
{
	uint64_t begin_ms = world->now_ms(world->ctx), same_since_ms = begin_ms, now_ms = begin_ms;
	char change[400] = "";

	do {
		CLEANUP(disk_list_free) struct disk_list now = { 0 };
		int rc = world->sleep_ms(world->ctx, LOOK_MS, err);

		if (!rc)
			rc = disk_list_read(&now, world->root, err);
		if (rc)
			return rc;
		now_ms = world->now_ms(world->ctx);
		if (!is_same_list(list, &now, change, sizeof(change)))
			same_since_ms = now_ms;
		disk_list_free(list);
		*list = now;
		now = (struct disk_list){ 0 };
		if (is_settled(world, has_rule, now_ms - same_since_ms, now_ms))
			return 0;
	} while (now_ms - begin_ms < GIVE_UP_MS);
	return err_set(err, -EBUSY, "the machine's disks are not all there after %u s, none is chosen: %s",
		       GIVE_UP_MS / 1000,
		       now_ms - same_since_ms < SLOW_MS ? change : "a SCSI controller is still looking for disks");
}
