/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * import_yaml.h - what was found in files, as the desired state that names it.
 *
 * Everything that stood in a certificate or a file name is somebody else's text: quoted where YAML
 * reads it, escaped where a person does.
 */
#pragma once

#include "reconciler/cli/material.h"

enum import_kind {
	IMPORT_IDENTITY,  /* key and chain: a Certificate that adopts what is sealed */
	IMPORT_MONITORED, /* a certificate whose key is elsewhere */
	IMPORT_CA_SET,    /* anchors */
};
struct import_object {
	enum import_kind kind;
	const char *name, *file, *alias; /* alias: "" where there was none */
	const struct piece *piece;       /* NULL: a CASet */
	const struct cert *const *certs; /* of a CASet */
	size_t n_certs;
	const char *issuer; /* who issues it from now on; NULL: nobody */
	const char *yaml;   /* arena */
	const char *path;   /* where it is written; NULL: nowhere */
	bool fresh;         /* sealed now, not before */
};

const char *import_kind_name(enum import_kind k); /* "Certificate", "CASet" */
/* A name that metadata.name takes, made of the certificate's, the alias or the file's. */
const char *import_name(struct arena *a, const struct import_object *o);
/* One document, with its apiVersion. */
void import_yaml(const struct import_object *o, struct buf *out);
