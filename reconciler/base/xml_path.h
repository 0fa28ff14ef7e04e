/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_path.h - which element of an XML document is meant: the part of XPath 1.0 that configuration
 * needs.
 *
 * "/Server//Connector[@port='8443'][2]/SSLHostConfig": child and descendant steps by name or *,
 * each with tests for an attribute, for an attribute's value, or for the position among the
 * siblings that passed the tests before it. A prefix is part of the name, as written.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "reconciler/base/bytes.h"
#include "reconciler/base/err.h"

#define XML_PATH_STEPS 16
#define XML_PATH_TESTS 4

struct xml_test {
	struct bytes attribute; /* empty: a position */
	struct bytes value;     /* p NULL: that it is there */
	unsigned position;      /* from 1 */
};
struct xml_step {
	bool deep;         /* after "//" */
	struct bytes name; /* "*": any */
	struct xml_test tests[XML_PATH_TESTS];
	size_t n_tests;
};
/* Borrows the text. */
struct xml_path {
	struct xml_step steps[XML_PATH_STEPS];
	size_t n;
};
/* ERR_INVALID says what cannot be read and where. */
enum err_code xml_path_parse(const char *text, struct xml_path *ret, struct err *err);
/* A name that an element or attribute may have; letters of ASCII only. */
bool xml_name_valid(const char *s, size_t n);
