/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ca_spec.h - between the files of the private CA.
 */
#pragma once

#include "providers/private_ca.h"

/* What the certificate of the CA itself says; borrows from spec. */
struct cert_spec ca_cert_spec(const struct private_ca_spec *spec);
