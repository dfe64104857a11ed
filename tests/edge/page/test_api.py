"""What the addresses answer, and how failures are told."""

from __future__ import annotations

import io
import json
import os
import time
from typing import Any

import pytest
from PIL import Image

from edge.errors import DeviceError, EdgeError, InputError, MachineError, UsageError
from edge.page.api import MAX_ORDER_BYTES
from edge.page.stream import event_from_view
from edge.record import json_from_record
from edge.service.orders import ORDERS
from edge.service.view import SCHEMA
from tests.edge.page.asking import Reply, ask
from tests.edge.page.conftest import Apps
from tests.edge.page.scripted_bedside import ScriptedBedside
from tests.edge.page.scripted_states import STATES, bedside_in

ABOUT: dict[str, dict[str, Any]] = {  # the fields of each order beside `by` and `exam`
    "open": {"patient": "P-7", "study": "王", "fetuses": 2},
    "pause": {}, "continue": {}, "end": {}, "freeze": {}, "acknowledge": {}, "operator": {"by": "op9"},
    "fetus": {"fetus": 2},
    "confirm": {"plane": "abdomen", "fetus": 1},
    "not_obtainable": {"plane": "abdomen", "fetus": 1, "reason": "position"},
    "take_back": {"plane": "thorax", "fetus": 1},
    "reassign": {"plane": "thorax", "fetus": 1},
    "unassign": {},
}  # fmt: skip


def fields_of(box: ScriptedBedside, name: str) -> dict[str, Any]:
    exam = box.view().exam
    assert exam is not None
    fields = {"by": "op7", **ABOUT[name], **({} if name == "open" else {"exam": exam.checklist.exam})}
    if name in ("reassign", "unassign"):
        fields["frame"] = next(row.frame for row in exam.checklist.rows if row.frame)
    return fields


def order(apps: Apps, name: str, **changes: Any) -> Reply:
    return ask(apps.tcp, "POST", f"/api/orders/{name}", {**fields_of(apps.box, name), **changes})


def test_the_service_says_that_it_lives(apps: Apps) -> None:
    assert ask(apps.tcp, "GET", "/healthz").json == {"ok": True}


@pytest.mark.parametrize("state", STATES)
def test_the_view_holds_everything_in_every_state(apps: Apps, state: str) -> None:
    box = bedside_in(state)
    apps.box.view = box.view  # type: ignore[method-assign]  # the apps' box in another state
    reply = ask(apps.tcp, "GET", "/api/view")
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["schema"] == SCHEMA
    assert set(reply.json) == set(json_from_record(box.view()))


def test_a_file_name_that_is_no_utf8_does_not_silence_the_page(apps: Apps) -> None:
    """Bug: a damaged file with a name written under GBK made every view fail, and the page said "lost"."""
    cause = f"{os.fsdecode('检查.png'.encode('gbk'))} is damaged."
    apps.box.show(engine__cause=cause)
    assert ask(apps.tcp, "GET", "/api/view").json["engine"]["cause"] == cause
    assert order(apps, "pause").json["view"]["engine"]["cause"] == cause
    (line,) = [line for line in event_from_view(apps.box.view()).splitlines() if line.startswith(b"data: ")]
    assert json.loads(line[6:])["engine"]["cause"] == cause


def test_the_scripted_exam_has_captures_of_every_kind(box: ScriptedBedside) -> None:
    exam = box.view().exam
    assert exam is not None
    states = {row.state.value for row in exam.checklist.rows}
    assert states == {"captured", "captured_low", "not_obtainable", "missing"}


def test_the_live_picture_comes_with_its_number(apps: Apps) -> None:
    reply = ask(apps.tcp, "GET", "/api/live.jpg?after=-1")
    assert reply.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(reply.body)).size == (640, 480)
    number = reply.headers["x-frame"]
    assert ask(apps.tcp, "GET", f"/api/live.jpg?after={number}").status == 204
    assert ask(apps.tcp, "GET", f"/api/live.jpg?after={int(number) - 1}").status == 200
    assert ask(apps.tcp, "GET", "/api/live.jpg").status == 200


@pytest.mark.parametrize("after", ["x", "-2", "1.5", "", "1" * 19])
def test_a_number_that_is_none_is_refused(apps: Apps, after: str) -> None:
    assert ask(apps.tcp, "GET", f"/api/live.jpg?after={after}").status == 400


def test_the_map_is_a_png(apps: Apps) -> None:
    assert ask(apps.tcp, "GET", "/api/attention.png").body[:4] == b"\x89PNG"


def test_a_map_needs_a_frame_and_an_engine(apps: Apps) -> None:
    apps.box.show(engine_away=True)
    assert ask(apps.tcp, "GET", "/api/attention.png").status == 503
    apps.box.show(engine_away=False, source__frame=None)
    assert ask(apps.tcp, "GET", "/api/attention.png").status == 409


def test_a_stored_picture_is_found_by_exam_and_frame(apps: Apps) -> None:
    exam = apps.box.view().exam
    assert exam is not None
    frame = next(row.frame for row in exam.checklist.rows if row.frame)
    assert ask(apps.tcp, "GET", f"/api/exams/{exam.checklist.exam}/frames/{frame}.jpg").body[:2] == b"\xff\xd8"


@pytest.mark.parametrize("path", ["x/frames/y", "../frames/y", "x/frames/..", "x/frames/a b", "x/frames/" + "y" * 200])
def test_a_picture_that_is_not_there_is_404(apps: Apps, path: str) -> None:
    assert ask(apps.tcp, "GET", f"/api/exams/{path}.jpg").status == 404


def test_metrics_are_prometheus_text(apps: Apps) -> None:
    reply = ask(apps.tcp, "GET", "/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert reply.body.startswith(b"vmamba_edge_frames_total ")


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/api/view", "/api/events", "/api/live.jpg", "/metrics", "/static/page.js"]
)
def test_a_head_is_answered_and_ends(apps: Apps, path: str) -> None:
    assert ask(apps.tcp, "HEAD", path).status == 200


@pytest.mark.parametrize("name", ORDERS)
def test_an_order_is_carried_out_and_answered_with_the_view_after_it(apps: Apps, name: str) -> None:
    before = apps.box.view().number
    reply = order(apps, name)
    assert reply.status == 200
    assert reply.json["view"]["number"] > before
    assert [type(done) for done in apps.box.orders] == [ORDERS[name]]


def test_a_confirmed_plane_is_so_in_the_answer(apps: Apps) -> None:
    rows = order(apps, "confirm").json["view"]["exam"]["checklist"]["rows"]
    assert [row["state"] for row in rows if row["plane"] == "abdomen"] == ["confirmed"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UsageError("a", "b"), 409, 2),
        (MachineError("a", "b"), 507, 1),
        (InputError("a", "b"), 400, 3),
        (DeviceError("a", "b"), 503, 4),
        (UsageError("a", "b", "no_exam"), 409, 2),
    ],
)
def test_a_failure_is_told_by_cause_cure_code_and_word(apps: Apps, error: EdgeError, status: int, code: int) -> None:
    apps.box.show(refusal=error)
    reply = order(apps, "pause")
    assert (reply.status, reply.json) == (status, {"error": "a", "cure": "b", "exit_code": code, "word": error.word})


@pytest.mark.parametrize("changes", [{"exam": "no-such"}, {"plane": "no-such"}, {"fetus": 9}])
def test_what_is_not_there_is_409(apps: Apps, changes: dict[str, Any]) -> None:
    assert order(apps, "confirm", **changes).status == 409


def test_a_press_that_comes_again_is_not_carried_out_again(apps: Apps) -> None:
    """After a bridge died between the order and its answer, the same press means the opposite: it was paused."""
    for name, phase in (("pause", "paused"), ("continue", "paused")):
        reply = ask(apps.tcp, "POST", f"/api/orders/{name}", fields_of(apps.box, name), x_press="cart-1-7")
        assert (reply.status, reply.json["view"]["exam"]["checklist"]["phase"]) == (200, phase)
    reply = ask(apps.tcp, "POST", "/api/orders/continue", fields_of(apps.box, "continue"), x_press="cart-1-8")
    assert reply.json["view"]["exam"]["checklist"]["phase"] == "running"


def test_a_press_that_failed_may_come_again(apps: Apps) -> None:
    fields = fields_of(apps.box, "pause")
    for wrong in ({"exam": "another"}, {"exam": "another"}):
        assert ask(apps.tcp, "POST", "/api/orders/pause", {**fields, **wrong}, x_press="cart-1-7").status == 409
    assert ask(apps.tcp, "POST", "/api/orders/pause", fields, x_press="cart-1-7").status == 200


def test_an_order_that_came_too_late_is_not_carried_out(apps: Apps) -> None:
    fields, now_s = fields_of(apps.box, "pause"), time.monotonic()
    for until, status in ((f"{now_s - 1:.3f}", 409), ("soon", 400), ("-1", 400), (f"{now_s + 60:.3f}", 200)):
        assert ask(apps.tcp, "POST", "/api/orders/pause", fields, x_until=until).status == status
    assert len(apps.box.orders) == 1


def test_a_press_needs_a_plain_name(apps: Apps) -> None:
    assert ask(apps.tcp, "POST", "/api/orders/pause", fields_of(apps.box, "pause"), x_press="a b").status == 400


@pytest.mark.parametrize(
    "changes",
    [{"extra": 1}, {"fetus": 0}, {"fetus": "1"}, {"fetus": True}, {"plane": None}, {"by": "a b"}, {"plane": "\0"}],
)
def test_an_order_is_read_strictly(apps: Apps, changes: dict[str, Any]) -> None:
    assert order(apps, "confirm", **changes).status == 400
    assert apps.box.orders == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"by":""}', b'{"by":"","by":""}', b"\xff", b"[" * 4000])
def test_what_is_no_order_is_400(apps: Apps, body: bytes) -> None:
    assert ask(apps.tcp, "POST", "/api/orders/pause", body).status == 400


def test_an_unknown_order_is_400(apps: Apps) -> None:
    assert ask(apps.tcp, "POST", "/api/orders/delete_everything", {}).status == 400


def test_half_a_surrogate_pair_comes_back_as_an_error_and_not_as_a_crash(apps: Apps) -> None:
    assert ask(apps.tcp, "POST", "/api/orders/pause", b'{"\\ud800":1,"by":"","exam":"x"}').status == 400
    assert apps.faults == []


def test_a_body_that_says_it_is_too_long_is_not_read(apps: Apps) -> None:
    reply = ask(apps.tcp, "POST", "/api/orders/pause", b"", content_length=str(MAX_ORDER_BYTES + 1))
    assert (reply.status, reply.headers["connection"]) == (413, "close")


def test_a_body_that_is_too_long_is_read_no_further(apps: Apps) -> None:
    read = []

    def chunks() -> Any:
        for _ in range(8):
            read.append(1)
            yield b" " * 1024

    assert ask(apps.tcp, "POST", "/api/orders/pause", chunks()).status == 413
    assert ask(apps.tcp, "POST", "/api/orders/pause", b" " * MAX_ORDER_BYTES).status == 400
