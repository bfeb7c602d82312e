/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dnsmasq is told, to the letter. That dnsmasq understands it is tests/functional/dhcp-*.t's part. */
#include "cleanup.h"
#include "dnsmasq.h"
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static struct config config_for(enum dhcp_mode mode)
{
	return (struct config){ .url = "http://10.0.0.1:8880",
				.run_dir = "/run/vmcast",
				.state_dir = "/var/lib/vmcast",
				.dhcp = mode,
				.dhcp_interface = "eth0",
				.dhcp_range = "10.0.0.100,10.0.0.199",
				.dhcp_lease_s = 3600 };
}

static struct dnsmasq_network network(void)
{
	struct dnsmasq_network net;

	inet_pton(AF_INET, "10.0.0.1", &net.address);
	inet_pton(AF_INET, "255.255.255.0", &net.netmask);
	return net;
}

/* dnsmasq.conf for `config`; caller frees. NULL, with `err` filled: refused. */
static char *conf(const struct config *config, struct err *err)
{
	struct dnsmasq_network net = network();
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	int rc = dnsmasq_write_conf(to, config, &net, err);

	fclose(to);
	if (rc == 0)
		return text;
	free(text);
	return NULL;
}

#define COMMON                                                                                                         \
	"# Written by vmcastd at every start.\n"                                                                       \
	"port=0\ninterface=eth0\nexcept-interface=lo\nbind-dynamic\nno-ping\nlog-facility=-\n"                         \
	"pid-file=/run/vmcast/dnsmasq.pid\ndhcp-leasefile=/var/lib/vmcast/dnsmasq.leases\n"                            \
	"enable-tftp\ntftp-root=/run/vmcast/tftp\ntftp-max=500\nuser=root\ngroup=\n"
#define TAGS                                                                                                           \
	"dhcp-match=set:ipxe,175\ndhcp-userclass=set:ipxe,iPXE\n"                                                      \
	"dhcp-match=set:bios,option:client-arch,0\n"                                                                   \
	"dhcp-match=set:x64,option:client-arch,7\ndhcp-match=set:x64,option:client-arch,9\n"                           \
	"dhcp-match=set:x64-http,option:client-arch,16\n"                                                              \
	"dhcp-match=set:arm64,option:client-arch,11\ndhcp-match=set:arm64-http,option:client-arch,19\n"
#define HTTP_BOOT                                                                                                      \
	"dhcp-vendorclass=set:http,HTTPClient\ndhcp-option-force=tag:http,tag:!ipxe,60,HTTPClient\n"                   \
	"dhcp-boot=tag:!ipxe,tag:x64-http,http://10.0.0.1:8880/firmware/snponly.efi\n"                                 \
	"dhcp-boot=tag:!ipxe,tag:arm64-http,http://10.0.0.1:8880/firmware/ipxe-arm64.efi\n"

static void each_mode_has_its_text(void)
{
	struct config off = config_for(DHCP_OFF), own = config_for(DHCP_OWN), proxy = config_for(DHCP_PROXY);
	struct err err;
	CLEANUP(free_str) char *off_text = conf(&off, &err);
	CLEANUP(free_str) char *own_text = conf(&own, &err);
	CLEANUP(free_str) char *proxy_text = conf(&proxy, &err);

	is_str(off_text, COMMON, "with dhcp = off it serves TFTP alone");
	is_str(own_text,
	       COMMON "dhcp-authoritative\ndhcp-range=10.0.0.100,10.0.0.199,3600\ndhcp-option=option:router\n" TAGS
		      "dhcp-boot=tag:ipxe,http://10.0.0.1:8880/boot.ipxe\n"
		      "dhcp-boot=tag:!ipxe,tag:bios,undionly.kpxe\n"
		      "dhcp-boot=tag:!ipxe,tag:x64,snponly.efi\n"
		      "dhcp-boot=tag:!ipxe,tag:arm64,ipxe-arm64.efi\n" HTTP_BOOT,
	       "with dhcp = own it gives out addresses and boot files");
	is_str(proxy_text,
	       COMMON "dhcp-range=10.0.0.0,proxy,255.255.255.0\n" TAGS "dhcp-pxe-vendor=PXEClient,HTTPClient\n"
		      "dhcp-boot=tag:ipxe,http://10.0.0.1:8880/boot.ipxe,,10.0.0.1\n"
		      "pxe-service=tag:!ipxe,0,\"vmcast\",undionly.kpxe\n"
		      "pxe-service=tag:!ipxe,7,\"vmcast\",snponly.efi\n"
		      "pxe-service=tag:!ipxe,9,\"vmcast\",snponly.efi\n"
		      "pxe-service=tag:!ipxe,11,\"vmcast\",ipxe-arm64.efi\n" HTTP_BOOT,
	       "with dhcp = proxy it gives out boot files alone");
	own.dhcp_router = "10.0.0.254";
	CLEANUP(free_str) char *routed = conf(&own, &err);
	ok(strstr(routed, "dhcp-option=option:router,10.0.0.254\n"), "a router is announced where one is named");
}

static void what_dnsmasq_would_misread_is_refused(void)
{
	static const char *const paths[] = { "/run/a,b", "/run/a b", "/run/a\nlog-queries", "/run/a\"b", "/run/a#b" };
	struct err err;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct config config = config_for(DHCP_OWN);

		config.run_dir = (char *)paths[i];
		CLEANUP(free_str) char *run = conf(&config, &err);
		ok(!run && err.code == -EINVAL && strstr(err.text, "run_dir"), "run_dir %zu", i);
		config = config_for(DHCP_OWN);
		config.state_dir = (char *)paths[i];
		CLEANUP(free_str) char *state = conf(&config, &err);
		ok(!state && err.code == -EINVAL && strstr(err.text, "state_dir"), "state_dir %zu", i);
	}
}

static void ranges_lie_in_the_network(void)
{
	static const struct {
		const char *range;
		bool right;
	} table[] = {
		{ "10.0.0.2,10.0.0.254", true },
		{ "10.0.0.200,10.0.1.10", false },
		{ "10.0.1.2,10.0.1.10", false },
		{ "9.255.255.255,10.0.0.10", false },
	};
	struct err err;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct config config = config_for(DHCP_OWN);

		config.dhcp_range = (char *)table[i].range;
		CLEANUP(free_str) char *text = conf(&config, &err);
		is_int(text != NULL, table[i].right, table[i].range);
	}
	is_str(err.text, "dhcp_range = '9.255.255.255,10.0.0.10': outside of 10.0.0.1/24, the network of 'eth0'",
	       "and a wrong one is told");
}

static void a_tftp_server_has_no_brackets(void)
{
	struct config config = config_for(DHCP_OFF);
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	config.url = "http://[2001:db8::1]:8880";
	dnsmasq_print_site(to, &config);
	fclose(to);
	ok(strstr(text, ",undionly.kpxe,,2001:db8::1\n"), "an IPv6 address stands for itself: %s", text);
	free(text);
}

static void dnsmasq_runs_where_it_is_wanted(void)
{
	struct config config = config_for(DHCP_OFF);

	ok(dnsmasq_wanted(&config), "dhcp = off with an interface: for TFTP");
	config.dhcp_interface = NULL;
	ok(!dnsmasq_wanted(&config), "without: not at all");
}

static void what_cannot_work_is_told_at_the_start(void)
{
	struct config config = config_for(DHCP_OWN);
	CLEANUP(dnsmasq_free) struct dnsmasq *d = NULL;
	struct err err;

	dnsmasq_new(&d, &config, &err);

	config.dnsmasq = "/nonexistent/dnsmasq";
	is_int(dnsmasq_start(d, &err), -ENOENT, "a dnsmasq that is not installed");
	ok(strstr(err.text, "dnsmasq-base"), "names the package: %s", err.text);
	config.dnsmasq = "/bin/true";
	config.dhcp_interface = "nosuch0";
	is_int(dnsmasq_start(d, &err), -ENODEV, "an interface that is not there");
	is_str(err.text, "dhcp_interface = 'nosuch0': there is no such interface", "says so");
}

static void one_that_does_not_run_is_told(void)
{
	struct config config = config_for(DHCP_OFF);
	CLEANUP(dnsmasq_free) struct dnsmasq *d = NULL;
	char dir[] = "/tmp/test_dnsmasq.XXXXXX", command[100], why[DNSMASQ_WHY];
	struct err err;

	if (!mkdtemp(dir))
		return;
	config.run_dir = dir;
	config.firmware_dir = dir;
	config.dhcp_interface = "lo";
	config.dnsmasq = "/bin/cat"; /* which says why it does not know the options */
	dnsmasq_new(&d, &config, &err);
	is_int(dnsmasq_state(d, why), DNSMASQ_OFF, "not started: off");
	is_int(dnsmasq_start(d, &err), 0, "it is started");
	for (int i = 0; i < 100 && dnsmasq_state(d, why) != DNSMASQ_RESTARTING; i++)
		usleep(20000);
	is_int(dnsmasq_state(d, why), DNSMASQ_RESTARTING, "ended at once: it is to be started again");
	ok(strstr(why, "ended with status 1: "), "and why: %s", why);
	dnsmasq_stop(d);
	is_int(dnsmasq_state(d, why), DNSMASQ_OFF, "stopped: off");
	snprintf(command, sizeof(command), "rm -r %s", dir);
	is_int(system(command), 0, "its folder is left to us");
}

int main(void)
{
	each_mode_has_its_text();
	what_dnsmasq_would_misread_is_refused();
	a_tftp_server_has_no_brackets();
	ranges_lie_in_the_network();
	dnsmasq_runs_where_it_is_wanted();
	what_cannot_work_is_told_at_the_start();
	one_that_does_not_run_is_told();
	return done_testing();
}
