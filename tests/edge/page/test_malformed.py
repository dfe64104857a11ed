"""10,000 messages that nobody should send to the two apps, and 10,000 to the two servers: no crash, no 500."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from edge.errors import UsageError
from edge.page import api, connection
from edge.page.doors import ServerSettings
from tests.edge.page.asking import HOST, TOKEN, Reply, answered, scope_of
from tests.edge.page.conftest import Apps, Live, serving
from tests.edge.page.malformed import raw_message, request
from tests.edge.page.scripted_states import bedside_in

MESSAGES = 5_000  # for each transport: 10,000 to the apps, and as many to the servers
AT_ONCE = 64  # connections; fewer than the server's limit, so that none is cut off for want of room
LISTENED_S = 0.3  # to a message that is answered with a stream


async def replies(app: ASGIApp, seed: int, host: str) -> Counter[int]:
    """Statuses of many requests to an app."""
    draw, statuses = random.Random(seed), Counter[int]()
    for _ in range(MESSAGES):
        method, target, headers, body = request(draw, host.encode(), TOKEN.encode())
        reply: Reply = await answered(app, scope_of(method, target, headers), [body[:5], body[5:]])
        assert reply.status < 500 or reply.status == 503, (method, target, headers, body)
        assert b"Traceback" not in reply.body
        statuses[reply.status] += 1
    return statuses


@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_an_app_answers_whatever_is_asked(apps: Apps, transport: str) -> None:
    apps.box.show(refusal=UsageError("Not now.", "Never mind."))
    app, host = (apps.tcp, HOST) if transport == "tcp" else (apps.unix, "localhost")
    statuses = asyncio.run(replies(app, seed=len(transport), host=host))
    assert {200, 400, 403, 404, 405, 409} <= set(statuses)
    assert min(statuses[400], statuses[409]) > 50, "they must get past the guard to mean anything"
    assert apps.faults == []


async def first_line(live: Live, transport: str, message: bytes) -> bytes:
    """What a server answers to a message; b"" where it hangs up."""
    if transport == "tcp":
        reader, writer = await asyncio.open_connection("127.0.0.1", live.page.port)
    else:
        reader, writer = await asyncio.open_unix_connection(live.page.socket)
    answer = b""
    try:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            writer.write(message)
            await writer.drain()
            answer = await asyncio.wait_for(reader.read(200), LISTENED_S * 10)
            await asyncio.wait_for(reader.read(), LISTENED_S)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return answer.partition(b"\r\n")[0]


async def answers(live: Live, transport: str, messages: list[bytes]) -> Counter[bytes]:
    """First lines of the answers to messages, a connection each."""
    places = asyncio.Semaphore(AT_ONCE)
    lines = Counter[bytes]()

    async def one(message: bytes) -> None:
        async with places:
            line = await first_line(live, transport, message)
        assert line == b"" or line.startswith(b"HTTP/1.1 "), line
        assert b" 500 " not in line, message
        lines[line[9:12]] += 1

    await asyncio.gather(*(one(message) for message in messages))
    return lines


@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_a_server_outlives_whatever_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str) -> None:
    box = bedside_in("empty")
    box.show(refusal=UsageError("Not now.", "Never mind."))
    draw = random.Random(11)
    with serving(box, ServerSettings(port=0, socket=tmp_path / "api.sock")) as live:
        host = f"127.0.0.1:{live.page.port}" if transport == "tcp" else "localhost"
        messages = [raw_message(draw, host.encode(), live.page.token.encode()) for _ in range(MESSAGES)]
        with monkeypatch.context() as impatient:
            for module, name in ((connection, "IDLE_S"), (api, "ORDER_PATIENCE_S"), (api, "FRAME_PATIENCE_S")):
                impatient.setattr(module, name, 0.05)
            lines = asyncio.run(answers(live, transport, messages))
        assert {b"200", b"400", b"403", b"404", b"409"} <= set(lines)
        assert live.get("/healthz")[0] == live.get("/healthz", live.unix())[0] == 200
