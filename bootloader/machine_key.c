/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine_key: see machine_key.h */
#include "machine_key.h"

#include "cleanup.h"
#include "machine_key_kind.h"
#include "tuf_key.h"

#include <errno.h>
#include <nettle/base16.h>
#include <stdlib.h>
#include <string.h>

static int sign(char **out, struct machine_key *key, const void *data, size_t len, struct err *err)
{
	uint8_t bytes[MACHINE_KEY_SIGNATURE_MAX];
	size_t count = 0;

	pthread_mutex_lock(&key->lock);
	int rc = key->ops->sign(key, bytes, &count, data, len, err);
	pthread_mutex_unlock(&key->lock);
	if (rc)
		return rc;
	char *text = malloc(2 * count + 1);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	base16_encode_update(text, count, bytes);
	text[2 * count] = '\0';
	*out = text;
	return 0;
}

/* A key whose signatures are not its own is found out while there are other places. */
static int check(struct machine_key *key, struct err *err)
{
	static const char text[] = "vmcast-boot";
	CLEANUP(free_str) char *signature = NULL;
	int rc = tuf_key_id(key->id, key->public_key, err);

	if (!rc)
		rc = sign(&signature, key, text, strlen(text), err);
	if (!rc && tuf_key_verify(key->public_key, signature, text, strlen(text), err) != 0)
		rc = err_wrap(err, "its own signature");
	return rc;
}

/* `key` is open but for what all kinds have; it is closed if it is no good. */
static int take(struct machine_key **out, struct machine_key *key, struct err *err)
{
	pthread_mutex_init(&key->lock, NULL);
	int rc = check(key, err);
	if (rc)
		machine_key_close(&key);
	else
		*out = key;
	return rc;
}

static void add_why(char why[static MACHINE_KEY_WHY], const char *place, const struct err *err)
{
	size_t len = strlen(why);

	snprintf(why + len, MACHINE_KEY_WHY - len, "%s%s: %s", len ? "; " : "", place, err->text);
}

int machine_key_open(struct machine_key **out, char why[static MACHINE_KEY_WHY],
		     const struct machine_key_places *places, struct err *err)
{
	const struct {
		const char *name;
		const char *path;
		int (*open)(struct machine_key **out, const char *path, struct err *err);
	} kinds[] = {
		{ "TPM", places->tpm, machine_key_open_tpm },
		{ "UEFI variable", places->efivars, machine_key_open_nvram },
	};
	struct machine_key *key;

	why[0] = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!kinds[i].path)
			continue;
		int rc = kinds[i].open(&key, kinds[i].path, err);
		if (!rc && take(out, key, err) == 0)
			return 0;
		add_why(why, kinds[i].name, err);
	}
	int rc = machine_key_open_memory(&key, err);
	if (!rc)
		rc = take(out, key, err);
	return rc ? err_wrap(err, "a key of this machine") : 0;
}

void machine_key_close(struct machine_key **key)
{
	struct machine_key *k = *key;

	if (!k)
		return;
	json_decref(k->public_key);
	pthread_mutex_destroy(&k->lock);
	k->ops->close(k);
	*key = NULL;
}

const char *machine_key_kept(const struct machine_key *key)
{
	return key->ops->kept;
}

json_t *machine_key_public(const struct machine_key *key)
{
	return key->public_key;
}

const char *machine_key_id(const struct machine_key *key)
{
	return key->id;
}

int machine_key_sign(char **out, struct machine_key *key, const void *data, size_t len, struct err *err)
{
	int rc = sign(out, key, data, len, err);

	if (!rc)
		return 0;
	/* Whatever it was: it is neither the disk's nor the network's. */
	err->code = -ENOKEY;
	return err_wrap(err, "sign with the machine's key (%s)", key->ops->kept);
}
