"""Which exams are old enough to go: summaries and a clock in, ids out; and their deletion, one after another.

Ages are the one thing reckoned from recorded times. A wrong clock must not empty a store, so: an exam whose time
lies ahead or cannot be read is kept, a purge that would take every exam is refused unless that is asked for, and no
exam counts as older than the opening of one before it: one that was recorded with an empty clock battery, in 1970,
would else go the next day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta, timezone

from edge.errors import UsageError
from edge.store import Store
from edge.store_rows import ExamSummary

AGE = re.compile(r"([0-9]{1,5})([hdw])")
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def age_from_text(text: str) -> timedelta:
    """An age such as 12h, 30d or 8w.

    Raises:
        UsageError: it is none.
    """
    found = AGE.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no age.", "Give hours, days or weeks: 12h, 30d, 8w.")
    return int(found[1]) * UNITS[found[2]]


def exams_older_than(exams: Iterable[ExamSummary], age: timedelta, now: datetime) -> tuple[str, ...]:
    """The ids of exams whose last event is older than an age, in their order.

    Args:
        exams: of a store, all of them, in the order of their opening.
        age: as `age_from_text` gives it.
        now: UTC, with its time zone.
    """
    old, earliest = list[str](), datetime.min.replace(tzinfo=timezone.utc)
    for exam in exams:
        opened, last = _time_from_wall(exam.opened), _time_from_wall(exam.last)
        if opened is not None and earliest < opened <= now:
            earliest = opened
        if last is not None and now - max(last, earliest) > age:
            old.append(exam.exam)
    return tuple(old)


def purge(
    store: Store,
    age: timedelta,
    now: datetime,
    operator: str | None = None,
    every: bool = False,
    progress: Callable[[str, float], None] | None = None,
    kept: Collection[str] = (),
) -> tuple[str, ...]:
    """Delete every exam older than an age.

    Args:
        store: open for writing.
        age: as `age_from_text` gives it.
        now: UTC, with its time zone.
        operator: id of who purges; None for nobody.
        every: whether it may take all exams there are.
        progress: told each exam that is gone, and the share done.
        kept: ids of exams that stay however old they are.

    Returns:
        The ids of what was deleted.

    Raises:
        UsageError: it would take every exam and `every` is not set: the clock may have jumped.
        MachineError: the disk failed; what was deleted stays deleted.
    """
    exams = store.exams()
    old = exams_older_than(exams, age, now)
    if old and len(old) == len(exams) and not every:
        raise UsageError(
            f"Every exam of the store ({len(old)}) is that old: the clock tells {now.isoformat(timespec='minutes')}.",
            "If the clock is right and all of them shall go: add --every.",
        )
    old = tuple(exam for exam in old if exam not in kept)
    for number, exam in enumerate(old, 1):
        store.delete(exam, operator)
        if progress:
            progress(exam, number / len(old))
    return old


def _time_from_wall(wall: str) -> datetime | None:
    try:
        told = datetime.fromisoformat(wall.replace("Z", "+00:00"))  # Python 3.10 does not read the Z
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=timezone.utc)
