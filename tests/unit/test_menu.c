/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * menu: scripts as expected (tests/data/menu/NAME.ipxe; UPDATE=1 writes them anew, for the eye and `git diff`), and
 * foreign text that is only ever shown.
 */
#include "menu.h"

#include "cleanup.h"
#include "script_check.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define DAY 86400

static const struct config config = { .url = "http://10.77.0.1:8880",
				      .initramfs = "initramfs",
				      .kernel_args = "console=tty0 console=ttyS0,115200",
				      .menu_title = "vmcast",
				      .menu_timeout_s = 30,
				      .menu_default = MENU_DEFAULT_LOCAL };
static const struct menu_machine bios = { .mac = "52:54:00:12:34:56", .arch = "x86_64", .firmware = "bios" };
static const struct menu_machine uefi = { .mac = "52:54:00:12:34:56", .arch = "x86_64", .firmware = "uefi" };
static const struct menu_machine arm = { .mac = "52:54:00:12:34:56", .arch = "aarch64", .firmware = "uefi" };

/* A row as the store gives it, ready to be written. Strings are borrowed. */
static struct store_item item(const char *id, const char *feed_id, const char *feed_title, const char *title,
			      int64_t published)
{
	struct store_item row = { .feed_title = (char *)feed_title,
				  .announced = { .title = (char *)title, .published = published },
				  .state = ITEM_READY,
				  .present = true,
				  .version = 1,
				  .disk_count = 1,
				  .disk_bytes = 4ull << 30,
				  .image_bytes = 385 << 20 };

	snprintf(row.id, sizeof(row.id), "%s", id);
	snprintf(row.feed_id, sizeof(row.feed_id), "%s", feed_id);
	memset(row.image_id, 'a', sizeof(row.image_id) - 1);
	return row;
}

static void is_golden(char *script, const char *name)
{
	char path[128], want[64 << 10];

	snprintf(path, sizeof(path), "tests/data/menu/%s.ipxe", name);
	if (getenv("UPDATE")) {
		CLEANUP(close_file) FILE *to = fopen(path, "w");

		if (to)
			fputs(script, to);
	}
	CLEANUP(close_file) FILE *from = fopen(path, "r");
	size_t len = from ? fread(want, 1, sizeof(want) - 1, from) : 0;

	want[len] = '\0';
	is_str(script, want, name);
	free(script);
}

static void two_channels(void)
{
	struct store_item rows[] = {
		item("1111111111111111", "aaaaaaaaaaaaaaaa", "Debian images", "Debian 12", 20000ll * DAY),
		item("2222222222222222", "bbbbbbbbbbbbbbbb", "Appliances", "Mail server", 19000ll * DAY),
		item("3333333333333333", "aaaaaaaaaaaaaaaa", "Debian images", "Debian 13", 20500ll * DAY),
		item("4444444444444444", "aaaaaaaaaaaaaaaa", "Debian images", "Not ingested", 20600ll * DAY),
		item("5555555555555555", "aaaaaaaaaaaaaaaa", "Debian images", "Withdrawn", 20600ll * DAY),
		item("6666666666666666", "aaaaaaaaaaaaaaaa", "Debian images", "For ARM", 20600ll * DAY),
		item("7777777777777777", "bbbbbbbbbbbbbbbb", "Appliances", "UEFI only, no date", 0),
		item("8888888888888888", "bbbbbbbbbbbbbbbb", "Appliances", "Runs in memory", 20600ll * DAY),
	};
	struct store_item_list items = { .rows = rows, .count = sizeof(rows) / sizeof(rows[0]) };
	struct config first = config;
	struct menu_machine again = bios;

	rows[2].proof = PROOF_SIGNED;
	rows[2].disk_bytes = 700;
	rows[3].version = 0;
	rows[3].state = ITEM_FAILED;
	rows[4].present = false;
	rows[5].needs.arch = "aarch64";
	rows[6].needs.firmware = "uefi";
	rows[7].needs.landing = "guest";
	is_golden(menu_script(&config, &items, &bios), "bios");
	is_golden(menu_script(&config, &items, &uefi), "uefi");
	is_golden(menu_script(&config, &items, &arm), "arm");
	first.menu_default = MENU_DEFAULT_FIRST;
	first.menu_timeout_s = 0;
	is_golden(menu_script(&first, &items, &bios), "default-first");
	again.may_choose_landing = true;
	is_golden(menu_script(&config, &items, &again), "landing");
	again.may_choose_landing = false;
	again.installed = true;
	CLEANUP(free_str) char *script = menu_script(&first, &items, &again);
	again.is_node = true;
	CLEANUP(free_str) char *node = menu_script(&first, &items, &again);
	CLEANUP(free_str) char *guests = menu_guests_script(&config, &bios, "00112233445566778899aabbccddeeff");

	ok(strstr(script, "choose --default local "),
	   "a machine that was written before goes to its disk by default (F47)");
	ok(strstr(node, "item -- local Start this machine's guests\n") && strstr(node, "choose --default local ") &&
		   strstr(node, "\n:local\nchain --replace --autofree ${server}/v1/start?guests=1&${machine} ") &&
		   !strstr(node, "sanboot"),
	   "a node starts its guests by default, and boots from no disk");
	ok(strstr(guests,
		  " vmcast.guests BOOTIF=01-52-54-00-12-34-56 vmcast.ticket=00112233445566778899aabbccddeeff ") &&
		   !strstr(guests, "vmcast.item"),
	   "its script has its ticket, and no item");
}

static struct content_disk one_disk = { .image = { .disk_bytes = 4ull << 30, .image_bytes = 385 << 20 } };
static const struct store_content disk = { .version = 1, .form = "a raw disk", .disks = &one_disk, .disk_count = 1 };

/* What is no single disk, and what is not here yet. */
static void kinds(void)
{
	struct store_item rows[] = {
		item("1111111111111111", "aaaaaaaaaaaaaaaa", "All kinds",
		     "Mail server with an archive on a disk of its own", 20000ll * DAY),
		item("2222222222222222", "aaaaaaaaaaaaaaaa", "All kinds", "Unikernel", 20001ll * DAY),
		item("3333333333333333", "aaaaaaaaaaaaaaaa", "All kinds", "Live system", 20002ll * DAY),
		item("4444444444444444", "aaaaaaaaaaaaaaaa", "All kinds", "Hybrid installer", 20003ll * DAY),
		item("5555555555555555", "aaaaaaaaaaaaaaaa", "All kinds", "Container template", 20004ll * DAY),
		item("6666666666666666", "aaaaaaaaaaaaaaaa", "All kinds", "Made when it is wanted", 20005ll * DAY),
	};
	struct store_item_list items = { .rows = rows, .count = sizeof(rows) / sizeof(rows[0]) };
	struct config first = config;

	rows[0].disk_count = 2;
	for (size_t i = 1; i < 6; i++)
		if (i != 3) {
			rows[i].image_id[0] = '\0';
			rows[i].disk_count = 0;
			rows[i].disk_bytes = 0;
		}
	rows[1].kind = ITEM_KERNEL;
	rows[2].kind = rows[3].kind = ITEM_ISO;
	rows[4].kind = ITEM_ROOTFS;
	rows[5].version = 0;
	rows[5].state = ITEM_ANNOUNCED;
	rows[5].announced.length = 300 << 20;
	first.menu_default = MENU_DEFAULT_FIRST;
	is_golden(menu_script(&first, &items, &bios), "kinds");
	is_int(menu_item_offers(&rows[0], &bios, true), MENU_WRITE, "disks are written");
	is_int(menu_item_offers(&rows[1], &bios, true), MENU_START, "a kernel is started");
	is_int(menu_item_offers(&rows[3], &bios, true), MENU_START | MENU_WRITE, "a hybrid ISO either");
	is_int(menu_item_offers(&rows[4], &bios, true), 0, "a root file system can only be looked at");
	is_int(menu_item_offers(&rows[5], &bios, true), MENU_FETCH, "what is not here yet can be fetched");
	is_int(menu_item_offers(&rows[5], &bios, false), 0, "if its feed lets machines do so");
	rows[5].state = ITEM_FAILED;
	is_int(menu_item_offers(&rows[5], &bios, true), 0, "and it has not failed");
	is_int(menu_item_offers(&rows[1], &arm, true), 0, "a kernel for another processor is not offered");
	is_golden(menu_details_script(&config, &rows[4], &(struct store_content){ .kind = ITEM_ROOTFS }, &bios, true),
		  "details-rootfs");
}

static void kernels_and_isos(void)
{
	struct store_item row = item("1111111111111111", "aaaaaaaaaaaaaaaa", "All kinds", "Unikernel", 20000ll * DAY);
	struct store_content kernel = { .kind = ITEM_KERNEL, .cmdline = "console=ttyS0 a=\"b c\" ; && # init=/x" };
	struct store_content iso = { .kind = ITEM_ISO };

	row.kind = ITEM_KERNEL;
	memset(kernel.file.id, 'b', 64);
	memset(kernel.initrd.id, 'c', 64);
	memset(iso.file.id, 'd', 64);
	is_golden(menu_boot_script(&config, &row, &kernel, &bios, &(struct menu_start){ .why = "starting" }),
		  "start-kernel");
	kernel.initrd.id[0] = '\0';
	kernel.cmdline = NULL;
	CLEANUP(free_str)
	char *plain = menu_boot_script(&config, &row, &kernel, &bios, &(struct menu_start){ .why = "starting" });
	ok(strstr(plain, "bbbb/file || goto failed\nboot"), "a kernel alone gets nothing besides");
	is_golden(menu_boot_script(&config, &row, &iso, &bios, &(struct menu_start){ .why = "starting" }), "start-iso");
	CLEANUP(free_str)
	char *written = menu_boot_script(&config, &row, &iso, &bios,
					 &(struct menu_start){ .why = "starting", .to_disk = true });
	ok(strstr(written, " vmcast.item=") && !strstr(written, "sanboot"),
	   "an ISO image that is to be written is not started");
}

static void command_lines(void)
{
	static const struct {
		const char *cmdline;
		bool can_pass;
	} cases[] = {
		{ NULL, true },           { "", true },           { "console=ttyS0,115200 quiet", true },
		{ "a=$b $", true },       { "a  b", true },       { "a=${net0/mac}", false },
		{ "a=\"b  c\"", false },  { "a\nreboot", false }, { "a\tb", false },
		{ "caf\xc3\xa9", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(menu_can_pass(cases[i].cmdline) == cases[i].can_pass, "a kernel command line '%s' is %s",
		   cases[i].cmdline ? cases[i].cmdline : "(none)", cases[i].can_pass ? "passed on" : "refused");
	char long_line[4096] = "";
	memset(long_line, 'x', sizeof(long_line) - 1);
	ok(!menu_can_pass(long_line), "so is one that no kernel takes");
}

static void other_scripts(void)
{
	static const struct menu_start assigned = { .why = "this machine is assigned" };
	struct store_item row =
		item("1111111111111111", "aaaaaaaaaaaaaaaa", "Debian images", "Debian 12", 20000ll * DAY);
	struct store_item_list none = { 0 };
	struct menu_machine unknown = { .arch = "i386", .firmware = "bios" };

	row.announced.description =
		"A Debian system for servers, with nothing in it that is not needed for the tests of "
		"this project: a kernel, a boot loader for BIOS and UEFI, and a serial console.";
	row.announced.link = "http://example.org/debian?release=12#notes";
	row.needs.memory_bytes_min = 512 << 20;
	is_golden(menu_entry_script(&config), "entry");
	is_golden(menu_script(&config, &none, &unknown), "nothing-fits");
	is_golden(menu_details_script(&config, &row, &disk, &bios, true), "details");
	is_golden(menu_boot_script(&config, &row, &disk, &uefi,
				   &(struct menu_start){ .why = "this machine is assigned",
							 .target = "bus=virtio,bytes=8G",
							 .ticket = "00112233445566778899aabbccddeeff" }),
		  "assigned");
	struct config https = config;
	https.https_url = "https://10.77.0.1:8882";
	CLEANUP(free_str) char *over_https = menu_boot_script(&https, &row, &disk, &bios, &assigned);
	ok(strstr(over_https, " vmcast.server=https://10.77.0.1:8882 ") &&
		   strstr(over_https, "set server http://10.77.0.1:8880\n"),
	   "the client asks over https, iPXE does not");
	struct config secure = config;
	secure.secure_boot_dir = "/etc/vmcast/secure-boot";
	is_golden(menu_boot_script(&secure, &row, &disk, &uefi, &assigned), "secure-boot");
	CLEANUP(free_str)
	char *on_bios = menu_boot_script(&secure, &row, &disk, &bios, &assigned);
	CLEANUP(free_str) char *on_arm = menu_boot_script(&secure, &row, &disk, &arm, &assigned);
	ok(!strstr(on_bios, "vmcast.efi") && !strstr(on_arm, "vmcast.efi"), "signed files are for x86-64 UEFI only");
	is_golden(menu_local_script(&uefi), "local");
	unknown.several_disks = true;
	is_golden(menu_local_script(&unknown), "local-several-disks");
	unknown.several_disks = false;
	is_golden(menu_wait_script(&config, &bios, "Debian 12 is not ready", NULL), "wait");
	is_golden(menu_wait_script(&config, &bios, "Debian 12 is being made ready: download, 12 %", row.id),
		  "fetching");

	CLEANUP(free_str)
	char *script =
		menu_boot_script(&config, &row, &disk, &bios,
				 &(struct menu_start){ .why = "starting", .target = "model=QEMU HARDDISK || reboot" });

	ok(!strstr(script, "reboot"), "a target rule of several words stays out of the script: the plan has it");
}

static void foreign_text_is_quoted(void)
{
	static const struct {
		const char *text, *quoted, *why;
	} cases[] = {
		{ "Debian 12", "Debian 12", "plain text stays as it is" },
		{ "${net0/mac}", "$ {net0/mac}", "an expansion is taken apart" },
		{ "$${a}{b}", "$$ {a}{b}", "an expansion that would make another" },
		{ "a && reboot", "a ${}&& reboot", "&& as a word of its own is covered" },
		{ "a || reboot ; x", "a ${}|| reboot ${}; x", "so are || and ;" },
		{ "&&", "${}&&", "at the beginning, too" },
		{ "a&&b", "a&&b", "&& within a word does nothing" },
		{ "C# and #1", "C# and ${}#1", "a word that begins with # would end the line" },
		{ "--default x", "--default x", "an option's place is before the --" },
		{ "a\nreboot\r\n", "a reboot", "line ends become spaces" },
		{ "a\tb\x01\x1b[31mc\x7f", "a b [31mc", "so do control bytes" },
		{ "end\\", "end\\${}", "a final backslash would continue the line" },
		{ "5 $", "5 $ ", "a final dollar sign meets nothing" },
		{ "\xc3\x9c"
		  "ber Gr\xc3\xb6\xc3\x9f"
		  "e",
		  "Uber Grose", "accents are dropped" },
		{ "\xe6\x97\xa5\xe6\x9c\xac", "??", "what has no ASCII form is a question mark" },
		{ "a\xe2\x80\xaegnp.exe", "agnp.exe", "the text's direction is not turned round" },
		{ "\xff\xc3", "??", "bytes that are no UTF-8" },
		{ "\xc0\xa4{x}", "??{x}", "an overlong dollar sign is none" },
		{ "\xe2\x80\x8b&& x", "${}&& x", "an invisible character does not hide a word's beginning" },
		{ "   a   b   ", "a b", "spaces are single" },
		{ "", "", "nothing" },
		{ "0123456789012345678901234567890123456789", "01234567890123456789012345678901234...",
		  "long text is cut" },
	};
	char longest[4097];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(free_str) char *quoted = menu_quote(cases[i].text, 38);

		is_str(quoted, cases[i].quoted, cases[i].why);
	}
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CLEANUP(free_str) char *quoted = menu_quote(longest, 68);

	is_int(strlen(quoted), 68, "4 KiB of title are cut to a line");
}

static void check_script(const char *script, const char *name)
{
	const char *fault = script_fault(script);

	ok(!fault, "%s: hostile texts are only shown%s%s", name, fault ? ": " : "", fault ? fault : "");
}

static void hostile_texts_execute_nothing(void)
{
	static const char hostile[] =
		"--x ${net0/mac} && reboot || poweroff ; shell\nreboot\n:boot\x1b[2J #x \xe2\x80\xae ${ \\";
	struct store_item row = item("1111111111111111", "aaaaaaaaaaaaaaaa", hostile, hostile, 20000ll * DAY);
	struct store_item_list items = { .rows = &row, .count = 1 };
	struct config title = config;

	row.announced.description = (char *)hostile;
	row.announced.link = (char *)hostile;
	row.needs.firmware = NULL;
	title.menu_title = (char *)hostile;
	char *script = menu_script(&title, &items, &bios);

	check_script(script, "menu");
	is_golden(script, "hostile");
	script = menu_details_script(&title, &row, &disk, &bios, true);
	check_script(script, "details");
	is_golden(script, "hostile-details");
	script = menu_boot_script(&title, &row, &disk, &bios,
				  &(struct menu_start){ .why = "starting", .target = hostile });
	check_script(script, "unattended");
	free(script);
	script = menu_wait_script(&title, &bios, hostile, row.id);
	check_script(script, "wait");
	free(script);
}

static void long_lists_are_cut(void)
{
	size_t count = 10000;
	CLEANUP(free_mem) struct store_item *rows = calloc(count, sizeof(*rows));
	struct store_item_list items = { .rows = rows, .count = count };

	for (size_t i = 0; i < count; i++) {
		char id[STORE_ID_CHARS];

		snprintf(id, sizeof(id), "%016zx", i);
		rows[i] = item(id, "aaaaaaaaaaaaaaaa", "Big", "One of many", (int64_t)i * DAY);
	}
	CLEANUP(free_str) char *script = menu_script(&config, &items, &bios);
	size_t shown = 0;

	for (const char *p = script; (p = strstr(p, "item -- item-")); p++)
		shown++;
	is_int(shown, MENU_ITEMS_MAX, "a channel of 10000 items shows its newest");
	ok(strstr(script, "item --gap -- (and 9800 older ones)\n"), "and how many are not shown");
	ok(strlen(script) < 128 << 10, "the script stays small: %zu bytes", strlen(script));
}

int main(void)
{
	two_channels();
	kinds();
	kernels_and_isos();
	command_lines();
	other_scripts();
	foreign_text_is_quoted();
	hostile_texts_execute_nothing();
	long_lists_are_cut();
	return done_testing();
}
