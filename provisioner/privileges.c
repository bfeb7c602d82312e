/* SPDX-License-Identifier: GPL-2.0-or-later */
/* privileges: see privileges.h; capabilities(7) */
#include "privileges.h"

#include "config_value.h"
#include "dnsmasq.h"
#include "log.h"

#include "cleanup.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_USER "vmcast"

static uint64_t bit(unsigned capability)
{
	return 1ull << capability;
}

static bool is_low_port(const char *listen)
{
	CLEANUP(free_str) char *host = NULL;
	struct err ignored;
	uint16_t port;

	return listen && config_value_parse_listen(&host, &port, listen, &ignored) == 0 && port < 1024;
}

static uint64_t needed(const struct config *config)
{
	uint64_t capabilities = 0;

	if (dnsmasq_wanted(config))
		capabilities |= bit(CAP_NET_ADMIN) | bit(CAP_NET_RAW) | bit(CAP_NET_BIND_SERVICE);
	if (config->listen_port < 1024 || is_low_port(config->api_listen) || is_low_port(config->https_listen))
		capabilities |= bit(CAP_NET_BIND_SERVICE);
	return capabilities;
}

/* One that is there stays as it is: what is in it may be somebody's. */
static int check_owner(const char *path, const struct passwd *user, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(err, -errno, "stat '%s': %s", path, strerror(errno));
	if (st.st_uid == user->pw_uid)
		return 0;
	return err_set(err, -EACCES, "'%s' does not belong to user '%s': chown -R it, or write user = root", path,
		       user->pw_name);
}

static int make_folder(const char *path, mode_t mode, const struct passwd *user, struct err *err)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? check_owner(path, user, err)
				       : err_set(err, -errno, "make '%s': %s", path, strerror(errno));
	if (chown(path, user->pw_uid, user->pw_gid) < 0 || chmod(path, mode) < 0)
		return err_set(err, -errno, "give '%s' to %s: %s", path, user->pw_name, strerror(errno));
	return 0;
}

static int set_capabilities(uint64_t capabilities)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (unsigned i = 0; i < 2; i++) {
		uint32_t part = (uint32_t)(capabilities >> (32 * i));

		data[i] = (struct __user_cap_data_struct){ part, part, part };
	}
	return (int)syscall(SYS_capset, &header, data);
}

/* So that no program that is started gets more, whatever its file says. */
static int drop_bounding_set(uint64_t keep)
{
	for (unsigned nr = 0; prctl(PR_CAPBSET_READ, nr, 0, 0, 0) >= 0; nr++)
		if (!(nr < 64 && keep & bit(nr)) && prctl(PR_CAPBSET_DROP, nr, 0, 0, 0) < 0)
			return -1;
	return 0;
}

/* Ambient: dnsmasq is started with them, as the unit would. */
static int raise_ambient(uint64_t capabilities)
{
	for (unsigned nr = 0; nr < 64; nr++)
		if (capabilities & bit(nr) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, nr, 0, 0) < 0)
			return -1;
	return 0;
}

static int become(const struct passwd *user, uint64_t keep, struct err *err)
{
	/* Last: a process that changed its user may not write its own uid_map, with which the sandbox begins. */
	if (drop_bounding_set(keep) < 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ||
	    initgroups(user->pw_name, user->pw_gid) < 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0 || set_capabilities(keep) < 0 ||
	    raise_ambient(keep) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return err_set(err, -errno, "become user '%s': %s", user->pw_name, strerror(errno));
	log_info("running as user '%s'", user->pw_name);
	return 0;
}

/* What a service manager gave us that this configuration has no use for. The ambient set follows the permitted one. */
static int drop_unneeded(uint64_t keep, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0 ||
	    set_capabilities(keep & (data[0].permitted | (uint64_t)data[1].permitted << 32)) < 0)
		return err_set(err, -errno, "drop capabilities: %s", strerror(errno));
	return 0;
}

int privileges_drop(const struct config *config, struct err *err)
{
	const char *name = config->user ? config->user : DEFAULT_USER;

	if (geteuid() != 0)
		return drop_unneeded(needed(config), err);
	const struct passwd *user = getpwnam(name);

	if (!user && config->user)
		return err_set(err, -ENOENT, "user = '%s': there is no such user", name);
	if (!user || user->pw_uid == 0) {
		log_warn("running as root%s", user ? "" : ": there is no user '" DEFAULT_USER "'");
		return 0;
	}
	if (make_folder(config->state_dir, 0700, user, err) < 0 || make_folder(config->run_dir, 0755, user, err) < 0)
		return err->code;
	return become(user, needed(config), err);
}
