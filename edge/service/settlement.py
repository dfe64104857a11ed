"""What became of a frame that somebody waits for: a bridge may forget a picture only after it was told so.

::

    frame --box--> engine --> desk --> settled: one word --> who waits
"""

from __future__ import annotations

import threading

KEPT = "kept"  # the exam keeps its picture, and that is on the disk
JUDGED = "judged"  # it was answered, and the exam has no use for it; nothing of it is stored
LATE = "late"  # its exam had ended
NOBODYS = "nobodys"  # it has no key, and no exam is open
REFUSED = "refused"  # the store takes nothing now; send it again later
UNREAD = "unread"  # no picture that can be judged
DROPPED = "dropped"  # a live frame that a newer one replaced, or that came too late
SETTLE_S = 4.0  # eight stills before it take 0.5 s; an engine that starts anew takes longer: the bridge sends it again


class Settlement:
    """One word, told once, waited for by another thread; later words are ignored."""

    def __init__(self) -> None:
        self._told = threading.Event()
        self._words: list[str] = []  # appending needs no lock: the first stays the first

    def tell(self, word: str) -> None:
        """Say what became of the frame."""
        self._words.append(word)
        self._told.set()

    def wait(self, within_s: float) -> str | None:
        """The word; None where none came in time, and so nothing is known."""
        return self._words[0] if self._told.wait(within_s) else None
