/* SPDX-License-Identifier: GPL-2.0-or-later */
/* power_button: see power_button.h */
#include "power_button.h"

#include "cleanup.h"
#include "module.h"

#include <fcntl.h>
#include <linux/input.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

static void write_text(const char *path, const char *text)
{
	CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* A machine where it cannot be has no Ctrl-Alt-Del either. */
	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		return;
}

static void take_ctrl_alt_del(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	write_text("/proc/sys/kernel/cad_pid", pid);
	write_text("/proc/sys/kernel/ctrl-alt-del", "0");
}

static bool has_key(int fd, unsigned key)
{
	uint8_t keys[KEY_MAX / 8 + 1] = { 0 };

	return ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) >= 0 && (keys[key / 8] >> key % 8 & 1);
}

int power_button_open(void)
{
	take_ctrl_alt_del();
	module_load("button");
	module_load("evdev");
	for (int nr = 0; nr < 32; nr++) {
		char path[32];

		snprintf(path, sizeof(path), "/dev/input/event%d", nr);
		CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		/* A keyboard may have the key, too; the button has no letters. */
		if (fd >= 0 && has_key(fd, KEY_POWER) && !has_key(fd, KEY_A))
			return TAKE_FD(fd);
	}
	return -1;
}

bool power_button_is_pressed(int fd)
{
	struct input_event event;
	bool is_pressed = false;

	while (fd >= 0 && read(fd, &event, sizeof(event)) == (ssize_t)sizeof(event))
		is_pressed |= event.type == EV_KEY && event.code == KEY_POWER && event.value == 1;
	return is_pressed;
}
