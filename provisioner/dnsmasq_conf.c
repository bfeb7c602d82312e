/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dnsmasq_conf: vmcastd's configuration -> dnsmasq.conf, or lines for the site's own DHCP server. Pure text; golden-tested.
 * Source: dnsmasq(8); RFC 4578 and the UEFI specification for client architectures; PXE 2.1 for proxies.
 */
#include "dnsmasq.h"

#include "config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* An iPXE binary and the firmware that runs it. */
static const struct boot_file {
	const char *name;
	const char *machines;
	const char *tag;
	unsigned pxe_archs[2]; /* option 93 of firmware that fetches by TFTP */
	size_t pxe_arch_count;
	unsigned http_arch; /* of UEFI HTTP boot; 0: BIOS has none */
} boot_files[] = {
	/* 7 is "EFI byte code" in RFC 4578 and what every x86-64 UEFI sends; 9 is what the RFC meant for it. */
	{ "undionly.kpxe", "BIOS", "bios", { 0 }, 1, 0 },
	{ "snponly.efi", "x86-64 UEFI", "x64", { 7, 9 }, 2, 16 },
	{ "ipxe-arm64.efi", "arm64 UEFI", "arm64", { 11 }, 1, 19 },
};

#define BOOT_FILE_COUNT (sizeof(boot_files) / sizeof(boot_files[0]))

const char *dnsmasq_boot_file(size_t nr, const char **machines)
{
	if (nr >= BOOT_FILE_COUNT)
		return NULL;
	*machines = boot_files[nr].machines;
	return boot_files[nr].name;
}

bool dnsmasq_wanted(const struct config *config)
{
	return config->dhcp != DHCP_OFF || config->dhcp_interface;
}

/* A value ends at a comma or line end, and a quote or a number sign has a meaning of its own. */
static int check_path(const char *key, const char *path, struct err *err)
{
	for (const char *at = path; *at; at++)
		if (strchr(",\"#\\", *at) || (unsigned char)*at <= ' ')
			return err_set(err, -EINVAL,
				       "%s = '%s': dnsmasq cannot take such a path; use one without spaces, "
				       "commas, quotes, '#' and '\\'",
				       key, path);
	return 0;
}

static int check_range(const struct config *config, const struct dnsmasq_network *network, struct err *err)
{
	uint32_t start, end, mask = ntohl(network->netmask.s_addr), own = ntohl(network->address.s_addr);
	char address[INET_ADDRSTRLEN];

	if (config_value_parse_range(&start, &end, config->dhcp_range, err) < 0)
		return err->code;
	if ((start & mask) == (own & mask) && (end & mask) == (own & mask))
		return 0;
	return err_set(err, -EINVAL, "dhcp_range = '%s': outside of %s/%d, the network of '%s'", config->dhcp_range,
		       inet_ntop(AF_INET, &network->address, address, sizeof(address)), __builtin_popcount(mask),
		       config->dhcp_interface);
}

/* Who is asking: one tag for iPXE, one for each kind of firmware, one for UEFI HTTP boot. */
static void write_tags(FILE *to)
{
	fputs("dhcp-match=set:ipxe,175\n"
	      "dhcp-userclass=set:ipxe,iPXE\n",
	      to);
	for (size_t i = 0; i < BOOT_FILE_COUNT; i++) {
		const struct boot_file *file = &boot_files[i];

		for (size_t a = 0; a < file->pxe_arch_count; a++)
			fprintf(to, "dhcp-match=set:%s,option:client-arch,%u\n", file->tag, file->pxe_archs[a]);
		if (file->http_arch)
			fprintf(to, "dhcp-match=set:%s-http,option:client-arch,%u\n", file->tag, file->http_arch);
	}
}

/* UEFI HTTP boot takes an offer only if it names the same vendor class. */
static void write_http_boot(FILE *to, const struct config *config)
{
	fputs("dhcp-vendorclass=set:http,HTTPClient\n"
	      "dhcp-option-force=tag:http,tag:!ipxe,60,HTTPClient\n",
	      to);
	for (size_t i = 0; i < BOOT_FILE_COUNT; i++)
		if (boot_files[i].http_arch)
			fprintf(to, "dhcp-boot=tag:!ipxe,tag:%s-http,%s/firmware/%s\n", boot_files[i].tag, config->url,
				boot_files[i].name);
}

/* `tftp_server`: ", NAME, ADDRESS" of the server, or empty where dnsmasq is that itself. */
static void write_boot(FILE *to, const struct config *config, const char *tftp_server)
{
	fprintf(to, "dhcp-boot=tag:ipxe,%s/boot.ipxe\n", config->url);
	for (size_t i = 0; i < BOOT_FILE_COUNT; i++)
		fprintf(to, "dhcp-boot=tag:!ipxe,tag:%s,%s%s\n", boot_files[i].tag, boot_files[i].name, tftp_server);
	write_http_boot(to, config);
}

static void write_own(FILE *to, const struct config *config)
{
	fprintf(to, "dhcp-authoritative\ndhcp-range=%s,%" PRIu64 "\n", config->dhcp_range, config->dhcp_lease_s);
	/* Without this, dnsmasq names itself as the router. */
	fprintf(to, "dhcp-option=option:router%s%s\n", config->dhcp_router ? "," : "",
		config->dhcp_router ? config->dhcp_router : "");
	write_tags(to);
	write_boot(to, config, "");
}

/* A proxy names its boot files by PXE service; only iPXE and HTTP boot read the plain field of its offer. */
static void write_proxy(FILE *to, const struct config *config, const struct dnsmasq_network *network)
{
	struct in_addr net = { network->address.s_addr & network->netmask.s_addr };
	char address[INET_ADDRSTRLEN], mask[INET_ADDRSTRLEN], own[INET_ADDRSTRLEN];

	fprintf(to, "dhcp-range=%s,proxy,%s\n", inet_ntop(AF_INET, &net, address, sizeof(address)),
		inet_ntop(AF_INET, &network->netmask, mask, sizeof(mask)));
	write_tags(to);
	fputs("dhcp-pxe-vendor=PXEClient,HTTPClient\n", to);
	/* iPXE has no use for the address, but takes no proxy's answer without one; dnsmasq adds it for UEFI only. */
	fprintf(to, "dhcp-boot=tag:ipxe,%s/boot.ipxe,,%s\n", config->url,
		inet_ntop(AF_INET, &network->address, own, sizeof(own)));
	for (size_t i = 0; i < BOOT_FILE_COUNT; i++)
		for (size_t a = 0; a < boot_files[i].pxe_arch_count; a++)
			fprintf(to, "pxe-service=tag:!ipxe,%u,\"vmcast\",%s\n", boot_files[i].pxe_archs[a],
				boot_files[i].name);
	write_http_boot(to, config);
}

int dnsmasq_write_conf(FILE *to, const struct config *config, const struct dnsmasq_network *network, struct err *err)
{
	if (check_path("run_dir", config->run_dir, err) < 0 || check_path("state_dir", config->state_dir, err) < 0)
		return err->code;
	if (config->dhcp == DHCP_OWN && check_range(config, network, err) < 0)
		return err->code;
	fprintf(to,
		"# Written by vmcastd at every start.\n"
		"port=0\n"
		"interface=%s\n"
		"except-interface=lo\n"
		"bind-dynamic\n"
		"no-ping\n"
		"log-facility=-\n"
		"pid-file=%s/dnsmasq.pid\n"
		"dhcp-leasefile=%s/dnsmasq.leases\n"
		"enable-tftp\n"
		"tftp-root=%s/tftp\n"
		"tftp-max=500\n",
		config->dhcp_interface, config->run_dir, config->state_dir, config->run_dir);
	/* It is run with just the rights it needs; changing users would make the kernel forget to end it with us. */
	fputs("user=root\n"
	      "group=\n",
	      to);
	if (config->dhcp == DHCP_OWN)
		write_own(to, config);
	else if (config->dhcp == DHCP_PROXY)
		write_proxy(to, config, network);
	return 0;
}

static void print_site_dnsmasq(FILE *to, const struct config *config, const char *host)
{
	char server[300];

	snprintf(server, sizeof(server), ",,%s", host);
	fputs("# For dnsmasq: add to its configuration.\n", to);
	write_tags(to);
	write_boot(to, config, server);
}

static void print_site_dhcpd(FILE *to, const struct config *config, const char *host)
{
	fputs("\n# For ISC dhcpd: the first line at the top of dhcpd.conf, the rest into the subnet or group.\n"
	      "option client-architecture code 93 = unsigned integer 16;\n",
	      to);
	fprintf(to, "if exists user-class and option user-class = \"iPXE\" {\n\tfilename \"%s/boot.ipxe\";\n}",
		config->url);
	for (size_t i = 0; i < BOOT_FILE_COUNT; i++) {
		const struct boot_file *file = &boot_files[i];

		for (size_t a = 0; a < file->pxe_arch_count; a++)
			fprintf(to,
				" elsif option client-architecture = 00:%02x {\n\tnext-server %s;\n\tfilename "
				"\"%s\";\n}",
				file->pxe_archs[a], host, file->name);
		if (file->http_arch)
			fprintf(to,
				" elsif option client-architecture = 00:%02x {\n\toption vendor-class-identifier "
				"\"HTTPClient\";\n"
				"\tfilename \"%s/firmware/%s\";\n}",
				file->http_arch, config->url, file->name);
	}
	fputc('\n', to);
}

void dnsmasq_print_site(FILE *to, const struct config *config)
{
	char host[256];

	/* It serves TFTP as well. */
	config_value_url_host(host, sizeof(host), config->url);
	fprintf(to,
		"# Machines fetch iPXE from %s by TFTP: vmcastd serves that if dhcp_interface is set (dhcp = off).\n"
		"# Machines that run iPXE already need no more than the script's URL: %s/boot.ipxe\n\n",
		host, config->url);
	print_site_dnsmasq(to, config, host);
	print_site_dhcpd(to, config, host);
}
