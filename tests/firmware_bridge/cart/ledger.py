"""Events both ways over a bad wire, and a ledger of them that trusts neither end.

::

    letters written to the cart's panel ---.              .--- Inputs that the box acted on
                                           +-- Ledger ----+--- answers of the cart, by event
    commands posted to the box's link -----'              '--- the panel: bells rung

What was done is written down where it is done, what came of it where it arrives. The n-th press is the n-th event and
goes down where n is odd, the n-th command has a status of its own, a bell is heard at the panel: an event that is lost,
doubled, renumbered or mixed up with another shows.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware_bridge.cart.command import clock
from firmware_bridge.cart.line import Line
from firmware_bridge.cart.link_states import Answered, Changed, Delivered, Outcome, State
from firmware_bridge.cart.messages import Button, Buzz, Event, Input, Lamp, LampPattern, Led, Signal, Status
from tests.firmware_bridge.cart.boards import PATIENCE_S, Board
from tests.firmware_bridge.cart.box_lines import line_to

WAITING = 4  # presses ahead of the box: the cart's queue has 16, and none may be lost there
BELL_S = 6.5  # between two: no limit of the firmware applies, so each must ring
NO_LAMP = 9
PANEL_S = 0.5  # for the panel to say the last bell


@dataclass
class Ledger:
    """Attributes:
    presses: that the cart was given.
    arrived: number, button and level of each that the box acted on, in that order.
    commands: that the box posted, each with the status that must answer it.
    answered: number and status of each answer, in that order.
    bells: of the commands.
    rung: at the cart's panel.
    falls: of the link.
    frames: that passed the bad wire, both ways.
    hurt: of them.
    """

    presses: int = 0
    arrived: list[tuple[int, int, bool]] = field(default_factory=list)
    commands: list[Status] = field(default_factory=list)
    answered: list[tuple[int, int]] = field(default_factory=list)
    bells: int = 0
    rung: int = 0
    falls: int = 0
    frames: int = 0
    hurt: int = 0

    @property
    def events(self) -> int:
        """Both ways."""
        return self.presses + len(self.commands)

    @property
    def lost(self) -> int:
        """Events that nothing came of."""
        numbers = {number for number, _, _ in self.arrived}, {number for number, _ in self.answered}
        missing = set(range(1, self.presses + 1)) - numbers[0], set(range(1, len(self.commands) + 1)) - numbers[1]
        return len(missing[0]) + len(missing[1]) + max(0, self.bells - self.rung)

    @property
    def doubled(self) -> int:
        """Events that were acted on more than once."""
        numbers = [number for number, _, _ in self.arrived], [number for number, _ in self.answered]
        return sum(len(each) - len(set(each)) for each in numbers) + max(0, self.rung - self.bells)

    @property
    def wrong(self) -> int:
        """Events that nobody caused, that changed on the way or that came out of their order."""
        presses = [(number, Button.FOOT, number % 2 == 1) for number in range(1, self.presses + 1)]
        answers = [(number, status) for number, status in enumerate(self.commands, 1)]
        return _foreign(self.arrived, presses) + _foreign(self.answered, answers)


def _foreign(got: Sequence[tuple[int, ...]], expected: Sequence[tuple[int, ...]]) -> int:
    known = set(expected)
    return sum(event not in known for event in got) + sum(one[0] > other[0] for one, other in itertools.pairwise(got))


def kept_ledger(board: Board, events: int, share: float, seed: int, limit_s: float = float("inf")) -> Ledger:
    """Send events both ways and wait for all that comes of them.

    Args:
        board: a running firmware.
        events: half of them presses.
        share: of the frames that are hurt, each way.
        seed: of the damage.
        limit_s: after which no further event is sent, seconds.
    """
    ledger = Ledger()
    with line_to(board, share, seed) as (line, port):
        begin_s = progress_s = time.monotonic()
        is_sending = True
        while is_sending or _is_open(ledger, line):
            now_s = time.monotonic()
            is_sending = ledger.events < events and now_s - begin_s < limit_s
            if is_sending:
                _cause(ledger, board, line, events // 2, now_s - begin_s)
            for outcome in line.turn(0.01):
                if _write_down(ledger, line, outcome):
                    progress_s = now_s
            if now_s - progress_s > PATIENCE_S:
                break  # what has not come by now is lost
            _look(ledger, board)
        time.sleep(PANEL_S)
        _look(ledger, board)
        ledger.frames = sum(wire.passed for wire in port.wires)
        ledger.hurt = sum(wire.hurt for wire in port.wires)
    return ledger


def _is_open(ledger: Ledger, line: Line) -> bool:
    return len(ledger.arrived) < ledger.presses or line.link.unanswered > 0


def _cause(ledger: Ledger, board: Board, line: Line, half: int, after_s: float) -> None:
    if ledger.presses < half and ledger.presses - len(ledger.arrived) < WAITING:
        board.press("e")
        ledger.presses += 1
    if len(ledger.commands) < half and line.link.unanswered == 0:
        event, status = _command(ledger, after_s)
        assert line.link.post(event, clock())
        ledger.commands.append(status)


def _command(ledger: Ledger, after_s: float) -> tuple[Event, Status]:
    if after_s >= ledger.bells * BELL_S:
        ledger.bells += 1
        return Buzz(0, Signal.CAPTURED), Status.OK
    is_lamp, pattern = len(ledger.commands) % 4 != 3, LampPattern(len(ledger.commands) % 3)
    return Led(0, Lamp.ATTENTION if is_lamp else NO_LAMP, pattern), Status.OK if is_lamp else Status.UNKNOWN


def _write_down(ledger: Ledger, line: Line, outcome: Outcome) -> bool:
    """Whether it was about an event."""
    if isinstance(outcome, Delivered) and isinstance(outcome.body, Input):
        event = outcome.body
        ledger.arrived.append((event.event_id, event.button, event.pressed))
        line.link.answer(event.event_id, Status.OK)
    elif isinstance(outcome, Answered):
        ledger.answered.append((outcome.event.event_id, outcome.status))
    else:
        ledger.falls += isinstance(outcome, Changed) and outcome.state is not State.UP
        return False
    return True


def _look(ledger: Ledger, board: Board) -> None:
    words = board.shown()
    ledger.rung = int(words["rung"], 16) if "rung" in words else ledger.rung
