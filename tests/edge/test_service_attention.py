"""Attention maps through the child: made between two frames, refused where there is none, and a death on one."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edge.attention import HEAD_PART
from edge.backends.null import NullBackend
from edge.errors import EdgeError, MachineError, TrustError, UsageError
from edge.exam_watch import AI_OFF_S
from edge.keyring import Keyring
from edge.record import RecordError
from edge.service.answer import Answer
from edge.service.attention_map import json_from_map, map_from_json
from edge.service.attention_request import MapRequests
from edge.service.child import Child, ChildState
from edge.service.child_settings import ChildSettings
from edge.service.frame import Frame
from edge.session import open_session
from tests.edge.conftest import MANIFEST, Maker, gate_parts, npy

Tissue = Callable[[int], NDArray[np.uint8]]
HEAD = np.concatenate([np.eye(3), np.zeros((3, 1))], axis=1).astype(np.float32)  # of the null backend: its features


def with_head(bundles: Maker) -> Path:
    return bundles.pack("head.edge", MANIFEST, {HEAD_PART: npy(HEAD)} | gate_parts(MANIFEST, NullBackend(3)))


@pytest.fixture
def child(bundles: Maker, keyring: Keyring) -> Iterator[Child]:
    child = Child(ChildSettings(with_head(bundles), keyring.home, backend="null"), time.monotonic)
    child.start()
    yield child
    child.close()


def frame_of(pixels: NDArray[np.uint8], captured_s: float | None = None) -> Frame:
    return Frame(pixels, 7, time.monotonic() if captured_s is None else captured_s, "camera")


def answered(child: Child, frame: Frame) -> Answer:
    outcome = child.classify(frame)
    assert outcome.prediction is not None
    return Answer(frame, outcome.prediction, "", time.monotonic())


def carried_out(requests: MapRequests, child: Child, answer: Answer | None, now_s: float | None = None) -> Any:
    """What a caller of `png` gets while this thread plays the pump: the PNG or the error."""
    got: list[Any] = []

    def ask() -> None:
        try:
            got.append(requests.png())
        except EdgeError as error:
            got.append(error)

    caller = threading.Thread(target=ask)
    caller.start()
    while caller.is_alive():
        requests.carry_out(child.explain, answer, time.monotonic() if now_s is None else now_s)
        caller.join(0.005)
    return got[0]


def test_the_child_s_map_is_the_session_s(child: Child, bundles: Maker, keyring: Keyring, tissue: Tissue) -> None:
    outcome = child.explain(frame_of(tissue(1)), "femur")
    assert outcome.values is not None
    with open_session(with_head(bundles), keyring=keyring, backend="null") as session:
        expected = session.small_map(tissue(1), "femur")
    assert outcome.values.shape == expected.shape
    np.testing.assert_allclose(outcome.values, expected, atol=1 / 255)


def test_a_request_gives_the_frame_with_its_map_and_caption(child: Child, tissue: Tissue) -> None:
    answer = answered(child, frame_of(tissue(1)))
    png = carried_out(MapRequests(MANIFEST), child, answer)
    with Image.open(io.BytesIO(png)) as image:
        assert image.width >= 96
        assert image.height > 96
        assert MANIFEST.notice.zh in image.info["Disclaimer"]
        told = image.info["Description"].splitlines()
        name = next(label for label in MANIFEST.labels if label.id == answer.prediction.plane)
        assert told[0].startswith(f"Most probable: {name.en}") and MANIFEST.notice.zh in told
        assert any(line.startswith(f"最可能切面：{name.zh}") for line in told)
        picture = np.asarray(image)[:96]
    assert (picture[..., 0] != picture[..., 2]).any()  # colours: something spoke for the plane
    assert child.state is ChildState.READY


def test_a_bundle_without_a_head_says_so_and_the_child_lives(bundles: Maker, keyring: Keyring, tissue: Tissue) -> None:
    child = Child(ChildSettings(bundles.null(), keyring.home, backend="null"), time.monotonic)
    child.start()
    got = carried_out(MapRequests(MANIFEST), child, answered(child, frame_of(tissue(0))))
    assert isinstance(got, UsageError)
    assert "no linear head" in got.cause
    assert got.word == "no_map"  # it came through the child: the page has its text
    assert child.classify(frame_of(tissue(0))).prediction is not None
    assert not child.restarts
    child.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_death_on_a_map_is_an_error_for_who_asked_and_the_child_comes_back(
    child: Child, tissue: Tissue, number: signal.Signals
) -> None:
    answer = answered(child, frame_of(tissue(1)))
    requests = MapRequests(MANIFEST, patience_s=10)
    os.kill(child.pid or 0, number)
    got = carried_out(requests, child, answer)
    assert isinstance(got, MachineError)
    assert sum(child.restarts.values()) == 1
    while child.state is not ChildState.READY:
        child.tend(0.05)
    assert isinstance(carried_out(requests, child, replace(answer, frame=frame_of(tissue(1)))), bytes)


def test_without_a_pump_the_caller_gets_an_error_in_time() -> None:
    started = time.monotonic()
    with pytest.raises(MachineError, match="no map now"):
        MapRequests(MANIFEST, patience_s=0.05).png()
    assert time.monotonic() - started < 10  # by far: a loaded machine


def test_a_request_that_was_given_up_is_not_made_later() -> None:
    requests = MapRequests(MANIFEST, patience_s=0.01)
    with pytest.raises(MachineError):
        requests.png()
    requests.carry_out(lambda frame, plane: pytest.fail("made for nobody"), None, 0.0)


@pytest.mark.parametrize(("is_still", "age_s", "is_fresh"), [(False, AI_OFF_S + 1, False), (True, 999.0, True)])
def test_a_live_frame_that_grew_old_is_not_explained_and_a_still_is(
    child: Child, tissue: Tissue, is_still: bool, age_s: float, is_fresh: bool
) -> None:
    answer = answered(child, replace(frame_of(tissue(1)), is_still=is_still))
    got = carried_out(MapRequests(MANIFEST), child, answer, answer.frame.captured_s + age_s)
    assert isinstance(got, bytes) is is_fresh


def test_before_the_first_answer_there_is_nothing_to_explain(child: Child) -> None:
    assert isinstance(carried_out(MapRequests(MANIFEST), child, None), UsageError)


def test_a_bundle_that_was_exchanged_is_not_gone_on_with(bundles: Maker, keyring: Keyring) -> None:
    child = Child(ChildSettings(bundles.null(), keyring.home, "0" * 64, backend="null"), time.monotonic)
    with pytest.raises(TrustError, match="exchanged"):
        child.start()
    child.close()


def test_a_map_survives_the_way_in_levels() -> None:
    values = np.random.default_rng(0).random((7, 5)).astype(np.float32)
    np.testing.assert_allclose(map_from_json(json_from_map(values)), values, atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize(
    "change",
    [{"sides": [1]}, {"sides": [7, True]}, {"sides": [7, 999]}, {"sides": [0, 5]}, {"sides": [5, 5]},
     {"levels": 3}, {"levels": "?"}, {"levels": ""}, {"levels": "é"}],
)  # fmt: skip
def test_nonsense_is_no_map(change: dict[str, Any]) -> None:
    with pytest.raises(RecordError):
        map_from_json({**json_from_map(np.zeros((7, 5), np.float32)), **change})
