/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.h - what is in force around the objects: defaults of a folder, rules, lints.
 *
 * Both kinds end with the load: what they did is in the objects, in errors and in warnings.
 */
#pragma once

#include "desired/diag.h"
#include "desired/model.h"

struct policy_match {
	struct texts kinds, names; /* names: globs; both empty: all */
	const struct label *labels;
	size_t n_labels;
};
struct policy_rule {
	struct text field, min, max, message;
	struct texts allow, deny; /* globs for text */
	bool required;
	struct pos pos;
};
struct policy_silence {
	struct text lint, reason;
};
struct policy {
	struct object o;
	struct policy_match match;
	const struct policy_rule *rules;
	size_t n_rules;
	enum { SEVERITY_ERROR, SEVERITY_WARNING } severity;
	const struct policy_silence *silence;
	size_t n_silence;
};

struct defaults {
	struct object o;
	const struct issuer_def *issuer;
	const struct certificate *certificate;
	const struct ca_set *ca_set;
	const struct keystore_def *keystore;
	const struct target *target;
	const struct discovery_def *discovery;
};
