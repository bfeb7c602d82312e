/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Manifests in the ways they are written; digests of the three kinds. */
#include "unpack_manifest.h"

#include "cleanup.h"
#include "tap.h"

#include <errno.h>

#define SHA1   "da39a3ee5e6b4b0d3255bfef95601890afd80709"
#define SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA512                                                                                                         \
	"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd474"  \
	"17a81a538327af927da3e"

static struct manifest *parse(const char *text, size_t len, struct err *err)
{
	struct manifest *m = NULL;

	*err = (struct err){ 0 };
	manifest_parse(&m, "x.mf", text, len, err);
	return m;
}

static void test_lines(void)
{
	static const struct {
		const char *line, *file;
		size_t bytes;
	} good[] = {
		{ "SHA1(a.vmdk)= " SHA1, "a.vmdk", 20 },
		{ "SHA256(a.vmdk)= " SHA256 "\r", "a.vmdk", 32 },
		{ "SHA512(a (1).vmdk)=" SHA512, "a (1).vmdk", 64 },
		{ "SHA-256(a=b)= " SHA256, "a=b", 32 },
		{ "SHA1 (a.vmdk) = " SHA1, "a.vmdk", 20 },
		{ SHA1 "  part.gz", "part.gz", 20 },
		{ SHA256 " *part.gz", "part.gz", 32 },
		{ "a name.gz " SHA1, "a name.gz", 20 },
		{ SHA1 "  ./img/part.gz", "img/part.gz", 20 },
		{ "SHA1(./a.vmdk)= " SHA1, "a.vmdk", 20 },
	};
	static const char *const bad[] = {
		"SHA1(a.vmdk)= " SHA256,
		"SHA256(a.vmdk)= " SHA1,
		"MD5(a.vmdk)= d41d8cd98f00b204e9800998ecf8427e",
		"SHA1(a.vmdk)= " SHA1 "00",
		"SHA1(a.vmdk) " SHA1 " x",
		"SHA1()= " SHA1,
		"SHA1(./)= " SHA1,
		"hello",
		"",
		"# nothing",
		"a " SHA1 "\nb " SHA1 "\na " SHA1,
		"a " SHA1 "\n./a " SHA1,
	};
	struct err err;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		CLEANUP(manifest_free) struct manifest *m = parse(good[i].line, strlen(good[i].line), &err);

		ok(m && m->entry_count == 1 && strcmp(m->entries[0].file, good[i].file) == 0 &&
			   m->entries[0].digest_bytes == good[i].bytes,
		   "read: %.60s", good[i].line);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!parse(bad[i], strlen(bad[i]), &err) && err.code == -EBADMSG, "refused: bad line %zu (%s)", i,
		   err.text);
	ok(!parse("a\0b " SHA1, 44, &err), "refused: NUL bytes");
}

static void test_digests(void)
{
	static const struct {
		const char *of_nothing;
		size_t bytes;
	} kinds[] = { { SHA1, 20 }, { SHA256, 32 }, { SHA512, 64 } };

	for (size_t i = 0; i < 3; i++) {
		CLEANUP(manifest_free) struct manifest *m = NULL;
		CLEANUP(hasher_close) struct hasher *h = NULL;
		uint8_t found[MANIFEST_DIGEST_MAX];
		char line[200];
		struct err err;

		snprintf(line, sizeof(line), "%s  x", kinds[i].of_nothing);
		m = parse(line, strlen(line), &err);
		is_int(hasher_open(&h, kinds[i].bytes, &err), 0, "a digest is begun");
		hasher_add(h, "", 0);
		hasher_final(h, found);
		ok(m && memcmp(found, m->entries[0].digest, kinds[i].bytes) == 0, "that of nothing, in %zu bytes",
		   kinds[i].bytes);
	}
}

int main(void)
{
	test_lines();
	test_digests();
	return done_testing();
}
