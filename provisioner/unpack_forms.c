/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_forms: see unpack_forms.h. XVA, whose disks are cut into blocks, has a file of its own. */
#include "unpack_forms.h"

#include "cleanup.h"
#include "log.h"
#include "unpack_domain.h"
#include "unpack_manifest.h"
#include "unpack_ovf.h"
#include "unpack_table.h"
#include "unpack_xml.h"
#include "unpack_xva_blocks.h"
#include "unpack_xvm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COPY_BYTES (1u << 20)
#define SHOWN      200

static const char *quote(char out[static SHOWN], const char *text)
{
	return log_quote(out, SHOWN, text ? text : "");
}

static const char *plural(size_t count)
{
	return count == 1 ? "" : "s";
}

int unpack_forms_name(struct unpacking *u, struct err *err, const char *fmt, ...)
{
	char *form;
	va_list ap;

	va_start(ap, fmt);
	int len = vasprintf(&form, fmt, ap);
	va_end(ap);
	if (len < 0)
		return err_set(err, -ENOMEM, "out of memory");
	free(u->report->unpacked->form);
	u->report->unpacked->form = form;
	return 0;
}

int unpack_forms_machine(struct unpacking *u, const struct vm *vm, struct err *err)
{
	struct unpacked *out = u->report->unpacked;
	json_t *machine = vm_json(vm);

	out->machine = machine ? json_dumps(machine, JSON_COMPACT) : NULL;
	json_decref(machine);
	if (!out->machine)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = 0;
	if (vm->kernel)
		rc = report_note(u->report, err,
				 "the description boots a kernel of its host; the machine is going to boot its disk");
	if (!rc && vm->ignored_count)
		rc = report_note(u->report, err, "%zu CD or floppy drive%s left out", vm->ignored_count,
				 plural(vm->ignored_count));
	return rc;
}

static struct disk_wish wish_of(const struct vm_disk *disk)
{
	return (struct disk_wish){ .name = disk->name   ? disk->name
					   : disk->file ? disk->file
							: "disk",
				   .bus = disk->bus,
				   .capacity_bytes = disk->capacity_bytes,
				   .boot = disk->boot };
}

static int digest_member(uint8_t out[static MANIFEST_DIGEST_MAX], struct unpack_archive *a, struct archive_member *m,
			 size_t digest_bytes, struct err *err)
{
	CLEANUP(hasher_close) struct hasher *h = NULL;
	CLEANUP(free_mem) uint8_t *buf = malloc(COPY_BYTES);
	int rc = buf ? hasher_open(&h, digest_bytes, err) : err_set(err, -ENOMEM, "out of memory");

	for (uint64_t off = 0; !rc && off < m->blob.bytes;) {
		ssize_t got = blob_read(a->work, &m->blob, buf, COPY_BYTES, off, err);

		if (got < 0)
			return (int)got;
		hasher_add(h, buf, (size_t)got);
		off += (uint64_t)got;
	}
	if (!rc)
		hasher_final(h, out);
	return rc;
}

/* Every file that a manifest names must be there and be what it says. */
static int check_digests(struct unpack_archive *a, const struct manifest *manifest, struct archive_member *m,
			 struct err *err)
{
	char quoted[SHOWN], quoted_file[SHOWN];
	int rc = 0;

	for (size_t i = 0; i < manifest->entry_count; i++) {
		struct archive_member *file = archive_find(a, manifest->entries[i].file, m);

		if (!file)
			return err_set(err, -EBADMSG, "'%s' names '%s', which is no member beside it",
				       quote(quoted, m->name), quote(quoted_file, manifest->entries[i].file));
		file->wanted = true;
	}
	rc = archive_fetch(a, err);
	for (size_t i = 0; !rc && i < manifest->entry_count; i++) {
		const struct manifest_entry *entry = &manifest->entries[i];
		uint8_t found[MANIFEST_DIGEST_MAX];

		rc = digest_member(found, a, archive_find(a, entry->file, m), entry->digest_bytes, err);
		if (!rc && memcmp(found, entry->digest, entry->digest_bytes) != 0)
			return err_set(err, -EBADMSG, "'%s' has another SHA-%s than '%s' says",
				       quote(quoted_file, entry->file),
				       entry->digest_bytes == 20   ? "1"
				       : entry->digest_bytes == 32 ? "256"
								   : "512",
				       quote(quoted, m->name));
	}
	return rc;
}

/* `*out` NULL if there is no such member. Caller frees. */
static int load_manifest(struct manifest **out, struct unpacking *u, struct unpack_archive *a, struct archive_member *m,
			 struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(manifest_free) struct manifest *manifest = NULL;
	char quoted[SHOWN];

	if (!m)
		return 0;
	m->used = true;
	int rc = archive_load(&text, a, m, MANIFEST_BYTES_MAX, err);
	if (!rc)
		rc = manifest_parse(&manifest, quote(quoted, m->name), text, m->bytes, err);
	if (!rc)
		rc = check_digests(a, manifest, m, err);
	if (!rc)
		rc = report_note(u->report, err, "'%s': %zu digest%s match%s", quote(quoted, m->name),
				 manifest->entry_count, plural(manifest->entry_count),
				 manifest->entry_count == 1 ? "es" : "");
	if (!rc)
		*out = TAKE(manifest);
	return rc;
}

static int need_digest(const struct manifest *manifest, const char *file, struct err *err)
{
	char quoted[SHOWN];

	if (!manifest || manifest_find(manifest, file))
		return 0;
	return err_set(err, -EBADMSG, "the manifest says nothing of '%s'", quote(quoted, file));
}

/* Beside appliance.ovf lies appliance.mf, and perhaps appliance.cert. */
static struct archive_member *find_companion(struct unpack_archive *a, const struct archive_member *ovf,
					     const char *suffix)
{
	const char *dot = strrchr(ovf->name, '.');
	size_t stem = dot && !strchr(dot, '/') ? (size_t)(dot - ovf->name) : strlen(ovf->name);
	CLEANUP(free_str) char *name = NULL;

	return asprintf(&name, "%.*s%s", (int)stem, ovf->name, suffix) < 0 ? NULL : archive_find(a, name, NULL);
}

/* The files that the descriptor names must be there, be as long as it says, and be in the manifest. */
static int check_files(struct unpack_archive *a, const struct ovf *ovf, const struct archive_member *m,
		       const struct manifest *manifest, struct err *err)
{
	char quoted[SHOWN], quoted_file[SHOWN];

	for (size_t i = 0; i < ovf->file_count; i++) {
		const struct ovf_file *file = &ovf->files[i];
		const struct archive_member *found = archive_find(a, file->href, m);

		if (!found)
			return err_set(err, -EBADMSG, "'%s' names the file '%s', which is no member beside it",
				       quote(quoted, m->name), quote(quoted_file, file->href));
		if (file->bytes && file->bytes != found->bytes)
			return err_set(err, -EBADMSG, "file '%s' has %" PRIu64 " bytes, '%s' says %" PRIu64,
				       quote(quoted_file, file->href), found->bytes, quote(quoted, m->name),
				       file->bytes);
		int rc = need_digest(manifest, file->href, err);
		if (rc)
			return rc;
	}
	const char *slash = strrchr(m->name, '/');
	return need_digest(manifest, slash ? slash + 1 : m->name, err);
}

static int add_ovf_disks(struct unpacking *u, struct unpack_archive *a, const struct ovf *ovf,
			 const struct archive_member *m, unsigned depth, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < ovf->vm->disk_count; i++) {
		const char *file = ovf->vm->disks[i].file;

		if (file)
			archive_find(a, file, m)->wanted = true;
	}
	for (size_t i = 0; i < ovf->vm->disk_count && !rc; i++) {
		const struct vm_disk *disk = &ovf->vm->disks[i];
		const struct disk_wish wish = wish_of(disk);

		if (disk->file)
			rc = unpack_disk_member(u, &wish, a, archive_find(a, disk->file, m), depth, err);
		else
			rc = unpack_disk_empty(u, &wish, err);
	}
	return rc;
}

static int note_ovf(struct unpacking *u, struct unpack_archive *a, const struct ovf *ovf,
		    const struct archive_member *m, struct err *err)
{
	char quoted[SHOWN];
	int rc = 0;

	if (find_companion(a, m, ".cert"))
		rc = report_note(u->report, err, "it is signed with a certificate, which is not checked");
	if (!rc && !find_companion(a, m, ".mf"))
		rc = report_note(u->report, err, "it has no manifest: nothing says what its files must be");
	if (!rc && ovf->unused_count)
		rc = report_note(u->report, err, "%zu disk%s that the hardware does not use left out",
				 ovf->unused_count, plural(ovf->unused_count));
	if (!rc && ovf->unknown_controller)
		rc = report_note(u->report, err, "a disk's controller is '%s', which is not known: its bus is not said",
				 quote(quoted, ovf->unknown_controller));
	return rc;
}

static int form_ovf(struct unpacking *u, struct unpack_archive *a, struct archive_member *m, unsigned depth,
		    struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(ovf_free) struct ovf *ovf = NULL;
	CLEANUP(manifest_free) struct manifest *manifest = NULL;
	char quoted[SHOWN];
	int rc = archive_load(&text, a, m, UNPACK_XML_BYTES_MAX, err);

	if (!rc)
		rc = ovf_parse(&ovf, quote(quoted, m->name), text, m->bytes, err);
	if (!rc)
		rc = load_manifest(&manifest, u, a, find_companion(a, m, ".mf"), err);
	if (!rc)
		rc = check_files(a, ovf, m, manifest, err);
	if (!rc)
		rc = add_ovf_disks(u, a, ovf, m, depth, err);
	if (!rc)
		rc = note_ovf(u, a, ovf, m, err);
	if (!rc)
		rc = unpack_forms_machine(u, ovf->vm, err);
	size_t count = u->report->unpacked->disk_count;
	return rc ? rc : unpack_forms_name(u, err, "an OVF appliance of %zu disk%s", count, plural(count));
}

/* A member by the last part of a path on the publisher's host, as it is or compressed: "root.img", "root.img.gz". `*out` NULL: none. */
static int find_by_base(struct archive_member **out, struct unpack_archive *a, const char *path, struct err *err)
{
	static const char *const suffixes[] = { "", ".gz", ".bz2", ".xz", ".lzma", ".zst", ".lz4" };
	char first[SHOWN], second[SHOWN];
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t len = strlen(base);

	*out = NULL;
	for (size_t s = 0; !*out && s < sizeof(suffixes) / sizeof(suffixes[0]); s++) {
		for (size_t i = 0; i < a->member_count; i++) {
			const char *name = a->members[i].name;
			const char *folder = strrchr(name, '/');

			name = folder ? folder + 1 : name;
			if (strncmp(name, base, len) != 0 || strcmp(name + len, suffixes[s]) != 0)
				continue;
			/* Which of them is meant is not to be guessed. */
			if (*out)
				return err_set(err, -EBADMSG, "the disk it names may be '%s' or '%s'",
					       quote(first, (*out)->name), quote(second, a->members[i].name));
			*out = &a->members[i];
		}
	}
	return 0;
}

static int find_disk_file(struct archive_member **out, struct unpack_archive *a, const struct archive_member *m,
			  const struct vm_disk *disk, struct err *err)
{
	char quoted[SHOWN], quoted_file[SHOWN];

	if (find_by_base(out, a, disk->file, err))
		return err_wrap(err, "'%s'", quote(quoted, m->name));
	if (!*out || *out == m)
		return err_set(err, -EBADMSG, "'%s' names the disk '%s', which is no member", quote(quoted, m->name),
			       quote(quoted_file, disk->file));
	if ((*out)->used)
		return err_set(err, -EBADMSG, "'%s' names the disk '%s' twice", quote(quoted, m->name),
			       quote(quoted_file, disk->file));
	(*out)->wanted = (*out)->used = true;
	return 0;
}

/* Archipel's archives may have a MANIFEST, of whatever it is made; where it is one of digests it must hold. */
static int check_loose_manifest(struct unpacking *u, struct unpack_archive *a, struct err *err)
{
	CLEANUP(manifest_free) struct manifest *manifest = NULL;
	CLEANUP(free_str) char *text = NULL;
	struct archive_member *m = archive_find(a, "MANIFEST", NULL);
	struct err ignored;

	if (!m)
		return 0;
	int rc = archive_load(&text, a, m, MANIFEST_BYTES_MAX, err);
	if (rc)
		return rc;
	if (manifest_parse(&manifest, m->name, text, m->bytes, &ignored))
		return report_note(u->report, err, "its MANIFEST holds no digests");
	manifest_free(&manifest);
	return load_manifest(&manifest, u, a, m, err);
}

static int form_domain(struct unpacking *u, struct unpack_archive *a, struct archive_member *m, unsigned depth,
		       struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(vm_free) struct vm *vm = NULL;
	struct archive_member *files[VM_DISKS_MAX];
	char quoted[SHOWN];
	int rc = archive_load(&text, a, m, UNPACK_XML_BYTES_MAX, err);

	if (!rc)
		rc = domain_parse(&vm, quote(quoted, m->name), text, m->bytes, err);
	if (!rc && !vm->disk_count)
		return err_set(err, -ENOTSUP, "'%s': the machine has no disk", quote(quoted, m->name));
	if (!rc)
		rc = check_loose_manifest(u, a, err);
	for (size_t i = 0; !rc && i < vm->disk_count; i++)
		rc = find_disk_file(&files[i], a, m, &vm->disks[i], err);
	for (size_t i = 0; !rc && i < vm->disk_count; i++) {
		const struct disk_wish wish = wish_of(&vm->disks[i]);

		rc = unpack_disk_member(u, &wish, a, files[i], depth, err);
	}
	if (!rc)
		rc = unpack_forms_machine(u, vm, err);
	return rc ? rc
		  : unpack_forms_name(u, err, "an XVM2 archive of %zu disk%s", vm->disk_count, plural(vm->disk_count));
}

/* What is signed and its signature go to the parent, who has the keys. */
static int add_signature(struct unpacking *u, struct unpack_archive *a, const char *file, const char *signature,
			 struct err *err)
{
	struct archive_member *signed_member = archive_find(a, file, NULL);
	struct archive_member *m = archive_find(a, signature, NULL);
	const char *names[] = { file, signature };
	char out[2][WORK_NAME];

	if (!m)
		return 0;
	if (!signed_member)
		return err_set(err, -EBADMSG, "'%s' is a signature of '%s', which is no member", signature, file);
	m->used = true;
	for (int i = 0; i < 2; i++) {
		CLEANUP(scratch_cancel) struct scratch_file f = { .fd = -1 };
		CLEANUP(free_str) char *text = NULL;
		struct archive_member *each = archive_find(a, names[i], NULL);
		struct blob blob;
		int rc = archive_load(&text, a, each, UNPACK_XML_BYTES_MAX, err);

		if (!rc)
			rc = scratch_create(&f, u->work, UNPACK_XML_BYTES_MAX, err);
		if (!rc)
			rc = scratch_write(&f, text, each->bytes, err);
		if (!rc)
			rc = scratch_finish(&blob, &f, err);
		if (rc)
			return rc;
		memcpy(out[i], blob.file, WORK_NAME);
	}
	struct report_signature *s = &u->report->signatures[u->report->signature_count++];
	memcpy(s->file, out[0], WORK_NAME);
	memcpy(s->signature_file, out[1], WORK_NAME);
	s->name = strdup(file);
	return s->name ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* Images of partitions, gathered for one disk. */
struct gathering {
	struct blob partitions[TABLE_PARTITIONS_MAX];
	size_t count;
	bool boot;
};

/* One image of an .xvm: of a whole disk if it has a partition table or is a disk image, else of a partition. */
static int take_image(struct gathering *g, struct unpacking *u, struct unpack_archive *a, struct archive_member *m,
		      const struct vm_disk *disk, unsigned depth, struct err *err)
{
	const struct sniff_format *looks;
	struct blob blob = m->blob;
	uint8_t head[SNIFF_HEAD_BYTES];
	struct disk_wish wish = wish_of(disk);
	char quoted[SHOWN];

	if (m->looks->kind == SNIFF_CODEC) {
		if (depth > UNPACK_DEPTH_MAX)
			return err_set(err, -ENOTSUP, "member '%s' is %s in two containers", quote(quoted, m->name),
				       m->looks->name);
		if (unpack_peel(&blob, u->work, &m->blob, m->looks, err))
			return err_wrap(err, "member '%s'", quote(quoted, m->name));
		archive_drop(a, m);
	}
	int rc = unpack_look(&looks, u->work, &blob, err);
	ssize_t len = rc ? rc : blob_read(u->work, &blob, head, sizeof(head), 0, err);
	if (len < 0)
		return (int)len;
	if (looks->kind != SNIFF_RAW || table_find(head, (size_t)len) != TABLE_NONE) {
		wish.bus = wish.bus ? wish.bus : "xen";
		return unpack_disk_image(u, &wish, &blob, err);
	}
	if (g->count == TABLE_PARTITIONS_MAX)
		return err_set(err, -EFBIG, "more than %d partitions", TABLE_PARTITIONS_MAX);
	g->partitions[g->count++] = blob;
	return 0;
}

/* An xvm.xml that names no images: all members that are none of the known others are images, in the archive's order. */
static int guess_images(struct vm *vm, struct unpack_archive *a, struct err *err)
{
	for (size_t i = 0; i < a->member_count; i++) {
		struct archive_member *m = &a->members[i];
		struct vm_disk *disk;

		if (m->used || (m->looks->kind != SNIFF_CODEC && !m->is_disk))
			continue;
		int rc = vm_add_disk(&disk, vm, err);
		if (rc)
			return rc;
		disk->file = strdup(m->name);
		if (!disk->file)
			return err_set(err, -ENOMEM, "out of memory");
	}
	return vm->disk_count ? 0 : err_set(err, -ENOTSUP, "'xvm.xml': the machine has no disk");
}

static int add_xvm_disks(struct unpacking *u, struct unpack_archive *a, const struct vm *vm,
			 const struct archive_member *m, const struct manifest *manifest, unsigned depth,
			 struct err *err)
{
	CLEANUP(free_mem) struct gathering *g = calloc(1, sizeof(*g));
	struct archive_member *files[VM_DISKS_MAX];
	const struct disk_wish partitions = { .name = "partitions", .bus = "xen" };
	int rc = g ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (size_t i = 0; !rc && i < vm->disk_count; i++) {
		rc = find_disk_file(&files[i], a, m, &vm->disks[i], err);
		if (!rc)
			rc = need_digest(manifest, files[i]->name, err);
	}
	if (!rc)
		rc = archive_fetch(a, err);
	for (size_t i = 0; !rc && i < vm->disk_count; i++)
		rc = take_image(g, u, a, files[i], &vm->disks[i], depth, err);
	if (!rc && g->count)
		rc = unpack_disk_partitions(u, &partitions, g->partitions, g->count, err);
	for (size_t i = 0; !rc && i < u->report->unpacked->disk_count; i++)
		u->report->unpacked->disks[i].boot = i == 0;
	return rc;
}

static int form_xvm(struct unpacking *u, struct unpack_archive *a, struct archive_member *m, unsigned depth,
		    struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(vm_free) struct vm *vm = NULL;
	CLEANUP(manifest_free) struct manifest *manifest = NULL;
	int rc = archive_load(&text, a, m, UNPACK_XML_BYTES_MAX, err);

	m->used = true;
	if (!rc)
		rc = xvm_parse(&vm, "xvm.xml", text, m->bytes, err);
	if (!rc)
		rc = load_manifest(&manifest, u, a, archive_find(a, "manifest.txt", NULL), err);
	if (!rc)
		rc = need_digest(manifest, m->name, err);
	if (!rc)
		rc = add_signature(u, a, "manifest.txt", "mf-signature.asc", err);
	if (!rc)
		rc = add_signature(u, a, "xvm.xml", "signature.asc", err);
	if (!rc && !vm->disk_count)
		rc = guess_images(vm, a, err);
	if (!rc)
		rc = add_xvm_disks(u, a, vm, m, manifest, depth, err);
	if (!rc)
		rc = unpack_forms_machine(u, vm, err);
	return rc ? rc
		  : unpack_forms_name(u, err, "an XVM archive of %zu image%s", vm->disk_count, plural(vm->disk_count));
}

static int form_hdd(struct unpacking *u, struct unpack_archive *a, struct archive_member *m, unsigned depth,
		    struct err *err)
{
	const struct disk_wish wish = { .name = "disk", .boot = true };
	int rc = unpack_disk_hdd(u, &wish, a, m, err);

	(void)depth;
	return rc ? rc : unpack_forms_name(u, err, "a Parallels disk bundle");
}

static int form_vmdk(struct unpacking *u, struct unpack_archive *a, struct archive_member *m, unsigned depth,
		     struct err *err)
{
	const struct disk_wish wish = { .name = "disk", .boot = true };
	int rc = unpack_disk_vmdk(u, &wish, a, m, err);

	(void)depth;
	return rc ? rc : unpack_forms_name(u, err, "a VMDK of several files");
}

/* A suffix that begins with "/" is a whole name. */
static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(suffix), name_len = strlen(name);

	if (suffix[0] == '/' && strcasecmp(name, suffix + 1) == 0)
		return true;
	return name_len >= len && strcasecmp(name + name_len - len, suffix) == 0;
}

/* The next member behind `last` (NULL: the first) with that root (NULL: a VMDK descriptor) and that name (NULL: any). */
static struct archive_member *next_one(struct unpack_archive *a, struct archive_member *last, const char *xml_root,
				       const char *name)
{
	for (struct archive_member *m = last ? last + 1 : a->members; m < a->members + a->member_count; m++) {
		bool answers = xml_root ? strcmp(m->xml_root, xml_root) == 0 : m->is_vmdk_text;

		if (answers && (!name || ends_in(m->name, name)))
			return m;
	}
	return NULL;
}

/* The only member that answers, NULL: none. Two are a contradiction, unless one alone is called as it should be. */
static int find_one(struct archive_member **out, struct unpack_archive *a, const char *xml_root, const char *usual,
		    struct err *err)
{
	char first[SHOWN], second[SHOWN];

	*out = usual ? next_one(a, NULL, xml_root, usual) : NULL;
	if (!*out) {
		usual = NULL;
		*out = next_one(a, NULL, xml_root, NULL);
	}
	const struct archive_member *other = *out ? next_one(a, *out, xml_root, usual) : NULL;
	if (other)
		return err_set(err, -ENOTSUP, "it has two descriptions, '%s' and '%s'", quote(first, (*out)->name),
			       quote(second, other->name));
	return 0;
}

/* XVM's manifest and signatures lie beside it, under fixed names. NULL: this is no such archive. */
static int find_xvm(struct archive_member **out, struct unpack_archive *a, struct err *err)
{
	char quoted[SHOWN];

	*out = archive_find(a, "xvm.xml", NULL);
	for (size_t i = 0; !*out && i < a->member_count; i++) {
		if (ends_in(a->members[i].name, "/xvm.xml"))
			return err_set(err, -ENOTSUP,
				       "'%s' is in a folder or in capitals: an XVM archive has it as 'xvm.xml'",
				       quote(quoted, a->members[i].name));
	}
	return 0;
}

/* What is called a description must be one: it would be passed over in silence otherwise. */
static int check_names(struct unpack_archive *a, struct err *err)
{
	static const struct {
		const char *suffix, *xml_root, *what;
	} promises[] = {
		{ ".ovf", "Envelope", "no OVF descriptor" },
		{ "/DiskDescriptor.xml", "Parallels_disk_image", "no Parallels disk descriptor" },
		{ "/xvm.xml", NULL, "no XML" },
		{ "/description.xml", "domain", "no libvirt domain" },
	};
	char quoted[SHOWN];

	for (size_t p = 0; p < sizeof(promises) / sizeof(promises[0]); p++) {
		for (size_t i = 0; i < a->member_count; i++) {
			const struct archive_member *m = &a->members[i];
			const char *root = promises[p].xml_root;
			bool is_one = root ? strcmp(m->xml_root, root) == 0 : m->xml_root[0] != '\0';

			if (!is_one && ends_in(m->name, promises[p].suffix))
				return err_set(err, -EBADMSG, "'%s' is %s", quote(quoted, m->name), promises[p].what);
		}
	}
	return 0;
}

int unpack_forms_find(unpack_form **form, struct archive_member **description, struct unpack_archive *a,
		      struct err *err)
{
	static const struct {
		const char *xml_root, *usual;
		unpack_form *form;
	} known[] = {
		{ "Envelope", NULL, form_ovf },
		{ "domain", "/description.xml", form_domain },
		{ "Parallels_disk_image", NULL, form_hdd },
		{ NULL, NULL, form_vmdk },
	};
	struct archive_member *xvm;

	*form = NULL;
	if (check_names(a, err) || find_xvm(&xvm, a, err))
		return err->code;
	if (a->is_xva) {
		*form = unpack_form_xva;
		*description = &a->members[0];
	} else if (xvm) {
		*form = form_xvm;
		*description = xvm;
	}
	for (size_t i = 0; !*form && i < sizeof(known) / sizeof(known[0]); i++) {
		int rc = find_one(description, a, known[i].xml_root, known[i].usual, err);

		if (rc)
			return rc;
		if (*description)
			*form = known[i].form;
	}
	/* Archipel's archives, and no others, are known to have names that begin with "/". */
	if (a->has_absolute && *form != form_domain)
		return err_set(err, -EBADMSG, "%s archive: names of members begin with '/'", a->kind);
	return 0;
}
