/* SPDX-License-Identifier: GPL-2.0-or-later */
/* secrets: see secrets.h */
#include "secrets.h"

#include "cleanup.h"
#include "config_value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (256u << 10)

static const char *const kinds[] = {
	[SECRET_BASIC] = "basic", [SECRET_BEARER] = "bearer", [SECRET_CERTIFICATE] = "certificate"
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void wipe(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void secret_done(struct secret *secret)
{
	wipe(&secret->value);
	wipe(&secret->key);
}

/* The next word of a line, cut out in place; NULL: there is none. */
static char *take_word(char **line)
{
	char *word = *line + strspn(*line, " \t");
	size_t len = strcspn(word, " \t");

	if (!len)
		return NULL;
	*line = word + len + (word[len] != '\0');
	word[len] = '\0';
	return word;
}

/* The line behind its name and kind. What is wrong is said without its text. */
static int take_values(struct secret *out, char *rest, int line, struct err *err)
{
	rest += strspn(rest, " \t");
	if (out->kind == SECRET_CERTIFICATE) {
		char *file = take_word(&rest), *key = take_word(&rest);

		if (!key || file[0] != '/' || key[0] != '/' || take_word(&rest))
			return err_set(err, -EINVAL,
				       "line %d: a certificate is the absolute paths of its file and its key's", line);
		out->value = strdup(file);
		out->key = strdup(key);
		return out->value && out->key ? 0 : err_set(err, -ENOMEM, "out of memory");
	}
	if (out->kind == SECRET_BASIC && !memchr(rest, ':', strlen(rest)))
		return err_set(err, -EINVAL, "line %d: write USER:PASSWORD", line);
	if (!*rest || (out->kind == SECRET_BEARER && strpbrk(rest, " \t")))
		return err_set(err, -EINVAL, "line %d: write a token without spaces", line);
	/* It becomes a header's line. */
	for (const char *c = rest; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return err_set(err, -EINVAL, "line %d: has a control character", line);
	out->value = strdup(rest);
	return out->value ? 0 : err_set(err, -ENOMEM, "out of memory");
}

/* 1: this is the secret that is looked for. Every line is checked, so that a mistake shows before it is needed. */
static int take_line(struct secret *out, char *line, int nr, const char *wanted, struct err *err)
{
	struct secret found = { 0 };
	struct err ignored;

	line[strcspn(line, "\r")] = '\0';
	char *name = take_word(&line);
	if (!name || name[0] == '#')
		return 0;
	if (config_value_check_name(name, &ignored) < 0)
		return err_set(err, -EINVAL, "line %d: begins with no name of letters, digits, '-', '.' and '_'", nr);
	const char *kind = take_word(&line);
	while (found.kind < KINDS && (!kind || strcmp(kinds[found.kind], kind) != 0))
		found.kind++;
	if (found.kind == KINDS)
		return err_set(err, -EINVAL, "line %d: write NAME and then basic, bearer or certificate", nr);
	int rc = take_values(&found, line, nr, err);
	bool same = !rc && strcmp(name, wanted) == 0;
	if (same && out->value)
		rc = err_set(err, -EINVAL, "line %d: the same name came before", nr);
	if (rc || !same) {
		secret_done(&found);
		return rc;
	}
	*out = found;
	return 1;
}

int secret_parse(struct secret *out, const char *text, size_t len, const char *name, struct err *err)
{
	char *copy = strndup(text, len), *rest = NULL;
	int rc = 0, nr = 0;

	*out = (struct secret){ 0 };
	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	size_t copy_len = strlen(copy);
	rest = copy;
	for (char *line; rc >= 0 && (line = strsep(&rest, "\n"));)
		rc = take_line(out, line, ++nr, name, err);
	explicit_bzero(copy, copy_len);
	free(copy);
	if (rc < 0)
		secret_done(out);
	else if (!out->value)
		rc = err_set(err, -ENOENT, "has no secret '%s'", name);
	return rc < 0 ? rc : 0;
}

/* A secret that others can read is none. */
static int check_private(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "'%s': %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EACCES, "'%s' is not a regular file", path);
	if (st.st_mode & 077)
		return err_set(err, -EACCES, "'%s' can be read or written by others than its owner; chmod 600 it",
			       path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return err_set(err, -EACCES, "'%s' is owned by neither root nor vmcastd's user", path);
	return 0;
}

static int open_private(const char *path, struct err *err)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return err_set(err, -errno, "open '%s': %s", path, strerror(errno));
	int rc = check_private(fd, path, err);
	return rc < 0 ? rc : TAKE_FD(fd);
}

static int read_private(char *text, size_t *len, const char *path, struct err *err)
{
	CLEANUP(close_fd) int fd = open_private(path, err);
	ssize_t got = 1;

	if (fd < 0)
		return fd;
	*len = 0;
	while (*len < FILE_BYTES_MAX && (got = read(fd, text + *len, FILE_BYTES_MAX - *len)) > 0)
		*len += (size_t)got;
	if (got < 0)
		return err_set(err, -errno, "read '%s': %s", path, strerror(errno));
	if (*len == FILE_BYTES_MAX || memchr(text, '\0', *len))
		return err_set(err, -EINVAL, "'%s' is no file of secrets: %s", path,
			       *len == FILE_BYTES_MAX ? "too long" : "it has a NUL byte");
	return 0;
}

int secret_find(struct secret *out, const char *path, const char *name, struct err *err)
{
	size_t len = 0;

	if (!path)
		return err_set(err, -ENOENT, "secret '%s': the configuration names no file of secrets", name);
	char *text = malloc(FILE_BYTES_MAX);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = read_private(text, &len, path, err);
	if (!rc && (rc = secret_parse(out, text, len, name, err)) < 0)
		err_wrap(err, "'%s'", path);
	explicit_bzero(text, FILE_BYTES_MAX);
	free(text);
	if (rc || out->kind != SECRET_CERTIFICATE)
		return rc;
	CLEANUP(close_fd) int key = open_private(out->key, err);
	if (key < 0)
		secret_done(out);
	return key < 0 ? key : 0;
}
