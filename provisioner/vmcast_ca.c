/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmcast_ca: `vmcast key ca ...`: the site's own CA. Asks no service. */
#include "vmcast_cli.h"

#include "cleanup.h"
#include "config.h"
#include "config_value.h"
#include "passphrase.h"
#include "tls_ca.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define DAY_SECONDS 86400
#define DAYS_MAX    7300
#define CA_DAYS     3650
#define ISSUER_DAYS 365
#define CA_NAME_MAX 64 /* of a common name: RFC 5280, ub-common-name */

struct request {
	const char *ca, *tls, *passphrase_file;
	struct string_list names;
	unsigned days; /* 0: not given */
	bool help;
};

static int take_option(struct request *rq, int option, char *value, struct err *err)
{
	switch (option) {
	case 'c':
		rq->ca = value;
		return 0;
	case 't':
		rq->tls = value;
		return 0;
	case 'p':
		rq->passphrase_file = value;
		return 0;
	case 'n':
		return string_list_add(&rq->names, value, err) < 0 ? err_wrap(err, "--name") : 0;
	case 'd':
		return option_number(&rq->days, value, "days", DAYS_MAX, err);
	case 'h':
		rq->help = true;
		return 0;
	default:
		return err_set(err, -EINVAL, "see vmcast key ca --help");
	}
}

static int init(const struct request *rq, struct err *err)
{
	CLEANUP(passphrase_free) char *passphrase = NULL;
	int64_t now = time(NULL);

	if (rq->tls || rq->names.count > 1)
		return err_set(err, -EINVAL, "key ca init: takes no --tls and one --name at most");
	if (rq->names.count && strlen(rq->names.items[0]) > CA_NAME_MAX)
		return err_set(err, -EINVAL, "--name '%s': at most %d bytes", rq->names.items[0], CA_NAME_MAX);
	int rc = passphrase_read(&passphrase, rq->passphrase_file, true, err);
	if (!rc)
		rc = tls_ca_create(rq->ca, passphrase, rq->names.count ? rq->names.items[0] : "vmcast", now,
				   now + (int64_t)(rq->days ? rq->days : CA_DAYS) * DAY_SECONDS, err);
	if (rc)
		return rc;
	printf("%-14s %s/ca.pem\n%-14s %s/ca-key.pem\n", "certificate", rq->ca, "key", rq->ca);
	printf("Give operators ca.pem. Take %s away, and keep it and its passphrase apart.\n", rq->ca);
	return 0;
}

static int issue(const struct request *rq, struct err *err)
{
	CLEANUP(passphrase_free) char *passphrase = NULL;
	int64_t now = time(NULL);

	if (!rq->tls || !rq->names.count)
		return err_set(err, -EINVAL, "key ca issue: --tls DIR and at least one --name NAME are needed");
	for (size_t i = 0; i < rq->names.count; i++)
		if (config_value_check_host(rq->names.items[i], err) < 0)
			return err_wrap(err, "--name '%s'", rq->names.items[i]);
	int rc = passphrase_read(&passphrase, rq->passphrase_file, false, err);
	if (!rc)
		rc = tls_ca_issue(rq->tls, rq->ca, passphrase, &rq->names, now,
				  now + (int64_t)(rq->days ? rq->days : ISSUER_DAYS) * DAY_SECONDS, err);
	if (!rc)
		printf("%-14s %s/issuer.pem\n%-14s %s/issuer-key.pem\n", "certificate", rq->tls, "key", rq->tls);
	return rc;
}

static int run_verb(const struct request *rq, char **words, int count, struct err *err)
{
	const char *verb = count == 3 ? words[2] : "";

	if (!rq->ca)
		return err_set(err, -EINVAL, "key ca: --ca CADIR is needed (vmcast key ca --help)");
	if (strcmp(verb, "init") == 0)
		return init(rq, err);
	if (strcmp(verb, "issue") == 0)
		return issue(rq, err);
	return err_set(err, -EINVAL, "key ca: write init or issue (vmcast key ca --help)");
}

int key_ca_run(struct cli *cli, int argc, char **argv, struct err *err)
{
	static const struct option options[] = { { "ca", required_argument, NULL, 'c' },
						 { "tls", required_argument, NULL, 't' },
						 { "name", required_argument, NULL, 'n' },
						 { "days", required_argument, NULL, 'd' },
						 { "passphrase-file", required_argument, NULL, 'p' },
						 { "help", no_argument, NULL, 'h' },
						 { NULL, 0, NULL, 0 } };
	struct request rq = { .ca = NULL };
	int option, rc = 0;

	(void)cli;
	while (!rc && (option = getopt_long(argc, argv, "h", options, NULL)) != -1)
		rc = take_option(&rq, option, optarg, err);
	/* A core would hold the keys. */
	prctl(PR_SET_DUMPABLE, 0);
	if (!rc)
		rc = rq.help ? 1 : run_verb(&rq, argv + optind, argc - optind, err);
	prctl(PR_SET_DUMPABLE, 1);
	string_list_free(&rq.names);
	return rc;
}
