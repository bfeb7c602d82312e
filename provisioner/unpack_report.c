/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_report: see unpack_report.h */
#include "unpack_report.h"

#include "cleanup.h"
#include "feed_text.h"
#include "json.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 1024
#define NICS_MAX 64
/* Beyond any disk there is; sums of two such numbers do not overflow. */
#define BYTES_MAX ((json_int_t)1 << 60)

/* The failures that may be told, by name: numbers of errno are no format. */
static const struct {
	int code;
	const char *name;
} codes[] = {
	{ -EBADMSG, "EBADMSG" }, { -ENOTSUP, "ENOTSUP" }, { -EACCES, "EACCES" }, { -EFBIG, "EFBIG" },
	{ -ENOSPC, "ENOSPC" },   { -ENOMEM, "ENOMEM" },   { -EIO, "EIO" },       { -EINVAL, "EINVAL" },
};

static const char *const formats[] = {
	"raw", "qcow", "qcow2", "qed", "vmdk", "vpc", "vhdx", "vdi", "parallels", "bochs"
};
static const char *const buses[] = { "virtio", "scsi", "ide", "sata", "nvme", "xen", "usb" };

struct report *report_new(void)
{
	struct report *r = calloc(1, sizeof(*r));

	if (r && !(r->unpacked = calloc(1, sizeof(*r->unpacked))))
		free(TAKE(r));
	return r;
}

void unpacked_free(struct unpacked **unpacked)
{
	struct unpacked *u = *unpacked;

	if (!u)
		return;
	for (size_t i = 0; i < u->disk_count; i++) {
		free(u->disks[i].name);
		free(u->disks[i].bus);
		free(u->disks[i].parts);
	}
	for (size_t i = 0; i < u->note_count; i++)
		free(u->notes[i]);
	free(u->notes);
	free(u->disks);
	free(u->form);
	free(u->machine);
	free(u->file);
	free(u->initrd);
	free(u->cmdline);
	free(u);
	*unpacked = NULL;
}

void report_free(struct report **report)
{
	struct report *r = *report;

	if (!r)
		return;
	for (size_t i = 0; i < r->signature_count; i++)
		free(r->signatures[i].name);
	unpacked_free(&r->unpacked);
	free(TAKE(*report));
}

int report_add_disk(struct unpacked_disk **out, struct report *r, const char *name, struct err *err)
{
	struct unpacked *u = r->unpacked;
	char shown[TEXT_MAX];

	if (u->disk_count == UNPACK_DISKS_MAX)
		return err_set(err, -EFBIG, "more than %d disks", UNPACK_DISKS_MAX);
	struct unpacked_disk *more = realloc(u->disks, (u->disk_count + 1) * sizeof(*more));
	if (!more)
		return err_set(err, -ENOMEM, "out of memory");
	u->disks = more;
	*out = &u->disks[u->disk_count++];
	**out = (struct unpacked_disk){ .name = strdup(log_quote(shown, sizeof(shown), name)) };
	return (*out)->name ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int report_add_part(struct unpacked_disk *disk, const struct unpacked_part *part, struct err *err)
{
	if (disk->part_count == UNPACK_PARTS_MAX)
		return err_set(err, -EFBIG, "a disk has more than %d parts", UNPACK_PARTS_MAX);
	struct unpacked_part *more = realloc(disk->parts, (disk->part_count + 1) * sizeof(*more));
	if (!more)
		return err_set(err, -ENOMEM, "out of memory");
	disk->parts = more;
	disk->parts[disk->part_count++] = *part;
	return 0;
}

static int add_note(struct unpacked *u, char *note, struct err *err)
{
	char **more = note ? realloc(u->notes, (u->note_count + 1) * sizeof(*more)) : NULL;

	if (!more) {
		free(note);
		return err_set(err, -ENOMEM, "out of memory");
	}
	u->notes = more;
	u->notes[u->note_count++] = note;
	return 0;
}

int report_note(struct report *r, struct err *err, const char *fmt, ...)
{
	char *note;
	va_list ap;

	if (r->unpacked->note_count == REPORT_NOTES_MAX)
		return 0; /* what is beyond is more of the same */
	va_start(ap, fmt);
	int len = vasprintf(&note, fmt, ap);
	va_end(ap);
	return len < 0 ? err_set(err, -ENOMEM, "out of memory") : add_note(r->unpacked, note, err);
}

static json_t *part_json(const struct unpacked_part *p)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "file", p->file, "format", p->format, "file_off",
			 (json_int_t)p->file_off, "file_bytes", (json_int_t)p->file_bytes, "disk_off",
			 (json_int_t)p->disk_off, "disk_bytes", (json_int_t)p->disk_bytes);
}

static json_t *disk_json(const struct unpacked_disk *d)
{
	json_t *parts = json_array();

	for (size_t i = 0; i < d->part_count; i++)
		json_array_append_new(parts, part_json(&d->parts[i]));
	return json_pack("{s:o, s:o, s:b, s:I, s:o}", "name", json_text(d->name), "bus", json_text(d->bus), "boot",
			 d->boot, "disk_bytes", (json_int_t)d->disk_bytes, "parts", parts);
}

static json_t *signature_json(const struct report_signature *s)
{
	return json_pack("{s:o, s:s, s:s}", "name", json_text(s->name), "file", s->file, "signature",
			 s->signature_file);
}

char *report_write(const struct report *r)
{
	const struct unpacked *u = r->unpacked;
	CLEANUP(json_free) json_t *disks = json_array();
	CLEANUP(json_free) json_t *notes = json_array();
	CLEANUP(json_free) json_t *signatures = json_array();

	for (size_t i = 0; i < u->disk_count; i++)
		json_array_append_new(disks, disk_json(&u->disks[i]));
	for (size_t i = 0; i < u->note_count; i++)
		json_array_append_new(notes, json_text(u->notes[i]));
	for (size_t i = 0; i < r->signature_count; i++)
		json_array_append_new(signatures, signature_json(&r->signatures[i]));
	CLEANUP(json_free)
	json_t *root = json_pack("{s:s, s:o, s:O, s:O, s:O, s:o, s:o, s:o, s:o}", "kind", content_kind_name(u->kind),
				 "form", json_text(u->form), "disks", disks, "notes", notes, "signatures", signatures,
				 "machine", u->machine ? json_loads(u->machine, 0, NULL) : json_null(), "file",
				 json_text(u->file), "initrd", json_text(u->initrd), "cmdline", json_text(u->cmdline));
	return root ? json_dumps(root, JSON_COMPACT) : NULL;
}

char *report_write_error(const struct err *failure)
{
	const char *name = "EIO";

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].code == failure->code)
			name = codes[i].name;
	}
	CLEANUP(json_free)
	json_t *root = json_pack("{s:{s:s, s:o}}", "error", "code", name, "text", json_text(failure->text));
	return root ? json_dumps(root, JSON_COMPACT) : NULL;
}

struct reader {
	struct report *report;
	int64_t (*file_bytes)(void *ctx, const char *name);
	void *ctx;
};

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/* Nothing that could be a path: "" or a number. */
static bool is_file_name(const char *name)
{
	return strlen(name) < 8 && strspn(name, "0123456789") == strlen(name);
}

/* What is shown in logs, pages and menus, and so has nothing that could be more than text there. */
static int check_plain(const char *text, const char *key, struct err *err)
{
	return feed_text_is_plain(text) ? 0 : err_set(err, -EPROTO, "field \"%s\": not plain text", key);
}

/* A text that may be left out. The caller's `*out` is owned by the report. */
static int read_text(char **out, const json_t *obj, const char *key, struct err *err)
{
	const char *text = NULL;
	int rc = json_want_string(&text, obj, key, TEXT_MAX, err);

	if (!rc && text)
		rc = check_plain(text, key, err);
	if (rc || !text)
		return rc;
	*out = strdup(text);
	return *out ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int read_file_name(const struct reader *r, char out[static 8], const json_t *obj, const char *key,
			  struct err *err)
{
	const char *name;
	int rc = json_need_string(&name, obj, key, 7, err);

	if (rc)
		return rc;
	if (!is_file_name(name) || r->file_bytes(r->ctx, name) < 0)
		return err_set(err, -EPROTO, "field \"%s\": '%s' is no file of ours", key,
			       is_file_name(name) ? name : "?");
	strcpy(out, name);
	return 0;
}

static int read_part_numbers(struct unpacked_part *p, const json_t *obj, struct err *err)
{
	int rc = json_need_u64(&p->file_off, obj, "file_off", BYTES_MAX, err);

	if (!rc)
		rc = json_need_u64(&p->file_bytes, obj, "file_bytes", BYTES_MAX, err);
	if (!rc)
		rc = json_need_u64(&p->disk_off, obj, "disk_off", BYTES_MAX, err);
	return rc ? rc : json_need_u64(&p->disk_bytes, obj, "disk_bytes", BYTES_MAX, err);
}

/* Behind the part before it, inside the file and inside the disk. */
static int check_part(const struct reader *r, const struct unpacked_disk *disk, const struct unpacked_part *p,
		      struct err *err)
{
	const struct unpacked_part *last = disk->part_count ? &disk->parts[disk->part_count - 1] : NULL;
	uint64_t file_bytes = (uint64_t)r->file_bytes(r->ctx, p->file);
	bool raw = strcmp(p->format, "raw") == 0;

	if (p->file_bytes == 0 || p->file_off > file_bytes || p->file_bytes > file_bytes - p->file_off)
		return err_set(err, -EPROTO, "a part lies outside of its file");
	if (p->disk_off % 512 || (last && (last->disk_bytes == 0 || p->disk_off < last->disk_off + last->disk_bytes)))
		return err_set(err, -EPROTO, "a part lies before the end of the one before");
	if (p->disk_bytes == 0 && (last || p->disk_off))
		return err_set(err, -EPROTO, "a part of no length is not the only one");
	if (p->disk_bytes && (!raw || p->disk_bytes < p->file_bytes))
		return err_set(err, -EPROTO, "a part has less room than bytes");
	if (disk->disk_bytes && p->disk_bytes && p->disk_off + p->disk_bytes > disk->disk_bytes)
		return err_set(err, -EPROTO, "a part lies outside of its disk");
	return 0;
}

static int read_part(const struct reader *r, struct unpacked_disk *disk, const json_t *obj, struct err *err)
{
	struct unpacked_part p = { .file_off = 0 };
	const char *format;
	int rc = read_file_name(r, p.file, obj, "file", err);

	if (!rc)
		rc = json_need_string(&format, obj, "format", sizeof(p.format) - 1, err);
	if (!rc)
		rc = read_part_numbers(&p, obj, err);
	if (rc)
		return rc;
	if (!is_one_of(format, formats, sizeof(formats) / sizeof(formats[0])))
		return err_set(err, -EPROTO, "field \"format\": it is no format of ours");
	strcpy(p.format, format);
	rc = check_part(r, disk, &p, err);
	return rc ? rc : report_add_part(disk, &p, err);
}

static int read_parts(const struct reader *r, struct unpacked_disk *disk, const json_t *obj, struct err *err)
{
	const json_t *parts = json_object_get(obj, "parts");
	const json_t *part;
	size_t i;

	if (!json_is_array(parts))
		return err_set(err, -EPROTO, "field \"parts\": a list is needed");
	json_array_foreach(parts, i, part)
	{
		int rc = read_part(r, disk, part, err);

		if (rc)
			return rc;
	}
	if (disk->disk_bytes % 512)
		return err_set(err, -EPROTO, "a disk of %" PRIu64 " bytes", disk->disk_bytes);
	if (disk->disk_bytes == 0 && (disk->part_count != 1 || disk->parts[0].disk_bytes))
		return err_set(err, -EPROTO, "a disk without a length");
	return 0;
}

static int read_disk(const struct reader *r, const json_t *obj, struct err *err)
{
	const char *name, *bus = NULL;
	struct unpacked_disk *disk;
	int rc = json_need_string(&name, obj, "name", TEXT_MAX, err);

	if (!rc)
		rc = check_plain(name, "name", err);
	if (!rc)
		rc = json_want_string(&bus, obj, "bus", 16, err);
	if (!rc)
		rc = report_add_disk(&disk, r->report, name, err);
	if (!rc)
		rc = json_need_u64(&disk->disk_bytes, obj, "disk_bytes", BYTES_MAX, err);
	if (rc)
		return rc;
	if (!*name || (bus && !is_one_of(bus, buses, sizeof(buses) / sizeof(buses[0]))))
		return err_set(err, -EPROTO, "a disk without a name, or on no bus of ours");
	disk->bus = bus ? strdup(bus) : NULL;
	disk->boot = json_is_true(json_object_get(obj, "boot"));
	return read_parts(r, disk, obj, err);
}

static int read_disks(const struct reader *r, const json_t *root, struct err *err)
{
	const json_t *disks = json_object_get(root, "disks");
	struct unpacked *u = r->report->unpacked;
	size_t i, boots = 0;
	const json_t *disk;

	if (!json_is_array(disks))
		return err_set(err, -EPROTO, "field \"disks\": a list is needed");
	json_array_foreach(disks, i, disk)
	{
		if (!json_is_object(disk))
			return err_set(err, -EPROTO, "field \"disks\": objects are needed");
		int rc = read_disk(r, disk, err);
		if (rc)
			return rc;
		boots += u->disks[i].boot;
	}
	bool right =
		u->kind == ITEM_DISK ? u->disk_count && boots == 1 : u->disk_count <= (u->kind == ITEM_ISO ? 1 : 0);
	return right ? 0 : err_set(err, -EPROTO, "%zu disks, %zu to boot from", u->disk_count, boots);
}

static int read_notes(const struct reader *r, const json_t *root, struct err *err)
{
	const json_t *notes = json_object_get(root, "notes");
	const json_t *note;
	size_t i;

	json_array_foreach(notes, i, note)
	{
		const char *text = json_string_value(note);

		if (!text || json_string_length(note) > TEXT_MAX || i >= REPORT_NOTES_MAX ||
		    check_plain(text, "notes", err))
			return err_set(err, -EPROTO, "field \"notes\": short texts are needed");
		int rc = add_note(r->report->unpacked, strdup(text), err);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_signatures(const struct reader *r, const json_t *root, struct err *err)
{
	const json_t *signatures = json_object_get(root, "signatures");
	const json_t *signature;
	size_t i;

	json_array_foreach(signatures, i, signature)
	{
		if (i == REPORT_SIGNATURES_MAX)
			return err_set(err, -EPROTO, "more than %d signatures", REPORT_SIGNATURES_MAX);
		struct report_signature *s = &r->report->signatures[i];
		r->report->signature_count = i + 1;
		int rc = read_text(&s->name, signature, "name", err);
		if (!rc)
			rc = read_file_name(r, s->file, signature, "file", err);
		if (!rc)
			rc = read_file_name(r, s->signature_file, signature, "signature", err);
		if (rc)
			return rc;
		if (!s->name || !s->file[0] || !s->signature_file[0])
			return err_set(err, -EPROTO, "a signature without files");
	}
	return 0;
}

static int read_kind(const struct reader *r, const json_t *root, struct err *err)
{
	const char *kind;
	int rc = json_need_string(&kind, root, "kind", 16, err);

	if (rc)
		return rc;
	for (int k = ITEM_DISK; k <= ITEM_ISO; k++) {
		if (strcmp(kind, content_kind_name((enum item_kind)k)) == 0) {
			r->report->unpacked->kind = (enum item_kind)k;
			return 0;
		}
	}
	return err_set(err, -EPROTO, "field \"kind\": it is no kind of ours");
}

/* The fields that are known, and of these only what is right, into an object of our own. */
static int copy_fields(json_t *out, const json_t *obj, const char *const *texts, const char *const *numbers,
		       struct err *err)
{
	for (; *texts; texts++) {
		CLEANUP(free_str) char *text = NULL;
		int rc = read_text(&text, obj, *texts, err);

		if (rc)
			return rc;
		if (text)
			json_object_set_new(out, *texts, json_string(text));
	}
	for (; *numbers; numbers++) {
		uint64_t number = 0;
		int rc = json_want_u64(&number, obj, *numbers, BYTES_MAX, err);

		if (rc)
			return rc;
		if (number)
			json_object_set_new(out, *numbers, json_integer((json_int_t)number));
	}
	return 0;
}

static int copy_nics(json_t *out, const json_t *nics, struct err *err)
{
	static const char *const texts[] = { "mac", "model", "network", NULL };
	static const char *const numbers[] = { "line", NULL };
	const json_t *nic;
	size_t i;

	json_array_foreach(nics, i, nic)
	{
		json_t *copy = json_object();

		json_array_append_new(out, copy);
		if (!json_is_object(nic) || i == NICS_MAX)
			return err_set(err, -EPROTO, "field \"nics\": up to %d objects are needed", NICS_MAX);
		int rc = copy_fields(copy, nic, texts, numbers, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_machine(struct unpacked *u, const json_t *root, struct err *err)
{
	static const char *const texts[] = { "name", "firmware", "os", "arch", "machine", "document", NULL };
	static const char *const numbers[] = { "cpus",          "memory_bytes", "cpus_line", "memory_line",
					       "firmware_line", "machine_line", NULL };
	const json_t *machine = json_object_get(root, "machine");
	CLEANUP(json_free) json_t *copy = json_object();
	CLEANUP(json_free) json_t *nics = json_array();

	if (!json_is_object(machine))
		return 0;
	int rc = copy_fields(copy, machine, texts, numbers, err);
	if (!rc)
		rc = copy_nics(nics, json_object_get(machine, "nics"), err);
	if (rc)
		return rc;
	if (json_is_array(json_object_get(machine, "nics")))
		json_object_set(copy, "nics", nics);
	u->machine = json_dumps(copy, JSON_COMPACT);
	return u->machine ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* What is kept of a root file system, kernel or ISO. */
static int read_files(const struct reader *r, const json_t *root, struct err *err)
{
	struct unpacked *u = r->report->unpacked;
	char name[8];
	int rc = 0;

	if (u->kind != ITEM_DISK) {
		rc = read_file_name(r, name, root, "file", err);
		u->file = rc ? NULL : strdup(name);
	}
	if (!rc && u->kind == ITEM_KERNEL && json_is_string(json_object_get(root, "initrd"))) {
		rc = read_file_name(r, name, root, "initrd", err);
		u->initrd = rc ? NULL : strdup(name);
	}
	return rc ? rc : read_text(&u->cmdline, root, "cmdline", err);
}

/* The failure that is reported instead of anything else. */
static int read_failure(const json_t *failure, struct err *err)
{
	const char *code, *text;
	int rc = json_need_string(&code, failure, "code", 16, err);

	if (!rc)
		rc = json_need_string(&text, failure, "text", sizeof(err->text), err);
	if (!rc)
		rc = check_plain(text, "text", err);
	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(codes[i].name, code) == 0)
			return err_set(err, codes[i].code, "%s", text);
	}
	return err_set(err, -EPROTO, "field \"code\": it is none of ours");
}

static int read_report(const struct reader *r, const json_t *root, struct err *err)
{
	struct unpacked *u = r->report->unpacked;
	int rc = read_kind(r, root, err);

	if (!rc)
		rc = read_text(&u->form, root, "form", err);
	if (!rc)
		rc = read_disks(r, root, err);
	if (!rc)
		rc = read_notes(r, root, err);
	if (!rc)
		rc = read_signatures(r, root, err);
	if (!rc)
		rc = read_machine(u, root, err);
	if (!rc)
		rc = read_files(r, root, err);
	return rc || u->form ? rc : err_set(err, -EPROTO, "field \"form\" is missing");
}

int report_read(struct report **out, const char *text, size_t len, int64_t (*file_bytes)(void *ctx, const char *name),
		void *ctx, struct err *err)
{
	CLEANUP(json_free) json_t *root = NULL;
	CLEANUP(report_free) struct report *report = report_new();
	const struct reader r = { report, file_bytes, ctx };
	int rc = report ? 0 : err_set(err, -ENOMEM, "out of memory");

	if (!rc)
		rc = json_parse_object(&root, text, len, err);
	if (rc)
		return err_wrap(err, "report of vmcast-unpack");
	const json_t *failure = json_object_get(root, "error");
	if (failure)
		return read_failure(failure, err);
	if (read_report(&r, root, err))
		return err_wrap(err, "report of vmcast-unpack");
	*out = TAKE(report);
	return 0;
}
