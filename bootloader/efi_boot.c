/* SPDX-License-Identifier: GPL-2.0-or-later */
/* efi_boot: see efi_boot.h */
#include "efi_boot.h"

#include "bytes.h"
#include "cleanup.h"
#include "efi_variable.h"
#include "sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define GLOBAL "8be4df61-93ca-11d2-aa0d-00e098032b8c"
/* By this ours are known. */
#define DESCRIPTION "vmcast disk"

#ifdef __aarch64__
#define LOADER "\\EFI\\BOOT\\BOOTAA64.EFI"
#else
#define LOADER "\\EFI\\BOOT\\BOOTX64.EFI"
#endif

#define OPTION_ACTIVE 1u

#define NODE_DISK       4 /* of the type "media": a partition */
#define NODE_HARD_DRIVE 1
#define NODE_FILE       4
#define NODE_END        0x7f
#define NODE_END_ALL    0xff
#define NODE_DISK_BYTES 42u
#define FORMAT_GPT      2
#define SIGNATURE_GUID  2

#define NAME_CHARS  64
#define ORDER_MAX   (EFI_VARIABLE_MAX / 2)
#define NUMBERS_MAX 65536u
#define NOT_ONE     UINT32_MAX

struct order {
	uint16_t numbers[ORDER_MAX];
	size_t count;
};

/* What the firmware has of entries. */
struct entries {
	uint8_t is_used[NUMBERS_MAX / 8];
	uint32_t ours; /* that says what is to be said; NOT_ONE: there is none */
	uint16_t old[32];
	size_t old_count;
};

/* With its end; returns the bytes. */
static size_t put_text(uint8_t *to, const char *text)
{
	size_t len = strlen(text) + 1;

	for (size_t i = 0; i < len; i++)
		put_le16(to + 2 * i, (uint8_t)text[i]);
	return 2 * len;
}

static size_t put_node(uint8_t *to, uint8_t type, uint8_t kind, size_t bytes)
{
	to[0] = type;
	to[1] = kind;
	put_le16(to + 2, (uint16_t)bytes);
	return bytes;
}

static size_t put_partition(uint8_t *to, const struct efi_boot_partition *p)
{
	memset(to, 0, NODE_DISK_BYTES);
	put_le32(to + 4, p->number);
	put_le64(to + 8, p->first);
	put_le64(to + 16, p->sectors);
	memcpy(to + 24, p->id, sizeof(p->id));
	to[40] = FORMAT_GPT;
	to[41] = SIGNATURE_GUID;
	return put_node(to, NODE_DISK, NODE_HARD_DRIVE, NODE_DISK_BYTES);
}

/* An EFI_LOAD_OPTION; returns the bytes. */
static size_t make_option(uint8_t out[static 256], const struct efi_boot_partition *partition)
{
	size_t at = 6, path;

	put_le32(out, OPTION_ACTIVE);
	at += put_text(out + at, DESCRIPTION);
	path = at;
	at += put_partition(out + at, partition);
	at += put_node(out + at, NODE_DISK, NODE_FILE, 4 + put_text(out + at + 4, LOADER));
	at += put_node(out + at, NODE_END, NODE_END_ALL, 4);
	put_le16(out + 4, (uint16_t)(at - path));
	return at;
}

static bool is_ours(const uint8_t *option, size_t len)
{
	uint8_t wanted[2 * sizeof(DESCRIPTION)];
	size_t bytes = put_text(wanted, DESCRIPTION);

	return len >= 6 + bytes && memcmp(option + 6, wanted, bytes) == 0;
}

static void entry_name(char out[static NAME_CHARS], uint16_t number)
{
	snprintf(out, NAME_CHARS, "Boot%04X-" GLOBAL, number);
}

/* "Boot0007-GUID" -> 7; NOT_ONE of any other name. */
static uint32_t entry_number(const char *name)
{
	char wanted[NAME_CHARS];
	unsigned number;

	if (sscanf(name, "Boot%4X-", &number) != 1)
		return NOT_ONE;
	entry_name(wanted, (uint16_t)number);
	return strcmp(wanted, name) == 0 ? number : NOT_ONE;
}

static void note_entry(struct entries *e, const char *folder, const char *name, const uint8_t *option, size_t len)
{
	uint8_t there[EFI_VARIABLE_MAX];
	size_t there_len = sizeof(there);
	uint32_t number = entry_number(name);
	struct err ignored = { 0 };

	if (number == NOT_ONE)
		return;
	e->is_used[number / 8] |= (uint8_t)(1u << number % 8);
	if (efi_variable_read(there, &there_len, folder, name, &ignored) < 0 || !is_ours(there, there_len))
		return;
	if (e->ours == NOT_ONE && there_len == len && memcmp(there, option, len) == 0)
		e->ours = number;
	else if (e->old_count < sizeof(e->old) / sizeof(e->old[0]))
		e->old[e->old_count++] = (uint16_t)number;
}

static int read_entries(struct entries *out, const char *folder, const uint8_t *option, size_t len, struct err *err)
{
	CLEANUP(sysfs_close_dir) DIR *dir = opendir(folder);
	const struct dirent *entry;

	out->ours = NOT_ONE;
	if (!dir)
		return err_set(err, -errno, "UEFI variables: %s", strerror(errno));
	while ((entry = readdir(dir)))
		note_entry(out, folder, entry->d_name, option, len);
	return 0;
}

static int write_entry(struct entries *e, const char *folder, const uint8_t *option, size_t len, struct err *err)
{
	char name[NAME_CHARS];
	uint32_t number = 0;

	while (number < NUMBERS_MAX && e->is_used[number / 8] & 1u << number % 8)
		number++;
	if (number == NUMBERS_MAX)
		return err_set(err, -ENOSPC, "UEFI has no number left for an entry");
	entry_name(name, (uint16_t)number);
	if (efi_variable_write(folder, name, option, len, err) < 0) {
		efi_variable_remove(folder, name);
		return err_wrap(err, "UEFI variable Boot%04X", number);
	}
	e->ours = number;
	return 0;
}

/* An order that is not there, is none, or has no room for one more, has no numbers. */
static void read_order(struct order *out, const char *folder)
{
	uint8_t bytes[EFI_VARIABLE_MAX];
	size_t len = sizeof(bytes);
	struct err ignored = { 0 };

	out->count = 0;
	if (efi_variable_read(bytes, &len, folder, "BootOrder-" GLOBAL, &ignored) < 0 || len / 2 >= ORDER_MAX)
		return;
	for (; out->count < len / 2; out->count++)
		out->numbers[out->count] = le16(bytes + 2 * out->count);
}

static bool is_old(const struct entries *e, uint16_t number)
{
	for (size_t i = 0; i < e->old_count; i++)
		if (e->old[i] == number)
			return true;
	return false;
}

/* The entry that the machine was booted by; NOT_ONE: the firmware does not say. */
static uint32_t current_entry(const char *folder)
{
	uint8_t bytes[2];
	size_t len = sizeof(bytes);
	struct err ignored = { 0 };

	return efi_variable_read(bytes, &len, folder, "BootCurrent-" GLOBAL, &ignored) == 0 && len == 2 ? le16(bytes)
													: NOT_ONE;
}

/* Without the old ones, and ours behind `current`, else last. */
static void make_order(struct order *out, const struct order *order, const struct entries *e, uint32_t current)
{
	bool is_in = false;

	out->count = 0;
	for (size_t i = 0; i < order->count; i++) {
		if (order->numbers[i] == e->ours || is_old(e, order->numbers[i]))
			continue;
		out->numbers[out->count++] = order->numbers[i];
		if (order->numbers[i] == current && !is_in) {
			out->numbers[out->count++] = (uint16_t)e->ours;
			is_in = true;
		}
	}
	if (!is_in)
		out->numbers[out->count++] = (uint16_t)e->ours;
}

static int write_numbers(const char *folder, const char *name, const uint16_t *numbers, size_t count, struct err *err)
{
	uint8_t bytes[EFI_VARIABLE_MAX];

	for (size_t i = 0; i < count; i++)
		put_le16(bytes + 2 * i, numbers[i]);
	int rc = efi_variable_write(folder, name, bytes, 2 * count, err);
	return rc ? err_wrap(err, "UEFI variable %.*s", (int)strcspn(name, "-"), name) : 0;
}

/* An order that the firmware does not have is left to it: one with our entry alone would keep the network out. */
static int change_order(const struct entries *e, const char *folder, struct err *err)
{
	struct order old, new;

	read_order(&old, folder);
	if (!old.count)
		return 0;
	make_order(&new, &old, e, current_entry(folder));
	if (new.count == old.count && memcmp(new.numbers, old.numbers, sizeof(new.numbers[0]) * old.count) == 0)
		return 0;
	return write_numbers(folder, "BootOrder-" GLOBAL, new.numbers, new.count, err);
}

static void remove_old(const struct entries *e, const char *folder)
{
	char name[NAME_CHARS];

	for (size_t i = 0; i < e->old_count; i++) {
		entry_name(name, e->old[i]);
		efi_variable_remove(folder, name);
	}
}

int efi_boot_next(char *what, size_t room, const char *folder, const struct efi_boot_partition *partition,
		  struct err *err)
{
	CLEANUP(free_mem) struct entries *e = calloc(1, sizeof(*e));
	uint8_t option[256];
	uint16_t ours;

	if (!e)
		return err_set(err, -ENOMEM, "out of memory");
	size_t len = make_option(option, partition);
	int rc = read_entries(e, folder, option, len, err);
	if (!rc && e->ours == NOT_ONE)
		rc = write_entry(e, folder, option, len, err);
	if (!rc)
		rc = change_order(e, folder, err);
	if (rc)
		return rc;
	remove_old(e, folder);
	ours = (uint16_t)e->ours;
	rc = write_numbers(folder, "BootNext-" GLOBAL, &ours, 1, err);
	if (!rc)
		snprintf(what, room, "Boot%04X \"" DESCRIPTION "\" is next%s", ours,
			 e->old_count ? ", those of earlier runs are removed" : "");
	return rc;
}
