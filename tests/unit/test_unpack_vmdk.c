/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VMDK of several files names nothing but its neighbours, and its sparse extents lead nowhere outside of themselves. */
#include "unpack_vmdk.h"

#include "bytes.h"
#include "cleanup.h"
#include "tap.h"

#include <errno.h>

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"custom\"\n"

static struct vmdk *parse(const char *text, size_t len, struct err *err)
{
	struct vmdk *vmdk = NULL;

	*err = (struct err){ 0 };
	vmdk_parse(&vmdk, "x.vmdk", text, len, err);
	return vmdk;
}

static void test_descriptor(void)
{
	static const char text[] =
		HEAD "\r\n# Extent description\r\nRW 4192256 SPARSE \"x-s001.vmdk\"\r\nRW 63 ZERO\n"
		     "RDONLY 100 FLAT \"a name.vmdk\" 128\n"
		     "RW 10 VMFS \"x-flat.vmdk\"\n\nddb.adapterType = \"lsi logic\"\nddb.encoding=\"UTF-8\"\n\0\n\0";
	struct err err;
	CLEANUP(vmdk_free) struct vmdk *vmdk = parse(text, sizeof(text), &err);

	if (!ok(vmdk, "a descriptor is read, with remains behind its end (%s)", err.text))
		return;
	is_int(vmdk->extent_count, 4, "all its extents");
	is_int(vmdk->disk_bytes, (4192256 + 63 + 100 + 10) * 512ll, "which make the disk");
	ok(vmdk->extents[0].kind == VMDK_SPARSE && vmdk->extents[1].kind == VMDK_ZERO && !vmdk->extents[1].file,
	   "a sparse one and one of zeros");
	is_str(vmdk->extents[2].file, "a name.vmdk", "a name with a space");
	is_int(vmdk->extents[2].file_off, 128 * 512, "its offset");
	is_int(vmdk->extents[3].kind, VMDK_FLAT, "VMFS is flat");
	is_str(vmdk->create_type, "custom", "its type");
}

static void test_refused(void)
{
	static const struct {
		const char *name, *text, *said;
		int code;
	} cases[] = {
		{ "an absolute name", HEAD "RW 1 FLAT \"/etc/shadow\" 0\n", "'/etc/shadow'", -ENOTSUP },
		{ "a relative one", HEAD "RW 1 FLAT \"../x\" 0\n", "'../x'", -ENOTSUP },
		{ "a Windows one", HEAD "RW 1 FLAT \"c:\\\\x\" 0\n", "elsewhere", -ENOTSUP },
		{ "the folder", HEAD "RW 1 FLAT \"..\" 0\n", "'..'", -ENOTSUP },
		{ "no name", HEAD "RW 1 FLAT\n", "names no file", -EBADMSG },
		{ "a device", HEAD "RW 1 VMFSRDM \"x\"\n", "'VMFSRDM'", -ENOTSUP },
		{ "no access", HEAD "NOACCESS 1 FLAT \"x\" 0\n", "NOACCESS", -ENOTSUP },
		{ "no sectors", HEAD "RW 0 ZERO\n", "0 bytes", -EBADMSG },
		{ "negative sectors", HEAD "RW -1 ZERO\n", "'-1'", -EBADMSG },
		{ "too many sectors", HEAD "RW 99999999999999999999 ZERO\n", "number of sectors", -EBADMSG },
		{ "an offset of a sparse extent", HEAD "RW 1 SPARSE \"x\" 5\n", "offset is '5'", -EBADMSG },
		{ "zeros with a name", HEAD "RW 1 ZERO \"x\"\n", "has a name", -EBADMSG },
		{ "a parent", "version=1\nparentCID=abcdef01\nRW 1 ZERO\n", "parentCID 'abcdef01'", -ENOTSUP },
		{ "a parent's name", HEAD "parentFileNameHint=\"/x\"\nRW 1 ZERO\n", "difference", -ENOTSUP },
		{ "encryption", HEAD "encryptionKeys=\"x\"\nRW 1 ZERO\n", "encrypted", -ENOTSUP },
		{ "a version to come", "version=4\nRW 1 ZERO\n", "version '4'", -ENOTSUP },
		{ "no version", "RW 1 ZERO\n", "without version", -EBADMSG },
		{ "no extents", HEAD, "without extents", -EBADMSG },
		{ "something else", HEAD "hello world\n", "neither", -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err;
		CLEANUP(vmdk_free) struct vmdk *vmdk = parse(cases[i].text, strlen(cases[i].text), &err);

		ok(!vmdk && err.code == cases[i].code && strstr(err.text, cases[i].said), "refused: %s (%s)",
		   cases[i].name, err.text);
	}
}

/* A header of 100 sectors in grains of 8 sectors, tables of 4 entries, directory in sector 2. */
static void make_header(uint8_t *h)
{
	memset(h, 0, VMDK_HEADER_BYTES);
	memcpy(h, "KDMV", 4);
	put_le32(h + 4, 1);
	put_le32(h + 8, 3);
	put_le64(h + 12, 100);
	put_le64(h + 20, 8);
	put_le32(h + 44, 4);
	put_le64(h + 56, 2);
}

static void test_sparse(void)
{
	static const struct {
		const char *name;
		size_t off;
		uint64_t value;
		const char *said;
	} bad[] = {
		{ "a version to come", 4, 9, "version 9" },
		{ "compression", 8, 3 | 1 << 16, "compressed" },
		{ "no capacity", 12, 0, "capacity is 0" },
		{ "a capacity beyond all disks", 12, ~0ull, "capacity is" },
		{ "no grain", 20, 0, "grainSize is 0" },
		{ "an odd grain", 20, 9, "grainSize is 9" },
		{ "a huge grain", 20, 1ull << 40, "grainSize is" },
		{ "no table", 44, 0, "numGTEsPerGT is 0" },
		{ "a huge table", 44, 1u << 31, "numGTEsPerGT" },
		{ "no directory", 56, 0, "gdOffset" },
		{ "a directory outside", 56, 1ull << 60, "gdOffset" },
		{ "a directory at the end", 56, 128, "gdOffset" },
	};
	uint8_t h[VMDK_HEADER_BYTES];
	struct vmdk_sparse s;
	struct err err;
	uint64_t off;

	make_header(h);
	is_int(vmdk_sparse_init(&s, h, 65536, &err), 0, "a sparse extent's header is read");
	is_int(s.grain_count, 13, "its grains, the last of them shorter");
	is_int(vmdk_sparse_table_off(&s, 5), 1024 + 4, "where the directory's entry is");
	ok(vmdk_sparse_entry_off(&off, &s, 5, 3, &err) == 0 && off == 3 * 512 + 4, "where the table's entry is");
	ok(vmdk_sparse_entry_off(&off, &s, 5, 0, &err) == 0 && off == 0, "no table is a hole");
	ok(vmdk_sparse_entry_off(&off, &s, 5, 0xffffffff, &err) == -EBADMSG, "a table outside is refused");
	ok(vmdk_sparse_grain_off(&off, &s, 5, 16, &err) == 0 && off == 8192, "where a grain is");
	ok(vmdk_sparse_grain_off(&off, &s, 5, 0, &err) == 0 && off == 0, "no grain is a hole");
	ok(vmdk_sparse_grain_off(&off, &s, 5, 121, &err) == -EBADMSG, "a grain that reaches over the end is refused");
	ok(vmdk_sparse_grain_off(&off, &s, 12, 124, &err) == 0, "unless it is the last one, which is shorter");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_header(h);
		if (bad[i].off == 12 || bad[i].off == 20 || bad[i].off == 56)
			put_le64(h + bad[i].off, bad[i].value);
		else
			put_le32(h + bad[i].off, (uint32_t)bad[i].value);
		ok(vmdk_sparse_init(&s, h, 65536, &err) < 0 && strstr(err.text, bad[i].said), "refused: %s (%s)",
		   bad[i].name, err.text);
	}
}

int main(void)
{
	test_descriptor();
	test_refused();
	test_sparse();
	return done_testing();
}
