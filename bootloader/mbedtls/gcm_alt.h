/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gcm_alt: mbedTLS's AES-GCM through nettle, which does 2.7 GB/s a core with the processor's instructions where mbedTLS's own
 * does 0.35. Built into libmbedcrypto.a by bootloader/deps with MBEDTLS_GCM_ALT, mbedTLS's way to have a part of it replaced;
 * the functions and their contracts are those of mbedtls/gcm.h, which includes this file.
 *
 * But for one: of the calls to mbedtls_gcm_update and of those to mbedtls_gcm_update_ad each but the last must have a
 * multiple of 16 bytes. TLS and PSA's one-shot functions, all that calls this, hand over whole records.
 */
#ifndef VMCAST_GCM_ALT_H
#define VMCAST_GCM_ALT_H

#include <nettle/aes.h>
#include <nettle/gcm.h>

typedef struct mbedtls_gcm_context {
	union {
		struct aes128_ctx aes128;
		struct aes192_ctx aes192;
		struct aes256_ctx aes256;
	} cipher;
	nettle_cipher_func *encrypt_block; /* of `cipher` */
	struct gcm_key key;
	struct gcm_ctx gcm;
	int mode; /* MBEDTLS_GCM_ENCRYPT or MBEDTLS_GCM_DECRYPT */
} mbedtls_gcm_context;

#endif
