/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_xva_blocks: see unpack_xva_blocks.h */
#include "unpack_xva_blocks.h"

#include "cleanup.h"
#include "log.h"
#include "unpack_forms.h"
#include "unpack_manifest.h"
#include "unpack_xml.h"
#include "unpack_xva.h"

#include <errno.h>
#include <inttypes.h>
#include <nettle/sha1.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define BLOCK_BYTES (1u << 20)
#define SHOWN       200

/* While the archive is read, in its order: a block, its checksum, the next block. */
struct assembly {
	struct unpacking *u;
	const struct vm *vm;
	struct scratch_file files[VM_DISKS_MAX];
	uint64_t next_block[VM_DISKS_MAX];  /* the least number that may come; blocks come in order */
	char pending[ARCHIVE_NAME_MAX + 1]; /* the block whose checksum must come now; "": none */
	size_t pending_bytes;
	uint8_t block[BLOCK_BYTES + 1];
};

static const char *quote(char out[static SHOWN], const char *text)
{
	return log_quote(out, SHOWN, text);
}

static void drop_files(struct assembly **assembly)
{
	for (size_t i = 0; *assembly && i < VM_DISKS_MAX; i++)
		scratch_cancel(&(*assembly)->files[i]);
	free(*assembly);
}

/* "Ref:42/00000007": which disk, and which of its blocks. */
static int find_block(size_t *disk, uint64_t *nr, const struct assembly *as, const char *name, struct err *err)
{
	const char *slash = strchr(name, '/');
	char quoted[SHOWN], *end;

	for (size_t i = 0; i < as->vm->disk_count; i++) {
		const char *file = as->vm->disks[i].file;

		if (strlen(file) != (size_t)(slash - name) || strncmp(file, name, strlen(file)) != 0)
			continue;
		if (strspn(slash + 1, "0123456789") != 8 || slash[9])
			break;
		*disk = i;
		*nr = strtoull(slash + 1, &end, 10);
		return 0;
	}
	return err_set(err, -EBADMSG, "tar member '%s' is no block of any of the machine's disks", quote(quoted, name));
}

static int check_order(const struct assembly *as, size_t disk, uint64_t nr, const char *name, size_t len,
		       struct err *err)
{
	uint64_t disk_bytes = as->vm->disks[disk].capacity_bytes, off = nr * BLOCK_BYTES;
	uint64_t want = off >= disk_bytes ? 0 : disk_bytes - off < BLOCK_BYTES ? disk_bytes - off : BLOCK_BYTES;
	char quoted[SHOWN];

	if (nr < as->next_block[disk])
		return err_set(err, -EBADMSG, "tar member '%s' comes twice or out of order", quote(quoted, name));
	if (want == 0)
		return err_set(err, -EBADMSG, "tar member '%s' lies behind the end of its disk of %" PRIu64 " bytes",
			       quote(quoted, name), disk_bytes);
	if (len != want)
		return err_set(err, -EBADMSG, "tar member '%s' has %zu bytes, %" PRIu64 " belong there",
			       quote(quoted, name), len, want);
	return 0;
}

static int put_block(struct assembly *as, const char *name, size_t len, struct err *err)
{
	size_t disk = 0;
	uint64_t nr = 0;
	int rc = find_block(&disk, &nr, as, name, err);

	/* Old hosts wrote an empty member for a block of zeros. */
	if (!rc && len)
		rc = check_order(as, disk, nr, name, len, err);
	if (rc)
		return rc;
	as->next_block[disk] = nr + 1;
	memcpy(as->pending, name, strlen(name) + 1);
	as->pending_bytes = len;
	if (!len)
		return 0;
	rc = scratch_seek(&as->files[disk], nr * BLOCK_BYTES, err);
	return rc ? rc : scratch_write(&as->files[disk], as->block, len, err);
}

/* The hexadecimal digits of the block's checksum: SHA-1 in .checksum, XXH64 in .xxhash. */
static void expected_checksum(char out[static 48], const struct assembly *as, bool is_sha1)
{
	struct sha1_ctx sha1;
	uint8_t digest[SHA1_DIGEST_SIZE];

	if (!is_sha1) {
		snprintf(out, 48, "%016" PRIx64, (uint64_t)XXH64(as->block, as->pending_bytes, 0));
		return;
	}
	sha1_init(&sha1);
	sha1_update(&sha1, as->pending_bytes, as->block);
	sha1_digest(&sha1, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static int check_block(struct assembly *as, const char *name, struct archive_walk *at, struct err *err)
{
	const char *suffix = strrchr(name, '.');
	bool is_sha1 = strcmp(suffix, ".checksum") == 0;
	size_t stem = (size_t)(suffix - name);
	char want[48], found[48] = "", quoted[SHOWN];

	if (!as->pending[0] || strlen(as->pending) != stem || strncmp(as->pending, name, stem) != 0)
		return err_set(err, -EBADMSG, "tar member '%s' does not follow its block", quote(quoted, name));
	ssize_t len = archive_walk_read(at, found, sizeof(found) - 1, err);
	if (len < 0)
		return (int)len;
	expected_checksum(want, as, is_sha1);
	found[strcspn(found, " \t\r\n")] = '\0';
	as->pending[0] = '\0';
	if (strcasecmp(found, want) == 0)
		return 0;
	return err_set(err, -EBADMSG, "tar member '%s' says %s, the block's is %s", quote(quoted, name),
		       found[0] ? found : "nothing", want);
}

static int need_checksum(const struct assembly *as, struct err *err)
{
	char quoted[SHOWN];

	if (!as->pending[0])
		return 0;
	return err_set(err, -EBADMSG, "tar member '%s' has no checksum behind it", quote(quoted, as->pending));
}

static int on_block(void *ctx, struct archive_walk *at, struct err *err)
{
	struct assembly *as = ctx;
	const char *suffix = strrchr(at->name, '.');
	char quoted[SHOWN];

	if (at->nr == 0)
		return 0; /* ova.xml */
	if (strncmp(at->name, "Ref:", 4) != 0 || !strchr(at->name, '/'))
		return err_set(err, -EBADMSG, "tar member '%s' has no place in an XVA", quote(quoted, at->name));
	if (suffix && (strcmp(suffix, ".checksum") == 0 || strcmp(suffix, ".xxhash") == 0))
		return check_block(as, at->name, at, err);
	int rc = need_checksum(as, err);
	if (rc)
		return rc;
	ssize_t len = archive_walk_read(at, as->block, sizeof(as->block), err);
	if (len < 0)
		return (int)len;
	if (len > (ssize_t)BLOCK_BYTES)
		return err_set(err, -EBADMSG, "tar member '%s' is longer than a block", quote(quoted, at->name));
	return put_block(as, at->name, (size_t)len, err);
}

static int start_files(struct assembly *as, struct err *err)
{
	for (size_t i = 0; i < VM_DISKS_MAX; i++)
		as->files[i].fd = -1;
	for (size_t i = 0; i < as->vm->disk_count; i++) {
		uint64_t bytes = as->vm->disks[i].capacity_bytes;
		char quoted[SHOWN];

		if (bytes == 0 || bytes % 512 || bytes > as->u->work->disk_bytes_max)
			return err_set(err, bytes > as->u->work->disk_bytes_max ? -EFBIG : -EBADMSG,
				       "VDI '%s' has a virtual_size of %" PRIu64 " bytes",
				       quote(quoted, as->vm->disks[i].file), bytes);
		int rc = scratch_create(&as->files[i], as->u->work, bytes, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int finish_files(struct assembly *as, struct err *err)
{
	int rc = need_checksum(as, err);

	for (size_t i = 0; !rc && i < as->vm->disk_count; i++) {
		const struct vm_disk *d = &as->vm->disks[i];
		const struct disk_wish wish = { .name = d->name ? d->name : d->file,
						.bus = d->bus,
						.capacity_bytes = d->capacity_bytes,
						.boot = d->boot };
		struct unpacked_disk *disk;
		struct unpacked_part part = { .format = "raw",
					      .file_bytes = d->capacity_bytes,
					      .disk_bytes = d->capacity_bytes };
		struct blob blob;

		rc = scratch_seek(&as->files[i], d->capacity_bytes, err);
		if (!rc)
			rc = scratch_finish(&blob, &as->files[i], err);
		if (!rc)
			rc = report_add_disk(&disk, as->u->report, wish.name, err);
		if (rc)
			return rc;
		disk->boot = d->boot;
		disk->bus = strdup(d->bus);
		disk->disk_bytes = d->capacity_bytes;
		memcpy(part.file, blob.file, sizeof(part.file));
		rc = report_add_part(disk, &part, err);
	}
	return rc;
}

int unpack_form_xva(struct unpacking *u, struct unpack_archive *a, struct archive_member *description, unsigned depth,
		    struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(vm_free) struct vm *vm = NULL;
	CLEANUP(drop_files) struct assembly *as = calloc(1, sizeof(*as));
	int rc = as ? archive_load(&text, a, description, UNPACK_XML_BYTES_MAX, err)
		    : err_set(err, -ENOMEM, "out of memory");

	(void)depth;
	if (!rc)
		rc = xva_parse(&vm, "ova.xml", text, description->bytes, err);
	if (rc)
		return rc;
	as->u = u;
	as->vm = vm;
	rc = start_files(as, err);
	if (!rc)
		rc = archive_each(u->work, &a->blob, on_block, as, err);
	if (!rc)
		rc = finish_files(as, err);
	if (!rc)
		rc = unpack_forms_machine(u, vm, err);
	return rc ? rc
		  : unpack_forms_name(u, err, "a XenServer XVA of %zu disk%s", vm->disk_count,
				      vm->disk_count == 1 ? "" : "s");
}
