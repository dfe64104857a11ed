"""Connections of peers in an event loop of the test's own: who may stay, who is told what."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from firmware_bridge.igtl.decoder import Tally
from firmware_bridge.igtl.link import MAX_PEERS, Link
from firmware_bridge.igtl.peer import SEND_BUFFER_BYTES, WAITING_BYTES
from tests.firmware_bridge.igtl.written import claiming, image, image_content, message

RESULT = b"r" * 500
SMALL_BYTES = 4096  # of a receive buffer
WAIT_S = 10.0
LIMIT_S = 0.3  # for a message that has begun
LONGEST_STEP_S = 0.02  # of the loop's clock


class Bench:
    """A link that listens, and ends of connections to it."""

    def __init__(self) -> None:
        self.images: list[int] = []
        self.gone: list[int] = []
        self.link = Link(lambda peer, _: self.images.append(peer), self.gone.append, time.monotonic, (), LIMIT_S)
        self.ends: list[socket.socket] = []
        self._port = 0

    async def open(self) -> None:
        self._port = (await self.link.listen("127.0.0.1", 0)).sockets[0].getsockname()[1]

    async def connect(self, receive_bytes: int = 1 << 18) -> socket.socket:
        end = socket.socket()
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        end.connect(("127.0.0.1", self._port))
        end.setblocking(False)
        self.ends.append(end)
        before = self.link.counts.connections
        await until(lambda: self.link.counts.connections > before)
        return end

    def close(self) -> None:
        self.link.close()
        for end in self.ends:
            end.close()


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


class UnhurriedClock:
    """Monotonic seconds for a loop; while the machine gives this process no time, next to none pass."""

    def __init__(self) -> None:
        self._now_s = self._looked_s = time.monotonic()

    def __call__(self) -> float:
        looked_s = time.monotonic()
        self._now_s += min(looked_s - self._looked_s, LONGEST_STEP_S)
        self._looked_s = looked_s
        return self._now_s


async def tick() -> None:
    """Have the clock looked at often."""
    while True:
        await asyncio.sleep(LONGEST_STEP_S / 4)


def now_s() -> float:
    """Of the loop's clock."""
    return asyncio.get_running_loop().time()


def run(work: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def all_of_it() -> None:
        asyncio.get_running_loop().time = UnhurriedClock()  # type: ignore[method-assign]
        ticking = asyncio.ensure_future(tick())
        bench = Bench()
        await bench.open()
        try:
            await work(bench)
        finally:
            bench.close()
            ticking.cancel()
            await asyncio.sleep(0)

    asyncio.run(all_of_it())


def received(end: socket.socket) -> int:
    """Bytes that have come to one end."""
    total = 0
    try:
        while data := end.recv(1 << 16):
            total += len(data)
    except BlockingIOError:
        return total
    return total


def test_a_peer_that_never_reads_costs_bounded_memory_and_the_others_nothing() -> None:
    results = 2000

    async def work(bench: Bench) -> None:
        deaf, hearing = await bench.connect(SMALL_BYTES), await bench.connect()
        got = 0
        for number in range(results):
            bench.link.tell(RESULT)
            if number % 20 == 0:
                await asyncio.sleep(0.001)
                got += received(hearing)
        await until(lambda: bench.link.peers == 2)
        await asyncio.sleep(0.05)
        assert got + received(hearing) == results * len(RESULT)
        bound = WAITING_BYTES + 2 * SEND_BUFFER_BYTES + 2 * SMALL_BYTES + len(RESULT)
        late = 0
        for _ in range(50):
            await asyncio.sleep(0.002)
            late += received(deaf)
        assert 0 < late <= 2 * bound < results * len(RESULT) / 8

    run(work)


def test_the_ninth_peer_takes_the_place_of_the_one_that_only_listens() -> None:
    async def work(bench: Bench) -> None:
        senders = [await bench.connect() for _ in range(MAX_PEERS - 1)]
        for end in senders:
            end.sendall(image())
        await until(lambda: len(bench.images) == MAX_PEERS - 1)
        await bench.connect()
        await bench.connect()
        assert bench.link.peers == MAX_PEERS
        assert bench.gone == [MAX_PEERS]

    run(work)


def test_a_connection_that_is_over_is_told_once() -> None:
    async def work(bench: Bench) -> None:
        end = await bench.connect()
        end.sendall(image())
        await until(lambda: bench.images == [1])
        end.close()
        await until(lambda: bench.gone == [1])
        assert bench.link.peers == 0

    run(work)


def test_the_next_messages_time_begins_with_its_own_first_byte() -> None:
    async def work(bench: Bench) -> None:
        end, whole = await bench.connect(), image()
        end.sendall(whole[:20])
        await asyncio.sleep(0.7 * LIMIT_S)
        end.sendall(whole[20:] + whole[:20])
        await asyncio.sleep(0.7 * LIMIT_S)
        end.sendall(whole[20:])
        await until(lambda: len(bench.images) == 2)
        assert bench.link.counts.stalled == 0

    run(work)


@pytest.mark.parametrize("begun", [b"\0\1IMA", claiming(1 << 20) + bytes(500)], ids=["header", "body"])
def test_a_message_that_does_not_end_is_closed(begun: bytes) -> None:
    async def work(bench: Bench) -> None:
        end, start_s = await bench.connect(), now_s()
        end.sendall(begun)
        await until(lambda: bench.gone == [1])
        assert 0.9 * LIMIT_S < now_s() - start_s < LIMIT_S + 2
        assert bench.link.counts.stalled == 1

    run(work)


def test_a_body_that_drips_is_closed_as_well() -> None:
    async def work(bench: Bench) -> None:
        end, start_s = await bench.connect(), now_s()
        end.sendall(claiming(1 << 20))
        while not bench.gone:
            end.sendall(b"\0")
            await asyncio.sleep(0.02)
        assert now_s() - start_s < LIMIT_S + 2

    run(work)


def test_a_peer_that_only_listens_stays_and_idle_ones_do_not_keep_a_sender_out() -> None:
    async def work(bench: Bench) -> None:
        for _ in range(3 * MAX_PEERS):
            end = await bench.connect()
        await asyncio.sleep(2 * LIMIT_S)
        assert bench.link.peers == MAX_PEERS
        end.sendall(image())
        await until(lambda: len(bench.images) == 1)

    run(work)


def test_damaged_messages_are_counted_and_none_is_delivered() -> None:
    async def work(bench: Bench) -> None:
        end = await bench.connect()
        end.sendall(message("IMAGE", image_content(), crc=3) * 5 + image())
        await until(lambda: len(bench.images) == 1)
        assert bench.link.counts.messages == Tally(received=1, damaged=5)

    run(work)


def test_a_mistake_of_ours_closes_one_connection_and_is_counted() -> None:
    async def work(bench: Bench) -> None:
        other, end = await bench.connect(), await bench.connect()
        bench.images = None  # type: ignore[assignment]  # the callback fails
        end.sendall(image())
        await until(lambda: bench.gone == [2])
        assert (bench.link.counts.faults, bench.link.peers) == (1, 1)
        assert other in bench.ends

    run(work)


def test_a_server_that_goes_away_is_connected_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_bridge.igtl.link.RECONNECT_S", 0.02)

    async def work(bench: Bench) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            connecting = asyncio.ensure_future(bench.link.connect(*server.getsockname()))
            for number in (1, 2):
                await until(lambda expected=number: bench.link.counts.connections == expected)  # type: ignore[misc]
                end, _ = server.accept()
                with end:
                    end.sendall(image())
                    await until(lambda expected=number: len(bench.images) == expected)  # type: ignore[misc]
            connecting.cancel()

    run(work)
