/* SPDX-License-Identifier: GPL-2.0-or-later */
/* menu: see menu.h */
#include "menu.h"

#include "cleanup.h"
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
#define DESCRIPTION_LINES 8
#define UNSIGNED          " [unsigned]"
#define RETRY_S           5
#define WAIT_S            10

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
	return item->announced.arch ? item->announced.arch : "x86_64";
}

bool menu_lands_on_disk(const struct store_item *item)
{
	return !item->announced.landing || strcmp(item->announced.landing, "disk") == 0;
}

bool menu_item_fits(const struct store_item *item, const struct menu_machine *machine)
{
	return item->image_id[0] && menu_lands_on_disk(item) && strcmp(item_arch(item), machine->arch) == 0 &&
	       (!item->announced.firmware || strcmp(item->announced.firmware, machine->firmware) == 0);
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

/*
 * Label `boot`: kernel and initramfs for the item named by `${item}`. iPXE hands every image it holds to the kernel as
 * an initramfs, so what was loaded before goes first. `initrd=` is how an EFI kernel finds the file by its name.
 */
static void put_boot(FILE *to, const struct config *config, const struct menu_machine *machine, const char *target)
{
	fputs(":boot\nimgfree\nkernel --name vmlinuz ${server}/env/vmlinuz initrd=initramfs", to);
	fputs(" vmcast.server=${server} vmcast.item=${item} BOOTIF=01-", to);
	if (machine->mac[0])
		for (const char *p = machine->mac; *p; p++)
			fputc(*p == ':' ? '-' : *p, to);
	else
		fputs("${netX/mac:hexhyp}", to);
	if (target && is_one_word(target))
		fprintf(to, " vmcast.disk=%s", target);
	if (config->kernel_args && config->kernel_args[0]) {
		fputc(' ', to);
		put_line_part(to, config->kernel_args);
	}
	fputs(" || goto failed\ninitrd --name initramfs ${server}/env/", to);
	put_line_part(to, config->initramfs);
	fputs(" || goto failed\nboot || goto failed\n", to);
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

/* Date, size, title, mark: columns that line up. */
static void put_item_line(FILE *to, const struct store_item *item)
{
	char date[16], size[UNITS_TEXT];

	units_bytes(size, item->disk_bytes);
	fprintf(to, "%s${s} ", item_date(date, item));
	for (size_t pad = strlen(size); pad < strlen("1023.9 MiB"); pad++)
		fputs("${s}", to);
	fprintf(to, "%s${s} ", size);
	put_quoted(to, item->announced.title, TITLE_COLUMNS);
	fputs(item->is_signed ? "\n" : UNSIGNED "\n", to);
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

static const struct store_item *newest_item(const struct channel *channels, size_t channel_count)
{
	const struct store_item *newest = NULL;

	for (size_t i = 0; i < channel_count; i++)
		if (!newest || channels[i].items[0]->announced.published > newest->announced.published)
			newest = channels[i].items[0];
	return newest;
}

static void put_top(FILE *to, const struct config *config, const struct menu_machine *machine,
		    const struct channel *channels, size_t channel_count)
{
	/* The unattended default is its own line, so that it boots without the questions that a person is asked. */
	const struct store_item *first = config->menu_default == MENU_DEFAULT_FIRST && !machine->installed
						 ? newest_item(channels, channel_count)
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
	fputs("item --gap\nitem -- local Boot from the local disk\nitem -- retry Ask for this menu again\n", to);
	fprintf(to, "choose --default %s ", first ? "first" : "local");
	if (config->menu_timeout_s)
		fprintf(to, "--timeout %" PRIu64 " ", config->menu_timeout_s * 1000);
	fputs("pick || goto top\ngoto ${pick}\n:local\n", to);
	put_local(to, machine);
	if (first)
		fprintf(to, ":first\nset item %s\ngoto boot\n", first->id);
}

static void put_channel(FILE *to, const struct channel *channel, size_t nr)
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
		fputs("goto ask\n", to);
	}
}

/* Label `ask`: what to do with `${item}`, whose menu has its heading already. */
static void put_ask(FILE *to)
{
	fputs(":ask\nitem --gap\n"
	      "item -- boot Write it to this machine's disk and boot it\n"
	      "item -- details Details\n"
	      "item -- ${back} Back\n"
	      "choose pick || goto ${back}\n"
	      "goto ${pick}\n"
	      ":details\n"
	      "chain --replace --autofree ${server}/v1/details?item=${item}&${machine} || goto failed\n",
	      to);
}

char *menu_script(const struct config *config, const struct store_item_list *items, const struct menu_machine *machine)
{
	CLEANUP(free_mem)
	const struct store_item **fitting = calloc(items->count + 1, sizeof(const struct store_item *));
	struct channel channels[MENU_CHANNELS_MAX] = { 0 };
	struct script s;
	size_t count = 0;

	if (!fitting || !script_open(&s))
		return NULL;
	for (size_t i = 0; i < items->count; i++)
		if (items->rows[i].present && menu_item_fits(&items->rows[i], machine))
			fitting[count++] = &items->rows[i];
	qsort(fitting, count, sizeof(const struct store_item *), compare_items);
	size_t channel_count = cut_channels(channels, fitting, count);

	put_settings(s.to, config, machine);
	put_top(s.to, config, machine, channels, channel_count);
	for (size_t i = 0; i < channel_count; i++)
		put_channel(s.to, &channels[i], i);
	if (channel_count) {
		put_ask(s.to);
		put_boot(s.to, config, machine, NULL);
	}
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

char *menu_details_script(const struct config *config, const struct store_item *item,
			  const struct menu_machine *machine)
{
	char date[16], size[UNITS_TEXT], download[UNITS_TEXT], fact[80];
	struct script s;

	if (!script_open(&s))
		return NULL;
	put_settings(s.to, config, machine);
	fprintf(s.to, "set item %s\n:details\nmenu -- ", item->id);
	put_quoted(s.to, item->announced.title, LINE_COLUMNS);
	fputc('\n', s.to);
	put_fact(s.to, "channel", item->feed_title);
	put_fact(s.to, "published", item->announced.published ? item_date(date, item) : NULL);
	snprintf(fact, sizeof(fact), "%s, to download %s", units_bytes(size, item->disk_bytes),
		 units_bytes(download, item->image_bytes));
	put_fact(s.to, "disk", fact);
	snprintf(fact, sizeof(fact), "%s, %s", item_arch(item),
		 item->announced.firmware ? item->announced.firmware : "bios or uefi");
	put_fact(s.to, "machine", fact);
	if (item->announced.memory_bytes_min)
		put_fact(s.to, "memory", units_bytes(size, item->announced.memory_bytes_min));
	put_fact(s.to, "signature", item->is_signed ? "verified" : "none: this image is unsigned");
	put_fact(s.to, "link", item->announced.link);
	if (item->announced.description) {
		fputs("item --gap\n", s.to);
		put_paragraph(s.to, item->announced.description);
	}
	fputs("item --gap\n", s.to);
	if (menu_item_fits(item, machine))
		fputs("item -- boot Write it to this machine's disk and boot it\n", s.to);
	fputs("item -- retry Back to the menu\nchoose --default retry pick || goto retry\ngoto ${pick}\n", s.to);
	if (menu_item_fits(item, machine))
		put_boot(s.to, config, machine, NULL);
	put_failed(s.to);
	return script_close(&s);
}

char *menu_boot_script(const struct config *config, const struct store_item *item, const struct menu_machine *machine,
		       const char *target)
{
	struct script s;

	if (!script_open(&s))
		return NULL;
	put_settings(s.to, config, machine);
	fputs("echo vmcast: this machine is assigned ", s.to);
	put_quoted(s.to, item->announced.title, LINE_COLUMNS);
	fprintf(s.to, "\nset item %s\n", item->id);
	put_boot(s.to, config, machine, target);
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

char *menu_wait_script(const struct config *config, const struct menu_machine *machine, const char *message)
{
	struct script s;

	if (!script_open(&s))
		return NULL;
	put_settings(s.to, config, machine);
	fputs("echo vmcast: ", s.to);
	put_quoted(s.to, message, 4 * LINE_COLUMNS);
	fprintf(s.to, "\nsleep %d\ngoto retry\n", WAIT_S);
	put_failed(s.to);
	return script_close(&s);
}
