/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What vmcast-unpack tells comes back as it was; what it could not have told is refused. */
#include "unpack_report.h"

#include "cleanup.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

#define FILE_BYTES 100000

static int64_t file_bytes(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "9") == 0 ? -1 : FILE_BYTES;
}

static struct report *read_text(const char *text, struct err *err)
{
	struct report *r = NULL;

	*err = (struct err){ 0 };
	report_read(&r, text, strlen(text), file_bytes, NULL, err);
	return r;
}

static void test_round_trip(void)
{
	CLEANUP(report_free) struct report *r = report_new();
	struct unpacked_part part = {
		.format = "raw", .file = "3", .file_bytes = 700, .disk_off = 512, .disk_bytes = 1024
	};
	struct unpacked_disk *disk;
	struct err err = { 0 };

	report_add_disk(&disk, r, "vda", &err);
	disk->bus = strdup("virtio");
	disk->boot = true;
	disk->disk_bytes = 4096;
	report_add_part(disk, &part, &err);
	report_note(r, &err, "a \"note\" of %d", 1);
	r->unpacked->form = strdup("an OVA");
	r->unpacked->machine = strdup("{\"name\":\"x\"}");
	r->signatures[r->signature_count++] =
		(struct report_signature){ .name = strdup("m"), .file = "1", .signature_file = "2" };
	CLEANUP(free_str) char *text = report_write(r);
	CLEANUP(report_free) struct report *got = read_text(text, &err);

	if (!ok(got, "a report is read again (%s)", err.text))
		return;
	CLEANUP(free_str) char *text_again = report_write(got);
	is_str(text_again, text, "and says the same");
	is_int(got->unpacked->disks[0].parts[0].disk_off, 512, "its regions");
	is_str(got->unpacked->machine, "{\"name\":\"x\"}", "its machine, as far as it is known");
	is_str(got->unpacked->notes[0], "a \"note\" of 1", "its notes");
	is_str(got->signatures[0].signature_file, "2", "its signatures");
}

static void test_failure(void)
{
	const struct err failure = { .code = -ENOTSUP, .text = "zip member '\\x1b' is encrypted" };
	CLEANUP(free_str) char *text = report_write_error(&failure);
	struct err err;

	ok(!read_text(text, &err) && err.code == failure.code, "a failure comes back as such");
	is_str(err.text, failure.text, "in its own words");
	ok(!read_text("{\"error\":{\"code\":\"EPERM\",\"text\":\"x\"}}", &err) && err.code == -EPROTO,
	   "one that it may not have is refused");
}

#define REPORT(disks)      "{\"kind\":\"disk\",\"form\":\"f\",\"disks\":[" disks "],\"notes\":[],\"signatures\":[]}"
#define DISK(bytes, parts) "{\"name\":\"d\",\"boot\":true,\"disk_bytes\":" bytes ",\"parts\":[" parts "]}"
#define PART(file, format, file_off, file_bytes, disk_off, disk_bytes)                                                 \
	"{\"file\":\"" file "\",\"format\":\"" format "\",\"file_off\":" file_off ",\"file_bytes\":" file_bytes        \
	",\"disk_off\":" disk_off ",\"disk_bytes\":" disk_bytes "}"

static void test_refused(void)
{
	static const struct {
		const char *name, *text;
	} cases[] = {
		{ "no object", "[]" },
		{ "another kind", "{\"kind\":\"virus\"}" },
		{ "no form", "{\"kind\":\"disk\",\"disks\":[" DISK("512", "") "]}" },
		{ "no disks", REPORT("") },
		{ "two disks to boot from", REPORT(DISK("512", "") "," DISK("512", "")) },
		{ "a file that is a path", REPORT(DISK("0", PART("../x", "raw", "0", "1", "0", "0"))) },
		{ "a file that is not there", REPORT(DISK("0", PART("9", "raw", "0", "1", "0", "0"))) },
		{ "another format", REPORT(DISK("0", PART("1", "luks", "0", "1", "0", "0"))) },
		{ "a region behind the end", REPORT(DISK("0", PART("1", "raw", "1", "100000", "0", "0"))) },
		{ "an offset behind the end", REPORT(DISK("0", PART("1", "raw", "100001", "1", "0", "0"))) },
		{ "no bytes", REPORT(DISK("0", PART("1", "raw", "0", "0", "0", "0"))) },
		{ "negative bytes", REPORT(DISK("0", PART("1", "raw", "0", "-1", "0", "0"))) },
		{ "a sum beyond 64 bits",
		  REPORT(DISK("512", PART("1", "raw", "0", "1", "9223372036854775296", "512"))) },
		{ "overlapping regions", REPORT(DISK("4096", PART("1", "raw", "0", "1", "0", "1024") "," PART(
								     "1", "raw", "0", "1", "512", "512"))) },
		{ "a region outside of the disk", REPORT(DISK("512", PART("1", "raw", "0", "1", "512", "512"))) },
		{ "a region with less room than bytes",
		  REPORT(DISK("512", PART("1", "raw", "0", "1024", "0", "512"))) },
		{ "a region between sectors", REPORT(DISK("4096", PART("1", "raw", "0", "1", "5", "512"))) },
		{ "a part of a format with a length", REPORT(DISK("4096", PART("1", "qcow2", "0", "1", "0", "4096"))) },
		{ "a disk of no length", REPORT(DISK("0", "")) },
		{ "a disk of half a sector", REPORT(DISK("100", "")) },
		{ "a kernel without a file", "{\"kind\":\"kernel\",\"form\":\"f\",\"disks\":[]}" },
		{ "an initrd that is a path",
		  "{\"kind\":\"kernel\",\"form\":\"f\",\"disks\":[],\"file\":\"1\",\"initrd\":\"/etc/shadow\"}" },
		{ "a root file system with a disk",
		  "{\"kind\":\"rootfs\",\"form\":\"f\",\"disks\":[" DISK("512", "") "],\"file\":\"1\"}" },
		{ "a name with an escape", "{\"kind\":\"disk\",\"form\":\"f\",\"disks\":[{\"name\":\"\\u001b[2J\","
					   "\"boot\":true,\"disk_bytes\":512,"
					   "\"parts\":[]}]}" },
		{ "a form of two lines", "{\"kind\":\"disk\",\"form\":\"a\\nb\",\"disks\":[" DISK("512", "") "]}" },
		{ "a machine with an escape",
		  "{\"kind\":\"disk\",\"form\":\"f\",\"machine\":{\"name\":\"\\u001b\"},\"disks\":[" DISK("512",
													  "") "]}" },
		{ "a failure of two lines", "{\"error\":{\"code\":\"EBADMSG\",\"text\":\"a\\nb\"}}" },
		{ "a signature of a path", "{\"kind\":\"rootfs\",\"form\":\"f\",\"disks\":[],\"file\":\"1\","
					   "\"signatures\":[{\"name\":\"x\",\"file\":\"/x\","
					   "\"signature\":\"1\"}]}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err;
		CLEANUP(report_free) struct report *r = read_text(cases[i].text, &err);

		ok(!r && err.code == -EPROTO, "refused: %s (%s)", cases[i].name, err.text);
	}
}

int main(void)
{
	test_round_trip();
	test_failure();
	test_refused();
	return done_testing();
}
