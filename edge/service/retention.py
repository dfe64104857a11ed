"""Old exams go by themselves while nobody examines: `edge serve --keep 30d`.

At the start, before exams are taken up again, and then once a day while no exam is shown that goes on. An exam on the
desk stays. A clock that jumped must not empty the store: where every exam would go, none does (`edge.store_retention`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from edge.errors import EdgeError
from edge.service.desk_exams import DeskNow
from edge.service.log import Log
from edge.store_retention import purge

if TYPE_CHECKING:
    from edge.store import Store

EVERY_S = 24 * 3600.0
LOOK_S = 60.0  # between two looks whether it is time; an exam takes longer


class Retention:
    """Removes what is older than an age."""

    def __init__(
        self, store: Store, age: timedelta, clock: Callable[[], float], wall: Callable[[], str], log: Log
    ) -> None:
        """Nothing is removed yet.

        Args:
            store: open for writing.
            age: since an exam's last event.
            clock: monotonic, seconds: when it is due.
            wall: UTC, ISO 8601 with its zone: how old an exam is.
            log: told how many went.
        """
        self._store, self._age, self._clock, self._wall, self._log = store, age, clock, wall, log
        self._due_s = clock()

    def look(self, now: DeskNow) -> None:
        """Remove what is due; nothing is raised: a disk that fails is tried again the next day.

        Args:
            now: the desk.
        """
        is_busy = now.shown is not None and not now.shown.is_ended
        if is_busy or self._clock() < self._due_s:
            return
        self._due_s = self._clock() + EVERY_S
        loaded = {seat.exam.id for seat in now.others} | ({now.shown.exam.id} if now.shown else set())
        try:
            gone = purge(self._store, self._age, datetime.fromisoformat(self._wall()), kept=loaded)
        except EdgeError as error:
            self._log.write("retention_failed", exit_code=error.exit_code)
        else:
            self._log.write("retention", exams=len(gone))
