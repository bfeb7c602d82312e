/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mbedTLS's AES-GCM, which bootloader/mbedtls/gcm_alt.c does. Vectors: McGrew and Viega, "The Galois/Counter Mode of
 * Operation (GCM)", appendix B, cases 4, 6, 10 and 16.
 */
#include "tap.h"

#include <mbedtls/gcm.h>
#include <nettle/base16.h>

#include <string.h>

#define ADD "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define TEXT                                                                                                           \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0d" \
	"e"                                                                                                            \
	"657ba637b39"
#define SHORT_IV "cafebabefacedbaddecaf888"
#define LONG_IV                                                                                                        \
	"9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b525416aedbf5a0de" \
	"6"                                                                                                            \
	"a57a637b39b"

struct vector {
	const char *name, *key, *iv, *cipher, *tag;
};

static const struct vector vectors[] = {
	{ "128 bits, case 4", "feffe9928665731c6d6a8f9467308308", SHORT_IV,
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0a"
	  "ac973d5"
	  "8e091",
	  "5bc94fbc3221a5db94fae95ae7121a47" },
	{ "a long IV, case 6", "feffe9928665731c6d6a8f9467308308", LONG_IV,
	  "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca701e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca4"
	  "17034c3"
	  "4aee5",
	  "619cc5aefffe0bfa462af43c1699d050" },
	{ "192 bits, case 10", "feffe9928665731c6d6a8f9467308308feffe9928665731c", SHORT_IV,
	  "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe3"
	  "24d9ccd"
	  "a2710",
	  "2519498e80f1478f37ba55bd6d27618c" },
	{ "256 bits, case 16", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", SHORT_IV,
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba"
	  "7a0abcc"
	  "9f662",
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
};

struct bytes {
	uint8_t at[64];
	size_t len;
};

static struct bytes bytes_of(const char *hex)
{
	struct base16_decode_ctx ctx;
	struct bytes b = { .len = sizeof(b.at) };

	base16_decode_init(&ctx);
	if (!base16_decode_update(&ctx, &b.len, b.at, strlen(hex), hex))
		b.len = 0;
	return b;
}

static void test_vector(const struct vector *v)
{
	struct bytes key = bytes_of(v->key), iv = bytes_of(v->iv), add = bytes_of(ADD), text = bytes_of(TEXT);
	struct bytes cipher = bytes_of(v->cipher), tag = bytes_of(v->tag);
	uint8_t out[64], out_tag[16];
	mbedtls_gcm_context ctx;

	mbedtls_gcm_init(&ctx);
	is_int(mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key.at, (unsigned)key.len * 8), 0, v->name);
	is_int(mbedtls_gcm_crypt_and_tag(&ctx, MBEDTLS_GCM_ENCRYPT, text.len, iv.at, iv.len, add.at, add.len, text.at,
					 out, tag.len, out_tag),
	       0, "is encrypted");
	ok(cipher.len == text.len && memcmp(out, cipher.at, cipher.len) == 0, "to the bytes of the standard");
	ok(tag.len == sizeof(out_tag) && memcmp(out_tag, tag.at, sizeof(out_tag)) == 0, "with its tag");

	is_int(mbedtls_gcm_auth_decrypt(&ctx, cipher.len, iv.at, iv.len, add.at, add.len, tag.at, tag.len, cipher.at,
					out),
	       0, "is decrypted");
	ok(memcmp(out, text.at, text.len) == 0, "to what it was");

	tag.at[15] ^= 1;
	is_int(mbedtls_gcm_auth_decrypt(&ctx, cipher.len, iv.at, iv.len, add.at, add.len, tag.at, tag.len, cipher.at,
					out),
	       MBEDTLS_ERR_GCM_AUTH_FAILED, "a bit of the tag is wrong");
	ok(out[0] == 0 && memcmp(out, out + 1, text.len - 1) == 0, "nothing is left of what it would have been");
	mbedtls_gcm_free(&ctx);
}

static void test_parts(void)
{
	const struct vector *v = &vectors[3];
	struct bytes key = bytes_of(v->key), iv = bytes_of(v->iv), add = bytes_of(ADD), text = bytes_of(TEXT);
	struct bytes cipher = bytes_of(v->cipher), tag = bytes_of(v->tag);
	uint8_t buffer[80], out_tag[16];
	mbedtls_gcm_context ctx;
	size_t len;

	mbedtls_gcm_init(&ctx);
	mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key.at, 256);
	mbedtls_gcm_starts(&ctx, MBEDTLS_GCM_ENCRYPT, iv.at, iv.len);
	is_int(mbedtls_gcm_update_ad(&ctx, add.at, 16), 0, "data that is only authenticated, in two parts");
	is_int(mbedtls_gcm_update_ad(&ctx, add.at + 16, add.len - 16), 0, "the second");
	is_int(mbedtls_gcm_update_ad(&ctx, add.at, 1), MBEDTLS_ERR_GCM_BAD_INPUT, "none behind a part of a block");
	is_int(mbedtls_gcm_update(&ctx, text.at, 32, buffer, 31, &len), MBEDTLS_ERR_GCM_BUFFER_TOO_SMALL,
	       "a buffer that is too small");
	is_int(mbedtls_gcm_update(&ctx, text.at, 32, buffer, 32, &len), 0, "text in two parts");
	/* What is to be encrypted lies behind where it goes, and over it. */
	memcpy(buffer + 32 + 8, text.at + 32, text.len - 32);
	is_int(mbedtls_gcm_update(&ctx, buffer + 32 + 8, text.len - 32, buffer + 32, text.len - 32, &len), 0,
	       "the second, over itself");
	is_int(mbedtls_gcm_update(&ctx, text.at, 1, buffer, 1, &len), MBEDTLS_ERR_GCM_BAD_INPUT,
	       "none behind a part of a block");
	is_int(mbedtls_gcm_finish(&ctx, NULL, 0, &len, out_tag, sizeof(out_tag)), 0, "the end");
	ok(memcmp(buffer, cipher.at, cipher.len) == 0, "the same bytes");
	ok(memcmp(out_tag, tag.at, sizeof(out_tag)) == 0, "the same tag");
	is_int(mbedtls_gcm_finish(&ctx, NULL, 0, &len, out_tag, 3), MBEDTLS_ERR_GCM_BAD_INPUT, "a tag of 3 bytes");
	is_int(mbedtls_gcm_setkey(&ctx, MBEDTLS_CIPHER_ID_AES, key.at, 64), MBEDTLS_ERR_GCM_BAD_INPUT,
	       "a key of 64 bits");
	mbedtls_gcm_free(&ctx);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		test_vector(&vectors[i]);
	test_parts();
	return done_testing();
}
