"""Threads for the calls into the plane check, a few for each kind, so that a kind that waits holds up no other.

::

    view, live picture, metrics -> quick        orders, stored pictures -> store (an fsync may take its time)
    attention map -> engine                     frames -> live | stills (a still waits while the queue is full)
    reports of stored exams -> reports (the audit chain of a large store takes seconds)

In: a function that blocks. Out: its value, awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

# each at most; made on use
THREADS: Mapping[str, int] = {"quick": 3, "store": 2, "engine": 1, "live": 2, "stills": 2, "reports": 1}


class Lanes:
    """One small thread pool a kind of call."""

    def __init__(self) -> None:
        self._pools = {name: ThreadPoolExecutor(count, f"page-{name}") for name, count in THREADS.items()}

    async def run(self, lane: str, work: Callable[[], T]) -> T:
        """Call in a thread of a lane; what it raises is raised here.

        Args:
            lane: of THREADS.
            work: may block.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pools[lane], work)

    def close(self) -> None:
        """Take no more work; calls under way end by themselves."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
