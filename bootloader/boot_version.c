/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_version: see boot_version.h */
#include "boot_version.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_part(char c)
{
	return is_digit(c) || is_letter(c) || c == '-' || c == '.' || c == '~' || c == '^';
}

/* Digits are numbers of any length: without leading zeros the longer one is larger. */
static int compare_numbers(const char **a, const char **b)
{
	*a += strspn(*a, "0");
	*b += strspn(*b, "0");
	size_t len_a = strspn(*a, "0123456789"), len_b = strspn(*b, "0123456789");
	int order = len_a != len_b ? (len_a < len_b ? -1 : 1) : memcmp(*a, *b, len_a);

	*a += len_a;
	*b += len_b;
	return order;
}

/* Letter by letter in the order of ASCII; the shorter one is older. */
static int compare_letters(const char **a, const char **b)
{
	for (; is_letter(**a) && is_letter(**b); ++*a, ++*b)
		if (**a != **b)
			return **a < **b ? -1 : 1;
	return is_letter(**b) ? -1 : is_letter(**a) ? 1 : 0;
}

/* What one of them has here and the other one does not decides; both: go on behind it. `order`: of the one that has it. */
static int compare_mark(const char **a, const char **b, char mark, int order)
{
	if ((**a == mark) != (**b == mark))
		return **a == mark ? order : -order;
	if (**a == mark) {
		++*a;
		++*b;
	}
	return 0;
}

int boot_version_compare(const char *a, const char *b)
{
	for (;;) {
		while (*a && !is_part(*a))
			a++;
		while (*b && !is_part(*b))
			b++;
		int order = compare_mark(&a, &b, '~', -1);
		if (order == 0 && (*a == '\0' || *b == '\0'))
			return *a ? 1 : *b ? -1 : 0;
		if (order == 0)
			order = compare_mark(&a, &b, '-', -1);
		if (order == 0)
			order = compare_mark(&a, &b, '^', -1);
		if (order == 0)
			order = compare_mark(&a, &b, '.', -1);
		if (order == 0)
			order = is_digit(*a) || is_digit(*b) ? compare_numbers(&a, &b) : compare_letters(&a, &b);
		if (order != 0)
			return order;
	}
}
