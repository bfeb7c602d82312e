/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_archive: see unpack_archive.h. libarchive reads the formats; what it lets pass for its users' sake is refused. */
#include "unpack_archive.h"

#include "bytes.h"
#include "cleanup.h"
#include "log.h"
#include "unpack_table.h"
#include "unpack_xml.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES  (64u << 10)
#define COPY_BYTES  (1u << 20)
#define SHOWN       200
#define TAR_BLOCK   512u
#define ZIP_END     22u /* the end record without its comment, APPNOTE 4.3.16 */
#define ZIP_COMMENT 65535u
/* What all members together may unpack to, in disks of the largest size: what is skipped takes time, too. */
#define TOTAL_DISKS 16u

/* libarchive's view of a blob. */
struct source {
	struct work *work;
	const struct blob *blob;
	struct err *err; /* filled when reading failed */
	uint64_t off;
	uint8_t buf[READ_BYTES];
};

/* What is behind archive_walk.state. */
struct walker {
	struct archive *archive;
	struct archive_entry *entry;
	struct source *source;
	const char *kind;
	uint64_t done_bytes; /* of the member */
	uint64_t hole_bytes; /* zeros still to hand out before `rest` */
	const uint8_t *rest;
	size_t rest_len;
	bool ended;
};

static ssize_t on_read(struct archive *a, void *ctx, const void **out)
{
	struct source *s = ctx;
	ssize_t got = blob_read(s->work, s->blob, s->buf, sizeof(s->buf), s->off, s->err);

	if (got < 0) {
		archive_set_error(a, EIO, "%s", s->err->text);
		return -1;
	}
	*out = s->buf;
	s->off += (uint64_t)got;
	return got;
}

static int64_t on_skip(struct archive *a, void *ctx, int64_t want)
{
	struct source *s = ctx;
	uint64_t left = s->blob->bytes - s->off, step = (uint64_t)want < left ? (uint64_t)want : left;

	(void)a;
	s->off += step;
	return (int64_t)step;
}

static int64_t on_seek(struct archive *a, void *ctx, int64_t off, int whence)
{
	struct source *s = ctx;
	int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? (int64_t)s->off : (int64_t)s->blob->bytes;

	(void)a;
	if (base + off < 0 || (uint64_t)(base + off) > s->blob->bytes)
		return ARCHIVE_FATAL;
	s->off = (uint64_t)(base + off);
	return (int64_t)s->off;
}

static void free_archive(struct archive **a)
{
	archive_read_free(*a);
}

static const char *quote(char out[static SHOWN], const char *text)
{
	return log_quote(out, SHOWN, text ? text : "");
}

static int blame(const struct walker *w, const char *name, struct err *err)
{
	char said[SHOWN], quoted[SHOWN];
	const char *text = archive_error_string(w->archive);
	int code = archive_errno(w->archive) == ENOMEM ? -ENOMEM : -EBADMSG;

	/* libarchive has no words for an offset that lies beyond the end. */
	if (!text || !*text)
		text = "damaged";
	if (w->source->err->code)
		return w->source->err->code;
	if (name)
		return err_set(err, code, "%s member '%s': %s", w->kind, quote(quoted, name), quote(said, text));
	return err_set(err, code, "%s archive: %s", w->kind, quote(said, text));
}

/* Without "./" and "/" in front and without empty parts; -EBADMSG if it leads out of the archive. Caller frees. */
static int normalise(char **out, bool *absolute, const char *kind, const char *name, struct err *err)
{
	char quoted[SHOWN];

	if (!name)
		return err_set(err, -EBADMSG, "%s archive: a member's name cannot be read", kind);
	if (strlen(name) > ARCHIVE_NAME_MAX)
		return err_set(err, -EFBIG, "%s archive: a member's name has %zu bytes, at most %d are taken", kind,
			       strlen(name), ARCHIVE_NAME_MAX);
	*absolute = name[0] == '/';
	CLEANUP(free_str) char *clean = calloc(1, strlen(name) + 1);
	if (!clean)
		return err_set(err, -ENOMEM, "out of memory");
	for (const char *part = name; *part;) {
		size_t len = strcspn(part, "/");

		if (len == 2 && strncmp(part, "..", 2) == 0)
			return err_set(err, -EBADMSG, "%s member '%s' leads out of the archive", kind,
				       quote(quoted, name));
		if (len && !(len == 1 && *part == '.')) {
			if (*clean)
				strcat(clean, "/");
			strncat(clean, part, len);
		}
		part += len + (part[len] == '/');
	}
	*out = TAKE(clean);
	return 0;
}

static bool is_zip(const uint8_t *head, size_t len)
{
	return len >= 4 && memcmp(head, "PK\3\4", 4) == 0;
}

static bool is_7z(const uint8_t *head, size_t len)
{
	return len >= 6 && memcmp(head, "7z\xbc\xaf\x27\x1c", 6) == 0;
}

/* The end record of a zip archive is found by its comment's length, which must reach to the end of the file. */
static int check_zip_end(struct work *w, const struct blob *blob, struct err *err)
{
	uint64_t len = blob->bytes < ZIP_END + ZIP_COMMENT ? blob->bytes : ZIP_END + ZIP_COMMENT;
	CLEANUP(free_mem) uint8_t *tail = malloc(len);

	if (!tail)
		return err_set(err, -ENOMEM, "out of memory");
	ssize_t got = blob_read(w, blob, tail, len, blob->bytes - len, err);
	if (got < 0)
		return (int)got;
	for (size_t i = len; i-- > 0;) {
		if (len - i >= ZIP_END && memcmp(tail + i, "PK\5\6", 4) == 0 &&
		    i + ZIP_END + le16(tail + i + 20) == len)
			return 0;
	}
	return err_set(err, -EBADMSG, "zip archive: truncated, or followed by something else");
}

/* 7zFormat.txt, SignatureHeader: where the only other header ends, the file ends. */
static int check_7z_end(const struct blob *blob, const uint8_t *head, size_t len, struct err *err)
{
	if (len < 32)
		return err_set(err, -EBADMSG, "7z archive: truncated");
	uint64_t off = le64(head + 12), size = le64(head + 20), room = blob->bytes - 32;

	if (off <= room && size == room - off)
		return 0;
	return err_set(err, -EBADMSG, "7z archive: %s",
		       off > room || size > room - off ? "truncated" : "followed by something else");
}

/*
 * POSIX: two blocks of zeros end a tar archive; writers fill it up to a whole record with more of them. libarchive goes
 * without, and does not look behind them. `end`: of the last member.
 */
static int check_tar_end(struct work *w, const struct blob *blob, uint64_t end, struct err *err)
{
	CLEANUP(free_mem) uint8_t *buf = malloc(COPY_BYTES);
	uint64_t off = end;

	if (!buf)
		return err_set(err, -ENOMEM, "out of memory");
	if (off + TAR_BLOCK > blob->bytes)
		return err_set(err, -EBADMSG, "tar archive: truncated: it has no end mark");
	while (off < blob->bytes) {
		ssize_t got = blob_read(w, blob, buf, COPY_BYTES, off, err);

		if (got < 0)
			return (int)got;
		if (!bytes_are_zero(buf, (size_t)got))
			return err_set(err, -EBADMSG, "tar archive: followed by something else, behind byte %" PRIu64,
				       off);
		off += (uint64_t)got;
	}
	return 0;
}

static int open_reader(struct archive **out, struct source *s, const char **kind, struct err *err)
{
	uint8_t head[32];
	ssize_t len = blob_read(s->work, s->blob, head, sizeof(head), 0, err);

	if (len < 0)
		return (int)len;
	CLEANUP(free_archive) struct archive *a = archive_read_new();
	if (!a)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = 0;
	if (is_zip(head, (size_t)len)) {
		*kind = "zip";
		archive_read_support_format_zip_seekable(a);
		rc = check_zip_end(s->work, s->blob, err);
	} else if (is_7z(head, (size_t)len)) {
		*kind = "7z";
		archive_read_support_format_7zip(a);
		rc = check_7z_end(s->blob, head, (size_t)len, err);
	} else {
		*kind = "tar";
		archive_read_support_format_tar(a);
	}
	if (rc)
		return rc;
	archive_read_set_read_callback(a, on_read);
	archive_read_set_skip_callback(a, on_skip);
	archive_read_set_seek_callback(a, on_seek);
	archive_read_set_callback_data(a, s);
	if (archive_read_open1(a) != ARCHIVE_OK)
		return err_set(err, -EBADMSG, "%s archive: %s", *kind, archive_error_string(a));
	*out = TAKE(a);
	return 0;
}

/* The next stretch of data of a member: zeros up to it, then itself. */
static int next_stretch(struct walker *w, const char *name, struct err *err)
{
	const void *data;
	size_t len;
	int64_t off;
	int rc = archive_read_data_block(w->archive, &data, &len, &off);

	if (rc == ARCHIVE_EOF) {
		/* A sparse member may end in a hole. */
		uint64_t size = (uint64_t)archive_entry_size(w->entry);

		w->ended = true;
		w->hole_bytes =
			archive_entry_sparse_count(w->entry) > 0 && size > w->done_bytes ? size - w->done_bytes : 0;
		return 0;
	}
	if (rc != ARCHIVE_OK)
		return blame(w, name, err);
	if (off < 0 || (uint64_t)off < w->done_bytes)
		return err_set(err, -EBADMSG, "%s archive: a member's data overlap", w->kind);
	w->hole_bytes = (uint64_t)off - w->done_bytes;
	w->rest = data;
	w->rest_len = len;
	return 0;
}

ssize_t archive_walk_read(struct archive_walk *at, void *buf, size_t room, struct err *err)
{
	struct walker *w = at->state;
	uint8_t *out = buf;
	size_t done = 0;

	while (done < room) {
		size_t step = room - done;

		if (w->hole_bytes) {
			step = step < w->hole_bytes ? step : (size_t)w->hole_bytes;
			memset(out + done, 0, step);
			w->hole_bytes -= step;
		} else if (w->rest_len) {
			step = step < w->rest_len ? step : w->rest_len;
			memcpy(out + done, w->rest, step);
			w->rest += step;
			w->rest_len -= step;
		} else if (w->ended) {
			break;
		} else {
			int rc = next_stretch(w, at->name, err);

			if (rc)
				return rc;
			continue;
		}
		done += step;
		w->done_bytes += step;
	}
	return (ssize_t)done;
}

/* What a member is, if it is neither a file nor a folder; NULL: it is one of these. */
static const char *odd_type(struct archive_entry *entry)
{
	if (archive_entry_hardlink(entry))
		return "a link";
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
	case AE_IFDIR:
		return NULL;
	case AE_IFLNK:
		return "a symbolic link";
	case AE_IFCHR:
	case AE_IFBLK:
		return "a device";
	default:
		return "no regular file";
	}
}

/* A walk with what only archive_open wants to know: odd members, folders, and where the tar ends. */
struct full_walk {
	struct archive_walk at;
	struct walker walker;
	bool absolute;
	const char *odd; /* what this member is, if it is neither a file nor a folder */
	bool is_folder;
	int (*visit)(void *ctx, struct full_walk *full, struct err *err);
	void *ctx;
};

/*
 * libarchive (3.6.2) loses count in a 7-Zip block if whole members of it are skipped, and calls the next one truncated. Of
 * a member whose first byte was read it skips the rest as it should.
 */
static int touch(struct full_walk *full, struct err *err)
{
	uint8_t byte;

	if (strcmp(full->walker.kind, "7z") != 0 || full->odd || full->is_folder || full->walker.done_bytes)
		return 0;
	return archive_walk_read(&full->at, &byte, 1, err) < 0 ? err->code : 0;
}

/* `*end`: where the member ends in the archive, its padding included. */
static int visit_entry(struct full_walk *full, uint64_t *end, struct err *err)
{
	struct walker *w = &full->walker;
	CLEANUP(free_str) char *name = NULL;
	char quoted[SHOWN];
	int rc = normalise(&name, &full->absolute, w->kind, archive_entry_pathname(w->entry), err);

	if (rc)
		return rc;
	if (archive_entry_is_encrypted(w->entry))
		return err_set(err, -ENOTSUP, "%s member '%s' is encrypted", w->kind, quote(quoted, name));
	int64_t bytes = archive_entry_size_is_set(w->entry) ? archive_entry_size(w->entry) : 0;
	if (bytes < 0)
		return err_set(err, -EBADMSG, "%s member '%s' has a length of %" PRId64, w->kind, quote(quoted, name),
			       bytes);
	full->odd = odd_type(w->entry);
	full->is_folder = !full->odd && archive_entry_filetype(w->entry) == AE_IFDIR;
	full->at.name = name;
	full->at.bytes = full->odd || full->is_folder ? 0 : (uint64_t)bytes;
	rc = full->visit(full->ctx, full, err);
	if (rc)
		return rc;
	if (!full->odd && !full->is_folder)
		full->at.nr++;
	rc = touch(full, err);
	if (rc)
		return rc;
	if (archive_read_data_skip(w->archive) != ARCHIVE_OK)
		return blame(w, name, err);
	*end = (uint64_t)archive_filter_bytes(w->archive, -1);
	return 0;
}

static int walk_all(struct work *work, const struct blob *blob, struct full_walk *full, struct err *err)
{
	CLEANUP(free_archive) struct archive *archive = NULL;
	struct err read_err = { 0 };
	CLEANUP(free_mem) struct source *source = malloc(sizeof(*source));
	struct walker *w = &full->walker;
	uint64_t end = 0;

	if (!source)
		return err_set(err, -ENOMEM, "out of memory");
	source->work = work;
	source->blob = blob;
	source->err = &read_err;
	source->off = 0;
	int rc = open_reader(&archive, source, &w->kind, err);
	if (rc)
		return rc;
	w->archive = archive;
	w->source = source;
	full->at.state = w;
	for (;;) {
		int got = archive_read_next_header(archive, &w->entry);

		if (got == ARCHIVE_EOF)
			break;
		/* A warning is a name in another character set, or something it repaired: neither is for us. */
		if (got != ARCHIVE_OK) {
			rc = blame(w, NULL, err);
			*err = read_err.code ? read_err : *err;
			return rc;
		}
		w->done_bytes = w->hole_bytes = 0;
		w->rest_len = 0;
		w->ended = false;
		rc = visit_entry(full, &end, err);
		if (rc) {
			*err = read_err.code ? read_err : *err;
			return rc;
		}
	}
	if (archive_read_has_encrypted_entries(archive) > 0)
		return err_set(err, -ENOTSUP, "%s archive: it is encrypted", w->kind);
	return strcmp(w->kind, "tar") == 0 ? check_tar_end(work, blob, end, err) : 0;
}

/* archive_each's visitors see regular files alone. */
struct plain_walk {
	int (*visit)(void *ctx, struct archive_walk *at, struct err *err);
	void *ctx;
};

static int visit_file(void *ctx, struct full_walk *full, struct err *err)
{
	struct plain_walk *plain = ctx;

	return full->odd || full->is_folder ? 0 : plain->visit(plain->ctx, &full->at, err);
}

int archive_each(struct work *w, const struct blob *blob,
		 int (*visit)(void *ctx, struct archive_walk *at, struct err *err), void *ctx, struct err *err)
{
	struct plain_walk plain = { visit, ctx };
	struct full_walk full = { .visit = visit_file, .ctx = &plain };

	return walk_all(w, blob, &full, err);
}

/* The folders of a system's root by which it is recognised. */
static const char *const roots[] = { "etc", "bin", "usr", "sbin", "lib", "var", "root", "home", "dev", "proc" };

/* What archive_open gathers. */
struct scan {
	struct unpack_archive *a;
	unsigned roots; /* a bit for each of `roots` that was met */
	size_t room;
	uint8_t head[SNIFF_HEAD_BYTES];
};

static void note_root(struct scan *scan, const char *name)
{
	size_t len = strcspn(name, "/");

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		if (strlen(roots[i]) == len && strncmp(roots[i], name, len) == 0)
			scan->roots |= 1u << i;
	}
}

/* etc, and bin or usr, and one of the others. */
static bool looks_like_root(unsigned met)
{
	return (met & 1) && (met & 6) && __builtin_popcount(met) >= 3;
}

/* Where a member of a tar lies, if it lies there as it is. Checked against what libarchive reads. */
static bool lies_plainly(struct scan *scan, struct full_walk *full, uint64_t off, size_t head_len)
{
	struct err ignored;
	uint8_t there[TAR_BLOCK];
	size_t len = head_len < sizeof(there) ? head_len : sizeof(there);

	if (strcmp(full->walker.kind, "tar") != 0 || archive_entry_sparse_count(full->walker.entry) > 0)
		return false;
	struct blob blob = scan->a->blob;
	if (off > blob.bytes || full->at.bytes > blob.bytes - off)
		return false;
	return blob_read(scan->a->work, &blob, there, len, off, &ignored) == (ssize_t)len &&
	       memcmp(there, scan->head, len) == 0;
}

static void look_at(struct scan *scan, struct archive_member *m, size_t len)
{
	m->looks = sniff_head(scan->head, len);
	m->is_vmdk_text = len >= 21 && memcmp(scan->head, "# Disk DescriptorFile", 21) == 0;
	m->is_disk =
		m->looks->kind == SNIFF_DISK || (m->looks->kind == SNIFF_RAW && table_looks_like_disk(scan->head, len));
	unpack_xml_root(m->xml_root, sizeof(m->xml_root), (const char *)scan->head, len);
}

static int add_member(struct scan *scan, struct full_walk *full, struct err *err)
{
	struct unpack_archive *a = scan->a;

	if (a->member_count == ARCHIVE_MEMBERS_MAX)
		return err_set(err, -EFBIG, "%s archive: more than %d members, and no root file system", a->kind,
			       ARCHIVE_MEMBERS_MAX);
	if (a->member_count == scan->room) {
		size_t room = scan->room ? 2 * scan->room : 16;
		struct archive_member *more = realloc(a->members, room * sizeof(*more));

		if (!more)
			return err_set(err, -ENOMEM, "out of memory");
		a->members = more;
		scan->room = room;
	}
	struct archive_member *m = &a->members[a->member_count++];
	*m = (struct archive_member){ .name = strdup(full->at.name), .bytes = full->at.bytes };
	if (!m->name)
		return err_set(err, -ENOMEM, "out of memory");
	uint64_t off = (uint64_t)archive_filter_bytes(full->walker.archive, -1);
	ssize_t len = archive_walk_read(&full->at, scan->head, sizeof(scan->head), err);
	if (len < 0)
		return (int)len;
	look_at(scan, m, (size_t)len);
	if (lies_plainly(scan, full, off, (size_t)len)) {
		m->ready = true;
		m->blob = a->blob;
		m->blob.off += off;
		m->blob.bytes = m->bytes;
	}
	return 0;
}

static bool is_xva_block(const char *name)
{
	return strncmp(name, "Ref:", 4) == 0 && strchr(name, '/');
}

static int check_limits(struct unpack_archive *a, const struct archive_walk *at, struct err *err)
{
	char quoted[SHOWN];

	a->total_bytes += at->bytes;
	if (at->bytes > work_file_bytes_max(a->work))
		return err_set(err, -EFBIG, "%s member '%s' has %" PRIu64 " bytes, more than a disk may have", a->kind,
			       quote(quoted, at->name), at->bytes);
	if (a->total_bytes > TOTAL_DISKS * work_file_bytes_max(a->work))
		return err_set(err, -EFBIG, "%s archive: its members have %" PRIu64 " bytes and more", a->kind,
			       a->total_bytes);
	return 0;
}

static int on_member(void *ctx, struct full_walk *full, struct err *err)
{
	struct scan *scan = ctx;
	struct unpack_archive *a = scan->a;
	char quoted[SHOWN];

	a->kind = full->walker.kind;
	a->has_absolute |= full->absolute;
	note_root(scan, full->at.name);
	if (full->odd && !a->fault.code)
		err_set(&a->fault, -ENOTSUP, "%s member '%s' is %s", a->kind, quote(quoted, full->at.name), full->odd);
	if (full->odd || full->is_folder)
		return 0;
	int rc = check_limits(a, &full->at, err);
	if (rc)
		return rc;
	if (a->member_count && strcmp(a->members[0].name, "ova.xml") == 0 && is_xva_block(full->at.name)) {
		a->is_xva = true;
		return 0;
	}
	/* A root file system is no more than recognised; it may have any number of files. */
	if (a->member_count == ARCHIVE_MEMBERS_MAX && looks_like_root(scan->roots))
		return 0;
	return add_member(scan, full, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_doubles(struct unpack_archive *a, struct err *err)
{
	char quoted[SHOWN];
	CLEANUP(free_mem) char **names = malloc((a->member_count + 1) * sizeof(*names));

	if (!names)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < a->member_count; i++)
		names[i] = a->members[i].name;
	qsort(names, a->member_count, sizeof(*names), by_name);
	for (size_t i = 1; i < a->member_count; i++) {
		if (strcmp(names[i - 1], names[i]) == 0)
			return err_set(err, -EBADMSG, "%s archive: two members are called '%s'", a->kind,
				       quote(quoted, names[i]));
	}
	return 0;
}

static void drop_members(struct unpack_archive *a)
{
	for (size_t i = 0; i < a->member_count; i++)
		free(a->members[i].name);
	free(TAKE(a->members));
	a->member_count = 0;
}

int archive_open(struct unpack_archive **out, struct work *w, const struct blob *blob, struct err *err)
{
	CLEANUP(archive_close) struct unpack_archive *a = calloc(1, sizeof(*a));
	CLEANUP(free_mem) struct scan *scan = calloc(1, sizeof(*scan));

	if (!a || !scan)
		return err_set(err, -ENOMEM, "out of memory");
	a->work = w;
	a->blob = *blob;
	scan->a = a;
	struct full_walk full = { .visit = on_member, .ctx = scan };
	int rc = walk_all(w, blob, &full, err);
	if (rc)
		return rc;
	a->kind = full.walker.kind; /* of one without members, too */
	if (looks_like_root(scan->roots) && strcmp(a->kind, "tar") == 0) {
		a->is_rootfs = true;
		drop_members(a);
	} else if (a->fault.code) {
		*err = a->fault;
		return err->code;
	} else {
		rc = check_doubles(a, err);
	}
	if (!rc)
		*out = TAKE(a);
	return rc;
}

void archive_close(struct unpack_archive **a)
{
	if (!*a)
		return;
	drop_members(*a);
	free(TAKE(*a));
}

struct archive_member *archive_find(struct unpack_archive *a, const char *name, const struct archive_member *folder_of)
{
	const char *slash = folder_of ? strrchr(folder_of->name, '/') : NULL;
	size_t folder_len = slash ? (size_t)(slash + 1 - folder_of->name) : 0;

	for (size_t i = 0; i < a->member_count; i++) {
		const char *found = a->members[i].name;

		if ((!folder_len || strncmp(found, folder_of->name, folder_len) == 0) &&
		    strcmp(found + folder_len, name) == 0)
			return &a->members[i];
	}
	return NULL;
}

static int copy_member(struct unpack_archive *a, struct archive_member *m, struct archive_walk *at, struct err *err)
{
	CLEANUP(free_mem) uint8_t *buf = malloc(COPY_BYTES);
	CLEANUP(scratch_cancel) struct scratch_file f = { .fd = -1 };
	char quoted[SHOWN];

	if (!buf)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = scratch_create(&f, a->work, work_file_bytes_max(a->work), err);
	while (!rc) {
		ssize_t len = archive_walk_read(at, buf, COPY_BYTES, err);

		if (len < 0)
			return (int)len;
		if (len == 0)
			break;
		rc = scratch_write(&f, buf, (size_t)len, err);
	}
	if (rc)
		return err_wrap(err, "%s member '%s'", a->kind, quote(quoted, m->name));
	if (f.off != m->bytes)
		return err_set(err, -EBADMSG, "%s member '%s' has %" PRIu64 " bytes, its header says %" PRIu64, a->kind,
			       quote(quoted, m->name), f.off, m->bytes);
	m->ready = true;
	return scratch_finish(&m->blob, &f, err);
}

static int fetch_one(void *ctx, struct archive_walk *at, struct err *err)
{
	struct unpack_archive *a = ctx;

	/* Blocks of an XVA are not among the members, and are never fetched. */
	if (at->nr >= a->member_count || strcmp(a->members[at->nr].name, at->name) != 0)
		return err_set(err, -EBADMSG, "%s archive: it reads differently the second time", a->kind);
	struct archive_member *m = &a->members[at->nr];
	return m->wanted && !m->ready ? copy_member(a, m, at, err) : 0;
}

int archive_fetch(struct unpack_archive *a, struct err *err)
{
	bool missing = false;

	for (size_t i = 0; i < a->member_count; i++)
		missing |= a->members[i].wanted && !a->members[i].ready;
	return missing ? archive_each(a->work, &a->blob, fetch_one, a, err) : 0;
}

void archive_drop(struct unpack_archive *a, struct archive_member *member)
{
	if (strcmp(member->blob.file, a->blob.file) == 0)
		return;
	blob_drop(a->work, &member->blob);
	member->ready = member->wanted = false;
}

int archive_load(char **text, struct unpack_archive *a, struct archive_member *member, size_t max, struct err *err)
{
	char quoted[SHOWN];

	if (member->bytes > max)
		return err_set(err, -EFBIG, "%s member '%s' has %" PRIu64 " bytes, at most %zu are read", a->kind,
			       quote(quoted, member->name), member->bytes, max);
	member->wanted = true;
	int rc = archive_fetch(a, err);
	return rc ? rc : blob_load(text, a->work, &member->blob, max, err);
}
