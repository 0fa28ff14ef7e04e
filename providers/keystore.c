/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore.c - what every format shares.
 *
 * Java compares aliases after String.toLowerCase(Locale.ENGLISH). libunistring's lower casing is
 * the same function over all code points both know, final sigma included; an ASCII fold would let
 * two spellings of one umlaut stand side by side in a store that Java reads as one entry.
 */
#include "providers/keystore.h"

#include <stdlib.h>
#include <unicase.h>

#include "reconciler/base/str.h"

char *keystore_part_path(const char *path, const char *suffix)
{
	const char *name = strrchr(path, '/');
	const char *dot = strrchr(name == NULL ? path : name, '.');
	size_t stem = dot == NULL ? strlen(path) : (size_t)(dot - path);

	return suffix[0] == '\0' ? str_dup(path) : str_printf("%.*s%s", (int)stem, path, suffix);
}

void keystore_part_release(struct keystore_part *p)
{
	if (p == NULL) {
		return;
	}
	secret_release(&p->bytes);
	*p = (struct keystore_part){ 0 };
}

char *alias_fold(const char *alias)
{
	size_t n = strlen(alias);
	size_t folded_n = 0;

	/* Not UTF-8: no Java program can name it, so it equals only itself. libunistring would fold
	 * the octets in question to one replacement character. */
	if (n == 0 || !str_is_utf8(alias, n)) {
		return str_dup(alias);
	}
	uint8_t *folded = u8_tolower((const uint8_t *)alias, n, "en", /* nf= */ NULL,
	                             /* resultbuf= */ NULL, &folded_n);
	if (folded == NULL) {
		return NULL;
	}
	uint8_t *text = realloc(folded, folded_n + 1);
	if (text == NULL) {
		free(folded);
		return NULL;
	}
	text[folded_n] = '\0';
	return (char *)text;
}
