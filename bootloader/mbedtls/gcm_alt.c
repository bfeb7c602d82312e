/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gcm_alt: see gcm_alt.h */
#include <mbedtls/gcm.h>

#include <mbedtls/constant_time.h>
#include <mbedtls/platform_util.h>

#include <string.h>

#define TAG_BYTES_MIN 4

void mbedtls_gcm_init(mbedtls_gcm_context *ctx)
{
	memset(ctx, 0, sizeof(*ctx));
}

void mbedtls_gcm_free(mbedtls_gcm_context *ctx)
{
	if (ctx)
		mbedtls_platform_zeroize(ctx, sizeof(*ctx));
}

int mbedtls_gcm_setkey(mbedtls_gcm_context *ctx, mbedtls_cipher_id_t cipher, const unsigned char *key,
		       unsigned int keybits)
{
	if (cipher != MBEDTLS_CIPHER_ID_AES)
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	switch (keybits) {
	case 128:
		aes128_set_encrypt_key(&ctx->cipher.aes128, key);
		ctx->encrypt_block = (nettle_cipher_func *)aes128_encrypt;
		break;
	case 192:
		aes192_set_encrypt_key(&ctx->cipher.aes192, key);
		ctx->encrypt_block = (nettle_cipher_func *)aes192_encrypt;
		break;
	case 256:
		aes256_set_encrypt_key(&ctx->cipher.aes256, key);
		ctx->encrypt_block = (nettle_cipher_func *)aes256_encrypt;
		break;
	default:
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	}
	gcm_set_key(&ctx->key, &ctx->cipher, ctx->encrypt_block);
	return 0;
}

int mbedtls_gcm_starts(mbedtls_gcm_context *ctx, int mode, const unsigned char *iv, size_t iv_len)
{
	if (iv_len == 0)
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	ctx->mode = mode;
	gcm_set_iv(&ctx->gcm, &ctx->key, iv_len, iv);
	return 0;
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *ctx, const unsigned char *add, size_t add_len)
{
	if (ctx->gcm.auth_size % GCM_BLOCK_SIZE || ctx->gcm.data_size)
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	gcm_update(&ctx->gcm, &ctx->key, add_len, add);
	return 0;
}

int mbedtls_gcm_update(mbedtls_gcm_context *ctx, const unsigned char *input, size_t input_length, unsigned char *output,
		       size_t output_size, size_t *output_length)
{
	*output_length = input_length;
	if (output_size < input_length)
		return MBEDTLS_ERR_GCM_BUFFER_TOO_SMALL;
	if (ctx->gcm.data_size % GCM_BLOCK_SIZE)
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	/* mbedTLS lets a buffer be moved towards its beginning on the way; nettle knows the same one, or another. */
	if (output < input && output + input_length > input) {
		memmove(output, input, input_length);
		input = output;
	}
	if (ctx->mode == MBEDTLS_GCM_ENCRYPT)
		gcm_encrypt(&ctx->gcm, &ctx->key, &ctx->cipher, ctx->encrypt_block, input_length, output, input);
	else
		gcm_decrypt(&ctx->gcm, &ctx->key, &ctx->cipher, ctx->encrypt_block, input_length, output, input);
	return 0;
}

int mbedtls_gcm_finish(mbedtls_gcm_context *ctx, unsigned char *output, size_t output_size, size_t *output_length,
		       unsigned char *tag, size_t tag_len)
{
	/* Nothing is held back for it. */
	(void)output;
	(void)output_size;
	*output_length = 0;
	if (tag_len < TAG_BYTES_MIN || tag_len > GCM_DIGEST_SIZE)
		return MBEDTLS_ERR_GCM_BAD_INPUT;
	gcm_digest(&ctx->gcm, &ctx->key, &ctx->cipher, ctx->encrypt_block, tag_len, tag);
	return 0;
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t length, const unsigned char *iv, size_t iv_len,
			      const unsigned char *add, size_t add_len, const unsigned char *input,
			      unsigned char *output, size_t tag_len, unsigned char *tag)
{
	size_t len;
	int rc = mbedtls_gcm_starts(ctx, mode, iv, iv_len);

	if (!rc)
		rc = mbedtls_gcm_update_ad(ctx, add, add_len);
	if (!rc)
		rc = mbedtls_gcm_update(ctx, input, length, output, length, &len);
	return rc ? rc : mbedtls_gcm_finish(ctx, NULL, 0, &len, tag, tag_len);
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t length, const unsigned char *iv, size_t iv_len,
			     const unsigned char *add, size_t add_len, const unsigned char *tag, size_t tag_len,
			     const unsigned char *input, unsigned char *output)
{
	unsigned char right[GCM_DIGEST_SIZE];
	int rc = mbedtls_gcm_crypt_and_tag(ctx, MBEDTLS_GCM_DECRYPT, length, iv, iv_len, add, add_len, input, output,
					   tag_len, right);

	if (!rc && mbedtls_ct_memcmp(right, tag, tag_len) != 0) {
		mbedtls_platform_zeroize(output, length);
		rc = MBEDTLS_ERR_GCM_AUTH_FAILED;
	}
	return rc;
}
