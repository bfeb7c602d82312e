/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_entry_grub: what GRUB would start (GNU GRUB manual 2.12, chapter 16, "Available commands"). Commands that only show
 * something, or load what GRUB needs and Linux does not, do nothing; of those that start something only Linux is handled.
 *
 * Beyond GNU GRUB: blscfg with blsdir, $kernelopts and the like (Fedora), btrfs_relative_path and grub_platform xen (openSUSE),
 * recordfail, hwmatch (Ubuntu).
 */
#include "boot_bls.h"
#include "boot_entry.h"
#include "cleanup.h"
#include "grub_menu.h"
#include "grub_script.h"
#include "sysfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONFIGS_MAX     8u /* one that names another one that names ... */
#define SUBMENUS_MAX    8u
#define ENVIRONMENT_MAX (64u << 10) /* grubenv has 1 KiB, larger ones exist */

struct grub {
	const struct boot_volumes *volumes;
	struct grub_script *script;
	struct grub_menu menu;
	unsigned config_depth;
	struct boot_entry entry; /* what `linux` and `initrd` said */
	bool has_kernel;
	bool is_booted;
};

/* ---------------------------------------------------------------- devices and paths */

/* "hd0,gpt2", "hd0,msdos1", "hd0,2", "hd0": partition and disk. False: something else. */
static bool parse_device(unsigned *disk, unsigned *number, const char *name, size_t len)
{
	char text[32], *end;

	if (len >= sizeof(text) || len < 3 || strncmp(name, "hd", 2) != 0)
		return false;
	memcpy(text, name, len);
	text[len] = '\0';
	*disk = (unsigned)strtoul(text + 2, &end, 10);
	*number = 0;
	if (end == text + 2 || *end == '\0')
		return *end == '\0' && end != text + 2;
	if (*end++ != ',')
		return false;
	end += strspn(end, "abcdefghijklmnopqrstuvwxyz");
	const char *digits = end;
	*number = (unsigned)strtoul(digits, &end, 10);
	return end != digits && *end == '\0' && *number != 0;
}

static const struct boot_volume *find_volume(const struct grub *g, const char *name, size_t len)
{
	unsigned disk, number;

	if (!parse_device(&disk, &number, name, len))
		return NULL;
	for (size_t i = 0; i < g->volumes->count; i++)
		if (g->volumes->list[i].disk == disk && g->volumes->list[i].number == number)
			return &g->volumes->list[i];
	return NULL;
}

static void device_name(char *out, size_t room, const struct boot_volume *volume)
{
	if (volume->number)
		snprintf(out, room, "hd%u,%u", volume->disk, volume->number);
	else
		snprintf(out, room, "hd%u", volume->disk);
}

/* openSUSE's GRUB sees btrfs as it is mounted by default, others see all of it. */
static bool is_relative(const struct grub *g, const struct boot_volume *volume)
{
	const char *value = grub_script_get(g->script, "btrfs_relative_path");

	return strcmp(volume->kind, "btrfs") == 0 && (value[0] == 'y' || value[0] == '1');
}

/* "(hd0,gpt2)/boot/vmlinuz", or "/boot/vmlinuz" on $root. */
static int resolve(struct boot_file *out, const struct grub *g, const char *path, struct err *err)
{
	const char *device = grub_script_get(g->script, "root");
	size_t len = strlen(device);

	if (path[0] == '(') {
		const char *close = strchr(path, ')');

		if (!close)
			return err_set(err, -EBADMSG, "'%.200s' is no path", path);
		device = path + 1;
		len = (size_t)(close - device);
		path = close + 1;
	} else if (len > 2 && device[0] == '(' && device[len - 1] == ')') {
		/* Also how people write it. */
		device++;
		len -= 2;
	}
	const struct boot_volume *volume = find_volume(g, device, len);
	if (!volume)
		return err_set(err, -ENOTSUP, "'%.*s' is no file system on the disk that can be read",
			       len > 200 ? 200 : (int)len, device);
	if (path[0] != '/')
		return err_set(err, -EBADMSG, "'%.200s' is no path", path);
	return boot_file_set(out, volume, is_relative(g, volume), path, err);
}

static enum boot_file_kind look(void *ctx, const char *path)
{
	struct err ignored = { 0 };
	struct boot_file file;

	return resolve(&file, ctx, path, &ignored) == 0 ? boot_file_look(&file) : BOOT_FILE_NONE;
}

/* ---------------------------------------------------------------- the kernel */

/* Words become one line again, each so that the kernel would read it as GRUB did. */
static int append_argument(char *out, size_t room, size_t *len, const char *word, struct err *err)
{
	bool is_quoted = strpbrk(word, " \t") != NULL;
	size_t need = strlen(word) + 3 + (*len ? 1 : 0);

	for (const char *at = word; *at; at++)
		need += *at == '"' || *at == '\'' || *at == '\\';
	if (need >= room - *len)
		return err_set(err, -E2BIG, "kernel arguments of more than %zu bytes", room - 1);
	if (*len)
		out[(*len)++] = ' ';
	if (is_quoted)
		out[(*len)++] = '"';
	for (const char *at = word; *at; at++) {
		if (*at == '"' || *at == '\'' || *at == '\\')
			out[(*len)++] = '\\';
		out[(*len)++] = *at;
	}
	if (is_quoted)
		out[(*len)++] = '"';
	return 0;
}

static int run_linux(struct grub *g, const struct grub_command *command, struct err *err)
{
	char text[BOOT_ARGUMENTS_MAX];
	size_t first = 1, len = 0;
	int rc = 0;

	while (first < command->count && strncmp(command->words[first], "--", 2) == 0)
		first++;
	if (first >= command->count)
		return err_set(err, -EBADMSG, "'%s' without a kernel", command->words[0]);
	g->entry.initrd_count = 0;
	for (size_t i = first + 1; rc == 0 && i < command->count; i++)
		rc = append_argument(text, sizeof(text), &len, command->words[i], err);
	if (rc == 0)
		rc = boot_entry_set_arguments(&g->entry, text, len, err);
	if (rc == 0)
		rc = resolve(&g->entry.kernel, g, command->words[first], err);
	if (rc == 0 && boot_file_look(&g->entry.kernel) != BOOT_FILE_FULL)
		rc = err_set(err, -EBADMSG, "there is no file '%s'", g->entry.kernel.path);
	if (rc != 0)
		return rc;
	g->has_kernel = true;
	grub_script_where(g->script, g->entry.from, sizeof(g->entry.from));
	return GRUB_TRUE;
}

static int run_initrd(struct grub *g, const struct grub_command *command, struct err *err)
{
	if (!g->has_kernel)
		return err_set(err, -EBADMSG, "'%s' before a kernel", command->words[0]);
	g->entry.initrd_count = 0;
	for (size_t i = 1; i < command->count; i++) {
		struct boot_file file;

		if (strncmp(command->words[i], "newc:", 5) == 0)
			return err_set(err, -ENOTSUP, "'newc:' is not handled");
		int rc = resolve(&file, g, command->words[i], err);
		if (rc == 0)
			rc = boot_entry_add_initrd(&g->entry, &file, err);
		if (rc != 0)
			return rc;
	}
	return GRUB_TRUE;
}

static int run_boot(struct grub *g, const struct grub_command *command, struct err *err)
{
	(void)command;
	if (!g->has_kernel)
		return err_set(err, -EBADMSG, "'boot' before a kernel");
	g->is_booted = true;
	return GRUB_STOP;
}

/* ---------------------------------------------------------------- search */

enum search_by { BY_NOTHING, BY_UUID, BY_LABEL, BY_FILE };

static bool is_found(const struct grub *g, const struct boot_volume *volume, enum search_by by, const char *name)
{
	struct err ignored = { 0 };
	struct boot_file file;

	if (by == BY_UUID)
		return volume->uuid[0] && strcasecmp(volume->uuid, name) == 0;
	if (by == BY_LABEL)
		return volume->label[0] && strcmp(volume->label, name) == 0;
	return boot_file_set(&file, volume, is_relative(g, volume), name, &ignored) == 0 &&
	       boot_file_look(&file) != BOOT_FILE_NONE;
}

static int search(struct grub *g, enum search_by by, const char *name, const char *variable, struct err *err)
{
	char device[32];

	for (size_t i = 0; i < g->volumes->count; i++) {
		if (!is_found(g, &g->volumes->list[i], by, name))
			continue;
		device_name(device, sizeof(device), &g->volumes->list[i]);
		int rc = grub_script_set(g->script, variable, device, err);
		return rc < 0 ? rc : GRUB_TRUE;
	}
	return GRUB_FALSE;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

static int run_search(struct grub *g, const struct grub_command *command, struct err *err)
{
	enum search_by by = BY_NOTHING;
	const char *variable = "root", *name = NULL;

	for (size_t i = 1; i < command->count; i++) {
		const char *word = command->words[i];

		if (is_one_of(word, "--fs-uuid", "-u", "--fs_uuid"))
			by = BY_UUID;
		else if (is_one_of(word, "--label", "-l", "--fs-label"))
			by = BY_LABEL;
		else if (is_one_of(word, "--file", "-f", "--fs-file"))
			by = BY_FILE;
		else if (strncmp(word, "--set=", 6) == 0)
			variable = word + 6;
		else if (strncmp(word, "--hint", 6) == 0)
			i += strchr(word, '=') == NULL;
		else if (word[0] != '-')
			name = word;
	}
	if (by == BY_NOTHING || !name)
		return err_set(err, -EBADMSG, "'search' for nothing");
	return search(g, by, name, variable, err);
}

/* search.fs_uuid NAME [VARIABLE [HINT...]] */
static int run_search_dot(struct grub *g, const struct grub_command *command, struct err *err)
{
	const char *kind = strchr(command->words[0], '.') + 1;
	enum search_by by = strcmp(kind, "fs_uuid") == 0 ? BY_UUID : strcmp(kind, "fs_label") == 0 ? BY_LABEL : BY_FILE;

	if (command->count < 2)
		return err_set(err, -EBADMSG, "'%s' for nothing", command->words[0]);
	return search(g, by, command->words[1], command->count > 2 ? command->words[2] : "root", err);
}

/* ---------------------------------------------------------------- files */

static int run_text(struct grub *g, const struct boot_file *file, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	size_t len;

	if (g->config_depth == CONFIGS_MAX)
		return err_set(err, -E2BIG, "more than %u files that name each other", CONFIGS_MAX);
	int rc = boot_file_read(&text, &len, file, BOOT_CONFIG_MAX, err);
	if (rc != 0)
		return rc;
	g->config_depth++;
	rc = grub_script_run(g->script, file->path, TAKE(text), len, err);
	g->config_depth--;
	return rc;
}

static int run_source(struct grub *g, const struct grub_command *command, struct err *err)
{
	struct boot_file file;

	if (command->count != 2)
		return err_set(err, -EBADMSG, "'%s' takes one file", command->words[0]);
	if (resolve(&file, g, command->words[1], err) != 0 || boot_file_look(&file) < BOOT_FILE_EMPTY) {
		*err = (struct err){ 0 };
		return GRUB_FALSE;
	}
	return run_text(g, &file, err);
}

static int set_place(struct grub *g, const struct boot_file *config, struct err *err)
{
	char device[32], text[BOOT_PATH_MAX + 64];
	size_t dir_len = (size_t)(strrchr(config->path, '/') - config->path);

	device_name(device, sizeof(device), config->volume);
	snprintf(text, sizeof(text), "(%s)%s", device, config->path);
	int rc = grub_script_set(g->script, "config_file", text, err);
	snprintf(text, sizeof(text), "(%s)%.*s", device, (int)dir_len, config->path);
	if (rc == 0)
		rc = grub_script_set(g->script, "config_directory", text, err);
	/* The first one is where GRUB itself was told to look; the others set these themselves. */
	if (rc == 0 && !grub_script_get(g->script, "root")[0]) {
		rc = grub_script_set(g->script, "root", device, err);
		if (rc == 0)
			rc = grub_script_set(g->script, "prefix", text, err);
	}
	return rc;
}

static int boot_menu(struct grub *g, const char *wanted, unsigned depth, struct err *err);

/* A configuration with a menu of its own. What it starts is started, or nothing is. */
static int run_config(struct grub *g, const struct boot_file *config, struct err *err)
{
	int rc = set_place(g, config, err);

	grub_menu_free(&g->menu);
	if (rc == 0)
		rc = run_text(g, config, err);
	if (rc < 0 || g->is_booted)
		return rc < 0 ? rc : GRUB_STOP;
	if (!g->menu.count)
		return err_set(err, -ENOENT, "'%s' has no menu entry and boots nothing", config->path);
	char *wanted = strdup(grub_script_get(g->script, "default"));
	if (!wanted)
		return err_set(err, -ENOMEM, "out of memory");
	rc = boot_menu(g, wanted, 0, err);
	free(wanted);
	return rc;
}

static int run_configfile(struct grub *g, const struct grub_command *command, struct err *err)
{
	struct boot_file file;

	if (command->count != 2)
		return err_set(err, -EBADMSG, "'%s' takes one file", command->words[0]);
	if (resolve(&file, g, command->words[1], err) != 0 || boot_file_look(&file) < BOOT_FILE_EMPTY) {
		*err = (struct err){ 0 };
		return GRUB_FALSE;
	}
	return run_config(g, &file, err);
}

/* The environment block: NAME=VALUE lines behind one of comment, then '#' up to its end. A backslash keeps the next byte. */
static int load_line(struct grub *g, const struct grub_command *command, size_t first, char *line, struct err *err)
{
	char *equals = strchr(line, '=');
	size_t len = 0;

	if (line[0] == '#' || !equals)
		return 0;
	*equals = '\0';
	bool is_wanted = first == command->count;
	for (size_t i = first; i < command->count; i++)
		is_wanted = is_wanted || strcmp(command->words[i], line) == 0;
	if (!is_wanted || !line[0])
		return 0;
	char *value = equals + 1;
	for (const char *at = value; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		value[len++] = *at;
	}
	value[len] = '\0';
	return grub_script_set(g->script, line, value, err);
}

static int run_load_env(struct grub *g, const struct grub_command *command, struct err *err)
{
	char path[BOOT_PATH_MAX + 64];
	size_t first = 1, len;
	struct boot_file file;

	snprintf(path, sizeof(path), "%s/grubenv", grub_script_get(g->script, "prefix"));
	for (; first < command->count && command->words[first][0] == '-'; first++) {
		const char *word = command->words[first];

		if (strncmp(word, "--file=", 7) == 0)
			snprintf(path, sizeof(path), "%s", word + 7);
		else if (is_one_of(word, "-f", "--file", "-f") && first + 1 < command->count)
			snprintf(path, sizeof(path), "%s", command->words[++first]);
	}
	if (resolve(&file, g, path, err) != 0 || boot_file_look(&file) < BOOT_FILE_EMPTY) {
		*err = (struct err){ 0 };
		return GRUB_FALSE;
	}
	CLEANUP(free_str) char *text = NULL;
	int rc = boot_file_read(&text, &len, &file, ENVIRONMENT_MAX, err);
	if (rc == 0)
		rc = grub_script_spend(g->script, len, err);
	if (rc != 0)
		return rc;
	for (char *save, *line = strtok_r(text, "\n", &save); rc == 0 && line; line = strtok_r(NULL, "\n", &save))
		rc = load_line(g, command, first, line, err);
	return rc != 0 ? err_wrap(err, "'%s'", file.path) : GRUB_TRUE;
}

/* ---------------------------------------------------------------- the menu */

static int run_menuentry(struct grub *g, const struct grub_command *command, struct err *err)
{
	return grub_menu_add(&g->menu, command, err);
}

/* A "{", "}" or ";" in an entry would be GRUB's to interpret: so it is here. */
static int bls_script(char *out, size_t room, const struct bls_entry *entry, const char *device, struct err *err)
{
	size_t len = (size_t)snprintf(out, room, "linux (%s)%s", device, entry->kernel);

	for (size_t i = 0; len < room && i < entry->option_count; i++)
		len += (size_t)snprintf(out + len, room - len, " %s", entry->options[i]);
	for (size_t i = 0; len < room && i < entry->initrd_count; i++)
		len += (size_t)snprintf(out + len, room - len, "%s (%s)%s", i ? "" : "\ninitrd", device,
					entry->initrds[i]);
	return len < room ? 0 : err_set(err, -E2BIG, "more than %zu bytes", room);
}

static int add_bls_item(struct grub *g, const struct bls_entry *entry, const char *device, struct err *err)
{
	char text[GRUB_WORD_MAX];

	if (!entry->kernel)
		return 0;
	int rc = bls_script(text, sizeof(text), entry, device, err);
	if (rc == 0)
		rc = grub_script_spend(g->script, strlen(text), err);
	if (rc == 0)
		rc = grub_menu_add_text(&g->menu, entry->id, entry->title ? entry->title : entry->id, text,
					entry->file.path, err);
	return rc != 0 ? err_wrap(err, "'%s'", entry->file.path) : 0;
}

/* Fedora's: all of loader/entries on $root become menu entries, the newest first. */
static int run_blscfg(struct grub *g, const struct grub_command *command, struct err *err)
{
	const char *given = grub_script_get(g->script, "blsdir");
	const char *const dirs[] = { given[0] ? given : "/loader/entries", "/boot/loader/entries" };
	CLEANUP(bls_list_free) struct bls_list list = { 0 };
	struct boot_file dir;
	char device[32];
	int rc = 0;

	if (command->count > 1)
		return err_set(err, -ENOTSUP, "'blscfg' with a path is not handled");
	for (size_t i = 0; rc == 0 && !list.count && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		rc = resolve(&dir, g, dirs[i], err);
		if (rc == 0)
			rc = bls_list_add(&list, &dir, false, err);
	}
	if (rc != 0)
		return rc;
	if (list.count)
		qsort(list.entries, list.count, sizeof(list.entries[0]), bls_compare_names);
	device_name(device, sizeof(device), dir.volume);
	for (size_t i = 0; rc == 0 && i < list.count; i++)
		rc = add_bls_item(g, &list.entries[i], device, err);
	return rc;
}

static int boot_item(struct grub *g, const struct grub_item *item, struct err *err)
{
	int rc;

	if (grub_script_get(g->script, "superusers")[0] && !item->is_open)
		return err_set(err, -ENOTSUP, "menu entry '%.100s' asks for a password", item->title);
	g->has_kernel = false;
	snprintf(g->entry.title, sizeof(g->entry.title), "%s", item->title);
	if (item->text) {
		char *text = strdup(item->text);

		if (!text)
			return err_set(err, -ENOMEM, "out of memory");
		rc = grub_script_run(g->script, item->text_name, text, strlen(text), err);
	} else {
		rc = grub_script_run_block(g->script, &item->body, err);
	}
	if (rc < 0)
		return rc;
	if (!g->has_kernel)
		return err_set(err, -ENOTSUP, "menu entry '%.100s' loads no Linux kernel", item->title);
	g->is_booted = true;
	return GRUB_STOP;
}

/* The submenu's entries replace the menu; nobody goes back. */
static int boot_menu(struct grub *g, const char *wanted, unsigned depth, struct err *err)
{
	const char *rest;
	struct grub_menu menu = g->menu;
	const struct grub_item *item = grub_menu_choose(&menu, wanted, &rest);
	int rc;

	g->menu = (struct grub_menu){ 0 };
	if (!item)
		rc = err_set(err, -ENOTSUP, "an empty submenu");
	else if (depth == SUBMENUS_MAX)
		rc = err_set(err, -E2BIG, "more than %u submenus in each other", SUBMENUS_MAX);
	else
		rc = grub_script_set(g->script, "chosen", item->title, err);
	if (rc == 0 && !item->is_submenu) {
		rc = boot_item(g, item, err);
	} else if (rc == 0) {
		rc = grub_script_run_block(g->script, &item->body, err);
		if (rc >= 0 && !g->is_booted)
			rc = boot_menu(g, rest, depth + 1, err);
	}
	grub_menu_free(&menu);
	return rc;
}

/* ---------------------------------------------------------------- the rest of the commands */

static int run_nothing(struct grub *g, const struct grub_command *command, struct err *err)
{
	(void)g, (void)command, (void)err;
	return GRUB_TRUE;
}

/* What asks the firmware, the hardware or the keyboard: no. */
static int run_no(struct grub *g, const struct grub_command *command, struct err *err)
{
	(void)g, (void)command, (void)err;
	return GRUB_FALSE;
}

static int run_counter(struct grub *g, const struct grub_command *command, struct err *err)
{
	char text[24];

	if (command->count != 2)
		return err_set(err, -EBADMSG, "'%s' takes one variable", command->words[0]);
	long step = command->words[0][0] == 'i' ? 1 : -1;
	long value = strtol(grub_script_get(g->script, command->words[1]), NULL, 10);
	if (value > 1000000 || value < -1000000)
		return err_set(err, -EBADMSG, "'%s' has a value that makes no sense", command->words[1]);
	snprintf(text, sizeof(text), "%ld", value + step);
	return grub_script_set(g->script, command->words[1], text, err);
}

/* Is it a 64-bit processor, is that the question. */
static int run_cpuid(struct grub *g, const struct grub_command *command, struct err *err)
{
	(void)g, (void)err;
	return command->count == 2 && is_one_of(command->words[1], "-l", "--long-mode", "-l") ? GRUB_TRUE : GRUB_FALSE;
}

static int run_other(struct grub *g, const struct grub_command *command, struct err *err)
{
	(void)g;
	return err_set(err, -ENOTSUP, "'%s' starts something else than Linux", command->words[0]);
}

static const struct {
	const char *names; /* between blanks */
	int (*run)(struct grub *g, const struct grub_command *command, struct err *err);
} commands[] = {
	{ " linux linux16 linuxefi ", run_linux },
	{ " initrd initrd16 initrdefi ", run_initrd },
	{ " boot ", run_boot },
	{ " menuentry submenu ", run_menuentry },
	{ " search ", run_search },
	{ " search.fs_uuid search.fs_label search.file search.fs_file ", run_search_dot },
	{ " load_env ", run_load_env },
	{ " source . ", run_source },
	{ " configfile normal ", run_configfile },
	{ " blscfg ", run_blscfg },
	{ " increment decrement ", run_counter },
	{ " cpuid ", run_cpuid },
	{ " insmod rmmod export save_env echo clear sleep loadfont terminal_input terminal_output terminal serial "
	  "gfxmode play "
	  "background_image background_color keymap videoinfo password password_pbkdf2 btrfs-mount-subvol nativedisk "
	  "lsefi version_find_latest efi-watchdog tpm_record_pcrs usb_keyboard at_keyboard outb ",
	  run_nothing },
	{ " hwmatch keystatus fwsetup read authenticate smbios sendkey getenv ", run_no },
	{ " chainloader multiboot multiboot2 module module2 xen_hypervisor xen_module xen_linux xen_initrd kfreebsd "
	  "knetbsd kopenbsd "
	  "ntldr freedos appleloader drivemap halt reboot poweroff exit devicetree linux-a64 appendix ",
	  run_other },
};

static int run_command(void *ctx, const struct grub_command *command, struct err *err)
{
	char name[64];

	snprintf(name, sizeof(name), " %s ", command->words[0]);
	for (size_t i = 0; !strchr(command->words[0], ' ') && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strstr(commands[i].names, name))
			return commands[i].run(ctx, command, err);
	/* Whether it would change what is started cannot be known. */
	return err_set(err, -ENOTSUP, "command '%.100s' is not known", command->words[0]);
}

/* ---------------------------------------------------------------- from outside */

static int set_features(struct grub_script *script, bool is_efi, struct err *err)
{
	const char *const variables[][2] = {
		{ "grub_platform", is_efi ? "efi" : "pc" },
#if defined(__x86_64__)
		{ "grub_cpu", is_efi ? "x86_64" : "i386" },
#else
		{ "grub_cpu", "arm64" },
#endif
		{ "feature_platform_search_hint", "y" },
		{ "feature_menuentry_id", "y" },
		{ "feature_menuentry_options", "y" },
		{ "feature_timeout_style", "y" },
		{ "feature_default_font_path", "y" },
		{ "feature_all_video_module", "y" },
		{ "feature_200_final", "y" },
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(variables) / sizeof(variables[0]); i++)
		rc = grub_script_set(script, variables[i][0], variables[i][1], err);
	return rc;
}

static void grub_done(struct grub *g)
{
	grub_menu_free(&g->menu);
	grub_script_free(g->script);
}

static int run_first(struct grub *g, const struct boot_file *config, bool is_efi, struct err *err)
{
	int rc = set_features(g->script, is_efi, err);

	/* As its GRUB has it built in, or the stub beside it says. */
	if (rc == 0 && config->in_default)
		rc = grub_script_set(g->script, "btrfs_relative_path", "yes", err);
	return rc == 0 ? run_config(g, config, err) : rc;
}

int boot_entry_grub_config(struct boot_entry *out, const struct boot_volumes *volumes, const struct boot_file *config,
			   bool is_efi, struct err *err)
{
	static const struct grub_script_ops ops = { run_command, look };
	CLEANUP(grub_done) struct grub g = { .volumes = volumes };

	g.script = grub_script_new(&ops, &g);
	if (!g.script)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = run_first(&g, config, is_efi, err);
	if (rc < 0) {
		sysfs_clean(err->text);
		return rc;
	}
	sysfs_clean(g.entry.title);
	sysfs_clean(g.entry.from);
	*out = g.entry;
	return 0;
}

/* -ENOENT: there is no such file, or it leads nowhere. */
static int try_config(struct boot_entry *out, const struct boot_volumes *volumes, const struct boot_volume *volume,
		      const char *path, bool is_efi, struct err *err)
{
	struct boot_file config;
	int rc = -ENOENT;

	for (int in_default = volume->default_fd != volume->root_fd; rc == -ENOENT && in_default >= 0; in_default--) {
		if (boot_file_set(&config, volume, in_default, path, err) != 0)
			return err->code;
		if (boot_file_look(&config) != BOOT_FILE_FULL)
			continue;
		rc = boot_entry_grub_config(out, volumes, &config, is_efi, err);
	}
	return rc;
}

/* On the EFI system partition a short one tells where the other one is, and how its paths are meant. */
static int try_stubs(struct boot_entry *out, const struct boot_volumes *volumes, const struct boot_volume *volume,
		     bool is_efi, struct err *err)
{
	CLEANUP(boot_names_free) struct boot_names vendors = { 0 };
	char path[BOOT_PATH_MAX];
	struct boot_file dir;
	int rc = boot_file_set(&dir, volume, false, "/EFI", err);

	if (rc == 0)
		rc = boot_file_list(&vendors, &dir, "", err);
	if (rc != 0)
		return rc;
	rc = -ENOENT;
	for (size_t i = 0; rc == -ENOENT && i < vendors.count; i++) {
		snprintf(path, sizeof(path), "/EFI/%s/grub.cfg", vendors.names[i]);
		rc = try_config(out, volumes, volume, path, is_efi, err);
	}
	return rc;
}

int boot_entry_grub(struct boot_entry *out, const struct boot_volumes *volumes, bool is_efi, struct err *err)
{
	static const char *const paths[] = {
		"/boot/grub/grub.cfg",
		"/boot/grub2/grub.cfg",
		"/grub/grub.cfg",
		"/grub2/grub.cfg",
		"/@/boot/grub/grub.cfg",
		"/@/boot/grub2/grub.cfg",
		"/@rootfs/boot/grub/grub.cfg",
		"/root/boot/grub2/grub.cfg",
		"/@boot/grub/grub.cfg",
	};
	int rc = -ENOENT;

	for (size_t i = 0; rc == -ENOENT && i < volumes->count; i++)
		if (strcmp(volumes->list[i].kind, "vfat") == 0)
			rc = try_stubs(out, volumes, &volumes->list[i], is_efi, err);
	for (size_t i = 0; rc == -ENOENT && i < sizeof(paths) / sizeof(paths[0]); i++)
		for (size_t j = 0; rc == -ENOENT && j < volumes->count; j++)
			rc = try_config(out, volumes, &volumes->list[j], paths[i], is_efi, err);
	return rc;
}
