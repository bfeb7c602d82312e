/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_kvm: see guest_kvm.h */
#include "guest_kvm.h"

#include "backoff.h"
#include "cleanup.h"
#include "guest_jail.h"
#include "module.h"
#include "sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define TRIAL_DIR "/run/kvm-trial"
#define TRIAL_UID 59999
#define TRIAL_MS  30000u

/* What SeaBIOS says last. UEFI firmware would try more of the processor, and ends the emulation of one with SVM in QEMU 7.2 (a
 * write to CR8 while an interrupt is pending: an assertion of tcg_handle_interrupt). */
#define IS_UP "No bootable device"

static void run_trial(int output)
{
	static const char *const argv[] = {
		"/usr/bin/qemu-system-x86_64",
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-accel",
		"kvm",
		"-cpu",
		"host",
		"-machine",
		"q35",
		"-m",
		"64",
		"-debugcon",
		"stdio",
		"-global",
		"isa-debugcon.iobase=0x402",
		NULL,
	};
	const struct guest_jail jail = { .arch = "x86_64", .dir = TRIAL_DIR, .uid = TRIAL_UID, .kvm = true };
	const char *step = "output";
	int rc = dup2(open("/dev/null", O_RDWR), 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ? -errno : 0;

	if (!rc)
		rc = guest_jail_enter(&jail, &step);
	if (!rc) {
		step = argv[0];
		execv(argv[0], (char *const *)(uintptr_t)argv);
		rc = -errno;
	}
	dprintf(2, "%s: %s\n", step, strerror(-rc));
	_exit(127);
}

/* The text up to IS_UP, an error of KVM's, the end, or time. */
static void read_trial(char *text, size_t room, int fd)
{
	uint64_t end_ms = clock_ms() + TRIAL_MS;
	size_t len = 0;

	text[0] = '\0';
	for (uint64_t now_ms; (now_ms = clock_ms()) < end_ms;) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };

		if (poll(&ready, 1, (int)(end_ms - now_ms)) <= 0)
			continue;
		if (len > room / 2) {
			memmove(text, text + len - room / 4, room / 4);
			len = room / 4;
		}
		ssize_t got = read(fd, text + len, room - 1 - len);
		if (got <= 0)
			return;
		for (ssize_t i = 0; i < got; i++)
			if (text[len + (size_t)i] == '\0')
				text[len + (size_t)i] = ' ';
		len += (size_t)got;
		text[len] = '\0';
		if (strstr(text, IS_UP) || strstr(text, "KVM internal error"))
			return;
	}
}

static bool judge(char *why, size_t room, const char *text)
{
	char said[128];

	if (strstr(text, IS_UP))
		return true;
	const char *error = strstr(text, "KVM internal error");
	snprintf(said, sizeof(said), "%s", error ? error : text);
	said[strcspn(said, "\r\n")] = '\0';
	sysfs_clean(said);
	snprintf(why, room, "a trial machine did not come up%s%s", said[0] ? ": " : "", said);
	return false;
}

static bool try_machine(char *why, size_t room)
{
	char text[8192];
	int pipes[2];

	if ((mkdir(TRIAL_DIR, 0755) != 0 && errno != EEXIST) || pipe2(pipes, O_CLOEXEC) != 0) {
		snprintf(why, room, "no trial could be made: %s", strerror(errno));
		return false;
	}
	pid_t pid = fork();
	if (pid == 0)
		run_trial(pipes[1]);
	close(pipes[1]);
	if (pid > 0) {
		read_trial(text, sizeof(text), pipes[0]);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(pipes[0]);
	rmdir(TRIAL_DIR);
	return pid > 0 && judge(why, room, text);
}

bool guest_kvm_works(char *why, size_t room)
{
	module_load("kvm_amd");
	if (access("/dev/kvm", F_OK) != 0)
		module_load("kvm_intel");
	CLEANUP(close_fd) int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		snprintf(why, room, "/dev/kvm: %s", strerror(errno));
		return false;
	}
	return try_machine(why, room);
}
