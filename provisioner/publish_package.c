/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish_package: see publish_package.h. Sources: libvirt's "Domain XML format"; DSP0243 1.1.0 (OVF), for which the CIM
 * schema gives the numbers of resources and operating systems.
 */
#include "publish_package.h"

#include "bytes.h"
#include "cleanup.h"
#include "deployable.h"
#include "digest.h"
#include "tar_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libxml/entities.h>
#include <libxml/xmlmemory.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define PATH_ROOM       4096
#define NAME_ROOM       (PUBLISH_NAME_ROOM + 8)
#define COPY_BYTES      (1u << 20)
#define MEMORY_FALLBACK (1ull << 30)
#define POLL_MS         100
/* One SCSI controller has 16 addresses and is at one of them itself. */
#define OVA_DISKS_MAX   15
#define SCSI_CONTROLLER 7

extern char **environ;

void publish_package_name(char out[static PUBLISH_NAME_ROOM], const char *title)
{
	size_t len = 0;

	for (; *title && len + 1 < PUBLISH_NAME_ROOM; title++) {
		bool plain = (*title >= 'a' && *title <= 'z') || (*title >= 'A' && *title <= 'Z') ||
			     (*title >= '0' && *title <= '9') || *title == '.';

		if (plain ? len || *title != '.' : len && out[len - 1] != '-')
			out[len++] = plain ? *title : '-';
	}
	len -= len && out[len - 1] == '-';
	out[len] = '\0';
	if (!len)
		strcpy(out, "machine");
}

struct package {
	const struct publish_package_options *options;
	char name[PUBLISH_NAME_ROOM]; /* of the machine, as a file may be called and an id may be */
	char *title;                  /* of the machine, quoted for XML */
	struct tar_writer *tar;
	/* The member in hand, and what is known of those before it. */
	struct digest digest;
	struct manifest_line {
		char name[NAME_ROOM];
		uint8_t digest[DIGEST_BYTES];
	} lines[CONTENT_DISKS_MAX + 1];
	size_t line_count;
};

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "package: out of memory");
}

static uint64_t memory_bytes(const struct package *p)
{
	return p->options->memory_bytes ? p->options->memory_bytes : MEMORY_FALLBACK;
}

static unsigned cpus(const struct package *p)
{
	return p->options->cpus ? p->options->cpus : 1;
}

static bool is_uefi(const struct package *p)
{
	return p->options->firmware && strcmp(p->options->firmware, "uefi") == 0;
}

static void package_done(struct package *p)
{
	tar_writer_close(&p->tar);
	xmlFree(p->title);
}

static int package_init(struct package *p, const struct publish_package_options *options, struct err *err)
{
	*p = (struct package){ .options = options };
	publish_package_name(p->name, options->title);
	p->title = (char *)xmlEncodeSpecialChars(NULL, (const xmlChar *)options->title);
	return p->title ? tar_writer_open(&p->tar, options->path, err) : out_of_memory(err);
}

static int begin_member(struct package *p, const char *name, struct err *err)
{
	struct manifest_line *line = &p->lines[p->line_count];

	snprintf(line->name, sizeof(line->name), "%s", name);
	digest_init(&p->digest);
	return tar_writer_begin(p->tar, name, err);
}

static int add_bytes(struct package *p, const void *data, size_t len, struct err *err)
{
	digest_add(&p->digest, data, len);
	return tar_writer_add(p->tar, data, len, err);
}

static void end_member(struct package *p)
{
	digest_final(&p->digest, p->lines[p->line_count++].digest);
}

/* A member that is one text. */
static int add_text(struct package *p, const char *name, const char *text, struct err *err)
{
	int rc = begin_member(p, name, err);

	if (!rc)
		rc = add_bytes(p, text, strlen(text), err);
	if (!rc)
		end_member(p);
	return rc;
}

/* As sha256sum says it, or as OVF does (DSP0243, section 5.1). It is the last member: its own line is not in it. */
static int add_manifest(struct package *p, const char *name, bool ovf, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return out_of_memory(err);
	for (size_t i = 0; i < p->line_count; i++) {
		char hex[DIGEST_HEX];

		digest_hex(hex, p->lines[i].digest);
		if (ovf)
			fprintf(out, "SHA256(%s)= %s\n", p->lines[i].name, hex);
		else
			fprintf(out, "%s  %s\n", hex, p->lines[i].name);
	}
	if (fclose(out))
		return out_of_memory(err);
	int rc = tar_writer_begin(p->tar, name, err);
	return rc ? rc : tar_writer_add(p->tar, text, len, err);
}

static uint64_t disk_bytes(const struct package *p, size_t nr)
{
	return p->options->content->disks[nr].image.disk_bytes;
}

/* All bytes of disk `nr`, each chunk compared with its digest. */
static int read_disk(const struct package *p, size_t nr, const struct deployable_sink *sink, struct err *err)
{
	const struct publish_package_options *o = p->options;
	char index[PATH_ROOM], image[PATH_ROOM];
	uint8_t id[DIGEST_BYTES];

	if (digest_parse(id, o->content->disks[nr].image.id) ||
	    snprintf(index, sizeof(index), "%s/image.%zu/index", o->work, nr) >= PATH_ROOM ||
	    snprintf(image, sizeof(image), "%s/image.%zu/image.zst", o->work, nr) >= PATH_ROOM)
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", o->work);
	CLEANUP(close_fd) int index_fd = open(index, O_RDONLY | O_CLOEXEC);
	CLEANUP(close_fd) int image_fd = open(image, O_RDONLY | O_CLOEXEC);
	if (index_fd < 0 || image_fd < 0)
		return err_set(err, -errno, "open '%s': %s", index_fd < 0 ? index : image, strerror(errno));
	const struct deployable_files files = { index_fd, image_fd, id };
	return deployable_read(&files, sink, o->watch, err);
}

/* A gzip member of the archive that is being written. */
struct packer {
	struct package *package;
	z_stream z;
	uint8_t *out; /* COPY_BYTES */
};

static int deflate_some(struct packer *packer, int flush, struct err *err)
{
	int rc = 0;

	do {
		packer->z.next_out = packer->out;
		packer->z.avail_out = COPY_BYTES;
		if (deflate(&packer->z, flush) == Z_STREAM_ERROR)
			return err_set(err, -EIO, "gzip: %s", packer->z.msg ? packer->z.msg : "stream error");
		rc = add_bytes(packer->package, packer->out, COPY_BYTES - packer->z.avail_out, err);
	} while (!rc && !packer->z.avail_out);
	return rc;
}

static int take_into_gzip(void *ctx, const uint8_t *raw, size_t len, struct err *err)
{
	struct packer *packer = ctx;

	packer->z.next_in = (Bytef *)raw;
	packer->z.avail_in = (uInt)len;
	return deflate_some(packer, Z_NO_FLUSH, err);
}

static void end_packer(struct packer *packer)
{
	deflateEnd(&packer->z);
	free(packer->out);
}

static int add_gzip(struct package *p, size_t nr, struct err *err)
{
	CLEANUP(end_packer) struct packer packer = { .package = p, .out = malloc(COPY_BYTES) };
	const struct deployable_sink sink = { take_into_gzip, &packer };
	char name[NAME_ROOM];

	/* 16: a gzip header instead of zlib's. */
	if (!packer.out ||
	    deflateInit2(&packer.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return out_of_memory(err);
	snprintf(name, sizeof(name), "disk%zu.raw.gz", nr);
	int rc = begin_member(p, name, err);
	if (!rc)
		rc = read_disk(p, nr, &sink, err);
	if (!rc)
		rc = deflate_some(&packer, Z_FINISH, err);
	if (!rc)
		end_member(p);
	return rc;
}

/* What readers of the time expect: KVM, virtio, memory in KiB. */
static int write_domain(const struct package *p, FILE *out)
{
	bool arm = p->options->arch && strcmp(p->options->arch, "aarch64") == 0;

	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<domain type=\"kvm\">\n"
		"  <name>%s</name>\n"
		"  <title>%s</title>\n"
		"  <memory>%" PRIu64 "</memory>\n"
		"  <vcpu>%u</vcpu>\n"
		"  <os%s>\n"
		"    <type arch=\"%s\">hvm</type>\n"
		"    <boot dev=\"hd\"/>\n"
		"  </os>\n"
		"  <features><acpi/></features>\n"
		"  <devices>\n",
		p->name, p->title, memory_bytes(p) >> 10, cpus(p), is_uefi(p) ? " firmware=\"efi\"" : "",
		arm ? "aarch64" : "x86_64");
	for (size_t i = 0; i < p->options->content->disk_count; i++)
		fprintf(out,
			"    <disk type=\"file\" device=\"disk\">\n"
			"      <driver name=\"qemu\" type=\"raw\"/>\n"
			"      <source file=\"disk%zu.raw\"/>\n"
			"      <target dev=\"vd%c\" bus=\"virtio\"/>\n"
			"    </disk>\n",
			i, (char)('a' + i));
	fprintf(out,
		"    <interface type=\"network\"><source network=\"default\"/><model type=\"virtio\"/></interface>\n"
		"    <graphics type=\"vnc\"/>\n"
		"  </devices>\n"
		"</domain>\n");
	return ferror(out);
}

int publish_package_xvm2(const struct publish_package_options *options, struct err *err)
{
	CLEANUP(package_done) struct package p;
	CLEANUP(free_str) char *domain = NULL;
	size_t len;
	int rc = package_init(&p, options, err);

	if (rc)
		return rc;
	if (options->content->disk_count > 'z' - 'a' + 1)
		return err_set(err, -ENOTSUP, "a .xvm2 has at most %d disks", 'z' - 'a' + 1);
	FILE *out = open_memstream(&domain, &len);
	if (!out || (write_domain(&p, out) | fclose(out)))
		return out_of_memory(err);
	rc = add_text(&p, "description.xml", domain, err);
	for (size_t i = 0; !rc && i < options->content->disk_count; i++)
		rc = add_gzip(&p, i, err);
	if (!rc)
		rc = add_manifest(&p, "MANIFEST", false, err);
	return rc ? rc : tar_writer_finish(p.tar, err);
}

/* A raw file with holes, for qemu-img. */
struct raw_file {
	int fd;
	const char *path;
	uint64_t bytes;
};

static int take_into_file(void *ctx, const uint8_t *raw, size_t len, struct err *err)
{
	struct raw_file *file = ctx;
	uint64_t off = file->bytes;

	file->bytes += len;
	if (bytes_are_zero(raw, len))
		return 0;
	ssize_t put = pwrite(file->fd, raw, len, (off_t)off);
	if (put == (ssize_t)len)
		return 0;
	return err_set(err, put < 0 ? -errno : -ENOSPC, "write '%s': %s", file->path,
		       strerror(put < 0 ? errno : ENOSPC));
}

static int write_raw(const struct package *p, size_t nr, const char *path, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct raw_file file = { .fd = fd, .path = path };
	const struct deployable_sink sink = { take_into_file, &file };

	if (fd < 0)
		return err_set(err, -errno, "create '%s': %s", path, strerror(errno));
	int rc = read_disk(p, nr, &sink, err);
	if (!rc && ftruncate(fd, (off_t)file.bytes))
		rc = err_set(err, -errno, "write '%s': %s", path, strerror(errno));
	return rc;
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (uint64_t)st.st_size;
}

/* Wait for qemu-img, whose output grows; it says itself what goes wrong. */
static int wait_for_qemu(const struct package *p, pid_t pid, const char *path, struct err *err)
{
	int status = 0, rc = 0;
	pid_t ended;

	while ((ended = waitpid(pid, &status, WNOHANG)) == 0) {
		rc = rc ? rc : watch_look(p->options->watch, "packing", size_of(path), 0, err);
		if (rc)
			kill(pid, SIGTERM);
		nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000l }, NULL);
	}
	if (rc)
		return rc;
	if (ended < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(err, -EIO, "qemu-img did not make the VMDK (status %d)", status);
	return 0;
}

/* The raw file is our own and its format is named: there is nothing for qemu-img to guess. */
static int convert_to_vmdk(const struct package *p, const char *raw, const char *path, struct err *err)
{
	char *const argv[] = { "qemu-img",  "convert",    "-f", "raw",
			       "-O",        "vmdk",       "-o", "subformat=streamOptimized,adapter_type=lsilogic",
			       (char *)raw, (char *)path, NULL };
	pid_t pid;
	int rc = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);

	if (rc)
		return err_set(err, -rc, "qemu-img: %s%s", strerror(rc),
			       rc == ENOENT ? " (Debian: apt-get install qemu-utils)" : "");
	return wait_for_qemu(p, pid, path, err);
}

/* Disk `nr` as `<work>/disk<nr>.vmdk`. */
static int make_vmdk(const struct package *p, size_t nr, struct err *err)
{
	char raw[PATH_ROOM], path[PATH_ROOM];

	if (snprintf(raw, sizeof(raw), "%s/disk%zu.raw", p->options->work, nr) >= PATH_ROOM ||
	    snprintf(path, sizeof(path), "%s/disk%zu.vmdk", p->options->work, nr) >= PATH_ROOM)
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", p->options->work);
	int rc = write_raw(p, nr, raw, err);
	if (!rc)
		rc = convert_to_vmdk(p, raw, path, err);
	unlink(raw);
	return rc;
}

static int add_vmdk(struct package *p, size_t nr, struct err *err)
{
	CLEANUP(free_mem) uint8_t *buf = malloc(COPY_BYTES);
	char name[NAME_ROOM], path[PATH_ROOM];
	ssize_t got = 0;

	snprintf(name, sizeof(name), "disk%zu.vmdk", nr);
	if (snprintf(path, sizeof(path), "%s/%s", p->options->work, name) >= PATH_ROOM)
		return err_set(err, -ENAMETOOLONG, "'%s': path is too long", p->options->work);
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!buf || fd < 0)
		return err_set(err, buf ? -errno : -ENOMEM, "open '%s': %s", path, strerror(buf ? errno : ENOMEM));
	int rc = begin_member(p, name, err);
	while (!rc && (got = read(fd, buf, COPY_BYTES)) > 0) {
		rc = add_bytes(p, buf, (size_t)got, err);
		if (!rc)
			rc = watch_look(p->options->watch, "packing", 0, 0, err);
	}
	if (got < 0)
		return err_set(err, -errno, "read '%s': %s", path, strerror(errno));
	if (!rc)
		end_member(p);
	unlink(path);
	return rc;
}

static void write_references(const struct package *p, FILE *out)
{
	size_t count = p->options->content->disk_count;

	fprintf(out, "  <References>\n");
	for (size_t i = 0; i < count; i++) {
		char path[PATH_ROOM];

		snprintf(path, sizeof(path), "%s/disk%zu.vmdk", p->options->work, i);
		fprintf(out, "    <File ovf:id=\"file%zu\" ovf:href=\"disk%zu.vmdk\" ovf:size=\"%" PRIu64 "\"/>\n", i,
			i, size_of(path));
	}
	fprintf(out, "  </References>\n"
		     "  <DiskSection>\n"
		     "    <Info>Disks</Info>\n");
	for (size_t i = 0; i < count; i++)
		fprintf(out,
			"    <Disk ovf:diskId=\"disk%zu\" ovf:fileRef=\"file%zu\" ovf:capacity=\"%" PRIu64 "\" "
			"ovf:format=\"http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized\"/>\n",
			i, i, disk_bytes(p, i));
	fprintf(out, "  </DiskSection>\n"
		     "  <NetworkSection>\n"
		     "    <Info>Networks</Info>\n"
		     "    <Network ovf:name=\"network\"/>\n"
		     "  </NetworkSection>\n");
}

/* Resource types: 3 processor, 4 memory, 6 SCSI controller, 10 Ethernet, 17 disk. Elements stand in the schema's order. */
static void write_hardware(const struct package *p, FILE *out)
{
	fprintf(out,
		"    <VirtualHardwareSection>\n"
		"      <Info>Hardware</Info>\n"
		"      <System><vssd:ElementName>Hardware</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>"
		"<vssd:VirtualSystemIdentifier>%s</vssd:VirtualSystemIdentifier>"
		"<vssd:VirtualSystemType>vmx-07</vssd:VirtualSystemType></System>\n"
		"      <Item><rasd:ElementName>Processors</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>"
		"<rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>%u</rasd:VirtualQuantity></Item>\n"
		"      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>"
		"<rasd:ElementName>Memory</rasd:ElementName><rasd:InstanceID>2</rasd:InstanceID>"
		"<rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>%" PRIu64
		"</rasd:VirtualQuantity></Item>\n"
		"      <Item><rasd:Address>0</rasd:Address><rasd:ElementName>SCSI controller</rasd:ElementName>"
		"<rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>lsilogic</rasd:ResourceSubType>"
		"<rasd:ResourceType>6</rasd:ResourceType></Item>\n"
		"      <Item><rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>"
		"<rasd:Connection>network</rasd:Connection><rasd:ElementName>Network card</rasd:ElementName>"
		"<rasd:InstanceID>4</rasd:InstanceID><rasd:ResourceSubType>E1000</rasd:ResourceSubType>"
		"<rasd:ResourceType>10</rasd:ResourceType></Item>\n",
		p->name, cpus(p), memory_bytes(p) >> 20);
	for (size_t i = 0; i < p->options->content->disk_count; i++)
		fprintf(out,
			"      <Item><rasd:AddressOnParent>%zu</rasd:AddressOnParent>"
			"<rasd:ElementName>Disk %zu</rasd:ElementName>"
			"<rasd:HostResource>ovf:/disk/disk%zu</rasd:HostResource><rasd:InstanceID>%zu</rasd:InstanceID>"
			"<rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>\n",
			i < SCSI_CONTROLLER ? i : i + 1, i, i, i + 5);
	/* Not of the standard, but what VMware and who follows it read. */
	if (is_uefi(p))
		fprintf(out, "      <vmw:Config ovf:required=\"false\" vmw:key=\"firmware\" vmw:value=\"efi\"/>\n");
	fprintf(out, "    </VirtualHardwareSection>\n");
}

static int write_ovf(const struct package *p, FILE *out)
{
	fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		     "<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" "
		     "xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\"\n"
		     "          xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
		     "CIM_ResourceAllocationSettingData\"\n"
		     "          xmlns:vssd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
		     "CIM_VirtualSystemSettingData\"\n"
		     "          xmlns:vmw=\"http://www.vmware.com/schema/ovf\">\n");
	write_references(p, out);
	fprintf(out,
		"  <VirtualSystem ovf:id=\"%s\">\n"
		"    <Info>A virtual machine</Info>\n"
		"    <Name>%s</Name>\n"
		/* 102: another 64-bit system. */
		"    <OperatingSystemSection ovf:id=\"102\"><Info>Operating system</Info></OperatingSystemSection>\n",
		p->name, p->title);
	write_hardware(p, out);
	fprintf(out, "  </VirtualSystem>\n"
		     "</Envelope>\n");
	return ferror(out);
}

/* The descriptor comes first, and says how long the disks are: they are made before it. */
static int add_ovf(struct package *p, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	char name[NAME_ROOM];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out || (write_ovf(p, out) | fclose(out)))
		return out_of_memory(err);
	snprintf(name, sizeof(name), "%s.ovf", p->name);
	return add_text(p, name, text, err);
}

int publish_package_ova(const struct publish_package_options *options, struct err *err)
{
	CLEANUP(package_done) struct package p;
	size_t count = options->content->disk_count;
	char name[NAME_ROOM];
	int rc = package_init(&p, options, err);

	if (!rc && count > OVA_DISKS_MAX)
		rc = err_set(err, -ENOTSUP, "an .ova has at most %d disks", OVA_DISKS_MAX);
	for (size_t i = 0; !rc && i < count; i++)
		rc = make_vmdk(&p, i, err);
	if (!rc)
		rc = add_ovf(&p, err);
	for (size_t i = 0; !rc && i < count; i++)
		rc = add_vmdk(&p, i, err);
	snprintf(name, sizeof(name), "%s.mf", p.name);
	if (!rc)
		rc = add_manifest(&p, name, true, err);
	return rc ? rc : tar_writer_finish(p.tar, err);
}
