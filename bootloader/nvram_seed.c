/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nvram_seed: see nvram_seed.h */
#include "nvram_seed.h"

#include "digest.h"
#include "efi_variable.h"
#include "log.h"

#include <errno.h>
#include <sodium/utils.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Made for this and used for nothing else. */
#define VARIABLE "VmcastMachineKey-f1250607-e0a6-4695-b84a-4dcb804ffa79"

#define FORM        1
#define CHECK_BYTES 8
#define VALUE_BYTES (1 + NVRAM_SEED_BYTES + CHECK_BYTES)

static void encode(uint8_t out[static VALUE_BYTES], const uint8_t seed[static NVRAM_SEED_BYTES])
{
	uint8_t digest[DIGEST_BYTES];

	out[0] = FORM;
	memcpy(out + 1, seed, NVRAM_SEED_BYTES);
	digest_of(digest, seed, NVRAM_SEED_BYTES);
	memcpy(out + 1 + NVRAM_SEED_BYTES, digest, CHECK_BYTES);
}

/* -ENOENT: there is none, -EBADMSG: it holds something else. */
static int read_seed(uint8_t out[static NVRAM_SEED_BYTES], const char *folder, struct err *err)
{
	uint8_t bytes[EFI_VARIABLE_MAX], wanted[VALUE_BYTES];
	size_t len = sizeof(bytes);
	int rc = efi_variable_read(bytes, &len, folder, VARIABLE, err);

	if (rc == -EFBIG)
		rc = err->code = -EBADMSG;
	if (rc)
		return rc;
	rc = -EBADMSG;
	if (len == VALUE_BYTES) {
		encode(wanted, bytes + 1);
		rc = memcmp(bytes, wanted, VALUE_BYTES) == 0 ? 0 : -EBADMSG;
		sodium_memzero(wanted, sizeof(wanted));
	}
	if (!rc)
		memcpy(out, bytes + 1, NVRAM_SEED_BYTES);
	sodium_memzero(bytes, sizeof(bytes));
	return rc ? err_set(err, rc, "its %zu bytes are no key", len) : 0;
}

static int make_seed(uint8_t out[static NVRAM_SEED_BYTES], const char *folder, struct err *err)
{
	uint8_t value[VALUE_BYTES];

	if (getrandom(out, NVRAM_SEED_BYTES, 0) != NVRAM_SEED_BYTES)
		return err_set(err, -errno, "random bytes: %s", strerror(errno));
	encode(value, out);
	int rc = efi_variable_write(folder, VARIABLE, value, sizeof(value), err);
	sodium_memzero(value, sizeof(value));
	if (rc)
		efi_variable_remove(folder, VARIABLE);
	return rc;
}

int nvram_seed(uint8_t out[static NVRAM_SEED_BYTES], const char *folder, struct err *err)
{
	if (access(folder, F_OK) != 0)
		return err_set(err, -errno, "%s", errno == ENOENT ? "none" : strerror(errno));
	int rc = read_seed(out, folder, err);
	if (rc == -EBADMSG)
		log_warn("UEFI variable " VARIABLE ": %s, replaced", err->text);
	return rc == -EBADMSG || rc == -ENOENT ? make_seed(out, folder, err) : rc;
}
