/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_hdd: see unpack_hdd.h */
#include "unpack_hdd.h"

#include "cleanup.h"
#include "log.h"
#include "unpack_xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 160

static unsigned count(const xmlNode *parent, const char *name)
{
	unsigned found = 0;

	for (const xmlNode *n = unpack_xml_child(parent, name); n; n = unpack_xml_next(n, name))
		found++;
	return found;
}

static int check_name(const char *file, struct err *err)
{
	char quoted[SHOWN];

	if (!file)
		return err_set(err, -EBADMSG, "its image has no file");
	if (strchr(file, '/') || strchr(file, '\\') || strcmp(file, "..") == 0)
		return err_set(err, -ENOTSUP, "its image is a file elsewhere, '%s'",
			       log_quote(quoted, sizeof(quoted), file));
	return 0;
}

static int read_image(struct hdd *hdd, const xmlNode *storage, struct err *err)
{
	const xmlNode *image = unpack_xml_child(storage, "Image");
	CLEANUP(free_str) char *type = unpack_xml_child_text(image, "Type");
	char quoted[SHOWN];

	if (count(storage, "Image") != 1)
		return err_set(err, -ENOTSUP, "%u images of one storage, snapshots of each other",
			       count(storage, "Image"));
	hdd->file = unpack_xml_child_text(image, "File");
	int rc = check_name(hdd->file, err);
	if (rc)
		return rc;
	if (!type || (strcmp(type, "Compressed") != 0 && strcmp(type, "Plain") != 0))
		return err_set(err, -ENOTSUP, "an image of the type '%s'",
			       log_quote(quoted, sizeof(quoted), type ? type : ""));
	hdd->plain = strcmp(type, "Plain") == 0;
	return 0;
}

static int read_disk(struct hdd *hdd, const xmlNode *root, struct err *err)
{
	const xmlNode *parameters = unpack_xml_child(root, "Disk_Parameters");
	const xmlNode *data = unpack_xml_child(root, "StorageData");
	CLEANUP(free_str) char *sectors = unpack_xml_child_text(parameters, "Disk_size");
	CLEANUP(free_str) char *sector_bytes = unpack_xml_child_text(parameters, "LogicSectorSize");
	const xmlNode *encryption = unpack_xml_child(unpack_xml_child(parameters, "Encryption"), "Data");
	CLEANUP(free_str) char *encrypted = unpack_xml_text(encryption);
	unsigned shots = count(unpack_xml_child(root, "Snapshots"), "Shot");
	uint64_t one = 512;

	if (encrypted)
		return err_set(err, -ENOTSUP, "it is encrypted");
	if (count(data, "Storage") != 1)
		return err_set(err, -ENOTSUP, "%u storages, one is supported", count(data, "Storage"));
	if (shots > 1)
		return err_set(err, -ENOTSUP, "%u snapshots, one is supported", shots);
	int rc = unpack_xml_u64(&one, "LogicSectorSize", sector_bytes, 65536, err);
	if (!rc)
		rc = unpack_xml_u64(&hdd->disk_bytes, "Disk_size", sectors, (uint64_t)INT64_MAX >> 17, err);
	if (rc)
		return rc;
	hdd->disk_bytes *= one;
	return read_image(hdd, unpack_xml_child(data, "Storage"), err);
}

int hdd_parse(struct hdd *out, const char *what, const char *text, size_t len, struct err *err)
{
	CLEANUP(unpack_xml_free) xmlDoc *doc = NULL;
	CLEANUP(hdd_done) struct hdd hdd = { 0 };
	int rc = unpack_xml_parse(&doc, what, text, len, err);

	if (rc)
		return rc;
	const xmlNode *root = unpack_xml_top(doc, "Parallels_disk_image");
	if (!root)
		return err_set(err, -EBADMSG, "%s: its root is no <Parallels_disk_image>", what);
	rc = read_disk(&hdd, root, err);
	if (rc)
		rc = err_wrap(err, "%s", what);
	rc = unpack_xml_check(doc, rc, what, err);
	if (rc)
		return rc;
	*out = hdd;
	hdd.file = NULL;
	return 0;
}

void hdd_done(struct hdd *hdd)
{
	free(TAKE(hdd->file));
}
