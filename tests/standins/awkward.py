#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""awkward.py CHAIN MODE=PORT... - servers on 127.0.0.1 that no library would make: they play back a TLS 1.2 ServerHello
and Certificate (of CHAIN, PEM), stop or cut where their mode says, or speak something else.

  stall-nothing stall-header stall-hello stall-inside stall-certificate   silent from there on, open until the client goes
  cut-nothing cut-header cut-hello cut-inside cut-certificate             closed there
  http garbage records greeting                                           plain HTTP; 10 MB of noise; records of TLS that
                                                                          lead nowhere; a greeting of SMTP without an end
"""
import base64
import re
import socket
import struct
import sys
import threading

GARBAGE = 10 << 20


def chain_of(pem):
    with open(pem, encoding="ascii") as file:
        return [base64.b64decode(body) for body in re.findall("-----BEGIN CERTIFICATE-----(.*?)-----END", file.read(), re.S)]


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def record(body):
    return b"".join(struct.pack(">BHH", 22, 0x303, len(piece)) + piece
                    for piece in (body[i:i + 16384] for i in range(0, len(body), 16384)))


def flight(chain):
    """And where in it the modes stop."""
    hello = record(message(2, b"\x03\x03" + bytes(32) + b"\0" + b"\xc0\x2b" + b"\0"))
    listed = b"".join(len(der).to_bytes(3, "big") + der for der in chain)
    certificate = record(message(11, len(listed).to_bytes(3, "big") + listed))
    return hello + certificate, {
        "nothing": 0, "header": 3, "hello": len(hello), "inside": len(hello) + len(certificate) // 2,
        "certificate": len(hello) + len(certificate),
    }


def play(sock, mode, said, places):
    if mode == "greeting":
        while True:
            sock.sendall(b"220-" + b"x" * 60 + b"\r\n")
    sock.recv(4096)
    if mode == "http":
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        return
    if mode == "garbage":
        sock.sendall(b"\x5a\xa5\x00\xff" * (GARBAGE // 4))
        return
    if mode == "records":
        empty = record(b"\0\0\0\0")
        sock.sendall(empty * (GARBAGE // len(empty)))
        return
    how, place = mode.split("-")
    sock.sendall(said[:places[place]])
    if how == "stall":
        while sock.recv(4096):
            pass


def client(sock, mode, said, places):
    try:
        sock.settimeout(60)
        play(sock, mode, said, places)
    except OSError:
        pass
    finally:
        sock.close()


def listen(mode, port, said, places):
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=client, args=(sock, mode, said, places), daemon=True).start()


def main():
    said, places = flight(chain_of(sys.argv[1]))
    threads = []
    for word in sys.argv[2:]:
        mode, port = word.split("=")
        threads.append(threading.Thread(target=listen, args=(mode, int(port), said, places)))
        threads[-1].start()
    for thread in threads:
        thread.join()


main()
