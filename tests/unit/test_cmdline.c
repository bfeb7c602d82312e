/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmdline.h"
#include "tap.h"

#include <errno.h>

#define BASE "vmcast.server=http://10.77.0.1:8880 vmcast.item=0123456789abcdef"

static void test_values(void)
{
	static const struct {
		const char *text;
		const char *disk;
		const char *mac;
		const char *name;
	} cases[] = {
		{ BASE, "", "", "server and item are enough" },
		{ "quiet " BASE " vmcast.disk=bus=nvme,bytes=8G ro", "bus=nvme,bytes=8G", "", "a rule keeps its '='" },
		{ BASE " vmcast.disk=\"model=QEMU HARDDISK\"", "model=QEMU HARDDISK", "",
		  "quotes round a value keep a space" },
		{ BASE " \"vmcast.disk=model=A B\" x", "model=A B", "", "quotes round a whole word do, too" },
		{ BASE " a=\"\" \"\" vmcast.disk=name=vda", "name=vda", "", "an empty word ends nothing" },
		{ BASE " vmcast.disk=name=vda vmcast.disk=name=vdb\n", "name=vdb", "", "the last of two counts" },
		{ BASE " BOOTIF=01-52-54-00-AB-cd-0f", "", "52:54:00:ab:cd:0f", "BOOTIF is an address" },
		{ BASE " BOOTIF=20-00-00-00-00-00-01", "", "", "BOOTIF of other hardware is skipped" },
		{ BASE " BOOTIF=01-52-54-00-ab-cd-0f-11", "", "", "a longer BOOTIF is skipped" },
		{ BASE " xvmcast.disk=name=vda vmcast.diskette=1", "", "", "similar words are not ours" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cmdline c = { 0 };
		struct err err = { 0 };

		bool good = cmdline_parse(&c, cases[i].text, &err) == 0 &&
			    strcmp(c.server, "http://10.77.0.1:8880") == 0 && strcmp(c.item, "0123456789abcdef") == 0;
		ok(good && strcmp(c.disk, cases[i].disk) == 0 && strcmp(c.boot_mac, cases[i].mac) == 0, "%s",
		   cases[i].name);
	}
}

static void test_refusals(void)
{
	char longer[1200] = BASE " vmcast.item=";
	struct cmdline c = { .item = "untouched" };
	struct err err = { 0 };

	is_int(cmdline_parse(&c, "quiet", &err), -EINVAL, "nothing of ours is refused");
	is_str(err.text, "kernel command line: vmcast.server= is missing", "and the error names what is missing");
	is_int(cmdline_parse(&c, BASE " vmcast.server=ftp://x", &err), -EINVAL, "a server that is not HTTP is refused");
	is_int(cmdline_parse(&c, BASE " vmcast.disk=size=8G", &err), -EINVAL, "a rule with an unknown key is refused");
	is_int(cmdline_parse(&c, BASE " vmcast.zeros=none", &err), -EINVAL,
	       "a policy that there is none of is refused");
	is_str(err.text, "kernel command line: vmcast.zeros: 'none' is none of zero, discard and keep", "by its name");
	is_int(cmdline_parse(&c, BASE " vmcast.landing=moon", &err), -EINVAL,
	       "a landing that there is none of is refused");
	is_str(err.text, "kernel command line: vmcast.landing: 'moon' is none of disk, kexec and guest", "by its name");
	memset(longer + strlen(longer), 'x', 1000);
	is_int(cmdline_parse(&c, longer, &err), -EINVAL, "a value that is too long is refused, not cut");
	memmove(longer, "xx=", 3);
	memset(longer + 3, 'x', 1000);
	strcpy(longer + 1003, " " BASE);
	is_str(c.item, "untouched", "a refusal leaves the result alone");
	is_int(cmdline_parse(&c, longer, &err), 0, "a long word that is not ours does not matter");
}

static void test_zeros(void)
{
	struct cmdline c = { 0 };
	struct err err = { 0 };

	is_int(cmdline_parse(&c, BASE, &err), 0, "no policy");
	ok(!c.has_zeros, "is none");
	is_int(cmdline_parse(&c, BASE " vmcast.zeros=zero vmcast.zeros=discard", &err), 0, "of two policies");
	ok(c.has_zeros && c.zeros == ZEROS_DISCARD, "the last one counts");
}

static void test_no_item(void)
{
	struct cmdline c = { .item = "untouched" };
	struct err err = { 0 };

	is_int(cmdline_parse(&c, "vmcast.server=http://x", &err), 0, "a server alone is enough");
	is_str(c.item, "", "the item is then what the service has assigned");
}

static void test_landing(void)
{
	struct cmdline c = { 0 };
	struct err err = { 0 };

	is_int(cmdline_parse(&c, BASE, &err), 0, "no landing");
	is_str(c.landing, "", "leaves the plan's");
	is_int(cmdline_parse(&c, BASE " vmcast.landing=kexec", &err), 0, "kexec");
	is_str(c.landing, "kexec", "is one");
	is_int(cmdline_parse(&c, BASE " vmcast.landing=kexec vmcast.landing=disk", &err), 0, "of two landings");
	is_str(c.landing, "reboot", "the last one counts");
}

int main(void)
{
	test_no_item();
	test_values();
	test_zeros();
	test_landing();
	test_refusals();
	return done_testing();
}
