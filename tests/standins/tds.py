#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""tds.py ADDRESS PORT CHAIN KEY - as much of a SQL Server as a client sees before it logs in: PRELOGIN, then the TLS handshake
inside TDS packets of type 0x12 (MS-TDS 2.2.6.5, 3.3.5.1). One thread a client."""
import socket
import ssl
import struct
import sys
import threading

PRELOGIN, REPLY, LAST = 0x12, 0x04, 0x01
ENCRYPT_ON = 1


def receive(sock, n):
    data = b""
    while len(data) < n:
        piece = sock.recv(n - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return data


def packet_in(sock):
    kind, _, size = struct.unpack(">BBH4x", receive(sock, 8))
    return kind, receive(sock, size - 8)


def packet_out(sock, kind, body):
    """In packets of at most 4096 octets, as the real one sends before anything else was agreed."""
    while True:
        piece, body = body[:4088], body[4088:]
        sock.sendall(struct.pack(">BBHHBB", kind, 0 if body else LAST, len(piece) + 8, 0, 1, 0) + piece)
        if not body:
            return


def prelogin_reply():
    options = [(0, bytes([15, 0, 7, 208, 0, 0])), (1, bytes([ENCRYPT_ON]))]
    head, at = b"", 5 * len(options) + 1
    for token, value in options:
        head += struct.pack(">BHH", token, at, len(value))
        at += len(value)
    return head + b"\xff" + b"".join(value for _, value in options)


def serve(sock, context):
    try:
        sock.settimeout(20)
        packet_in(sock)
        packet_out(sock, REPLY, prelogin_reply())
        got, give = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(got, give, server_side=True)
        while True:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            if give.pending:
                packet_out(sock, PRELOGIN, give.read())
            if done:
                break
            kind, body = packet_in(sock)
            if kind != PRELOGIN:
                break
            got.write(body)
        sock.recv(1)
    except (OSError, ssl.SSLError):
        pass
    finally:
        sock.close()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Session tickets would follow the handshake outside of the packets that a client of TDS 7 expects.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    with socket.create_server((sys.argv[1], int(sys.argv[2]))) as listener:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, context), daemon=True).start()


main()
