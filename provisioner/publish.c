/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish: see publish.h */
#include "publish.h"

#include "bytes.h"
#include "cleanup.h"
#include "folder.h"
#include "image_writer.h"
#include "json.h"
#include "publish_convert.h"
#include "publish_package.h"
#include "sniff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_ROOM  4096
#define COPY_BYTES (1u << 20)
/* Holes of a published file are this large or larger. */
#define HOLE_BYTES (64u << 10)
/* Of a published file's name: enough to tell files apart, and it remains readable. */
#define DIGEST_CHARS 16
#define NAME_CHARS   100
#define TYPE_ROOM    64

struct publish {
	const struct publish_options *options;
	int lock; /* the folder, open */
	struct publish_feed *feed;
	struct publish_signed last;
	char work[PATH_ROOM]; /* what is being made, in the folder itself */
};

/* The original form while it is made: a file in the work folder. */
struct original {
	char path[PATH_ROOM];
	char name[NAME_CHARS + 1]; /* as the publisher calls it */
	char type[TYPE_ROOM];
	uint64_t bytes;
	uint8_t digest[DIGEST_BYTES];
};

static int format_path(char out[static PATH_ROOM], const char *folder, const char *name, struct err *err)
{
	if (snprintf(out, PATH_ROOM, "%s/%s", folder, name) >= PATH_ROOM)
		return err_set(err, -ENAMETOOLONG, "'%s/%s': path is too long", folder, name);
	return 0;
}

static int make_folder(const char *path, struct err *err)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		return err_set(err, -errno, "create '%s': %s", path, strerror(errno));
	return 0;
}

static int lock_folder(struct publish *p, struct err *err)
{
	const char *folder = p->options->folder;
	int rc = make_folder(folder, err);

	if (rc)
		return rc;
	p->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->lock < 0)
		return err_set(err, -errno, "open '%s': %s", folder, strerror(errno));
	if (flock(p->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? err_set(err, -EBUSY, "'%s': another vmcast publish works on it", folder)
				    : err_set(err, -errno, "lock '%s': %s", folder, strerror(errno));
}

int publish_open(struct publish **out, const struct publish_options *options, struct err *err)
{
	CLEANUP(publish_close) struct publish *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, -ENOMEM, "publish: out of memory");
	p->options = options;
	p->lock = -1;
	int rc = lock_folder(p, err);
	if (!rc)
		rc = publish_feed_open(&p->feed, options->folder, &options->channel, err);
	if (!rc)
		rc = format_path(p->work, options->folder, ".publish", err);
	if (rc)
		return rc;
	*out = TAKE(p);
	return 0;
}

void publish_close(struct publish **pp)
{
	struct publish *p = *pp;

	if (!p)
		return;
	struct err ignored;
	if (p->work[0])
		folder_remove(p->work, &ignored);
	publish_feed_close(&p->feed);
	close_fd(&p->lock);
	free(p);
	*pp = NULL;
}

bool publish_is_absolute(const struct publish *p)
{
	return publish_feed_base(p->feed)[0];
}

/* Whatever the file is called at home, its name in URLs and on any file system is a plain one. */
static void choose_name(char out[static NAME_CHARS + 1], const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(name), at = 0;

	/* What is at the end says what the file is. */
	for (name += len > NAME_CHARS ? len - NAME_CHARS : 0; *name; name++) {
		bool plain = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
			     (*name >= '0' && *name <= '9') || *name == '.' || *name == '-' || *name == '_';

		out[at++] = plain ? *name : '_';
	}
	out[at] = '\0';
}

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len >= end_len && strcasecmp(name + len - end_len, end) == 0;
}

/* A media type that every reader's idea of the name and of the bytes agrees with. */
static void choose_type(char out[static TYPE_ROOM], const struct sniff_format *format, const char *name)
{
	static const struct {
		const char *suffix, *type;
	} known[] = { { ".xvm2", "application/enomalism2-xvm2" },
		      { ".xvm", "application/enomalism2-xvm" },
		      { ".ova", "application/ovf" } };

	snprintf(out, TYPE_ROOM, "application/octet-stream");
	if (format->kind != SNIFF_RAW && format->types[0])
		snprintf(out, TYPE_ROOM, "%.*s", (int)strcspn(format->types + 1, " "), format->types + 1);
	for (size_t i = 0; format->kind == SNIFF_ARCHIVE && i < sizeof(known) / sizeof(known[0]); i++)
		if (ends_with(name, known[i].suffix))
			snprintf(out, TYPE_ROOM, "%s", known[i].type);
}

/* Zeros become holes: what is long and empty takes no room. */
static int write_sparse(int fd, const uint8_t *data, size_t len, uint64_t off, const char *path, struct err *err)
{
	for (size_t at = 0, piece; at < len; at += piece) {
		piece = len - at < HOLE_BYTES ? len - at : HOLE_BYTES;
		if (bytes_are_zero(data + at, piece))
			continue;
		ssize_t put = pwrite(fd, data + at, piece, (off_t)(off + at));
		if (put != (ssize_t)piece)
			return err_set(err, put < 0 ? -errno : -ENOSPC, "write '%s': %s", path,
				       strerror(put < 0 ? errno : ENOSPC));
	}
	return 0;
}

static int copy_original(struct publish *p, struct original *original, int from, struct err *err)
{
	CLEANUP(free_mem) uint8_t *buf = malloc(COPY_BYTES);
	CLEANUP(close_fd) int to = open(original->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	struct digest digest;
	struct stat st;
	ssize_t got = 0;
	int rc = 0;

	if (!buf)
		return err_set(err, -ENOMEM, "copy: out of memory");
	if (to < 0 || fstat(from, &st))
		return err_set(err, -errno, "create '%s': %s", original->path, strerror(errno));
	digest_init(&digest);
	while (!rc && (got = pread(from, buf, COPY_BYTES, (off_t)original->bytes)) > 0) {
		digest_add(&digest, buf, (size_t)got);
		rc = write_sparse(to, buf, (size_t)got, original->bytes, original->path, err);
		original->bytes += (uint64_t)got;
		if (!rc)
			rc = watch_look(&p->options->watch, "copying", original->bytes, (uint64_t)st.st_size, err);
	}
	if (got < 0)
		return err_set(err, -errno, "read: %s", strerror(errno));
	if (!rc && (ftruncate(to, (off_t)original->bytes) || fsync(to)))
		return err_set(err, -errno, "write '%s': %s", original->path, strerror(errno));
	digest_final(&digest, original->digest);
	return rc;
}

static int digest_file(struct publish *p, struct original *original, struct err *err)
{
	CLEANUP(free_mem) uint8_t *buf = malloc(COPY_BYTES);
	CLEANUP(close_fd) int fd = open(original->path, O_RDONLY | O_CLOEXEC);
	struct digest digest;
	struct stat st;
	ssize_t got = 0;
	int rc = 0;

	if (!buf)
		return err_set(err, -ENOMEM, "digest: out of memory");
	if (fd < 0 || fstat(fd, &st))
		return err_set(err, -errno, "open '%s': %s", original->path, strerror(errno));
	digest_init(&digest);
	original->bytes = 0;
	while (!rc && (got = read(fd, buf, COPY_BYTES)) > 0) {
		digest_add(&digest, buf, (size_t)got);
		original->bytes += (uint64_t)got;
		rc = watch_look(&p->options->watch, "digesting", original->bytes, (uint64_t)st.st_size, err);
	}
	digest_final(&digest, original->digest);
	if (got < 0)
		return err_set(err, -errno, "read '%s': %s", original->path, strerror(errno));
	if (!rc && fsync(fd))
		return err_set(err, -errno, "flush '%s': %s", original->path, strerror(errno));
	return rc;
}

/* Move the original form to where it is served from; `*file` is its path below the folder, caller frees. */
static int place_original(const struct publish *p, char **file, const struct original *original, struct err *err)
{
	char digest[DIGEST_HEX], folder[PATH_ROOM], path[PATH_ROOM];

	digest_hex(digest, original->digest);
	if (asprintf(file, "files/%.*s-%s", DIGEST_CHARS, digest, original->name) < 0) {
		*file = NULL;
		return err_set(err, -ENOMEM, "publish: out of memory");
	}
	int rc = format_path(folder, p->options->folder, "files", err);
	if (!rc)
		rc = make_folder(folder, err);
	if (!rc)
		rc = format_path(path, p->options->folder, *file, err);
	if (!rc && rename(original->path, path))
		rc = err_set(err, -errno, "move '%s' to '%s': %s", original->path, path, strerror(errno));
	return rc ? rc : folder_sync(folder, err);
}

static int place_images(const struct publish *p, const struct store_content *content, struct err *err)
{
	char images[PATH_ROOM], folder[PATH_ROOM], name[32];
	int rc = format_path(images, p->options->folder, "images", err);

	if (!rc)
		rc = make_folder(images, err);
	for (size_t i = 0; !rc && i < content->disk_count; i++) {
		snprintf(name, sizeof(name), "image.%zu", i);
		rc = format_path(folder, p->work, name, err);
		if (!rc)
			rc = image_publish(images, folder, &content->disks[i].image, err);
	}
	return rc ? rc : folder_sync(p->options->folder, err);
}

/* What a subscriber would say of the file is said now. */
static int find_format(const struct sniff_format **out, int fd, const char *name, struct err *err)
{
	const struct sniff_format *declared;
	struct stat st;

	if (fstat(fd, &st))
		return err_set(err, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "not a regular file");
	int rc = sniff_file(out, fd, 0, (uint64_t)st.st_size, err);
	if (!rc)
		rc = sniff_declared(&declared, NULL, name, err);
	if (!rc && declared && declared != *out)
		rc = err_set(err, -EINVAL, "its name promises %s, its bytes are %s", declared->name, (*out)->name);
	return rc;
}

static int keep_facts(struct publish_result *out, const struct original *original, struct err *err)
{
	out->length = original->bytes;
	memcpy(out->digest, original->digest, DIGEST_BYTES);
	out->type = strdup(original->type);
	return out->type ? 0 : err_set(err, -ENOMEM, "publish: out of memory");
}

/* A package of the disks. What was not asked for is as the image's own description has it. */
static int pack_original(struct publish *p, struct original *original, const struct publish_result *out,
			 const char *title, struct err *err)
{
	const struct publish_options *o = p->options;
	CLEANUP(json_free) json_t *machine = out->content.machine ? json_loads(out->content.machine, 0, NULL) : NULL;
	const char *firmware = json_string_value(json_object_get(machine, "firmware"));
	uint64_t memory_bytes = (uint64_t)json_integer_value(json_object_get(machine, "memory_bytes"));
	unsigned cpus = (unsigned)json_integer_value(json_object_get(machine, "cpus"));
	const struct publish_package_options options = {
		.content = &out->content,
		.work = p->work,
		.path = original->path,
		.title = title,
		.firmware = o->firmware ? o->firmware : firmware,
		.arch = o->arch,
		.memory_bytes = o->memory_bytes ? o->memory_bytes : memory_bytes,
		.cpus = o->cpus ? o->cpus : cpus,
		.watch = &o->watch,
	};
	bool ova = o->package == PUBLISH_OVA;
	char name[PUBLISH_NAME_ROOM];

	publish_package_name(name, title);
	snprintf(original->name, sizeof(original->name), "%s%s", name, ova ? ".ova" : ".xvm2");
	snprintf(original->type, sizeof(original->type), "%s", ova ? "application/ovf" : "application/enomalism2-xvm2");
	int rc = ova ? publish_package_ova(&options, err) : publish_package_xvm2(&options, err);
	return rc ? rc : digest_file(p, original, err);
}

static int make_original(struct publish *p, struct publish_result *out, int fd, const struct publish_image *image,
			 const struct sniff_format *format, struct err *err)
{
	struct original original = { .bytes = 0 };
	int rc = format_path(original.path, p->work, "original", err);

	if (!rc && p->options->package != PUBLISH_AS_IT_IS) {
		rc = pack_original(p, &original, out, image->title, err);
	} else if (!rc) {
		choose_name(original.name, image->path);
		choose_type(original.type, format, original.name);
		rc = copy_original(p, &original, fd, err);
	}
	if (!rc)
		rc = keep_facts(out, &original, err);
	return rc ? rc : place_original(p, &out->file, &original, err);
}

/* Without an original form, the boot disk is what other readers see: any zstd unpacks it. */
static int name_image(struct publish *p, struct publish_result *out, struct err *err)
{
	struct original original = { .type = "application/zstd" };

	if (asprintf(&out->file, "images/%s/image.zst", out->content.disks[0].image.id) < 0) {
		out->file = NULL;
		return err_set(err, -ENOMEM, "publish: out of memory");
	}
	int rc = format_path(original.path, p->options->folder, out->file, err);
	if (!rc)
		rc = digest_file(p, &original, err);
	return rc ? rc : keep_facts(out, &original, err);
}

/* The disks, in the work folder. Of what is not a disk, there are none to publish: an ISO's would lose what else it is. */
static int make_disks(struct publish *p, struct publish_result *out, int fd, struct err *err)
{
	const struct publish_options *o = p->options;
	const struct publish_convert_options options = {
		.work = p->work,
		.unpack_program = o->unpack_program,
		.watch = &o->watch,
	};
	int rc = publish_convert(&out->content, fd, &options, err);

	if (rc || out->content.kind == ITEM_DISK)
		return rc;
	out->original_only = true;
	if (o->original && o->package == PUBLISH_AS_IT_IS)
		return 0;
	return err_set(err, -ENOTSUP, "it is %s, of which only the original form can be published",
		       out->content.form ? out->content.form : content_kind_name(out->content.kind));
}

static int make_forms(struct publish *p, struct publish_result *out, const struct publish_image *image, int fd,
		      struct err *err)
{
	const struct publish_options *o = p->options;
	const struct sniff_format *format;
	int rc = find_format(&format, fd, image->path, err);

	if (!rc && (o->deployable || o->package != PUBLISH_AS_IT_IS))
		rc = make_disks(p, out, fd, err);
	bool deployable = o->deployable && !out->original_only;
	if (!rc && out->content.disk_count)
		out->disk_bytes = out->content.disks[0].image.disk_bytes;
	if (!rc && o->original)
		rc = make_original(p, out, fd, image, format, err);
	if (!rc && deployable)
		rc = place_images(p, &out->content, err);
	if (!rc && !o->original)
		rc = name_image(p, out, err);
	if (!deployable)
		store_content_free(&out->content);
	return rc;
}

int publish_renew(struct publish *p, struct err *err)
{
	const struct publish_sign_options options = {
		.folder = p->options->folder,
		.base_url = publish_feed_base(p->feed),
		.repository = p->options->key,
		.days = p->options->key_days,
	};

	return publish_sign(&p->last, &options, err);
}

struct publish_signed publish_signed(const struct publish *p)
{
	return p->last;
}

/* What the document of before named goes when nobody is led to that any more. */
static int save(struct publish *p, struct err *err)
{
	int rc = publish_feed_save(p->feed, err);

	if (!rc && p->options->key)
		rc = publish_renew(p, err);
	if (!rc)
		publish_feed_sweep(p->feed);
	return rc;
}

static int announce(struct publish *p, struct publish_result *out, const struct publish_image *image, struct err *err)
{
	const struct publish_item item = {
		.uuid = out->uuid,
		.title = image->title,
		.description = image->description ? image->description : image->title,
		.link = image->link,
		.published = (int64_t)time(NULL),
		.file = out->file,
		.type = out->type,
		.length = out->length,
		.digest = out->digest,
		.arch = p->options->arch,
		.firmware = p->options->firmware,
		.disk_bytes = out->disk_bytes,
		.memory_bytes = p->options->memory_bytes,
		.disks = out->content.disks,
		.disk_count = out->content.disk_count,
	};
	int rc = publish_feed_put(p->feed, &item, err);

	if (rc < 0)
		return rc;
	out->replaced = rc;
	return save(p, err);
}

static int choose_uuid(const struct publish *p, struct publish_result *out, const struct publish_image *image,
		       struct err *err)
{
	char uuid[PUBLISH_UUID_CHARS];

	publish_feed_uuid(p->feed, uuid, image->title);
	out->uuid = strdup(image->uuid ? image->uuid : uuid);
	return out->uuid ? 0 : err_set(err, -ENOMEM, "publish: out of memory");
}

static int add(struct publish *p, struct publish_result *out, const struct publish_image *image, struct err *err)
{
	CLEANUP(close_fd) int fd = open(image->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	int rc = folder_remove(p->work, err);
	if (!rc)
		rc = make_folder(p->work, err);
	if (!rc)
		rc = choose_uuid(p, out, image, err);
	if (!rc)
		rc = make_forms(p, out, image, fd, err);
	return rc ? rc : announce(p, out, image, err);
}

int publish_add(struct publish *p, struct publish_result *out, const struct publish_image *image, struct err *err)
{
	CLEANUP(publish_result_free) struct publish_result result = { .uuid = NULL };
	int rc = add(p, &result, image, err);

	if (rc)
		return err_wrap(err, "'%s'", image->path);
	*out = result;
	result = (struct publish_result){ .uuid = NULL };
	return 0;
}

int publish_remove(struct publish *p, const char *uuid, struct err *err)
{
	int rc = publish_feed_remove(p->feed, uuid, err);

	return rc ? rc : save(p, err);
}

void publish_result_free(struct publish_result *result)
{
	free(TAKE(result->uuid));
	free(TAKE(result->file));
	free(TAKE(result->type));
	store_content_free(&result->content);
}
