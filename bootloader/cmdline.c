/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmdline: see cmdline.h */
#include "cmdline.h"

#include "cleanup.h"
#include "service_url.h"
#include "target_rule.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Copy the next word, without its quotes, to `word` and move `*rest` behind it. A quote anywhere in a word keeps spaces
 * in it. `*word_len` is the word's full length, which is `room` or more if it did not fit. False at the end.
 */
static bool next_word(char *word, size_t room, size_t *word_len, const char **rest)
{
	const char *at = *rest;
	bool quoted = false;
	size_t len = 0;

	while (isspace((unsigned char)*at))
		at++;
	if (!*at)
		return false;
	for (; *at && (quoted || !isspace((unsigned char)*at)); at++) {
		if (*at == '"') {
			quoted = !quoted;
			continue;
		}
		if (len + 1 < room)
			word[len] = *at;
		len++;
	}
	word[len < room ? len : room - 1] = '\0';
	*word_len = len;
	*rest = at;
	return true;
}

/* iPXE writes the hardware type (01: Ethernet) in front of the address. Anything else is no Ethernet address of ours.
 */
static void parse_bootif(char mac[static MAC_TEXT], const char *value)
{
	unsigned byte[6];
	int end = 0;

	if (sscanf(value, "01-%2x-%2x-%2x-%2x-%2x-%2x%n", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5],
		   &end) != 6 ||
	    value[end])
		return;
	snprintf(mac, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", byte[0] & 0xff, byte[1] & 0xff, byte[2] & 0xff,
		 byte[3] & 0xff, byte[4] & 0xff, byte[5] & 0xff);
}

static const char *value_of(const char *word, const char *key)
{
	size_t len = strlen(key);

	return strncmp(word, key, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

static bool is_ours(const char *word)
{
	return strncmp(word, "vmcast.", 7) == 0 || strncmp(word, "BOOTIF=", 7) == 0;
}

static int take_zeros(struct cmdline *c, const char *value, struct err *err)
{
	c->has_zeros = true;
	if (zeros_policy_parse(&c->zeros, value) == 0)
		return 0;
	return err_set(err, -EINVAL, "kernel command line: vmcast.zeros: '%s' is none of zero, discard and keep",
		       value);
}

/* What was given is not shown: it may be a ticket but for a digit. */
static int take_ticket(struct cmdline *c, const char *value, struct err *err)
{
	if (strlen(value) != sizeof(c->ticket) - 1 || value[strspn(value, "0123456789abcdef")])
		return err_set(err, -EINVAL, "kernel command line: vmcast.ticket: %zu hex digits are needed",
			       sizeof(c->ticket) - 1);
	strcpy(c->ticket, value);
	return 0;
}

static int take_landing(struct cmdline *c, const char *value, struct err *err)
{
	if (landing_name_check(value, err) < 0)
		return err_wrap(err, "kernel command line: vmcast.landing");
	snprintf(c->landing, sizeof(c->landing), "%s", landing_name_planned(value));
	return 0;
}

static int take_word(struct cmdline *c, const char *word, struct err *err)
{
	const char *value;

	if ((value = value_of(word, "vmcast.server")))
		snprintf(c->server, sizeof(c->server), "%s", value);
	else if ((value = value_of(word, "vmcast.item")))
		snprintf(c->item, sizeof(c->item), "%s", value);
	else if ((value = value_of(word, "vmcast.disk")))
		snprintf(c->disk, sizeof(c->disk), "%s", value);
	else if ((value = value_of(word, "vmcast.zeros")))
		return take_zeros(c, value, err);
	else if ((value = value_of(word, "vmcast.ticket")))
		return take_ticket(c, value, err);
	else if ((value = value_of(word, "vmcast.landing")))
		return take_landing(c, value, err);
	else if ((value = value_of(word, "BOOTIF")))
		parse_bootif(c->boot_mac, value);
	return 0;
}

int cmdline_parse(struct cmdline *out, const char *text, struct err *err)
{
	struct cmdline c = { 0 };
	char word[CMDLINE_VALUE];
	size_t len;

	/* A word that fits in `word` fits in every field: they have the same size and lose the key. */
	while (next_word(word, sizeof(word), &len, &text)) {
		c.is_node |= strcmp(word, "vmcast.guests") == 0;
		if (!is_ours(word))
			continue;
		if (len >= sizeof(word))
			return err_set(err, -EINVAL, "kernel command line: %.20s... is longer than %d characters", word,
				       CMDLINE_VALUE - 1);
		if (take_word(&c, word, err) != 0)
			return err->code;
	}
	if (!c.server[0])
		return err_set(err, -EINVAL, "kernel command line: vmcast.server= is missing");
	CLEANUP(free_str) char *url = NULL;
	if (service_url(&url, c.server, "/", err) != 0)
		return err_wrap(err, "kernel command line: vmcast.server");
	if (c.disk[0] && target_rules_check(c.disk, err) != 0)
		return err_wrap(err, "kernel command line: vmcast.disk");
	*out = c;
	return 0;
}
