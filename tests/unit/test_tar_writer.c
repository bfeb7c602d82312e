/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tar_writer makes, another's reader reads: names, lengths of any size, contents. */
#include "tar_writer.h"

#include "tap.h"
#include "tree.h"

#include <archive.h>
#include <archive_entry.h>

static void members_are_read_back(void)
{
	static const size_t sizes[] = { 0, 1, 511, 512, 513, 70000 };
	CLEANUP(tar_writer_close) struct tar_writer *w = NULL;
	static uint8_t data[70000], found[70000];
	char path[64], name[16];
	struct archive_entry *entry;
	struct err err = { 0 };
	int rc;

	memset(data, 'v', sizeof(data));
	snprintf(path, sizeof(path), "%s/archive", root);
	is_int(tar_writer_open(&w, path, &err), 0, "an archive is begun");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(name, sizeof(name), "member%zu", i);
		rc = tar_writer_begin(w, name, &err);
		/* In two pieces: the length is known at the end only. */
		rc = rc ? rc : tar_writer_add(w, data, sizes[i] / 2, &err);
		rc = rc ? rc : tar_writer_add(w, data, sizes[i] - sizes[i] / 2, &err);
		is_int(rc, 0, "a member is written");
	}
	is_int(tar_writer_finish(w, &err), 0, "and the end");

	struct archive *a = archive_read_new();
	archive_read_support_format_tar(a);
	is_int(archive_read_open_filename(a, path, 10240), ARCHIVE_OK, "libarchive opens it");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(name, sizeof(name), "member%zu", i);
		is_int(archive_read_next_header(a, &entry), ARCHIVE_OK, "it has a member");
		is_str(archive_entry_pathname(entry), name, "of this name");
		is_int(archive_entry_size(entry), sizes[i], "of this length");
		is_int(archive_read_data(a, found, sizeof(found)), sizes[i], "which is all there");
		ok(memcmp(found, data, sizes[i]) == 0, "and right");
	}
	is_int(archive_read_next_header(a, &entry), ARCHIVE_EOF, "and no more");
	archive_read_free(a);
}

static void lengths_of_any_size(void)
{
	static const uint64_t sizes[] = { (2ull << 30) - 1, 4ull << 30,         (8ull << 30) - 1, 8ull << 30,
					  (8ull << 30) + 1, (1ull << 41) + 512, 1ull << 50 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t raw[TAR_BLOCK_BYTES];
		struct archive_entry *entry;
		struct archive *a = archive_read_new();

		tar_header_pack(raw, "disk", sizes[i], 1700000000);
		archive_read_support_format_tar(a);
		archive_read_open_memory(a, raw, sizeof(raw));
		is_int(archive_read_next_header(a, &entry), ARCHIVE_OK, "a header is read");
		is_int(archive_entry_size(entry), sizes[i], "with the length that was meant");
		is_int(archive_entry_mtime(entry), 1700000000, "and the time");
		archive_read_free(a);
	}
}

static void nothing_is_overwritten(void)
{
	struct tar_writer *w = NULL;
	struct err err = { 0 };
	char path[64];

	put("there", "x");
	snprintf(path, sizeof(path), "%s/there", root);
	ok(tar_writer_open(&w, path, &err) < 0 && !w, "a file that is there stays: %s", err.text);
}

int main(void)
{
	make_root();
	members_are_read_back();
	lengths_of_any_size();
	nothing_is_overwritten();
	remove_root();
	return done_testing();
}
