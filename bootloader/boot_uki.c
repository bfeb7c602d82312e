/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_uki: see boot_uki.h */
#include "boot_uki.h"

#include "bytes.h"
#include "cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DOS_HEADER_BYTES 64u
#define DOS_PE_OFF       0x3cu
#define COFF_BYTES       24u /* with the "PE\0\0" before it */
#define SECTION_BYTES    40u
#define SECTIONS_MAX     96u /* what Windows' loader takes, too */

#if defined(__x86_64__)
#define MACHINE_OURS 0x8664u
#elif defined(__aarch64__)
#define MACHINE_OURS 0xaa64u
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE_OURS 0x5064u
#else
#define MACHINE_OURS 0u
#endif

static int read_at(void *out, int fd, uint64_t off, size_t len, uint64_t bytes, struct err *err)
{
	if (off > bytes || len > bytes - off)
		return err_set(err, -EBADMSG, "it ends within its headers");
	for (size_t done = 0; done < len;) {
		ssize_t got = pread(fd, (uint8_t *)out + done, len - done, (off_t)(off + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_set(err, got < 0 ? -errno : -EBADMSG, "%s",
				       got < 0 ? strerror(errno) : "it became shorter");
		done += (size_t)got;
	}
	return 0;
}

static struct boot_uki_part *part_of(struct boot_uki *uki, const uint8_t *name)
{
	const struct {
		const char name[9];
		struct boot_uki_part *part;
	} parts[] = {
		{ ".linux", &uki->kernel },      { ".initrd", &uki->initrd }, { ".ucode", &uki->microcode },
		{ ".cmdline", &uki->arguments }, { ".osrel", &uki->release }, { ".dtb", &uki->devicetree },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strncmp((const char *)name, parts[i].name, 8) == 0)
			return parts[i].part;
	return NULL;
}

static int add_section(struct boot_uki *uki, const uint8_t *section, uint64_t bytes, bool is_profile, struct err *err)
{
	struct boot_uki_part *part = part_of(uki, section);
	uint64_t memory_bytes = le32(section + 8), file_bytes = le32(section + 16), off = le32(section + 20);

	if (!part)
		return 0;
	/* What the file holds is rounded up; beyond what it holds there are zeros. */
	uint64_t len = memory_bytes < file_bytes ? memory_bytes : file_bytes;
	if (off > bytes || len > bytes - off)
		return err_set(err, -EBADMSG, "section '%.8s' ends behind the end of the file", (const char *)section);
	/* A profile's own section replaces the common one. */
	if (part->bytes && !is_profile)
		return err_set(err, -EBADMSG, "two sections '%.8s'", (const char *)section);
	*part = (struct boot_uki_part){ off, len };
	return 0;
}

static int read_sections(struct boot_uki *out, int fd, uint64_t off, size_t count, uint64_t bytes, struct err *err)
{
	unsigned profiles = 0;

	for (size_t i = 0; i < count; i++) {
		uint8_t section[SECTION_BYTES];
		int rc = read_at(section, fd, off + i * SECTION_BYTES, sizeof(section), bytes, err);

		if (rc != 0)
			return rc;
		if (strncmp((const char *)section, ".profile", 8) == 0 && ++profiles > 1)
			return 0;
		rc = add_section(out, section, bytes, profiles > 0, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int boot_uki_read(struct boot_uki *out, int fd, uint64_t bytes, struct err *err)
{
	uint8_t dos[DOS_HEADER_BYTES], coff[COFF_BYTES];
	struct boot_uki uki = { 0 };
	int rc = read_at(dos, fd, 0, sizeof(dos), bytes, err);

	if (rc != 0)
		return rc;
	uint64_t off = le32(dos + DOS_PE_OFF);
	if (dos[0] != 'M' || dos[1] != 'Z')
		return err_set(err, -EBADMSG, "it is no EFI program");
	rc = read_at(coff, fd, off, sizeof(coff), bytes, err);
	if (rc != 0)
		return rc;
	if (memcmp(coff, "PE\0\0", 4) != 0)
		return err_set(err, -EBADMSG, "it is no EFI program");
	if (le16(coff + 4) != MACHINE_OURS)
		return err_set(err, -ENOTSUP, "it is for other processors (machine %#x)", le16(coff + 4));
	size_t count = le16(coff + 6);
	if (count > SECTIONS_MAX)
		return err_set(err, -EBADMSG, "%zu sections", count);
	rc = read_sections(&uki, fd, off + COFF_BYTES + le16(coff + 20), count, bytes, err);
	if (rc != 0)
		return rc;
	if (!uki.kernel.bytes)
		return err_set(err, -ENOTSUP, "it has no kernel in it");
	*out = uki;
	return 0;
}

int boot_uki_text(char **text, size_t *len, int fd, const struct boot_uki_part *part, size_t max, struct err *err)
{
	if (part->bytes > max)
		return err_set(err, -E2BIG, "a section of more than %zu bytes", max);
	CLEANUP(free_str) char *buffer = malloc((size_t)part->bytes + 1);
	if (!buffer)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = read_at(buffer, fd, part->off, (size_t)part->bytes, part->off + part->bytes, err);
	if (rc != 0)
		return rc;
	*len = (size_t)part->bytes;
	buffer[*len] = '\0';
	*text = TAKE(buffer);
	return 0;
}
