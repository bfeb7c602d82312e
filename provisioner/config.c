/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config: see config.h */
#include "config.h"

#include "cleanup.h"
#include "config_value.h"
#include "feed_options.h"
#include "index.h"
#include "log.h"
#include "target_rule.h"
#include "units.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ifaddrs.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifndef VMCAST_DATADIR /* the Makefile's follows PREFIX */
#define VMCAST_DATADIR "/usr/local/share/vmcast"
#endif
#ifndef VMCAST_LIBEXECDIR
#define VMCAST_LIBEXECDIR "/usr/local/libexec/vmcast"
#endif

#define FILE_BYTES_MAX (1 << 20) /* a feed list of thousands of lines fits; a file named by mistake does not */

enum kind {
	KIND_TEXT,    /* char * */
	KIND_LIST,    /* struct string_list, one entry for each line */
	KIND_BYTES,   /* uint64_t */
	KIND_SECONDS, /* uint64_t */
	KIND_COUNT,   /* uint64_t */
	KIND_CHOICE,  /* an enum: the position of the value in `choices` */
	KIND_LISTEN,  /* listen_host and listen_port */
};

struct key {
	const char *name;
	enum kind kind;
	size_t field;         /* offset in struct config */
	const char *fallback; /* as it would be written in the file; NULL: none */
	const char *min;      /* numbers: as they would be written */
	const char *max;
	const char *const *choices;                       /* KIND_CHOICE: NULL-terminated, in the order of the enum */
	int (*check)(const char *value, struct err *err); /* KIND_TEXT, KIND_LIST */
	bool may_be_empty;
	const char *form; /* what a value looks like; numbers and choices say so by themselves */
	const char *help;
};

#define FIELD(name) .field = offsetof(struct config, name)

static int check_feed(const char *value, struct err *err)
{
	CLEANUP(free_str) char *url = NULL, *options = NULL;

	return feed_options_split_line(&url, &options, value, err);
}

static const char *const dhcp_choices[] = { "off", "own", "proxy", NULL };
static const char *const ingest_choices[] = { "auto", "demand", "manual", NULL };
static const char *const menu_default_choices[] = { "local", "first", NULL };

static const char *const identity_choices[] = { "none", "ticket", "key", NULL };
const char *const unassigned_policy_names[] = { "menu", "refuse", NULL };

static const struct key keys[] = {
	{ "listen", KIND_LISTEN, .fallback = "0.0.0.0:8880", .form = "ADDRESS:PORT",
	  .help = "Where machines reach the service over plain HTTP." },
	{ "url", KIND_TEXT, FIELD(url), .check = config_value_check_base_url, .form = "http or https URL",
	  .help = "Base URL that machines are given. Without it: the address in `listen`, else that of "
		  "`dhcp_interface`, "
		  "else the only address this host has." },
	{ "mirror", KIND_LIST, FIELD(mirrors), .check = config_value_check_base_url, .form = "http or https URL",
	  .help = "Base URL of a server with a copy of `state_dir`/images, as images. Machines share their downloads "
		  "among it and this service. May be given up to eight times." },
	{ "socket", KIND_TEXT, FIELD(socket), .fallback = "/run/vmcast/api.sock", .check = config_value_check_socket,
	  .form = "absolute path", .help = "Unix socket of the operator's API, which vmcast(1) uses." },
	{ "group", KIND_TEXT, FIELD(group), .fallback = "vmcast", .check = config_value_check_name,
	  .form = "group name", .help = "Members may use the socket, beside root." },
	{ "user", KIND_TEXT, FIELD(user), .check = config_value_check_name, .form = "user name",
	  .help = "Whom the service becomes when root starts it, for good. Without it: vmcast, if there is such a "
		  "user." },
	{ "api_listen", KIND_TEXT, FIELD(api_listen), .check = config_value_check_listen, .form = "ADDRESS:PORT",
	  .help = "Where operators with a token (vmcast token) reach the API over HTTPS, beside the socket. Needs an "
		  "issuer in state_dir/tls (vmcast key ca)." },
	{ "https_listen", KIND_TEXT, FIELD(https_listen), .check = config_value_check_listen, .form = "ADDRESS:PORT",
	  .help = "Where machines reach the service over HTTPS, beside `listen`, once iPXE has started the boot "
		  "environment. "
		  "Needs an issuer in state_dir/tls (vmcast key ca)." },
	{ "https_url", KIND_TEXT, FIELD(https_url), .check = config_value_check_https_url, .form = "https URL",
	  .help = "Base URL that the boot environment is given in place of `url`. Without it: with `https_listen`, the "
		  "host of "
		  "`url` with its port." },
	{ "state_dir", KIND_TEXT, FIELD(state_dir), .fallback = "/var/lib/vmcast", .check = config_value_check_path,
	  .form = "absolute path", .help = "Database, images, downloads under way, last good feeds, DHCP leases." },
	{ "run_dir", KIND_TEXT, FIELD(run_dir), .fallback = "/run/vmcast", .check = config_value_check_path,
	  .form = "absolute path", .help = "What need not survive a restart: dnsmasq's configuration and TFTP files." },
	{ "env_dir", KIND_TEXT, FIELD(env_dir), .fallback = VMCAST_DATADIR "/env", .check = config_value_check_path,
	  .form = "absolute path", .help = "Boot environment: vmlinuz and the initramfs." },
	{ "firmware_dir", KIND_TEXT, FIELD(firmware_dir), .fallback = VMCAST_DATADIR "/firmware",
	  .check = config_value_check_path, .form = "absolute path", .help = "iPXE binaries." },
	{ "secure_boot_dir", KIND_TEXT, FIELD(secure_boot_dir), .check = config_value_check_path,
	  .form = "absolute path",
	  .help = "Folder with the signed snponly.efi and vmcast.efi, which x86-64 UEFI machines then boot. Without it "
		  "they boot unsigned files." },
	{ "initramfs", KIND_TEXT, FIELD(initramfs), .fallback = "initramfs", .check = config_value_check_file_name,
	  .form = "file name in env_dir",
	  .help = "`initramfs` has every driver, `initramfs-virtio` only those for virtual machines." },
	{ "kernel_args", KIND_TEXT, FIELD(kernel_args), .fallback = "console=tty0 console=ttyS0,115200",
	  .check = config_value_check_kernel_args, .may_be_empty = true, .form = "printable ASCII",
	  .help = "Added to the boot environment's kernel command line. The last console is the one that shows "
		  "progress first." },
	{ "feed", KIND_LIST, FIELD(feeds), .check = check_feed, .form = "http, https or file URL, then KEY=VALUE ...",
	  .help = "A VMcast feed to subscribe to, and how it is treated (vmcastd.conf(5) lists the keys). May be given "
		  "any number of times; vmcast(1) can add more." },
	{ "secrets", KIND_TEXT, FIELD(secrets), .check = config_value_check_path, .form = "absolute path",
	  .help = "File with the passwords, tokens and certificates that feeds name. Nobody but its owner may read "
		  "it." },
	{ "seeds_dir", KIND_TEXT, FIELD(seeds_dir), .fallback = "/etc/vmcast/seeds", .check = config_value_check_path,
	  .form = "absolute path",
	  .help = "A folder for each seed: templates of what a machine's system finds at its first boot (vmcast "
		  "machine "
		  "assign --seed)." },
	{ "refresh", KIND_SECONDS, FIELD(refresh_s), .fallback = "15m", .min = "30s", .max = "30d",
	  .help = "How often each feed is fetched. Up to a tenth less at random, so that feeds do not come in step." },
	{ "ingest", KIND_CHOICE, FIELD(ingest), .fallback = "auto", .choices = ingest_choices,
	  .help = "Which announced images are made ready: all at once, those that a machine's menu choice or an "
		  "operator "
		  "asks for, or only the latter. A feed may have its own policy." },
	{ "allow_host", KIND_LIST, FIELD(allow_hosts), .check = config_value_check_host, .form = "host name or address",
	  .help = "A host on an internal address that feeds may name. May be given any number of times." },
	{ "feed_bytes_max", KIND_BYTES, FIELD(feed_bytes_max), .fallback = "16M", .min = "64K", .max = "256M",
	  .help = "A longer feed is refused; the last good one keeps serving." },
	{ "feed_items_max", KIND_COUNT, FIELD(feed_items_max), .fallback = "10000", .min = "1", .max = "1000000",
	  .help = "A feed with more items is refused; the last good one keeps serving." },
	{ "disk_bytes_max", KIND_BYTES, FIELD(disk_bytes_max), .fallback = "2T", .min = "1M", .max = "1024T",
	  .help = "An image whose disk is larger is refused." },
	{ "scratch_bytes_max", KIND_BYTES, FIELD(scratch_bytes_max), .fallback = "512G", .min = "1M", .max = "1024T",
	  .help = "What is unpacked of one archive while its images are made may take so much of state_dir; holes do "
		  "not "
		  "count." },
	{ "store_bytes_max", KIND_BYTES, FIELD(store_bytes_max), .fallback = "0", .min = "0", .max = "1024T",
	  .help = "How much images may take in all; old versions are forgotten first. 0: as much as there is room "
		  "for." },
	{ "unpack", KIND_TEXT, FIELD(unpack), .fallback = VMCAST_LIBEXECDIR "/vmcast-unpack",
	  .check = config_value_check_path, .form = "absolute path", .help = "The program that opens archives." },
	{ "keyring", KIND_TEXT, FIELD(keyring), .check = config_value_check_path, .form = "absolute path",
	  .help = "GnuPG keyring (as gpg --export writes it) whose keys must have made the signatures of signed "
		  "archives. "
		  "Without it they are not checked." },
	{ "chunk_bytes", KIND_BYTES, FIELD(chunk_bytes), .fallback = "1M", .min = "64K", .max = "16M",
	  .help = "Unit of verification and compression, a power of two. Larger ones compress better and cost the "
		  "machines memory." },
	{ "compression_level", KIND_COUNT, FIELD(compression_level), .fallback = "3", .min = "1", .max = "19",
	  .help = "zstd's level for images." },
	{ "deltas", KIND_COUNT, FIELD(deltas), .fallback = "2", .min = "0", .max = "16",
	  .help = "From how many other versions of an item that are kept a delta to the one that serves is made, in "
		  "the "
		  "background, so that machines that hold one of them fetch less. 0: none." },
	{ "menu_title", KIND_TEXT, FIELD(menu_title), .fallback = "vmcast", .check = config_value_check_text,
	  .form = "text", .help = "Headline of the boot menu." },
	{ "menu_timeout", KIND_SECONDS, FIELD(menu_timeout_s), .fallback = "30s", .min = "0s", .max = "1d",
	  .help = "The menu takes its default after so long without a key. 0: it waits for ever." },
	{ "menu_default", KIND_CHOICE, FIELD(menu_default), .fallback = "local", .choices = menu_default_choices,
	  .help = "What the timeout takes: the local disk, or the first item, WHICH WRITES THE MACHINE'S DISK." },
	{ "unassigned", KIND_CHOICE, FIELD(unassigned), .fallback = "menu", .choices = unassigned_policy_names,
	  .help = "What machines that check signatures do without an assignment: write what was chosen in their menu, "
		  "or "
		  "refuse. It is signed; without signed metadata it does nothing." },
	{ "identity", KIND_CHOICE, FIELD(identity), .fallback = "ticket", .choices = identity_choices,
	  .help = "What a machine shows before it gets a plan: the ticket that its boot script had; that, and a key in "
		  "its TPM or "
		  "UEFI variables; or none, for boot scripts of the site's own." },
	{ "target", KIND_TEXT, FIELD(target), .check = target_rule_check, .form = "target rule",
	  .help = "Rule that names the disk to write on machines whose assignment has none, such as bus=nvme. Without "
		  "it "
		  "only a machine with exactly one usable disk is written." },
	{ "zeros", KIND_CHOICE, FIELD(zeros), .fallback = "zero", .choices = zeros_policy_names,
	  .help = "What machines do with areas that an image has as zeros: make them zeros, discard them, or keep what "
		  "was there. ANYTHING BUT ZERO LEAVES OLD DATA IN FILES, unless zeros are unused space in every "
		  "image; see vmcast-boot(8)." },
	{ "connections_max", KIND_COUNT, FIELD(connections_max), .fallback = "4096", .min = "16", .max = "100000",
	  .help = "Machines' connections at one time." },
	{ "connections_per_address_max", KIND_COUNT, FIELD(connections_per_address_max), .fallback = "256", .min = "4",
	  .max = "100000", .help = "The same from one address." },
	{ "header_bytes_max", KIND_BYTES, FIELD(header_bytes_max), .fallback = "16K", .min = "4K", .max = "256K",
	  .help = "A request with more header is refused." },
	{ "header_timeout", KIND_SECONDS, FIELD(header_timeout_s), .fallback = "20s", .min = "1s", .max = "10m",
	  .help = "A request must have arrived whole within this time." },
	{ "idle_timeout", KIND_SECONDS, FIELD(idle_timeout_s), .fallback = "60s", .min = "5s", .max = "1h",
	  .help = "A connection on which nothing moves for so long is closed." },
	{ "dhcp", KIND_CHOICE, FIELD(dhcp), .fallback = "off", .choices = dhcp_choices,
	  .help = "off: the site's DHCP server points here (vmcastd --print-dhcp). own: vmcastd runs dnsmasq as the "
		  "only DHCP "
		  "server of dhcp_interface. proxy: dnsmasq adds boot information beside an existing DHCP server." },
	{ "dhcp_interface", KIND_TEXT, FIELD(dhcp_interface), .check = config_value_check_name,
	  .form = "interface name",
	  .help = "Where dnsmasq answers. With dhcp = off it serves TFTP there, and nothing else." },
	{ "dhcp_range", KIND_TEXT, FIELD(dhcp_range), .check = config_value_check_range, .form = "START,END",
	  .help = "Addresses to give out with dhcp = own, from the network of dhcp_interface." },
	{ "dhcp_router", KIND_TEXT, FIELD(dhcp_router), .check = config_value_check_address, .form = "IPv4 address",
	  .help = "Default router to announce with dhcp = own. Without it none is." },
	{ "dhcp_lease", KIND_SECONDS, FIELD(dhcp_lease_s), .fallback = "1h", .min = "2m", .max = "30d",
	  .help = "How long an address is given out." },
	{ "dnsmasq", KIND_TEXT, FIELD(dnsmasq), .fallback = "/usr/sbin/dnsmasq", .check = config_value_check_path,
	  .form = "absolute path", .help = "The dnsmasq program." },
};

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

/* One run over one file. */
struct reader {
	const char *path;
	FILE *faults;    /* every fault, one line each; NULL: nobody asked */
	struct err *err; /* the first fault */
	struct config *config;
	int lines[KEY_COUNT]; /* where each key was set, 0: not in the file */
};

const char *config_key_name(size_t nr)
{
	return nr < KEY_COUNT ? keys[nr].name : NULL;
}

static size_t key_number(const char *name)
{
	size_t nr = 0;

	while (nr < KEY_COUNT && strcmp(keys[nr].name, name) != 0)
		nr++;
	return nr;
}

static void *field_of(struct config *config, const struct key *key)
{
	return (char *)config + key->field;
}

/* Tell of a fault on `line`; 0 for one that belongs to no line. */
__attribute__((format(printf, 3, 4))) static void fault(struct reader *reader, int line, const char *fmt, ...)
{
	char where[32] = "", what[640];
	struct err found;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (line)
		snprintf(where, sizeof(where), ":%d", line);
	err_set(&found, -EINVAL, "%s%s: %s", reader->path, where, what);
	if (!reader->err->code)
		*reader->err = found;
	if (reader->faults)
		fprintf(reader->faults, "%s\n", found.text);
}

int string_list_add(struct string_list *list, const char *value, struct err *err)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], value) == 0)
			return err_set(err, -EINVAL, "given twice; leave one out");
	char **items = realloc(list->items, (list->count + 2) * sizeof(*items));
	if (!items)
		return err_set(err, -ENOMEM, "out of memory");
	list->items = items;
	if (!(items[list->count] = strdup(value)))
		return err_set(err, -ENOMEM, "out of memory");
	items[++list->count] = NULL;
	return 0;
}

static int set_text(struct config *config, const struct key *key, const char *value, struct err *err)
{
	if (!*value && !key->may_be_empty)
		return err_set(err, -EINVAL, "empty; write %s, or leave the line out", key->form);
	if (key->check(value, err) < 0)
		return err->code;
	if (key->kind == KIND_LIST)
		return string_list_add(field_of(config, key), value, err);
	char *copy = strdup(value);
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	*(char **)field_of(config, key) = copy;
	return 0;
}

static int parse_count(uint64_t *out, const char *text)
{
	/* A size without a unit, which refuses the units. */
	return text[strspn(text, "0123456789")] ? -EINVAL : units_parse_bytes(out, text);
}

static int set_number(struct config *config, const struct key *key, const char *value, struct err *err)
{
	int (*parse)(uint64_t *, const char *) = key->kind == KIND_BYTES     ? units_parse_bytes
						 : key->kind == KIND_SECONDS ? units_parse_seconds
									     : parse_count;
	const char *form = key->kind == KIND_BYTES     ? "a size; write 512K, 64M, 8G or 2T"
			   : key->kind == KIND_SECONDS ? "a duration; write 90s, 15m, 1h or 1d"
						       : "a number; write digits only";
	uint64_t number, min, max;

	if (parse(&min, key->min) < 0 || parse(&max, key->max) < 0)
		assert(!"the table has a range that cannot be read");
	if (parse(&number, value) < 0)
		return err_set(err, -EINVAL, "not %s (%s..%s)", form, key->min, key->max);
	if (number < min || number > max)
		return err_set(err, -EINVAL, "out of range (%s..%s)", key->min, key->max);
	*(uint64_t *)field_of(config, key) = number;
	return 0;
}

static void choices_text(char *out, size_t room, const struct key *key)
{
	size_t len = 0;

	for (size_t i = 0; key->choices[i]; i++)
		len += (size_t)snprintf(out + len, room - len, "%s%s",
					!i                    ? ""
					: key->choices[i + 1] ? ", "
							      : " or ",
					key->choices[i]);
	assert(len < room);
}

static int set_choice(struct config *config, const struct key *key, const char *value, struct err *err)
{
	char text[80];

	for (unsigned i = 0; key->choices[i]; i++)
		if (strcmp(key->choices[i], value) == 0) {
			static_assert(sizeof(enum dhcp_mode) == sizeof(i) && sizeof(enum ingest_mode) == sizeof(i) &&
					      sizeof(enum menu_default) == sizeof(i) &&
					      sizeof(enum unassigned_policy) == sizeof(i) &&
					      sizeof(enum zeros_policy) == sizeof(i),
				      "choices are stored as unsigned");
			memcpy(field_of(config, key), &i, sizeof(i));
			return 0;
		}
	choices_text(text, sizeof(text), key);
	return err_set(err, -EINVAL, "not one of the choices; write %s", text);
}

static int set_value(struct config *config, const struct key *key, const char *value, struct err *err)
{
	switch (key->kind) {
	case KIND_LISTEN:
		return config_value_parse_listen(&config->listen_host, &config->listen_port, value, err);
	case KIND_CHOICE:
		return set_choice(config, key, value, err);
	case KIND_TEXT:
	case KIND_LIST:
		return set_text(config, key, value, err);
	default:
		return set_number(config, key, value, err);
	}
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text + strspn(text, " \t");
}

/* A value may stand in double quotes; there are no escapes inside. */
static char *unquote(char *value)
{
	size_t len = strlen(value);

	if (len < 2 || value[0] != '"' || value[len - 1] != '"')
		return value;
	value[len - 1] = '\0';
	return value + 1;
}

static void read_setting(struct reader *reader, int line, char *text)
{
	char *equals = strchr(text, '=');
	char shown_name[80], shown_value[256];
	struct err why;

	if (!equals) {
		fault(reader, line, "'%s': not a setting; write KEY = VALUE",
		      log_quote(shown_value, sizeof(shown_value), text));
		return;
	}
	*equals = '\0';
	const char *name = trim(text);
	const char *value = unquote(trim(equals + 1));
	size_t nr = key_number(name);
	log_quote(shown_name, sizeof(shown_name), name);
	log_quote(shown_value, sizeof(shown_value), value);
	if (nr == KEY_COUNT)
		fault(reader, line, "%s = '%s': no such key; `vmcastd --help-config` lists them", shown_name,
		      shown_value);
	else if (reader->lines[nr] && keys[nr].kind != KIND_LIST)
		fault(reader, line, "%s = '%s': set before, on line %d", shown_name, shown_value, reader->lines[nr]);
	else if (set_value(reader->config, &keys[nr], value, &why) < 0)
		fault(reader, line, "%s = '%s': %s", shown_name, shown_value, why.text);
	if (nr < KEY_COUNT)
		reader->lines[nr] = line;
}

static int read_file(struct reader *reader)
{
	CLEANUP(close_file) FILE *file = fopen(reader->path, "re");
	CLEANUP(free_str) char *text = NULL;
	size_t room = 0;
	struct stat st;
	ssize_t len;

	if (!file || fstat(fileno(file), &st) < 0)
		return err_set(reader->err, -errno, "open '%s': %s", reader->path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX)
		return err_set(reader->err, -EINVAL, "'%s' is no configuration file: %s", reader->path,
			       S_ISREG(st.st_mode) ? "larger than 1 MiB" : "not a regular file");
	for (int line = 1; (len = getline(&text, &room, file)) >= 0; line++) {
		if (strlen(text) != (size_t)len) {
			fault(reader, line, "has a NUL byte");
			continue;
		}
		char *setting = trim(text);
		if (*setting && *setting != '#')
			read_setting(reader, line, setting);
	}
	if (ferror(file))
		return err_set(reader->err, -errno, "read '%s': %s", reader->path, strerror(errno));
	return 0;
}

static void set_defaults(struct reader *reader)
{
	struct err why;

	for (size_t nr = 0; nr < KEY_COUNT; nr++)
		if (!reader->lines[nr] && keys[nr].fallback &&
		    set_value(reader->config, &keys[nr], keys[nr].fallback, &why) < 0)
			fault(reader, 0, "default of %s: %s", keys[nr].name, why.text); /* out of memory */
}

/* What no single key shows. `nr` names the key to blame, at the line that set it. */
static void check_together(struct reader *reader)
{
	const struct config *config = reader->config;
	const int *lines = reader->lines;

	if (config->chunk_bytes & (config->chunk_bytes - 1))
		fault(reader, lines[key_number("chunk_bytes")],
		      "chunk_bytes = '%" PRIu64 "': not a power of two; write 64K, 128K ... 16M", config->chunk_bytes);
	else if (config->disk_bytes_max / config->chunk_bytes > INDEX_CHUNKS_MAX)
		fault(reader, lines[key_number("disk_bytes_max")],
		      "disk_bytes_max: more than %u chunks of chunk_bytes; make it smaller or chunk_bytes larger",
		      INDEX_CHUNKS_MAX);
	if (config->connections_per_address_max > config->connections_max)
		fault(reader, lines[key_number("connections_per_address_max")],
		      "connections_per_address_max = '%" PRIu64 "': more than connections_max (%" PRIu64 ")",
		      config->connections_per_address_max, config->connections_max);
	if (config->dhcp != DHCP_OFF && !config->dhcp_interface)
		fault(reader, lines[key_number("dhcp")], "dhcp = '%s': needs dhcp_interface = INTERFACE as well",
		      dhcp_choices[config->dhcp]);
	if (config->dhcp == DHCP_OWN && !config->dhcp_range)
		fault(reader, lines[key_number("dhcp")], "dhcp = 'own': needs dhcp_range = START,END as well");
}

/* As many as a client takes (bootloader/boot_plan.h). */
#define MIRRORS_MAX 8

static void check_mirrors(struct reader *reader)
{
	if (reader->config->mirrors.count > MIRRORS_MAX)
		fault(reader, reader->lines[key_number("mirror")],
		      "mirror = '%s': more than %d mirrors; leave some out", reader->config->mirrors.items[MIRRORS_MAX],
		      MIRRORS_MAX);
}

/* The same feed with other options is one feed too many. */
static void check_feeds(struct reader *reader)
{
	const struct string_list *feeds = &reader->config->feeds;

	for (size_t i = 0; i < feeds->count; i++) {
		size_t len = strcspn(feeds->items[i], " \t");

		for (size_t k = 0; k < i; k++)
			if (strncmp(feeds->items[i], feeds->items[k], len) == 0 &&
			    len == strcspn(feeds->items[k], " \t"))
				fault(reader, reader->lines[key_number("feed")],
				      "feed = '%.*s': given twice; leave one out", (int)len, feeds->items[i]);
	}
}

static bool is_wildcard(const char *address)
{
	return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/*
 * The IPv4 address that machines can reach this host at: the first of `interface`, or, if that is NULL, the only one
 * there is besides loopback. Several are a question for the operator: a guess would only show as machines that cannot
 * boot.
 */
static int find_address(char out[static INET_ADDRSTRLEN], const char *interface, struct err *err)
{
	struct ifaddrs *all;
	unsigned found = 0;

	if (getifaddrs(&all) < 0)
		return err_set(err, -errno, "list network addresses: %s", strerror(errno));
	for (struct ifaddrs *at = all; at; at = at->ifa_next) {
		bool fits = interface ? strcmp(at->ifa_name, interface) == 0 : !(at->ifa_flags & IFF_LOOPBACK);

		if (!fits || !at->ifa_addr || at->ifa_addr->sa_family != AF_INET || found++)
			continue;
		inet_ntop(AF_INET, &((struct sockaddr_in *)at->ifa_addr)->sin_addr, out, INET_ADDRSTRLEN);
	}
	freeifaddrs(all);
	if (!found && interface)
		return err_set(err, -EINVAL, "'%s' has no IPv4 address", interface);
	if (!found || (found > 1 && !interface))
		return err_set(err, -EINVAL, "this host has %u IPv4 addresses", found);
	return 0;
}

static int derive_url(struct config *config, struct err *err)
{
	char address[INET_ADDRSTRLEN];
	const char *host = config->listen_host;

	if (is_wildcard(host)) {
		if (find_address(address, config->dhcp_interface, err) < 0)
			return err_wrap(err, "url cannot be derived; write url = http://ADDRESS:%u",
					config->listen_port);
		host = address;
	}
	bool ipv6 = strchr(host, ':') != NULL;
	if (asprintf(&config->url, "http://%s%s%s:%u", ipv6 ? "[" : "", host, ipv6 ? "]" : "", config->listen_port) <
	    0) {
		config->url = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

static int derive_https_url(struct config *config, struct err *err)
{
	CLEANUP(free_str) char *ignored = NULL;
	char host[256];
	uint16_t port;

	if (config_value_parse_listen(&ignored, &port, config->https_listen, err) < 0)
		return err->code;
	config_value_url_host(host, sizeof(host), config->url);
	bool ipv6 = strchr(host, ':') != NULL;
	if (asprintf(&config->https_url, "https://%s%s%s:%u", ipv6 ? "[" : "", host, ipv6 ? "]" : "", port) < 0) {
		config->https_url = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	return 0;
}

/* One slash at its end would become two in every URL made of it. */
static void trim_slashes(char *url)
{
	for (size_t len = url ? strlen(url) : 0; len && url[len - 1] == '/'; len--)
		url[len - 1] = '\0';
}

static void complete_urls(struct reader *reader)
{
	struct config *config = reader->config;
	struct err why;

	if (!config->url && derive_url(config, &why) < 0)
		fault(reader, 0, "%s", why.text);
	else if (config->https_listen && !config->https_url && derive_https_url(config, &why) < 0)
		fault(reader, 0, "%s", why.text);
	trim_slashes(config->url);
	trim_slashes(config->https_url);
}

int config_check(struct config **out, const char *path, FILE *faults, struct err *err)
{
	CLEANUP(config_free) struct config *config = calloc(1, sizeof(*config));
	struct reader reader = { .path = path, .faults = faults, .err = err, .config = config };

	*err = (struct err){ 0 };
	if (!config)
		return err_set(err, -ENOMEM, "out of memory");
	if (read_file(&reader) < 0)
		return err->code;
	/* A key that was set wrong has no value to go on with, so the rest is only looked at when every line was right.
	 */
	if (!err->code)
		set_defaults(&reader);
	if (!err->code)
		check_together(&reader);
	if (!err->code)
		check_feeds(&reader);
	if (!err->code)
		check_mirrors(&reader);
	if (!err->code)
		complete_urls(&reader);
	if (err->code)
		return err->code;
	*out = TAKE(config);
	return 0;
}

int config_load(struct config **out, const char *path, struct err *err)
{
	return config_check(out, path, NULL, err);
}

const char *config_firmware_dir(const struct config *config, const char *name)
{
	return config->secure_boot_dir && strcmp(name, "snponly.efi") == 0 ? config->secure_boot_dir
									   : config->firmware_dir;
}

void string_list_free(struct string_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct string_list){ 0 };
}

void config_free(struct config **config)
{
	if (!*config)
		return;
	for (size_t nr = 0; nr < KEY_COUNT; nr++) {
		if (keys[nr].kind == KIND_TEXT)
			free(*(char **)field_of(*config, &keys[nr]));
		else if (keys[nr].kind == KIND_LIST)
			string_list_free(field_of(*config, &keys[nr]));
	}
	free((*config)->listen_host);
	free(*config);
	*config = NULL;
}

/* `text` as comment lines of at most 100 characters. */
static void print_comment(FILE *to, const char *text)
{
	while (*text) {
		size_t len = strlen(text);

		if (len > 98) {
			len = 98;
			while (len > 1 && text[len] != ' ')
				len--;
		}
		fprintf(to, "# %.*s\n", (int)len, text);
		text += len + (text[len] == ' ');
	}
}

static void print_key(FILE *to, const struct key *key)
{
	char text[80];

	fputc('\n', to);
	print_comment(to, key->help);
	if (key->kind == KIND_CHOICE) {
		choices_text(text, sizeof(text), key);
		fprintf(to, "# (%s)\n", text);
	} else if (key->min) {
		fprintf(to, "# (%s, %s..%s)\n",
			key->kind == KIND_BYTES     ? "size"
			: key->kind == KIND_SECONDS ? "duration"
						    : "number",
			key->min, key->max);
	} else {
		fprintf(to, "# (%s%s)\n", key->form, key->fallback ? "" : "; no default");
	}
	fprintf(to, "#%s =%s%s\n", key->name, key->fallback ? " " : "", key->fallback ? key->fallback : "");
}

void config_print_help(FILE *to)
{
	fputs("# vmcastd.conf: configuration of vmcastd(8); vmcastd.conf(5) says more. Every key is shown with its "
	      "default.\n"
	      "# One `key = value` to a line. A line that begins with # is a comment; text after a value is part of "
	      "it.\n"
	      "# Sizes are powers of 1024: 512K, 64M, 8G, 2T. Durations: 90s, 15m, 1h, 1d.\n",
	      to);
	for (size_t nr = 0; nr < KEY_COUNT; nr++)
		print_key(to, &keys[nr]);
}
