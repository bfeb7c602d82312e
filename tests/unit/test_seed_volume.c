/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The volume as Linux's own tools see it: fsck.vfat, mtools, blkid. */
#include "cleanup.h"
#include "seed_volume.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

static char path[] = "/tmp/vmcast-test-volume-XXXXXX";

static void put_volume(const uint8_t *volume)
{
	CLEANUP(close_file) FILE *file = fopen(path, "w");

	if (!file || fwrite(volume, 1, SEED_VOLUME_BYTES, file) != SEED_VOLUME_BYTES)
		abort();
}

/* What the command says of the volume, whose path is put for %s; its status if that is not 0. */
static const char *says(const char *format)
{
	static char out[1 << 20];
	char command[256];

	snprintf(command, sizeof(command), format, path);
	FILE *from = popen(command, "r");
	size_t len = from ? fread(out, 1, sizeof(out) - 32, from) : 0;
	out[len] = '\0';
	int status = from ? pclose(from) : -1;
	if (status)
		snprintf(out + len, 32, "[status %d]", status);
	return out;
}

static void test_files(uint32_t sector_bytes)
{
	static char big[300001];
	const struct seed_file files[] = {
		{ "meta-data", "instance-id: a\n", 15 },
		{ "user-data", big, sizeof(big) - 1 },
		{ "network-config", "version: 2\n", 11 },
		{ "empty", "", 0 },
	};
	struct err err = { 0 };
	uint8_t *volume = NULL;

	for (size_t i = 0; i < sizeof(big) - 1; i++)
		big[i] = (char)('a' + i % 23);
	if (!ok(seed_volume_make(&volume, files, 4, sector_bytes, &err) == 0, "a volume in sectors of %u",
		sector_bytes))
		return;
	put_volume(volume);
	ok(strstr(says("/usr/sbin/fsck.vfat -n %s 2>&1"), "[status") == NULL, "... fsck.vfat finds nothing wrong");
	is_str(says("/usr/sbin/blkid -p -o value -s LABEL -s TYPE %s"), "CIDATA\nvfat\n", "... its label and type");
	is_str(says("mdir -b -i %s :: 2>&1"), "::/meta-data\n::/user-data\n::/network-config\n::/empty\n",
	       "... its files have their long names");
	is_str(says("mtype -i %s ::meta-data"), "instance-id: a\n", "... a short file");
	is_str(says("mtype -i %s ::network-config"), "version: 2\n", "... one with a name in two pieces");
	is_str(says("mtype -i %s ::user-data"), big, "... one of many clusters");
	is_str(says("mtype -i %s ::empty"), "", "... an empty one");
	free(volume);
}

static void test_room(void)
{
	static char big[SEED_VOLUME_BYTES];
	struct seed_file file = { "user-data", big, sizeof(big) - 65536 };
	struct err err = { 0 };
	uint8_t *volume = NULL;

	is_int(seed_volume_make(&volume, &file, 1, 512, &err), 0, "nearly a MiB fits");
	free(volume);
	file.bytes = sizeof(big);
	is_int(seed_volume_make(&volume, &file, 1, 512, &err), -ENOSPC, "a MiB does not");
}

static void test_same(void)
{
	const struct seed_file file = { "user-data", "x", 1 };
	struct err err = { 0 };
	uint8_t *a = NULL, *b = NULL;

	seed_volume_make(&a, &file, 1, 512, &err);
	seed_volume_make(&b, &file, 1, 512, &err);
	ok(memcmp(a, b, SEED_VOLUME_BYTES) == 0, "the same files make the same volume");
	free(a);
	free(b);
}

int main(void)
{
	int fd = mkstemp(path);

	if (fd < 0)
		abort();
	close(fd);
	test_files(512);
	test_files(4096);
	test_room();
	test_same();
	unlink(path);
	return done_testing();
}
