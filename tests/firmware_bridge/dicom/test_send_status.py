"""The table of C-STORE statuses, and what the courier makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge.dicom.outbox import Outbox
from firmware_bridge.dicom.outbox_run import LONGEST_WAIT_S, MAX_ATTEMPTS, Courier, Patience
from firmware_bridge.dicom.outbox_schema import Counts
from firmware_bridge.dicom.send import Destination, Line, UnreachableError
from firmware_bridge.dicom.send_status import Verdict, verdict_from_status
from tests.firmware_bridge.dicom.archives import to_port
from tests.firmware_bridge.dicom.finished import made_up, outbox_at


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x0000, Verdict.TAKEN), (0x0001, Verdict.TAKEN), (0x0107, Verdict.TAKEN), (0x0111, Verdict.TAKEN),
        (0xB000, Verdict.TAKEN), (0xB006, Verdict.TAKEN), (0xB007, Verdict.TAKEN), (0xA700, Verdict.BUSY),
        (0xA7FF, Verdict.BUSY), (0xA900, Verdict.REFUSED), (0x0122, Verdict.REFUSED), (0xC000, Verdict.FAILED),
        (0xCFFF, Verdict.FAILED), (0x0110, Verdict.FAILED), (0x0124, Verdict.FAILED), (0xFE00, Verdict.FAILED),
        (None, Verdict.LOST),
    ],
)  # fmt: skip
def test_a_status_has_one_verdict(status: int | None, verdict: Verdict) -> None:
    assert verdict_from_status(status) is verdict


class Script(Line):
    """A receiver that answers by a script; the last answer goes on."""

    def __init__(self, answers: list[int | None]) -> None:
        self.answers = answers
        self.asked = 0

    @property
    def is_up(self) -> bool:
        return True

    def store(self, body: bytes) -> tuple[Verdict, int | None]:
        self.asked += 1
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return verdict_from_status(status), status


class Clock:
    """Time that passes when a test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with outbox_at(tmp_path / "outbox.db") as made:
        yield made


def courier(outbox: Outbox, clock: Clock, line: Script | None) -> Courier:
    @contextmanager
    def opener(destination: Destination) -> Iterator[Line]:
        if line is None:
            raise UnreachableError("Nobody there.", "Wait.")
        yield line

    return Courier(outbox, to_port(104, "a"), clock, opener)


def test_a_failing_object_is_tried_long_and_slowly_and_then_given_up(outbox: Outbox) -> None:
    outbox.put([made_up(1)], ["a"])
    clock, line = Clock(), Script([0xC000])
    one = courier(outbox, clock, line)
    while outbox.counts("a").waiting:
        one.deliver()
        clock.now_s += 1.0
    assert line.asked == MAX_ATTEMPTS
    assert clock.now_s > 3 * 3600
    assert outbox.dead("a")[0].status == 0xC000


def test_a_refused_object_is_given_up_at_once_and_the_next_one_goes(outbox: Outbox) -> None:
    outbox.put([made_up(1), made_up(2)], ["a"])
    courier(outbox, Clock(), Script([0xA900, 0x0000])).deliver()
    assert outbox.counts("a") == Counts(0, 1, 1)


def test_an_altered_file_is_given_up_and_the_next_one_goes(outbox: Outbox) -> None:
    outbox.put([made_up(1), made_up(2)], ["a"])
    outbox._rows("UPDATE bodies SET body = substr(body, 2) WHERE object = 1")
    courier(outbox, Clock(), Script([0x0000])).deliver()
    assert outbox.counts("a") == Counts(0, 1, 1)


def test_a_busy_receiver_is_left_alone_and_nothing_is_given_up(outbox: Outbox) -> None:
    outbox.put([made_up(1), made_up(2)], ["a"])
    clock, line = Clock(), Script([0xA700])
    one = courier(outbox, clock, line)
    for _ in range(100):
        one.deliver()
        clock.now_s += LONGEST_WAIT_S
    assert line.asked == 100
    assert outbox.counts("a") == Counts(2, 0, 0)


def test_no_answer_is_no_delivery_however_often(outbox: Outbox) -> None:
    outbox.put([made_up(1)], ["a"])
    clock = Clock()
    one = courier(outbox, clock, Script([*[None] * 50, 0xC000, 0x0000]))
    for _ in range(60):
        one.deliver()
        clock.now_s += LONGEST_WAIT_S
    assert outbox.counts("a") == Counts(0, 1, 0)


def test_an_object_that_breaks_the_receiver_lets_the_others_go_first(outbox: Outbox) -> None:
    outbox.put([made_up(1), made_up(2), made_up(3)], ["a"])
    clock = Clock()
    one = courier(outbox, clock, Script([None, 0x0000]))
    one.deliver()
    assert one.deliver() is None
    clock.now_s = 3.0
    one.deliver()
    assert outbox.counts("a") == Counts(0, 3, 0)


def test_a_dead_receiver_is_asked_less_and_less_often(outbox: Outbox) -> None:
    outbox.put([made_up(1)], ["a"])
    clock, tries = Clock(), 0
    one = courier(outbox, clock, None)
    for second in range(8 * 3600):
        clock.now_s = float(second)
        told = one.deliver()
        tries += told is not None
    assert tries < 60
    assert one.patience.until_s - clock.now_s <= LONGEST_WAIT_S
    assert outbox.waiting("a", 1)[0].attempts == 0


def test_patience_doubles_up_to_its_end() -> None:
    patience, waits = Patience(), []
    for _ in range(12):
        patience.fail(100.0)
        waits.append(patience.until_s - 100.0)
    assert waits[:4] == [2.0, 4.0, 8.0, 16.0]
    assert waits[-1] == LONGEST_WAIT_S
