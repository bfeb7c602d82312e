/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cleanup.h"
#include "disk.h"
#include "tap.h"
#include "tree.h"

#include <sys/sysmacros.h>

static void put_machine(void)
{
	static const struct attribute virtio[] = { { "serial", "root disk\n" } };
	static const struct attribute mounted[] = { { "vdb1/partition", "1\n" },
						    { "vdb1/dev", "254:17\n" },
						    { "vdb1/holders/.keep", "" } };
	static const struct attribute nvme[] = { { "device/model", "Fast Disk 1TB           \n" },
						 { "device/serial", "S4EV\x01NX0R\n" },
						 { "wwid", "eui.0025385881b12345\n" },
						 { "queue/logical_block_size", "4096\n" } };
	static const struct attribute sata[] = { { "device/model", "QEMU HARDDISK\n" },
						 { "device/vpd_pg80", "0\x80x\x08QM00001 " },
						 { "device/wwid", "naa.5000c500a1b2c3d4\n" } };
	static const struct attribute lvm[] = { { "sdb1/partition", "1\n" },
						{ "sdb1/dev", "8:17\n" },
						{ "sdb1/holders/dm-0", "" } };
	static const struct attribute raid[] = { { "holders/md0", "" } };
	static const struct attribute swap[] = { { "sdd2/partition", "2\n" },
						 { "sdd2/dev", "8:50\n" },
						 { "sdd2/holders/.keep", "" } };
	static const struct attribute stick[] = { { "removable", "1\n" } };
	static const struct attribute read_only[] = { { "ro", "1\n" } };
	static const struct attribute dm[] = { { "dm/uuid", "LVM-abcdef\n" } };
	static const struct attribute hidden[] = { { "hidden", "1\n" } };

	put_disk("pci0000:00/0000:00:02.0/virtio1/block/vda", "254:0\n", "16777216\n", virtio, 1);
	put_disk("pci0000:00/0000:00:03.0/virtio2/block/vdb", "254:16\n", "2048\n", mounted, 3);
	put_disk("pci0000:00/0000:00:04.0/nvme/nvme0/nvme0n1", "259:0\n", "1953525168\n", nvme, 4);
	put_disk("virtual/nvme-subsystem/nvme-subsys0/nvme0c0n1", "259:9\n", "1953525168\n", hidden, 1);
	put_disk("pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda", "8:0\n", "2048\n", sata, 3);
	put_disk("pci0000:00/0000:00:05.0/host2/target2:0:0/2:0:0:0/block/sdb", "8:16\n", "2048\n", lvm, 3);
	put_disk("pci0000:00/0000:00:05.0/host2/target2:0:1/2:0:1:0/block/sdc", "8:32\n", "2048\n", raid, 1);
	put_disk("pci0000:00/0000:00:05.0/host2/target2:0:2/2:0:2:0/block/sdd", "8:48\n", "2048\n", swap, 3);
	put_disk("pci0000:00/0000:00:14.0/usb1/1-1/host3/target3:0:0/3:0:0:0/block/sde", "8:64\n", "2048\n", stick, 1);
	put_disk("pci0000:00/0000:00:05.0/host2/target2:0:3/2:0:3:0/block/sdf", "8:80\n", "2048\n", read_only, 1);
	put_disk("pci0000:00/0000:00:05.0/host2/target2:0:4/2:0:4:0/block/sdg", "8:96\n", "2048\n", NULL, 0);
	put_disk("virtual/block/dm-0", "253:0\n", "1024\n", dm, 1);
	put_disk("virtual/block/loop0", "7:0\n", "1024\n", NULL, 0);
	put_disk("virtual/block/loop1", "7:1\n", "0\n", NULL, 0);
	put("proc/self/mountinfo", "25 1 254:17 / /srv\\040x rw - ext4 /dev/vdb1 rw\n"
				   "26 1 0:45 / /data rw shared:1 - btrfs /dev/sdg rw\n");
	put("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sdd2 partition 1024 0 -2\n");
}

static const struct disk *find(const struct disk_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->disks[i].id.name, name) == 0)
			return &list->disks[i];
	return NULL;
}

static void test_use(const struct disk_list *list)
{
	static const struct {
		const char *name;
		enum disk_use use;
		const char *why;
	} cases[] = {
		{ "vda", DISK_FREE, "" },
		{ "vdb", DISK_REFUSED, "vdb1 is mounted at /srv\\040x" },
		{ "nvme0n1", DISK_FREE, "" },
		{ "sda", DISK_FREE, "" },
		{ "sdb", DISK_REFUSED, "sdb1 is part of dm-0 (LVM)" },
		{ "sdc", DISK_REFUSED, "sdc is part of md0 (MD RAID)" },
		{ "sdd", DISK_REFUSED, "sdd2 is used as swap" },
		{ "sde", DISK_UNUSUAL, "removable medium" },
		{ "sdf", DISK_REFUSED, "read-only" },
		{ "sdg", DISK_REFUSED, "sdg is mounted at /data" },
		{ "dm-0", DISK_UNUSUAL, "device-mapper volume" },
		{ "loop0", DISK_UNUSUAL, "loop device" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct disk *disk = find(list, cases[i].name);

		if (!ok(disk && disk->use == cases[i].use && strcmp(disk->why, cases[i].why) == 0, "%s: %s",
			cases[i].name, cases[i].why[0] ? cases[i].why : "free") &&
		    disk)
			printf("# %d '%s'\n", disk->use, disk->why);
	}
	ok(!find(list, "loop1"), "a loop device without a file is no disk");
	ok(!find(list, "nvme0c0n1"), "nor is one path of a multipath NVMe disk");
}

static void test_identity(const struct disk_list *list)
{
	const struct disk *vda = find(list, "vda"), *nvme = find(list, "nvme0n1"), *sda = find(list, "sda");

	is_str(vda->id.bus, "virtio", "virtio bus");
	is_str(vda->id.serial, "root disk", "virtio serial");
	is_int(vda->id.bytes, 8ll << 30, "size is in bytes");
	is_str(vda->path, "/dev/vda", "path");
	is_str(nvme->id.bus, "nvme", "NVMe bus");
	is_str(nvme->id.model, "Fast Disk 1TB", "a model loses its blanks");
	is_str(nvme->id.serial, "S4EV_NX0R", "control bytes in a serial become harmless");
	is_str(nvme->id.wwn, "eui.0025385881b12345", "NVMe WWN");
	is_int(nvme->id.sector_bytes, 4096, "sector size");
	is_str(sda->id.bus, "sata", "SATA bus");
	is_str(sda->id.serial, "QM00001", "SCSI serial from its VPD page");
	is_str(sda->id.wwn, "0x5000c500a1b2c3d4", "WWN as lsblk shows it");
	is_str(find(list, "sdb")->id.bus, "scsi", "SCSI bus");
	is_str(find(list, "sde")->id.bus, "usb", "USB bus, though it looks like SCSI");
	ok(disk_list_find(list, makedev(8, 0)) == sda, "a disk is found by its number");
	ok(!disk_list_find(list, makedev(8, 17)), "a partition is not");
}

static void test_same(const struct disk_list *list)
{
	struct disk before = *find(list, "vda"), now = before;
	char why[300];

	ok(disk_is_same(&before, &now, why, sizeof(why)), "a disk is the same as itself");
	strcpy(now.id.serial, "other");
	ok(!disk_is_same(&before, &now, why, sizeof(why)), "another serial is another disk");
	is_str(why, "its serial number was 'root disk' and is 'other'", "and it says so");
	now = before;
	now.diskseq++;
	ok(!disk_is_same(&before, &now, why, sizeof(why)),
	   "a disk that was unplugged and came back is not taken for the same");
	now = before;
	now.id.bytes -= 512;
	ok(!disk_is_same(&before, &now, why, sizeof(why)), "nor one of another size");
}

int main(void)
{
	CLEANUP(disk_list_free) struct disk_list list = { 0 };
	struct err err = { 0 };

	make_root();
	put_machine();
	is_int(disk_list_read(&list, root, &err), 0, "the machine's disks are read");
	is_str(list.disks[0].id.name, "dm-0", "sorted by name");
	test_use(&list);
	test_identity(&list);
	test_same(&list);
	remove_root();
	return done_testing();
}
