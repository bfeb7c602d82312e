/* SPDX-License-Identifier: GPL-2.0-or-later */
/* content: see content.h */
#include "content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *content_kind_name(enum item_kind kind)
{
	static const char *const names[] = {
		[ITEM_DISK] = "disk", [ITEM_ROOTFS] = "rootfs", [ITEM_KERNEL] = "kernel", [ITEM_ISO] = "iso"
	};

	return names[kind];
}

void store_content_free(struct store_content *content)
{
	for (size_t i = 0; i < content->disk_count; i++) {
		free(content->disks[i].name);
		free(content->disks[i].bus);
	}
	for (size_t i = 0; i < content->note_count; i++)
		free(content->notes[i]);
	free(content->disks);
	free(content->notes);
	free(content->form);
	free(content->machine);
	free(content->cmdline);
	*content = (struct store_content){ 0 };
}

static int add_disk(struct store_content *content, const struct content_disk *disk, struct err *err)
{
	if (content->disk_count == CONTENT_DISKS_MAX)
		return err_set(err, -EFBIG, "more than %d disks", CONTENT_DISKS_MAX);
	struct content_disk *grown = realloc(content->disks, (content->disk_count + 1) * sizeof(*grown));
	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	content->disks = grown;
	content->disks[content->disk_count++] = *disk;
	return 0;
}

int content_add_disk(struct store_content *content, const struct store_image *image, char *name, char *bus,
		     struct err *err)
{
	const struct content_disk disk = { .image = *image, .name = name, .bus = bus };
	int rc = add_disk(content, &disk, err);

	if (rc < 0) {
		free(name);
		free(bus);
	}
	return rc;
}

int content_add_note(struct store_content *content, const char *note, struct err *err)
{
	char **grown = realloc(content->notes, (content->note_count + 1) * sizeof(*grown));

	if (!grown)
		return err_set(err, -ENOMEM, "out of memory");
	content->notes = grown;
	if (!(grown[content->note_count] = strdup(note)))
		return err_set(err, -ENOMEM, "out of memory");
	content->note_count++;
	return 0;
}

static bool is_repeated(const struct store_content *content, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (strcmp(content->disks[i].image.id, content->disks[nr].image.id) == 0)
			return true;
	return false;
}

uint64_t content_bytes(const struct store_content *content)
{
	uint64_t bytes = content->file.bytes + content->initrd.bytes;

	for (size_t i = 0; i < content->disk_count; i++)
		if (!is_repeated(content, i))
			bytes += content->disks[i].image.image_bytes + content->disks[i].image.index_bytes;
	return bytes;
}
