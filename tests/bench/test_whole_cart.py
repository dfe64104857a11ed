"""What the whole cart's sums are made of, and that each of them can fail; the run itself is `evidence.py`'s."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.proto import cart_pb2 as cart
from tests.bench.whole_cart import check
from tests.bench.whole_cart_line import Ledger
from tests.bench.whole_cart_scanner import KEY, WHO, Scanner
from tests.bench.whole_cart_watch import log_figures
from tests.firmware_bridge.cart.reference_frame import frame_ref

WELL: dict[str, Any] = {
    "calm": {
        "video": {"unaccounted": 0},
        "service": {"unaccounted": 0, "answers": 100},
        "keys": {"lost": 0, "not_ok": 0, "orders": 6, "freeze": 6},
        "stills": {"broken_pushes": 0},
        "restarts": 0,
    },
    "faults": {"keys": {"lost": 0}},
    "end": {
        "exams": 1, "other_keys": 0, "other_exams_shown": 0, "captures_shown": 9, "captures_shown_lost": 0,
        "stills_kept_lost": 0, "pictures": {"freeze": 9}, "keys": {"freeze": 9},
        "stills": {"not_settled": 0, "settled_twice": 0, "settled": {"kept": 5}},
        "logs": {"traces": 0, "patients": 0},
        "page": {"faults": [], "foreign_requests": [], "views": 20},
    },
}  # fmt: skip
WRONG: dict[str, object] = {
    "calm.video.unaccounted": 1,
    "calm.service.unaccounted": 1,
    "calm.service.answers": 0,
    "calm.keys.lost": 1,
    "calm.keys.not_ok": 1,
    "calm.keys.orders": 7,
    "calm.keys.freeze": 0,
    "calm.stills.broken_pushes": 1,
    "calm.restarts": 1,
    "faults.keys.lost": 1,
    "end.exams": 2,
    "end.other_keys": 1,
    "end.other_exams_shown": 1,
    "end.captures_shown": 0,
    "end.captures_shown_lost": 1,
    "end.stills_kept_lost": 1,
    "end.pictures.freeze": 10,
    "end.stills.not_settled": 1,
    "end.stills.settled_twice": 1,
    "end.stills.settled": {"judged": 5},
    "end.logs.traces": 1,
    "end.logs.patients": 1,
    "end.page.faults": ["x"],
    "end.page.foreign_requests": ["http://example.org"],
    "end.page.views": 0,
}


def test_figures_that_come_out_raise_nothing() -> None:
    check(WELL)


@pytest.mark.parametrize("path", WRONG)
def test_each_sum_that_does_not_come_out_raises(path: str) -> None:
    figures = deepcopy(WELL)
    *folders, name = path.split(".")
    place = figures
    for folder in folders:
        place = place[folder]
    place[name] = WRONG[path]
    with pytest.raises(AssertionError):
        check(figures)


def _told(sequence: int, event: int, pressed: bool = True) -> bytes:
    fields = cart.Input(event_id=event, button=cart.BUTTON_FREEZE, pressed=pressed)
    return frame_ref(cart.Message(sequence=sequence, input=fields).SerializeToString())


def _hello(boot: int) -> bytes:
    return frame_ref(cart.Message(sequence=1, hello=cart.Hello(boot_id=boot)).SerializeToString())


def _ack(sequence: int, status: int = cart.STATUS_OK) -> bytes:
    fields = cart.Ack(sequence=sequence, status=status)  # type: ignore[arg-type]
    return frame_ref(cart.Message(sequence=9, ack=fields).SerializeToString())


def test_the_ledger_knows_a_repetition_and_keeps_the_first_answer() -> None:
    ledger = Ledger()
    ledger.take(_hello(7) + _told(2, 1) + _told(2, 1), is_of_cart=True)
    ledger.take(_ack(2, cart.STATUS_FAILED) + _ack(2), is_of_cart=False)
    assert ledger.inputs == {(7, 1): (cart.BUTTON_FREEZE, True)}
    assert ledger.answers == {(7, 1): cart.STATUS_FAILED}
    assert ledger.repeated == 1


def test_the_same_number_of_another_boot_is_another_event() -> None:
    ledger = Ledger()
    ledger.take(_hello(7) + _told(2, 1) + _hello(8) + _told(2, 1), is_of_cart=True)
    ledger.take(_ack(2), is_of_cart=False)
    assert set(ledger.inputs) == {(7, 1), (8, 1)}
    assert set(ledger.answers) == {(8, 1)}


def test_an_answer_that_was_cut_off_with_the_line_is_none() -> None:
    ledger = Ledger()
    ledger.take(_hello(7) + _told(2, 1), is_of_cart=True)
    ledger.take(_ack(2)[:4], is_of_cart=False)
    ledger.cut()
    ledger.take(_ack(3), is_of_cart=False)
    assert ledger.answers == {}


def test_patients_are_found_in_logs_and_in_what_was_printed(tmp_path: Path) -> None:
    (tmp_path / "serve.log").write_text("Traceback\n")
    assert log_figures(tmp_path, [{"event": "ready"}]) == {"lines": 1, "traces": 1, "patients": 0}
    (tmp_path / "dicom.log").write_text(f"{WHO.name}\n{KEY.study}\n")
    assert log_figures(tmp_path, [{"patient": KEY.patient}])["patients"] == 3


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("", {"not_settled": 2, "settled_twice": 0, "settled": {}}),
        ("a x kept\n", {"not_settled": 1, "settled_twice": 0, "settled": {"kept": 1}}),
        (
            "a x kept\nb x judged\na x kept\n",
            {"not_settled": 0, "settled_twice": 1, "settled": {"kept": 1, "judged": 1}},
        ),
    ],
)
def test_stills_are_counted_by_what_became_of_them(log: str, expected: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "settled.log").write_text(log)
    scanner = Scanner(tmp_path, 0, tmp_path)
    scanner.acknowledged = ["a", "b"]
    assert expected.items() <= scanner.figures().items()
