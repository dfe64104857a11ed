"""A cart in software: its link, its lamps and its keys, a turn at a time.

In: a line, and what its keys do. Out: documents: the lamps when they change, a bell, a key that was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from edge.errors import UsageError
from firmware_bridge.cart.line import Line
from firmware_bridge.cart.link_states import Answered, Changed, Delivered, Outcome
from firmware_bridge.cart.messages import Button, Buzz, Input, Led, Signal, Status
from firmware_bridge.cart.outgoing import ms_from_clock
from firmware_bridge.cart.sim import Lamps, document_from_lamps, forgotten, lamps_after, settled

KEYS = {"f": Button.FREEZE, "s": Button.FOOT}
TURN_S = 0.1  # the lamps are looked at at least so often
Document = Mapping[str, object]


class SimCart:
    """One cart; belongs to one thread.

    Attributes:
        lamps: as the box has them.
        lost: key events that found the queue full.
    """

    def __init__(self, line: Line, tell: Callable[[Document], None], clock: Callable[[], float]) -> None:
        """Nothing is lit.

        Args:
            line: with a link of `Role.CART`.
            tell: given each document.
            clock: monotonic, seconds.
        """
        self.lamps = Lamps()
        self.lost = 0
        self._line = line
        self._tell = tell
        self._clock = clock
        self._shown: Document = {}

    def press(self, letter: str) -> None:
        """A key down and up.

        Args:
            letter: of KEYS.
        """
        for is_down in (True, False):
            now_s = self._clock()
            pressed = Input(0, KEYS[letter], is_down, ms_from_clock(now_s), 0)
            self.lost += not self._line.link.post(pressed, now_s)

    def turn(self, longest_s: float = TURN_S) -> None:
        """Wait for something, and do it."""
        for outcome in self._line.turn(longest_s):
            self._take(outcome)
        self.lamps = settled(self.lamps, self._clock())
        shown = document_from_lamps(self.lamps, self._line.link.state, self._clock())
        if shown != self._shown:
            self._shown = shown
            self._tell({"event": "lamps", **shown})

    def _take(self, outcome: Outcome) -> None:
        if isinstance(outcome, Changed):
            self.lamps = forgotten(self.lamps, self._clock())
        elif isinstance(outcome, Answered) and isinstance(outcome.event, Input):
            name, answer = Button(outcome.event.button).name.lower(), _status(outcome.status)
            self._tell({"event": "answered", "button": name, "pressed": outcome.event.pressed, "status": answer})
        elif isinstance(outcome, Delivered):
            self.lamps, status = lamps_after(self.lamps, outcome.body, self._clock())
            if isinstance(outcome.body, (Led, Buzz)):
                self._line.link.answer(outcome.body.event_id, status)
            if isinstance(outcome.body, Buzz) and status is Status.OK:
                self._tell({"event": "bell", "signal": Signal(outcome.body.signal).name.lower()})


def steps_from_script(text: str) -> Iterator[str | float]:
    """What a script does: "f 0.5 s q" presses the freeze key, waits half a second, steps on the foot switch, ends.

    Raises:
        UsageError: a word is no key and no number of seconds.
    """
    for word in text.split():
        if word in (*KEYS, "q"):
            yield word
            continue
        try:
            seconds = float(word)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < 86400:
            raise UsageError(f"{word!r} is nothing that a cart does.", "Use f, s, q and seconds, e.g. 'f 0.5 s q'.")
        yield seconds


def _status(status: int) -> str:
    return Status(status).name.lower() if status in list(Status) else str(status)
