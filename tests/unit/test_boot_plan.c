/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "boot_plan.h"
#include "cleanup.h"
#include "json.h"
#include "tap.h"

#include <errno.h>

#define ID    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* A good plan; cases replace one piece of it. */
static const char good[] =
	"{\"version\":1,\"job\":\"0123456789abcdef\",\"ticket\":\"0123456789abcdef0123456789abcdef\","
	"\"item\":{\"id\":\"fedcba9876543210\",\"title\":\"Debian 12\",\"uuid\":\"u\"},"
	"\"image\":{\"id\":\"" ID "\",\"url\":\"/images/" ID "/image.zst\",\"index_url\":\"/images/" ID "/index\","
	"\"index_digest\":\"sha256:" ID "\",\"index_bytes\":176,\"disk_bytes\":2199023255552,\"image_bytes\":5000},"
	"\"target\":\"bus=virtio\",\"landing\":\"reboot\",\"trust\":null}";

static int parse(struct boot_plan *out, const char *text, struct err *err)
{
	*err = (struct err){ 0 };
	return boot_plan_parse(out, text, strlen(text), "http://10.77.0.1:8880", err);
}

static void test_good(void)
{
	CLEANUP(boot_plan_free) struct boot_plan plan = { 0 };
	struct err err;

	is_int(parse(&plan, good, &err), 0, "a good plan is read");
	is_str(plan.job, "0123456789abcdef", "job");
	is_str(plan.title, "Debian 12", "title");
	is_str(plan.disks[0].image.urls[0], "http://10.77.0.1:8880/images/" ID "/image.zst",
	       "paths become URLs on the server");
	is_str(plan.disks[0].image.id, ID, "image id");
	is_str(plan.disks[0].target, "bus=virtio", "target");
	is_int(plan.disk_count, 1, "one disk");
	is_int(plan.zeros, ZEROS_ZERO, "zeros are zeros where nothing else is said");
	ok(plan.disks[0].image.disk_bytes == 1ull << 41, "sizes are 64-bit");
}

/* What may be left out: where else the image is, and what it can be made of. */
static void test_elsewhere(void)
{
	CLEANUP(boot_plan_free) struct boot_plan plan = { 0 };
	const char *at = strstr(good, "\"index_url\"");
	char text[2048];
	struct err err;

	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good,
		 "\"mirrors\":[\"http://10.77.0.2/i\",\"/j\"],"
		 "\"deltas\":[{\"from\":\"" OTHER "\",\"bytes\":77,\"url\":\"/deltas/d\"}],",
		 at);
	is_int(parse(&plan, text, &err), 0, "a plan with mirrors and a delta is read");
	const struct plan_image *image = &plan.disks[0].image;
	is_int((long long)image->url_count, 3, "with all URLs of the image");
	is_str(image->urls[0], "http://10.77.0.1:8880/images/" ID "/image.zst", "the service's first");
	is_str(image->urls[1], "http://10.77.0.2/i", "then the mirrors'");
	is_str(image->urls[2], "http://10.77.0.1:8880/j", "which may be paths, too");
	ok(image->delta_count == 1 && image->deltas[0].bytes == 77, "and the delta");
	is_str(image->deltas[0].from, OTHER, "with the image that it is from");
	is_str(image->deltas[0].url, "http://10.77.0.1:8880/deltas/d", "and its URL");
}

#define IMAGE(id)                                                                                                      \
	"{\"id\":\"" id "\",\"url\":\"/images/" id "/image.zst\",\"index_url\":\"/images/" id "/index\","              \
	"\"index_digest\":\"sha256:" id "\",\"index_bytes\":176,\"disk_bytes\":4096,\"image_bytes\":5000}"
#define HEAD                                                                                                           \
	"{\"version\":1,\"job\":\"0123456789abcdef\",\"ticket\":\"0123\",\"item\":{\"id\":\"a\",\"title\":\"OVA\"},"   \
	"\"landing\":\"reboot\",\"trust\":null,"

static void test_trust(void)
{
	CLEANUP(boot_plan_free) struct boot_plan unsigned_plan = { 0 }, plan = { 0 };
	const char *at = strstr(good, "null}");
	char text[2048];
	struct err err;

	is_int(parse(&unsigned_plan, good, &err), 0, "a plan without signatures is read");
	ok(!unsigned_plan.metadata_url && !unsigned_plan.targets_url, "and there are none");
	snprintf(text, sizeof(text), "%.*s%s", (int)(at - good), good,
		 "{\"metadata_url\":\"/tuf/metadata/\",\"targets_url\":\"http://10.77.0.2/t/\"}}");
	is_int(parse(&plan, text, &err), 0, "a plan with signatures is read");
	is_str(plan.metadata_url, "http://10.77.0.1:8880/tuf/metadata/", "with where the metadata is");
	is_str(plan.targets_url, "http://10.77.0.2/t/", "and where the targets are");
}

static void test_several(void)
{
	CLEANUP(boot_plan_free) struct boot_plan plan = { 0 };
	struct err err;

	is_int(parse(&plan,
		     HEAD "\"zeros\":\"keep\",\"disks\":[{\"name\":\"system\",\"bus\":\"scsi\",\"boot\":true,"
			  "\"target\":\"serial=A\","
			  "\"image\":" IMAGE(ID) "},{\"boot\":false,\"target\":null,\"image\":" IMAGE(OTHER) "}]}",
		     &err),
	       0, "a plan with two disks is read");
	is_int(plan.disk_count, 2, "with both");
	is_int(plan.zeros, ZEROS_KEEP, "and the policy for their zeros");
	is_str(plan.disks[0].name, "system", "the first one's name");
	is_str(plan.disks[0].target, "serial=A", "rule");
	is_str(plan.disks[0].image.id, ID, "and image");
	is_str(plan.disks[1].name, "", "the second has no name");
	is_str(plan.disks[1].target, "", "nor rule");
	is_str(plan.disks[1].image.index_url, "http://10.77.0.1:8880/images/" OTHER "/index", "but its own image");
}

static void test_several_faults(void)
{
	static const struct {
		const char *disks;
		const char *name;
	} cases[] = {
		{ "[]", "no disk" },
		{ "{}", "disks that are no list" },
		{ "[7]", "a disk that is no object" },
		{ "[{\"boot\":false,\"image\":" IMAGE(ID) "}]", "no boot disk" },
		{ "[{\"boot\":true,\"image\":" IMAGE(ID) "},{\"boot\":true,\"image\":" IMAGE(OTHER) "}]",
		  "two boot disks" },
		{ "[{\"boot\":false,\"image\":" IMAGE(ID) "},{\"boot\":true,\"image\":" IMAGE(OTHER) "}]",
		  "a boot disk that is not the first" },
		{ "[{\"boot\":true,\"image\":" IMAGE(ID) "},{\"image\":{}}]", "a disk without its image" },
		{ "[{\"boot\":true,\"target\":\"serial=A ; serial=B\",\"image\":" IMAGE(ID) "}]",
		  "two rules for one disk" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(boot_plan_free) struct boot_plan plan = { 0 };
		char text[4096];
		struct err err;

		snprintf(text, sizeof(text), HEAD "\"disks\":%s}", cases[i].disks);
		is_int(parse(&plan, text, &err), -EPROTO, cases[i].name);
		printf("# %s\n", err.text);
	}
}

static void test_faults(void)
{
	static const struct {
		const char *old;
		const char *new;
		int rc;
		const char *name;
	} cases[] = {
		{ "\"version\":1", "\"version\":2", -ENOTSUP, "another version is not supported" },
		{ "\"version\":1,", "", -EPROTO, "no version" },
		{ "\"trust\":null", "\"trust\":{}", -EPROTO, "signatures are somewhere" },
		{ "\"trust\":null", "\"trust\":{\"metadata_url\":\"/m/\",\"targets_url\":\"file:///t/\"}", -EPROTO,
		  "and where is fetched from" },
		{ "\"job\":\"0123", "\"job\":\"../3", -EPROTO, "a job that would lead elsewhere in the URL" },
		{ "\"ticket\":\"0123", "\"ticket\":\"\\r\\n23", -EPROTO, "a ticket that would end its header field" },
		{ "\"ticket\":\"0123456789abcdef0123456789abcdef\"", "\"ticket\":\"\"", -EPROTO, "an empty ticket" },
		{ "sha256:00", "sha256:ff", -EPROTO, "an id that is not the index's digest" },
		{ "sha256:00", "md5:00", -EPROTO, "another digest" },
		{ "\"url\":\"/images", "\"url\":\"file:///images", -EPROTO, "a URL that is neither http nor https" },
		{ "\"index_bytes\":176", "\"index_bytes\":-1", -EPROTO, "a negative size" },
		{ "\"index_bytes\":176", "\"index_bytes\":1e3", -EPROTO, "a size that is no whole number" },
		{ "\"index_url\"", "\"mirrors\":{},\"index_url\"", -EPROTO, "mirrors that are no list" },
		{ "\"index_url\"", "\"mirrors\":[\"file:///etc/x\"],\"index_url\"", -EPROTO,
		  "a mirror that is neither http nor https" },
		{ "\"index_url\"", "\"mirrors\":[7],\"index_url\"", -EPROTO, "a mirror that is no text" },
		{ "\"index_url\"",
		  "\"mirrors\":[\"/1\",\"/2\",\"/3\",\"/4\",\"/5\",\"/6\",\"/7\",\"/8\",\"/9\"],\"index_url\"", -EPROTO,
		  "more mirrors than there may be" },
		{ "\"index_url\"", "\"mirrors\":null,\"deltas\":null,\"index_url\"", 0, "none of both is fine" },
		{ "\"index_url\"", "\"deltas\":7,\"index_url\"", -EPROTO, "deltas that are no list" },
		{ "\"index_url\"", "\"deltas\":[{\"from\":\"" OTHER "\",\"bytes\":1}],\"index_url\"", -EPROTO,
		  "a delta without a URL" },
		{ "\"index_url\"", "\"deltas\":[{\"from\":\"../x\",\"bytes\":1,\"url\":\"/d\"}],\"index_url\"", -EPROTO,
		  "a delta from no image" },
		{ "\"landing\"", "\"zeros\":\"some\",\"landing\"", -EPROTO, "a policy for zeros that is not known" },
		{ "\"landing\"", "\"zeros\":1,\"landing\"", -EPROTO, "a policy that is no word" },
		{ "\"target\":\"bus=virtio\"", "\"target\":\"size=3\"", -EPROTO, "a rule that cannot be read" },
		{ "\"target\":\"bus=virtio\"", "\"target\":7", -EPROTO, "a rule that is no text" },
		{ "\"target\":\"bus=virtio\"", "\"target\":null", 0, "no rule at all is fine" },
		{ "\"image\":{", "\"image\":[],\"image2\":{", -EPROTO, "an image that is no object" },
		{ "\"landing\":\"reboot\",", "", -EPROTO, "no landing" },
		{ "\"landing\"", "\"seed\":null,\"landing\"", 0, "no seed is fine" },
		{ "\"landing\"", "\"seed\":{\"name\":\"web\",\"digest\":\"sha256:" OTHER "\"},\"landing\"", 0,
		  "so is one" },
		{ "\"landing\"", "\"seed\":7,\"landing\"", -EPROTO, "a seed that is no object" },
		{ "\"landing\"", "\"seed\":{\"name\":\"web\"},\"landing\"", -EPROTO, "a seed without a digest" },
		{ "\"landing\"", "\"seed\":{\"name\":\"w\\u001bb\",\"digest\":\"sha256:" OTHER "\"},\"landing\"",
		  -EPROTO, "a seed whose name would control a terminal" },
		{ "\"landing\"", "\"seed\":{\"name\":\"\",\"digest\":\"sha256:" OTHER "\"},\"landing\"", -EPROTO,
		  "a seed without a name" },
		{ "\"image_bytes\":5000}", "\"image_bytes\":5000", -EPROTO, "cut off" },
		{ "{\"version\":1", "{\"job\":\"a\",\"version\":1", -EPROTO, "a field twice" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(boot_plan_free) struct boot_plan plan = { 0 };
		const char *at = strstr(good, cases[i].old);
		char text[2048];
		struct err err;

		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, cases[i].new,
			 at + strlen(cases[i].old));
		int rc = parse(&plan, text, &err);
		ok(rc == cases[i].rc, "%s", cases[i].name);
		if (rc)
			printf("# %s\n", err.text);
	}
}

static void test_request(void)
{
	struct machine machine = { .arch = "x86_64", .firmware = "uefi", .memory_bytes = 1 << 28 };
	struct disk disks[2] = {
		{ .id = { .name = "vda", .bytes = 512, .sector_bytes = 512, .bus = "virtio" } },
		{ .id = { .name = "sdb" }, .use = DISK_REFUSED, .why = "read-only" },
	};
	struct disk_list list = { .disks = disks, .count = 2 };
	CLEANUP(json_free) json_t *rq = NULL;
	struct err err = { 0 };

	strcpy(machine.macs[machine.mac_count++], "52:54:00:12:34:56");
	CLEANUP(free_str)
	char *text = boot_plan_request(
		&(struct plan_question){ .item = "a\"b", .ticket = "00112233", .machine = &machine, .disks = &list });
	is_int(json_parse_object(&rq, text, strlen(text), &err), 0, "the request is JSON");
	is_str(json_string_value(json_object_get(rq, "item")), "a\"b", "the item is quoted");
	is_str(json_string_value(json_array_get(json_object_get(rq, "macs"), 0)), "52:54:00:12:34:56", "macs");
	is_str(json_string_value(json_object_get(rq, "ticket")), "00112233", "the ticket");
	const json_t *found = json_object_get(rq, "disks");
	ok(json_is_null(json_object_get(json_array_get(found, 0), "refused")), "a free disk is not refused");
	is_str(json_string_value(json_object_get(json_array_get(found, 1), "refused")), "read-only",
	       "one that is says why");
	CLEANUP(free_str) char *host = boot_plan_request(&(struct plan_question){ .item = "x", .ticket = "" });
	ok(!strstr(host, "macs") && !strstr(host, "disks") && !strstr(host, "ticket"),
	   "a host tells nothing about itself");
	CLEANUP(free_str)
	char *assigned = boot_plan_request(&(struct plan_question){ .machine = &machine, .disks = &list });
	ok(!strstr(assigned, "\"item\""), "a machine that takes what it is assigned names no item");
}

/* Nothing that the service says leads from https to http, but to a mirror: its bytes are held to their digests. */
static void test_https_stays_https(void)
{
	static const struct {
		const char *old, *new;
		int rc;
		const char *name;
	} cases[] = {
		{ "\"/images/" ID "/image.zst\"", "\"http://10.77.0.1/i\"", -EACCES, "an image over http" },
		{ "\"/images/" ID "/image.zst\"", "\"HTTP://10.77.0.1/i\"", -EACCES, "in capitals" },
		{ "\"/images/" ID "/image.zst\"", "\"//10.77.0.2/i\"", 0,
		  "an image without a scheme has the service's" },
		{ "\"/images/" ID "/index\"", "\"http://10.77.0.1/i\"", -EACCES, "an index over http" },
		{ "\"index_bytes\"", "\"mirrors\":[\"http://10.77.0.2/i\"],\"index_bytes\"", 0, "a mirror over http" },
		{ "\"index_bytes\"",
		  "\"deltas\":[{\"from\":\"sha256:" OTHER "\",\"bytes\":1,\"url\":\"http://a/d\"}],\"index_bytes\"",
		  -EACCES, "a delta over http" },
		{ "null", "{\"metadata_url\":\"http://10.77.0.1/m/\",\"targets_url\":\"/t/\"}", -EACCES,
		  "metadata over http" },
		{ "null", "{\"metadata_url\":\"/m/\",\"targets_url\":\"http://10.77.0.1/t/\"}", -EACCES,
		  "targets over http" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(boot_plan_free) struct boot_plan plan = { 0 };
		const char *at = strstr(good, cases[i].old);
		char text[2048];
		struct err err = { 0 };

		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good, cases[i].new,
			 at + strlen(cases[i].old));
		is_int(boot_plan_parse(&plan, text, strlen(text), "https://10.77.0.1:8882", &err), cases[i].rc,
		       cases[i].name);
	}
}

int main(void)
{
	test_good();
	test_elsewhere();
	test_trust();
	test_several();
	test_several_faults();
	test_faults();
	test_request();
	test_https_stays_https();
	return done_testing();
}
