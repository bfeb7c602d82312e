/* SPDX-License-Identifier: GPL-2.0-or-later */
/* menu: see menu.h */
#include "menu.h"

#include "cleanup.h"
#include "landing_name.h"
#include "units.h"
#include "utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* iPXE's menu is 80 columns wide: 6 are margin, 5 are needed for the countdown "(999)". */
#define LINE_COLUMNS 68
/* What is left of a line beside "2026-11-22  1023.9 MiB  " and the mark of an unsigned item. */
#define TITLE_COLUMNS 34
/* So that with everything else the details fit the 20 lines of a menu. */
#define DESCRIPTION_LINES 6

/* Of what nobody signed it is said wherever it is shown. */
static const char *const proof_marks[] = {
	[PROOF_NONE] = " [unsigned]", [PROOF_DIGEST] = " [digest]", [PROOF_GPG] = " [gpg]", [PROOF_SIGNED] = ""
};
static const char *const proof_words[] = {
	[PROOF_NONE] = "none: this image is unsigned",
	[PROOF_DIGEST] = "digest of its feed; this image is unsigned",
	[PROOF_GPG] = "gpg: a key of the site's keyring signed it",
	[PROOF_SIGNED] = "verified: its publisher signed it",
};

#define WRITE_LINE "item -- boot Write it to this machine's disk and boot it\n"
#define GUEST_LINE "item -- boot Keep this machine as a node, and run it there as a guest\n"
#define START_LINE "item -- start Start it from the network\n"
#define FETCH_LINE "item -- start Fetch it, then write it to this machine's disk and boot it\n"
#define RETRY_S    5
#define WAIT_S     10
#define PROGRESS_S 3 /* how often a machine that waits for an item is shown how far it is */

/* The x86 kernel takes 2047 characters, of which we and iPXE need some. */
#define CMDLINE_MAX 1800

/* Latin-1 supplement, U+00C0 to U+00FF, without accents. */
static const char latin1[] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";

/* Zero-width characters, joiners, byte order marks and everything that turns the direction of the text round. */
static bool is_invisible(uint32_t c)
{
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff || c == 0x061c || c == 0xad;
}

/* `text` as printable ASCII with single spaces, one character for each visible one. Caller frees. */
static char *fold(const char *text)
{
	char *plain = malloc(strlen(text) + 1);
	size_t len = 0;

	if (!plain)
		return NULL;
	for (const char *p = text; *p;) {
		uint32_t c;
		size_t char_len = utf8_decode(&c, p);

		p += char_len ? char_len : 1;
		if (is_invisible(c))
			continue;
		if (c <= ' ' || (c >= 0x7f && c <= 0xa0)) {
			if (len && plain[len - 1] != ' ')
				plain[len++] = ' ';
		} else if (c < 0x7f) {
			plain[len++] = (char)c;
		} else {
			plain[len++] = c >= 0xc0 && c <= 0xff ? latin1[c - 0xc0] : '?';
		}
	}
	while (len && plain[len - 1] == ' ')
		len--;
	plain[len] = '\0';
	return plain;
}

/*
 * Write `len` bytes of folded text so that iPXE shows them and nothing else. `${}` is an expansion that is always
 * empty: in front of a token it hides what would end the command, and after a final backslash it keeps the line from
 * being continued.
 */
static void put_plain(FILE *to, const char *plain, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool starts_token = i == 0 || plain[i - 1] == ' ';

		if (starts_token && strchr("#&|;", plain[i]))
			fputs("${}", to);
		fputc(plain[i], to);
		if (plain[i] == '$' && i + 1 < len && plain[i + 1] == '{')
			fputc(' ', to);
	}
	if (len && (plain[len - 1] == '\\' || plain[len - 1] == '$'))
		fputs(plain[len - 1] == '$' ? " " : "${}", to);
}

char *menu_quote(const char *text, size_t columns)
{
	CLEANUP(free_str) char *plain = fold(text);
	char *out = NULL;
	size_t out_len;
	FILE *to = plain ? open_memstream(&out, &out_len) : NULL;

	if (!to)
		return NULL;
	if (strlen(plain) > columns && columns > 3) {
		put_plain(to, plain, columns - 3);
		fputs("...", to);
	} else {
		put_plain(to, plain, strlen(plain));
	}
	if (fclose(to) == 0)
		return out;
	free(out);
	return NULL;
}

/* A script being written. Any failure shows when it is closed. */
struct script {
	FILE *to;
	char *text;
	size_t len;
};

static bool script_open(struct script *s)
{
	*s = (struct script){ 0 };
	s->to = open_memstream(&s->text, &s->len);
	if (s->to)
		fputs("#!ipxe\n", s->to);
	return s->to != NULL;
}

static char *script_close(struct script *s)
{
	bool failed = ferror(s->to);

	if (fclose(s->to) == 0 && !failed)
		return s->text;
	free(s->text);
	return NULL;
}

static void put_quoted(FILE *to, const char *text, size_t columns)
{
	CLEANUP(free_str) char *quoted = menu_quote(text, columns);

	fputs(quoted ? quoted : "?", to);
}

/* The operator's own words (kernel arguments, URL): as they are, but never more than one line. */
static void put_line_part(FILE *to, const char *text)
{
	for (; *text; text++)
		fputc(*text == '\n' || *text == '\r' ? ' ' : *text, to);
}

static const char *item_arch(const struct store_item *item)
{
	return item->needs.arch ? item->needs.arch : "x86_64";
}

const char *menu_landing(const struct store_item *item, const char *assigned)
{
	const char *said = assigned ? assigned : item->needs.landing;

	return landing_name_planned(said ? said : "disk");
}

bool menu_is_guest(const struct store_item *item, const char *assigned)
{
	return (item->kind == ITEM_DISK || item->kind == ITEM_ISO) &&
	       strcmp(menu_landing(item, assigned), "guest") == 0;
}

bool menu_item_fits(const struct store_item *item, const struct menu_machine *machine)
{
	/* iPXE starts an ISO image on the machine itself. */
	if (item->kind == ITEM_DISK && menu_is_guest(item, NULL))
		return strcmp(machine->arch, "x86_64") == 0;
	return strcmp(item_arch(item), machine->arch) == 0 &&
	       (!item->needs.firmware || strcmp(item->needs.firmware, machine->firmware) == 0);
}

unsigned menu_item_offers(const struct store_item *item, const struct menu_machine *machine, bool may_fetch)
{
	unsigned offers = 0;

	if (!menu_item_fits(item, machine))
		return 0;
	if (!item->version)
		return may_fetch && !store_item_is_stuck(item) ? MENU_FETCH : 0;
	if (item->kind == ITEM_KERNEL || item->kind == ITEM_ISO)
		offers |= MENU_START;
	if ((item->kind == ITEM_DISK || item->kind == ITEM_ISO) && item->image_id[0])
		offers |= menu_is_guest(item, NULL) ? MENU_GUEST : MENU_WRITE;
	return offers;
}

bool menu_can_pass(const char *cmdline)
{
	bool quoted = false;

	for (const char *p = cmdline; p && *p; p++) {
		if (*p < ' ' || *p > '~' || (p[0] == '$' && p[1] == '{'))
			return false;
		quoted ^= *p == '"';
		if (quoted && p[0] == ' ' && p[1] == ' ')
			return false;
	}
	return !cmdline || strlen(cmdline) <= CMDLINE_MAX;
}

static bool is_bios(const struct menu_machine *machine)
{
	return strcmp(machine->firmware, "bios") == 0;
}

/*
 * `server` and `machine` are what every later address is made of. iPXE has no quotes: text is padded with `${s}`.
 */
static void put_settings(FILE *to, const struct config *config, const struct menu_machine *machine)
{
	fputs("set server ", to);
	put_line_part(to, config->url);
	fprintf(to, "\nset machine mac=%s&arch=%s&platform=%s\n", machine->mac, machine->arch,
		is_bios(machine) ? "pcbios" : "efi");
	fputs("set space:hex 20\nset s ${space:string}\n", to);
}

/*
 * iPXE starts the first disk itself: many a BIOS tries the network for ever, and UEFI firmware tries HTTP boot on the
 * same card next, which takes OVMF a minute. Where that fails, the exit status tells UEFI to go on with its next boot
 * option (with success it would stop at its boot manager). Of several disks only the firmware knows which is to boot:
 * the first might still hold the old system, so there its own order decides.
 */
static void put_local(FILE *to, const struct menu_machine *machine)
{
	if (machine->several_disks)
		fputs("echo vmcast: booting from a local disk, in the order that is set in the firmware\n", to);
	else
		fputs("echo vmcast: booting from the local disk\n"
		      "sanboot --no-describe --drive 0x80 || echo vmcast: the first disk does not boot\n",
		      to);
	fputs("exit 1\n", to);
}

/*
 * A rule that iPXE and the kernel take as one word goes on the command line, where the console shows it; others the
 * client gets with its plan, which names the rule in any case.
 */
static bool is_one_word(const char *rule)
{
	return rule[strspn(rule, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789=,._:+-")] == '\0';
}

/* The signed file that is kernel, initramfs and command line, or its parts. */
static bool boots_unified(const struct config *config, const struct menu_machine *machine)
{
	return config->secure_boot_dir && !is_bios(machine) && strcmp(machine->arch, "x86_64") == 0;
}

/*
 * Label `boot`: kernel and initramfs for the item named by `${item}`, with this boot's ticket. iPXE hands every image it holds to the kernel as
 * an initramfs, so what was loaded before goes first. `initrd=` is how an EFI kernel finds the file by its name.
 * A unified kernel takes this command line only where Secure Boot is off; else its own counts.
 */
static void put_boot(FILE *to, const struct config *config, const struct menu_machine *machine,
		     const struct menu_start *start)
{
	bool is_unified = boots_unified(config, machine);

	if (is_unified)
		fputs(":boot\nimgfree\nkernel --name " CONFIG_UNIFIED_KERNEL " ${server}/env/" CONFIG_UNIFIED_KERNEL,
		      to);
	else
		fputs(":boot\nimgfree\nkernel --name vmlinuz ${server}/env/vmlinuz initrd=initramfs", to);
	fputs(" vmcast.server=", to);
	if (config->https_url)
		put_line_part(to, config->https_url);
	else
		fputs("${server}", to);
	fprintf(to, " %s BOOTIF=01-", start->is_node ? "vmcast.guests" : "vmcast.item=${item}");
	if (machine->mac[0])
		for (const char *p = machine->mac; *p; p++)
			fputc(*p == ':' ? '-' : *p, to);
	else
		fputs("${netX/mac:hexhyp}", to);
	if (start->ticket)
		fprintf(to, " vmcast.ticket=%s", start->ticket);
	if (start->target && is_one_word(start->target))
		fprintf(to, " vmcast.disk=%s", start->target);
	if (config->kernel_args && config->kernel_args[0]) {
		fputc(' ', to);
		put_line_part(to, config->kernel_args);
	}
	if (is_unified) {
		/* iPXE itself shows no more than a number. */
		fputs(" || goto failed\nboot || echo vmcast: the firmware has not started " CONFIG_UNIFIED_KERNEL
		      ": with Secure Boot it must be signed with a key in db, and not altered since\ngoto failed\n",
		      to);
		return;
	}
	fputs(" || goto failed\ninitrd --name initramfs ${server}/env/", to);
	put_line_part(to, config->initramfs);
	fputs(" || goto failed\nboot || goto failed\n", to);
}

/* Label `start` of a kernel: it gets its own initramfs and command line, and nothing of ours. */
static void put_kernel(FILE *to, const struct store_item *item, const struct store_content *content)
{
	const char *cmdline = content->cmdline ? content->cmdline : item->needs.cmdline;

	fprintf(to, ":start\nimgfree\nkernel --name kernel ${server}/images/%s/file", content->file.id);
	if (content->initrd.id[0])
		fputs(" initrd=initrd", to);
	if (cmdline && cmdline[0]) {
		fputc(' ', to);
		put_plain(to, cmdline, strlen(cmdline));
	}
	fputs(" || goto failed\n", to);
	if (content->initrd.id[0])
		fprintf(to, "initrd --name initrd ${server}/images/%s/file || goto failed\n", content->initrd.id);
	fputs("boot || goto failed\n", to);
}

/* Label `start` of an ISO image: iPXE shows it to the firmware as a drive, whose blocks come by HTTP as they are read. */
static void put_iso(FILE *to, const struct store_content *content)
{
	fprintf(to, ":start\nimgfree\nsanboot --no-describe ${server}/images/%s/file || goto failed\n",
		content->file.id);
}

/* Label `boot`: an item is chosen, and gets the ticket that only it is good for. */
static void put_ask_write(FILE *to, const struct menu_machine *machine)
{
	fprintf(to,
		":boot\nchain --replace --autofree ${server}/v1/start?item=${item}&write=1%s&${machine} || goto "
		"failed\n",
		machine->may_choose_landing ? "&landing=${landing}" : "");
}

/* Label `landing`: each time it is picked the next word, and from the last one on what the item says. */
static void put_landing(FILE *to)
{
	const char *last = MENU_LANDING_ITEM;

	fputs(":landing\n", to);
	for (size_t nr = 0; landing_name_nth(nr); last = landing_name_nth(nr++))
		fprintf(to, "iseq ${landing} %s && goto landing-%s ||\n", last, landing_name_nth(nr));
	fputs("set landing " MENU_LANDING_ITEM "\ngoto top\n", to);
	for (size_t nr = 0; landing_name_nth(nr); nr++)
		fprintf(to, ":landing-%s\nset landing %s\ngoto top\n", landing_name_nth(nr), landing_name_nth(nr));
}

/* Label `start`: what is not known before the service is asked. */
static void put_ask_start(FILE *to, const struct menu_machine *machine)
{
	fprintf(to, ":start\nchain --replace --autofree ${server}/v1/start?item=${item}%s&${machine} || goto failed\n",
		machine->may_choose_landing ? "&landing=${landing}" : "");
}

/* Label `failed`: say so, wait, ask again. */
static void put_failed(FILE *to)
{
	fprintf(to, ":failed\nimgfree\necho vmcast: that did not work, asking again in %d seconds\nsleep %d\n", RETRY_S,
		RETRY_S);
	fputs(":retry\nchain --replace --autofree ${server}/v1/script?${machine} || goto failed\n", to);
}

char *menu_entry_script(const struct config *config)
{
	struct script s;

	if (!script_open(&s))
		return NULL;
	fputs("set server ", s.to);
	put_line_part(s.to, config->url);
	/* A BIOS iPXE is a 32-bit program and says i386 on every machine; bit 29 of CPUID 80000001h EDX is long mode.
	 */
	fputs("\nset arch ${buildarch}\n"
	      "iseq ${arch} i386 && cpuid --ext 29 && set arch x86_64 ||\n"
	      "echo vmcast: ${server}, machine ${netX/mac} (${arch}, ${platform})\n"
	      ":again\n"
	      "chain --replace --autofree ${server}/v1/script?mac=${netX/mac}&arch=${arch}&platform=${platform} || "
	      "goto failed\n"
	      ":failed\n",
	      s.to);
	fprintf(s.to, "echo vmcast: ${server} did not answer, trying again in %d seconds\nsleep %d\ngoto again\n",
		RETRY_S, RETRY_S);
	return script_close(&s);
}

/* "2026-11-22", or as many columns for an item without a date. */
static const char *item_date(char out[static 16], const struct store_item *item)
{
	time_t published = (time_t)item->announced.published;
	struct tm utc;

	if (!published || !gmtime_r(&published, &utc) || utc.tm_year < 0 || utc.tm_year > 9999 - 1900)
		return "(no-date)${s}";
	strftime(out, 16, "%Y-%m-%d", &utc);
	return out;
}

/* What is to be known of an item before it is chosen; "" for a single disk that is here. */
static void item_mark(char *out, size_t room, const struct store_item *item)
{
	out[0] = '\0';
	if (!item->version)
		snprintf(out, room, " (not here yet)");
	else if (item->kind == ITEM_ROOTFS)
		snprintf(out, room, " [not bootable yet]");
	else if (item->kind != ITEM_DISK)
		snprintf(out, room, " [%s]", content_kind_name(item->kind));
	else if (item->disk_count > 1)
		snprintf(out, room, " [%u disks]", item->disk_count);
}

/* Date, size (of the disk, or of what is not here yet), title, marks: columns that line up. */
static void put_item_line(FILE *to, const struct store_item *item)
{
	uint64_t bytes = item->version ? item->disk_bytes : item->announced.length;
	char date[16], size[UNITS_TEXT] = "", mark[32];

	if (bytes)
		units_bytes(size, bytes);
	fprintf(to, "%s${s} ", item_date(date, item));
	for (size_t pad = strlen(size); pad < strlen("1023.9 MiB"); pad++)
		fputs("${s}", to);
	fprintf(to, "%s${s} ", size);
	item_mark(mark, sizeof(mark), item);
	put_quoted(to, item->announced.title, TITLE_COLUMNS - strlen(mark));
	fprintf(to, "%s%s\n", mark, proof_marks[item->proof]);
}

static int compare_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

/* Channels by title, items newest first; ids make the order complete. */
static int compare_items(const void *left, const void *right)
{
	const struct store_item *a = *(const struct store_item *const *)left,
				*b = *(const struct store_item *const *)right;
	int order = compare_text(a->feed_title, b->feed_title);

	if (!order)
		order = strcmp(a->feed_id, b->feed_id);
	if (!order)
		order = (a->announced.published < b->announced.published) -
			(a->announced.published > b->announced.published);
	if (!order)
		order = compare_text(a->announced.title, b->announced.title);
	return order ? order : strcmp(a->id, b->id);
}

/* The items of one channel among the sorted ones. */
struct channel {
	const struct store_item **items;
	size_t count;
};

static size_t cut_channels(struct channel *channels, const struct store_item **items, size_t count)
{
	size_t channel_count = 0;

	for (size_t i = 0; i < count; i++) {
		if (i == 0 || strcmp(items[i]->feed_id, items[i - 1]->feed_id) != 0) {
			if (channel_count == MENU_CHANNELS_MAX)
				break;
			channels[channel_count++] = (struct channel){ .items = items + i };
		}
		channels[channel_count - 1].count++;
	}
	return channel_count;
}

static const char *channel_title(const struct channel *channel)
{
	const struct store_item *item = channel->items[0];

	return item->feed_title ? item->feed_title : item->feed_id;
}

/* Of those that are here and go to a single disk: nobody may be there to be asked. */
static const struct store_item *newest_disk(const struct channel *channels, size_t channel_count)
{
	const struct store_item *newest = NULL;

	for (size_t i = 0; i < channel_count; i++)
		for (size_t j = 0; j < channels[i].count; j++) {
			const struct store_item *item = channels[i].items[j];

			if (item->version && item->kind == ITEM_DISK && item->disk_count == 1 &&
			    !menu_is_guest(item, NULL) &&
			    (!newest || item->announced.published > newest->announced.published))
				newest = item;
		}
	return newest;
}

static void put_top(FILE *to, const struct config *config, const struct menu_machine *machine,
		    const struct channel *channels, size_t channel_count)
{
	/* The unattended default is its own line, so that it boots without the questions that a person is asked. */
	const struct store_item *first = config->menu_default == MENU_DEFAULT_FIRST && !machine->installed
						 ? newest_disk(channels, channel_count)
						 : NULL;

	fputs(":top\nmenu -- ", to);
	put_quoted(to, config->menu_title ? config->menu_title : "vmcast", LINE_COLUMNS);
	fputc('\n', to);
	if (first) {
		fputs("item --gap -- Write the newest image to this machine's disk:\nitem -- first ", to);
		put_item_line(to, first);
	}
	fputs(channel_count ? "item --gap -- Channels:\n" : "item --gap -- No image here fits this machine.\n", to);
	for (size_t i = 0; i < channel_count; i++) {
		fprintf(to, "item -- channel-%zu ", i);
		put_quoted(to, channel_title(&channels[i]), TITLE_COLUMNS);
		fprintf(to, " (%zu)\n", channels[i].count);
	}
	fputs("item --gap\n", to);
	fputs(machine->is_node ? "item -- local Start this machine's guests\n"
			       : "item -- local Boot from the local disk\n",
	      to);
	if (machine->may_choose_landing)
		fputs("item -- landing What is written next lands: ${landing}\n", to);
	fputs("item -- retry Ask for this menu again\n", to);
	fprintf(to, "choose --default %s ", first ? "first" : "local");
	if (config->menu_timeout_s)
		fprintf(to, "--timeout %" PRIu64 " ", config->menu_timeout_s * 1000);
	fputs("pick || goto top\ngoto ${pick}\n:local\n", to);
	if (machine->is_node)
		fputs("chain --replace --autofree ${server}/v1/start?guests=1&${machine} || goto failed\n", to);
	else
		put_local(to, machine);
	if (first)
		fprintf(to, ":first\nset item %s\ngoto boot\n", first->id);
}

/* A menu of its own for each set of offers: its label, and what it has. */
static const struct ask {
	unsigned offers;
	const char *label;
	const char *lines;
} asks[] = {
	{ MENU_WRITE, "ask", WRITE_LINE },
	{ MENU_START, "ask-start", START_LINE },
	{ MENU_START | MENU_WRITE, "ask-iso", START_LINE WRITE_LINE },
	{ MENU_FETCH, "ask-fetch", FETCH_LINE },
	{ MENU_GUEST, "ask-guest", GUEST_LINE },
	{ MENU_START | MENU_GUEST, "ask-iso-guest", START_LINE GUEST_LINE },
	{ 0, "ask-nothing", "" },
};

#define ASKS (sizeof(asks) / sizeof(asks[0]))

static const struct ask *find_ask(unsigned offers)
{
	size_t i = 0;

	while (asks[i].offers != offers)
		i++;
	return &asks[i];
}

static void put_channel(FILE *to, const struct channel *channel, size_t nr, const struct menu_machine *machine)
{
	size_t shown = channel->count < MENU_ITEMS_MAX ? channel->count : MENU_ITEMS_MAX;

	fprintf(to, ":channel-%zu\nmenu -- ", nr);
	put_quoted(to, channel_title(channel), LINE_COLUMNS);
	fputc('\n', to);
	for (size_t i = 0; i < shown; i++) {
		fprintf(to, "item -- item-%s ", channel->items[i]->id);
		put_item_line(to, channel->items[i]);
	}
	if (shown < channel->count)
		fprintf(to, "item --gap -- (and %zu older ones)\n", channel->count - shown);
	fprintf(to, "item --gap\nitem -- top Back\nchoose pick || goto top\nset back channel-%zu\ngoto ${pick}\n", nr);
	for (size_t i = 0; i < shown; i++) {
		fprintf(to, ":item-%s\nset item %s\nmenu -- ", channel->items[i]->id, channel->items[i]->id);
		put_quoted(to, channel->items[i]->announced.title, LINE_COLUMNS);
		fputs("\nitem --gap -- ", to);
		put_item_line(to, channel->items[i]);
		fprintf(to, "goto %s\n", find_ask(menu_item_offers(channel->items[i], machine, true))->label);
	}
}

/* Labels `ask...`: what to do with `${item}`, whose menu has its heading already. */
static void put_asks(FILE *to, const bool wanted[static ASKS])
{
	for (size_t i = 0; i < ASKS; i++)
		if (wanted[i])
			fprintf(to,
				":%s\nitem --gap\n%sitem -- details Details\nitem -- ${back} Back\n"
				"choose pick || goto ${back}\ngoto ${pick}\n",
				asks[i].label, asks[i].lines);
	fputs(":details\nchain --replace --autofree ${server}/v1/details?item=${item}&${machine} || goto failed\n", to);
}

/* Items of which something can be done, or could be if this version knew how. */
static bool is_listed(const struct store_item *item, const struct menu_machine *machine)
{
	return item->present && (menu_item_offers(item, machine, true) ||
				 (item->version && item->kind == ITEM_ROOTFS && menu_item_fits(item, machine)));
}

char *menu_script(const struct config *config, const struct store_item_list *items, const struct menu_machine *machine)
{
	CLEANUP(free_mem)
	const struct store_item **listed = calloc(items->count + 1, sizeof(const struct store_item *));
	struct channel channels[MENU_CHANNELS_MAX] = { 0 };
	bool wanted[ASKS] = { false };
	unsigned offers = 0;
	struct script s;
	size_t count = 0;

	if (!listed || !script_open(&s))
		return NULL;
	for (size_t i = 0; i < items->count; i++) {
		if (!is_listed(&items->rows[i], machine))
			continue;
		unsigned may = menu_item_offers(&items->rows[i], machine, true);

		listed[count++] = &items->rows[i];
		wanted[find_ask(may) - asks] = true;
		offers |= may;
	}
	qsort(listed, count, sizeof(const struct store_item *), compare_items);
	size_t channel_count = cut_channels(channels, listed, count);

	put_settings(s.to, config, machine);
	if (machine->may_choose_landing)
		fputs("set landing " MENU_LANDING_ITEM "\n", s.to);
	put_top(s.to, config, machine, channels, channel_count);
	if (machine->may_choose_landing)
		put_landing(s.to);
	for (size_t i = 0; i < channel_count; i++)
		put_channel(s.to, &channels[i], i, machine);
	if (channel_count)
		put_asks(s.to, wanted);
	if (offers & (MENU_WRITE | MENU_GUEST))
		put_ask_write(s.to, machine);
	if (offers & (MENU_START | MENU_FETCH))
		put_ask_start(s.to, machine);
	put_failed(s.to);
	return script_close(&s);
}

/* One line that cannot be selected: "Name:      text". */
static void put_fact(FILE *to, const char *name, const char *text)
{
	if (!text || !text[0])
		return;
	fprintf(to, "item --gap -- %s:", name);
	for (size_t pad = strlen(name); pad < strlen("signature"); pad++)
		fputs("${s}", to);
	fputc(' ', to);
	put_quoted(to, text, LINE_COLUMNS - strlen("signature: "));
	fputc('\n', to);
}

/* A long text, broken at spaces. */
static void put_paragraph(FILE *to, const char *text)
{
	CLEANUP(free_str) char *plain = fold(text);

	if (!plain)
		return;
	const char *p = plain;
	for (int line = 0; *p && line < DESCRIPTION_LINES; line++) {
		size_t len = strlen(p);

		if (len > LINE_COLUMNS) {
			len = LINE_COLUMNS;
			while (len && p[len] != ' ')
				len--;
			if (!len)
				len = LINE_COLUMNS;
		}
		fputs("item --gap -- ", to);
		put_plain(to, p, len);
		p += len + strspn(p + len, " ");
		fputs(*p && line + 1 == DESCRIPTION_LINES ? " ...\n" : "\n", to);
	}
}

/* "8.0 GiB, to download 3.1 GiB", or each of several disks. */
static void put_disks(FILE *to, const struct store_content *content)
{
	char size[UNITS_TEXT], download[UNITS_TEXT], fact[160];
	size_t len = 0;
	uint64_t image_bytes = 0;

	for (size_t i = 0; i < content->disk_count; i++)
		image_bytes += content->disks[i].image.image_bytes;
	for (size_t i = 0; i < content->disk_count && len < sizeof(fact); i++)
		len += (size_t)snprintf(fact + len, sizeof(fact) - len, "%s%s", i ? " + " : "",
					units_bytes(size, content->disks[i].image.disk_bytes));
	if (len < sizeof(fact))
		snprintf(fact + len, sizeof(fact) - len, ", to download %s", units_bytes(download, image_bytes));
	if (content->disk_count)
		put_fact(to, content->disk_count > 1 ? "disks" : "disk", fact);
}

static void put_content(FILE *to, const struct store_item *item, const struct store_content *content)
{
	char size[UNITS_TEXT];

	if (!content) {
		put_fact(to, "state", store_item_is_stuck(item) ? item->error : "not here yet");
		return;
	}
	put_fact(to, "form", content->form);
	put_disks(to, content);
	if (content->file.id[0])
		put_fact(to, content_kind_name(content->kind), units_bytes(size, content->file.bytes));
	if (content->kind == ITEM_ROOTFS)
		put_fact(to, "state", "not bootable yet by this version");
}

char *menu_details_script(const struct config *config, const struct store_item *item,
			  const struct store_content *content, const struct menu_machine *machine, bool may_fetch)
{
	unsigned offers = menu_item_offers(item, machine, may_fetch);
	char date[16], size[UNITS_TEXT], fact[80];
	struct script s;

	if (!script_open(&s))
		return NULL;
	put_settings(s.to, config, machine);
	fprintf(s.to, "set item %s\n:details\nmenu -- ", item->id);
	put_quoted(s.to, item->announced.title, LINE_COLUMNS);
	fputc('\n', s.to);
	put_fact(s.to, "channel", item->feed_title);
	put_fact(s.to, "published", item->announced.published ? item_date(date, item) : NULL);
	put_content(s.to, item, content);
	snprintf(fact, sizeof(fact), "%s, %s", item_arch(item),
		 item->needs.firmware ? item->needs.firmware : "bios or uefi");
	put_fact(s.to, "machine", fact);
	if (item->needs.memory_bytes_min)
		put_fact(s.to, "memory", units_bytes(size, item->needs.memory_bytes_min));
	put_fact(s.to, "signature", proof_words[item->proof]);
	put_fact(s.to, "link", item->announced.link);
	if (item->announced.description) {
		fputs("item --gap\n", s.to);
		put_paragraph(s.to, item->announced.description);
	}
	fprintf(s.to, "item --gap\n%sitem -- retry Back to the menu\n", find_ask(offers)->lines);
	fputs("choose --default retry pick || goto retry\ngoto ${pick}\n", s.to);
	if (offers & (MENU_WRITE | MENU_GUEST))
		put_ask_write(s.to, machine);
	if (offers & (MENU_START | MENU_FETCH))
		put_ask_start(s.to, machine);
	put_failed(s.to);
	return script_close(&s);
}

char *menu_boot_script(const struct config *config, const struct store_item *item, const struct store_content *content,
		       const struct menu_machine *machine, const struct menu_start *start)
{
	struct script s;

	if (!script_open(&s))
		return NULL;
	put_settings(s.to, config, machine);
	fprintf(s.to, "echo vmcast: %s ", start->why);
	put_quoted(s.to, item->announced.title, LINE_COLUMNS);
	fprintf(s.to, "\nset item %s\n", item->id);
	if (content->kind == ITEM_KERNEL)
		put_kernel(s.to, item, content);
	else if (content->kind == ITEM_ISO && !start->to_disk)
		put_iso(s.to, content);
	else
		put_boot(s.to, config, machine, start);
	put_failed(s.to);
	return script_close(&s);
}

char *menu_local_script(const struct menu_machine *machine)
{
	struct script s;

	if (!script_open(&s))
		return NULL;
	put_local(s.to, machine);
	return script_close(&s);
}

char *menu_guests_script(const struct config *config, const struct menu_machine *machine, const char *ticket)
{
	const struct menu_start start = { .ticket = ticket, .is_node = true };
	struct script s;

	if (!script_open(&s))
		return NULL;
	put_settings(s.to, config, machine);
	fputs("echo vmcast: this machine is a node, its guests are started\n", s.to);
	put_boot(s.to, config, machine, &start);
	put_failed(s.to);
	return script_close(&s);
}

char *menu_wait_script(const struct config *config, const struct menu_machine *machine, const char *message,
		       const char *item)
{
	struct script s;

	if (!script_open(&s))
		return NULL;
	put_settings(s.to, config, machine);
	fputs("echo vmcast: ", s.to);
	put_quoted(s.to, message, 4 * LINE_COLUMNS);
	fprintf(s.to, "\nsleep %d\n", item ? PROGRESS_S : WAIT_S);
	if (item)
		fprintf(s.to, "set item %s\n", item);
	else
		fputs("goto retry\n", s.to);
	if (item)
		put_ask_start(s.to, machine);
	put_failed(s.to);
	return script_close(&s);
}
