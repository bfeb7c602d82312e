/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk: see disk.h */
#include "disk.h"

#include "cleanup.h"
#include "sysfs.h"
#include "units.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A disk and its partitions: what a mount or swap entry may refer to. */
struct node {
	char name[32];
	char dev[24];
};

struct nodes {
	struct node *nodes;
	size_t count;
};

static void free_nodes(struct nodes *list)
{
	free(list->nodes);
}

static bool add_node(struct nodes *list, const char *dir, const char *name)
{
	struct node node = { 0 };

	if (snprintf(node.name, sizeof(node.name), "%s", name) >= (int)sizeof(node.name) ||
	    sysfs_text(node.dev, sizeof(node.dev), "%s/dev", dir) != 0)
		return true; /* not a device */
	struct node *longer = reallocarray(list->nodes, list->count + 1, sizeof(*longer));
	if (!longer)
		return false;
	longer[list->count++] = node;
	list->nodes = longer;
	return true;
}

/* The disk in directory `dir` first, then its partitions. */
static int read_nodes(struct nodes *out, const char *dir, const char *name, struct err *err)
{
	CLEANUP(sysfs_close_dir) DIR *entries = opendir(dir);
	CLEANUP(free_nodes) struct nodes list = { 0 };
	bool good = add_node(&list, dir, name);
	const struct dirent *entry;

	while (good && entries && (entry = readdir(entries))) {
		char part[SYSFS_PATH];

		if (snprintf(part, sizeof(part), "%s/%s", dir, entry->d_name) < (int)sizeof(part) &&
		    sysfs_number("%s/partition", part) > 0)
			good = add_node(&list, part, entry->d_name);
	}
	if (!good)
		return err_set(err, -ENOMEM, "disks: out of memory");
	*out = list;
	list = (struct nodes){ 0 };
	return 0;
}

static const struct node *find_node(const struct nodes *list, const char *dev, const char *path)
{
	const char *name = strncmp(path, "/dev/", 5) == 0 ? path + 5 : "";

	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->nodes[i].dev, dev) == 0 || strcmp(list->nodes[i].name, name) == 0)
			return &list->nodes[i];
	return NULL;
}

static void refuse(struct disk *disk, enum disk_use use, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The first reason stands: checks go from the gravest to the mildest. */
static void refuse(struct disk *disk, enum disk_use use, const char *fmt, ...)
{
	va_list ap;

	if (disk->use != DISK_FREE)
		return;
	disk->use = use;
	va_start(ap, fmt);
	vsnprintf(disk->why, sizeof(disk->why), fmt, ap);
	va_end(ap);
	sysfs_clean(disk->why);
}

/*
 * A file system's own number in mountinfo is not always its disk's (btrfs), so the source's name counts, too. proc(5):
 * 36 35 98:0 /root /mount/point options [tags] - type source super-options
 */
static void check_mounts(struct disk *disk, const struct nodes *nodes, const char *root)
{
	CLEANUP(free_str) char *line = NULL;
	char path[SYSFS_PATH];
	size_t room = 0;

	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	CLEANUP(close_file) FILE *mounts = fopen(path, "re");
	while (mounts && getline(&line, &room, mounts) > 0) {
		char dev[24], point[PATH_MAX], source[PATH_MAX] = "";
		const char *tail = strstr(line, " - ");

		if (sscanf(line, "%*s %*s %23s %*s %4095s", dev, point) != 2)
			continue;
		if (tail)
			sscanf(tail, " - %*s %4095s", source);
		const struct node *node = find_node(nodes, dev, source);
		if (node)
			refuse(disk, DISK_REFUSED, "%s is mounted at %.64s", node->name, point);
	}
}

static void check_swaps(struct disk *disk, const struct nodes *nodes, const char *root)
{
	char path[SYSFS_PATH], line[512], file[256];

	snprintf(path, sizeof(path), "%s/proc/swaps", root);
	CLEANUP(close_file) FILE *swaps = fopen(path, "re");
	while (swaps && fgets(line, sizeof(line), swaps)) {
		if (sscanf(line, "%255s", file) != 1)
			continue;
		const struct node *node = find_node(nodes, "", file);
		if (node)
			refuse(disk, DISK_REFUSED, "%s is used as swap", node->name);
	}
}

/* What kind of thing sits on a disk, by the holder's name and device-mapper uuid. */
static const char *holder_kind(const char *root, const char *holder)
{
	static const struct {
		const char *prefix;
		const char *kind;
	} kinds[] = { { "LVM-", "LVM" }, { "CRYPT-", "encryption" }, { "mpath-", "multipath" }, { "DMRAID-", "RAID" } };
	char uuid[160];

	if (strncmp(holder, "md", 2) == 0)
		return "MD RAID";
	if (strncmp(holder, "bcache", 6) == 0)
		return "bcache";
	sysfs_text(uuid, sizeof(uuid), "%s/sys/block/%s/dm/uuid", root, holder);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(uuid, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return kinds[i].kind;
	return "a stacked device";
}

static void check_holders(struct disk *disk, const struct nodes *nodes, const char *root, const char *dir)
{
	for (size_t i = 0; i < nodes->count; i++) {
		const char *name = nodes->nodes[i].name;
		char path[SYSFS_PATH + sizeof(nodes->nodes[i].name) + sizeof("//holders")];
		const struct dirent *holder;

		snprintf(path, sizeof(path), "%s%s%s/holders", dir, i ? "/" : "", i ? name : "");
		CLEANUP(sysfs_close_dir) DIR *holders = opendir(path);
		while (holders && (holder = readdir(holders)))
			if (holder->d_name[0] != '.')
				refuse(disk, DISK_REFUSED, "%s is part of %.32s (%s)", name, holder->d_name,
				       holder_kind(root, holder->d_name));
	}
}

/* Things that are disks to the kernel and hardly what somebody means by "the machine's disk". */
static void check_kind(struct disk *disk)
{
	static const struct {
		const char *prefix;
		const char *kind;
	} kinds[] = {
		{ "loop", "loop device" }, { "ram", "memory disk" },          { "zram", "memory disk" },
		{ "sr", "optical drive" }, { "fd", "floppy drive" },          { "nbd", "network block device" },
		{ "md", "MD RAID" },       { "dm-", "device-mapper volume" }, { "mtdblock", "flash memory" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t len = strlen(kinds[i].prefix);

		if (strncmp(disk->id.name, kinds[i].prefix, len) == 0 &&
		    (kinds[i].prefix[len - 1] == '-' || isdigit((unsigned char)disk->id.name[len])))
			refuse(disk, DISK_UNUSUAL, "%s", kinds[i].kind);
	}
	if (strncmp(disk->id.name, "mmcblk", 6) == 0 && strstr(disk->id.name, "boot"))
		refuse(disk, DISK_UNUSUAL, "boot area of an MMC device");
}

/* The bus by where the device hangs: USB first, as its disks also look like SCSI ones. */
static const char *bus_of(const char *name, const char *link)
{
	static const struct {
		const char *part;
		const char *bus;
	} buses[] = {
		{ "/usb", "usb" }, { "/nvme", "nvme" }, { "/mmc_host/", "mmc" }, { "/ata", "sata" }, { "/host", "scsi" }
	};

	if (strncmp(name, "vd", 2) == 0)
		return "virtio";
	if (strncmp(name, "xvd", 3) == 0)
		return "xen";
	for (size_t i = 0; i < sizeof(buses) / sizeof(buses[0]); i++)
		if (strstr(link, buses[i].part))
			return buses[i].bus;
	return "";
}

/* SCSI and SATA: vital product data page 80h is 4 bytes of header and the serial number (SPC-4, 7.8.14). */
static void read_vpd_serial(struct disk_identity *id, const char *dir)
{
	uint8_t page[4 + sizeof(id->serial)];
	ssize_t len = sysfs_bytes(page, sizeof(page) - 1, "%s/device/vpd_pg80", dir);

	if (len <= 4)
		return;
	page[len] = '\0';
	snprintf(id->serial, sizeof(id->serial), "%s", (const char *)page + 4);
	sysfs_clean(id->serial);
}

/* As udev and lsblk show it: "0x5000c500a1b2c3d4" for what the kernel calls "naa.5000c500a1b2c3d4", "eui...." as it is.
 */
static void read_wwn(struct disk_identity *id, const char *dir)
{
	char wwid[sizeof(id->wwn)];

	if (sysfs_text(wwid, sizeof(wwid), "%s/wwid", dir) != 0)
		sysfs_text(wwid, sizeof(wwid), "%s/device/wwid", dir);
	if (strncmp(wwid, "naa.", 4) == 0)
		snprintf(id->wwn, sizeof(id->wwn), "0x%.48s", wwid + 4);
	else if (strncmp(wwid, "eui.", 4) == 0)
		strcpy(id->wwn, wwid);
}

static void read_identity(struct disk_identity *id, const char *dir)
{
	char link[SYSFS_PATH];
	ssize_t len = readlink(dir, link, sizeof(link) - 1);

	link[len > 0 ? len : 0] = '\0';
	snprintf(id->bus, sizeof(id->bus), "%s", bus_of(id->name, link));
	id->bytes = sysfs_number("%s/size", dir) * 512; /* always in 512-byte units, whatever the sector size */
	id->sector_bytes = (uint32_t)sysfs_number("%s/queue/logical_block_size", dir);
	if (sysfs_text(id->model, sizeof(id->model), "%s/device/model", dir) != 0)
		sysfs_text(id->model, sizeof(id->model), "%s/device/name", dir);
	if (sysfs_text(id->serial, sizeof(id->serial), "%s/serial", dir) != 0 &&
	    sysfs_text(id->serial, sizeof(id->serial), "%s/device/serial", dir) != 0)
		read_vpd_serial(id, dir);
	read_wwn(id, dir);
}

static int read_disk(struct disk *out, const char *root, const char *name, struct err *err)
{
	CLEANUP(free_nodes) struct nodes nodes = { 0 };
	struct disk disk = { 0 };
	char dir[SYSFS_PATH];

	snprintf(dir, sizeof(dir), "%s/sys/block/%s", root, name);
	snprintf(disk.id.name, sizeof(disk.id.name), "%s", name);
	snprintf(disk.path, sizeof(disk.path), "/dev/%s", disk.id.name);
	/* The kernel writes '/' in a name as '!' in sysfs (cciss!c0d0). */
	for (char *at = disk.path; *at; at++)
		if (*at == '!')
			*at = '/';
	read_identity(&disk.id, dir);
	sysfs_text(disk.dev, sizeof(disk.dev), "%s/dev", dir);
	disk.diskseq = sysfs_number("%s/diskseq", dir);
	int rc = read_nodes(&nodes, dir, name, err);
	if (rc)
		return rc;
	check_mounts(&disk, &nodes, root);
	check_swaps(&disk, &nodes, root);
	check_holders(&disk, &nodes, root, dir);
	if (sysfs_number("%s/ro", dir))
		refuse(&disk, DISK_REFUSED, "read-only");
	check_kind(&disk);
	if (sysfs_number("%s/removable", dir))
		refuse(&disk, DISK_UNUSUAL, "removable medium");
	*out = disk;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct disk *left = a, *right = b;

	return strverscmp(left->id.name, right->id.name);
}

static int add_disk(struct disk_list *list, const char *root, const char *name, struct err *err)
{
	struct disk disk;

	if (name[0] == '.' || strlen(name) >= sizeof(disk.id.name) ||
	    sysfs_number("%s/sys/block/%s/size", root, name) == 0 ||
	    sysfs_number("%s/sys/block/%s/hidden", root, name) != 0)
		return 0;
	int rc = read_disk(&disk, root, name, err);
	if (rc)
		return rc;
	struct disk *longer = reallocarray(list->disks, list->count + 1, sizeof(*longer));
	if (!longer)
		return err_set(err, -ENOMEM, "disks: out of memory");
	longer[list->count++] = disk;
	list->disks = longer;
	return 0;
}

int disk_list_read(struct disk_list *out, const char *root, struct err *err)
{
	CLEANUP(disk_list_free) struct disk_list list = { 0 };
	const struct dirent *entry;
	char path[SYSFS_PATH];

	snprintf(path, sizeof(path), "%s/sys/block", root);
	CLEANUP(sysfs_close_dir) DIR *blocks = opendir(path);
	if (!blocks)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	while ((entry = readdir(blocks))) {
		int rc = add_disk(&list, root, entry->d_name, err);

		if (rc)
			return rc;
	}
	if (list.count)
		qsort(list.disks, list.count, sizeof(*list.disks), by_name);
	*out = list;
	list = (struct disk_list){ 0 };
	return 0;
}

void disk_list_free(struct disk_list *list)
{
	free(list->disks);
	*list = (struct disk_list){ 0 };
}

const struct disk *disk_list_find(const struct disk_list *list, dev_t dev)
{
	char text[24];

	snprintf(text, sizeof(text), "%u:%u", major(dev), minor(dev));
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->disks[i].dev, text) == 0)
			return &list->disks[i];
	return NULL;
}

static bool same_text(const char *what, const char *a, const char *b, char *why, size_t room)
{
	if (strcmp(a, b) == 0)
		return true;
	snprintf(why, room, "its %s was '%s' and is '%s'", what, a, b);
	return false;
}

static bool same_number(const char *what, uint64_t a, uint64_t b, char *why, size_t room)
{
	if (a == b)
		return true;
	snprintf(why, room, "its %s was %" PRIu64 " and is %" PRIu64, what, a, b);
	return false;
}

bool disk_is_same(const struct disk *a, const struct disk *b, char *why, size_t room)
{
	return same_text("device number", a->dev, b->dev, why, room) &&
	       same_text("serial number", a->id.serial, b->id.serial, why, room) &&
	       same_text("WWN", a->id.wwn, b->id.wwn, why, room) &&
	       same_text("model", a->id.model, b->id.model, why, room) &&
	       same_number("size", a->id.bytes, b->id.bytes, why, room) &&
	       same_number("kernel disk sequence number", a->diskseq, b->diskseq, why, room);
}

json_t *disk_to_json(const struct disk *disk)
{
	const struct disk_identity *id = &disk->id;

	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:s?}", "name", id->name, "bytes", (json_int_t)id->bytes,
			 "serial", id->serial, "model", id->model, "wwn", id->wwn, "bus", id->bus, "sector_bytes",
			 (json_int_t)id->sector_bytes, "refused", disk->use == DISK_FREE ? NULL : disk->why);
}

static const char *or_dash(const char *text)
{
	return text[0] ? text : "-";
}

void disk_list_print(FILE *to, const struct disk_list *list)
{
	fprintf(to, "%-10s %10s %-7s %-20s %-20s %s\n", "NAME", "SIZE", "BUS", "MODEL", "SERIAL", "REFUSED");
	for (size_t i = 0; i < list->count; i++) {
		const struct disk *disk = &list->disks[i];
		char size[UNITS_TEXT];

		fprintf(to, "%-10s %10s %-7s %-20s %-20s %s\n", disk->id.name, units_bytes(size, disk->id.bytes),
			or_dash(disk->id.bus), or_dash(disk->id.model), or_dash(disk->id.serial),
			disk->use == DISK_FREE ? "-" : disk->why);
	}
}
