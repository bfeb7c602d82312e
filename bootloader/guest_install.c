/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_install: see guest_install.h */
#include "guest_install.h"

#include "cleanup.h"
#include "guest_jail.h"
#include "guest_pack.h"
#include "meminfo.h"
#include "seed_volume.h"
#include "target.h"
#include "text_file.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

/* In memory, until there is a disk to put it on. */
#define PACK_IN_MEMORY "/run/hypervisor.squashfs"

/* What the environment, the client and a guest's own QEMU take of the node's memory. */
#define SPARE_BYTES (96ull << 20)

/* Of a store: what ext4 takes for itself, at most, besides a fiftieth. */
#define STORE_BYTES (64ull << 20)

#define COPY_BYTES (16u << 20)

static uint64_t sum_disk_bytes(const struct boot_plan *plan)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < plan->disk_count; i++)
		/* A sum that does not fit is too much, too. */
		sum = sum > INT64_MAX ? sum : sum + plan->disks[i].image.disk_bytes;
	return sum;
}

static int read_record(struct guest_record *out, const struct boot_plan *plan, struct err *err)
{
	int rc = guest_spec_parse(&out->spec, plan->guest, err);

	if (rc)
		return err_wrap(err, "plan from the service");
	if (out->spec.disk_count != plan->disk_count)
		return err_set(err, -EPROTO, "plan from the service: field \"guest\": %zu disks, and the item has %zu",
			       out->spec.disk_count, plan->disk_count);
	snprintf(out->id, sizeof(out->id), "%s", plan->item);
	snprintf(out->title, sizeof(out->title), "%s", plan->title);
	out->version = plan->item_version;
	out->has_seed = plan->seed.name[0] != '\0';
	return 0;
}

/* `others`: what the node's other guests have been promised, which do not run now. */
static int check_room(const struct guest_spec *spec, uint64_t others, struct err *err)
{
	uint64_t memory = meminfo_available_bytes();
	uint64_t taken = others + SPARE_BYTES;
	const struct guest_room room = {
		.cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN),
		.memory_bytes = memory > taken ? memory - taken : 0,
	};

	return guest_spec_check(spec, &room, err);
}

static int sum_others(uint64_t *memory, size_t *count, const char *but_id, struct err *err)
{
	CLEANUP(free_mem) struct guest_record *records = calloc(GUESTS_MAX, sizeof(*records));

	*memory = 0;
	if (!records)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = guest_store_load(records, count, err);
	for (size_t i = 0; !rc && i < *count; i++)
		if (strcmp(records[i].id, but_id) != 0)
			*memory += records[i].spec.memory_bytes;
	if (!rc && *count == GUESTS_MAX)
		rc = err_set(err, -ENOSPC, "this node has %d guests already", GUESTS_MAX);
	return rc;
}

static const struct disk *find_disk(const struct disk_list *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->disks[i].id.name, name) == 0)
			return &list->disks[i];
	return NULL;
}

/* A rule that means another disk than the one that holds the guests is a mistake of somebody's. */
static int check_rule(const struct disk *disk, const char *rule, struct err *err)
{
	char why[160];

	if (rule && !target_rule_matches(rule, &disk->id, why, sizeof(why)))
		return err_set(err, -ENOTUNIQ,
			       "this node's guests are on %s, and the rule '%s' means another disk (%s): leave the "
			       "rule out, or "
			       "remove that disk",
			       disk->id.name, rule, why);
	return 0;
}

/* The store that is there. Nothing is changed on it but what ext4 does when it is mounted. */
static int use_store(struct guest_install *out, const char *partition, const char *disk,
		     const struct guest_install_question *q, struct err *err)
{
	const struct disk *found = find_disk(q->list, disk);
	uint64_t others, is_free, need = sum_disk_bytes(q->plan);
	char a[UNITS_TEXT], b[UNITS_TEXT];
	size_t count;

	if (!found)
		return err_set(err, -ENODEV, "disk %s is not there any more", disk);
	out->node_disk = *found;
	int rc = check_rule(found, q->rule, err);
	if (!rc)
		rc = guest_store_mount(partition, err);
	if (!rc)
		rc = sum_others(&others, &count, out->record.id, err);
	if (!rc)
		rc = check_room(&out->record.spec, others, err);
	if (!rc)
		rc = guest_store_free(&is_free, out->record.id, err);
	if (!rc && is_free < need)
		rc = err_set(err, -ENOSPC, "the guest's disks have %s, %s is free for guests on %s",
			     units_bytes(a, need), units_bytes(b, is_free), disk);
	return rc;
}

/* The disk of a store to be made. */
static int choose_disk(struct guest_install *out, const struct guest_install_question *q, struct err *err)
{
	uint64_t bytes = sum_disk_bytes(q->plan);
	const struct target_need need = {
		.name = "",
		.disk_bytes = bytes + bytes / 50 + STORE_BYTES,
		.rule = q->rule,
	};
	const struct disk *disk;
	int rc = check_room(&out->record.spec, 0, err);

	if (!rc)
		rc = target_choose(&disk, q->list, &need, err);
	if (!rc)
		out->node_disk = *disk;
	return rc;
}

static int copy_pack(const char *to, struct err *err)
{
	char part[GUEST_PATH + 8];
	struct stat st;
	off_t off = 0;

	snprintf(part, sizeof(part), "%s.part", to);
	CLEANUP(close_fd) int in = open(PACK_IN_MEMORY, O_RDONLY | O_CLOEXEC);
	CLEANUP(close_fd) int out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (in < 0 || out < 0 || fstat(in, &st) != 0)
		return err_set(err, -EIO, "copy the hypervisor pack to '%s': %s", part, strerror(errno));
	while (off < st.st_size)
		if (sendfile(out, in, &off, COPY_BYTES) <= 0)
			return err_set(err, -EIO, "copy the hypervisor pack to '%s': %s", part, strerror(errno));
	if (fsync(out) != 0 || rename(part, to) != 0)
		return err_set(err, -EIO, "'%s': %s", to, strerror(errno));
	return 0;
}

/* From memory to the store, from which it is used then. */
static int keep_pack(const struct boot_plan *plan, const char *arch, struct err *err)
{
	char path[GUEST_PATH];
	struct err ignored;

	guest_store_pack_path(path, arch, plan->pack.id);
	int rc = guest_pack_check(path, &plan->pack, &ignored) == 0 ? 0 : copy_pack(path, err);
	if (!rc)
		rc = guest_pack_unmount(arch, err);
	if (!rc)
		rc = guest_pack_mount(path, arch, err);
	unlink(PACK_IN_MEMORY);
	if (!rc)
		guest_store_drop_packs(arch, plan->pack.id);
	return rc;
}

/* One that the store has need not come again. */
static int get_pack(const struct guest_install_question *q, const char *arch, struct err *err)
{
	char path[GUEST_PATH];
	struct err ignored;

	guest_store_pack_path(path, arch, q->plan->pack.id);
	if (guest_pack_check(path, &q->plan->pack, &ignored) == 0)
		return guest_pack_mount(path, arch, err);
	int rc = guest_pack_fetch(PACK_IN_MEMORY, &q->plan->pack, q->service, q->progress, err);
	return rc ? rc : guest_pack_mount(PACK_IN_MEMORY, arch, err);
}

/* Another size than the image's: it is another image's. */
static int clear_disk(const char *path, uint64_t bytes, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : err_set(err, -EIO, "'%s': %s", path, strerror(errno));
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes)
		return 0;
	return unlink(path) == 0 ? 0 : err_set(err, -EIO, "remove '%s': %s", path, strerror(errno));
}

/* What is in it is no guest from here on. */
static int make_dir(const char *id, struct err *err)
{
	char dir[GUEST_PATH];

	guest_store_path(dir, id, NULL);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_set(err, -EIO, "mkdir '%s': %s", dir, strerror(errno));
	return guest_store_forget(id, err);
}

static int name_disks(struct guest_install *out, const struct boot_plan *plan, struct err *err)
{
	char name[32];

	for (size_t i = 0; i < plan->disk_count; i++) {
		snprintf(name, sizeof(name), "disk-%zu.raw", i);
		guest_store_path(out->disk_paths[i], out->record.id, name);
		int rc = clear_disk(out->disk_paths[i], plan->disks[i].image.disk_bytes, err);
		if (rc)
			return rc;
	}
	return 0;
}

static void mark_store(const struct guest_install *install, struct progress *progress)
{
	char size[UNITS_TEXT];

	progress_mark(progress, "guest", "\"%s\" on %s (%s), %u CPU%s, %s of memory, %s", install->record.spec.name,
		      install->node_disk.path, install->node_disk.id.model[0] ? install->node_disk.id.model : "disk",
		      install->record.spec.cpus, install->record.spec.cpus == 1 ? "" : "s",
		      units_bytes(size, install->record.spec.memory_bytes), install->record.spec.machine);
}

int guest_install_prepare(struct guest_install *out, const struct guest_install_question *q, struct err *err)
{
	char partition[32], disk[32];
	int rc = read_record(&out->record, q->plan, err);

	if (rc)
		return rc;
	rc = guest_store_find(partition, disk, err);
	bool is_new = rc == -ENOENT;
	if (is_new)
		rc = choose_disk(out, q, err);
	else if (!rc)
		rc = use_store(out, partition, disk, q, err);
	if (!rc)
		rc = get_pack(q, out->record.spec.arch, err);
	if (!rc && is_new) {
		rc = guest_store_make(&out->node_disk, err);
		if (!rc)
			rc = guest_store_find(partition, disk, err);
		if (!rc)
			rc = guest_store_mount(partition, err);
	}
	if (!rc)
		rc = keep_pack(q->plan, out->record.spec.arch, err);
	if (!rc)
		rc = make_dir(out->record.id, err);
	if (!rc)
		rc = name_disks(out, q->plan, err);
	if (!rc)
		mark_store(out, q->progress);
	return rc;
}

static int write_file(const char *path, const void *data, size_t len, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len || fsync(fd) != 0)
		return err_set(err, -EIO, "write '%s': %s", path, strerror(errno));
	return 0;
}

/* An empty variable store of the firmware's own; what the guest's earlier image left there is not for this one. */
static int make_variables(const struct guest_record *record, struct err *err)
{
	bool is_arm = strcmp(record->spec.arch, "aarch64") == 0;
	CLEANUP(free_mem) char *data = NULL;
	char path[GUEST_PATH], from[GUEST_JAIL_PATH];
	size_t len;

	guest_jail_path(from, record->spec.arch,
			is_arm ? "usr/share/AAVMF/AAVMF_VARS.fd" : "usr/share/OVMF/OVMF_VARS_4M.fd");
	guest_store_path(path, record->id, "vars.fd");
	if (record->spec.firmware != GUEST_UEFI)
		return text_file_remove(path, err);
	int rc = text_file_read(&data, &len, from, 128u << 20, err);
	return rc ? rc : write_file(path, data, len, err);
}

int guest_install_commit(struct guest_install *install, const uint8_t *seed, struct err *err)
{
	char path[GUEST_PATH];
	int rc = make_variables(&install->record, err);

	guest_store_path(path, install->record.id, "seed.img");
	if (!rc)
		rc = seed ? write_file(path, seed, SEED_VOLUME_BYTES, err) : text_file_remove(path, err);
	install->record.has_seed = seed != NULL;
	/* Flushes the folder, too. */
	return rc ? rc : guest_store_save(&install->record, err);
}
