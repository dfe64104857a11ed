"""Requests to an app without a network: one call of ASGI each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Scope

HOST = "127.0.0.1:8711"
TOKEN = "the-token"


@dataclass(frozen=True)
class Reply:
    """What came back; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def scope_of(method: str, target: str, headers: Sequence[tuple[bytes, bytes]]) -> Scope:
    """As uvicorn makes it."""
    path, _, query = target.partition("?")
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "scheme": "http",
        "method": method, "root_path": "", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "headers": list(headers), "server": ("127.0.0.1", 8711), "client": ("127.0.0.1", 50000), "state": {},
    }  # fmt: skip


async def answered(app: ASGIApp, scope: Scope, body: Iterable[bytes] = ()) -> Reply:
    """Ask, from inside a loop; the client goes away where the body ends before its last part was marked."""
    chunks = list(body) or [b""]
    parts: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    parts[-1]["more_body"] = False
    sent: list[Message] = []

    async def receive() -> Message:
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    names = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Reply(start["status"], names, b"".join(message.get("body", b"") for message in sent[1:]))


def ask(app: ASGIApp, method: str, target: str, body: Any = b"", **headers: str | bytes | None) -> Reply:
    """One request with the right Host, and for a POST the right token; None leaves a header out."""
    asked: dict[str, str | bytes | None] = {"host": HOST, **({"x_token": TOKEN} if method == "POST" else {}), **headers}
    raw = [
        (name.replace("_", "-").encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in asked.items()
        if value is not None
    ]
    chunks = [json.dumps(body).encode()] if isinstance(body, dict) else [body] if isinstance(body, bytes) else body
    return asyncio.run(answered(app, scope_of(method, target, raw), chunks))
