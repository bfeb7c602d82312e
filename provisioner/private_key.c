/* SPDX-License-Identifier: GPL-2.0-or-later */
/* private_key: see private_key.h */
#include "private_key.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX 16384 /* RSA of 8192 bits takes 6500; ours take 400 */

static void wipe_datum(gnutls_datum_t *d)
{
	if (d->data)
		explicit_bzero(d->data, d->size);
	gnutls_free(d->data);
}

void private_key_free(gnutls_x509_privkey_t *key)
{
	gnutls_x509_privkey_deinit(*key);
	*key = NULL;
}

/* Nothing is left of what could not be written. */
static int write_secret(const char *path, const gnutls_datum_t *text, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(err, -errno, "create '%s': %s", path, strerror(errno));
	errno = ENOSPC; /* what a short write means */
	bool is_there = write(fd, text->data, text->size) == (ssize_t)text->size && fsync(fd) == 0;
	int code = errno;
	if (close(fd) && is_there) {
		is_there = false;
		code = errno;
	}
	if (is_there)
		return 0;
	unlink(path);
	return err_set(err, -code, "write '%s': %s", path, strerror(code));
}

int private_key_create(gnutls_x509_privkey_t *out, const char *path, gnutls_pk_algorithm_t algorithm,
		       gnutls_ecc_curve_t curve, const char *passphrase, struct err *err)
{
	CLEANUP(private_key_free) gnutls_x509_privkey_t key = NULL;
	CLEANUP(wipe_datum) gnutls_datum_t text = { 0 };
	int code = gnutls_x509_privkey_init(&key);

	if (code >= 0)
		code = gnutls_x509_privkey_generate(key, algorithm, GNUTLS_CURVE_TO_BITS(curve), 0);
	if (code >= 0)
		code = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, passphrase,
							 passphrase ? GNUTLS_PKCS_PBES2_AES_256 : GNUTLS_PKCS_PLAIN,
							 &text);
	if (code < 0)
		return err_set(err, -EIO, "make a key: %s", gnutls_strerror(code));
	int rc = write_secret(path, &text, err);
	if (rc)
		return rc;
	*out = TAKE(key);
	return 0;
}

/* `out->data` is wiped by the caller. */
static int read_secret(gnutls_datum_t *out, const char *path, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX)
		return err_set(err, -EBADMSG, "'%s': no file of a private key", path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(err, -EACCES, "'%s': its mode is %04o, others than its owner could read it (chmod 600)",
			       path, st.st_mode & 07777);
	if (!(out->data = gnutls_malloc(FILE_BYTES_MAX)))
		return err_set(err, -ENOMEM, "out of memory");
	ssize_t got = read(fd, out->data, FILE_BYTES_MAX);
	if (got < 0)
		return err_set(err, -errno, "read '%s': %s", path, strerror(errno));
	out->size = (unsigned)got;
	return 0;
}

/* RFC 7468: which of the two forms a file has is its first line. */
static bool is_encrypted(const gnutls_datum_t *text)
{
	static const char mark[] = "BEGIN ENCRYPTED PRIVATE KEY";

	return memmem(text->data, text->size, mark, sizeof(mark) - 1);
}

int private_key_load(gnutls_x509_privkey_t *out, const char *path, const char *passphrase, struct err *err)
{
	CLEANUP(private_key_free) gnutls_x509_privkey_t key = NULL;
	CLEANUP(wipe_datum) gnutls_datum_t text = { 0 };
	int rc = read_secret(&text, path, err);

	if (rc)
		return rc;
	bool encrypted = is_encrypted(&text);
	if (encrypted && !passphrase)
		return err_set(err, -ENOKEY, "'%s': it is encrypted, its passphrase is needed", path);
	int code = gnutls_x509_privkey_init(&key);
	if (code >= 0)
		code = gnutls_x509_privkey_import_pkcs8(key, &text, GNUTLS_X509_FMT_PEM, encrypted ? passphrase : NULL,
							encrypted ? 0 : GNUTLS_PKCS_PLAIN);
	if (code == GNUTLS_E_DECRYPTION_FAILED)
		return err_set(err, -EKEYREJECTED, "'%s': the passphrase is wrong", path);
	if (code < 0)
		return err_set(err, -EBADMSG, "'%s': no private key: %s", path, gnutls_strerror(code));
	*out = TAKE(key);
	return 0;
}
