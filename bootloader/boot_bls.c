/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_bls: see boot_bls.h */
#include "boot_bls.h"

#include "boot_version.h"
#include "cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 512u
#define RELEASE_MAX (16u << 10)

/* The value of a line whose key is that, without blanks around it; NULL: another key. */
static const char *value_of(char *line, size_t key_len)
{
	char *value = line + key_len + strspn(line + key_len, " \t");
	size_t len = strlen(value);

	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t' || value[len - 1] == '\r'))
		len--;
	value[len] = '\0';
	return value;
}

static int add_value(const char **list, size_t *count, size_t max, const char *value, struct err *err)
{
	if (*count == max)
		return err_set(err, -E2BIG, "more than %zu lines of that kind", max);
	list[(*count)++] = value;
	return 0;
}

static int parse_line(struct bls_entry *entry, char *line, struct err *err)
{
	const struct {
		const char *key;
		const char **value;
	} single[] = {
		{ "title", &entry->title },           { "version", &entry->version },
		{ "machine-id", &entry->machine_id }, { "sort-key", &entry->sort_key },
		{ "linux", &entry->kernel },          { "efi", &entry->efi },
		{ "devicetree", &entry->devicetree }, { "architecture", &entry->architecture },
	};

	line += strspn(line, " \t");
	size_t key_len = strcspn(line, " \t");
	if (key_len == 0 || line[0] == '#')
		return 0;
	const char *value = value_of(line, key_len);
	if (!*value)
		return 0;
	line[key_len] = '\0';
	if (strcmp(line, "initrd") == 0)
		return add_value(entry->initrds, &entry->initrd_count, BLS_INITRDS_MAX, value, err);
	if (strcmp(line, "options") == 0)
		return add_value(entry->options, &entry->option_count, BLS_OPTIONS_MAX, value, err);
	for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
		if (strcmp(line, single[i].key) == 0)
			*single[i].value = value;
	return 0;
}

int bls_parse(struct bls_entry *entry, char *text, size_t len, struct err *err)
{
	unsigned nr = 0;

	if (memchr(text, '\0', len))
		return err_set(err, -EBADMSG, "'%s' has a NUL byte in it", entry->file.path);
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		nr++;
		if (parse_line(entry, line, err) != 0)
			return err_wrap(err, "%s:%u", entry->file.path, nr);
	}
	return 0;
}

/* os-release(5): NAME=VALUE, the value perhaps between quotes. */
static void parse_release(struct bls_entry *entry, char *text)
{
	const char *id = NULL, *image_id = NULL, *version = NULL, *image_version = NULL;
	const struct {
		const char *key;
		const char **value;
	} keys[] = {
		{ "PRETTY_NAME=", &entry->title },    { "ID=", &id },
		{ "IMAGE_ID=", &image_id },           { "VERSION_ID=", &version },
		{ "IMAGE_VERSION=", &image_version },
	};

	for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
			size_t key_len = strlen(keys[i].key);
			char *value = line + key_len;

			if (strncmp(line, keys[i].key, key_len) != 0)
				continue;
			if (*value == '"' || *value == '\'')
				value++;
			value[strcspn(value, "\"'\r")] = '\0';
			*keys[i].value = value;
		}
	}
	entry->sort_key = image_id ? image_id : id;
	entry->version = image_version ? image_version : version;
}

static int read_image(struct bls_entry *entry, struct err *err)
{
	uint64_t bytes;
	CLEANUP(close_fd) int fd = boot_file_open(&bytes, &entry->file, err);
	size_t len;

	if (fd < 0)
		return fd;
	entry->is_image = true;
	int rc = boot_uki_read(&entry->image, fd, bytes, err);
	if (rc == 0 && entry->image.release.bytes)
		rc = boot_uki_text(&entry->text, &len, fd, &entry->image.release, RELEASE_MAX, err);
	if (rc != 0)
		return err_wrap(err, "'%s'", entry->file.path);
	if (entry->text)
		parse_release(entry, entry->text);
	return 0;
}

static int read_text(struct bls_entry *entry, struct err *err)
{
	size_t len;
	int rc = boot_file_read(&entry->text, &len, &entry->file, BLS_TEXT_MAX, err);

	return rc == 0 ? bls_parse(entry, entry->text, len, err) : rc;
}

/* NAME+LEFT.conf or NAME+LEFT-DONE.conf: the boot loader counts down how often it tries an entry that has not come up yet. */
static void take_name(struct bls_entry *entry, const char *name)
{
	snprintf(entry->id, sizeof(entry->id), "%s", name);
	char *suffix = strrchr(entry->id, '.');
	if (suffix)
		*suffix = '\0';
	char *plus = strrchr(entry->id, '+');
	if (!plus)
		return;
	size_t left = strspn(plus + 1, "0123456789");
	const char *end = plus + 1 + left;
	if (*end == '-')
		end += 1 + strspn(end + 1, "0123456789");
	if (left == 0 || *end)
		return;
	entry->is_bad = strspn(plus + 1, "0") == left;
	*plus = '\0';
}

static bool is_ours(const struct bls_entry *entry)
{
#if defined(__x86_64__)
	static const char ours[] = "x64";
#elif defined(__aarch64__)
	static const char ours[] = "aa64";
#else
	static const char ours[] = "";
#endif
	return !entry->architecture || strcasecmp(entry->architecture, ours) == 0;
}

static void entry_done(struct bls_entry *entry)
{
	free(entry->text);
}

static int add_entry(struct bls_list *list, const struct boot_file *dir, const char *name, bool is_image,
		     struct err *err)
{
	CLEANUP(entry_done) struct bls_entry entry = { 0 };
	char path[2 * BOOT_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir->path, name);
	int rc = boot_file_set(&entry.file, dir->volume, dir->in_default, path, err);
	if (rc != 0)
		return rc;
	take_name(&entry, name);
	rc = is_image ? read_image(&entry, err) : read_text(&entry, err);
	/* Other EFI programs, images for other processors, and links to nothing may lie beside those that count. */
	if (rc == -ENOTSUP || rc == -ENOENT || (rc == 0 && !is_ours(&entry)))
		return 0;
	if (rc != 0)
		return rc;
	if (list->count == ENTRIES_MAX)
		return err_set(err, -E2BIG, "'%s': more than %u entries", dir->path, ENTRIES_MAX);
	struct bls_entry *more = realloc(list->entries, (list->count + 1) * sizeof(*more));
	if (!more)
		return err_set(err, -ENOMEM, "out of memory");
	list->entries = more;
	list->entries[list->count++] = entry;
	entry.text = NULL;
	return 0;
}

int bls_list_add(struct bls_list *list, const struct boot_file *dir, bool are_images, struct err *err)
{
	CLEANUP(boot_names_free) struct boot_names names = { 0 };
	int rc = boot_file_list(&names, dir, are_images ? ".efi" : ".conf", err);

	if (rc == -ENOENT) {
		*err = (struct err){ 0 };
		return 0;
	}
	for (size_t i = 0; rc == 0 && i < names.count; i++)
		rc = add_entry(list, dir, names.names[i], are_images, err);
	return rc;
}

void bls_list_free(struct bls_list *list)
{
	while (list->count)
		entry_done(&list->entries[--list->count]);
	free(list->entries);
	list->entries = NULL;
}

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

int bls_compare(const void *left, const void *right)
{
	const struct bls_entry *a = left, *b = right;
	int order = a->is_bad - b->is_bad;

	if (order == 0)
		order = (a->sort_key == NULL) - (b->sort_key == NULL);
	if (order == 0 && a->sort_key) {
		order = strcmp(a->sort_key, b->sort_key);
		if (order == 0)
			order = compare_texts(a->machine_id, b->machine_id);
		if (order == 0)
			order = boot_version_compare(b->version ? b->version : "", a->version ? a->version : "");
	}
	return order ? order : bls_compare_names(a, b);
}

int bls_compare_names(const void *left, const void *right)
{
	const struct bls_entry *a = left, *b = right;
	int order = boot_version_compare(b->id, a->id);

	return order ? order : strcmp(b->id, a->id);
}

bool bls_matches(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			from = text;
		} else if (*pattern == *text || *pattern == '?') {
			pattern++;
			text++;
		} else if (star) {
			/* The last star takes one more; what the ones before it took need not change. */
			pattern = star;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
