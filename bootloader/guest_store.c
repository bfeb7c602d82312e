/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_store: see guest_store.h */
#include "guest_store.h"

#include "cleanup.h"
#include "device_fd.h"
#include "guest_jail.h"
#include "json.h"
#include "log.h"
#include "sysfs.h"
#include "text_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define STORE_NAME     "vmcast-guests"
#define NEW_NAME       "vmcast-new"
#define RECORD_VERSION 1
#define RECORD_MAX     (256u << 10)
#define BLANK_BYTES    (1u << 20)

/* ---------------------------------------------------------------- the partition */

static bool has_store_name(const char *name)
{
	uint8_t text[1024];
	ssize_t len = sysfs_bytes(text, sizeof(text) - 1, "/sys/class/block/%s/uevent", name);

	if (len <= 0)
		return false;
	text[len] = '\0';
	return strstr((char *)text, "\nPARTNAME=" STORE_NAME "\n") != NULL;
}

/* The disk of a partition: the folder that its own is in. */
static int find_disk(char disk[static 32], const char *partition, struct err *err)
{
	char link[64], path[PATH_MAX];

	snprintf(link, sizeof(link), "/sys/class/block/%s", partition);
	char *slash = realpath(link, path) ? strrchr(path, '/') : NULL;
	if (!slash)
		return err_set(err, -EIO, "'%s': %s", link, strerror(errno));
	*slash = '\0';
	snprintf(disk, 32, "%.31s", strrchr(path, '/') + 1);
	return 0;
}

int guest_store_find(char partition[static 32], char disk[static 32], struct err *err)
{
	CLEANUP(close_dir) DIR *dir = opendir("/sys/class/block");
	const struct dirent *entry;

	partition[0] = '\0';
	while (dir && (entry = readdir(dir))) {
		if (strlen(entry->d_name) >= 32 || !has_store_name(entry->d_name))
			continue;
		if (partition[0])
			return err_set(err, -ENOTUNIQ,
				       "two partitions are named " STORE_NAME
				       ", %s and %s: which holds this node's guests "
				       "is not guessed",
				       partition, entry->d_name);
		strcpy(partition, entry->d_name);
	}
	return partition[0] ? find_disk(disk, partition, err)
			    : err_set(err, -ENOENT, "no disk of this node has a partition named " STORE_NAME);
}

/* Whatever boots from the disk is gone before anything else happens to it, at both ends. */
static int blank(const struct disk *disk, struct err *err)
{
	struct device *device = NULL;
	int rc = device_fd_open(&device, disk, err);

	if (rc)
		return rc;
	uint64_t len = device->bytes < BLANK_BYTES ? device->bytes : BLANK_BYTES;
	rc = device_zero(device, len, 0, err);
	if (!rc)
		rc = device_zero(device, len, device->bytes - len, err);
	if (!rc)
		rc = device_flush(device, err);
	device_rescan(device);
	device_close(&device);
	return rc;
}

int guest_store_make(const struct disk *disk, struct err *err)
{
	/* A name that ends in a digit gets a 'p' before the number. */
	const char *p = isdigit((unsigned char)disk->path[strlen(disk->path) - 1]) ? "p" : "";
	char partition[DISK_PATH + 4];
	const char *const table[] = { "/usr/sbin/sfdisk", "--quiet", "--wipe=always", disk->path, NULL };
	const char *const name[] = { "/usr/sbin/sfdisk", "--quiet", "--part-label", disk->path, "1", STORE_NAME, NULL };
	const char *const files[] = { "/usr/sbin/mke2fs", "-q",      "-F", "-t", "ext4", "-m", "0", "-L",
				      STORE_NAME,         partition, NULL };
	int rc = blank(disk, err);

	snprintf(partition, sizeof(partition), "%s%s1", disk->path, p);
	if (!rc)
		rc = guest_jail_tool(table, "label: gpt\nname=" NEW_NAME ", type=linux\n", err);
	if (!rc)
		rc = guest_jail_tool(files, NULL, err);
	if (!rc)
		rc = guest_jail_tool(name, NULL, err);
	sync();
	return rc ? err_wrap(err, "disk %s: a place for guests", disk->path) : 0;
}

int guest_store_mount(const char *partition, struct err *err)
{
	struct stat here, above;
	char path[64];

	snprintf(path, sizeof(path), "/dev/%s", partition);
	if (mkdir(GUEST_STORE_DIR, 0700) != 0 && errno != EEXIST)
		return err_set(err, -EIO, "mkdir '%s': %s", GUEST_STORE_DIR, strerror(errno));
	if (stat(GUEST_STORE_DIR, &here) == 0 && stat(GUEST_STORE_DIR "/..", &above) == 0 &&
	    here.st_dev != above.st_dev)
		return 0;
	if (mount(path, GUEST_STORE_DIR, "ext4", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, NULL) != 0)
		return err_set(err, -EIO,
			       "mount %s (ext4), where guests of this node are: %s; it is not made anew: repair it, or "
			       "give it another name to let it be overwritten",
			       path, strerror(errno));
	return 0;
}

/* ---------------------------------------------------------------- what is in it */

void guest_store_path(char out[static GUEST_PATH], const char *id, const char *file)
{
	snprintf(out, GUEST_PATH, GUEST_STORE_DIR "/%s%s%s", id, file ? "/" : "", file ? file : "");
}

void guest_store_pack_path(char out[static GUEST_PATH], const char *arch, const char digest[static DIGEST_HEX])
{
	snprintf(out, GUEST_PATH, GUEST_STORE_DIR "/pack-%s-%s.squashfs", arch, digest);
}

/* False: it is not the name of a pack for `arch`. */
static bool pack_digest(char digest[static DIGEST_HEX], const char *name, const char *arch)
{
	uint8_t bytes[DIGEST_BYTES];
	char of[16];
	int end = 0;

	return sscanf(name, "pack-%15[a-z0-9_]-%64[0-9a-f].squashfs%n", of, digest, &end) == 2 && end && !name[end] &&
	       strcmp(of, arch) == 0 && digest_parse(bytes, digest) == 0;
}

int guest_store_find_pack(char digest[static DIGEST_HEX], const char *arch, struct err *err)
{
	CLEANUP(close_dir) DIR *dir = opendir(GUEST_STORE_DIR);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (pack_digest(digest, entry->d_name, arch))
			return 0;
	return err_set(err, -ENOENT, "there is no hypervisor pack for %s in '%s'", arch, GUEST_STORE_DIR);
}

void guest_store_drop_packs(const char *arch, const char but[static DIGEST_HEX])
{
	CLEANUP(close_dir) DIR *dir = opendir(GUEST_STORE_DIR);
	const struct dirent *entry;
	char digest[DIGEST_HEX];

	while (dir && (entry = readdir(dir)))
		if (pack_digest(digest, entry->d_name, arch) && strcmp(digest, but) != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
}

int guest_record_parse(struct guest_record *out, const char *id, const char *text, size_t len, struct err *err)
{
	CLEANUP(json_free) json_t *json = NULL;
	const char *title = "";
	uint64_t version;
	int rc = json_parse_object(&json, text, len, err);

	if (rc || (rc = json_need_u64(&version, json, "format", UINT32_MAX, err)) < 0)
		return rc;
	if (version != RECORD_VERSION)
		return err_set(err, -ENOTSUP, "field \"format\": %" PRIu64 ", this client knows %d", version,
			       RECORD_VERSION);
	*out = (struct guest_record){ 0 };
	if ((rc = json_want_string(&title, json, "title", SIZE_MAX, err)) < 0 ||
	    (rc = json_want_u64(&out->version, json, "version", INT64_MAX, err)) < 0 ||
	    (rc = json_want_bool(&out->has_seed, json, "seed", err)) < 0 ||
	    (rc = json_want_bool(&out->is_stopped, json, "stopped", err)) < 0 ||
	    (rc = guest_spec_parse(&out->spec, json_object_get(json, "guest"), err)) < 0)
		return rc;
	snprintf(out->title, sizeof(out->title), "%s", title);
	snprintf(out->id, sizeof(out->id), "%s", id);
	return 0;
}

static bool is_id(const char *name)
{
	size_t len = strlen(name);

	return len && len < GUEST_ID && strspn(name, "0123456789abcdef") == len;
}

/* -ENOENT: the rest of a run that did not end. */
static int load_record(struct guest_record *out, const char *id, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	char path[GUEST_PATH];
	size_t len;

	guest_store_path(path, id, "guest.json");
	int rc = text_file_read(&text, &len, path, RECORD_MAX, err);
	if (!rc)
		rc = guest_record_parse(out, id, text, len, err);
	return rc && rc != -ENOENT ? err_wrap(err, "'%s'", path) : rc;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct guest_record *)a)->id, ((const struct guest_record *)b)->id);
}

int guest_store_load(struct guest_record records[static GUESTS_MAX], size_t *count, struct err *err)
{
	CLEANUP(close_dir) DIR *dir = opendir(GUEST_STORE_DIR);
	const struct dirent *entry;
	struct err why;

	*count = 0;
	if (!dir)
		return err_set(err, -EIO, "open '%s': %s", GUEST_STORE_DIR, strerror(errno));
	while ((entry = readdir(dir))) {
		if (!is_id(entry->d_name))
			continue;
		if (*count == GUESTS_MAX)
			return err_set(err, -E2BIG, "more than %d guests", GUESTS_MAX);
		int rc = load_record(&records[*count], entry->d_name, &why);
		if (rc && rc != -ENOENT)
			log_warn("%s, ignoring this guest", why.text);
		*count += rc == 0;
	}
	qsort(records, *count, sizeof(*records), by_id);
	return 0;
}

int guest_store_save(const struct guest_record *record, struct err *err)
{
	CLEANUP(json_free)
	json_t *json =
		json_pack("{s:i, s:o, s:I, s:b, s:b, s:o}", "format", RECORD_VERSION, "title", json_text(record->title),
			  "version", (json_int_t)record->version, "seed", record->has_seed, "stopped",
			  record->is_stopped, "guest", guest_spec_json(&record->spec));
	CLEANUP(free_str) char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
	char path[GUEST_PATH];

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	guest_store_path(path, record->id, "guest.json");
	return text_file_replace(path, text, strlen(text), err);
}

int guest_store_forget(const char *id, struct err *err)
{
	char path[GUEST_PATH];

	guest_store_path(path, id, "guest.json");
	return text_file_remove(path, err);
}

/* What the files of one guest may come to take besides what they take now. */
static uint64_t not_yet_taken(const char *id)
{
	uint64_t sum = 0;
	struct stat st;

	for (size_t i = 0; i < GUEST_DISKS_MAX; i++) {
		char path[GUEST_PATH], name[32];

		snprintf(name, sizeof(name), "disk-%zu.raw", i);
		guest_store_path(path, id, name);
		if (stat(path, &st) == 0 && st.st_size > st.st_blocks * 512)
			sum += (uint64_t)(st.st_size - st.st_blocks * 512);
	}
	return sum;
}

/* What the files of one guest take now, and would give back. */
static uint64_t taken(const char *id)
{
	uint64_t sum = 0;
	struct stat st;

	for (size_t i = 0; i < GUEST_DISKS_MAX; i++) {
		char path[GUEST_PATH], name[32];

		snprintf(name, sizeof(name), "disk-%zu.raw", i);
		guest_store_path(path, id, name);
		if (stat(path, &st) == 0)
			sum += (uint64_t)st.st_blocks * 512;
	}
	return sum;
}

int guest_store_free(uint64_t *out, const char *but_id, struct err *err)
{
	CLEANUP(close_dir) DIR *dir = opendir(GUEST_STORE_DIR);
	const struct dirent *entry;
	struct statvfs fs;
	uint64_t promised = 0;

	if (!dir || statvfs(GUEST_STORE_DIR, &fs) != 0)
		return err_set(err, -EIO, "'%s': %s", GUEST_STORE_DIR, strerror(errno));
	while ((entry = readdir(dir)))
		if (is_id(entry->d_name) && strcmp(entry->d_name, but_id) != 0)
			promised += not_yet_taken(entry->d_name);
	uint64_t is_free = (uint64_t)fs.f_bavail * fs.f_frsize + taken(but_id);
	*out = is_free > promised ? is_free - promised : 0;
	return 0;
}
