/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A Parallels bundle of one image is taken; snapshots, splits and names that lead elsewhere are not. */
#include "unpack_hdd.h"

#include "cleanup.h"
#include "tap.h"

#include <errno.h>

#define IMAGE(type, file) "<Image><GUID>{1}</GUID><Type>" type "</Type><File>" file "</File></Image>"
#define STORAGE(images)   "<Storage><Start>0</Start>" images "</Storage>"
#define HDD(storage, more)                                                                                             \
	"<Parallels_disk_image><Disk_Parameters><Disk_size>2048</Disk_size>" more                                      \
	"</Disk_Parameters><StorageData>" storage "</StorageData>"
#define END "</Parallels_disk_image>"

int main(void)
{
	static const struct {
		const char *text;
		bool plain;
		uint64_t bytes;
	} good[] = {
		{ HDD(STORAGE(IMAGE("Compressed", "root.hds")), "") END, false, 2048 * 512 },
		{ HDD(STORAGE(IMAGE("Plain", "root.hds")),
		      "<LogicSectorSize>4096</LogicSectorSize>") "<Snapshots><Shot/></Snapshots>" END,
		  true, 2048 * 4096 },
	};
	static const struct {
		const char *name, *text, *said;
	} bad[] = {
		{ "another root", "<x/>", "no <Parallels_disk_image>" },
		{ "no storage", HDD("", "") END, "0 storages" },
		{ "two storages", HDD(STORAGE("") STORAGE(""), "") END, "2 storages" },
		{ "two images", HDD(STORAGE(IMAGE("Plain", "a") IMAGE("Plain", "b")), "") END, "2 images" },
		{ "two snapshots", HDD(STORAGE(IMAGE("Plain", "a")), "") "<Snapshots><Shot/><Shot/></Snapshots>" END,
		  "2 snapshots" },
		{ "a path", HDD(STORAGE(IMAGE("Plain", "/etc/shadow")), "") END, "'/etc/shadow'" },
		{ "a path upwards", HDD(STORAGE(IMAGE("Plain", "../x")), "") END, "'../x'" },
		{ "no file", HDD(STORAGE(IMAGE("Plain", "")), "") END, "has no file" },
		{ "another type", HDD(STORAGE(IMAGE("Fancy", "x")), "") END, "'Fancy'" },
		{ "encryption", HDD(STORAGE(IMAGE("Plain", "x")), "<Encryption><Data>k</Data></Encryption>") END,
		  "encrypted" },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CLEANUP(hdd_done) struct hdd hdd = { 0 };
		struct err err = { 0 };

		is_int(hdd_parse(&hdd, "d", good[i].text, strlen(good[i].text), &err), 0, "a descriptor is read");
		is_str(hdd.file, "root.hds", "its file");
		ok(hdd.plain == good[i].plain && hdd.disk_bytes == good[i].bytes, "its type and size");
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CLEANUP(hdd_done) struct hdd hdd = { 0 };
		struct err err = { 0 };

		ok(hdd_parse(&hdd, "d", bad[i].text, strlen(bad[i].text), &err) < 0 && strstr(err.text, bad[i].said),
		   "refused: %s (%s)", bad[i].name, err.text);
	}
	return done_testing();
}
