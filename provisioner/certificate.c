/* SPDX-License-Identifier: GPL-2.0-or-later */
/* certificate: see certificate.h */
#include "certificate.h"

#include "cleanup.h"
#include "text_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#define FILE_BYTES_MAX 65536
#define SERIAL_BYTES   16
#define CLOCKS_DIFFER  300 /* seconds that a client's clock may be behind ours */
#define ADDRESS_MAX    16

static void free_constraints(gnutls_x509_name_constraints_t *c)
{
	if (*c)
		gnutls_x509_name_constraints_deinit(*c);
}

static void free_datum(gnutls_datum_t *d)
{
	gnutls_free(d->data);
}

void certificate_free(gnutls_x509_crt_t *certificate)
{
	if (*certificate)
		gnutls_x509_crt_deinit(*certificate);
	*certificate = NULL;
}

/* A numeric address in network order: its 4 or 16 bytes. 0: it is a DNS name. */
static unsigned parse_address(uint8_t out[static ADDRESS_MAX], const char *name)
{
	if (inet_pton(AF_INET, name, out) == 1)
		return 4;
	return inet_pton(AF_INET6, name, out) == 1 ? 16 : 0;
}

static int add_name(gnutls_x509_crt_t crt, const char *name)
{
	uint8_t address[ADDRESS_MAX];
	unsigned len = parse_address(address, name);

	if (len)
		return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, len,
							    GNUTLS_FSAN_APPEND);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name),
						    GNUTLS_FSAN_APPEND);
}

/* RFC 5280, 4.2.1.10: an address is followed by its mask. */
static int permit_name(gnutls_x509_name_constraints_t c, const char *name)
{
	uint8_t address[2 * ADDRESS_MAX];
	unsigned len = parse_address(address, name);
	gnutls_datum_t datum = { (uint8_t *)name, (unsigned)strlen(name) };

	if (!len)
		return gnutls_x509_name_constraints_add_permitted(c, GNUTLS_SAN_DNSNAME, &datum);
	memset(address + len, 0xff, len);
	datum = (gnutls_datum_t){ address, 2 * len };
	return gnutls_x509_name_constraints_add_permitted(c, GNUTLS_SAN_IPADDRESS, &datum);
}

/* A list of one kind says nothing of the other: that is excluded as a whole. */
static int exclude_kind(gnutls_x509_name_constraints_t c, bool addresses)
{
	uint8_t all[2 * ADDRESS_MAX] = { 0 };
	gnutls_datum_t datum = { all, addresses ? 8 : 0 };
	int code = gnutls_x509_name_constraints_add_excluded(c, addresses ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME,
							     &datum);

	if (code < 0 || !addresses)
		return code;
	datum.size = 2 * ADDRESS_MAX;
	return gnutls_x509_name_constraints_add_excluded(c, GNUTLS_SAN_IPADDRESS, &datum);
}

/* Not critical: Mbed TLS knows no name constraints, and would refuse the chain. OpenSSL and GnuTLS hold to them anyway. */
static int constrain(gnutls_x509_crt_t crt, const struct string_list *names)
{
	CLEANUP(free_constraints) gnutls_x509_name_constraints_t c = NULL;
	uint8_t address[ADDRESS_MAX];
	size_t addresses = 0;
	int code = gnutls_x509_name_constraints_init(&c);

	for (size_t i = 0; code >= 0 && i < names->count; i++) {
		addresses += parse_address(address, names->items[i]) != 0;
		code = permit_name(c, names->items[i]);
	}
	if (code >= 0 && addresses == 0)
		code = exclude_kind(c, true);
	if (code >= 0 && addresses == names->count)
		code = exclude_kind(c, false);
	return code < 0 ? code : gnutls_x509_crt_set_name_constraints(crt, c, 0);
}

static int set_serial(gnutls_x509_crt_t crt)
{
	uint8_t serial[SERIAL_BYTES];

	if (getrandom(serial, sizeof(serial), 0) != sizeof(serial))
		return GNUTLS_E_RANDOM_FAILED;
	serial[0] = (serial[0] & 0x7f) | 0x40; /* a positive number without a zero in front */
	return gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
}

static int set_key_ids(gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer)
{
	uint8_t id[64];
	size_t len = sizeof(id);
	int code = gnutls_x509_crt_get_key_id(crt, 0, id, &len);

	if (code >= 0)
		code = gnutls_x509_crt_set_subject_key_id(crt, id, len);
	len = sizeof(id);
	if (code >= 0)
		code = gnutls_x509_crt_get_key_id(issuer, 0, id, &len);
	return code < 0 ? code : gnutls_x509_crt_set_authority_key_id(crt, id, len);
}

/* What it may be used for. A CA has one issuer below it, which has servers only. */
static int set_purpose(gnutls_x509_crt_t crt, enum certificate_kind kind)
{
	bool signs = kind != CERTIFICATE_SERVER;
	int code = gnutls_x509_crt_set_basic_constraints(crt, signs, kind == CERTIFICATE_CA ? 1 : signs ? 0 : -1);

	if (code >= 0)
		code = gnutls_x509_crt_set_key_usage(crt, signs ? GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN
								: GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (code >= 0 && kind != CERTIFICATE_CA)
		code = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	return code;
}

static int set_fields(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const struct certificate_plan *plan)
{
	int code = gnutls_x509_crt_set_version(crt, 3);

	if (code >= 0)
		code = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, plan->common_name,
						     (unsigned)strlen(plan->common_name));
	if (code >= 0)
		code = set_serial(crt);
	if (code >= 0)
		code = gnutls_x509_crt_set_activation_time(crt, plan->now - CLOCKS_DIFFER);
	if (code >= 0)
		code = gnutls_x509_crt_set_expiration_time(crt, plan->expires);
	if (code >= 0)
		code = gnutls_x509_crt_set_key(crt, key);
	if (code >= 0)
		code = set_purpose(crt, plan->kind);
	if (code >= 0 && plan->kind == CERTIFICATE_ISSUER)
		code = constrain(crt, plan->names);
	for (size_t i = 0; code >= 0 && plan->kind == CERTIFICATE_SERVER && i < plan->names->count; i++)
		code = add_name(crt, plan->names->items[i]);
	return code < 0 ? code : set_key_ids(crt, plan->issuer ? plan->issuer : crt);
}

int certificate_make(gnutls_x509_crt_t *out, gnutls_x509_privkey_t key, const struct certificate_plan *plan,
		     struct err *err)
{
	CLEANUP(certificate_free) gnutls_x509_crt_t crt = NULL;
	int code = gnutls_x509_crt_init(&crt);

	if (code >= 0)
		code = set_fields(crt, key, plan);
	if (code >= 0)
		code = gnutls_x509_crt_sign2(crt, plan->issuer ? plan->issuer : crt,
					     plan->issuer ? plan->issuer_key : key, GNUTLS_DIG_SHA256, 0);
	if (code < 0)
		return err_set(err, -EIO, "make a certificate: %s", gnutls_strerror(code));
	*out = TAKE(crt);
	return 0;
}

int certificate_load(gnutls_x509_crt_t *out, const char *path, struct err *err)
{
	CLEANUP(certificate_free) gnutls_x509_crt_t crt = NULL;
	CLEANUP(free_str) char *text = NULL;
	size_t len;

	if (text_file_read(&text, &len, path, FILE_BYTES_MAX, err) < 0)
		return err->code;
	const gnutls_datum_t datum = { (uint8_t *)text, (unsigned)len };
	int code = gnutls_x509_crt_init(&crt);

	if (code >= 0)
		code = gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_PEM);
	if (code < 0)
		return err_set(err, -EBADMSG, "'%s': no certificate: %s", path, gnutls_strerror(code));
	*out = TAKE(crt);
	return 0;
}

int certificate_save(const char *path, gnutls_x509_crt_t certificate, struct err *err)
{
	CLEANUP(free_datum) gnutls_datum_t text = { 0 };
	int code = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &text);

	if (code < 0)
		return err_set(err, -EIO, "certificate: %s", gnutls_strerror(code));
	return text_file_replace(path, (const char *)text.data, text.size, err);
}

static int take_permitted(struct string_list *out, unsigned type, const gnutls_datum_t *name, struct err *err)
{
	char text[256];

	if (type == GNUTLS_SAN_IPADDRESS && (name->size == 8 || name->size == 32))
		inet_ntop(name->size == 8 ? AF_INET : AF_INET6, name->data, text, sizeof(text));
	else if (type == GNUTLS_SAN_DNSNAME && name->size && name->size < sizeof(text))
		snprintf(text, sizeof(text), "%.*s", (int)name->size, (const char *)name->data);
	else
		return 0;
	return string_list_add(out, text, err);
}

int certificate_names(struct string_list *out, gnutls_x509_crt_t issuer, struct err *err)
{
	CLEANUP(free_constraints) gnutls_x509_name_constraints_t c = NULL;
	CLEANUP(string_list_free) struct string_list names = { 0 };
	unsigned critical, type;
	gnutls_datum_t name; /* borrowed from `c` */

	if (gnutls_x509_name_constraints_init(&c) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	int code = gnutls_x509_crt_get_name_constraints(issuer, c, 0, &critical);

	for (unsigned i = 0; code >= 0 && gnutls_x509_name_constraints_get_permitted(c, i, &type, &name) >= 0; i++)
		if (take_permitted(&names, type, &name, err) < 0)
			return err->code;
	if (!names.count)
		return err_set(err, -EBADMSG, "it is an issuer for no names");
	*out = names;
	names = (struct string_list){ 0 };
	return 0;
}
