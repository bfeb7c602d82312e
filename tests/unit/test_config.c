/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every fault in vmcastd.conf names its line, key, value and remedy; table, man page and example agree. */
#include "cleanup.h"
#include "config.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static char conf_path[] = "/tmp/test_config.XXXXXX";

/* Load a file with this content; the path in front of an error's text is taken off. */
static struct config *load(const char *content, size_t len, struct err *err)
{
	struct config *config = NULL;
	CLEANUP(close_file) FILE *file = fopen(conf_path, "w");

	fwrite(content, 1, len, file);
	fflush(file);
	*err = (struct err){ 0 };
	config_load(&config, conf_path, err);
	size_t prefix = strlen(conf_path);
	if (strncmp(err->text, conf_path, prefix) == 0)
		memmove(err->text, err->text + prefix, strlen(err->text) + 1 - prefix);
	return config;
}

static void empty_file_gives_defaults(void)
{
	struct err err;
	/* The address this host happens to have is of no interest here. */
	CLEANUP(config_free) struct config *c = load("url=http://h:1\n", 15, &err);

	if (!ok(c, "a file with only a url loads"))
		return;
	is_str(c->listen_host, "0.0.0.0", "listens everywhere");
	is_int(c->listen_port, 8880, "on port 8880");
	is_int(c->refresh_s, 900, "refreshes every 15 minutes");
	is_int(c->ingest, INGEST_AUTO, "ingests by itself");
	is_int(c->disk_bytes_max, 2ll << 40, "takes disks up to 2 TiB");
	is_str(c->kernel_args, "console=tty0 console=ttyS0,115200", "puts the kernel on both consoles");
	is_int(c->dhcp, DHCP_OFF, "leaves DHCP alone");
	is_str(c->target, NULL, "has no target rule");
	is_int(c->feeds.count, 0, "has no feeds");
}

static void what_is_written_is_read(void)
{
	static const char text[] = "# a comment\n"
				   "\r\n"
				   "  listen = 127.0.0.1:99\r\n"
				   "feed=http://a/feed.xml\n"
				   "feed = file:///srv/feed,b.xml\n"
				   "kernel_args =\n"
				   "menu_title = \"  Lab # 1  \"\n"
				   "menu_timeout = 0\n"
				   "chunk_bytes = 256KiB\n"
				   "target = bus=nvme,bytes=960G\n"
				   "dhcp = own\ndhcp_interface = lo\ndhcp_range = 10.0.0.2,10.0.0.9";
	struct err err;
	CLEANUP(config_free) struct config *c = load(text, sizeof(text) - 1, &err);

	if (!ok(c, "a file with settings of every kind loads"))
		return printf("# %s\n", err.text), (void)0;
	is_str(c->url, "http://127.0.0.1:99", "the URL is made from the address in listen");
	is_int(c->feeds.count, 2, "feed may be repeated");
	is_str(c->feeds.items[1], "file:///srv/feed,b.xml", "in order");
	ok(!c->feeds.items[2], "and the list ends in NULL");
	is_str(c->kernel_args, "", "kernel_args may be empty");
	is_str(c->menu_title, "  Lab # 1  ", "quotes keep spaces and a # is part of a value");
	is_int(c->menu_timeout_s, 0, "0 is within the range of menu_timeout");
	is_int(c->chunk_bytes, 256 << 10, "sizes take KiB");
	is_str(c->target, "bus=nvme,bytes=960G", "only the first = splits");
	is_int(c->dhcp, DHCP_OWN, "choices are read");
}

static void is_https_url(const char *text, const char *want, const char *name)
{
	struct err err;
	CLEANUP(config_free) struct config *c = load(text, strlen(text), &err);

	if (ok(c, "HTTPS for machines: a file that loads"))
		is_str(c->https_url, want, name);
}

static void https_url_is_made_of_what_is_there(void)
{
	is_https_url("url = http://h:1/p/", NULL, "no HTTPS without being told");
	is_https_url("url = http://h:1/p/\nhttps_listen = 0.0.0.0:8882", "https://h:8882", "the host of url");
	is_https_url("listen = [::1]:80\nhttps_listen = [::]:443", "https://[::1]:443", "an IPv6 address");
	is_https_url("url = http://h\nhttps_listen = 0.0.0.0:8882\nhttps_url = https://name/x/", "https://name/x",
		     "what is written counts");
	is_https_url("url = http://h\nhttps_url = https://name", "https://name", "another server may do the TLS");
}

static void faults_say_what_would_be_right(void)
{
	static const struct {
		const char *text, *want;
	} table[] = {
		{ "url=http://h\n\nrefresh = 5 parsecs",
		  ":3: refresh = '5 parsecs': not a duration; write 90s, 15m, 1h or 1d (30s..30d)" },
		{ "refresh = 29", ":1: refresh = '29': out of range (30s..30d)" },
		{ "refresh = 31d", ":1: refresh = '31d': out of range (30s..30d)" },
		{ "feed_bytes_max = -1",
		  ":1: feed_bytes_max = '-1': not a size; write 512K, 64M, 8G or 2T (64K..256M)" },
		{ "feed_items_max = 1K", ":1: feed_items_max = '1K': not a number; write digits only (1..1000000)" },
		{ "feed_items_max = 99999999999999999999",
		  ":1: feed_items_max = '99999999999999999999': not a number; write digits only (1..1000000)" },
		{ "colour = blue", ":1: colour = 'blue': no such key; `vmcastd --help-config` lists them" },
		{ "hello", ":1: 'hello': not a setting; write KEY = VALUE" },
		{ "refresh=1m\nrefresh=2m", ":2: refresh = '2m': set before, on line 1" },
		{ "feed=http://a/\nfeed=http://a/", ":2: feed = 'http://a/': given twice; leave one out" },
		{ "ingest = never", ":1: ingest = 'never': not one of the choices; write auto, demand or manual" },
		{ "dhcp = maybe", ":1: dhcp = 'maybe': not one of the choices; write off, own or proxy" },
		{ "state_dir = lib", ":1: state_dir = 'lib': not an absolute path; begin it with '/'" },
		{ "state_dir =", ":1: state_dir = '': empty; write absolute path, or leave the line out" },
		{ "initramfs = ../x",
		  ":1: initramfs = '../x': not a file name; write letters, digits, '-', '.' and '_', "
		  "and no folder" },
		{ "listen = 80", ":1: listen = '80': not ADDRESS:PORT; write one such as 0.0.0.0:8880 or [::]:8880" },
		{ "listen = host:80", ":1: listen = 'host:80': 'host' is not a numeric address; write one such as "
				      "0.0.0.0:8880 or [::]:8880" },
		{ "listen = 1.2.3.4:65536", ":1: listen = '1.2.3.4:65536': '65536' is not a port; write 1..65535" },
		{ "url = ftp://x",
		  ":1: url = 'ftp://x': not a base URL; write http://HOST:PORT or http://HOST:PORT/PATH" },
		{ "url = http://",
		  ":1: url = 'http://': not a base URL; write http://HOST:PORT or http://HOST:PORT/PATH" },
		{ "https_url = http://x",
		  ":1: https_url = 'http://x': not a base URL for HTTPS; write https://HOST:PORT" },
		{ "url = http://x,y", ":1: url = 'http://x,y': not a base URL; write http://HOST:PORT or "
				      "http://HOST:PORT/PATH" },
		{ "feed = /srv/feed.xml",
		  ":1: feed = '/srv/feed.xml': not a feed's URL; write http://..., https://... or "
		  "file:///..." },
		{ "feed = file://host/x",
		  ":1: feed = 'file://host/x': not a feed's URL; write http://..., https://... or "
		  "file:///..." },
		{ "kernel_args = a ${b}",
		  ":1: kernel_args = 'a ${b}': iPXE would act on '${', '&&' and '||'; leave them "
		  "out" },
		{ "kernel_args = a ; b",
		  ":1: kernel_args = 'a ; b': iPXE would act on ';', a word that begins with '#', and a '\\' at the "
		  "end; leave them out" },
		{ "kernel_args = ;",
		  ":1: kernel_args = ';': iPXE would act on ';', a word that begins with '#', and a '\\' at the "
		  "end; leave them out" },
		{ "kernel_args = a\\",
		  ":1: kernel_args = 'a\\\\': iPXE would act on ';', a word that begins with '#', and a '\\' at the "
		  "end; leave them out" },
		{ "kernel_args = a b=c#d #e",
		  ":1: kernel_args = 'a b=c#d #e': iPXE would act on ';', a word that begins with '#', and a '\\' at "
		  "the end; leave them out" },
		{ "dhcp_range = 10.0.0.9,10.0.0.2", ":1: dhcp_range = '10.0.0.9,10.0.0.2': the range ends before it "
						    "starts" },
		{ "dhcp_range = 10.0.0.9", ":1: dhcp_range = '10.0.0.9': not a range; write START,END such as "
					   "192.0.2.100,192.0.2.199" },
		{ "dhcp_interface = eth0,x",
		  ":1: dhcp_interface = 'eth0,x': not a name; write at most 31 letters, digits, "
		  "'-', '.' and '_'" },
		{ "dhcp_router = 10.0.0.256", ":1: dhcp_router = '10.0.0.256': not an IPv4 address; write one such as "
					      "192.0.2.1" },
		{ "chunk_bytes = 100K", ":1: chunk_bytes = '102400': not a power of two; write 64K, 128K ... 16M" },
		{ "disk_bytes_max=16T\nchunk_bytes=64K",
		  ":1: disk_bytes_max: more than 134217728 chunks of chunk_bytes; "
		  "make it smaller or chunk_bytes larger" },
		{ "connections_max = 16", ": connections_per_address_max = '256': more than connections_max (16)" },
		{ "url=http://h\ndhcp = proxy", ":2: dhcp = 'proxy': needs dhcp_interface = INTERFACE as well" },
		{ "url=http://h\ndhcp = own\ndhcp_interface = lo", ":2: dhcp = 'own': needs dhcp_range = START,END as "
								   "well" },
		{ "dhcp_interface = nosuch0",
		  ": url cannot be derived; write url = http://ADDRESS:8880: 'nosuch0' has no "
		  "IPv4 address" },
		{ "menu_title = a\033[1m", ":1: menu_title = 'a\\x1B[1m': has a control character; write plain text" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct err err;
		CLEANUP(config_free) struct config *c = load(table[i].text, strlen(table[i].text), &err);

		ok(!c, "refused: %zu", i);
		is_str(err.text, table[i].want, "and the message says where, what and what else");
	}
}

static void hostile_files_are_refused(void)
{
	struct err err;
	static char big[(1 << 20) + 1];
	CLEANUP(config_free) struct config *c = load("refresh = 1\0m\n", 14, &err);

	ok(!c, "a NUL byte is refused");
	is_str(err.text, ":1: has a NUL byte", "with its line");
	memset(big, '#', sizeof(big));
	c = load(big, sizeof(big), &err);
	ok(!c && strstr(err.text, "larger than 1 MiB"), "a huge file is refused");
	is_int(config_load(&c, "/nonexistent", &err), -ENOENT, "a missing file is -ENOENT");
	is_int(config_load(&c, "/dev/zero", &err), -EINVAL, "a device is no configuration");
}

static void check_reports_every_fault(void)
{
	struct err err;
	struct config *c = load("refresh = 1\nbogus = 2\nok\n", 25, &err);
	CLEANUP(free_str) char *text = NULL;
	size_t len;
	FILE *faults = open_memstream(&text, &len);

	is_int(config_check(&c, conf_path, faults, &err), -EINVAL, "a file with three faults is refused");
	fclose(faults);
	ok(strstr(text, ":1: refresh") && strstr(text, ":2: bogus") && strstr(text, ":3: 'ok'"), "and all are told");
	ok(strstr(err.text, ":1: refresh"), "while the error is the first one");
}

static char *read_text(const char *path)
{
	CLEANUP(close_file) FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	if (file && fread(text, 1, (1 << 20) - 1, file) == 0)
		text[0] = '\0';
	return text;
}

/* Documentation is found from the source folder, where `make check` runs. */
static void documentation_agrees_with_the_table(void)
{
	CLEANUP(free_str) char *man = read_text("docs/reference/vmcastd.conf.5");
	CLEANUP(free_str) char *example = read_text("docs/examples/vmcastd.conf");
	CLEANUP(free_str) char *help = NULL;
	const char *name;
	size_t len;
	FILE *to = open_memstream(&help, &len);

	config_print_help(to);
	fclose(to);
	is_str(example, help, "docs/examples/vmcastd.conf is what --help-config prints");
	for (size_t nr = 0; (name = config_key_name(nr)); nr++) {
		char entry[64];

		snprintf(entry, sizeof(entry), "\n.TP\n.B %s\n", name);
		ok(strstr(man, entry), "vmcastd.conf.5 has an entry for %s", name);
	}
}

static void help_is_a_file_that_loads(void)
{
	CLEANUP(free_str) char *help = NULL;
	size_t len;
	FILE *to = open_memstream(&help, &len);
	struct err err;

	config_print_help(to);
	fputs("url = http://h\n", to);
	fclose(to);
	/* "#key = value" becomes a setting; "#key =" has no default and "# ..." is a comment. */
	for (char *at = help; (at = strstr(at, "\n#")); at++) {
		char *end = strchr(at + 1, '\n');

		if (at[2] != ' ' && end[-1] != '=')
			at[1] = ' ';
	}
	CLEANUP(config_free) struct config *c = load(help, len, &err);
	ok(c, "the defaults in the help are accepted as they are printed: %s", err.text);
}

int main(void)
{
	close(mkstemp(conf_path));
	empty_file_gives_defaults();
	what_is_written_is_read();
	https_url_is_made_of_what_is_there();
	faults_say_what_would_be_right();
	hostile_files_are_refused();
	check_reports_every_fault();
	help_is_a_file_that_loads();
	documentation_agrees_with_the_table();
	unlink(conf_path);
	return done_testing();
}
