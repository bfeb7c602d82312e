/* SPDX-License-Identifier: GPL-2.0-or-later */
/* passphrase: see passphrase.h */
#include "passphrase.h"

#include "cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define PASSPHRASE_ROOM 1024

static volatile sig_atomic_t caught;

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

void passphrase_free(char **passphrase)
{
	if (*passphrase)
		explicit_bzero(*passphrase, PASSPHRASE_ROOM);
	free(*passphrase);
	*passphrase = NULL;
}

/* A line of `fd`, unbuffered, so that no copy of it stays anywhere. `out` has PASSPHRASE_ROOM bytes. */
static int read_line(char *out, int fd, struct err *err)
{
	size_t len = 0;

	for (;;) {
		ssize_t got = read(fd, out + len, 1);

		if (got < 0 && errno == EINTR && !caught)
			continue;
		if (got < 0)
			return err_set(err, -errno, "read the passphrase: %s", strerror(errno));
		if (got == 0 || out[len] == '\n')
			break;
		if (++len == PASSPHRASE_ROOM)
			return err_set(err, -EINVAL, "the passphrase is longer than %d bytes", PASSPHRASE_ROOM - 1);
	}
	out[len] = '\0';
	return len ? 0 : err_set(err, -EINVAL, "the passphrase is empty");
}

static int read_file(char *out, const char *path, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	if (S_ISREG(st.st_mode) && st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(err, -EACCES, "'%s': its mode is %04o, others than its owner could read it (chmod 600)",
			       path, st.st_mode & 07777);
	return read_line(out, fd, err) ? err_wrap(err, "'%s'", path) : 0;
}

static void on_signal(int nr)
{
	caught = nr;
}

/* A signal ends the question, and is delivered once the terminal echoes again. */
static int ask_silently(char *out, int terminal, const char *question, struct err *err)
{
	const struct sigaction interrupt = { .sa_handler = on_signal };
	struct sigaction before[SIGNALS];
	struct termios old, silent;

	if (tcgetattr(terminal, &old))
		return err_set(err, -errno, "terminal: %s", strerror(errno));
	caught = 0;
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &interrupt, &before[i]);
	silent = old;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(terminal, TCSAFLUSH, &silent);
	dprintf(terminal, "%s: ", question);
	int rc = read_line(out, terminal, err);
	dprintf(terminal, "\n");
	tcsetattr(terminal, TCSAFLUSH, &old);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
	if (caught)
		raise(caught);
	return rc;
}

static int ask(char *out, bool is_new, struct err *err)
{
	CLEANUP(close_fd) int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	CLEANUP(passphrase_free) char *again = calloc(1, PASSPHRASE_ROOM);

	if (!again)
		return err_set(err, -ENOMEM, "out of memory");
	if (terminal < 0)
		return err_set(err, -ENXIO,
			       "there is no terminal to ask for the passphrase on (--passphrase-file FILE)");
	int rc = ask_silently(out, terminal, is_new ? "New passphrase" : "Passphrase", err);
	if (rc || !is_new)
		return rc;
	rc = ask_silently(again, terminal, "The same again", err);
	if (!rc && strcmp(out, again) != 0)
		rc = err_set(err, -EINVAL, "the passphrases are not the same");
	return rc;
}

int passphrase_read(char **out, const char *file, bool is_new, struct err *err)
{
	CLEANUP(passphrase_free) char *passphrase = calloc(1, PASSPHRASE_ROOM);

	if (!passphrase)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = file ? read_file(passphrase, file, err) : ask(passphrase, is_new, err);
	if (rc)
		return rc;
	*out = TAKE(passphrase);
	return 0;
}
