/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sandbox_request: see sandbox_request.h */
#include "sandbox_request.h"

#include "cleanup.h"
#include "json.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* ---- write */

static json_t *strings_json(char *const *strings)
{
	json_t *list = strings ? json_array() : json_null();

	for (; strings && *strings; strings++)
		json_array_append_new(list, json_string(*strings));
	return list;
}

/* Device and inode are all of 64 bits, JSON's integers here have a sign. */
static json_t *binds_json(const struct sandbox_options *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < o->bind_count; i++) {
		const struct sandbox_bind *b = &o->binds[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:I, s:I}", "path", b->path, "inside", b->inside,
						      "writable", b->writable, "device", (json_int_t)b->device, "inode",
						      (json_int_t)b->inode));
	}
	return list;
}

static size_t list_len(char *const *strings)
{
	size_t len = 0;

	while (strings && strings[len])
		len++;
	return len;
}

int sandbox_request_write(json_t **out, int fds[static SANDBOX_REQUEST_FDS], size_t *fd_count,
			  const struct sandbox_options *o, struct err *err)
{
	const int all[SANDBOX_REQUEST_FDS] = { o->stdin_fd, o->stdout_fd, o->pass_fd };
	CLEANUP(json_free) json_t *json = NULL;

	*fd_count = 0;
	for (size_t i = 0; i < SANDBOX_REQUEST_FDS; i++)
		if (all[i] >= 0)
			fds[(*fd_count)++] = all[i];
	json = json_pack("{s:s, s:o, s:o, s:o, s:b, s:b, s:b, s:I, s:I, s:I, s:i}", "program", o->program, "argv",
			 strings_json(o->argv), "env", strings_json(o->env), "binds", binds_json(o), "stdin",
			 o->stdin_fd >= 0, "stdout", o->stdout_fd >= 0, "pass", o->pass_fd >= 0, "memory_bytes",
			 (json_int_t)o->memory_bytes, "file_bytes", (json_int_t)o->file_bytes, "cpu_s",
			 (json_int_t)o->cpu_s, "fds", (int)o->fds);
	/* A string that is not UTF-8 is left out of a list. */
	if (!json || json_array_size(json_object_get(json, "argv")) != list_len(o->argv) ||
	    json_array_size(json_object_get(json, "env")) != list_len(o->env) ||
	    json_array_size(json_object_get(json, "binds")) != o->bind_count)
		return err_set(err, -EINVAL, "a name for the sandbox of '%s' is not UTF-8, or memory is short",
			       o->program);
	*out = TAKE(json);
	return 0;
}

/* ---- read */

/* `*out`: ends with NULL. */
static int read_strings(char ***out, const json_t *list, const char *key, struct err *err)
{
	size_t count = json_array_size(list);

	if (!json_is_array(list))
		return err_set(err, -EPROTO, "field \"%s\": a list is needed", key);
	*out = calloc(count + 1, sizeof(**out));
	if (!*out)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		const json_t *at = json_array_get(list, i);

		if (!json_is_string(at) || strlen(json_string_value(at)) != json_string_length(at))
			return err_set(err, -EPROTO, "field \"%s\": strings are needed", key);
		(*out)[i] = (char *)json_string_value(at);
	}
	return 0;
}

static int read_bits(uint64_t *out, const json_t *obj, const char *key, struct err *err)
{
	const json_t *value = json_object_get(obj, key);

	if (!json_is_integer(value))
		return err_set(err, -EPROTO, "field \"%s\": a whole number is needed", key);
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

/* "/disk": one name, directly below the root. */
static bool is_inside(const char *path)
{
	return path[0] == '/' && path[1] && !strchr(path + 1, '/') && strcmp(path, "/.") != 0 &&
	       strcmp(path, "/..") != 0;
}

static int read_bind(struct sandbox_bind *out, const json_t *obj, struct err *err)
{
	uint64_t device = 0, inode = 0;

	if (json_need_string(&out->path, obj, "path", PATH_MAX, err) ||
	    json_need_string(&out->inside, obj, "inside", NAME_MAX, err) ||
	    json_want_bool(&out->writable, obj, "writable", err) || read_bits(&device, obj, "device", err) ||
	    read_bits(&inode, obj, "inode", err))
		return err->code;
	out->device = (dev_t)device;
	out->inode = (ino_t)inode;
	if (out->path[0] != '/')
		return err_set(err, -EPROTO, "field \"path\": an absolute path is needed");
	return is_inside(out->inside) ? 0 : err_set(err, -EPROTO, "field \"inside\": '/NAME' is needed");
}

static int read_binds(struct sandbox_request *r, const json_t *list, struct err *err)
{
	size_t count = json_array_size(list);

	if (!json_is_array(list))
		return err_set(err, -EPROTO, "field \"binds\": a list is needed");
	r->binds = calloc(count + 1, sizeof(*r->binds));
	if (!r->binds)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		if (read_bind(&r->binds[i], json_array_get(list, i), err))
			return err->code;
	r->options.binds = r->binds;
	r->options.bind_count = count;
	return 0;
}

static int read_limits(struct sandbox_options *o, const json_t *json, struct err *err)
{
	uint64_t fds;

	if (json_need_u64(&o->memory_bytes, json, "memory_bytes", INT64_MAX, err) ||
	    json_need_u64(&o->file_bytes, json, "file_bytes", INT64_MAX, err) ||
	    json_need_u64(&o->cpu_s, json, "cpu_s", INT64_MAX, err) || json_need_u64(&fds, json, "fds", INT_MAX, err))
		return err->code;
	o->fds = (unsigned)fds;
	return 0;
}

static int read_fds(struct sandbox_options *o, const json_t *json, const int *fds, size_t fd_count, struct err *err)
{
	static const char *const keys[SANDBOX_REQUEST_FDS] = { "stdin", "stdout", "pass" };
	int *const to[SANDBOX_REQUEST_FDS] = { &o->stdin_fd, &o->stdout_fd, &o->pass_fd };
	size_t used = 0;

	for (size_t i = 0; i < SANDBOX_REQUEST_FDS; i++) {
		bool comes = false;

		if (json_want_bool(&comes, json, keys[i], err))
			return err->code;
		if (comes && used == fd_count)
			return err_set(err, -EPROTO, "the descriptor for \"%s\" is missing", keys[i]);
		*to[i] = comes ? fds[used++] : -1;
	}
	return used == fd_count ? 0 : err_set(err, -EPROTO, "a descriptor too many");
}

int sandbox_request_read(struct sandbox_request **out, const json_t *json, const int *fds, size_t fd_count,
			 struct err *err)
{
	CLEANUP(sandbox_request_free) struct sandbox_request *r = calloc(1, sizeof(*r));
	const json_t *env = json_object_get(json, "env");

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	struct sandbox_options *o = &r->options;
	if (json_need_string(&o->program, json, "program", PATH_MAX, err) ||
	    read_strings(&r->argv, json_object_get(json, "argv"), "argv", err) ||
	    (!json_is_null(env) && read_strings(&r->env, env, "env", err)) ||
	    read_binds(r, json_object_get(json, "binds"), err) || read_limits(o, json, err) ||
	    read_fds(o, json, fds, fd_count, err))
		return err->code;
	if (o->program[0] != '/' || !r->argv[0])
		return err_set(err, -EPROTO, "an absolute path of a program and its name are needed");
	o->argv = r->argv;
	o->env = r->env;
	*out = TAKE(r);
	return 0;
}

void sandbox_request_free(struct sandbox_request **request)
{
	struct sandbox_request *r = *request;

	if (!r)
		return;
	free(r->argv);
	free(r->env);
	free(r->binds);
	free(r);
	*request = NULL;
}
