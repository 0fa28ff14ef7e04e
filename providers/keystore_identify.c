/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_identify.c - what a file is, by its content.
 *
 * A keystore under a wrong name is the commonest surprise of all; one in a format nobody here reads
 * comes second, and "not a PKCS#12 file" sends people looking in the wrong place.
 */
#include "providers/keystore.h"
#include "reconciler/base/str.h"

struct foreign {
	bool (*is)(struct bytes file);
	const char *what, *hint;
};

static uint32_t u32_at(struct bytes file, size_t at)
{
	const uint8_t *p = file.p + at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool starts(struct bytes file, const char *magic, size_t n)
{
	return file.n >= n && memcmp(file.p, magic, n) == 0;
}

/* BouncyCastle's own two begin alike: version, a salt with its length, a count of iterations. */
static bool is_bouncy(struct bytes file)
{
	if (file.n < 12 + 21 || u32_at(file, 0) > 2) {
		return false;
	}
	uint32_t salt = u32_at(file, 4);
	if (salt < 8 || salt > 64 || file.n < 12 + 21 + (size_t)salt) {
		return false;
	}
	uint32_t iterations = u32_at(file, 8 + salt);
	return iterations != 0 && iterations < (1u << 20);
}

/* Behind the entries of a BKS there is a zero and a digest of 20 octets; an UBER is cipher text. */
static bool is_bks(struct bytes file)
{
	return is_bouncy(file) && file.p[file.n - 21] == 0;
}

static bool is_kdb(struct bytes file)
{
	static const char tag[] = "X509KEY";

	return starts(file, "\x37\x48", 2) &&
	       memmem(file.p, file.n < 64 ? file.n : 64, tag, sizeof(tag) - 1) != NULL;
}

static bool is_sst(struct bytes file)
{
	return starts(file, "\0\0\0\0CERT", 8);
}

static bool is_pvk(struct bytes file)
{
	return starts(file, "\x1e\xf1\xb5\xb0", 4);
}

static struct bytes skip(struct bytes text, const char *any)
{
	size_t n = 0;

	while (n < text.n && strchr(any, text.p[n]) != NULL && text.p[n] != '\0') {
		n++;
	}
	return n == 0 ? text : bytes_of(text.p + n, text.n - n);
}

/* "domain NAME {", behind comments. */
static bool is_dks(struct bytes file)
{
	struct bytes text = skip(file, " \t\r\n");

	while (starts(text, "//", 2) || starts(text, "/*", 2)) {
		const char *end = text.p[1] == '/' ? "\n" : "*/";
		const uint8_t *at = memmem(text.p + 2, text.n - 2, end, strlen(end));

		if (at == NULL) {
			return false;
		}
		at += strlen(end);
		text = skip(bytes_of(at, text.n - (size_t)(at - text.p)), " \t\r\n");
	}
	if (!starts(text, "domain", 6) || text.n < 8 || strchr(" \t\r\n", text.p[6]) == NULL) {
		return false;
	}
	return memchr(text.p, '{', text.n < 4096 ? text.n : 4096) != NULL;
}

/* What PowerShell's redirection makes of a PEM file. */
static bool is_wide_text(struct bytes file)
{
	static const char wide[] = "-\0-\0-\0-\0-\0B\0E\0G\0I\0N";

	return (starts(file, "\xff\xfe", 2) || starts(file, "\xfe\xff", 2)) &&
	       memmem(file.p, file.n, wide, sizeof(wide) - 1) != NULL;
}

static const struct foreign foreigners[] = {
	{ is_bks, "a BouncyCastle BKS keystore, which certwright does not read",
	  "convert it: keytool -importkeystore -srcstoretype BKS -deststoretype PKCS12, with "
	  "BouncyCastle as -provider" },
	{ is_bouncy, "a BouncyCastle UBER keystore, which certwright does not read",
	  "convert it: keytool -importkeystore -srcstoretype UBER -deststoretype PKCS12, with "
	  "BouncyCastle as -provider" },
	{ is_kdb, "an IBM CMS key database (KDB), which certwright does not read",
	  "convert it: gskcapicmd -cert -export -db FILE.kdb -target FILE.p12 -target_type pkcs12" },
	{ is_sst, "a serialized certificate store of Windows (SST), which certwright does not read",
	  "convert it: open it in certmgr.msc and export the certificates as .p7b" },
	{ is_pvk, "a private key of Microsoft's tools (PVK), which certwright does not read",
	  "convert it: openssl rsa -inform PVK -in FILE.pvk -out FILE.key" },
	{ is_dks, "a DKS configuration, which only names other keystores",
	  "name the keystores that it lists instead" },
	{ is_wide_text, "PEM text in UTF-16, which no server reads",
	  "convert it: iconv -f UTF-16 -t UTF-8 FILE" },
};

enum err_code keystore_refuse_foreign(struct bytes file, struct err *err)
{
	for (size_t i = 0; file.n != 0 && i < ARRAY_LEN(foreigners); i++) {
		if (foreigners[i].is(file)) {
			(void)err_set(err, ERR_INVALID, "this is %s", foreigners[i].what);
			(void)err_hint(err, "%s", foreigners[i].hint);
			return ERR_INVALID;
		}
	}
	return ERR_OK;
}

enum err_code keystore_identify(const struct keystore_ops *const *formats, size_t n,
                                struct bytes file, const struct keystore_ops **ret, struct err *err)
{
	for (size_t i = 0; file.n != 0 && i < n; i++) {
		if (formats[i]->recognises(file)) {
			*ret = formats[i];
			return ERR_OK;
		}
	}
	enum err_code rc = keystore_refuse_foreign(file, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (file.n == 0) {
		return err_set(err, ERR_INVALID, "the file is empty");
	}
	(void)err_set(err, ERR_INVALID, "this is no keystore of a format that is known here");
	return err_hint(err, "known are JKS, JCEKS, PKCS#12, BCFKS, PEM, DER, P7B and ZIP");
}
