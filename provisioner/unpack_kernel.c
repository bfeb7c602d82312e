/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_kernel: see unpack_kernel.h. ELF: System V gABI chapters 4 and 5. */
#include "unpack_kernel.h"

#include "bytes.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define MULTIBOOT_MAGIC       0x1badb002u
#define MULTIBOOT_HEAD_BYTES  8192u
#define MULTIBOOT2_MAGIC      0xe85250d6u
#define MULTIBOOT2_HEAD_BYTES 32768u
#define XEN_NOTE_PHYS32_ENTRY 18u
#define PROGRAM_HEADERS_MAX   128u
#define NOTES_BYTES_MAX       65536u

/* In either header the numbers up to the checksum add up to 0. */
static bool has_multiboot(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i + 12 <= len && i + 12 <= MULTIBOOT_HEAD_BYTES; i += 4) {
		if (le32(head + i) == MULTIBOOT_MAGIC &&
		    (uint32_t)(le32(head + i) + le32(head + i + 4) + le32(head + i + 8)) == 0)
			return true;
	}
	return false;
}

static bool has_multiboot2(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i + 16 <= len && i + 16 <= MULTIBOOT2_HEAD_BYTES; i += 8) {
		uint32_t sum = le32(head + i) + le32(head + i + 4) + le32(head + i + 8) + le32(head + i + 12);

		if (le32(head + i) == MULTIBOOT2_MAGIC && sum == 0)
			return true;
	}
	return false;
}

/* Notes: lengths of name and descriptor, type, then both, each filled up to 4 bytes. */
static bool has_pvh_note(const uint8_t *notes, size_t len)
{
	for (size_t at = 0; at + 12 <= len;) {
		uint64_t name_len = le32(notes + at), desc_len = le32(notes + at + 4);
		uint64_t next = at + 12 + ((name_len + 3) & ~3ull) + ((desc_len + 3) & ~3ull);

		if (next > len)
			return false;
		if (le32(notes + at + 8) == XEN_NOTE_PHYS32_ENTRY && name_len == 4 &&
		    memcmp(notes + at + 12, "Xen", 4) == 0)
			return true;
		at = (size_t)next;
	}
	return false;
}

/* The note segments that the program headers name. */
static int find_pvh(bool *found, const struct kernel_source *source, const uint8_t *head, struct err *err)
{
	bool wide = head[EI_CLASS] == ELFCLASS64;
	uint64_t table_off = wide ? le64(head + 32) : le32(head + 28);
	unsigned entry_bytes = le16(head + (wide ? 54 : 42)), count = le16(head + (wide ? 56 : 44));
	uint8_t entry[56];
	static uint8_t notes[NOTES_BYTES_MAX];

	if (count > PROGRAM_HEADERS_MAX || (count && entry_bytes < (wide ? 56u : 32u)) || table_off > INT64_MAX / 2)
		return err_set(err, -EBADMSG, "ELF: %u program headers of %u bytes", count, entry_bytes);
	for (unsigned i = 0; i < count && !*found; i++) {
		ssize_t got =
			source->read(source->ctx, entry, wide ? 56 : 32, table_off + (uint64_t)i * entry_bytes, err);

		if (got < 0)
			return (int)got;
		if (got < (wide ? 56 : 32))
			return err_set(err, -EBADMSG,
				       "ELF: program headers at byte %" PRIu64 " lie outside of the file", table_off);
		uint64_t off = wide ? le64(entry + 8) : le32(entry + 4);
		uint64_t len = wide ? le64(entry + 32) : le32(entry + 16);
		if (le32(entry) != PT_NOTE || len > sizeof(notes) || off > INT64_MAX / 2)
			continue;
		got = source->read(source->ctx, notes, (size_t)len, off, err);
		if (got < 0)
			return (int)got;
		*found = has_pvh_note(notes, (size_t)got);
	}
	return 0;
}

int kernel_check(const char **name, const struct kernel_source *source, struct err *err)
{
	static uint8_t head[MULTIBOOT2_HEAD_BYTES];
	bool pvh = false;
	ssize_t len = source->read(source->ctx, head, sizeof(head), 0, err);

	if (len < 0)
		return (int)len;
	if (len < 64 || memcmp(head, ELFMAG, SELFMAG) != 0)
		return err_set(err, -EBADMSG, "ELF: truncated");
	if (head[EI_DATA] != ELFDATA2LSB || (head[EI_CLASS] != ELFCLASS32 && head[EI_CLASS] != ELFCLASS64))
		return err_set(err, -ENOTSUP, "ELF: class %u, byte order %u", head[EI_CLASS], head[EI_DATA]);
	if (has_multiboot2(head, (size_t)len)) {
		*name = "an ELF kernel (Multiboot2)";
		return 0;
	}
	if (has_multiboot(head, (size_t)len)) {
		*name = "an ELF kernel (Multiboot)";
		return 0;
	}
	int rc = find_pvh(&pvh, source, head, err);
	if (rc)
		return rc;
	*name = "an ELF kernel (PVH)";
	return pvh ? 0 : err_set(err, -ENOTSUP, "it is an ELF program without a Multiboot, Multiboot2 or PVH header");
}
