/* SPDX-License-Identifier: GPL-2.0-or-later */
/* target_rule: see target_rule.h */
#include "target_rule.h"

#include "cleanup.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RULE_MAX 512

static bool same_text(const char *have, const char *want)
{
	return have[0] && strcmp(have, want) == 0;
}

static bool match_name(const struct disk_identity *disk, const char *value)
{
	return same_text(disk->name, value);
}

static bool match_serial(const struct disk_identity *disk, const char *value)
{
	return same_text(disk->serial, value);
}

static bool match_model(const struct disk_identity *disk, const char *value)
{
	return same_text(disk->model, value);
}

static bool match_wwn(const struct disk_identity *disk, const char *value)
{
	return same_text(disk->wwn, value);
}

static bool match_bus(const struct disk_identity *disk, const char *value)
{
	return same_text(disk->bus, value);
}

static bool match_bytes(const struct disk_identity *disk, const char *value)
{
	uint64_t bytes;

	return units_parse_bytes(&bytes, value) == 0 && disk->bytes == bytes;
}

static int check_text(const char *value)
{
	return strlen(value) < 128 ? 0 : -EINVAL;
}

static int check_bytes(const char *value)
{
	uint64_t bytes;

	return units_parse_bytes(&bytes, value);
}

static const struct rule_key {
	const char *name;
	int (*check)(const char *value);
	bool (*match)(const struct disk_identity *disk, const char *value);
} keys[] = {
	{ "serial", check_text, match_serial }, { "wwn", check_text, match_wwn },
	{ "model", check_text, match_model },   { "bus", check_text, match_bus },
	{ "name", check_text, match_name },     { "bytes", check_bytes, match_bytes },
};

static const struct rule_key *find_key(const char *name)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

/* Cut the next "key=value" off `*rest`. False when there is none left. `*value` is NULL when there is no '='. */
static bool next_condition(char **rest, char **key, char **value)
{
	*key = strsep(rest, ",");
	if (!*key)
		return false;
	*value = strchr(*key, '=');
	if (*value)
		*(*value)++ = '\0';
	return true;
}

int target_rule_check(const char *rule, struct err *err)
{
	char copy[RULE_MAX], *rest = copy, *key, *value;

	if (strlen(rule) >= sizeof(copy))
		return err_set(err, -EINVAL, "target rule: longer than %d characters", RULE_MAX - 1);
	for (const unsigned char *c = (const unsigned char *)rule; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			return err_set(err, -EINVAL, "target rule: contains a control character");
	if (strchr(rule, ';'))
		return err_set(err, -EINVAL,
			       "target rule: contains ';', which stands between the rules of several disks");
	strcpy(copy, rule);
	while (next_condition(&rest, &key, &value)) {
		const struct rule_key *known = find_key(key);

		if (!known)
			return err_set(err, -EINVAL,
				       "target rule: '%s' is not one of serial, wwn, model, bus, name, bytes", key);
		if (!value || !value[0])
			return err_set(err, -EINVAL, "target rule: '%s' has no value; write %s=VALUE", key, key);
		if (known->check(value) != 0)
			return err_set(err, -EINVAL, "target rule: %s='%s' cannot be read", key, value);
	}
	return 0;
}

bool target_rule_matches(const char *rule, const struct disk_identity *disk, char *why, size_t room)
{
	char copy[RULE_MAX], *rest = copy, *key, *value;

	snprintf(copy, sizeof(copy), "%s", rule);
	while (next_condition(&rest, &key, &value)) {
		const struct rule_key *known = find_key(key);

		if (known && value && known->match(disk, value))
			continue;
		if (why)
			snprintf(why, room, "does not match %s=%s", key, value ? value : "");
		return false;
	}
	return true;
}

size_t target_rule_split(const char **rules, size_t room, char *text)
{
	size_t count = 0;

	for (char *rule = strsep(&text, ";"); rule; rule = strsep(&text, ";")) {
		if (count == room)
			return room + 1;
		rule += strspn(rule, " ");
		for (size_t len = strlen(rule); len && rule[len - 1] == ' '; len--)
			rule[len - 1] = '\0';
		rules[count++] = rule;
	}
	return count;
}

int target_rules_check(const char *text, struct err *err)
{
	CLEANUP(free_str) char *copy = strdup(text);
	const char *rules[TARGET_RULES_MAX];
	int rc = 0;

	if (!copy)
		return err_set(err, -ENOMEM, "out of memory");
	size_t count = target_rule_split(rules, TARGET_RULES_MAX, copy);
	if (count > TARGET_RULES_MAX)
		return err_set(err, -EINVAL, "target rules: more than %d", TARGET_RULES_MAX);
	for (size_t i = 0; i < count && !rc; i++)
		rc = target_rule_check(rules[i], err);
	return rc;
}
