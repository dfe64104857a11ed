"""Requests that nobody should send, from a seed: bytes, broken HTTP, and right HTTP with wrong contents."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from edge.service.orders import ORDERS

Headers = list[tuple[bytes, bytes]]
TARGETS = (
    "/", "/healthz", "/metrics", "/api/view", "/api/live.jpg", "/api/live.jpg?after=3", "/api/attention.png",
    "/api/exams/x/frames/y.jpg", "/static/page.js", "/login", "/api/frames", "/api/signal", "/api/orders/pause",
)  # fmt: skip
ODD_TARGETS = (
    "/static/../../pin.py", "/static/%2e%2e/pin.py", "/static//etc/passwd", "/api/exams/../x/frames/\0.jpg", "//", "/%",
    "/api/orders/%ff%fe", "/api/live.jpg?after=" + "9" * 400, "/api/live.jpg?" + "&" * 500, "/api/orders/" + "a" * 3000,
    "/api/exams/" + "x/" * 400, "*", "http://evil.example/",
    "/api/orders/open/../pause", "/static/" + "a" * 5000 + ".js", "/api/view;x", "/api/view?x=%00", "/\u4e2d",
)  # fmt: skip
ODD_VALUES = (
    None, True, -1, 0, 10**30, 1.5, 1e308, "", "x" * 300, "\0", "\ud800", "王", [], {}, [[[[]]]], {"a": {"b": []}},
    "NaN", "../../x", "a\nb", "\u202e", "<script>", "'; DROP TABLE exams; --",
)  # fmt: skip
ODD_BODIES = (
    b"", b"{", b"}", b"[]", b"null", b"NaN", b"{\"a\":1,\"a\":2}", b"\xff\xfe{", b"[" * 4000, b"1" * 4000, b'"\\ud800"',
    b'{"by":NaN}', b'{"by":1e999}', b"\x00" * 100, b"{" + b" " * 5000 + b"}", b'{"by":' + b"9" * 3000 + b"}",
)  # fmt: skip
FIELDS = ("by", "exam", "plane", "fetus", "frame", "reason", "patient", "study", "fetuses", "extra", "__class__")
FRAME_HEADERS = ("x-width", "x-height", "x-channels", "x-patient", "x-study", "x-machine", "x-still", "x-source")
FRAME_VALUES = (
    b"",
    b"1",
    b"3",
    b"16",
    b"-4",
    b"4097",
    b"9" * 40,
    b"\xff\xfe",
    b"dicom",
    b"0",
    b"1e3",
    b"0x10",
    b"\xe7\x8e\x8b",
)
METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "TRACE", "G\tET", "", "A" * 200)
FRAMING = (
    b"Content-Length: -1", b"Content-Length: 1e3", b"Content-Length: 99999999999999999999", b"Content-Length: 5, 6",
    b"Content-Length: 5\r\nContent-Length: 6", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4", b"Expect: 100-continue",
    b"Connection: close, upgrade\r\nUpgrade: h2c",
    b"Upgrade: websocket\r\nConnection: Upgrade", b"X: " + b"y" * 20_000, b"Host: second", b": no name", b"No-Colon",
    b" folded: line", b"X\0Y: z", b"X: a\0b", b"Range: bytes=0-,-5,9-1", b"Cookie: " + b"=;" * 300,
)  # fmt: skip


def order_body(draw: random.Random) -> bytes:
    """An order's JSON, mostly wrong."""
    if draw.random() < 0.2:
        return b'{"by":"op7","exam":"x"}'
    if draw.random() < 0.3:
        return draw.choice(ODD_BODIES)
    names = draw.sample(FIELDS, draw.randrange(len(FIELDS)))
    return json.dumps({name: draw.choice((*ODD_VALUES, "op7", "femur", 1)) for name in names}).encode()


def request(draw: random.Random, host: bytes, token: bytes) -> tuple[str, str, Headers, bytes]:
    """Method, target, headers and body of right HTTP whose contents are wrong somewhere; it passes the guard often."""
    target = draw.choice((*TARGETS, *ODD_TARGETS, *(f"/api/orders/{name}" for name in ORDERS), "/api/frames"))
    posts = target.startswith(("/api/orders", "/api/frames", "/login"))
    method = draw.choice(METHODS) if draw.random() < 0.2 else "POST" if posts else "GET"
    headers: Headers = [(b"host", host if draw.random() < 0.95 else draw.choice(FRAME_VALUES))]
    if draw.random() < 0.9:
        headers.append((b"x-token", token))
    if target == "/api/frames":
        headers += [(name.encode(), draw.choice(FRAME_VALUES)) for name in FRAME_HEADERS if draw.random() < 0.95]
    if draw.random() < 0.1:
        headers.append((draw.choice((b"origin", b"cookie", b"sec-fetch-site", b"host")), draw.choice(FRAME_VALUES)))
    body = draw.randbytes(draw.choice((0, 1, 9, 256))) if target in ("/api/frames", "/login") else order_body(draw)
    return method, target, headers, body if posts or draw.random() < 0.2 else b""


def raw_message(draw: random.Random, host: bytes, token: bytes) -> bytes:
    """What is written to a connection: right HTTP with wrong contents, HTTP broken somewhere, or any bytes."""
    if draw.random() < 0.1:
        return draw.randbytes(draw.randrange(1, 400))
    method, target, headers, body = request(draw, host, token)
    lines: Sequence[bytes] = [b"%s: %s" % pair for pair in headers]
    framing = [draw.choice(FRAMING)] if draw.random() < 0.4 else [b"Content-Length: %d" % len(body)]
    version = draw.choice((b"HTTP/1.1",) * 8 + (b"HTTP/1.0", b"HTTP/9.9", b"", b"http"))
    start = b"%s %s %s" % (method.encode(), target.encode("utf-8", "replace"), version)
    message = bytearray(b"\r\n".join((start, *lines, *framing, b"Connection: close", b"", b"")) + body)
    for _ in range(draw.choice((0, 0, 0, 1, 3, 10))):
        place = draw.randrange(len(message))
        message[place : place + draw.randrange(3)] = draw.randbytes(draw.randrange(3))
        if not message:
            return b"\n"
    return bytes(message[: draw.randrange(1, len(message) + 1)] if draw.random() < 0.1 else message)
