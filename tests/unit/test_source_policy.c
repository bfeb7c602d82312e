/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A feed cannot make the service fetch from where it must not (F06, F19). */
#include "source_policy.h"

#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct source_policy *policy_of(const char *feed_url, const char *allow_host)
{
	char *hosts[] = { (char *)allow_host, NULL };
	const struct string_list allow = { hosts, allow_host ? 1 : 0 };
	struct source_policy *policy = NULL;
	struct err err = { 0 };

	ok(source_policy_new(&policy, feed_url, &allow, &err) == 0, "a policy for '%s' %s", feed_url, err.text);
	return policy;
}

static bool may_connect(const struct source_policy *policy, const char *url, const char *address)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct http_options options = { 0 };

	source_policy_apply(policy, url, &options);
	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return options.may_connect(options.policy, (struct sockaddr *)(void *)&v4);
	if (inet_pton(AF_INET6, address, &v6.sin6_addr) == 1)
		return options.may_connect(options.policy, (struct sockaddr *)(void *)&v6);
	abort();
}

static void test_addresses(void)
{
	static const struct {
		const char *address;
		bool good;
	} cases[] = {
		{ "93.184.216.34", true },
		{ "2606:2800:220:1::1", true },
		{ "9.255.255.255", true },
		{ "11.0.0.0", true },
		{ "172.15.255.255", true },
		{ "172.32.0.0", true },
		{ "169.253.255.255", true },
		{ "169.255.0.0", true },
		{ "223.255.255.255", true },
		{ "100.63.255.255", true },
		{ "100.128.0.0", true },
		{ "192.0.1.0", true },
		{ "198.20.0.0", true },
		{ "64:ff9b::5db8:d822", true },
		{ "0.0.0.0", false },
		{ "0.1.2.3", false },
		{ "10.0.0.1", false },
		{ "10.255.255.255", false },
		{ "100.64.0.1", false },
		{ "100.127.255.255", false },
		{ "127.0.0.1", false },
		{ "127.255.255.255", false },
		{ "169.254.169.254", false },
		{ "169.254.0.0", false },
		{ "172.16.0.0", false },
		{ "172.31.255.255", false },
		{ "192.168.1.1", false },
		{ "192.0.0.1", false },
		{ "198.18.0.1", false },
		{ "198.19.255.255", false },
		{ "224.0.0.1", false },
		{ "239.255.255.255", false },
		{ "240.0.0.1", false },
		{ "255.255.255.255", false },
		{ "::", false },
		{ "::1", false },
		{ "::2", false },
		{ "fe80::1", false },
		{ "febf::1", false },
		{ "fec0::1", false },
		{ "fc00::1", false },
		{ "fd00:ec2::254", false },
		{ "ff02::1", false },
		/* IPv4 in IPv6 clothes */
		{ "::ffff:127.0.0.1", false },
		{ "::ffff:169.254.169.254", false },
		{ "::ffff:93.184.216.34", true },
		{ "::127.0.0.1", false },
		{ "64:ff9b::7f00:1", false },
		{ "64:ff9b::a9fe:a9fe", false },
		{ "2002:7f00:1::", false },
		{ "2002:a9fe:a9fe::1", false },
		{ "2002:5db8:d822::1", true },
	};
	struct source_policy *policy = policy_of("http://93.184.216.34/feed.xml", NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(may_connect(policy, "http://h/", cases[i].address), cases[i].good, cases[i].address);
	source_policy_free(&policy);
}

static void test_hosts(void)
{
	static const struct {
		const char *feed, *allow, *address;
		bool good;
	} cases[] = {
		/* the feed's own host: private yes, link-local no */
		{ "http://10.1.2.3/f", NULL, "10.1.2.3", true },
		{ "http://10.1.2.3:8080/f", NULL, "10.1.2.3", true },
		{ "http://10.1.2.3/f", NULL, "10.1.2.4", false },
		{ "http://127.0.0.1/f", NULL, "127.0.0.1", true },
		{ "http://127.0.0.1/f", NULL, "127.0.0.2", false },
		{ "http://127.0.0.1/f", NULL, "::1", false },
		{ "http://[::1]/f", NULL, "::1", true },
		{ "http://[fd00::5]:80/f", NULL, "fd00::5", true },
		{ "http://localhost/f", NULL, "127.0.0.1", true },
		{ "http://169.254.169.254/f", NULL, "169.254.169.254", false },
		{ "http://[fe80::1]/f", NULL, "fe80::1", false },
		{ "http://10.1.2.3/f", NULL, "::ffff:10.1.2.3", true },
		{ "http://10.1.2.3@93.184.216.34/f", NULL, "10.1.2.3", false },
		/* hosts the operator names: anything */
		{ "http://93.184.216.34/f", "10.9.9.9", "10.9.9.9", true },
		{ "http://93.184.216.34/f", "10.9.9.9", "10.9.9.8", false },
		{ "http://93.184.216.34/f", "169.254.169.254", "169.254.169.254", true },
		{ "http://93.184.216.34/f", "fd00::9", "fd00::9", true },
		{ "http://93.184.216.34/f", "[fe80::9]", "fe80::9", true },
		{ "http://93.184.216.34/f", "localhost", "127.0.0.1", true },
		{ "http://93.184.216.34/f", "no-such-host.invalid", "127.0.0.1", false },
		/* a feed that is a file has no host */
		{ "file:///srv/f.xml", NULL, "127.0.0.1", false },
		{ "file:///srv/f.xml", NULL, "93.184.216.34", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct source_policy *policy = policy_of(cases[i].feed, cases[i].allow);

		is_int(may_connect(policy, "http://h/", cases[i].address), cases[i].good, cases[i].address);
		source_policy_free(&policy);
	}
}

static void test_schemes(void)
{
	static const struct {
		const char *feed, *url;
		int code;
	} cases[] = {
		{ "http://h/f", "http://h/d", 0 },
		{ "http://h/f", "HTTPS://h/d", 0 },
		{ "http://h/f", "file:///etc/passwd", -EACCES },
		{ "https://h/f", "file:///etc/passwd", -EACCES },
		{ "file:///srv/f", "file:///srv/d", 0 },
		{ "file:///srv/f", "http://h/d", 0 },
		{ "http://h/f", "ftp://h/d", -EACCES },
		{ "http://h/f", "gopher://h/d", -EACCES },
		{ "http://h/f", "scp://h/d", -EACCES },
		{ "http://h/f", "d", -EINVAL },
	};
	struct http_options options = { 0 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct source_policy *policy = policy_of(cases[i].feed, NULL);
		struct err err;

		is_int(source_policy_check_url(policy, cases[i].url, &err), cases[i].code, cases[i].url);
		source_policy_free(&policy);
	}
	struct source_policy *policy = policy_of("http://h.invalid/f", NULL);
	source_policy_apply(policy, "https://h/d", &options);
	is_str(options.schemes, "https", "redirects from https stay on https");
	source_policy_apply(policy, "http://h/d", &options);
	is_str(options.schemes, "http,https", "from http they may go up");
	source_policy_free(&policy);
}

/* Files: below the feed's folder, whatever "..", links and %XX say. `top` is that folder; "outside" lies beside it. */
static void test_files(void)
{
	static const struct {
		const char *path; /* behind the folder's URL */
		int code;
	} cases[] = {
		{ "/d.img", 0 },
		{ "/sub/d.img", 0 },
		{ "/sub/../d.img", 0 },
		{ "/within", 0 },
		{ "/%64.img", 0 },
		{ "/missing", -ENOENT },
		{ "/../outside", -EACCES },
		{ "/%2e%2e/outside", -EACCES },
		{ "/sub/..%2f..%2foutside", -EACCES },
		{ "/absolute", -EACCES },
		{ "/relative", -EACCES },
		{ "/folder/outside", -EACCES },
		{ "/sub", -EACCES },
		{ "/fifo", -EACCES },
		{ "", -EACCES },
		{ "x/d.img", -EACCES },
		{ "/d.img%00.gz", -EINVAL },
	};
	char parent[] = "/tmp/vmcast-test.XXXXXX", feed_url[100], command[1000];
	struct source_policy *policy;

	if (!mkdtemp(parent))
		abort();
	snprintf(command, sizeof(command),
		 "cd %s && mkdir -p feed/sub feedx && touch outside feed/d.img feed/sub/d.img feedx/d.img && mkfifo "
		 "feed/fifo &&"
		 " ln -s /etc/passwd feed/absolute && ln -s ../outside feed/relative && ln -s .. feed/folder &&"
		 " ln -s sub/d.img feed/within",
		 parent);
	ok(system(command) == 0, "a folder to look at");
	snprintf(feed_url, sizeof(feed_url), "file://%s/feed/feed.xml", parent);
	policy = policy_of(feed_url, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char url[200];
		int fd = -1;
		struct err err;

		snprintf(url, sizeof(url), "file://%s/feed%s", parent, cases[i].path);
		is_int(source_policy_open_file(policy, &fd, url, &err), cases[i].code, cases[i].path);
		if (fd >= 0)
			close(fd);
	}
	source_policy_free(&policy);
	snprintf(command, sizeof(command), "rm -r %s", parent);
	ok(system(command) == 0, "removed");
}

int main(void)
{
	test_addresses();
	test_hosts();
	test_schemes();
	test_files();
	return done_testing();
}
