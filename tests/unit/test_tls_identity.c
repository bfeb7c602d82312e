/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_identity: the certificates that a service makes as time goes on, verified as a client does (GnuTLS, at that time). */
#include "tls_identity.h"

#include "certificate.h"
#include "cleanup.h"
#include "tls_ca.h"

#include "tap.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <unistd.h>

#define DAY   86400
#define BEGIN 1700000000ll

static char dir[] = "/tmp/vmcast-test-tls.XXXXXX";
static char ca_dir[64], tls_dir[64], ca_path[80];
static struct string_list names;

/* The end of the certificate that is shown at `now`, 0 if a client that trusts the CA would refuse it as `name`'s. */
static int64_t shown_end(struct tls_identity *identity, const char *name, int64_t now)
{
	gnutls_pcert_st *chain;
	gnutls_privkey_t key;
	gnutls_x509_crt_t crts[2], ca = NULL;
	gnutls_x509_trust_list_t list;
	unsigned length, status = ~0u;
	struct err err;

	tls_identity_show(identity, &chain, &length, &key, now);
	if (length != 2 || certificate_load(&ca, ca_path, &err) < 0 || gnutls_x509_trust_list_init(&list, 0) < 0)
		return 0;
	gnutls_x509_trust_list_add_cas(list, &ca, 1, 0);
	for (unsigned i = 0; i < 2; i++) {
		gnutls_x509_crt_init(&crts[i]);
		gnutls_x509_crt_import(crts[i], &chain[i].cert, GNUTLS_X509_FMT_DER);
	}
	gnutls_x509_trust_list_verify_crt(list, crts, 2, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status, NULL);
	int64_t end = gnutls_x509_crt_get_expiration_time(crts[0]);
	bool good = status == 0 && gnutls_x509_crt_check_hostname(crts[0], name) && end > now &&
		    gnutls_x509_crt_get_activation_time(crts[0]) <= now;

	gnutls_x509_crt_deinit(crts[0]);
	gnutls_x509_crt_deinit(crts[1]);
	gnutls_x509_trust_list_deinit(list, 1);
	return good ? end : 0;
}

static void knows_its_names(void)
{
	CLEANUP(tls_identity_close) struct tls_identity *identity = NULL;
	struct err err;

	if (!ok(tls_identity_open(&identity, tls_dir, BEGIN, &err) == 0, "an issuer for names and addresses is opened"))
		return;
	for (size_t i = 0; i < names.count; i++)
		ok(tls_identity_is_for(identity, names.items[i]), "it is for a name that it was made for");
	ok(!tls_identity_is_for(identity, "elsewhere.example") && !tls_identity_is_for(identity, "192.0.2.99"),
	   "and for no other");
}

static void certificates_are_renewed_in_time(void)
{
	CLEANUP(tls_identity_close) struct tls_identity *identity = NULL;
	struct err err = { 0 };

	if (!ok(tls_identity_open(&identity, tls_dir, BEGIN, &err) == 0, "an issuer's folder is opened")) {
		printf("# %s\n", err.text);
		return;
	}
	is_int(shown_end(identity, "vmcast.example", BEGIN), BEGIN + TLS_IDENTITY_LIFE_S,
	       "a certificate of a few days");
	ok(shown_end(identity, "192.0.2.1", BEGIN), "for each name of the issuer");
	ok(!shown_end(identity, "other.example", BEGIN), "and no other");
	is_int(shown_end(identity, "vmcast.example", BEGIN + TLS_IDENTITY_RENEW_S - 1), BEGIN + TLS_IDENTITY_LIFE_S,
	       "the same one for a third of its time");
	is_int(shown_end(identity, "vmcast.example", BEGIN + TLS_IDENTITY_RENEW_S),
	       BEGIN + TLS_IDENTITY_RENEW_S + TLS_IDENTITY_LIFE_S, "then another");
	is_int(shown_end(identity, "vmcast.example", BEGIN + 20 * DAY), BEGIN + 23 * DAY, "also after a long silence");
	is_int(shown_end(identity, "vmcast.example", BEGIN + 2 * DAY), BEGIN + 5 * DAY,
	       "a clock that was ahead is no trouble");
	is_int(shown_end(identity, "vmcast.example", BEGIN + 39 * DAY), BEGIN + 40 * DAY, "none outlives its issuer");
	is_int(shown_end(identity, "vmcast.example", BEGIN + 41 * DAY), 0, "an issuer that has ended makes none");
	ok(tls_ca_issue(tls_dir, ca_dir, NULL, &names, BEGIN + 41 * DAY, BEGIN + 80 * DAY, &err) == 0 &&
		   shown_end(identity, "vmcast.example", BEGIN + 41 * DAY + 60) > 0,
	   "and the next one is found a minute later");
	tls_identity_close(&identity);
	is_int(tls_identity_open(&identity, tls_dir, BEGIN + 81 * DAY, &err), -EKEYEXPIRED,
	       "a service does not start with an issuer that has ended");
}

static void a_key_of_another_issuer_is_refused(void)
{
	CLEANUP(tls_identity_close) struct tls_identity *identity = NULL;
	struct err err = { 0 };
	char other[64], command[256];

	snprintf(other, sizeof(other), "%s/other", dir);
	snprintf(command, sizeof(command), "cp '%s/issuer.pem' '%s/issuer.pem'", tls_dir, other);
	ok(tls_ca_issue(other, ca_dir, NULL, &names, BEGIN, BEGIN + 40 * DAY, &err) == 0 && system(command) == 0,
	   "an issuer that is half replaced");
	is_int(tls_identity_open(&identity, other, BEGIN, &err), -EBADMSG, "is refused");
}

static void a_key_that_others_can_read_is_refused(void)
{
	CLEANUP(tls_identity_close) struct tls_identity *identity = NULL;
	struct err err = { 0 };
	char command[256];

	snprintf(command, sizeof(command), "chmod 640 '%s/issuer-key.pem'", tls_dir);
	ok(system(command) == 0, "a key of mode 0640");
	is_int(tls_identity_open(&identity, tls_dir, BEGIN + 42 * DAY, &err), -EACCES, "is refused");
}

int main(void)
{
	struct err err = { 0 };
	char command[96];

	setenv("VMCAST_DEBUG", "", 1);
	if (!mkdtemp(dir) || string_list_add(&names, "vmcast.example", &err) < 0 ||
	    string_list_add(&names, "192.0.2.1", &err) < 0)
		return 1;
	snprintf(ca_dir, sizeof(ca_dir), "%s/ca", dir);
	snprintf(ca_path, sizeof(ca_path), "%s/ca.pem", ca_dir);
	snprintf(tls_dir, sizeof(tls_dir), "%s/tls", dir);
	if (ok(tls_ca_create(ca_dir, NULL, "test", BEGIN, BEGIN + 100 * DAY, &err) == 0 &&
		       tls_ca_issue(tls_dir, ca_dir, NULL, &names, BEGIN, BEGIN + 40 * DAY, &err) == 0,
	       "a CA and an issuer")) {
		knows_its_names();
		certificates_are_renewed_in_time();
		a_key_of_another_issuer_is_refused();
		a_key_that_others_can_read_is_refused();
	} else {
		printf("# %s\n", err.text);
	}
	string_list_free(&names);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) || done_testing();
}
