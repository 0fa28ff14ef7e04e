#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""resign.py PEM KEY FROM TO - the certificate with the octets FROM (text) of its body replaced by TO (hexadecimal, of the
same length), signed again with KEY (EC or RSA, SHA-256) by openssl; PEM on standard output. For what openssl's own
commands refuse to put into a certificate."""
import base64
import re
import subprocess
import sys


def header(der, at):
    """Length of the header and of the content."""
    size, used = der[at + 1], 2
    if size & 0x80:
        used += size & 0x7f
        size = int.from_bytes(der[at + 2:at + used], "big")
    return used, size


def element(der, at):
    used, size = header(der, at)
    return der[at:at + used + size]


def wrap(tag, body):
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + body


def main():
    pem, key, old, new = sys.argv[1:]
    old, new = old.encode(), bytes.fromhex(new)
    assert len(old) == len(new)
    with open(pem, encoding="ascii") as file:
        der = base64.b64decode(re.search("-----BEGIN CERTIFICATE-----(.*?)-----END", file.read(), re.S)[1])
    at = header(der, 0)[0]
    body = element(der, at)
    algorithm = element(der, at + len(body))
    assert old in body
    body = body.replace(old, new)
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=body, stdout=subprocess.PIPE, check=True).stdout
    out = wrap(0x30, body + algorithm + wrap(0x03, b"\0" + signature))
    print("-----BEGIN CERTIFICATE-----")
    print(base64.encodebytes(out).decode(), end="")
    print("-----END CERTIFICATE-----")


main()
