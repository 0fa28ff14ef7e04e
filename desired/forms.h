/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forms.h - how some values are written, where that is not how the model keeps them.
 */
#pragma once

#include "desired/model.h"

struct generated_form {
	int length;
};
struct secret_form {
	struct text file, env, credential, keystore_password, well_known, name, key;
	struct texts exec;
	const struct generated_form *generated;
};
struct issuer_ref_form {
	struct text name, kind, group;
};
struct path_choice_form {
	struct texts one_of;
};
struct for_each_form {
	struct text target;
};
