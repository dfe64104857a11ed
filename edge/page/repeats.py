"""Orders that may come twice: a press of the cart whose answer was lost comes again, and must not undo itself.

::

    X-Press of an order --known?--> what becomes of the first one; nothing is carried out again
                         `--new---> carried out, and remembered unless it fails

In: a name that is the same whenever the order is sent again. In memory: a service that died meanwhile knows none.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from edge.errors import InputError
from edge.page.replies import ReplyError

MAX_KNOWN = 64  # a cart has at most 16 presses that wait
NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


class Repeats:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._known: dict[str, asyncio.Task[None]] = {}

    async def once(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do the work, unless one of this name is under way or has succeeded.

        Args:
            name: of the order; "": it has none.
            work: carries it out.

        Raises:
            ReplyError: the name is none.
            Exception: of the work.
        """
        if not name:
            await work()
            return
        if NAME.fullmatch(name) is None:
            raise ReplyError(400, InputError("X-Press is not valid.", "Send 1 to 64 letters, digits and dashes."))
        if name not in self._known:
            self._known[name] = asyncio.ensure_future(work())
            self._known[name].add_done_callback(partial(self._forget_failure, name))
            if len(self._known) > MAX_KNOWN:
                del self._known[next(iter(self._known))]
        await asyncio.shield(self._known[name])

    def _forget_failure(self, name: str, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._known.pop(name, None)
