"""The reference firmware as a process and as a Cortex-M3 binary in QEMU, keys to lamps, against a small box."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.proto import cart_pb2 as cart
from tests.firmware_bridge.cart.boards import Board, Box, memory, process_board, qemu_board
from tests.firmware_bridge.cart.box_messages import hello
from tests.firmware_bridge.cart.c_programs import FIRMWARE, built, panel_words, tool
from tests.firmware_bridge.cart.reference_frame import frame_ref

STACK_BYTES = 2176  # mps2/link.ld
BOARDS = [pytest.param("cart_process", marks=pytest.mark.peer), pytest.param("cart_elf", marks=pytest.mark.qemu)]


@pytest.fixture(params=BOARDS)
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Board]:
    opened = process_board if request.param == "cart_process" else qemu_board
    with opened(tmp_path, request.getfixturevalue(request.param)) as running:
        yield running


@pytest.fixture
def box(board: Board) -> Box:
    """A box whose link is up."""
    made = Box(board.line)
    made.serve_until("is_up")
    board.panel(link="up", ai="off")
    return made


def result(age_ms: int) -> cart.Message:
    answer = cart.PlaneResult(
        answer=cart.ANSWER_PLANE, row=1, confidence=cart.CONFIDENCE_HIGH, age_ms=age_ms, plane="TTV"
    )
    return cart.Message(plane_result=answer)


def health(age_ms: int) -> cart.Message:
    return cart.Message(health=cart.Health(ai_on=True, has_result=True, result_age_ms=age_ms))


def test_keys_are_told_once_each_in_order(board: Board, box: Box) -> None:
    for letters in ("F", "f", "S", "s"):
        board.press(letters)
        box.serve_inputs(len(box.inputs) + 1)
    told = [(event.event_id, event.button, event.pressed) for event in box.inputs]
    assert told == [(1, 1, True), (2, 1, False), (3, 2, True), (4, 2, False)]


def test_bouncing_contact_is_one_press(board: Board, box: Box) -> None:
    board.press("FfFfF")
    box.serve_inputs(1)
    box.serve(0.2)
    assert [event.pressed for event in box.inputs] == [True]


def test_lamps_and_bell_do_what_the_box_says(board: Board, box: Box) -> None:
    box.send(health(50))
    box.send(result(50))
    box.send(cart.Message(checklist=cart.Checklist(is_open=True, total=5, captured=3, low_quality=2)))
    box.send(cart.Message(led=cart.Led(event_id=1, lamp=cart.LAMP_ATTENTION, pattern=cart.LAMP_PATTERN_ON)))
    shown = board.panel(ai="on", rows="5", attention="on", lit="1")
    assert (shown["captured"], shown["weak"], shown["answer"], shown["plane"]) == (
        "00000003",
        "00000002",
        "plane",
        "TTV",
    )
    box.send(cart.Message(buzz=cart.Buzz(event_id=2, signal=cart.SIGNAL_ATTENTION)))
    board.panel(bell="1", rung="00000001")
    board.panel(bell="0", rung="00000001")


def test_ai_goes_off_by_itself_when_the_box_falls_silent(board: Board, box: Box) -> None:
    box.send(health(0))
    box.send(result(0))
    board.panel(ai="on")
    begin = time.monotonic()
    board.panel(ai="off")
    assert time.monotonic() - begin < 4.0  # 2 s of the rule, and a busy machine


def test_events_survive_a_damaged_line(board: Board, box: Box) -> None:
    box.damage, wanted = 0.1, 150
    for number in range(wanted):
        board.press("e")
        box.serve_inputs(number + 1 - 8)  # at most 8 wait: the queue has 16
    box.serve_inputs(wanted)
    assert [event.event_id for event in box.inputs] == list(range(1, wanted + 1))
    assert [event.pressed for event in box.inputs] == [number % 2 == 0 for number in range(wanted)]


def test_question_of_the_clock_is_answered_in_milliseconds(board: Board, box: Box) -> None:
    taken = []
    for number in range(100):
        begin = time.perf_counter()
        box.send(cart.Message(time_sync=cart.TimeSync(sent_ms=number)))
        while len(box.answers) <= number:
            box.serve(1.0)
        taken.append(time.perf_counter() - begin)
    assert sorted(taken)[len(taken) // 2] < 0.005  # the median: a busy machine has its own tail


@pytest.mark.qemu
def test_another_start_has_another_boot_id(cart_elf: Path, tmp_path: Path) -> None:
    boots = set()
    for word in (1, 2):
        folder = tmp_path / str(word)
        folder.mkdir()
        with qemu_board(folder, cart_elf, word) as board:
            box = Box(board.line)
            box.serve_until("cart_boot")
            boots.add(box.cart_boot)
    assert len(boots) == 2


@pytest.mark.peer
def test_the_bell_sounds_though_the_clock_goes_on_within_a_turn(tmp_path: Path) -> None:
    sources = [
        Path(__file__).parent / "c" / "ticking_board.c",
        *(FIRMWARE / f"{n}.c" for n in ("cart", "keys", "panel")),
    ]
    signal = cart.Message(sequence=2, buzz=cart.Buzz(event_id=1, signal=cart.SIGNAL_ATTENTION))
    frames = b"".join(frame_ref(one.SerializeToString()) for one in (hello(heard_boot_id=7), signal))
    done = subprocess.run(
        [built(tmp_path / "ticking", *sources), frames.hex()], capture_output=True, text=True, check=True
    )
    lines = [panel_words(line) for line in done.stdout.splitlines()]
    assert ("1", "00000001") in [(words["bell"], words["rung"]) for words in lines]


@pytest.mark.qemu
def test_a_quarter_of_the_stack_stays_free(cart_elf: Path, tmp_path: Path) -> None:
    with qemu_board(tmp_path, cart_elf) as board:
        box = Box(board.line)
        box.serve_until("is_up")
        board.panel(link="up")
        board.press("ee")
        box.serve_inputs(2)
        box.send(health(0))
        box.send(result(0))
        box.send(cart.Message(buzz=cart.Buzz(event_id=1, signal=cart.SIGNAL_ATTENTION)))
        board.panel(ai="on", rung="00000001")
        listed = subprocess.run([tool("arm-none-eabi-nm"), cart_elf], capture_output=True, text=True, check=True)
        top = next(int(line.split()[0], 16) for line in listed.stdout.splitlines() if line.endswith(" cart_stack_top"))
        stack = memory(board, top - STACK_BYTES, STACK_BYTES, tmp_path / "stack")
    untouched = STACK_BYTES - len(stack.lstrip(b"\0"))  # QEMU's RAM begins with zeros
    print(f"{STACK_BYTES - untouched} of {STACK_BYTES} bytes of stack used")
    assert untouched >= STACK_BYTES // 4
