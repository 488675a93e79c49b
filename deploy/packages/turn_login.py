"""Joins a room as a guest does and prints what LiveKit hands out for its TURN servers: user name, password and URLs.

  turn_login.py SECRET      of LiveKit's key `aether`; LiveKit is asked through the door
"""

import base64
import hashlib
import hmac
import json
import os
import socket
import sys
import time

# Of LiveKit's SignalResponse, JoinResponse and ICEServer.
JOIN, ICE_SERVERS, URLS, USERNAME, CREDENTIAL = 1, 5, 1, 2, 3


def encoded(value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def token(secret):
    grant = {
        "iss": "aether",
        "sub": "guest",
        "exp": int(time.time()) + 60,
        "video": {"roomJoin": True, "roomCreate": True, "room": "turn"},
    }
    signed = encoded({"alg": "HS256", "typ": "JWT"}) + b"." + encoded(grant)
    return (signed + b"." + encoded(hmac.new(secret.encode(), signed, hashlib.sha256).digest())).decode()


def first_message(secret):
    connection = socket.create_connection(("127.0.0.1", 7880), timeout=10)
    connection.sendall(
        f"GET /rtc?protocol=16&access_token={token(secret)} HTTP/1.1\r\nHost: 127.0.0.1:7880\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
    )
    stream = connection.makefile("rb")
    status = stream.readline()
    if b" 101 " not in status:
        sys.exit(f"LiveKit says {status!r}")
    while stream.readline().strip():
        pass
    length = stream.read(2)[1]
    if length == 126:
        length = int.from_bytes(stream.read(2), "big")
    return stream.read(length)


def number(message, at):
    value = shift = 0
    while True:
        value |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
        if message[at - 1] < 0x80:
            return value, at


def fields(message):
    """The fields of a protobuf message that hold bytes."""
    at = 0
    while at < len(message):
        key, at = number(message, at)
        kind = key & 7
        if kind == 0:
            _, at = number(message, at)
        elif kind == 2:
            length, at = number(message, at)
            yield key >> 3, message[at : at + length]
            at += length
        else:
            at += 8 if kind == 1 else 4


def main():
    join = dict(fields(first_message(sys.argv[1])))[JOIN]
    for name, server in fields(join):
        told = list(fields(server)) if name == ICE_SERVERS else []
        of = dict(told)
        if CREDENTIAL in of:
            urls = [value.decode() for name, value in told if name == URLS]
            print(of[USERNAME].decode(), of[CREDENTIAL].decode(), *urls)
            return
    sys.exit("LiveKit hands out no TURN server")


main()
