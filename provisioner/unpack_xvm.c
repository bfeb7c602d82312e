/* SPDX-License-Identifier: GPL-2.0-or-later */
/* unpack_xvm: see unpack_xvm.h */
#include "unpack_xvm.h"

#include "cleanup.h"
#include "log.h"
#include "unpack_domain.h"
#include "unpack_xml.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Each list: a space before and after each word. */
#define NAME_WORDS    " name label title "
#define MEMORY_WORDS  " memory ram maxmem "
#define CPU_WORDS     " vcpus vcpu cpus cpu "
#define KERNEL_WORDS  " kernel "
#define INITRD_WORDS  " initrd ramdisk "
#define CMDLINE_WORDS " cmdline extra bootargs "
#define DISK_WORDS    " disk partition image drive vbd filesystem "
#define FILE_WORDS    " file source src image href filename path "
#define DEVICE_WORDS  " device dev target mount name id "
#define WORD_MAX      16

static bool is_one_of(const char *words, const xmlChar *name)
{
	char spaced[WORD_MAX + 3];

	if (strlen((const char *)name) > WORD_MAX)
		return false;
	snprintf(spaced, sizeof(spaced), " %s ", (const char *)name);
	return strcasestr(words, spaced) != NULL;
}

/* An attribute, or else a child element, of one of these names. Caller frees. */
static char *property(const xmlNode *node, const char *words)
{
	for (const xmlAttr *a = node->properties; a; a = a->next) {
		if (is_one_of(words, a->name))
			return unpack_xml_attr(node, (const char *)a->name);
	}
	for (const xmlNode *n = unpack_xml_child(node, NULL); n; n = unpack_xml_next(n, NULL)) {
		if (is_one_of(words, n->name))
			return unpack_xml_text(n);
	}
	return NULL;
}

/* The first element of one of these names that has a text of its own and stands in no disk. */
static xmlNode *find_said(xmlNode *root, const char *words)
{
	for (xmlNode *n = unpack_xml_find(root, NULL, NULL); n; n = unpack_xml_find(root, n, NULL)) {
		if (is_one_of(words, n->name) && !unpack_xml_child(n, NULL) && !is_one_of(DISK_WORDS, n->parent->name))
			return n;
	}
	return NULL;
}

/* Xen's tools count memory in MiB. */
static int read_memory(struct vm *vm, xmlNode *root, struct err *err)
{
	static const char letters[] = "bkmgt";
	const xmlNode *node = find_said(root, MEMORY_WORDS);
	CLEANUP(free_str) char *text = unpack_xml_text(node);
	CLEANUP(free_str) char *unit_attr = unpack_xml_attr(node, "unit");

	if (!text)
		return 0;
	vm->memory_line = unpack_xml_line(node);
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;
	while (isspace((unsigned char)*unit))
		unit++;
	const char *letter = strchr(letters, tolower((unsigned char)(unit_attr ? *unit_attr : *unit ? *unit : 'm')));
	if (!letter || !*letter || digits == 0)
		return err_set(err, -ENOTSUP, "memory is '%.40s'", text);
	text[digits] = '\0';
	unsigned shift = 10 * (unsigned)(letter - letters);
	int rc = unpack_xml_u64(&vm->memory_bytes, "memory", text, (uint64_t)INT64_MAX >> shift, err);
	vm->memory_bytes <<= shift;
	return rc;
}

/* The file of a disk element: said by name, or its own text. NULL: it is no disk but perhaps a list of disks. */
static char *file_of(const xmlNode *node)
{
	char *file = property(node, FILE_WORDS);

	return file || unpack_xml_child(node, NULL) ? file : unpack_xml_text(node);
}

static int read_disks(struct vm *vm, xmlNode *root, struct err *err)
{
	for (xmlNode *n = unpack_xml_find(root, NULL, NULL); n; n = unpack_xml_find(root, n, NULL)) {
		struct vm_disk *disk;

		if (!is_one_of(DISK_WORDS, n->name) || is_one_of(DISK_WORDS, n->parent->name))
			continue;
		CLEANUP(free_str) char *file = file_of(n);
		if (!file)
			continue;
		int rc = vm_add_disk(&disk, vm, err);
		if (rc)
			return rc;
		disk->file = TAKE(file);
		disk->name = property(n, DEVICE_WORDS);
	}
	return 0;
}

static int read_machine(struct vm *vm, xmlNode *root, struct err *err)
{
	const xmlNode *cpus_node = find_said(root, CPU_WORDS);
	CLEANUP(free_str) char *cpus = unpack_xml_text(cpus_node);

	vm->name = unpack_xml_text(find_said(root, NAME_WORDS));
	vm->kernel = unpack_xml_text(find_said(root, KERNEL_WORDS));
	vm->initrd = unpack_xml_text(find_said(root, INITRD_WORDS));
	vm->cmdline = unpack_xml_text(find_said(root, CMDLINE_WORDS));
	vm->cpus_line = unpack_xml_line(cpus_node);
	int rc = unpack_xml_u64(&vm->cpus, "CPUs", cpus, VM_CPUS_MAX, err);
	if (!rc)
		rc = read_memory(vm, root, err);
	return rc ? rc : read_disks(vm, root, err);
}

int xvm_parse(struct vm **out, const char *what, const char *text, size_t len, struct err *err)
{
	CLEANUP(unpack_xml_free) xmlDoc *doc = NULL;
	CLEANUP(vm_free) struct vm *vm = vm_new();

	if (!vm)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = unpack_xml_parse(&doc, what, text, len, err);
	if (rc)
		return rc;
	if (unpack_xml_top(doc, "domain"))
		return domain_parse(out, what, text, len, err);
	xmlNode *root = unpack_xml_top(doc, NULL);
	if (!root)
		return err_set(err, -EBADMSG, "%s: it is empty", what);
	rc = read_machine(vm, root, err);
	if (rc)
		rc = err_wrap(err, "%s", what);
	rc = unpack_xml_check(doc, rc, what, err);
	if (rc)
		return rc;
	if (!(vm->document = strdup(what)))
		return err_set(err, -ENOMEM, "out of memory");
	*out = TAKE(vm);
	return 0;
}
